"""The stream meter: however a stream is cut into pieces, its client gets the same bytes and the books the same usage.

Method: streams are drawn from what providers really send (line ends, comments, cumulative and late usage, error events, any
text), cut at any byte positions, and compared with what a reader of whole events makes of them.
"""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tollkeeper.domain.errors import UpstreamFault
from tollkeeper.domain.usage import Charge, CostState, Usage
from tollkeeper.gateway import meter as meter_module
from tollkeeper.gateway.openai_meter import OpenAIMeter
from tollkeeper.gateway.wire import openai_answer

texts = st.text(max_size=20) | st.sampled_from(
    ['"usage": {', "data: [DONE]", '{"error":1}', "\n\n", "안녕", "\u2028", "é😀"]
)
counts = st.integers(0, 10**6)


@st.composite
def usages(draw: st.DrawFn) -> dict[str, Any]:
    usage: dict[str, Any] = {"prompt_tokens": draw(counts), "completion_tokens": draw(counts)}
    if draw(st.booleans()):
        usage["prompt_tokens_details"] = {"cached_tokens": draw(st.integers(0, usage["prompt_tokens"]))}
    return usage


@st.composite
def payloads(draw: st.DrawFn) -> dict[str, Any]:
    """What one event says: a content chunk with or without some usage, a usage chunk, or an error."""
    kind = draw(st.sampled_from(["content", "content", "content", "cumulative", "null", "usage", "error"]))
    if kind == "error":
        return {"error": {"message": draw(texts)}}
    chunk: dict[str, Any] = {"id": "x", "choices": [{"index": 0, "delta": {"content": draw(texts)}}]}
    if draw(st.booleans()):
        chunk["model"] = draw(st.sampled_from(["gpt-a", "gpt-b"]))
    if kind == "usage":
        return {**chunk, "choices": [], "usage": draw(usages())}
    extras: dict[str, dict[str, Any]] = {
        "content": {},
        "cumulative": {"usage": draw(usages())},
        "null": {"usage": None},
    }
    return {**chunk, **extras[kind]}


@st.composite
def events(draw: st.DrawFn) -> tuple[bytes, dict[str, Any] | None]:
    """One event as bytes, and what it says; None for a comment."""
    end = draw(st.sampled_from([b"\n", b"\r\n"]))
    if draw(st.integers(0, 9)) == 0:
        return b": ping" + end + end, None
    payload = draw(payloads())
    is_ascii = draw(st.booleans())
    separators = draw(st.sampled_from([(",", ":"), (", ", ": ")]))
    encoded = json.dumps(payload, ensure_ascii=is_ascii, separators=separators).encode("utf-8", "replace")
    space = draw(st.sampled_from([b" ", b""]))
    head = b"event: chunk" + end if draw(st.integers(0, 5)) == 0 else b""
    if (
        "error" not in payload and "usage" not in payload and draw(st.integers(0, 5)) == 0
    ):  # a payload over several lines
        first, comma, rest = encoded.partition(b",")
        encoded = first + comma + end + b"data:" + space + rest if comma else encoded
    return head + b"data:" + space + encoded + end + end, payload


streams = st.lists(events(), max_size=12)


def cut(data: bytes, places: list[int]) -> list[bytes]:
    edges = [0, *sorted({place % (len(data) + 1) for place in places}), len(data)]
    return [data[start:end] for start, end in pairwise(edges) if end > start]


def price(usage: Usage, _model: str) -> Charge:
    return Charge(CostState.COMPUTED, usage.input_total + 2 * usage.output_total)


def run(pieces: list[bytes], *, wants_usage: bool) -> tuple[bytes, OpenAIMeter]:
    meter = OpenAIMeter(wants_usage=wants_usage, charge=price)
    return b"".join([*(meter.feed(piece) for piece in pieces), meter.finish()]), meter


def known(meter: OpenAIMeter) -> tuple[object, ...]:
    return meter.usage, meter.model_served, meter.has_error, "".join(meter.output_texts())


@settings(max_examples=150, deadline=None)
@given(streams, st.lists(st.integers(0, 10**6), max_size=30), st.booleans(), st.binary(max_size=3))
def test_cutting_a_stream_changes_neither_bytes_nor_usage(
    stream: list[tuple[bytes, Any]], places: list[int], wants_usage: bool, tail: bytes
) -> None:
    data = b"".join(event for event, _ in stream) + tail
    whole, meter_whole = run([data] if data else [], wants_usage=wants_usage)
    in_pieces, meter_pieces = run(cut(data, places), wants_usage=wants_usage)
    assert in_pieces == whole
    assert known(meter_pieces) == known(meter_whole)
    byte_by_byte, meter_bytes = run([data[at : at + 1] for at in range(len(data))], wants_usage=wants_usage)
    assert byte_by_byte == whole
    assert known(meter_bytes) == known(meter_whole)


