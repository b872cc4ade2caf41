"""Where an organization's alerts go beside e-mail: Slack and webhooks, whose secrets go in and never come out again."""

from __future__ import annotations

import math
from typing import Any

import msgspec

from tollkeeper.control import outbox
from tollkeeper.control.administration import Action, Target
from tollkeeper.control.names import check_name
from tollkeeper.control.outbox import About
from tollkeeper.domain.alert import TARGETS_MAX, AlertTarget, TargetAccess, TargetKind
from tollkeeper.domain.alert_target import check_url, hint_of
from tollkeeper.domain.errors import Conflict, InvalidRequest, NotFound, TooManyAttempts
from tollkeeper.kit.ids import new_id
from tollkeeper.notify import alert_messages
from tollkeeper.notify.reader import Reader
from tollkeeper.notify.webhook import new_secret
from tollkeeper.store import alert_deliveries, alert_scopes, alert_targets, organizations

MANAGE = "quota:manage"
TESTS_MAX = 10
"""How many tests an organization may have sent within a minute."""
_TESTS_PER_US = 60_000_000
TEST_ALERT_ID = "test"
"""What a test's message says it tells of: it is kept and listed as those of alerts are."""


class MadeTarget(msgspec.Struct, frozen=True):
    """A target, and the secret that its messages are signed with from now on; "" when there is none or it stays."""

    target: AlertTarget
    secret: str = ""

    def __repr__(self) -> str:
        return f"MadeTarget({self.target!r})"


class TargetChanges(msgspec.Struct, frozen=True):
    """What is to change of a target; None stays."""

    name: str | None = None
    url: str | None = None
    is_enabled: bool | None = None
    has_new_secret: bool = False

    def __repr__(self) -> str:
        return f"TargetChanges({self.name!r})"  # the URL often works like a password


async def create_target(action: Action, *, name: str, kind: TargetKind, url: str) -> MadeTarget:
    """Add a target; every alert of its kind of action goes to it from now on.

    Raises:
        PermissionDenied: the caller does not manage the organization's quotas.
        InvalidRequest: a name or URL that cannot be.
        Conflict: the organization has one of this name, or as many as it may have.
    """
    action.require(MANAGE, action.organization)
    access = TargetAccess(check_url(url, kind), new_secret() if kind == "webhook" else "")
    if await alert_targets.count_targets(action.connection, action.organization_id) >= TARGETS_MAX:
        raise Conflict(f"An organization can have {TARGETS_MAX} targets.")
    made = AlertTarget(
        action.organization_id,
        new_id("tgt"),
        check_name(name),
        kind,
        hint_of(access.url),
        is_enabled=True,
        created_at_us=action.now_us,
        updated_at_us=action.now_us,
    )
    await alert_targets.create_target(action.connection, made, _seal(action, made, access))
    action.record("alert_target.create", _target(made), after=_shown(made))
    return MadeTarget(made, access.secret)


async def change_target(action: Action, target_id: str, changes: TargetChanges) -> MadeTarget:
    """Change a target; what waits for it goes where it is then, signed with its secret of then.

    Raises:
        PermissionDenied: the caller does not manage the organization's quotas.
        NotFound: there is none of this id.
        InvalidRequest: a value that cannot be, or a new secret for one that has none.
        Conflict: the organization has another of this name.
    """
    before = await _require_target(action, target_id)
    access = await _open(action, before)
    if changes.has_new_secret and before.kind != "webhook":
        raise InvalidRequest("Only webhooks are signed.", param="rotate_secret")
    secret = new_secret() if changes.has_new_secret else access.secret
    access = TargetAccess(access.url if changes.url is None else check_url(changes.url, before.kind), secret)
    after = msgspec.structs.replace(
        before,
        name=before.name if changes.name is None else check_name(changes.name),
        url_hint=hint_of(access.url),
        is_enabled=before.is_enabled if changes.is_enabled is None else changes.is_enabled,
        updated_at_us=action.now_us,
    )
    await alert_targets.change_target(action.connection, after, _seal(action, after, access))
    shown = {**_shown(after), "secret_changed": changes.has_new_secret}
    action.record(
        "alert_target.update", _target(after), before={**_shown(before), "secret_changed": False}, after=shown
    )
    return MadeTarget(after, secret if changes.has_new_secret else "")


