"""`tollkeeper simulate`: the bundled provider simulator alone."""

from __future__ import annotations

import sys

import typer

CONTEXT = {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}


def simulate(context: typer.Context) -> None:
    """Start the provider simulator: it looks like OpenAI, Anthropic, Gemini, DeepSeek and xAI, and keeps its own exact bill. `--port 9090`, `--help`."""
    from tollkeeper_simulator.__main__ import main

    sys.exit(main(context.args))
