"""Logging in by an OpenID provider: bound to the browser that began, and to accounts whose address is proved on both sides."""

from __future__ import annotations

import hmac
import re
from typing import Literal

import msgspec

from tollkeeper.control.account_rules import AccountRules
from tollkeeper.control.administration import Action, Target
from tollkeeper.control.login import note_failure
from tollkeeper.control.names import NAME_LENGTH_MAX, check_name
from tollkeeper.control.people import SECRET_LENGTH, People, Visit, new_session_token
from tollkeeper.control.sessions import LoggedIn, begin_session
from tollkeeper.domain.account import Account, AccountId, AccountStatus, normalise_email
from tollkeeper.domain.errors import InvalidRequest, LoginFailed
from tollkeeper.identity.flow import Flow, Identity
from tollkeeper.identity.oidc import FLOW_AGE_MAX_S
from tollkeeper.kit.clock import now_us
from tollkeeper.kit.ids import new_id, random_base62
from tollkeeper.kit.vault import BrokenSealError
from tollkeeper.store import accounts, invites, login_flows

NEXT_LENGTH_MAX = 500
_LOCAL_PATH = re.compile(r"/(?![/\\])[!-\[\]-~]*")
"""A path of ours: one slash, and nowhere a backslash, which browsers read as a slash."""
_BROWSER = re.compile(rf"[0-9A-Za-z]{{{SECRET_LENGTH}}}")
_OVER = "This login is over, or was begun in another browser: log in again."
_DISABLED = "This account is disabled; ask the operator of this installation."


class Return(msgspec.Struct, frozen=True):
    """What a browser comes back with. `browser` is our cookie; `error` is the provider's, when it let nobody in."""

    state: str
    code: str = ""
    iss: str | None = None
    error: str = ""
    browser: str = ""

    def __repr__(self) -> str:
        return "Return()"


class _KeptFlow(msgspec.Struct, frozen=True):
    flow: Flow
    next_path: str
    browser_digest: bytes


class _Entry(msgspec.Struct, frozen=True):
    """Whose account a login is for, and how it came to be."""

    account: Account
    way: Literal["known", "linked", "new"]


def check_next(path: str) -> str:
    """Return a path of this installation to go on to.

    Raises:
        InvalidRequest: a browser might read it as an address elsewhere.
    """
    if len(path) > NEXT_LENGTH_MAX or not _LOCAL_PATH.fullmatch(path):
        raise InvalidRequest("Where to go on must be a path of this installation, such as /usage.", param="next")
    return path


def own_or_new_browser(browser: str) -> str:
    """Return what tells one browser from others: what its cookie says already, so that two logins can go side by side."""
    return browser if _BROWSER.fullmatch(browser) else random_base62(SECRET_LENGTH)


async def begin(people: People, visit: Visit, issuer_name: str, *, next_path: str, browser: str) -> str:
    """Return the provider's address to send the browser to.

    Raises:
        NotFound: there is no such provider.
        InvalidRequest: `next_path` leads elsewhere.
        LoginFailed: the provider cannot be reached.
        TooManyAttempts: from there.
    """
    check_next(next_path)
    people.throttles.take_token(visit.address)
    address, flow = await people.oidc.begin(issuer_name, redirect_uri=callback_of(people.rules, issuer_name))
    digest = people.digest(flow.state)
    kept = msgspec.msgpack.encode(_KeptFlow(flow, next_path, people.digest(browser)))
    sealed = people.administration.secrets.vault.seal(kept, bound_to=_binding(digest))
    expires_at_us = now_us() + FLOW_AGE_MAX_S * 1_000_000
    await people.administration.store.write(
        lambda c: login_flows.keep_flow(c, digest, sealed, expires_at_us=expires_at_us)
    )
    return address


async def finish(people: People, visit: Visit, issuer_name: str, back: Return) -> tuple[LoggedIn, str]:
    """Begin a session for whom the provider has identified; returns it and the path to go on to.

    Raises:
        LoginFailed: the message says what was not right.
        TooManyAttempts: from there.
    """
    people.throttles.take_token(visit.address)
    kept = await _take(people, back)
    if kept.flow.issuer_name != issuer_name:
        raise LoginFailed(_OVER)
    if back.error:
        raise LoginFailed("The identity provider did not log you in.")
    identity = await people.oidc.finish(kept.flow, code=back.code, state=back.state, iss=back.iss)
    entry = await _find_entry(people, visit, identity)
    caller, token = visit.caller(entry.account), new_session_token()
    logged_in = await people.change(caller, _enter, people.rules, visit, entry, identity=identity, token=token)
    return logged_in, check_next(kept.next_path)


