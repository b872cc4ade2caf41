"""Answers how many tokens an input has: by the provider of the client's dialect, else by our own tokenizer as an estimate.

Counting is free. It needs a key that may chat, a model that the key may call, and it counts as a request in the rates; it
reserves nothing, is held to no budget and leaves no usage record: nothing was used.
"""

from __future__ import annotations

import msgspec

from tollkeeper.domain.deployment import Deployment, Route
from tollkeeper.domain.deployment_health import KEY_REFUSED
from tollkeeper.domain.errors import InvalidRequest, ProviderKeyRefused, TollkeeperError, UpstreamFault
from tollkeeper.gateway.client import Client, ClientGoneError, Header
from tollkeeper.gateway.counting import TOKENS_PER_MESSAGE
from tollkeeper.gateway.dialects import rate_headers
from tollkeeper.gateway.key_use import key_in_use
from tollkeeper.gateway.pipeline import Pipeline
from tollkeeper.gateway.refused import key_refused, refused_call
from tollkeeper.gateway.routing import find_route
from tollkeeper.gateway.targets import Targets
from tollkeeper.gateway.wire.provider_api import api_of
from tollkeeper.gateway.wire.provider_refusal import is_account_refused
from tollkeeper.gateway.wire.token_counts import CountAsked, CountRequest, parse
from tollkeeper.gateway.wire.translation import Translation
from tollkeeper.ports.limiter import Admission, AdmitAll
from tollkeeper.ports.upstream import Deadlines, Upstream

PERMISSION = "chat:create"
IMAGE_TOKENS = 1_600
"""Of a picture, in an estimate: what Anthropic's largest of standard resolution has (platform.claude.com/docs/en/
build-with-claude/vision, read 2026-11-22). Pictures of other providers have from 85 to some thousands."""
ANSWER_BYTES_MAX = 1 << 20
_PASSED_HEADERS = frozenset(
    {b"content-type", b"content-encoding", b"retry-after", b"retry-after-ms", b"x-should-retry"}
)
OTHERS_MAY_ANSWER = frozenset({403, 404, 408, 409, 429})
"""Besides every 5xx, as for calls (`gateway.failover`)."""
_JSON: Header = (b"content-type", b"application/json")
_ESTIMATED: Header = (b"x-tollkeeper-estimated", b"true")
_UNLIMITED = AdmitAll()


class Count(msgspec.Struct, frozen=True):
    """What the client gets."""

    status: int
    headers: list[Header]
    body: bytes


class _Outgoing(msgspec.Struct, frozen=True):
    deployment: Deployment
    path: str
    body: bytes
    translation: Translation | None = None
    content_type: bytes = b""


class TokenCounts:
    """The routes that count tokens, on the parts of the pipeline."""

    def __init__(self, pipeline: Pipeline, upstream: Upstream, deadlines: Deadlines) -> None:
        self._pipeline, self._upstream, self._deadlines = pipeline, upstream, deadlines
        self._targets = Targets(upstream)

    async def handle(self, client: Client, asked: CountAsked) -> None:
        """Take one request through all steps and answer it; refusals and faults are answered here."""
        parts = self._pipeline
        key, model = None, asked.model
        try:
            found = await parts.authenticator.authenticate(client.headers, now_us=client.started_us)  # 401
            key = key_in_use(found, client, PERMISSION, parts.trusted_proxies)  # 401, 403
            request = parse(asked, await client.body(parts.body_bytes_max))  # 413, 400
            model = request.model
            route = find_route(parts.routes, key.organization_id, model)  # 404
            if key.terms is not None:
                key.terms.check_model(model, route.deployments)  # 403
            admission: Admission = parts.limiter.admit(key, route.model_names, 0) if key.rates else _UNLIMITED  # 429
            try:
                count = await self._count(client, request, route)  # 502, 504
            finally:
                admission.release(0)
            rates = rate_headers(client.dialect, admission.headers(), client.started_us)
            await client.reply(count.status, [*count.headers, *rates], count.body)
        except TollkeeperError as error:
            await client.refuse(error)
            if key is not None and not isinstance(error, UpstreamFault | ProviderKeyRefused):
                parts.refusals.note(refused_call(client, key, model, error))
        except ClientGoneError:
            return

    async def _count(self, client: Client, request: CountRequest, route: Route) -> Count:
        """Ask the first deployment that answers; one of another dialect is answered for at once."""
        tries: list[str] = []
        count: Count | None = None
        fault: TollkeeperError | None = None
        for deployment in self._pipeline.deployments.order(route, client.call_id):
            if api_of(deployment.provider.kind).dialect != request.dialect:
                return await self._estimate(request, deployment.model)
            try:
                count = await self._ask(client, request, deployment)
            except UpstreamFault as raised:
                fault = raised
                tries.append(f"{deployment.provider.name}/{deployment.model}: {raised.kind}")
                raised.tell(deployment.provider.name, tries, request.model, is_free=True)
                continue
            tries.append(f"{deployment.provider.name}/{deployment.model}: {count.status}")
            if is_account_refused(request.dialect, count.status, count.body) or count.status in KEY_REFUSED:
                fault = key_refused(deployment.provider, tries=tries)
            elif count.status < 500 and count.status not in OTHERS_MAY_ANSWER:
                return count
            else:
                fault = None
        if fault is not None:
            raise fault
        assert count is not None, "a route has a deployment"
        return count

    async def _ask(self, client: Client, request: CountRequest, deployment: Deployment) -> Count:
        outgoing = _Outgoing(deployment, request.path_at(deployment.model), request.body_for(deployment.model))
        target = self._targets.of(outgoing)
        exchange = await self._upstream.open(target.request(outgoing, client.headers), self._deadlines)
        try:
            body = await exchange.read_all(ANSWER_BYTES_MAX)
        finally:
            exchange.close()
        headers = [(name, target.without_secret(value)) for name, value in exchange.headers if name in _PASSED_HEADERS]
        return Count(exchange.status, headers, target.without_secret(body))

    async def _estimate(self, request: CountRequest, model: str) -> Count:
        """Count the texts by tokenizer, pictures at a flat rate.

        Raises:
            InvalidRequest: there is something that nobody here can count: a document, a file, sound of unknown length.
        """
        unseen = request.unseen()
        if unseen.is_unbounded:
            raise InvalidRequest(
                f"The model '{request.model}' is served by a provider of another dialect, and its input holds more than "
                "text, pictures and plain sound: its tokens cannot be estimated here."
            )
        texts, numbers = request.texts()
        counted = sum(await self._pipeline.counter.count(model, texts)) + numbers
        framing = TOKENS_PER_MESSAGE * (len(texts) + 1)
        tokens = counted + framing + unseen.images * IMAGE_TOKENS + unseen.audio_tokens
        return Count(200, [_JSON, _ESTIMATED], request.answer(tokens))
