"""Finding single calls: what they can be looked for by, a page of those that the caller may see, and one call opened."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

import msgspec

from tollkeeper.control import decisions, usage
from tollkeeper.control.administration import Action
from tollkeeper.control.usage_access import scopes_of
from tollkeeper.control.usage_lines import Names, names_of
from tollkeeper.domain.access import decide
from tollkeeper.domain.call_decision import CallDecision
from tollkeeper.domain.errors import InvalidRequest
from tollkeeper.domain.label import check_label
from tollkeeper.domain.usage import UsageRecord
from tollkeeper.kit.clock import TIME_US_MAX
from tollkeeper.kit.ids import uuid7_ms
from tollkeeper.prices.links import own_price_of
from tollkeeper.store import api_keys, call_search, places, prices
from tollkeeper.store.call_conditions import STATUS_MAX, CallFilters

__all__ = ["CallFilters", "CallPage", "CallSearch", "FoundCall", "OpenedCall"]

PAGE_MAX = 100
COST_NANOS_MAX = 2**62
"""Beyond what any call can cost, within what databases compare with."""
ERRORS = "errors"
_ARE_ERRORS = ((0, 0), (400, STATUS_MAX))
"""No answer at all is one, too: what the rollups count as errors."""
_CLASS = re.compile(r"([1-5])xx")
_STATUS = re.compile(r"[0-9]{1,3}")
_CURSOR = re.compile(r"[0-9a-f]{32}")


class CallSearch(msgspec.Struct, frozen=True, kw_only=True):
    """What is looked for in [from_us, to_us), going back in time from `after`. The time of a call is its id's."""

    filters: CallFilters = CallFilters()
    from_us: int = 0
    to_us: int = TIME_US_MAX
    request_id: str = ""
    after: bytes | None = None
    limit: int = PAGE_MAX


class FoundCall(msgspec.Struct, frozen=True):
    """A call's record, with the team that its project is in now and whose key it was; "" for none."""

    record: UsageRecord
    team_id: str
    member_id: str


class CallPage(msgspec.Struct, frozen=True):
    """Calls, newest first. `end` is where to look on, None when everything was looked at; `searched_to_us` the time of it."""

    calls: list[FoundCall]
    names: Names
    end: bytes | None

    @property
    def searched_to_us(self) -> int | None:
        return None if self.end is None else uuid7_ms(self.end) * 1000


class OpenedCall(msgspec.Struct, frozen=True):
    """One call whole. `decision` has the limits that it was let in by; None for who may not read quotas there.

    `own_prices` says from when on the own prices hold that its lines were charged by, by their ids.
    """

    call: FoundCall
    names: Names
    decision: CallDecision | None
    own_prices: dict[str, int] = {}


async def find_calls(action: Action, search: CallSearch) -> CallPage:
    """Return a page of the calls that the caller may see: all of a place, or those made with one's own keys.

    Raises:
        PermissionDenied: the caller may see totals only, or nothing.
        InvalidRequest: a request id that is none, or a time or cost range that makes no sense.
    """
    filters = msgspec.structs.replace(search.filters, within=scopes_of(action.caller.principal, is_detailed=True))
    low, high = filters.cost_from_nanos, filters.cost_to_nanos
    if max(low or 0, high or 0) > COST_NANOS_MAX:
        raise InvalidRequest("No call costs that much.", param="cost_from_usd")
    if low is not None and high is not None and low > high:
        raise InvalidRequest("The highest cost is below the lowest.", param="cost_to_usd")
    first, end = range_of(search)
    if first >= end:
        return CallPage([], await names_of(action.connection, action.organization_id, []), None)
    found = await call_search.search_calls(
        action.connection, action.organization_id, filters, first=first, end=end, limit=search.limit
    )
    calls = await _with_owners(action, found.records)
    return CallPage(calls, await _names(action, calls), found.end)


