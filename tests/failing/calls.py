"""The calls of a failing deployment beside a healthy one: which fails, how, and in which place of its route; seeded.

Each way to fail has providers of its own in each kind, since one that fails again and again is left alone for a while.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterable
from dataclasses import dataclass

from tests.everycall.bodies import write
from tests.everycall.calls import FIRST_KEY, KINDS, PAIRS, SPARE
from tests.everycall.talks import Dialect, Kind, Place, Talk, said
from tests.failing.bad_server import BadServer
from tests.failing.failures import FAILURES, Failure, Rule, Where

MODEL: dict[Kind, str] = {
    "openai": "gpt-4o-mini",
    "anthropic": "claude-haiku-4-5",
    "gemini": "gemini-2.5-flash",
    "deepseek": "deepseek-flash",
    "xai": "grok-4.3",
}
_KEY = "KEY"
"""In the headers of a plan, until the real one is known."""
_CALLS_PER_COPY = 2_000


@dataclass(frozen=True, slots=True)
class PlannedCall:
    """One call. `is_first` says that the failing deployment is the first of its route."""

    number: int
    dialect: Dialect
    failing: Kind
    healthy: Kind
    failure: Failure
    is_first: bool
    is_stream: bool
    copy: int
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def rule(self) -> Rule:
        """What becomes of it when it meets the failing deployment and its client has seen nothing yet."""
        passes = self.dialect == _dialect_of(self.failing)
        return self.failure.rule_for(self.failing, is_translated=not passes, is_stream=self.is_stream)

    @property
    def failing_provider(self) -> str:
        return _provider_name(self.failure, self.failing, self.copy)

    @property
    def route(self) -> tuple[str, ...]:
        """The name of its route, and the providers behind it."""
        name = _route_name(self.failing_provider, self.healthy, is_first=self.is_first)
        providers = (self.failing_provider, f"{self.healthy}{SPARE}")
        return (name, *(providers if self.is_first else reversed(providers)))

    @property
    def what(self) -> str:
        place, kind = "first" if self.is_first else "second", "stream" if self.is_stream else "call"
        return (
            f"{kind} {self.number} ({self.dialect}; {self.failing} fails in the {place} place, beside {self.healthy}: "
            f"'{self.failure.name}')"
        )

    def headers_with(self, key: str) -> dict[str, str]:
        return {name: value.replace(_KEY, key) for name, value in self.headers.items()}


def plan_calls(count: int, seed: int) -> list[PlannedCall]:
    """Plan calls: first every way to fail once, whole and streamed, then at random; those that take long seldom."""
    rng = random.Random(seed)
    every = [(failure, is_stream) for failure in FAILURES for is_stream in (False, True)]
    quick = [each for each in every if not each[0].is_slow]
    chosen = [*every, *(rng.choice(every if rng.random() < 0.1 else quick) for _ in range(count))][:count]
    copies = -(-count // _CALLS_PER_COPY)
    return [
        _plan(
            number,
            failure,
            rng,
            is_stream=is_stream,
            is_first=number <= len(every) or rng.random() < 0.85,
            copy=rng.randrange(copies),
        )
        for number, (failure, is_stream) in enumerate(chosen, 1)
    ]


def _plan(
    number: int, failure: Failure, rng: random.Random, *, is_stream: bool, is_first: bool, copy: int
) -> PlannedCall:
    dialect, failing = rng.choice(PAIRS)
    healthy = rng.choice([kind for speaks, kind in PAIRS if speaks == dialect])
    places = tuple(Place(kind, MODEL[kind]) for kind in (failing, healthy))
    fault = f";{failure.how};key={FIRST_KEY[-6:]}" if failure.where == "simulator" else ""
    marker = f"[[sim:label={number};tokens=8{fault}]]"
    if failure.where == "bad":
        marker += f" [[bad:{failure.how}]]"
    talk = Talk(f"{said(rng)} {marker}", places, output_tokens=500, is_stream=is_stream)
    name = _route_name(_provider_name(failure, failing, copy), healthy, is_first=is_first)
    path, headers, body = write(dialect, talk, name, _KEY, rng)
    headers |= {"content-type": "application/json", "x-tollkeeper-labels": f"number={number}"}
    return PlannedCall(
        number, dialect, failing, healthy, failure, is_first, is_stream, copy, path, headers, json.dumps(body).encode()
    )


def configuration(plans: Iterable[PlannedCall], origin: str, bad: BadServer) -> str:
    """Return the providers, healthy and failing, and the routes of the calls."""
    ports: dict[Where, str] = {
        "simulator": origin,
        "bad": f"http://127.0.0.1:{bad.port}",
        "refused": f"http://127.0.0.1:{bad.closed_port}",
        "tls": origin.replace("http://", "https://"),
        "blackhole": f"http://127.0.0.1:{bad.blackhole_port}",
        "at_once": f"http://127.0.0.1:{bad.at_once_port}",
    }
    plans = list(plans)
    kinds = {kind: _provider(f"{kind}{SPARE}", kind, origin, "SECOND_KEY") for kind in KINDS}
    failing = {
        plan.failing_provider: _provider(plan.failing_provider, plan.failing, ports[plan.failure.where], "FIRST_KEY")
        for plan in plans
    }
    models = {plan.failing_provider: MODEL[plan.failing] for plan in plans} | {
        f"{kind}{SPARE}": model for kind, model in MODEL.items()
    }
    routes = {plan.route[0]: _route(plan.route, models) for plan in plans}
    return "".join([*kinds.values(), *failing.values(), *routes.values()])


def _dialect_of(kind: Kind) -> Dialect:
    return kind if kind == "anthropic" or kind == "gemini" else "openai"


def _provider_name(failure: Failure, kind: Kind, copy: int) -> str:
    return f"failing-{FAILURES.index(failure)}-{kind}-{copy}"


def _route_name(failing_provider: str, healthy: Kind, *, is_first: bool) -> str:
    return f"{failing_provider}-{'then' if is_first else 'after'}-{healthy}"


def _provider(name: str, kind: Kind, origin: str, variable: str) -> str:
    version = "/v1beta" if kind == "gemini" else "/v1"
    place = f'base_url = "{origin}{version}"\napi_key_env = "{variable}"\n'
    return f'[[providers]]\nname = "{name}"\nkind = "{kind}"\n{place}'


def _route(route: tuple[str, ...], models: dict[str, str]) -> str:
    name, *providers = route
    listed = ", ".join(f'{{ provider = "{each}", model = "{models[each]}" }}' for each in providers)
    return f'[[models]]\nname = "{name}"\ndeployments = [{listed}]\n'
