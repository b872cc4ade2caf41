"""Reading usage and costs: reports from the rollups, single records, and the names of what they are about."""

from __future__ import annotations

import re
from typing import Any, TypeAlias

import msgspec

from tollkeeper.control.api_keys import list_keys
from tollkeeper.domain.api_key import ApiKey
from tollkeeper.domain.errors import InvalidRequest, NotFound
from tollkeeper.domain.usage import CostState, UsageRecord
from tollkeeper.store import api_keys, projects, usage_lists, usage_reports
from tollkeeper.store.engine import Store
from tollkeeper.store.usage_reports import CostRow, LabelRow, Report, UsageRow

__all__ = ["CostRow", "Report", "ReportStore", "UsageRow"]

ReportStore: TypeAlias = Store
"""What the faces hold and hand back to these functions."""

COMPLETION_OPERATIONS = ("chat.completions", "completions")
EMBEDDING_OPERATIONS = ("embeddings",)
LABEL_COLUMNS = ("project_id", "model")
"""What a report by label can be grouped and filtered by besides; the label rollup has no more."""

_PAGE = 100
_CALL_ID = re.compile(r"(?:req_)?([0-9a-f]{32})")


class UsageLine(msgspec.Struct, frozen=True):
    """The calls of one group in one bucket. `group["label_value"]` is None for calls without the label.

    `amount_nanos` covers the priced calls and is None when there is none; `errors` is None where nobody counts them.
    """

    from_us: int
    to_us: int
    group: dict[str, str | None]
    requests: int
    unpriced_requests: int
    amount_nanos: int | None
    input_tokens: int
    output_tokens: int
    errors: int | None


class Names(msgspec.Struct, frozen=True):
    """Names by id, deleted keys included."""

    projects: dict[str, str]
    api_keys: dict[str, str]


async def read_usage(store: Store, organization_id: str, report: Report) -> list[UsageRow]:
    """Return an organization's calls, added up.

    Raises:
        InvalidRequest: a column or timezone that is not known, or a time range that makes no sense.
    """
    return await store.read(
        lambda connection: usage_reports.report_usage(connection, organization_id, report), is_snapshot=True
    )


async def read_bill(store: Store, organization_id: str, report: Report) -> tuple[list[CostRow], list[UsageRow]]:
    """Return the bill's lines by model and dimension, and at the same moment the calls by model.

    Both are grouped by what `report` groups by besides. The lines know amounts, the calls how many have none.

    Raises:
        InvalidRequest: a column or timezone that is not known, or a time range that makes no sense.
    """
    by_model = msgspec.structs.replace(report, group_by=(*report.group_by, "model"))
    by_line = msgspec.structs.replace(by_model, group_by=(*by_model.group_by, "dimension"))

    async def work(connection: Any) -> tuple[list[CostRow], list[UsageRow]]:
        return (
            await usage_reports.report_costs(connection, organization_id, by_line),
            await usage_reports.report_usage(connection, organization_id, by_model),
        )

    return await store.read(work, is_snapshot=True)


async def summarize(store: Store, organization_id: str, report: Report, *, label: str | None = None) -> list[UsageLine]:
    """Return an organization's calls, added up; by the values of a label too when one is named.

    The calls without that label are a line of their own, so that the lines always add up to all calls.

    Raises:
        InvalidRequest: a column or timezone that is not known, or a time range that makes no sense.
    """
    if label is None:
        return [_usage_line(row) for row in await read_usage(store, organization_id, report)]

    async def work(connection: Any) -> list[UsageLine]:
        labelled = await usage_reports.report_labels(connection, organization_id, report, label=label)
        calls = await usage_reports.report_usage(connection, organization_id, report)
        return [*map(_label_line, labelled), *_without_label(calls, labelled)]

    return await store.read(work, is_snapshot=True)


async def find_record(store: Store, organization_id: str, reference: str) -> UsageRecord:
    """Return the record of a call by its request id (req_…) or the bare call id.

    Raises:
        InvalidRequest: it is no such id.
        NotFound: the organization has no record of it.
    """
    match = _CALL_ID.fullmatch(reference.strip().lower().replace("-", ""))
    if match is None:
        raise InvalidRequest(f"'{reference}' is not a request id such as req_0190….", param="record")
    call_id = bytes.fromhex(match.group(1))
    found = await store.read(lambda connection: usage_lists.find_usage(connection, organization_id, call_id))
    if found is None:
        raise NotFound(f"There is no usage record of {reference}; a call that was refused has none.")
    return found


