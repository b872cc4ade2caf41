"""What the operating system says of this process: memory, CPU time, open files. On Linux; elsewhere less is said."""

from __future__ import annotations

import resource
import time
from pathlib import Path

from tollkeeper.kit import clock
from tollkeeper.observability.figures import FigureSheet

_STARTED_US = clock.now_us()
_STATM, _DESCRIPTORS = Path("/proc/self/statm"), Path("/proc/self/fd")


def add_process(sheet: FigureSheet) -> None:
    """Add what is known."""
    sheet.add("process_cpu_seconds_total", time.process_time_ns())
    sheet.add("process_start_time_seconds", _STARTED_US)
    sheet.add("process_max_fds", resource.getrlimit(resource.RLIMIT_NOFILE)[0])
    if _STATM.exists():
        resident_pages = int(_STATM.read_text().split()[1])
        sheet.add("process_resident_memory_bytes", resident_pages * resource.getpagesize())
    if _DESCRIPTORS.exists():
        sheet.add("process_open_fds", sum(1 for _ in _DESCRIPTORS.iterdir()) - 1)  # one of them was this look
