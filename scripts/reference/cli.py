"""The page of every command with its arguments and options, from the Typer application itself."""

from __future__ import annotations

import contextlib
import inspect
import io
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, get_args, get_origin
from unittest.mock import patch

import msgspec
import typer
from scripts.reference.markdown import code, one_line, page, table

from tollkeeper.cli.main import app
from tollkeeper_simulator.__main__ import settings_from

_VALUES = {str: "TEXT", int: "NUMBER", Path: "PATH", list[str]: "TEXT"}
_SIMULATOR_OPTION = re.compile(r"^  (?:-\w, )?(--[a-z-]+)(?: ([A-Z_]+))?(?:(?: {2,}|\n {10,})(\S.*))?$", re.MULTILINE)

INTRODUCTION = """\
`tollkeeper --help` and `tollkeeper COMMAND --help` say the same at the terminal. Every command exits with 0 when it is
done, with 1 when it was refused or failed (one line on standard error says why), and with 2 on wrong usage. `--json` prints
for programs; amounts are exact in both."""


class Option(msgspec.Struct, frozen=True):
    """An option, or an argument, as its row shows it."""

    names: str
    value: str
    meaning: str


class Command(msgspec.Struct, frozen=True):
    """A command that does something: its words behind `tollkeeper`, what it says of itself, and what it takes."""

    words: str
    help: str
    arguments: tuple[Option, ...]
    options: tuple[Option, ...]

    @property
    def option_names(self) -> set[str]:
        return {name for option in self.options for name in re.findall(r"--?[a-z][a-z-]*", option.names)}


def render() -> str:
    """Return the page."""
    found = list(commands())
    contents = [
        (f"[`tollkeeper {each.words}`](#tollkeeper-{each.words.replace(' ', '-')})", each.help) for each in found
    ]
    overview = table(("command", ""), [(link, text.split(". ")[0].rstrip(".")) for link, text in contents])
    return page("Commands", INTRODUCTION, overview, *(part for each in found for part in _section(each)))


def commands() -> Iterator[Command]:
    """Yield every command, sub-commands included, in the order of the help."""
    yield from _walk(typer.main.get_command(app), ())


def _section(command: Command) -> Iterator[str]:
    yield f"## tollkeeper {command.words}"
    yield command.help
    if command.arguments:
        yield table(("argument", "meaning"), [(code(each.names), each.meaning) for each in command.arguments])
    if command.options:
        rows = [(f"{each.names} {code(each.value)}".strip(), each.meaning) for each in command.options]
        yield table(("option", "meaning"), rows)


def _walk(node: Any, words: tuple[str, ...]) -> Iterator[Command]:
    inner = getattr(node, "commands", None)
    if inner is not None:
        for name, command in inner.items():
            yield from _walk(command, (*words, name))
        return
    if words == ("simulate",):
        yield Command("simulate", one_line(node.help), (), tuple(_simulator_options()))
        return
    shown = [parameter for parameter in node.params if not parameter.hidden and parameter.name != "help"]
    options = [each for each in shown if each.opts[0].startswith("-")]
    arguments = [Option(each.name.upper(), "", one_line(each.help)) for each in shown if each not in options]
    text = one_line(inspect.cleandoc(node.help or ""))
    yield Command(" ".join(words), text, tuple(arguments), tuple(_option(each) for each in options))


def _option(parameter: Any) -> Option:
    names = ", ".join(code(name) for name in (*parameter.opts, *parameter.secondary_opts))
    meaning = one_line(parameter.help)
    if parameter.required:
        return Option(names, _value(parameter), f"{meaning} Required.")
    default = parameter.default
    if default in (None, "", False):
        return Option(names, _value(parameter), meaning)
    shown = ", ".join(default) if isinstance(default, list) else str(default)
    return Option(names, _value(parameter), f"{meaning} Default: {code(shown)}.")


def _value(parameter: Any) -> str:
    if parameter.is_flag:
        return ""
    annotation = parameter.type_descriptor.annotation
    return "|".join(get_args(annotation)) if get_origin(annotation) is Literal else _VALUES[annotation]


def _simulator_options() -> Iterator[Option]:
    """Read the simulator's own help: it is a program of its own, whose options pass through untouched."""
    text = io.StringIO()
    with patch.dict(os.environ, COLUMNS="200"), contextlib.redirect_stdout(text), contextlib.suppress(SystemExit):
        settings_from(["--help"])
    for name, value, meaning in _SIMULATOR_OPTION.findall(text.getvalue()):
        if name != "--help":
            yield Option(code(name), value, meaning[:1].upper() + meaning[1:])
