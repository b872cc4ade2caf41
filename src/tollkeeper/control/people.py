"""What logins lean on: the administration, the rules, the password hasher, the identity providers, the counted attempts."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Concatenate, ParamSpec, TypeVar

import msgspec

from tollkeeper.control.account_rules import AccountRules
from tollkeeper.control.administration import Action, Administration, Caller
from tollkeeper.control.attempts import Attempts, place_of
from tollkeeper.domain.access import Principal, PrincipalKind
from tollkeeper.domain.account import SESSION_PREFIX, Account
from tollkeeper.domain.errors import PermissionDenied
from tollkeeper.identity.issuers import Issuer
from tollkeeper.identity.oidc import OidcClient
from tollkeeper.identity.passwords import PasswordHasher
from tollkeeper.kit.ids import BASE62, random_base62
from tollkeeper.kit.secrets import keyed_digest
from tollkeeper.kit.tasks import TaskGroup

P = ParamSpec("P")
T = TypeVar("T")

MAIL_TOKEN_PREFIX = "mail-tk-"  # noqa: S105  # what stands before a token
SECRET_LENGTH = 43
"""Digits of base62: 256 random bits."""
AGENT_LENGTH_MAX = 200


class Visit(msgspec.Struct, frozen=True):
    """A request of somebody who is not logged in yet: from where, by which program."""

    address: str = ""
    agent: str = ""
    request_id: str = ""

    def caller(self, account: Account | None, *, organization_id: str = "") -> Caller:
        """Return the caller that an account is which has just proved to be the visitor's; None for a stranger."""
        if account is None:
            return Caller(Principal(PrincipalKind.ACCOUNT, "", "", organization_id), self.address, self.request_id)
        principal = Principal(PrincipalKind.ACCOUNT, account.id, account.email, organization_id, account_id=account.id)
        return Caller(principal, self.address, self.request_id)


class Throttles:
    """The limits of what strangers may try. Each process counts for itself; see `attempts`."""

    def __init__(self) -> None:
        self._logins_of_email = Attempts(at_once=10, every_s=60)
        self._logins_from_place = Attempts(at_once=50, every_s=6)
        self._mails_to_email = Attempts(at_once=3, every_s=600)
        self._mails_from_place = Attempts(at_once=20, every_s=60)
        self._tokens_from_place = Attempts(at_once=30, every_s=10)
        self._failures_noted = Attempts(at_once=120, every_s=5)

    def take_login(self, email: str, address: str) -> None:
        """Count a login as failed before it is tried. Raises: TooManyAttempts."""
        self._logins_from_place.take(place_of(address))
        self._logins_of_email.take(email)

    def succeed(self, email: str, address: str) -> None:
        """Count a login that was good as none."""
        self._logins_from_place.give_back(place_of(address))
        self._logins_of_email.give_back(email)

    def take_mail(self, email: str, address: str) -> None:
        """Count a request that makes us write to an address. Raises: TooManyAttempts."""
        self._mails_from_place.take(place_of(address))
        self._mails_to_email.take(email)

    def take_token(self, address: str) -> None:
        """Count a try of a link's token. Raises: TooManyAttempts."""
        self._tokens_from_place.take(place_of(address))

    def take_note(self) -> None:
        """Count a failure that goes into the audit log, so that nobody fills it. Raises: TooManyAttempts."""
        self._failures_noted.take("")


class People:
    """One per process. `issuers` are those that `oidc` knows, as they are shown."""

    def __init__(
        self,
        administration: Administration,
        rules: AccountRules,
        *,
        hasher: PasswordHasher | None = None,
        issuers: Sequence[Issuer] = (),
    ) -> None:
        self.administration, self.rules, self.issuers = administration, rules, tuple(issuers)
        self.hasher = hasher or PasswordHasher()
        self.oidc = OidcClient(issuers)
        self.throttles = Throttles()
        self.tasks = TaskGroup()
        """What goes on after its answer, because how long it takes would tell whether an account exists."""

    def digest(self, token: str) -> bytes:
        """Return what a token is stored as."""
        return keyed_digest(self.administration.secrets.pepper, token.encode())

    async def change(
        self, caller: Caller, step: Callable[Concatenate[Action, P], Awaitable[T]], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run a use case; see `Administration.change`."""
        return await self.administration.change(caller, step, *args, **kwargs)

    async def aclose(self) -> None:
        """Let what goes on come to its end, for a moment, and take no more passwords."""
        await self.tasks.join(timeout_s=2.0)
        await self.tasks.cancel()
        self.hasher.close()


def new_session_token() -> str:
    """Return a new session's token: sess-tk-<43 base62>."""
    return SESSION_PREFIX + random_base62(SECRET_LENGTH)


def new_mail_token() -> str:
    """Return a new token for a link in an e-mail: mail-tk-<43 base62>."""
    return MAIL_TOKEN_PREFIX + random_base62(SECRET_LENGTH)


def is_mail_token(text: str) -> bool:
    """Tell whether a text could be a link's token at all, before anybody looks it up."""
    secret = text.removeprefix(MAIL_TOKEN_PREFIX)
    return secret != text and len(secret) == SECRET_LENGTH and all(each in BASE62 for each in secret)


def as_person(caller: Caller) -> Caller:
    """Return a caller as the person that it is, outside of every organization: what they do is nobody else's log.

    Raises:
        PermissionDenied: it is an API key.
    """
    principal = caller.principal
    if not principal.account_id:
        raise PermissionDenied("This is for people who are logged in; an API key cannot do it.")
    person = Principal(PrincipalKind.ACCOUNT, principal.id, principal.name, "", account_id=principal.account_id)
    return msgspec.structs.replace(caller, principal=person)
