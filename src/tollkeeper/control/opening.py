"""Opening the store for use: only a database whose schema this version knows."""

from __future__ import annotations

from tollkeeper.store.engine import Store
from tollkeeper.store.readiness import SchemaState, check_known, read_state


async def open_store(url: str) -> Store:
    """Open the store and check its schema.

    Raises:
        UnknownDatabase: empty, older, newer or foreign; the message names the command that helps.
        StoreUnavailable: the database is out of reach.
        ConfigurationError: the URL is none that is supported.
    """
    store = Store.open(url)
    try:
        await check_known(store)
    except BaseException:
        await store.aclose()
        raise
    return store


async def create_tables_if_empty(store: Store) -> None:
    """Give an empty database its tables; any other must be of this version.

    Raises:
        UnknownDatabase: older, newer or foreign.
        StoreUnavailable: the database is out of reach.
    """
    state, _ = await read_state(store)
    if state is SchemaState.EMPTY:
        from tollkeeper.store.migrations import upgrade  # Alembic is 11 MB that a server never needs

        await upgrade(store)
    await check_known(store)
