"""Administering from the command line: the organization it is about, the operator as the caller, the API's own use cases."""

from __future__ import annotations

import os
import pwd
import sys
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Concatenate, ParamSpec, TypeVar
from zoneinfo import ZoneInfo

import msgspec
import typer

from tollkeeper.cli.context import organization_of, secrets_of, with_store
from tollkeeper.config import Configuration
from tollkeeper.control.account_rules import AccountRules
from tollkeeper.control.administration import Action, Administration, Caller, operator
from tollkeeper.domain.errors import InvalidRequest, NotFound
from tollkeeper.domain.tenancy import Organization
from tollkeeper.kit.nearest import did_you_mean
from tollkeeper.store.engine import Store
from tollkeeper.store.organizations import list_organizations

P = ParamSpec("P")
T = TypeVar("T")


class Operator(msgspec.Struct, frozen=True):
    """Whoever runs the command, in one organization; may do everything, and the audit log says who it was."""

    administration: Administration
    caller: Caller
    organization: Organization

    async def change(
        self, step: Callable[Concatenate[Action, P], Awaitable[T]], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run a use case that changes something; see `Administration.change`."""
        return await self.administration.change(self.caller, step, *args, **kwargs)

    async def look(self, step: Callable[Concatenate[Action, P], Awaitable[T]], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a use case that only reads; see `Administration.look`."""
        return await self.administration.look(self.caller, step, *args, **kwargs)

    def moment(self, at_us: int | None) -> str:
        """Show a time to a person, in the organization's timezone."""
        if at_us is None:
            return "–"
        zone = ZoneInfo(self.organization.timezone)
        return datetime.fromtimestamp(at_us // 1_000_000, tz=UTC).astimezone(zone).strftime("%Y-%m-%d %H:%M %Z")


def as_operator(configuration: Configuration, org: str | None, work: Callable[[Operator], Awaitable[T]]) -> T:
    """Open the store and do the work as the operator in an organization, named by id or name or the only one.

    Raises:
        InvalidRequest: there are several organizations and none was named.
        NotFound: there is none of this id or name.
    """

    async def run(store: Store) -> T:
        return await work(await operator_of(configuration, store, org))

    return with_store(configuration, run)


async def operator_of(configuration: Configuration, store: Store, org: str | None) -> Operator:
    """Return the operator in an organization; see `as_operator`."""
    try:
        organization = await organization_of(store, org)
    except NotFound as error:
        known = await store.read(list_organizations)
        error.message += did_you_mean(org or "", [each.name for each in known])
        raise
    secrets = await secrets_of(configuration, store)
    return Operator(Administration(store, secrets), operator(organization.id, name=user_name()), organization)


def user_name() -> str:
    """Return who runs the command, as the machine knows them."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return f"user {os.getuid()}"


def rules_of(configuration: Configuration) -> AccountRules:
    """Return what the settings say of accounts and invitations."""
    accounts = configuration.settings.accounts
    return AccountRules(
        public_url=configuration.public_url,
        sign_up=accounts.sign_up,
        sends_email=bool(configuration.settings.email.host),
        session_s=accounts.session_hours * 3600,
        invitation_s=accounts.invitation_days * 86_400,
        reset_s=accounts.reset_minutes * 60,
        verification_s=accounts.verification_hours * 3600,
        tiers=configuration.tiers,
        default_tier=configuration.tiers[accounts.default_tier],
        trial=configuration.settings.credits.trial,
        is_credit_operators=configuration.settings.credits.granted_by == "operator",
    )


def confirm(question: str, *, is_agreed: bool) -> None:
    """Ask before something is done that cannot be taken back.

    Raises:
        InvalidRequest: nobody is there to ask.
        typer.Exit: the answer is no.
    """
    if is_agreed:
        return
    if not _is_somebody_there():
        raise InvalidRequest("Nobody is there to ask; say --yes when it is to be done.", param="yes")
    if not typer.confirm(question):
        raise typer.Exit(1)


def _is_somebody_there() -> bool:
    return sys.stdin.isatty()
