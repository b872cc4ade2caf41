"""Providers and routes as the settings and the environment give them: with their keys, addresses checked."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

from tollkeeper.config.secrets import Secrets
from tollkeeper.config.sections import DeploymentEntry, ProviderEntry, Settings
from tollkeeper.domain.deployment import CATALOGUE_PROVIDERS, Deployment, Provider, ProviderKind, Route
from tollkeeper.domain.errors import ConfigurationError
from tollkeeper.kit.secret_sources import SecretSource

USUAL_PROVIDERS: tuple[tuple[str, ProviderKind, str, str], ...] = (
    ("openai", "openai", "https://api.openai.com/v1", "OPENAI_API_KEY"),
    ("anthropic", "anthropic", "https://api.anthropic.com/v1", "ANTHROPIC_API_KEY"),
    ("gemini", "gemini", "https://generativelanguage.googleapis.com/v1beta", "GEMINI_API_KEY"),
    ("deepseek", "deepseek", "https://api.deepseek.com/v1", "DEEPSEEK_API_KEY"),
    ("xai", "xai", "https://api.x.ai/v1", "XAI_API_KEY"),
)
"""Providers that need no entry when their usual variable is set."""


def resolve_providers(settings: Settings, environment: Mapping[str, str], secrets: Secrets) -> tuple[Provider, ...]:
    """Return the providers with an entry, in order, then those whose usual variable is set.

    Raises:
        ConfigurationError: an entry that contradicts itself, is there twice, or whose key cannot be read.
    """
    usual = {kind: (url, variable) for _, kind, url, variable in USUAL_PROVIDERS}
    found: dict[str, Provider] = {}
    for entry in settings.providers:
        default_url, default_variable = usual.get(entry.kind, ("", ""))
        base_url = (entry.base_url or default_url).rstrip("/")
        if not base_url:
            raise ConfigurationError(f"provider '{entry.name}': base_url is missing")
        _check_base_url(entry, base_url)
        if entry.name in found:
            raise ConfigurationError(f"provider '{entry.name}' is there twice")
        setting = f"provider '{entry.name}': api_key"
        source = SecretSource(setting, entry.api_key_env, entry.api_key_file, entry.api_key_command)
        if not source.is_given and default_variable:
            source = SecretSource(setting, default_variable)
        api_key = secrets.read(source) if source.is_given else ""
        catalogue = entry.catalogue or CATALOGUE_PROVIDERS.get(entry.kind, "")
        found[entry.name] = Provider(
            entry.name,
            entry.kind,
            base_url,
            api_key,
            catalogue,
            reports_cost=entry.reports_cost,
            key_header=entry.key_header,
        )
    for name, kind, url, variable in USUAL_PROVIDERS:
        if name not in found and environment.get(variable):
            api_key = secrets.read(SecretSource(f"provider '{name}': api_key", variable))
            found[name] = Provider(name, kind, url, api_key, CATALOGUE_PROVIDERS[kind])
    return tuple(found.values())


def resolve_routes(settings: Settings, providers: tuple[Provider, ...]) -> tuple[Route, ...]:
    """Return the public model names with what is behind them.

    Raises:
        ConfigurationError: a name that is there twice, has nothing behind it, or names a provider that is not there.
    """
    by_name = {provider.name: provider for provider in providers}
    routes: dict[str, Route] = {}
    for model in settings.models:
        if not model.deployments:
            raise ConfigurationError(f"model '{model.name}': at least one deployment is needed")
        if model.name in routes:
            raise ConfigurationError(f"model '{model.name}' is there twice")
        deployments = []
        for entry in model.deployments:
            provider = by_name.get(entry.provider)
            if provider is None:
                raise ConfigurationError(f"model '{model.name}': there is no provider '{entry.provider}'")
            deployments.append(_deployment(provider, entry))
        if all(each.is_for_long_context for each in deployments):
            raise ConfigurationError(f"model '{model.name}': one deployment must be without for_long_context")
        routes[model.name] = Route(model.name, tuple(deployments))
    return tuple(routes.values())


def _deployment(provider: Provider, entry: DeploymentEntry) -> Deployment:
    return Deployment(
        provider,
        entry.model,
        entry.weight,
        concurrent_calls=entry.concurrent_calls,
        requests_per_minute=entry.requests_per_minute,
        tokens_per_minute=entry.tokens_per_minute,
        is_for_long_context=entry.for_long_context,
    )


def _check_base_url(entry: ProviderEntry, base_url: str) -> None:
    try:
        parts = urlsplit(base_url)
        has_port = parts.port is None or parts.port > 0
    except ValueError:
        has_port = False
    if not has_port or parts.scheme not in {"http", "https"} or not parts.hostname or "@" in parts.netloc:
        raise ConfigurationError(f"provider '{entry.name}': base_url must look like https://host/v1")
    is_local = parts.hostname in {"127.0.0.1", "::1", "localhost"}
    if parts.scheme == "http" and not is_local and not entry.insecure_http:
        raise ConfigurationError(
            f"provider '{entry.name}': base_url must be https (its key would travel readable); "
            "insecure_http = true allows it for a model server in your own network"
        )
