"""How often something may be tried: by one e-mail address, and from one network address.

What is counted is in this process's memory, so that with several workers or replicas each allows as many. It is bounded:
beyond KEYS_MAX the counter that was asked about longest ago is forgotten. A person is never locked out for longer than
one `every_s` passes.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable
from ipaddress import IPv6Address, IPv6Network

from tollkeeper.domain.errors import TooManyAttempts
from tollkeeper.kit.clock import monotonic_s
from tollkeeper.kit.networks import parse_address

KEYS_MAX = 20_000
_HOME_PREFIX = 64
"""What one household or machine gets of IPv6: a limit per single address would be none (RFC 6177,
https://www.rfc-editor.org/rfc/rfc6177, 2026-11-22)."""


class Attempts:
    """A bucket per key: `at_once` tries, and another one each `every_s`."""

    def __init__(
        self, *, at_once: int, every_s: float, keys_max: int = KEYS_MAX, clock_s: Callable[[], float] = monotonic_s
    ) -> None:
        self._at_once, self._every_s, self._keys_max, self._clock_s = at_once, every_s, keys_max, clock_s
        self._empty_until_s: OrderedDict[str, float] = OrderedDict()  # when the bucket will be full again

    def take(self, key: str) -> None:
        """Count a try before it is made, so that many at the same time count as many.

        Raises:
            TooManyAttempts: with `retry_after_seconds`; this try is not counted.
        """
        now_s = self._clock_s()
        full_at_s = max(self._empty_until_s.pop(key, now_s), now_s)
        wait_s = full_at_s - now_s - (self._at_once - 1) * self._every_s
        if wait_s > 0:
            self._empty_until_s[key] = full_at_s
            seconds = math.ceil(wait_s)
            message = f"Too many attempts; try again in {seconds} seconds."
            raise TooManyAttempts(message, retry_after_seconds=seconds)
        self._empty_until_s[key] = full_at_s + self._every_s
        if len(self._empty_until_s) > self._keys_max:
            self._empty_until_s.popitem(last=False)

    def give_back(self, key: str) -> None:
        """Count the last try as none: it was a good one."""
        full_at_s = self._empty_until_s.get(key)
        if full_at_s is not None:
            self._empty_until_s[key] = full_at_s - self._every_s


def place_of(address: str) -> str:
    """Return what tries from an address are counted by: the address, or the network of an IPv6 address."""
    try:
        parsed = parse_address(address)
    except ValueError:
        return address
    if isinstance(parsed, IPv6Address):
        return str(IPv6Network((parsed, _HOME_PREFIX), strict=False))
    return str(parsed)
