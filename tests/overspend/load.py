"""Clients that go on calling after they were refused, what they were told, and whether refusals say what they must."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from tests.live.raw_http import RawConnection, Reply
from tests.overspend.calls import PATH, CallMaker
from tests.overspend.places import Places

from tollkeeper.kit.clock import monotonic_s

USD = 1_000_000_000
IDLE_S = 10.0
_FAULTS_KEPT = 20
_FIELDS = ("message", "scope", "scope_id", "period", "reset_date", "request_id")


@dataclass(slots=True)
class Tally:
    """What clients saw. `told` counts by status and code; `longest_s` is the longest wait for an answer by status."""

    attempts: int = 0
    told: Counter[str] = field(default_factory=Counter)
    refused_by: Counter[str] = field(default_factory=Counter)  # whose budget it was
    complete: int = 0
    left: int = 0
    broken: int = 0  # the connection ended before the answer did, or there was none
    longest_s: dict[str, float] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)

    @property
    def admitted(self) -> int:
        return self.told["200"]

    def rows(self) -> list[tuple[str, str]]:
        refusals = [(f"  answered {name}", f"{count:,}") for name, count in sorted(self.told.items())]
        refusers = ", ".join(f"{name} {count:,}" for name, count in self.refused_by.most_common())
        return [
            ("attempts", f"{self.attempts:,}"),
            *refusals,
            ("  left by their client", f"{self.left:,}"),
            ("  broken off", f"{self.broken:,}"),
            ("  refused by", refusers or "-"),
            ("  longest answer", ", ".join(f"{name} {s:.1f} s" for name, s in sorted(self.longest_s.items()))),
        ]


class Load:
    """`clients` on each port, each with one of the keys, until the attempts are used up, nothing changes, or `stop`.

    A client that was refused waits for a moment of `pause_s` and tries another call; one that was let in thinks for
    `think_s` on average.
    """

    def __init__(
        self,
        places: Places,
        ports: Sequence[int],
        *,
        clients: int,
        seed: int,
        attempts: int,
        pause_s: tuple[float, float] = (0.05, 0.4),
        think_s: float = 0.0,
        is_endless: bool = False,
    ) -> None:
        self._places, self._ports, self._clients, self._attempts = places, ports, clients, attempts
        self._maker, self._random = CallMaker(seed), random.Random(seed + 1)
        self._pause_s, self._think_s, self._is_endless = pause_s, think_s, is_endless
        self._limits = places.scope_limits()
        self._names = {(node.scope_id, node.unit): node.name for node in places.nodes}
        self.admitted_at_s = self.admitted_sent_at_s = 0.0  # when the last one that was let in ended; was sent
        self._is_over = False
        self.tally = Tally()

    def stop(self) -> None:
        self._is_over = True

    async def run(self) -> Tally:
        self.admitted_at_s = monotonic_s()
        numbered = [
            (port, place * self._clients + each)
            for place, port in enumerate(self._ports)
            for each in range(self._clients)
        ]
        await asyncio.gather(*(self._client(port, number) for port, number in numbered))
        return self.tally

    async def _client(self, port: int, number: int) -> None:
        rng, tally = self._random, self.tally
        key = number % len(self._places.keys)
        connection = RawConnection(port)
        await asyncio.sleep(rng.uniform(0, self._think_s))
        while not self._is_done():
            tally.attempts += 1
            call = self._maker.plan(key)
            began_s = monotonic_s()
            reply = await connection.post(PATH, call.body, key=self._places.keys[key], leave_after=call.leave_after)
            ended_s = monotonic_s()
            if reply.status == 200:
                self.admitted_at_s = ended_s
                self.admitted_sent_at_s = max(self.admitted_sent_at_s, began_s)
            self._note(reply, ended_s - began_s)
            is_in = reply.status == 200 or reply.did_leave
            await asyncio.sleep(
                rng.expovariate(1 / self._think_s)
                if is_in and self._think_s
                else 0
                if is_in
                else rng.uniform(*self._pause_s)
            )
        connection.drop()

    def _is_done(self) -> bool:
        if self._is_over or self.tally.attempts >= self._attempts:
            return True
        return not self._is_endless and monotonic_s() - self.admitted_at_s > IDLE_S

    def _note(self, reply: Reply, took_s: float) -> None:
        tally = self.tally
        tally.left += reply.did_leave
        if reply.status == 0:
            if not reply.did_leave:
                tally.broken += 1
                tally.attempts -= 1  # nobody was there to refuse it
            return
        name = str(reply.status)
        if reply.status != 200:
            error = _error_of(reply)
            name += f" {error.get('code')}"
            if reply.status == 429:
                tally.refused_by[self._names.get((str(error.get("scope_id")), str(error.get("unit", "usd"))), "?")] += 1
            if len(tally.wrong) < _FAULTS_KEPT:
                tally.wrong += self._faults(reply, error)
        elif reply.is_complete:
            tally.complete += 1
        elif not reply.did_leave:
            tally.broken += 1
        tally.told[name] += 1
        tally.longest_s[name] = max(tally.longest_s.get(name, 0.0), took_s)

    def _faults(self, reply: Reply, error: dict[str, object]) -> list[str]:
        """Return what a refusal lacks of what the contract says."""
        if reply.status == 503:
            is_right = error.get("code") == "limits_unavailable" and error.get("type") == "upstream_error"
            return [] if is_right else [f"503 {reply.body[:300]!r}"]
        if reply.status != 429:
            return [f"{reply.status} {reply.body[:300]!r}"]
        unit = error.get("unit", "usd")
        suffix = "_usd" if unit == "usd" else ""
        names = (*_FIELDS, f"current_usage{suffix}", f"reserved{suffix}", f"limit{suffix}")
        found = [f"429 without {name}: {reply.body[:300]!r}" for name in names if error.get(name) is None]
        if found:
            return found
        limit = self._limits.get((str(error["scope_id"]), str(unit)))
        stated = error[f"limit{suffix}"]
        assert isinstance(stated, int | float)
        if error["type"] != "quota_exceeded" or error["code"] != "insufficient_quota":
            found.append(f"429 of another kind: {reply.body[:300]!r}")
        if limit is None or abs(stated - (limit / USD if suffix else limit)) > 1e-9:
            found.append(f"429 states {stated} where the limit is {limit}")
        if reply.headers.get("x-should-retry") != "false" or "retry-after" in reply.headers:
            found.append(f"429 asks to be tried again: {reply.headers}")
        return found


def _error_of(reply: Reply) -> dict[str, object]:
    try:
        error = reply.json()["error"]
    except (ValueError, KeyError, TypeError):
        return {}
    return error if isinstance(error, dict) else {}
