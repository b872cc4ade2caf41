"""Every fault: what the caller sees of it, and what the bill says."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx
import openai
import pytest
from simulator_calls import KEY, WITH_USAGE, asking, settled

from tollkeeper_simulator import Simulator
from tollkeeper_simulator.faults import NO_FAULT, UnknownFaultError, combine, marker_in, parse

CHAT = "/v1/chat/completions"


async def raw(simulator: Simulator, body: dict[str, Any], fault: str) -> tuple[bytes, bytes, list[bytes]]:
    """Send one call over a bare connection; return head, body as it came, and the reads that it came in."""
    host, _, port = simulator.origin.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    payload = json.dumps(body).encode()
    writer.write(
        f"POST {CHAT} HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {KEY}\r\nconnection: close\r\n"
        f"x-sim-fault: {fault}\r\ncontent-length: {len(payload)}\r\n\r\n".encode()
        + payload
    )
    head = await reader.readuntil(b"\r\n\r\n")
    reads = []
    try:
        while data := await reader.read(65_536):
            reads.append(data)
    finally:
        writer.close()
    return head, b"".join(reads), reads


def unchunked(body: bytes) -> bytes:
    """Return the data of whole chunks; the last one may be missing."""
    out = b""
    while body:
        size, _, body = body.partition(b"\r\n")
        out += body[: int(size, 16)]
        body = body[int(size, 16) + 2 :]
    return out


def billed_output(simulator: Simulator) -> int:
    return simulator.bill.records[-1].usage.output_tokens


@pytest.mark.parametrize(
    ("fault", "status", "kind", "code"),
    [
        ("status=503", 503, "service_unavailable_error", "server_is_overloaded"),
        ("status=500", 500, "server_error", None),
        ("status=429:rate", 429, "requests", "rate_limit_exceeded"),
        ("status=429:tokens", 429, "tokens", "rate_limit_exceeded"),
        ("status=429:quota", 429, "insufficient_quota", "insufficient_quota"),
        ("status=400", 400, "invalid_request_error", "invalid_value"),
        ("status=401", 401, "invalid_request_error", "invalid_api_key"),
        ("status=504", 504, "server_error", None),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
async def test_a_refusal_has_openais_shape_and_costs_nothing(
    http: httpx.AsyncClient, simulator: Simulator, fault: str, status: int, kind: str, code: str | None, stream: bool
) -> None:
    answer = await http.post(CHAT, json=asking(stream=stream), headers={"x-sim-fault": fault})
    assert answer.status_code == status
    error = answer.json()["error"]
    assert (error["type"], error["code"]) == (kind, code)
    assert set(error) == {"message", "type", "param", "code"}
    assert ("retry-after" in answer.headers) == (code == "rate_limit_exceeded")
    record = simulator.bill.records[0]
    assert (record.status, record.amount_nano, record.lines, record.fault) == (status, 0, (), fault)


async def test_a_refused_prompt_is_not_cached(http: httpx.AsyncClient, simulator: Simulator) -> None:
    body = asking("word " * 1_500)
    await http.post(CHAT, json=body, headers={"x-sim-fault": "status=503"})
    await http.post(CHAT, json=body)
    assert simulator.bill.records[1].usage.cached_tokens == 0


@pytest.mark.parametrize("fault", ["delay=120", "first_byte_delay=120"])
@pytest.mark.parametrize("stream", [False, True])
async def test_delays_delay(http: httpx.AsyncClient, fault: str, stream: bool) -> None:
    now = asyncio.get_running_loop().time
    started = now()
    answer = await http.post(CHAT, json=asking(stream=stream), headers={"x-sim-fault": fault})
    assert answer.status_code == 200
    assert now() - started >= 0.11


@pytest.mark.parametrize(("fault", "pays"), [("delay=10000", False), ("first_byte_delay=10000", True)])
async def test_hanging_up_in_the_queue_is_free_and_during_generation_is_not(
    simulator: Simulator, fault: str, pays: bool
) -> None:
    async with httpx.AsyncClient(timeout=0.15, headers={"authorization": f"Bearer {KEY}"}) as hasty:
        with pytest.raises(httpx.ReadTimeout):
            await hasty.post(simulator.origin + CHAT, json=asking(), headers={"x-sim-fault": fault})
    await settled(simulator)
    record = simulator.bill.records[0]
    assert (record.amount_nano > 0) == pays
    assert record.complete is False
    assert record.client_gone_after_bytes == 0


@pytest.mark.parametrize("stream", [False, True])
async def test_cut_closes_after_so_many_body_bytes(simulator: Simulator, stream: bool) -> None:
    head, body, _ = await raw(simulator, asking(**(WITH_USAGE if stream else {})), "cut=600")
    assert b"HTTP/1.1 200" in head
    assert len(unchunked(body) if stream else body) == 600
    record = simulator.bill.records[0]
    assert (record.complete, record.usage_sent, record.client_gone_after_bytes) == (False, False, None)
    assert record.amount_nano > 0


async def test_a_cut_stream_costs_the_tokens_that_were_made(simulator: Simulator) -> None:
    await raw(simulator, asking(**WITH_USAGE), "tokens=200;cut=2000")
    await raw(simulator, asking(**WITH_USAGE), "tokens=200;cut=4000")
    short, long = (record.usage.output_tokens for record in simulator.bill.records)
    assert 0 < short < long < 200


async def test_a_cut_after_the_usage_leaves_the_caller_told(simulator: Simulator) -> None:
    _, body, _ = await raw(simulator, asking(**WITH_USAGE), "crlf")
    whole = len(unchunked(body))
    for short_by in (5, 40):
        await raw(simulator, asking(**WITH_USAGE), f"crlf;cut={whole - short_by}")
    after, within = simulator.bill.records[1:]
    assert (after.usage_sent, within.usage_sent) == (True, False)
    assert (after.complete, within.complete) == (False, False)


async def test_a_cut_plain_answer_costs_everything(simulator: Simulator) -> None:
    await raw(simulator, asking(), "tokens=200;cut=10")
    assert billed_output(simulator) == 200


async def test_cut_at_zero_sends_no_body(simulator: Simulator) -> None:
    _, body, _ = await raw(simulator, asking(), "cut=0")
    assert body == b""


@pytest.mark.parametrize("stream", [False, True])
async def test_reset_drops_the_connection(simulator: Simulator, stream: bool) -> None:
    with pytest.raises(ConnectionResetError):
        await raw(simulator, asking(**(WITH_USAGE if stream else {})), "reset=300")
    await settled(simulator)
    assert simulator.bill.records[0].complete is False
    assert simulator.bill.records[0].amount_nano > 0


@pytest.mark.parametrize("stream", [False, True])
async def test_stall_stops_without_closing(http: httpx.AsyncClient, simulator: Simulator, stream: bool) -> None:
    got = [0]

    async def listen() -> None:
        fault = {"x-sim-fault": "stall=400"}
        async with http.stream("POST", CHAT, json=asking(stream=stream), headers=fault, timeout=0.2) as answer:
            async for data in answer.aiter_raw():
                got[0] += len(data)

    with pytest.raises(httpx.ReadTimeout):
        await listen()
    assert got == [400]
    assert simulator.bill.records[0].complete is False
    await settled(simulator)


async def test_no_usage_is_billed_but_not_told(client: openai.AsyncOpenAI, simulator: Simulator) -> None:
    answer = await client.chat.completions.create(**asking("[[sim:no_usage]]"))
    assert answer.usage is None
    stream = await client.chat.completions.create(**asking("[[sim:no_usage]]"), **WITH_USAGE)
    assert [chunk.usage async for chunk in stream if chunk.usage] == []
    for record in simulator.bill.records:
        assert record.usage_sent is False
        assert record.complete is True
        assert record.usage.output_tokens > 0


async def test_zero_usage_is_an_explicit_zero_and_costs_nothing(
    client: openai.AsyncOpenAI, simulator: Simulator
) -> None:
    answer = await client.chat.completions.create(**asking("[[sim:zero_usage]]"))
    assert answer.usage is not None
    assert (answer.usage.prompt_tokens, answer.usage.total_tokens) == (0, 0)
    assert simulator.bill.records[0].amount_nano == 0
    assert simulator.bill.records[0].usage_sent is True


async def test_malformed_json_is_billed(http: httpx.AsyncClient, simulator: Simulator) -> None:
    answer = await http.post(CHAT, json=asking("[[sim:malformed]]"))
    assert answer.status_code == 200
    with pytest.raises(json.JSONDecodeError):
        answer.json()
    assert simulator.bill.records[0].usage.output_tokens > 0
    assert simulator.bill.records[0].usage_sent is False


async def test_a_stream_can_have_one_malformed_event(http: httpx.AsyncClient, simulator: Simulator) -> None:
    answer = await http.post(CHAT, json=asking("[[sim:malformed]]", **WITH_USAGE))
    broken = 0
    for event in answer.text.split("\n\n")[:-2]:
        try:
            json.loads(event.removeprefix("data: "))
        except json.JSONDecodeError:
            broken += 1
    assert broken == 1
    assert simulator.bill.records[0].complete is True


async def test_drip_sends_little_by_little(simulator: Simulator) -> None:
    now = asyncio.get_running_loop().time
    started = now()
    _, body, reads = await raw(simulator, asking(), "drip=200,20")
    assert json.loads(body)["object"] == "chat.completion"
    assert len(reads) > 1
    assert now() - started >= 0.02 * (len(body) // 200)


async def test_pieces_split_events_anywhere(simulator: Simulator) -> None:
    _, body, _ = await raw(simulator, asking(**WITH_USAGE), "pieces=7")
    sizes = [int(line, 16) for line in body.split(b"\r\n")[0:20:2]]
    assert set(sizes) <= set(range(1, 8))
    data = unchunked(body)
    assert data.endswith(b"data: [DONE]\n\n")
    usage = json.loads(data.split(b"\n\n")[-3].removeprefix(b"data: "))["usage"]
    assert usage["completion_tokens"] == billed_output(simulator)


async def test_an_error_event_ends_a_stream(client: openai.AsyncOpenAI, simulator: Simulator) -> None:
    stream = await client.chat.completions.create(**asking("[[sim:error_event;tokens=40]]"), **WITH_USAGE)
    with pytest.raises(openai.APIError, match="The server had an error"):
        async for _ in stream:
            pass
    record = simulator.bill.records[0]
    assert 0 < record.usage.output_tokens < 40
    assert (record.complete, record.usage_sent) == (False, False)


async def test_an_error_event_makes_a_plain_answer_a_500(http: httpx.AsyncClient, simulator: Simulator) -> None:
    answer = await http.post(CHAT, json=asking("[[sim:error_event]]"))
    assert answer.status_code == 500
    assert simulator.bill.total_nano == 0


async def test_crlf_ends_lines_with_crlf(http: httpx.AsyncClient, client: openai.AsyncOpenAI) -> None:
    text = (await http.post(CHAT, json=asking("[[sim:crlf]]", stream=True))).text
    assert text.endswith("data: [DONE]\r\n\r\n")
    assert "\n" not in text.replace("\r\n", "")
    stream = await client.chat.completions.create(**asking("[[sim:crlf]]"), **WITH_USAGE)
    assert len([chunk async for chunk in stream]) > 3


async def test_late_usage_comes_with_the_last_content_chunk(http: httpx.AsyncClient, simulator: Simulator) -> None:
    text = (await http.post(CHAT, json=asking("[[sim:late_usage]]", **WITH_USAGE))).text
    *_, last, done, rest = text.split("\n\n")
    assert (done, rest) == ("data: [DONE]", "")
    chunk = json.loads(last.removeprefix("data: "))
    assert chunk["choices"][0]["finish_reason"] == "stop"
    assert chunk["usage"]["completion_tokens"] == billed_output(simulator)


@pytest.mark.parametrize("more", [{}, {"max_tokens": 5}, {"model": "gpt-5"}])
@pytest.mark.parametrize("stream", [{}, WITH_USAGE])
async def test_tokens_sets_the_exact_output(
    http: httpx.AsyncClient, simulator: Simulator, more: dict[str, Any], stream: dict[str, Any]
) -> None:
    await http.post(CHAT, json=asking("[[sim:tokens=777]]") | more | stream)
    assert billed_output(simulator) == 777


async def test_big_makes_so_many_kilobytes(client: openai.AsyncOpenAI) -> None:
    answer = await client.chat.completions.create(**asking("[[sim:big=64]]"))
    size = len(answer.choices[0].message.content or "")
    assert 64 * 1_024 <= size < 64 * 1_024 + 12


async def test_faults_work_for_embeddings_and_completions(client: openai.AsyncOpenAI, simulator: Simulator) -> None:
    with pytest.raises(openai.InternalServerError):
        await client.embeddings.create(model="text-embedding-3-small", input=["a", "[[sim:status=503]]"])
    done = await client.completions.create(model="gpt-3.5-turbo-instruct", prompt="x [[sim:tokens=30]]")
    assert done.usage is not None
    assert done.usage.completion_tokens == 30
    embedded = await client.embeddings.create(model="text-embedding-3-small", input="[[sim:zero_usage]]")
    assert embedded.usage.prompt_tokens == 0
    assert [record.amount_nano > 0 for record in simulator.bill.records] == [False, True, False]


async def test_the_marker_counts_only_in_the_last_user_message(client: openai.AsyncOpenAI) -> None:
    messages: list[Any] = [
        {"role": "user", "content": "[[sim:status=503]]"},
        {"role": "assistant", "content": "sorry"},
        {"role": "user", "content": [{"type": "text", "text": "again"}]},
    ]
    assert await client.chat.completions.create(model="gpt-4o-mini", messages=messages)


async def test_rules_apply_to_what_they_match_and_run_out(http: httpx.AsyncClient, simulator: Simulator) -> None:
    rule = {"match": {"model": "gpt-4o", "path": CHAT}, "fault": "status=503", "count": 2}
    assert (await http.post("/_faults", json=rule)).status_code == 200
    statuses = [(await http.post(CHAT, json=asking() | {"model": "gpt-4o-mini"})).status_code]
    statuses += [(await http.post(CHAT, json=asking() | {"model": "gpt-4o"})).status_code for _ in range(3)]
    assert statuses == [200, 503, 503, 200]
    listed = (await http.get("/_faults")).json()["data"]
    assert listed[0]["used"] == 2
    await http.delete("/_faults")
    assert simulator.rules.rules == []


async def test_a_wrong_fault_is_refused_wherever_it_comes_from(http: httpx.AsyncClient) -> None:
    assert (await http.post("/_faults", json={"fault": "explode"})).status_code == 400
    assert (await http.post("/_faults", json={"fault": "status=503", "cuont": 1})).status_code == 400
    answer = await http.post(CHAT, json=asking(), headers={"x-sim-fault": "cut=soon"})
    assert answer.status_code == 400
    assert "cut=soon" in answer.json()["error"]["message"]


def test_the_header_wins_over_the_marker_and_the_marker_over_a_rule() -> None:
    plan = combine("tokens=1", "tokens=2;crlf", "tokens=3;delay=5;drip=1,2")
    assert (plan.tokens, plan.crlf, plan.delay_ms, plan.drip_bytes, plan.drip_ms) == (1, True, 5, 1, 2)
    assert combine(None, "", None) is NO_FAULT


def test_markers_are_found_in_text() -> None:
    assert marker_in("please [[sim:cut=5]] now") == "cut=5"
    assert marker_in("nothing") is None
    assert marker_in("[[sim:") is None


@pytest.mark.parametrize("text", ["cut", "cut=-1", "status=200", "status=429:why", "no_usage=1", "drip=5", "tokens=0"])
def test_what_is_not_in_the_grammar_is_an_error(text: str) -> None:
    with pytest.raises(UnknownFaultError):
        parse(text)


@pytest.mark.parametrize(("key", "status"), [("abc123", 503), ("def456", 200)])
async def test_a_fault_may_be_meant_for_one_key_alone_and_is_noted_for_all(
    http: httpx.AsyncClient, simulator: Simulator, key: str, status: int
) -> None:
    fault = f"label=seven;status=503;key={key}"
    answer = await http.post(CHAT, json=asking(f"hello [[sim:{fault}]]"))
    assert answer.status_code == status
    assert simulator.bill.records[0].fault == fault
