"""The pages of people who are signed in, as an ASGI application: who asks, their form's token, the page, and every refusal."""

from __future__ import annotations

import hmac
import logging
import math
from collections import Counter
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Match, Route
from starlette.types import Receive, Scope, Send

from tollkeeper.control.administration import Administration
from tollkeeper.control.callable_models import ModelTables
from tollkeeper.control.people import People
from tollkeeper.control.sessions import SESSION_COOKIE
from tollkeeper.control.usage_news import UsageNews
from tollkeeper.control.visits import PersonVisit, open_visit
from tollkeeper.domain.access import require_somewhere
from tollkeeper.domain.account import SESSION_PREFIX
from tollkeeper.domain.errors import InvalidRequest, NotFound, PermissionDenied, RequestTooLarge, TollkeeperError
from tollkeeper.kit.ids import uuid7
from tollkeeper.kit.networks import Networks, client_address
from tollkeeper.parquet.writing import ParquetWriter
from tollkeeper.refusals import InternalError, MethodNotAllowed, classify
from tollkeeper.web.answers import page
from tollkeeper.web.assets import PREFIX, addresses, find_asset
from tollkeeper.web.languages import Language, choose_language
from tollkeeper.web.refusal_texts import told
from tollkeeper.web.table import LOGIN_PAGES, ORGANIZATION_PAGES, STRANGERS_PAGES, PageRoute
from tollkeeper.web.visitor import FORM_BYTES_MAX, House, Visitor, read_fields

_log = logging.getLogger(__name__)
_SAFE_METHODS = frozenset({"GET", "HEAD"})
_FOR_EVER = "public, max-age=31536000, immutable"
_ORGANIZATION = "/org_"
_ICON = "/favicon.ico"
"""What browsers ask for by themselves, of pages that name no picture."""


class Face:
    """One per process. `people` know the rules of accounts; `trusted_proxies` are believed about addresses.

    Without `models` there are no pages about them. `parquet` writes files for the API too.
    """

    def __init__(
        self,
        administration: Administration,
        people: People,
        *,
        trusted_proxies: Networks | None = None,
        models: ModelTables | None = None,
        parquet: ParquetWriter | None = None,
    ) -> None:
        self.house = House(
            administration, people, UsageNews(administration), models, parquet or ParquetWriter(), Counter()
        )
        self._trusted_proxies = trusted_proxies or Networks()
        pages = (*STRANGERS_PAGES, *LOGIN_PAGES, *ORGANIZATION_PAGES)
        self._routes = [(Route(each.path, _nothing, methods=None), each) for each in pages]
        self._strangers_paths = {each.path for each in STRANGERS_PAGES}
        self._paths = self._strangers_paths | {each.path for each in LOGIN_PAGES}

    def owns(self, scope: Scope) -> bool:
        """Tell whether a request is for one of these pages; `/` is for who brings a session."""
        path: str = scope["path"]
        if path == "/":
            return scope["method"] in _SAFE_METHODS and _cookie(Request(scope)) is not None
        return path in self._paths or path == _ICON or path.startswith((PREFIX, _ORGANIZATION))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer as an ASGI application. At an address that is none of these pages', say so on a page."""
        request_id = f"req_{uuid7().hex()}"
        scope.setdefault("state", {})["request_id"] = request_id
        request = Request(scope, receive)
        is_asset = scope["path"] == _ICON or scope["path"].startswith(PREFIX)
        try:
            answer = _answer_asset(request) if is_asset else await self._answer_page(request)
        except InvalidRequest as unreadable:  # not even the address
            answer = Response(
                told(_language(request, None), unreadable.public_message), 400, headers={"cache-control": "no-store"}
            )
        answer.headers["x-request-id"] = request_id
        await answer(scope, receive, send)

    async def _answer_page(self, request: Request) -> Response:
        return await (self._answer(request) if self.owns(request.scope) else self._tell_nowhere(request))

    async def _tell_nowhere(self, request: Request) -> Response:
        try:
            visit = await self._visit(request)
        except TollkeeperError:  # this page needs nobody
            visit = None
        return await _refuse(self._visitor(request, visit), NotFound("There is no such page."))

    async def _answer(self, request: Request) -> Response:
        visitor = self._visitor(request, None)
        try:
            is_for_strangers = request.url.path in self._strangers_paths
            visit = None if is_for_strangers else await self._visit(request)
            if visit is None and not is_for_strangers:
                return _to_sign_in(request)
            visitor = self._visitor(request, visit)
            return _onwards(request, visit) or await self._serve(visitor)
        except TollkeeperError as refusal:
            if classify(refusal)[0] >= 500:
                _log.warning("request %s was refused: %s", request.state.request_id, refusal)
            return await _refuse(visitor, refusal)
        except Exception:  # noqa: BLE001  # a bug: told as one, and its trace is logged
            _log.exception("request %s failed", request.state.request_id)
            return await _refuse(visitor, InternalError())

    async def _serve(self, visitor: Visitor) -> Response:
        """Answer with the page of an address, or do what its form asks for."""
        request = visitor.request
        found = self._route(request)
        methods = ("GET", "HEAD", "POST") if found.act else ("GET", "HEAD")
        if request.method not in methods:
            return await _refuse_method(visitor, methods)
        if found.requires:
            require_somewhere(visitor.principal, found.requires)
        if request.method in _SAFE_METHODS:
            return await found.show(visitor)
        return await self._act(visitor, found)

    async def _act(self, visitor: Visitor, found: PageRoute) -> Response:
        """Do what a form asks for. What is refused is told on the page that holds the form."""
        assert found.act is not None, "its methods are checked"
        visitor.form = read_fields(await _body(visitor.request))
        if not _is_ours(visitor):
            raise PermissionDenied("This form is of an earlier sign-in; open the page again.")
        try:
            return await found.act(visitor)
        except TollkeeperError as refusal:
            if classify(refusal)[0] >= 500 or found.show is None:
                raise
            visitor.fault = refusal
            answer = await found.show(visitor)
            answer.status_code = classify(refusal)[0]
            return answer

    async def _visit(self, request: Request) -> PersonVisit | None:
        token = _cookie(request)
        if token is None:
            return None
        first = request.url.path.split("/")[1]
        named = first if request.url.path.startswith(_ORGANIZATION) else ""
        return await open_visit(self.house.administration, token, organization_id=named)

    def _route(self, request: Request) -> PageRoute:
        for route, found in self._routes:
            match, child = route.matches(request.scope)
            if match is not Match.NONE:
                request.scope["path_params"] = child["path_params"]
                return found
        raise NotFound("There is no such page.")

    def _visitor(self, request: Request, visit: PersonVisit | None) -> Visitor:
        peer = request.scope.get("client")
        forwarded = [value for name, value in request.scope["headers"] if name == b"x-forwarded-for"]
        return Visitor(
            request,
            self.house,
            visit=visit,
            language=_language(request, visit),
            address=client_address(str(peer[0]) if peer else "", forwarded, self._trusted_proxies),
        )


