"""The journal's disk fills up, or fails to sync, under load: nothing is let in any more, and the next start makes all good."""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from tests.overspend.books import Books, check_books
from tests.overspend.calls import mean_cost_nanos
from tests.overspend.fleet import Fleet, fleet
from tests.overspend.load import Load, Tally
from tests.overspend.places import Places, found_places
from tests.overspend.watch import Watch, Watched, watching

from tollkeeper.kit.clock import monotonic_s

Fault = Literal["full", "sync"]
STOPPED_S_MAX = 0.1
_TMPFS_BYTES = 128 << 20
_TOKENS_PER_SECOND = 2_000
_BEFORE_S = 3.0
_FAULT_S = 4.0
_FAULTY = str(Path(__file__).parent / "faulty_serve.py")


@dataclass(slots=True)
class DiskReport:
    """What a fault of the disk came to; `problems` is empty when all is well, `missed` when it is fast enough too."""

    stopped_s: float = 0.0  # from the fault until the last call was sent that was let in after it; 0 when none was
    is_ended: bool = False  # the process ended by itself
    refused: int = 0  # calls answered 503 after the fault
    tally: Tally = field(default_factory=Tally)
    watched: Watched = field(default_factory=Watched)
    books: Books = field(default_factory=Books)
    problems: list[str] = field(default_factory=list)
    missed: list[str] = field(default_factory=list)

    def rows(self) -> list[tuple[str, str]]:
        verdict = self.books.verdict
        return [
            ("last call let in, sent after the fault", f"{self.stopped_s * 1000:.0f} ms"),
            ("the process ended by itself", "yes" if self.is_ended else "no, it refused until there was room"),
            ("answered 503 after the fault", f"{self.refused:,}"),
            *self.tally.rows(),
            ("overspend at any moment, nano-USD", f"{self.watched.overspend:,}"),
            ("records exact to the nano", f"{verdict.exact:,} of {verdict.records:,}"),
            ("estimated / crashed", f"{len(verdict.estimated)} / {len(verdict.crashed)}"),
            ("lost / doubled", f"{len(verdict.lost)} / {len(verdict.doubled)}"),
            ("escrow left after all stopped", f"{self.books.escrow_left:,}"),
        ]


def break_disk(
    folder: Path, database_url: str, fault: Fault, *, seed: int, progress: Callable[[str], None] = lambda _: None
) -> DiskReport:
    """Let the disk of one replica's journal fail; it is then started again on a disk that is well."""
    report = DiskReport()
    with fleet(folder, database_url, count=1, tokens_per_second=_TOKENS_PER_SECOND) as running:
        mean = mean_cost_nanos(running.simulator, seed)
        places = asyncio.run(found_places(running, 20_000 * mean))
        [replica] = running.replicas
        journal = replica.folder / "journal"
        journal.mkdir(exist_ok=True)
        with _tmpfs(journal) if fault == "full" else contextlib.nullcontext():
            if fault == "sync":
                replica.program = (_FAULTY,)
                replica.env |= {"FAULT_FLAG": str(folder / "fault"), "TOLLKEEPER_JOURNAL__DURABILITY": "safe"}
            running.start()
            asyncio.run(_break(running, places, report, fault, seed=seed, progress=progress))
            (folder / "fault").unlink(missing_ok=True)
            (journal / "filler").unlink(missing_ok=True)
            if report.is_ended:
                running.start()
            report.problems += running.stop()
            report.books = check_books(running, places, is_exact=False)
            if damaged := list(journal.glob("*/*.damaged")):
                report.problems.append(f"damaged segments: {damaged}")
    report.problems += [*report.watched.problems, *report.books.problems]
    if report.stopped_s > STOPPED_S_MAX:
        report.missed.append(f"a call that was sent {report.stopped_s * 1000:.0f} ms after the fault was let in")
    if not report.is_ended and not report.refused:
        report.problems.append("nothing was refused after the fault: was there one?")
    return report


async def _break(
    running: Fleet,
    places: Places,
    report: DiskReport,
    fault: Fault,
    *,
    seed: int,
    progress: Callable[[str], None],
) -> None:
    [replica] = running.replicas
    assert replica.process is not None
    load = Load(places, [replica.port], clients=32, seed=seed, attempts=10**9, pause_s=(0.02, 0.1), is_endless=True)
    async with watching(Watch(running, places)) as watch:
        loading = asyncio.ensure_future(load.run())
        await asyncio.sleep(_BEFORE_S)
        before = load.tally.told["503 limits_unavailable"]
        if fault == "full":
            await asyncio.to_thread(_fill, replica.folder / "journal" / "filler")
        else:
            (running.folder / "fault").touch()
        broken_s = monotonic_s()
        progress(f"the disk is {'full' if fault == 'full' else 'failing'}; {load.tally.admitted:,} calls let in so far")
        await asyncio.sleep(_FAULT_S)
        report.is_ended = replica.process.popen.poll() is not None
        report.refused = load.tally.told["503 limits_unavailable"] - before
        report.stopped_s = max(0.0, load.admitted_sent_at_s - broken_s)
        load.stop()
        report.tally = await loading
    report.watched = watch.seen


def _fill(path: Path) -> None:
    """Write until nothing more fits, not a byte."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
    try:
        for size in (1 << 20, 4096, 1):
            with contextlib.suppress(OSError):
                while os.write(descriptor, b"\0" * size) == size:
                    pass
    finally:
        os.close(descriptor)


@contextmanager
def _tmpfs(path: Path) -> Iterator[None]:
    """Put a small disk at a path; needs root."""
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={_TMPFS_BYTES}", "tmpfs", str(path)], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(path)], check=True)
