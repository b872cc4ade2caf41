"""The official clients of three dialects against real processes: models, counts of tokens, embeddings of Gemini's."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anthropic
import pytest
from anthropic import Anthropic
from google import genai
from google.genai import types as gemini_types
from openai import OpenAI
from tests.live.every_provider import PROVIDERS
from tests.live.processes import GatewayProcess, SimulatorProcess

GPT, CLAUDE, GEMINI, EMBEDDING = "gpt-4o-mini", "claude-haiku-4-5", "gemini-2.5-flash", "gemini-embedding-2"
SILENT = "gemini-embedding-001"  # it does not say what it used
ASKED: Any = {"messages": [{"role": "user", "content": "How long is the bridge?"}], "system": "Be brief."}
ROUTES = """
[[models]]
name = "vectors"
deployments = [{ provider = "gemini", model = "gemini-embedding-2" }]
[[models]]
name = "clever"
deployments = [{ provider = "anthropic", model = "claude-haiku-4-5" }, { provider = "openai", model = "gpt-4o-mini" }]
"""


@pytest.fixture(scope="module")
def gateway(folder: Path, simulator: SimulatorProcess) -> Iterator[GatewayProcess]:
    extra = PROVIDERS.format(origin=simulator.origin) + ROUTES
    running = GatewayProcess(folder, simulator, f"sqlite:///{folder / 'tollkeeper.db'}", extra=extra)
    running.start()
    yield running
    assert running.stop() == 0
    assert "Traceback" not in running.log


@pytest.fixture(scope="module")
def openai_client(gateway: GatewayProcess) -> OpenAI:
    return OpenAI(base_url=gateway.base_url, api_key=gateway.key, max_retries=0, timeout=20)


@pytest.fixture(scope="module")
def claude_client(gateway: GatewayProcess) -> Anthropic:
    return Anthropic(base_url=gateway.origin, api_key=gateway.key, max_retries=0, timeout=20)


@pytest.fixture(scope="module", params=["v1beta", "v1"])
def gemini_client(gateway: GatewayProcess, request: pytest.FixtureRequest) -> genai.Client:
    options = gemini_types.HttpOptions(base_url=gateway.origin, api_version=request.param, timeout=20_000)
    return genai.Client(api_key=gateway.key, http_options=options)


def own_of(model: Any) -> dict[str, Any]:
    """What Tollkeeper tells beside the dialect's fields, which the clients keep."""
    return dict((model.model_extra or {})["tollkeeper"])


def test_the_openai_client_lists_and_retrieves(openai_client: OpenAI) -> None:
    listed = list(openai_client.models.list())
    by_name = {each.id: each for each in listed}
    assert len(listed) > 150
    assert {GPT, CLAUDE, GEMINI, EMBEDDING, "clever"} <= by_name.keys()
    told = own_of(by_name[GPT])
    assert (told["context_window"], told["output_limit"]) == (128_000, 16_384)
    assert told["modalities"] == {"input": ["text", "image", "pdf"], "output": ["text"]}
    assert told["prices_usd_per_million"]["standard"]["input"] == "0.15"
    assert told["prices_usd_per_million"]["batch"]["output"] == "0.30"
    assert told["providers"] == [{"name": "openai", "model": GPT}]
    assert openai_client.models.retrieve(GPT) == by_name[GPT]


def test_a_model_can_be_retrieved_at_its_provider(openai_client: OpenAI, claude_client: Anthropic) -> None:
    assert openai_client.models.retrieve(f"openai/{GPT}").id == f"openai/{GPT}"
    assert claude_client.models.retrieve(f"gemini/{GEMINI}").max_tokens == 65_536
    told = own_of(openai_client.models.retrieve("deepseek/nobody-knows-it"))
    assert told["context_window"] is told["deprecated"] is told["prices_usd_per_million"] is None


def test_own_prices_of_the_organization_show_at_once(gateway: GatewayProcess, openai_client: OpenAI) -> None:
    nano = "gpt-4.1-nano"
    name = ("--provider", "openai", "--model", nano, "--dimension", "input")
    gateway.tollkeeper("prices", "add", *name, "--usd-per-million", "0.11", "--org", "acme")
    (told,) = json.loads(gateway.tollkeeper("models", nano, "--org", "acme", "--json"))["data"]
    assert told["prices_usd_per_million"]["standard"]["input"] == "0.11"
    shown, deadline = "", time.monotonic() + 10
    while shown != "0.11" and time.monotonic() < deadline:
        time.sleep(0.1)
        shown = own_of(openai_client.models.retrieve(nano))["prices_usd_per_million"]["standard"]["input"]
    assert shown == "0.11"


def test_the_anthropic_client_pages_forwards(claude_client: Anthropic) -> None:
    found = list(claude_client.models.list(limit=7))  # it asks for page after page by itself
    names = [each.id for each in found]
    assert len(names) == len(set(names)) > 150
    assert names == sorted(names)
    model = found[names.index(CLAUDE)]
    assert (model.type, model.max_input_tokens, model.max_tokens, model.lifecycle) == (
        "model",
        200_000,
        64_000,
        "active",
    )
    page = claude_client.models.list(limit=3, before_id=names[10])
    assert [each.id for each in page.data] == names[7:10]
    assert page.has_more


