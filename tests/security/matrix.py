"""The route matrix: every route of the document, asked by everybody, judged by rule; `faults` is empty when all is well.

The rules: who proves nothing is answered 401; who has the permission nowhere 403 with its name; ids of another
organization, and of places that a role does not reach, are answered as ids of nothing are, byte by byte; who may is let in.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
from fastapi import FastAPI
from fastapi.routing import iter_route_contexts
from sqlalchemy import select
from tests.admin.admin_factories import client_of
from tests.security.examples import Example, Route, example_of, id_fields, id_name, routes_of
from tests.security.realms import RULES, TEAM_LEVEL, Realm, never_there
from tests.tenancy.company import PEPPER

from tollkeeper.admin.app import make_app
from tollkeeper.admin.callers import CallerFinder
from tollkeeper.admin.permissions import _permissions
from tollkeeper.control.administration import Administration, Secrets
from tollkeeper.control.people import People
from tollkeeper.domain.permission import LOGIN, MEMBERSHIP
from tollkeeper.gateway.authentication import Authenticator
from tollkeeper.store.directory import StoreDirectory
from tollkeeper.store.engine import Store
from tollkeeper.store.schema import metadata

_REQUEST_ID = re.compile(r"req_[0-9a-f]{32}")
_NOTED = {("api_key", "last_used_at_us")}
"""What a refused request may change: when a key was used."""
KEYS_MAY = {("GET", "/v1/organizations")}
"""The routes for people that show a key its own organization."""


@dataclass
class Figures:
    """How much was asked, and what was wrong."""

    requests: int = 0
    routes: int = 0
    statuses: Counter[int] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)


class Matrix:
    """Asks an application about two realms: `mine` is the one that is asked about, `theirs` somebody else's."""

    def __init__(self, app: FastAPI, store: Store, mine: Realm, theirs: Realm) -> None:
        self.app, self.store, self.mine, self.theirs = app, store, mine, theirs
        self.document: dict[str, Any] = app.openapi()
        self.permissions = permissions_of(app)
        self.routes = [each for each in routes_of(self.document) if (each.method, each.path) in self.permissions]
        self.figures = Figures(routes=len(self.routes))

    def permission(self, route: Route) -> str:
        return self.permissions[route.method, route.path]

    def example(self, route: Route, ids: Mapping[str, str] | None = None) -> Example:
        return example_of(route, self.document, self.mine.ids if ids is None else ids)

    # ---- the columns -------------------------------------------------------------------------------------------------

    async def ask_as_nobody(self, who: str) -> None:
        """Ask every route with a credential that is good for nothing."""
        for route in self.routes:
            answer = await self._ask(route, self.example(route), self.mine.credentials[who])
            self._expect(route, who, answer, {401}, reader=None)

    async def ask_without_permission(self, who: str) -> int:
        """Ask as one of the organization every route whose permission it has nowhere; returns how many there were."""
        principal = self.mine.principals[who]
        asked = 0
        for route in self.routes:
            permission = self.permission(route)
            if permission == LOGIN or _has_somewhere(principal, permission):
                continue
            asked += 1
            answer = await self._ask(route, self.example(route), self.mine.credentials[who])
            self._expect(route, who, answer, {403}, reader=self.mine)
            named = _error(answer).get("message", "")
            if permission != MEMBERSHIP and f"'{permission}'" not in named:
                self._fault(route, who, answer, f"the refusal does not name '{permission}'")
        return asked

    async def ask_as_another_key_of_people(self, who: str) -> None:
        """Ask the routes for people who are logged in with an API key."""
        for route in self.routes:
            if self.permission(route) == LOGIN and (route.method, route.path) not in KEYS_MAY:
                answer = await self._ask(route, self.example(route), self.mine.credentials[who])
                self._expect(route, who, answer, {403}, reader=self.mine)

    async def ask_about_others(self, who: str) -> int:
        """Ask about the other organization's objects by path; returns how many routes name one."""
        asked = 0
        for route in self.routes:
            for parameter in route.path_parameters:
                asked += 1
                ids = {**self.mine.ids, parameter: self.theirs.ids[parameter]}
                await self._compare(route, who, self.mine, self.example(route, ids), parameter, ids[parameter])
        return asked

    async def ask_about_other_teams(self) -> None:
        """Ask as the admin of the other team about what belongs to the first one, or to the whole organization."""
        who = "other lead"
        for route in self.routes:
            for parameter in route.path_parameters:
                if parameter in TEAM_LEVEL:
                    id_ = self.mine.ids[parameter]
                    await self._compare(route, who, self.mine, self.example(route), parameter, id_)
                elif self.permission(route) not in {MEMBERSHIP, LOGIN}:
                    answer = await self._ask(route, self.example(route), self.mine.credentials[who])
                    self._expect(route, who, answer, {403}, reader=self.mine)

    async def name_others(self, who: str) -> int:
        """Name the other organization's objects in bodies and queries; returns how many fields take an id."""
        asked = 0
        for route in self.routes:
            for where, name in id_fields(route, self.document, self.mine.ids):
                asked += 1
                id_ = self.theirs.ids[id_name(name, self.mine.ids)]
                ids = self.mine.ids
                base = self.example(route, ids)
                await self._compare(
                    route, who, self.mine, _with(base, where, name, id_), name, id_, may_be_empty=where == "query"
                )
        return asked

    async def ask_as_allowed(self, who: str, route: Route) -> None:
        """Ask a route as somebody who may."""
        example = self.example(route)
        if (route.method, route.path) == ("DELETE", "/v1/members/{member_id}/roles"):  # the role that the member has
            example.query.update(role="developer", scope=self.mine.ids["project_id"])
        answer = await self._ask(route, example, self.mine.credentials[who])
        if answer.status_code in {401, 403, 404} or answer.status_code >= 500:
            self._fault(route, who, answer, "it is for them")
        self._check_leak(route, who, answer, self.mine, "")

    # ---- judging -----------------------------------------------------------------------------------------------------

    async def _compare(
        self,
        route: Route,
        who: str,
        reader: Realm,
        foreign: Example,
        parameter: str,
        id_: str,
        *,
        may_be_empty: bool = False,
    ) -> None:
        """An id that is another's is answered as an id of nothing."""
        nothing = never_there(id_)
        there = await self._ask(route, foreign, reader.credentials[who])
        none = await self._ask(route, _renamed(foreign, id_, nothing), reader.credentials[who])
        if _bare(there, id_) != _bare(none, nothing):
            self._fault(
                route,
                f"{who}, {parameter}",
                there,
                f"an id of nothing is answered {none.status_code} {none.text[:300]}",
            )
        if there.status_code < 400 and not (may_be_empty and _is_empty(there)):
            self._fault(route, f"{who}, {parameter}", there, "it is answered at all")
        if not may_be_empty and parameter in foreign.path and there.status_code != 404:
            self._fault(route, f"{who}, {parameter}", there, "not 404")
        self._check_leak(route, who, there, reader, id_)

    def _expect(
        self, route: Route, who: str, answer: httpx.Response, wanted: set[int], *, reader: Realm | None
    ) -> None:
        if answer.status_code not in wanted:
            self._fault(route, who, answer, f"{sorted(wanted)} is expected")
        elif not _error(answer).get("code"):
            self._fault(route, who, answer, "the refusal has no code")
        self._check_leak(route, who, answer, reader, "")

    def _check_leak(self, route: Route, who: str, answer: httpx.Response, reader: Realm | None, asked: str) -> None:
        text = answer.text.lower() + json.dumps(dict(answer.headers)).lower()
        others = self.theirs.marks | (set() if reader else self.mine.marks)
        echoed = {asked.lower()} | ({value.lower() for value in self.mine.ids.values()} if reader is None else set())
        for mark in others - echoed:
            if mark in text.replace(asked.lower(), "") if asked else mark in text:
                self._fault(route, who, answer, f"it tells of '{mark}'")

    def _fault(self, route: Route, who: str, answer: httpx.Response, what: str) -> None:
        sent = answer.request
        shown = f"{sent.method} {sent.url.raw_path.decode()} {sent.content[:300].decode()}"
        self.figures.faults.append(
            f"{route.name} as {who}: {answer.status_code} {answer.text[:300]} — {what}; sent {shown}"
        )

    async def _ask(self, route: Route, example: Example, credential: Mapping[str, str]) -> httpx.Response:
        async with client_of(self.app) as client:
            answer = await client.request(
                example.method, example.path, params=example.query or None, json=example.body, headers=dict(credential)
            )
        self.figures.requests += 1
        self.figures.statuses[answer.status_code] += 1
        if answer.status_code >= 500:
            self._fault(route, "anybody", answer, "it is our fault")
        return answer


