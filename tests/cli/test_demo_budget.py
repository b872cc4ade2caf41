"""The demo says what is left of its budget when all that its calls cost is written down."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from tests.store.store_factories import make_record

from tollkeeper.cli import demo_setup
from tollkeeper.control.organizations import choose_organization, choose_project
from tollkeeper.store.engine import Store


@pytest.fixture
async def settings(tmp_path: Path) -> Path:
    path = tmp_path / "tollkeeper.toml"
    lines = [
        "[database]",
        f'url = "sqlite:///{tmp_path / "tollkeeper.db"}"',
        "[keys]",
        f'pepper_file = "{tmp_path / "tollkeeper.pepper"}"',
    ]
    path.write_text("\n".join(lines) + "\n")
    await demo_setup.prepare(path)
    return path


async def test_the_budget_is_read_until_the_calls_are_in_it(settings: Path) -> None:
    before = await demo_setup.read_budget(settings)
    waiting = asyncio.create_task(demo_setup.read_budget(settings, used=before.standing.used + 352_500))
    await asyncio.sleep(0.2)
    assert not waiting.done(), "the call is not written down yet"
    store = Store.open(f"sqlite:///{settings.parent / 'tollkeeper.db'}")
    organization = await choose_organization(store, None)
    project = await choose_project(store, organization.id, "default")
    record = make_record(organization_id=organization.id, project_id=project.id)
    await store.insert_usage([record], slot="a")
    found = await waiting
    assert "$1.00 monthly, $0.0003525 used, $0.9996475 left" in demo_setup.budget_line(found)
    await store.aclose()


async def test_nobody_waits_for_ever(settings: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo_setup, "_LOOKS_MAX", 2)
    assert (await demo_setup.read_budget(settings, used=1)).standing.used == 0
