"""The routes of organizations, projects, budgets, members, roles and access: contract shapes, refusals, who may call."""

from __future__ import annotations

import itertools
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from admin_factories import ONLY_SQLITE, client_of, running_app
from fastapi import FastAPI
from tests.fakes.new_keys import create_admin_key
from tests.tenancy.company import PEPPER, Company, Person, add_account, found_company

from tollkeeper.admin.permissions import declared
from tollkeeper.control import api_keys
from tollkeeper.control.account_rules import AccountRules
from tollkeeper.control.people import People
from tollkeeper.domain.account import SESSION_PREFIX
from tollkeeper.kit.clock import now_us
from tollkeeper.kit.ids import new_id
from tollkeeper.kit.secrets import keyed_digest
from tollkeeper.store import sessions
from tollkeeper.store.engine import Store
from tollkeeper.store.sessions import Session

pytestmark = ONLY_SQLITE
_numbers = itertools.count()
QUOTA = {
    "name": "ml-pipeline",
    "monthly_budget_usd": 500.5,
    "quota_alerts": [{"threshold": 0.5, "action": "email"}, {"threshold": 0.95, "action": "disable"}],
    "model_limits": {"gpt-4o": {"daily_requests": 1000, "daily_budget_usd": 0.000000001}},
}


@pytest.fixture
async def app(store: Store) -> AsyncIterator[FastAPI]:
    async with running_app(store) as app:
        yield app


@pytest.fixture
async def client(app: FastAPI, company: Company) -> AsyncIterator[httpx.AsyncClient]:
    key = await create_admin_key(company.store, PEPPER, company.id, name="admin")
    async with client_of(app, key.key) as client:
        yield client


async def log_in(company: Company, account_id: str) -> str:
    """Return the token of a session."""
    token = f"{SESSION_PREFIX}{next(_numbers):043}"
    begun = Session(new_id("sess"), account_id, "", "", now_us(), now_us() + 10**12)
    digest = keyed_digest(PEPPER, token.encode())
    await company.store.write(lambda c: sessions.begin_session(c, begun, digest=digest))
    return token


def client_for(app: FastAPI, token: str, organization_id: str = "") -> httpx.AsyncClient:
    client = client_of(app, token)
    if organization_id:
        client.headers["openai-organization"] = organization_id
    return client


async def person_client(app: FastAPI, company: Company, person: Person) -> httpx.AsyncClient:
    return client_for(app, await log_in(company, person.account_id), company.id)


def body_of(answer: httpx.Response) -> dict[str, Any]:
    assert answer.status_code == 200, answer.text
    assert answer.headers["cache-control"] == "no-store"
    return answer.json()


async def test_a_project_is_put_into_a_team_to_the_letter_of_the_contract(
    client: httpx.AsyncClient, company: Company
) -> None:
    team = await company.team("research")
    answer = await client.post(f"/v1/teams/{team.id}/projects", json=QUOTA)
    made = body_of(answer)
    assert made["id"].startswith("proj_")
    assert made == {
        "object": "project",
        "id": made["id"],
        "organization_id": company.id,
        "team_id": team.id,
        "created_at": made["created_at"],
        "archived_at": None,
        "enforced": True,
        **QUOTA,
    }
    assert '"monthly_budget_usd":500.5,' in answer.text
    assert "0.000000001" in answer.text or "1E-9" in answer.text  # a number with all its digits
    again = body_of(await client.post(f"/v1/teams/{team.id}/projects", json={**QUOTA, "monthly_budget_usd": 300}))
    assert (again["id"], again["monthly_budget_usd"]) == (made["id"], 300)
    listed = body_of(await client.get(f"/v1/teams/{team.id}/projects"))
    assert (listed["data"], listed["has_more"]) == ([again], False)
    assert body_of(await client.get(f"/v1/projects/{made['id']}")) == again


