"""Files on their way to a provider: whose they are, what of it is seen, and what happens when it cannot be noted."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from tests.fakes.asgi import FakeClient
from tests.fakes.gateway import ANTHROPIC, OPENAI, PEPPER, POWERLESS_KEY, PROVIDER_KEY, FakeGateway
from tests.fakes.ports import FakeFiles, make_key
from tests.fakes.upstream import Script

from tollkeeper.domain.api_key import write_key
from tollkeeper.domain.deployment import Provider
from tollkeeper.domain.errors import InvalidRequest, UpstreamFault
from tollkeeper.gateway.files import choose_provider
from tollkeeper.kit.secrets import keyed_digest

PATH = "/v1/files"
ID = "file-0123456789abcdef"
FORM = "multipart/form-data; boundary=xyz"
SHOWN = {
    "object": "file",
    "id": ID,
    "purpose": "user_data",
    "filename": "a.txt",
    "bytes": 3,
    "created_at": 1_700_000_000,
    "expires_at": None,
    "status": "processed",
    "status_details": None,
}
STRANGERS = {
    write_key("s" * 12, "S" * 43): make_key(project_id="proj_b"),
    write_key("t" * 12, "T" * 43): make_key(organization_id="org_b"),
}


def part(name: str, value: bytes, *, extra: bytes = b"") -> bytes:
    return b'--xyz\r\ncontent-disposition: form-data; name="%b"%b\r\n\r\n%b\r\n' % (name.encode(), extra, value)


PURPOSE, FILE = part("purpose", b"user_data"), part("file", b"\0\xffx", extra=b'; filename="a.txt"')
END = b"--xyz--\r\n"
BODY = PURPOSE + FILE + END


@pytest.fixture
def files() -> FakeFiles:
    return FakeFiles()


@pytest.fixture
def gateway(files: FakeFiles) -> FakeGateway:
    gateway = FakeGateway(files=files)
    gateway.keys.update({keyed_digest(PEPPER, text.encode()): key for text, key in STRANGERS.items()})
    return gateway


async def send(gateway: FakeGateway, body: bytes = BODY, **headers: str) -> FakeClient:
    named = {name.replace("_", "-"): value for name, value in {"content_type": FORM, **headers}.items()}
    return await gateway.call(body, path=PATH, headers=named)


async def ask(gateway: FakeGateway, below: str = "", method: str = "GET", **options: Any) -> FakeClient:
    return await gateway.call(b"", path=PATH + below, method=method, **options)


async def made(gateway: FakeGateway) -> None:
    gateway.will_answer(SHOWN)
    assert (await send(gateway)).status == 200


async def test_a_file_goes_to_the_provider_as_it_came_and_is_noted_first(
    gateway: FakeGateway, files: FakeFiles
) -> None:
    gateway.will_answer(SHOWN)
    client = await send(gateway)
    assert (client.status, msgspec.json.decode(client.body)) == (200, SHOWN)
    (request,) = gateway.upstream.requests
    assert request.body == BODY
    assert request.head.startswith(b"POST /v1/files HTTP")
    assert f"content-type: {FORM}".encode() in request.head
    assert PROVIDER_KEY.encode() in request.head
    (kept,) = files.kept.values()
    assert (kept.organization_id, kept.project_id, kept.id, kept.provider) == ("org_a", "proj_a", ID, "openai")
    assert (kept.bytes, kept.created_at_us, kept.expires_at_us) == (3, 1_700_000_000_000_000, None)
    assert not gateway.ledger.reservations
    assert gateway.limiter.released == [0]


async def test_the_list_is_the_projects_own_and_asks_nobody(gateway: FakeGateway) -> None:
    await made(gateway)
    client = await ask(gateway)
    answered = msgspec.json.decode(client.body)
    assert answered == {"object": "list", "data": [SHOWN], "first_id": ID, "last_id": ID, "has_more": False}
    for key in STRANGERS:
        assert msgspec.json.decode((await ask(gateway, key=key)).body)["data"] == []
    assert len(gateway.upstream.requests) == 1


@pytest.mark.parametrize(
    ("method", "below", "reaches"),
    [("GET", "", b"GET /v1/files/%b HTTP"), ("GET", "/content", b"GET /v1/files/%b/content HTTP"),
     ("DELETE", "", b"DELETE /v1/files/%b HTTP")],
)  # fmt: skip
async def test_what_is_somebody_elses_is_answered_as_what_is_not_there(
    gateway: FakeGateway, files: FakeFiles, method: str, below: str, reaches: bytes
) -> None:
    await made(gateway)
    for key in STRANGERS:
        foreign = await ask(gateway, f"/{ID}{below}", method, key=key)
        absent = await ask(gateway, f"/{ID[:-1]}0{below}", method, key=key)
        assert (foreign.status, absent.status) == (404, 404)
        texts = [each.error["message"].replace(ID[:-1] + "0", ID) for each in (foreign, absent)]
        assert texts[0] == texts[1]
        assert {**foreign.error, "message": "", "request_id": ""} == {**absent.error, "message": "", "request_id": ""}
    assert len(gateway.upstream.requests) == 1
    gateway.upstream.scripts.append(Script(headers=((b"set-cookie", b"a=b"),), steps=[b"\0\xff", b"x"]))
    client = await ask(gateway, f"/{ID}{below}", method)
    assert (client.status, client.body) == (200, b"\0\xffx")
    assert "set-cookie" not in client.headers
    assert gateway.upstream.requests[-1].head.startswith(reaches % ID.encode())
    assert bool(files.kept) == (method == "GET")


async def test_a_file_that_the_provider_has_no_more_leaves_the_list_when_it_is_deleted(
    gateway: FakeGateway, files: FakeFiles
) -> None:
    await made(gateway)
    gateway.will_answer({"error": {"message": "busy"}}, status=500)
    assert (await ask(gateway, f"/{ID}", "DELETE")).status == 500
    assert files.kept
    gateway.will_answer({"error": {"message": "gone"}}, status=404)
    assert (await ask(gateway, f"/{ID}", "DELETE")).status == 404
    assert not files.kept


async def test_a_file_whose_provider_is_there_no_more_can_still_be_taken_from_the_list(
    gateway: FakeGateway, files: FakeFiles
) -> None:
    await made(gateway)
    (place,) = files.kept
    files.kept[place] = msgspec.structs.replace(files.kept[place], credential_id="cred_gone")
    assert "is there no more" in (await ask(gateway, f"/{ID}/content")).error["message"]
    assert (await ask(gateway, f"/{ID}", "DELETE")).status == 404
    assert not files.kept
    assert len(gateway.upstream.requests) == 1


@pytest.mark.parametrize("deletion", [200, 500])
async def test_a_file_that_cannot_be_noted_is_deleted_at_the_provider(
    gateway: FakeGateway, files: FakeFiles, deletion: int, caplog: pytest.LogCaptureFixture
) -> None:
    files.is_away = True
    gateway.will_answer(SHOWN)
    gateway.will_answer({}, status=deletion)
    client = await send(gateway)
    assert (client.status, client.error["code"]) == (503, "store_unavailable")
    assert gateway.upstream.requests[-1].head.startswith(f"DELETE /v1/files/{ID} HTTP".encode())
    assert ("delete it there" in caplog.text) == (deletion == 500)


async def test_an_id_that_the_project_has_at_another_provider_is_not_taken_over(
    gateway: FakeGateway, files: FakeFiles
) -> None:
    await made(gateway)
    (place,) = files.kept
    before = files.kept[place] = msgspec.structs.replace(files.kept[place], provider="other")
    gateway.will_answer(SHOWN)
    gateway.will_answer({})
    assert (await send(gateway)).status == 502
    assert files.kept[place] == before


@pytest.mark.parametrize("described", [b"{}", b"<html>", b'{"id": ""}', b'{"id": "../models"}', b'{"id": "a\\u0000"}'])
async def test_an_answer_that_describes_no_file_is_a_fault_of_the_provider(
    gateway: FakeGateway, files: FakeFiles, described: bytes
) -> None:
    gateway.will_answer(described)
    client = await send(gateway)
    assert (client.status, client.error["provider"]) == (502, "openai")
    assert not files.kept


@pytest.mark.parametrize(
    ("body", "param"),
    [
        (FILE + END, "purpose"),
        (PURPOSE + PURPOSE + FILE + END, "purpose"),
        (PURPOSE + END, "file"),
        (PURPOSE + FILE + FILE + END, "file"),
        (PURPOSE + part("file", b"x") + END, "file"),
        (PURPOSE + FILE, None),
    ],
)
async def test_a_form_that_sends_no_single_file_is_refused_here(
    gateway: FakeGateway, body: bytes, param: str | None
) -> None:
    client = await send(gateway, body)
    assert (client.status, client.error["param"]) == (400, param)
    assert not gateway.upstream.requests


@pytest.mark.parametrize(
    ("below", "method", "query", "status"),
    [
        ("", "PUT", b"", 405),
        (f"/{ID}", "POST", b"", 405),
        ("/", "GET", b"", 404),
        ("//content", "GET", b"", 404),
        (f"/{ID}/else", "GET", b"", 404),
        ("/..", "GET", b"", 404),
        ("/a\0b", "GET", b"", 404),
        ("", "GET", b"limit=0", 400),
        ("", "GET", b"limit=10001", 400),
        ("", "GET", b"limit=\xb2", 400),
        ("", "GET", b"order=up", 400),
        ("", "GET", b"after=%00", 400),
        ("", "GET", b"purpose=%00", 400),
        ("", "GET", b"a=1&" * 20, 400),
    ],
)
async def test_what_is_no_route_or_no_query_is_refused(
    gateway: FakeGateway, below: str, method: str, query: bytes, status: int
) -> None:
    assert (await ask(gateway, below, method, query=query)).status == status
    assert not gateway.upstream.requests


async def test_other_bodies_and_keys_without_the_permission_are_refused(gateway: FakeGateway) -> None:
    assert (await send(gateway, b"{}", content_type="application/json")).status == 415
    assert (await gateway.call([PURPOSE, b"x" * 100_000], path=PATH, headers={"content-type": FORM})).status == 413
    client = await ask(gateway, key=POWERLESS_KEY)
    assert (client.status, "files:manage" in client.error["message"]) == (403, True)
    assert (await ask(gateway, key=None)).status == 401
    assert not gateway.upstream.requests


async def test_the_providers_key_never_leaves(gateway: FakeGateway) -> None:
    gateway.will_answer({"error": {"message": f"bad key {PROVIDER_KEY}"}}, status=400)
    client = await send(gateway)
    assert client.status == 400
    assert PROVIDER_KEY.encode() not in client.body
    gateway.will_answer({"error": {"message": "Incorrect API key provided: sk-p****cret"}}, status=401)
    client = await send(gateway)
    assert (client.status, client.error["code"], b"cret" in client.body) == (502, "provider_key_refused", False)
    gateway.upstream.scripts.append(Script(before=[UpstreamFault("connect", "refused", sent=False)]))
    client = await send(gateway)
    assert (client.status, client.error["provider"]) == (502, "openai")


async def test_the_header_names_the_provider(gateway: FakeGateway) -> None:
    gateway.will_answer(SHOWN)
    assert (await send(gateway, x_tollkeeper_provider="openai")).status == 200
    assert (await send(gateway, x_tollkeeper_provider="nobody")).status == 400
    assert (await send(FakeGateway(ANTHROPIC))).status == 400


def test_files_go_to_openai_before_others_that_speak_as_it_does() -> None:
    compatible = Provider("own", "openai_compatible", "https://own.test/v1")
    deepseek = Provider("deepseek", "deepseek", "https://deepseek.test/v1")
    assert choose_provider([deepseek, compatible, OPENAI], "") is OPENAI
    assert choose_provider([deepseek, compatible], "") is compatible
    assert choose_provider([OPENAI, compatible], "own") is compatible
    with pytest.raises(InvalidRequest):
        choose_provider([deepseek], "deepseek")


async def test_a_key_without_rates_is_admitted_too(gateway: FakeGateway) -> None:
    assert (await ask(gateway, key=next(iter(STRANGERS)))).status == 200
    assert gateway.limiter.asked == []
