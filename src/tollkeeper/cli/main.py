"""The command `tollkeeper`: its sub-commands, and how its errors reach a person: one clear line, exit code 1."""

from __future__ import annotations

import sys
from importlib.metadata import version
from typing import Annotated

import typer

from tollkeeper.cli import costs, db, demo, estimate, init, keys, prices, serve, simulate, usage
from tollkeeper.domain.errors import TollkeeperError

app = typer.Typer(
    name="tollkeeper",
    help="A self-hosted AI API gateway that keeps the money straight.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("demo")(demo.demo)
app.command("serve")(serve.serve)
app.command("init")(init.init)
app.add_typer(keys.app, name="keys")
app.add_typer(prices.app, name="prices")
app.command("usage")(usage.usage)
app.command("costs")(costs.costs)
app.command("estimate")(estimate.estimate)
app.add_typer(db.app, name="db")
app.command("simulate", context_settings=simulate.CONTEXT)(simulate.simulate)


def _show_version(is_wanted: bool) -> None:
    if is_wanted:
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
    try:
        app()
    except TollkeeperError as error:
        print(f"tollkeeper: {error.message}", file=sys.stderr)
        sys.exit(1)
    except BrokenPipeError:
        sys.exit(0)  # the reader of our output (head, less) has seen enough
