"""Whether the database answers: what a load balancer's probe asks."""

from __future__ import annotations

from tollkeeper.domain.errors import StoreUnavailable
from tollkeeper.store import installation
from tollkeeper.store.engine import Store


async def is_database_reachable(store: Store) -> bool:
    """Tell whether one small query is answered; takes no longer than the store's own time-outs."""
    try:
        store.check_file()
        await store.read(installation.get_installation)
    except StoreUnavailable:
        return False
    return True
