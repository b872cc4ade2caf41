"""What a key agrees is held on every call: organization, project, address, models, labels; and a plain key pays nothing."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.fakes.asgi import FakeClient
from tests.fakes.gateway import GOOD_KEY, MODEL, PEPPER, FakeGateway, answer, chat
from tests.fakes.ports import make_key

from tollkeeper.domain.api_key import ApiKey, KeyKind, write_key
from tollkeeper.domain.key_terms import FurtherProject, KeyTerms
from tollkeeper.domain.tenancy import ProjectId
from tollkeeper.gateway.client import Client
from tollkeeper.gateway.key_use import key_in_use
from tollkeeper.kit.networks import Networks
from tollkeeper.kit.secrets import keyed_digest

KEY = write_key("k" * 12, "K" * 43)
PROXY, OFFICE, HOME = "10.0.0.1", "198.51.100.7", "203.0.113.9"
IN_OFFICE = KeyTerms(allowed_ips=("198.51.100.0/24", "2001:db8::/32"))


class Gate:
    """A gateway that knows one more key, asked from an address of the test's choice."""

    def __init__(self, trusted: tuple[str, ...] = ()) -> None:
        self.gateway = FakeGateway()
        pipeline = msgspec.structs.replace(self.gateway.app._pipeline, trusted_proxies=Networks(trusted))
        self.gateway.app._pipeline = pipeline

    def knows(self, **changes: Any) -> None:
        self.gateway.directory._keys[keyed_digest(PEPPER, KEY.encode())] = make_key(**changes)

    async def ask(
        self, path: str = "/v1/chat/completions", *, key: str = KEY, peer: str = HOME, body: Any = None, **headers: str
    ) -> FakeClient:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        if path == "/v1/chat/completions":
            self.gateway.will_answer(answer())
            client = self.gateway.client(body, key=key, headers=named, path=path)
        else:
            client = self.gateway.client(b"", key=key, headers=named, path=path, method="GET")
        client.scope["client"] = (peer, 50_000)
        return await self.gateway.handle(client)


@pytest.fixture
def gate() -> Gate:
    return Gate()


async def test_the_header_openai_organization_must_name_the_keys_own(gate: Gate) -> None:
    gate.knows()
    assert (await gate.ask(openai_organization="org_a")).status == 200
    assert (await gate.ask(openai_organization="")).status == 200
    refused = await gate.ask(openai_organization="org_b")
    assert (refused.status, refused.error["code"]) == (401, "mismatched_organization")


async def test_the_header_openai_project_chooses_among_the_keys_own(gate: Gate) -> None:
    further = FurtherProject("proj_b", "team_b", frozenset({"chat:create"}))
    gate.knows(terms=KeyTerms(further_projects=(further,)))
    for named, booked in (("proj_a", "proj_a"), ("proj_b", "proj_b"), ("", "proj_a")):
        gate.gateway.ledger.records.clear()
        gate.gateway.ledger.reservations.clear()
        assert (await gate.ask(openai_project=named)).status == 200
        assert gate.gateway.ledger.only.project_id == booked
    refused = await gate.ask(openai_project="proj_c")
    assert (refused.status, refused.error["code"]) == (401, "mismatched_project")


async def test_a_chosen_project_never_widens_what_the_key_may(gate: Gate) -> None:
    gate.knows(terms=KeyTerms(further_projects=(FurtherProject("proj_b", "", frozenset({"models:list"})),)))
    refused = await gate.ask(openai_project="proj_b")
    assert (refused.status, refused.error["code"]) == (403, "permission_denied")
    assert (await gate.ask("/v1/models", openai_project="proj_b")).status == 200


async def test_an_administration_key_is_told_that_it_cannot_call_whatever_project_it_names(gate: Gate) -> None:
    gate.knows(kind=KeyKind.ADMIN, project_id=ProjectId(""), permissions=frozenset({"org:manage"}))
    for headers in ({}, {"openai_project": "proj_a"}):
        refused = await gate.ask(**headers)
        assert (refused.status, refused.error["code"]) == (403, "permission_denied")
        assert "cannot call models" in refused.error["message"]


