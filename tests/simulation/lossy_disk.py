"""A machine's disk in the simulation: real files, of which a loss of power takes what nobody has synced, and which can fail."""

from __future__ import annotations

import errno
import os
import random
from pathlib import Path

from tollkeeper.journal.disk import OsDisk
from tollkeeper.journal.format import HEADER_BYTES


class LossyDisk(OsDisk):
    """Counts what is durable of each file. `fault` is the operation that fails next: write, short, sync_data, create."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._open: dict[int, Path] = {}
        self._durable: dict[Path, int] = {}  # bytes of each file that a loss of power leaves
        self._unnamed: list[Path] = []  # files whose name is not durable yet, in the order in which they were made
        self.fault, self.code = "", errno.EIO
        self.faults = 0
        self.free = 1 << 40

    def create(self, path: Path) -> int:
        self._fail("create")
        descriptor = super().create(path)
        self._open[descriptor] = path
        self._durable[path] = 0
        self._unnamed.append(path)
        return descriptor

    def write(self, descriptor: int, data: bytes, /) -> int:  # type: ignore[override]
        self._fail("write")
        if self.fault == "short":
            self.fault, self.faults = "", self.faults + 1
            return os.write(descriptor, data[: self._rng.randrange(len(data))])
        return os.write(descriptor, data)

    def sync_data(self, descriptor: int) -> None:
        path = self._open[descriptor]
        if not path.exists():
            return  # it was removed meanwhile: nobody will miss it
        if self.fault == "sync_data":
            os.truncate(path, self._torn(path))  # the kernel has dropped the pages that it could not write
        self._fail("sync_data")
        self._durable[path] = path.stat().st_size

    def sync_directory(self, path: Path) -> None:
        self._fail("sync_directory")
        self._unnamed = [each for each in self._unnamed if each.parent != path]

    def close(self, descriptor: int) -> None:
        del self._open[descriptor]
        super().close(descriptor)

    def remove(self, path: Path) -> None:
        super().remove(path)
        self._forget(path)
        self._unnamed = []  # a file system keeps the order of what it does to names

    def free_bytes(self, path: Path) -> int:
        return self.free

    def allocate(self, path: Path, size: int) -> None:
        raise AssertionError("the simulation keeps no reserve")

    def close_all_of(self, folder: Path) -> None:
        """The process that wrote in a folder is dead."""
        for descriptor, path in list(self._open.items()):
            if path.parent == folder:
                self.close(descriptor)

    def write_back(self) -> None:
        """The kernel writes some of its pages, as it does now and then."""
        for path in list(self._durable):
            if path.exists() and self._rng.random() < 0.7:
                self._durable[path] = self._torn(path)
        self._unnamed = self._unnamed[self._rng.randint(0, len(self._unnamed)) :]

    def write_back_all(self) -> None:
        """The kernel has written everything."""
        for path in list(self._durable):
            if path.exists():
                self._durable[path] = path.stat().st_size
        self._unnamed = []

    def lose_power(self) -> None:
        """Take what was not durable: the ends of files, torn anywhere, and the youngest files as a whole."""
        vanished = self._unnamed[self._rng.randint(0, len(self._unnamed)) :]
        for path, durable in list(self._durable.items()):
            if not path.exists():
                self._forget(path)
            elif path in vanished:
                path.unlink()
                self._forget(path)
            else:
                torn, size = self._torn(path), path.stat().st_size
                os.truncate(path, torn)
                if torn > max(durable, HEADER_BYTES) and self._rng.random() < 0.2:
                    os.truncate(path, size)  # blocks that were never written read as zeros
                self._durable[path] = path.stat().st_size
        self._unnamed = []

    def _torn(self, path: Path) -> int:
        """Return a length of which everything may be durable: never less than what was synced."""
        size = path.stat().st_size
        durable = min(self._durable.get(path, 0), size)
        return durable if self._rng.random() < 0.3 else self._rng.randint(durable, size)

    def _forget(self, path: Path) -> None:
        self._durable.pop(path, None)
        self._unnamed = [each for each in self._unnamed if each != path]

    def _fail(self, operation: str) -> None:
        if self.fault == operation:
            self.fault, self.faults = "", self.faults + 1
            raise OSError(self.code, os.strerror(self.code))
