"""The frame of every administrative action: who asks, the permission, one transaction, the audit log, repeated requests.

A use case is a function `step(action, …)`: it asks `action.require(permission, place)` before it touches anything, and
tells `action.record(…)` what it did. `Administration.change` runs it in one transaction with its audit events, and
answers a repeated request with what the first one brought about; `Administration.look` runs one that only reads.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Concatenate, ParamSpec, TypeVar, get_type_hints

import msgspec

from tollkeeper.domain import access
from tollkeeper.domain.access import Principal, PrincipalKind
from tollkeeper.domain.audit import AuditEvent, shown_json, without_secrets
from tollkeeper.domain.errors import Conflict, IdempotencyMismatch, InvalidApiKey
from tollkeeper.domain.tenancy import Place
from tollkeeper.kit.clock import now_us
from tollkeeper.kit.id_seal import IdSeal
from tollkeeper.kit.ids import new_id
from tollkeeper.kit.vault import Vault, derive
from tollkeeper.store import api_keys, audit, idempotency, members
from tollkeeper.store.engine import Connection, Store

P = ParamSpec("P")
T = TypeVar("T")

OPERATOR_ID = "operator"
SYSTEM_ID = "system"
_ATTEMPTS_MAX = 3


class Secrets(msgspec.Struct, frozen=True):
    """What an installation's pepper is good for."""

    pepper: bytes
    audit_key: bytes
    vault: Vault
    id_seal: IdSeal

    @classmethod
    def of(cls, pepper: bytes) -> Secrets:
        """Derive everything from the pepper."""
        return cls(pepper, derive(pepper, "audit"), Vault(pepper), IdSeal(derive(pepper, "ids")))

    def __repr__(self) -> str:
        return "Secrets(…)"


class Repetition(msgspec.Struct, frozen=True):
    """An Idempotency-Key and the fingerprint of the request that it came with."""

    key: str
    fingerprint: bytes


class Caller(msgspec.Struct, frozen=True):
    """Who asks, and from where."""

    principal: Principal
    address: str = ""
    request_id: str = ""
    repetition: Repetition | None = None

    @property
    def organization_id(self) -> str:
        return self.principal.organization_id


class Target(msgspec.Struct, frozen=True):
    """What an audit event is about."""

    kind: str
    id: str
    name: str = ""


class Action:
    """One action under way: its caller, its transaction, and what it will have done."""

    def __init__(self, connection: Connection, caller: Caller, secrets: Secrets) -> None:
        self.connection = connection  # the store's, for the store's functions
        self.caller, self.secrets = caller, secrets
        self.organization_id = caller.organization_id
        self.now_us = now_us()
        self.events: list[AuditEvent] = []
        self.asked: tuple[str, Place] | None = None  # the permission that was asked for first, and where

    @property
    def organization(self) -> Place:
        """The place that is the whole organization."""
        return Place(self.organization_id)

    def require(self, permission: str, place: Place) -> None:
        """Pass when the caller may do it there.

        Raises:
            NotFound: the caller may not know of the place.
            PermissionDenied: the caller may not.
        """
        access.require(self.caller.principal, permission, place)
        self.asked = self.asked or (permission, place)

    def require_grantable(self, permissions: frozenset[str], place: Place) -> None:
        """Pass when the caller may give these permissions away there.

        Raises:
            PermissionDenied: the caller does not have them all.
        """
        access.require_grantable(self.caller.principal, permissions, place)

    def sees(self, place: Place) -> bool:
        """Tell whether the caller may know of a place."""
        return access.sees(self.caller.principal, place)

    def record(self, action: str, target: Target, *, before: Any = None, after: Any = None) -> None:
        """Note an event for the audit log; no field of `before` and `after`, which msgspec encodes, is to hold a secret."""
        principal = self.caller.principal
        self.events.append(
            AuditEvent(
                organization_id=self.organization_id,
                number=0,
                id=new_id("audit"),
                at_us=self.now_us,
                actor_kind=principal.kind.value,
                actor_id=principal.id,
                actor_name=principal.name,
                address=self.caller.address,
                request_id=self.caller.request_id,
                action=action,
                target_kind=target.kind,
                target_id=target.id,
                target_name=without_secrets(target.name),
                before=shown_json(before),
                after=shown_json(after),
            )
        )


class _Kept(msgspec.Struct, frozen=True):
    """What a request brought about, encoded, and what was asked of its caller first."""

    result: bytes
    asked: tuple[str, Place] | None


class _RepeatedError(Exception):
    """The same request is done by another transaction at this moment."""


