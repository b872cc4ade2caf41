"""Providers that an organization brings: create, get, list, change, delete. A secret goes in and never comes out."""

from __future__ import annotations

import msgspec

from tollkeeper.control.administration import Action, Target
from tollkeeper.domain.deployment import CATALOGUE_PROVIDERS, ProviderKind
from tollkeeper.domain.errors import Conflict, InvalidRequest, NotFound
from tollkeeper.domain.provider_credential import (
    PER_ORGANIZATION_MAX,
    ProviderCredential,
    check_base_url,
    check_kind,
    check_name,
    check_secret,
    hint_of,
)
from tollkeeper.kit.ids import new_id
from tollkeeper.kit.vault import BrokenSealError
from tollkeeper.store import provider_credentials as store
from tollkeeper.store.revision import record_change

_PERMISSION = "provider:manage"


class NewProvider(msgspec.Struct, frozen=True):
    """What a provider is made of. `base_url` and `catalogue` are the kind's usual ones when they are None."""

    name: str
    kind: ProviderKind
    secret: str
    base_url: str | None = None
    catalogue: str | None = None

    def __repr__(self) -> str:
        return f"NewProvider({self.name!r}, {self.kind!r})"  # never the secret


class ProviderChanges(msgspec.Struct, frozen=True):
    """What is to change of a provider; None stays."""

    name: str | None = None
    base_url: str | None = None
    secret: str | None = None
    catalogue: str | None = None

    def __repr__(self) -> str:
        return f"ProviderChanges({self.name!r}, {self.base_url!r})"  # never the secret


async def create_provider(action: Action, new: NewProvider) -> ProviderCredential:
    """Add a provider; it is in use on every replica within a second, in place of the operator's of the same name.

    Raises:
        InvalidRequest: a name, kind, address or secret that cannot be.
        Conflict: the organization has one of this name, or as many as it may have.
    """
    action.require(_PERMISSION, action.organization)
    check_kind(new.kind)
    secret = check_secret(new.secret)
    made = ProviderCredential(
        organization_id=action.organization_id,
        id=new_id("prov"),
        name=check_name(new.name),
        kind=new.kind,
        base_url=check_base_url(new.base_url, new.kind),
        catalogue=CATALOGUE_PROVIDERS.get(new.kind, "") if new.catalogue is None else new.catalogue,
        hint=hint_of(secret),
        created_at_us=action.now_us,
        updated_at_us=action.now_us,
    )
    if await store.count_credentials(action.connection, action.organization_id) >= PER_ORGANIZATION_MAX:
        raise Conflict(f"An organization can have {PER_ORGANIZATION_MAX} providers.")
    await store.create_credential(action.connection, made, _seal(action, made, secret))
    await _announce(action, made)
    action.record("provider.create", _target(made), after=_shown(made))
    return made


async def get_provider(action: Action, credential_id: str) -> ProviderCredential:
    """Return a provider.

    Raises:
        NotFound: the organization has none of this id.
    """
    action.require(_PERMISSION, action.organization)
    return await _require_credential(action, credential_id)


async def list_providers(action: Action, *, after: str | None = None, limit: int = 100) -> list[ProviderCredential]:
    """Return the organization's providers by name."""
    action.require(_PERMISSION, action.organization)
    return await store.list_credentials(action.connection, action.organization_id, after=after, limit=limit)


