"""Organizations: founded by a person or the operator, listed, changed; and, with projects, as the commands name them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypedDict, Unpack

import msgspec
from msgspec import UNSET, UnsetType

from tollkeeper.control.administration import Action, Target
from tollkeeper.control.credits import PrepaidChoice, give_trial, set_prepaid
from tollkeeper.control.display_currency import check_currency
from tollkeeper.control.names import check_name
from tollkeeper.control.tiers import TierChoice, TierLimits, begin_with, change_tier
from tollkeeper.domain.access import Principal
from tollkeeper.domain.credit import Trial
from tollkeeper.domain.currency import DisplayCurrency
from tollkeeper.domain.errors import InvalidRequest, NotFound, PermissionDenied
from tollkeeper.domain.label import LABELS_MAX, check_label
from tollkeeper.domain.role import ORG_ADMIN, Assignment
from tollkeeper.domain.tenancy import KeyPolicy, Language, Organization, Project
from tollkeeper.domain.tier import ENTERPRISE, Tier
from tollkeeper.store import accounts, audit, members, organizations, projects
from tollkeeper.store.engine import Store

DEFAULT_PROJECT = "default"
KEY_AGE_MAX_DAYS = 3650
MONTH_START_MAX = 28
"""The last day that every month has."""


class Founded(msgspec.Struct, frozen=True):
    """A new organization and its default project."""

    organization: Organization
    project: Project


class Changed(msgspec.Struct, frozen=True):
    """An organization as it is now, and what a tier made of its limits; None when none was given."""

    organization: Organization
    tier_limits: TierLimits | None


class OrganizationChanges(TypedDict, total=False):
    """What can change of an organization."""

    name: str | UnsetType
    timezone: str | UnsetType
    language: Language | UnsetType
    policy: KeyPolicy | UnsetType
    fiscal_month_start: int | UnsetType
    tier: TierChoice | UnsetType
    prepaid: PrepaidChoice | UnsetType
    display_currency: DisplayCurrency | UnsetType | None  # None takes it away


async def create_organization(  # noqa: PLR0913  # what it is, and what it begins with
    action: Action,
    *,
    name: str,
    timezone: str = "UTC",
    language: Language = "en",
    is_open: bool,
    trial: Trial = Trial(),  # noqa: B008  # frozen
    tier: Tier = ENTERPRISE,
) -> Founded:
    """Found an organization; the person who asks becomes its org_admin.

    `is_open`: anybody may sign up here, so anybody whose e-mail address is verified may found an organization; else
    organizations are the operator's to found (`tollkeeper init`), who asks without an account.

    Raises:
        PermissionDenied: the caller is an API key, the person's address is not verified, or the installation is not open.
        InvalidRequest: a name or a time zone that is none.
    """
    principal = action.caller.principal
    if not principal.is_operator:
        await _require_founder(action, is_open=is_open)
    made = await organizations.create_organization(
        action.connection, check_name(name), timezone=timezone, language=language
    )
    project = await projects.create_project(action.connection, made.id, name=DEFAULT_PROJECT)
    if principal.account_id:
        admin = await members.add_member(action.connection, made.id, principal.account_id)
        assignment = Assignment(ORG_ADMIN, "organization", made.id)
        await members.assign_role(action.connection, made.id, admin.id, assignment)
    await _record_founding(action, made, project, tier=tier, trial=trial)
    return Founded(msgspec.structs.replace(made, tier=tier.name), project)


async def list_organizations(action: Action, *, after: str | None = None, limit: int = 100) -> list[Organization]:
    """Return the organizations that a person belongs to, oldest first; an API key's own one.

    Raises:
        PermissionDenied: it is a service's key, which does not see whom it works for.
    """
    principal = action.caller.principal
    if principal.account_id:
        return await organizations.list_organizations_of(
            action.connection, principal.account_id, after=after, limit=limit
        )
    action.require("membership", action.organization)
    own = await organizations.get_organization(action.connection, action.organization_id)
    return [own] if own is not None and own.id != after else []


async def get_organization(action: Action, organization_id: str) -> Organization:
    """Return the caller's organization.

    Raises:
        NotFound: it is another one.
    """
    _require_own(action, organization_id)
    action.require("membership", action.organization)
    found = await organizations.get_organization(action.connection, organization_id)
    assert found is not None, "a caller's organization is there"
    return found


async def update_organization(action: Action, organization_id: str, **changes: Unpack[OrganizationChanges]) -> Changed:
    """Change the caller's organization; what is UNSET or not there stays.

    A policy holds for every key on every replica at once. Whether calls need credit takes billing:manage too.

    Raises:
        NotFound: it is another one.
        PermissionDenied: the caller may not manage it.
        InvalidRequest: a name, time zone, policy or display currency that is none.
        Conflict: teams and projects have more than a tier allows, and the caller may not override that.
    """
    _require_own(action, organization_id)
    action.require("org:manage", action.organization)
    prepaid = changes.pop("prepaid", UNSET)
    if prepaid is not UNSET:
        await set_prepaid(action, organization_id, prepaid)
    before = await organizations.lock_organization(action.connection, organization_id)
    choice = changes.get("tier", UNSET)
    wanted = {key: _CHECKS.get(key, _as_it_is)(value) for key, value in changes.items() if value is not UNSET}
    values = {key: value for key, value in wanted.items() if getattr(before, key) != value}
    limits = None if choice is UNSET else await change_tier(action, choice, before=before.tier)
    if not values:
        return Changed(before, limits)
    changed = await organizations.change_organization(action.connection, organization_id, values)
    target = Target("organization", changed.id, changed.name)
    action.record("organization.update", target, before=_shown(before), after=_shown(changed))
    return Changed(changed, limits)


async def choose_organization(store: Store, named: str | None) -> Organization:
    """Return the organization of this id or name, or the only one there is.

    Raises:
        InvalidRequest: there are several and none was named.
        NotFound: there is none of this id or name.
    """
    known = await store.read(organizations.list_organizations)
    if named is not None:
        found = [each for each in known if named in {each.id, each.name}]
        if not found:
            raise NotFound(f"There is no organization '{named}'.")
        return found[0]
    if not known:
        raise NotFound("There is no organization yet; make one with: tollkeeper init --org NAME")
    if len(known) > 1:
        names = ", ".join(each.name for each in known[:5])
        raise InvalidRequest(f"There are several organizations ({names}); say which with --org.")
    return known[0]


async def choose_project(store: Store, organization_id: str, named: str) -> Project:
    """Return the organization's project of this id or name.

    Raises:
        NotFound: it has none.
    """
    found = await store.read(lambda connection: projects.get_project(connection, organization_id, named))
    found = found or await store.read(lambda connection: projects.find_project(connection, organization_id, name=named))
    if found is None:
        raise NotFound(f"There is no project '{named}' in this organization.")
    return found


async def project_names(store: Store, organization_id: str) -> dict[str, str]:
    """Return the names of an organization's projects by their ids."""
    found: list[Project] = []
    while True:
        after = found[-1].id if found else None
        page = await store.read(
            lambda connection, after=after: projects.list_projects(  # type: ignore[misc]
                connection, organization_id, after=after
            )
        )
        found += page
        if len(page) < 100:
            return {each.id: each.name for each in found}


