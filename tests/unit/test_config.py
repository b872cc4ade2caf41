"""Settings: defaults, the file, the environment over it, and every mistake named."""

from __future__ import annotations

from pathlib import Path

import pytest

from tollkeeper import config
from tollkeeper.domain.errors import ConfigurationError


def load(tmp_path: Path, text: str, **environment: str) -> config.Configuration:
    path = tmp_path / "tollkeeper.toml"
    path.write_text(text, encoding="utf-8")
    return config.load(path, environment)


def test_nothing_set_gives_defaults_and_no_provider(tmp_path: Path) -> None:
    loaded = load(tmp_path, "")
    assert loaded.settings == config.Settings()
    assert loaded.providers == ()


def test_a_usual_variable_makes_its_provider(tmp_path: Path) -> None:
    (provider,) = load(tmp_path, "", OPENAI_API_KEY="sk-1").providers
    assert (provider.name, provider.kind, provider.catalogue) == ("openai", "openai", "openai")
    assert provider.base_url == "https://api.openai.com/v1"
    assert "sk-1" not in repr(provider)


def test_an_entry_wins_over_the_usual_variable(tmp_path: Path) -> None:
    text = '[[providers]]\nname = "openai"\nkind = "openai"\nbase_url = "https://eu.example/v1/"\napi_key_env = "OWN"'
    (provider,) = load(tmp_path, text, OPENAI_API_KEY="sk-1", OWN="sk-2").providers
    assert (provider.base_url, provider.api_key) == ("https://eu.example/v1", "sk-2")


def test_the_environment_wins_over_the_file(tmp_path: Path) -> None:
    text = "[server]\nport = 1\nworkers = 2"
    server = load(tmp_path, text, TOLLKEEPER_SERVER__PORT="9999").settings.server
    assert (server.port, server.workers) == (9999, 2)


@pytest.mark.parametrize(
    ("text", "environment", "named"),
    [
        ("[server]\nprot = 1", {}, "prot"),
        ("[sever]\nport = 1", {}, "sever"),
        ('[server]\nport = "x"', {}, "server.port"),
        ("[server", {}, "tollkeeper.toml"),
        ("", {"TOLLKEEPER_SERVER__PROT": "1"}, "TOLLKEEPER_SERVER__PROT"),
        ("", {"TOLLKEEPER_SERVER__PORT": "many"}, "TOLLKEEPER_SERVER__PORT"),
        ("", {"TOLLKEEPER_PROVIDERS__NAME": "x"}, "TOLLKEEPER_PROVIDERS__NAME"),
        ('[[providers]]\nname = "a"\nkind = "openai"', {}, "OPENAI_API_KEY"),
        ('[[providers]]\nname = "a"\nkind = "openai_compatible"', {}, "base_url"),
        ('[[providers]]\nname = "a"\nkind = "openai_compatible"\nbase_url = "http://10.0.0.7/v1"', {}, "https"),
        (
            '[[providers]]\nname = "a"\nkind = "openai_compatible"\nbase_url = "http://localhost.evil.example/v1"',
            {},
            "https",
        ),
        (
            '[[providers]]\nname = "a"\nkind = "openai_compatible"\nbase_url = "http://localhost@evil.example/v1"',
            {},
            "https",
        ),
        ('[[providers]]\nname = "a"\nkind = "openai_compatible"\nbase_url = "ftp://x/v1"', {}, "https"),
        ('[[models]]\nname = "fast"\ndeployments = [{ provider = "nobody", model = "m" }]', {}, "nobody"),
        ('[[models]]\nname = "fast"\ndeployments = []', {}, "fast"),
    ],
)
def test_every_mistake_is_an_error_that_names_it(
    tmp_path: Path, text: str, environment: dict[str, str], named: str
) -> None:
    with pytest.raises(ConfigurationError, match=named.replace(".", r"\.")):
        load(tmp_path, text, **environment)


def test_a_public_name_gets_its_deployments_in_order(tmp_path: Path) -> None:
    text = """
[[providers]]
name = "local"
kind = "openai_compatible"
base_url = "http://127.0.0.1:8000/v1"
[[models]]
name = "fast"
deployments = [{ provider = "local", model = "llama" }, { provider = "openai", model = "gpt-4o-mini", weight = 3 }]
"""
    (route,) = load(tmp_path, text, OPENAI_API_KEY="sk-1").routes
    assert [(each.provider.name, each.model, each.weight) for each in route.deployments] == [
        ("local", "llama", 0),
        ("openai", "gpt-4o-mini", 3),
    ]


def test_a_command_that_does_not_serve_needs_no_provider_key(tmp_path: Path) -> None:
    path = tmp_path / "tollkeeper.toml"
    path.write_text('[[providers]]\nname = "openai"\nkind = "openai"', encoding="utf-8")
    assert config.load(path, {}, is_serving=False).providers[0].api_key == ""
