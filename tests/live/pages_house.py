"""People at the pages over real processes: a gateway with a mail server, and how somebody gets in, gets mail and calls."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar
from urllib.error import HTTPError

from playwright.sync_api import Page, expect
from tests.live.processes import GatewayProcess, SimulatorProcess, get_json, post_json
from tests.live.watched_browser import Watched
from tests.notify.mail_server import MailServer, Taken, serving

T = TypeVar("T")
PASSWORD = "three quiet rivers"
ADMIN = "jimin@example.com"
UNTIL_S = 40.0
_LINK = re.compile(r"http://127\.0\.0\.1:\d+/[a-z-]+\?token=\S+")
_WITH_MAIL = """
[email]
host = "127.0.0.1"
port = {port}
security = "none"
sender = "Tollkeeper <tollkeeper@example.com>"
[accounts]
sign_up = "open"
"""


def until(probe: Callable[[], T | None], what: str) -> T:
    """Return what the probe finds as soon as it finds something."""
    deadline = time.monotonic() + UNTIL_S
    while time.monotonic() < deadline:
        found = probe()
        if found:
            return found
        time.sleep(0.05)
    raise AssertionError(f"{what} did not come")


class PagesHouse:
    """A running gateway, its mail server and a browser."""

    def __init__(self, gateway: GatewayProcess, mail: MailServer, open_: Callable[..., Watched]) -> None:
        self.gateway, self.mail, self._open_watched = gateway, mail, open_
        self._open_now: list[Watched] = []
        self.origin = gateway.origin
        self.home = f"{self.origin}/{gateway.organization_id}"
        self._states: dict[str, Any] = {}

    def stranger(self, **more: Any) -> Watched:
        """Open a browser of somebody who is not signed in."""
        return self._open(**more)

    def admin(self, **more: Any) -> Watched:
        """Open a browser of the first person, who comes by the console's link."""
        if ADMIN not in self._states:
            watched = self.stranger()
            page = watched.page
            page.goto(self.gateway.tollkeeper("first-run").strip().replace("localhost", "127.0.0.1"))
            page.get_by_label("Your name").fill("Jimin Kim")
            page.get_by_label("E-mail address").fill(ADMIN)
            page.get_by_label("Password", exact=True).fill(PASSWORD)
            page.get_by_role("button", name="Begin").click()
            expect(page.get_by_role("heading", name="Overview", exact=True)).to_be_visible()
            self._keep(ADMIN, watched)
        return self._open(state=self._states[ADMIN], **more)

    def member(self, email: str, *, role: str = "developer", **more: Any) -> Watched:
        """Open a browser of somebody who was invited with a role and has signed in; they join the first time."""
        if email not in self._states:
            self.post("/v1/invites", {"email": email, "role": role})
            token = self.link(email).partition("token=")[2]
            joining = {"email": email, "password": PASSWORD, "name": email.partition("@")[0], "invitation": token}
            self.post("/v1/auth/sign-up", joining)
            watched = self.stranger()
            self.sign_in(watched.page, email)
            self._keep(email, watched)
        return self._open(state=self._states[email], **more)

    def sign_in(self, page: Page, email: str, password: str = PASSWORD) -> None:
        """Fill in the form for signing in, on whose page the browser is or else comes to."""
        if "/sign-in" not in page.url:
            page.goto(f"{self.origin}/sign-in")
        page.get_by_label("E-mail address").fill(email)
        page.get_by_label("Password", exact=True).fill(password)
        page.get_by_role("button", name="Sign in").click()
        page.wait_for_url(lambda url: "/sign-in" not in url)

    def mails_to(self, email: str) -> list[Taken]:
        """Return the e-mails that somebody has got, oldest first."""
        return [each for each in self.mail.taken if each.recipients == [email]]

    def link(self, email: str, *, after: int = 0) -> str:
        """Return the link of the newest e-mail to somebody, once there are more than `after`."""
        mails = until(lambda: (found := self.mails_to(email))[after:] and found, f"an e-mail to {email}")
        found = _LINK.search(mails[-1].body("plain"))
        assert found is not None, mails[-1].body("plain")
        return found[0]

    def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """Ask the administration, with the key of its first hour."""
        credential = {"authorization": f"Bearer {self.gateway.admin_key}"}
        try:
            return dict(post_json(f"{self.origin}{path}", body, {} if path.startswith("/v1/auth") else credential))
        except HTTPError as refused:
            with refused:
                raise AssertionError(f"{path}: {refused.read().decode()}") from None

    def close_browsers(self) -> list[str]:
        """Close all browsers; returns what they complained of."""
        complaints = [complaint for each in self._open_now for complaint in each.complaints]
        for each in self._open_now:
            each.context.close()
        self._open_now.clear()
        return complaints

    def get(self, path: str) -> Any:
        """Read from the administration."""
        return get_json(f"{self.origin}{path}", {"authorization": f"Bearer {self.gateway.admin_key}"})

    def call(self, *, key: str = "", **more: Any) -> tuple[int, dict[str, Any]]:
        """Send a call through the gateway; returns the status and the answer, also of one that is refused."""
        body = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "hello [[sim:tokens=20]]"}]}
        headers = {"authorization": f"Bearer {key or self.gateway.key}", **more.pop("headers", {})}
        try:
            return 200, dict(post_json(f"{self.origin}/v1/chat/completions", body | more, headers))
        except HTTPError as refused:
            with refused:
                return refused.code, {"text": refused.read().decode()}

    def recorded(self, count: int) -> None:
        """Wait until so many calls of the organization are in the database."""
        until(lambda: len(self.get("/v1/usage/calls?limit=100")["data"]) >= count, f"call {count}")

    def _open(self, **more: Any) -> Watched:
        self._open_now.append(self._open_watched(**more))
        return self._open_now[-1]

    def _keep(self, email: str, watched: Watched) -> None:
        assert watched.complaints == []
        self._states[email] = watched.context.storage_state()
        self._open_now.remove(watched)
        watched.context.close()


@contextmanager
def pages_house(
    folder: Path,
    simulator: SimulatorProcess,
    open_: Callable[..., Watched],
    *,
    extra: Callable[[GatewayProcess], str] = lambda _: "",
) -> Iterator[PagesHouse]:
    """Start a gateway that sends its e-mail to a server of ours; it must end in order, and without a bug in its log.

    `extra` is what its settings say beside, when its port is known.
    """
    with serving() as mail:
        more = _WITH_MAIL.format(port=mail.port)
        gateway = GatewayProcess(folder, simulator, f"sqlite:///{folder / 'tollkeeper.db'}", extra=more)
        gateway.config.write_text(gateway.config.read_text() + extra(gateway))
        gateway.start()
        house = PagesHouse(gateway, mail, open_)
        house.admin()  # the first person is the admin
        assert house.close_browsers() == []
        yield house
        assert gateway.stop() == 0
        assert "Traceback" not in gateway.log


def make_key(page: Page, home: str, name: str) -> str:
    """Make a key on its page; returns its secret."""
    page.goto(f"{home}/keys/new")
    page.get_by_label("Name").fill(name)
    page.get_by_role("button", name="Make the key").click()
    return page.locator("#secret").inner_text().strip()


def nanos_of(page: Page, selector: str) -> int:
    """Return the first amount within what a selector finds, as it stands exactly behind what is shown."""
    return int(page.locator(selector).first.locator("data.usd").first.get_attribute("value") or 0)
