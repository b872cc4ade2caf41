"""Refusals: one shape, the same answer on both faces for every domain error, and no trace of a bug."""

from __future__ import annotations

import json
import logging

import httpx
import pytest
from admin_factories import ONLY_SQLITE, PEPPER, START_S, Acme, client_of
from fastapi import FastAPI

from tollkeeper import refusals
from tollkeeper.admin.app import make_app
from tollkeeper.admin.envelope import without_brackets
from tollkeeper.control.administration import Administration, Secrets
from tollkeeper.domain import errors
from tollkeeper.gateway.authentication import Authenticator
from tollkeeper.gateway.wire.parsing import ROUTES
from tollkeeper.gateway.wire.token_counts import ROUTES as COUNTS
from tollkeeper.store.directory import StoreDirectory
from tollkeeper.store.engine import Store

COSTS = "/v1/organization/costs"


def _every_error() -> list[errors.TollkeeperError]:
    classes = [
        value
        for value in vars(errors).values()
        if isinstance(value, type) and issubclass(value, errors.TollkeeperError) and value is not errors.TollkeeperError
    ]
    assert len(classes) > 12
    made: list[errors.TollkeeperError] = []
    for cls in classes:
        if issubclass(cls, errors.UpstreamFault):
            made += [cls("closed", "it hung up", sent=True), cls("idle_timeout", "too late", sent=True)]
        elif issubclass(cls, errors.InvalidRequest):
            made.append(cls("wrong", param="limit"))
        else:
            made.append(cls("refused", scope="project"))
    return made


# a person at the command line meets these; a face that did would have a bug of ours to report
NOT_FOR_FACES = (errors.UnknownDatabase, errors.ConfigurationError)


@pytest.mark.parametrize("error", _every_error(), ids=lambda error: type(error).__name__)
def test_every_error_that_a_face_can_meet_has_a_status_and_the_one_shape(error: errors.TollkeeperError) -> None:
    if isinstance(error, NOT_FOR_FACES):
        with pytest.raises(AssertionError):
            refusals.error_body(error, "req_1")
        return
    status, body = refusals.error_body(error, "req_1")
    assert 400 <= status < 600
    described = json.loads(body)["error"]
    assert {"message", "type", "param", "code", "request_id"} <= described.keys()
    assert dict(refusals.error_headers(error, status))[b"content-type"] == b"application/json"


def test_a_store_out_of_reach_tells_callers_nothing_of_its_driver() -> None:
    _, body = refusals.error_body(errors.StoreUnavailable("connection to 10.0.0.7 refused"), "req_1")
    assert b"10.0.0.7" not in body


@ONLY_SQLITE
async def test_an_unknown_path_is_not_found_in_our_shape(client: httpx.AsyncClient) -> None:
    for path in ("/v1/organization/nothing", "/v1/organization/costs/", "/nothing"):
        answer = await client.get(path)
        error = answer.json()["error"]
        assert (answer.status_code, error["type"], error["code"]) == (404, "not_found", "not_found")
        assert error["request_id"] == answer.headers["x-request-id"]


@ONLY_SQLITE
@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/v1/v1/messages", "end its base URL before /v1"),
        ("/chat/completions", "lacks /v1"),
        ("/v1/nothing", "There is no such route. Models"),
    ],
)
async def test_an_unknown_path_is_told_the_routes_and_the_usual_mistakes(
    client: httpx.AsyncClient, path: str, words: str
) -> None:
    message = (await client.post(path)).json()["error"]["message"]
    assert words in message
    assert [each for each in (*ROUTES, *COUNTS) if each.rpartition("{model}:")[2] not in message] == []


