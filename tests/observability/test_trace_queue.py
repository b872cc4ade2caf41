"""Traces wait in a bounded queue: what does not fit is dropped and counted, and no call ever waits."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence

import pytest

from tollkeeper.observability.call_trace import CallTrace
from tollkeeper.observability.trace_queue import TraceQueue


def trace() -> CallTrace:
    return CallTrace(lambda _: None, 1, None)


def until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.005)


class Collector:
    """Takes traces once its gate is open."""

    def __init__(self, *, is_open: bool = True, takes: bool = True, fails: bool = False) -> None:
        self.gate = threading.Event()
        self.taken: list[CallTrace] = []
        self._takes, self._fails = takes, fails
        if is_open:
            self.gate.set()

    def export(self, traces: Sequence[CallTrace]) -> str:
        self.gate.wait(20)
        if self._fails:
            raise OSError("no collector")
        self.taken.extend(traces)
        return "" if self._takes else "it answered 503"


def test_traces_are_exported_in_order() -> None:
    collector = Collector()
    queue = TraceQueue(collector.export, waiting_max=10, interval_s=0.01)
    offered = [trace() for _ in range(5)]
    for each in offered:
        queue.offer(each)
    queue.start()
    until(lambda: queue.figures["exported"] == 5)
    queue.close(5)
    assert collector.taken == offered
    assert queue.figures == {"exported": 5, "failed": 0, "dropped": 0}


def test_what_does_not_fit_is_dropped_and_counted() -> None:
    collector = Collector(is_open=False)
    queue = TraceQueue(collector.export, waiting_max=3, interval_s=0.01)
    for _ in range(10):
        queue.offer(trace())
    assert queue.figures["dropped"] == 7
    collector.gate.set()
    queue.start()
    queue.close(5)
    assert queue.figures == {"exported": 3, "failed": 0, "dropped": 7}


@pytest.mark.parametrize("collector", [Collector(takes=False), Collector(fails=True)], ids=["refuses", "fails"])
def test_a_collector_that_does_not_take_them_is_counted_and_told(
    collector: Collector, caplog: pytest.LogCaptureFixture
) -> None:
    queue = TraceQueue(collector.export, waiting_max=10, interval_s=0.01)
    queue.start()
    for _ in range(3):
        queue.offer(trace())
    until(lambda: queue.figures["failed"] == 3)
    queue.close(5)
    assert caplog.text.count("traces are lost") == 1


def test_closing_exports_what_waits_and_does_not_wait_for_a_collector_that_hangs() -> None:
    quick = TraceQueue((collector := Collector()).export, waiting_max=10, interval_s=60)
    quick.start()
    quick.offer(trace())
    quick.close(5)
    assert len(collector.taken) == 1
    hanging = TraceQueue((stuck := Collector(is_open=False)).export, waiting_max=10, interval_s=0.01)
    hanging.start()
    hanging.offer(trace())
    began = time.monotonic()
    hanging.close(0.1)
    assert time.monotonic() - began < 10
    stuck.gate.set()
