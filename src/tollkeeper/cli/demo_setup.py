"""What the demo begins with and shows of it: an organization, a project with a small budget, a fresh key."""

from __future__ import annotations

import asyncio
from pathlib import Path

from tollkeeper import config
from tollkeeper.cli.listing import dollars
from tollkeeper.control.administration import Administration, Secrets, operator
from tollkeeper.control.api_keys import create_service_key, delete_key, list_keys
from tollkeeper.control.budget_status import StandingBudget, read_status
from tollkeeper.control.budgets import Terms, list_budgets, set_budget
from tollkeeper.control.first_run import first_run_link, is_first_run
from tollkeeper.control.installation import PepperSource, initialize, load_pepper
from tollkeeper.control.opening import create_tables_if_empty
from tollkeeper.control.organizations import choose_organization, choose_project
from tollkeeper.domain.errors import NotFound
from tollkeeper.domain.money import NANOS_PER_USD
from tollkeeper.store.engine import Store

_ORGANIZATION = "demo"
_KEY_NAME = "demo"
_CALLER = "tollkeeper demo"
_BUDGET = Terms(NANOS_PER_USD)
_LOOK_INTERVAL_S, _LOOKS_MAX = 0.05, 100


async def prepare(settings: Path) -> str:
    """Make the demo's organization when there is none, and a fresh key in place of the last run's; return the key."""
    configured = config.load(settings, is_serving=False).settings
    store = Store.open(configured.database.url)
    pepper_path = Path(configured.keys.pepper_file)
    key = ""
    try:
        await create_tables_if_empty(store)
        try:
            organization = await choose_organization(store, _ORGANIZATION)
        except NotFound:
            made = await initialize(store, name=_ORGANIZATION, timezone="UTC", pepper=PepperSource(path=pepper_path))
            key = made.project_key.key
            organization = await choose_organization(store, _ORGANIZATION)
        administration = Administration(store, Secrets.of(load_pepper(text="", path=pepper_path)))
        demo = operator(organization.id, name=_CALLER)
        project = await choose_project(store, organization.id, "default")
        if not await administration.look(demo, list_budgets, scope_id=project.id):
            await administration.change(demo, set_budget, project.id, terms=_BUDGET)
        if key:
            return key
        for known in await administration.look(demo, list_keys, project_id=project.id):
            if known.name == _KEY_NAME:
                await administration.change(demo, delete_key, known.id)
        return (await administration.change(demo, create_service_key, project_id=project.id, name=_KEY_NAME)).key
    finally:
        await store.aclose()


async def read_budget(settings: Path, *, used: int = 0) -> StandingBudget:
    """Return how the project's budget stands, as soon as so many nano-USD of it are used: what calls cost is written down
    a moment after they end. Whoever waits in vain, for about five seconds, gets what there is.
    """
    configured = config.load(settings, is_serving=False).settings
    store = Store.open(configured.database.url)
    try:
        organization = await choose_organization(store, _ORGANIZATION)
        project = await choose_project(store, organization.id, "default")
        pepper = load_pepper(text="", path=Path(configured.keys.pepper_file))
        administration = Administration(store, Secrets.of(pepper))
        caller = operator(organization.id, name=_CALLER)
        for _ in range(_LOOKS_MAX):
            status = await administration.look(caller, read_status, scope_id=project.id)
            assert status.root is not None, "the demo has set it"
            found = status.root.budgets[0]
            if found.standing.used >= used:
                break
            await asyncio.sleep(_LOOK_INTERVAL_S)
        return found
    finally:
        await store.aclose()


async def browser_link(settings: Path) -> str:
    """Return where a browser gets in: the link of the first person, or the first page once somebody has an account."""
    configuration = config.load(settings, is_serving=False)
    store = Store.open(configuration.settings.database.url)
    try:
        if not await is_first_run(store):
            return f"{configuration.public_url}/"
        pepper = load_pepper(text="", path=Path(configuration.settings.keys.pepper_file))
        return first_run_link(Secrets.of(pepper), public_url=configuration.public_url)
    finally:
        await store.aclose()


def budget_line(found: StandingBudget) -> str:
    """Say what is left of the project's budget, in one line."""
    limit, used = found.standing.limit, found.standing.used
    return (
        f"Budget of project 'default': {dollars(limit)} {found.budget.period}, {dollars(used)} used, "
        f"{dollars(limit - used)} left."
    )
