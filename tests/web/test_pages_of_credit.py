"""The page of credit: its figures are the balance's, grants are made and taken back, and not by who may not."""

from __future__ import annotations

import re

import pytest
from tests.keys.workshop import Workshop, open_workshop
from tests.tenancy.company import found_company
from tests.web.test_page_forms import HOSTILE
from tests.web.visitors import amounts, browser_of, faces_of
from tests.web.web_factories import Markup

from tollkeeper.control.account_rules import AccountRules
from tollkeeper.control.credits import GrantTerms, get_balance, get_grant, grant_credit, list_credit
from tollkeeper.domain.credit import CreditGrant, GrantKind, GrantStatus
from tollkeeper.store.engine import Store

USD = 10**9


@pytest.fixture
async def workshop(store: Store) -> Workshop:
    return await open_workshop(store)


async def grants_of(workshop: Workshop) -> list[CreditGrant]:
    found = await workshop.company.look(None, list_credit, workshop.company.id)
    grants: list[CreditGrant] = found.grants
    return grants


async def give(workshop: Workshop, usd: int, **more: object) -> CreditGrant:
    terms = GrantTerms(amount_nanos=usd * USD, kind=GrantKind.PURCHASED, **more)  # type: ignore[arg-type]
    made: CreditGrant = await workshop.company.change(None, grant_credit, workshop.company.id, terms=terms)
    return made


async def test_credit_is_granted_once_by_a_form_sent_twice_and_shown_to_the_nano(workshop: Workshop) -> None:
    browser = await browser_of(faces_of(workshop.store), workshop.company, workshop.admin)
    path = f"/{workshop.company.id}/credits"
    page = (await browser.open(path)).text
    assert "No credit yet" in page
    once = re.findall(r'name="once" value="(\w+)"', page)
    fields = {"do": "grant", "once": once[0], "amount": "1,250.123456789", "kind": "promotional", "priority": "0"}
    fields |= {"expires_on": "2099-12-31", "note": "PO 4711"}
    first, again = await browser.send(path, fields, seen=page), await browser.send(path, fields, seen=page)
    assert (first.status_code, again.status_code) == (303, 303)
    (grant,) = await grants_of(workshop)
    assert (grant.amount_nanos, grant.kind, grant.priority) == (1_250_123_456_789, GrantKind.PROMOTIONAL, 0)
    assert grant.expires_at_us == 4_102_412_400_000_000  # 2100-01-01 00:00 in Seoul, where the organization is
    page = (await browser.open(f"{path}?done=granted")).text
    assert amounts(page).count(1_250_123_456_789) == 5  # left, granted, expiring next; the grant's own two
    assert "PO 4711" in page
    assert "2099-12-31" in page or "2100-01-01" in page


async def test_what_is_left_of_a_grant_is_taken_back_and_calls_may_go_without_credit(workshop: Workshop) -> None:
    grant = await give(workshop, 5)
    browser = await browser_of(faces_of(workshop.store), workshop.company, workshop.admin)
    path = f"/{workshop.company.id}/credits"
    await browser.send(path, {"do": "void", "grant": grant.id, "once": "a1"})
    assert [each.status for each in await grants_of(workshop)] == [GrantStatus.VOIDED]
    refused = await browser.send(path, {"do": "void", "grant": grant.id, "once": "a2"})
    assert refused.status_code == 409
    assert 'role="alert"' in refused.text
    await browser.send(path, {"do": "require-not", "once": "a3"})
    balance = await workshop.company.look(None, get_balance, workshop.company.id)
    assert not balance.is_prepaid


@pytest.mark.parametrize(
    "wrong",
    [
        {"amount": ""}, {"amount": "-1"}, {"amount": "0"}, {"amount": "1e3"}, {"kind": "stolen"}, {"priority": "101"},
        {"expires_on": "2001-01-01"}, {"expires_on": "soon"}, {"note": "x" * 501},
    ],
)  # fmt: skip
async def test_terms_that_are_none_are_told_on_the_form_with_what_was_written(
    workshop: Workshop, wrong: dict[str, str]
) -> None:
    browser = await browser_of(faces_of(workshop.store), workshop.company, workshop.admin)
    fields = {"do": "grant", "amount": "77", "kind": "trial", "note": "kept"} | wrong
    answer = await browser.send(f"/{workshop.company.id}/credits", fields)
    assert answer.status_code == 400
    assert 'role="alert"' in answer.text
    assert f'value="{fields["note"]}"' in answer.text
    assert await grants_of(workshop) == []


async def test_where_the_operator_grants_credit_nobody_else_does(workshop: Workshop) -> None:
    rules = AccountRules(is_credit_operators=True)
    browser = await browser_of(faces_of(workshop.store, rules=rules), workshop.company, workshop.admin)
    path = f"/{workshop.company.id}/credits"
    page = (await browser.open(path)).text
    assert 'name="amount"' not in page
    assert "tollkeeper credits grant" in page
    assert (await browser.send(path, {"do": "grant", "amount": "5", "kind": "trial"})).status_code == 403
    assert (await browser.send(path, {"do": "require"})).status_code == 403
    assert await grants_of(workshop) == []


async def test_only_who_reads_the_organizations_billing_sees_it_and_is_offered_it(workshop: Workshop) -> None:
    await give(workshop, 5)
    faces, path = faces_of(workshop.store), f"/{workshop.company.id}/credits"
    for person in (workshop.lead, workshop.developer, workshop.viewer):
        browser = await browser_of(faces, workshop.company, person)
        assert (await browser.open(path)).status_code == 403
        assert f'href="{path}"' not in (await browser.open(f"/{workshop.company.id}/overview")).text
        assert (await browser.send(path, {"do": "grant", "amount": "5", "kind": "trial"})).status_code == 403
    admin = await browser_of(faces, workshop.company, workshop.admin)
    assert f'href="{path}"' in (await admin.open(f"/{workshop.company.id}/overview")).text
    assert len(await grants_of(workshop)) == 1


async def test_a_grant_of_another_organization_is_not_there(workshop: Workshop) -> None:
    other = await found_company(workshop.store, "Elsewhere")
    terms = GrantTerms(amount_nanos=USD, kind=GrantKind.PURCHASED)
    theirs = await other.change(None, grant_credit, other.id, terms=terms)
    browser = await browser_of(faces_of(workshop.store), workshop.company, workshop.admin)
    answer = await browser.send(f"/{workshop.company.id}/credits", {"do": "void", "grant": theirs.id})
    assert answer.status_code == 404
    assert (await other.look(None, get_grant, other.id, theirs.id)).status is GrantStatus.ACTIVE


@pytest.mark.parametrize("note", HOSTILE)
async def test_a_note_is_text(workshop: Workshop, note: str) -> None:
    await give(workshop, 5, note=note)
    browser = await browser_of(faces_of(workshop.store), workshop.company, workshop.admin)
    markup = Markup((await browser.open(f"/{workshop.company.id}/credits")).text)
    assert not [each for _tag, each in markup.tags if any(word.startswith("on") for word in each)]
    assert not [text for text in markup.texts["script"] if "owned" in text]