async def list_doubtful(
    store: Store, organization_id: str, *, from_us: int, to_us: int, filters: dict[str, str], limit: int
) -> list[UsageRecord]:
    """Return the newest records whose amount is an estimate or unknown, at most `limit`."""

    async def work(connection: Any) -> list[UsageRecord]:
        found: list[UsageRecord] = []
        for state in (CostState.ESTIMATED, CostState.UNPRICED):
            found += await usage_lists.list_usage(
                connection,
                organization_id,
                from_us=from_us,
                to_us=to_us,
                filters={**filters, "cost_state": state.value},
                limit=limit,
            )
        return found

    found = await store.read(work, is_snapshot=True)
    return sorted(found, key=lambda record: record.call_id, reverse=True)[:limit]


async def choose_key(store: Store, organization_id: str, named: str) -> ApiKey:
    """Return the organization's key of this id, public part or name; deleted ones by id.

    Raises:
        NotFound: it has none.
        InvalidRequest: several keys have this name.
    """
    key_id = named if named.startswith("key_") else f"key_{named.removeprefix('sk-tk-').partition('-')[0]}"
    found = await store.read(lambda connection: api_keys.get_api_key(connection, organization_id, key_id))
    if found is not None:
        return found
    matching = [key for key in await list_keys(store, organization_id) if key.name == named]
    if not matching:
        raise NotFound(f"There is no API key '{named}' in this organization.")
    if len(matching) > 1:
        ids = ", ".join(key.id for key in matching[:5])
        raise InvalidRequest(f"Several keys are named '{named}' ({ids}); say which by its id.", param="key")
    return matching[0]


async def read_names(store: Store, organization_id: str, *, key_ids: set[str]) -> Names:
    """Return the names of the organization's projects, of its keys, and of `key_ids` although deleted."""
    project_names: dict[str, str] = {}
    after: str | None = None
    while True:
        page = await store.read(
            lambda connection, after=after: projects.list_projects(  # type: ignore[misc]
                connection, organization_id, after=after, limit=_PAGE
            )
        )
        project_names |= {project.id: project.name for project in page}
        if len(page) < _PAGE:
            break
        after = page[-1].id
    key_names: dict[str, str] = {key.id: key.name for key in await list_keys(store, organization_id)}
    for key_id in sorted(key_ids - key_names.keys()):
        key = await store.read(
            lambda connection, key_id=key_id: api_keys.get_api_key(  # type: ignore[misc]
                connection, organization_id, key_id
            )
        )
        if key is not None:
            key_names[key_id] = key.name
    return Names(project_names, key_names)


def _usage_line(row: UsageRow) -> UsageLine:
    return UsageLine(
        row.from_us,
        row.to_us,
        {**row.group},
        row.requests,
        row.unpriced_requests,
        row.amount_nanos if row.requests > row.unpriced_requests else None,
        row.input_tokens_total,
        row.output_tokens_total,
        row.errors,
    )


def _label_line(row: LabelRow) -> UsageLine:
    return UsageLine(
        row.from_us,
        row.to_us,
        {**row.group},
        row.requests,
        row.unpriced_requests,
        row.amount_nanos if row.requests > row.unpriced_requests else None,
        row.input_tokens_total,
        row.output_tokens_total,
        None,
    )


def _without_label(calls: list[UsageRow], labelled: list[LabelRow]) -> list[UsageLine]:
    """Return what remains of the calls when those with the label are taken away."""
    taken: dict[tuple[Any, ...], list[int]] = {}
    for row in labelled:
        group = tuple(value for name, value in row.group.items() if name != "label_value")
        sums = taken.setdefault((row.from_us, *group), [0] * 5)
        for index, value in enumerate(_measures(row)):
            sums[index] += value
    rest: list[UsageLine] = []
    for call in calls:
        minus = taken.get((call.from_us, *call.group.values()), [0] * 5)
        requests, unpriced, amount, inputs, outputs = (
            value - less for value, less in zip(_measures(call), minus, strict=True)
        )
        assert requests >= 0, "more calls have a label than there are calls"
        if requests:
            known = amount if requests > unpriced else None
            group_ = {**call.group, "label_value": None}
            rest.append(UsageLine(call.from_us, call.to_us, group_, requests, unpriced, known, inputs, outputs, None))
    return rest


def _measures(row: UsageRow | LabelRow) -> tuple[int, int, int, int, int]:
    return (
        row.requests,
        row.unpriced_requests,
        row.amount_nanos,
        row.input_tokens_total,
        row.output_tokens_total,
    )
