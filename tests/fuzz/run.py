"""Fires hostile requests at a real gateway and judges: what it answers, whether it lives, grows, or records what was not."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol
from urllib.parse import unquote_to_bytes

from tests.fuzz.hostile import HostileMaker, Shot
from tests.live.databases import read_records
from tests.live.judge import Verdict, judge
from tests.live.processes import GatewayProcess, Process, SimulatorProcess

CONCURRENCY = 32
GOOD_S = 60.0  # a good call must be answered, however busy the machine
SILENCE_S = 0.15  # half a request gets no answer: this long is waited for one
WHOLE_S = 10.0
RSS_GROWTH_MAX_MB = 120
WARM_UP = 0.2  # of all requests, before memory is measured first
_MOVING = (
    "usage",
    "charge",
    "ledger_",  # what good calls cost is booked now and then
    "rollup",
    "audit_",
    "job_lease",
    "login_flow",
    "api_key",
    "deployment_health",  # what replicas tell each other
    "change",
    "revision",
    "replica",
    "label",
    "sqlite_",
    "slot",
)
"""Tables that calls, refused logins and background jobs write; keys note when they were used."""
ERROR_FIELDS = {"message", "type", "param", "code"}
OTHER_ERROR_FIELDS = ({"message", "type", "code"}, {"message", "status", "code"})
"""Of Anthropic's and Gemini's dialects, where a path or a header may ask for them."""
OTHER_DIALECTS_AT = (b"/v1/models", b"/v1/messages", b"/v1beta/")
SERVER_ERRORS = {502, 503, 504}


@dataclass(slots=True)
class FuzzReport:
    """What so many requests came to; `problems` is empty when all is well."""

    requests: int = 0
    seconds: float = 0.0
    statuses: Counter[int] = field(default_factory=Counter)
    kinds: Counter[str] = field(default_factory=Counter)
    good: int = 0
    rss_mb: list[float] = field(default_factory=list)
    verdict: Verdict = field(default_factory=Verdict)
    problems: list[str] = field(default_factory=list)

    def table(self) -> str:
        statuses = ", ".join(f"{status or 'none'}: {count:,}" for status, count in sorted(self.statuses.items()))
        rows = [
            ("hostile requests", f"{self.requests:,} in {self.seconds:.0f} s"),
            ("good calls between them, all answered", f"{self.good:,}"),
            ("answers by status", statuses),
            ("memory, MB: warm, end", ", ".join(f"{size:.0f}" for size in self.rss_mb)),
            ("usage records / calls on the bill", f"{self.verdict.records:,} / {self.verdict.lines:,}"),
            ("problems", f"{len(self.problems):,}"),
        ]
        return "\n".join(f"  {what:<40} {figure}" for what, figure in rows)


class Maker(Protocol):
    """Makes one shot after the other."""

    def next(self) -> Shot: ...


def run_fuzz(
    folder: Path,
    database_url: str,
    *,
    requests: int,
    seed: int,
    progress: Callable[[str], None] = lambda _: None,
    maker_of: Callable[[int, str], Maker] = HostileMaker,
    moving: tuple[str, ...] = ("refused_call",),
) -> FuzzReport:
    """Fire `requests` shots at a gateway on an empty SQLite database and judge what it did.

    `moving` names tables that the shots may change, beside those that good calls and the passing of time do.
    """
    simulator = SimulatorProcess(folder)
    gateway = GatewayProcess(folder, simulator, database_url).start()
    report = FuzzReport()
    before = _kept(database_url, moving)
    started = time.monotonic()
    try:
        asyncio.run(_Gunner(gateway, report, maker_of(seed, gateway.key), progress).fire(requests))
        report.seconds = time.monotonic() - started
        assert isinstance(gateway.process, Process)
        if gateway.process.popen.poll() is not None:
            report.problems.append("the gateway died")
        elif gateway.stop() != 0:
            report.problems.append("the gateway did not exit with 0")
        report.verdict = judge(read_records(database_url), simulator.bill())
    finally:
        gateway.kill()
        simulator.stop()
    if report.verdict.records != report.verdict.lines:
        report.problems.append("a call was recorded that was not made, or made and not recorded")
    report.problems += report.verdict.faults
    after = _kept(database_url, moving)
    if changed := [name for name in before if after.get(name) != before[name]]:
        report.problems.append(f"the database is not as it was: {', '.join(changed)}")
    if "Traceback" in gateway.log:
        report.problems.append(f"a traceback in the log:\n{gateway.log[gateway.log.index('Traceback') :][:3000]}")
    if len(report.rss_mb) == 2 and report.rss_mb[1] - report.rss_mb[0] > RSS_GROWTH_MAX_MB:
        report.problems.append(f"memory grew from {report.rss_mb[0]:.0f} to {report.rss_mb[1]:.0f} MB")
    return report


class _Gunner:
    def __init__(
        self, gateway: GatewayProcess, report: FuzzReport, maker: HostileMaker, progress: Callable[[str], None]
    ) -> None:
        self._gateway, self._report, self._maker, self._progress = gateway, report, maker, progress

    async def fire(self, requests: int) -> None:
        report = self._report
        left = iter(range(1, requests + 1))
        warm_up = max(1, int(requests * WARM_UP))

        async def soldier() -> None:
            for number in left:
                await self._shoot(self._maker.next())
                report.requests += 1
                if number == warm_up:
                    report.rss_mb.append(self._rss_mb())
                if number % 5_000 == 0:
                    self._progress(f"{number:,}/{requests:,}, {self._rss_mb():.0f} MB, {len(report.problems)} problems")

        await asyncio.gather(*(soldier() for _ in range(CONCURRENCY)))
        report.rss_mb.append(self._rss_mb())

    async def _shoot(self, shot: Shot) -> None:
        report = self._report
        report.kinds[shot.kind] += 1
        try:
            received = await self._exchange(shot)
        except (_EndlessAnswerError, ConnectionRefusedError) as error:
            report.problems.append(f"{shot.kind}: {error!r}; sent {shot.data[:300]!r}")
            return
        except OSError as error:
            if shot.must_succeed:
                report.problems.append(f"{shot.kind}: {error!r}")
            return
        status, head, body = _take_apart(received, is_head=shot.is_head)
        report.statuses[status] += 1
        report.good += shot.must_succeed
        if shot.must_succeed and status != 200:
            report.problems.append(f"a good call was answered {status} {received[:300]!r}")
        if shot.must_be_refused and 200 <= status < 400:
            report.problems.append(f"let in: sent {shot.data[:600]!r}; got {received[:600]!r}")
        if found := _what_is_wrong(status, head, body, shot.data):
            report.problems.append(f"{shot.kind}: {found}; sent {shot.data[:300]!r}; got {received[:600]!r}")

    async def _exchange(self, shot: Shot) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._gateway.port)
        received = b""
        try:
            if shot.pause_at is not None:
                writer.write(shot.data[: shot.pause_at])
                await asyncio.sleep(shot.pause_s)
            writer.write(shot.data[shot.pause_at or 0 :])
            if shot.closes_half:
                writer.write_eof()
            async with asyncio.timeout(
                GOOD_S if shot.must_succeed else WHOLE_S if shot.is_whole else SILENCE_S
            ) as limit:
                while not _is_whole(received, is_head=shot.is_head) and (piece := await reader.read(65_536)):
                    received += piece
                    limit.reschedule(asyncio.get_running_loop().time() + GOOD_S)  # an answer that began must end
        except TimeoutError:
            if received:
                raise _EndlessAnswerError(received[:300]) from None
        except ConnectionResetError:
            pass
        finally:
            writer.transport.abort()
        return received

    def _rss_mb(self) -> float:
        assert isinstance(self._gateway.process, Process)
        status = Path(f"/proc/{self._gateway.process.popen.pid}/status")
        lines = status.read_text().splitlines() if status.exists() else []
        return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS")), 0.0)


def _kept(database_url: str, moving: tuple[str, ...]) -> dict[str, list[str]]:
    """Return the rows of every table that neither shots, good calls nor the passing of time may change."""
    with closing(sqlite3.connect(database_url.removeprefix("sqlite:///"))) as connection:
        names = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        kept = [name for name in names if not name.startswith(_MOVING + moving)]
        return {name: sorted(map(repr, connection.execute(f"SELECT * FROM {name}"))) for name in kept}


class _EndlessAnswerError(Exception):
    """An answer began and did not end."""


def _is_whole(received: bytes, *, is_head: bool = False) -> bool:
    """Tell whether one answer is there (the first, when there are several)."""
    head, separator, body = received.partition(b"\r\n\r\n")
    if not separator:
        return False
    if head.startswith(b"HTTP/1.1 100"):
        return _is_whole(body, is_head=is_head)
    if is_head:
        return True
    lowered = head.lower()
    if b"transfer-encoding: chunked" in lowered:
        return body.endswith(b"0\r\n\r\n") or b"\r\n0\r\n\r\n" in body
    _, found, length = lowered.partition(b"content-length: ")
    return bool(found) and len(body) >= int(length.split(b"\r\n")[0])


def _take_apart(received: bytes, *, is_head: bool = False) -> tuple[int, bytes, bytes]:
    """Return status (0: no answer), head and body of the first final answer."""
    head, _, body = received.partition(b"\r\n\r\n")
    if head.startswith(b"HTTP/1.1 100"):
        return _take_apart(body, is_head=is_head)
    words = head.split(b" ", 2)
    if len(words) < 2 or not words[1].isdigit():
        return 0, head, body
    _, found, length = head.lower().partition(b"content-length: ")
    size = 0 if is_head else int(length.split(b"\r\n")[0]) if found else len(body)
    return int(words[1]), head, body[:size]


def _what_is_wrong(status: int, head: bytes, body: bytes, sent: bytes) -> str:
    if status == 0:
        return "" if not head else "the answer is not HTTP"
    if b"Traceback" in body or b'File "' in body:
        return "a trace in the answer"
    if status >= 500 and status not in SERVER_ERRORS:
        return f"status {status}"
    if status < 400 or b"application/json" not in head or not body:
        return "an error that is no JSON" if status >= 400 and body else ""
    try:
        error = json.loads(body)["error"]
    except (ValueError, KeyError, TypeError):
        return "an error in no dialect's shape"
    path = unquote_to_bytes(sent.partition(b"\r\n")[0])
    shapes = (ERROR_FIELDS, *(OTHER_ERROR_FIELDS if any(each in path for each in OTHER_DIALECTS_AT) else ()))
    if not isinstance(error, dict) or not any(error.keys() >= shape for shape in shapes) or not error["message"]:
        return "an error that is not in the dialect's shape"
    return ""
