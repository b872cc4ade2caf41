"""`python -m tests.crowd`: a thousand organizations with twenty keys each, all calling at once, against one that calls alone.

One process serves both, first the one, then the many. Every organization has a budget and a rate, every key a budget
of its own (`--plain`: none). Exit code 1 when a call was not answered; the figures are printed with the growth that they are.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.procfs import PROC, parse_stat
from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncConnection
from tests.live.processes import GatewayProcess, SimulatorProcess
from tests.live.raw_http import RawConnection
from tests.overspend.__main__ import fresh

from tollkeeper.control import api_keys, budgets, organizations, rate_limits
from tollkeeper.control.administration import Administration, Secrets, operator
from tollkeeper.domain.api_key import ID_LENGTH, SECRET_LENGTH, write_key
from tollkeeper.domain.money import NANOS_PER_USD
from tollkeeper.domain.tenancy import OrganizationId
from tollkeeper.kit.ids import new_id, random_base62
from tollkeeper.kit.secrets import keyed_digest, read_pepper
from tollkeeper.store.engine import Store
from tollkeeper.store.schema_limits import budget, rate_limit
from tollkeeper.store.schema_tenancy import api_key, organization, project

CONNECTIONS = 32
CALLS_PER_ROUND = 20_000
ROUNDS = 3
_TABLES = (organization, project, api_key, budget, rate_limit)
_TICKS_PER_S = 100
_SETTLED_S = 1.0
_BODY = json.dumps(
    {"model": "gpt-4o-mini", "max_completion_tokens": 16, "messages": [{"role": "user", "content": "[[sim:tokens=4]]"}]}
).encode()


@dataclass(frozen=True)
class Figures:
    """What calls cost the serving process: CPU per call, and its memory afterwards."""

    keys: int
    calls: int
    cpu_us: float
    resident_mb: float
    calls_per_s: float
    statements: float  # to the database, per call


@dataclass(frozen=True)
class Serving:
    """The process that is measured."""

    port: int
    pid: int
    statements: Path

    def read_statements(self) -> int:
        """Return how many statements it has sent so far; its file is a moment behind."""
        time.sleep(_SETTLED_S)
        return int(self.statements.read_text())


def main() -> int:
    """Measure and print; 0 when every call was answered."""
    parser = argparse.ArgumentParser(prog="python -m tests.crowd", description=__doc__)
    parser.add_argument("--organizations", type=int, default=1_000)
    parser.add_argument("--keys", type=int, default=20)
    parser.add_argument("--database", choices=["sqlite", "postgres"], default="postgres")
    parser.add_argument("--plain", action="store_true", help="no budgets and rates")
    given = parser.parse_args()
    with fresh(given.database) as (folder, url):
        one, many = measure(folder, url, given.organizations, given.keys, is_plain=given.plain)
    for title, found in (("one organization", one), (f"{given.organizations:,} organizations", many)):
        print(
            f"{title:<22} {found.keys:>7,} keys {found.calls:>8,} calls {found.cpu_us:>7.1f} us of CPU per call "
            f"{found.resident_mb:>7.1f} MB {found.calls_per_s:>7,.0f} calls/s {found.statements:>7.4f} statements per call"
        )
    kb_per_key = (many.resident_mb - one.resident_mb) * 1024 / (many.keys - one.keys)
    print(
        f"{'growth':<22} CPU per call {many.cpu_us / one.cpu_us - 1:+.1%}, "
        f"memory {many.resident_mb / one.resident_mb - 1:+.1%} ({kb_per_key:.1f} KB per key)"
    )
    return 0


def measure(folder: Path, database_url: str, count: int, keys: int, *, is_plain: bool) -> tuple[Figures, Figures]:
    """Return what one organization costs and what all of them do."""
    simulator = SimulatorProcess(folder)
    gateway = GatewayProcess(folder, simulator, database_url)
    try:
        secrets = asyncio.run(_found(gateway, count, keys, is_plain=is_plain))
        gateway.env["STATEMENTS_FILE"] = str(folder / "statements")
        gateway.start("-m", "tests.crowd.counting_serve")
        assert gateway.process is not None
        serving = Serving(gateway.port, gateway.process.popen.pid, folder / "statements")
        one = asyncio.run(_call(serving, secrets[:keys]))
        return one, asyncio.run(_call(serving, secrets))
    finally:
        gateway.kill()
        simulator.stop()


async def _found(gateway: GatewayProcess, count: int, keys: int, *, is_plain: bool) -> list[str]:
    """Make one organization as people do, and the others as copies of its rows; returns the keys of one after the other."""
    store = Store.open(gateway.database_url)
    pepper = read_pepper(gateway.folder / "tollkeeper.pepper")
    administration = Administration(store, Secrets.of(pepper))
    try:
        organization_id = await _found_first(administration, gateway.organization_id, is_plain=is_plain)
        copied: dict[str, list[dict[str, Any]]] = {}
        for table in _TABLES:
            query = select(table).where(
                table.c["id" if table is organization else "organization_id"] == organization_id
            )
            copied[table.name] = [
                dict(row._mapping)
                for row in await store.read(lambda c, query=query: c.execute(query))  # type: ignore[misc]
            ]
        made: list[str] = []
        for number in range(count):
            rows, own = _copy(copied, number, keys, pepper)
            made += own
            await store.write(lambda c, rows=rows: _insert(c, rows))  # type: ignore[misc]
        return made
    finally:
        await store.aclose()


async def _found_first(administration: Administration, installation: OrganizationId, *, is_plain: bool) -> str:
    founder = operator(installation, name="crowd")
    founded = await administration.change(
        founder, organizations.create_organization, name="the first of the crowd", is_open=True
    )
    own = operator(founded.organization.id, name="crowd")
    key = await administration.change(own, api_keys.create_service_key, project_id=founded.project.id, name="a key")
    if not is_plain:
        dear = budgets.Terms(1_000 * NANOS_PER_USD)
        await administration.change(own, budgets.set_budget, founded.organization.id, terms=dear)
        await administration.change(own, budgets.set_budget, key.record.id, terms=dear)
        often = rate_limits.RateTerms(requests_per_minute=1_000_000)
        await administration.change(own, rate_limits.set_rate_limit, founded.organization.id, terms=often)
    return founded.organization.id


def _copy(
    copied: dict[str, list[dict[str, Any]]], number: int, keys: int, pepper: bytes
) -> tuple[dict[str, list[dict[str, Any]]], list[str]]:
    """Return the rows of another organization with so many keys, and the keys."""
    (first,), (its_project,) = copied["organization"], copied["project"]
    own = {"organization_id": new_id("org")}
    places = {first["id"]: own["organization_id"], its_project["id"]: new_id("proj")}
    rows: dict[str, list[dict[str, Any]]] = {
        "organization": [{**first, "id": own["organization_id"], "name": f"crowd {number}"}],
        "project": [{**its_project, **own, "id": places[its_project["id"]]}],
        "api_key": [],
        "budget": [],
        "rate_limit": [
            {**each, **own, "id": new_id("rate"), "scope_id": own["organization_id"]} for each in copied["rate_limit"]
        ],
    }
    written = []
    for each in range(keys):
        key_id = random_base62(ID_LENGTH)
        written.append(write_key(key_id, random_base62(SECRET_LENGTH)))
        rows["api_key"] += [
            {
                **row,
                **own,
                "id": f"key_{key_id}",
                "name": f"key {each}",
                "digest": keyed_digest(pepper, written[-1].encode()),
                "project_id": places[row["project_id"]],
            }
            for row in copied["api_key"]
        ]
        rows["budget"] += [
            {**row, **own, "id": new_id("bud"), "scope_id": f"key_{key_id}"}
            for row in copied["budget"]
            if row["scope_kind"] == "api_key"
        ]
    rows["budget"] += [
        {**row, **own, "id": new_id("bud"), "scope_id": own["organization_id"]}
        for row in copied["budget"]
        if row["scope_kind"] == "organization"
    ]
    return rows, written


async def _insert(connection: AsyncConnection, rows: dict[str, list[dict[str, Any]]]) -> None:
    for table in _TABLES:
        if rows[table.name]:
            await connection.execute(insert(table), rows[table.name])


async def _call(serving: Serving, keys: Sequence[str]) -> Figures:
    """Let every key call once, then all of them in turn; only the turns are measured, the fastest round counts."""
    await _calls(serving.port, keys)
    rounds = []
    for _ in range(ROUNDS):
        times = max(1, -(-CALLS_PER_ROUND // len(keys)))
        statements, before, began = serving.read_statements(), _ticks(serving.pid), time.monotonic()
        await _calls(serving.port, list(keys) * times)
        calls, took_s = times * len(keys), time.monotonic() - began
        cpu_us = (_ticks(serving.pid) - before) * 1_000_000 / _TICKS_PER_S / calls
        rounds.append((cpu_us, calls, calls / took_s, (serving.read_statements() - statements) / calls))
    cpu_us, calls, per_s, sent = min(rounds)
    return Figures(len(keys), calls, cpu_us, _resident_mb(serving.pid), per_s, sent)


async def _calls(port: int, keys: Sequence[str]) -> None:
    left = iter(keys)

    async def client() -> None:
        connection = RawConnection(port)
        for key in left:
            reply = await connection.post("/v1/chat/completions", _BODY, key=key)
            assert reply.status == 200, reply.body
        connection.drop()

    await asyncio.gather(*(client() for _ in range(CONNECTIONS)))


def _ticks(pid: int) -> int:
    return parse_stat((PROC / str(pid) / "stat").read_text()).ticks


def _resident_mb(pid: int) -> float:
    (line,) = [each for each in (PROC / str(pid) / "status").read_text().splitlines() if each.startswith("VmRSS")]
    return int(line.split()[1]) / 1024


if __name__ == "__main__":
    sys.exit(main())
