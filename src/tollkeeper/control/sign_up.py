"""Signing up: a new account, or the same answer where there is one already, and the proof that the address is theirs."""

from __future__ import annotations

import msgspec

from tollkeeper.control import invites, mail_links
from tollkeeper.control.account_rules import AccountRules
from tollkeeper.control.administration import Action, Target
from tollkeeper.control.names import check_name
from tollkeeper.control.people import People, Visit
from tollkeeper.domain.account import Account, AccountId, AccountStatus, TokenPurpose, normalise_email
from tollkeeper.domain.errors import Conflict, InvalidRequest, PermissionDenied
from tollkeeper.domain.tenancy import Language
from tollkeeper.identity.passwords import check_password_strength
from tollkeeper.kit.ids import new_id
from tollkeeper.store import accounts, one_time_tokens, sessions


class NewPerson(msgspec.Struct, frozen=True):
    """What somebody says who signs up. `invitation` is the token of one, or ""."""

    email: str
    password: str
    name: str
    language: Language = "en"
    invitation: str = ""

    def __repr__(self) -> str:
        return f"NewPerson({self.email!r})"


class SignedUp(msgspec.Struct, frozen=True):
    """An address is verified at once by the token of an invitation, otherwise by the link of an e-mail."""

    email: str
    is_email_verified: bool


async def sign_up(people: People, visit: Visit, wanted: NewPerson) -> SignedUp:
    """Make an account. Without an invitation the answer does not tell whether the address had one already.

    A verified account is never touched: its person gets a link that sets another password. An account whose address
    nobody has proved belongs to whoever signs up last, so that nobody can wait in it for its rightful owner.

    Raises:
        InvalidRequest: no address, no name, a weak password, an invitation that is no good or for somebody else.
        PermissionDenied: nobody may sign up here, or not without an invitation.
        Conflict: the invited person has an account: log in to accept.
        TooManyAttempts: from there or for this address.
    """
    wanted = msgspec.structs.replace(wanted, email=normalise_email(wanted.email), name=check_name(wanted.name))
    _check_mode(people.rules, is_invited=bool(wanted.invitation))
    check_password_strength(wanted.password, email=wanted.email)
    if not wanted.invitation:
        people.throttles.take_mail(wanted.email, visit.address)
        password_hash = await people.hasher.hash(wanted.password)
        stranger = visit.caller(None)
        await people.change(stranger, _sign_up_openly, people.rules, wanted, password_hash=password_hash)
        return SignedUp(wanted.email, is_email_verified=False)
    invite = await invites.find_open_invite(people, wanted.invitation, address=visit.address)
    if invite.email != wanted.email:
        raise InvalidRequest("The invitation is for another e-mail address.", param="email")
    password_hash = await people.hasher.hash(wanted.password)
    stranger = visit.caller(None, organization_id=invite.organization_id)
    digest = people.digest(wanted.invitation)
    await people.change(stranger, _sign_up_invited, wanted, password_hash=password_hash, digest=digest)
    return SignedUp(wanted.email, is_email_verified=True)


async def verify_email(people: People, visit: Visit, token: str) -> Account:
    """Take the token of an e-mail as the proof that its address is the account's.

    Raises:
        InvalidRequest: the token is used, too old, or none.
        TooManyAttempts: from there.
    """
    account = await mail_links.token_account(people, visit, token, TokenPurpose.VERIFY_EMAIL)
    return await people.change(visit.caller(account), _verify_email, account, digest=people.digest(token))


async def _sign_up_openly(action: Action, rules: AccountRules, wanted: NewPerson, *, password_hash: str) -> None:
    account = await _take_account(action, wanted, password_hash=password_hash)
    if account is not None:
        await mail_links.send_verification(action, rules, account)
        action.record("account.sign_up", Target("account", account.id, account.email))
        return
    known = await accounts.find_credentials(action.connection, email=wanted.email)
    if known is not None and known.account.status is AccountStatus.ACTIVE:
        await mail_links.send_reset(action, rules, known.account)
        action.record("account.sign_up_again", Target("account", known.account.id, known.account.email))


async def _sign_up_invited(action: Action, wanted: NewPerson, *, password_hash: str, digest: bytes) -> None:
    account = await _take_account(action, wanted, password_hash=password_hash)
    if account is None:
        raise Conflict("There is an account with this e-mail address: log in, then accept the invitation.")
    await accounts.verify_email(action.connection, account.id, now_us=action.now_us)
    action.record("account.sign_up", Target("account", account.id, account.email))
    await invites.join(action, account, digest=digest)


async def _take_account(action: Action, wanted: NewPerson, *, password_hash: str) -> Account | None:
    """Create the account, or claim the one that nobody has proved to be theirs; None when it is somebody's."""
    known = await accounts.find_credentials(action.connection, email=wanted.email)
    if known is None:
        made = _new_account(action, wanted)
        try:
            await accounts.create_account(action.connection, made, password_hash=password_hash)
        except Conflict:  # another request was faster; it gets the same answer
            known = await accounts.find_credentials(action.connection, email=wanted.email)
            assert known is not None, "accounts are never deleted"
        else:
            return made
    is_claimed = await accounts.claim_unverified(
        action.connection, known.account.id, name=wanted.name, language=wanted.language, password_hash=password_hash
    )
    if not is_claimed:
        return None
    await one_time_tokens.drop_tokens(action.connection, known.account.id)
    await sessions.end_sessions(action.connection, known.account.id)
    claimed = await accounts.get_credentials(action.connection, known.account.id)
    assert claimed is not None, "it was just changed"
    return claimed.account


async def _verify_email(action: Action, account: Account, *, digest: bytes) -> Account:
    await mail_links.use_token(action, account, digest, TokenPurpose.VERIFY_EMAIL)
    await accounts.verify_email(action.connection, account.id, now_us=action.now_us)
    await one_time_tokens.drop_tokens(action.connection, account.id)
    action.record("account.verify_email", Target("account", account.id, account.email))
    return msgspec.structs.replace(account, email_verified_at_us=account.email_verified_at_us or action.now_us)


def _new_account(action: Action, wanted: NewPerson) -> Account:
    return Account(
        AccountId(new_id("acc")),
        wanted.email,
        wanted.name,
        wanted.language,
        AccountStatus.ACTIVE,
        has_password=True,
        email_verified_at_us=None,
        created_at_us=action.now_us,
    )


def _check_mode(rules: AccountRules, *, is_invited: bool) -> None:
    if rules.sign_up == "closed":
        raise PermissionDenied("Nobody can sign up here; the operator has closed it.")
    if is_invited:
        return
    if rules.sign_up == "invited":
        raise PermissionDenied("Signing up here needs an invitation: use the link of its e-mail.")
    if not rules.sends_email:
        raise PermissionDenied(
            "This installation sends no e-mail, so that no address can be proved; ask its operator for an invitation."
        )
