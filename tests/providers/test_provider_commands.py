"""`tollkeeper providers`: where a secret may come from, and that it is shown nowhere."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from brought_providers import PEPPER, add_organization
from typer.testing import CliRunner, Result

from tollkeeper.cli.main import app
from tollkeeper.domain.errors import InvalidRequest, NotFound
from tollkeeper.store.engine import Store

SECRET = "sk-from-somewhere-0123-WXYZ"


@pytest.fixture
def url(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("TOLLKEEPER_KEYS__PEPPER", PEPPER.hex())
    monkeypatch.setenv("THEIR_KEY", SECRET)

    async def work() -> None:
        store = Store.open(sqlite_url)
        await add_organization(store, "Acme")
        await store.aclose()

    asyncio.run(work())
    return sqlite_url


def run(*arguments: str, url: str, **options: str) -> Result:
    return CliRunner().invoke(app, ["providers", *arguments, "--database", url], **options)


@pytest.mark.parametrize("source", ["env", "file", "stdin", "command"])
def test_a_secret_comes_from_one_place_and_is_not_shown(url: str, tmp_path: Path, source: str) -> None:
    file = tmp_path / "secret"
    file.write_text(f"{SECRET}\n")
    file.chmod(0o600)
    options = {
        "env": ["--from-env", "THEIR_KEY"],
        "file": ["--from-file", str(file)],
        "stdin": ["--from-stdin"],
        "command": ["--from-command", f"cat '{file}'"],
    }[source]
    made = run("set", "openai", *options, "--json", url=url, input=f"{SECRET}\n")
    assert made.exit_code == 0, made.output
    assert json.loads(made.stdout)["hint"] == "WXYZ"
    again = run("set", "openai", *options, url=url, input=f"{SECRET}\n")
    assert (again.exit_code, "api.openai.com" in again.stdout) == (0, True)
    listed = run("list", "--json", url=url)
    (only,) = json.loads(listed.stdout)["data"]
    assert only["id"] == json.loads(made.stdout)["id"]
    assert SECRET not in made.output + again.output + listed.output + run("list", url=url).output
    assert run("delete", "openai", "--yes", url=url).exit_code == 0
    assert isinstance(run("delete", "openai", "--yes", url=url).exception, NotFound)
    assert "No providers" in run("list", url=url).stdout


@pytest.mark.parametrize(
    "options",
    [
        [],
        ["--from-env", "THEIR_KEY", "--from-stdin"],
        ["--from-env", "THEIR_KEY", "--from-file", "x"],
        ["--from-env", "NOT_SET"],
        ["--from-command", "false"],
        ["--from-env", "THEIR_KEY", "--kind", "mystery"],
        ["--from-env", "THEIR_KEY", "--base-url", "http://x.test"],
    ],
)
def test_anything_else_is_refused(url: str, options: list[str]) -> None:
    assert isinstance(run("set", "openai", *options, url=url).exception, InvalidRequest)
