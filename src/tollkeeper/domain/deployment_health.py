"""The health of a deployment: when it is left alone after failures, for how long, and who may try it first afterwards.

Being left alone never refuses a call: it only puts the others first. All times are microseconds, of any one clock.
"""

from __future__ import annotations

import msgspec

FAILURES_MAX = 3
"""So many failures in a row, and a deployment is left alone: one or two happen everywhere."""
REST_US, REST_US_MAX = 5_000_000, 60_000_000
"""For how long at first; each time that it fails right afterwards doubles it."""
BUSY_US = 1_000_000
"""After a refusal for its rate that does not say for how long."""
STATED_US_MAX = 600_000_000
"""What a provider says about its return is believed for so long: limits of a day may be raised meanwhile."""
REFUSED_US = 30_000_000
"""After our key was refused, or the account has no credit."""
_BUSY = frozenset({429, 529})
_NO_SIGN_OF_ILLNESS = frozenset({403, 404, 409})  # of what the call says, of the model's name, or of this one call
_OF_THE_CALL = frozenset({"too_large"})
KEY_REFUSED = frozenset({401, 402})


class Failure(msgspec.Struct, frozen=True, gc=False):
    """A try that a deployment did not serve. `status` is 0 when no answer came; `wait_us` is what the provider asked for."""

    status: int
    reason: str = ""
    wait_us: int | None = None

    @property
    def is_illness(self) -> bool:
        """Whether it says anything about how the deployment is."""
        return self.status not in _NO_SIGN_OF_ILLNESS and self.reason not in _OF_THE_CALL


class HealthReport(msgspec.Struct, frozen=True):
    """What a replica tells of a deployment. Times are microseconds since 1970; counts are since the replica's start."""

    credential_id: str
    provider: str
    model: str
    served: int
    failures: int
    rests_until_us: int = 0
    failed_at_us: int = 0
    last_status: int = 0
    last_reason: str = ""
    holder: str = ""
    told_at_us: int = 0


class DeploymentHealth:
    """What happened at one deployment, and until when it is left alone for it."""

    __slots__ = (
        "failed_at_us",
        "failures",
        "failures_in_a_row",
        "is_probed",
        "last_failure",
        "rests_until_us",
        "served",
    )

    def __init__(self) -> None:
        self.served = self.failures = self.failures_in_a_row = 0
        self.rests_until_us = self.failed_at_us = 0
        self.last_failure: Failure | None = None
        self.is_probed = False

    def may_serve(self, now_us: int) -> bool:
        """Tell whether a call may go there now. After a rest one goes first, and the others wait for what comes of it."""
        if not self.rests_until_us:
            return True
        return now_us >= self.rests_until_us and not self.is_probed

    def begin(self, now_us: int) -> None:
        """Note that a call goes there."""
        if self.rests_until_us and now_us >= self.rests_until_us:
            self.is_probed = True

    def serve(self, now_us: int) -> None:
        """Note that a call was served, or refused for what it is itself; one that was under way before ends no rest."""
        self.served += 1
        if now_us >= self.rests_until_us:
            self.failures_in_a_row = self.rests_until_us = 0
            self.is_probed = False

    def fail(self, failure: Failure, now_us: int) -> None:
        """Note that a call was not served."""
        self.is_probed = False
        if not failure.is_illness:
            return
        self.failures += 1
        self.failures_in_a_row += 1
        self.last_failure, self.failed_at_us = failure, now_us
        rest_us = self._rest_us(failure)
        if rest_us:
            self.rests_until_us = max(self.rests_until_us, now_us + rest_us)

    def leave_alone(self, until_us: int, failure: Failure) -> None:
        """Go by what another replica was told."""
        if until_us > self.rests_until_us:
            self.rests_until_us, self.last_failure, self.is_probed = until_us, failure, False

    def _rest_us(self, failure: Failure) -> int:
        if failure.wait_us is not None:
            return min(failure.wait_us, STATED_US_MAX)
        if failure.status in KEY_REFUSED:
            return REFUSED_US
        row = self.failures_in_a_row
        if failure.status in _BUSY:
            return min(BUSY_US << min(row - 1, 10), REST_US_MAX)
        if row < FAILURES_MAX:
            return 0
        return min(REST_US << min(row - FAILURES_MAX, 10), REST_US_MAX)
