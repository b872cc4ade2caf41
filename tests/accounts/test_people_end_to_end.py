"""From signing up to a second member at work, over HTTP, with a real mail server between."""

from __future__ import annotations

import re

from tests.accounts.people_factories import Town
from tests.notify.mail_server import MailServer, serving

from tollkeeper.control.outbox import Delivery
from tollkeeper.notify.smtp import SmtpSender, SmtpSettings

LINK = re.compile(r"http://tollkeeper\.test/([a-z-]+)\?token=(mail-tk-[0-9A-Za-z]{43})")


async def read_link(town: Town, server: MailServer, recipient: str) -> tuple[str, str]:
    """Deliver what is due and return page and token of the latest e-mail to somebody."""
    settings = SmtpSettings(host="127.0.0.1", port=server.port, security="none", sender="Tollkeeper <t@example.com>")
    delivery = Delivery(town.store, town.people.administration.secrets.vault, SmtpSender(settings))
    await delivery.deliver_due()
    taken = [each for each in server.taken if each.recipients == [recipient]][-1]
    found = LINK.search(taken.body("plain"))
    assert found is not None
    assert found[0] in taken.body("html").replace("&amp;", "&")
    return found[1], found[2]


async def test_two_people_come_to_work_together(town: Town) -> None:
    with serving() as server:
        signed_up = await town.sign_up("Mina@Example.com", name="민아", language="ko")
        assert signed_up.json() == {
            "object": "sign_up",
            "email": "mina@example.com",
            "email_verified": False,
            "next": "verify_email",
        }
        assert (await town.log_in("mina@example.com")).status_code == 401
        page, token = await read_link(town, server, "mina@example.com")
        assert page == "verify-email"
        verified = await town.post("/v1/auth/verify-email", {"token": token})
        assert verified.json()["email_verified"] is True
        mina = await town.session("mina@example.com")
        organization = await town.found(mina, "Acme", timezone="Asia/Seoul", language="ko")

        body = {"email": "jun@example.com", "role": "developer"}
        invite = (await town.post("/v1/invites", body, mina)).json()
        assert (invite["status"], invite["email"], invite["roles"][0]["role_name"]) == (
            "pending",
            "jun@example.com",
            "developer",
        )
        page, token = await read_link(town, server, "jun@example.com")
        assert page == "accept-invitation"
        joined = await town.sign_up("jun@example.com", name="Jun", invitation=token)
        assert joined.json()["next"] == "log_in"
        jun = await town.session("jun@example.com")
        (mine,) = (await town.client(jun).get("/v1/account/organizations")).json()["data"]
        assert (mine["id"], mine["name"]) == (organization, "Acme")
        listed = (await town.client(jun).get("/v1/members")).json()["data"]
        assert sorted(each["email"] for each in listed) == ["jun@example.com", "mina@example.com"]
        refused = await town.post("/v1/invites", {"email": "x@example.com", "role": "developer"}, jun)
        assert refused.status_code == 403

        await town.post("/v1/auth/forgot-password", {"email": "jun@example.com"})
        await town.people.tasks.join(5.0)
        page, token = await read_link(town, server, "jun@example.com")
        assert page == "reset-password"
        other = "four loud mountains"
        assert (await town.post("/v1/auth/reset-password", {"token": token, "password": other})).status_code == 200
        assert (await town.client(jun).get("/v1/account")).status_code == 401
        assert (await town.log_in("jun@example.com")).status_code == 401
        await town.session("jun@example.com", other)
    assert "invite.accept" in await town.actions(organization)
