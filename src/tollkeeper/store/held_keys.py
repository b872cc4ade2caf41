"""The keys that a directory holds in memory: bounded, found by digest, dropped by what changed in their organization."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from tollkeeper.domain.api_key import ApiKey


class Stale:
    """What changed in one organization: its keys by id, or those of members, projects and teams, or all of them.

    A change of a limit names what it is a limit of: the organization, a team, a project, a member or a key.
    """

    KINDS: ClassVar[frozenset[str]] = frozenset({"api_key", "member", "project", "organization", "limit"})

    def __init__(self, organization_id: str) -> None:
        self._organization_id = organization_id
        self.key_ids: set[str] = set()
        self.is_whole = False
        self._owners: set[str] = set()  # ids of members, projects and teams

    def add(self, kind: str, entity_id: str) -> None:
        """Note a change of one of `KINDS`."""
        if entity_id == self._organization_id:
            self.is_whole = True
            return
        if kind in {"api_key", "limit"}:
            self.key_ids.add(entity_id)
        if kind != "api_key":
            self._owners.add(entity_id)

    @property
    def has_owners(self) -> bool:
        return bool(self._owners)

    def touches(self, key: ApiKey) -> bool:
        """Tell whether a key is of a member, of a project or of a team that changed."""
        owners = self._owners
        if key.project_id in owners or key.member_id in owners or key.team_id in owners:
            return True
        further = key.terms.further_projects if key.terms is not None else ()
        return any(project.id in owners or project.team_id in owners for project in further)


class HeldKeys:
    """Keys by digest, at most `count_max`, the least recently used half dropped when full."""

    def __init__(self, count_max: int) -> None:
        self._half_max = count_max // 2
        self._young: dict[bytes, ApiKey] = {}
        self._old: dict[bytes, ApiKey] = {}
        self._digests: dict[str, dict[str, bytes]] = {}  # organization -> key id -> digest, of each key held
        self._heirs: dict[str, dict[str, str]] = {}  # organization -> key id -> whose limits hold, of those replaced

    def __len__(self) -> int:
        return len(self._young) + len(self._old)

    def get(self, digest: bytes) -> ApiKey | None:
        """Return a key that is held; from now on it counts as used."""
        key = self._young.get(digest)
        if key is None and (key := self._old.pop(digest, None)) is not None:
            self.put(digest, key)
        return key

    def put(self, digest: bytes, key: ApiKey) -> None:
        """Hold a key, in the place of what was held by its digest."""
        if len(self._young) >= self._half_max:
            for dropped in self._old.values():
                self._unlist(dropped)
            self._old, self._young = self._young, {}
        self._old.pop(digest, None)
        self._young[digest] = key
        self._digests.setdefault(key.organization_id, {})[key.id] = digest
        if key.held_as:
            self._heirs.setdefault(key.organization_id, {})[key.id] = key.held_as

    def drop(self, organization_id: str, stale: Stale) -> None:
        """Drop the keys of an organization that a change touches, in at most one pass over them."""
        held = self._digests.get(organization_id)
        if held is None:
            return
        if stale.is_whole:
            going = list(held)
        else:
            heirs = self._heirs.get(organization_id, {})
            going = [key_id for key_id in stale.key_ids if key_id in held]
            going += [key_id for key_id, heir in heirs.items() if heir in stale.key_ids]
            if stale.has_owners:
                going += [key_id for key_id, digest in held.items() if stale.touches(self._held(digest))]
        for key_id in going:
            digest = held.pop(key_id, None)
            if digest is not None:
                self._young.pop(digest, None)
                self._old.pop(digest, None)
            self._forget_heir(organization_id, key_id)
        if not held:
            del self._digests[organization_id]

    def clear(self) -> None:
        """Drop every key."""
        self._young.clear()
        self._old.clear()
        self._digests.clear()
        self._heirs.clear()

    def _held(self, digest: bytes) -> ApiKey:
        return self._young.get(digest) or self._old[digest]

    def _unlist(self, key: ApiKey) -> None:
        held = self._digests[key.organization_id]
        del held[key.id]
        self._forget_heir(key.organization_id, key.id)
        if not held:
            del self._digests[key.organization_id]

    def _forget_heir(self, organization_id: str, key_id: str) -> None:
        heirs = self._heirs.get(organization_id)
        if heirs is not None and heirs.pop(key_id, None) is not None and not heirs:
            del self._heirs[organization_id]