@settings(max_examples=150, deadline=None)
@given(streams, st.booleans())
def test_only_usage_chunks_are_touched(stream: list[tuple[bytes, Any]], wants_usage: bool) -> None:
    passed, meter = run([event for event, _ in stream], wants_usage=wants_usage)
    expected = b""
    last_usage = None
    for event, payload in stream:
        stated = (payload or {}).get("usage")
        last_usage = stated or last_usage
        if stated is None or payload["choices"]:
            expected += event
        elif wants_usage:
            expected += with_cost(event, stated)
    assert passed == expected
    if last_usage is None:
        assert meter.usage is None
    else:
        assert meter.usage is not None
        assert meter.usage.input_total == last_usage["prompt_tokens"]
        assert meter.usage.output_total == last_usage["completion_tokens"]


def with_cost(event: bytes, usage: dict[str, Any]) -> bytes:
    """Return the event with its cost as the first member of `usage`, every other byte unchanged."""
    nanos = usage["prompt_tokens"] + 2 * usage["completion_tokens"]
    for opening in (b'"usage":{', b'"usage": {'):
        before, found, after = event.partition(opening)
        if found:
            spliced = before + found + b'"cost":' + plain_usd(nanos) + b"," + after
            payload = json.loads(b"".join(line[5:] for line in spliced.splitlines() if line.startswith(b"data:")))
            assert payload["usage"] == {"cost": nanos / 10**9, **usage}, "the spliced event must still be JSON"
            return spliced
    raise AssertionError("no usage to splice into")


def plain_usd(nanos: int) -> bytes:
    """Write nano-USD as dollars: at least two decimals, no needless zeros."""
    whole, rest = divmod(nanos, 10**9)
    decimals = f"{rest:09d}".rstrip("0").ljust(2, "0")
    return f"{whole}.{decimals}".encode()


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_every_single_cut_of_a_usual_stream_gives_the_same(end: bytes) -> None:
    data = (
        b'data: {"model":"gpt-a","choices":[{"delta":{"content":"\xec\x95\x88\xeb\x85\x95"}}],"usage":null}\n\n'
        b': ping\n\ndata: {"model":"gpt-a","choices":[],"usage":{"prompt_tokens":3,"completion_tokens":2}}\n\ndata: [DONE]\n\n'
    ).replace(b"\n", end)
    for wants_usage in (False, True):
        whole, meter = run([data], wants_usage=wants_usage)
        assert meter.usage == Usage({"input": 3, "output": 2})
        assert (b'"cost":0.000000007,' in whole) is wants_usage
        assert (b'"prompt_tokens"' in whole) is wants_usage
        patient = OpenAIMeter(wants_usage=wants_usage, charge=price)
        passed = b"".join(patient.feed(data[at : at + 1]) for at in range(len(data)))
        assert passed == whole, "an event goes on as soon as it is whole, not only when the stream ends"
        for at in range(len(data)):
            pieces, other = run([data[:at], data[at:]], wants_usage=wants_usage)
            assert (pieces, known(other)) == (whole, known(meter))


def test_usage_in_the_last_content_chunk_stays_there_and_counts() -> None:
    event = (
        b'data: {"choices":[{"delta":{},"finish_reason":"stop"}],"usage":{"prompt_tokens":3,"completion_tokens":2}}\n\n'
    )
    passed, meter = run([event], wants_usage=False)
    assert passed == event
    assert meter.usage == Usage({"input": 3, "output": 2})


def test_the_end_mark_makes_any_usage_final_and_a_text_like_it_does_not() -> None:
    stated = b'data: {"choices":[{"delta":{"content":"data: [DONE]"}}],"usage":{"prompt_tokens":3,"completion_tokens":2}}\n\n'
    _, meter = run([stated], wants_usage=True)
    assert (meter.is_usage_final, meter.is_done) == (False, False)
    _, meter = run([stated, b"data: [DONE]\n\n"], wants_usage=True)
    assert (meter.is_usage_final, meter.is_done) == (True, True)


def test_the_last_of_cumulative_usages_counts() -> None:
    stream = [
        b'data: {"choices":[{"delta":{}}],"usage":{"prompt_tokens":3,"completion_tokens":%d}}\n\n' % count
        for count in (1, 5, 9)
    ]
    _, meter = run(stream, wants_usage=True)
    assert meter.usage == Usage({"input": 3, "output": 9})


