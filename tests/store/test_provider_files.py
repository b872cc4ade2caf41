"""Whose files are is kept per project, listed in pages, and forgotten when they have expired."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import func, select
from store_factories import add_organization

from tollkeeper.domain.provider_file import FileQuestion, ProviderFile
from tollkeeper.kit.clock import now_us
from tollkeeper.store.engine import Store
from tollkeeper.store.projects import create_project
from tollkeeper.store.provider_files import StoreFiles
from tollkeeper.store.schema_tenancy import provider_file

DAY_US = 86_400_000_000
Owner = tuple[str, str]


@pytest.fixture
async def owner(store: Store) -> Owner:
    organization, project = await add_organization(store)
    return organization.id, project.id


def made(owner: Owner, file_id: str, **changes: Any) -> ProviderFile:
    file = ProviderFile(*owner, file_id, "openai", "", "batch", 3, "in.jsonl", 1_000_000)
    return ProviderFile(**{name: changes.get(name, getattr(file, name)) for name in file.__struct_fields__})


async def ids(files: StoreFiles, owner: Owner, **asked: Any) -> list[str] | None:
    found = await files.list_files(FileQuestion(*owner, **asked))
    return None if found is None else [file.id for file in found]


async def test_a_file_is_found_by_its_own_project_alone(store: Store, owner: Owner) -> None:
    files = StoreFiles(store)
    file = made(owner, "file-1", expires_at_us=now_us() + DAY_US)
    assert await files.add(file)
    assert await files.find(*owner, "file-1") == file
    other = await store.write(lambda c: create_project(c, owner[0], name="other"))
    for stranger in ((owner[0], other.id), ("org_b", owner[1])):
        assert await files.find(*stranger, "file-1") is None
        assert await ids(files, stranger) == []
        assert await ids(files, stranger, after="file-1") is None
        await files.remove(*stranger, "file-1")
    assert await files.find(*owner, "file-1") == file
    await files.remove(*owner, "file-1")
    assert await files.find(*owner, "file-1") is None


async def test_pages_go_on_behind_a_file_in_either_order(store: Store, owner: Owner) -> None:
    files = StoreFiles(store)
    for name, at_s, purpose in (("c", 1, "batch"), ("a", 2, "vision"), ("b", 2, "batch"), ("d", 3, "batch")):
        await files.add(made(owner, name, created_at_us=at_s * 1_000_000, purpose=purpose))
    assert await ids(files, owner) == ["d", "b", "a", "c"]
    assert await ids(files, owner, after="b", limit=1) == ["a"]
    assert await ids(files, owner, after="a", is_oldest_first=True) == ["b", "d"]
    assert await ids(files, owner, purpose="batch", after="d") == ["b", "c"]


async def test_the_same_id_at_the_same_provider_is_the_same_file(store: Store, owner: Owner) -> None:
    files = StoreFiles(store)
    assert await files.add(made(owner, "file-1"))
    assert await files.add(made(owner, "file-1", filename="again.jsonl"))
    for place in ({"provider": "other"}, {"credential_id": "cred_b"}):
        assert not await files.add(made(owner, "file-1", filename="taken.jsonl", **place))
    found = await files.find(*owner, "file-1")
    assert found is not None
    assert (found.filename, found.provider) == ("again.jsonl", "openai")


async def test_expired_files_are_not_listed_and_forgotten_a_day_later(store: Store, owner: Owner) -> None:
    files = StoreFiles(store)
    await files.add(made(owner, "old", expires_at_us=now_us() - 2 * DAY_US))
    await files.add(made(owner, "gone", expires_at_us=now_us() - 1))
    assert await ids(files, owner) == []
    assert await store.read(lambda c: c.scalar(select(func.count()).select_from(provider_file))) == 1


async def test_what_a_database_cannot_take_is_left_out_of_texts(store: Store, owner: Owner) -> None:
    files = StoreFiles(store)
    assert await files.add(made(owner, "file-1", filename="a\0b" + "x" * 5_000, purpose="\0"))
    found = await files.find(*owner, "file-1")
    assert found is not None
    assert (found.filename, found.purpose) == ("ab" + "x" * 1_022, "")
