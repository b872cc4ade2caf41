"""The price books in force: never older than a change that was announced, whatever the order in which reads answer."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from tollkeeper import config
from tollkeeper.bootstrap import Replica
from tollkeeper.control.price_books import LivePrices
from tollkeeper.domain.errors import StoreUnavailable
from tollkeeper.domain.price import PriceRow
from tollkeeper.kit.ids import new_id
from tollkeeper.prices.book import CompiledBook
from tollkeeper.store import directory
from tollkeeper.store.directory import StoreDirectory
from tollkeeper.store.engine import Store
from tollkeeper.store.prices import insert_prices

PEPPER = "5e" * 32


class HeldStore:
    """A store in front of another whose first read is answered late, or not at all."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.reads = 0
        self.has_read = asyncio.Event()
        self.may_answer = asyncio.Event()
        self.fault: StoreUnavailable | None = None

    async def read(self, work: Callable[[Any], Awaitable[Any]]) -> Any:
        self.reads += 1
        is_first = self.reads == 1
        answer = await self._store.read(work)
        if is_first:
            self.has_read.set()
            await self.may_answer.wait()
        if self.fault is not None:
            fault, self.fault = self.fault, None
            raise fault
        return answer


def make_price(model: str) -> PriceRow:
    return PriceRow(
        id=new_id("price"),
        organization_id="",
        provider="acme",
        model_pattern=model,
        dimension="input",
        tier="standard",
        context_over=0,
        price_pico=150_000,
        valid_from_us=1,
    )


async def add_price(store: Store, model: str) -> None:
    await store.write(lambda connection: insert_prices(connection, [make_price(model)]))


def knows(prices: LivePrices, model: str) -> bool:
    return prices.of("org_any").find("acme", model) is not None


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not holds():
            await asyncio.sleep(0.005)


async def test_a_slow_read_never_puts_older_prices_over_newer_ones(store: Store) -> None:
    held = HeldStore(store)
    prices = LivePrices(held, CompiledBook.load())  # type: ignore[arg-type]
    slow = asyncio.ensure_future(prices.reload())
    await held.has_read.wait()
    await add_price(store, "late-model")
    prices.follow()
    await asyncio.sleep(0.05)  # time enough for a second read, if there could be one beside the first
    held.may_answer.set()
    await slow
    await until(lambda: knows(prices, "late-model"))
    await asyncio.sleep(0.05)
    assert knows(prices, "late-model")
    await prices.aclose()


async def test_changes_during_a_reload_are_read_once_more_together(store: Store) -> None:
    held = HeldStore(store)
    prices = LivePrices(held, CompiledBook.load())  # type: ignore[arg-type]
    prices.follow()
    await held.has_read.wait()
    for number in range(20):
        await add_price(store, f"model-{number}")
        prices.follow()
    held.may_answer.set()
    await until(lambda: knows(prices, "model-19"))
    await asyncio.sleep(0.05)
    assert held.reads == 2
    prices.follow()
    await until(lambda: held.reads == 3)
    await prices.aclose()


async def test_a_reload_that_failed_is_tried_again(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tollkeeper.control.price_books._TRY_AGAIN_S", 0.01)
    held = HeldStore(store)
    held.may_answer.set()
    held.fault = StoreUnavailable("out of reach")
    prices = LivePrices(held, CompiledBook.load())  # type: ignore[arg-type]
    await add_price(store, "late-model")
    prices.follow()
    await until(lambda: knows(prices, "late-model"))
    assert held.reads == 2
    await prices.aclose()


@pytest.mark.parametrize("moment", ["before the directory starts", "after the first reload"])
async def test_a_price_written_while_a_replica_starts_is_in_force_soon(
    store: Store, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    monkeypatch.setattr(directory, "POLL_INTERVAL_S", 0.01)
    books: list[LivePrices] = []
    start, reload = StoreDirectory.start, LivePrices.reload

    async def start_after_a_price(self: StoreDirectory) -> None:
        if moment == "before the directory starts":
            await add_price(store, "late-model")
        await start(self)

    async def reload_before_a_price(self: LivePrices) -> None:
        await reload(self)
        if not books and moment == "after the first reload":
            await add_price(store, "late-model")
        books.append(self)

    monkeypatch.setattr(StoreDirectory, "start", start_after_a_price)
    monkeypatch.setattr(LivePrices, "reload", reload_before_a_price)
    replica = Replica(make_configuration(database_url, tmp_path))
    await replica.start()
    try:
        await until(lambda: knows(books[0], "late-model"))
    finally:
        await replica.stop()


def make_configuration(database_url: str, folder: Path) -> config.Configuration:
    environment = {
        "TOLLKEEPER_DATABASE__URL": database_url,
        "TOLLKEEPER_KEYS__PEPPER": PEPPER,
        "TOLLKEEPER_SERVER__ROLE": "control",
        "TOLLKEEPER_JOURNAL__DIRECTORY": str(folder / "journal"),
    }
    return config.load(environment=environment)
