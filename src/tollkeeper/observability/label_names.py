"""Which names may stand in labels: a bounded set of an operator's own choosing, never what a stranger can make up."""

from __future__ import annotations

from collections.abc import Iterable

from tollkeeper.domain.deployment import Deployment

MODELS_MAX = 200
OTHER = "other"
BROUGHT = "brought"
"""The provider's label of every call to a provider that an organization brought: its name is the organization's text."""


class LabelNames:
    """Names of the providers of the settings, and of the first `models_max` models that settings or catalogue name.

    The models of the settings have their places from the start, so that no catalogue's name can take them.
    """

    def __init__(
        self, providers: Iterable[str] = (), models: Iterable[str] = (), *, models_max: int = MODELS_MAX
    ) -> None:
        self._providers = frozenset(providers)
        self._models_max = models_max
        self._models = dict.fromkeys(list(dict.fromkeys(models))[:models_max])

    def provider(self, deployment: Deployment) -> str:
        """Return the label of a deployment's provider."""
        provider = deployment.provider
        if provider.credential_id:
            return BROUGHT
        return provider.name if provider.name in self._providers else OTHER

    def has_provider(self, name: str) -> bool:
        return name in self._providers

    def model(self, deployment: Deployment) -> str:
        """Return the label of a deployment's model, as its provider names it."""
        model = deployment.model
        if model in self._models:
            return model
        if deployment.is_unlisted or len(self._models) >= self._models_max:
            return OTHER
        self._models[model] = None
        return model
