"""GET /v1/organization/costs: what the organization's calls cost by day, in OpenAI's shape.

Amounts are exact. `unpriced_requests` (ours) appears in a result that leaves calls out because no price is known for
them; with nothing priced at all `amount` is null. By line item such calls are the item "<model>, unpriced". Who may
read the costs of some teams or projects only asks about those by `project_ids`. A user is the member whose key it was.
"""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response

from tollkeeper.admin import organization_schemas
from tollkeeper.admin.organization_buckets import exact_usd, page_of, render
from tollkeeper.admin.organization_queries import CostsQuery
from tollkeeper.admin.permissions import requires
from tollkeeper.admin.shapes import administration_of
from tollkeeper.control.administration import Caller
from tollkeeper.control.usage import CostRow, Report, UsageRow, read_bill, read_calls
from tollkeeper.domain.money import known_amount

router = APIRouter(tags=["organization"])
_STORED = {"project_id": "project_id", "api_key_id": "api_key_id", "user_id": "member_id"}
_SHOWN = ("line_item", "project_id", "api_key_id", "user_id", "api_source")
_ITEM_WORDS = {
    "cache_read": "cached_input",
    "cache_read_audio": "cached_input_audio",
    "cache_read_image": "cached_input_image",
}


@router.get("/v1/organization/costs", response_model=organization_schemas.CostsPage, summary="Costs by day")
async def costs(
    request: Request,
    query: Annotated[CostsQuery, Query()],
    caller: Annotated[Caller, Depends(requires("billing:read"))],
) -> Response:
    page = page_of(
        start_time=query.start_time,
        end_time=query.end_time,
        width="day",
        timezone=query.timezone,
        limit=query.limit,
        cursor=query.page,
    )
    groups: list[str] = [*dict.fromkeys(query.group_by)]
    rows: list[CostRow | UsageRow] = []
    if page.bounds:
        report = Report(
            page.from_us,
            page.to_us,
            bucket="day",
            timezone=query.timezone,
            group_by=tuple(_STORED[name] for name in groups if name in _STORED),
            filters=query.filters(),
        )
        look = administration_of(request).look
        if "line_item" in groups or query.line_items is not None:
            lines, calls = await look(caller, read_bill, report, permission="billing:read")
            wanted = None if query.line_items is None else frozenset(query.line_items)
            rows = [row for row in _billed(lines, calls) if wanted is None or line_item(row) in wanted]
        else:
            rows = [*await look(caller, read_calls, report, permission="billing:read")]
    body = render(page, rows, lambda bucket: _results(bucket, groups))
    return Response(body, media_type="application/json")


def line_item(row: CostRow | UsageRow) -> str:
    """Name a line of the bill: `<model>, <token class>`; OpenAI documents only `gpt-6-astra, input_tokens`."""
    model = row.group.get("model", "")
    if isinstance(row, UsageRow):
        return f"{model}, unpriced"
    dimension = row.group["dimension"]
    return f"{model}, {_ITEM_WORDS.get(dimension, dimension)}_tokens" if dimension else f"{model}, other"


def _billed(lines: list[CostRow], calls: list[UsageRow]) -> list[CostRow | UsageRow]:
    """Return the lines that have a price, and the calls that have none."""
    priced = [line for line in lines if line.quantity > line.unpriced_quantity or line.amount_nanos]
    return [*priced, *(call for call in calls if call.unpriced_requests)]


class _Sum:
    """One result in the making."""

    def __init__(self) -> None:
        self.amount_nanos, self.quantity, self.unpriced_requests = 0, 0, 0
        self.has_amount = False

    def add(self, row: CostRow | UsageRow, *, is_billed: bool) -> None:
        if isinstance(row, CostRow):
            self.has_amount = True
            self.amount_nanos += row.amount_nanos
            self.quantity += row.quantity - row.unpriced_quantity
            return
        self.unpriced_requests += row.unpriced_requests
        if not is_billed:  # beside lines of the bill a call only says that it has none
            self.has_amount |= known_amount(row.amount_nanos, unpriced=row.unpriced_requests) is not None
            self.amount_nanos += row.amount_nanos


def _results(rows: list[CostRow | UsageRow], groups: list[str]) -> list[dict[str, Any]]:
    sums: dict[tuple[str | None, ...], _Sum] = {}
    for row in rows:
        sums.setdefault(tuple(_value(row, name) for name in groups), _Sum()).add(row, is_billed="model" in row.group)
    return [_result(sum_, dict(zip(groups, group, strict=True))) for group, sum_ in sums.items()]


def _value(row: CostRow | UsageRow, name: str) -> str | None:
    if name == "line_item":
        return line_item(row)
    if name == "api_source":
        return "unlabeled"
    return row.group.get(_STORED.get(name, "")) or None  # a key of nobody's has no user


def _result(sum_: _Sum, group: dict[str, str | None]) -> dict[str, Any]:
    is_counted = "line_item" in group and sum_.has_amount
    result = {
        "object": "organization.costs.result",
        "amount": {"value": exact_usd(sum_.amount_nanos), "currency": "usd"} if sum_.has_amount else None,
        **{name: group.get(name) for name in _SHOWN},
        "quantity": sum_.quantity if is_counted else None,
        "quantity_unit": "tokens" if is_counted else None,
    }
    return result | ({"unpriced_requests": sum_.unpriced_requests} if sum_.unpriced_requests else {})
