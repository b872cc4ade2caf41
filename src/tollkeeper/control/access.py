"""Why a principal may or may not do a thing at a place: the same decision as everywhere, with what it was made from."""

from __future__ import annotations

import msgspec

from tollkeeper.control.administration import Action
from tollkeeper.control.members import require_member
from tollkeeper.control.scopes import find_scope, reach_of
from tollkeeper.domain.access import Grant, Principal, PrincipalKind, decide, held, principal_of_key, sees
from tollkeeper.domain.api_key import ApiKey, KeyKind, KeyStatus
from tollkeeper.domain.errors import InvalidRequest, NotFound, PermissionDenied
from tollkeeper.domain.permission import PERMISSIONS
from tollkeeper.domain.tenancy import Place
from tollkeeper.store import api_keys, members, places

_SHOWN_MAX = 10


class Explanation(msgspec.Struct, frozen=True):
    """A decision and what it was made from. `notes` are what holds beside permissions: of keys, expiry and terms."""

    principal_id: str
    permission: str
    place: Place
    is_allowed: bool
    reason: str
    source: str
    grants: tuple[Grant, ...]
    notes: tuple[str, ...] = ()


class _Subject(msgspec.Struct, frozen=True):
    """Whom a question is about; `stop` says why it may do nothing at all at present."""

    principal: Principal
    stop: str = ""
    notes: tuple[str, ...] = ()


async def explain(
    action: Action, *, permission: str, principal_id: str | None = None, scope_id: str | None = None
) -> Explanation:
    """Explain a decision about a member or a key, by default the caller's own, for the whole organization by default.

    Raises:
        NotFound: there is no such member, key or place that the caller may know of.
        PermissionDenied: it is about somebody else, and the caller manages neither members nor roles there.
        InvalidRequest: there is no such permission.
    """
    if permission not in PERMISSIONS:
        raise InvalidRequest(f"There is no permission '{permission}'.", param="permission")
    place = await find_scope(action, scope_id or action.organization_id)
    caller = action.caller.principal
    asked = principal_id or (caller.id if caller.kind is PrincipalKind.API_KEY else caller.member_id or caller.id)
    is_own = asked in {caller.id, caller.member_id}
    if not is_own:
        _require_overseer(action, place)
    subject = await _find_subject(action, asked)
    principal = subject.principal
    if not is_own:  # whoever manages one team need not know what somebody has in another
        principal = msgspec.structs.replace(
            principal, grants=tuple(each for each in principal.grants if sees(caller, _place_of(caller, each)))
        )
    decision = decide(principal, permission, place)
    return Explanation(
        asked,
        permission,
        place,
        decision.is_allowed and not subject.stop,
        subject.stop or decision.reason,
        decision.source,
        principal.grants,
        subject.notes,
    )


def _require_overseer(action: Action, place: Place) -> None:
    caller = action.caller.principal
    if not any(decide(caller, each, place).is_allowed for each in ("member:manage", "role:manage")):
        raise PermissionDenied(
            "You do not have the permission 'member:manage' or 'role:manage' here, so you can ask about yourself only.",
            missing_permission="member:manage",
        )


async def _find_subject(action: Action, asked: str) -> _Subject:
    caller = action.caller.principal
    if asked == caller.id and caller.member_id and not asked.startswith("key_"):
        asked = caller.member_id
    if asked.startswith("key_"):
        return await _subject_of_key(action, asked)
    if caller.is_operator and asked == caller.id:
        return _Subject(caller)
    found = await require_member(action, asked)
    return _Subject(await _person(action, found.id))


async def _subject_of_key(action: Action, key_id: str) -> _Subject:
    found = await api_keys.get_api_key(action.connection, action.organization_id, key_id)
    if found is None or found.status is KeyStatus.DELETED:
        raise NotFound(f"There is no API key '{key_id}'.")
    where = await places.places_of_projects(action.connection, action.organization_id, found.project_ids)
    # A key without a project is the organization's: who reaches all of it may know of the key.
    is_visible = (
        all(action.sees(each) for each in where.values()) if where else reach_of(action.caller.principal) is None
    )
    if key_id != action.caller.principal.id and not is_visible:
        raise NotFound(f"There is no API key '{key_id}'.")
    own = where.get(found.project_id)
    principal = principal_of_key(found)
    if found.kind is KeyKind.MEMBER:
        person = await _person(action, found.member_id)
        grants = tuple(
            msgspec.structs.replace(each, permissions=each.permissions & held(person, where[each.project_id]))
            for each in principal.grants
        )
        principal = msgspec.structs.replace(principal, grants=grants)
    is_archived = own is not None and not await _is_in_use(action, own)
    return _Subject(principal, _stop_of(found, action.now_us, is_archived=is_archived), tuple(_notes_of(found)))


async def _person(action: Action, member_id: str) -> Principal:
    grants = await members.read_grants(action.connection, action.organization_id, member_id)
    return Principal(PrincipalKind.ACCOUNT, member_id, "", action.organization_id, grants, member_id=member_id)


async def _is_in_use(action: Action, place: Place) -> bool:
    found = await places.place_of_project(action.connection, action.organization_id, place.project_id, is_in_use=True)
    return found is not None


def _stop_of(key: ApiKey, now_us: int, *, is_archived: bool) -> str:
    if is_archived:
        return "The key's project is archived."
    if key.status is KeyStatus.DISABLED:
        return "The key is disabled."
    if key.expires_at_us is not None and now_us >= key.expires_at_us:
        return "The key has expired."
    return ""


def _notes_of(key: ApiKey) -> list[str]:
    notes = []
    if key.kind is KeyKind.ADMIN:
        notes.append("It is an administration key, which cannot call models.")
    elif key.kind is KeyKind.MEMBER:
        notes.append(f"It is the key of member {key.member_id} and has no more than the member has.")
    if key.terms is not None and key.terms.allowed_models:
        notes.append(f"It may call these models only: {_listed(key.terms.allowed_models)}.")
    if key.terms is not None and key.terms.allowed_ips:
        notes.append(f"It may be used from these addresses only: {_listed(key.terms.allowed_ips)}.")
    return notes


def _listed(texts: tuple[str, ...]) -> str:
    return ", ".join(texts[:_SHOWN_MAX]) + (", …" if len(texts) > _SHOWN_MAX else "")


def _place_of(caller: Principal, grant: Grant) -> Place:
    return Place(caller.organization_id, grant.team_id, grant.project_id)
