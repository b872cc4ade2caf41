"""/healthz and /readyz answer without the administration as they answer within it."""

from __future__ import annotations

import httpx
import pytest
from admin_factories import client_of

from tollkeeper.admin.app import make_app
from tollkeeper.admin.envelope import Envelope
from tollkeeper.admin.probes import Probes
from tollkeeper.admin.shapes import REFUSALS
from tollkeeper.control.administration import Administration, Secrets
from tollkeeper.store.engine import Store


def _shown(answer: httpx.Response) -> tuple[int, bytes, dict[str, str]]:
    headers = dict(answer.headers)
    assert headers.pop("x-request-id").startswith("req_")
    return answer.status_code, answer.content, headers


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("journal", ["ok", "admits no call"])
async def test_a_probe_is_answered_alike_with_and_without_the_administration(
    sqlite_url: str, path: str, method: str, journal: str
) -> None:
    store = Store.open(sqlite_url)
    administration = Administration(store, Secrets.of(b"p" * 32))
    probes = Probes(administration, lambda: {"journal": journal})
    whole = make_app(administration=administration, authenticator=None, probes=probes)  # type: ignore[arg-type]
    async with client_of(whole) as client:
        within = _shown(await client.request(method, path))
    async with client_of(Envelope(probes)) as client:  # type: ignore[arg-type]
        alone = _shown(await client.request(method, path))
    await store.aclose()
    assert alone == within
    assert alone[0] == (503 if (path, journal) == ("/readyz", "admits no call") else 200)


@pytest.mark.parametrize(
    ("method", "path"), [("POST", "/healthz"), ("OPTIONS", "/readyz"), ("GET", "/"), ("GET", "/healthz/")]
)
def test_what_is_no_probe_is_left_to_the_administration(method: str, path: str) -> None:
    probes = Probes(None)  # type: ignore[arg-type]
    assert not probes.owns({"path": path, "method": method})


def test_every_operation_documents_what_it_may_answer_instead() -> None:
    document = make_app(administration=None, authenticator=None).openapi()  # type: ignore[arg-type]
    refusal = {"$ref": "#/components/schemas/Refusal"}
    operations = [each for methods in document["paths"].values() for each in methods.values()]
    assert len(operations) > 100
    for operation in operations:
        for status, meaning in REFUSALS.items():
            answer = operation["responses"][status]
            if operation["summary"] != "The process can serve" or status != "503":  # which says why in its own words
                assert answer["description"] == meaning
                assert answer["content"]["application/json"]["schema"] == refusal
    assert document["components"]["schemas"]["Refusal"]["properties"]["error"] == {
        "$ref": "#/components/schemas/ErrorDetail"
    }
    assert "out of reach; `checks`" in document["paths"]["/readyz"]["get"]["responses"]["503"]["description"]
