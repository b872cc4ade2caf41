"""Who may sign up, what a stranger learns from it, and that nobody can wait in an account for its rightful owner."""

from __future__ import annotations

import asyncio

import msgspec
import pytest
from tests.accounts.people_factories import PASSWORD, RULES, Town, error_of, make_organization, running_town
from tests.admin.admin_factories import ONLY_SQLITE

from tollkeeper.control.account_rules import AccountRules
from tollkeeper.control.administration import operator
from tollkeeper.control.invites import RoleAt, create_invite
from tollkeeper.control.people import Throttles
from tollkeeper.domain.account import TokenPurpose
from tollkeeper.kit.clock import now_us
from tollkeeper.store import one_time_tokens
from tollkeeper.store.engine import Store

RESIDENT = "resident@example.com"
NOBODY = "nobody@example.com"


async def invitation(town: Town, email: str) -> tuple[str, str]:
    """Let the operator invite somebody; returns the organization and the token."""
    organization_id = await make_organization(town.store)
    made = await town.people.change(
        operator(organization_id, name="root"),
        create_invite,
        town.people.rules,
        email=email,
        offered=[RoleAt("developer")],
    )
    return organization_id, made.token


async def test_the_answer_does_not_tell_whether_an_address_has_an_account(town: Town) -> None:
    await town.resident(RESIDENT)
    known, unknown = await town.sign_up(RESIDENT, "quite another text"), await town.sign_up(NOBODY)
    assert known.status_code == unknown.status_code == 200
    assert known.json() == {**unknown.json(), "email": RESIDENT}
    assert [(each.kind, each.recipient) for each in await town.mails()][-2:] == [
        ("reset_password", RESIDENT),
        ("verify_email", NOBODY),
    ]
    await town.session(RESIDENT)  # with the password that it had


async def test_signing_up_again_takes_an_unproved_account_over(town: Town) -> None:
    await town.sign_up(RESIDENT, "the intruder's words", name="Intruder")
    early = await town.last_token("verify_email")
    await town.sign_up(RESIDENT, name="Owner")
    assert (await town.post("/v1/auth/verify-email", {"token": early})).status_code == 400
    await town.post("/v1/auth/verify-email", {"token": await town.last_token("verify_email")})
    assert (await town.log_in(RESIDENT, "the intruder's words")).status_code == 401
    session = await town.session(RESIDENT)
    assert (await town.client(session).get("/v1/account")).json()["name"] == "Owner"


async def test_two_that_sign_up_at_once_get_the_same_answer(town: Town) -> None:
    answers = await asyncio.gather(town.sign_up(NOBODY), town.sign_up(NOBODY), town.sign_up(NOBODY))
    assert [answer.status_code for answer in answers] == [200] * 3
    assert len({answer.text for answer in answers}) == 1


async def test_the_link_of_the_email_works_once(town: Town) -> None:
    await town.sign_up(NOBODY)
    token = await town.last_token("verify_email")
    answers = await asyncio.gather(*[town.post("/v1/auth/verify-email", {"token": token}) for _ in range(4)])
    assert sorted(answer.status_code for answer in answers) == [200, 400, 400, 400]
    assert "used, or is too old" in error_of(await town.post("/v1/auth/verify-email", {"token": token}))[2]


async def test_of_those_that_use_a_token_at_once_one_is_told_the_account(town: Town) -> None:
    await town.sign_up(NOBODY)
    digest, at_us = town.people.digest(await town.last_token("verify_email")), now_us()

    async def use() -> str | None:
        purpose = TokenPurpose.VERIFY_EMAIL
        return await town.store.write(lambda c: one_time_tokens.use_token(c, digest, purpose=purpose, now_us=at_us))

    used = await asyncio.gather(use(), use(), use())
    assert sorted(each is None for each in used) == [False, True, True]


@ONLY_SQLITE
async def test_a_link_is_no_good_after_its_time_or_for_another_purpose(store: Store) -> None:
    async with running_town(store, msgspec.structs.replace(RULES, verification_s=0)) as town:
        await town.sign_up(NOBODY)
        token = await town.last_token("verify_email")
        assert (await town.post("/v1/auth/verify-email", {"token": token})).status_code == 400
    async with running_town(store) as town:
        await town.sign_up(NOBODY)
        token = await town.last_token("verify_email")
        as_reset = await town.post("/v1/auth/reset-password", {"token": token, "password": "quite another text"})
        assert as_reset.status_code == 400


@ONLY_SQLITE
@pytest.mark.parametrize("token", ["x", "mail-tk-" + "0" * 43, "mail-tk-" + "é" * 43, "sess-tk-" + "0" * 43])
async def test_what_is_no_token_is_refused_like_a_used_one(town: Town, token: str) -> None:
    for path, more in (("verify-email", {}), ("reset-password", {"password": PASSWORD})):
        status, code, message = error_of(await town.post(f"/v1/auth/{path}", {"token": token, **more}))
        assert (status, code) == (400, "invalid_request")
        assert token not in message