async def _nothing(request: Request) -> Response:
    raise AssertionError(f"only its pattern is used: {request.url.path}")


def _cookie(request: Request) -> str | None:
    token = request.cookies.get(SESSION_COOKIE, "")
    return token if token.startswith(SESSION_PREFIX) else None


def _language(request: Request, visit: PersonVisit | None) -> Language:
    return visit.account.language if visit else choose_language(request.headers.get("accept-language", ""))


async def _body(request: Request) -> bytes:
    data = bytearray()
    async for part in request.stream():
        data += part
        if len(data) > FORM_BYTES_MAX:
            raise RequestTooLarge("This is more than a form may hold.")
    return bytes(data)


def _is_ours(visitor: Visitor) -> bool:
    """Tell whether a form comes from a page of ours in the very same sign-in (two proofs, either of which another site lacks)."""
    site = visitor.request.headers.get("sec-fetch-site")
    origin = visitor.request.headers.get("origin")
    host = visitor.request.headers.get("host")
    is_own = site == "same-origin" or (site is None and origin in {f"https://{host}", f"http://{host}"})
    if visitor.visit is None:  # who has no session has nothing that another site could use
        return is_own
    return is_own and hmac.compare_digest(visitor.form["csrf"].encode(), visitor.csrf.encode())


def _to_sign_in(request: Request) -> Response:
    if "text/event-stream" in request.headers.get("accept", ""):  # who listens stops by this, and the page looks again
        return Response(status_code=204, headers={"cache-control": "no-store"})
    if request.url.path == "/":
        where = "/sign-in"
    else:
        query = f"?{request.url.query}" if request.url.query else ""
        where = f"/sign-in?next={quote(request.url.path + query, safe='')}"
    answer = RedirectResponse(where, status_code=303, headers={"cache-control": "no-store"})
    if _cookie(request) is not None:  # of a session that is over
        answer.delete_cookie(SESSION_COOKIE, path="/")
    return answer


def _onwards(request: Request, visit: PersonVisit | None) -> Response | None:
    """Return the way from an address that is no page itself; None from a page.

    Raises:
        NotFound: the person belongs to no such organization.
    """
    if visit is None:
        return None
    if visit.is_elsewhere:
        raise NotFound("There is no organization at this address that you belong to.")
    if request.url.path == "/":
        return _to_first_page(visit)
    if visit.organization is not None and request.url.path.strip("/") == visit.organization.id:
        return _to_overview(visit.organization.id)
    return None


def _to_first_page(visit: PersonVisit) -> Response:
    first = next(iter(visit.organizations), None)
    return _to_overview(first.id) if first else _go_on("/welcome")


def _to_overview(organization_id: str) -> Response:
    return _go_on(f"/{organization_id}/overview")


def _go_on(where: str) -> Response:
    return RedirectResponse(where, status_code=303, headers={"cache-control": "no-store"})


def _answer_asset(request: Request) -> Response:
    if request.url.path == _ICON:
        return RedirectResponse(addresses()["logo.svg"])
    found = find_asset(request.url.path)
    if found is not None and request.method not in _SAFE_METHODS:
        return Response(status_code=405, headers={"allow": "GET, HEAD", "cache-control": "no-store"})
    if found is None:
        return Response(status_code=404, headers={"cache-control": "no-store"})
    headers = {"cache-control": _FOR_EVER, "x-content-type-options": "nosniff", "vary": "accept-encoding"}
    if found.packed and "gzip" in request.headers.get("accept-encoding", ""):
        return Response(found.packed, headers=headers | {"content-encoding": "gzip"}, media_type=found.media_type)
    return Response(found.body, headers=headers, media_type=found.media_type)


async def _refuse_method(visitor: Visitor, methods: tuple[str, ...]) -> Response:
    answer = await _refuse(visitor, MethodNotAllowed("This page takes no such request."))
    answer.headers["allow"] = ", ".join(methods)
    return answer


async def _refuse(visitor: Visitor, refusal: TollkeeperError) -> Response:
    status, _, code = classify(refusal)
    answer = await page(visitor, "refusal.html", status=status, refusal=refusal, code=code)
    if (wait_s := refusal.fields.get("retry_after_seconds")) is not None:
        answer.headers["retry-after"] = str(math.ceil(wait_s))
    return answer
