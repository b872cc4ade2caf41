"""Passwords of accounts: forgotten, set anew by the link of an e-mail, changed by who is logged in."""

from __future__ import annotations

import logging

from tollkeeper.control import mail_links, messages
from tollkeeper.control.account_rules import AccountRules
from tollkeeper.control.administration import Action, Caller, Target
from tollkeeper.control.people import People, Visit, as_person
from tollkeeper.domain.account import Account, AccountStatus, TokenPurpose, normalise_email
from tollkeeper.domain.errors import InvalidRequest, LoginFailed, PermissionDenied, TollkeeperError
from tollkeeper.identity.passwords import check_password_strength
from tollkeeper.kit.secrets import keyed_digest
from tollkeeper.store import accounts, one_time_tokens, sessions
from tollkeeper.store.accounts import Credentials

_log = logging.getLogger(__name__)


async def forget_password(people: People, visit: Visit, email: str) -> None:
    """Send the link that sets another password, if the address has an account; nothing tells whether it has.

    The link is written after the answer: its time would tell.

    Raises:
        InvalidRequest: this is no address.
        PermissionDenied: this installation sends no e-mail.
        TooManyAttempts: from there or for this address.
    """
    email = normalise_email(email)
    if not people.rules.sends_email:
        raise PermissionDenied("This installation sends no e-mail; ask its operator to let you in.")
    people.throttles.take_mail(email, visit.address)
    found = await people.administration.store.read(lambda c: accounts.find_credentials(c, email=email))
    if found is not None and found.account.status is AccountStatus.ACTIVE:
        people.tasks.start(_send_reset_later(people, visit, found.account), "link that sets another password")


async def reset_password(people: People, visit: Visit, *, token: str, password: str) -> None:
    """Set another password by the token of an e-mail. It ends every session, begins none, and verifies the address.

    Raises:
        InvalidRequest: a weak password, which leaves the token good; or the token is used, too old, or none.
        TooManyAttempts: from there.
    """
    account = await mail_links.token_account(people, visit, token, TokenPurpose.RESET_PASSWORD)
    check_password_strength(password, email=account.email)
    password_hash = await people.hasher.hash(password)
    caller, digest = visit.caller(account), people.digest(token)
    await people.change(caller, _reset_password, people.rules, account, password_hash=password_hash, digest=digest)


async def change_password(people: People, caller: Caller, *, session_token: str, current: str, new: str) -> None:
    """Set another password for who is logged in and knows the current one. It ends every other session.

    Raises:
        InvalidRequest: a weak password.
        LoginFailed: the current one is not right.
        PermissionDenied: the caller is an API key, or the account has no password yet.
        TooManyAttempts: of this account, from there.
    """
    person = as_person(caller)
    account_id = person.principal.account_id
    found = await people.administration.store.read(lambda c: accounts.get_credentials(c, account_id))
    assert found is not None, "its session was just found"
    if found.password_hash is None:
        raise PermissionDenied("This account has no password yet; ask for a link that sets one.")
    people.throttles.take_login(found.account.email, caller.address)
    if not await people.hasher.verify(found.password_hash, current):
        raise LoginFailed("The current password is not right.")
    people.throttles.succeed(found.account.email, caller.address)
    check_password_strength(new, email=found.account.email)
    password_hash = await people.hasher.hash(new)
    await people.change(
        person, _change_password, people.rules, found, password_hash=password_hash, session_token=session_token
    )


async def create_reset_link(action: Action, rules: AccountRules, *, email: str) -> str:
    """Return a link that sets an account's password, for the operator to hand over; the e-mail goes out as well.

    Raises:
        InvalidRequest: there is no such account, or it is disabled.
        PermissionDenied: the caller is not the operator.
    """
    if not action.caller.principal.is_operator:
        raise PermissionDenied("Only the operator can hand over a link that sets a password.")
    found = await accounts.find_credentials(action.connection, email=normalise_email(email))
    if found is None or found.account.status is not AccountStatus.ACTIVE:
        raise InvalidRequest("There is no active account with this e-mail address.", param="email")
    token = await mail_links.send_reset(action, rules, found.account)
    action.record("account.create_reset_link", _target(found.account))
    return rules.link("reset-password", token)


async def _send_reset_later(people: People, visit: Visit, account: Account) -> None:
    try:
        await people.change(visit.caller(None), _send_reset, people.rules, account)
    except TollkeeperError as error:
        _log.warning("a link that sets another password was not sent: %s", error.message)


async def _send_reset(action: Action, rules: AccountRules, account: Account) -> None:
    await mail_links.send_reset(action, rules, account)
    action.record("account.forget_password", _target(account))


async def _reset_password(
    action: Action, rules: AccountRules, account: Account, *, password_hash: str, digest: bytes
) -> None:
    await mail_links.use_token(action, account, digest, TokenPurpose.RESET_PASSWORD)
    await accounts.set_password(action.connection, account.id, password_hash)
    await accounts.verify_email(action.connection, account.id, now_us=action.now_us)  # the link reached its mailbox
    await one_time_tokens.drop_tokens(action.connection, account.id)
    await sessions.end_sessions(action.connection, account.id)
    await messages.post_password_changed(action, rules, account)
    action.record("account.reset_password", _target(account))


async def _change_password(
    action: Action, rules: AccountRules, before: Credentials, *, password_hash: str, session_token: str
) -> None:
    account = before.account
    if not await accounts.lock_account(action.connection, account.id, password_hash=before.password_hash):
        raise LoginFailed("The password was changed meanwhile; log in again.")
    await accounts.set_password(action.connection, account.id, password_hash)
    await one_time_tokens.drop_tokens(action.connection, account.id)
    current = await sessions.find_session_id(
        action.connection, keyed_digest(action.secrets.pepper, session_token.encode())
    )
    await sessions.end_sessions(action.connection, account.id, but=current)
    await messages.post_password_changed(action, rules, account)
    action.record("account.change_password", _target(account))


def _target(account: Account) -> Target:
    return Target("account", account.id, account.email)
