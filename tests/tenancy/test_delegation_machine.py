"""Whatever is given away, and by whomever of those it was given to: nobody comes to more than the first giver could give.

The state machine drives the two guards that every step leans on (`require`, `require_grantable`) through sequences of
roles, invitations and keys; `test_delegation_by_steps` does the same with the steps themselves.
"""

from __future__ import annotations

from contextlib import suppress

import msgspec
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from tests.tenancy.principals import PLACES, grants, permission_sets

from tollkeeper.domain.access import Grant, Principal, PrincipalKind, held, principal_of_key, require, require_grantable
from tollkeeper.domain.api_key import ApiKey, ApiKeyId, KeyKind, KeyStatus
from tollkeeper.domain.errors import NotFound, PermissionDenied
from tollkeeper.domain.permission import with_implied
from tollkeeper.domain.role import PREDEFINED
from tollkeeper.domain.tenancy import OrganizationId, Place, ProjectId

ORGANIZATION = Place("org_a")
MANAGER = frozenset({"role:manage", "member:manage", "api_key:create", "quota:read"})
HERE = [place for place in PLACES if place.organization_id == "org_a"]


class Delegation(RuleBasedStateMachine):
    """A ring of people and keys that began as one; a stranger whom the ring gives roles to; the roles it made."""

    @initialize(
        first=st.lists(grants(), max_size=2),
        strangers=st.lists(grants(), max_size=1),
        rules=st.sampled_from(HERE),
        roles=st.lists(permission_sets(), min_size=2, max_size=2),
    )
    def begin(self, first: list[Grant], strangers: list[Grant], rules: Place, roles: list[frozenset[str]]) -> None:
        manages = Grant("role manager", MANAGER, rules.team_id, rules.project_id)
        self.ring = {"first": person("first", [*first, manages]), "stranger": person("stranger", strangers)}
        ready = [*(each.permissions for each in PREDEFINED.values()), *roles]
        self.roles = dict(enumerate(ready))
        self.given: list[tuple[str, int, Place]] = []  # (to whom, which role, where)
        self.could = {place: held(self.ring["first"], place) | held(self.ring["stranger"], place) for place in HERE}

    @rule(by=st.integers(0, 99), permissions=permission_sets())
    def make_role(self, by: int, permissions: frozenset[str]) -> None:
        with suppress(PermissionDenied, NotFound):
            require(self._one(by), "role:manage", ORGANIZATION)
            require_grantable(self._one(by), permissions, ORGANIZATION)
            self.roles[len(self.roles)] = permissions

    @rule(by=st.integers(0, 99), which=st.integers(0, 9), permissions=permission_sets())
    def change_role(self, by: int, which: int, permissions: frozenset[str]) -> None:
        with suppress(PermissionDenied, NotFound):
            if which in self.roles:
                require(self._one(by), "role:manage", ORGANIZATION)
                require_grantable(self._one(by), self.roles[which] ^ permissions, ORGANIZATION)
                self.roles[which] = permissions

    @rule(by=st.integers(0, 99), to=st.integers(0, 99), which=st.integers(0, 9), place=st.sampled_from(HERE))
    def give_role(self, by: int, to: int, which: int, place: Place) -> None:
        with suppress(PermissionDenied, NotFound):
            if which in self.roles and self._one(to).kind is PrincipalKind.ACCOUNT:
                require(self._one(by), "member:manage", place)
                require_grantable(self._one(by), self.roles[which], place)
                self.given.append((self._one(to).id, which, place))

    @rule(by=st.integers(0, 99), which=st.integers(0, 9), place=st.sampled_from(HERE))
    def invite(self, by: int, which: int, place: Place) -> None:
        with suppress(PermissionDenied, NotFound):
            if which in self.roles:
                require(self._one(by), "member:manage", place)
                require_grantable(self._one(by), self.roles[which], place)
                newcomer = f"person {len(self.ring)}"
                self.ring[newcomer] = person(newcomer, [])
                self.given.append((newcomer, which, place))

    @rule(by=st.integers(0, 99), permissions=permission_sets(), place=st.sampled_from(HERE))
    def make_key(self, by: int, permissions: frozenset[str], place: Place) -> None:
        with suppress(PermissionDenied, NotFound):
            if place.kind != "team":
                require(self._one(by), "api_key:create", place)
                require_grantable(self._one(by), permissions, place)
                name = f"key_{len(self.ring)}"
                self.ring[name] = principal_of_key(key(name, permissions, place))

    @invariant()
    def nobody_has_more_than_could_be_given(self) -> None:
        hands_out = frozenset().union(*(each.may_hand_out for each in self.ring.values()))
        for number in range(len(self.ring)):
            for place in HERE:
                more = held(self._one(number), place) - self.could[place] - hands_out
                assert not more, (self._one(number).name, place, more)

    def _one(self, number: int) -> Principal:
        """Return somebody of the ring, with all that the roles grant at this moment."""
        first = list(self.ring.values())[number % len(self.ring)]
        granted = tuple(
            Grant(f"role {which}", with_implied(self.roles[which]), place.team_id, place.project_id)
            for name, which, place in self.given
            if name == first.id
        )
        return msgspec.structs.replace(first, grants=(*first.grants, *granted))


def person(name: str, given: list[Grant]) -> Principal:
    return Principal(PrincipalKind.ACCOUNT, name, name, "org_a", tuple(given), member_id=name)


def key(name: str, permissions: frozenset[str], place: Place) -> ApiKey:
    kind = KeyKind.SERVICE if place.project_id else KeyKind.ADMIN
    return ApiKey(
        OrganizationId("org_a"),
        ApiKeyId(name),
        ProjectId(place.project_id),
        name,
        kind,
        KeyStatus.ACTIVE,
        permissions,
        0,
        team_id=place.team_id,
    )


Delegation.TestCase.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)
TestDelegation = Delegation.TestCase
