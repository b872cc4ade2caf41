"""The pages of models and providers: cards as the API tells them, health without others' counts, keys that never come out."""

from __future__ import annotations

import pytest
from tests.keys.workshop import Workshop, open_workshop
from tests.tenancy.company import Person, found_company
from tests.web.visitors import Browser, browser_of, faces_of, tables_of

from tollkeeper.control import provider_credentials
from tollkeeper.control.callable_models import CallAsked, estimate_call
from tollkeeper.control.prices import add_prices
from tollkeeper.control.provider_credentials import NewProvider
from tollkeeper.domain.deployment import Provider
from tollkeeper.domain.deployment_health import HealthReport
from tollkeeper.domain.price import STANDARD_TIER
from tollkeeper.kit.clock import now_us
from tollkeeper.prices.book import CompiledBook
from tollkeeper.prices.drafts import PriceDraft
from tollkeeper.prices.estimates import Volume, price_volume
from tollkeeper.store.deployment_health import StoreHealthReports
from tollkeeper.store.engine import Store

SECRET = "sk-open-sesame-open-sesame-7Xq9"


@pytest.fixture
async def workshop(store: Store) -> Workshop:
    return await open_workshop(store)


async def open_as(workshop: Workshop, person: Person) -> tuple[Browser, str]:
    return await browser_of(faces_of(workshop.store), workshop.company, person), f"/{workshop.company.id}/models"


async def bring(workshop: Workshop, **changed: str) -> str:
    new = NewProvider(**{"name": "mine", "kind": "openai", "secret": SECRET} | changed)  # type: ignore[arg-type]
    made = await workshop.company.change(None, provider_credentials.create_provider, new)
    return str(made.id)


async def test_models_are_found_by_name_with_the_catalogues_prices(workshop: Workshop) -> None:
    browser, path = await open_as(workshop, workshop.developer)
    page = (await browser.open(f"{path}?name=gpt-4o-mini")).text
    assert "gpt-4o-mini" in page
    assert "$0.15" in page
    assert "$0.6" in page
    assert "gpt-4.1" not in page
    card = (await browser.open(f"{path}/card?name=gpt-4o-mini")).text
    assert "128,000" in card
    assert "16,384" in card
    assert "Cached input" in card
    assert (await browser.open(f"{path}/card?name=<nothing>")).status_code == 404
    assert "No such models here" in (await browser.open(f"{path}?name=<script>[")).text
    assert "gpt-4o" not in (await browser.open(f"{path}?start=100000")).text


async def test_who_may_not_list_models_sees_none_and_who_manages_a_part_brings_no_provider(workshop: Workshop) -> None:
    viewer, path = await open_as(workshop, workshop.viewer)
    for each in ("", "/card?name=gpt-4o-mini", "/prices", "/providers"):
        assert (await viewer.open(path + each)).status_code == 403
    lead, _ = await open_as(workshop, workshop.lead)
    assert (await lead.open(path)).status_code == 200
    assert "/models/providers" not in (await lead.open(path)).text
    for each in ("/prices", "/providers"):
        assert (await lead.open(path + each)).status_code == 403
    fields = {"do": "add", "kind": "openai", "name": "x", "secret": SECRET}
    assert (await lead.send(f"{path}/providers", fields)).status_code == 403
    assert await workshop.company.look(None, provider_credentials.list_providers) == []


async def test_a_provider_is_brought_given_another_key_and_deleted_and_no_key_comes_out(workshop: Workshop) -> None:
    browser, path = await open_as(workshop, workshop.admin)
    path = f"{path}/providers"
    fields = {"do": "add", "kind": "openai", "name": "mine", "secret": SECRET}
    assert (await browser.send(path, fields)).headers["location"] == f"{path}?done=provider-saved"
    (made,) = await workshop.company.look(None, provider_credentials.list_providers)
    assert (made.base_url, made.hint) == ("https://api.openai.com/v1", "7Xq9")
    assert "sesame" not in (await browser.open(path)).text
    other = {"do": "set-key", "provider": made.id, "secret": "", "base_url": "https://elsewhere.example.com/v1"}
    refused = await browser.send(path, other)
    assert refused.status_code == 400
    await browser.send(path, other | {"secret": f"{SECRET}-2"})
    (made,) = await workshop.company.look(None, provider_credentials.list_providers)
    assert made.base_url == "https://elsewhere.example.com/v1"
    await browser.send(path, {"do": "delete", "provider": made.id})
    assert await workshop.company.look(None, provider_credentials.list_providers) == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"base_url": "http://api.openai.com/v1"}, {"base_url": "https://127.0.0.1/v1"}, {"base_url": "https://169.254.169.254"},
        {"name": "No Such"}, {"secret": "short"}, {"kind": "fax"}, {"kind": "openai_compatible"},
    ],
)  # fmt: skip
async def test_an_address_that_may_not_be_is_refused_and_the_key_not_repeated(
    workshop: Workshop, wrong: dict[str, str]
) -> None:
    browser, path = await open_as(workshop, workshop.admin)
    fields = {"do": "add", "kind": "openai", "name": "mine", "secret": SECRET} | wrong
    answer = await browser.send(f"{path}/providers", fields)
    assert answer.status_code == 400
    assert 'role="alert"' in answer.text
    assert fields["secret"] not in answer.text
    assert await workshop.company.look(None, provider_credentials.list_providers) == []