async def _require_founder(action: Action, *, is_open: bool) -> None:
    account_id = action.caller.principal.account_id
    found = await accounts.get_credentials(action.connection, account_id) if account_id else None
    if found is None:
        raise PermissionDenied("Only a person who is logged in can found an organization.")
    if not is_open:
        raise PermissionDenied(
            "On this installation organizations are founded by its operator (`tollkeeper init --org NAME`)."
        )
    if found.account.email_verified_at_us is None:
        raise PermissionDenied("Verify your e-mail address first: follow the link that was sent to it.")


async def _record_founding(action: Action, made: Organization, project: Project, *, tier: Tier, trial: Trial) -> None:
    """Begin the new organization's own audit log, trial credit included; nobody else's log has a word about it."""
    principal: Principal = msgspec.structs.replace(action.caller.principal, organization_id=made.id)
    own = Action(action.connection, msgspec.structs.replace(action.caller, principal=principal), action.secrets)
    own.record("organization.create", Target("organization", made.id, made.name), after=_shown(made))
    own.record("project.create", Target("project", project.id, project.name), after={"name": project.name})
    await begin_with(own, tier)
    await give_trial(own, made.id, trial)
    await audit.append_events(action.connection, made.id, own.events, key=action.secrets.audit_key)


def _require_own(action: Action, organization_id: str) -> None:
    if organization_id != action.organization_id or not action.organization_id:
        raise NotFound(f"There is no organization '{organization_id}'.")


def _check_day(day: int) -> int:
    if not 1 <= day <= MONTH_START_MAX:
        raise InvalidRequest(f"Months begin at a day from 1 to {MONTH_START_MAX}.", param="fiscal_month_start")
    return day


def _check_policy(policy: KeyPolicy) -> KeyPolicy:
    age = policy.key_age_max_days
    if age is not None and not 1 <= age <= KEY_AGE_MAX_DAYS:
        raise InvalidRequest(
            f"key_age_max_days must be 1 to {KEY_AGE_MAX_DAYS}, or null.", param="policy", part="key_age_max_days"
        )
    names = sorted(set(policy.required_labels))
    faults = [fault for each in names if (fault := check_label(each, ""))]
    if faults:
        raise InvalidRequest(f"required_labels: {faults[0]}.", param="policy", part="required_labels")
    if len(names) > LABELS_MAX:
        message = f"A call has at most {LABELS_MAX} labels, so no more can be required."
        raise InvalidRequest(message, param="policy", part="required_labels")
    return msgspec.structs.replace(policy, required_labels=tuple(names))


def _as_it_is(value: Any) -> Any:
    return value


_CHECKS: dict[str, Callable[[Any], Any]] = {
    "name": check_name,
    "policy": _check_policy,
    "display_currency": check_currency,
    "fiscal_month_start": _check_day,
    "tier": lambda choice: choice.tier.name,
}
"""How what is wanted of a field is checked, and tidied."""


def _shown(organization: Organization) -> dict[str, object]:
    return {
        "name": organization.name,
        "timezone": organization.timezone,
        "language": organization.language,
        "tier": organization.tier,
        "fiscal_month_start": organization.fiscal_month_start,
        "policy": msgspec.to_builtins(organization.policy),
        "display_currency": msgspec.to_builtins(organization.display_currency),
    }
