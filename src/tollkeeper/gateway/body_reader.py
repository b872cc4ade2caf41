"""Reads the whole of a large body beside the event loop, for counting its tokens."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

AT_ONCE_BYTES_MAX = 32 * 1024
"""A larger body may take long: the largest that is taken, a second."""
_reader = ThreadPoolExecutor(1, thread_name_prefix="body-reader")  # one: each more would take the loop's turns
_T = TypeVar("_T")


async def read_aside(body: bytes, read: Callable[[], _T]) -> _T:
    """Return what `read` finds in the whole of a body, and let others have their turn while it is at that."""
    if len(body) <= AT_ONCE_BYTES_MAX:
        return read()
    return await asyncio.get_running_loop().run_in_executor(_reader, read)