async def test_an_organizations_budget_is_divided_to_the_letter_of_the_contract(
    client: httpx.AsyncClient, company: Company
) -> None:
    teams = [await company.team(name) for name in ("ml", "web", "ops")]
    whole = {"scope": company.id, "period": "monthly", "amount_usd": 500}
    budget = body_of(await client.put("/v1/budgets", json=whole))
    assert budget == {
        "object": "budget",
        "id": budget["id"],
        "scope": company.id,
        "scope_kind": "organization",
        "model": None,
        "unit": "usd",
        "period": "monthly",
        "amount_usd": 500,
        "amount": None,
        "carryover": False,
        "enforcement": {"hard_limit": True, "notify_on_exceed": True, "auto_disable_on_exceed": False},
        "enforced": True,
        "is_from_tier": False,
        "created_at": budget["created_at"],
        "updated_at": budget["updated_at"],
    }
    assert budget == body_of(await client.get(f"/v1/budgets/{budget['id']}"))
    wanted = [
        {"target": name, "type": "monthly_budget", "amount_usd": usd, "reset_period": "monthly", "carryover": False}
        for name, usd in (("ml", 300), (teams[1].id, 150), ("ops", 50))
    ]
    enforcement = {"hard_limit": True, "notify_on_exceed": True, "auto_disable_on_exceed": True}
    body = {"team_id": company.id, "allocations": wanted, "enforcement": enforcement}
    made = body_of(await client.post("/v1/organizations/quota/allocate", json=body))
    assert made == {
        "object": "allocation",
        "team_id": company.id,
        "allocations": [
            {**each, "id": part["id"], "target_id": team.id, "target_kind": "team", "enforced": True}
            for each, team, part in zip(wanted, teams, made["allocations"], strict=True)
        ],
        "enforcement": enforcement,
        "totals": [{"reset_period": "monthly", "amount_usd": 500, "allocated_usd": 500}],
    }
    listed = body_of(await client.get("/v1/budgets", params={"limit": 2}))
    rest = body_of(await client.get("/v1/budgets", params={"after": listed["last_id"], "limit": 2}))
    assert (listed["has_more"], rest["has_more"]) == (True, False)
    ids = [each["scope"] for each in (*listed["data"], *rest["data"])]
    assert ids == sorted([company.id, *(team.id for team in teams)])
    position = f"{listed['data'][1]['scope']}:monthly"  # what ids were before budgets had their own
    assert body_of(await client.get("/v1/budgets", params={"after": position, "limit": 2})) == rest
    gone = await client.delete(f"/v1/budgets/{teams[2].id}", params={"period": "monthly"})
    assert body_of(gone)["amount_usd"] == 50
    assert (await client.delete(f"/v1/budgets/{teams[2].id}")).status_code == 404


async def test_too_much_is_refused_with_the_figures(app: FastAPI, company: Company) -> None:
    team = await company.team("ml")
    await company.budget(company.id, 100)
    boss = await company.hire("boss", ("org_admin", company.id))
    async with await person_client(app, company, boss) as client:
        permissions = ["quota:manage", "project:manage"]
        role = body_of(await client.post("/v1/roles", json={"name": "planner", "permissions": permissions}))
        planner = await company.hire("planner", (role["id"], company.id))
    async with await person_client(app, company, planner) as client:
        body = {"team_id": company.id, "allocations": [{"target": "ml", "amount_usd": 100.01}]}
        answer = await client.post("/v1/organizations/quota/allocate", json=body)
        error = answer.json()["error"]
        assert (answer.status_code, error["type"], error["missing_permission"]) == (409, "conflict", "quota:override")
        assert "$100.01 of its monthly budget of $100.00, $0.01 too much" in error["message"]
        put = await client.post(f"/v1/teams/{team.id}/projects", json={"name": "p", "monthly_budget_usd": 101})
        assert put.status_code == 409
        assert body_of(await client.get("/v1/projects"))["data"][0]["name"] == "default"


@pytest.mark.parametrize(
    ("path", "body", "param"),
    [
        ("/v1/teams/{team}/projects", {"name": ""}, "name"),
        ("/v1/teams/{team}/projects", {"name": "x", "monthly_budget_usd": -1}, "monthly_budget_usd"),
        ("/v1/teams/{team}/projects", {"name": "x", "monthly_budget_usd": 1e10}, "monthly_budget_usd"),
        ("/v1/teams/{team}/projects", {"name": "x", "monthly_budget_usd": 0.0000000001}, "monthly_budget_usd"),
        ("/v1/teams/{team}/projects", {"name": "x", "monthly_budget_usd": "NaN"}, "monthly_budget_usd"),
        ("/v1/teams/{team}/projects", {"name": "x", "quota_alerts": [{"threshold": 50, "action": "email"}]}, None),
        ("/v1/teams/{team}/projects", {"name": "x", "quota_alerts": [{"threshold": 0.5, "action": "sms"}]}, None),
        ("/v1/teams/{team}/projects", {"name": "x", "model_limits": {"m": {"daily_requests": -1}}}, None),
        ("/v1/teams/{team}/projects", {"name": "x", "model_limits": {"": {}}}, None),
        ("/v1/teams/{team}/projects", {"name": "x", "budget": 5}, "budget"),
        ("/v1/organizations/quota/allocate", {"team_id": "{team}", "allocations": []}, "allocations"),
        (
            "/v1/organizations/quota/allocate",
            {"team_id": "{team}", "allocations": [{"target": "x", "amount_usd": 1, "reset_period": "yearly"}]},
            "allocations.reset_period",
        ),
        ("/v1/roles", {"name": "x", "permissions": ["quota:reed"]}, "permissions"),
        ("/v1/roles", {"name": "x", "permissions": ["quota:read"] * 1000}, "permissions"),
    ],
)
async def test_bad_input_names_its_field(
    client: httpx.AsyncClient, company: Company, path: str, body: dict[str, Any], param: str | None
) -> None:
    team = await company.team("research")
    answer = await client.post(
        path.replace("{team}", team.id),
        content=json.dumps(body).replace("{team}", team.id),
        headers={"content-type": "application/json"},
    )
    assert answer.status_code == 400, answer.text
    error = answer.json()["error"]
    assert error["param"] == param or (param is None and error["param"])


