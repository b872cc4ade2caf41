"""The settings: what they are, their defaults, and where they come from (file, then environment). Read once, frozen.

Only `bootstrap` and `cli` see this module. Unknown names are an error, in the file and in the environment.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

import msgspec

from tollkeeper.domain.deployment import CATALOGUE_PROVIDERS, Deployment, Provider, ProviderKind, Route
from tollkeeper.domain.errors import ConfigurationError

ENVIRONMENT_PREFIX = "TOLLKEEPER_"
CONFIG_VARIABLE = "TOLLKEEPER_CONFIG"
USUAL_FILE = "tollkeeper.toml"
PROXY_VARIABLES = frozenset({"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "REQUEST_METHOD"})
"""REQUEST_METHOD tells that HTTP_PROXY may come from a request's header, as in CGI; `upstream.proxy` knows what to do."""
USUAL_PROVIDERS: tuple[tuple[str, ProviderKind, str, str], ...] = (
    ("openai", "openai", "https://api.openai.com/v1", "OPENAI_API_KEY"),
    ("deepseek", "deepseek", "https://api.deepseek.com/v1", "DEEPSEEK_API_KEY"),
    ("xai", "xai", "https://api.x.ai/v1", "XAI_API_KEY"),
)
"""Providers that need no entry when their usual variable is set: those that this version can call."""


Seconds = Annotated[float, msgspec.Meta(gt=0)]
Size = Annotated[int, msgspec.Meta(ge=1)]


