"""The e-mails of accounts and invitations: written in the reader's language and put into the outbox."""

from __future__ import annotations

from tollkeeper.control import outbox
from tollkeeper.control.account_rules import AccountRules, path_of
from tollkeeper.control.administration import Action
from tollkeeper.domain.account import Account
from tollkeeper.domain.role import Assignment
from tollkeeper.domain.tenancy import Organization
from tollkeeper.notify import messages
from tollkeeper.notify.messages import Invitation
from tollkeeper.notify.reader import Reader
from tollkeeper.store import accounts, roles, teams
from tollkeeper.store.invites import Invite

FORGOT_PASSWORD_PATH = "/forgot-password"  # noqa: S105  # a page, no password


async def post_verification(action: Action, rules: AccountRules, account: Account, *, token: str) -> None:
    """Ask a person to prove that the address is theirs."""
    until_us = action.now_us + rules.verification_s * 1_000_000
    reader = await _reader(action, rules, account)
    message = messages.verify_email(reader, path=path_of("verify-email", token), valid_until_us=until_us)
    await outbox.post(action.connection, action.secrets.vault, message, kind="verify_email", recipient=account.email)


async def post_reset(action: Action, rules: AccountRules, account: Account, *, token: str) -> None:
    """Send the link that sets another password."""
    until_us = action.now_us + rules.reset_s * 1_000_000
    reader = await _reader(action, rules, account)
    message = messages.reset_password(reader, path=path_of("reset-password", token), valid_until_us=until_us)
    await outbox.post(action.connection, action.secrets.vault, message, kind="reset_password", recipient=account.email)


async def post_password_changed(action: Action, rules: AccountRules, account: Account) -> None:
    """Tell a person that their password is another one now."""
    reader = await _reader(action, rules, account)
    message = messages.password_changed(reader, path=FORGOT_PASSWORD_PATH, changed_at_us=action.now_us)
    await outbox.post(
        action.connection, action.secrets.vault, message, kind="password_changed", recipient=account.email
    )


async def post_invitation(
    action: Action, rules: AccountRules, organization: Organization, invite: Invite, *, token: str
) -> None:
    """Invite somebody: in the language of the account, if the address has one, else of the organization."""
    known = await accounts.find_credentials(action.connection, email=invite.email)
    language = known.account.language if known else organization.language
    first = invite.assignments[0]
    names = await roles.read_role_names(
        action.connection, organization.id, [each.role_id for each in invite.assignments]
    )
    invited = Invitation(
        organization=organization.name,
        inviter=action.caller.principal.name,
        role=names[first.role_id],
        team=await _team_name(action, first),
        valid_until_us=invite.expires_at_us,
    )
    reader = Reader(language, organization.timezone, rules.public_url)
    message = messages.invitation(reader, invited, path=path_of("accept-invitation", token))
    await outbox.post(
        action.connection,
        action.secrets.vault,
        message,
        kind="invitation",
        recipient=invite.email,
        organization_id=organization.id,
    )


async def _reader(action: Action, rules: AccountRules, account: Account) -> Reader:
    """A person's times are those of the first organization that they belong to."""
    own = await accounts.list_own_organizations(action.connection, account.id)
    return Reader(account.language, own[0].timezone if own else "UTC", rules.public_url)


async def _team_name(action: Action, assignment: Assignment) -> str:
    if assignment.scope_kind != "team":
        return ""
    team = await teams.get_team(action.connection, action.organization_id, assignment.scope_id)
    return team.name if team else ""
