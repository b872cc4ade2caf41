"""People are told before a key ends: the right ones, once for each number of days ahead, and not about keys nobody uses."""

from __future__ import annotations

import asyncio

import msgspec
import pytest
from sqlalchemy import select, update
from tests.keys.workshop import CHAT, DAY_US, Workshop, in_days

from tollkeeper.control import members, projects
from tollkeeper.control.api_keys import NewApiKey
from tollkeeper.control.expiry_warnings import warn_of_ending_keys
from tollkeeper.jobs.expiry_warnings import expiry_warnings
from tollkeeper.notify.message import Message
from tollkeeper.store.schema_control import outbox
from tollkeeper.store.schema_tenancy import account, api_key

DAYS = (30, 7, 1)
URL = "https://ai.example.com"


async def warn(workshop: Workshop) -> int:
    vault = workshop.company.administration.secrets.vault
    return await warn_of_ending_keys(workshop.store, vault, days=DAYS, public_url=URL)


async def told(workshop: Workshop) -> list[tuple[str, Message]]:
    """Return who was written to and what, oldest first."""
    query = (
        select(outbox).where(outbox.c.kind == "api_key_expires").order_by(outbox.c.created_at_us, outbox.c.recipient)
    )
    rows = (await workshop.store.read(lambda c: c.execute(query))).all()
    vault = workshop.company.administration.secrets.vault
    return [
        (
            row.recipient,
            msgspec.msgpack.decode(
                vault.open(row.sealed_message, bound_to=("outbox", row.id, row.recipient)), type=Message
            ),
        )
        for row in rows
    ]


async def age(workshop: Workshop, made: NewApiKey, *, days: int) -> None:
    """Let so many days pass for a key."""
    row = (api_key.c.organization_id == workshop.company.id, api_key.c.id == made.record.id)
    passed = days * DAY_US
    values = {"created_at_us": api_key.c.created_at_us - passed, "expires_at_us": api_key.c.expires_at_us - passed}
    await workshop.store.write(lambda c: c.execute(update(api_key).where(*row).values(**values)))


async def test_a_members_key_is_its_members_concern_and_in_their_language(workshop: Workshop) -> None:
    korean = update(account).where(account.c.id == workshop.developer.account_id).values(language="ko")
    await workshop.store.write(lambda c: c.execute(korean))
    made = await workshop.own(workshop.developer, name="노트북", expires_at_us=in_days(90))
    await age(workshop, made, days=84)
    assert await warn(workshop) == 1
    ((recipient, message),) = await told(workshop)
    assert recipient == workshop.developer.email
    page = f"{URL}/{workshop.company.id}/keys/{made.record.id}\n"
    for expected in ("노트북", made.record.id, "search", page, "(KST)"):
        assert expected in message.text


async def test_a_services_key_is_the_concern_of_who_administers(workshop: Workshop) -> None:
    second = await workshop.company.hire("second", ("org_admin", workshop.company.id))
    gone = await workshop.company.hire("gone", ("org_admin", workshop.company.id))
    await workshop.company.change(None, members.remove_member, gone.member_id)
    for made in (
        await workshop.service(expires_at_us=in_days(60)),
        await workshop.admin_key(expires_at_us=in_days(60)),
    ):
        await age(workshop, made, days=40)
    assert await warn(workshop) == 2
    assert sorted(recipient for recipient, _ in await told(workshop)) == sorted(
        [workshop.admin.email, second.email] * 2
    )


async def test_each_number_of_days_is_told_once(workshop: Workshop) -> None:
    made = await workshop.service(expires_at_us=in_days(60))
    counts = []
    for days in (0, 29, 2, 10, 13, 4, 1, 1):
        await age(workshop, made, days=days)
        counts.append(sum([await warn(workshop) for _ in range(2)]))
    # left: 60, 31, 29, 19, 6, 2, 1, 0 days
    assert counts == [0, 0, 1, 0, 1, 0, 1, 0]
    assert len(await told(workshop)) == 3


async def test_warnings_that_were_missed_are_not_all_made_up_for(workshop: Workshop) -> None:
    made = await workshop.service(expires_at_us=in_days(60))
    await age(workshop, made, days=55)
    assert await warn(workshop) == 1
    assert len(await told(workshop)) == 1


async def test_a_short_life_is_not_warned_of_on_its_first_day(workshop: Workshop) -> None:
    made = await workshop.service(expires_at_us=in_days(5))
    assert await warn(workshop) == 0
    await age(workshop, made, days=4)
    assert await warn(workshop) == 1


async def test_an_end_by_policy_is_an_end(workshop: Workshop) -> None:
    made = await workshop.service()
    await age(workshop, made, days=85)
    assert await warn(workshop) == 0
    await workshop.set_policy(key_age_max_days=90)
    assert await warn(workshop) == 1


@pytest.mark.parametrize("why", ["replaced", "disabled", "deleted", "archived", "expired"])
async def test_nobody_is_told_of_a_key_that_is_not_in_use(workshop: Workshop, why: str) -> None:
    made = await workshop.service(expires_at_us=in_days(60))
    await age(workshop, made, days=58 if why != "expired" else 61)
    if why == "replaced":
        await workshop.rotate(None, made, grace_seconds=86_400)
    elif why == "disabled":
        await workshop.update(None, made, is_disabled=True)
    elif why == "deleted":
        await workshop.delete(None, made)
    elif why == "archived":
        await workshop.company.change(None, projects.archive_project, workshop.search.id)
    assert await warn(workshop) == 0
    assert await told(workshop) == []


async def test_a_rotated_key_and_a_prolonged_one_begin_anew(workshop: Workshop) -> None:
    rotated, prolonged = [await workshop.service(expires_at_us=in_days(60)) for _ in range(2)]
    for made in (rotated, prolonged):
        await age(workshop, made, days=58)
    assert await warn(workshop) == 2
    new = (await workshop.rotate(None, rotated)).new
    await workshop.update(None, prolonged, expires_at_us=in_days(40))
    assert await warn(workshop) == 0
    await age(workshop, new, days=55)
    await age(workshop, prolonged, days=35)
    assert await warn(workshop) == 2


async def test_two_servers_at_once_tell_everybody_once(workshop: Workshop) -> None:
    for _ in range(5):
        await age(workshop, await workshop.service(permissions=CHAT, expires_at_us=in_days(60)), days=58)
    counts = await asyncio.gather(*(warn(workshop) for _ in range(4)))
    assert sum(counts) == 5
    assert len(await told(workshop)) == 5


async def test_a_key_without_anybody_to_tell_waits_for_somebody(workshop: Workshop) -> None:
    made = await workshop.service(expires_at_us=in_days(60))
    await age(workshop, made, days=58)
    await workshop.company.hire("second", ("org_admin", workshop.company.id))
    disabled = update(account).values(status="disabled")
    await workshop.store.write(lambda c: c.execute(disabled))
    assert await warn(workshop) == 0
    await workshop.store.write(lambda c: c.execute(update(account).values(status="active")))
    assert await warn(workshop) == 1


async def test_the_job_warns(workshop: Workshop) -> None:
    await age(workshop, await workshop.service(expires_at_us=in_days(60)), days=58)
    job = expiry_warnings(workshop.store, workshop.company.administration.secrets.vault, days=DAYS, public_url=URL)
    await job.run()
    assert len(await told(workshop)) == 1
