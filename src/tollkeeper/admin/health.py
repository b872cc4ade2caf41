"""Whether the process lives (`/healthz`) and whether it can do its work (`/readyz`)."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
from fastapi import APIRouter, Request, Response

from tollkeeper.control.health import is_database_reachable

OK = "ok"
Readiness = Callable[[], dict[str, str]]
"""Says how the parts of this process are: name -> "ok", or what is wrong in a few words that anybody may read."""

router = APIRouter(tags=["health"])


@router.head("/healthz", include_in_schema=False)
@router.get("/healthz", summary="The process lives")
async def healthz() -> Response:
    return _answer(200, {"status": OK})


@router.head("/readyz", include_in_schema=False)
@router.get(
    "/readyz",
    summary="The process can serve",
    responses={503: {"description": "Something that it needs is out of reach; `checks` says what."}},
)
async def readyz(request: Request) -> Response:
    checks = {"database": OK if await is_database_reachable(request.app.state.administration.store) else "out of reach"}
    readiness: Readiness | None = request.app.state.readiness
    if readiness is not None:
        checks |= readiness()
    is_ready = all(state == OK for state in checks.values())
    return _answer(200 if is_ready else 503, {"status": OK if is_ready else "unavailable", "checks": checks})


def _answer(status: int, body: object) -> Response:
    return Response(msgspec.json.encode(body), status, {"cache-control": "no-store"}, "application/json")
