"""Writing a row that must be the only one of its kind: what the database refuses becomes the domain's Conflict."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy.exc import IntegrityError

from tollkeeper.domain.errors import Conflict

if TYPE_CHECKING:
    from sqlalchemy import CursorResult, Executable
    from sqlalchemy.ext.asyncio import AsyncConnection


async def execute_unique(connection: AsyncConnection, statement: Executable, *, message: str) -> CursorResult[Any]:
    """Execute an insert or update that a unique key may refuse; the transaction goes on after a refusal.

    Raises:
        Conflict: with `message`, when there is such a row already, however lately it came.
    """
    try:
        async with connection.begin_nested():
            result: CursorResult[Any] = await connection.execute(statement)
            return result
    except IntegrityError as error:
        raise Conflict(message) from error
