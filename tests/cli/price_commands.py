"""Calls `prices` and `estimate` in process, and expects them to be done or refused."""

from __future__ import annotations

import json
from typing import Any

import typer
from click.testing import Result
from typer.testing import CliRunner

from tollkeeper.cli import prices
from tollkeeper.cli.estimate import estimate
from tollkeeper.domain.errors import TollkeeperError

app = typer.Typer()
app.add_typer(prices.app, name="prices")
app.command("estimate")(estimate)

C1 = ("--calls", "1000", "--input", "5000", "--output", "500")


def call(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


def done(*arguments: str) -> str:
    result = call(*arguments)
    assert result.exit_code == 0, (result.output, result.exception)
    return result.output


def found(*arguments: str) -> Any:
    result = call(*arguments, "--json")
    assert result.exit_code == 0, (result.output, result.exception)
    return json.loads(result.stdout)


def refused(*arguments: str) -> TollkeeperError:
    result = call(*arguments)
    assert isinstance(result.exception, TollkeeperError), (result.exit_code, result.output, result.exception)
    return result.exception


def add(url: str, *more: str, price: str = "1.5", model: str = "gpt-4o-mini", dimension: str = "input") -> Any:
    named = ("--provider", "openai", "--model", model, "--dimension", dimension, "--usd-per-million", price)
    return found("prices", "add", *named, *more, "--database", url)