@pytest.mark.parametrize(
    ("peer", "is_good"),
    [
        (OFFICE, True),
        (f"::ffff:{OFFICE}", True),
        ("2001:db8::7", True),
        (HOME, False),
        ("2001:db9::7", False),
        ("", False),
    ],
)
async def test_a_key_is_used_from_its_addresses_only(gate: Gate, peer: str, is_good: bool) -> None:
    gate.knows(terms=IN_OFFICE)
    for path in ("/v1/chat/completions", "/v1/models"):
        client = await gate.ask(path, peer=peer)
        assert client.status == (200 if is_good else 403)
    if not is_good:
        assert client.error["code"] == "ip_not_allowed"
        assert (peer or "an unknown address") in client.error["message"]
        assert gate.gateway.ledger.reservations == {}


@given(
    header=st.lists(
        st.sampled_from(
            [OFFICE, f"{OFFICE}:80", f"[::ffff:{OFFICE}]", "2001:db8::1", PROXY, "unknown", "", "%", " , "]
        ),
        max_size=5,
    ),
    peer=st.sampled_from([HOME, "2001:db9::1", "192.168.0.1"]),
)
async def test_nothing_that_a_stranger_writes_into_a_header_gets_it_in(header: list[str], peer: str) -> None:
    gate = Gate(trusted=(PROXY,))
    gate.knows(terms=IN_OFFICE)
    client = gate.gateway.client(key=KEY)
    client.scope["client"] = (peer, 1)
    client.scope["headers"] += [(b"x-forwarded-for", each.encode()) for each in header]
    client.scope["headers"] += [(b"forwarded", f"for={OFFICE}".encode()), (b"x-real-ip", OFFICE.encode())]
    await gate.gateway.handle(client)
    assert (client.status, client.error["code"]) == (403, "ip_not_allowed")


@given(st.ip_addresses(), st.lists(st.sampled_from([OFFICE, HOME, "2001:db8::5", "junk"]), max_size=3))
def test_behind_a_trusted_proxy_the_address_is_the_one_that_it_saw(seen: Any, before: list[str]) -> None:
    """The last entry is the proxy's; what stands before it may be the client's invention."""
    key = make_key(terms=IN_OFFICE)
    client = _client(PROXY, ", ".join([*before, str(seen)]))
    is_inside = Networks(IN_OFFICE.allowed_ips).contains(str(seen))
    is_proxy = str(getattr(seen, "ipv4_mapped", None) or seen) == PROXY
    if not is_proxy:
        assert _passes(key, client, Networks((PROXY,))) == is_inside


async def test_the_proxys_own_address_is_not_the_clients(gate: Gate) -> None:
    gate = Gate(trusted=(PROXY,))
    gate.knows(terms=KeyTerms(allowed_ips=(PROXY,)))
    assert (await gate.ask(peer=PROXY, x_forwarded_for=HOME)).status == 403
    assert (await gate.ask(peer=PROXY)).status == 200, "the proxy itself calls"


@pytest.mark.parametrize(
    ("allowed", "asked", "is_good"),
    [
        ((MODEL,), MODEL, True),
        (("gpt-f*",), MODEL, True),
        (("gpt-f*",), f"openai/{MODEL}", True),
        (("openai/*",), MODEL, True),
        (("openai/gpt-fake",), MODEL, True),
        (("claude-*",), MODEL, False),
        (("GPT-FAKE",), MODEL, False),
        (("gpt",), MODEL, False),
        (("*-unpriced",), MODEL, False),
    ],
)
async def test_a_key_calls_its_models_only(gate: Gate, allowed: tuple[str, ...], asked: str, is_good: bool) -> None:
    gate.knows(terms=KeyTerms(allowed_models=allowed))
    client = await gate.ask(body=chat(model=asked))
    assert client.status == (200 if is_good else 403)
    if not is_good:
        assert client.error["code"] == "model_not_allowed"
        assert allowed[0] in client.error["message"]
        assert gate.gateway.upstream.requests == []
        assert gate.gateway.ledger.reservations == {}
        assert gate.gateway.limiter.held == 0


