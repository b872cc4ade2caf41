"""The command `tollkeeper`: its sub-commands, and how its errors reach a person: one clear line, exit code 1 or 2."""

from __future__ import annotations

import gc
import sys
from typing import Annotated, ClassVar

import typer

from tollkeeper.cli.commands import COMMANDS
from tollkeeper.cli.lazy import Entry, LazyGroup
from tollkeeper.domain.errors import InvalidRequest, TollkeeperError


class _Commands(LazyGroup):
    entries: ClassVar[dict[str, Entry]] = COMMANDS


app = typer.Typer(
    name="tollkeeper",
    cls=_Commands,
    help="A self-hosted AI API gateway that keeps the money straight.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _show_version(is_wanted: bool) -> None:
    if is_wanted:
        from importlib.metadata import version

        print(f"tollkeeper {version('tollkeeper')}")
        raise typer.Exit


@app.callback()
def options(
    _version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """A self-hosted AI API gateway that keeps the money straight."""


def run() -> None:
    """Run the command line; exit 0 done, 1 refused or failed with one line on stderr, 2 wrong usage."""
    gc.set_threshold(50_000, 20, 20)  # imports make what stays: looking for garbage in it takes a tenth of a start
    try:
        app()
    except InvalidRequest as error:  # what the command was given contradicts itself or cannot be understood
        print(f"tollkeeper: {error.message}", file=sys.stderr)
        sys.exit(2)
    except TollkeeperError as error:
        print(f"tollkeeper: {error.message}", file=sys.stderr)
        sys.exit(1)
    except BrokenPipeError:
        sys.exit(0)  # the reader of our output (head, less) has seen enough
