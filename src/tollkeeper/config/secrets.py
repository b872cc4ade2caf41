"""The secrets of the settings: read where they are needed, and their faults told as faults of the settings."""

from __future__ import annotations

from collections.abc import Mapping

from tollkeeper.domain.errors import ConfigurationError
from tollkeeper.kit.secret_sources import SecretReader, SecretSource, SecretUnavailable


class Secrets:
    """Reads what a serving process needs. A command that does not serve checks the settings and reads nothing."""

    def __init__(self, environment: Mapping[str, str], *, is_serving: bool) -> None:
        self._environment = environment
        self._reader = SecretReader(environment)
        self._is_serving = is_serving

    def read(self, source: SecretSource) -> str:
        """Return the secret; when nothing is served, what its variable holds, or "".

        Raises:
            ConfigurationError: several places are given, or it cannot be read.
        """
        try:
            source.check()
            if not self._is_serving and not self._environment.get(source.variable):
                return ""
            return self._reader.read(source)
        except SecretUnavailable as error:
            raise ConfigurationError(str(error)) from None

    @property
    def warnings(self) -> tuple[str, ...]:
        return tuple(self._reader.warnings)