async def change_provider(action: Action, credential_id: str, changes: ProviderChanges) -> ProviderCredential:
    """Change a provider.

    Raises:
        NotFound: the organization has none of this id.
        InvalidRequest: a value that cannot be, or another address without the secret: who may change the address could
            otherwise have a secret sent to themselves that they are not to read.
        Conflict: the organization has another of this name.
    """
    action.require(_PERMISSION, action.organization)
    before = await _require_credential(action, credential_id, is_locked=True)
    secret = None if changes.secret is None else check_secret(changes.secret)
    base_url = before.base_url if changes.base_url is None else check_base_url(changes.base_url, before.kind)
    if base_url != before.base_url and secret is None:
        raise InvalidRequest(
            "To change the base_url send the secret again: it is sealed to its address.", param="secret"
        )
    if changes.base_url is None and secret is not None and not await _is_intact(action, before):
        message = "The stored address was changed outside Tollkeeper: send the base_url with the secret."
        raise InvalidRequest(message, param="base_url")
    after = msgspec.structs.replace(
        before,
        name=before.name if changes.name is None else check_name(changes.name),
        base_url=base_url,
        catalogue=before.catalogue if changes.catalogue is None else changes.catalogue,
        hint=before.hint if secret is None else hint_of(secret),
        updated_at_us=action.now_us,
    )
    await store.change_credential(action.connection, after, None if secret is None else _seal(action, after, secret))
    await _announce(action, after)
    shown = {**_shown(after), "secret_changed": secret is not None}
    action.record("provider.update", _target(after), before={**_shown(before), "secret_changed": False}, after=shown)
    return after


async def put_provider(action: Action, new: NewProvider) -> ProviderCredential:
    """Create a provider, or give the one of this name what is said here.

    Raises:
        InvalidRequest: a value that cannot be, or another kind than it has.
    """
    action.require(_PERMISSION, action.organization)
    known = await store.find_credential(action.connection, action.organization_id, name=check_name(new.name))
    if known is None:
        return await create_provider(action, new)
    if known.kind != new.kind:
        raise InvalidRequest(f"The provider is of the kind '{known.kind}'; delete it to make another.", param="kind")
    changes = ProviderChanges(base_url=new.base_url, secret=new.secret, catalogue=new.catalogue)
    return await change_provider(action, known.id, changes)


async def delete_provider(action: Action, credential_id: str) -> ProviderCredential:
    """Delete a provider and its secret; calls go to the operator's of the same name again, where there is one.

    Raises:
        NotFound: the organization has none of this id.
    """
    action.require(_PERMISSION, action.organization)
    found = await _require_credential(action, credential_id, is_locked=True)
    await store.delete_credential(action.connection, action.organization_id, credential_id)
    await _announce(action, found)
    action.record("provider.delete", _target(found), before=_shown(found))
    return found


async def find_provider(action: Action, named: str) -> ProviderCredential:
    """Return a provider by its id or name.

    Raises:
        NotFound: the organization has none of these.
    """
    action.require(_PERMISSION, action.organization)
    found = await store.find_credential(action.connection, action.organization_id, name=named)
    return found or await _require_credential(action, named)


async def _require_credential(action: Action, credential_id: str, *, is_locked: bool = False) -> ProviderCredential:
    found = await store.get_credential(action.connection, action.organization_id, credential_id, is_locked=is_locked)
    if found is None:
        raise NotFound(f"There is no provider '{credential_id}'.")
    return found


async def _is_intact(action: Action, credential: ProviderCredential) -> bool:
    """Tell whether the secret still opens at its address: a new one must not be sealed to an address nobody chose."""
    sealed = await store.get_sealed_secret(action.connection, credential.organization_id, credential.id)
    try:
        action.secrets.vault.open(sealed, bound_to=credential.binding)
    except BrokenSealError:
        return False
    return True


def _seal(action: Action, credential: ProviderCredential, secret: str) -> bytes:
    return action.secrets.vault.seal(secret.encode(), bound_to=credential.binding)


async def _announce(action: Action, credential: ProviderCredential) -> None:
    await record_change(action.connection, "provider", organization_id=action.organization_id, entity_id=credential.id)


def _target(credential: ProviderCredential) -> Target:
    return Target("provider", credential.id, credential.name)


def _shown(credential: ProviderCredential) -> dict[str, object]:
    names = ("name", "kind", "base_url", "catalogue", "hint")
    return {name: getattr(credential, name) for name in names}
