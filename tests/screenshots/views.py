"""What is looked at: every page of the table, of single things too, and those that a form leads to; whose eyes see it."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from playwright.sync_api import Page
from tests.screenshots.house import House

from tollkeeper.web.account_pages import ACCOUNT_PAGES

ADMIN, NEWCOMER, STRANGER = "admin", "newcomer", ""
_TOKEN = f"mail-tk-{'a' * 43}"


class View(NamedTuple):
    """A page with its name, its path and who looks at it. `does` is what they do there first: press a button, fill a form."""

    name: str
    path: str
    who: str = ADMIN
    does: Callable[[Page], None] | None = None
    is_refused: bool = False


def _sends_its_form(**fields: str) -> Callable[[Page], None]:
    def do(page: Page) -> None:
        for name, value in fields.items():
            field = page.locator(f"main form [name={name}]").first
            if field.evaluate("(each) => each.tagName") == "SELECT":
                field.select_option(value)
            else:
                field.fill(value)
        with page.expect_navigation():
            page.locator("main form.card button").last.click()

    return do


def _opens_the_menu(page: Page) -> None:
    page.locator("details.switcher summary").click()


def first_run_views(house: House) -> list[View]:
    """Return what there is to see while nobody has an account."""
    link = house.gateway.tollkeeper("first-run").strip()
    return [View("first-run", link[link.index("/first-run") :], STRANGER)]


def strangers_views() -> list[View]:
    return [View("home", "/", STRANGER), *(View(each, f"/{each}?token={_TOKEN}", STRANGER) for each in ACCOUNT_PAGES)]


def list_views(house: House) -> list[View]:
    """Return the pages of the organization as a whole, and those of a person."""
    home = f"/{house.id}"
    names = (
        "overview", "usage", "calls", "budgets", "budgets/new", "budgets/requests", "alerts", "alerts/targets", "credits", "keys", "keys/new",
        "models", "models/prices", "models/providers", "playground", "reports", "projects", "people", "roles",
        "roles/new", "audit", "settings",
    )  # fmt: skip
    return [
        *(View(each.replace("/", "-"), f"{home}/{each}") for each in names),
        View("calls-refused", f"{home}/calls?shown=refused"),
        View("usage-compared", f"{home}/usage?by=project&compare=1"),
        View("account", "/account"),
        View("welcome", "/welcome", NEWCOMER),
    ]


def single_views(house: House) -> list[View]:
    """Return the pages of single things, by their ids in this house."""
    home, ids = f"/{house.id}", house.ids
    return [
        View("key", f"{home}/keys/{ids['key']}"),
        View("key-disabled", f"{home}/keys/{ids['disabled-key']}"),
        View("budget", f"{home}/budgets/{ids['budget']}"),
        View("budget-stopped", f"{home}/budgets/{ids['stopped-budget']}"),
        View("budget-request", f"{home}/budgets/requests/{ids['request']}"),
        View("call", f"{home}/calls/{ids['call']}"),
        View("call-refused", f"{home}/calls/{ids['refused-call']}"),
        View("call-stopped", f"{home}/calls/{ids['stopped-call']}"),
        View("report", f"{home}/reports/{ids['report']}"),
        View("report-preview", f"{home}/reports/preview?kind=weekly"),
        View("project", f"{home}/projects/{ids['project']}"),
        View("team", f"{home}/projects/teams/{ids['team']}"),
        View("person", f"{home}/people/{ids['member']}"),
        View("role", f"{home}/roles/{ids['role']}"),
        View("role-predefined", f"{home}/roles/developer"),
        View("audit-event", f"{home}/audit/{ids['event']}"),
        View("model", f"{home}/models/card?name=gpt-5.4"),
    ]


def empty_views(house: House) -> list[View]:
    """Return the pages of an organization in which nothing has happened yet, and of what is not there."""
    names = (
        "overview",
        "usage",
        "calls",
        "budgets",
        "budgets/requests",
        "alerts",
        "alerts/targets",
        "credits",
        "reports",
        "models/prices",
    )
    names += ("models/providers", "projects", "people", "keys", "audit")
    return [
        *(View(f"empty-{each.replace('/', '-')}", f"/{house.empty_id}/{each}") for each in names),
        View("not-found", f"/{house.id}/keys/key_nothing", is_refused=True),
    ]


def done_views(house: House) -> list[View]:
    """Return what forms lead to. To look at them changes the house: they come last."""
    home = f"/{house.id}"
    return [
        View("menu", f"{home}/keys", does=_opens_the_menu),
        View("calls-none", f"{home}/calls?model=nothing"),
        View("form-refused", f"{home}/budgets/new", does=_sends_its_form(amount="many"), is_refused=True),
        View("key-once", f"{home}/keys/new", does=_sends_its_form(name="결제 서버 운영")),
        View("target-once", f"{home}/alerts/targets", does=_adds_a_target),
        View("playground-ready", f"{home}/playground", does=_sends_its_form()),
        View("audit-whole", f"{home}/audit", does=_checks_the_log),
    ]


def _adds_a_target(page: Page) -> None:
    name = f"감사 기록 {page.locator('tbody tr').count()}"
    _sends_its_form(name=name, kind="webhook", url="https://hooks.haebit.example/in")(page)


def _checks_the_log(page: Page) -> None:
    with page.expect_navigation():
        page.locator("main form button").last.click()
