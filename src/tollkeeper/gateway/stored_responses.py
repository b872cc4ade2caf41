"""`/v1/responses/{id}` and what is below it: passed to the provider that made the response, for whom it was made.

None of it costs anything, so nothing is reserved and nothing recorded; what a response cost is the record of the call that
made it. Nobody learns of a response of somebody else: its id is refused as one that is not there.
"""

from __future__ import annotations

from urllib.parse import quote

import msgspec

from tollkeeper.domain.api_key import ApiKey
from tollkeeper.domain.deployment import Provider
from tollkeeper.domain.deployment_health import KEY_REFUSED
from tollkeeper.domain.errors import InvalidRequest, NotFound, TollkeeperError
from tollkeeper.gateway.authentication import Authenticator
from tollkeeper.gateway.backgrounds import Backgrounds
from tollkeeper.gateway.client import Client, ClientGoneError, Header
from tollkeeper.gateway.key_use import key_in_use
from tollkeeper.gateway.provider_errand import cleaned, errand
from tollkeeper.gateway.refused import key_refused
from tollkeeper.gateway.relay import RelaySettings
from tollkeeper.gateway.response_ids import BoundIds, ResponseIds
from tollkeeper.gateway.responses_meter import ResponsesMeter
from tollkeeper.gateway.wire import responses_answer
from tollkeeper.gateway.wire.call import PERMISSIONS
from tollkeeper.gateway.wire.responses_body import ID_LENGTH_MAX
from tollkeeper.kit.networks import Networks
from tollkeeper.ports.limiter import Limiter
from tollkeeper.ports.routes import Routes
from tollkeeper.ports.upstream import Exchange, Upstream
from tollkeeper.refusals import MethodNotAllowed

PREFIX = "/v1/responses/"
METHODS: dict[str, tuple[str, ...]] = {"": ("GET", "DELETE"), "/cancel": ("POST",), "/input_items": ("GET",)}
"""What may be done with a response: below its path -> the methods."""
SEEN_S = 10.0
"""How long a deletion waits for the usage of a response to be seen, which would be gone with it."""
_PASSED = frozenset({b"content-type", b"retry-after", b"retry-after-ms", b"x-should-retry", b"openai-processing-ms"})


class _Errand(msgspec.Struct, frozen=True):
    """What is asked for: `below` is the path below the response's own, `query` as it came."""

    method: str
    below: str
    query: str
    raw_id: str
    provider: Provider
    ids: BoundIds

    @property
    def path(self) -> str:
        query = f"?{self.query}" if self.query else ""
        return f"/responses/{quote(self.raw_id, safe='')}{self.below}{query}"


class StoredResponses(msgspec.Struct, frozen=True):
    """Serves the routes below `PREFIX`."""

    authenticator: Authenticator
    routes: Routes
    limiter: Limiter
    ids: ResponseIds
    backgrounds: Backgrounds
    upstream: Upstream
    settings: RelaySettings
    trusted_proxies: Networks = Networks()

    async def handle(self, client: Client) -> None:
        """Answer one request; every refusal and fault is answered here."""
        try:
            found = await self.authenticator.authenticate(client.headers, now_us=client.started_us)
            key = key_in_use(found, client, PERMISSIONS["responses"], self.trusted_proxies)
            # Before the id is looked at: guesses count.
            admission = self.limiter.admit(key, (), 0) if key.rates else None
            try:
                asked = self._read(client, key)
                await self._pass(client, asked)
            finally:
                if admission is not None:
                    admission.release(0)
        except TollkeeperError as error:
            await client.refuse(error)
        except ClientGoneError:
            return

    def _read(self, client: Client, key: ApiKey) -> _Errand:
        sealed, slash, rest = client.scope["path"].removeprefix(PREFIX).partition("/")
        below = f"{slash}{rest}"
        if below not in METHODS or not sealed or len(sealed) > ID_LENGTH_MAX:
            raise NotFound("There is no such route.")
        method = client.scope["method"]
        providers, ids = self.routes.of(key.organization_id).providers, self.ids.of(key)
        if method not in METHODS[below]:
            if not below and ids.find(sealed, providers) is None:  # a route that is not served, `input_tokens` say
                raise NotFound(f"There is no such route, nor a response with id '{sealed}'.")
            raise MethodNotAllowed(f"This route takes {' and '.join(METHODS[below])} only.")
        query = client.scope.get("query_string", b"").decode("latin-1")
        if not query.isascii() or not query.isprintable() or " " in query:
            raise InvalidRequest("The query cannot be read.")
        raw_id, provider = self.ids.require(sealed, key, providers)
        return _Errand(method, below, query, raw_id, provider, ids)

    async def _pass(self, client: Client, asked: _Errand) -> None:
        await client.body(self.settings.answer_bytes_max)  # of a cancellation, say: nothing stands in it
        provider = asked.provider
        if asked.method == "DELETE":
            await self.backgrounds.hurry(provider.name, provider.credential_id, asked.raw_id, wait_s=SEEN_S)
        request = errand(self.upstream, provider, asked.method, asked.path)
        exchange = await self.upstream.open(request, self.settings.deadlines)
        try:
            headers = [(name, cleaned(provider, value)) for name, value in exchange.headers if name in _PASSED]
            if _is_events(headers) and exchange.status == 200:
                await client.start(exchange.status, [*headers, (b"cache-control", b"no-cache")])
                await self._pass_events(client, asked, exchange)
                return
            body = await exchange.read_all(self.settings.answer_bytes_max)
        finally:
            exchange.close()
        if exchange.status in KEY_REFUSED:
            raise key_refused(provider)
        await self.backgrounds.hurry(provider.name, provider.credential_id, asked.raw_id)
        await client.reply(exchange.status, headers, _outward(asked, body))

    async def _pass_events(self, client: Client, asked: _Errand, exchange: Exchange) -> None:
        """Pass a response's events on; they are metered where the call was made."""
        meter = ResponsesMeter(asked.provider, asked.ids)
        client.watch(lambda: exchange.tighten(0), stall_s=self.settings.client_stall_s)
        try:
            while not client.is_gone and (data := await exchange.read()):
                await client.write(cleaned(asked.provider, meter.feed(data)))
            await client.write(cleaned(asked.provider, meter.finish()))
        except TollkeeperError:
            if not client.is_gone:
                raise
        finally:
            client.unwatch()
        await client.end()


def _is_events(headers: list[Header]) -> bool:
    return any(name == b"content-type" and value.lower().startswith(b"text/event-stream") for name, value in headers)


def _outward(asked: _Errand, body: bytes) -> bytes:
    body = cleaned(asked.provider, body)
    response = responses_answer.parse_response(body)
    previous = (response.previous_response_id or "") if response is not None else ""
    return asked.ids.outward(body, asked.provider, asked.raw_id, previous)
