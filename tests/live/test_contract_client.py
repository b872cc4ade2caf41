"""A program written against the published contract alone, with `requests`: what it is promised is what it gets."""

from __future__ import annotations

import ipaddress
import itertools
import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests
from tests.live.processes import GatewayProcess

TIMEOUT_S = 30
MESSAGES = [{"role": "user", "content": "hello"}]
NUMBERS = itertools.count(1)


class Client:
    """The contract's routes with one key; every refusal that it reads has the contract's shape."""

    def __init__(self, gateway: GatewayProcess, key: str) -> None:
        self.origin, self.key = gateway.origin, key

    def send(self, method: str, path: str, body: Any = None, **headers: str) -> requests.Response:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return requests.request(
            method,
            self.origin + path,
            json=body,
            headers={"Authorization": f"Bearer {self.key}", **named},
            timeout=TIMEOUT_S,
        )

    def get(self, path: str) -> dict[str, Any]:
        return done(self.send("GET", path))

    def post(self, path: str, body: Any = None) -> dict[str, Any]:
        return done(self.send("POST", path, body))

    def put(self, path: str, body: Any) -> dict[str, Any]:
        return done(self.send("PUT", path, body))

    def call(self, model: str = "gpt-4o-mini") -> requests.Response:
        return self.send("POST", "/v1/chat/completions", {"model": model, "messages": MESSAGES})


def done(answer: requests.Response) -> dict[str, Any]:
    assert answer.status_code in (200, 201), f"{answer.request.method} {answer.url}: {answer.text}"
    body: dict[str, Any] = answer.json()
    return body


