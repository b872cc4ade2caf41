"""Every way in which a deployment fails here, and what the rule of failing over says of it (docs/decisions/0020).

Until its client has the first byte a call is served by another deployment, unless it was refused as its own fault. What
nobody bills is passed over; a try that was sent and broke may be billed, and has a usage record of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from tests.everycall.talks import Kind

Rule = Literal["served", "lost", "passed", "own_fault"]
RULES: dict[Rule, str] = {
    "served": "nobody bills it: another deployment serves it",
    "lost": "sent, and may be billed: another one serves it, the try has its own record",
    "passed": "a 200 of the provider, whatever is in it: passed on as it is",
    "own_fault": "refused as the call's own fault: it would be refused elsewhere",
}
Where = Literal["simulator", "bad", "refused", "tls", "blackhole", "at_once"]
_ACCOUNT_KINDS: tuple[Kind, ...] = ("anthropic", "gemini")
"""What they say with 400 may be about our account."""


@dataclass(frozen=True, slots=True)
class Failure:
    """One way to fail. `how` is the simulator's fault or the bad server's word; `breaks` says that a stream may have begun."""

    name: str
    where: Where
    rule: Rule
    how: str = ""
    is_slow: bool = False
    breaks: bool = False

    def rule_for(self, kind: Kind, *, is_translated: bool, is_stream: bool) -> Rule:
        """Return what becomes of a call, or of a stream that has not begun, at a provider of this kind."""
        if self.how == "error_event" and is_stream:
            return "lost"  # the provider said 200 before it, and bills what it had made
        if self.how == "status=400:quota" and kind in _ACCOUNT_KINDS:
            return "served"
        return "lost" if self.rule == "passed" and is_translated else self.rule


def _simulated(how: str, rule: Rule, *, is_slow: bool = False, breaks: bool = False) -> Failure:
    return Failure(how, "simulator", rule, how, is_slow, breaks)


def _bad(how: str, rule: Rule, *, is_slow: bool = False) -> Failure:
    return Failure(how.replace("_", " "), "bad", rule, how, is_slow)


FAILURES: tuple[Failure, ...] = (
    Failure("connection refused", "refused", "served"),
    Failure("no TLS", "tls", "served"),
    Failure("connection never made", "blackhole", "served", is_slow=True),
    Failure("closed when accepted", "at_once", "lost"),
    *(_simulated(f"status={status}", "served") for status in (401, 402, 403, 404, 408, 409, 500, 502, 503, 504, 529)),
    *(_simulated(f"status=429:{why}", "served") for why in ("rate", "tokens", "quota")),
    *(_simulated(f"status={status}", "own_fault") for status in ("400", "400:quota", "413", "422")),
    _simulated("error_event", "served", breaks=True),
    _simulated("delay=3500", "lost", is_slow=True),
    _simulated("first_byte_delay=3500", "lost", is_slow=True),
    *(
        _simulated(how, "lost", breaks=True)
        for how in ("cut=0", "cut=40", "cut=300", "reset=0", "reset=40", "reset=300")
    ),
    *(_simulated(how, "lost", is_slow=True, breaks=True) for how in ("stall=0", "stall=100")),
    _simulated("malformed", "passed", breaks=True),
    _bad("refuse_as_html", "served"),
    _bad("refuse_and_close", "served"),
    _bad("refuse_without_a_body", "served"),
    _bad("too_many_until_a_date", "served"),
    _bad("too_many_without_a_word", "served"),
    _bad("status_of_a_proxy", "served"),
    _bad("hang_up", "lost"),
    _bad("reset", "lost"),
    _bad("garbage", "lost"),
    _bad("truncated_head", "lost"),
    _bad("endless_head", "lost"),
    _bad("short_body", "lost"),
    _bad("silence", "lost", is_slow=True),
    _bad("redirect", "served"),
)
