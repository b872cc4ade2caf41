"""The administration API as an ASGI application: which routes there are and what surrounds them."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import version

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from tollkeeper.admin import health, organization_costs, organization_usage
from tollkeeper.admin.envelope import Envelope
from tollkeeper.admin.framework_faults import from_http, from_validation
from tollkeeper.admin.permissions import Authenticator, declared
from tollkeeper.control.api_keys import AdminKeyUses
from tollkeeper.control.usage import ReportStore
from tollkeeper.domain.errors import TollkeeperError
from tollkeeper.refusals import error_body, error_headers

Home = Callable[[Request], Response]
"""Renders the page at `/`."""


def make_app(
    *,
    store: ReportStore,
    authenticator: Authenticator,
    readiness: health.Readiness | None = None,
    home: Home | None = None,
    has_administration: bool = True,
) -> FastAPI:
    """Make the application.

    Without `has_administration` (a replica that only forwards calls) health is all there is. `readiness` adds the state of this process's parts to /readyz; without `home` there is no page at `/`.

    Raises:
        AssertionError: a route declares no permission.
    """
    app = FastAPI(
        title="Tollkeeper",
        version=version("tollkeeper"),
        description="Usage, costs and administration. Send an administration key: `Authorization: Bearer sk-tk-…`.",
        docs_url=None,  # the default pages load scripts from elsewhere
        redoc_url=None,
        redirect_slashes=False,
    )
    app.state.key_uses = AdminKeyUses(store)
    app.state.store, app.state.authenticator, app.state.readiness = store, authenticator, readiness
    app.include_router(health.router)
    if has_administration:
        app.include_router(organization_costs.router)
        app.include_router(organization_usage.router)
    if home is not None:
        app.add_route("/", home, methods=["GET", "HEAD"], include_in_schema=False)
    app.add_exception_handler(TollkeeperError, _refuse)
    app.add_exception_handler(RequestValidationError, _refuse)
    app.add_exception_handler(HTTPException, _refuse)
    app.add_middleware(Envelope)
    declared(app)
    return app


async def _refuse(request: Request, error: Exception) -> Response:
    if isinstance(error, RequestValidationError):
        refusal: TollkeeperError = from_validation(error)
    elif isinstance(error, HTTPException):
        refusal = from_http(error)
    else:
        assert isinstance(error, TollkeeperError)
        refusal = error
    status, body = error_body(refusal, request.state.request_id)
    headers = {name.decode(): value.decode() for name, value in error_headers(status)}
    if isinstance(error, HTTPException) and error.headers:
        headers |= error.headers
    return Response(body, status, headers)
