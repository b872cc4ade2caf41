"""Real processes for the tests of this folder: one simulator and one gateway for each module, on each database when asked."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.live.databases import new_postgres_database
from tests.live.mixed_run import SHORT_DEADLINES
from tests.live.pages_house import PagesHouse, pages_house
from tests.live.processes import GatewayProcess, SimulatorProcess
from tests.live.watched_browser import Watched, watched_browser


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("live")


@pytest.fixture(scope="module")
def simulator(folder: Path) -> Iterator[SimulatorProcess]:
    running = SimulatorProcess(folder)
    yield running
    running.stop()


@pytest.fixture(scope="module")
def gateway(folder: Path, simulator: SimulatorProcess) -> Iterator[GatewayProcess]:
    running = GatewayProcess(folder, simulator, f"sqlite:///{folder / 'tollkeeper.db'}", extra=SHORT_DEADLINES)
    running.start()
    yield running
    assert running.stop() == 0
    assert "Traceback" not in running.log


@pytest.fixture(params=["sqlite", "postgresql"])
def new_database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a database without tables, on each engine in turn."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'tollkeeper.db'}"
    server: Callable[[str], str] = request.getfixturevalue("postgres_server")
    return new_postgres_database(server)


@pytest.fixture(scope="module")
def opened() -> Iterator[Callable[..., Watched]]:
    """What opens browsers for the tests of a module."""
    with watched_browser() as open_:
        yield open_


@pytest.fixture(scope="module")
def pages_of_module(folder: Path, simulator: SimulatorProcess, opened: Callable[..., Watched]) -> Iterator[PagesHouse]:
    with pages_house(folder, simulator, opened) as house:
        yield house


@pytest.fixture
def house(pages_of_module: PagesHouse) -> Iterator[PagesHouse]:
    """A gateway with people and e-mail; no browser may have anything to complain of in the end."""
    yield pages_of_module
    assert pages_of_module.close_browsers() == []