async def delete_target(action: Action, target_id: str) -> AlertTarget:
    """Delete a target and its secret.

    Raises:
        PermissionDenied: the caller does not manage the organization's quotas.
        NotFound: there is none of this id.
    """
    found = await _require_target(action, target_id)
    await alert_targets.delete_target(action.connection, action.organization_id, target_id)
    action.record("alert_target.delete", _target(found), before=_shown(found))
    return found


async def list_targets(action: Action, *, after: str | None = None, limit: int = 100) -> list[AlertTarget]:
    """Return the organization's targets.

    Raises:
        PermissionDenied: the caller does not manage the organization's quotas.
    """
    action.require(MANAGE, action.organization)
    return await alert_targets.list_targets(action.connection, action.organization_id, after=after, limit=limit)


async def find_target(action: Action, named: str) -> AlertTarget:
    """Return a target by its id or name.

    Raises:
        PermissionDenied: the caller does not manage the organization's quotas.
        NotFound: there is none.
    """
    for each in await list_targets(action):
        if named in {each.id, each.name}:
            return each
    raise NotFound(f"There is no target '{named}'.")


async def try_target(action: Action, target_id: str, *, public_url: str) -> str:
    """Put a test for a target into the outbox and return the delivery's id; how it ended is to be seen there.

    Raises:
        PermissionDenied: the caller does not manage the organization's quotas.
        NotFound: there is none of this id.
        TooManyAttempts: TESTS_MAX were sent within the last minute; with `retry_after_seconds`.
        Conflict: it is disabled.
    """
    found = await _require_target(action, target_id)
    await _check_tests(action)
    if not found.is_enabled:
        raise Conflict("The target is disabled; enable it first.")
    organization = await alert_scopes.read_organization(action.connection, action.organization_id)
    if found.kind == "slack":
        reader = Reader(organization.language, organization.timezone, public_url)
        body = alert_messages.probe_text(reader, organization=organization.name).encode()
    else:
        body = alert_messages.probe_event(
            organization_id=action.organization_id, target_id=target_id, at_us=action.now_us
        )
    delivery_id = await outbox.post_to_target(
        action.connection,
        action.secrets.vault,
        body,
        target_id=target_id,
        channel=found.kind,
        about=About(alert_messages.TEST_TYPE, action.organization_id, TEST_ALERT_ID),
    )
    action.record("alert_target.test", _target(found), after={"delivery_id": delivery_id})
    return delivery_id


async def _check_tests(action: Action) -> None:
    """Pass when the organization has sent fewer than TESTS_MAX tests within the last minute, whichever process they came to."""
    await organizations.lock_organization(action.connection, action.organization_id)
    since_us = action.now_us - _TESTS_PER_US
    sent = await alert_deliveries.list_times(
        action.connection, action.organization_id, TEST_ALERT_ID, since_us=since_us, limit=TESTS_MAX
    )
    if len(sent) == TESTS_MAX:
        seconds = max(math.ceil((sent[-1] - since_us) / 1_000_000), 1)
        message = f"At most {TESTS_MAX} tests a minute are sent; try again in {seconds} seconds."
        raise TooManyAttempts(message, retry_after_seconds=seconds)


async def _require_target(action: Action, target_id: str) -> AlertTarget:
    action.require(MANAGE, action.organization)
    found = await alert_targets.get_target(action.connection, action.organization_id, target_id)
    if found is None:
        raise NotFound(f"There is no target '{target_id}'.")
    return found


async def _open(action: Action, target: AlertTarget) -> TargetAccess:
    sealed = await alert_targets.get_sealed_access(action.connection, target.organization_id, target.id)
    opened = action.secrets.vault.open(sealed, bound_to=target.binding)
    return msgspec.msgpack.decode(opened, type=TargetAccess)


def _seal(action: Action, target: AlertTarget, access: TargetAccess) -> bytes:
    return action.secrets.vault.seal(msgspec.msgpack.encode(access), bound_to=target.binding)


def _target(target: AlertTarget) -> Target:
    return Target("alert_target", target.id, target.name)


def _shown(target: AlertTarget) -> dict[str, Any]:
    return {"name": target.name, "kind": target.kind, "url": target.url_hint, "enabled": target.is_enabled}
