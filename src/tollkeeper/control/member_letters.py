"""The e-mails about the end of a membership: to the person, and to who manages members about the keys that stopped with it."""

from __future__ import annotations

from collections.abc import Sequence

from tollkeeper.control.account_rules import AccountRules
from tollkeeper.control.administration import Action
from tollkeeper.control.outbox import post_letter
from tollkeeper.domain.tenancy import Organization, Place
from tollkeeper.notify import messages
from tollkeeper.notify.messages import KEYS_LISTED_MAX, KeyNamed
from tollkeeper.notify.reader import Reader
from tollkeeper.store import accounts, api_keys, organizations, projects, recipients
from tollkeeper.store.members import Member

RECIPIENTS_MAX = 50


async def post_removal(action: Action, removed: Member, *, disabled: Sequence[str], rules: AccountRules) -> None:
    """Tell the person, and everybody who manages members when keys were disabled; nobody without a mail server."""
    if not rules.sends_email:
        return
    organization = await organizations.get_organization(action.connection, action.organization_id)
    assert organization is not None, "a caller's organization is there"
    known = await accounts.find_credentials(action.connection, email=removed.email)
    language = known.account.language if known else organization.language
    reader = Reader(language, organization.timezone, rules.public_url)
    message = messages.member_removed(
        reader, organization=organization.name, removed_at_us=action.now_us, path="/sign-in"
    )
    await post_letter(action, message, kind="member_removed", recipient=removed.email)
    if disabled:
        await _post_keys(action, removed, organization, disabled=disabled, rules=rules)


async def _post_keys(
    action: Action, removed: Member, organization: Organization, *, disabled: Sequence[str], rules: AccountRules
) -> None:
    named = [await _named(action, key_id, organization) for key_id in disabled[:KEYS_LISTED_MAX]]
    named += [KeyNamed(id=key_id, name="", project="") for key_id in disabled[KEYS_LISTED_MAX:]]  # only counted
    whole = Place(action.organization_id)
    for each in await recipients.list_permitted(action.connection, whole, "member:manage", limit=RECIPIENTS_MAX):
        reader = Reader(each.language, organization.timezone, rules.public_url)
        message = messages.member_keys_disabled(
            reader,
            named,
            organization=organization.name,
            member=removed.name or removed.email,
            path=f"/{organization.id}/keys",
        )
        await post_letter(action, message, kind="member_keys_disabled", recipient=each.email)


async def _named(action: Action, key_id: str, organization: Organization) -> KeyNamed:
    key = await api_keys.get_api_key(action.connection, action.organization_id, key_id)
    assert key is not None, "it was disabled just now"
    project = await projects.get_project(action.connection, action.organization_id, key.project_id)
    return KeyNamed(id=key.id, name=key.name, project=project.name if project else organization.name)
