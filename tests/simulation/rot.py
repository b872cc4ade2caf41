"""Damages one byte of a dead process's journal, so that replay can see it: not in its last frame."""

from __future__ import annotations

import random
from pathlib import Path

from tollkeeper.journal.format import FRAME_HEAD_BYTES, HEADER_BYTES, SegmentReader


def rot(folder: Path, rng: random.Random) -> bool:
    """Flip one bit in a frame behind which another stands; False when there is none."""
    for path in sorted(folder.glob("*.journal")):
        data = bytearray(path.read_bytes())
        ends = []
        at = HEADER_BYTES
        for frame in SegmentReader(bytes(data)):
            at += FRAME_HEAD_BYTES + len(frame.payload)
            ends.append(at)
        if len(ends) < 2:
            continue
        place = rng.randrange(HEADER_BYTES, ends[-2])
        data[place] ^= 1 << rng.randrange(8)
        path.write_bytes(bytes(data))
        return True
    return False
