"""The first person of an installation: let in by a link that only the server's console shows, while nobody has an account."""

from __future__ import annotations

import hmac

import msgspec

from tollkeeper.control.account_rules import AccountRules
from tollkeeper.control.administration import Action, Secrets, Target
from tollkeeper.control.names import check_name
from tollkeeper.control.organizations import create_organization
from tollkeeper.control.people import People, Visit, new_session_token
from tollkeeper.control.sessions import LoggedIn, begin_session
from tollkeeper.domain.access import Principal, PrincipalKind
from tollkeeper.domain.account import Account, AccountId, AccountStatus, normalise_email
from tollkeeper.domain.errors import PermissionDenied
from tollkeeper.domain.role import ORG_ADMIN, Assignment
from tollkeeper.domain.tenancy import Language
from tollkeeper.identity.passwords import check_password_strength
from tollkeeper.kit.ids import new_id
from tollkeeper.kit.vault import derive
from tollkeeper.store import accounts, installation, members, organizations
from tollkeeper.store.engine import Store

_OVER = "The first account of this installation is made already: sign in, or ask an admin for an invitation."


class FirstPerson(msgspec.Struct, frozen=True):
    """What the first person says. `organization` and `timezone` are of the one to found when there is none."""

    email: str
    password: str
    name: str
    organization: str
    timezone: str
    language: Language = "en"

    def __repr__(self) -> str:
        return f"FirstPerson({self.email!r})"


def first_run_token(secrets: Secrets) -> str:
    """Return what the link of the first run carries: only who has the installation's pepper can say it."""
    return derive(secrets.pepper, "first run").hex()


def first_run_link(secrets: Secrets, *, public_url: str) -> str:
    """Return the link itself. It is for the console of whoever runs the server, and for no log."""
    return f"{public_url}/first-run?token={first_run_token(secrets)}"


async def is_first_run(store: Store) -> bool:
    """Tell whether nobody has an account yet."""
    return not await store.read(accounts.is_any_account)


async def existing_organization(store: Store) -> str | None:
    """Return the name of the organization that the first person will administer; None when it is to be founded yet."""
    found = await store.read(organizations.list_organizations)
    return found[0].name if found else None


async def set_up(people: People, visit: Visit, token: str, wanted: FirstPerson) -> LoggedIn:
    """Make the first account, the admin of the first organization, and let its person in.

    Raises:
        PermissionDenied: the token is another one, or somebody has an account already.
        InvalidRequest: no address, no name, a weak password, or a time zone that is none.
        TooManyAttempts: from there.
    """
    people.throttles.take_token(visit.address)
    if not hmac.compare_digest(token.encode(), first_run_token(people.administration.secrets).encode()):
        raise PermissionDenied("This link is not the one that the server's console shows.")
    wanted = msgspec.structs.replace(wanted, email=normalise_email(wanted.email), name=check_name(wanted.name))
    check_password_strength(wanted.password, email=wanted.email)
    password_hash = await people.hasher.hash(wanted.password)
    session_token = new_session_token()
    return await people.change(
        visit.caller(None),
        _set_up,
        people.rules,
        wanted,
        visit=visit,
        password_hash=password_hash,
        session_token=session_token,
    )


async def _set_up(  # who, from where, and two secrets that were made before the transaction
    action: Action, rules: AccountRules, wanted: FirstPerson, *, visit: Visit, password_hash: str, session_token: str
) -> LoggedIn:
    await installation.lock_installation(action.connection)  # two first people at once: the second one finds the first
    if await accounts.is_any_account(action.connection):
        raise PermissionDenied(_OVER)
    account = Account(
        AccountId(new_id("acc")),
        wanted.email,
        wanted.name,
        wanted.language,
        AccountStatus.ACTIVE,
        has_password=True,
        email_verified_at_us=action.now_us,  # whoever reads the console need not prove an address
        created_at_us=action.now_us,
    )
    await accounts.create_account(action.connection, account, password_hash=password_hash)
    action.record("account.first", Target("account", account.id, account.email))
    known = await organizations.list_organizations(action.connection)
    if known:
        admin = await members.add_member(action.connection, known[0].id, account.id)
        await members.assign_role(
            action.connection, known[0].id, admin.id, Assignment(ORG_ADMIN, "organization", known[0].id)
        )
    else:
        founder = Principal(PrincipalKind.ACCOUNT, account.id, account.email, "", account_id=account.id)
        own = Action(action.connection, msgspec.structs.replace(action.caller, principal=founder), action.secrets)
        await create_organization(
            own,
            name=check_name(wanted.organization, param="organization"),
            timezone=wanted.timezone,
            language=wanted.language,
            is_open=True,
            trial=rules.trial,
            tier=rules.default_tier,
        )
        action.events += own.events
    return await begin_session(action, account, visit, token=session_token, lasts_s=rules.session_s)
