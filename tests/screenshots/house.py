"""A house to look at: a simulator, a gateway over it, a mail server, a receiver of alerts, and an office full of data."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tests.live.every_provider import PROVIDERS
from tests.live.processes import GatewayProcess, SimulatorProcess
from tests.notify.mail_server import serving
from tests.screenshots.office import Office, open_office
from tests.screenshots.today import call_today
from tests.screenshots.troubles import Troubles, make_troubles
from tests.security.realms import new_session
from tests.tenancy.company import PEPPER

from tollkeeper.control import alerts, calls
from tollkeeper.control.account_rules import AccountRules
from tollkeeper.control.calls import CallFilters, CallSearch
from tollkeeper.control.organizations import choose_organization
from tollkeeper.control.refused_calls import FoundRefusal, find_refusals
from tollkeeper.control.sessions import SESSION_COOKIE
from tollkeeper.domain.usage import UsageRecord
from tollkeeper.store import audit
from tollkeeper.store.engine import Store

_SETTINGS = """
[upstream]
private_networks = ["127.0.0.0/8"]
wait_s = 1
[accounts]
sign_up = "open"
[email]
host = "127.0.0.1"
port = {mail_port}
security = "none"
sender = "Tollkeeper <tollkeeper@haebit.example>"
[[models]]
name = "smart"
deployments = [{{ provider = "openai", model = "gpt-5.4" }}, {{ provider = "anthropic", model = "claude-sonnet-4-6" }}]
[[providers]]
name = "local"
kind = "openai_compatible"
base_url = "{origin}/v1"
api_key_env = "SIMULATOR_KEY"
"""
_WAIT_S = 40.0
State = dict[str, Any]
"""What a browser keeps of somebody who is signed in."""


@dataclass
class House:
    """What runs. `ids` are of the single things that pages are about, by the name in the page's path."""

    gateway: GatewayProcess
    simulator: SimulatorProcess
    hooks_url: str
    ids: dict[str, str] = field(default_factory=dict)
    states: dict[str, State] = field(default_factory=dict)
    empty_id: str = ""

    @property
    def id(self) -> str:
        return self.gateway.organization_id

    @property
    def origin(self) -> str:
        return self.gateway.origin

    def furnish(self) -> None:
        """Fill the office, make today's calls, and wait until all has been booked and told."""
        with ThreadPoolExecutor(1) as aside:  # a browser of this thread has a loop of its own
            aside.submit(asyncio.run, self._furnish()).result()

    async def _furnish(self) -> None:
        store = Store.open(self.gateway.database_url)
        try:
            office = await open_office(store, await choose_organization(store, self.id))
            rules = AccountRules(public_url=self.origin, sends_email=True)
            troubles = await make_troubles(office, rules, hooks_url=self.hooks_url)
            await asyncio.to_thread(call_today, office, self.gateway, self.simulator)
            await self._settle(office)
            await self._name(office, troubles)
        finally:
            await store.aclose()

    async def _settle(self, office: Office) -> None:
        """Wait until today's calls are booked, the alerts fired and their messages told."""

        async def is_settled() -> bool:
            sent = await office.company.look(None, alerts.list_deliveries)
            states = {each.status.value for each in sent}
            return {"delivered", "dead"} <= states and not states & {"pending", "sending"}

        async def is_booked() -> bool:
            return any(each.is_stream and each.tries for each in await _newest(office))

        async def is_refused() -> bool:
            return bool(await _limited(office))

        await _until(is_refused, "a call that a limit refused")
        await _until(is_booked, "today's calls in the books")
        await _until(is_settled, "every alert told")

    async def _name(self, office: Office, troubles: Troubles) -> None:
        newest = await _newest(office)
        tried = next(each for each in newest if each.tries)
        events = await office.company.store.read(lambda c: audit.events_after(c, self.id, 0))
        changed = next(each for each in reversed(events) if each.action == "alert_target.update")
        self.empty_id = office.empty_id
        self.ids = {
            "key": office.keys["search-production"].record.id,
            "disabled-key": office.keys["search-staging"].record.id,
            "budget": troubles.budget_id,
            "stopped-budget": troubles.stopped_id,
            "report": troubles.report_id,
            "request": troubles.request_id,
            "call": f"req_{tried.call_id.hex()}",
            "refused-call": f"req_{next(each for each in newest if each.status >= 400).call_id.hex()}",
            "stopped-call": f"req_{(await _limited(office))[0].decision.call_id.hex()}",
            "project": office.projects["search"].id,
            "team": office.teams["ML 연구"].id,
            "member": office.people["seojun"].member_id,
            "role": office.role_id,
            "event": changed.id,
        }
        for who, person in office.people.items():
            self.states[who] = _state(await new_session(office.company, person))


async def _newest(office: Office) -> list[UsageRecord]:
    found = await office.company.look(None, calls.find_calls, CallSearch(filters=CallFilters(), limit=50))
    return [each.record for each in found.calls]


async def _limited(office: Office) -> list[FoundRefusal]:
    """Return the calls that limits refused."""
    found = await office.company.look(None, find_refusals, CallSearch(limit=50))
    return [each for each in found.refused if each.limit is not None]


async def _until(is_so: Callable[[], Any], what: str) -> None:
    deadline = time.monotonic() + _WAIT_S
    while not await is_so():
        assert time.monotonic() < deadline, f"it did not come to it: {what}"
        await asyncio.sleep(0.1)


def _state(token: str) -> State:
    cookie = {"name": SESSION_COOKIE, "value": token, "domain": "127.0.0.1", "path": "/", "expires": -1}
    return {"cookies": [{**cookie, "httpOnly": True, "secure": False, "sameSite": "Lax"}], "origins": []}


class _Receiver(BaseHTTPRequestHandler):
    """Takes what is posted, but at an address that is gone."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("content-length", 0)))
        self.send_response(410 if self.path == "/gone" else 200)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Keep quiet."""


@contextmanager
def _receiving() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Receiver)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


@contextmanager
def open_house(folder: Path) -> Iterator[House]:
    """Start everything in a folder, with nobody in it yet, and end it."""
    with serving() as mail, _receiving() as hooks_url:
        simulator = SimulatorProcess(folder)
        extra = (PROVIDERS + _SETTINGS).format(origin=simulator.origin, mail_port=mail.port)
        url = f"sqlite:///{folder / 'tollkeeper.db'}"
        env = {"TOLLKEEPER_KEYS__PEPPER": PEPPER.hex()}
        gateway = GatewayProcess(folder, simulator, url, extra=extra, env=env).start()
        try:
            yield House(gateway, simulator, hooks_url)
            assert gateway.stop() == 0
            assert "Traceback" not in gateway.log
        finally:
            gateway.kill()
            simulator.stop()
