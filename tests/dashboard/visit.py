"""One person at the pages over plain HTTP: signs in once, then each page is a request whose time is taken."""

from __future__ import annotations

import http.client
import re
import time
from dataclasses import dataclass, field
from urllib.parse import urlencode, urlsplit

from tollkeeper.web.table import ORGANIZATION_PAGES

_NOT_SINGLE = (
    "/new",
    "/requests",
    "/prices",
    "/providers",
    "/targets",
    "/preview",
    "/send",
    "/card",
    "/estimate",
    "/cost",
)
_STREAM = "/live"
_NEEDS_QUERY = ("models/card", "playground/estimate", "playground/cost", "reports/send")
_SINGLE_OF = re.compile(r"\{(\w+)\}$")


@dataclass
class Answer:
    """What came back, and after how many milliseconds all of it was there."""

    status: int
    body: bytes
    ms: float


@dataclass
class Person:
    """A browser's connection, without the browser."""

    origin: str
    cookie: str = ""
    _connection: http.client.HTTPConnection | None = field(default=None, repr=False)

    def get(self, path: str) -> Answer:
        return self._ask("GET", path, b"", {})

    def sign_up(self, link: str) -> None:
        """Make the first account, by the link that `tollkeeper first-run` prints."""
        token = link.strip().rpartition("token=")[2]
        form = {"token": token, "name": "Jimin Kim", "email": "jimin@example.com", "password": "three quiet rivers"}
        headers = {"content-type": "application/x-www-form-urlencoded", "sec-fetch-site": "same-origin"}
        answer = self._ask("POST", "/first-run", urlencode(form).encode(), headers)
        assert answer.status == 303, answer
        assert self.cookie
        assert self._connection is not None
        self._connection.close()  # the server is started again before the next page
        self._connection = None

    def _ask(self, method: str, path: str, body: bytes, headers: dict[str, str]) -> Answer:
        if self._connection is None:
            self._connection = http.client.HTTPConnection(urlsplit(self.origin).netloc, timeout=60)
        if self.cookie:
            headers = headers | {"cookie": self.cookie}
        began = time.perf_counter()
        self._connection.request(method, path, body or None, headers)
        answer = self._connection.getresponse()
        read = answer.read()
        took = (time.perf_counter() - began) * 1000
        if given := answer.headers.get("set-cookie"):
            self.cookie = given.partition(";")[0]
        return Answer(answer.status, read, took)


def pages_of(person: Person, organization_id: str, *, days: int) -> list[str]:
    """Return the address of every page there is: those of single things with the first one that their list links to.

    The pages of usage also in the ways that read most: the longest range, by each of its groups, beside the range before.
    """
    home = f"/{organization_id}"
    found = []
    for each in ORGANIZATION_PAGES:
        path = each.path.replace("/{organization}", home)
        if path.endswith((_STREAM, *_NEEDS_QUERY)):
            continue
        if "{" in path:
            listing, single = path.rsplit("/", 1)
            linked = _linked(person, listing.removesuffix("/teams") if "teams" in listing else listing, listing)
            if linked is None:
                continue
            path = f"{listing}/{linked}"
            assert single.startswith("{")
        found.append(path)
    found.append(f"{home}/models/card?name=gpt-4o-mini")
    return [*found, *_long_ones(home, days)]


def _long_ones(home: str, days: int) -> list[str]:
    from datetime import UTC, datetime, timedelta

    last = datetime.now(UTC).date()
    first = last - timedelta(days=days - 1)
    ranges = [f"from={first}&to={last}", f"from={last - timedelta(days=89)}&to={last}", f"from={last}&to={last}"]
    ways = ("model", "project", "team", "key", "member")
    return [
        *(f"{home}/usage?by={way}&{span}" for span in ranges for way in ways),
        f"{home}/usage?by=model&compare=1",
        f"{home}/usage.csv?by=key&{ranges[1]}",
        f"{home}/usage?by=key&{ranges[0]}&model=gpt-4o",
        f"{home}/calls?model=gpt-4o-mini",
        f"{home}/calls?status=errors",
        f"{home}/calls?shown=refused",
        f"{home}/calls?shown=refused&model=gpt-4o-mini",
    ]


def _linked(person: Person, page: str, folder: str) -> str | None:
    html = person.get(page).body.decode()
    for name in re.findall(rf'href="{re.escape(folder)}/([^"/?#]+)"', html):
        if f"/{name}" not in _NOT_SINGLE and name != "teams":
            return str(name)
    return None
