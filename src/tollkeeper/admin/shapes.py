"""What the administration's routes share: strict bodies, list pages, times, amounts, the refusals in /openapi.json."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Annotated, Any, Generic, Literal, TypeVar

import msgspec
from fastapi import Path, Query, Request, Response
from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema, model_validator

from tollkeeper.control.administration import Administration
from tollkeeper.control.names import NAME_LENGTH_MAX
from tollkeeper.domain.errors import InvalidRequest
from tollkeeper.domain.money import NANOS_PER_USD

T = TypeVar("T")
R = TypeVar("R")

Name = Annotated[str, Field(min_length=1, max_length=NAME_LENGTH_MAX)]


def _only_text(value: object) -> object:
    """Let through what may be ISO 8601: pydantic alone reads a number as Unix seconds, in a text or not."""
    if not isinstance(value, str) or "T" not in value.upper():
        raise ValueError("it must be a time such as 2027-01-31T09:00:00Z")
    return value


Time = Annotated[
    AwareDatetime,
    BeforeValidator(_only_text),
    Field(description="ISO 8601 with its offset: 2027-01-31T09:00:00Z."),
]


def _plain_number(value: object) -> object:
    """Let through a JSON number, or its digits as text: pydantic alone reads true as 1, and "1e5" and " 1_0 " too."""
    is_number = isinstance(value, int | float | Decimal) and not isinstance(value, bool)
    if not is_number and not (isinstance(value, str) and _PLAIN_NUMBER.fullmatch(value)):
        raise ValueError("it must be a number such as 12.5, or a text of its digits")
    return value


def _plain_count(value: object) -> object:
    """Let through a JSON number only: pydantic alone reads true as 1, and "5" as 5. In JSON 5.0 is an integer too."""
    if isinstance(value, bool | str):
        raise ValueError("it must be a whole number")  # noqa: TRY004  # pydantic tells of ValueErrors only
    return value


AS_INTEGER = BeforeValidator(_plain_count)
"""To stand behind an int's bounds: in front of them it would hide them from /openapi.json."""
_PLAIN_NUMBER = re.compile(r"[0-9]{1,20}(?:\.[0-9]{1,20})?")
PlainDecimal = Annotated[Decimal, BeforeValidator(_plain_number)]
Usd = Annotated[
    PlainDecimal,
    Field(ge=0, le=1_000_000_000, max_digits=19, decimal_places=9),
    WithJsonSchema({"type": "number", "minimum": 0, "maximum": 1_000_000_000}),
]
Number = Annotated[Decimal, WithJsonSchema({"type": "number"})]
"""Exact, in an answer."""
OptionalNumber = Annotated[Decimal | None, WithJsonSchema({"anyOf": [{"type": "number"}, {"type": "null"}]})]
PLAIN = r"^[^\x00-\x1f\x7f]*$"
"""No control characters: PostgreSQL cannot even compare a text with one."""
After = Annotated[str | None, Query(max_length=64, pattern=PLAIN, description="The id that the page begins behind.")]
Limit = Annotated[int, Query(ge=1, le=100, description="The most that the page may hold.")]
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_encoder = msgspec.json.Encoder(decimal_format="number")


class Shape(BaseModel):
    """A body or an answer: nothing in it is unknown, and no text holds U+0000, which PostgreSQL cannot store or compare."""

    model_config = ConfigDict(extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _refuse_nul(cls, given: Any) -> Any:
        for name, value in given.items() if isinstance(given, dict) else ():
            each = (
                [*value, *value.values()] if isinstance(value, dict) else value if isinstance(value, list) else [value]
            )
            if any(isinstance(text, str) and "\0" in text for text in [name, *each]):
                raise InvalidRequest(f"'{name.replace(chr(0), '')}' must not hold the character U+0000.", param=name)
        return given


class ListPage(Shape, Generic[R]):
    object: Literal["list"]
    data: list[R]
    has_more: bool
    first_id: str | None
    last_id: str | None


class ErrorDetail(BaseModel):
    model_config = ConfigDict(extra="allow")
    type: str
    code: str
    param: str | None
    message: str
    request_id: str


class Refusal(Shape):
    """What every refusal looks like; some say more beside."""

    error: ErrorDetail


REFUSALS: dict[str, str] = {
    "400": "The request is not understood; `param` names the field.",
    "401": "No credential, or one that is not good.",
    "403": "The caller may not do this; the message names the missing permission.",
    "404": "There is no such thing, or the caller may not know of it.",
    "409": "It contradicts what there is.",
    "413": "The body is too large.",
    "415": "The body is not JSON.",
    "429": "Too many attempts; `retry_after_seconds` and the header say when the next one counts.",
    "503": "The database is out of reach; nothing was changed.",
}
"""What any route may answer instead, each with a `Refusal`: status -> what it means."""


def id_path(prefix: str, example: str) -> Any:
    """Return the path parameter of an id: bounded, and shown with an example."""
    return Path(min_length=1, max_length=64, pattern=PLAIN, description=f"{prefix}_…", examples=[example])


def administration_of(request: Request) -> Administration:
    """Return the application's administration."""
    found: Administration = request.app.state.administration
    return found


def answer(body: object, status: int = 200) -> Response:
    """Answer with JSON. Decimals become numbers with all their digits; a secret in it must not be kept by anybody."""
    return Response(_encoder.encode(body), status, {"cache-control": "no-store"}, "application/json")


def list_answer(found: Sequence[T], limit: int, show: Callable[[T], dict[str, Any]]) -> Response:
    """Answer with a page of `found`, of which one more than `limit` was asked for to know whether there is more."""
    page = found[:limit]
    data = [show(each) for each in page]
    ids = [str(each["id"]) for each in data]
    return answer(
        {
            "object": "list",
            "data": data,
            "has_more": len(found) > limit,
            "first_id": ids[0] if ids else None,
            "last_id": ids[-1] if ids else None,
        }
    )


def time_us(at: datetime) -> int:
    """Return a time as microseconds since 1970."""
    since = at - _EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def shown_time(at_us: int | None) -> str | None:
    """Return a time as ISO 8601 in UTC, to the second when it has no fraction."""
    if at_us is None:
        return None
    return (_EPOCH + timedelta(microseconds=at_us)).isoformat().replace("+00:00", "Z")


def nanos_of(usd: Decimal) -> int:
    """Return dollars as nano-dollars, exactly: the schema lets in nine decimals."""
    nanos = usd * NANOS_PER_USD
    assert nanos == int(nanos), "more than nine decimals were let in"
    return int(nanos)


def usd_of(nanos: int) -> Decimal:
    """Return nano-dollars as dollars, exactly."""
    return (Decimal(nanos) / NANOS_PER_USD).normalize() + 0
