"""What single calls are looked for by, as conditions on their records, in either engine's words.

Operation, outcome, the model that was asked for and labels stand in a record's JSON. Whether the text has the field as it
is always written is asked first: that is quick, and few records are left whose JSON has to be read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from sqlalchemy import and_, cast, func, literal, or_, select
from sqlalchemy.dialects.postgresql import JSONB

from tollkeeper.store.report_queries import MAPPED, Scope, ids_of, is_within
from tollkeeper.store.schema import usage_record

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement

RECORD_COLUMNS = ("project_id", "api_key_id", "provider", "model", "cost_state", "end_user")
DETAIL_FIELDS = ("operation", "outcome", "model_asked")
STATUS_MAX = 999

_OF = usage_record.c


class CallFilters(msgspec.Struct, frozen=True):
    """What a call must have: all that is stated here, and of several values one of them.

    `columns` maps one of RECORD_COLUMNS, DETAIL_FIELDS, team_id and member_id to values. A label is a name with a value, or
    with any (None); a status a range with both its ends. With a cost, calls without a known price are left out.
    """

    columns: dict[str, tuple[str, ...]] = {}
    labels: tuple[tuple[str, str | None], ...] = ()
    statuses: tuple[tuple[int, int], ...] = ()
    cost_from_nanos: int | None = None
    cost_to_nanos: int | None = None
    within: tuple[Scope, ...] | None = None


def conditions_of(organization_id: str, filters: CallFilters, *, is_sqlite: bool) -> list[ColumnElement[bool]]:
    """Return the conditions on records of an organization, the quick ones first."""
    quick: list[ColumnElement[bool]] = []
    exact: list[ColumnElement[bool]] = []
    for name, wanted in filters.columns.items():
        if name in MAPPED:
            mapping = MAPPED[name]
            quick.append(_OF[mapping.source].in_(ids_of(organization_id, mapping.column, wanted)))
        elif name in RECORD_COLUMNS:
            quick.append(_OF[name].in_(wanted))
        else:
            assert name in DETAIL_FIELDS, name
            quick.append(or_(*(_has(name, value, is_sqlite=is_sqlite) for value in wanted)))
            exact.append(_field(name, is_sqlite=is_sqlite).in_(wanted))
    if filters.statuses:
        quick.append(or_(*(_OF.status.between(low, high) for low, high in filters.statuses)))
    if filters.cost_from_nanos is not None:
        quick.append(_OF.amount_nanos >= filters.cost_from_nanos)
    if filters.cost_to_nanos is not None:
        quick.append(_OF.amount_nanos <= filters.cost_to_nanos)
    if filters.within is not None:
        quick.append(is_within(organization_id, filters.within, usage_record))
    for name, value in filters.labels:
        quick.append(_has(name, value, is_sqlite=is_sqlite))
        exact.append(_has_label(name, value, is_sqlite=is_sqlite))
    return [*quick, *exact]


def _has(name: str, value: str | None, *, is_sqlite: bool) -> ColumnElement[bool]:
    """Return whether the JSON has such a field somewhere, written as `usage_rows` writes it: what is wanted cannot be without."""
    text = f"{_written(name)}:" + ("" if value is None else _written(value))
    return (func.instr if is_sqlite else func.strpos)(_OF.detail, text) > 0


def _written(text: str) -> str:
    return msgspec.json.encode(text).decode()


def _field(name: str, *, is_sqlite: bool) -> ColumnElement[Any]:
    if is_sqlite:
        return func.json_extract(_OF.detail, f"$.{name}")
    return func.jsonb_extract_path_text(cast(_OF.detail, JSONB), name)


def _has_label(name: str, value: str | None, *, is_sqlite: bool) -> ColumnElement[bool]:
    if not is_sqlite:
        found = func.jsonb_extract_path_text(cast(_OF.detail, JSONB), "labels", name)
        return found.is_not(None) if value is None else found == value
    label = func.json_each(_OF.detail, "$.labels").table_valued("key", "value")
    is_it = label.c.key == name if value is None else and_(label.c.key == name, label.c.value == value)
    return select(literal(1)).select_from(label).where(is_it).correlate(usage_record).exists()
