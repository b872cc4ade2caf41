"""Work that must finish although its task is cancelled."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


async def run_shielded(work: Coroutine[Any, Any, T], *, timeout_s: float) -> T:
    """Run `work` to its end even when this task is cancelled meanwhile, once or more; then let the cancel go on.

    Raises:
        TimeoutError: it took longer than `timeout_s`.
    """
    inner = asyncio.ensure_future(asyncio.wait_for(work, timeout_s))
    cancelled: asyncio.CancelledError | None = None
    while not inner.done():
        try:
            await asyncio.shield(inner)
        except asyncio.CancelledError as error:
            if inner.cancelled():
                raise
            cancelled = error
        except BaseException:  # noqa: BLE001  # inner's own failure: result() below raises it
            break
    if cancelled is not None:
        inner.exception()
        raise cancelled
    return inner.result()
