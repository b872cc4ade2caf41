"""Sub-commands that are imported when they are called: `tollkeeper --help` need not load a server, a database and prices."""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from importlib import import_module
from typing import Any, ClassVar

import msgspec
import typer
from typer.core import TyperCommand, TyperGroup


class Entry(msgspec.Struct, frozen=True):
    """A sub-command: where it is, `module:name` below `tollkeeper.cli`, and the first paragraph of its help."""

    target: str
    help: str
    context_settings: dict[str, Any] | None = None

    def load(self, name: str) -> Any:
        """Import the command; a Typer application is a group of commands, a function one command."""
        module, _, attribute = self.target.partition(":")
        found = getattr(import_module(f"tollkeeper.cli.{module}"), attribute)
        if isinstance(found, typer.Typer):
            group = typer.main.get_group(found)
            group.name = name
            return group
        single = typer.Typer(add_completion=False)
        single.command(name, context_settings=self.context_settings)(found)
        return typer.main.get_command(single)


class LazyGroup(TyperGroup):
    """A group whose commands are in a table; lists of them are shown from the table alone."""

    entries: ClassVar[dict[str, Entry]] = {}

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        self.commands = _Commands(self.entries)
        self._is_resolving = False

    def list_commands(self, ctx: Any) -> list[str]:
        """Return the names in the table's order."""
        del ctx
        return list(self.entries)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Return the command itself when it is to be called, else what says what it does."""
        del ctx
        if cmd_name not in self.entries:
            return None
        if self._is_resolving:
            return self.commands[cmd_name]
        return TyperCommand(cmd_name, help=self.entries[cmd_name].help)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Find the command to call."""
        with self._resolving():
            return super().resolve_command(ctx, args)

    @contextmanager
    def _resolving(self) -> Iterator[None]:
        self._is_resolving = True
        try:
            yield
        finally:
            self._is_resolving = False


class _Commands(MutableMapping[str, Any]):
    def __init__(self, entries: dict[str, Entry]) -> None:
        self._entries = entries
        self._loaded: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        if name not in self._loaded:
            self._loaded[name] = self._entries[name].load(name)
        return self._loaded[name]

    def __setitem__(self, name: str, command: Any) -> None:
        self._loaded[name] = command

    def __delitem__(self, name: str) -> None:
        del self._loaded[name]

    def __iter__(self) -> Iterator[str]:
        return iter({**self._entries, **self._loaded})

    def __len__(self) -> int:
        return len({**self._entries, **self._loaded})