def callback_of(rules: AccountRules, issuer_name: str) -> str:
    """Return the address that a provider sends browsers back to; it has to be registered there."""
    return f"{rules.public_url}/v1/auth/oidc/{issuer_name}/callback"


async def _take(people: People, back: Return) -> _KeptFlow:
    digest = people.digest(back.state)
    sealed = await people.administration.store.write(lambda c: login_flows.take_flow(c, digest, now_us=now_us()))
    if sealed is None:
        raise LoginFailed(_OVER)
    try:
        plain = people.administration.secrets.vault.open(sealed, bound_to=_binding(digest))
    except BrokenSealError:
        raise LoginFailed(_OVER) from None
    kept = msgspec.msgpack.decode(plain, type=_KeptFlow)
    if not hmac.compare_digest(kept.browser_digest, people.digest(back.browser)):
        raise LoginFailed(_OVER)
    return kept


async def _find_entry(people: People, visit: Visit, identity: Identity) -> _Entry:
    store = people.administration.store
    known = await store.read(lambda c: accounts.find_by_identity(c, issuer=identity.issuer, subject=identity.subject))
    if known is not None:
        return _Entry(await _active(people, visit, known), "known")
    email = _proved_email(identity)
    found = await store.read(lambda c: accounts.find_credentials(c, email=email))
    if found is not None:
        account = await _active(people, visit, found.account)
        if account.email_verified_at_us is None:
            # somebody may have signed up with this address and wait for its owner to come in beside them
            await note_failure(people, visit, account)
            raise LoginFailed(
                "There is an account with your e-mail address that nobody has verified yet: verify it, or reset its "
                "password, then log in this way again."
            )
        return _Entry(account, "linked")
    await _check_may_sign_up(people, email)
    return _Entry(_new_account(identity, email), "new")


async def _enter(
    action: Action, rules: AccountRules, visit: Visit, entry: _Entry, *, identity: Identity, token: str
) -> LoggedIn:
    account, target = entry.account, Target("account", entry.account.id, entry.account.email)
    if entry.way == "new":
        await accounts.create_account(action.connection, account, password_hash=None)
        action.record("account.sign_up", target, after={"issuer": identity.issuer})
    elif not await accounts.lock_account(action.connection, account.id):
        raise LoginFailed(_DISABLED)
    if entry.way != "known":
        await accounts.link_identity(
            action.connection, account.id, issuer=identity.issuer, subject=identity.subject, now_us=action.now_us
        )
        action.record("account.link_identity", target, after={"issuer": identity.issuer})
    return await begin_session(action, account, visit, token=token, lasts_s=rules.session_s)


async def _active(people: People, visit: Visit, account: Account) -> Account:
    if account.status is AccountStatus.ACTIVE:
        return account
    await note_failure(people, visit, account)
    raise LoginFailed(_DISABLED)


async def _check_may_sign_up(people: People, email: str) -> None:
    rules = people.rules
    if rules.sign_up == "open":
        return
    is_invited = rules.sign_up == "invited" and await people.administration.store.read(
        lambda c: invites.has_open_invite(c, email, now_us=now_us())
    )
    if not is_invited:
        raise LoginFailed("You have no account here, and signing up needs an invitation to this e-mail address.")


def _proved_email(identity: Identity) -> str:
    if identity.email is None or not identity.is_email_verified:
        raise LoginFailed("The identity provider does not say that your e-mail address is verified.")
    try:
        return normalise_email(identity.email)
    except InvalidRequest:
        raise LoginFailed("The identity provider sent an e-mail address that cannot be used here.") from None


def _new_account(identity: Identity, email: str) -> Account:
    at_us = now_us()
    try:
        name = check_name(identity.name[:NAME_LENGTH_MAX])
    except InvalidRequest:
        name = email.partition("@")[0]
    return Account(
        AccountId(new_id("acc")),
        email,
        name,
        "en",
        AccountStatus.ACTIVE,
        has_password=False,
        email_verified_at_us=at_us,
        created_at_us=at_us,
    )


def _binding(digest: bytes) -> tuple[str, ...]:
    return ("login_flow", digest.hex())
