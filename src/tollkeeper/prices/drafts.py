"""Own prices as people write them, on a command line or in a CSV or JSON file, and their check into price rows."""

from __future__ import annotations

import csv
import io
import re
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import msgspec

from tollkeeper.domain.deployment import CATALOGUE_PROVIDERS
from tollkeeper.domain.errors import InvalidRequest
from tollkeeper.domain.money import PICOS_PER_USD, parse_usd
from tollkeeper.domain.price import PriceRow, price_tier
from tollkeeper.domain.usage import Dimension, is_token
from tollkeeper.kit.clock import TIME_US_MAX
from tollkeeper.kit.ids import new_id

PRICE_PICO_MAX = PICOS_PER_USD  # a dollar a token
PRICE_PICO_MAX_EACH = 1_000 * PICOS_PER_USD  # a thousand dollars an image, a session
CONTEXT_OVER_MAX = 10**9
ROWS_MAX = 10_000
_NAME = re.compile(r"[^\s*\x00-\x1f\x7f]{1,256}")
_DETAIL = re.compile(r"[a-z0-9:_-]{1,64}")  # an image's quality and size, a container's memory
_TIER = re.compile(r"[a-z0-9_]{1,32}")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class PriceDraft(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A price as it was written. `valid_from` is a date or time in ISO 8601, UTC when it says no zone; "" is now."""

    provider: str
    model: str
    dimension: str
    usd_per_million: str
    tier: str = "standard"
    context_over: int = 0
    valid_from: str = ""
    note: str = ""


def read_csv(text: str) -> list[PriceDraft]:
    """Read a table whose first line names the columns as `PriceDraft` does; empty cells take their default.

    Raises:
        InvalidRequest: with the number of the line at fault.
    """
    reader = csv.DictReader(io.StringIO(text.removeprefix("\ufeff")), strict=True)
    drafts: list[PriceDraft] = []
    try:
        for cells in reader:
            if None in cells or None in cells.values():
                raise InvalidRequest(f"line {reader.line_num}: it has other columns than the first line names")
            filled: dict[str, Any] = {name.strip(): value.strip() for name, value in cells.items() if value.strip()}
            drafts.append(_convert(filled, f"line {reader.line_num}"))
    except csv.Error as error:
        raise InvalidRequest(f"line {reader.line_num}: {error}") from error
    return drafts


def read_json(text: str) -> list[PriceDraft]:
    """Read a list of objects like `PriceDraft`, or `{"data": [...]}`; prices may be strings or plain numbers.

    Raises:
        InvalidRequest: with the number of the entry at fault.
    """
    try:
        # A JSON number is taken digit for digit, so that 0.15 stays 0.15.
        found = msgspec.json.Decoder(dict[str, list[dict[str, Any]]] | list[dict[str, Any]], float_hook=Decimal).decode(
            text
        )
    except msgspec.DecodeError as error:
        raise InvalidRequest(f"The file is not a JSON list of prices: {error}") from error
    entries = found.get("data", []) if isinstance(found, dict) else found
    return [_convert(entry, f"entry {number}") for number, entry in enumerate(entries, start=1)]


def to_rows(drafts: list[PriceDraft], *, now_us: int, organization_id: str = "") -> list[PriceRow]:
    """Check every draft and make rows of all of them, in order.

    Raises:
        InvalidRequest: the first thing that is wrong, with the number of the draft when there are several.
    """
    if not drafts:
        raise InvalidRequest("There are no prices to add.")
    if len(drafts) > ROWS_MAX:
        raise InvalidRequest(f"There are {len(drafts)} prices; at most {ROWS_MAX} can be added at once.")
    rows: list[PriceRow] = []
    stated: dict[tuple[object, ...], int] = {}
    for number, draft in enumerate(drafts, start=1):
        try:
            # One microsecond apart, so that the order of the file is the order in the store.
            row = _row(draft, now_us=now_us, organization_id=organization_id, created_at_us=now_us + number - 1)
        except InvalidRequest as error:
            where = f"price {number}: " if len(drafts) > 1 else ""
            raise InvalidRequest(f"{where}{error.message}", param=error.param) from error
        slot = (*slot_of(row), row.valid_from_us)
        if slot in stated:
            raise InvalidRequest(f"price {number} states what price {stated[slot]} already states")
        stated[slot] = number
        rows.append(row)
    return rows


def slot_of(row: PriceRow) -> tuple[object, ...]:
    """Return what a row prices: rows of one slot supersede each other."""
    return (row.organization_id, row.provider, row.model_pattern.lower(), row.dimension, row.tier, row.context_over)


def parse_moment(text: str, *, param: str | None = None) -> int:
    """Read an ISO 8601 date or time in microseconds since 1970; UTC when it says no zone.

    Raises:
        InvalidRequest: it is none, or not within 1970 to 2100, which calendars of every timezone can show.
    """
    try:
        at = datetime.fromisoformat(text.strip())
    except ValueError as error:
        raise InvalidRequest(f"'{text}' is not a date such as 2026-12-01", param=param) from error
    elapsed = (at if at.tzinfo is not None else at.replace(tzinfo=UTC)) - _EPOCH
    if elapsed.days < 0:
        raise InvalidRequest(f"'{text}' is before 1970", param=param)
    at_us = (elapsed.days * 86_400 + elapsed.seconds) * 1_000_000 + elapsed.microseconds
    if at_us >= TIME_US_MAX:
        raise InvalidRequest(f"'{text}' is not before 2100", param=param)
    return at_us


def _convert(entry: dict[str, Any], where: str) -> PriceDraft:
    price = entry.get("usd_per_million")
    if isinstance(price, int | Decimal) and not isinstance(price, bool):
        entry = entry | {"usd_per_million": format(price, "f") if isinstance(price, Decimal) else str(price)}
    try:
        return msgspec.convert(entry, PriceDraft, strict=False)
    except msgspec.ValidationError as error:
        raise InvalidRequest(f"{where}: {error}") from error


def _row(draft: PriceDraft, *, now_us: int, organization_id: str, created_at_us: int) -> PriceRow:
    tier = price_tier(draft.tier, None)
    pattern = draft.model.removesuffix("*")
    _require(_NAME.fullmatch(draft.provider), "provider", f"'{draft.provider}' is not a provider's name")
    price_list = CATALOGUE_PROVIDERS.get(draft.provider, draft.provider)
    _require(
        price_list == draft.provider, "provider", f"prices of '{draft.provider}' are kept under the name '{price_list}'"
    )
    _require(
        draft.model == "*" or _NAME.fullmatch(pattern),
        "model",
        f"'{draft.model}' is not a model's name, nor a beginning of names with * at its end",
    )
    known = [dimension.value for dimension in Dimension]
    kind, _, detail = draft.dimension.partition(":")
    is_known = draft.dimension in known or (kind in known and not is_token(kind) and _DETAIL.fullmatch(detail))
    _require(is_known, "dimension", f"'{draft.dimension}' is none of {', '.join(known)}")
    _require(_TIER.fullmatch(tier), "tier", f"'{draft.tier}' is not a tier such as standard, batch, flex or priority")
    _require(0 <= draft.context_over <= CONTEXT_OVER_MAX, "context_over", "context_over is a number of input tokens")
    return PriceRow(
        id=new_id("price"),
        organization_id=organization_id,
        provider=draft.provider,
        model_pattern=draft.model,
        dimension=draft.dimension,
        tier=tier,
        context_over=draft.context_over,
        price_pico=_price_pico(draft.usd_per_million, PRICE_PICO_MAX if is_token(kind) else PRICE_PICO_MAX_EACH),
        valid_from_us=parse_moment(draft.valid_from, param="valid_from") if draft.valid_from else now_us,
        note=draft.note,
        created_at_us=created_at_us,
    )


def _price_pico(usd_per_million: str, price_max: int) -> int:
    try:
        price = parse_usd(usd_per_million, unit_per_usd=PICOS_PER_USD // 10**6)
    except ValueError:
        text = f"'{usd_per_million}' is not a price in USD per 1M units with at most 6 decimals, such as 0.15"
        raise InvalidRequest(text, param="usd_per_million") from None
    _require(0 <= price <= price_max, "usd_per_million", f"a price of {usd_per_million} USD per 1M is out of range")
    return price


def _require(is_met: object, param: str, message: str) -> None:
    if not is_met:
        raise InvalidRequest(message, param=param)
