"""Turns for Parquet files are given back and handed on, also when who waits gives up at that very moment."""

from __future__ import annotations

import asyncio

from tollkeeper.parquet.turns import Asker, Turns

ONE, TWO, THREE = (Asker("org_a", name) for name in ("one", "two", "three"))


async def test_a_turn_goes_past_who_just_gave_up_to_who_still_waits() -> None:
    turns = Turns(at_once=1)
    await turns.take(ONE)
    leaving, staying = (asyncio.ensure_future(turns.take(each)) for each in (TWO, THREE))
    for _ in range(3):  # until both wait
        await asyncio.sleep(0)
    leaving.cancel()
    turns.give_back(ONE)  # before who left has noticed
    async with asyncio.timeout(5):
        await staying
    assert leaving.cancelled() or leaving.done()
    turns.give_back(THREE)
    async with asyncio.timeout(5):
        await turns.take(TWO)


async def test_a_turn_that_came_to_who_had_just_left_goes_on_to_the_next() -> None:
    turns = Turns(at_once=1)
    await turns.take(ONE)
    leaving, staying = (asyncio.ensure_future(turns.take(each)) for each in (TWO, THREE))
    for _ in range(3):
        await asyncio.sleep(0)
    turns.give_back(ONE)
    leaving.cancel()
    async with asyncio.timeout(5):
        await staying
