"""The key of the playground: a person's own, for one project and an hour, so that its calls are held and metered as all are."""

from __future__ import annotations

from tollkeeper.control.administration import Action
from tollkeeper.control.api_keys import KeyUpdate, NewApiKey, create_member_key, get_key, update_key
from tollkeeper.control.key_rights import is_own
from tollkeeper.domain.errors import NotFound

KEY_NAME = "Playground"
LIFE_S = 3600
PERMISSIONS = frozenset({"chat:create"})


async def open_playground(action: Action, project_id: str) -> NewApiKey:
    """Make the key.

    Raises:
        NotFound: there is no such project that the caller may know of.
        PermissionDenied: the caller may not make keys there, or not chat.
        InvalidRequest: no member calls.
    """
    expires_at_us = action.now_us + LIFE_S * 1_000_000
    return await create_member_key(
        action, project_ids=(project_id,), name=KEY_NAME, permissions=PERMISSIONS, expires_at_us=expires_at_us
    )


async def close_playground(action: Action, key_id: str) -> None:
    """End the key before its time. It is disabled: not everybody may delete keys.

    Raises:
        NotFound: the caller has no such key of a playground.
    """
    key = await get_key(action, key_id)
    if key.name != KEY_NAME or not is_own(action, key):
        raise NotFound(f"There is no API key '{key_id}'.")
    await update_key(action, key_id, KeyUpdate(is_disabled=True))
