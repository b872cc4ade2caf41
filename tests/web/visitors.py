"""People with browsers of their own at the pages: who they are is what their session's cookie says."""

from __future__ import annotations

import re
from typing import Any

import httpx
from tests.security.realms import new_session
from tests.tenancy.company import PEPPER, Company, Person

from tollkeeper.admin.app import make_app
from tollkeeper.bootstrap.faces import Faces
from tollkeeper.control.account_rules import AccountRules
from tollkeeper.control.administration import Administration, Secrets
from tollkeeper.control.callable_models import ModelTables
from tollkeeper.control.people import People
from tollkeeper.control.sessions import SESSION_COOKIE
from tollkeeper.domain.deployment import Provider, RouteTable
from tollkeeper.gateway.authentication import Authenticator
from tollkeeper.prices.book import CompiledBook
from tollkeeper.prices.known_models import CatalogueModels
from tollkeeper.store.directory import StoreDirectory
from tollkeeper.store.engine import Store
from tollkeeper.tokens.estimate import estimate_tokens
from tollkeeper.web.face import Face
from tollkeeper.web.pages import make_pages

OURS = {"sec-fetch-site": "same-origin"}
_CSRF = re.compile(r'name="csrf" value="([0-9a-f]+)"')
_ONCE = re.compile(r'name="once" value="(\w+)"')


class ByBytes:
    """Counts a token for every four bytes, without a child process."""

    async def count(self, model: str, texts: list[str]) -> list[int]:  # the port's
        return [estimate_tokens(text) for text in texts]


class OnePriceBook:
    """The catalogue for everybody."""

    def of(self, organization_id: str) -> CompiledBook:  # the port's
        return CompiledBook.load()


def tables_of(*providers: Provider) -> ModelTables:
    """Return the models of these providers, else of OpenAI, at list prices."""
    openai = Provider("openai", "openai", "https://api.openai.com/v1", catalogue="openai")
    return _tables(list(providers) or [openai])


def tables_without_providers() -> ModelTables:
    return _tables([])


def _tables(providers: list[Provider]) -> ModelTables:
    book = CompiledBook.load()
    return ModelTables(RouteTable([], providers, book), OnePriceBook(), CatalogueModels(book), ByBytes())


def faces_of(store: Store, *, rules: AccountRules | None = None, models: ModelTables | None = None) -> Faces:
    administration = Administration(store, Secrets.of(PEPPER))
    people = People(administration, rules or AccountRules())
    authenticator = Authenticator(StoreDirectory(store), PEPPER)
    api = make_app(
        administration=administration, authenticator=authenticator, people=people, pages=make_pages(has_accounts=True)
    )
    return Faces(Face(administration, people, models=models or tables_of()), api)


class Browser:
    """One person's browser; without a person, a stranger's."""

    def __init__(self, faces: Faces, token: str = "") -> None:
        transport = httpx.ASGITransport(faces, raise_app_exceptions=False)  # type: ignore[arg-type]
        cookies = {SESSION_COOKIE: token} if token else {}
        self.client = httpx.AsyncClient(transport=transport, base_url="http://tollkeeper.test", cookies=cookies)

    async def open(self, path: str, **more: Any) -> httpx.Response:
        return await self.client.get(path, **more)

    async def send(self, path: str, fields: dict[str, str], *, seen: str | None = None) -> httpx.Response:
        """Send a form of a page, as the browser would after having opened it."""
        page = seen if seen is not None else (await self.open(path)).text
        csrf, once = _CSRF.search(page), _ONCE.search(page)
        own = {"csrf": csrf[1] if csrf else "", "once": once[1] if once else ""}
        return await self.client.post(path, data=own | fields, headers=OURS)


async def browser_of(faces: Faces, company: Company, person: Person) -> Browser:
    return Browser(faces, await new_session(company, person))


def amounts(html: str) -> list[int]:
    """Return every amount of money on a page, in nano-dollars."""
    return [int(each) for each in re.findall(r'<data class="usd" value="(-?\d+)"', html)]


def content_of(html: str) -> str:
    """Return what stands on a page between its menus and its end: signing out is a form of every page."""
    return html.partition("<main")[2]
