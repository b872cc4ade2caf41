"""Takes finished traces to the collector in a thread of its own; when too many wait, further ones are dropped and counted."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Sequence

from tollkeeper.kit.clock import monotonic_s
from tollkeeper.observability.call_trace import CallTrace

BATCH_MAX = 256
INTERVAL_S = 1.0
_LOG_EVERY_S = 60.0
_log = logging.getLogger(__name__)
Export = Callable[[Sequence[CallTrace]], str]
"""Hands traces to the collector and returns why it did not take them, "" when it did; may take seconds."""


class TraceQueue:
    """`offer` is called on the event loop and never waits; `figures` says what became of all traces."""

    def __init__(self, export: Export, *, waiting_max: int, interval_s: float = INTERVAL_S) -> None:
        self._export, self._waiting_max, self._interval_s = export, waiting_max, interval_s
        self._waiting: deque[CallTrace] = deque()
        self._woken = threading.Event()
        self._is_closing = False
        self._thread = threading.Thread(target=self._run, name="traces", daemon=True)
        self._exported = self._failed = self._dropped = 0
        self._told_at_s = -_LOG_EVERY_S

    def start(self) -> None:
        """Begin to export."""
        self._thread.start()

    def offer(self, trace: CallTrace) -> None:
        """Take a finished trace, or drop it."""
        if len(self._waiting) >= self._waiting_max:
            self._dropped += 1
            return
        self._waiting.append(trace)
        if len(self._waiting) == BATCH_MAX:
            self._woken.set()

    @property
    def figures(self) -> dict[str, int]:
        return {"exported": self._exported, "failed": self._failed, "dropped": self._dropped}

    def close(self, timeout_s: float) -> None:
        """Export what waits, and end; what the collector does not take in time is dropped."""
        self._is_closing = True
        self._woken.set()
        self._thread.join(timeout_s)

    def _run(self) -> None:
        while True:
            is_last = self._is_closing
            if not is_last:
                self._woken.wait(self._interval_s)
                self._woken.clear()
            while self._waiting:
                self._export_some([self._waiting.popleft() for _ in range(min(len(self._waiting), BATCH_MAX))])
            if is_last:
                return

    def _export_some(self, traces: list[CallTrace]) -> None:
        try:
            why_not = self._export(traces)
        except Exception as error:  # noqa: BLE001  # whatever it is, calls and later traces go on
            why_not = repr(error)
        if not why_not:
            self._exported += len(traces)
            return
        self._failed += len(traces)
        self._tell(why_not)

    def _tell(self, why: str) -> None:
        now_s = monotonic_s()
        if now_s - self._told_at_s >= _LOG_EVERY_S:
            self._told_at_s = now_s
            _log.warning("traces are lost: %s (%d so far, %d dropped)", why, self._failed, self._dropped)