def permissions_of(app: FastAPI) -> dict[tuple[str, str], str]:
    """Return what every route asks for, those among the public prefix included that ask for anything."""
    found: dict[tuple[str, str], str] = {}
    for context in iter_route_contexts(app.routes):
        dependant = getattr(context, "dependant", None)
        asked = _permissions(dependant) if dependant is not None else []
        for method in (context.methods or ()) if asked else ():
            found[method, str(context.path)] = asked[0]
    return found


@asynccontextmanager
async def secured_app(store: Store, app: FastAPI | None = None) -> AsyncIterator[FastAPI]:
    """Yield an application over a store; one made before is bound to the new store, which is quicker."""
    directory = StoreDirectory(store)
    await directory.start()
    administration = Administration(store, Secrets.of(PEPPER))
    authenticator = Authenticator(directory, PEPPER)
    people = People(administration, RULES)
    if app is None:
        app = make_app(administration=administration, authenticator=authenticator, people=people)
    app.state.administration, app.state.people = administration, people
    app.state.callers = CallerFinder(administration, authenticator)
    try:
        yield app
    finally:
        await people.aclose()
        await directory.aclose()


async def dump_of(store: Store) -> dict[str, list[tuple[Any, ...]]]:
    """Return every row of every table, without what a refused request may change."""

    async def read(connection: Any) -> dict[str, list[tuple[Any, ...]]]:
        found = {}
        for name, table in metadata.tables.items():
            columns = [column for column in table.c if (name, column.name) not in _NOTED]
            found[name] = sorted((tuple(row) for row in await connection.execute(select(*columns))), key=repr)
        return found

    return await store.read(read)


