"""The command starts quickly: the table of sub-commands says what they do, and only the one that is called is imported."""

from __future__ import annotations

import subprocess
import sys

import pytest
import typer
from typer.testing import CliRunner

from tollkeeper.cli.commands import COMMANDS
from tollkeeper.cli.main import app


@pytest.mark.parametrize("name", COMMANDS)
def test_the_table_says_what_the_command_says_of_itself(name: str) -> None:
    loaded = COMMANDS[name].load(name)
    first = loaded.help.split("\n\n")[0]
    assert " ".join(first.split()) == COMMANDS[name].help
    assert loaded.name == name


def test_help_loads_no_command() -> None:
    check = (
        "import sys; from typer.testing import CliRunner; from tollkeeper.cli.main import app;"
        "result = CliRunner().invoke(app, ['--help']); assert 'budgets' in result.stdout, result.output;"
        "heavy = {'sqlalchemy', 'fastapi', 'uvicorn', 'yaml', 'cryptography', 'tollkeeper.bootstrap'} & sys.modules.keys();"
        "print(*heavy)"
    )
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def _loaded(code: str, unwanted: set[str]) -> set[str]:
    """Run code in a process of its own and return which of the unwanted modules it has loaded."""
    check = f"import sys\n{code}\nprint(*({unwanted!r} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    return set(done.stdout.splitlines()[-1].split())


def test_the_version_is_told_without_loading_the_program() -> None:
    heavy = {"sqlalchemy", "fastapi", "pydantic", "uvicorn", "httpx", "asyncpg", "rich", "tollkeeper.store.engine"}
    assert _loaded("import tollkeeper.__main__", heavy) == set()
    ask = "from tollkeeper.cli.main import app\ntry: app(['--version'])\nexcept SystemExit: pass"
    assert _loaded(ask, heavy) == set()


LATER = {
    "fastapi": "the first request to the administration",
    "pydantic": "the options of the command line, the first request to the administration",
    "tollkeeper.admin.app": "the first request to the administration",
    "tollkeeper.web.pages": "the first request to the administration",
    "httpx": "the first hook, the first login elsewhere",
    "rich": "nothing",
    "pygments": "nothing",
    "aiosmtplib": "the first e-mail",
    "cryptography": "the first sealed secret",
    "argon2": "the first password",
    "joserfc": "the first login elsewhere",
    "alembic": "migrations, which a server never makes",
    "asyncpg": "a database that is PostgreSQL",
    "tiktoken": "nothing: counting has a process of its own",
    "yaml": "nothing",
    "prometheus_client": "the first scrape",
    "opentelemetry": "traces, where they are on",
}


def test_a_server_starts_without_what_it_may_never_need() -> None:
    assert _loaded("import tollkeeper.cli.main, tollkeeper.cli.serve", set(LATER)) == set()


@pytest.mark.parametrize(("typed", "meant"), [("taems", "teams"), ("budget", "budgets"), ("exprot", "export")])
def test_an_unknown_command_brings_the_nearest_to_mind(typed: str, meant: str) -> None:
    result = CliRunner().invoke(app, [typed])
    assert result.exit_code == 2
    assert meant in result.output


def test_an_unknown_option_brings_the_nearest_to_mind() -> None:
    result = CliRunner().invoke(app, ["apply", "--dry-rum"])
    assert result.exit_code == 2
    assert "--dry-run" in result.output


def test_completion_knows_the_commands_and_theirs() -> None:
    for words, count, expected in (("tollkeeper bud", "1", "budgets"), ("tollkeeper budgets al", "2", "allocate")):
        environment = {"_TOLLKEEPER_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": count}
        done = CliRunner().invoke(app, [], env=environment, prog_name="tollkeeper")
        assert done.stdout.split() == [expected]


def test_every_command_is_a_group_or_one_command() -> None:
    group = typer.main.get_command(app)
    assert list(group.commands) == list(COMMANDS)  # type: ignore[attr-defined]
