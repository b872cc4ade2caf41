"""Unit vectors that depend on nothing but their seed: what an embedding route answers with."""

from __future__ import annotations

import math
from array import array
from functools import lru_cache


@lru_cache(maxsize=1_024)
def vector(seed: int, size: int) -> array[float]:
    """Return a vector of length 1."""
    # Two words of a linear congruence are plenty: nobody measures distances between simulated vectors.
    numbers = array("f", bytes(4 * size))
    state = seed | 1
    for place in range(size):
        state = (state * 6_364_136_223_846_793_005 + 1_442_695_040_888_963_407) & 0xFFFF_FFFF_FFFF_FFFF
        numbers[place] = (state >> 40) / (1 << 24) - 0.5
    length = math.sqrt(sum(each * each for each in numbers)) or 1.0
    return array("f", (each / length for each in numbers))
