"""The pages of signed-in people: who gets in, whose organization it is, whose form it is, and what every answer carries."""

from __future__ import annotations

import asyncio
import re
from collections.abc import MutableMapping
from typing import Any

import pytest
from tests.keys.workshop import Workshop, open_workshop
from tests.tenancy.company import Person, found_company
from tests.web.visitors import OURS, Browser, browser_of, content_of, faces_of

from tollkeeper.control.sessions import SESSION_COOKIE
from tollkeeper.domain.account import SESSION_PREFIX
from tollkeeper.parquet.turns import Asker, Turns
from tollkeeper.parquet.writing import ParquetWriter
from tollkeeper.ports.open_answers import ENDS_AT_STOP
from tollkeeper.store.engine import Store
from tollkeeper.web.assets import addresses
from tollkeeper.web.live import PERSONS_LISTENERS_MAX
from tollkeeper.web.table import LOGIN_PAGES, ORGANIZATION_PAGES

PAGES = [each.path for each in ORGANIZATION_PAGES]


@pytest.fixture
async def workshop(store: Store) -> Workshop:
    return await open_workshop(store)


def everybody(workshop: Workshop) -> dict[str, Person]:
    return {name: value for name, value in vars(workshop).items() if isinstance(value, Person)}


def filled(path: str, organization_id: str) -> str:
    known = path.replace("{organization}", organization_id).replace("{call}", f"req_{'0' * 32}")
    return re.sub(r"\{\w+\}", "thing_00000000000000000000", known)


async def test_a_stranger_is_sent_to_sign_in_and_back_to_the_page(workshop: Workshop) -> None:
    stranger = Browser(faces_of(workshop.store))
    answer = await stranger.open(f"/{workshop.company.id}/usage?by=project")
    assert (answer.status_code, answer.headers["location"]) == (
        303,
        f"/sign-in?next=%2F{workshop.company.id}%2Fusage%3Fby%3Dproject",
    )
    assert workshop.company.organization.name not in answer.text


async def test_no_page_tells_anything_of_a_foreign_organization(workshop: Workshop) -> None:
    other = await found_company(workshop.store, "Elsewhere & Co")
    faces = faces_of(workshop.store)
    for person in everybody(workshop).values():
        browser = await browser_of(faces, workshop.company, person)
        for path in PAGES:
            answer = await browser.open(filled(path, other.id))
            assert answer.status_code == 404, path
            assert "Elsewhere" not in answer.text
            sent = await browser.send(filled(path, other.id), {"do": "delete", "name": "x"})
            assert sent.status_code in {400, 404}, path
    assert await other.events("api_key.create") == []


async def test_who_is_elsewhere_reads_what_to_do_and_where_they_do_belong(workshop: Workshop) -> None:
    other = await found_company(workshop.store, "Elsewhere & Co")
    browser = await browser_of(faces_of(workshop.store), workshop.company, workshop.viewer)
    for organization_id in (other.id, "org_00000000000000000000"):
        answer = await browser.open(f"/{organization_id}/usage?by=project")
        assert answer.status_code == 404
        assert f"an invitation to {workshop.viewer.email}." in answer.text
        assert f'href="/{workshop.company.id}/overview"' in content_of(answer.text)
        assert 'href="/account"' in answer.text


async def test_every_page_answers_every_role_without_a_fault_of_ours(workshop: Workshop) -> None:
    faces = faces_of(workshop.store)
    for name, person in everybody(workshop).items():
        browser = await browser_of(faces, workshop.company, person)
        for path in PAGES:
            if path.endswith("/live"):
                continue  # it does not end; see below
            answer = await browser.open(filled(path, workshop.company.id))
            assert answer.status_code in {200, 403, 404}, (name, path, answer.text)
        for page in LOGIN_PAGES:
            expected = 303 if page.path == "/welcome" else 200  # who belongs somewhere founds nothing here
            assert (await browser.open(page.path)).status_code == expected, (name, page.path)


