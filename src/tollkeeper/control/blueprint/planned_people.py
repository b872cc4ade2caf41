"""From a document and what there is to planned members, their roles, and invitations for who has no account yet."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import UNSET

from tollkeeper.control.blueprint.document import MemberRoleEntry
from tollkeeper.control.blueprint.plan import Change, FieldChange
from tollkeeper.control.blueprint.present import Present
from tollkeeper.control.blueprint.reading import Blueprint
from tollkeeper.domain.role import ORG_ADMIN, PREDEFINED, TEAM_ADMIN, Assignment
from tollkeeper.domain.tenancy import ScopeKind
from tollkeeper.kit.nearest import did_you_mean

RoleAtPlace = tuple[str, ScopeKind, str]
"""A role by its name, and the kind and name of the place where it is held; the organization's name is ""."""
_ADMIN: RoleAtPlace = (ORG_ADMIN, "organization", "")


def plan_people(
    blueprint: Blueprint, present: Present, names: dict[str, set[str]], *, is_pruning: bool
) -> tuple[list[Change], tuple[str, ...]]:
    """Return what is planned for people, and what was left as it is; `names` are those that there will be, by kind."""
    entries = blueprint.document.members
    if entries is UNSET:
        return [], ()
    people = PeopleRoles(present)
    found: list[Change] = []
    for index, entry in enumerate(entries):
        path = f"members[{index}]"
        wanted = {
            _checked(blueprint, f"{path}.roles[{number}]", role, names): f"{path}.roles[{number}]"
            for number, role in enumerate(entry.roles)
        }
        if entry.email in present.members or entry.email in present.accounts:
            found += people.as_member(entry.email, path, wanted, is_pruning=is_pruning)
        elif not wanted:
            raise blueprint.fault(
                path, f"'{entry.email}' has no account yet, and an invitation needs at least one role"
            )
        else:
            found += people.invited(entry.email, path, wanted, is_pruning=is_pruning)
    if is_pruning:
        found += people.gone({each.email for each in entries})
    return people.keeping_an_admin(found)


class PeopleRoles:
    """People and their roles by name, and what is planned for them."""

    def __init__(self, present: Present) -> None:
        self._present = present
        self._roles: dict[str, str] = {each.id: each.name for each in (*PREDEFINED.values(), *present.roles.values())}
        self._teams: dict[str, str] = {each.id: each.name for each in present.teams.values()}
        self._projects: dict[str, str] = {each.id: each.name for each in present.projects.values()}

    def roles_of(self, assignments: Iterable[Assignment]) -> dict[RoleAtPlace, Assignment]:
        """Return roles by name; those at places that are archived are gone."""
        found: dict[RoleAtPlace, Assignment] = {}
        for each in assignments:
            names = {"team": self._teams, "project": self._projects}.get(each.scope_kind, {each.scope_id: ""})
            if each.scope_id in names and each.role_id in self._roles:
                found[self._roles[each.role_id], each.scope_kind, names[each.scope_id]] = each
        return found

    def as_member(self, email: str, path: str, wanted: dict[RoleAtPlace, str], *, is_pruning: bool) -> Iterable[Change]:
        """Plan for a person who is a member, or has an account; `wanted` are roles with their places in the file."""
        member = self._present.members.get(email)
        if member is None:
            yield Change(verb="create", kind="member", name=email, path=path, id=self._present.accounts[email])
        held = self.roles_of(member.assignments) if member else {}
        id_ = member.id if member else ""
        for role, at in wanted.items():
            if role not in held:
                yield _role_change("create", email, role, path=at, id_=id_)
        if is_pruning:
            for role in sorted(held.keys() - wanted.keys()):
                yield _role_change("delete", email, role, path=path, id_=id_)

    def invited(self, email: str, path: str, wanted: dict[RoleAtPlace, str], *, is_pruning: bool) -> Iterable[Change]:
        """Plan for a person who has no account yet."""
        open_invites = self._present.invites.get(email, [])
        offered = {role for each in open_invites for role in self.roles_of(each.assignments)}
        missing = [role for role in wanted if role not in offered]
        if is_pruning and offered - wanted.keys():
            for each in open_invites:
                yield Change(verb="delete", kind="invitation", name=email, id=each.id)
            missing = list(wanted)
        if missing:
            fields = tuple(FieldChange("role", None, shown_role(role)) for role in missing)
            values = {"roles": tuple(missing)}
            yield Change(verb="create", kind="invitation", name=email, fields=fields, path=path, values=values)

    def gone(self, named: set[str]) -> Iterable[Change]:
        """Plan for those whom the file does not name."""
        for email, member in self._present.members.items():
            if email not in named:
                yield Change(verb="delete", kind="member", name=email, id=member.id)
        for email, open_invites in self._present.invites.items():
            if email not in named:
                for each in open_invites:
                    yield Change(verb="delete", kind="invitation", name=email, id=each.id)

    def keeping_an_admin(self, changes: list[Change]) -> tuple[list[Change], tuple[str, ...]]:
        """Leave out what would end the last org_admin, and say so."""
        admins = [email for email, each in self._present.members.items() if _ADMIN in self.roles_of(each.assignments)]
        ending = [each for each in changes if _ends_admin(each, admins)]
        given = any(each.verb == "create" and each.values.get("role") == _ADMIN for each in changes)
        if not ending or given or len({_person_of(each) for each in ending}) < len(admins):
            return changes, ()
        kept = _person_of(ending[0])
        left = [each for each in changes if not (each in ending and _person_of(each) == kept)]
        return left, (f"{kept} stays org_admin although the file does not say so: somebody must be.",)


