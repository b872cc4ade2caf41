"""Templates and what they may call. Everything they are given is escaped, and a name that is not there is a bug, not an empty text."""

from __future__ import annotations

from functools import cache, partial
from typing import Any

import msgspec
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from tollkeeper.web.assets import addresses
from tollkeeper.web.catalogues import catalogue_of
from tollkeeper.web.languages import Language
from tollkeeper.web.refusal_texts import shown
from tollkeeper.web.words import Words

_encode = msgspec.json.Encoder(decimal_format="number").encode


@cache
def environment(language: Language) -> Environment:
    """Return the templates in a language; each is compiled once per process and language."""
    made = Environment(
        loader=PackageLoader("tollkeeper.web"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
        extensions=["jinja2.ext.i18n"],
    )
    catalogue = catalogue_of(language)
    made.install_gettext_callables(catalogue.gettext, catalogue.ngettext, newstyle=True)  # type: ignore[attr-defined]
    made.globals["asset"] = asset
    made.filters["island"] = island
    made.filters["told"] = partial(shown, language)
    words = Words(catalogue)
    made.filters["say"], made.filters["act"], made.filters["role"] = words.say, words.act, words.role
    return made


def render(language: Language, template: str, context: dict[str, Any]) -> bytes:
    """Render a template. It takes a processor's time only: pages call it in a thread."""
    return environment(language).get_template(template).render(context).encode()


def asset(name: str) -> str:
    """Return the address of a static file."""
    return addresses()[name]


def island(value: Any) -> Markup:
    """Return a value as JSON that cannot end the element that it stands in, for a script to read."""
    text = _encode(value).decode().replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
    return Markup(text)  # noqa: S704  # nothing of it can be markup any more
