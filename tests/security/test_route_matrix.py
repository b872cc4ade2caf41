"""Every route, asked by everybody: who proves nothing, who may not, who belongs to others, and who may."""

from __future__ import annotations

import pytest
from fastapi.routing import iter_route_contexts
from tests.security.conftest import Opening
from tests.security.examples import example_of, routes_of
from tests.security.matrix import dump_of
from tests.security.realms import REFUSED

from tollkeeper.admin.permissions import PUBLIC, is_public

FAULTS_SHOWN = 15


@pytest.mark.parametrize("who", REFUSED)
async def test_who_proves_nothing_is_refused_everywhere_and_changes_nothing(open_matrix: Opening, who: str):
    async with open_matrix() as matrix:
        before = await dump_of(matrix.store)
        await matrix.ask_as_nobody(who)
        assert matrix.figures.faults[:FAULTS_SHOWN] == []
        assert matrix.figures.requests >= len(matrix.permissions)
        assert await dump_of(matrix.store) == before


@pytest.mark.parametrize("who", ["service", "own", "viewer", "developer"])
async def test_who_lacks_the_permission_is_told_which_and_changes_nothing(open_matrix: Opening, who: str):
    async with open_matrix() as matrix:
        before = await dump_of(matrix.store)
        asked = await matrix.ask_without_permission(who)
        assert matrix.figures.faults[:FAULTS_SHOWN] == []
        assert asked >= 15
        assert await dump_of(matrix.store) == before


@pytest.mark.parametrize("who", ["admin", "org_admin"])
async def test_what_belongs_to_another_organization_is_as_if_it_were_not_there(open_matrix: Opening, who: str):
    async with open_matrix() as matrix:
        before = await dump_of(matrix.store)
        if who == "admin":
            matrix.routes = [each for each in matrix.routes if matrix.permission(each) != "login"]
        asked = await matrix.ask_about_others(who)
        assert matrix.figures.faults[:FAULTS_SHOWN] == []
        assert asked >= 30
        assert await dump_of(matrix.store) == before


@pytest.mark.parametrize("who", ["admin", "org_admin"])
async def test_ids_of_another_organization_in_bodies_and_queries_are_as_ids_of_nothing(open_matrix: Opening, who: str):
    async with open_matrix() as matrix:
        asked = await matrix.name_others(who)
        assert matrix.figures.faults[:FAULTS_SHOWN] == []
        assert asked >= 20


async def test_another_teams_admin_reaches_nothing_of_the_team_or_above_it(open_matrix: Opening):
    async with open_matrix() as matrix:
        before = await dump_of(matrix.store)
        await matrix.ask_about_other_teams()
        assert matrix.figures.faults[:FAULTS_SHOWN] == []
        assert await dump_of(matrix.store) == before


async def test_an_api_key_does_nothing_in_a_persons_name(open_matrix: Opening):
    async with open_matrix() as matrix:
        before = await dump_of(matrix.store)
        for who in ("admin", "service", "own"):
            await matrix.ask_as_another_key_of_people(who)
        assert matrix.figures.faults[:FAULTS_SHOWN] == []
        assert await dump_of(matrix.store) == before


@pytest.mark.parametrize("who", ["admin", "org_admin"])
async def test_who_may_is_let_in_everywhere(open_matrix: Opening, who: str):
    faults: list[str] = []
    async with open_matrix() as matrix:
        reading = [each for each in matrix.routes if each.method == "GET"]
        writing = [each for each in matrix.routes if each.method != "GET"]
        for route in reading:
            if who == "org_admin" or matrix.permission(route) != "login":
                await matrix.ask_as_allowed(who, route)
        faults += matrix.figures.faults
    for route in writing:
        if who == "org_admin" or matrix.permissions[route.method, route.path] != "login":
            async with open_matrix() as matrix:
                await matrix.ask_as_allowed(who, route)
                faults += matrix.figures.faults
    assert faults[:FAULTS_SHOWN] == []
    assert len(reading) + len(writing) == len(matrix.permissions)


async def test_no_route_is_unlisted(open_matrix: Opening):
    async with open_matrix() as matrix:
        documented = {(each.method, each.path) for each in routes_of(matrix.document)}
        served = {
            (method, str(each.path))
            for each in iter_route_contexts(matrix.app.routes)
            for method in set(each.methods or {"?"}) - {"HEAD"}
        }
        assert served - documented == {("GET", "/openapi.json")}
        assert {each for each in documented if not is_public(each[1])} <= set(matrix.permissions)
        assert not [path for path in PUBLIC if path.startswith("/v1")]  # what is public below /v1 is so by its prefix


async def test_every_route_has_an_example_made_of_the_document(open_matrix: Opening):
    async with open_matrix() as matrix:
        ids = {**matrix.mine.ids, "name": "google"}
        assert [example_of(each, matrix.document, ids).path for each in routes_of(matrix.document)]
