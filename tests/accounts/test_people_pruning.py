"""What nobody needs any more is deleted, what somebody may need stays."""

from __future__ import annotations

from sqlalchemy import func, insert, select
from tests.accounts.people_factories import Town

from tollkeeper.control.pruning import DAY_US, prune_store
from tollkeeper.jobs.prune import prune
from tollkeeper.kit.clock import now_us
from tollkeeper.store.people_pruning import BATCH_MAX
from tollkeeper.store.schema_control import idempotency, login_flow, one_time_token, outbox, session

KIM = "kim@example.com"


async def count(town: Town, table) -> int:
    return int(await town.store.read(lambda c: c.scalar(select(func.count()).select_from(table))))


async def test_each_is_kept_for_its_time(town: Town) -> None:
    token = await town.resident(KIM)
    account_id = (await town.client(token).get("/v1/account")).json()["id"]
    now = now_us()

    async def fill(connection) -> None:
        for days in (1, 29, 31):
            at = {"created_at_us": now - days * DAY_US}
            mail = {"organization_id": "", "recipient": KIM, "sealed_message": b"", "attempts": 1, "failure": ""}
            for status in ("delivered", "dead", "undeliverable", "pending"):
                row = {**mail, **at, "id": f"{status}{days}", "kind": "x", "status": status}
                await connection.execute(insert(outbox).values(next_attempt_at_us=at["created_at_us"], **row))
            row = {
                "organization_id": "",
                "principal_id": "p",
                "key": str(days),
                "fingerprint": b"",
                "sealed_result": b"",
            }
            await connection.execute(insert(idempotency).values(**row, **at))
        for hours in (-1, 1, 30):
            ended = now - hours * DAY_US // 24
            digest = f"{hours}".encode()
            row = {"digest": digest, "id": f"s{hours}", "account_id": account_id, "address": "", "agent": ""}
            await connection.execute(insert(session).values(**row, created_at_us=0, expires_at_us=ended))
            row = {"digest": digest, "purpose": "verify_email", "account_id": account_id}
            await connection.execute(insert(one_time_token).values(**row, created_at_us=0, expires_at_us=ended))
            await connection.execute(insert(login_flow).values(digest=digest, sealed_flow=b"", expires_at_us=ended))

    before = {table: await count(town, table) for table in (outbox, idempotency, session, one_time_token, login_flow)}
    await town.store.write(fill)
    assert await prune_store(town.store) == 3 + 1 + 2 + 1 + 2
    left = {table: await count(town, table) - before[table] for table in before}
    assert left == {outbox: 9, idempotency: 2, session: 1, one_time_token: 2, login_flow: 1}
    assert (await town.client(token).get("/v1/account")).status_code == 200


async def test_more_than_one_transaction_takes_is_deleted_too(town: Town) -> None:
    flows = [
        {"digest": str(number).encode(), "sealed_flow": b"", "expires_at_us": 1} for number in range(BATCH_MAX + 5)
    ]
    await town.store.write(lambda c: c.execute(insert(login_flow), flows))
    await prune(town.store).run()
    assert await count(town, login_flow) == 0