def shown_role(role: RoleAtPlace) -> str:
    """Show a role with its place: `team_admin at team search`."""
    name, kind, place = role
    return f"{name} at {kind} {place}" if place else name


def _role_change(verb: str, email: str, role: RoleAtPlace, *, path: str, id_: str) -> Change:
    name = f"{shown_role(role)} for {email}"
    values = {"role": role}
    assert verb in {"create", "delete"}
    if verb == "create":
        return Change(verb="create", kind="member_role", name=name, path=path, id=id_, place=email, values=values)
    return Change(verb="delete", kind="member_role", name=name, path=path, id=id_, place=email, values=values)


def _person_of(change: Change) -> str:
    return change.place if change.kind == "member_role" else change.name


def _ends_admin(change: Change, admins: list[str]) -> bool:
    if change.verb != "delete" or _person_of(change) not in admins:
        return False
    return change.kind == "member" or (change.kind == "member_role" and change.values["role"] == _ADMIN)


def _checked(blueprint: Blueprint, path: str, entry: MemberRoleEntry, names: dict[str, set[str]]) -> RoleAtPlace:
    if entry.team is not None and entry.project is not None:
        raise blueprint.fault(path, "a role is at a team or at a project, not both")
    for field, kind in (("role", "role"), ("team", "team"), ("project", "project")):
        name = getattr(entry, field)
        if name is not None and name not in names[kind]:
            known = sorted(names[kind])
            raise blueprint.fault(f"{path}.{field}", f"there is no {kind} '{name}'.{did_you_mean(name, known)}")
    kind_, place = _place_of(entry)
    if entry.role == TEAM_ADMIN and kind_ == "organization":
        raise blueprint.fault(path, "team_admin is for a team or a project; for the organization it is org_admin")
    if entry.role == ORG_ADMIN and kind_ != "organization":
        raise blueprint.fault(path, f"org_admin is for the whole organization; for a {kind_} it is team_admin")
    return (entry.role, kind_, place)


def _place_of(entry: MemberRoleEntry) -> tuple[ScopeKind, str]:
    if entry.project is not None:
        return ("project", entry.project)
    return ("team", entry.team) if entry.team is not None else ("organization", "")