class Administration:
    """Runs use cases over a store, with the installation's secrets."""

    def __init__(self, store: Store, secrets: Secrets) -> None:
        self.store, self.secrets = store, secrets

    async def change(
        self, caller: Caller, step: Callable[Concatenate[Action, P], Awaitable[T]], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run a use case that changes something, in one transaction; `step` may run more than once.

        Raises:
            IdempotencyMismatch: the caller's Idempotency-Key came before with another request.
            StoreUnavailable: the database is out of reach; nothing was changed.
            TollkeeperError: what the step refuses; nothing was changed.
        """

        async def work(connection: Connection) -> T:
            earlier = await self._earlier(connection, caller, step)
            if earlier is not None:
                return earlier[0]
            action = Action(connection, caller, self.secrets)
            result = await step(action, *args, **kwargs)
            await audit.append_events(connection, caller.organization_id, action.events, key=self.secrets.audit_key)
            await _require_still_there(action)
            await self._remember(connection, caller, action.asked, result)
            return result

        for _ in range(_ATTEMPTS_MAX):
            try:
                return await self.store.write(work)
            except _RepeatedError:
                continue
            except Conflict:
                # What stands in the way may be what the same request made a moment ago.
                earlier = await self.store.read(lambda connection: self._earlier(connection, caller, step))
                if earlier is None:
                    raise
                return earlier[0]
        raise Conflict("The same request is being worked on; ask again in a moment.")

    async def look(
        self, caller: Caller, step: Callable[Concatenate[Action, P], Awaitable[T]], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run a use case that only reads.

        Raises:
            StoreUnavailable: the database is out of reach.
            TollkeeperError: what the step refuses.
        """
        return await self.store.read(
            lambda connection: step(Action(connection, caller, self.secrets), *args, **kwargs), is_snapshot=True
        )

    async def _earlier(
        self, connection: Connection, caller: Caller, step: Callable[..., Awaitable[T]]
    ) -> tuple[T] | None:
        repetition = caller.repetition
        if repetition is None:
            return None
        found = await idempotency.find_result(connection, caller.organization_id, caller.principal.id, repetition.key)
        if found is None:
            return None
        if found.fingerprint != repetition.fingerprint:
            raise IdempotencyMismatch(
                f"The Idempotency-Key '{repetition.key}' came before with another request; use a new key for a new request."
            )
        plain = self.secrets.vault.open(found.sealed_result, bound_to=_binding(caller, repetition))
        kept = msgspec.msgpack.decode(plain, type=_Kept)
        if kept.asked is not None:  # who lost the right since is not shown again what it brought about
            access.require(caller.principal, *kept.asked)
        return (msgspec.msgpack.decode(kept.result, type=get_type_hints(step)["return"]),)

    async def _remember(
        self, connection: Connection, caller: Caller, asked: tuple[str, Place] | None, result: object
    ) -> None:
        repetition = caller.repetition
        if repetition is None:
            return
        kept = _Kept(msgspec.msgpack.encode(result), asked)
        sealed = self.secrets.vault.seal(msgspec.msgpack.encode(kept), bound_to=_binding(caller, repetition))
        if not await idempotency.remember_result(
            connection,
            caller.organization_id,
            caller.principal.id,
            repetition.key,
            result=idempotency.Remembered(repetition.fingerprint, sealed),
        ):
            raise _RepeatedError


async def _require_still_there(action: Action) -> None:
    """Pass when who asked was not removed meanwhile: the end of the audit log, held now, orders this after a removal.

    Raises:
        InvalidApiKey: the member is gone, or the key ended; what the action did is undone.
    """
    principal = action.caller.principal
    own = {principal.id, principal.member_id}
    if not action.events or any(event.target_id in own for event in action.events):
        return  # whoever ends their own key or membership is gone by their own will
    if principal.member_id:
        member = await members.get_member(action.connection, action.organization_id, principal.member_id)
        if member is None or member.status != members.ACTIVE:
            raise InvalidApiKey("You are not a member of this organization any more.")
    if principal.kind is PrincipalKind.API_KEY:
        key = await api_keys.get_api_key(action.connection, action.organization_id, principal.id)
        if key is None:
            raise InvalidApiKey("Invalid API key.")
        key.check_usable(action.now_us)


def operator(organization_id: str, *, name: str) -> Caller:
    """Return the caller that the command line is: whoever can open the database may do everything."""
    return Caller(Principal(PrincipalKind.OPERATOR, OPERATOR_ID, name, organization_id))


def server_job(organization_id: str, *, name: str) -> Caller:
    """Return the caller that a server's own job is, by the job's name. It has no permission: a job asks for none."""
    return Caller(Principal(PrincipalKind.SYSTEM, SYSTEM_ID, name, organization_id))


def _binding(caller: Caller, repetition: Repetition) -> tuple[str, ...]:
    return ("idempotency", caller.organization_id, caller.principal.id, repetition.key)