async def open_call(action: Action, reference: str) -> OpenedCall:
    """Return one call whole, by its request id, for who may see its project's calls or made it.

    Raises:
        InvalidRequest: it is no request id.
        NotFound: there is no record of it that the caller may know of.
    """
    record, _ = await usage.get_record(action, reference)
    (call,) = await _with_owners(action, [record])
    place = await places.place_of_project(action.connection, action.organization_id, record.project_id)
    decision = None
    if place is not None and decide(action.caller.principal, "quota:read", place).is_allowed:
        decision = await decisions.explain_record(action, record)
    ids = {own_price_of(line.source) for line in record.lines} - {""}
    own = await prices.begins_of_prices(action.connection, action.organization_id, ids)
    return OpenedCall(call, await _names(action, [call]), decision, own)


def range_of(search: CallSearch) -> tuple[bytes, bytes]:
    """Return the call ids [first, end) that are looked through.

    Raises:
        InvalidRequest: no request id, or a time range that makes no sense.
    """
    if not 0 <= search.from_us < search.to_us <= TIME_US_MAX:
        raise InvalidRequest("'to' must be after 'from', and both between 1970 and 2100.", param="to")
    first, end = call_search.lowest_call_id(search.from_us), call_search.lowest_call_id(search.to_us)
    if search.after is not None:
        end = min(end, search.after)
    if search.request_id:
        call_id = usage.parse_request_id(search.request_id)
        first, end = max(first, call_id), min(end, _next(call_id))
    return first, end


def parse_statuses(words: Iterable[str]) -> tuple[tuple[int, int], ...]:
    """Read statuses: 404, 4xx, or `errors` for 400 and above and calls without an answer.

    Raises:
        InvalidRequest: something else.
    """
    found: list[tuple[int, int]] = []
    for word in words:
        if word == ERRORS:
            found += _ARE_ERRORS
        elif of_class := _CLASS.fullmatch(word):
            low = int(of_class.group(1)) * 100
            found.append((low, low + 99))
        elif _STATUS.fullmatch(word):
            found.append((int(word), int(word)))
        else:
            message = f"'{word[:30]}' is no status: use a number such as 404 (0 for no answer), 4xx, 5xx or errors."
            raise InvalidRequest(message, param="statuses")
    return tuple(found)


def parse_labels(words: Iterable[str]) -> tuple[tuple[str, str | None], ...]:
    """Read labels: a name, or name=value.

    Raises:
        InvalidRequest: a call can have no such label.
    """
    found: list[tuple[str, str | None]] = []
    for word in words:
        name, equals, value = word.partition("=")
        if fault := check_label(name, value):
            raise InvalidRequest(f"No call has the label '{word[:100]}': {fault}.", param="labels")
        found.append((name, value if equals else None))
    return tuple(found)


def parse_cursor(text: str | None) -> bytes | None:
    """Read where to look on, as a page said it.

    Raises:
        InvalidRequest: it is something else.
    """
    if text is None:
        return None
    if _CURSOR.fullmatch(text) is None:
        raise InvalidRequest("Invalid 'after': use 'last_id' of the page before, with the same query.", param="after")
    return bytes.fromhex(text)


def _next(call_id: bytes) -> bytes:
    """Return the id right behind one."""
    return min(int.from_bytes(call_id, "big") + 1, (1 << 128) - 1).to_bytes(16, "big")


async def _with_owners(action: Action, records: Sequence[UsageRecord]) -> list[FoundCall]:
    project_ids, key_ids = {each.project_id for each in records}, {each.api_key_id for each in records}
    teams = await places.places_of_projects(action.connection, action.organization_id, sorted(project_ids))
    members = await api_keys.members_of_keys(action.connection, action.organization_id, sorted(key_ids))
    return [
        FoundCall(
            each,
            teams[each.project_id].team_id if each.project_id in teams else "",
            members.get(each.api_key_id, ""),
        )
        for each in records
    ]


async def _names(action: Action, calls: Iterable[FoundCall]) -> Names:
    groups = [
        {
            "team_id": each.team_id,
            "project_id": each.record.project_id,
            "api_key_id": each.record.api_key_id,
            "member_id": each.member_id,
        }
        for each in calls
    ]
    return await names_of(action.connection, action.organization_id, groups)
