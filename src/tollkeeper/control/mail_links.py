"""The links in e-mails that prove an address or set a password: sent, and whose account it is that comes back with one."""

from __future__ import annotations

from tollkeeper.control import messages
from tollkeeper.control.account_rules import AccountRules
from tollkeeper.control.administration import Action
from tollkeeper.control.people import People, Visit, is_mail_token, new_mail_token
from tollkeeper.domain.account import Account, AccountStatus, TokenPurpose
from tollkeeper.domain.errors import InvalidRequest
from tollkeeper.kit.clock import now_us
from tollkeeper.kit.secrets import keyed_digest
from tollkeeper.store import accounts, one_time_tokens


async def send_verification(action: Action, rules: AccountRules, account: Account) -> None:
    """Send an account the link that proves its address."""
    token = await _create_token(action, account, TokenPurpose.VERIFY_EMAIL, lasts_s=rules.verification_s)
    await messages.post_verification(action, rules, account, token=token)


async def send_reset(action: Action, rules: AccountRules, account: Account) -> str:
    """Send an account the link that sets another password; returns its token."""
    token = await _create_token(action, account, TokenPurpose.RESET_PASSWORD, lasts_s=rules.reset_s)
    await messages.post_reset(action, rules, account, token=token)
    return token


async def token_account(people: People, visit: Visit, token: str, purpose: TokenPurpose) -> Account:
    """Return whose token it is, if it could be used now.

    Raises:
        InvalidRequest: it is used, too old, for something else, or none.
        TooManyAttempts: from there.
    """
    people.throttles.take_token(visit.address)
    if not is_mail_token(token):
        raise invalid_link()
    store, digest, at_us = people.administration.store, people.digest(token), now_us()
    account_id = await store.read(lambda c: one_time_tokens.find_token(c, digest, purpose=purpose, now_us=at_us))
    found = await store.read(lambda c: accounts.get_credentials(c, account_id)) if account_id else None
    if found is None or found.account.status is not AccountStatus.ACTIVE:
        raise invalid_link()
    return found.account


async def use_token(action: Action, account: Account, digest: bytes, purpose: TokenPurpose) -> None:
    """Use a link's token up, with its account locked until the commit.

    Raises:
        InvalidRequest: somebody was faster, or the account was disabled.
    """
    is_active = await accounts.lock_account(action.connection, account.id)
    used = await one_time_tokens.use_token(action.connection, digest, purpose=purpose, now_us=action.now_us)
    if not is_active or used != account.id:
        raise invalid_link()


def invalid_link() -> InvalidRequest:
    """Return what is said about every token that is no good; why it is not is nobody's business."""
    message = "This link does not work any more: it was used, or is too old. Ask for a new one."
    return InvalidRequest(message, param="token")


async def _create_token(action: Action, account: Account, purpose: TokenPurpose, *, lasts_s: int) -> str:
    token = new_mail_token()
    await one_time_tokens.create_token(
        action.connection,
        keyed_digest(action.secrets.pepper, token.encode()),
        purpose=purpose,
        account_id=account.id,
        now_us=action.now_us,
        expires_at_us=action.now_us + lasts_s * 1_000_000,
    )
    return token
