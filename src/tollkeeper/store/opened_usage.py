"""What was used of a budget in its window before anybody drew on it: sums of the rollups, and of records where those are too coarse.

Teams have the projects that are theirs now, members the keys that they ever had. What a call asked for as its model is not
in the rollups, so a budget for one model counts records, and only when it came after its window had begun: those that asked
for the model and those that it served. When the organization's calendar changes, a new window overlaps older ones: what their
leases hold still counts as used in it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from sqlalchemy import Numeric, and_, bindparam, case, cast, func, literal, or_, select, union, update
from sqlalchemy.dialects.postgresql import JSONB

from tollkeeper.domain.lease import LeaseState
from tollkeeper.domain.usage import FEE_DIMENSIONS, UNIT_DIMENSIONS
from tollkeeper.store.columns import Int
from tollkeeper.store.many_keys import ByKeys
from tollkeeper.store.schema import usage_record, usage_rollup
from tollkeeper.store.schema_limits import budget_node, lease
from tollkeeper.store.schema_tenancy import api_key, project
from tollkeeper.store.usage_rows import MS_PER_DAY

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from sqlalchemy import ColumnElement, CompoundSelect, FromClause
    from sqlalchemy.ext.asyncio import AsyncConnection

    from tollkeeper.domain.limit import LimitScope, Unit
    from tollkeeper.domain.window import Window
    from tollkeeper.store.budget_nodes import LiveBudget, NodeKey

_NODE = budget_node.c
_LATE_WINDOWS = ByKeys(
    select(_NODE.organization_id, _NODE.budget_id, _NODE.window_start_us, _NODE.window_end_us)
    .where(or_(_NODE.window_end_us.is_(None), _NODE.window_end_us > bindparam("first_us", type_=Int)))
    .where,
    _NODE.organization_id,
    _NODE.budget_id,
)
_NO_TOKENS = sorted(FEE_DIMENSIONS | UNIT_DIMENSIONS)  # with what is behind a name, such as an image's size
_US_PER_HOUR = 3_600_000_000
_US_PER_DAY = MS_PER_DAY * 1000


class Used(msgspec.Struct, frozen=True):
    """What is asked: how much of a unit a scope has used since a time, with one model or with all ("")."""

    organization_id: str
    scope_kind: LimitScope
    scope_id: str
    model: str
    unit: Unit
    from_us: int


async def read_used(connection: AsyncConnection, wanted: Used, *, is_young: bool = True) -> int:
    """Return the sum of what the database has; a call counts for the millisecond in its id.

    A budget that is not `is_young` was there before `from_us`: no call of its model went past it.
    """
    assert wanted.unit != "concurrent", "calls at once are not kept"
    if wanted.model:
        return await _of_records(connection, wanted, to_us=None) if is_young else 0
    first_hour = -(-wanted.from_us // _US_PER_HOUR)
    used = await _of_rollups(connection, wanted, first_hour)
    if first_hour * _US_PER_HOUR > wanted.from_us:
        used += await _of_records(connection, wanted, to_us=first_hour * _US_PER_HOUR)
    return used


def overlapping(organization_id: str, budget_id: str, window: Window) -> ColumnElement[bool]:
    """Return the condition for a budget's nodes in other windows that overlap this one: its calendar was another."""
    of = budget_node.c
    is_other = and_(
        of.organization_id == organization_id, of.budget_id == budget_id, of.window_start_us != window.start_us
    )
    begins_before = [of.window_start_us < window.end_us] if window.end_us is not None else []
    return and_(is_other, *begins_before, or_(of.window_end_us.is_(None), of.window_end_us > window.start_us))


async def find_overlapped(
    connection: AsyncConnection, windows: Mapping[NodeKey, tuple[LiveBudget, Window]]
) -> set[NodeKey]:
    """Return those of these windows of budgets that other windows of the same budget overlap; mostly there are none."""
    others: dict[tuple[str, str], list[tuple[int, int | None]]] = {}
    late = _LATE_WINDOWS.of(connection, {key[:2] for key in windows}, first_us=min(key[2] for key in windows))
    for organization_id, budget_id, start_us, end_us in await connection.execute(*late):
        others.setdefault((organization_id, budget_id), []).append((start_us, end_us))

    def is_overlapped(key: NodeKey, window: Window) -> bool:
        return any(
            start_us != window.start_us
            and (window.end_us is None or start_us < window.end_us)
            and (end_us is None or end_us > window.start_us)
            for start_us, end_us in others.get(key[:2], ())
        )

    return {key for key, (_, window) in windows.items() if is_overlapped(key, window)}


async def end_overlapping(
    connection: AsyncConnection, organization_id: str, budget_id: str, window: Window, *, now_us: int
) -> int | None:
    """End the windows that overlap this one; returns what is held and booked of them beyond the records, None without any.

    It comes before the records are read: what is flushed meanwhile counts twice rather than not at all.
    """
    end = budget_node.c.window_end_us
    ended = (
        update(budget_node)
        .where(overlapping(organization_id, budget_id, window))
        .values(window_end_us=case((end < now_us, end), else_=now_us))
        .returning(budget_node.c.window_start_us)
    )
    return await _held_in(connection, organization_id, budget_id, await connection.scalars(ended))


async def held_in_overlapping(
    connection: AsyncConnection, organization_id: str, budget_id: str, window: Window
) -> int | None:
    """Return what `end_overlapping` does, and end nothing."""
    starts = select(budget_node.c.window_start_us).where(overlapping(organization_id, budget_id, window))
    return await _held_in(connection, organization_id, budget_id, await connection.scalars(starts))