class Section(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A table of the settings file. The line below each setting is its meaning, also in the reference page."""


class Server(Section, frozen=True):
    """What clients meet."""

    host: str = "127.0.0.1"
    """The address to listen on."""
    port: Annotated[int, msgspec.Meta(ge=1, le=65_535)] = 8080
    """The port to listen on."""
    workers: Annotated[int, msgspec.Meta(ge=1, le=256)] = 1
    """How many processes share the port."""
    role: Literal["all", "gateway", "control"] = "all"
    """`gateway` serves inference and health, `control` all but inference, `all` both."""
    body_bytes_max: Size = 32 * 1024 * 1024
    """The largest body of a request; beyond it 413."""
    head_bytes_max: Size = 64 * 1024
    """The largest line and headers of a request; beyond it 431."""
    request_s: Seconds = 60.0
    """The longest silence while a client sends its request; beyond it 408."""
    client_stall_s: Seconds = 60.0
    """How long a client may leave an answer unread before it counts as gone."""
    shutdown_grace_s: Seconds = 30.0
    """How long calls in flight may go on after SIGTERM."""


class Upstream(Section, frozen=True):
    """How providers are called."""

    connect_s: Seconds = 5.0
    """The longest wait for a connection, TLS included."""
    first_byte_s: Seconds = 600.0
    """The longest wait for an answer's first byte."""
    idle_s: Seconds = 300.0
    """The longest silence within an answer."""
    total_s: Seconds = 1800.0
    """The longest time for a call as a whole."""
    connections_max: Size = 512
    """Connections to each provider, per process; further calls wait for one."""
    answer_bytes_max: Size = 64 * 1024 * 1024
    """The largest answer that is not a stream."""
    drain_s: Seconds = 60.0
    """How long an answer is read on for its usage after its client left."""
    drains_max: Annotated[int, msgspec.Meta(ge=0)] = 256
    """How many such answers at once, per process; the tokens of more are counted by tokenizer."""
    ca_file: str = ""
    """Further certificate authorities, a PEM file."""


class Database(Section, frozen=True):
    """Where organizations, keys, prices and usage live."""

    url: str = "sqlite:///tollkeeper.db"
    """`sqlite:///file`, `sqlite:////absolute/file` or `postgresql://user@host/db`."""


class Journal(Section, frozen=True):
    """What is written down around each call, before the database has it."""

    directory: str = "journal"
    """A folder on a local disk, shared by the workers of one machine."""
    durability: Literal["fast", "safe"] = "fast"
    """`fast` survives the death of the process, `safe` also the loss of power."""
    segment_bytes: Size = 64 * 1024 * 1024
    """How large a file of the journal grows before the next one begins."""


class Keys(Section, frozen=True):
    """How API keys are checked."""

    pepper_file: str = "tollkeeper.pepper"
    """The file with the secret that keys are digested with; `tollkeeper init` makes it."""
    pepper: str = ""
    """The same secret as 64 hexadecimal digits; wins over the file. For several machines."""
    staleness_max_s: Seconds = 300.0
    """How long keys in memory stay good while the database is away."""


class Logging(Section, frozen=True):
    """What is logged, as lines on standard error."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    """The least severe level that is logged."""


class ProviderEntry(Section, frozen=True):
    """A provider to call. One whose usual variable is set needs no entry."""

    name: str
    """What routes, usage records and `provider/model` call it."""
    kind: ProviderKind
    """The dialect and the defaults; `anthropic` and `gemini` cannot be called by this version yet."""
    base_url: str = ""
    """Where it is, up to and including the version: `https://host/v1`. The kind's own when left out."""
    api_key_env: str = ""
    """The environment variable that holds its key. The kind's usual one when left out."""
    catalogue: str = ""
    """The catalogue's provider whose list prices hold. The kind's own when left out; `openai_compatible` has none."""
    insecure_http: bool = False
    """Allow http:// beyond this machine: its key then travels readable."""


class DeploymentEntry(Section, frozen=True):
    """A model at a provider: `{ provider = "openai", model = "gpt-4o-mini" }`."""

    provider: str
    """The name of a provider."""
    model: str
    """The model as the provider names it."""
    weight: int = 1
    """Its share of the calls. Not used yet: the first deployment of a model serves."""


class ModelEntry(Section, frozen=True):
    """A public model name of your own. Names of the catalogue resolve without an entry."""

    name: str
    """What clients send as `model`."""
    deployments: tuple[DeploymentEntry, ...]
    """What is behind it, in order; see below. The first one serves."""


class Settings(Section, frozen=True):
    """Everything that can be set. See `docs/reference/configuration.md`."""

    server: Server = Server()
    upstream: Upstream = Upstream()
    database: Database = Database()
    journal: Journal = Journal()
    keys: Keys = Keys()
    logging: Logging = Logging()
    providers: tuple[ProviderEntry, ...] = ()
    models: tuple[ModelEntry, ...] = ()


class Configuration(msgspec.Struct, frozen=True):
    """Settings with what was resolved from the environment: providers with their keys, and routes."""

    settings: Settings
    providers: tuple[Provider, ...]
    routes: tuple[Route, ...]
    proxies: dict[str, str]  # what the environment says about proxies, under its own names


def load(
    path: Path | None = None, environment: Mapping[str, str] | None = None, *, is_serving: bool = True
) -> Configuration:
    """Read the settings file (given, or TOLLKEEPER_CONFIG, or ./tollkeeper.toml when it is there), then the environment.

    Who does not serve needs no provider's key.

    Raises:
        ConfigurationError: a file that cannot be read, an unknown name, a wrong value, a provider without its key.
    """
    env = os.environ if environment is None else environment
    tables = _read_file(path, env)
    _overlay_environment(tables, env)
    try:
        settings = msgspec.convert(tables, Settings)
    except msgspec.ValidationError as error:
        raise ConfigurationError(f"Configuration: {error}") from error
    providers = _providers(settings, env, is_serving=is_serving)
    routes = _routes(settings, {provider.name: provider for provider in providers})
    proxies = {name: value for name, value in env.items() if name.upper() in PROXY_VARIABLES}
    return Configuration(settings, providers, routes, proxies)


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
    for variable, text in env.items():
        if not variable.startswith(ENVIRONMENT_PREFIX) or variable == CONFIG_VARIABLE:
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
        table = tables.setdefault(section, {})
        if not isinstance(table, dict):
            raise ConfigurationError(f"[{section}] must be a table")
        try:
            table[name] = msgspec.convert(text, fields[name], strict=False)
        except msgspec.ValidationError as error:
            raise ConfigurationError(f"{variable}: {error}") from error


def _providers(settings: Settings, env: Mapping[str, str], *, is_serving: bool) -> tuple[Provider, ...]:
    usual = {kind: (url, variable) for _, kind, url, variable in USUAL_PROVIDERS}
    found: dict[str, Provider] = {}
    for entry in settings.providers:
        if entry.kind in {"anthropic", "gemini"}:
            raise ConfigurationError(
                f"provider '{entry.name}': kind '{entry.kind}' cannot be called by this version yet"
            )
        default_url, default_variable = usual.get(entry.kind, ("", ""))
        base_url = (entry.base_url or default_url).rstrip("/")
        if not base_url:
            raise ConfigurationError(f"provider '{entry.name}': base_url is missing")
        _check_base_url(entry, base_url)
        variable = entry.api_key_env or default_variable
        api_key = env.get(variable, "") if variable else ""
        if variable and not api_key and is_serving:
            raise ConfigurationError(f"provider '{entry.name}': the environment variable {variable} is not set")
        if entry.name in found:
            raise ConfigurationError(f"provider '{entry.name}' is there twice")
        catalogue = entry.catalogue or CATALOGUE_PROVIDERS.get(entry.kind, "")
        found[entry.name] = Provider(entry.name, entry.kind, base_url, api_key, catalogue)
    for name, kind, url, variable in USUAL_PROVIDERS:
        usual_key = env.get(variable)
        if name not in found and usual_key:
            found[name] = Provider(name, kind, url, usual_key, CATALOGUE_PROVIDERS[kind])
    return tuple(found.values())


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


def _routes(settings: Settings, providers: dict[str, Provider]) -> tuple[Route, ...]:
    routes: dict[str, Route] = {}
    for model in settings.models:
        if not model.deployments:
            raise ConfigurationError(f"model '{model.name}': at least one deployment is needed")
        if model.name in routes:
            raise ConfigurationError(f"model '{model.name}' is there twice")
        deployments = []
        for entry in model.deployments:
            provider = providers.get(entry.provider)
            if provider is None:
                raise ConfigurationError(f"model '{model.name}': there is no provider '{entry.provider}'")
            deployments.append(Deployment(provider, entry.model, entry.weight))
        routes[model.name] = Route(model.name, tuple(deployments))
    return tuple(routes.values())
