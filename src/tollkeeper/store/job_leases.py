"""Which process does a background job: a lease that one holder has until it runs out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import delete, insert, or_, update
from sqlalchemy.exc import IntegrityError

from tollkeeper.store.schema_control import job_lease

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection


async def take_lease(connection: AsyncConnection, name: str, *, holder: str, now_us: int, lease_us: int) -> bool:
    """Take a job's lease or make it last longer; False while another holder has it."""
    is_free = or_(job_lease.c.holder == holder, job_lease.c.expires_at_us <= now_us)
    values = {"holder": holder, "expires_at_us": now_us + lease_us}
    taken = update(job_lease).where(job_lease.c.name == name, is_free).values(**values)
    if (await connection.execute(taken)).rowcount == 1:
        return True
    try:
        async with connection.begin_nested():
            await connection.execute(insert(job_lease).values(name=name, **values))
    except IntegrityError:  # it has a holder, maybe one that came this moment
        return (await connection.execute(taken)).rowcount == 1
    return True


async def end_leases(connection: AsyncConnection, *, holder: str) -> None:
    """Leave every job of a holder to the others."""
    await connection.execute(delete(job_lease).where(job_lease.c.holder == holder))
