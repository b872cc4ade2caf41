"""Organizations, projects and keys as they are kept, and that none is seen from another organization."""

from __future__ import annotations

import pytest
from sqlalchemy.exc import IntegrityError
from store_factories import add_key, add_organization, make_key

from tollkeeper.domain.api_key import KeyStatus
from tollkeeper.domain.errors import Conflict, InvalidRequest, NotFound
from tollkeeper.store import api_keys, installation, key_lookup, organizations, projects
from tollkeeper.store.api_keys import KeyChanges, KeyFilter
from tollkeeper.store.engine import Store


async def test_a_key_comes_back_as_it_was_stored(store: Store) -> None:
    organization, project = await add_organization(store)
    key = make_key(organization.id, project.id, expires_at_us=123, name="검색")
    digest = await add_key(store, key)
    admin = make_key(organization.id)
    await add_key(store, admin)
    assert await store.read(lambda c: api_keys.get_api_key(c, organization.id, key.id)) == key
    assert await store.read(lambda c: key_lookup.find_by_digest(c, digest)) == key
    assert await store.read(lambda c: api_keys.get_api_key(c, organization.id, admin.id)) == admin
    assert await store.read(lambda c: key_lookup.find_by_digest(c, digest[:-1])) is None


async def test_two_keys_cannot_share_a_digest(store: Store) -> None:
    organization, project = await add_organization(store)
    await add_key(store, make_key(organization.id, project.id), b"the same")
    with pytest.raises(IntegrityError):
        await add_key(store, make_key(organization.id, project.id), b"the same")


async def test_disable_enable_and_delete_change_the_status(store: Store) -> None:
    organization, project = await add_organization(store)
    key = make_key(organization.id, project.id)
    await add_key(store, key)
    for status in (KeyStatus.DISABLED, KeyStatus.ACTIVE, KeyStatus.DELETED):
        changed = await store.write(
            lambda c, status=status: api_keys.change_api_key(c, organization.id, key.id, KeyChanges(status=status))
        )
        assert changed.status is status
        assert await store.read(lambda c: api_keys.get_api_key(c, organization.id, key.id)) == changed
    for status in KeyStatus:
        with pytest.raises(NotFound):
            await store.write(
                lambda c, status=status: api_keys.change_api_key(c, organization.id, key.id, KeyChanges(status=status))
            )
    assert await store.read(lambda c: api_keys.list_api_keys(c, organization.id)) == []


async def test_a_list_pages_through_every_key_once(store: Store) -> None:
    organization, project = await add_organization(store)
    other = await store.write(lambda c: projects.create_project(c, organization.id, name="other"))
    made = [make_key(organization.id, project.id, created_at_us=1000 + number // 3) for number in range(7)]
    for key in [*made, make_key(organization.id, other.id, created_at_us=1000)]:
        await add_key(store, key)
    listed = []
    after = None
    while page := await store.read(
        lambda c, after=after: api_keys.list_api_keys(
            c, organization.id, KeyFilter(project_id=project.id), after=after, limit=3
        )
    ):
        assert len(page) <= 3
        listed += page
        after = page[-1].id
    assert listed == sorted(made, key=lambda key: (key.created_at_us, key.id))


async def test_nothing_is_seen_or_changed_from_another_organization(store: Store) -> None:
    mine, project = await add_organization(store, "Mine")
    theirs, their_project = await add_organization(store, "Theirs")
    key = make_key(mine.id, project.id)
    await add_key(store, key)
    assert await store.read(lambda c: api_keys.get_api_key(c, theirs.id, key.id)) is None
    assert await store.read(lambda c: api_keys.list_api_keys(c, theirs.id)) == []
    assert await store.read(lambda c: api_keys.list_api_keys(c, theirs.id, KeyFilter(project_id=project.id))) == []
    assert await store.read(lambda c: projects.get_project(c, theirs.id, project.id)) is None
    assert await store.read(lambda c: projects.list_projects(c, theirs.id)) == [their_project]
    for status in KeyStatus:
        with pytest.raises(NotFound):
            await store.write(
                lambda c, status=status: api_keys.change_api_key(c, theirs.id, key.id, KeyChanges(status=status))
            )
    with pytest.raises(Conflict):
        await store.write(
            lambda c: api_keys.replace_api_key(c, theirs.id, key.id, replaced_by="key_x", expires_at_us=1)
        )
    with pytest.raises(NotFound):
        await add_key(store, make_key(theirs.id, project.id))
    await store.write(lambda c: api_keys.note_use(c, theirs.id, key.id))
    assert await store.read(lambda c: api_keys.get_api_key(c, mine.id, key.id)) == key


async def test_projects_are_named_once_and_found_by_name(store: Store) -> None:
    organization, project = await add_organization(store)
    with pytest.raises(Conflict):
        await store.write(lambda c: projects.create_project(c, organization.id, name="default"))
    found = await store.read(lambda c: projects.find_project(c, organization.id, name="default"))
    assert found == project
    second = await store.write(lambda c: projects.create_project(c, organization.id, name="second"))
    assert await store.read(lambda c: projects.list_projects(c, organization.id, after=project.id)) == [second]


async def test_an_organization_needs_a_real_timezone(store: Store) -> None:
    made = await store.write(lambda c: organizations.create_organization(c, "Acme", timezone="Asia/Seoul"))
    assert await store.read(lambda c: organizations.get_organization(c, made.id)) == made
    assert await store.read(organizations.list_organizations) == [made]
    for wrong in (
        "Asia/Nowhere",
        "../../etc/passwd",
        "",
        "localtime",
        "posixrules",
        "Factory",
        "right/UTC",
        "posix/UTC",
    ):
        with pytest.raises(InvalidRequest):
            await store.write(lambda c, wrong=wrong: organizations.create_organization(c, "X", timezone=wrong))


async def test_the_installation_is_one_row(store: Store) -> None:
    assert await store.read(installation.get_installation) is None
    made = await store.write(lambda c: installation.create_installation(c, pepper_fingerprint="abc"))
    assert await store.read(installation.get_installation) == made
    with pytest.raises(IntegrityError):
        await store.write(lambda c: installation.create_installation(c, pepper_fingerprint="def"))