async def test_members_are_given_roles_and_removed(client: httpx.AsyncClient, company: Company) -> None:
    team = await company.team("research")
    boss = await company.hire("boss", ("org_admin", company.id))
    dev = await company.hire("dev")
    path = f"/v1/members/{dev.member_id}"
    given = body_of(await client.put(f"{path}/roles", json={"role": "developer", "scope": team.id}))
    assert given["roles"] == [
        {"role_id": "developer", "role_name": "developer", "scope_kind": "team", "scope_id": team.id}
    ]
    assert (given["email"], given["status"]) == ("dev@example.com", "active")
    listed = body_of(await client.get("/v1/members", params={"team_id": team.id, "role": "developer"}))
    assert [each["id"] for each in listed["data"]] == [dev.member_id]
    taken = await client.delete(f"{path}/roles", params={"role": "developer", "scope": team.id})
    assert body_of(taken)["roles"] == []
    assert body_of(await client.delete(path))["status"] == "removed"
    assert (await client.get(path)).status_code == 404
    last = await client.delete(f"/v1/members/{boss.member_id}")
    assert (last.status_code, last.json()["error"]["type"]) == (409, "conflict")


async def test_roles_are_made_changed_and_deleted(client: httpx.AsyncClient, company: Company) -> None:
    made = body_of(await client.post("/v1/roles", json={"name": "auditor", "permissions": ["audit:read"]}))
    path = f"/v1/roles/{made['id']}"
    assert made == body_of(await client.get(path))
    changed = body_of(await client.put(path, json={"permissions": ["audit:read", "quota:read"]}))
    assert (changed["permissions"], changed["name"]) == (["audit:read", "quota:read"], "auditor")
    listed = body_of(await client.get("/v1/roles", params={"limit": 4}))
    assert ([each["predefined"] for each in listed["data"]], listed["has_more"]) == ([True] * 4, True)
    assert body_of(await client.delete(path))["id"] == made["id"]
    assert (await client.delete(path)).status_code == 404
    predefined = await client.put("/v1/roles/viewer", json={"permissions": []})
    assert predefined.status_code == 409


async def test_access_is_explained(app: FastAPI, client: httpx.AsyncClient, company: Company) -> None:
    dev = await company.hire("dev", ("developer", company.default.id))
    params = {"principal": dev.member_id, "permission": "chat:create", "scope": company.default.id}
    told = body_of(await client.get("/v1/access/explain", params=params))
    assert (told["allowed"], told["source"], told["scope"]) == (True, "role developer", company.default.id)
    assert told["grants"][0]["scope_id"] == company.default.id
    async with await person_client(app, company, dev) as own:
        told = body_of(await own.get("/v1/access/explain", params={"permission": "org:manage"}))
        assert (told["allowed"], told["source"], told["principal"]) == (False, None, dev.member_id)
        assert "'org:manage'" in told["reason"]


async def test_a_person_founds_an_organization_when_the_installation_is_open(
    app: FastAPI, client: httpx.AsyncClient, company: Company
) -> None:
    token = await log_in(company, await add_account(company.store, "jimin@example.com"))
    body = {"name": "New", "timezone": "Asia/Seoul", "language": "ko"}
    async with client_for(app, token) as person:
        assert body_of(await person.get("/v1/organizations"))["data"] == []
        refused = await person.post("/v1/organizations", json=body)
        assert (refused.status_code, "operator" in refused.json()["error"]["message"]) == (403, True)
        app.state.people = People(company.administration, AccountRules(sign_up="open"))
        repeated = {"idempotency-key": "found-1"}
        made = body_of(await person.post("/v1/organizations", json=body, headers=repeated))
        again = body_of(await person.post("/v1/organizations", json=body, headers=repeated))
        assert again == made
        assert (made["name"], made["timezone"], made["language"]) == ("New", "Asia/Seoul", "ko")
        listed = body_of(await person.get("/v1/organizations"))
        assert [each["id"] for each in listed["data"]] == [made["id"]]
        policy = {"key_age_max_days": 90, "is_key_expiry_required": True, "required_labels": ["feature"]}
        changed = body_of(await person.put(f"/v1/organizations/{made['id']}", json={"policy": policy}))
        assert (changed["policy"], changed["name"]) == (policy, "New")
        assert body_of(await person.get(f"/v1/projects/{made['default_project_id']}"))["name"] == "default"
        assert (await person.get(f"/v1/organizations/{company.id}")).status_code == 404
    assert (await client.post("/v1/organizations", json=body)).status_code == 403  # an API key is nobody's admin
    assert [each["id"] for each in body_of(await client.get("/v1/organizations"))["data"]] == [company.id]


