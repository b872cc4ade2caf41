"""`/v1/files` and what is below it: files that lie at a provider, each for the project that sent it alone.

None of it costs anything, so nothing is reserved and nothing recorded. Whose a file is stands in the store; what is
somebody else's is answered as what is not there, and nobody is asked for it. Decision 0023.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from urllib.parse import quote

import msgspec

from tollkeeper.domain.api_key import ApiKey
from tollkeeper.domain.deployment import Provider, ProviderKind
from tollkeeper.domain.deployment_health import KEY_REFUSED
from tollkeeper.domain.errors import (
    InvalidRequest,
    NotFound,
    StoreUnavailable,
    TollkeeperError,
    UpstreamFault,
)
from tollkeeper.domain.provider_file import ProviderFile
from tollkeeper.gateway.client import Client, ClientGoneError, Header
from tollkeeper.gateway.key_use import key_in_use
from tollkeeper.gateway.pipeline import Pipeline
from tollkeeper.gateway.provider_errand import cleaned, errand
from tollkeeper.gateway.refused import key_refused
from tollkeeper.gateway.relay import RelaySettings
from tollkeeper.gateway.wire.files import (
    check_upload,
    is_file_id,
    listed,
    read_created,
    read_question,
    unknown_after,
)
from tollkeeper.kit.shield import run_shielded
from tollkeeper.ports.files import Files
from tollkeeper.ports.upstream import Deadlines, Upstream
from tollkeeper.refusals import MethodNotAllowed

PATH = "/v1/files"
PERMISSION = "files:manage"
METHODS: dict[str, tuple[str, ...]] = {"": ("GET", "POST"), "/{id}": ("GET", "DELETE"), "/{id}/content": ("GET",)}
"""What may be done, by path below `PATH`."""
KEEPING_S = 60.0
"""How long the store may take to note whose a file is, and the provider to delete one that could not be noted."""
_UNDONE = Deadlines(connect_s=5.0, first_byte_s=15.0, idle_s=5.0, total_s=20.0)
_KINDS: tuple[ProviderKind, ...] = ("openai", "xai", "openai_compatible")
"""Which kinds may have files, those that are asked first in front."""
_PASSED = frozenset(
    {b"content-type", b"content-encoding", b"content-disposition", b"retry-after", b"retry-after-ms", b"x-should-retry"}
)
_JSON: Header = (b"content-type", b"application/json")
_NO_SNIFFING: Header = (b"x-content-type-options", b"nosniff")
_log = logging.getLogger(__name__)


class _Answered(msgspec.Struct, frozen=True):
    """What a provider said."""

    status: int
    headers: list[Header]
    body: bytes

    @property
    def is_good(self) -> bool:
        return 200 <= self.status < 300


class FileRoutes:
    """Serves `PATH` and the routes below it, on the parts of the pipeline."""

    def __init__(self, pipeline: Pipeline, files: Files, upstream: Upstream, settings: RelaySettings) -> None:
        self._pipeline, self._files = pipeline, files
        self._upstream, self._settings = upstream, settings

    def owns(self, path: str) -> bool:
        return path.startswith(PATH) and path[len(PATH) : len(PATH) + 1] in {"", "/"}

    async def handle(self, client: Client) -> None:
        """Answer one request; every refusal and fault is answered here."""
        parts = self._pipeline
        try:
            found = await parts.authenticator.authenticate(client.headers, now_us=client.started_us)
            key = key_in_use(found, client, PERMISSION, parts.trusted_proxies)
            file_id, below = _read_path(client)
            admission = parts.limiter.admit(key, (), 0) if key.rates else None
            try:
                await self._serve(client, key, file_id, below)
            finally:
                if admission is not None:
                    admission.release(0)
        except TollkeeperError as error:
            await client.refuse(error)
        except ClientGoneError:
            return

    async def _serve(self, client: Client, key: ApiKey, file_id: str, below: str) -> None:
        body = await client.body(self._pipeline.body_bytes_max)
        method = client.scope["method"]
        if not file_id:
            await (self._create(client, key, body) if method == "POST" else self._list(client, key))
        elif method == "DELETE":
            await self._delete(client, key, file_id)
        else:
            await self._show(client, key, file_id, below)

    async def _create(self, client: Client, key: ApiKey, body: bytes) -> None:
        content_type = client.headers.get(b"content-type", b"")
        check_upload(body, content_type)
        wanted = client.headers.get(b"x-tollkeeper-provider", b"").decode("latin-1")
        provider = choose_provider(self._pipeline.routes.of(key.organization_id).providers, wanted)
        answered = await self._ask(provider, "POST", "/files", headers=[(b"content-type", content_type)], body=body)
        if answered.is_good:
            owner, place = (key.organization_id, key.project_id or ""), (provider.name, provider.credential_id)
            made = read_created(answered.body, owner=owner, provider=place, now_us=client.started_us)
            if made is None:
                raise _fault(provider, "took the file and described none")
            try:
                await run_shielded(self._keep(made, provider), timeout_s=KEEPING_S)
            except TimeoutError:
                raise StoreUnavailable(f"whose the file {made.id} is could not be noted in time") from None
        await client.reply(answered.status, answered.headers, answered.body)

    async def _keep(self, made: ProviderFile, provider: Provider) -> None:
        """Note whose a file is, or take it away again: nobody could ever reach it.

        Raises:
            StoreUnavailable: it could not be noted.
            UpstreamFault: the project has a file of this id at another provider.
        """
        try:
            if await self._files.add(made):
                return
            refusal: TollkeeperError = _fault(provider, "gave the file the id of another one")
        except StoreUnavailable as error:
            refusal = error
        try:
            deleted = await self._ask(provider, "DELETE", _path(made.id), deadlines=_UNDONE)
            is_gone = deleted.is_good
        except TollkeeperError:
            is_gone = False
        if not is_gone:
            _log.warning("the file %s at the provider '%s' belongs to nobody: delete it there", made.id, provider.name)
        raise refusal

    async def _list(self, client: Client, key: ApiKey) -> None:
        asked = read_question(client.scope.get("query_string", b""), key.organization_id, key.project_id or "")
        files = await self._files.list_files(msgspec.structs.replace(asked, limit=asked.limit + 1))
        if files is None:
            raise unknown_after()
        await client.reply(200, [_JSON], listed(files[: asked.limit], has_more=len(files) > asked.limit))

    async def _show(self, client: Client, key: ApiKey, file_id: str, below: str) -> None:
        file = await self._require(key, file_id)
        provider = self._provider_of(file)
        if provider is None:
            raise NotFound(f"The provider '{file.provider}', where the file '{file_id}' was sent to, is there no more.")
        answered = await self._ask(provider, "GET", _path(file_id) + below)
        await client.reply(answered.status, [*answered.headers, _NO_SNIFFING], answered.body)

    async def _delete(self, client: Client, key: ApiKey, file_id: str) -> None:
        file = await self._require(key, file_id)
        provider = self._provider_of(file)
        if provider is None:  # out of reach for good: it shall not stay in the list for ever
            await self._files.remove(file.organization_id, file.project_id, file_id)
            raise NotFound(f"The provider '{file.provider}', where the file '{file_id}' was sent to, is there no more.")
        answered = await self._ask(provider, "DELETE", _path(file_id))
        if answered.is_good or answered.status == 404:
            await self._files.remove(file.organization_id, file.project_id, file_id)
        await client.reply(answered.status, answered.headers, answered.body)

    async def _require(self, key: ApiKey, file_id: str) -> ProviderFile:
        if not is_file_id(file_id):
            raise NotFound("No such File object.")
        found = await self._files.find(key.organization_id, key.project_id or "", file_id)
        if found is None:
            raise NotFound(f"No such File object: {file_id}")
        return found

    def _provider_of(self, file: ProviderFile) -> Provider | None:
        for provider in self._pipeline.routes.of(file.organization_id).providers:
            if (provider.name, provider.credential_id) == (file.provider, file.credential_id):
                return provider
        return None

    async def _ask(
        self,
        provider: Provider,
        method: str,
        path: str,
        *,
        headers: Sequence[Header] = (),
        body: bytes = b"",
        deadlines: Deadlines | None = None,
    ) -> _Answered:
        """Ask a provider and read the whole answer.

        Raises:
            UpstreamFault: it could not be asked, or did not answer properly.
            ProviderKeyRefused: it does not take our key.
        """
        request = errand(self._upstream, provider, method, path, headers=headers, body=body)
        try:
            exchange = await self._upstream.open(request, deadlines or self._settings.deadlines)
            try:
                data = await exchange.read_all(self._settings.answer_bytes_max)
            finally:
                exchange.close()
        except UpstreamFault as fault:
            fault.tell(provider.name, [f"{provider.name}: {fault.kind}"])
            raise
        if exchange.status in KEY_REFUSED:
            raise key_refused(provider)
        passed = [(name, cleaned(provider, value)) for name, value in exchange.headers if name in _PASSED]
        return _Answered(exchange.status, passed, cleaned(provider, data))


def _read_path(client: Client) -> tuple[str, str]:
    """Return the id in the path, "" without one, and what is below it.

    Raises:
        NotFound: there is no such route.
        MethodNotAllowed: it is there for other methods.
    """
    rest = client.scope["path"].removeprefix(PATH)
    file_id, slash, last = rest.removeprefix("/").partition("/")
    below = f"{slash}{last}"
    route = f"/{{id}}{below}" if file_id else rest
    if route not in METHODS:
        raise NotFound("There is no such route.")
    if client.scope["method"] not in METHODS[route]:
        raise MethodNotAllowed(f"This route takes {' and '.join(METHODS[route])} only.")
    return file_id, below


def choose_provider(providers: Iterable[Provider], wanted: str) -> Provider:
    """Return where a new file goes: the provider of this name, else the first one of the first kind that has files.

    Raises:
        InvalidRequest: there is none.
    """
    able = [each for each in providers if each.kind in _KINDS and wanted in {"", each.name}]
    if not able:
        of_name = f" named '{wanted[:64]}'" if wanted else ""
        raise InvalidRequest(
            f"No provider{of_name} takes files here. Files go to providers of the kinds {', '.join(_KINDS)}; the header "
            "x-tollkeeper-provider names one of them."
        )
    return min(able, key=lambda each: each.kind != "openai")


def _fault(provider: Provider, what: str) -> UpstreamFault:
    fault = UpstreamFault("protocol", f"The provider '{provider.name}' {what}.", sent=True)
    fault.tell(provider.name, [f"{provider.name}: {fault.kind}"])
    return fault


def _path(file_id: str) -> str:
    return f"/files/{quote(file_id, safe='')}"
