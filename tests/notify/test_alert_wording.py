"""What alerts say of budgets and of credit: what is really used, in words that agree; and what a webhook says of it."""

from __future__ import annotations

import msgspec
import pytest
from every_mail import AT_US, ENGLISH, KOREAN, PUBLIC_URL

from tollkeeper.domain.alert import Alert, AlertKind
from tollkeeper.notify import alert_messages, english
from tollkeeper.notify.message import Message
from tollkeeper.notify.reader import Reader

USD = 10**9
REACHED = Alert(
    organization_id="org_1",
    id="alert_1",
    kind=AlertKind.THRESHOLD,
    action="email",
    fired_at_us=AT_US,
    window_start_us=AT_US - 1,
    window_end_us=None,
    threshold_permille=800,
    limit_amount=5 * USD,
    used=4_870_000_000,
    budget_id="bud_1",
    scope_kind="credit",
    scope_id="org_1",
    scope_name="Acme",
    unit="usd",
    period="total",
)


def told(reader: Reader, **changes: object) -> Message:
    return alert_messages.email(reader, msgspec.structs.replace(REACHED, **changes), organization="Acme")


def data(**changes: object) -> dict[str, object]:
    event = alert_messages.event(msgspec.structs.replace(REACHED, **changes), organization="Acme")
    found: dict[str, object] = msgspec.json.decode(event)["data"]
    return found


def test_credit_is_no_budget() -> None:
    message = told(ENGLISH)
    assert message.subject == "[Tollkeeper] 97.4 % of the credit is used: Acme"
    assert "97.4 % of the credit of Acme is used. This alert is for 80 %." in message.text
    assert "budget" not in message.text
    for kind, action in ((AlertKind.THRESHOLD, "disable"), (AlertKind.PROJECTED, "email")):
        assert "budget" not in told(ENGLISH, kind=kind, action=action, projected=6 * USD).text
    assert "예산" not in told(KOREAN).text


@pytest.mark.parametrize("reader", [ENGLISH, KOREAN])
def test_the_subject_says_what_is_really_used(reader: Reader) -> None:
    subject = told(reader, scope_kind="api_key", scope_name="prod").subject
    assert "97.4 %" in subject
    assert "80 %" not in subject
    assert "api_key" not in subject


def test_one_is_said_as_one() -> None:
    assert [english.counted(count, "requests") for count in (1, 2)] == ["1 request", "2 requests"]


def test_a_webhook_says_null_where_there_is_no_threshold_or_limit() -> None:
    assert (data()["threshold"], data()["limit"]) == (0.8, 5)
    projected = data(kind=AlertKind.PROJECTED, threshold_permille=0, projected=6 * USD)
    assert (projected["threshold"], projected["limit"], projected["projected"]) == (None, 5, 6)
    overrun = data(
        kind=AlertKind.OVERRUN, threshold_permille=0, limit_amount=0, budget_id="", scope_kind="organization"
    )
    assert (overrun["threshold"], overrun["limit"]) == (None, None)


@pytest.mark.parametrize(
    ("changes", "page"),
    [
        ({"scope_kind": "project"}, "/org_1/budgets/bud_1"),
        ({"scope_kind": "api_key", "action": "disable"}, "/org_1/budgets/bud_1"),
        ({}, "/org_1/credits"),
        ({"kind": AlertKind.OVERRUN, "budget_id": "", "scope_kind": "organization"}, "/org_1/calls"),
    ],
)
@pytest.mark.parametrize("reader", [ENGLISH, KOREAN])
def test_an_alert_leads_to_the_page_of_what_it_is_about(reader: Reader, changes: dict[str, object], page: str) -> None:
    message = told(reader, **changes)
    assert f"{PUBLIC_URL}{page}\n" in message.text
    assert f'href="{PUBLIC_URL}{page}"' in message.html
    alert = msgspec.structs.replace(REACHED, **changes)
    assert alert_messages.text(reader, alert, organization="Acme").endswith(f"\n{PUBLIC_URL}{page}")
