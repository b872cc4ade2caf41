"""An installation with its pages on a real port, people to sign in, and HTML taken apart."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from html.parser import HTMLParser

import msgspec
import uvicorn
from fastapi import FastAPI
from tests.accounts.people_factories import RULES, Town
from tests.admin.admin_factories import PEPPER

from tollkeeper.admin.app import make_app
from tollkeeper.bootstrap.faces import Faces
from tollkeeper.control.account_rules import AccountRules
from tollkeeper.control.administration import Administration, Secrets
from tollkeeper.control.people import People
from tollkeeper.gateway.authentication import Authenticator
from tollkeeper.identity.issuers import Issuer
from tollkeeper.store.directory import StoreDirectory
from tollkeeper.store.engine import Store
from tollkeeper.web.face import Face
from tollkeeper.web.pages import make_pages


def page_app() -> FastAPI:
    """Return an application whose pages work and whose routes do not: pages ask nobody."""
    pages = make_pages(has_accounts=True)
    return make_app(administration=None, authenticator=None, pages=pages)  # type: ignore[arg-type]


def free_address() -> tuple[socket.socket, str]:
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    return listening, f"http://127.0.0.1:{listening.getsockname()[1]}"


@asynccontextmanager
async def town_on(
    listening: socket.socket, address: str, store: Store, *, rules: AccountRules = RULES, issuers: Sequence[Issuer] = ()
) -> AsyncIterator[Town]:
    """Serve an installation that people reach at an address."""
    directory = StoreDirectory(store)
    await directory.start()
    administration = Administration(store, Secrets.of(PEPPER))
    people = People(administration, msgspec.structs.replace(rules, public_url=address), issuers=issuers)
    app = make_app(
        administration=administration,
        authenticator=Authenticator(directory, PEPPER),
        people=people,
        pages=make_pages(has_accounts=True, sign_up=rules.sign_up),
    )
    faces = Faces(Face(administration, people), app)
    server = uvicorn.Server(uvicorn.Config(faces, lifespan="off", log_level="critical", timeout_graceful_shutdown=1))
    serving = asyncio.create_task(server.serve(sockets=[listening]))
    town = Town(faces, people, store)
    try:
        while not server.started:
            await asyncio.sleep(0.01)
        yield town
    finally:
        server.should_exit = True
        await serving
        for client in town.clients:
            await client.aclose()
        await people.aclose()
        await directory.aclose()


class Markup(HTMLParser):
    """A page taken apart: (tag, attributes) in order, and the text of each script."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, list[str]] = {"script": [], "style": [], "title": []}
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        if self.tags and self.lasttag in self.texts and data.strip():
            self.texts[self.lasttag].append(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for each, attributes in self.tags if each == tag]
