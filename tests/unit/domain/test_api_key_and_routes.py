"""Keys: written form, checksum, use; access; public model names and what they resolve to."""

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tollkeeper.domain.access import ADMIN_PERMISSIONS, INFERENCE_PERMISSIONS, authorise
from tollkeeper.domain.api_key import ApiKey, ApiKeyId, KeyKind, KeyStatus, check_format, redact, write_key
from tollkeeper.domain.deployment import Deployment, Provider, Route, RouteTable
from tollkeeper.domain.errors import InvalidApiKey, PermissionDenied
from tollkeeper.domain.tenancy import OrganizationId, ProjectId

base62 = string.digits + string.ascii_letters


def key(**changes: object) -> ApiKey:
    fields = {
        "organization_id": OrganizationId("org_1"),
        "id": ApiKeyId("key_1"),
        "project_id": ProjectId("proj_1"),
        "name": "search",
        "kind": KeyKind.SERVICE,
        "status": KeyStatus.ACTIVE,
        "permissions": INFERENCE_PERMISSIONS,
        "created_at_us": 0,
    }
    return ApiKey(**{**fields, **changes})  # type: ignore[arg-type]


@given(st.text(base62, min_size=12, max_size=12), st.text(base62, min_size=43, max_size=43), st.data())
def test_a_key_with_any_one_character_mistyped_is_refused(key_id: str, secret: str, data: st.DataObject) -> None:
    written = write_key(key_id, secret).encode()
    assert len(written) == 68
    check_format(written)
    at = data.draw(st.integers(0, len(written) - 1))
    wrong = data.draw(st.integers(0, 255).filter(lambda byte: byte != written[at]))
    with pytest.raises(InvalidApiKey, match="Invalid API key format"):
        check_format(written[:at] + bytes([wrong]) + written[at + 1 :])


def test_a_shown_key_gives_nothing_of_the_secret_away() -> None:
    assert redact("key_abcdefghijkl") == "sk-tk-abcdefghijkl-…"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"status": KeyStatus.DISABLED}, "disabled"),
        ({"status": KeyStatus.DELETED}, "Invalid API key"),
        ({"expires_at_us": 1000}, "expired"),
    ],
)
def test_a_key_that_may_not_be_used_says_why(changes: dict[str, object], said: str) -> None:
    with pytest.raises(InvalidApiKey, match=said):
        key(**changes).check_usable(1000)


def test_a_key_is_good_until_the_moment_it_expires() -> None:
    key(expires_at_us=1000).check_usable(999)


def test_an_administration_key_cannot_call_models_and_is_told_so() -> None:
    admin = key(kind=KeyKind.ADMIN, permissions=ADMIN_PERMISSIONS, project_id=ProjectId(""))
    authorise(admin, "billing:read")
    with pytest.raises(PermissionDenied, match=r"administration key cannot call models .*'chat:create'"):
        authorise(admin, "chat:create")
    with pytest.raises(PermissionDenied, match="'billing:read'"):
        authorise(key(), "billing:read")


class Known:
    """A catalogue of two models."""

    def has(self, provider: str, model: str) -> bool:
        return (provider, model) in {("openai", "gpt-4o-mini"), ("deepseek", "deepseek-chat")}

    def models(self, provider: str) -> list[str]:
        return {"openai": ["gpt-4o-mini"], "deepseek": ["deepseek-chat"]}.get(provider, [])


OPENAI = Provider("openai", "openai", "https://api.openai.com/v1", "k", "openai")
LOCAL = Provider("local", "openai_compatible", "http://127.0.0.1:1/v1")
OWN = Route("fast", (Deployment(LOCAL, "llama"),))


@pytest.mark.parametrize(
    ("name", "provider", "model"),
    [
        ("gpt-4o-mini", "openai", "gpt-4o-mini"),
        ("openai/gpt-4o-mini", "openai", "gpt-4o-mini"),
        ("openai/not-in-the-catalogue", "openai", "not-in-the-catalogue"),
        ("local/meta/llama-3", "local", "meta/llama-3"),
        ("fast", "local", "llama"),
    ],
)
def test_a_public_name_resolves_to_its_deployment(name: str, provider: str, model: str) -> None:
    route = RouteTable([OWN], [OPENAI, LOCAL], Known()).resolve(name)
    assert route is not None
    assert (route.deployments[0].provider.name, route.deployments[0].model) == (provider, model)


@pytest.mark.parametrize("name", ["deepseek-chat", "nobody/gpt-4o-mini", "openai/", "gpt-5", ""])
def test_a_name_that_no_provider_here_serves_resolves_to_nothing(name: str) -> None:
    assert RouteTable([OWN], [OPENAI, LOCAL], Known()).resolve(name) is None


def test_the_list_of_names_has_own_names_and_the_catalogues() -> None:
    table = RouteTable([OWN], [OPENAI, LOCAL], Known())
    assert [(name, provider.name) for name, provider in table.names()] == [("fast", "local"), ("gpt-4o-mini", "openai")]


def test_hostile_names_do_not_fill_the_memory() -> None:
    table = RouteTable([], [LOCAL], Known())
    for number in range(20_000):
        table.resolve(f"local/{number}")
    assert len(table._resolved) <= 10_000
