"""Every action leaves its events, in one transaction with what it did, whatever else happens at the same time."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest
from audit_logs import SECRETS, faults_of, note, verify, write_log
from sqlalchemy import delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from tollkeeper.control import teams
from tollkeeper.control.administration import Action, Administration, Repetition, Target, operator
from tollkeeper.domain.api_key import write_key
from tollkeeper.domain.audit import BEGIN, AuditEvent, shown_json
from tollkeeper.domain.errors import Conflict
from tollkeeper.store import audit
from tollkeeper.store.audit import AuditFilter
from tollkeeper.store.engine import Store
from tollkeeper.store.organizations import create_organization
from tollkeeper.store.revision import record_change
from tollkeeper.store.schema_control import audit_event, audit_head

KEY = write_key("a" * 12, "A" * 43)


async def events_of(store: Store, organization_id: str) -> list[AuditEvent]:
    return await store.read(lambda c: audit.list_events(c, organization_id, AuditFilter(), limit=1000))


async def announce(action: Action, name: str) -> None:
    await record_change(action.connection, "organization", organization_id=action.organization_id, entity_id="x")
    action.record("team.create", Target("team", name, name))
    action.record("team.update", Target("team", name, name))


async def test_actions_at_the_same_time_make_one_chain_each(store: Store) -> None:
    administration = Administration(store, SECRETS)
    organizations = [f"org_{number % 3}" for number in range(45)]
    await asyncio.gather(
        *(
            administration.change(operator(each, name="tests"), announce, f"team_{number}")
            for number, each in enumerate(organizations)
        )
    )
    reports = await verify(store)
    assert {each.organization_id: (each.events, each.faults) for each in reports.values()} == {
        "": (3, ()),
        "org_0": (30, ()),
        "org_1": (30, ()),
        "org_2": (30, ()),
    }


async def test_the_first_event_is_noted_in_the_installations_log(store: Store) -> None:
    await write_log(store, "org_a", count=3)
    (begun,) = await events_of(store, "")
    assert (begun.action, begun.target_id, begun.number) == (BEGIN, "org_a", 1)


async def test_an_event_that_cannot_be_written_fails_the_action(store: Store) -> None:
    organization = await store.write(lambda c: create_organization(c, "Acme"))
    await write_log(store, organization.id, count=1)
    blocking = dict.fromkeys(AuditEvent.__struct_fields__, "x") | {"number": 2, "at_us": 1, "mac": b"x"}
    await store.write(
        lambda c: c.execute(insert(audit_event).values(**{**blocking, "organization_id": organization.id}))
    )
    administration = Administration(store, SECRETS)
    caller = operator(organization.id, name="tests")
    with pytest.raises(IntegrityError):
        await administration.change(caller, teams.create_team, name="Search")
    assert await administration.look(caller, teams.list_teams) == []


async def test_a_refused_action_leaves_no_event(store: Store) -> None:
    organization = await store.write(lambda c: create_organization(c, "Acme"))
    administration, caller = Administration(store, SECRETS), operator(organization.id, name="tests")
    await administration.change(caller, teams.create_team, name="Search")
    with pytest.raises(Conflict):
        await administration.change(caller, teams.create_team, name="Search")
    assert [event.action for event in await events_of(store, organization.id)] == ["team.create"]
    assert await faults_of(store, organization.id) == []


async def test_a_repeated_request_leaves_one_event(store: Store) -> None:
    organization = await store.write(lambda c: create_organization(c, "Acme"))
    administration = Administration(store, SECRETS)
    caller = msgspec.structs.replace(operator(organization.id, name="tests"), repetition=Repetition("once", b"same"))
    made = await asyncio.gather(*(administration.change(caller, teams.create_team, name="Search") for _ in range(5)))
    assert len({team.id for team in made}) == 1
    assert len(await events_of(store, organization.id)) == 1


async def test_the_log_goes_on_after_its_end_was_changed_and_keeps_that(store: Store) -> None:
    await write_log(store, count=4)
    mine = audit_head.c.organization_id == "org_a"

    async def cut(connection: Any) -> None:
        row = (await connection.execute(select(audit_event).where(audit_event.c.number == 2))).one()
        await connection.execute(delete(audit_event).where(audit_event.c.number > 2))
        await connection.execute(update(audit_head).where(mine).values(number=2, mac=row.mac))

    await store.write(cut)
    await write_log(store, count=2)
    await write_log(store, count=2)
    assert await faults_of(store) == ["the note of where the log ended had been changed when number 3 was written"]


@pytest.mark.parametrize(
    "name", ["secret", "password", "new_password", "token", "session_token", "key", "api_key", "API_KEY"]
)
def test_a_field_named_like_a_secret_is_our_mistake(name: str) -> None:
    with pytest.raises(AssertionError, match="no secret goes into the audit log"):
        shown_json({"name": "x", name: "value"})


@pytest.mark.parametrize("name", ["api_key_id", "secret_changed", "key_age_max_days", "tokens_per_minute", "hint"])
def test_a_field_that_only_speaks_of_a_secret_passes(name: str) -> None:
    assert msgspec.json.decode(shown_json({name: 1})) == {name: 1}


async def test_a_key_pasted_into_a_name_is_in_no_row(store: Store) -> None:
    session = "sess-tk-" + "B" * 43
    administration, caller = Administration(store, SECRETS), operator("org_a", name="tests")
    await administration.change(caller, note, f"my {KEY}", f"and {session}")
    events = await events_of(store, "org_a")
    assert [event.target_name for event in events] == ["and [redacted]", "my [redacted]"]
    assert KEY.encode() not in msgspec.json.encode(events)
    assert session.encode() not in msgspec.json.encode(events)
    assert msgspec.json.decode(events[1].after) == {"name": "my [redacted]"}
