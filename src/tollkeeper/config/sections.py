"""The tables of the settings file: every setting with its type, its bounds, its default and its meaning."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from tollkeeper.domain.credit import Trial
from tollkeeper.domain.deployment import ProviderKind
from tollkeeper.domain.money import parse_usd
from tollkeeper.domain.rate_limit import RATE_MAX

Seconds = Annotated[float, msgspec.Meta(gt=0)]
Size = Annotated[int, msgspec.Meta(ge=1)]
Port = Annotated[int, msgspec.Meta(ge=1, le=65_535)]
WarningDay = Annotated[int, msgspec.Meta(ge=1, le=365)]


class Section(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A table of the settings file. The line below each setting is its meaning, also in the reference page."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}(…)"  # the pepper and the database's password are settings too


class Server(Section, frozen=True):
    """What clients meet."""

    host: str = "127.0.0.1"
    """The address to listen on."""
    port: Port = 8080
    """The port to listen on."""
    workers: Annotated[int, msgspec.Meta(ge=1, le=256)] = 1
    """How many processes share the port."""
    role: Literal["all", "gateway", "control"] = "all"
    """`gateway` serves inference and health, `control` all but inference, `all` both."""
    public_url: str = ""
    """Where people reach this installation, such as `https://ai.example.com`; for e-mails and sign-in. Else `http://host:port`."""
    trusted_proxies: tuple[str, ...] = ()
    """Addresses and networks (`10.0.0.0/8`) whose X-Forwarded-For is believed. Only proxies of your own, as narrow as can be."""
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
    wait_s: Annotated[float, msgspec.Meta(ge=0, le=600)] = 10.0
    """How long a call may wait in all for a provider at its limit, by its `retry-after` or a deployment's own limits."""
    ca_file: str = ""
    """Further certificate authorities, a PEM file."""
    private_networks: tuple[str, ...] = ()
    """Networks (`10.20.0.0/16`) in which organizations may have providers of their own. Else they get public addresses only."""


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
    """How API keys are checked, and the secret that they and all sealed values hang on."""

    pepper_file: str = "tollkeeper.pepper"
    """The file with the secret that keys are digested with; `tollkeeper init` makes it."""
    pepper: str = ""
    """The same secret as 64 hexadecimal digits; wins over the command and the file. For several machines."""
    pepper_command: tuple[str, ...] = ()
    """A program and its arguments that print the same secret; wins over the file."""
    staleness_max_s: Seconds = 300.0
    """How long keys in memory stay good while the database is away."""
    expiry_warning_days: tuple[WarningDay, ...] = (30, 7, 1)
    """How many days before a key expires its people are told."""


class Accounts(Section, frozen=True):
    """How people get in and stay in."""

    sign_up: Literal["closed", "invited", "open"] = "invited"
    """`invited` needs an invitation, `open` lets anybody in to create organizations, `closed` nobody new."""
    session_hours: Annotated[int, msgspec.Meta(ge=1, le=720)] = 12
    """How long a sign-in lasts."""
    invitation_days: Annotated[int, msgspec.Meta(ge=1, le=90)] = 7
    """How long an invitation can be accepted."""
    reset_minutes: Annotated[int, msgspec.Meta(ge=5, le=1440)] = 60
    """How long the link of a password's reset works."""
    verification_hours: Annotated[int, msgspec.Meta(ge=1, le=168)] = 48
    """How long the link that proves an e-mail address works."""
    default_tier: str = "enterprise"
    """The tier of new organizations: `free`, `paid`, `enterprise` or one of `[tiers.NAME]`."""


class Email(Section, frozen=True):
    """The mail server that e-mails go out by."""

    host: str = ""
    """Its name. Without one no e-mail is sent."""
    port: Port = 587
    """Its port: 587 for `starttls`, 465 for `tls`."""
    security: Literal["starttls", "tls", "none"] = "starttls"
    """How the connection is protected; `none` takes a password only on this machine."""
    username: str = ""
    """Who to sign in as; without it nobody signs in."""
    password_env: str = ""
    """The environment variable that holds the password."""
    password_file: str = ""
    """A file that holds it."""
    password_command: tuple[str, ...] = ()
    """A program and its arguments that print it."""
    sender: str = ""
    """Who e-mails come from: `Tollkeeper <tollkeeper@example.com>`."""
    timeout_s: Seconds = 20.0
    """The longest time to hand over one e-mail."""


