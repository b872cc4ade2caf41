"""A cost that the provider states is the amount, to the nano, where its word is what it bills; elsewhere it is only text."""

from __future__ import annotations

import msgspec
import pytest
from tests.fakes.gateway import DONE, PROVIDER_KEY, UNLIMITED_KEY, FakeGateway, answer, chat, chunk

from tollkeeper.domain.deployment import Provider
from tollkeeper.domain.errors import UpstreamFault
from tollkeeper.gateway.wire.openai_answer import parse_answer, usage_of

COMPATIBLE = "openai_compatible"


def provider(kind: str, base_url: str = "https://provider.test/v1", **more: object) -> Provider:
    return Provider("theirs", kind, base_url, PROVIDER_KEY, "openai", **more)  # type: ignore[arg-type]


XAI = provider("xai")
OPENROUTER = provider(COMPATIBLE, "https://openrouter.ai/api/v1")
TOLD = provider(COMPATIBLE, reports_cost=True)
STRANGER = provider(COMPATIBLE)


def stated(**cost: object) -> dict[str, object]:
    return {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15, **cost}


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("source", "cost", "nanos"),
    [
        (XAI, {"cost_in_usd_ticks": 21_200_000}, 2_120_000),  # $0.00212: facts of docs.x.ai
        (XAI, {"cost_in_usd_ticks": 21_200_005}, 2_120_001),  # half a nano is rounded up
        (XAI, {"cost_in_usd_ticks": 21_200_004}, 2_120_000),
        (XAI, {"cost_in_usd_ticks": 0}, 0),  # an explicit zero is known to be zero
        (OPENROUTER, {"cost": 0.00014}, 140_000),
        (OPENROUTER, {"cost": 0.95, "cost_details": {"upstream_inference_cost": 19}}, 950_000_000),
        (OPENROUTER, {"cost": 1, "is_byok": False, "cost_details": {"upstream_inference_cost": 1}}, 10**9),
        (OPENROUTER, {"cost": 0.0001, "is_byok": True, "cost_details": {"upstream_inference_cost": 0.002}}, 2_100_000),
        (TOLD, {"cost": 0}, 0),
    ],
)
async def test_what_the_provider_reports_is_the_amount(
    source: Provider, cost: dict[str, object], nanos: int, stream: bool
) -> None:
    gateway = FakeGateway(source)
    if stream:
        last = b"data: %b\n\n" % msgspec.json.encode({"model": "gpt-fake", "choices": [], "usage": stated(**cost)})
        gateway.will_stream(chunk("one "), last + DONE)
    else:
        gateway.will_answer(answer(usage=stated(**cost)))
    client = await gateway.call(chat(stream=stream))
    assert client.status == 200
    record = gateway.ledger.only
    assert (record.cost_state, record.amount_nanos) == ("reported", nanos)
    (line,) = record.lines
    assert (line.dimension, line.quantity, line.amount_nanos, line.source) == (
        "reported", 1, nanos, "reported by theirs",
    )  # fmt: skip
    assert record.quantities == {"input": 10, "output": 5}
    if not stream:
        assert client.headers["x-tollkeeper-cost-usd"] == f"{nanos // 10**9}.{nanos % 10**9:09d}"