async def test_what_is_another_organizations_answers_as_what_is_not_there(app: FastAPI, company: Company) -> None:
    other = await found_company(company.store, "Globex")
    team = await other.team("secret")
    project = await other.project("secret", team, monthly_usd=5)
    member = await other.hire("secret", ("viewer", other.id))
    key = await create_admin_key(company.store, PEPPER, company.id, name="admin")
    paths = {
        team.id: ["GET /v1/teams/{}/projects", "POST /v1/teams/{}/projects"],
        project.id: ["GET /v1/projects/{}", "PUT /v1/projects/{}", "DELETE /v1/projects/{}", "DELETE /v1/budgets/{}"],
        member.member_id: ["GET /v1/members/{}", "DELETE /v1/members/{}", "PUT /v1/members/{}/roles"],
        other.id: ["GET /v1/organizations/{}", "PUT /v1/organizations/{}"],
    }
    bodies = {"roles": {"role": "viewer"}, "projects": {"name": "x"}}
    async with client_of(app, key.key) as client:
        for there, routes in paths.items():
            nothing = there[:-1] + ("0" if there[-1] != "0" else "1")
            for route in routes:
                method, path = route.split(" ")
                body = bodies.get(path.rsplit("/", 1)[-1], {}) if method in {"POST", "PUT"} else None
                answers = [await client.request(method, path.format(each), json=body) for each in (there, nothing)]
                messages = [
                    answer.json()["error"]["message"].replace(each, "X")
                    for answer, each in zip(answers, (there, nothing), strict=True)
                ]
                assert [answer.status_code for answer in answers] == [404, 404], (route, answers[0].text)
                assert messages[0] == messages[1], route
        for body in ({"team_id": other.id}, {"team_id": team.id}, {"team_id": company.id, "target": "secret"}):
            target = body.get("target", "x")
            allocate = {"team_id": body["team_id"], "allocations": [{"target": target, "amount_usd": 1}]}
            assert (await client.post("/v1/organizations/quota/allocate", json=allocate)).status_code == 404
        put = await client.put("/v1/budgets", json={"scope": project.id, "amount_usd": 1})
        assert put.status_code == 404
        explain = {"permission": "chat:create", "principal": member.member_id}
        assert (await client.get("/v1/access/explain", params=explain)).status_code == 404
    (kept,) = await other.events("budget.set")  # the one that made it
    assert '"amount_usd":"5.00"' in kept.after


async def test_a_services_key_without_permissions_reaches_no_route_of_these(app: FastAPI, company: Company) -> None:
    made = await company.change(None, api_keys.create_service_key, project_id=company.default.id, name="prod")
    prefixes = (
        "/v1/organizations",
        "/v1/projects",
        "/v1/members",
        "/v1/roles",
        "/v1/budgets",
        "/v1/access",
        "/v1/teams",
    )
    async with client_of(app, made.key) as client:
        for (method, path), permission in declared(app).items():
            if path.startswith(prefixes) and method != "HEAD":
                concrete = path.replace("{", "").replace("}", "")
                answer = await client.request(
                    method, concrete, json={"name": "x"} if method in {"POST", "PUT"} else None
                )
                assert answer.status_code == 403, (method, path, permission, answer.text)


@pytest.mark.parametrize("after", ["nonsense", "proj_nothing", "x" * 64])
async def test_a_page_behind_what_is_not_there_is_empty_or_refused(client: httpx.AsyncClient, after: str) -> None:
    for path in ("/v1/projects", "/v1/members", "/v1/roles", "/v1/organizations", "/v1/budgets"):
        answer = await client.get(path, params={"after": after})
        if path == "/v1/budgets":
            assert answer.status_code == 400
        elif path != "/v1/organizations":
            assert body_of(answer)["data"] == []
        assert answer.status_code < 500
