"""The routes of `/healthz` and `/readyz`, for /openapi.json and for whoever serves the administration alone."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from tollkeeper.admin.probes import HEADERS, Probes

router = APIRouter(tags=["health"])


@router.head("/healthz", include_in_schema=False)
@router.get("/healthz", summary="The process lives")
async def healthz(request: Request) -> Response:
    return _answer(*_probes(request).live())


@router.head("/readyz", include_in_schema=False)
@router.get(
    "/readyz",
    summary="The process can serve",
    responses={503: {"description": "Something that it needs is out of reach; `checks` says what."}},
)
async def readyz(request: Request) -> Response:
    return _answer(*await _probes(request).ready())


def _probes(request: Request) -> Probes:
    found: Probes = request.app.state.probes
    return found


def _answer(status: int, body: bytes) -> Response:
    return Response(body, status, HEADERS)
