"""The terms of an api key beyond its permissions: from where, for which models, at which rate, with which labels."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from fnmatch import translate
from functools import lru_cache

import msgspec
from msgspec import UNSET, UnsetType

from tollkeeper.domain.deployment import Deployment
from tollkeeper.domain.errors import AddressNotAllowed, InvalidRequest, ModelNotAllowed
from tollkeeper.domain.label import LABELS_MAX, check_label
from tollkeeper.domain.limit import Limit
from tollkeeper.domain.permission import PERMISSIONS
from tollkeeper.domain.rate_limit import RateRule
from tollkeeper.kit.networks import Networks, parse_network

RULES_MAX = 100
WILDCARDS_MAX, WILD_PATTERN_LENGTH_MAX = 4, 64
"""What keeps making an expression of a list within milliseconds: it is done on the path of the first call."""
MODEL_PATTERN_LENGTH_MAX = 256
_SHOWN_MAX = 10


class RateLimit(msgspec.Struct, frozen=True):
    """A key's own limits; None is no limit."""

    requests_per_minute: int | None = None
    requests_per_day: int | None = None
    tokens_per_minute: int | None = None


class RateChange(msgspec.Struct, frozen=True):
    """What changes of a key's own limits: UNSET stays as it is, None takes a limit away."""

    requests_per_minute: int | UnsetType | None = UNSET
    requests_per_day: int | UnsetType | None = UNSET
    tokens_per_minute: int | UnsetType | None = UNSET

    def applied_to(self, before: RateLimit) -> RateLimit:
        """Return the limits that it makes of those before."""
        stated = {name: value for name, value in msgspec.structs.asdict(self).items() if value is not UNSET}
        return msgspec.structs.replace(before, **stated)


class FurtherProject(msgspec.Struct, frozen=True):
    """A project that a key may be used for, and what it may do there."""

    id: str
    team_id: str  # "" for a project of no team
    permissions: frozenset[str]
    limits: tuple[Limit, ...] = ()
    rates: tuple[RateRule, ...] = ()


class KeyTerms(msgspec.Struct, frozen=True):
    """Empty lists let everything in."""

    further_projects: tuple[FurtherProject, ...] = ()
    """Which projects besides its own a member's key may choose by the header OpenAI-Project."""
    allowed_ips: tuple[str, ...] = ()
    allowed_models: tuple[str, ...] = ()
    rate_limit: RateLimit = RateLimit()
    labels: dict[str, str] = {}
    """What every call of the key carries unless the call says otherwise."""
    required_labels: tuple[str, ...] = ()
    """What the organization wants every call to carry."""

    def check_address(self, address: str) -> None:
        """Pass when the key may be used from an address.

        Raises:
            AddressNotAllowed: it may not; the message names the address that was seen.
        """
        if self.allowed_ips and not networks_of(self.allowed_ips).contains(address):
            raise AddressNotAllowed(
                f"This API key may not be used from {address or 'an unknown address'}; an admin can add it to the "
                "key's allowed_ips."
            )

    def allows_model(self, name: str) -> bool:
        """Tell whether the key may call a model of this name."""
        return not self.allowed_models or _pattern_of(self.allowed_models).fullmatch(name) is not None

    def allows_call(self, name: str, served: Sequence[Deployment]) -> bool:
        """Tell whether the key may call a model: by the name asked for, or because all that may serve it are allowed.

        A deployment is allowed by its model's name or as `provider/model`.
        """
        if self.allows_model(name):
            return True
        return bool(served) and all(
            self.allows_model(each.model) or self.allows_model(f"{each.provider.name}/{each.model}") for each in served
        )

    def check_model(self, name: str, served: Sequence[Deployment]) -> None:
        """Pass when the key may call a model; see `allows_call`.

        Raises:
            ModelNotAllowed: it may not; the message names what it may call.
        """
        if self.allows_call(name, served):
            return
        shown = ", ".join(self.allowed_models[:_SHOWN_MAX]) + (", …" if len(self.allowed_models) > _SHOWN_MAX else "")
        raise ModelNotAllowed(f"This API key may not call '{name}'. It may call: {shown}.")

    def complete_labels(self, labels: Mapping[str, str]) -> dict[str, str]:
        """Return a call's labels with those of the key.

        Raises:
            InvalidRequest: one that the organization wants is missing.
        """
        complete = {**self.labels, **labels}
        missing = [name for name in self.required_labels if not complete.get(name)]
        if missing:
            raise InvalidRequest(
                f"This organization wants every call to carry the label '{missing[0]}': send the header "
                f"'x-tollkeeper-labels: {missing[0]}=…', or give the label to the key.",
                param="x-tollkeeper-labels",
            )
        return complete


