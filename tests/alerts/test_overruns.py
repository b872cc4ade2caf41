"""Overruns are found among new records and added up by hour, on either database."""

from __future__ import annotations

import random
import sqlite3

import asyncpg
import msgspec
from alert_factories import USD
from tests.admin.admin_factories import make_call
from tests.fakes.new_keys import create_project_key
from tests.tenancy.company import PEPPER, Company

from tollkeeper.domain.usage import UsageRecord
from tollkeeper.kit.ids import uuid7
from tollkeeper.store import overruns
from tollkeeper.store.engine import Store
from tollkeeper.store.overruns import Overrun

HOUR = 500_000
AT_US = HOUR * overruns.US_PER_HOUR


async def call(company: Company, **changes: object) -> UsageRecord:
    key = await create_project_key(company.store, PEPPER, company.id, project_id=company.default.id, name=uuid7().hex())
    made = make_call(random.Random(3), company.id, key)
    return msgspec.structs.replace(made, call_id=uuid7(), started_at_us=AT_US + 5, **changes)


async def write(store: Store, found: list[Overrun]) -> None:
    rows = [tuple(getattr(each, name) for name in each.__struct_fields__) for each in found]
    if store.dialect == "sqlite":
        with sqlite3.connect(str(store.url.database)) as connection:
            connection.executemany(overruns.UPSERT_SQLITE, rows)
        connection.close()
        return
    url = store.url.set(drivername="postgresql").render_as_string(hide_password=False)
    postgres = await asyncpg.connect(url)
    await postgres.executemany(overruns.UPSERT_POSTGRES, rows)
    await postgres.close()


async def test_only_what_came_to_more_than_was_reserved_is_one(company: Company) -> None:
    within = [
        await call(company, amount_nanos=5, reserved_nanos=5),
        await call(company, amount_nanos=5, reserved_nanos=0),  # nothing was reserved: there is no limit
        await call(company, amount_nanos=None, reserved_nanos=5),
    ]
    assert overruns.summarise(within, now_us=1) == []
    small = await call(company, amount_nanos=7, reserved_nanos=5)
    large = await call(company, amount_nanos=USD, reserved_nanos=1)
    assert overruns.summarise([*within, small, large, small], now_us=1) == [
        Overrun(company.id, HOUR, 3, USD + 3, USD - 1, large.call_id, 1)
    ]


async def test_they_add_up_and_the_worst_is_kept(company: Company) -> None:
    first, worst, last = uuid7(), uuid7(), uuid7()
    for excess, call_id, at_us in ((5, first, 1), (9, worst, 2), (2, last, 3)):
        await write(company.store, [Overrun(company.id, HOUR, 1, excess, excess, call_id, at_us)])
    found = await company.store.read(lambda c: overruns.list_overruns(c, since_us=3))
    assert found == [Overrun(company.id, HOUR, 3, 16, 9, worst, 3)]
    assert await company.store.read(lambda c: overruns.list_overruns(c, since_us=4)) == []
