"""The settings: what they are, their defaults, and where they come from (file, then environment). Read once, frozen.

Only `bootstrap` and `cli` see this package. Unknown names are an error, in the file and in the environment.
"""

from __future__ import annotations

from tollkeeper.config.loading import (
    CONFIG_VARIABLE,
    ENVIRONMENT_PREFIX,
    FILE_ONLY_ENDING,
    PROXY_VARIABLES,
    USUAL_FILE,
    Configuration,
    load,
)
from tollkeeper.config.people import OidcProvider
from tollkeeper.config.providers import USUAL_PROVIDERS
from tollkeeper.config.sections import (
    Accounts,
    Credits,
    Database,
    DeploymentEntry,
    Email,
    Journal,
    Keys,
    Limits,
    Logging,
    Metrics,
    ModelEntry,
    OidcEntry,
    ProviderEntry,
    Section,
    Server,
    Settings,
    TierEntry,
    Tracing,
    Upstream,
)

__all__ = [
    "CONFIG_VARIABLE",
    "ENVIRONMENT_PREFIX",
    "FILE_ONLY_ENDING",
    "PROXY_VARIABLES",
    "USUAL_FILE",
    "USUAL_PROVIDERS",
    "Accounts",
    "Configuration",
    "Credits",
    "Database",
    "DeploymentEntry",
    "Email",
    "Journal",
    "Keys",
    "Limits",
    "Logging",
    "Metrics",
    "ModelEntry",
    "OidcEntry",
    "OidcProvider",
    "ProviderEntry",
    "Section",
    "Server",
    "Settings",
    "TierEntry",
    "Tracing",
    "Upstream",
    "load",
]
