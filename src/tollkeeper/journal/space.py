"""Room on the disk: when to stop admitting calls, and when to give the reserve file back for settlements."""

from __future__ import annotations

import errno
import logging
from pathlib import Path

from tollkeeper.journal.disk import Disk

_log = logging.getLogger(__name__)
_UNSUPPORTED = (errno.EOPNOTSUPP, errno.EINVAL)


class SpaceGuard:
    """Looks at the free space when asked, a few times a second.

    Below `free_min` bytes no new call is admitted; the calls under way still need their settlements. Below the size
    of the reserve file that file goes, so that there is room for them. It comes back once there is plenty.
    """

    def __init__(self, disk: Disk, folder: Path, *, free_min: int, reserve: int) -> None:
        self._disk = disk
        self._folder = folder
        self._file = folder / "reserve"
        self._free_min = free_min
        self._reserve = reserve
        self._is_held = False
        self._is_low = False

    def refusal(self) -> str | None:
        """Return why no call may be admitted, or None; keeps the reserve file as it should be.

        Raises:
            OSError: the disk cannot even be asked.
        """
        free = self._disk.free_bytes(self._folder)
        if free < self._reserve and self._is_held:
            self.give_back()
        elif free >= self._free_min + self._reserve and not self._is_held:
            self._hold()
        was_low, self._is_low = self._is_low, free < self._free_min
        if self._is_low != was_low:
            state = "low: calls are refused" if self._is_low else "enough again: calls are admitted"
            _log.warning("space on the journal's disk is %s (%d MiB free)", state, free >> 20)
        if self._is_low:
            return f"The journal's disk has only {free >> 20} MiB free; {self._free_min >> 20} MiB are needed."
        return None

    def give_back(self) -> None:
        """Delete the reserve file."""
        self._disk.remove(self._file)
        self._is_held = False

    def _hold(self) -> None:
        self._is_held = True
        if self._reserve == 0:
            return
        try:
            self._disk.allocate(self._file, self._reserve)
        except OSError as error:
            if error.errno not in _UNSUPPORTED:
                raise
            _log.warning("the journal's file system cannot set space aside; keep it from filling up")