def check_addresses(texts: Sequence[str]) -> tuple[str, ...]:
    """Return an allow-list of addresses as it is stored: without repetitions, single addresses without a prefix.

    Raises:
        InvalidRequest: too many, or one that is neither an address nor a network.
    """
    _check_count(texts, "allowed_ips", "addresses and networks")
    found: list[str] = []
    for text in texts:
        try:
            network = parse_network(text.strip())
        except ValueError as error:
            raise InvalidRequest(f"allowed_ips: {error}.", param="allowed_ips") from None
        is_single = network.prefixlen == network.max_prefixlen
        found.append(str(network.network_address if is_single else network))
    return tuple(dict.fromkeys(found))


def check_models(patterns: Sequence[str]) -> tuple[str, ...]:
    """Return an allow-list of models as it is stored: names and patterns such as `gpt-4o*`, without repetitions.

    Raises:
        InvalidRequest: too many, or one that can be no model's name.
    """
    _check_count(patterns, "allowed_models", "names and patterns")
    found = [pattern.strip() for pattern in patterns]
    for pattern in found:
        if not 1 <= len(pattern) <= MODEL_PATTERN_LENGTH_MAX or not pattern.isprintable():
            raise InvalidRequest(
                f"allowed_models: a name must have 1 to {MODEL_PATTERN_LENGTH_MAX} printable characters.",
                param="allowed_models",
            )
        wildcards = sum(pattern.count(each) for each in "*?[")
        if wildcards and (wildcards > WILDCARDS_MAX or len(pattern) > WILD_PATTERN_LENGTH_MAX):
            raise InvalidRequest(
                f"allowed_models: a pattern may have {WILDCARDS_MAX} of * ? [ and {WILD_PATTERN_LENGTH_MAX} characters.",
                param="allowed_models",
            )
    return tuple(dict.fromkeys(found))


def check_labels(labels: Mapping[str, str]) -> dict[str, str]:
    """Return a key's labels, sorted by name.

    Raises:
        InvalidRequest: too many, or one that is none.
    """
    if len(labels) > LABELS_MAX:
        raise InvalidRequest(f"A key may have at most {LABELS_MAX} labels.", param="labels")
    for name, value in labels.items():
        fault = check_label(name, value)
        if fault:
            raise InvalidRequest(f"labels: {fault}.", param="labels")
    return dict(sorted(labels.items()))


def check_permissions(names: Sequence[str] | frozenset[str], *, param: str) -> frozenset[str]:
    """Return names of permissions as a set.

    Raises:
        InvalidRequest: one of them is none.
    """
    unknown = sorted(set(names) - PERMISSIONS)
    if unknown:
        raise InvalidRequest(f"There is no permission '{unknown[0][:64]}'.", param=param)
    return frozenset(names)


def _check_count(texts: Sequence[str], param: str, what: str) -> None:
    if len(texts) > RULES_MAX:
        raise InvalidRequest(f"{param} may have at most {RULES_MAX} {what}.", param=param)


@lru_cache(maxsize=4096)
def networks_of(texts: tuple[str, ...]) -> Networks:
    """Return what an allow-list lets in.

    Raises:
        ValueError: a text that is neither an address nor a network.
    """
    return Networks(texts)


@lru_cache(maxsize=1024)
def _pattern_of(patterns: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile("|".join(translate(pattern) for pattern in patterns))
