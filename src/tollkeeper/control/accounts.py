"""What people see and change of their own account, and what the operator may do with it."""

from __future__ import annotations

from tollkeeper.control.administration import Action, Target
from tollkeeper.control.names import check_name
from tollkeeper.domain.account import Account, AccountStatus, normalise_email
from tollkeeper.domain.errors import NotFound, PermissionDenied
from tollkeeper.domain.tenancy import Language
from tollkeeper.store import accounts, sessions
from tollkeeper.store.accounts import OwnOrganization


async def get_own_account(action: Action) -> Account:
    """Return the account of who asks."""
    found = await accounts.get_credentials(action.connection, action.caller.principal.account_id)
    assert found is not None, "its session was just found"
    return found.account


async def update_own_account(action: Action, *, name: str | None = None, language: Language | None = None) -> Account:
    """Change what is not None.

    Raises:
        InvalidRequest: a name that is none.
    """
    before = await get_own_account(action)
    checked = None if name is None else check_name(name)
    changed = await accounts.change_profile(action.connection, before.id, name=checked, language=language)
    assert changed is not None, "it was there before"
    if changed != before:
        action.record("account.update", _target(changed), before=_shown(before), after=_shown(changed))
    return changed


async def list_own_organizations(action: Action) -> list[OwnOrganization]:
    """Return the organizations that who asks belongs to, the earliest joined first."""
    return await accounts.list_own_organizations(action.connection, action.caller.principal.account_id)


async def set_account_status(action: Action, *, email: str, status: AccountStatus) -> Account:
    """Disable an account, which ends its sessions and stops its links in e-mails, or let it in again.

    Its API keys are each organization's to disable: an account belongs to none.

    Raises:
        PermissionDenied: the caller is not the operator.
        NotFound: there is no such account.
    """
    if not action.caller.principal.is_operator:
        raise PermissionDenied("Only the operator can disable an account; an organization removes its member.")
    found = await accounts.find_credentials(action.connection, email=normalise_email(email))
    if found is None:
        raise NotFound("There is no account with this e-mail address.")
    before = found.account
    await accounts.set_status(action.connection, before.id, status)
    if status is AccountStatus.DISABLED:
        await sessions.end_sessions(action.connection, before.id)
    action.record("account.set_status", _target(before), before={"status": before.status}, after={"status": status})
    after = await accounts.get_credentials(action.connection, before.id)
    assert after is not None, "accounts are never deleted"
    return after.account


def _target(account: Account) -> Target:
    return Target("account", account.id, account.email)


def _shown(account: Account) -> dict[str, str]:
    return {"name": account.name, "language": account.language}