def test_the_gemini_client_pages(gemini_client: genai.Client) -> None:
    found = list(gemini_client.models.list(config={"page_size": 30}))
    names = [each.name for each in found]
    assert len(names) == len(set(names)) > 150
    chat, vectors, other = (gemini_client.models.get(model=name) for name in (GEMINI, EMBEDDING, GPT))
    assert (chat.name, chat.input_token_limit, chat.output_token_limit) == (f"models/{GEMINI}", 1_048_576, 65_536)
    assert "generateContent" in (chat.supported_actions or ())
    assert vectors.supported_actions == ["embedContent", "batchEmbedContents", "countTokens"]
    assert other.supported_actions == ["countTokens"]


def test_anthropic_counts_its_own_tokens(claude_client: Anthropic, simulator: SimulatorProcess) -> None:
    direct = Anthropic(base_url=simulator.origin, api_key="sk-sim-1").messages.count_tokens(model=CLAUDE, **ASKED)
    for model in (CLAUDE, "clever", f"anthropic/{CLAUDE}"):
        raw = claude_client.messages.with_raw_response.count_tokens(model=model, **ASKED)
        assert raw.parse().input_tokens == direct.input_tokens
        assert "x-tollkeeper-estimated" not in raw.headers


@pytest.mark.parametrize("model", [GPT, GEMINI])
def test_tokens_of_another_dialects_model_are_estimated(claude_client: Anthropic, model: str) -> None:
    raw = claude_client.messages.with_raw_response.count_tokens(model=model, **ASKED)
    assert 9 <= raw.parse().input_tokens <= 40
    assert raw.headers["x-tollkeeper-estimated"] == "true"


def test_gemini_counts_its_own_tokens(gemini_client: genai.Client) -> None:
    own = gemini_client.models.count_tokens(model=GEMINI, contents="How long is the bridge?").total_tokens or 0
    named = gemini_client.models.count_tokens(model=f"gemini/{GEMINI}", contents="How long is the bridge?")
    other = gemini_client.models.count_tokens(model=GPT, contents="How long is the bridge?").total_tokens or 0
    assert named.total_tokens == own > 0
    assert 6 <= other <= 20


def test_counting_refuses_in_the_dialect(claude_client: Anthropic, gemini_client: genai.Client) -> None:
    with pytest.raises(anthropic.NotFoundError):
        claude_client.messages.count_tokens(model="nobody", **ASKED)
    with pytest.raises(genai.errors.ClientError) as missing:
        gemini_client.models.count_tokens(model="nobody", contents="x")
    assert (missing.value.code, missing.value.status) == (404, "NOT_FOUND")


@pytest.mark.parametrize("model", [EMBEDDING, SILENT, "vectors", f"gemini/{EMBEDDING}"])
def test_the_gemini_client_embeds(gemini_client: genai.Client, model: str) -> None:
    found = gemini_client.models.embed_content(
        model=model, contents=["a bridge", "a toll"], config={"output_dimensionality": 8}
    )
    vectors = [each.values for each in found.embeddings or ()]
    assert vectors
    assert all(len(vector or ()) == 8 for vector in vectors)


@pytest.mark.parametrize("form", ["float", "base64", None])
def test_the_openai_client_embeds_with_a_model_of_gemini(
    openai_client: OpenAI, gemini_client: genai.Client, form: Any
) -> None:
    asked: dict[str, Any] = {} if form is None else {"encoding_format": form}
    found = openai_client.embeddings.create(model=EMBEDDING, input=["a bridge", "a toll"], dimensions=8, **asked)
    native = gemini_client.models.embed_content(model=EMBEDDING, contents="a toll", config={"output_dimensionality": 8})
    assert [each.index for each in found.data] == [0, 1]
    vector: Any = found.data[1].embedding
    if form != "base64":
        assert vector == pytest.approx((native.embeddings or ())[0].values, rel=1e-6)
    assert found.usage.total_tokens > 0


def test_every_call_is_recorded_at_what_the_provider_billed_and_no_count_is(
    gateway: GatewayProcess, gemini_client: genai.Client, simulator: SimulatorProcess, folder: Path
) -> None:
    for model in (EMBEDDING, SILENT):
        gemini_client.models.embed_content(model=model, contents="a bridge")
    gemini_client.models.count_tokens(model=GEMINI, contents="a bridge")
    bill = simulator.bill()
    deadline = time.monotonic() + 10
    records: list[tuple[str, str, int | None]] = []
    while len(records) != len(bill) and time.monotonic() < deadline:
        time.sleep(0.2)
        with sqlite3.connect(folder / "tollkeeper.db") as connection:
            records = list(connection.execute("SELECT model, cost_state, amount_nanos FROM usage_record"))
    assert {model for model, _, _ in records} == {EMBEDDING, SILENT}
    assert {state for model, state, _ in records if model == SILENT} == {"estimated"}
    computed = sorted(amount or 0 for model, state, amount in records if (model, state) == (EMBEDDING, "computed"))
    assert computed == sorted(line["amount_nano"] for line in bill if line["model"] == EMBEDDING)
    rolled = json.loads(gateway.tollkeeper("usage", "--by", "operation", "--json"))["data"]
    assert [each["operation"] for each in rolled] == ["embeddings"]