@ONLY_SQLITE
async def test_another_method_is_refused_and_the_right_one_named(client: httpx.AsyncClient) -> None:
    answer = await client.post(COSTS)
    assert (answer.status_code, answer.json()["error"]["code"]) == (405, "method_not_allowed")
    assert answer.headers["allow"] == "GET"
    assert "GET" in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    ("path", "query", "param"),
    [
        (COSTS, {}, "start_time"),
        (COSTS, {"start_time": "yesterday"}, "start_time"),
        (COSTS, {"start_time": -1}, "start_time"),
        (COSTS, {"start_time": 10**18}, "start_time"),
        (COSTS, {"start_time": START_S, "end_time": START_S}, "end_time"),
        (COSTS, {"start_time": START_S, "limit": 0}, "limit"),
        (COSTS, {"start_time": START_S, "limit": 181}, "limit"),
        (COSTS, {"start_time": START_S, "bucket_width": "1h"}, "bucket_width"),
        (COSTS, {"start_time": START_S, "group_by": "model"}, "group_by"),
        (COSTS, {"start_time": START_S, "group_by[]": ["project_id", "model"]}, "group_by"),
        (COSTS, {"start_time": START_S, "models": "gpt-4o"}, "models"),
        (COSTS, {"start_time": START_S, "page": "page_1"}, "page"),
        (COSTS, {"start_time": START_S, "page": f"page_{START_S + 1}"}, "page"),
        (COSTS, {"start_time": START_S, "page": "page_²"}, "page"),
        (COSTS, {"start_time": START_S, "page": "page_" + "9" * 5000}, "page"),
        (COSTS, {"start_time": START_S, "timezone": "Seoul"}, "timezone"),
        (COSTS, {"start_time": START_S, "timezone": "../../etc/passwd"}, "timezone"),
        (COSTS, {"start_time": START_S, "timezone": "America"}, "timezone"),
        (COSTS, {"start_time": START_S, "timezone": ""}, "timezone"),
        ("/v1/organization/usage/completions", {"start_time": START_S, "bucket_width": "1m"}, "bucket_width"),
        ("/v1/organization/usage/completions", {"start_time": START_S, "limit": 32}, "limit"),
        ("/v1/organization/usage/completions", {"start_time": START_S, "bucket_width": "1h", "limit": 169}, "limit"),
        ("/v1/organization/usage/completions", {"start_time": START_S, "batch": "perhaps"}, "batch"),
        ("/v1/organization/usage/embeddings", {"start_time": START_S, "group_by": "batch"}, "group_by"),
        ("/v1/organization/usage/embeddings", {"start_time": START_S, "batch": "true"}, "batch"),
    ],
)
async def test_a_wrong_parameter_is_named(sqlite_url: str, path: str, query: dict, param: str) -> None:
    store = Store.open(sqlite_url)
    app = make_app(administration=Administration(store, Secrets.of(b"p" * 32)), authenticator=_AnyAdmin())
    async with client_of(app, "any") as client:
        answer = await client.get(path, params=query)
    await store.aclose()
    error = answer.json()["error"]
    assert (answer.status_code, error["type"], error["code"]) == (400, "invalid_request", "invalid_request")
    assert error["param"] == param
    assert param in error["message"] or param == "timezone"


@ONLY_SQLITE
async def test_minutes_are_refused_with_the_finest_width_there_is(client: httpx.AsyncClient) -> None:
    query = {"start_time": START_S, "bucket_width": "1m"}
    answer = await client.get("/v1/organization/usage/embeddings", params=query)
    assert "1h" in answer.json()["error"]["message"]


async def test_a_bug_is_answered_without_its_trace_and_logged_with_the_request_id(
    caplog: pytest.LogCaptureFixture,
) -> None:
    app = make_app(administration=None, authenticator=_Broken())  # type: ignore[arg-type]
    with caplog.at_level(logging.ERROR):
        async with client_of(app) as client:
            answer = await client.get(COSTS, params={"start_time": START_S})
    assert answer.status_code == 500
    error = answer.json()["error"]
    assert (error["type"], error["code"]) == ("internal_error", "internal_error")
    assert "the secret detail" not in answer.text
    assert answer.headers["x-should-retry"] == "false"
    assert error["request_id"] == answer.headers["x-request-id"]
    (logged,) = [record for record in caplog.records if error["request_id"] in record.getMessage()]
    assert logged.exc_info is not None
    assert "the secret detail" in str(logged.exc_info[1])


@ONLY_SQLITE
async def test_a_store_out_of_reach_is_503_to_be_tried_again_and_logged(
    acme: Acme, tmp_path, caplog: pytest.LogCaptureFixture
) -> None:
    store = Store.open(f"sqlite:///{tmp_path}/no/such/folder/t.db")
    app = make_app(
        administration=Administration(store, Secrets.of(b"p" * 32)),
        authenticator=Authenticator(StoreDirectory(store), PEPPER),
    )
    async with client_of(app, acme.admin.key) as client:
        answer = await client.get(COSTS, params={"start_time": START_S})
    await store.aclose()
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "directory_unavailable")
    assert [each.levelname for each in caplog.records if answer.headers["x-request-id"] in each.getMessage()] == [
        "WARNING"
    ]
    assert answer.headers["retry-after"] == "1"


@ONLY_SQLITE
async def test_each_answer_has_a_request_id_of_its_own(app: FastAPI) -> None:
    async with client_of(app) as client:
        ids = {(await client.get(path)).headers["x-request-id"] for path in ("/healthz", "/readyz", "/none", COSTS)}
    assert len(ids) == 4
    assert all(each.startswith("req_") for each in ids)


def test_only_names_lose_their_brackets() -> None:
    assert (
        without_brackets(b"group_by[]=a&group_by%5B%5D=b&page=[]&x=%5B%5D") == b"group_by=a&group_by=b&page=[]&x=%5B%5D"
    )
    assert without_brackets(b"group_by=a") == b"group_by=a"
    assert without_brackets(b"") == b""


class _AnyAdmin:
    async def authenticate(self, headers):
        from tollkeeper.domain.access import ADMIN_PERMISSIONS
        from tollkeeper.domain.api_key import ApiKey, ApiKeyId, KeyKind, KeyStatus
        from tollkeeper.domain.tenancy import OrganizationId, ProjectId

        return ApiKey(
            OrganizationId("org_1"),
            ApiKeyId("key_1"),
            ProjectId(""),
            "any",
            KeyKind.ADMIN,
            KeyStatus.ACTIVE,
            ADMIN_PERMISSIONS,
            0,
        )


class _Broken:
    async def authenticate(self, headers):
        raise RuntimeError("the secret detail")