async def test_a_form_needs_our_own_page_and_the_sessions_own_token(workshop: Workshop) -> None:
    faces, path = faces_of(workshop.store), f"/{workshop.company.id}/keys/new"
    browser = await browser_of(faces, workshop.company, workshop.admin)
    page = (await browser.open(path)).text
    token = re.search(r'name="csrf" value="([0-9a-f]+)"', page)
    assert token is not None
    fields = {"csrf": token[1], "name": "k", "project": workshop.search.id, "kind": "service"}
    for headers in (
        {},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"origin": "http://evil.test"},
    ):
        refused = await browser.client.post(path, data=fields, headers=headers)
        assert refused.status_code == 403, headers
    for wrong in ("", "0" * 64):
        refused = await browser.client.post(path, data=fields | {"csrf": wrong}, headers=OURS)
        assert refused.status_code == 403
    other = await browser_of(faces, workshop.company, workshop.admin)
    assert (await other.client.post(path, data=fields, headers=OURS)).status_code == 403
    assert await workshop.company.events("api_key.create") == []
    made = await browser.client.post(path, data=fields, headers={"origin": "http://tollkeeper.test"})
    assert made.status_code == 200
    assert "sk-tk-" in made.text


async def test_every_answer_keeps_to_itself_what_it_shows(workshop: Workshop) -> None:
    browser = await browser_of(faces_of(workshop.store), workshop.company, workshop.admin)
    answer = await browser.open(f"/{workshop.company.id}/overview")
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert answer.headers["cache-control"] == "no-store"
    assert not re.search(r"<script(?![^>]*(src=|application/json))", answer.text)
    assert not re.search(r"\s(style|on\w+)=", answer.text)
    for address in re.findall(r'(?:src|href)="(/assets/[^"]+)"', answer.text):
        asset = await browser.open(address, headers={"accept-encoding": "gzip"})
        assert (asset.status_code, asset.headers["content-encoding"]) == (200, "gzip"), address
        assert "immutable" in asset.headers["cache-control"]


async def test_browsers_find_our_picture_by_themselves(workshop: Workshop) -> None:
    answer = await Browser(faces_of(workshop.store)).client.get("/favicon.ico", follow_redirects=True)
    assert answer.headers["content-type"].startswith("image/svg+xml")


async def test_who_listens_stops_when_the_sign_in_is_over(workshop: Workshop) -> None:
    late = Browser(faces_of(workshop.store), f"{SESSION_PREFIX}{'x' * 43}")
    answer = await late.open(f"/{workshop.company.id}/live", headers={"accept": "text/event-stream"})
    assert (answer.status_code, answer.content) == (204, b"")


async def test_a_session_that_is_over_is_forgotten_by_the_browser(workshop: Workshop) -> None:
    late = Browser(faces_of(workshop.store), f"{SESSION_PREFIX}{'x' * 43}")
    answer = await late.open(f"/{workshop.company.id}/overview")
    assert answer.status_code == 303
    assert f'{SESSION_COOKIE}=""' in answer.headers["set-cookie"]


async def test_a_first_load_is_small(workshop: Workshop) -> None:
    browser = await browser_of(faces_of(workshop.store), workshop.company, workshop.admin)
    page = await browser.open(f"/{workshop.company.id}/overview")
    size = len(page.content)
    for address in set(re.findall(r'(?:src|href)="(/assets/[^"]+)"', page.text)):
        async with browser.client.stream("GET", address, headers={"accept-encoding": "gzip"}) as answer:
            size += sum([len(part) async for part in answer.aiter_raw()])
    assert size <= 400 * 1024


@pytest.mark.parametrize(
    "path", ["/assets/../pages.py", "/assets/face.0000000000000000.css", "/assets/", "/org_x/nothing"]
)
async def test_what_is_not_there_is_not_found(workshop: Workshop, path: str) -> None:
    browser = await browser_of(faces_of(workshop.store), workshop.company, workshop.admin)
    assert (await browser.open(path)).status_code == 404


@pytest.mark.parametrize("body", [b"\xff=1", b"a=%00", b"&".join([b"a=1"] * 600), b"a=" + b"x" * 300_000])
async def test_a_form_that_cannot_be_one_is_refused(workshop: Workshop, body: bytes) -> None:
    browser = await browser_of(faces_of(workshop.store), workshop.company, workshop.admin)
    answer = await browser.client.post(f"/{workshop.company.id}/keys/new", content=body, headers=OURS)
    assert answer.status_code in {400, 413}


