"""Logging in by password: who is let in, what a refusal tells, how often one may try, and what the audit log keeps."""

from __future__ import annotations

import asyncio
import logging

import pytest
from sqlalchemy import select
from tests.accounts.people_factories import PASSWORD, Town, error_of
from tests.admin.admin_factories import ONLY_SQLITE

from tollkeeper.control.accounts import set_account_status
from tollkeeper.control.administration import operator
from tollkeeper.control.people import Throttles
from tollkeeper.domain.account import AccountStatus
from tollkeeper.identity.passwords import PasswordHasher
from tollkeeper.store.schema import metadata

KIM = "kim@example.com"
NOBODY = "nobody@example.com"


class CountingHasher(PasswordHasher):
    """Notes what work each login was."""

    def __init__(self) -> None:
        super().__init__()
        self.work: list[str] = []

    async def verify(self, stored: str, text: str) -> bool:
        self.work.append("verify")
        return await super().verify(stored, text)

    async def verify_absent(self, text: str) -> bool:
        self.work.append("verify_absent")
        return await super().verify_absent(text)


async def set_status(town: Town, status: AccountStatus) -> None:
    await town.people.change(operator("", name="root"), set_account_status, email=KIM, status=status)


async def test_a_session_shows_whose_it_is(town: Town) -> None:
    await town.resident(KIM, name="Kim")
    answer = await town.log_in(" KIM@example.com ")
    body = answer.json()
    assert body["token"].startswith("sess-tk-")
    assert (body["account"]["email"], body["account"]["email_verified"]) == (KIM, True)
    assert answer.headers["cache-control"] == "no-store"
    account = (await town.client(body["token"]).get("/v1/account")).json()
    assert account == body["account"]


@ONLY_SQLITE
async def test_an_unknown_address_is_refused_like_a_wrong_password_after_the_same_work(town: Town) -> None:
    await town.resident(KIM)
    hasher = CountingHasher()
    town.people.hasher = hasher
    known, unknown = await town.log_in(KIM, "wrong words here"), await town.log_in(NOBODY, "wrong words here")
    assert error_of(known) == error_of(unknown)
    assert error_of(known)[:2] == (401, "login_failed")
    assert hasher.work == ["verify", "verify_absent"]
    assert (await town.actions())[-2:] == ["login.fail", "login.fail"]


async def test_who_is_not_verified_is_sent_another_link(town: Town) -> None:
    await town.sign_up(KIM)
    assert "not verified" not in error_of(await town.log_in(KIM, "wrong words here"))[2]
    assert "not verified" in error_of(await town.log_in(KIM))[2]
    assert [each.kind for each in await town.mails()] == ["verify_email"] * 2
    await town.post("/v1/auth/verify-email", {"token": (await town.mails())[0].token})
    await town.session(KIM)


async def test_a_disabled_account_ends_at_once_and_comes_back_when_enabled(town: Town) -> None:
    session = await town.resident(KIM)
    await set_status(town, AccountStatus.DISABLED)
    assert (await town.client(session).get("/v1/account")).status_code == 401
    assert "disabled" in error_of(await town.log_in(KIM))[2]
    assert "disabled" not in error_of(await town.log_in(KIM, "wrong words here"))[2]
    await set_status(town, AccountStatus.ACTIVE)
    assert (await town.client(session).get("/v1/account")).status_code == 401
    await town.session(KIM)


@ONLY_SQLITE
async def test_guessing_at_one_address_is_slowed_down_however_many_try_at_once(town: Town) -> None:
    await town.resident(KIM)
    answers = await asyncio.gather(*[town.log_in(KIM, f"wrong words {number}") for number in range(25)])
    assert sum(answer.status_code == 401 for answer in answers) == 10
    (refused, *_) = [answer for answer in answers if answer.status_code == 429]
    assert 0 < refused.json()["error"]["retry_after_seconds"] <= 60
    assert (await town.log_in(KIM)).status_code == 429  # the right one too
    assert (await town.log_in(NOBODY, "wrong words here")).status_code == 401
    assert (await town.actions()).count("login.fail") == 11


@ONLY_SQLITE
async def test_good_logins_do_not_count(town: Town) -> None:
    await town.resident(KIM)
    for _ in range(15):
        await town.session(KIM)


@ONLY_SQLITE
async def test_guessing_from_one_place_is_slowed_down_over_all_addresses(town: Town) -> None:
    town.people.throttles = throttles = Throttles()
    for number in range(50):
        throttles.take_login(f"user{number}@example.com", "127.0.0.1")
    assert (await town.log_in(KIM)).status_code == 429


@ONLY_SQLITE
async def test_the_audit_log_takes_in_so_many_failures_and_no_more(
    town: Town, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(120):
        town.people.throttles.take_note()
    with caplog.at_level(logging.WARNING):
        assert (await town.log_in(NOBODY)).status_code == 401
    assert "not in the audit log" in caplog.text
    assert "login.fail" not in await town.actions()


async def test_what_was_typed_wrongly_is_kept_nowhere(town: Town, caplog: pytest.LogCaptureFixture) -> None:
    """People type their password where their address goes."""
    with caplog.at_level(logging.INFO):
        await town.log_in("hunter2secret@example.com", "hunter2 secret words")
    (event,) = await town.events()
    assert (event.action, event.target_id, event.target_name) == ("login.fail", "", "")
    assert "hunter2" not in repr(event) + caplog.text


async def test_a_password_set_meanwhile_leaves_no_session_of_the_old_one(town: Town) -> None:
    await town.resident(KIM)
    await town.post("/v1/auth/forgot-password", {"email": KIM})
    token, other = await town.last_token("reset_password"), "four loud mountains"

    class SlowHasher(PasswordHasher):
        async def verify(self, stored: str, text: str) -> bool:
            is_right = await super().verify(stored, text)
            reset = await town.post("/v1/auth/reset-password", {"token": token, "password": other})
            assert reset.status_code == 200
            return is_right

    town.people.hasher = SlowHasher()
    assert error_of(await town.log_in(KIM))[:2] == (401, "login_failed")
    town.people.hasher = PasswordHasher()
    await town.session(KIM, other)


async def test_no_secret_is_in_the_database(town: Town, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        session = await town.resident(KIM)
        token = (await town.mails())[0].token
    dump = "".join([repr(row) for row in await town.store.read(_everything)])
    assert KIM in dump
    for secret in (session, token, PASSWORD):
        assert secret not in dump
        assert secret not in caplog.text


async def _everything(connection) -> list[object]:
    return [row for table in metadata.sorted_tables for row in await connection.execute(select(table))]
