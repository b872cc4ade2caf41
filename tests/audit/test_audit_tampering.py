"""Whoever can write the database but does not have the pepper cannot change the audit log unnoticed."""

from __future__ import annotations

from typing import Any

import pytest
from audit_logs import SECRETS, faults_of, head_of, verify, write_log
from sqlalchemy import delete, insert, select, update

from tollkeeper.domain import audit_chain
from tollkeeper.domain.audit import AuditEvent, mac_of, seal_of
from tollkeeper.store.engine import Store
from tollkeeper.store.schema_control import audit_event, audit_head

OTHER_KEY = b"k" * 32
EVENTS = 10
CUT_AT_3 = "number 3 to 10 is missing: the end was cut off"


@pytest.fixture
async def log(store: Store) -> Store:
    await write_log(store, count=EVENTS)
    return store


async def execute(store: Store, *statements: Any) -> None:
    async def work(connection: Any) -> None:
        for statement in statements:
            await connection.execute(statement)

    await store.write(work)


def of(number: int, organization_id: str = "org_a") -> Any:
    return (audit_event.c.organization_id == organization_id) & (audit_event.c.number == number)


async def row_of(store: Store, number: int, organization_id: str = "org_a") -> dict[str, Any]:
    async def work(connection: Any) -> dict[str, Any]:
        row = (await connection.execute(select(audit_event).where(of(number, organization_id)))).one()
        return dict(row._mapping)

    return await store.read(work)


async def head_row(store: Store, organization_id: str = "org_a") -> dict[str, Any]:
    async def work(connection: Any) -> dict[str, Any]:
        query = select(audit_head).where(audit_head.c.organization_id == organization_id)
        return dict((await connection.execute(query)).one()._mapping)

    return await store.read(work)


async def test_a_log_that_nobody_touched_is_whole(log: Store) -> None:
    await write_log(log, "org_b", count=3)
    reports = await verify(log)
    assert [(each.organization_id, each.events, each.faults) for each in reports.values()] == [
        ("", 2, ()),
        ("org_a", EVENTS, ()),
        ("org_b", 3, ()),
    ]


@pytest.mark.parametrize(
    "column", [name for name in AuditEvent.__struct_fields__ if name not in {"organization_id", "number"}]
)
@pytest.mark.parametrize("number", [1, 5, EVENTS])
async def test_an_edit_of_any_column_is_told_by_its_number(log: Store, column: str, number: int) -> None:
    value: Any = {"at_us": 1, "mac": b"\x01" * 32}.get(column, "forged")
    await execute(log, update(audit_event).where(of(number)).values({column: value}))
    assert await faults_of(log) == [f"number {number} was changed"]


async def test_several_edits_are_told_one_by_one(log: Store) -> None:
    for number in (2, 3, 7):
        await execute(log, update(audit_event).where(of(number)).values(actor_id="mallory"))
    assert await faults_of(log) == ["number 2 to 3 was changed", "number 7 was changed"]


async def test_a_deletion_in_the_middle_is_told(log: Store) -> None:
    await execute(log, delete(audit_event).where(of(4)), delete(audit_event).where(of(5)))
    assert await faults_of(log) == ["number 4 to 5 is missing, so the one behind cannot be checked"]


async def test_a_deletion_that_closes_the_gap_is_told(log: Store) -> None:
    await execute(log, delete(audit_event).where(of(4)))
    for number in range(5, EVENTS + 1):
        await execute(log, update(audit_event).where(of(number)).values(number=number - 1))
    assert await faults_of(log) == ["number 4 to 9 was changed", "number 10 is missing: the end was cut off"]


async def test_a_deletion_of_the_last_is_told(log: Store) -> None:
    await execute(log, delete(audit_event).where(of(EVENTS)))
    assert await faults_of(log) == ["number 10 is missing: the end was cut off"]


async def test_a_deletion_of_the_last_with_a_moved_end_is_told_now_and_after_further_events(log: Store) -> None:
    last = await row_of(log, 8)
    await execute(
        log,
        delete(audit_event).where(of(9)),
        delete(audit_event).where(of(10)),
        update(audit_head).where(audit_head.c.organization_id == "org_a").values(number=8, mac=last["mac"]),
    )
    assert await faults_of(log) == ["the note of where the log ends was changed"]
    await write_log(log, count=3)
    assert await faults_of(log) == ["the note of where the log ended had been changed when number 9 was written"]


async def test_a_deletion_of_all_is_told(log: Store) -> None:
    await execute(log, delete(audit_event).where(audit_event.c.organization_id == "org_a"))
    assert await faults_of(log) == ["number 1 to 10 is missing: the end was cut off"]


async def test_a_deletion_of_all_with_the_end_is_told_now_and_after_further_events(log: Store) -> None:
    await execute(
        log,
        delete(audit_event).where(audit_event.c.organization_id == "org_a"),
        delete(audit_head).where(audit_head.c.organization_id == "org_a"),
    )
    assert await faults_of(log) == ["the whole log is gone"]
    await write_log(log, count=2)
    assert await faults_of(log) == ["the log was begun again: what was in it before is gone"]


async def test_a_deletion_of_the_installations_log_is_told_by_every_other(log: Store) -> None:
    await execute(
        log,
        delete(audit_event).where(audit_event.c.organization_id == ""),
        delete(audit_head).where(audit_head.c.organization_id == ""),
    )
    assert await faults_of(log) == ["the installation's log does not know of it"]


