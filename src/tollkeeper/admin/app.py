"""The administration API as an ASGI application: which routes there are and what surrounds them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib.metadata import version

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from tollkeeper.admin import (
    access,
    accounts,
    alert_targets,
    alerts,
    analytics,
    api_keys,
    audit_log,
    auth,
    budget_increases,
    budget_requests,
    budget_status,
    budgets,
    calls,
    decisions,
    forecast,
    health,
    invites,
    leases,
    members,
    oidc,
    organization_costs,
    organization_usage,
    organizations,
    prices,
    projects,
    provider_credentials,
    quota,
    rate_limits,
    refused_calls,
    reports,
    roles,
    teams,
    usage,
    usage_export,
)
from tollkeeper.admin.callers import Authenticator, CallerFinder
from tollkeeper.admin.credits import router as credits_router
from tollkeeper.admin.document import DESCRIPTION, describe
from tollkeeper.admin.envelope import Envelope, told
from tollkeeper.admin.framework_faults import from_http, from_validation
from tollkeeper.admin.permissions import declared
from tollkeeper.admin.probes import Probes
from tollkeeper.control.account_rules import AccountRules
from tollkeeper.control.administration import Administration
from tollkeeper.control.people import People
from tollkeeper.domain.errors import TollkeeperError
from tollkeeper.kit.networks import Networks
from tollkeeper.parquet.writing import ParquetWriter
from tollkeeper.refusals import error_headers

_ROUTERS = (
    accounts.router,
    alert_targets.router,
    alerts.router,
    api_keys.router,
    auth.router,
    credits_router,
    decisions.router,
    invites.router,
    leases.router,
    oidc.router,
    audit_log.router,
    organization_costs.router,
    organization_usage.router,
    teams.router,
    access.router,
    members.router,
    organizations.router,
    prices.router,
    projects.router,
    provider_credentials.router,
    quota.router,
    rate_limits.router,
    reports.router,
    budget_requests.router,  # before budgets, whose ids its paths look like
    budget_status.router,
    budget_increases.router,
    budgets.router,
    roles.router,
    calls.router,  # before usage, whose path of one record its own looks like
    refused_calls.router,  # likewise
    usage_export.router,  # before usage, for the same reason
    usage.router,
    analytics.router,
    forecast.router,
)
Page = Callable[[Request], Response]
"""Renders a page for people."""


def make_app(
    *,
    administration: Administration,
    authenticator: Authenticator,
    people: People | None = None,
    trusted_proxies: Networks | None = None,
    probes: Probes | None = None,
    pages: Mapping[str, Page] | None = None,
    has_administration: bool = True,
    parquet: ParquetWriter | None = None,
) -> FastAPI:
    """Make the application. Without `people` accounts go by the default rules; `parquet` writes files for the pages too.

    Without `has_administration` (a replica that only forwards calls) health is all there is. `probes` know this process's parts, else /readyz asks for the database alone; `pages` are served at their paths.

    Raises:
        AssertionError: a route declares no permission.
    """
    app = FastAPI(
        title="Tollkeeper",
        version=version("tollkeeper"),
        description=DESCRIPTION,
        docs_url=None,  # the default pages load scripts from elsewhere
        redoc_url=None,
        redirect_slashes=False,
    )
    app.state.administration, app.state.probes = administration, probes or Probes(administration)
    app.state.people = people or People(administration, AccountRules())
    app.state.parquet = parquet or ParquetWriter()
    app.state.callers = CallerFinder(administration, authenticator, trusted_proxies)
    for router in (health.router, *(_ROUTERS if has_administration else ())):
        app.router.routes += router.routes  # as they are: including a router builds each of its routes a second time
    for path, page in (pages or {}).items():
        app.add_route(path, page, methods=["GET", "HEAD"], include_in_schema=False)
    app.add_exception_handler(TollkeeperError, _refuse)
    app.add_exception_handler(RequestValidationError, _refuse)
    app.add_exception_handler(HTTPException, _refuse)
    app.add_middleware(Envelope)
    declared(app)
    app.openapi = lambda: describe(app)  # type: ignore[method-assign]  # FastAPI's own way to replace it
    return app


async def _refuse(request: Request, error: Exception) -> Response:
    if isinstance(error, RequestValidationError):
        refusal: TollkeeperError = from_validation(error)
    elif isinstance(error, HTTPException):
        refusal = from_http(error, request)
    else:
        assert isinstance(error, TollkeeperError)
        refusal = error
    status, body = told(refusal, request.state.request_id)
    headers = {name.decode(): value.decode() for name, value in error_headers(refusal, status)}
    if isinstance(error, HTTPException) and error.headers:
        headers |= error.headers
    return Response(body, status, headers)
