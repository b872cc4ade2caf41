"""The start-up of five people: the example file on an empty database, and every object of it by the API."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from tests.admin.admin_factories import PEPPER, client_of, running_app
from typer.testing import CliRunner

from tollkeeper.cli.main import app
from tollkeeper.domain.api_key import ApiKey
from tollkeeper.gateway.authentication import Authenticator
from tollkeeper.store.directory import StoreDirectory
from tollkeeper.store.engine import Store

EXAMPLE = Path(__file__).parents[2] / "examples" / "startup.yaml"


def run(*arguments: str, exit_code: int = 0) -> str:
    result = CliRunner().invoke(app, [*arguments])
    assert result.exit_code == exit_code, (result.output, result.exception)
    return result.stdout


@pytest.fixture
def admin_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TOLLKEEPER_KEYS__PEPPER", PEPPER.hex())
    monkeypatch.setenv("TOLLKEEPER_DATABASE__URL", f"sqlite:///{tmp_path / 'new.db'}")
    made = json.loads(run("init", "--org", "Haebit Labs", "--timezone", "Asia/Seoul", "--json"))
    return str(made["admin_key"])


def read_api(folder: Path, key: str, *paths: str) -> list[Any]:
    """Return what the lists at these paths hold."""

    async def ask() -> list[Any]:
        store = Store.open(f"sqlite:///{folder / 'new.db'}")
        try:
            async with running_app(store) as served, client_of(served, key) as client:
                answers = [await client.get(path, params={"limit": 100}) for path in paths]
                assert [each.status_code for each in answers] == [200] * len(paths), [each.text for each in answers]
                return [each.json()["data"] for each in answers]
        finally:
            await store.aclose()

    return asyncio.run(ask())


def test_the_example_brings_everything_about_and_the_api_shows_it(admin_key: str, tmp_path: Path) -> None:
    run("apply", "-f", str(EXAMPLE), "--dry-run", exit_code=3)
    run("apply", "-f", str(EXAMPLE), "--yes", "--keys-out", "keys.json")
    assert "in sync" in run("apply", "-f", str(EXAMPLE), "--dry-run")
    assert "in sync" in run("apply", "-f", str(EXAMPLE), "--yes")
    organizations, teams, projects, budgets, keys = read_api(
        tmp_path, admin_key, "/v1/organizations", "/v1/teams", "/v1/projects", "/v1/budgets", "/v1/api-keys"
    )
    assert [(each["name"], each["timezone"], each["language"]) for each in organizations] == [
        ("Haebit Labs", "Asia/Seoul", "ko")
    ]
    team_names = {each["id"]: each["name"] for each in teams}
    assert list(team_names.values()) == ["ml", "backend", "design"]
    shown = {each["name"]: each for each in projects if each["name"] != "default"}
    assert {name: (team_names[each["team_id"]], each["monthly_budget_usd"]) for name, each in shown.items()} == {
        "ml-pipeline": ("ml", 200),
        "ml-research": ("ml", 100),
        "api-server": ("backend", 150),
        "prototypes": ("design", 50),
    }
    assert all(each["quota_alerts"] == [{"threshold": 0.75, "action": "email"}] for each in shown.values())
    assert shown["ml-pipeline"]["model_limits"] == {"gpt-4o": {"daily_requests": 500, "daily_budget_usd": 10}}
    place_names = {organizations[0]["id"]: "all"} | team_names
    assert {place_names[each["scope"]]: each["amount_usd"] for each in budgets if each["scope"] in place_names} == {
        "all": 500,
        "ml": 300,
        "backend": 150,
        "design": 50,
    }
    assert not any(each["carryover"] for each in budgets)
    (prod,) = [each for each in keys if each["name"] == "ml-pipeline-prod"]
    assert prod["permissions"] == ["chat:create", "embeddings:create", "models:list"]
    assert prod["allowed_models"] == ["gpt-4o*", "text-embedding-3-*"]
    assert prod["rate_limit"]["requests_per_minute"] == 120
    invited = {each["email"]: each["roles"] for each in json.loads(run("members", "list", "--json"))["data"]}
    assert {email.partition("@")[0]: (role["role_name"], role["scope_kind"]) for email, (role,) in invited.items()} == {
        "jimin": ("org_admin", "organization"),
        "seojun": ("team_admin", "team"),
        "haeun": ("developer", "team"),
        "doyun": ("team_admin", "team"),
        "yuna": ("viewer", "team"),
    }


def test_the_file_of_the_how_to_is_understood_and_fits(admin_key: str, tmp_path: Path) -> None:
    text = (EXAMPLE.parents[1] / "docs" / "how-to" / "organize.md").read_text(encoding="utf-8")
    (tmp_path / "org.yaml").write_text(text.partition("```yaml\n")[2].partition("```")[0], encoding="utf-8")
    run("apply", "-f", "org.yaml", "--yes", "--show-keys")
    assert "in sync" in run("apply", "-f", "org.yaml", "--dry-run")


def test_the_keys_of_the_example_work(admin_key: str, tmp_path: Path) -> None:
    run("apply", "-f", str(EXAMPLE), "--yes", "--keys-out", "keys.json")
    made = json.loads((tmp_path / "keys.json").read_text())["keys"]
    assert (tmp_path / "keys.json").stat().st_mode & 0o777 == 0o600
    assert [each["name"] for each in made] == ["ml-pipeline-prod", "api-server-prod"]

    async def authenticated() -> list[ApiKey]:
        store = Store.open(f"sqlite:///{tmp_path / 'new.db'}")
        directory = StoreDirectory(store)
        try:
            await directory.start()
            authenticator = Authenticator(directory, PEPPER)
            headers = [{b"authorization": b"Bearer " + each["key"].encode()} for each in made]
            return [await authenticator.authenticate(each) for each in headers]
        finally:
            await directory.aclose()
            await store.aclose()

    assert [each.name for each in asyncio.run(authenticated())] == ["ml-pipeline-prod", "api-server-prod"]
    assert admin_key not in json.dumps(made)
