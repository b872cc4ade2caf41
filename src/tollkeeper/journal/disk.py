"""Every system call that the journal makes to a disk, so that tests can put a failing one in its place."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Protocol

_sync_data = getattr(os, "fdatasync", os.fsync)  # macOS has only fsync


class Disk(Protocol):
    """What the journal asks of a disk. Everything raises OSError; nothing here is ever tried again."""

    def create(self, path: Path) -> int:
        """Make a file that was not there and return its descriptor, for appending."""
        ...

    def write(self, descriptor: int, data: bytes, /) -> int: ...

    def sync_data(self, descriptor: int) -> None: ...

    def sync_directory(self, path: Path) -> None:
        """Make the names in a directory durable."""
        ...

    def close(self, descriptor: int) -> None: ...

    def remove(self, path: Path) -> None: ...

    def append(self, path: Path, data: bytes) -> None:
        """Put data at the end of a file, made when it is not there, and make it durable."""
        ...

    def free_bytes(self, path: Path) -> int:
        """Return what an unprivileged process may still write to the file system of `path`."""
        ...

    def allocate(self, path: Path, size: int) -> None:
        """Make a file of `size` bytes that really takes that space."""
        ...


class OsDisk:
    """The real one."""

    def create(self, path: Path) -> int:
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)

    write = staticmethod(os.write)

    def sync_data(self, descriptor: int) -> None:
        _sync_data(descriptor)

    def sync_directory(self, path: Path) -> None:
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def close(self, descriptor: int) -> None:
        os.close(descriptor)

    def remove(self, path: Path) -> None:
        path.unlink(missing_ok=True)

    def append(self, path: Path, data: bytes) -> None:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            written = os.write(descriptor, data)
            if written != len(data):
                raise OSError(errno.EIO, f"only {written} of {len(data)} bytes were written")
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def free_bytes(self, path: Path) -> int:
        figures = os.statvfs(path)
        return figures.f_bavail * figures.f_frsize

    def allocate(self, path: Path, size: int) -> None:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
        try:
            if hasattr(os, "posix_fallocate"):
                os.posix_fallocate(descriptor, 0, size)
            else:
                os.ftruncate(descriptor, size)
        finally:
            os.close(descriptor)
