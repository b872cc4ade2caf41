"""The administration as an ASGI application that is assembled when the first request asks for it, while calls go on."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Awaitable, Callable

from tollkeeper.gateway.client import Client, Receive, Scope, Send
from tollkeeper.kit.tasks import TaskGroup
from tollkeeper.refusals import InternalError

App = Callable[[Scope, Receive, Send], Awaitable[None]]


class LateAdministration:
    """Assembles in a thread. Requests that come meanwhile wait for the one assembly.

    An assembly that fails is logged and answers them 500; the next request tries again, since a process that was out of
    files or memory need not be so for ever.
    """

    def __init__(self, assemble: Callable[[], App]) -> None:
        self._assemble = assemble
        self._app: App | None = None
        self._assembly: asyncio.Task[App] | None = None
        self._tasks = TaskGroup()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand the request on."""
        if self._app is None:
            try:
                self._app = await self._assembled()
            except Exception:  # noqa: BLE001  # the task group has logged it
                await Client(scope, receive, send).refuse(InternalError())
                return
        await self._app(scope, receive, send)

    async def _assembled(self) -> App:
        if self._assembly is None or (self._assembly.done() and self._assembly.exception() is not None):
            self._assembly = self._tasks.start(asyncio.to_thread(self._make), "assembly of the administration")
        return await asyncio.shield(self._assembly)  # who goes away meanwhile does not end it for the others

    def _make(self) -> App:
        app = self._assemble()
        gc.freeze()  # it stays; the collector need not look at it again and again
        return app