def refused(answer: requests.Response, status: int, kind: str, code: str | None = None) -> dict[str, Any]:
    """Return the `error` of a refusal in the contract's shape; `code` None stands for any."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"].startswith("application/json")
    body = answer.json()
    assert list(body) == ["error"]
    error: dict[str, Any] = body["error"]
    assert error["type"] == kind, error
    assert code is None or error["code"] == code, error
    assert "param" in error
    assert error["message"]
    assert error["request_id"].startswith("req_")
    assert error["request_id"] == answer.headers["x-request-id"]
    return error


@pytest.fixture(scope="module")
def admin(gateway: GatewayProcess) -> Client:
    return Client(gateway, gateway.admin_key)


@pytest.fixture
def team(admin: Client) -> str:
    return str(admin.post("/v1/teams", {"name": f"team {next(NUMBERS)}"})["id"])


@pytest.fixture
def project(admin: Client, team: str) -> str:
    return str(admin.post(f"/v1/teams/{team}/projects", {"name": f"project {next(NUMBERS)}"})["id"])


@pytest.fixture
def service_key(admin: Client, project: str) -> Iterator[dict[str, Any]]:
    body = {"name": "service", "project_id": project, "permissions": ["chat:create"]}
    made = admin.post("/v1/api-keys/service", body)
    yield made
    admin.send("DELETE", f"/v1/api-keys/{made['id']}")


def test_a_project_with_a_budget_alerts_and_limits_is_made_and_the_same_name_updates_it(
    admin: Client, team: str
) -> None:
    path = f"/v1/teams/{team}/projects"
    body: dict[str, Any] = {
        "name": "ml-pipeline",
        "monthly_budget_usd": 500.0,
        "quota_alerts": [{"threshold": 0.5, "action": "email"}, {"threshold": 0.9, "action": "disable"}],
        "model_limits": {"gpt-4o": {"daily_requests": 500, "daily_budget_usd": 10.0}},
    }
    made = admin.post(path, body)
    assert made["id"].startswith("proj_")
    assert (made["name"], made["team_id"], made["monthly_budget_usd"]) == ("ml-pipeline", team, 500.0)
    assert made["quota_alerts"] == body["quota_alerts"]
    assert made["model_limits"] == body["model_limits"]
    again = admin.post(path, {"name": "ml-pipeline", "monthly_budget_usd": 250.5})
    assert (again["id"], again["monthly_budget_usd"]) == (made["id"], 250.5)
    listed = admin.get(path)
    assert listed["object"] == "list"
    assert listed["has_more"] is False
    assert [one["id"] for one in listed["data"]] == [made["id"]] == [listed["first_id"]] == [listed["last_id"]]


def test_a_budget_is_divided_whole_or_not_at_all(admin: Client, team: str, gateway: GatewayProcess) -> None:
    ids = [admin.post(f"/v1/teams/{team}/projects", {"name": name})["id"] for name in ("one", "two")]
    whole = _allocation(gateway.organization_id, {team: 300})
    admin.post("/v1/organizations/quota/allocate", whole)
    admin.post("/v1/organizations/quota/allocate", _allocation(team, {"one": 200, ids[1]: 100}))
    assert [admin.get(f"/v1/projects/{one}")["monthly_budget_usd"] for one in ids] == [200, 100]
    options = ("--admin", "--permission", "quota:manage", "--permission", "quota:read", "--json")
    key = json.loads(gateway.tollkeeper("keys", "create", "--name", "without override", *options))["key"]
    limited = Client(gateway, key)
    too_much = limited.send("POST", "/v1/organizations/quota/allocate", _allocation(team, {"one": 150, "two": 200}))
    assert 400 <= too_much.status_code < 500, "without quota:override the parent's budget holds"
    assert refused(too_much, too_much.status_code, too_much.json()["error"]["type"])["message"]
    unknown = limited.send("POST", "/v1/organizations/quota/allocate", _allocation(team, {"one": 1, "nobody": 1}))
    assert 400 <= unknown.status_code < 500
    assert [admin.get(f"/v1/projects/{one}")["monthly_budget_usd"] for one in ids] == [200, 100]
    admin.post("/v1/organizations/quota/allocate", _allocation(team, {"one": 150, "two": 200}))
    assert [admin.get(f"/v1/projects/{one}")["monthly_budget_usd"] for one in ids] == [150, 200]


def test_a_service_key_is_made_with_all_its_limits_and_used(
    admin: Client, project: str, gateway: GatewayProcess
) -> None:
    ends = (datetime.now(UTC) + timedelta(days=90)).replace(microsecond=123000)
    body: dict[str, Any] = {
        "name": "prod",
        "project_id": project,
        "permissions": ["chat:create", "models:list"],
        "expires_at": ends.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "rate_limit": {"requests_per_minute": 60, "requests_per_day": 10000, "tokens_per_minute": 100000},
        "allowed_ips": ["127.0.0.1/32"],
        "allowed_models": ["gpt-4o-mini"],
    }
    made = admin.post("/v1/api-keys/service", body)
    assert re.fullmatch(r"sk-tk-[0-9A-Za-z]{12}-[0-9A-Za-z]{49}", made["key"])
    assert {name: made[name] for name in ("name", "project_id")} == {"name": "prod", "project_id": project}
    assert sorted(made["permissions"]) == body["permissions"]
    assert abs(_moment(made["expires_at"]) - ends) < timedelta(seconds=1)
    answer = Client(gateway, made["key"]).call()
    assert answer.status_code == 200, answer.text
    assert answer.headers["x-request-id"].startswith("req_")
    assert float(answer.headers["x-tollkeeper-cost-usd"]) > 0
    kept = admin.get(f"/v1/api-keys/{made['id']}")
    assert "key" not in kept
    assert (kept["rate_limit"], kept["allowed_models"]) == (body["rate_limit"], ["gpt-4o-mini"])
    assert [ipaddress.ip_network(one) for one in kept["allowed_ips"]] == [ipaddress.ip_network("127.0.0.1/32")]


def test_a_key_is_changed(admin: Client, service_key: dict[str, Any], gateway: GatewayProcess) -> None:
    path = f"/v1/api-keys/{service_key['id']}"
    changed = admin.put(path, {"add_permissions": ["models:list"], "remove_permissions": ["chat:create"]})
    assert changed["permissions"] == ["models:list"]
    rates = {"requests_per_minute": 5}
    changed = admin.put(path, {"rate_limit": rates, "allowed_ips": ["10.0.0.0/8"], "allowed_models": ["gpt-4o*"]})
    assert changed["rate_limit"]["requests_per_minute"] == 5
    assert (changed["allowed_ips"], changed["allowed_models"]) == (["10.0.0.0/8"], ["gpt-4o*"])
    changed = admin.put(path, {"expires_at": "2099-01-31T00:00:00.500Z", "disabled": True})
    assert _moment(changed["expires_at"]).year == 2099
    error = refused(Client(gateway, service_key["key"]).call(), 401, "invalid_request", "invalid_api_key")
    assert "disabled" in error["message"]


@pytest.mark.parametrize("grace_seconds", [None, 0, 3600])
def test_a_key_is_rotated_at_once_or_with_grace(
    admin: Client, service_key: dict[str, Any], gateway: GatewayProcess, grace_seconds: int | None
) -> None:
    body = None if grace_seconds is None else {"grace_seconds": grace_seconds}
    turned = admin.post(f"/v1/api-keys/{service_key['id']}/rotate", body)
    assert {"new_key_id", "key", "expires_at", "previous_key_valid_until"} <= set(turned)
    assert turned["new_key_id"] != service_key["id"]
    assert Client(gateway, turned["key"]).call().status_code == 200
    old = Client(gateway, service_key["key"]).call()
    if grace_seconds:
        assert old.status_code == 200, old.text
        assert _moment(turned["previous_key_valid_until"]) > datetime.now(UTC) + timedelta(minutes=50)
    else:
        refused(old, 401, "invalid_request", "invalid_api_key")


def test_usage_of_a_key_and_of_its_team_add_up(
    admin: Client, service_key: dict[str, Any], team: str, gateway: GatewayProcess
) -> None:
    answer = Client(gateway, service_key["key"]).call()
    assert answer.status_code == 200, answer.text
    cost = float(answer.headers["x-tollkeeper-cost-usd"])
    report = _until_counted(admin, f"/v1/api-keys/{service_key['id']}/usage?days=30")
    assert report["total_requests"] == 1
    assert report["total_cost_usd"] == pytest.approx(cost)
    assert report["avg_latency_ms"] > 0
    (by_model,) = report["by_model"].values()
    assert (by_model["requests"], by_model["cost"]) == (1, pytest.approx(cost))
    team_report = _until_counted(admin, f"/v1/teams/{team}/analytics?period=30d")
    assert {"by_model", "by_project", "by_key", "by_member", "top_models", "daily"} <= set(team_report)
    assert (team_report["period"], team_report["total_requests"]) == ("30d", 1)
    assert team_report["total_cost_usd"] == pytest.approx(cost)
    assert team_report["total_tokens"] > 0


def test_a_deleted_key_is_gone(admin: Client, service_key: dict[str, Any], gateway: GatewayProcess) -> None:
    path = f"/v1/api-keys/{service_key['id']}"
    assert admin.send("DELETE", path).status_code in (200, 204)
    refused(Client(gateway, service_key["key"]).call(), 401, "invalid_request", "invalid_api_key")
    refused(admin.send("GET", path), 404, "not_found", "not_found")


def test_a_key_that_cannot_be_one_is_refused_without_a_look(gateway: GatewayProcess) -> None:
    mistyped = gateway.key[:-1] + ("a" if gateway.key[-1] != "a" else "b")
    error = refused(Client(gateway, mistyped).call(), 401, "invalid_request", "invalid_api_key")
    assert error["message"].startswith("Invalid API key format")
    refused(Client(gateway, mistyped).send("GET", "/v1/teams"), 401, "invalid_request", "invalid_api_key")


def test_what_a_key_may_not_do_is_refused_by_its_name(admin: Client, project: str, gateway: GatewayProcess) -> None:
    def key(**limits: Any) -> Client:
        body = {"name": str(sorted(limits)), "project_id": project, "permissions": ["chat:create"], **limits}
        return Client(gateway, admin.post("/v1/api-keys/service", body)["key"])

    error = refused(key(permissions=["models:list"]).call(), 403, "permission_denied", "permission_denied")
    assert "chat:create" in error["message"]
    refused(key(allowed_models=["gpt-4o"]).call(), 403, "permission_denied", "model_not_allowed")
    refused(key(allowed_ips=["10.0.0.0/8"]).call(), 403, "permission_denied", "ip_not_allowed")
    error = refused(Client(gateway, gateway.key).send("POST", "/v1/teams", {"name": "x"}), 403, "permission_denied")
    assert "team:create" in error["message"]


def test_what_is_not_there_is_not_found(admin: Client, gateway: GatewayProcess) -> None:
    refused(Client(gateway, gateway.key).call("no-such-model"), 404, "not_found", "model_not_found")
    for path in ("/v1/api-keys/key_aaaaaaaaaaaa", "/v1/projects/proj_aaaaaaaaaaaaaaaaaaaa", "/v1/nowhere"):
        refused(admin.send("GET", path), 404, "not_found", "not_found")


def test_a_repeated_request_answers_the_same_and_another_one_conflicts(admin: Client) -> None:
    first = admin.send("POST", "/v1/teams", {"name": "repeated"}, idempotency_key="contract-1")
    again = admin.send("POST", "/v1/teams", {"name": "repeated"}, idempotency_key="contract-1")
    assert done(first)["id"] == done(again)["id"]
    other = admin.send("POST", "/v1/teams", {"name": "another"}, idempotency_key="contract-1")
    refused(other, 409, "conflict", "idempotency_mismatch")
    refused(admin.send("POST", "/v1/teams", {"name": "repeated"}), 409, "conflict")


def test_a_request_that_is_too_large_is_refused(gateway: GatewayProcess) -> None:
    body = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "x" * (33 << 20)}]}
    answer = Client(gateway, gateway.key).send("POST", "/v1/chat/completions", body)
    refused(answer, 413, "invalid_request", "request_too_large")


@pytest.mark.parametrize(
    ("path", "body", "param"),
    [
        ("/v1/teams/{team}/projects", {"name": "x", "monthly_budget_usd": -1}, "monthly_budget_usd"),
        ("/v1/teams/{team}/projects", {"name": "x", "montly_budget_usd": 1}, "montly_budget_usd"),
        ("/v1/teams/{team}/projects", {"monthly_budget_usd": 1}, "name"),
        ("/v1/api-keys/service", {"name": "x", "project_id": "{project}", "expires_at": "soon"}, "expires_at"),
        ("/v1/api-keys/service", {"name": "x", "project_id": "{project}", "permissions": ["chat"]}, "permissions"),
        ("/v1/api-keys/service", {"name": "x", "project_id": "{project}", "allowed_ips": ["10.0.0"]}, "allowed_ips"),
        ("/v1/chat/completions", {"messages": MESSAGES}, "model"),
    ],
)
def test_a_field_at_fault_is_named(
    admin: Client, gateway: GatewayProcess, team: str, project: str, path: str, body: dict[str, Any], param: str
) -> None:
    filled = {name: project if value == "{project}" else value for name, value in body.items()}
    client = Client(gateway, gateway.key) if path == "/v1/chat/completions" else admin
    error = refused(client.send("POST", path.format(team=team), filled), 400, "invalid_request")
    assert str(error["param"]).startswith(param), error


def _allocation(parent: str, amounts: dict[str, int]) -> dict[str, Any]:
    parts = [
        {"target": target, "type": "monthly_budget", "amount_usd": usd, "reset_period": "monthly", "carryover": False}
        for target, usd in amounts.items()
    ]
    enforcement = {"hard_limit": True, "notify_on_exceed": True, "auto_disable_on_exceed": False}
    return {"team_id": parent, "allocations": parts, "enforcement": enforcement}


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    assert moment.tzinfo is not None
    return moment


def _until_counted(admin: Client, path: str) -> dict[str, Any]:
    """Usage reaches the ledger shortly after the answer reached the client."""
    deadline = datetime.now(UTC) + timedelta(seconds=10)
    while (report := admin.get(path))["total_requests"] == 0:
        assert datetime.now(UTC) < deadline, report
    return report
