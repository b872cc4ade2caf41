"""`tollkeeper init`: an organization that works at once, with its own verifiable log, on either database."""

from __future__ import annotations

from pathlib import Path

import pytest

from tollkeeper.control.installation import PepperSource, initialize
from tollkeeper.domain.api_key import KeyKind
from tollkeeper.domain.errors import Conflict, InvalidRequest
from tollkeeper.kit.secrets import keyed_digest, read_pepper
from tollkeeper.store import audit, key_lookup
from tollkeeper.store.engine import Store


async def test_an_empty_database_gets_an_organization_two_keys_and_their_log(store: Store, tmp_path: Path) -> None:
    pepper_path = tmp_path / "pepper"
    made = await initialize(store, name="Acme", timezone="Asia/Seoul", pepper=PepperSource(path=pepper_path))
    assert (made.organization.timezone, made.project.name) == ("Asia/Seoul", "default")
    for key, kind in ((made.admin_key, KeyKind.ADMIN), (made.project_key, KeyKind.SERVICE)):
        digest = keyed_digest(read_pepper(pepper_path), key.key.encode())
        found = await store.read(lambda c, digest=digest: key_lookup.find_by_digest(c, digest))
        assert (found.id, found.kind, found.status) == (key.record.id, kind, "active")
    events = await store.read(lambda c: audit.events_after(c, made.organization.id, 0))
    assert [each.action for each in events] == [
        "organization.create",
        "project.create",
        "api_key.create",
        "api_key.create",
    ]
    assert {each.actor_kind for each in events} == {"operator"}
    assert made.admin_key.key not in str(events)
    with pytest.raises(Conflict):
        await initialize(store, name="Acme", timezone="UTC", pepper=PepperSource(path=pepper_path))
    again = await initialize(store, name="Globex", timezone="UTC", pepper=PepperSource(path=pepper_path))
    assert again.organization.id != made.organization.id


@pytest.mark.parametrize(("name", "timezone"), [("", "UTC"), ("a\x00b", "UTC"), ("Acme", "Mars/Base")])
async def test_nothing_is_left_of_an_organization_that_is_refused(
    store: Store, tmp_path: Path, name: str, timezone: str
) -> None:
    for _ in range(2):
        with pytest.raises(InvalidRequest):
            await initialize(store, name=name, timezone=timezone, pepper=PepperSource(path=tmp_path / "pepper"))
    assert await store.read(audit.list_chains) == []