async def test_models_are_listed_that_the_key_may_call(gate: Gate) -> None:
    assert await _listed(gate, GOOD_KEY) == [MODEL, "gpt-unpriced"]
    gate.knows(terms=KeyTerms(allowed_models=("openai/gpt-un*",)))
    assert await _listed(gate, KEY) == ["gpt-unpriced"]
    assert await _listed(gate, GOOD_KEY) == [MODEL, "gpt-unpriced"], "one key's list is not another's"
    refused = await gate.ask(f"/v1/models/{MODEL}")
    assert (refused.status, refused.error["code"]) == (403, "model_not_allowed")
    assert (await gate.ask("/v1/models/gpt-unpriced")).status == 200


async def test_a_call_carries_the_keys_labels_and_its_own_win(gate: Gate) -> None:
    gate.knows(terms=KeyTerms(labels={"feature": "search", "purpose": "prod"}))
    assert (await gate.ask(x_tollkeeper_labels="purpose=eval,run=7")).status == 200
    assert gate.gateway.ledger.only.labels == {"feature": "search", "purpose": "eval", "run": "7"}


@pytest.mark.parametrize(
    ("labels", "header", "is_good"),
    [
        ({}, None, False),
        ({}, "purpose=eval", False),
        ({}, "feature=", False),
        ({}, "feature=search", True),
        ({"feature": "search"}, None, True),
        ({"feature": "search"}, "feature=", False),
    ],
)
async def test_a_label_that_the_organization_wants_is_the_calls_or_the_keys(
    gate: Gate, labels: dict[str, str], header: str | None, is_good: bool
) -> None:
    gate.knows(terms=KeyTerms(labels=labels, required_labels=("feature",)))
    client = await gate.ask(**({} if header is None else {"x_tollkeeper_labels": header}))
    assert client.status == (200 if is_good else 400)
    if not is_good:
        assert "'feature'" in client.error["message"]
        assert gate.gateway.upstream.requests == []
        assert gate.gateway.ledger.reservations == {}
        assert gate.gateway.limiter.held == 0


async def test_the_metadata_of_a_body_counts_as_its_labels(gate: Gate) -> None:
    gate.knows(terms=KeyTerms(required_labels=("feature",)))
    assert (await gate.ask(body=chat(metadata={"feature": "search"}))).status == 200


def test_a_plain_key_costs_two_look_ups_and_no_copy() -> None:
    asked: list[bytes] = []

    class Headers(dict[bytes, bytes]):
        def get(self, name: bytes, default: Any = None) -> Any:
            asked.append(name)
            return super().get(name, default)

    client = _client(HOME, OFFICE)
    client.headers = Headers(client.headers)
    key = make_key()
    assert key_in_use(key, client, "chat:create", Networks()) is key
    assert asked == [b"openai-organization", b"openai-project"]


async def _listed(gate: Gate, key: str) -> list[str]:
    listed = msgspec.json.decode((await gate.ask("/v1/models", key=key)).body)
    return [model["id"] for model in listed["data"]]


def _client(peer: str, forwarded: str) -> Client:
    async def nothing(*_: Any) -> Any: ...

    headers = [(b"x-forwarded-for", forwarded.encode())]
    return Client({"type": "http", "client": (peer, 1), "headers": headers}, nothing, nothing)


def _passes(key: ApiKey, client: Client, trusted: Networks) -> bool:
    from tollkeeper.domain.errors import AddressNotAllowed

    try:
        key_in_use(key, client, "chat:create", trusted)
    except AddressNotAllowed:
        return False
    return True
