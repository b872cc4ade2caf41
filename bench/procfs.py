"""What Linux books to a process tree: CPU ticks and memory from /proc; and the machine's own facts."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")


@dataclass(frozen=True)
class ProcessStat:
    """One process at one moment. `ticks` counts what the process itself and its ended, reaped children used."""

    pid: int
    parent: int
    ticks: int


@dataclass(frozen=True)
class Memory:
    """A process tree's memory in kB: resident counts shared pages once per process, proportional splits them."""

    resident_kb: int
    proportional_kb: int


@dataclass(frozen=True)
class Machine:
    """The machine that a figure was taken on."""

    cpu_model: str
    cores: int
    kernel: str
    memory_mb: int


def parse_stat(text: str) -> ProcessStat:
    """Read the text of /proc/PID/stat.

    The command name stands in parentheses and may itself hold spaces and parentheses, so the fields are counted
    from the last one. Source: proc_pid_stat(5): ppid is field 4, utime, stime, cutime, cstime are fields 14 to 17.
    """
    pid, _, rest = text.partition(" ")
    fields = rest[rest.rindex(")") + 2 :].split()
    return ProcessStat(pid=int(pid), parent=int(fields[1]), ticks=sum(int(field) for field in fields[11:15]))


def tree_of(root: int, processes: Iterable[ProcessStat]) -> list[ProcessStat]:
    """Pick the process with pid `root` and all its living descendants; an empty list when it is gone."""
    children: dict[int, list[ProcessStat]] = {}
    found: list[ProcessStat] = []
    for process in processes:
        children.setdefault(process.parent, []).append(process)
        if process.pid == root:
            found.append(process)
    for process in found:  # grows while it is walked
        found.extend(children.get(process.pid, ()))
    return found


def read_processes() -> list[ProcessStat]:
    """Read every process of the machine; those that end meanwhile are left out."""
    processes = []
    for entry in PROC.iterdir():
        if entry.name.isdigit():
            try:
                processes.append(parse_stat((entry / "stat").read_text()))
            except (FileNotFoundError, ProcessLookupError):
                continue
    return processes


def cpu_us_of(root: int) -> int:
    """Microseconds of CPU that the tree under `root` has used so far.

    Raises:
        ProcessLookupError: the root process has ended, so what it used can no longer be told.
    """
    tree = tree_of(root, read_processes())
    if not tree:
        raise ProcessLookupError(root)
    return sum(process.ticks for process in tree) * 1_000_000 // os.sysconf("SC_CLK_TCK")


def parse_rollup(text: str) -> Memory:
    """Read the text of /proc/PID/smaps_rollup (proc_pid_smaps(5): Rss and Pss in kB)."""
    values = {line.split(":")[0]: line.split()[1] for line in text.splitlines() if line.endswith("kB")}
    return Memory(resident_kb=int(values["Rss"]), proportional_kb=int(values["Pss"]))


def memory_of(root: int) -> Memory:
    """Memory of the tree under `root`, summed over its processes."""
    parts = []
    for process in tree_of(root, read_processes()):
        try:
            parts.append(parse_rollup((PROC / str(process.pid) / "smaps_rollup").read_text()))
        except (FileNotFoundError, ProcessLookupError):
            continue
    return Memory(sum(part.resident_kb for part in parts), sum(part.proportional_kb for part in parts))


def parse_named_value(text: str, name: str) -> str | None:
    """Find `name : value` in the text of /proc/cpuinfo or /proc/meminfo; None when the machine does not say."""
    for line in text.splitlines():
        key, separator, value = line.partition(":")
        if separator and key.strip() == name:
            return value.strip()
    return None


def parse_cpu_times(text: str) -> tuple[int, int]:
    """Read all ticks and the stolen ones from the text of /proc/stat.

    Stolen is time in which a hypervisor ran somebody else; it can stretch what a guest books as its own CPU time.
    Source: proc_stat(5): the first line is user, nice, system, idle, iowait, irq, softirq, steal, guest, guest_nice.
    """
    ticks = [int(field) for field in text.splitlines()[0].split()[1:9]]
    return sum(ticks), ticks[7]


def read_cpu_times() -> tuple[int, int]:
    """Return the machine's ticks so far, all and stolen."""
    return parse_cpu_times((PROC / "stat").read_text())


def read_machine() -> Machine:
    """Describe this machine."""
    memory = parse_named_value((PROC / "meminfo").read_text(), "MemTotal") or "0 kB"
    return Machine(
        cpu_model=parse_named_value((PROC / "cpuinfo").read_text(), "model name") or os.uname().machine,
        cores=len(os.sched_getaffinity(0)),
        kernel=f"{os.uname().sysname} {os.uname().release}",
        memory_mb=int(memory.split()[0]) // 1024,
    )
