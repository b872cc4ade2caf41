"""The commands of organizations, teams, projects, members, roles, budgets and access, as people and programs call them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from tollkeeper.cli.main import app
from tollkeeper.domain.errors import Conflict, InvalidRequest, NotFound, TollkeeperError


@pytest.fixture(autouse=True)
def acme(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOLLKEEPER_KEYS__PEPPER", "70" * 32)
    run("init", "--org", "Acme", "--timezone", "Asia/Seoul")


def call(*arguments: str) -> Result:
    return CliRunner().invoke(app, [*arguments])


def run(*arguments: str) -> str:
    result = call(*arguments)
    assert result.exit_code == 0, (result.output, result.exception)
    return result.stdout


def data(*arguments: str) -> Any:
    return json.loads(run(*arguments, "--json"))


def refusal(*arguments: str) -> TollkeeperError:
    error = call(*arguments).exception
    assert isinstance(error, TollkeeperError), error
    return error


def test_teams_by_name_and_id() -> None:
    assert "tollkeeper teams create" in run("teams", "list")
    made = data("teams", "create", "ml")
    assert "KST" in run("teams", "list")
    assert data("teams", "rename", "ml", "ai")["id"] == made["id"]
    assert data("teams", "rename", made["id"], "ml")["name"] == "ml"
    assert [each["name"] for each in data("teams", "list")["data"]] == ["ml"]
    assert made["created_at"].endswith("Z")
    assert "is deleted" in run("teams", "delete", "ml", "--yes")
    assert data("teams", "list")["data"] == []


def test_projects_with_their_limits() -> None:
    run("teams", "create", "ml")
    run("budgets", "set", "ml", "100")
    made = data("projects", "create", "web", "--team", "ml", "--monthly-budget", "60.5", "--alert", "0.75:email")
    assert (made["monthly_budget_usd"], made["quota_alerts"]) == (60.5, [{"threshold": 0.75, "action": "email"}])
    assert "$60.50" in run("projects", "list", "--team", "ml")
    assert isinstance(refusal("projects", "update", "web", "--monthly-budget", "101"), Conflict)
    run("projects", "update", "web", "--monthly-budget", "101", "--override")
    changed = data(
        "projects", "update", "web", "--name", "site", "--no-team", "--no-alerts", "--monthly-budget", "none"
    )
    assert (changed["name"], changed["team_id"], changed["quota_alerts"]) == ("site", None, [])
    assert changed["monthly_budget_usd"] is None
    assert data("projects", "get", "site")["id"] == made["id"]
    run("projects", "delete", "site", "--yes")
    assert [each["name"] for each in data("projects", "list")["data"]] == ["default"]


def test_members_are_invited_with_a_link_when_no_email_is_sent() -> None:
    assert "tollkeeper members invite" in run("members", "list")
    run("teams", "create", "ml")
    invited = data("members", "invite", "Dev@Example.com", "--role", "developer", "--team", "ml", "--print-link")
    assert invited["email"] == "dev@example.com"
    assert invited["link"].startswith("http://127.0.0.1:8080/accept-invitation?token=")
    shown = run("members", "list")
    assert "developer at team ml" in shown
    assert invited["link"].rpartition("=")[2] not in shown + json.dumps(data("audit", "list"))
    assert "link" not in data("members", "invite", "other@example.com", "--role", "viewer")


def test_print_link_makes_another_link_of_an_open_invitation() -> None:
    made = data("members", "invite", "dev@example.com", "--role", "viewer")
    assert isinstance(refusal("members", "invite", "dev@example.com", "--role", "viewer"), Conflict)
    links = [data("members", "invite", "Dev@example.com", "--role", "viewer", "--print-link") for _ in range(2)]
    assert [each["id"] for each in links] == [made["id"]] * 2
    assert links[0]["link"] != links[1]["link"]
    assert data("members", "invite", "dev@example.com", "--role", "developer", "--print-link")["id"] != made["id"]


def test_the_first_accounts_link_leads_to_where_the_server_listens(monkeypatch: pytest.MonkeyPatch) -> None:
    assert data("first-run")["link"].startswith("http://127.0.0.1:8080/first-run?token=")
    moved = data("first-run", "--host", "0.0.0.0", "--port", "8099")
    assert moved["link"].startswith("http://127.0.0.1:8099/first-run?token=")
    monkeypatch.setenv("TOLLKEEPER_SERVER__PUBLIC_URL", "https://ai.example.com")
    assert data("first-run", "--port", "8099")["link"].startswith("https://ai.example.com/first-run?token=")


def test_roles_of_own_permissions() -> None:
    made = data("roles", "create", "analyst", "--permission", "analytics:full", "--description", "Looks.")
    changed = data("roles", "update", "analyst", "--add", "quota:read", "--remove", "analytics:full")
    assert (changed["id"], changed["permissions"]) == (made["id"], ["quota:read"])
    assert isinstance(refusal("roles", "update", "viewer", "--add", "audit:read"), Conflict)
    assert "is deleted" in run("roles", "delete", "analyst", "--yes")
    assert [each["predefined"] for each in data("roles", "list")["data"]] == [True] * 4


def test_budgets_are_divided_all_or_none() -> None:
    assert "tollkeeper budgets set organization" in run("budgets", "list")
    for name in ("ml", "web"):
        run("teams", "create", name)
    run("budgets", "set", "organization", "$500")
    assert "$450.00 of $500.00 are allotted." in run("budgets", "allocate", "ml=300", "web=150")
    refused = refusal("budgets", "allocate", "ml=300", "web=201")
    assert "$1.00 more than its monthly budget" in refused.message
    amounts = {each["scope_kind"]: each["amount_usd"] for each in data("budgets", "list", "--scope", "web")["data"]}
    assert amounts == {"team": 150}
    run("budgets", "allocate", "ml=300", "web=201", "--override")
    run("budgets", "set", "web", "100.000000001", "--period", "daily", "--carryover", "--soft")
    (daily,) = [each for each in data("budgets", "list")["data"] if each["period"] == "daily"]
    assert (daily["carryover"], daily["enforcement"]["hard_limit"]) == (True, False)
    assert '"amount_usd": 100.000000001' in run("budgets", "list", "--json")
    run("budgets", "delete", "web", "--period", "daily", "--yes")


def test_access_is_explained_for_keys() -> None:
    run("keys", "create", "--name", "prod", "--project", "default", "--permission", "chat:create")
    assert "may chat:create at this project" in run("access", "explain", "prod", "--permission", "chat:create", "--scope", "default")  # fmt: skip
    answer = data("access", "explain", "prod", "--permission", "images:create", "--scope", "default")
    assert (answer["allowed"], answer["permission"]) == (False, "images:create")


def test_organizations_and_their_policies() -> None:
    changed = data("orgs", "update", "--key-age-max-days", "90", "--require-expiry", "--require-label", "env")
    assert changed["policy"] == {"key_age_max_days": 90, "is_key_expiry_required": True, "required_labels": ["env"]}
    changed = data("orgs", "update", "Acme", "--key-age-max-days", "0", "--no-required-labels", "--language", "ko")
    assert changed["policy"] == {"key_age_max_days": None, "is_key_expiry_required": True, "required_labels": []}
    assert "Asia/Seoul" in run("orgs", "get")
    run("init", "--org", "Other")
    assert [each["name"] for each in data("orgs", "list")["data"]] == ["Acme", "Other"]
    assert isinstance(refusal("teams", "list"), InvalidRequest)


@pytest.mark.parametrize(
    ("arguments", "kind", "meant"),
    [
        (("teams", "delete", "searhc", "--yes"), NotFound, "search"),
        (("projects", "get", "defualt"), NotFound, "default"),
        (("projects", "create", "x", "--team", "serch"), NotFound, "search"),
        (("teams", "list", "--org", "Acmee"), NotFound, "Acme"),
        (("members", "invite", "a@b.example", "--role", "develper"), NotFound, "developer"),
        (("members", "list", "--role", "viwer"), NotFound, "viewer"),
        (("roles", "create", "r", "--permission", "chat:creat"), InvalidRequest, "chat:create"),
        (("access", "explain", "x", "--permission", "org:mange"), InvalidRequest, "org:manage"),
        (("budgets", "set", "serch", "1"), NotFound, "search"),
        (("budgets", "set", "search", "1", "--period", "montly"), InvalidRequest, "monthly"),
        (("projects", "create", "x", "--alert", "0.5:emial"), InvalidRequest, "email"),
    ],
)
def test_a_name_that_is_not_known_brings_the_nearest_to_mind(
    arguments: tuple[str, ...], kind: type[TollkeeperError], meant: str
) -> None:
    run("teams", "create", "search")
    error = refusal(*arguments)
    assert isinstance(error, kind)
    assert f"Did you mean '{meant}'?" in error.message


@pytest.mark.parametrize(
    "arguments",
    [("teams", "delete", "search"), ("projects", "delete", "default"), ("budgets", "delete", "search")],
)
def test_what_destroys_is_not_done_when_nobody_can_be_asked(arguments: tuple[str, ...]) -> None:
    run("teams", "create", "search")
    run("budgets", "set", "search", "1")
    assert "--yes" in refusal(*arguments).message
    assert len(data("teams", "list")["data"]) == 1


def test_a_name_of_two_things_asks_which() -> None:
    run("teams", "create", "same")
    run("projects", "create", "same")
    assert "team:same" in refusal("budgets", "set", "same", "1").message
    assert data("budgets", "set", "team:same", "1")["scope_kind"] == "team"
    assert data("budgets", "set", "project:same", "1")["scope_kind"] == "project"
