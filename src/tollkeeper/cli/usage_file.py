"""Answers about usage as files: CSV, or Parquet with types, exact to the nano."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Annotated, BinaryIO

import typer

from tollkeeper.cli.usage_question import Answer
from tollkeeper.control.usage_export import head_of, rows_of, write_csv
from tollkeeper.domain.errors import InvalidRequest, TollkeeperError
from tollkeeper.parquet.table import Head, Row
from tollkeeper.parquet.writing import ParquetWriter

FormatOption = Annotated[str, typer.Option("--format", help="table, csv or parquet.")]
OutOption = Annotated[
    Path | None, typer.Option("--out", help="The file to write, with --format csv or parquet; else standard output.")
]
_FORMS = ("table", "csv", "parquet")
_ROWS_MAX = 10_000_000
_TIMEOUT_S = 3600.0
_BATCH = 10_000


def check_form(form: str, out: Path | None, *, as_json: bool) -> None:
    """Pass when these options go together.

    Raises:
        typer.BadParameter: they do not.
    """
    if form not in _FORMS:
        raise typer.BadParameter(f"--format '{form}': use {', '.join(_FORMS)}.")
    if as_json and form != "table":
        raise typer.BadParameter("--json and --format exclude each other.")
    if out is not None and form == "table":
        raise typer.BadParameter("--out: say --format csv or --format parquet.")
    if form == "parquet" and out is None and sys.stdout.isatty():
        raise typer.BadParameter("--format parquet: name the file with --out; it is nothing to read on a terminal.")


def write(answer: Answer, form: str, out: Path | None) -> None:
    """Write the answer as a file.

    Raises:
        InvalidRequest: the file cannot be written.
        NotInstalled: the library for Parquet is missing.
    """
    organization = answer.organization
    head = head_of(answer.question.by, timezone=organization.timezone, organization_id=organization.id)
    rows = rows_of(answer.lines, answer.names, head)
    if out is None:
        asyncio.run(_write(head, rows, form, sys.stdout.buffer))
        sys.stdout.buffer.flush()
        return
    part = out.with_name(f"{out.name}.part")  # what breaks off is not taken for the file
    try:
        with part.open("wb") as file:
            asyncio.run(_write(head, rows, form, file))
        part.replace(out)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise InvalidRequest(f"{out} cannot be written: {error.strerror}.", param="out") from None
    except TollkeeperError:
        part.unlink(missing_ok=True)
        raise


async def _write(head: Head, rows: Sequence[Row], form: str, file: BinaryIO) -> None:
    if form == "csv":
        file.write(await write_csv(_batches(rows), head))
        return
    writer = ParquetWriter(rows_max=_ROWS_MAX, timeout_s=_TIMEOUT_S)
    written = await writer.write(head, _batches(rows))
    try:
        async for part in written:
            file.write(part)
    finally:
        written.close()
        await writer.aclose()


async def _batches(rows: Sequence[Row]) -> AsyncIterator[Sequence[Row]]:
    for at in range(0, len(rows), _BATCH):
        yield rows[at : at + _BATCH]