@ONLY_SQLITE
async def test_closed_lets_nobody_new_in(store: Store) -> None:
    async with running_town(store, msgspec.structs.replace(RULES, sign_up="closed")) as town:
        _, token = await invitation(town, NOBODY)
        for answer in (await town.sign_up(NOBODY), await town.sign_up(NOBODY, invitation=token)):
            assert error_of(answer)[:2] == (403, "permission_denied")
        assert (await town.log_in(NOBODY)).status_code == 401


async def test_invited_lets_in_who_holds_an_invitation_of_the_address(store: Store) -> None:
    async with running_town(store, AccountRules(sign_up="invited")) as town:
        assert error_of(await town.sign_up(NOBODY))[0] == 403
        organization_id, token = await invitation(town, NOBODY)
        assert error_of(await town.sign_up("other@example.com", invitation=token))[0] == 400
        assert error_of(await town.sign_up(NOBODY, invitation="mail-tk-" + "0" * 43))[0] == 400
        made = await town.sign_up(NOBODY, invitation=token)
        assert made.json() == {"object": "sign_up", "email": NOBODY, "email_verified": True, "next": "log_in"}
        session = await town.session(NOBODY)
        mine = (await town.client(session).get("/v1/account/organizations")).json()["data"]
        assert [each["id"] for each in mine] == [organization_id]
        assert await town.actions(organization_id) == ["invite.create", "account.sign_up", "invite.accept"]
        assert error_of(await town.sign_up(NOBODY, invitation=token))[0] == 400  # used


async def test_an_invitation_takes_over_an_account_that_somebody_made_with_the_address_before(town: Town) -> None:
    """Pre-hijacking: https://www.usenix.org/conference/usenixsecurity22/presentation/sudhodanan, 2026-11-22."""
    await town.sign_up(NOBODY, "the intruder's words", name="Intruder")
    early = await town.last_token("verify_email")
    _, token = await invitation(town, NOBODY)
    assert (await town.sign_up(NOBODY, invitation=token)).status_code == 200
    assert (await town.log_in(NOBODY, "the intruder's words")).status_code == 401
    assert (await town.post("/v1/auth/verify-email", {"token": early})).status_code == 400
    await town.session(NOBODY)


@ONLY_SQLITE
async def test_an_invited_resident_is_told_to_log_in(town: Town) -> None:
    await town.resident(RESIDENT)
    _, token = await invitation(town, RESIDENT)
    assert error_of(await town.sign_up(RESIDENT, "quite another text", invitation=token))[0] == 409
    assert (await town.log_in(RESIDENT, "quite another text")).status_code == 401
    session = await town.session(RESIDENT)
    assert (await town.post("/v1/auth/accept-invitation", {"token": token}, session)).status_code == 200


@ONLY_SQLITE
async def test_open_without_a_mail_server_says_what_to_do(store: Store) -> None:
    async with running_town(store, AccountRules(sign_up="open")) as town:
        status, _, message = error_of(await town.sign_up(NOBODY))
        assert (status, "sends no e-mail" in message) == (403, True)
        assert await town.mails() == []
        assert error_of(await town.post("/v1/auth/forgot-password", {"email": NOBODY}))[0] == 403


@ONLY_SQLITE
@pytest.mark.parametrize(
    ("changes", "param"),
    [
        ({"email": "no address"}, "email"),
        ({"email": "a@" + "b" * 300 + ".com"}, "email"),
        ({"password": "short"}, "password"),
        ({"password": "password123"}, "password"),
        ({"password": NOBODY}, "password"),
        ({"name": " "}, "name"),
        ({"name": "x" * 101}, "name"),
        ({"language": "fr"}, "language"),
        ({"unknown": 1}, "unknown"),
    ],
)
async def test_what_cannot_be_an_account_is_refused(town: Town, changes: dict[str, str], param: str) -> None:
    body = {"email": NOBODY, "password": PASSWORD, "name": "Kim", **changes}
    answer = await town.post("/v1/auth/sign-up", body)
    assert answer.status_code == 400
    assert answer.json()["error"]["param"] == param
    assert await town.events() == []


@ONLY_SQLITE
async def test_requests_that_make_us_write_to_an_address_are_few(town: Town) -> None:
    statuses = [(await town.sign_up(NOBODY)).status_code for _ in range(4)]
    assert statuses == [200, 200, 200, 429]
    refused = await town.post("/v1/auth/forgot-password", {"email": NOBODY})
    assert refused.status_code == 429
    assert 0 < refused.json()["error"]["retry_after_seconds"] <= 600
    assert int(refused.headers["retry-after"]) > 0
    assert (await town.sign_up("other@example.com")).status_code == 200
    town.people.throttles = Throttles()
    assert (await town.sign_up(NOBODY)).status_code == 200