class Limits(Section, frozen=True):
    """How calls are held to their limits."""

    rates_when_unavailable: Literal["open", "closed"] = "open"
    """While the database is away, each of several replicas goes on with its last share of a rate, or with an equal part."""


class Credits(Section, frozen=True):
    """Prepaid credit: what new organizations are given, and who may grant more."""

    trial_usd: Annotated[str, msgspec.Meta(pattern=r"^[0-9]{1,6}(\.[0-9]{1,9})?$")] = "0"
    """Dollars of trial credit for every new organization, such as `"5"`; its calls then need credit. `"0"` gives none."""
    trial_days: Annotated[int, msgspec.Meta(ge=1, le=3650)] = 30
    """How long trial credit lasts."""
    granted_by: Literal["admin", "operator"] = "admin"
    """`admin` lets whoever has `billing:manage` grant credit to their organization, `operator` only the command line."""

    @property
    def trial(self) -> Trial:
        return Trial(parse_usd(self.trial_usd), self.trial_days)


class Logging(Section, frozen=True):
    """What is logged, as lines on standard error."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    """The least severe level that is logged."""


class Metrics(Section, frozen=True):
    """Figures for Prometheus, at `/metrics` of every process; see [observing Tollkeeper](../how-to/observe.md)."""

    enabled: bool = True
    """Whether there is such a route."""
    networks: tuple[str, ...] = ()
    """Addresses and networks (`10.20.0.0/16`) that read without a token, besides this machine and `upstream.private_networks`."""
    token_env: str = ""
    """The environment variable that holds the token of who reads from elsewhere, sent as `Authorization: Bearer`."""
    token_file: str = ""
    """A file that holds it."""
    token_command: tuple[str, ...] = ()
    """A program and its arguments that print it."""
    directory: str = ""
    """A folder of its own in which the workers of one server leave figures for each other; a temporary one when left out."""


class Tracing(Section, frozen=True):
    """Traces of calls, sent to an OpenTelemetry collector; see [observing Tollkeeper](../how-to/observe.md#traces)."""

    enabled: bool = False
    """Whether calls are traced."""
    endpoint: str = "http://127.0.0.1:4318/v1/traces"
    """Where traces go: OTLP over HTTP, with the whole path."""
    headers_env: str = ""
    """The environment variable that holds headers for the collector, such as `authorization=Bearer abc,x-team=ai`."""
    headers_file: str = ""
    """A file that holds them."""
    headers_command: tuple[str, ...] = ()
    """A program and its arguments that print them."""
    sample_ratio: Annotated[float, msgspec.Meta(ge=0, le=1)] = 1.0
    """Which part of the calls is traced whose client does not say, in `traceparent`, whether its own trace is kept."""
    service_name: str = "tollkeeper"
    """What this installation is called in traces."""
    queue_max: Size = 2048
    """How many traces wait for the collector; further ones are dropped and counted."""


class OidcEntry(Section, frozen=True):
    """An identity provider (OpenID Connect) that people sign in with."""

    name: str
    """What its sign-in address is made of: small letters, digits and `-`."""
    client_id: str
    """The id that the identity provider has given to this installation."""
    preset: Literal["", "google", "microsoft"] = ""
    """Fills in the issuer."""
    issuer: str = ""
    """Its issuer, exactly as it calls itself: `https://id.example.com`. Not with a preset."""
    directory_id: str = ""
    """Microsoft's id of your directory, 8-4-4-4-12 hexadecimal digits. Without it, any company's accounts may sign in."""
    client_secret_env: str = ""
    """The environment variable that holds the client secret."""
    client_secret_file: str = ""
    """A file that holds it."""
    client_secret_command: tuple[str, ...] = ()
    """A program and its arguments that print it."""
    allowed_domains: tuple[str, ...] = ()
    """Only e-mail addresses of these domains may sign in. Without any, all may."""
    trust_email: bool = False
    """Believe its e-mail addresses although it does not say that it verified them. For Microsoft with a `directory_id`."""


class ProviderEntry(Section, frozen=True):
    """A provider to call. One whose usual variable is set needs no entry."""

    name: str
    """What routes, usage records and `provider/model` call it."""
    kind: ProviderKind
    """The dialect that it speaks, and the defaults."""
    base_url: str = ""
    """Where it is, up to and including the version: `https://host/v1`. The kind's own when left out."""
    api_key_env: str = ""
    """The environment variable that holds its key. The kind's usual one when no place of the key is given."""
    api_key_file: str = ""
    """A file that holds its key."""
    api_key_command: tuple[str, ...] = ()
    """A program and its arguments that print its key."""
    catalogue: str = ""
    """The catalogue's provider whose list prices hold. The kind's own when left out; `openai_compatible` has none."""
    insecure_http: bool = False
    """Allow http:// beyond this machine: its key then travels readable."""
    key_header: Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9-]{0,64}$")] = ""
    """The header that carries the bare key, such as `api-key`. The kind's own when left out; Azure's hosts are known."""
    reports_cost: bool | None = None
    """Whether the cost that its answers state (`usage.cost` in dollars, `usage.cost_in_usd_ticks`) is what it bills, and so the
    amount. Left out: yes for `xai` and at openrouter.ai, no for all others."""


