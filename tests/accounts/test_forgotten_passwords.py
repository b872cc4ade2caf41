"""Setting another password: by a link, which proves the mailbox and nothing else, and by who knows the current one."""

from __future__ import annotations

import asyncio

import pytest
from tests.accounts.people_factories import PASSWORD, RULES, VISIT, Town, error_of
from tests.admin.admin_factories import ONLY_SQLITE

from tollkeeper.control.accounts import set_account_status
from tollkeeper.control.administration import operator
from tollkeeper.control.passwords import create_reset_link
from tollkeeper.domain.account import AccountStatus
from tollkeeper.domain.errors import PermissionDenied

KIM = "kim@example.com"
OTHER = "four loud mountains"


async def forget(town: Town, email: str = KIM) -> str:
    assert (await town.post("/v1/auth/forgot-password", {"email": email})).status_code == 200
    return await town.last_token("reset_password")


async def reset(town: Town, token: str, password: str = OTHER) -> int:
    return (await town.post("/v1/auth/reset-password", {"token": token, "password": password})).status_code


async def test_the_answer_is_the_same_for_an_unknown_address_and_comes_before_the_work(town: Town) -> None:
    await town.resident(KIM)
    before = len(await town.events())
    known = await town.client().post("/v1/auth/forgot-password", json={"email": KIM})
    unknown = await town.client().post("/v1/auth/forgot-password", json={"email": "nobody@example.com"})
    assert (known.status_code, known.content) == (unknown.status_code, unknown.content) == (200, unknown.content)
    assert [each.recipient for each in await town.mails("reset_password")] == [KIM]
    assert [event.action for event in (await town.events())[before:]] == ["account.forget_password"]


@ONLY_SQLITE
async def test_the_link_is_written_after_the_answer(town: Town) -> None:
    """How long writing takes would tell who has an account."""
    await town.resident(KIM)
    gate = asyncio.Event()
    change = town.people.change

    async def slow(*args, **kwargs):
        await gate.wait()
        return await change(*args, **kwargs)

    town.people.change = slow  # type: ignore[method-assign]
    async with asyncio.timeout(5):
        assert (await town.post("/v1/auth/forgot-password", {"email": KIM})).status_code == 200
    gate.set()
    assert len(await town.mails("reset_password")) == 1


async def test_a_link_works_once_ends_every_session_and_begins_none(town: Town) -> None:
    sessions = [await town.resident(KIM), await town.session(KIM)]
    token = await forget(town)
    answers = await asyncio.gather(*[reset(town, token) for _ in range(3)])
    assert sorted(answers) == [200, 400, 400]
    for session in sessions:
        assert (await town.client(session).get("/v1/account")).status_code == 401
    assert (await town.log_in(KIM)).status_code == 401
    await town.session(KIM, OTHER)
    assert [each.recipient for each in await town.mails("password_changed")] == [KIM]
    assert "account.reset_password" in await town.actions()


async def test_one_of_several_links_ends_the_others(town: Town) -> None:
    await town.resident(KIM)
    first, second = await forget(town), await forget(town)
    assert first != second
    assert [await reset(town, second), await reset(town, first)] == [200, 400]


async def test_a_weak_password_leaves_the_link_good(town: Town) -> None:
    await town.resident(KIM)
    token = await forget(town)
    assert [await reset(town, token, "short"), await reset(town, token, KIM), await reset(town, token)] == [
        400,
        400,
        200,
    ]


async def test_a_link_does_not_let_a_disabled_account_in(town: Town) -> None:
    await town.resident(KIM)
    token = await forget(town)
    await town.people.change(operator("", name="root"), set_account_status, email=KIM, status=AccountStatus.DISABLED)
    assert await reset(town, token) == 400
    assert (await town.log_in(KIM, OTHER)).status_code == 401
    mails = len(await town.mails())
    assert (await town.post("/v1/auth/forgot-password", {"email": KIM})).status_code == 200
    assert len(await town.mails()) == mails


async def test_a_link_proves_the_address(town: Town) -> None:
    await town.sign_up(KIM, "the intruder's words")
    await reset(town, await forget(town))
    await town.session(KIM, OTHER)


async def test_who_changes_the_password_keeps_this_session_only(town: Town) -> None:
    here, there = await town.resident(KIM), await town.session(KIM)
    client = town.client(here)
    wrong = await client.put("/v1/account/password", json={"current": "wrong words here", "new": OTHER})
    assert error_of(wrong)[:2] == (401, "login_failed")
    weak = await client.put("/v1/account/password", json={"current": PASSWORD, "new": "short"})
    assert weak.json()["error"]["param"] == "password"
    assert (await client.put("/v1/account/password", json={"current": PASSWORD, "new": OTHER})).status_code == 200
    assert (await client.get("/v1/account")).status_code == 200
    assert (await town.client(there).get("/v1/account")).status_code == 401
    assert len(await town.mails("password_changed")) == 1
    await town.session(KIM, OTHER)


@ONLY_SQLITE
async def test_guessing_the_current_password_is_slowed_down(town: Town) -> None:
    client = town.client(await town.resident(KIM))
    body = {"current": "wrong words here", "new": OTHER}
    statuses = [(await client.put("/v1/account/password", json=body)).status_code for _ in range(12)]
    assert statuses == [401] * 10 + [429] * 2


@ONLY_SQLITE
async def test_the_operator_can_hand_a_link_over(town: Town) -> None:
    await town.resident(KIM)
    link = await town.people.change(operator("", name="root"), create_reset_link, RULES, email=KIM)
    assert link.startswith("http://tollkeeper.test/reset-password?token=mail-tk-")
    assert await reset(town, link.partition("token=")[2]) == 200
    assert not any("mail-tk-" in repr(event) for event in await town.events())
    with pytest.raises(PermissionDenied):
        await town.people.change(VISIT.caller(None), create_reset_link, RULES, email=KIM)
