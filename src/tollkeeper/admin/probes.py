"""Whether the process lives (`/healthz`) and whether it can do its work (`/readyz`), asked by load balancers all the time."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
from starlette.types import Receive, Scope, Send

from tollkeeper.control.administration import Administration
from tollkeeper.control.health import is_database_reachable

OK = "ok"
HEADERS = {"cache-control": "no-store", "content-type": "application/json"}
Readiness = Callable[[], dict[str, str]]
"""Says how the parts of this process are: name -> "ok", or what is wrong in a few words that anybody may read."""


class Probes:
    """Answers both without any framework, so that a process is ready before its administration is assembled."""

    def __init__(self, administration: Administration, readiness: Readiness | None = None) -> None:
        self._administration, self._readiness = administration, readiness

    def owns(self, scope: Scope) -> bool:
        """Tell whether a request is one of these; other methods than GET and HEAD are not."""
        return scope["path"] in {"/healthz", "/readyz"} and scope["method"] in {"GET", "HEAD"}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer as an ASGI application."""
        del receive
        status, body = self.live() if scope["path"] == "/healthz" else await self.ready()
        length = str(len(body))
        headers = [(name.encode(), value.encode()) for name, value in (HEADERS | {"content-length": length}).items()]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    def live(self) -> tuple[int, bytes]:
        """Return the status and the body for a process that answers at all."""
        return 200, msgspec.json.encode({"status": OK})

    async def ready(self) -> tuple[int, bytes]:
        """Return the status and the body by the state of the database and of the process's parts."""
        checks = {"database": OK if await is_database_reachable(self._administration.store) else "out of reach"}
        if self._readiness is not None:
            checks |= self._readiness()
        is_ready = all(state == OK for state in checks.values())
        body = {"status": OK if is_ready else "unavailable", "checks": checks}
        return 200 if is_ready else 503, msgspec.json.encode(body)