class DeploymentEntry(Section, frozen=True):
    """A model at a provider: `{ provider = "openai", model = "gpt-4o-mini" }`."""

    provider: str
    """The name of a provider."""
    model: str
    """The model as the provider names it."""
    weight: Annotated[int, msgspec.Meta(ge=0, le=1_000_000)] = 0
    """Its share of the calls among the neighbours in the list that state a weight too. Without one it serves in its turn."""
    concurrent_calls: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] | None = None
    """How many calls the provider takes at once, over all replicas. What is beyond goes elsewhere or waits."""
    requests_per_minute: Annotated[int, msgspec.Meta(ge=1, le=RATE_MAX)] | None = None
    """How many requests a minute the provider takes."""
    tokens_per_minute: Annotated[int, msgspec.Meta(ge=1, le=RATE_MAX)] | None = None
    """How many tokens a minute."""
    for_long_context: bool = False
    """Asked only when another deployment of the model refuses a call because it is too long."""


class ModelEntry(Section, frozen=True):
    """A public model name of your own. Names of the catalogue resolve without an entry."""

    name: str
    """What clients send as `model`."""
    deployments: tuple[DeploymentEntry, ...]
    """What is behind it, in order; see below. The next one serves when the first cannot."""


class TierEntry(Section, frozen=True):
    """The limits of a whole organization, by the tier that it has. `free`, `paid` and `enterprise` (none) are predefined."""

    requests_per_minute: Annotated[int, msgspec.Meta(ge=1, le=RATE_MAX)] | None = None
    """Requests per minute; without it, as in all below, there is no such limit."""
    tokens_per_minute: Annotated[int, msgspec.Meta(ge=1, le=RATE_MAX)] | None = None
    """Tokens per minute."""
    requests_per_day: Annotated[int, msgspec.Meta(ge=0, le=1_000_000_000_000)] | None = None
    """Requests per day of the organization's timezone."""
    concurrent_calls: Annotated[int, msgspec.Meta(ge=0, le=1_000_000)] | None = None
    """Calls at once."""
    monthly_budget_usd: Annotated[str, msgspec.Meta(pattern=r"^([0-9]{1,9}(\.[0-9]{1,9})?)?$")] = ""
    """Dollars a month, such as `"100"`."""


class Settings(Section, frozen=True):
    """Everything that can be set. See `docs/reference/configuration.md`."""

    server: Server = Server()
    upstream: Upstream = Upstream()
    database: Database = Database()
    journal: Journal = Journal()
    keys: Keys = Keys()
    accounts: Accounts = Accounts()
    email: Email = Email()
    limits: Limits = Limits()
    credits: Credits = Credits()
    logging: Logging = Logging()
    metrics: Metrics = Metrics()
    tracing: Tracing = Tracing()
    oidc: tuple[OidcEntry, ...] = ()
    tiers: dict[str, TierEntry] = {}
    providers: tuple[ProviderEntry, ...] = ()
    models: tuple[ModelEntry, ...] = ()
