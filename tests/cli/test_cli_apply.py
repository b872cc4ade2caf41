"""`tollkeeper apply` and `export` as they are called: exit codes, questions, where secrets go, what is printed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from tollkeeper.cli import apply as apply_command
from tollkeeper.cli import operator as operator_module
from tollkeeper.cli.main import app
from tollkeeper.control.blueprint import execution
from tollkeeper.domain.errors import Conflict, InvalidRequest, NotFound

FILE = """\
organization: {name: Acme, budget: {monthly_usd: 10}}
teams:
- name: ml
  budget: {monthly_usd: 4}
  projects:
  - name: web
    keys: [{name: prod}]
"""
SECRET = "sk-tk-"


@pytest.fixture(autouse=True)
def acme(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOLLKEEPER_KEYS__PEPPER", "70" * 32)
    assert run("init", "--org", "Acme").exit_code == 0
    Path("org.yaml").write_text(FILE, encoding="utf-8")


def run(*arguments: str, text: str | None = None) -> Result:
    return CliRunner().invoke(app, [*arguments], input=text)


def test_a_dry_run_exits_3_when_there_are_changes_and_0_when_there_are_none() -> None:
    dry = run("apply", "-f", "org.yaml", "--dry-run")
    assert dry.exit_code == 3
    assert "+ team ml" in dry.stdout
    assert run("apply", "-f", "org.yaml", "--dry-run").exit_code == 3, "nothing was done"
    assert run("apply", "-f", "org.yaml", "--yes", "--keys-out", "k").exit_code == 0
    again = run("apply", "-f", "org.yaml", "--dry-run")
    assert (again.exit_code, again.stdout) == (0, "Acme is in sync: nothing to change.\n")


def test_a_dry_run_finds_what_only_doing_it_finds() -> None:
    Path("org.yaml").write_text(FILE.replace("{name: prod}", "{name: prod, expires_at: 2020-01-01}"))
    refused = run("apply", "-f", "org.yaml", "--dry-run")
    assert isinstance(refused.exception, InvalidRequest)
    assert "teams[0].projects[0].keys[0]: The expiry is in the past (line 7)" in refused.exception.message


def test_nothing_is_done_when_nobody_can_be_asked() -> None:
    refused = run("apply", "-f", "org.yaml", "--show-keys")
    assert isinstance(refused.exception, InvalidRequest)
    assert "--yes" in refused.exception.message
    assert "No teams" in run("teams", "list").stdout


def test_a_no_is_a_no(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = iter([False])
    monkeypatch.setattr(operator_module, "_is_somebody_there", lambda: True)
    monkeypatch.setattr(operator_module.typer, "confirm", lambda _question: next(answers))
    assert run("apply", "-f", "org.yaml", "--show-keys").exit_code == 1
    assert "No teams" in run("teams", "list").stdout


def test_what_is_taken_away_is_asked_for_separately(monkeypatch: pytest.MonkeyPatch) -> None:
    run("apply", "-f", "org.yaml", "--yes", "--keys-out", "k")
    asked: list[str] = []
    monkeypatch.setattr(operator_module, "_is_somebody_there", lambda: True)
    monkeypatch.setattr(operator_module.typer, "confirm", lambda question: asked.append(question) or len(asked) < 2)
    Path("org.yaml").write_text("teams: []\n")
    assert run("apply", "-f", "org.yaml", "--prune").exit_code == 1
    assert asked == ["Make these 2 change(s)?", "2 of them take something away. Are you sure?"]
    assert "ml" in run("teams", "list").stdout


def test_secrets_of_new_keys_go_where_they_are_wanted_or_no_key_is_made() -> None:
    refused = run("apply", "-f", "org.yaml", "--yes")
    assert isinstance(refused.exception, InvalidRequest)
    assert "--keys-out" in refused.exception.message
    done = run("apply", "-f", "org.yaml", "--yes", "--keys-out", "keys.json")
    assert SECRET not in done.output
    (kept,) = json.loads(Path("keys.json").read_text())["keys"]
    assert kept["key"].startswith(SECRET)
    assert kept["name"] == "prod"
    assert Path("keys.json").stat().st_mode & 0o777 == 0o600


def test_a_file_that_is_there_is_never_written_over() -> None:
    Path("keys.json").write_text("mine")
    refused = run("apply", "-f", "org.yaml", "--yes", "--keys-out", "keys.json")
    assert isinstance(refused.exception, InvalidRequest)
    assert Path("keys.json").read_text() == "mine"
    assert "No teams" in run("teams", "list").stdout


def test_no_file_of_secrets_is_left_behind_when_nothing_came_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(*_: object, **options: object) -> None:
        orders = options["orders"]
        assert isinstance(orders, execution.Orders)
        orders.keep_keys([])
        raise Conflict("no")

    monkeypatch.setattr(apply_command, "apply_blueprint", fail)
    assert isinstance(run("apply", "-f", "org.yaml", "--yes", "--keys-out", "keys.json").exception, Conflict)
    assert not Path("keys.json").exists()


def test_no_file_of_secrets_is_left_when_no_key_was_made() -> None:
    Path("org.yaml").write_text("teams: [{name: ml}]\n")
    assert run("apply", "-f", "org.yaml", "--yes", "--keys-out", "keys.json").exit_code == 0
    assert not Path("keys.json").exists()


def test_json_tells_programs_the_same() -> None:
    done = run("apply", "-f", "org.yaml", "--yes", "--show-keys", "--json")
    told = json.loads(done.stdout)
    assert told["is_applied"] is True
    assert [each["kind"] for each in told["changes"]] == ["team", "project", "key", "budget", "budget"]
    assert told["keys"][0]["key"].startswith(SECRET)
    again = json.loads(run("apply", "-f", "org.yaml", "--yes", "--json").stdout)
    assert (again["is_in_sync"], again["changes"]) == (True, [])


def test_the_file_comes_from_standard_input_too() -> None:
    assert run("apply", "-f", "-", "--dry-run", text="teams: [{name: a}]").exit_code == 3


def test_export_goes_into_apply() -> None:
    run("apply", "-f", "org.yaml", "--yes", "--keys-out", "k")
    exported = run("export").stdout
    assert run("apply", "-f", "-", "--dry-run", "--prune", text=exported).exit_code == 0
    run("export", "--out", "out.yaml")
    assert Path("out.yaml").read_text(encoding="utf-8") == exported
    assert run("apply", "-f", "-", "--dry-run", "--prune", text=run("export", "--json").stdout).exit_code == 0


def test_an_organization_that_is_not_there_is_named_with_the_nearest() -> None:
    Path("org.yaml").write_text("organization: {name: Acmee}\n")
    refused = run("apply", "-f", "org.yaml", "--dry-run")
    assert isinstance(refused.exception, NotFound)
    assert "organization.name" in refused.exception.message
    assert "Did you mean 'Acme'?" in refused.exception.message


def test_with_org_the_name_in_the_file_is_its_new_one() -> None:
    Path("org.yaml").write_text("organization: {name: Acme Labs}\n")
    assert run("apply", "-f", "org.yaml", "--yes", "--org", "Acme").exit_code == 0
    assert "Acme Labs" in run("orgs", "list").stdout


def test_what_does_not_fit_is_refused_unless_overridden() -> None:
    Path("org.yaml").write_text(FILE.replace("monthly_usd: 4", "monthly_usd: 11"))
    refused = run("apply", "-f", "org.yaml", "--yes", "--show-keys")
    assert isinstance(refused.exception, Conflict)
    assert "$1.00 too much" in refused.exception.message
    assert run("apply", "-f", "org.yaml", "--yes", "--show-keys", "--override").exit_code == 0


def test_the_audit_log_says_who_ran_it() -> None:
    run("apply", "-f", "org.yaml", "--yes", "--keys-out", "k")
    (who,) = {
        each["actor"]["name"] for each in json.loads(run("audit", "list", "--action", "team.", "--json").stdout)["data"]
    }
    assert who == operator_module.user_name()


def test_changes_have_their_colours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    run("apply", "-f", "org.yaml", "--yes", "--keys-out", "k")
    Path("org.yaml").write_text("teams: [{name: ml, budget: {monthly_usd: 5}, projects: []}, {name: new}]\n")
    shown = run("apply", "-f", "org.yaml", "--dry-run", "--prune").stdout
    for colour, line in (("32", "+ team new"), ("33", "~ budget team ml, monthly"), ("31", "- project web")):
        assert f"\x1b[{colour}m{line}" in shown
