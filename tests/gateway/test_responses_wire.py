"""Responses on the wire: usages in disjoint classes, what an input hides, and streams in whatever pieces."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.gateway.test_responses_route import COMPLETED, CREATED, DELTA, OTHER, RAW, USAGE, ask, response

from tollkeeper.domain.errors import InvalidRequest
from tollkeeper.gateway.responses_meter import ResponsesMeter
from tollkeeper.gateway.wire import responses_answer
from tollkeeper.gateway.wire.responses import ResponsesCall, parse
from tollkeeper.gateway.wire.unseen import ANYTHING, PLAIN


def call_of(**changes: Any) -> ResponsesCall:
    return parse(msgspec.json.encode(ask(**changes)))


def usage_of(**changes: Any) -> dict[str, int]:
    stated = responses_answer.read_answer(msgspec.json.encode(response(**changes)))
    assert stated.usage is not None
    return stated.usage.quantities


def test_a_usage_falls_into_disjoint_classes() -> None:
    details = {
        "cached_tokens": 15_000,
        "cache_write_tokens": 4_000,
        "cache_write_tokens_details": {"ttl_30m_tokens": 1_000, "ttl_12h_tokens": 3_000},
    }
    usage = {"input_tokens": 20_000, "input_tokens_details": details, "output_tokens": 1_000, "total_tokens": 21_000}
    usage["output_tokens_details"] = {"reasoning_tokens": 600}
    stated = responses_answer.read_answer(msgspec.json.encode(response(usage=usage, service_tier="flex")))
    assert stated.usage is not None
    assert stated.usage.quantities == {
        "input": 1_000,
        "cache_read": 15_000,
        "cache_write_12h": 3_000,
        "cache_write_30m": 1_000,
        "output": 1_000,
    }
    assert (stated.usage.reasoning_tokens, stated.usage.service_tier) == (600, "flex")


def test_what_was_written_without_a_life_lives_thirty_minutes() -> None:
    usage = {"input_tokens": 10, "input_tokens_details": {"cache_write_tokens": 4}, "output_tokens": 1}
    assert usage_of(usage=usage) == {"input": 6, "cache_write_30m": 4, "output": 1}


def test_parts_are_never_more_than_the_whole() -> None:
    details = {"cached_tokens": 50, "cache_write_tokens": 7, "cache_write_tokens_details": {"ttl_12h_tokens": 90}}
    assert usage_of(usage={"input_tokens": 10, "input_tokens_details": details}) == {
        "input": 0,
        "cache_read": 10,
        "cache_write_12h": 0,
        "output": 0,
    }


def test_the_providers_count_of_searches_wins_over_ours() -> None:
    output = [{"type": "web_search_call", "action": {"type": "search"}}] * 3
    assert usage_of(output=output)["web_search"] == 3
    assert usage_of(output=output, tool_usage={"web_search": {"num_requests": 2}})["web_search"] == 2
    assert "web_search" not in usage_of(output=output, tool_usage={"web_search": {"num_requests": 0}})


def test_a_usage_survives_types_that_are_not_openais() -> None:
    assert usage_of(output="nothing", status=7) == {"input": 10, "output": 5}
    assert responses_answer.read_answer(b"no json").usage is None


@pytest.mark.parametrize(
    "changes",
    [
        {"previous_response_id": "resp_1"},
        {"conversation": "conv_1"},
        {"prompt": {"id": "pmpt_1"}},
        {"input": [{"id": "rs_1"}]},
        {"input": [{"type": "item_reference", "id": "rs_1"}]},
        {"input": [{"type": "compaction", "encrypted_content": "x"}]},
        {"input": [{"role": "user", "content": [{"type": "input_file", "file_id": "file-1"}]}]},
        {"input": [{"type": "function_call_output", "call_id": "x", "output": [{"type": "input_file"}]}]},
    ],
)
def test_what_lies_elsewhere_is_as_long_as_the_window(changes: dict[str, Any]) -> None:
    assert call_of(**changes).unseen() == ANYTHING


def test_texts_are_bounded_by_their_bytes_and_pictures_are_counted() -> None:
    said = [
        {"role": "user", "content": "one"},
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "two"}]},
        {"type": "function_call", "name": "f", "arguments": "{}", "call_id": "x"},
        {"type": "function_call_output", "output": "three", "call_id": "x"},
        {"type": "reasoning", "summary": [], "encrypted_content": "abc"},
    ]
    assert call_of(input=said).unseen() is PLAIN
    picture = {"type": "input_image", "image_url": "data:image/png;base64,AAAA"}
    seen = call_of(input=[{"role": "user", "content": [picture, {"type": "input_text", "text": "x"}]}]).unseen()
    assert (seen.images, seen.is_unbounded) == (1, False)


@pytest.mark.parametrize("name", ["Max_Output_Tokens", "models", "previousResponseId"])
def test_what_only_some_parsers_read_is_refused(name: str) -> None:
    with pytest.raises(InvalidRequest) as found:
        call_of(**{name: 16})
    assert found.value.param == name


def test_a_name_that_stands_twice_is_refused() -> None:
    with pytest.raises(InvalidRequest):
        parse(b'{"model":"a","input":"x","previous_response_id":"a","previous_response_id":"b"}')


def test_the_model_is_spliced_and_nothing_else_changes() -> None:
    body = b'{ "model" : "gpt-fake",  "input":"x", "future": [1, 2] }'
    assert parse(body).upstream_body("gpt-other", "openai") == body.replace(b"gpt-fake", b"gpt-other")
    assert parse(body).upstream_body("gpt-fake", "openai") is body


@given(st.lists(st.integers(1, 400), max_size=12))
def test_a_stream_in_any_pieces_gives_the_same_bytes_and_usage(cuts: list[int]) -> None:
    whole = (CREATED + DELTA + COMPLETED).replace(b"\n", b"\r\n")
    meter = ResponsesMeter(OTHER, None)
    passed, place = b"", 0
    for size in [*cuts, len(whole)]:
        passed += meter.feed(whole[place : place + size])
        place += size
    passed += meter.finish()
    assert passed == whole
    assert meter.is_done
    assert meter.usage is not None
    assert meter.usage.quantities == {"input": USAGE["input_tokens"], "output": USAGE["output_tokens"]}


def test_text_that_looks_like_an_end_is_text() -> None:
    said = msgspec.json.encode(
        {"type": "response.output_text.delta", "delta": '"type":"response.completed"', "id": RAW}
    )
    meter = ResponsesMeter(OTHER, None)
    meter.feed(CREATED + b"data: " + said + b"\n\n")
    assert (meter.is_done, meter.usage) == (False, None)
    assert meter.output_texts() == ['"type":"response.completed"']


def test_a_session_is_counted_by_the_memory_of_its_container() -> None:
    output = [
        {"type": "code_interpreter_call", "container_id": "a"},
        {"type": "code_interpreter_call", "container_id": "b"},
    ]

    def counted(container: Any) -> set[str]:
        tools = [{"type": "code_interpreter", "container": container}]
        return usage_of(output=output, tools=tools).keys() - {"input", "output"}

    assert usage_of(output=output)["code_session"] == 2
    assert counted({"type": "auto", "memory_limit": "1g"}) == {"code_session"}
    assert counted({"type": "auto", "memory_limit": "16g"}) == {"code_session:16g"}
    assert counted("cntr_1") == {"container"}  # whose size is not known: it has no price


def test_what_xai_says_that_it_bills_is_kept() -> None:
    usage = {"input_tokens": 10, "output_tokens": 5, "cost_in_usd_ticks": 21_200_005}
    stated = responses_answer.read_answer(msgspec.json.encode(response(usage=usage)))
    assert stated.usage is not None
    assert stated.usage.reported_nanos == 2_120_001


def test_tools_are_bounded_by_how_often_they_may_be_called() -> None:
    tools = [{"type": "web_search"}, {"type": "code_interpreter", "container": {"type": "auto", "memory_limit": "4g"}}]
    unbounded, bounded = call_of(tools=tools), call_of(tools=tools, max_tool_calls=3)
    assert unbounded.may_cause_fees("gpt-5")
    assert not bounded.may_cause_fees("gpt-5")
    assert bounded.fees_max("gpt-5") == {"web_search": 3, "code_session": 3, "code_session:4g": 3}
    assert bounded.reads_max("gpt-5") == 4
    assert call_of(tools=[*tools, {"type": "mcp"}], max_tool_calls=3).may_cause_fees("gpt-5")
    assert not call_of(tools=[{"type": "function", "name": "f"}]).fees_max("gpt-5")


@pytest.mark.parametrize("odd", [[], {}, 5, ["auto"]])
def test_types_that_are_no_words_are_of_no_known_kind(odd: Any) -> None:
    run = {"type": "code_interpreter_call", "container_id": "a"}
    for place in ({"type": odd}, {"type": "auto", "memory_limit": odd}, {"type": "auto", "memory_limit": "1tb"}):
        tools = [{"type": "code_interpreter", "container": place}]
        assert usage_of(output=[run], tools=tools)["container"] == 1
        assert "container" in call_of(tools=tools, max_tool_calls=1).fees_max("gpt-5")
    assert usage_of(output=[{"type": "web_search_call", "action": {"type": odd}}])["web_search"] == 1
    assert usage_of(output=[{"type": odd}]) == {"input": 10, "output": 5}
    assert call_of(input=[{"type": odd}]).unseen() == ANYTHING
    assert call_of(input=[{"role": "user", "content": [{"type": odd}]}]).unseen() == ANYTHING


def test_an_input_that_stands_twice_is_refused() -> None:
    with pytest.raises(InvalidRequest) as found:
        parse(b'{"model":"a","input":[{"type":"item_reference","id":"x"}],"input":"x"}')
    assert found.value.param == "input"
    said = [{"type": "function_call", "name": "f", "arguments": '{"input": 1}', "call_id": "input"}]
    assert call_of(input=said).unseen() is PLAIN
