"""Reading /proc: fields are found behind any command name, a tree is a process with all its descendants."""

from __future__ import annotations

import os

import pytest
from bench.procfs import (
    ProcessStat,
    cpu_us_of,
    memory_of,
    parse_cpu_times,
    parse_named_value,
    parse_rollup,
    parse_stat,
    tree_of,
)

REST = "S 40 42 42 0 -1 4194560 900 800 0 0 111 22 3 4 20 0 1 0 555 1000 200 18446744073709551615"


@pytest.mark.parametrize("name", ["nginx", "node (v20)", "a) S 9 9", "python -m x"])
def test_ticks_and_parent_are_found_behind_any_command_name(name: str) -> None:
    assert parse_stat(f"42 ({name}) {REST}") == ProcessStat(pid=42, parent=40, ticks=111 + 22 + 3 + 4)


def test_a_tree_holds_grandchildren_and_nobody_else() -> None:
    processes = [ProcessStat(pid, parent, 1) for pid, parent in ((7, 5), (5, 3), (3, 1), (4, 1), (6, 3))]
    assert sorted(process.pid for process in tree_of(3, processes)) == [3, 5, 6, 7]


def test_a_process_that_has_ended_is_told_apart_from_one_that_used_nothing() -> None:
    assert tree_of(9, [ProcessStat(1, 0, 1)]) == []
    with pytest.raises(ProcessLookupError):
        cpu_us_of(2**22 + 1)  # above the largest pid that Linux gives


def test_this_process_has_used_cpu_and_memory() -> None:
    assert cpu_us_of(os.getpid()) > 0
    memory = memory_of(os.getpid())
    assert memory.resident_kb >= memory.proportional_kb > 0


def test_rollup_gives_resident_and_proportional_size() -> None:
    text = "55d0-7ffc ---p 00000000 00:00 0    [rollup]\nRss:     7340 kB\nPss:     3120 kB\nPss_Dirty:  900 kB\n"
    memory = parse_rollup(text)
    assert (memory.resident_kb, memory.proportional_kb) == (7340, 3120)


def test_stolen_ticks_are_the_eighth_and_guests_are_not_counted_twice() -> None:
    assert parse_cpu_times("cpu  10 1 5 80 2 0 1 7 99 99\ncpu0 1 1 1 1 1 1 1 1 1 1\n") == (106, 7)


def test_a_named_value_is_found_and_a_missing_one_is_none() -> None:
    text = "processor\t: 0\nmodel name\t: Some CPU: fast @ 2 GHz\n"
    assert parse_named_value(text, "model name") == "Some CPU: fast @ 2 GHz"
    assert parse_named_value(text, "model") is None
