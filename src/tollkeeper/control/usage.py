"""Reading usage and costs: the organization's reports, single records, those in doubt, and what commands ask."""

from __future__ import annotations

import re
from typing import TypeVar

import msgspec

from tollkeeper.control import api_keys, usage_lines
from tollkeeper.control.administration import Action, Secrets, operator
from tollkeeper.control.usage_access import FULL, owner_of, require_reports
from tollkeeper.control.usage_lines import Names, UsageLine
from tollkeeper.domain.access import decide
from tollkeeper.domain.api_key import ApiKey
from tollkeeper.domain.errors import InvalidRequest, NotFound
from tollkeeper.domain.usage import CostState, UsageRecord
from tollkeeper.store import api_keys as key_rows
from tollkeeper.store import places, usage_lists, usage_reports
from tollkeeper.store.engine import Connection, Store
from tollkeeper.store.usage_reports import CostRow, Report, UsageRow

__all__ = ["CostRow", "Names", "Report", "UsageLine", "UsageRow"]

COMPLETION_OPERATIONS = ("chat.completions", "completions", "messages", "generate_content", "responses")
EMBEDDING_OPERATIONS = ("embeddings",)
OTHER_OPERATIONS = (
    "moderations", "images.generations", "images.edits", "images.variations", "audio.speech", "audio.transcriptions",
    "audio.translations",
)  # fmt: skip
"""What has no page among those of OpenAI's usage API here: `GET /v1/usage` and the costs have it as everything else."""

_CALL_ID = re.compile(r"(?:req_)?([0-9a-f]{32})")
T = TypeVar("T")


async def read_usage(action: Action, report: Report, *, permission: str) -> list[UsageRow]:
    """Return calls with their quantities, added up, for who has the permission for the organization or these projects.

    Raises:
        NotFound: the report is about a project that the caller may not know of.
        PermissionDenied: the caller has the permission for less than the report is about.
        InvalidRequest: a column or timezone that is not known, or a time range that makes no sense.
    """
    await require_reports(action, permission, report.filters.get("project_id"))
    return await usage_reports.report_usage(action.connection, action.organization_id, report)


async def read_calls(action: Action, report: Report, *, permission: str) -> list[UsageRow]:
    """Return calls without their quantities, which is less to read, as `read_usage` does.

    Raises:
        NotFound, PermissionDenied, InvalidRequest: as `read_usage` does.
    """
    await require_reports(action, permission, report.filters.get("project_id"))
    return await usage_reports.report_calls(action.connection, action.organization_id, report)


async def read_bill(action: Action, report: Report, *, permission: str) -> tuple[list[CostRow], list[UsageRow]]:
    """Return the bill's lines by model and dimension, and at the same moment the calls by model.

    Both are grouped by what `report` groups by besides. The lines know amounts, the calls how many have none.

    Raises:
        NotFound: the report is about a project that the caller may not know of.
        PermissionDenied: the caller has the permission for less than the report is about.
        InvalidRequest: a column or timezone that is not known, or a time range that makes no sense.
    """
    await require_reports(action, permission, report.filters.get("project_id"))
    by_model = msgspec.structs.replace(report, group_by=(*report.group_by, "model"))
    by_line = msgspec.structs.replace(by_model, group_by=(*by_model.group_by, "dimension"))
    return (
        await usage_reports.report_costs(action.connection, action.organization_id, by_line),
        await usage_reports.report_calls(action.connection, action.organization_id, by_model),
    )


async def get_record(action: Action, reference: str) -> tuple[UsageRecord, Names]:
    """Return the record of a call and the names of what it is about, for who may see its project's or made it.

    Raises:
        InvalidRequest: it is no request id.
        NotFound: there is no record of it that the caller may know of.
    """
    record = await _find(action.connection, action.organization_id, reference)
    place = await places.place_of_project(action.connection, action.organization_id, record.project_id)
    if place is None or not (decide(action.caller.principal, FULL, place).is_allowed or await _is_own(action, record)):
        raise _no_record(reference)
    group = {"team_id": place.team_id, "project_id": record.project_id, "api_key_id": record.api_key_id}
    return record, await usage_lines.names_of(action.connection, action.organization_id, [group])


def parse_request_id(reference: str) -> bytes:
    """Return the call id of a request id (req_…), or of a bare one.

    Raises:
        InvalidRequest: it is no such id.
    """
    match = _CALL_ID.fullmatch(reference.strip().lower().replace("-", ""))
    if match is None:
        raise InvalidRequest(f"'{reference}' is not a request id such as req_0190….", param="request_id")
    return bytes.fromhex(match.group(1))


async def summarize(store: Store, organization_id: str, report: Report, *, label: str | None = None) -> list[UsageLine]:
    """Return an organization's calls, added up, as `usage_lines.sum_up` does.

    Raises:
        InvalidRequest: a column or timezone that is not known, or a time range that makes no sense.
    """
    return await store.read(
        lambda connection: usage_lines.sum_up(connection, organization_id, report, label=label), is_snapshot=True
    )


async def find_record(store: Store, organization_id: str, reference: str) -> UsageRecord:
    """Return the record of a call by its request id (req_…) or the bare call id.

    Raises:
        InvalidRequest: it is no such id.
        NotFound: the organization has no record of it.
    """
    return await store.read(lambda connection: _find(connection, organization_id, reference))


async def list_doubtful(
    store: Store, organization_id: str, *, from_us: int, to_us: int, filters: dict[str, str], limit: int
) -> list[UsageRecord]:
    """Return the newest records whose amount is an estimate or unknown, at most `limit`."""

    async def work(connection: Connection) -> list[UsageRecord]:
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
    """Return the organization's key of this id, public part or name, as `api_keys.choose_key` does for the operator.

    Raises:
        NotFound: it has none.
        InvalidRequest: several keys have this name.
    """
    caller = operator(organization_id, name="command line")
    secrets = Secrets.of(bytes(32))  # nothing is written, sealed or made: the installation's own are not needed
    return await store.read(lambda connection: api_keys.choose_key(Action(connection, caller, secrets), named))


async def read_names(store: Store, organization_id: str, groups: list[dict[str, str | None]]) -> Names:
    """Return the names of all teams, projects, keys and members in these groups, archived and deleted ones too."""
    return await store.read(lambda connection: usage_lines.names_of(connection, organization_id, groups))


async def _is_own(action: Action, record: UsageRecord) -> bool:
    owner = owner_of(action.caller.principal)
    if record.api_key_id == owner.api_key_id:
        return True
    if not owner.member_id:
        return False
    key = await key_rows.get_api_key(action.connection, action.organization_id, record.api_key_id)
    return key is not None and key.member_id == owner.member_id


async def _find(connection: Connection, organization_id: str, reference: str) -> UsageRecord:
    found = await usage_lists.find_usage(connection, organization_id, parse_request_id(reference))
    if found is None:
        raise _no_record(reference)
    return found


def _no_record(reference: str) -> NotFound:
    return NotFound(f"There is no usage record of {reference}; a call that was refused has none.")
