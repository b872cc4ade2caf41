"""The page of settings: what is saved is what was written, what is refused is told, and only who manages the organization sees it."""

from __future__ import annotations

import re

import pytest
from tests.keys.workshop import Workshop, open_workshop
from tests.tenancy.company import Person
from tests.web.visitors import Browser, browser_of, faces_of

from tollkeeper.control import organizations
from tollkeeper.domain.tenancy import KeyPolicy, Organization
from tollkeeper.store.engine import Store

GENERAL = {
    "do": "general",
    "name": "Acme Korea",
    "timezone": "Europe/Berlin",
    "language": "ko",
    "fiscal_month_start": "15",
    "calendar": "Europe/Berlin 15",
}
"""With what says that the change of budgets' windows was read."""


@pytest.fixture
async def workshop(store: Store) -> Workshop:
    return await open_workshop(store)


async def open_as(workshop: Workshop, person: Person) -> tuple[Browser, str]:
    return await browser_of(faces_of(workshop.store), workshop.company, person), f"/{workshop.company.id}/settings"


async def organization_of(workshop: Workshop) -> Organization:
    found: Organization = await workshop.company.look(None, organizations.get_organization, workshop.company.id)
    return found


async def test_what_is_saved_is_what_was_written(workshop: Workshop) -> None:
    browser, path = await open_as(workshop, workshop.admin)
    assert (await browser.send(path, GENERAL)).headers["location"] == f"{path}?done=saved"
    policy = {"do": "policy", "key_age_max_days": "90", "key_expiry": "1", "required_labels": "feature\nteam, feature"}
    await browser.send(path, policy)
    found = await organization_of(workshop)
    assert (found.name, found.timezone, found.language, found.fiscal_month_start) == (
        "Acme Korea",
        "Europe/Berlin",
        "ko",
        15,
    )
    assert found.policy == KeyPolicy(90, True, ("feature", "team"))
    page = (await browser.open(path)).text
    for written in ('value="Acme Korea"', 'value="Europe/Berlin"', 'value="15"', 'value="90"', "feature\nteam"):
        assert written in page
    await browser.send(path, {"do": "policy"})
    assert (await organization_of(workshop)).policy == KeyPolicy()


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": ""},
        {"timezone": "Mars/Olympus"},
        {"language": "tlh"},
        {"fiscal_month_start": "31"},
        {"fiscal_month_start": ""},
        {"fiscal_month_start": "-1"},
    ],
)
async def test_what_is_no_setting_is_told_beside_what_was_written(workshop: Workshop, wrong: dict[str, str]) -> None:
    browser, path = await open_as(workshop, workshop.admin)
    before = await organization_of(workshop)
    answer = await browser.send(path, GENERAL | {"name": "Written"} | wrong)
    assert answer.status_code == 400
    assert 'role="alert"' in answer.text
    assert wrong.get("name") == "" or 'value="Written"' in answer.text
    assert await organization_of(workshop) == before


@pytest.mark.parametrize("wrong", [{"key_age_max_days": "0"}, {"required_labels": "no spaces"}])
async def test_a_policy_that_is_none_leaves_the_one_there_is(workshop: Workshop, wrong: dict[str, str]) -> None:
    browser, path = await open_as(workshop, workshop.admin)
    answer = await browser.send(path, {"do": "policy"} | wrong)
    assert answer.status_code == 400
    assert next(iter(wrong.values())) in answer.text
    assert (await organization_of(workshop)).policy == KeyPolicy()


@pytest.mark.parametrize("who", ["lead", "developer", "viewer"])
async def test_who_does_not_manage_the_organization_is_offered_no_settings(workshop: Workshop, who: str) -> None:
    browser, path = await open_as(workshop, getattr(workshop, who))
    before = await organization_of(workshop)
    assert (await browser.open(path)).status_code == 403
    assert "/settings" not in (await browser.open(f"/{workshop.company.id}/projects")).text
    seen = (await browser.open("/account")).text
    assert (await browser.send(path, GENERAL, seen=seen)).status_code == 403
    assert await organization_of(workshop) == before


async def test_what_another_calendar_does_to_running_windows_is_said_before_it_is_saved(workshop: Workshop) -> None:
    browser, path = await open_as(workshop, workshop.admin)
    before = await organization_of(workshop)
    wanted = {**GENERAL, "calendar": ""}
    asked = await browser.send(path, wanted)
    assert asked.status_code == 200
    assert await organization_of(workshop) == before, "nothing is saved yet"
    for period in ("per day", "per week", "per month"):
        assert f"Budgets {period}: from " in asked.text
    assert "These times are those of Asia/Seoul." in asked.text
    assert 'value="Acme Korea"' in asked.text
    calendar = re.search(r'name="calendar" value="([^"]+)"', asked.text)
    assert calendar is not None
    other = await browser.send(path, wanted | {"calendar": calendar[1], "timezone": "America/Lima"}, seen=asked.text)
    assert "Budgets per day: from " in other.text, "what was confirmed was another one"
    confirmed = await browser.send(path, wanted | {"calendar": calendar[1]}, seen=asked.text)
    assert confirmed.headers["location"] == f"{path}?done=saved"
    assert (await organization_of(workshop)).timezone == "Europe/Berlin"


async def test_a_calendar_with_the_same_windows_is_saved_at_once(workshop: Workshop) -> None:
    browser, path = await open_as(workshop, workshop.admin)
    wanted = {**GENERAL, "calendar": "", "timezone": "Asia/Tokyo", "fiscal_month_start": "1"}
    assert (await browser.send(path, wanted)).headers["location"] == f"{path}?done=saved"
    assert (await organization_of(workshop)).timezone == "Asia/Tokyo"


async def test_another_first_day_moves_the_months_alone(workshop: Workshop) -> None:
    browser, path = await open_as(workshop, workshop.admin)
    wanted = {**GENERAL, "calendar": "", "timezone": "Asia/Seoul", "fiscal_month_start": "28"}
    asked = (await browser.send(path, wanted)).text
    assert "Budgets per month: from " in asked
    assert "Budgets per day" not in asked


@pytest.mark.parametrize("timezone", ["localtime", "Factory", "right/UTC"])
async def test_a_zone_that_only_a_machine_understands_is_none(workshop: Workshop, timezone: str) -> None:
    browser, path = await open_as(workshop, workshop.admin)
    refused = await browser.send(path, GENERAL | {"timezone": timezone})
    assert refused.status_code == 400
    assert "There is no timezone" in refused.text
