"""An application whose people can sign up, a browser for it, the e-mails that wait, and shortcuts to who is logged in."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import msgspec
from sqlalchemy import select
from tests.admin.admin_factories import PEPPER, client_of

from tollkeeper.admin.app import make_app
from tollkeeper.control.account_rules import AccountRules
from tollkeeper.control.administration import Administration, Secrets
from tollkeeper.control.people import People, Throttles, Visit
from tollkeeper.domain.audit import AuditEvent
from tollkeeper.gateway.authentication import Authenticator
from tollkeeper.identity.issuers import Issuer
from tollkeeper.kit.vault import Vault
from tollkeeper.notify.message import Message
from tollkeeper.store import audit, organizations
from tollkeeper.store.directory import StoreDirectory
from tollkeeper.store.engine import Store
from tollkeeper.store.schema_control import outbox

URL = "http://tollkeeper.test"
RULES = AccountRules(public_url=URL, sign_up="open", sends_email=True)
PASSWORD = "three quiet rivers"
VISIT = Visit("192.0.2.1", "a test")
_TOKEN = re.compile(r"mail-tk-[0-9A-Za-z]{43}")


@dataclass(frozen=True)
class Waiting:
    """An e-mail in the outbox."""

    kind: str
    recipient: str
    status: str
    message: Message

    @property
    def token(self) -> str:
        found = _TOKEN.search(self.message.text)
        assert found is not None, self.message.text
        return found[0]


@dataclass
class Town:
    """The application, what it leans on, and its people."""

    app: Any
    people: People
    store: Store
    clients: list[httpx.AsyncClient] = field(default_factory=list)

    def client(self, credential: str | None = None) -> httpx.AsyncClient:
        made = client_of(self.app, credential)
        self.clients.append(made)
        return made

    async def mails(self, kind: str | None = None) -> list[Waiting]:
        """Return the e-mails that still hold their message, oldest first."""
        await self.people.tasks.join(5.0)
        rows = await self.store.read(_rows)
        found = [_opened(row) for row in rows if row.sealed_message]
        return [each for each in found if kind in {None, each.kind}]

    async def last_token(self, kind: str) -> str:
        return (await self.mails(kind))[-1].token

    async def events(self, organization_id: str = "") -> list[AuditEvent]:
        await self.people.tasks.join(5.0)
        return await self.store.read(lambda c: audit.events_after(c, organization_id, 0))

    async def actions(self, organization_id: str = "") -> list[str]:
        return [event.action for event in await self.events(organization_id)]

    async def post(self, path: str, body: dict[str, Any], credential: str | None = None) -> httpx.Response:
        return await self.client(credential).post(path, json=body)

    async def sign_up(self, email: str, password: str = PASSWORD, **more: Any) -> httpx.Response:
        body = {"email": email, "password": password, "name": "Kim", **more}
        return await self.post("/v1/auth/sign-up", body)

    async def log_in(self, email: str, password: str = PASSWORD) -> httpx.Response:
        return await self.post("/v1/auth/login", {"email": email, "password": password})

    async def resident(self, email: str, **more: Any) -> str:
        """Sign up, verify, log in; returns the session's token."""
        assert (await self.sign_up(email, **more)).status_code == 200
        answer = await self.post("/v1/auth/verify-email", {"token": await self.last_token("verify_email")})
        assert answer.status_code == 200, answer.text
        self.people.throttles = Throttles()
        return await self.session(email)

    async def session(self, email: str, password: str = PASSWORD) -> str:
        answer = await self.log_in(email, password)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["token"])

    async def found(self, credential: str, name: str = "Acme", **more: Any) -> str:
        """Create an organization as a person who is logged in; returns its id."""
        answer = await self.post("/v1/organizations", {"name": name, **more}, credential)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["id"])


@asynccontextmanager
async def running_town(
    store: Store, rules: AccountRules = RULES, *, issuers: Sequence[Issuer] = ()
) -> AsyncIterator[Town]:
    directory = StoreDirectory(store)
    await directory.start()
    administration = Administration(store, Secrets.of(PEPPER))
    people = People(administration, rules, issuers=issuers)
    app = make_app(administration=administration, authenticator=Authenticator(directory, PEPPER), people=people)
    town = Town(app, people, store)
    try:
        yield town
    finally:
        for client in town.clients:
            await client.aclose()
        await people.aclose()
        await directory.aclose()


async def make_organization(store: Store, name: str = "Acme", **more: Any) -> str:
    made = await store.write(lambda c: organizations.create_organization(c, name, **more))
    return made.id


def error_of(answer: httpx.Response) -> tuple[int, str, str]:
    error = answer.json()["error"]
    return answer.status_code, error["code"], error["message"]


def _opened(row: Any) -> Waiting:
    plain = Vault(PEPPER).open(bytes(row.sealed_message), bound_to=("outbox", row.id, row.recipient))
    return Waiting(row.kind, row.recipient, row.status, msgspec.msgpack.decode(plain, type=Message))


async def _rows(connection: Any) -> list[Any]:
    return list(await connection.execute(select(outbox).order_by(outbox.c.created_at_us, outbox.c.id)))