async def test_the_health_of_deployments_tells_nothing_of_other_organizations(workshop: Workshop) -> None:
    other = await found_company(workshop.store, "Elsewhere")
    made = await other.change(None, provider_credentials.create_provider, NewProvider("theirs", "openai", SECRET))
    own_id = await bring(workshop)
    rests = now_us() + 60_000_000
    told = [
        HealthReport("", "openai", "gpt-4o-mini", 7_654_321, 1_234, rests, now_us(), 503),
        HealthReport("", "openai", "ft:gpt-4o:elsewhere:secret", 1, 0),
        HealthReport(made.id, "theirs", "gpt-4o", 1, 0),
        HealthReport(own_id, "mine", "gpt-4.1", 4_321, 5),
    ]
    await StoreHealthReports(workshop.store).exchange("replica", told)
    browser, path = await open_as(workshop, workshop.developer)
    page = (await browser.open(f"{path}?name=nothing")).text
    assert "left alone until" in page
    assert "4,321" in page
    for secret in ("7,654,321", "1,234", "elsewhere", "theirs"):
        assert secret not in page


async def test_where_there_is_one_organization_the_operators_deployments_are_counted(workshop: Workshop) -> None:
    told = [HealthReport("", "openai", "gpt-4o-mini", 7_654_321, 1_234, 0, now_us(), 503)]
    await StoreHealthReports(workshop.store).exchange("replica", told)
    browser, path = await open_as(workshop, workshop.developer)
    page = (await browser.open(f"{path}?name=nothing")).text
    assert "7,654,321" in page
    assert "1,234" in page
    await found_company(workshop.store, "Elsewhere")
    page = (await browser.open(f"{path}?name=nothing")).text
    assert "7,654,321" not in page
    assert "what others call is not told" in page


async def test_a_provider_of_another_organization_is_not_there(workshop: Workshop) -> None:
    other = await found_company(workshop.store, "Elsewhere")
    made = await other.change(None, provider_credentials.create_provider, NewProvider("theirs", "openai", SECRET))
    browser, path = await open_as(workshop, workshop.admin)
    for fields in ({"do": "delete"}, {"do": "set-key", "secret": SECRET}):
        assert (await browser.send(f"{path}/providers", fields | {"provider": made.id})).status_code == 404
    assert await other.look(None, provider_credentials.list_providers) == [made]


async def test_own_prices_are_those_for_everybody_and_the_organizations_own(workshop: Workshop) -> None:
    other = await found_company(workshop.store, "Elsewhere")
    for organization_id, model in (("", "shared-model"), (workshop.company.id, "own-model"), (other.id, "their-model")):
        draft = PriceDraft("openai", model, "input", "1.25", note="<b>agreed</b>")
        await add_prices(workshop.store, [draft], organization_id=organization_id)
    browser, path = await open_as(workshop, workshop.admin)
    page = (await browser.open(f"{path}/prices")).text
    assert "shared-model" in page
    assert "own-model" in page
    assert "$1.25" in page
    assert "<b>agreed" not in page
    assert "their-model" not in page


async def test_an_estimate_is_that_of_the_command_line(workshop: Workshop) -> None:
    principal = (await workshop.company.caller(workshop.developer)).principal
    asked = CallAsked("gpt-4o-mini", ("You are brief.", "Hello there"), 321)
    found = await estimate_call(tables_of(), principal, asked)
    book = CompiledBook.load()
    volume = Volume(found.input_tokens, 321)
    told = price_volume(book, "openai", "gpt-4o-mini", volume, tier=STANDARD_TIER, at_us=now_us())
    assert (found.total_nanos, found.fits) == (told.total_nanos, told.fits)
    own = Provider("local", "openai_compatible", "https://local.example.com/v1")
    unknown = await estimate_call(tables_of(own), principal, CallAsked("local/llama", ("Hi",), 5))
    assert unknown.total_nanos is None
    assert unknown.reason
