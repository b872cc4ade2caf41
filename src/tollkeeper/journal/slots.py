"""Slots: the folders of a journal directory, each owned by one living process through a file lock.

Workers and restarted processes share one directory. A process takes the first free slot; a slot whose owner is dead
can be locked by anybody, which is how its journal is found and replayed. The kernel drops the lock with the process.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from tollkeeper.kit.ids import random_base62

SUFFIX = ".journal"
DAMAGED_SUFFIX = ".damaged"
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


class Slot:
    """A slot that this process owns until `release`, or until it dies."""

    def __init__(self, path: Path, *, number: int, replica_id: str, lock: int) -> None:
        self.path = path
        self.number = number
        self.replica_id = replica_id
        self._lock = lock

    @property
    def name(self) -> str:
        """Names this writer to the store: few distinct ones ever, never two writers at once."""
        return f"{self.replica_id}-{self.number}"

    def segments(self) -> list[Path]:
        """Return the slot's segments, oldest first."""
        return [self.path / f"{number:08}{SUFFIX}" for number in sorted(self._numbers(f"*{SUFFIX}"))]

    def segment_path(self, number: int) -> Path:
        return self.path / f"{number:08}{SUFFIX}"

    def next_number(self) -> int:
        """Return a segment number that no file of this slot has had, those set aside as damaged included."""
        return max((*self._numbers(f"*{SUFFIX}"), *self._numbers(f"*{DAMAGED_SUFFIX}")), default=0) + 1

    def release(self) -> None:
        """Give the slot up; what is left in it will be replayed by whoever takes it next."""
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def _numbers(self, pattern: str) -> list[int]:
        return [int(path.name.split(".")[0]) for path in self.path.glob(pattern) if path.name.split(".")[0].isdigit()]


def claim(directory: Path, number: int) -> Slot | None:
    """Take one slot, made when it is not there; None when a living process has it."""
    path = directory / str(number)
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = os.open(path / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        return None
    return Slot(path, number=number, replica_id=_replica_id(directory), lock=lock)


def claim_first_free(directory: Path) -> Slot:
    """Take the first slot that nobody owns."""
    number = 0
    while (slot := claim(directory, number)) is None:
        number += 1
    return slot


def claim_abandoned(directory: Path) -> Iterator[Slot]:
    """Take, one after the other, the existing slots that nobody owns; the receiver releases each."""
    if not directory.is_dir():
        return
    for number in sorted(int(path.name) for path in directory.iterdir() if path.name.isdigit()):
        slot = claim(directory, number)
        if slot is not None:
            yield slot


def boot_id() -> str:
    """Return what the kernel calls this run of the machine; empty where it does not say."""
    return _BOOT_ID.read_text().strip() if _BOOT_ID.exists() else ""


def _replica_id(directory: Path) -> str:
    """Read the directory's own name, made once by whoever comes first: a link appears whole or not at all."""
    path = directory / "replica"
    if not path.exists():
        draft = directory / f"replica.{os.getpid()}"
        draft.write_text(random_base62(8))
        try:
            os.link(draft, path)
        except FileExistsError:
            pass
        finally:
            draft.unlink(missing_ok=True)
    return path.read_text()