def _has_somewhere(principal: Any, permission: str) -> bool:
    if permission == MEMBERSHIP:
        return bool(principal.has_membership)
    return any(permission in grant.permissions for grant in principal.grants)


def _with(example: Example, where: str, name: str, id_: str) -> Example:
    if where == "query":
        return Example(example.method, example.path, {**example.query, name: id_}, example.body)
    body = dict(example.body or {})
    body[name] = [id_] if name.endswith("_ids") else id_
    return Example(example.method, example.path, example.query, body)


def _renamed(example: Example, old: str, new: str) -> Example:
    query = {name: value.replace(old, new) for name, value in example.query.items()}
    body = None if example.body is None else json.loads(json.dumps(example.body).replace(old, new))
    return Example(example.method, example.path.replace(old, new), query, body)


def _bare(answer: httpx.Response, id_: str) -> tuple[int, str, list[tuple[str, str]]]:
    """Return an answer without what may differ: its number, the id that was asked about, the time."""
    headers = [(name, value) for name, value in answer.headers.multi_items() if name != "x-request-id"]
    text = _REQUEST_ID.sub("", answer.text).replace(id_, "")
    return answer.status_code, text, headers


def _is_empty(answer: httpx.Response) -> bool:
    body = answer.json() if answer.text.startswith("{") else {"data": answer.text}
    found = body.get("data", [])
    return not found or all("results" in each and not each["results"] for each in found if isinstance(each, dict))


def _error(answer: httpx.Response) -> dict[str, Any]:
    try:
        found: dict[str, Any] = answer.json()["error"]
    except (ValueError, KeyError, TypeError):
        return {}
    return found
