"""Money on the pages, in a real browser: a threshold that is crossed tells people by e-mail, the playground costs what it says."""

from __future__ import annotations

import re
from itertools import accumulate

from playwright.sync_api import Page, expect
from tests.live.pages_house import ADMIN, PagesHouse, until
from tests.live.watched_browser import needs_chromium
from tests.notify.mail_server import Taken

from tollkeeper.domain.money import format_usd, parse_usd

pytestmark = needs_chromium


def set_budget(page: Page, home: str, amount: str, *, period: str) -> None:
    page.goto(f"{home}/budgets/new")
    page.get_by_label("How much", exact=True).fill(amount)
    page.get_by_label("How often").select_option(period)
    page.get_by_role("button", name="Set the budget").click()
    expect(page.get_by_text(re.compile(r"^The budget is set"))).to_be_visible()  # perhaps below what is used already


def letters(house: PagesHouse) -> list[Taken]:
    """Return the e-mails about the budget of a week."""
    return [each for each in house.mails_to(ADMIN) if "Weekly, $0.0002" in each.body("plain")]


def remove_budget(page: Page) -> None:
    page.once("dialog", lambda dialog: dialog.accept())
    page.get_by_role("button", name="Remove the budget").click()
    expect(page.get_by_text("The budget is removed.")).to_be_visible()


def test_a_threshold_that_was_changed_is_crossed_and_the_page_says_who_was_told(house: PagesHouse) -> None:
    watched = house.admin()
    page = watched.page
    set_budget(page, house.home, "0.0002", period="weekly")
    budget = page.url.partition("?")[0]
    page.locator("#percent").fill("95")
    page.get_by_role("button", name="Add an alert").click()
    expect(page.get_by_text("The alert is set.")).to_be_visible()
    house.call(max_tokens=30)
    page.locator("#percent1").fill("9")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Saved.")).to_be_visible()
    expect(page.locator("#percent1")).to_have_value("9")
    watched.assert_sound()
    house.call(max_tokens=30)

    mail = until(lambda: letters(house), "the e-mail about the budget")[0]
    amounts = [parse_usd(each) for each in re.findall(r"\$([0-9.]+[0-9])", mail.body("plain"))]
    bill = accumulate(each["amount_nano"] for each in house.gateway.simulator.bill())  # every call is of this week
    used = next(each for each in bill if each in amounts)  # as it was when the alert fired
    assert 18_000 <= used <= 200_000
    assert 200_000 in amounts, mail.body("plain")
    assert "acme" in mail.body("plain")

    def told() -> bool:
        page.goto(f"{house.home}/alerts")
        rows = page.get_by_label("What was sent").locator("tbody tr").filter(has_text="US dollars per week")
        return rows.filter(has_text=ADMIN).filter(has_text="sent").count() == 1

    until(told, "what was sent")
    fired = page.get_by_label("What fired").locator("tbody tr").filter(has_text="9% was used")
    expect(fired).to_have_count(1)
    assert fired.locator("data.usd").evaluate_all("all => all.map((each) => each.value)") == [str(used), "200000"]
    watched.assert_sound()
    page.goto(budget)
    expect(page.locator("tbody tr").filter(has_text=ADMIN)).to_contain_text("sent")
    assert len(letters(house)) == 1
    remove_budget(page)


def test_a_call_of_the_playground_costs_what_the_provider_bills(house: PagesHouse) -> None:
    watched = house.admin()
    page = watched.page
    page.goto(f"{house.home}/playground")
    watched.assert_sound()
    page.get_by_role("button", name="Begin").click()
    page.locator("#model").fill("gpt-4o-mini")
    page.locator("#message").fill("How much is this? [[sim:tokens=25]]")
    page.locator("#max_tokens").fill("60")
    estimate = page.locator("#estimate")
    expect(estimate).to_contain_text("At most about $")
    most = re.search(r"\$([0-9.]+)", estimate.inner_text())
    assert most is not None
    bill = house.gateway.simulator.bill
    before = len(bill())
    page.get_by_role("button", name="Send").click()
    expect(page.locator("#state")).to_have_text("The answer is complete.")
    assert page.locator("#answer").inner_text().strip()
    expect(page.locator("#cost")).to_contain_text("$")
    (served,) = bill()[before:]
    assert page.locator("#cost").inner_text() == f"${format_usd(served['amount_nano'])}"
    assert 0 < served["amount_nano"] <= parse_usd(most[1])
    watched.assert_sound()
    page.locator("#link").click()
    expect(page.locator("main tfoot data.usd")).to_have_attribute("value", str(served["amount_nano"]))
    watched.assert_sound()


def test_a_call_of_the_playground_that_is_refused_says_which_limit_and_what_to_do(house: PagesHouse) -> None:
    watched = house.admin()
    page = watched.page
    set_budget(page, house.home, "0.000000001", period="daily")
    budget = page.url
    page.goto(f"{house.home}/playground")
    page.get_by_role("button", name="Begin").click()
    page.locator("#model").fill("no-such-model")
    page.locator("#message").fill("Hello")
    expect(page.locator("#estimate")).to_contain_text("no-such-model")
    watched.forgive("404")
    page.locator("#model").fill("gpt-4o-mini")
    expect(page.locator("#estimate")).to_contain_text("At most about $")
    before = len(house.gateway.simulator.bill())
    page.get_by_role("button", name="Send").click()
    state = page.locator("#state")
    expect(state).to_contain_text("This was refused.")
    expect(state).to_contain_text("quota:manage can raise it")
    expect(page.locator("#cost")).to_have_text("—")
    watched.forgive("429")
    watched.assert_sound()
    assert len(house.gateway.simulator.bill()) == before
    page.goto(budget)
    remove_budget(page)
