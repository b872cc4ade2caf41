"""The calls to make: every dialect at every kind of provider, with faults, second deployments, leaving and slow clients; seeded."""

from __future__ import annotations

import itertools
import json
import random
from collections.abc import Iterator
from dataclasses import dataclass, field

from tests.everycall.bodies import write
from tests.everycall.talks import MODELS, Dialect, Kind, Place, Talk, make_talk
from tests.live.raw_http import POLITE, Manners

KINDS: tuple[Kind, ...] = ("openai", "anthropic", "gemini", "deepseek", "xai")
PAIRS: tuple[tuple[Dialect, Kind], ...] = (
    *(("openai", kind) for kind in KINDS),
    *(("anthropic", kind) for kind in KINDS),
    ("gemini", "gemini"),
)
"""Every dialect with each kind of provider that can serve it."""
FIRST_KEY, SECOND_KEY = "sk-sim-gateway-first1", "sk-sim-gateway-second"
SPARE = "-spare"
"""How the names of those providers end that are called with the second key."""
STATUSES = (
    "400", "400:quota", "401", "402", "403", "404", "408", "409", "413", "422", "429:rate", "429:tokens", "429:quota", "500",
    "502", "503", "504", "529",
)  # fmt: skip
FAULTS = (
    *(f"status={status}" for status in STATUSES),
    "delay=30", "first_byte_delay=30", "cut=0", "cut=40", "cut=150", "cut=700", "reset=0", "reset=40", "reset=300",
    "no_usage", "zero_usage", "malformed", "late_usage", "late_usage;crlf", "crlf", "pieces=1", "pieces=7", "crlf;pieces=3",
    "error_event", "drip=40,1", "big=64", "tokens=400", "tokens=1", "blocked", "filtered", "no_usage;cut=400",
)  # fmt: skip
RARE_FAULTS = ("stall=0", "stall=200", "delay=4500", "first_byte_delay=4500")
"""They take as long as the gateway waits for a provider."""
SEARCHES = ("searches=0", "searches=2", "searches=3")
"""Of calls that are offered a search: how often it is used."""
PACED = "drip=100000,3"
"""One event at a time, some milliseconds apart: who leaves between two of them leaves in the middle."""
LEAVING = (Manners(0), Manners(1), Manners(200), Manners(900), Manners(4_000))
SLOW = Manners(pause_s=0.004)


@dataclass(frozen=True, slots=True)
class PlannedCall:
    """One call to make. `spared` says that its faults are for the first deployment alone."""

    number: int
    dialect: Dialect
    places: tuple[Place, ...]
    path: str
    headers: dict[str, str]
    body: bytes
    manners: Manners = POLITE
    fault: str = ""
    spared: bool = False
    is_stream: bool = False
    must_be_refused: bool = False

    @property
    def what(self) -> str:
        behind = " then ".join(f"{place.kind}/{place.model}" for place in self.places)
        return f"call {self.number} ({self.dialect} to {behind}, fault '{self.fault}')"


@dataclass(frozen=True, slots=True)
class Route:
    """A public name and what serves it."""

    name: str
    places: tuple[Place, ...]


@dataclass
class CallMaker:
    """Plans calls: the same seed gives the same calls."""

    seed: int
    key: str
    sweep_tokens: int = 12
    _random: random.Random = field(init=False)
    _numbers: Iterator[int] = field(init=False)
    routes: list[Route] = field(init=False)

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)
        self._numbers = itertools.count(1)
        self.routes = [
            Route(f"{first}-then-{second}", (self._place(first), self._place(second)))
            for first in KINDS
            for second in KINDS
        ]

    def plan(self) -> PlannedCall:
        """Return one call of the mix."""
        rng = self._random
        if rng.random() < 0.02:
            return self._wrong()
        dialect, kind = rng.choice(PAIRS)
        name, places = self._target(dialect, kind)
        talk = make_talk(rng, places, dialect)
        fault = self._fault()
        manners = POLITE
        if (chance := rng.random()) < 0.06:
            manners = rng.choice(LEAVING)
        elif chance < 0.09:
            manners = SLOW
        return self._make(dialect, name, talk, fault, manners)

    def sweep(self, dialect: Dialect, place: Place, events: int | None, *, calls_tool: bool) -> PlannedCall:
        """Return a stream of even pace that its client leaves after so many events; None: it stays, to count them."""
        talk = Talk("tell me", (place,), is_stream=True)
        if calls_tool:
            talk.has_tools, talk.choice = True, "any"
        fault = PACED if calls_tool else f"tokens={self.sweep_tokens};{PACED}"
        manners = POLITE if events is None else Manners(leave_after_events=events)
        return self._make(dialect, f"{place.kind}/{place.model}", talk, fault, manners)

    def _place(self, kind: Kind) -> Place:
        return Place(kind, self._random.choice(MODELS[kind]))

    def _target(self, dialect: Dialect, kind: Kind) -> tuple[str, tuple[Place, ...]]:
        """Return a public name and what is behind it: one deployment, or the two of a route that this kind is first in."""
        rng = self._random
        if rng.random() < 0.55:
            place = self._place(kind)
            return rng.choice((place.model, f"{kind}/{place.model}")), (place,)
        serving = {each for speaks, each in PAIRS if speaks == dialect}
        routes = [each for each in self.routes if each.places[0].kind == kind and each.places[1].kind in serving]
        route = rng.choice(routes)
        return route.name, route.places

    def _fault(self) -> str:
        chance = self._random.random()
        return (
            self._random.choice(RARE_FAULTS) if chance < 0.006 else self._random.choice(FAULTS) if chance < 0.45 else ""
        )

    def _make(self, dialect: Dialect, name: str, talk: Talk, fault: str, manners: Manners) -> PlannedCall:
        rng, number = self._random, next(self._numbers)
        spared = bool(fault) and len(talk.places) > 1 and rng.random() < 0.75
        if "late_usage" in fault and talk.cache_ttl:
            talk.cache_ttl = (
                "5m"  # Anthropic's first event alone tells lifetimes apart; who says it late leaves the usual one
            )
        if talk.has_search and rng.random() < 0.5:
            fault += f"{';' if fault else ''}{rng.choice(SEARCHES)}"
        meant_for = f";key={FIRST_KEY[-6:]}" if spared else ""
        talk.said += f" [[sim:label={number}{';' if fault else ''}{fault}{meant_for}]]"
        path, headers, body = write(dialect, talk, name, self.key, rng)
        headers |= {"content-type": "application/json", "x-tollkeeper-labels": f"number={number}"}
        encoded = json.dumps(body, ensure_ascii=rng.random() < 0.5).encode()
        return PlannedCall(
            number,
            dialect,
            talk.places,
            path,
            headers,
            encoded,
            manners,
            fault,
            spared,
            talk.is_stream,
        )

    def _wrong(self) -> PlannedCall:
        """Return a call that Tollkeeper itself turns down."""
        paths: dict[Dialect, str] = {
            "openai": "/v1/chat/completions",
            "anthropic": "/v1/messages",
            "gemini": "/v1beta/models/nobody:generateContent",
        }
        dialect = self._random.choice(tuple(paths))
        body = self._random.choice((b'{"model": "gpt-4o"', b"[]", b'{"model":"nobody","messages":[]}', b"\xff\xfe"))
        headers = {"authorization": f"Bearer {self.key}", "content-type": "application/json"}
        return PlannedCall(next(self._numbers), dialect, (), paths[dialect], headers, body, must_be_refused=True)
