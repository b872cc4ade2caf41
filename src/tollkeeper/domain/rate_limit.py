"""Limits of rate: the rules, the bucket that holds calls to one of them exactly, and the tokens that a call counts for at first."""

from __future__ import annotations

from typing import Literal

import msgspec

RateScope = Literal["organization", "team", "project", "member", "api_key"]
RateUnit = Literal["requests", "tokens"]
RATE_UNITS: tuple[RateUnit, ...] = ("requests", "tokens")
RATE_MAX = 1_000_000_000
"""The largest limit per minute: an hour of it, in the units of the database, is within 64 bits."""

NS_PER_MINUTE = 60_000_000_000
PER_MINUTE = 1000
"""A bucket's `rate` is in thousandths per minute, so that parts of a small limit are not rounded away."""
ONE = NS_PER_MINUTE * PER_MINUTE
"""One request or token as a bucket counts: what flows out in a nanosecond is then `rate`, a whole number."""

BYTES_PER_TOKEN = 4
INPUT_TOKENS_MAX = 128_000
OUTPUT_TOKENS_USUAL = 500


class RateRule(msgspec.Struct, frozen=True):
    """How fast the calls of a scope may come, of one model or of all together (`model` is ""); None is no limit.

    `id` is the rule's, or the key's for the limits in the key's own terms.
    """

    id: str
    scope_kind: RateScope
    scope_id: str
    scope_name: str
    model: str = ""
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None

    def limit(self, unit: RateUnit) -> int | None:
        """Return its limit of a unit."""
        return self.requests_per_minute if unit == "requests" else self.tokens_per_minute


class RateLimitRow(msgspec.Struct, frozen=True):
    """A rule as it is administered. There is one for a scope and a model; at least one of its limits is set.

    `is_from_tier`: the organization's tier wrote it, and no person since.
    """

    organization_id: str
    id: str
    scope_kind: RateScope
    scope_id: str
    model: str
    requests_per_minute: int | None
    tokens_per_minute: int | None
    created_at_us: int = 0
    updated_at_us: int = 0
    is_from_tier: bool = False


class Bucket:
    """The generic cell rate algorithm in whole numbers: exact for every limit, without a rounded interval.

    It is the continuous-state form (ITU-T I.371 annex A has both forms and says that they decide the same): where the
    other one keeps the theoretical arrival time, this keeps by how much that lies ahead, so that the rate may change
    without a debt being forgotten. A call goes when what it counts for fits above `level`; `level` flows out at `rate`.

    With `burst` a minute's worth, N in a minute let at most N go at once, and at most N + N·t/60 in any t seconds. One
    call that counts for more than the whole burst goes when the bucket is empty, and those after it wait the longer.
    """

    __slots__ = ("at_ns", "burst", "level", "rate")

    def __init__(self, rate: int, now_ns: int) -> None:
        self.rate = rate
        self.burst = rate * NS_PER_MINUTE
        self.level = 0
        self.at_ns = now_ns

    def drain(self, now_ns: int) -> int:
        """Let flow out what has by now, and return the level. A clock that was set back stops it for no longer than that."""
        elapsed_ns = now_ns - self.at_ns
        self.at_ns = now_ns
        if elapsed_ns > 0 and self.level:
            flown = elapsed_ns * self.rate
            self.level = self.level - flown if self.level > flown else 0
        return self.level

    def take(self, now_ns: int, amount: int) -> int:
        """Count a call and return 0 when it may go; else return how many nanoseconds it must wait.

        `amount` is what it counts for, times `ONE`. This is on the path of every call: one function, few steps.
        """
        level = self.level
        elapsed_ns = now_ns - self.at_ns
        self.at_ns = now_ns
        if level and elapsed_ns > 0:
            flown = elapsed_ns * self.rate
            level = level - flown if level > flown else 0
        if level + amount <= self.burst or not level:
            self.level = level + amount
            return 0
        self.level = level
        return -(-(level - max(self.burst - amount, 0)) // self.rate)

    def add(self, now_ns: int, amount: int) -> None:
        """Count so much (times `ONE`) more for a call that went; a debt delays the calls that come."""
        self.level = self.drain(now_ns) + amount

    def give_back(self, amount: int) -> None:
        """Count so much (times `ONE`) less for a call that went, but never below nothing. It needs no clock: what flowed
        out since the bucket was looked at comes to the same before and after.
        """
        self.level = self.level - amount if self.level > amount else 0

    @property
    def remaining(self) -> int:
        """For how much a call may count that goes at once; as of the last time that the bucket was looked at."""
        return max((self.burst - self.level) // ONE, 0)

    @property
    def empty_in_ns(self) -> int:
        """When the whole burst is there again, if nothing comes."""
        return -(-self.level // self.rate)


def estimate_tokens(body_bytes: int, output_tokens_max: int | None = None) -> int:
    """Return for how many tokens a call counts until its usage is known.

    A rate is no budget: what is counted too much delays others for nothing, what is counted too little is made up for
    when the call ends. So this is no upper bound but a guess near the usual: four bytes of the body to a token, and of
    the output no more than most answers have, however much the call may produce (agents set limits that they never
    reach). A body beyond 512 KB is mostly pictures or sound, which count for little.
    """
    input_tokens = min(-(-body_bytes // BYTES_PER_TOKEN), INPUT_TOKENS_MAX)
    if output_tokens_max is None or output_tokens_max > OUTPUT_TOKENS_USUAL:
        return input_tokens + OUTPUT_TOKENS_USUAL
    return input_tokens + max(output_tokens_max, 0)


def shown_duration(ns: int) -> str:
    """Show a time as Go does, rounded up to the millisecond: 0s, 12ms, 1.5s, 1m3s, 1h0m0s.

    It is how OpenAI writes x-ratelimit-reset-* (https://platform.openai.com/docs/guides/rate-limits, 2026-11).
    """
    ms = -(-ns // 1_000_000)
    if ms < 1000:
        return f"{ms}ms" if ms else "0s"
    minutes, ms = divmod(ms, 60_000)
    seconds, rest = divmod(ms, 1000)
    text = f"{seconds}.{rest:03}".rstrip("0") + "s" if rest else f"{seconds}s"
    if not minutes:
        return text
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h{minutes}m{text}" if hours else f"{minutes}m{text}"
