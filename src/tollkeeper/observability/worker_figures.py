"""How the workers of one `tollkeeper serve` answer for each other: each leaves its figures in a file, all read all.

A worker has a number for as long as it lives, by a file lock that the kernel drops with it; its successor gets the same
one. So the label `worker` has few values ever, and figures of a dead worker are not read (decision 0026).
"""

from __future__ import annotations

import asyncio
import fcntl
import logging
import os
from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec

from tollkeeper.kit.tasks import TaskGroup
from tollkeeper.observability.figures import Figures

INTERVAL_S = 5.0
"""How old another worker's figures are at most."""
WORKERS_MAX = 256
_log = logging.getLogger(__name__)
_encode = msgspec.msgpack.Encoder().encode
_decoder = msgspec.msgpack.Decoder(Figures)


class WorkerFigures:
    """A worker's place among the workers of one folder. `start` begins to publish, `aclose` ends it.

    Raises:
        OSError: the folder cannot be written.
    """

    def __init__(
        self, folder: Path, collect: Callable[[], Awaitable[Figures]], *, interval_s: float = INTERVAL_S
    ) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._folder, self._collect, self._interval_s = folder, collect, interval_s
        self._lock, self.name = _claim(folder)
        self._tasks = TaskGroup()

    def start(self) -> None:
        """Begin to publish."""
        self._tasks.start(self._publish_forever(), "figures for the other workers")

    async def collect_all(self) -> dict[str, Figures]:
        """Return this worker's figures as they are now, and those that the living others published last."""
        own = await self._collect()
        found = await asyncio.to_thread(self._read_others)
        return dict(sorted({**found, self.name: own}.items(), key=lambda item: int(item[0])))

    async def publish(self) -> None:
        """Leave this worker's figures for the others.

        Raises:
            OSError: the folder cannot be written.
        """
        encoded = _encode(await self._collect())
        await asyncio.to_thread(self._write, encoded)

    async def aclose(self) -> None:
        """Stop publishing, and leave nothing behind."""
        await self._tasks.cancel()
        self._file(self.name).unlink(missing_ok=True)
        os.close(self._lock)

    async def _publish_forever(self) -> None:
        has_failed = False
        while True:
            try:
                await self.publish()
                has_failed = False
            except OSError as error:
                if not has_failed:
                    _log.warning(
                        "the other workers cannot show this one's figures: %s: %s", self._folder, error.strerror
                    )
                has_failed = True
            await asyncio.sleep(self._interval_s)

    def _write(self, encoded: bytes) -> None:
        draft = self._folder / f"{self.name}.draft"
        draft.write_bytes(encoded)
        draft.replace(self._file(self.name))

    def _read_others(self) -> dict[str, Figures]:
        found: dict[str, Figures] = {}
        for path in self._folder.glob("*.figures"):
            if path.stem != self.name and path.stem.isdecimal() and _is_alive(self._folder, path.stem):
                try:
                    found[path.stem] = _decoder.decode(path.read_bytes())
                except (OSError, msgspec.DecodeError) as error:  # it ended in this moment; or it is of another version
                    _log.debug("the figures of worker %s cannot be read: %s", path.stem, error)
        return found

    def _file(self, name: str) -> Path:
        return self._folder / f"{name}.figures"


def _claim(folder: Path) -> tuple[int, str]:
    """Take the first number that no living worker has; return its lock and its name."""
    for number in range(WORKERS_MAX):
        lock = _try_lock(folder, str(number))
        if lock is not None:
            return lock, str(number)
    raise OSError(f"{folder}: {WORKERS_MAX} processes have a number there")


def _is_alive(folder: Path, name: str) -> bool:
    lock = _try_lock(folder, name)
    if lock is None:
        return True
    os.close(lock)
    return False


def _try_lock(folder: Path, name: str) -> int | None:
    """Lock a number; None while somebody has it."""
    lock = os.open(folder / f"{name}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        return None
    return lock
