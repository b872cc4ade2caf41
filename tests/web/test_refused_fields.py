"""What is refused is marked where it stands: the field of the form that was sent, described by the message, with the focus."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from tests.admin.admin_factories import ONLY_SQLITE
from tests.keys.workshop import Workshop, open_workshop
from tests.security.realms import new_session
from tests.web.chromium import Tab, needs_chromium, running_browser
from tests.web.web_factories import free_address, town_on

from tollkeeper.control.display_currency import check_currency
from tollkeeper.control.sessions import SESSION_COOKIE
from tollkeeper.domain.currency import DisplayCurrency
from tollkeeper.domain.errors import Conflict, InvalidRequest, LoginFailed
from tollkeeper.store.engine import Store
from tollkeeper.web.refused_fields import refused_field
from tollkeeper.web.visitor import Sent

FOCUS = (
    "(() => { const at = document.activeElement; const says = document.getElementById('fault'); return [at.name || at.id,"
    " at.getAttribute('aria-invalid'), (at.getAttribute('aria-describedby') || '').split(' ').includes('fault'),"
    " at.form?.querySelector('[name=do]')?.value ?? '', says?.innerText ?? '',"
    " document.querySelectorAll('[aria-invalid]').length]; })()"
)


@pytest.mark.parametrize(
    ("refusal", "names"),
    [
        (InvalidRequest("No.", param="email"), ("email",)),
        (InvalidRequest("No.", param="amount_usd"), ("amount",)),
        (InvalidRequest("No.", param="policy", part="required_labels"), ("required_labels",)),
        (LoginFailed("The current password is not right."), ("current",)),
        (Conflict("A team named 'Search' exists already."), ("name",)),
    ],
)
def test_the_field_at_fault_is_found_by_its_name_or_by_what_was_typed(refusal: Any, names: tuple[str, ...]) -> None:
    sent = Sent([("do", "make"), ("once", "x" * 22 + "make3"), ("name", " Search "), ("team", "t")])
    found = refused_field(refusal, sent)
    assert found is not None
    assert (found.names, found.does, found.mark) == (names, "make", "make3")


def test_a_refusal_of_no_field_marks_none() -> None:
    sent = Sent([("do", "make"), ("csrf", "make"), ("name", "")])
    assert refused_field(Conflict("The form 'make' cannot be used; '' neither."), sent) is None
    assert refused_field(None, sent) is None


@pytest.mark.parametrize(
    ("currency", "part"),
    [
        (DisplayCurrency("WON", 1_400_000_000, "2026-11-20", "ECB"), "code"),
        (DisplayCurrency("KRW", 0, "2026-11-20", "ECB"), "rate"),
        (DisplayCurrency("KRW", 1_400_000_000, "yesterday", "ECB"), "rate_date"),
        (DisplayCurrency("KRW", 1_400_000_000, "1900-01-01", "ECB"), "rate_date"),
        (DisplayCurrency("KRW", 1_400_000_000, "2026-11-20", ""), "source"),
    ],
)
def test_a_currency_that_is_refused_says_which_of_its_fields_is_at_fault(currency: DisplayCurrency, part: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        check_currency(currency)
    assert (refused.value.param, refused.value.part) == ("display_currency", part)


@pytest.fixture
async def at_work(store: Store, tmp_path: Path) -> AsyncIterator[tuple[Tab, str, Workshop]]:
    """A tab of an admin who is signed in, where their organization's pages are, and the workshop."""
    workshop = await open_workshop(store)
    listening, address = free_address()
    async with town_on(listening, address, store), running_browser(tmp_path / "chromium") as browser:
        tab = await browser.open_tab()
        token = await new_session(workshop.company, workshop.admin)
        await tab.ask("Network.setCookie", name=SESSION_COOKIE, value=token, url=address, httpOnly=True)
        yield tab, f"{address}/{workshop.company.id}", workshop


async def send(tab: Tab, address: str, does: str, **values: str) -> list[Any]:
    """Open a page, send a form of it as if the browser checked nothing, and say where the focus is then."""
    await tab.go("about:blank")
    await tab.go(address)
    does_it = f"each.method === 'post' && (each.querySelector('[name=do]')?.value ?? '') === '{does}'"
    form = f"[...document.forms].find(each => {does_it})"
    await tab.wait_until(f"location.href === '{address}' && {form}")
    for name, value in values.items():
        await tab.run(f"{form}.querySelector('[name={name}]').value = {value!r}")
    await tab.run(f"window.confirm = () => true, {form}.noValidate = true, {form}.requestSubmit()")
    await tab.wait_until("document.getElementById('fault')")
    found: list[Any] = await tab.run(FOCUS)
    return found


@needs_chromium
@ONLY_SQLITE
async def test_the_focus_goes_to_the_field_that_was_refused_in_the_form_that_was_sent(
    at_work: tuple[Tab, str, Workshop],
) -> None:
    tab, home, _workshop = at_work
    for page, does, values, field in (
        ("people", "invite", {"email": "nobody"}, "email"),
        ("projects", "make-team", {"name": "n" * 101}, "name"),
        ("projects", "make-project", {"name": "n" * 101}, "name"),
        ("keys/new", "", {"name": "app", "allowed_ips": "somewhere"}, "allowed_ips"),  # within details
        ("settings", "currency", {"code": "KRW", "rate": "1400", "rate_date": "", "source": "ECB"}, "rate_date"),
        ("settings", "policy", {"required_labels": "a b"}, "required_labels"),
    ):
        name, is_invalid, is_described, form, said, marked = await send(tab, f"{home}/{page}", does, **values)
        assert (name, is_invalid, is_described, form, marked) == (field, "true", True, does, 1), (page, does)
        assert said.startswith("This was refused.")
    await tab.go(f"{home}/usage?from=2026-11-20&to=2026-11-10")
    await tab.wait_until("location.search && document.getElementById('fault')")
    assert (await tab.run(FOCUS))[:2] == ["from", "true"]
    assert tab.complaints == []


@needs_chromium
@ONLY_SQLITE
async def test_the_name_of_a_label_is_asked_for_as_soon_as_labels_are_chosen(
    at_work: tuple[Tab, str, Workshop],
) -> None:
    tab, home, _workshop = at_work
    await tab.go(f"{home}/usage")
    await tab.wait_until("document.getElementById('label')")
    assert not await tab.run("document.getElementById('label').checkVisibility()")
    choose = "(by => { by.value = '%s'; by.dispatchEvent(new Event('change')); })(document.getElementById('by'))"
    await tab.run(choose % "label")
    assert await tab.run("document.getElementById('label').checkVisibility()")
    await tab.run(choose % "team")
    assert await tab.run("document.getElementById('label').disabled")


@needs_chromium
@ONLY_SQLITE
async def test_what_is_about_no_field_takes_the_focus_to_the_message(at_work: tuple[Tab, str, Workshop]) -> None:
    tab, home, workshop = at_work
    name, _, _, _, said, marked = await send(tab, f"{home}/projects/teams/{workshop.team.id}", "delete")
    assert (name, marked) == ("fault", 0)
    assert "still has projects" in said
