"""Background jobs: each runs at its interval in whichever process holds its lease, and again elsewhere when that one dies."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable

import msgspec

from tollkeeper.control.leases import Leases
from tollkeeper.domain.errors import StoreUnavailable
from tollkeeper.kit.clock import monotonic_ns, monotonic_s, now_us
from tollkeeper.kit.tasks import TaskGroup

LEASE_S = 60.0

_log = logging.getLogger(__name__)


class Job(msgspec.Struct, frozen=True):
    """`run` is done every `interval_s` seconds, counted from its end. It may be cut off anywhere and begun again elsewhere."""

    name: str
    interval_s: float
    run: Callable[[], Awaitable[object]]


class JobFigures(msgspec.Struct):
    """How a job has fared in this process. Times are since 1970 UTC and 0 until there is one.

    `due_us` is when it is, or was, to run next; 0 while another process has it.
    """

    name: str
    interval_s: float
    due_us: int = 0
    succeeded_us: int = 0
    duration_us: int = 0  # of its last run that succeeded
    failures: int = 0

    def begin(self) -> None:
        """Note that it is this process's to run, from now on unless it was before."""
        self.due_us = self.due_us or now_us()

    def succeed(self, duration_us: int) -> None:
        """Note a run that has ended well now."""
        self.succeeded_us, self.duration_us = now_us(), duration_us
        self.due_us = self.succeeded_us + int(self.interval_s * 1_000_000)


class Schedule:
    """The jobs of one process. A process that dies leaves its jobs to others within `lease_s`."""

    def __init__(self, leases: Leases, jobs: Iterable[Job], *, lease_s: float = LEASE_S) -> None:
        self._leases, self._jobs, self._lease_s = leases, tuple(jobs), lease_s
        assert len({job.name for job in self._jobs}) == len(self._jobs), "a lease is for one job"
        self._tasks = TaskGroup()
        self.figures = tuple(JobFigures(job.name, job.interval_s) for job in self._jobs)

    def start(self) -> None:
        """Begin with every job."""
        for job, figures in zip(self._jobs, self.figures, strict=True):
            self._tasks.start(self._repeat(job, figures), f"job {job.name}")

    async def aclose(self) -> None:
        """Cut off what runs, and leave the jobs to other processes."""
        await self._tasks.cancel()
        try:
            await self._leases.end()
        except StoreUnavailable:
            _log.warning("the leases of background jobs were not given back; they run out by themselves")

    async def _repeat(self, job: Job, figures: JobFigures) -> None:
        held_until_s = monotonic_s()
        while True:
            try:
                if held_until_s - monotonic_s() < self._lease_s / 2:
                    held_until_s = await self._take(job)
                if held_until_s <= monotonic_s():
                    figures.due_us = 0
                    await asyncio.sleep(self._lease_s / 3)
                    continue
                figures.begin()
                held_until_s = await self._run(job, held_until_s, figures)
            except StoreUnavailable:
                figures.failures += 1
                _log.warning("the job '%s' waits: the database is out of reach", job.name)
            except Exception:  # noqa: BLE001  # a bug in one run must not end all runs
                figures.failures += 1
                _log.exception("the job '%s' failed; it is tried again", job.name)
            await asyncio.sleep(job.interval_s)

    async def _run(self, job: Job, held_until_s: float, figures: JobFigures) -> float:
        """Run a job once, and keep its lease meanwhile; returns until when it is held."""
        tasks, began_ns = TaskGroup(), monotonic_ns()
        running = tasks.start(_failure(job), f"run of {job.name}")
        try:
            while not (await asyncio.wait({running}, timeout=self._lease_s / 3))[0]:
                held_until_s = await self._take(job)
                if held_until_s <= monotonic_s():
                    _log.warning("the job '%s' is cut off: another process has taken it over", job.name)
                    return held_until_s
        finally:
            await tasks.cancel()
        failure = running.result()
        if failure is not None:
            raise failure
        figures.succeed((monotonic_ns() - began_ns) // 1000)
        return held_until_s

    async def _take(self, job: Job) -> float:
        """Return until when the lease is held, by our own clock and a little early; now when another process has it."""
        before_s = monotonic_s()
        is_taken = await self._leases.take(job.name, lease_s=self._lease_s)
        return before_s + self._lease_s * 0.9 if is_taken else before_s


async def _failure(job: Job) -> Exception | None:
    try:
        await job.run()
    except Exception as error:  # noqa: BLE001  # whatever it is, it is told once, by who waits for it
        return error
    return None
