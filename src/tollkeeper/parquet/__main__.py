"""The writing child: reads a table from its standard input, writes the file to its standard output, and ends."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from typing import Any, BinaryIO

import msgspec

from tollkeeper.parquet.table import LENGTH, decode_head, decode_rows

_NICE = 10
_PART_BYTES = 1 << 16


def serve(table: BinaryIO, file: BinaryIO) -> None:
    """Write one file. Nothing is written before the whole table is there.

    Raises:
        EOFError: the other side is gone.
        OverflowError: a count that no int64 holds.
    """
    from tollkeeper.parquet.file import write_file

    written = write_file(decode_head(_payload(table)), _batches(table))
    file.writelines(written[at : at + _PART_BYTES] for at in range(0, len(written), _PART_BYTES))
    file.flush()


def _batches(table: BinaryIO) -> Iterator[list[list[Any]]]:
    while payload := _payload(table):
        yield decode_rows(payload)


def _payload(table: BinaryIO) -> bytes:
    head = table.read(LENGTH.size)
    if len(head) < LENGTH.size:
        raise EOFError("the table ends before its end")
    (length,) = LENGTH.unpack(head)
    payload = table.read(length)
    if len(payload) < length:
        raise EOFError("the table ends before its end")
    return payload


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the server: it ends its children
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    os.nice(_NICE)  # calls come first
    try:
        serve(sys.stdin.buffer, sys.stdout.buffer)
    except (EOFError, OverflowError, ValueError, msgspec.MsgspecError, ImportError) as fault:
        sys.exit(f"{type(fault).__name__}: {fault}")
