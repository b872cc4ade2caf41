"""Logging in by e-mail address and password."""

from __future__ import annotations

import contextlib
import logging

from tollkeeper.control import mail_links
from tollkeeper.control.account_rules import AccountRules
from tollkeeper.control.administration import Action, Target
from tollkeeper.control.people import People, Visit, new_session_token
from tollkeeper.control.sessions import LoggedIn, begin_session
from tollkeeper.domain.account import Account, AccountStatus, normalise_email
from tollkeeper.domain.errors import LoginFailed, TooManyAttempts
from tollkeeper.identity.passwords import needs_rehash
from tollkeeper.store import accounts
from tollkeeper.store.accounts import Credentials

_log = logging.getLogger(__name__)

WRONG = "The e-mail address or the password is not right."


async def log_in(people: People, visit: Visit, *, email: str, password: str) -> LoggedIn:
    """Begin a session for who knows an account's password.

    An address without an account is answered as a wrong password is, after the same work.

    Raises:
        InvalidRequest: this is no address.
        LoginFailed: not right; or right, but the account is disabled or its address not verified yet.
        TooManyAttempts: for this address, or from there.
    """
    email = normalise_email(email)
    people.throttles.take_login(email, visit.address)
    found = await people.administration.store.read(lambda c: accounts.find_credentials(c, email=email))
    if not await _is_right(people, found, password):
        await note_failure(people, visit, found.account if found else None)
        raise LoginFailed(WRONG)
    assert found is not None, "nobody has no password"
    people.throttles.succeed(email, visit.address)
    await _check_usable(people, visit, found.account)
    caller, token = visit.caller(found.account), new_session_token()
    logged_in = await people.change(caller, _begin, people.rules, visit, found, token=token)
    await _keep_hash_strong(people, found, password)
    return logged_in


async def note_failure(people: People, visit: Visit, account: Account | None) -> None:
    """Put a refused login into the audit log, unless it has taken in too many lately. Whose it is not is not kept:
    people type their passwords into the wrong field.
    """
    try:
        people.throttles.take_note()
    except TooManyAttempts:
        _log.warning("a refused login from %s is not in the audit log: there were too many lately", visit.address)
        return
    await people.change(visit.caller(None), _note_failure, account)


async def _is_right(people: People, found: Credentials | None, password: str) -> bool:
    if found is None or found.password_hash is None:
        return await people.hasher.verify_absent(password)
    return await people.hasher.verify(found.password_hash, password)


async def _check_usable(people: People, visit: Visit, account: Account) -> None:
    """Refuse who has the right password but may not come in; they alone are told why."""
    if account.status is not AccountStatus.ACTIVE:
        await note_failure(people, visit, account)
        raise LoginFailed("This account is disabled; ask the operator of this installation.")
    if account.email_verified_at_us is not None:
        return
    if people.rules.sends_email:
        with contextlib.suppress(TooManyAttempts):  # the latest links still work
            people.throttles.take_mail(account.email, visit.address)
            await people.change(visit.caller(account), _send_verification, people.rules, account)
    raise LoginFailed("This e-mail address is not verified yet; follow the link of the e-mail that was sent to it.")


async def _keep_hash_strong(people: People, found: Credentials, password: str) -> None:
    old = found.password_hash
    if old is None or not needs_rehash(old):
        return
    new = await people.hasher.hash(password)
    await people.administration.store.write(lambda c: accounts.rehash_password(c, found.account.id, old=old, new=new))


async def _begin(action: Action, rules: AccountRules, visit: Visit, found: Credentials, *, token: str) -> LoggedIn:
    # a reset or a disabling that comes at this moment must not leave a session of the old password behind
    if not await accounts.lock_account(action.connection, found.account.id, password_hash=found.password_hash):
        raise LoginFailed(WRONG)
    return await begin_session(action, found.account, visit, token=token, lasts_s=rules.session_s)


async def _send_verification(action: Action, rules: AccountRules, account: Account) -> None:
    await mail_links.send_verification(action, rules, account)
    action.record("account.send_verification", Target("account", account.id, account.email))


async def _note_failure(action: Action, account: Account | None) -> None:
    action.record("login.fail", Target("account", account.id if account else "", account.email if account else ""))
