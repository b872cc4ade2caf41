"""Which pages there are for people who are signed in: path, what shows it, what its forms do, which permission it asks for."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import msgspec
from starlette.responses import Response

from tollkeeper.domain.permission import PERMISSIONS
from tollkeeper.web import (
    account,
    alert_pages,
    alert_targets,
    audit,
    budget_requests,
    budgets,
    calls,
    credit,
    first_run,
    keys,
    live,
    models,
    new_budget,
    overview,
    own_prices,
    people,
    playground,
    projects,
    providers,
    reports,
    roles,
    settings,
    teams,
    usage,
    usage_export,
    welcome,
)
from tollkeeper.web.visitor import Visitor

Handler = Callable[[Visitor], Awaitable[Response]]


class PageRoute(msgspec.Struct, frozen=True):
    """A page. `requires` is the permission that is asked for at the door, "" when every member may open it.

    The use cases behind the page ask again, for the place that it is about.
    """

    path: str
    show: Handler
    act: Handler | None = None
    requires: str = ""

    def __post_init__(self) -> None:
        assert not self.requires or self.requires in PERMISSIONS, self.requires


STRANGERS_PAGES: tuple[PageRoute, ...] = (PageRoute(first_run.PATH, first_run.show, first_run.act),)
"""Pages of whoever comes, without a session."""
LOGIN_PAGES: tuple[PageRoute, ...] = (
    PageRoute("/welcome", welcome.show, welcome.act),
    PageRoute("/account", account.show, account.act),
)
"""Pages of a person, in no organization."""
ORGANIZATION_PAGES: tuple[PageRoute, ...] = (
    PageRoute("/{organization}/overview", overview.show),
    PageRoute("/{organization}/usage", usage.show),
    PageRoute("/{organization}/usage.csv", usage_export.show),
    PageRoute("/{organization}/usage.parquet", usage_export.show_parquet),
    PageRoute("/{organization}/keys", keys.show, requires="api_key:read"),
    PageRoute("/{organization}/keys/new", keys.show_new, keys.make, requires="api_key:create:limited"),
    PageRoute("/{organization}/keys/{key}", keys.show_one, keys.change_one, requires="api_key:read"),
    PageRoute("/{organization}/budgets", budgets.show, requires="quota:read:summary"),
    PageRoute("/{organization}/budgets/new", new_budget.show, new_budget.make, requires="quota:manage"),
    PageRoute("/{organization}/budgets/requests", budget_requests.show, requires="quota:read"),
    PageRoute(
        "/{organization}/budgets/requests/{request}",
        budget_requests.show_one,
        budget_requests.change_one,
        requires="quota:read",
    ),
    PageRoute("/{organization}/budgets/{budget}", budgets.show_one, budgets.change_one, requires="quota:read"),
    PageRoute("/{organization}/reports", reports.show, reports.change, requires="analytics:full"),
    PageRoute("/{organization}/reports/preview", reports.preview, requires="analytics:full"),
    PageRoute("/{organization}/reports/send", reports.preview, reports.send, requires="org:manage"),
    PageRoute("/{organization}/reports/{report}", reports.show_one, requires="analytics:full"),
    PageRoute("/{organization}/calls", calls.show),
    PageRoute("/{organization}/calls/{call}", calls.show_one),
    PageRoute("/{organization}/projects", projects.show, projects.make),
    PageRoute("/{organization}/projects/{project}", projects.show_one, projects.change_one),
    PageRoute("/{organization}/projects/teams/{team}", teams.show_one, teams.change_one),
    PageRoute("/{organization}/people", people.show, people.act),
    PageRoute("/{organization}/people/{member}", people.show_one, people.change_one),
    PageRoute("/{organization}/roles", roles.show),
    PageRoute("/{organization}/roles/new", roles.show_new, roles.make, requires="role:manage"),
    PageRoute("/{organization}/roles/{role}", roles.show_one, roles.change_one),
    PageRoute("/{organization}/audit", audit.show, audit.act, requires="audit:read"),
    PageRoute("/{organization}/audit/{event}", audit.show_one, requires="audit:read"),
    PageRoute("/{organization}/settings", settings.show, settings.act, requires="org:manage"),
    PageRoute("/{organization}/credits", credit.show, credit.act, requires="billing:read"),
    PageRoute("/{organization}/alerts", alert_pages.show, alert_pages.act, requires="quota:read"),
    PageRoute("/{organization}/alerts/targets", alert_targets.show, alert_targets.act, requires="quota:manage"),
    PageRoute("/{organization}/models", models.show, requires="models:list"),
    PageRoute("/{organization}/models/card", models.show_one, requires="models:list"),
    PageRoute("/{organization}/models/prices", own_prices.show, own_prices.act, requires="price:manage"),
    PageRoute("/{organization}/models/providers", providers.show, providers.act, requires="provider:manage"),
    PageRoute("/{organization}/playground", playground.show, playground.act, requires="chat:create"),
    PageRoute("/{organization}/playground/estimate", playground.show, playground.estimate, requires="chat:create"),
    PageRoute("/{organization}/playground/cost", playground.show_cost, requires="chat:create"),
    PageRoute("/{organization}/live", live.show),
)
