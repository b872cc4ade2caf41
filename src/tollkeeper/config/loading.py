"""Where settings come from: the file, then the environment over it, then what both refer to."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_origin

import msgspec

from tollkeeper.config.observation import (
    metrics_network_texts,
    resolve_metrics_token,
    resolve_tracing_headers,
)
from tollkeeper.config.people import OidcProvider, resolve_email_password, resolve_oidc, resolve_public_url
from tollkeeper.config.providers import resolve_providers, resolve_routes
from tollkeeper.config.secrets import Secrets
from tollkeeper.config.sections import Section, Settings
from tollkeeper.config.tiers import resolve_tiers
from tollkeeper.domain.deployment import Provider, Route
from tollkeeper.domain.errors import ConfigurationError
from tollkeeper.domain.tier import Tier
from tollkeeper.kit.networks import Networks

ENVIRONMENT_PREFIX = "TOLLKEEPER_"
CONFIG_VARIABLE = "TOLLKEEPER_CONFIG"
USUAL_FILE = "tollkeeper.toml"
FILE_ONLY_ENDING = "_command"
"""Settings of this ending run a program, so the file alone may say them."""
PROXY_VARIABLES = frozenset({"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "REQUEST_METHOD"})
"""REQUEST_METHOD tells that HTTP_PROXY may come from a request's header, as in CGI; `upstream.proxy` knows what to do."""


class Configuration(msgspec.Struct, frozen=True):
    """Settings with what they refer to: secrets, providers, routes, networks.

    `proxies` is what the environment says about proxies, under its own names; `warnings` is to be logged at the start.
    """

    settings: Settings
    providers: tuple[Provider, ...]
    routes: tuple[Route, ...]
    proxies: dict[str, str]
    public_url: str
    trusted_proxies: Networks
    private_networks: Networks
    email_password: str
    oidc: tuple[OidcProvider, ...]
    tiers: dict[str, Tier]
    metrics_networks: Networks
    metrics_token: str
    tracing_headers: dict[str, str]
    warnings: tuple[str, ...]

    def __repr__(self) -> str:
        return f"Configuration({self.public_url!r})"  # never a secret; a proxy's address may hold one too


def load(
    path: Path | None = None, environment: Mapping[str, str] | None = None, *, is_serving: bool = True
) -> Configuration:
    """Read the settings file (given, or TOLLKEEPER_CONFIG, or ./tollkeeper.toml when it is there), then the environment.

    Who does not serve needs no secrets but the pepper: none is read then from a file or a command.

    Raises:
        ConfigurationError: a file that cannot be read, an unknown name, a wrong value, a secret that is not there.
    """
    env = os.environ if environment is None else environment
    tables = _read_file(path, env)
    _overlay_environment(tables, env)
    try:
        settings = msgspec.convert(tables, Settings)
    except msgspec.ValidationError as error:
        raise ConfigurationError(f"Configuration: {error}") from error
    secrets = Secrets(env, is_serving=is_serving)
    providers = resolve_providers(settings, env, secrets)
    return Configuration(
        settings,
        providers,
        resolve_routes(settings, providers),
        proxies={name: value for name, value in env.items() if name.upper() in PROXY_VARIABLES},
        public_url=resolve_public_url(settings.server),
        trusted_proxies=_networks("server.trusted_proxies", settings.server.trusted_proxies),
        private_networks=_networks("upstream.private_networks", settings.upstream.private_networks),
        email_password=resolve_email_password(settings.email, secrets),
        oidc=resolve_oidc(settings.oidc, secrets),
        tiers=resolve_tiers(settings),
        metrics_networks=_networks("metrics.networks", metrics_network_texts(settings)),
        metrics_token=resolve_metrics_token(settings.metrics, secrets),
        tracing_headers=resolve_tracing_headers(settings.tracing, secrets),
        warnings=secrets.warnings,
    )


def _read_file(path: Path | None, env: Mapping[str, str]) -> dict[str, Any]:
    if path is None and (named := env.get(CONFIG_VARIABLE)):
        path = Path(named)
    if path is None:
        path = Path(USUAL_FILE)
        if not path.exists():
            return {}
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigurationError(f"{path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path}: {error}") from error


def _overlay_environment(tables: dict[str, Any], env: Mapping[str, str]) -> None:
    """Put TOLLKEEPER_SECTION__NAME values into `tables`, as the type that the setting has."""
    sections = {field.name: field.type for field in msgspec.structs.fields(Settings)}
    looks_like_ours = tuple(f"{section}_" for section in sections)
    secrets = _secret_variables(tables, env)
    for variable, text in env.items():
        if not variable.startswith(ENVIRONMENT_PREFIX) or variable == CONFIG_VARIABLE or variable in secrets:
            continue
        if not variable.removeprefix(ENVIRONMENT_PREFIX).lower().startswith(looks_like_ours):
            continue  # such as TOLLKEEPER_KEY, in which people keep the key that they call with
        section, _, name = variable.removeprefix(ENVIRONMENT_PREFIX).lower().partition("__")
        kind = sections.get(section)
        fields = (
            {field.name: field.type for field in msgspec.structs.fields(kind)}
            if isinstance(kind, type) and issubclass(kind, Section)
            else {}
        )
        if name not in fields:
            raise ConfigurationError(f"{variable}: there is no such setting")
        if name.endswith(FILE_ONLY_ENDING):
            raise ConfigurationError(f"{variable}: a command can be set in the settings file only")
        table = tables.setdefault(section, {})
        if not isinstance(table, dict):
            raise ConfigurationError(f"[{section}] must be a table")
        try:
            table[name] = _from_text(text, fields[name])
        except msgspec.ValidationError as error:
            raise ConfigurationError(f"{variable}: {error}") from error


def _secret_variables(tables: dict[str, Any], env: Mapping[str, str]) -> set[str]:
    """Return the variables that a setting names as holding a secret, such as TOLLKEEPER_EMAIL_PASSWORD."""
    entries = [entry for table in tables.values() for entry in (table if isinstance(table, list) else [table])]
    named = {
        value
        for entry in entries
        if isinstance(entry, dict)
        for name, value in entry.items()
        if name.endswith("_env") and isinstance(value, str)
    }
    return named | {
        value for name, value in env.items() if name.startswith(ENVIRONMENT_PREFIX) and name.endswith("_ENV")
    }


def _from_text(text: str, kind: Any) -> Any:
    """Convert a variable's text; a list is written with commas."""
    if get_origin(kind) is tuple:
        return msgspec.convert([item.strip() for item in text.split(",") if item.strip()], kind, strict=False)
    return msgspec.convert(text, kind, strict=False)


def _networks(setting: str, texts: tuple[str, ...]) -> Networks:
    try:
        return Networks(texts)
    except ValueError as error:
        raise ConfigurationError(f"{setting}: {error}") from None