async def test_a_page_that_listens_is_marked_as_one_that_a_stopping_server_need_not_wait_for(
    workshop: Workshop,
) -> None:
    faces = faces_of(workshop.store)
    browser = await browser_of(faces, workshop.company, workshop.admin)
    asked = browser.client.build_request("GET", f"/{workshop.company.id}/live?known=none")
    scope: dict[str, Any] = {
        "type": "http", "http_version": "1.1", "method": "GET", "scheme": "http", "path": asked.url.path, "query_string": b"known=none",
        "headers": [(name.lower(), value) for name, value in asked.headers.raw], "client": ("127.0.0.1", 1), "server": ("t", 80),
    }  # fmt: skip
    begun = asyncio.Event()

    async def send(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.body":
            begun.set()

    answering = asyncio.ensure_future(faces(scope, asyncio.Event().wait, send))
    async with asyncio.timeout(10):
        await begun.wait()
    answering.cancel()
    assert scope["state"][ENDS_AT_STOP] is True


async def test_one_person_cannot_have_all_the_servers_listeners(
    workshop: Workshop, caplog: pytest.LogCaptureFixture
) -> None:
    faces = faces_of(workshop.store)
    assert faces.pages is not None
    listening = faces.pages.house.listening
    listening[workshop.admin.account_id] = PERSONS_LISTENERS_MAX
    headers, path = {"accept": "text/event-stream"}, f"/{workshop.company.id}/live"
    refused = await (await browser_of(faces, workshop.company, workshop.admin)).open(path, headers=headers)
    assert refused.status_code == 503
    assert any(refused.headers["x-request-id"] in each.getMessage() for each in caplog.records), "told to operators too"
    assert listening == {workshop.admin.account_id: PERSONS_LISTENERS_MAX}


@pytest.mark.parametrize("query", ["x=%00", "x=%ff", "a=%ed%a0%80", "&".join(f"f{n}=1" for n in range(600))])
async def test_an_address_that_cannot_be_read_is_told_so(workshop: Workshop, query: str) -> None:
    for browser in (
        Browser(faces_of(workshop.store)),
        await browser_of(faces_of(workshop.store), workshop.company, workshop.admin),
    ):
        for path in ("/first-run", f"/{workshop.company.id}/overview"):
            answer = await browser.open(f"{path}?{query}")
            assert answer.status_code == 400
            assert answer.headers["x-request-id"]


@pytest.mark.parametrize(
    "page",
    ["usage?to=0001-01-05", "usage.csv?to=0001-01-05", "calls?to=9999-12-31", "calls?cost_from=999999999999999999999",
     "calls?cost_to=9999999999999"],
)  # fmt: skip
async def test_figures_beyond_any_calendar_or_call_are_refused(workshop: Workshop, page: str) -> None:
    browser = await browser_of(faces_of(workshop.store), workshop.company, workshop.admin)
    assert (await browser.open(f"/{workshop.company.id}/{page}")).status_code == 400


async def test_an_origin_that_is_none_is_another_sites(workshop: Workshop) -> None:
    browser = await browser_of(faces_of(workshop.store), workshop.company, workshop.admin)
    answer = await browser.client.post(
        f"/{workshop.company.id}/projects", data={"name": "x"}, headers={"origin": "http://["}
    )
    assert answer.status_code == 403


async def test_an_organizations_own_address_leads_to_its_overview(workshop: Workshop) -> None:
    other = await found_company(workshop.store, "Elsewhere & Co")
    browser = await browser_of(faces_of(workshop.store), workshop.company, workshop.admin)
    for path in (f"/{workshop.company.id}", f"/{workshop.company.id}/"):
        answer = await browser.open(path)
        assert (answer.status_code, answer.headers["location"]) == (303, f"/{workshop.company.id}/overview"), path
    assert (await browser.open(f"/{other.id}")).status_code == 404
    assert (await browser.open(f"/{workshop.company.id}//")).status_code in {303, 404}


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "OPTIONS", "POST", "TEAPOT"])
async def test_a_method_that_a_page_does_not_take_is_told_with_those_that_it_takes(
    workshop: Workshop, method: str
) -> None:
    browser = await browser_of(faces_of(workshop.store), workshop.company, workshop.admin)
    home = f"/{workshop.company.id}"
    asset = next(each for each in addresses().values() if each.endswith(".css"))
    pages = {f"{home}/overview": "GET, HEAD", f"{home}/usage.csv": "GET, HEAD", asset: "GET, HEAD"}
    if method != "POST":
        pages |= {f"{home}/budgets/new": "GET, HEAD, POST", "/account": "GET, HEAD, POST"}
    for path, methods in pages.items():
        answer = await browser.client.request(method, path, headers=OURS)
        assert (answer.status_code, answer.headers.get("allow")) == (405, methods), path
    assert (await browser.client.request(method, f"{home}/nothing", headers=OURS)).status_code == 404


