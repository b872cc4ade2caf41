"""What every page is made of: the shared style and logo, and headers that let in exactly what the page holds."""

from __future__ import annotations

import base64
import hashlib
from importlib.resources import files

from tollkeeper.web.languages import Language


def read_part(name: str) -> str:
    """Return a file that lies beside this one."""
    return files(__package__).joinpath(name).read_text("utf-8")


STYLE, LOGO = read_part("style.css"), read_part("logo.svg")


def page_headers(language: Language, *, script: str = "") -> dict[str, str]:
    """Return a page's headers. Nothing is loaded from anywhere; the inline style and script are let in by their digests.

    A page with a script may call our own routes. No page can be framed, nor send a form by itself: without its script a
    password would not be sent at all rather than sent into an address.
    """
    policy = ["default-src 'none'", f"style-src '{_digest(STYLE)}'"]
    if script:
        policy += [f"script-src '{_digest(script)}'", "connect-src 'self'", "require-trusted-types-for 'script'"]
    policy += ["base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'"]
    return {
        "content-security-policy": "; ".join(policy),
        "content-language": language,
        "x-content-type-options": "nosniff",
        "referrer-policy": "no-referrer",
        "vary": "accept-language",
        "cache-control": "no-store" if script else "no-cache",
    }


def _digest(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
