"""A response that is asked for again while it goes on: read for its usage alone, and as a whole answer would be."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from tollkeeper.gateway.wire import polled_response
from tollkeeper.gateway.wire.polled_response import read_polled
from tollkeeper.gateway.wire.responses_answer import read_answer

TEXT = {"type": "message", "content": [{"type": "output_text", "text": "a text"}]}
ITEMS = [
    TEXT,
    {"type": "web_search_call", "action": {"type": "search", "query": "x"}},
    {"type": "web_search_call", "action": {"type": "open_page", "url": "x"}},
    {"type": "file_search_call", "queries": ["x"]},
    {"type": "image_generation_call", "result": "AA=="},
    {"type": "code_interpreter_call", "container_id": "cntr_1"},
    {"type": "shell_call", "environment": {"type": "container_reference", "container_id": "cntr_2"}},
]
RESPONSE = {
    "id": "resp_1",
    "model": "gpt-5",
    "status": "completed",
    "service_tier": "flex",
    "previous_response_id": None,
    "usage": {"input_tokens": 10, "output_tokens": 5, "input_tokens_details": {"cached_tokens": 4}},
    "tools": [{"type": "code_interpreter", "container": {"type": "auto", "memory_limit": "4g"}}],
    "output": ITEMS,
}


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"tool_usage": {"web_search": {"num_requests": 3}}},
        {"status": "in_progress", "usage": None, "output": []},
        {"usage": {"input_tokens": 10, "output_tokens": 5, "cost_in_usd_ticks": 5_000}},
        {"output": None, "tools": None},
        {"output": [7, *ITEMS]},
        {"model": 7, "output": {}},
    ],
)
def test_it_states_what_a_whole_answer_states(changes: dict[str, Any]) -> None:
    body = msgspec.json.encode({**RESPONSE, **changes})
    whole, polled = read_answer(body), read_polled(body)
    assert polled is not None
    assert (polled.response_id, polled.model, polled.usage) == (whole.response_id, whole.model, whole.usage)
    assert (polled.is_under_way, polled.texts) == (whole.is_under_way, [])


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'{"id":', b"[" * 100_000])
def test_what_is_no_response_states_nothing(body: bytes) -> None:
    assert read_polled(body) is None


def test_of_very_many_items_the_usage_is_read_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(polled_response, "_ITEMS_READ_BYTES_MAX", 10)
    monkeypatch.setattr(polled_response, "_OBJECTS_MAX", 3)
    polled = read_polled(msgspec.json.encode(RESPONSE))
    assert polled is not None
    assert polled.usage is not None
    assert polled.usage.quantities == {"input": 6, "cache_read": 4, "output": 5}
