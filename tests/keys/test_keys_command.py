"""`tollkeeper keys`: made, listed, changed, rotated and ended by id, public part or name; tables for people, JSON for programs."""

from __future__ import annotations

import asyncio
import json
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from click.testing import Result
from tests.keys.workshop import PEPPER, open_workshop
from typer.testing import CliRunner

from tollkeeper.cli.main import app
from tollkeeper.domain.errors import InvalidRequest, NotFound
from tollkeeper.store.engine import Store


class Desk(NamedTuple):
    """A database with a workshop, and the settings that lead to it."""

    config: Path
    developer_email: str

    def run(self, *arguments: str) -> Result:
        return CliRunner().invoke(app, ["keys", *arguments, "--config", str(self.config)])

    def said(self, *arguments: str) -> str:
        result = self.run(*arguments)
        assert result.exception is None, result.exception
        return result.stdout

    def json(self, *arguments: str) -> Any:
        return json.loads(self.said(*arguments, "--json"))


@pytest.fixture
def desk(sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    async def fill() -> str:
        store = Store.open(sqlite_url)
        try:
            return (await open_workshop(store)).developer.email
        finally:
            await store.aclose()

    pepper = tmp_path / "tollkeeper.pepper"
    pepper.write_text(PEPPER.hex())
    pepper.chmod(0o600)
    config = tmp_path / "tollkeeper.toml"
    config.write_text(f'[database]\nurl = "{sqlite_url}"\n[keys]\npepper_file = "{pepper}"\n')
    monkeypatch.setenv("COLUMNS", "300")
    return Desk(config, asyncio.run(fill()))


def test_a_key_from_its_making_to_its_end(desk: Desk) -> None:
    made = desk.json(
        "create", "--name", "prod", "--project", "search", "--permission", "chat:create", "--allow-ip", "192.0.2.0/24",
        "--allow-model", "gpt-4o*", "--rpm", "10", "--tpm", "1000", "--label", "feature=search", "--expires", "90d",
    )  # fmt: skip
    assert made["key"].startswith("sk-tk-")
    assert (made["permissions"], made["allowed_ips"], made["allowed_models"]) == (
        ["chat:create"],
        ["192.0.2.0/24"],
        ["gpt-4o*"],
    )
    assert made["rate_limit"] == {"requests_per_minute": 10, "requests_per_day": None, "tokens_per_minute": 1000}
    assert made["labels"] == {"feature": "search"}
    for named in (made["id"], made["redacted_value"], "prod"):
        assert desk.json("get", named)["id"] == made["id"]
    changed = desk.json("update", "prod", "--rpd", "5", "--any-ip", "--add-permission", "models:list", "--no-expiry")
    assert changed["rate_limit"] == {"requests_per_minute": 10, "requests_per_day": 5, "tokens_per_minute": 1000}
    assert (changed["allowed_ips"], changed["allowed_models"], changed["expires_at"]) == ([], ["gpt-4o*"], None)
    assert changed["permissions"] == ["chat:create", "models:list"]
    rotated = desk.json("rotate", made["id"], "--grace", "24h")
    left = datetime.fromisoformat(rotated["previous_key_valid_until"]) - datetime.fromisoformat(made["created_at"])
    assert 0 <= left.total_seconds() - 86_400 < 120
    assert "is disabled" in desk.said("disable", rotated["new_key_id"])
    assert desk.json("get", rotated["new_key_id"])["status"] == "disabled"
    assert "is active" in desk.said("enable", rotated["new_key_id"])
    assert "is deleted" in desk.said("delete", made["id"], "--yes")
    assert [key["id"] for key in desk.json("list")["data"]] == [rotated["new_key_id"]]


def test_an_administration_key_and_a_persons_key(desk: Desk) -> None:
    admin = desk.json("create", "--name", "ops", "--admin", "--permission", "billing:read", "--expires", "2030-01-01")
    assert (admin["kind"], admin["permissions"], admin["expires_at"]) == (
        "admin",
        ["billing:read"],
        "2029-12-31T15:00:00Z",
    )
    mine = desk.json(
        "create", "--name", "laptop", "--member", desk.developer_email, "--project", "search", "--project", "ops"
    )
    assert (mine["kind"], len(mine["further_project_ids"])) == ("member", 1)
    assert [key["name"] for key in desk.json("list", "--member", desk.developer_email)["data"]] == ["laptop"]
    assert [key["name"] for key in desk.json("list", "--project", "search")["data"]] == ["laptop"]


def test_people_read_tables_in_the_organizations_timezone(desk: Desk) -> None:
    assert "tollkeeper keys create" in desk.said("list")
    text = desk.said("create", "--name", "prod", "--expires", "2030-01-31T09:00")
    assert "Shown this once" in text
    assert "2030-01-31 09:00 KST" in desk.said("list")
    shown = desk.said("get", "prod")
    for expected in ("prod", "2030-01-31 09:00 KST", "every call", "any", "default ("):
        assert expected in shown
    assert "sk-tk-" in text
    secret = next(word for word in text.split() if word.startswith("sk-tk-"))
    assert secret not in shown
    assert "No calls in this time" in desk.said("usage", "prod")
    assert desk.json("usage", "prod")["total_requests"] == 0
    assert "The old key has ended" in desk.said("rotate", "prod")


def test_an_unknown_name_brings_the_nearest_to_mind(desk: Desk) -> None:
    desk.said("create", "--name", "search prod")
    result = desk.run("get", "serch prod")
    assert isinstance(result.exception, NotFound)
    assert "search prod" in result.exception.message


@pytest.mark.parametrize(
    "arguments",
    [
        ("create", "--name", "x", "--admin", "--project", "search"),
        ("create", "--name", "x", "--project", "search", "--project", "ops"),
        ("create", "--name", "x", "--expires", "soon"),
        ("create", "--name", "x", "--expires", "2020-01-01"),
        ("create", "--name", "x", "--label", "feature"),
        ("create", "--name", "x", "--permission", "chat:destroy"),
        ("create", "--name", "x", "--rpm", "0"),
        ("update", "x", "--expires", "1d", "--no-expiry"),
        ("update", "x", "--allow-ip", "10.0.0.1", "--any-ip"),
        ("rotate", "x", "--grace", "31d"),
        ("rotate", "x", "--grace", "soon"),
        ("delete", "x"),
    ],
)
def test_what_contradicts_itself_is_refused(desk: Desk, arguments: tuple[str, ...]) -> None:
    desk.said("create", "--name", "x")
    assert isinstance(desk.run(*arguments).exception, InvalidRequest)


def test_what_the_operator_did_is_in_the_audit_log(desk: Desk) -> None:
    desk.said("create", "--name", "prod")
    events = json.loads(CliRunner().invoke(app, ["audit", "list", "--json", "--config", str(desk.config)]).stdout)[
        "data"
    ]
    assert [event["action"] for event in events if event["action"].startswith("api_key.")] == ["api_key.create"]


def test_of_a_keys_limits_those_that_are_not_given_stay(desk: Desk) -> None:
    desk.said("create", "--name", "prod", "--project", "search", "--rpm", "10", "--rpd", "100", "--tpm", "1000")
    changed = desk.json("update", "prod", "--rpm", "20")["rate_limit"]
    assert changed == {"requests_per_minute": 20, "requests_per_day": 100, "tokens_per_minute": 1000}
    changed = desk.json("update", "prod", "--no-rate-limit", "--tpm", "5")["rate_limit"]
    assert changed == {"requests_per_minute": None, "requests_per_day": None, "tokens_per_minute": 5}
