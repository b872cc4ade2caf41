"""What observes the installation, checked: who reads its figures, and where its traces go."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from tollkeeper.config.secrets import Secrets
from tollkeeper.config.sections import Metrics, Settings, Tracing
from tollkeeper.domain.errors import ConfigurationError
from tollkeeper.kit.secret_sources import SecretSource

TOKEN_LENGTH_MIN = 16
THIS_MACHINE = ("127.0.0.0/8", "::1")
_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")


def metrics_network_texts(settings: Settings) -> tuple[str, ...]:
    """Return the networks that read figures without a token."""
    return (*THIS_MACHINE, *settings.upstream.private_networks, *settings.metrics.networks)


def resolve_metrics_token(metrics: Metrics, secrets: Secrets) -> str:
    """Return the token of who reads figures from elsewhere; "" when there is none.

    Raises:
        ConfigurationError: it cannot be read, or is so short that it can be guessed.
    """
    source = SecretSource("metrics.token", metrics.token_env, metrics.token_file, metrics.token_command)
    if not metrics.enabled or not source.is_given:
        return ""
    token = secrets.read(source)
    if token and len(token) < TOKEN_LENGTH_MIN:
        raise ConfigurationError(f"metrics.token has fewer than {TOKEN_LENGTH_MIN} characters; make a longer one")
    return token


def resolve_tracing_headers(tracing: Tracing, secrets: Secrets) -> dict[str, str]:
    """Check where traces go, and return the headers that the collector asks for.

    Raises:
        ConfigurationError: the endpoint is no address, or the headers cannot be read.
    """
    if not tracing.enabled:
        return {}
    try:
        parts = urlsplit(tracing.endpoint)
        is_address = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_address = False
    if not is_address or "@" in tracing.endpoint or not tracing.endpoint.isprintable() or " " in tracing.endpoint:
        raise ConfigurationError("tracing.endpoint must look like https://collector.example.com:4318/v1/traces")
    source = SecretSource("tracing.headers", tracing.headers_env, tracing.headers_file, tracing.headers_command)
    if not source.is_given:
        return {}
    return _parse_headers(secrets.read(source))


def _parse_headers(text: str) -> dict[str, str]:
    headers: dict[str, str] = {}
    for pair in filter(None, (each.strip() for each in text.split(","))):
        name, equals, value = pair.partition("=")
        value = value.strip()
        if not equals or not _HEADER_NAME.fullmatch(name.strip()) or not value.isascii() or not value.isprintable():
            raise ConfigurationError("tracing.headers must look like authorization=Bearer abc,x-team=ai")
        headers[name.strip().lower()] = value
    return headers
