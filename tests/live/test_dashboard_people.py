"""How people come in, in a real browser: signing up, invitations, forgotten passwords, sessions, several organizations."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from playwright.sync_api import Page, expect
from tests.live.pages_house import PASSWORD, PagesHouse, make_key, until
from tests.live.watched_browser import needs_chromium

from tollkeeper.web.table import ORGANIZATION_PAGES

pytestmark = needs_chromium
OTHER_PASSWORD = "four loud mountains"
FORGED = {"do": "make-team", "name": "forged", "email": "forged@example.com", "role": "org_admin"}
DOWNLOAD = re.compile(r"\.(csv|parquet)(\?|$)")
POST = """async ([path, fields]) => (await fetch(path, { method: "POST", body: new URLSearchParams(fields) })).status"""


def menu_of(page: Page) -> list[str]:
    """Return the addresses of a page's menu."""
    return [str(each.get_attribute("href")) for each in page.locator("nav.main a").all()]


def content_links(page: Page) -> set[str]:
    """Return where the links of a page's content lead, within this installation."""
    links = page.eval_on_selector_all("main a[href]", "all => all.map((each) => each.getAttribute('href'))")
    here = urlsplit(page.url).path
    return {f"{here}{each}" if each.startswith("?") else each for each in links if each.startswith(("/", "?"))}


def test_somebody_signs_up_founds_an_organization_and_sees_what_to_do_next(house: PagesHouse) -> None:
    watched = house.stranger(width=390)
    page = watched.page
    page.goto(f"{house.origin}/sign-up")
    watched.assert_sound()
    page.get_by_label("Name", exact=True).fill("하나 🦊")
    page.get_by_label("E-mail address").fill("hana@example.com")
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Create account").click()
    expect(page.get_by_text("An e-mail is on its way to hana@example.com.")).to_be_visible()
    page.goto(house.link("hana@example.com"))
    page.get_by_role("button", name="Confirm e-mail address").click()
    expect(page.get_by_text("Your e-mail address is confirmed.")).to_be_visible()
    page.get_by_role("link", name="Sign in").click()
    house.sign_in(page, "hana@example.com")
    expect(page.get_by_text("You belong to no organization yet.")).to_be_visible()
    watched.assert_sound()
    foreign = page.goto(f"{house.home}/overview")
    assert foreign is not None
    assert foreign.status == 404
    watched.forgive("404")
    expect(page.get_by_text("an invitation to hana@example.com")).to_be_visible()
    watched.assert_sound()
    page.get_by_role("link", name="Go to the first page").click()
    page.get_by_label("Name of the organization").fill("Haebit Labs")
    page.get_by_role("button", name="Found it").click()
    expect(page.get_by_text("No calls yet")).to_be_visible()
    watched.assert_sound()


def test_an_invited_viewer_opens_every_page_of_the_menu_and_is_offered_nothing_that_is_refused(
    house: PagesHouse,
) -> None:
    admin = house.admin().page
    admin.goto(f"{house.home}/budgets/new")
    admin.get_by_label("How much", exact=True).fill("500")
    admin.get_by_role("button", name="Set the budget").click()
    house.call()
    admin.goto(f"{house.home}/people")
    form = admin.locator("form.card")
    form.get_by_label("E-mail address").fill("viewer@example.com")
    form.get_by_label("Role").select_option("viewer")
    form.get_by_role("button", name="Invite").click()
    expect(admin.get_by_text("The invitation is on its way.")).to_be_visible()

    watched = house.stranger()
    page = watched.page
    page.goto(house.link("viewer@example.com"))
    watched.assert_sound()
    page.get_by_role("link", name="Create an account").click()
    expect(page.get_by_text("You are accepting an invitation")).to_be_visible()
    page.get_by_label("Name", exact=True).fill("Vera")
    page.get_by_label("E-mail address").fill("viewer@example.com")
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Create account").click()
    expect(page.get_by_role("heading", name="Overview", exact=True)).to_be_visible()
    seen, waiting = set[str](), {*menu_of(page), "/account"}
    menu = set(waiting)
    while waiting:
        path = waiting.pop()
        seen.add(path)
        opened = page.goto(f"{house.origin}{path}")
        assert opened is not None
        assert opened.status == 200, path
        if path != "/account":
            assert page.locator("main form[method=post]").count() == 0, path
        if path in menu:
            watched.assert_sound()
        waiting |= {each for each in content_links(page) if not DOWNLOAD.search(each)} - seen
        assert len(seen) < 200
    _assert_forged_forms_are_refused(house, page)
    watched.forgive("status of 40")


def _assert_forged_forms_are_refused(house: PagesHouse, page: Page) -> None:
    """Send every form there is as a page of ours would, with the viewer's own mark of authenticity."""
    page.goto(f"{house.home}/overview")
    csrf = page.locator("input[name=csrf]").first.get_attribute("value") or ""
    forms = [each.path for each in ORGANIZATION_PAGES if each.act and "{" not in each.path.partition("}")[2]]
    assert len(forms) > 10
    for path in forms:
        here = path.replace("{organization}", house.gateway.organization_id)
        for does in ("make-team", "invite", "make", "save", "general", "grant", "add", "start", "check", ""):
            status = page.evaluate(POST, [here, FORGED | {"csrf": csrf, "do": does, "once": ""}])
            assert status in {400, 403, 404}, (path, does)
    assert house.get("/v1/teams")["data"] == []
    assert "forged@example.com" not in str(house.get("/v1/invites"))


