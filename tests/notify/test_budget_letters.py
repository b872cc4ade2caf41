"""What the e-mails about requests for more budget say: what to paste to decide, and addresses that can be copied."""

from __future__ import annotations

import msgspec
import pytest
from every_mail import ENGLISH, KOREAN, PUBLIC_URL, Page

from tollkeeper.notify.budget_messages import Asked, budget_asked
from tollkeeper.notify.reader import Reader

ASKED = Asked(
    asker="dev@example.com",
    organization="Acme",
    scope_kind="member",
    scope="kim@example.com",
    unit="usd",
    period="monthly",
    model="",
    amount="$400.00",
    before="$300.00",
    reason="see evil.example",
    request_id="breq_4fG7",
)


@pytest.mark.parametrize("reader", [ENGLISH, KOREAN])
def test_a_question_carries_what_decides_it_to_be_pasted(reader: Reader) -> None:
    message = budget_asked(reader, ASKED, path="/")
    for text in (message.text, Page(message.html).text):
        assert "tollkeeper budgets approve breq_4fG7\n" in text
        assert "tollkeeper budgets deny breq_4fG7" in text
        assert f"POST {PUBLIC_URL}/v1/budgets/requests/breq_4fG7/approve" in text
        assert "{id}" not in text


@pytest.mark.parametrize("reader", [ENGLISH, KOREAN])
def test_addresses_of_people_can_be_copied_and_nothing_else_becomes_a_link(reader: Reader) -> None:
    text = budget_asked(reader, ASKED, path="/").text
    assert ": dev@example.com\n" in text
    assert "kim@example.com\n" in text
    assert "evil.\u200bexample" in text
    hostile = msgspec.structs.replace(
        ASKED, asker="a@b.example/evil.example", scope_kind="team", scope="x@evil.example"
    )
    text = budget_asked(reader, hostile, path="/").text
    assert "evil.example/" not in text
    assert "/evil.example" not in text
    assert "x@evil.example" not in text


def test_an_id_that_is_none_is_never_put_into_a_command() -> None:
    with pytest.raises(AssertionError):
        budget_asked(ENGLISH, msgspec.structs.replace(ASKED, request_id="breq_1; rm -rf"), path="/")
