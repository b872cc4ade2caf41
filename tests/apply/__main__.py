"""Measures `tollkeeper apply` of 1,000 objects: `python -m tests.apply sqlite:///file.db` (migrated) prints the seconds."""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from blueprint_factories import large_file, make_desk

from tollkeeper.store import migrations
from tollkeeper.store.engine import Store

OBJECTS = 1000


async def measure(url: str) -> None:
    store = Store.open(url)
    try:
        await migrations.upgrade(store)
        desk = await make_desk(store)
        text = large_file(OBJECTS)
        for what in ("first", "again"):
            began = time.perf_counter()
            plan = await desk.plan(text)
            planned = time.perf_counter()
            applied = await desk.apply_agreed(text, plan)
            ended = time.perf_counter()
            print(
                f"{store.dialect}, {what}: {len(applied.plan.changes)} changes for {OBJECTS} objects; "
                f"plan {planned - began:.2f} s, apply {ended - planned:.2f} s"
            )
    finally:
        await store.aclose()


if __name__ == "__main__":
    for each in sys.argv[1:]:
        asyncio.run(measure(each))