def test_a_forgotten_password_is_set_by_a_link_that_works_once(house: PagesHouse) -> None:
    before = house.member("mina@example.com")
    before.page.goto(f"{house.home}/overview")
    watched = house.stranger()
    page, mails = watched.page, len(house.mails_to("mina@example.com"))
    page.goto(f"{house.origin}/sign-in")
    page.get_by_role("link", name="Forgot your password?").click()
    page.get_by_label("E-mail address").fill("mina@example.com")
    watched.assert_sound()
    page.get_by_role("button", name="Send the link").click()
    expect(page.get_by_text("an e-mail is on its way to it")).to_be_visible()
    link = house.link("mina@example.com", after=mails)
    page.goto(link)
    page.get_by_label("Password", exact=True).fill(OTHER_PASSWORD)
    watched.assert_sound()
    page.get_by_role("button", name="Set password").click()
    expect(page.get_by_text("Your new password is set")).to_be_visible()
    page.goto(link)
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Set password").click()
    expect(page.get_by_text("This link does not work any more")).to_be_visible()
    watched.forgive("400")
    page.get_by_role("link", name="Sign in").click()
    house.sign_in(page, "mina@example.com", OTHER_PASSWORD)
    expect(before.page).to_have_url(re.compile("/sign-in$"))  # by itself: it wanted to know of new calls
    house.sign_in(before.page, "mina@example.com", OTHER_PASSWORD)
    expect(before.page).to_have_url(f"{house.home}/overview")


def test_a_session_is_ended_from_another_browser_and_goes_on_where_it_wanted_to_be(house: PagesHouse) -> None:
    house.member("sera@example.com")
    here, there = house.stranger(width=390), house.stranger()
    for each in (here, there):
        house.sign_in(each.page, "sera@example.com")
    page, other = here.page, there.page
    page.goto(f"{house.origin}/account")
    here.assert_sound()
    rows = page.locator("tbody tr")
    count = rows.count()
    ends = rows.get_by_role("button", name="End it")
    assert ends.count() == count - 1
    while ends.count():
        ends.first.click()
        expect(page.get_by_text("Saved.")).to_be_visible()
        count -= 1
        expect(rows).to_have_count(count)
    wanted = f"{house.home}/usage?by=model&compare=1"
    other.goto(wanted)
    expect(other).to_have_url(re.compile("/sign-in$"))
    house.sign_in(other, "sera@example.com")
    expect(other).to_have_url(wanted)
    there.assert_sound()
    page.locator("details.person summary").click()
    page.get_by_role("button", name="Sign out").click()
    expect(page).to_have_url(f"{house.origin}/sign-in")
    page.go_back()
    page.goto(f"{house.origin}/account")
    expect(page).to_have_url(re.compile("/sign-in$"))


def test_a_person_in_two_organizations_sees_one_at_a_time(house: PagesHouse) -> None:
    watched = house.member("two@example.com", role="org_admin")
    page = watched.page
    page.goto(f"{house.home}/overview")
    page.locator("details.switcher summary").click()
    page.get_by_role("link", name="Found an organization").click()
    expect(page.get_by_text("Found another organization")).to_be_visible()
    page.get_by_label("Name of the organization").fill("Elsewhere")
    page.get_by_role("button", name="Found it").click()
    page.wait_for_url("**/overview")
    elsewhere = page.url.removesuffix("/overview")
    key = make_key(page, elsewhere, "key of elsewhere")
    house.call()
    house.call(key=key, model="gpt-4o")
    house.call(key=key, model="gpt-4o")
    bill = house.gateway.simulator.bill()
    theirs = sum(each["amount_nano"] for each in bill if each["model"] == "gpt-4o")
    ours = sum(each["amount_nano"] for each in bill if each["model"] == "gpt-4o-mini")
    page.goto(f"{elsewhere}/overview")
    today = page.locator(".tile").first.locator("data.usd")
    expect(today).to_have_attribute("value", str(theirs))
    page.locator("details.switcher summary").click()
    page.get_by_role("link", name="acme", exact=True).click()
    page.wait_for_url(f"{house.home}/overview")
    expect(today).to_have_attribute("value", str(ours))
    for home, own, foreign in ((elsewhere, "gpt-4o", "gpt-4o-mini"), (house.home, "gpt-4o-mini", "gpt-4o")):
        for path in ("usage", "calls"):
            page.goto(f"{home}/{path}")
            shown = page.locator("main tbody").inner_text()
            assert re.search(rf"{own}(?!-mini)", shown), path
            assert not re.search(rf"{foreign}(?!-mini)", shown), path
        page.goto(f"{home}/keys")
        assert ("key of elsewhere" in page.locator("main").inner_text()) is (home == elsewhere)
    bookmark = f"{house.home}/usage?by=project"
    page.goto(f"{house.home}/overview")
    members = house.get("/v1/members?limit=100")["data"]
    (own_id,) = [each["id"] for each in members if each["email"] == "two@example.com"]
    admin = house.admin().page
    admin.goto(f"{house.home}/people/{own_id}")
    admin.once("dialog", lambda dialog: dialog.accept())
    admin.get_by_role("button", name="Remove from the organization").click()
    expect(admin.get_by_text("The person is removed.")).to_be_visible()
    expect(page.get_by_text("an invitation to two@example.com")).to_be_visible()  # the page looked again by itself
    gone = page.goto(bookmark)
    assert gone is not None
    assert gone.status == 404
    watched.forgive("404")
    expect(page.get_by_text("an invitation to two@example.com")).to_be_visible()
    assert "acme" not in page.locator("body").inner_text()
    watched.assert_sound()
    page.get_by_role("main").get_by_role("link", name="Elsewhere").click()
    expect(page).to_have_url(f"{elsewhere}/overview")
    goodbye = until(lambda: house.mails_to("two@example.com")[1:], "the e-mail that they are no member any more")
    assert "You are no longer a member of acme" in goodbye[0].mail["subject"]