@pytest.mark.parametrize(
    ("source", "cost"),
    [
        (STRANGER, {"cost": 0}),  # whoever runs it could claim so
        (STRANGER, {"cost_in_usd_ticks": 0}),
        (provider("openai"), {"cost": 0}),
        (provider("xai", reports_cost=False), {"cost_in_usd_ticks": 0}),
        (provider("xai", credential_id="cred_1"), {"cost_in_usd_ticks": 0}),  # an organization says it is xAI's
        (provider(COMPATIBLE, "https://openrouter.ai.evil.test/v1"), {"cost": 0}),
        (XAI, {"cost_in_usd_ticks": -1}),
        (XAI, {"cost_in_usd_ticks": 1.5}),
        (XAI, {"cost_in_usd_ticks": "0"}),
        (XAI, {"cost_in_usd_ticks": 10**17}),  # ten million dollars
        (XAI, {"cost_in_usd_ticks": None}),
        (OPENROUTER, {"cost": -0.5}),
        (OPENROUTER, {"cost": "0"}),
        (OPENROUTER, {"cost": None}),
        (OPENROUTER, {"cost": {"total": 1}}),
        (OPENROUTER, {"cost": 0.1, "is_byok": True}),  # what the other provider bills is not said
        (OPENROUTER, {"cost": 0.1, "is_byok": True, "cost_details": {"upstream_inference_cost": None}}),
        (OPENROUTER, {"cost": 0.1, "is_byok": True, "cost_details": [1]}),
    ],
)
async def test_another_word_is_not_believed_and_the_price_book_decides(
    source: Provider, cost: dict[str, object]
) -> None:
    gateway = FakeGateway(source)
    gateway.will_answer(answer(usage=stated(**cost)))
    await gateway.call()
    record = gateway.ledger.only
    assert (record.cost_state, record.amount_nanos) == ("computed", 30)


@pytest.mark.parametrize("cost", [b"1e999999999", b"1e-999999999", b"9" * 400, b"NaN", b'"1"', b"[[[]]]"])
async def test_a_cost_that_is_no_number_spoils_nothing(cost: bytes) -> None:
    gateway = FakeGateway(OPENROUTER)
    gateway.will_answer(
        b'{"model":"gpt-fake","choices":[],"usage":{"prompt_tokens":10,"completion_tokens":5,"cost":%b}}' % cost
    )
    await gateway.call()
    record = gateway.ledger.only
    if cost == b"NaN":  # no JSON at all: nothing is stated, and the tokens are counted
        assert record.cost_state == "estimated"
    else:
        assert (record.cost_state, record.amount_nanos) == ("computed", 30)


async def test_a_searching_call_is_charged_what_is_reported_although_its_fees_have_no_price() -> None:
    gateway = FakeGateway(XAI)
    gateway.will_answer(answer(usage=stated(cost_in_usd_ticks=250_000_000)))
    await gateway.call(chat(search_parameters={"mode": "on"}), key=UNLIMITED_KEY)
    assert gateway.ledger.only.amount_nanos == 25_000_000


async def test_a_cost_stated_while_the_answer_was_still_being_written_is_not_the_whole() -> None:
    gateway = FakeGateway(XAI)
    early = {"model": "gpt-fake", "choices": [{"delta": {"content": "x"}}], "usage": stated(cost_in_usd_ticks=10)}
    gateway.will_stream(b"data: %b\n\n" % msgspec.json.encode(early), UpstreamFault("reset", "gone", sent=True))
    await gateway.call(chat(stream=True))
    assert gateway.ledger.only.cost_state == "estimated"


def test_a_cost_survives_an_answer_that_has_other_types_than_expected() -> None:
    found = parse_answer(
        b'{"model":7,"usage":{"prompt_tokens":"10","completion_tokens":5,"cost":0.25,"is_byok":false}}'
    )
    assert found is not None
    assert found.usage is not None
    usage = usage_of(found.usage, None)
    assert (usage.quantities, usage.reported_nanos) == ({"input": 10, "output": 5}, 250_000_000)


def test_ten_digits_behind_the_point_are_rounded_half_up_to_the_nano() -> None:
    for text, nanos in (
        (b"0.0000000015", 2),
        (b"0.0000000014", 1),
        (b"1.5e-9", 2),
        (b"0.00014000000000000001", 140_000),
    ):
        found = parse_answer(b'{"usage":{"prompt_tokens":1,"cost":%b}}' % text)
        assert found is not None
        assert found.usage is not None
        assert usage_of(found.usage, None).reported_nanos == nanos