def test_a_cost_that_the_provider_states_is_not_doubled() -> None:
    event = b'data: {"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":2,"cost":5}}\n\n'
    assert run([event], wants_usage=True)[0] == event


def test_a_stream_that_ends_without_its_last_empty_line_is_passed_and_metered() -> None:
    event = b'data: {"choices":[{"delta":{}}],"usage":{"prompt_tokens":3,"completion_tokens":2}}'
    passed, meter = run([event], wants_usage=False)
    assert passed == event
    assert meter.usage is not None


def test_memory_stays_small_while_text_is_kept_for_counting() -> None:
    meter = OpenAIMeter(wants_usage=False, charge=price)
    event = b'data: {"choices":[{"delta":{"content":"word "}}],"padding":"' + b"x" * 500 + b'"}\n\n'
    for _ in range(2_000):
        meter.feed(event)
        assert len(meter._kept) <= meter_module.KEPT_BYTES_MAX
    assert "".join(meter.output_texts()) == "word " * 2_000


def test_text_beyond_a_bound_is_not_kept_and_that_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(meter_module, "TEXT_LENGTH_MAX", 100_000)
    meter = OpenAIMeter(wants_usage=False, charge=price)
    event = b'data: {"choices":[{"delta":{"content":"' + b"word " * 1_000 + b'"}}]}\n\n'
    for _ in range(20):
        meter.feed(event)
    assert meter.output_texts() == ["word " * 20_000]
    assert not meter.is_text_cut
    for _ in range(200):
        meter.feed(event)
        assert sum(map(len, meter._texts)) <= 100_000 + meter_module.KEPT_BYTES_MAX
    assert meter.output_texts()[0].startswith("word " * 20_000)
    assert meter.is_text_cut


def test_kept_text_is_joined_once_and_not_again_for_every_piece() -> None:
    meter = OpenAIMeter(wants_usage=False, charge=price)
    event = b'data: {"choices":[{"delta":{"content":"' + b"w" * 33_000 + b'"}}]}\n\n'
    for _ in range(50):
        meter.feed(event)
    assert max(map(len, meter._texts)) == 33_000
    assert meter.output_texts() == ["w" * 33_000 * 50]
    assert meter.output_texts() == ["w" * 33_000 * 50]


def test_what_is_left_of_an_unfinished_event_is_never_copied_for_its_next_piece() -> None:
    meter = OpenAIMeter(wants_usage=False, charge=price)
    meter.feed(b"data: ")
    rest = meter._rest
    for _ in range(100):
        meter.feed(b"x" * 1_400)
    assert meter._rest is rest
    assert meter.feed(b"\n\ny") == b"data: " + b"x" * 140_000 + b"\n\n"
    assert meter.finish() == b"y"


@pytest.mark.parametrize("blank", [b"\n\n", b"\r\n\r\n", b"data:\n\n", b"data: \n\n", b": ping\n\n"])
def test_events_without_data_are_passed_and_never_parsed(blank: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    parsed: list[bytes] = []
    monkeypatch.setattr(openai_answer, "parse_answer", parsed.append)
    meter = OpenAIMeter(wants_usage=False, charge=price)
    assert meter.feed(blank * 10_000) == blank * 10_000
    assert meter.output_texts() == []
    assert parsed == []


def test_an_event_without_end_is_a_fault_of_the_provider() -> None:
    meter = OpenAIMeter(wants_usage=False, charge=price)
    piece = b"x" * (meter_module.EVENT_BYTES_MAX // 4)
    for _ in range(4):
        assert meter.feed(piece) == b""
    with pytest.raises(UpstreamFault):
        meter.feed(piece)


def test_a_cost_is_never_put_into_another_object_that_is_called_usage() -> None:
    event = (
        b'data: {"choices":[],"x":{"usage":{"a":1}},"model":"m",'
        b'"usage":{"prompt_tokens":5,"completion_tokens":7,"total_tokens":12}}\n\n'
    )
    meter = OpenAIMeter(wants_usage=True, charge=lambda _usage, _model: Charge(CostState.COMPUTED, 123))
    assert meter.feed(event) == event
    assert meter.usage is not None
    assert meter.usage.quantities == {"input": 5, "output": 7}


def test_an_event_without_end_takes_no_more_than_linear_time() -> None:
    """Goal: 4 MiB of unfinished event in about the time of 32 times 128 KiB; a quadratic search would take hours."""
    meter = OpenAIMeter(wants_usage=True, charge=lambda _usage, _model: Charge(CostState.COMPUTED, 123))
    for _ in range(64):
        assert meter.feed(b"x" * 65_536) == b""
    assert len(meter.finish()) == 64 * 65_536
    assert meter.output_texts() == []
