"""The data plane in process, wired over fakes: what `bootstrap` does, without a socket, a file or a database."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from tests.fakes.asgi import FakeClient
from tests.fakes.ports import (
    FakeBudgets,
    FakeCounter,
    FakeDirectory,
    FakeFiles,
    FakeLimiter,
    FakePrices,
    FakeRefusals,
    RecordingLedger,
    make_key,
)
from tests.fakes.upstream import EVENTS, REQUEST_ID, FakeUpstream, Script, Step

from tollkeeper.bootstrap.observer import Observer
from tollkeeper.bootstrap.traced_parts import TracedAuthenticator
from tollkeeper.domain.api_key import ApiKey, KeyStatus, write_key
from tollkeeper.domain.deployment import Provider, Route, RouteTable
from tollkeeper.domain.limit import Limit
from tollkeeper.domain.rate_limit import RateRule
from tollkeeper.gateway.asgi import Gateway
from tollkeeper.gateway.authentication import Authenticator
from tollkeeper.gateway.backgrounds import Backgrounds
from tollkeeper.gateway.files import FileRoutes
from tollkeeper.gateway.holding import Holder
from tollkeeper.gateway.models import ModelList
from tollkeeper.gateway.pipeline import Pipeline
from tollkeeper.gateway.relay import RelaySettings
from tollkeeper.gateway.response_ids import ResponseIds
from tollkeeper.gateway.stored_responses import StoredResponses
from tollkeeper.gateway.token_counts import TokenCounts
from tollkeeper.kit.id_seal import IdSeal
from tollkeeper.kit.secrets import keyed_digest
from tollkeeper.limits.deployments import LiveDeployments
from tollkeeper.observability.call_counts import CountedCalls
from tollkeeper.observability.label_names import LabelNames
from tollkeeper.ports.files import Files
from tollkeeper.ports.prices import Prices
from tollkeeper.ports.upstream import Deadlines
from tollkeeper.prices.book import CompiledBook
from tollkeeper.prices.known_models import CatalogueModels

PEPPER = b"p" * 32
PROVIDER_KEY = "sk-provider-secret"
GOOD_KEY = write_key("a" * 12, "A" * 43)
DISABLED_KEY = write_key("d" * 12, "D" * 43)
EXPIRED_KEY = write_key("e" * 12, "E" * 43)
POWERLESS_KEY = write_key("p" * 12, "P" * 43)
UNLIMITED_KEY = write_key("u" * 12, "L" * 43)
UNKNOWN_KEY = write_key("u" * 12, "U" * 43)
MODEL = "gpt-fake"


KNOWN_MODELS = CatalogueModels(CompiledBook.load())


class Catalogue:
    """Knows two models, one of them without a price."""

    def has(self, provider: str, model: str) -> bool:
        return model in self.models(provider)

    def models(self, provider: str) -> list[str]:
        return [MODEL, "gpt-unpriced"]


OPENAI = Provider("openai", "openai", "https://provider.test/v1", PROVIDER_KEY, "openai")
GEMINI = Provider("gemini", "gemini", "https://provider.test/v1beta", PROVIDER_KEY, "google")
ANTHROPIC = Provider("anthropic", "anthropic", "https://provider.test/v1", PROVIDER_KEY, "anthropic")


class FakeGateway:
    """The data plane over fakes, with one provider; `log` is what happened, in order."""

    def __init__(
        self,
        provider: Provider = OPENAI,
        *,
        routes: Sequence[Route] = (),
        provider_wait_us: int = 0,
        prices: Prices | None = None,
        files: Files | None = None,
        observer: Observer | None = None,
        **relay_changes: Any,
    ) -> None:
        self.log: list[str] = []
        self.ledger = RecordingLedger(self.log)
        self.limiter = FakeLimiter(self.log)
        self.counter = FakeCounter(self.log)
        self.budgets = FakeBudgets(self.log)
        self.refusals = FakeRefusals()
        self.upstream = FakeUpstream(self.log)
        self.keys = _keys()
        self.directory = FakeDirectory(self.log, self.keys)
        settings = {
            "deadlines": Deadlines(),
            "answer_bytes_max": 1_000_000,
            "drain_s": 60.0,
            "drains_max": 2,
            "client_stall_s": 60.0,
        }
        self.deployments = LiveDeployments()
        relay_settings = RelaySettings(**{**settings, **relay_changes})
        names = LabelNames([provider.name, *(each.provider.name for route in routes for each in route.deployments)])
        self.observer = observer or Observer(CountedCalls(names), None, None)
        self.relay = self.observer.relay(self.upstream, relay_settings)
        self.ids, self.backgrounds = ResponseIds(IdSeal(PEPPER)), Backgrounds(self.upstream)
        kind = Authenticator if self.observer.tracer is None else TracedAuthenticator
        authenticator = kind(self.directory, PEPPER)
        table = RouteTable(list(routes), [provider], Catalogue())
        pipeline = Pipeline(
            authenticator,
            table,
            self.observer.limiter(self.limiter),
            Holder(self.budgets, self.counter),
            self.observer.ledger(self.ledger),
            prices or FakePrices(),
            self.relay,
            self.counter,
            self.refusals,
            self.observer.deployments(self.deployments),
            self.ids,
            self.backgrounds,
            100_000,
            provider_wait_us,
            counts=self.observer.counted,
        )
        stored = StoredResponses(
            authenticator, table, self.limiter, self.ids, self.backgrounds, self.upstream, relay_settings
        )
        models = ModelList(table, FakePrices(), KNOWN_MODELS, created_s=0)
        file_routes = FileRoutes(pipeline, files or FakeFiles(), self.upstream, relay_settings)
        counts = TokenCounts(pipeline, self.upstream, Deadlines())
        tracer = self.observer.tracer
        self.app = Gateway(pipeline, models, counts, stored=stored, files=file_routes, tracer=tracer)

    def client(self, body: Any = None, *, key: str | None = GOOD_KEY, **options: Any) -> FakeClient:
        """Return a client that is about to ask; a chat call unless told otherwise."""
        headers = {"content-type": "application/json", **options.pop("headers", {})}
        if key is not None:
            headers["authorization"] = f"Bearer {key}"
        encoded = body if isinstance(body, bytes | list) else msgspec.json.encode(chat() if body is None else body)
        return FakeClient(self.log, headers=headers, body=encoded, **options)

    async def handle(self, client: FakeClient) -> FakeClient:
        await self.app(client.scope, client.receive, client.send)
        return client

    async def call(self, body: Any = None, **options: Any) -> FakeClient:
        return await self.handle(self.client(body, **options))

    def will_answer(self, body: Any, status: int = 200, **options: Any) -> None:
        """Let the provider answer with one JSON body."""
        encoded = body if isinstance(body, bytes) else msgspec.json.encode(body)
        self.upstream.scripts.append(Script(status, steps=[encoded], **options))

    def will_stream(self, *steps: Step, **options: Any) -> None:
        """Let the provider answer with a stream that follows these steps."""
        self.upstream.scripts.append(Script(headers=(EVENTS, REQUEST_ID), steps=steps, **options))


def chat(**changes: Any) -> dict[str, Any]:
    return {"model": MODEL, "messages": [{"role": "user", "content": "one two three"}], **changes}


def answer(**changes: Any) -> dict[str, Any]:
    """Return a whole answer with 10 input and 5 output tokens: 30 nano-USD by the fake prices."""
    message = {"role": "assistant", "content": "four five"}
    usage = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}
    return {"id": "x", "model": MODEL, "choices": [{"index": 0, "message": message}], "usage": usage, **changes}


def chunk(text: str | None = None, **changes: Any) -> bytes:
    """Return one event of a stream."""
    choices = [] if text is None else [{"index": 0, "delta": {"content": text}}]
    return b"data: " + msgspec.json.encode({"id": "x", "model": MODEL, "choices": choices, **changes}) + b"\n\n"


USAGE_CHUNK = chunk(usage={"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15})
DONE = b"data: [DONE]\n\n"


def _keys() -> dict[bytes, ApiKey]:
    keys = {
        GOOD_KEY: make_key(
            rates=(RateRule("key_a", "api_key", "key_a", "a key", requests_per_minute=60),),
            limits=(Limit("bud_a", "project", "proj_a", "a project", "usd", "monthly"),),
        ),
        DISABLED_KEY: make_key(status=KeyStatus.DISABLED),
        EXPIRED_KEY: make_key(expires_at_us=1),
        UNLIMITED_KEY: make_key(),
        POWERLESS_KEY: make_key(permissions=frozenset({"embeddings:create"})),
    }
    return {keyed_digest(PEPPER, text.encode()): key for text, key in keys.items()}
