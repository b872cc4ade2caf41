"""What a slot remembers durably beside its segments: in which runs of the machine it was written, and that it is broken.

The segments cannot say it alone: a loss of power can take one that was never synced, and with it the only trace that there
was one; and a broken one is put away before the store is told.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from tollkeeper.journal.disk import Disk, OsDisk

NAME = "marks"
_BOOT = "boot "
_BROKEN = "broken"


class Marks(msgspec.Struct, frozen=True):
    """`boots` are what the kernel called the runs of the machine; `is_broken` says that records are missing."""

    boots: frozenset[str] = frozenset()
    is_broken: bool = False


def read_marks(folder: Path) -> Marks:
    """Read a slot's marks; a line that has no end was never relied on."""
    path = folder / NAME
    if not path.exists():
        return Marks()
    lines = path.read_text(encoding="utf-8", errors="replace").split("\n")[:-1]
    boots = frozenset(line.removeprefix(_BOOT) for line in lines if line.startswith(_BOOT))
    return Marks(boots, _BROKEN in lines)


def mark_boot(folder: Path, boot: str, *, disk: Disk) -> None:
    """Note that the slot is written in this run of the machine, before it is."""
    if boot not in read_marks(folder).boots:
        _add(folder, _BOOT + boot, disk)


def mark_broken(folder: Path, *, disk: Disk | None = None) -> None:
    """Note that not everything in this slot reached the store."""
    if not read_marks(folder).is_broken:
        _add(folder, _BROKEN, disk or OsDisk())


def forget_marks(folder: Path, *, disk: Disk | None = None) -> None:
    """Forget them: the store knows what became of everything that was written here."""
    (disk or OsDisk()).remove(folder / NAME)


def _add(folder: Path, line: str, disk: Disk) -> None:
    disk.append(folder / NAME, f"{line}\n".encode())
    disk.sync_directory(folder)
