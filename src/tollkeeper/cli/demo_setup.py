"""What the demo begins with and shows of it: an organization, a project with a small budget, a fresh key."""

from __future__ import annotations

from pathlib import Path

from tollkeeper import config
from tollkeeper.cli.listing import dollars
from tollkeeper.control.administration import Administration, Secrets, operator
from tollkeeper.control.api_keys import create_service_key, delete_key, list_keys
from tollkeeper.control.budget_status import read_status
from tollkeeper.control.budgets import Terms, list_budgets, set_budget
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


async def budget_line(settings: Path) -> str:
    """Return what is left of the project's budget, in one line."""
    configured = config.load(settings, is_serving=False).settings
    store = Store.open(configured.database.url)
    try:
        organization = await choose_organization(store, _ORGANIZATION)
        project = await choose_project(store, organization.id, "default")
        pepper = load_pepper(text="", path=Path(configured.keys.pepper_file))
        administration = Administration(store, Secrets.of(pepper))
        caller = operator(organization.id, name=_CALLER)
        status = await administration.look(caller, read_status, scope_id=project.id)
        assert status.root is not None, "the demo has set it"
        budget, standing = status.root.budgets[0].budget, status.root.budgets[0].standing
        return (
            f"Budget of project 'default': {dollars(standing.limit)} {budget.period}, {dollars(standing.used)} used, "
            f"{dollars(standing.limit - standing.used)} left."
        )
    finally:
        await store.aclose()
