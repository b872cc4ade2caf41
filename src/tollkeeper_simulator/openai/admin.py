"""OpenAI's usage and costs API, answered from the bill.

Shapes: github.com/openai/openai-openapi at f85dbe22 (2026-08-21) and the openai Python package 3.51. Buckets are aligned to
their width; empty ones are listed; array parameters come as `group_by` or `group_by[]`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from tollkeeper_simulator import clock
from tollkeeper_simulator.answer import Answer
from tollkeeper_simulator.openai import admin_results
from tollkeeper_simulator.openai.errors import refuse, unknown_url

if TYPE_CHECKING:
    from tollkeeper_simulator.bill import Record
    from tollkeeper_simulator.dialect import State
    from tollkeeper_simulator.http import Request

_WIDTHS_S = {"1m": 60, "1h": 3_600, "1d": 86_400}
_LIMITS = {"1m": (60, 1_440), "1h": (24, 168), "1d": (7, 31)}
_COSTS_LIMITS = (7, 180)


class Query(msgspec.Struct, frozen=True):
    """A checked usage or costs query; times are Unix seconds, `end` is exclusive."""

    start: int
    end: int
    width_s: int
    limit: int
    group_by: tuple[str, ...]
    filters: dict[str, frozenset[str]]
    batch: bool | None = None

    def wants(self, record: Record, project: str) -> bool:
        """Whether this record passes the filters (line items are filtered later)."""
        values = {"api_key_ids": record.api_key_id, "models": record.served_model, "project_ids": project}
        if self.batch or self.filters.get("user_ids"):
            return False
        return all(values[name] in wanted for name, wanted in self.filters.items() if name in values)


def answer(request: Request, state: State) -> Answer:
    """Answer a usage or costs query. Raises RefusedError for wrong parameters."""
    path = request.path.removeprefix("/v1/organization/")
    if path == "costs":
        query = _query(
            request, frozenset({"project_id", "line_item", "api_key_id", "user_id", "api_source"}), costs=True
        )
        return _page(query, state, admin_results.costs)
    if path == "usage/completions":
        groups = frozenset({"project_id", "user_id", "api_key_id", "model", "batch", "service_tier", "api_source"})
        return _page(_query(request, groups), state, admin_results.completions)
    if path == "usage/embeddings":
        groups = frozenset({"project_id", "user_id", "api_key_id", "model"})
        return _page(_query(request, groups), state, admin_results.embeddings)
    return unknown_url(request.method, request.path)


def _query(request: Request, groups: frozenset[str], *, costs: bool = False) -> Query:
    asked: dict[str, list[str]] = {}
    for name, value in request.query:
        asked.setdefault(name.removesuffix("[]"), []).extend(value.split(","))
    if costs and "line_items" in asked:
        # A line item has a comma of its own.
        asked["line_items"] = [value for name, value in request.query if name.removesuffix("[]") == "line_items"]
    width = asked.get("bucket_width", ["1d"])[-1]
    if width not in _WIDTHS_S or (costs and width != "1d"):
        message = f"Invalid value: '{width}'."
        raise refuse(message, "bucket_width", "invalid_value")
    group_by = tuple(asked.get("group_by", ()))
    for name in group_by:
        if name not in groups:
            message = f"Invalid value: '{name}'. Supported values are: {', '.join(sorted(groups))}."
            raise refuse(message, "group_by", "invalid_value")
    start = _whole(asked, "start_time", None)
    usual, most = _COSTS_LIMITS if costs else _LIMITS[width]
    limit = _whole(asked, "limit", usual)
    if not 1 <= limit <= most:
        message = f"Invalid 'limit': expected 1 to {most}, but got {limit} instead."
        raise refuse(message, "limit", "integer_above_max_value")
    width_s = _WIDTHS_S[width]
    page = asked.get("page")
    first = start // width_s * width_s if page is None else _cursor(page[-1])
    names = ("project_ids", "user_ids", "api_key_ids", "models", "line_items")
    return Query(
        start=first,
        end=_whole(asked, "end_time", clock.now_s() + 1),
        width_s=width_s,
        limit=limit,
        group_by=group_by,
        filters={name: frozenset(asked[name]) for name in names if name in asked},
        batch=asked["batch"][-1] == "true" if "batch" in asked else None,
    )


def _page(query: Query, state: State, results: admin_results.Maker) -> Answer:
    starts = range(query.start, query.end, query.width_s)
    shown = starts[: query.limit]
    buckets: dict[int, list[Record]] = {start: [] for start in shown}
    for record in state.bill.records:
        start = record.time // query.width_s * query.width_s
        mine = record.provider == "openai" and record.lines
        if start in buckets and mine and query.wants(record, state.settings.project):
            buckets[start].append(record)
    more = len(starts) > len(shown)
    body = {
        "object": "page",
        "data": [
            {
                "object": "bucket",
                "start_time": start,
                "end_time": start + query.width_s,
                "results": results(records, query.group_by, state.settings, query.filters.get("line_items")),
            }
            for start, records in buckets.items()
        ],
        "has_more": more,
        "next_page": f"page_{starts[query.limit]}" if more else None,
    }
    return Answer(200, msgspec.json.encode(body))


def _whole(asked: dict[str, list[str]], name: str, usual: int | None) -> int:
    value = asked.get(name)
    if value is None:
        if usual is None:
            message = f"Missing required parameter: '{name}'."
            raise refuse(message, name, "missing_required_parameter")
        return usual
    if not value[-1].isdecimal():
        message = f"Invalid type for '{name}': expected an integer, but got a string instead."
        raise refuse(message, name, "invalid_type")
    return int(value[-1])


def _cursor(page: str) -> int:
    start = page.removeprefix("page_")
    if not start.isdecimal():
        message = "Invalid 'page' cursor."
        raise refuse(message, "page", "invalid_value")
    return int(start)
