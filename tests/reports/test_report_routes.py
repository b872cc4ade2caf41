"""/v1/reports as callers meet it: who may, what is refused, what is kept, what the audit log says."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from sqlalchemy import func, select
from tests.admin.admin_factories import client_of
from tests.security.matrix import secured_app
from tests.security.realms import Realm, never_there, open_realm

from tollkeeper.control.reports import LETTERS_PER_HOUR_MAX
from tollkeeper.store.engine import Store
from tollkeeper.store.schema_control import outbox
from tollkeeper.store.schema_reports import report_letter


@dataclass
class Asking:
    realm: Realm
    client: httpx.AsyncClient
    store: Store

    async def ask(
        self, method: str, path: str, body: Any = None, *, who: str = "org_admin", **headers: str
    ) -> httpx.Response:
        sent = {**self.realm.credentials[who], **headers}
        return await self.client.request(method, f"/v1/reports{path}", json=body, headers=sent)

    async def mails(self) -> int:
        query = select(func.count()).select_from(outbox).where(outbox.c.kind == "report")
        return int(await self.store.read(lambda c: c.scalar(query)) or 0)


@pytest.fixture
async def asking(store: Store) -> AsyncIterator[Asking]:
    realm = await open_realm(store, "Aardvark")
    async with secured_app(store) as app, client_of(app) as client:
        yield Asking(realm, client, store)


async def test_a_preview_is_the_last_week_and_sends_nothing(asking: Asking) -> None:
    before = await asking.mails()
    answer = await asking.ask("POST", "/preview", {"kind": "monthly"})
    assert answer.status_code == 200, answer.text
    found = answer.json()
    assert (found["id"], found["status"], found["kind"]) == (None, "preview", "monthly")
    assert found["content"]["total"]["requests"] == found["total_requests"]
    assert await asking.mails() == before
    assert (await asking.ask("GET", "?kind=monthly")).json()["data"] == []


async def test_a_report_is_sent_listed_and_read(asking: Asking) -> None:
    sent = (await asking.ask("POST", "/send", {"kind": "monthly"})).json()
    assert (sent["status"], sent["scheduled_at"]) == ("pending", None)
    assert "aardvark.admin@example.com" in {each["recipient"].lower() for each in sent["letters"]}
    listed = (await asking.ask("GET", "?kind=monthly")).json()["data"]
    assert [each["id"] for each in listed] == [sent["id"]]
    read = (await asking.ask("GET", f"/{sent['id']}")).json()
    assert (read["first_day"], read["letters"]) == (sent["first_day"], sent["letters"])
    assert read["content"]["hours"] in {672, 696, 720, 744}
    again = (await asking.ask("POST", "/send", {"kind": "monthly", "period": sent["last_day"]})).json()
    assert (again["id"], again["made_at"]) == (sent["id"], sent["made_at"])
    previewed = (await asking.ask("POST", "/preview", {"kind": "monthly", "period": sent["first_day"]})).json()
    assert (previewed["id"], previewed["content"]) == (sent["id"], read["content"])


async def test_lists_go_on_in_pages(asking: Asking) -> None:
    for day in ("2026-01-05", "2026-01-12", "2026-01-19"):
        assert (await asking.ask("POST", "/send", {"kind": "weekly", "period": day})).status_code == 200
    first = (await asking.ask("GET", "?limit=2")).json()
    assert first["has_more"]
    rest = (await asking.ask("GET", f"?limit=100&after={first['last_id']}")).json()
    ids = [each["id"] for each in (*first["data"], *rest["data"])]
    assert len(ids) == len(set(ids)) == 4
    assert not rest["has_more"]


async def test_the_same_request_again_sends_once(asking: Asking) -> None:
    before = await asking.mails()
    answers = [await asking.ask("POST", "/send", {"kind": "monthly"}, **{"idempotency-key": "once"}) for _ in range(3)]
    assert len({each.text for each in answers}) == 1
    assert await asking.mails() - before == len(answers[0].json()["letters"])
    other = await asking.ask("POST", "/send", {"kind": "weekly"}, **{"idempotency-key": "once"})
    assert (other.status_code, other.json()["error"]["code"]) == (409, "idempotency_mismatch")


@pytest.mark.parametrize("who", ["viewer", "developer", "lead", "service", "own"])
async def test_who_may_not_is_refused(asking: Asking, who: str) -> None:
    report_id = asking.realm.ids["report_id"]
    for method, path, body in (
        ("GET", "", None),
        ("GET", f"/{report_id}", None),
        ("GET", "/settings", None),
        ("PUT", "/settings", {"weekly": False}),
        ("POST", "/preview", {"kind": "weekly"}),
        ("POST", "/send", {"kind": "weekly"}),
    ):
        answer = await asking.ask(method, path, body, who=who)
        assert answer.status_code == 403, (method, path, answer.text)


async def test_a_foreign_report_and_a_foreign_member_are_not_there(asking: Asking) -> None:
    theirs = await open_realm(asking.store, "Badger")
    for id_ in (theirs.ids["report_id"], never_there(asking.realm.ids["report_id"])):
        answer = await asking.ask("GET", f"/{id_}")
        assert (answer.status_code, answer.json()["error"]["message"]) == (404, f"There is no report '{id_}'.")
    stranger = theirs.ids["member_id"]
    for method, path, body in (
        ("POST", "/send", {"kind": "weekly", "to": [stranger]}),
        ("PUT", "/settings", {"recipients": [stranger]}),
    ):
        answer = await asking.ask(method, path, body)
        assert (answer.status_code, answer.json()["error"]["message"]) == (404, f"There is no member '{stranger}'.")


async def test_a_member_who_may_not_read_reports_cannot_be_sent_any(asking: Asking) -> None:
    developer = asking.realm.ids["member_id"]
    for method, path, body in (
        ("POST", "/send", {"kind": "weekly", "to": [developer]}),
        ("PUT", "/settings", {"recipients": [developer]}),
    ):
        answer = await asking.ask(method, path, body)
        assert answer.status_code == 400, answer.text
        assert "analytics:full" in answer.json()["error"]["message"]


async def test_settings_change_what_is_named_and_say_what_holds(asking: Asking) -> None:
    found = (await asking.ask("GET", "/settings")).json()
    assert (found["weekly"], found["monthly"], found["weekday"], found["hour"]) == (True, True, "monday", 9)
    assert found["recipients"] is None
    assert len(found["receivers"]) == 2  # both who administer
    changed = (await asking.ask("PUT", "/settings", {"weekday": "friday", "hour": 17})).json()
    assert (changed["weekday"], changed["hour"], changed["weekly"]) == ("friday", 17, True)
    one = found["receivers"][0]
    named = (await asking.ask("PUT", "/settings", {"monthly": False, "recipients": [one["member_id"]]})).json()
    assert (named["monthly"], named["next_monthly_at"], named["receivers"]) == (False, None, [one])
    assert named["weekday"] == "friday"
    everybody = (await asking.ask("PUT", "/settings", {"recipients": None})).json()
    assert everybody["receivers"] == found["receivers"]
    events = await asking.realm.company.events("report_settings.update")
    assert len(events) == 3
    assert '"friday"' in events[0].after
    assert '"monday"' in events[0].before


@pytest.mark.parametrize(
    "body",
    [
        {"hour": 24},
        {"hour": -1},
        {"hour": "9"},
        {"hour": True},
        {"weekday": "someday"},
        {"weekly": "yes please"},
        {"recipients": [""]},
        {"recipients": ["x" * 65]},
        {"recipients": ["a"] * 101},
        {"unknown": 1},
    ],
)
async def test_settings_that_cannot_be_are_refused(asking: Asking, body: dict[str, Any]) -> None:
    answer = await asking.ask("PUT", "/settings", body)
    assert answer.status_code == 400, answer.text


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"kind": "daily"},
        {"kind": "weekly", "period": "2026-13-40"},
        {"kind": "weekly", "period": "2026-W47"},
        {"kind": "weekly", "period": "2999-01-01"},
        {"kind": "weekly", "period": "1969-12-31"},
        {"kind": "weekly", "to": []},
    ],
)
async def test_requests_that_make_no_sense_are_refused(asking: Asking, body: dict[str, Any]) -> None:
    answer = await asking.ask("POST", "/send", body)
    assert answer.status_code == 400, answer.text


async def test_sending_is_in_the_audit_log_and_bounded(asking: Asking) -> None:
    sent = (await asking.ask("POST", "/send", {"kind": "monthly"})).json()
    event = (await asking.realm.company.events("report.send"))[-1]
    assert (event.target_id, event.actor_kind) == (sent["id"], "account")
    await sent_before(asking, sent["id"], count=LETTERS_PER_HOUR_MAX, at_us=event.at_us)
    answer = await asking.ask("POST", "/send", {"kind": "monthly"})
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "3600")


async def test_no_more_letters_go_out_when_many_send_at_once(asking: Asking) -> None:
    sent = (await asking.ask("POST", "/send", {"kind": "monthly"})).json()
    event = (await asking.realm.company.events("report.send"))[-1]
    letters, of_one = await letters_of(asking), len(sent["letters"])
    await sent_before(asking, sent["id"], count=LETTERS_PER_HOUR_MAX - letters - 3 * of_one, at_us=event.at_us)
    answers = await asyncio.gather(*(asking.ask("POST", "/send", {"kind": "monthly"}) for _ in range(8)))
    assert sorted(answer.status_code for answer in answers) == [200] * 3 + [429] * 5
    assert await letters_of(asking) == LETTERS_PER_HOUR_MAX


async def letters_of(asking: Asking) -> int:
    mine = select(func.count()).where(report_letter.c.organization_id == asking.realm.id)
    return int(await asking.store.read(lambda c: c.scalar(mine)) or 0)


async def sent_before(asking: Asking, report_id: str, *, count: int, at_us: int) -> None:
    """Write down letters of a report that went out."""
    rows = [
        {
            "organization_id": asking.realm.id,
            "mail_id": f"mail_{number}",
            "report_id": report_id,
            "member_id": "mem_1",
            "recipient": "x@example.com",
            "status": "delivered",
            "failure": "",
            "created_at_us": at_us,
        }
        for number in range(count)
    ]
    await asking.store.write(lambda c: c.execute(report_letter.insert(), rows))