async def test_what_was_done_before_is_not_said_beside_a_refusal(workshop: Workshop) -> None:
    browser = await browser_of(faces_of(workshop.store), workshop.company, workshop.admin)
    path = f"/{workshop.company.id}/settings?done=saved"
    assert 'class="notice"' in (await browser.open(path)).text
    refused = await browser.send(path, {"do": "general", "name": "", "timezone": "UTC", "language": "en"})
    assert refused.status_code == 400
    assert 'role="alert"' in refused.text
    assert 'class="notice"' not in refused.text
    wrong = await browser.open(f"/{workshop.company.id}/usage?from=never&done=saved")
    assert 'class="notice"' not in wrong.text


async def test_who_downloads_one_parquet_file_is_told_when_to_ask_for_the_next(workshop: Workshop) -> None:
    faces = faces_of(workshop.store)
    assert faces.pages is not None
    house, admin = faces.pages.house, workshop.admin
    faces.pages.house = house._replace(parquet=ParquetWriter(turns=Turns(wait_s=0.01)))
    taken = faces.pages.house.parquet._turns
    await taken.take(Asker(workshop.company.id, admin.member_id))
    path = f"/{workshop.company.id}/usage.parquet"
    refused = await (await browser_of(faces, workshop.company, admin)).open(path)
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "5")
    assert "A Parquet file of yours is being downloaded already" in refused.text
    assert (await (await browser_of(faces, workshop.company, workshop.lead)).open(path)).status_code == 200


READS = {"accept": "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8"}


async def test_an_address_of_nothing_is_told_on_a_page_in_the_readers_language_with_the_way_home(
    workshop: Workshop,
) -> None:
    stranger = Browser(faces_of(workshop.store))
    answer = await stranger.open("/nonsense", headers=READS | {"accept-language": "ko-KR"})
    assert (answer.status_code, answer.headers["content-type"]) == (404, "text/html; charset=utf-8")
    assert 'lang="ko"' in answer.text
    assert "그런 페이지가 없습니다." in content_of(answer.text)
    assert 'class="button" href="/"' in content_of(answer.text)
    admin = await browser_of(faces_of(workshop.store), workshop.company, workshop.admin)
    signed_in = await admin.open("/healthz/none?a=1", headers=READS)
    assert (signed_in.status_code, "There is no such page." in signed_in.text) == (404, True)
    assert "Sign out" in signed_in.text


@pytest.mark.parametrize(
    ("path", "headers"),
    [("/nonsense", {}), ("/nonsense", {"accept": "application/json"}), ("/v1/nonsense", READS), ("/v1beta/x", READS)],
)
async def test_programs_are_told_in_json_that_an_address_is_of_nothing(
    workshop: Workshop, path: str, headers: dict[str, str]
) -> None:
    answer = await Browser(faces_of(workshop.store)).open(path, headers=headers)
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "not_found")


async def test_what_the_api_knows_is_answered_to_a_browser_as_it_is(workshop: Workshop) -> None:
    stranger = Browser(faces_of(workshop.store))
    known = await stranger.open("/openapi.json", headers=READS)
    assert (known.status_code, known.json()["openapi"][:2]) == (200, "3.")
    sent = await stranger.client.post("/nonsense", headers=READS)
    assert sent.json()["error"]["code"] == "not_found"
