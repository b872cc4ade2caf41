"""What people see and change of themselves, and where they are logged in."""

from __future__ import annotations

import asyncio

import pytest
from tests.accounts.people_factories import PASSWORD, VISIT, Town
from tests.admin.admin_factories import ONLY_SQLITE

from tollkeeper.admin.callers import SESSION_COOKIE
from tollkeeper.control.people import new_session_token
from tollkeeper.control.sessions import SESSIONS_MAX, begin_session
from tollkeeper.store import accounts, sessions

KIM = "kim@example.com"


async def test_name_and_language_change_apart(town: Town) -> None:
    client = town.client(await town.resident(KIM))
    assert (await client.put("/v1/account", json={"language": "ko"})).json()["language"] == "ko"
    changed = (await client.put("/v1/account", json={"name": "  김하나 "})).json()
    assert (changed["name"], changed["language"]) == ("김하나", "ko")
    assert (await client.put("/v1/account", json={})).json() == changed
    assert (await client.put("/v1/account", json={"name": "\u202e"})).status_code == 400
    assert (await client.put("/v1/account", json={"email": "x@example.com"})).status_code == 400
    assert (await town.actions()).count("account.update") == 2


async def test_sessions_are_listed_and_ended_one_by_one(town: Town) -> None:
    first, second = await town.resident(KIM), await town.session(KIM)
    here = town.client(second)
    listed = (await here.get("/v1/account/sessions")).json()["data"]
    assert [each["current"] for each in listed] == [True, False]
    assert listed[0]["agent"].startswith("python-httpx")
    ended = await here.delete(f"/v1/account/sessions/{listed[1]['id']}")
    assert ended.json() == {"object": "sessions.ended", "ended": 1}
    assert (await town.client(first).get("/v1/account")).status_code == 401
    assert (await here.delete(f"/v1/account/sessions/{listed[1]['id']}")).status_code == 404
    assert (await here.get("/v1/account")).status_code == 200


async def test_all_other_sessions_end_at_once(town: Town) -> None:
    others = [await town.resident(KIM), await town.session(KIM)]
    here = town.client(await town.session(KIM))
    assert (await here.delete("/v1/account/sessions")).json()["ended"] == 2
    assert [(await town.client(each).get("/v1/account")).status_code for each in others] == [401, 401]
    assert (await here.get("/v1/account")).status_code == 200


async def test_nobody_ends_a_strangers_session(town: Town) -> None:
    kim = await town.resident(KIM)
    (mine,) = (await town.client(kim).get("/v1/account/sessions")).json()["data"]
    stranger = town.client(await town.resident("lee@example.com"))
    assert (await stranger.delete(f"/v1/account/sessions/{mine['id']}")).status_code == 404
    await stranger.delete("/v1/account/sessions")
    assert (await town.client(kim).get("/v1/account")).status_code == 200


async def test_logging_out_ends_this_session(town: Town) -> None:
    here, there = await town.resident(KIM), await town.session(KIM)
    assert (await town.post("/v1/auth/logout", {}, here)).status_code == 200
    assert (await town.post("/v1/auth/logout", {}, here)).status_code == 401
    assert (await town.client(there).get("/v1/account")).status_code == 200
    assert (await town.actions())[-1] == "session.end"


@ONLY_SQLITE
async def test_the_cookie_logs_out_too_and_is_taken_back(town: Town) -> None:
    client = town.client()
    client.cookies.set(SESSION_COOKIE, await town.resident(KIM))
    assert (await client.post("/v1/auth/logout")).status_code == 401  # another site's form could send this
    answer = await client.post("/v1/auth/logout", headers={"sec-fetch-site": "same-origin"})
    assert answer.status_code == 200
    assert f'{SESSION_COOKIE}=""' in answer.headers["set-cookie"]


async def test_a_session_ends_by_itself(town: Town) -> None:
    await town.resident(KIM)
    found = await town.store.read(lambda c: accounts.find_credentials(c, email=KIM))
    assert found is not None
    token = new_session_token()
    await town.people.change(VISIT.caller(found.account), begin_session, found.account, VISIT, token=token, lasts_s=0)
    assert (await town.client(token).get("/v1/account")).status_code == 401


async def test_the_oldest_session_gives_way(town: Town) -> None:
    first = await town.resident(KIM)
    found = await town.store.read(lambda c: accounts.find_credentials(c, email=KIM))
    assert found is not None
    account = found.account
    await asyncio.gather(
        *[
            town.people.change(
                VISIT.caller(account), begin_session, account, VISIT, token=new_session_token(), lasts_s=3600
            )
            for _ in range(8)
        ]
    )
    for _ in range(SESSIONS_MAX - 8):
        await town.people.change(
            VISIT.caller(account), begin_session, account, VISIT, token=new_session_token(), lasts_s=3600
        )
    left = await town.store.read(lambda c: sessions.list_sessions(c, account.id, now_us=0))
    assert len(left) == SESSIONS_MAX
    assert (await town.client(first).get("/v1/account")).status_code == 401


async def test_what_people_do_for_themselves_is_in_no_organizations_log(town: Town) -> None:
    kim = await town.resident(KIM)
    organization_id = await town.found(kim)
    before = await town.actions(organization_id)
    await town.client(kim).put("/v1/account", json={"name": "Kim Hana"})
    await town.post("/v1/auth/logout", {}, kim)
    assert await town.actions(organization_id) == before
    assert (await town.actions())[-2:] == ["account.update", "session.end"]


@ONLY_SQLITE
@pytest.mark.parametrize("secret", [PASSWORD, "sess-tk-", "mail-tk-"])
async def test_nothing_that_is_shown_holds_a_secret(town: Town, secret: str) -> None:
    from tollkeeper.control.invites import NewInvite
    from tollkeeper.control.sessions import LoggedIn
    from tollkeeper.control.sign_up import NewPerson

    kim = await town.resident(KIM)
    found = await town.store.read(lambda c: accounts.find_credentials(c, email=KIM))
    assert found is not None
    shown = repr(
        [
            NewPerson(KIM, PASSWORD, "Kim", "en", "mail-tk-x"),
            LoggedIn(kim, 1, found.account),
            found,
            NewInvite.__repr__,
        ]
    )
    assert secret not in shown
    assert "argon2" not in shown
