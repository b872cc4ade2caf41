"""What is configured for an issuer is checked when it is read, and the presets are what the vendors document."""

from __future__ import annotations

from typing import Any

import pytest

from tollkeeper.domain.errors import ConfigurationError
from tollkeeper.identity.issuers import Issuer, google, is_safe_url, microsoft

DIRECTORY = "8eaef023-2b34-4da1-9baa-8bc8c9d6a490"


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"name": "a/b"}, "name"),
        ({"name": ""}, "name"),
        ({"name": "x" * 33}, "name"),
        ({"name": "Own"}, "name"),
        ({"issuer": "http://issuer.example"}, "https"),
        ({"issuer": "https://issuer.example?x=1"}, "https"),
        ({"issuer": "https://issuer.example#x"}, "https"),
        ({"issuer": ""}, "https"),
        ({"client_id": ""}, "client_id"),
        ({"scopes": ("email",)}, "openid"),
    ],
)
def test_field_that_cannot_be_right_is_named(fields: dict[str, Any], named: str) -> None:
    right = {"name": "own", "issuer": "https://issuer.example", "client_id": "x"}
    assert Issuer(**right)
    with pytest.raises(ConfigurationError, match=named):
        Issuer(**right | fields)


@pytest.mark.parametrize(
    "url",
    ["http://localhost:8080", "http://127.0.0.1/x", "http://127.9.9.9", "http://[::1]:80/", "https://issuer.example/x"],
)
def test_plain_http_is_for_this_machine(url: str) -> None:
    assert is_safe_url(url, is_loopback_allowed=True)
    assert is_safe_url(url, is_loopback_allowed=False) == url.startswith("https:")


@pytest.mark.parametrize(
    "url",
    [
        "http://localhost.evil.example",
        "http://127.0.0.1.evil.example",
        "http://0.0.0.0",
        "http://10.0.0.1",
        "https://",
        "https://user@issuer.example",
        "https://issuer.example/a b",
        "https://issuer.example/\n",
        "https://issuer.exampl\u0435",
        "https://issuer.example:99999",
        "https://[::1",
        "//issuer.example",
        "javascript:alert(1)",
    ],
)
def test_other_addresses_are_not_safe(url: str) -> None:
    assert not is_safe_url(url, is_loopback_allowed=True)


def test_google_is_as_documented() -> None:
    preset = google(client_id="x", client_secret="y", allowed_domains=("example.com",))
    assert (preset.name, preset.issuer, preset.domain_claim) == ("google", "https://accounts.google.com", "hd")
    assert preset.documented_issuer == preset.issuer


def test_microsoft_is_as_documented() -> None:
    any_directory = microsoft(client_id="x", client_secret="y")
    assert any_directory.issuer == "https://login.microsoftonline.com/organizations/v2.0"
    assert any_directory.documented_issuer == "https://login.microsoftonline.com/{tenantid}/v2.0"
    one = microsoft(client_id="x", client_secret="y", directory=DIRECTORY, is_email_trusted=True)
    assert one.documented_issuer == one.issuer == f"https://login.microsoftonline.com/{DIRECTORY}/v2.0"
    assert not one.is_for_any_directory


@pytest.mark.parametrize("directory", ["contoso.onmicrosoft.com", "consumers", "", "../x"])
def test_microsoft_directory_is_given_by_its_id(directory: str) -> None:
    with pytest.raises(ConfigurationError, match="GUID"):
        microsoft(client_id="x", client_secret="y", directory=directory)


def test_addresses_of_all_microsoft_directories_are_never_trusted() -> None:
    with pytest.raises(ConfigurationError, match="any Microsoft directory"):
        microsoft(client_id="x", client_secret="y", is_email_trusted=True)