async def test_a_deletion_of_the_end_alone_is_told_now_and_after_further_events(log: Store) -> None:
    await execute(log, delete(audit_head).where(audit_head.c.organization_id == "org_a"))
    assert await faults_of(log) == ["the note of where the log ends is gone"]
    await write_log(log, count=2)
    assert await faults_of(log) == ["the note of where the log ended had been changed when number 11 was written"]


@pytest.mark.parametrize("number", [-3, 0, EVENTS + 1])
async def test_an_insertion_at_either_end_is_told(log: Store, number: int) -> None:
    forged = {**await row_of(log, EVENTS), "number": number}
    await execute(log, insert(audit_event).values(**forged))
    assert await faults_of(log) == [f"number {number} was inserted"]


@pytest.mark.parametrize("count", [1, 3, 20])
@pytest.mark.parametrize("number", [1, 6, EVENTS])
async def test_an_insertion_in_between_is_told(log: Store, number: int, count: int) -> None:
    for each in range(EVENTS, number - 1, -1):
        await execute(log, update(audit_event).where(of(each)).values(number=each + count))
    template = await row_of(log, number + count)
    for each in range(number, number + count):
        await execute(log, insert(audit_event).values(**{**template, "number": each, "actor_id": "mallory"}))
    inserted = (
        f"number {number} was inserted" if count == 1 else f"number {number} to {number + count - 1} was inserted"
    )
    assert await faults_of(log) == [inserted]


async def test_a_reordering_is_told(log: Store) -> None:
    fourth, seventh = await row_of(log, 4), await row_of(log, 7)
    await execute(log, delete(audit_event).where(of(4)), delete(audit_event).where(of(7)))
    await execute(
        log,
        insert(audit_event).values(**{**fourth, "number": 7}),
        insert(audit_event).values(**{**seventh, "number": 4}),
    )
    # the ones behind followed macs that are elsewhere now
    assert await faults_of(log) == ["number 4 to 5 was changed", "number 7 to 8 was changed"]


async def test_a_swap_between_organizations_is_told_by_both(log: Store) -> None:
    await write_log(log, "org_b", count=EVENTS)
    mine, theirs = await row_of(log, 5), await row_of(log, 5, "org_b")
    await execute(log, delete(audit_event).where(of(5)), delete(audit_event).where(of(5, "org_b")))
    await execute(
        log,
        insert(audit_event).values(**{**mine, "organization_id": "org_b"}),
        insert(audit_event).values(**{**theirs, "organization_id": "org_a"}),
    )
    assert await faults_of(log) == ["number 5 to 6 was changed"]
    assert await faults_of(log, "org_b") == ["number 5 to 6 was changed"]


async def test_a_chain_recomputed_without_the_key_is_told(log: Store) -> None:
    mac = (await row_of(log, 4))["mac"]
    for number in range(5, EVENTS + 1):
        row = {**await row_of(log, number), "actor_id": "mallory"}
        mac = mac_of(AuditEvent(**row), mac, OTHER_KEY)
        await execute(log, update(audit_event).where(of(number)).values(actor_id="mallory", mac=mac))
    seal = seal_of("org_a", EVENTS, mac, OTHER_KEY)
    await execute(log, update(audit_head).where(audit_head.c.organization_id == "org_a").values(mac=mac, seal=seal))
    assert await faults_of(log) == ["number 5 to 10 was changed", "the note of where the log ends was changed"]


async def test_an_old_end_put_back_is_told_by_a_kept_head_alone(store: Store) -> None:
    await write_log(store, count=2)
    old = await head_row(store)
    await write_log(store, count=EVENTS - 2)
    kept = await head_of(store)
    behind = (audit_event.c.organization_id == "org_a") & (audit_event.c.number > 2)
    await execute(
        store,
        delete(audit_event).where(behind),
        update(audit_head).where(audit_head.c.organization_id == "org_a").values(**old),
    )
    assert await faults_of(store) == [], "that the whole is older nothing in it can tell"
    assert await faults_of(store, kept=(kept,)) == [CUT_AT_3]
    await write_log(store, count=20)
    assert await faults_of(store, kept=(kept,)) == ["number 10 is not the one whose head was kept"]


async def test_kept_heads_of_a_whole_log_agree(log: Store) -> None:
    early = await head_of(log)
    await write_log(log, count=5)
    assert await faults_of(log, kept=(early, await head_of(log))) == []


async def test_a_kept_head_of_a_log_that_is_gone_altogether_is_missed(log: Store) -> None:
    kept = await head_of(log)
    await execute(log, delete(audit_event), delete(audit_head))
    assert await verify(log) == {}, "an empty database may have been empty always"
    assert await faults_of(log, kept=(kept,)) == [
        "the whole log is gone",
        "number 1 to 10 is missing: the end was cut off",
    ]


async def test_the_pepper_of_another_installation_verifies_nothing(log: Store) -> None:
    events = [AuditEvent(**await row_of(log, number)) for number in (1, 2)]
    assert mac_of(events[1], events[0].mac, SECRETS.audit_key) == events[1].mac
    assert mac_of(events[1], events[0].mac, OTHER_KEY) != events[1].mac


async def test_more_faults_than_are_kept_are_counted(log: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit_chain, "FAULTS_KEPT", 3)
    is_even = audit_event.c.number % 2 == 0
    await execute(log, update(audit_event).where(is_even).values(actor_id="mallory"))
    report = (await verify(log))["org_a"]
    assert [fault.message for fault in report.faults] == [f"number {number} was changed" for number in (2, 4, 6)]
    assert report.faults_count == 5
