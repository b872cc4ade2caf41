"""Every route x every kind of caller; and no application with a route that nobody decided about."""

from __future__ import annotations

import json

import pytest
from admin_factories import ONLY_SQLITE, START_S, Acme, client_of, make_acme
from fastapi import APIRouter, Depends, FastAPI
from starlette.applications import Starlette

from tollkeeper.admin.app import make_app
from tollkeeper.admin.permissions import declared, is_public, requires
from tollkeeper.domain.api_key import write_key
from tollkeeper.store.api_keys import list_api_keys
from tollkeeper.store.engine import Store

QUERIES = {
    "/v1/organization/costs": {"start_time": START_S, "limit": 10},
    "/v1/organization/usage/completions": {"start_time": START_S, "limit": 10},
    "/v1/organization/usage/embeddings": {"start_time": START_S, "limit": 10},
}


ROUTES = sorted(
    (route, permission)
    for route, permission in declared(make_app(administration=None, authenticator=None)).items()  # type: ignore[arg-type]
    if route[1] in QUERIES
)


async def call(app: FastAPI, method: str, path: str, key: str | None, **more):
    async with client_of(app, key) as client:
        return await client.request(method, path, params={**QUERIES[path], **more})


def test_the_reports_ask_for_the_permissions_of_finance() -> None:
    assert dict(ROUTES)["GET", "/v1/organization/costs"] == "billing:read"


@ONLY_SQLITE
async def test_each_route_answers_each_kind_of_caller_as_it_must(app: FastAPI, acme: Acme, store: Store) -> None:
    other = await make_acme(store, "Globex", seed=2, calls=0)
    unknown = write_key("0" * 12, "1" * 43)
    for (method, path), permission in ROUTES:
        for key, status, code, words in (
            (None, 401, "invalid_api_key", "No API key"),
            ("sk-proj-something-else", 401, "invalid_api_key", "format"),
            (acme.admin.key[:-1] + ("a" if acme.admin.key[-1] != "a" else "b"), 401, "invalid_api_key", "format"),
            (unknown, 401, "invalid_api_key", "Invalid API key"),
            (acme.keys[0].key, 403, "permission_denied", permission),
        ):
            answer = await call(app, method, path, key)
            error = answer.json()["error"]
            assert (answer.status_code, error["code"]) == (status, code), (path, key)
            assert words in error["message"]
            assert error["request_id"] == answer.headers["x-request-id"]
        assert (await call(app, method, path, acme.admin.key)).status_code == 200
        of_other = await call(app, method, path, other.admin.key)
        assert of_other.status_code == 200
        assert [bucket["results"] for bucket in of_other.json()["data"]] == [[]] * 10, path
        assert any(bucket["results"] for bucket in (await call(app, method, path, acme.admin.key)).json()["data"])


async def test_naming_another_organizations_project_shows_nothing_of_it(app: FastAPI, acme: Acme, store: Store) -> None:
    other = await make_acme(store, "Globex", seed=2, calls=20)
    for (method, path), _ in ROUTES:
        answer = await call(app, method, path, acme.admin.key, project_ids=other.projects[0])
        assert [bucket["results"] for bucket in answer.json()["data"]] == [[]] * 10


@ONLY_SQLITE
async def test_a_caller_without_a_key_learns_nothing_about_parameters(app: FastAPI) -> None:
    async with client_of(app) as client:
        answer = await client.get("/v1/organization/costs", params={"group_by": "nonsense"})
    assert answer.status_code == 401


@pytest.mark.parametrize("how", ["route", "router", "mount", "starlette route"])
def test_an_application_with_an_undeclared_route_is_refused(how: str) -> None:
    app = make_app(administration=None, authenticator=None)  # type: ignore[arg-type]
    router = APIRouter()
    router.get("/v1/secrets")(lambda: "secret")
    if how == "route":
        app.get("/v1/secrets")(lambda: "secret")
    elif how == "router":
        outer = APIRouter(prefix="/deep")
        outer.include_router(router)
        app.include_router(outer)
    elif how == "mount":
        app.mount("/static", Starlette())
    else:
        app.add_route("/v1/secrets", lambda _request: None)
    with pytest.raises(AssertionError, match="declares no permission"):
        declared(app)


def test_a_permission_that_does_not_exist_cannot_be_asked_for() -> None:
    with pytest.raises(AssertionError):
        requires("billing:raed")


def test_a_declared_route_is_listed_with_its_permission() -> None:
    app = make_app(administration=None, authenticator=None)  # type: ignore[arg-type]
    app.get("/v1/audit-log", dependencies=[Depends(requires("audit:read"))])(lambda: "")
    assert declared(app)["GET", "/v1/audit-log"] == "audit:read"


@ONLY_SQLITE
async def test_only_the_public_routes_answer_without_a_key(app: FastAPI) -> None:
    documented = {*app.openapi()["paths"]}
    declared_paths = {path for _, path in declared(app) if not is_public(path)}
    assert {path for path in documented if not is_public(path)} == declared_paths
    async with client_of(app) as client:
        description = await client.get("/openapi.json")
        assert description.status_code == 200
        assert "http" not in json.dumps(description.json()["paths"])  # nothing is loaded from elsewhere
        for gone in ("/docs", "/redoc", "/docs/oauth2-redirect"):
            assert (await client.get(gone)).status_code == 404


async def test_the_use_of_an_administration_key_is_written_down(app: FastAPI, acme: Acme, store: Store) -> None:
    async with client_of(app, acme.admin.key) as client:
        assert (await client.get("/v1/organization/costs?start_time=0")).status_code == 200
    record = acme.admin.record
    (kept,) = [
        key for key in await store.read(lambda c: list_api_keys(c, record.organization_id)) if key.id == record.id
    ]
    assert kept.last_used_at_us is not None
