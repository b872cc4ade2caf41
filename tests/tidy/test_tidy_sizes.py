"""Files and functions stay small enough to be read in one go, and files have names that say what they own."""

from __future__ import annotations

import pytest
from source_tree import Source, every_source, source

FILE_LINES_MAX = 400
TEST_LINES_MAX = 800
FUNCTION_LINES_MAX = 70
NAMES_OF_NOTHING = frozenset({"utils", "util", "helpers", "helper", "common", "misc", "base", "manager", "managers"})


def test_files_are_short():
    assert [fault for each in every_source() if (fault := _too_long(each))] == []


def test_functions_are_short():
    assert [fault for each in every_source() for fault in _long_functions(each)] == []


def test_no_file_is_named_for_nothing():
    assert [each.name for each in every_source() if _is_named_for_nothing(each.name)] == []


def test_what_is_too_long_is_noticed():
    assert _too_long(source("src/x.py", "\n" * (FILE_LINES_MAX + 1)))
    assert not _too_long(source("tests/x.py", "\n" * TEST_LINES_MAX))
    long = "async def f():\n" + "    x = 1\n" * FUNCTION_LINES_MAX
    assert _long_functions(source("src/x.py", long)) == ["src/x.py:1 f has 71 lines"]
    assert _long_functions(source("src/x.py", long.replace("    x = 1\n", "", 1))) == []


@pytest.mark.parametrize("name", ["src/a/utils.py", "src/helpers/x.py", "tests/base.py", "src/a/key_manager.py"])
def test_a_name_for_nothing_is_noticed(name):
    assert _is_named_for_nothing(name)


def _too_long(each: Source) -> str:
    bound = TEST_LINES_MAX if each.name.startswith("tests/") else FILE_LINES_MAX
    return f"{each.name} has {each.line_count} lines, {bound} are allowed" if each.line_count > bound else ""


def _long_functions(each: Source) -> list[str]:
    if "/migrations/versions/" in each.name:
        return []  # a migration is one long statement, written once
    found = []
    for function in each.functions():
        lines = (function.end_lineno or function.lineno) - function.lineno + 1
        if lines > FUNCTION_LINES_MAX:
            found.append(f"{each.name}:{function.lineno} {function.name} has {lines} lines")
    return found


def _is_named_for_nothing(name: str) -> bool:
    parts = name.removesuffix(".py").split("/")
    return any(part in NAMES_OF_NOTHING or part.rpartition("_")[2] in NAMES_OF_NOTHING for part in parts)
