"""Two realms in one database, made once; each test has a copy of it."""

from __future__ import annotations

import asyncio
import dataclasses
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest
from tests.security.matrix import Matrix, secured_app
from tests.security.realms import Realm, open_realm

from tollkeeper.store.engine import Store

Opening = Callable[[], AbstractAsyncContextManager[Matrix]]


@dataclasses.dataclass
class Template:
    """A database with two realms in it, and an application that is bound to one copy after the other."""

    path: Path
    mine: Realm
    theirs: Realm
    app: object = None


@pytest.fixture(scope="session")
def realms(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Template:
    path = tmp_path_factory.mktemp("realms") / "realms.db"
    shutil.copyfile(sqlite_template, path)
    return asyncio.run(_fill(path))


@pytest.fixture
def open_matrix(realms: Template, tmp_path: Path) -> Opening:
    """Return how to open a fresh copy of the two realms."""

    @asynccontextmanager
    async def opening() -> AsyncIterator[Matrix]:
        path = tmp_path / "copy.db"
        path.unlink(missing_ok=True)
        shutil.copyfile(realms.path, path)
        store = Store.open(f"sqlite:///{path}")
        try:
            async with secured_app(store, realms.app) as app:  # type: ignore[arg-type]
                realms.app = app
                yield Matrix(app, store, realms.mine, realms.theirs)
        finally:
            await store.aclose()

    return opening


async def _fill(path: Path) -> Template:
    store = Store.open(f"sqlite:///{path}")
    try:
        return Template(path, await open_realm(store, "Aardvark"), await open_realm(store, "Badger"))
    finally:
        await store.aclose()
