"""/v1/audit-log: who may read it, what is found, paging, and exports that are bounded and harmless."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from admin_factories import ONLY_SQLITE, PEPPER, Acme, client_of, make_acme, running_app
from audit_logs import SECRETS, faults_of, note
from tests.fakes.new_keys import create_project_key

from tollkeeper.control import audit as audit_steps
from tollkeeper.control.administration import Administration, operator
from tollkeeper.control.audit_export import export_line
from tollkeeper.domain.audit import AuditEvent, ExportedEvent
from tollkeeper.store.engine import Store


@asynccontextmanager
async def asking(store: Store, acme: Acme, key: str | None = None) -> AsyncIterator[httpx.AsyncClient]:
    async with running_app(store) as app, client_of(app, key or acme.admin.key) as client:
        yield client


async def get(client: httpx.AsyncClient, path: str = "", **params: Any) -> Any:
    response = await client.get(f"/v1/audit-log{path}", params=params)
    assert response.status_code == 200, response.text
    return response.json()


async def test_an_action_is_found_with_who_what_and_from_where(store: Store) -> None:
    acme = await make_acme(store, calls=0)
    async with asking(store, acme) as client:
        team = (await client.post("/v1/teams", json={"name": "Search"})).json()
        renamed = await client.put(f"/v1/teams/{team['id']}", json={"name": "Find"})
        (event, created) = (await get(client))["data"]
        assert event["number"] == 2
        assert event["action"] == "team.update"
        assert event["actor"] == {"kind": "api_key", "id": acme.admin.record.id, "name": "finance"}
        assert event["target"] == {"kind": "team", "id": team["id"], "name": "Find"}
        assert (event["before"], event["after"], event["changed"]) == ({"name": "Search"}, {"name": "Find"}, ["name"])
        assert event["request_id"] == renamed.headers["x-request-id"]
        assert event["address"] == "127.0.0.1"
        assert (created["before"], created["changed"]) == (None, ["name"])
        assert await get(client, f"/{event['id']}") == event


async def test_filters_narrow_and_pages_are_whole(store: Store) -> None:
    acme = await make_acme(store, calls=0)
    async with asking(store, acme) as client:
        ids = [(await client.post("/v1/teams", json={"name": f"team {n}"})).json()["id"] for n in range(7)]
        await client.put(f"/v1/teams/{ids[0]}", json={"name": "other"})
        middle = (await get(client, target_id=ids[3]))["data"][0]

        async def count(**params: str) -> int:
            return len((await get(client, limit=100, **params))["data"])

        assert await count() == 8
        assert await count(action="team.create") == 7
        assert await count(action="team.") == 8
        assert await count(action="tea.") == 0
        assert await count(target_id=ids[0]) == 2
        assert await count(actor_id=acme.admin.record.id) == 8
        assert await count(actor_id="key_other") == 0
        assert await count(**{"from": middle["at"]}) == 5
        assert await count(to=middle["at"]) == 3
        numbers, after = [], None
        while True:
            page = await get(client, limit=3, **({"after": after} if after else {}))
            numbers += [each["number"] for each in page["data"]]
            after = page["last_id"]
            if not page["has_more"]:
                break
        assert numbers == [8, 7, 6, 5, 4, 3, 2, 1]


@pytest.mark.parametrize(
    "params",
    [
        {"action": "team'--"},
        {"action": "\0."},
        {"target_id": "\0"},
        {"actor_id": "x" * 65},
        {"from": "yesterday"},
        {"from": "2026-11-01T00:00:00"},
        {"limit": "101"},
    ],
)
async def test_a_filter_that_is_none_is_refused(store: Store, params: dict[str, str]) -> None:
    acme = await make_acme(store, calls=0)
    async with asking(store, acme) as client:
        response = await client.get("/v1/audit-log", params=params)
        assert (response.status_code, response.json()["error"]["param"]) == (400, next(iter(params)))


@ONLY_SQLITE
async def test_nobody_reads_it_without_the_permission_or_across_organizations(store: Store) -> None:
    acme, other = await make_acme(store, calls=0), await make_acme(store, "Other", seed=2, calls=0)
    project_key = await create_project_key(store, PEPPER, acme.organization_id, project_id=acme.projects[0], name="x")
    async with running_app(store) as app, client_of(app, acme.admin.key) as client:
        await client.post("/v1/teams", json={"name": "Search"})
        (event,) = (await get(client))["data"]
        for path in ("", "/export", f"/{event['id']}"):
            assert (await client_of(app).get(f"/v1/audit-log{path}")).status_code == 401
            refused = await client_of(app, project_key.key).get(f"/v1/audit-log{path}")
            assert (refused.status_code, "audit:read" in refused.text) == (403, True)
        theirs = client_of(app, other.admin.key)
        assert (await get(theirs))["data"] == []
        hidden = await theirs.get(f"/v1/audit-log/{event['id']}")
        missing = await theirs.get("/v1/audit-log/audit_none")
        assert (hidden.status_code, missing.status_code) == (404, 404)
        assert (
            hidden.json()["error"]["message"].replace(event["id"], "audit_none") == missing.json()["error"]["message"]
        )


async def test_an_export_has_every_event_once_and_is_an_event_itself(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit_steps, "_PAGE", 4)
    acme = await make_acme(store, calls=0)
    async with asking(store, acme) as client:
        for number in range(10):
            await client.post("/v1/teams", json={"name": f"team {number}"})
        response = await client.get("/v1/audit-log/export")
        assert response.headers["content-type"].startswith("application/jsonl")
        lines = [json.loads(line) for line in response.text.splitlines()]
        assert [line["number"] for line in lines] == list(range(1, 11))
        some = await client.get("/v1/audit-log/export", params={"action": "audit."})
        (exported,) = [json.loads(line) for line in some.text.splitlines()]
        assert (exported["action"], exported["after"]) == ("audit.export", {"format": "jsonl", "filter": {}})
        table = list(csv.DictReader(io.StringIO((await client.get("/v1/audit-log/export?format=csv")).text)))
        assert [row["number"] for row in table] == [str(number) for number in range(1, 13)]
        assert (await client.get("/v1/audit-log/export?format=xml")).status_code == 400
    assert await faults_of(store, acme.organization_id) == []


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
def test_no_cell_of_a_csv_is_a_formula(start: str) -> None:
    texts = dict.fromkeys(AuditEvent.__struct_fields__, f"{start}cmd|' /C calc'!A0")
    event = ExportedEvent(**{**texts, "number": 1, "at_us": 1, "mac": b"\0" * 32})
    (cells,) = csv.reader(io.StringIO(export_line(event, "csv").decode(), newline=""))
    assert [cell for cell in cells if cell.startswith(start)] == []
    assert sum(cell.startswith(f"'{start}") for cell in cells) == 12


async def test_an_export_reads_page_by_page(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit_steps, "_PAGE", 10)
    administration, caller = Administration(store, SECRETS), operator("org_a", name="tests")
    await administration.change(caller, note, *(str(number) for number in range(95)))
    pages = audit_steps.read_export(administration, caller, audit_steps.AuditFilter(), last=93)
    sizes = [len(page) async for page in pages]
    assert sizes == [10] * 9 + [3]
