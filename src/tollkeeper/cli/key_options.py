"""What the commands about api keys take: the key, limits, lists, labels and times, and what is meant by them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated
from zoneinfo import ZoneInfo

import typer
from msgspec import UNSET

from tollkeeper.cli.operator import Operator
from tollkeeper.control import api_keys
from tollkeeper.control.administration import Action
from tollkeeper.domain.api_key import ApiKey
from tollkeeper.domain.errors import InvalidRequest, NotFound
from tollkeeper.domain.key_terms import RateChange
from tollkeeper.kit.clock import now_us
from tollkeeper.kit.nearest import did_you_mean
from tollkeeper.store import projects
from tollkeeper.store.api_keys import list_api_keys

_SPAN = re.compile(r"([0-9]{1,9})([smhdw]?)")
_SPAN_S = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_LOOKED_AT_MAX = 1000
"""How many keys are looked at for the nearest name."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

KeyArgument = Annotated[str, typer.Argument(help="The key: its id (key_…), its public part (sk-tk-…) or its name.")]
Permissions = Annotated[
    list[str] | None, typer.Option("--permission", help="What it may do; again for more. Else: call every model.")
]
Addresses = Annotated[
    list[str] | None, typer.Option("--allow-ip", help="An address or network it may be used from; again for more.")
]
Models = Annotated[
    list[str] | None, typer.Option("--allow-model", help="A model's name or pattern (gpt-4o*); again for more.")
]
Labels = Annotated[
    list[str] | None, typer.Option("--label", help="NAME=VALUE that every call of it carries; again for more.")
]
Rpm = Annotated[int | None, typer.Option("--rpm", help="Requests per minute.")]
Rpd = Annotated[int | None, typer.Option("--rpd", help="Requests per day.")]
Tpm = Annotated[int | None, typer.Option("--tpm", help="Tokens per minute.")]
Expires = Annotated[
    str | None,
    typer.Option(
        "--expires",
        help="When it ends: 90d, 12h, or 2027-01-31T09:00, in the organization's timezone without an offset.",
    ),
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]


async def named_key(action: Action, named: str) -> ApiKey:
    """Return the key of this id, public part or name; see `api_keys.choose_key`.

    Raises:
        NotFound: there is none; the nearest name is in the message.
        InvalidRequest: several keys have this name.
    """
    try:
        return await api_keys.choose_key(action, named)
    except NotFound as error:
        known = await list_api_keys(action.connection, action.organization_id, limit=_LOOKED_AT_MAX)
        error.message += did_you_mean(named, [key.name for key in known])
        raise


async def project_names(operator: Operator) -> dict[str, str]:
    """Return the names of the organization's projects by their ids."""
    store, organization_id = operator.administration.store, operator.organization.id
    return await store.read(lambda connection: projects.read_names(connection, organization_id))


def read_moment(text: str | None, timezone: str) -> int | None:
    """Return a time that somebody typed: so long from now, or ISO 8601; in the organization's timezone without an offset.

    Raises:
        InvalidRequest: it is neither.
    """
    if text is None:
        return None
    if _SPAN.fullmatch(text) and not text.isdigit():
        return now_us() + read_span(text, param="expires") * 1_000_000
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise InvalidRequest(f"'{text}' is not a time such as 2027-01-31T09:00 or 90d.", param="expires") from None
    return ((at if at.tzinfo else at.replace(tzinfo=ZoneInfo(timezone))) - _EPOCH) // timedelta(microseconds=1)


def read_span(text: str, *, param: str) -> int:
    """Return seconds: 3600, 60m, 24h, 7d, 2w.

    Raises:
        InvalidRequest: it is none.
    """
    found = _SPAN.fullmatch(text.strip())
    if found is None:
        raise InvalidRequest(f"'{text}' is not a time span such as 24h, 7d or 3600 (seconds).", param=param)
    return int(found[1]) * _SPAN_S[found[2]]


def read_labels(texts: Sequence[str] | None) -> dict[str, str]:
    """Return labels from NAME=VALUE texts.

    Raises:
        InvalidRequest: one of them has no `=`.
    """
    labels: dict[str, str] = {}
    for text in texts or ():
        name, equals, value = text.partition("=")
        if not equals:
            raise InvalidRequest(f"'{text}' is not a label such as feature=search.", param="label")
        labels[name.strip()] = value.strip()
    return labels


def read_rate_change(rpm: int | None, rpd: int | None, tpm: int | None, *, is_cleared: bool) -> RateChange:
    """Return a change of limits to those given; the others stay, or go when all before are cleared."""
    rest = None if is_cleared else UNSET
    return RateChange(*(rest if each is None else each for each in (rpm, rpd, tpm)))
