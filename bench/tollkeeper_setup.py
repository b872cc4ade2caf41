"""Making a Tollkeeper to be measured: its configuration, its first organization, 100,000 keys in its database."""

from __future__ import annotations

import json
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from bench.processes import ROOT, StartFailure, hermetic
from bench.upstream import Upstream

KEYS = 100_000
PROGRAM = Path(sys.executable).with_name("tollkeeper")
PROVIDER_VARIABLE = "BENCH_PROVIDER_KEY"

_MUCH = "1000000"
GOVERNANCE: tuple[tuple[str, ...], ...] = (
    ("teams", "create", "core"),
    ("projects", "update", "default", "--team", "core"),
    ("budgets", "set", "organization", _MUCH),
    ("budgets", "set", "team:core", _MUCH),
    ("budgets", "set", "project:default", _MUCH),
    ("budgets", "set", "key:default", _MUCH),
    ("budgets", "set", "project:default", _MUCH, "--model", "gpt-4o-mini", "--period", "daily"),
    (
        "budgets",
        "set",
        "project:default",
        "1000000000",
        "--model",
        "gpt-4o-mini",
        "--period",
        "daily",
        "--unit",
        "requests",
    ),
    ("rates", "set", "organization", "--rpm", "100000000", "--tpm", "1000000000"),
    ("rates", "set", "key:default", "--rpm", "100000000"),
)
"""Commands that put limits on what is measured, each as the arguments of `tollkeeper`; {organization_id} and
{project_id} are filled in. What init sets up by itself needs no command here."""


@dataclass(frozen=True)
class Prepared:
    """A Tollkeeper that can be started with `command`."""

    version: str
    command: list[str]
    base_url: str
    project_key: str
    notes: tuple[str, ...]


def prepare(folder: Path, *, port: int, upstream: Upstream, provider_key: str, keys: int) -> Prepared:
    """Set up a fresh gateway in `folder`, whatever an earlier run left there.

    Raises:
        StartFailure: one of its commands failed, or there is no such program yet.
    """
    if not PROGRAM.exists():
        raise StartFailure(f"{PROGRAM} does not exist: run make install first")
    shutil.rmtree(folder)
    folder.mkdir()
    configuration = folder / "tollkeeper.toml"
    configuration.write_text(_configuration(folder, port, upstream))
    variables = {
        "HOME": str(folder),
        "TOLLKEEPER_CONFIG": str(configuration),
        PROVIDER_VARIABLE: provider_key,
        "PYTHONPATH": str(ROOT / "src"),  # the sources that this benchmark belongs to, wherever the environment is from
    }
    made = json.loads(_tollkeeper(folder, variables, "init", "--org", "bench", "--json"))
    for arguments in GOVERNANCE:
        filled = [argument.format_map(made) for argument in arguments]
        _tollkeeper(folder, variables, *filled)
    insert_keys(folder / "tollkeeper.db", organization_id=made["organization_id"], count=keys)
    commands = "; ".join(" ".join(arguments) for arguments in GOVERNANCE) or "no limit or budget beyond what init makes"
    return Prepared(
        version=_version(),
        command=hermetic([str(PROGRAM), "serve", "--config", str(configuration)], variables),
        base_url=f"http://127.0.0.1:{port}/v1",
        project_key=made["project_key"],
        notes=(f"one worker, SQLite, {keys:,} further keys in the database; governance: {commands}",),
    )


def insert_keys(database: Path, *, organization_id: str, count: int) -> None:
    """Put `count` further project keys into the database: copies of the first one with other ids and digests.

    The one place here that knows how Tollkeeper stores keys (table api_key: id, digest, project_id). It copies rows in
    SQL because issuing so many one by one would take minutes; nobody knows a secret that fits these digests.
    """
    with closing(sqlite3.connect(database)) as connection, connection:
        columns = [row[1] for row in connection.execute("PRAGMA table_info(api_key)")]
        other = {"id": "printf('bench%07d', n)", "digest": "randomblob(32)"}
        values = ", ".join(other.get(column, f'first."{column}"') for column in columns)
        names = ", ".join(f'"{column}"' for column in columns)
        connection.execute(
            f"""
            WITH RECURSIVE number(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < :count),
            first AS (SELECT * FROM api_key
                      WHERE organization_id = :organization_id AND project_id IS NOT NULL LIMIT 1)
            INSERT INTO api_key ({names}) SELECT {values} FROM number CROSS JOIN first
            """,
            {"count": count, "organization_id": organization_id},
        )
        total = connection.execute("SELECT count(*) FROM api_key").fetchone()[0]
    if total < count:
        raise StartFailure(f"the database holds {total} keys, not {count}")


def _tollkeeper(folder: Path, variables: dict[str, str], *arguments: str) -> str:
    command = hermetic([str(PROGRAM), *arguments], variables)
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120, check=False)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        raise StartFailure(f"tollkeeper {' '.join(arguments)} failed with status {done.returncode}: {last}")
    return done.stdout


def _version() -> str:
    """Ask the installed package, not the command line: the contract has no command for it."""
    program = "import importlib.metadata as metadata; print(metadata.version('tollkeeper'))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    return done.stdout.strip()


def _configuration(folder: Path, port: int, upstream: Upstream) -> str:
    calls, streams = (f"http://127.0.0.1:{each}" for each in (upstream.calls_port, upstream.streams_port))
    named = (
        ("openai", "openai", upstream.calls_url),
        ("streams", "openai", upstream.streams_url),
        ("anthropic", "anthropic", f"{calls}/v1"),
        ("anthropic-streams", "anthropic", f"{streams}/v1"),
        ("gemini", "gemini", f"{calls}/v1beta"),
        ("gemini-streams", "gemini", f"{streams}/v1beta"),
        ("slow", "openai", upstream.slow_url),
    )
    providers = "".join(
        f"""
[[providers]]
name = "{name}"
kind = "{kind}"
base_url = "{url}"
api_key_env = "{PROVIDER_VARIABLE}"
"""
        for name, kind, url in named
    )
    return f"""[server]
host = "127.0.0.1"
port = {port}
workers = 1
[database]
url = "sqlite:///{folder}/tollkeeper.db"
[journal]
directory = "{folder}/journal"
[keys]
pepper_file = "{folder}/tollkeeper.pepper"
[logging]
level = "error"
[upstream]
connections_max = 2048
{providers}"""