async def _held_in(
    connection: AsyncConnection, organization_id: str, budget_id: str, starts: Iterable[int]
) -> int | None:
    """Return what is held and booked in windows beyond the records; None without any."""
    starts = list(starts)
    if not starts:
        return None
    is_held = and_(lease.c.state != LeaseState.CLOSED.value, lease.c.amount > lease.c.consumed)
    held = case((is_held, lease.c.amount - lease.c.consumed), else_=0) + lease.c.booked
    query = select(func.coalesce(func.sum(held), 0)).where(
        lease.c.organization_id == organization_id,
        lease.c.budget_id == budget_id,
        lease.c.window_start_us.in_(starts),
    )
    return int((await connection.execute(query)).scalar_one())


async def _of_rollups(connection: AsyncConnection, wanted: Used, first_hour: int) -> int:
    columns = usage_rollup.c
    summed = {
        "usd": columns.amount_nanos,
        "requests": columns.requests,
        "tokens": columns.input_tokens_total + columns.output_tokens_total,
    }[wanted.unit]
    query = select(func.coalesce(func.sum(summed), 0)).where(
        columns.organization_id == wanted.organization_id, columns.hour >= first_hour, *_within(usage_rollup, wanted)
    )
    return int((await connection.execute(query)).scalar_one())


async def _of_records(connection: AsyncConnection, wanted: Used, *, to_us: int | None) -> int:
    """Count calls one by one, those before `to_us` if it is given."""
    columns = usage_record.c
    is_sqlite = connection.dialect.name == "sqlite"
    summed: ColumnElement[Any] = {
        "usd": func.coalesce(func.sum(columns.amount_nanos), 0),
        "requests": func.count(),
        "tokens": func.coalesce(func.sum(_tokens(is_sqlite=is_sqlite)), 0),
    }[wanted.unit]
    conditions = [
        columns.organization_id == wanted.organization_id,
        columns.day >= wanted.from_us // _US_PER_DAY,
        columns.call_id >= _lowest_call_id(wanted.from_us),
        *_within(usage_record, wanted),
    ]
    if to_us is not None:
        conditions += [columns.day <= to_us // _US_PER_DAY, columns.call_id < _lowest_call_id(to_us)]
    if wanted.model:
        conditions.append(or_(columns.model == wanted.model, _model_asked(is_sqlite=is_sqlite) == wanted.model))
    return int((await connection.execute(select(summed).where(*conditions))).scalar_one())


def _within(table: FromClause, wanted: Used) -> list[ColumnElement[bool]]:
    """Return the conditions for a call of the scope."""
    if wanted.scope_kind == "organization":
        return []
    if wanted.scope_kind == "project":
        return [table.c.project_id == wanted.scope_id]
    if wanted.scope_kind == "api_key":
        return [table.c.api_key_id.in_(_with_replaced(wanted.organization_id, wanted.scope_id))]
    if wanted.scope_kind == "team":
        projects = select(project.c.id).where(
            project.c.organization_id == wanted.organization_id, project.c.team_id == wanted.scope_id
        )
        return [table.c.project_id.in_(projects)]
    assert wanted.scope_kind == "member", "credit counts from its grants on"
    keys = select(api_key.c.id).where(
        api_key.c.organization_id == wanted.organization_id, api_key.c.member_id == wanted.scope_id
    )
    return [table.c.api_key_id.in_(keys)]


def _with_replaced(organization_id: str, key_id: str) -> CompoundSelect[Any]:
    """Return the ids of a key, of those that it took the place of, and of those that took its own: one limit holds for all."""
    of = api_key.c
    is_first = and_(of.organization_id == organization_id, of.id == key_id)
    older = select(of.id).where(is_first).cte("older", recursive=True)
    newer = select(of.id, of.replaced_by).where(is_first).cte("newer", recursive=True)
    older = older.union(select(of.id).where(of.organization_id == organization_id, of.replaced_by == older.c.id))
    newer = newer.union(
        select(of.id, of.replaced_by).where(of.organization_id == organization_id, of.id == newer.c.replaced_by)
    )
    return union(select(older.c.id), select(newer.c.id), select(literal(key_id)))


def _model_asked(*, is_sqlite: bool) -> ColumnElement[str]:
    detail = usage_record.c.detail
    if is_sqlite:
        return func.json_extract(detail, "$.model_asked")
    return func.jsonb_extract_path_text(cast(detail, JSONB), "model_asked")


def _tokens(*, is_sqlite: bool) -> ColumnElement[int]:
    """Return the sum of a record's quantities that are tokens."""
    detail = usage_record.c.detail
    if is_sqlite:
        each = func.json_each(detail, "$.quantities").table_valued("key", "value")
        summed = select(func.sum(each.c.value))
    else:
        quantities = func.jsonb_extract_path(cast(detail, JSONB), "quantities")
        each = func.jsonb_each_text(quantities).table_valued("key", "value")
        summed = select(func.sum(cast(each.c.value, Numeric)))
    are_tokens = and_(*(func.substr(each.c.key, 1, len(name)) != name for name in _NO_TOKENS))
    return cast(summed.where(are_tokens).correlate(usage_record).scalar_subquery(), Int)


def _lowest_call_id(at_us: int) -> bytes:
    """Return a value not above any call id of this millisecond and above all earlier ones, rounding up."""
    return (-(-at_us // 1000)).to_bytes(6, "big") + bytes(10)
