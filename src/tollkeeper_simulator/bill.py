"""The simulated provider's bill: one record for each request it answered, exact to the nano-USD, and nothing else."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import msgspec

from tollkeeper_simulator.prices import Dimension, Tier, amount_nano, rates_for

if TYPE_CHECKING:
    from pathlib import Path


class Usage(msgspec.Struct, frozen=True):
    """Token quantities of one request; the first five describe the prompt, the rest the answer.

    `input_tokens` includes cached, cache-write, audio and image tokens; `output_tokens` includes reasoning and audio.
    """

    input_tokens: int = 0
    cached_tokens: int = 0
    cache_write_tokens: int = 0
    input_audio_tokens: int = 0
    input_image_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int = 0
    output_audio_tokens: int = 0

    def quantities(self) -> dict[Dimension, int]:
        """Return the disjoint token classes that are billed; they add up to input plus output."""
        apart = self.cached_tokens + self.cache_write_tokens + self.input_audio_tokens
        classes: dict[Dimension, int] = {
            "input": self.input_tokens - apart,
            "cache_read": self.cached_tokens,
            "cache_write_30m": self.cache_write_tokens,
            "input_audio": self.input_audio_tokens,
            "output": self.output_tokens - self.output_audio_tokens,
            "output_audio": self.output_audio_tokens,
        }
        assert min(classes.values()) >= 0, f"token classes overlap: {self}"
        return classes


class Line(msgspec.Struct, frozen=True):
    """One priced dimension of a record; `amount_nano` is rounded once, half to even."""

    dimension: Dimension
    quantity: int
    unit_price_pico: int
    amount_nano: int


class Record(msgspec.Struct, frozen=True):
    """One request as the provider bills it.

    `model` is the name on the price list and `served_model` the dated one in the answer; both are empty when the request
    was refused before a model was known. `time` is Unix seconds. `complete` says that the whole answer was handed to the
    network, `usage_sent` that the caller was told its usage, `client_gone_after_bytes` how many body bytes had been
    written when the caller was seen to be gone.
    """

    request_id: str
    path: str
    model: str
    served_model: str
    service_tier: Tier
    status: int
    usage: Usage
    lines: tuple[Line, ...]
    amount_nano: int
    complete: bool
    usage_sent: bool
    client_gone_after_bytes: int | None
    fault: str | None
    api_key_id: str
    stream: bool
    time: int


def lines_for(model: str, tier: Tier, usage: Usage) -> tuple[Line, ...]:
    """Price `usage`: one line for each dimension with a quantity, one rounding for each line."""
    rates = rates_for(model, tier, usage.input_tokens)
    return tuple(
        Line(dimension, quantity, price, amount_nano(quantity, price))
        for dimension, quantity in usage.quantities().items()
        if quantity
        for price in (rates.of(dimension),)
    )


class Bill:
    """All records since the start or the last reset, in the order in which they were finished."""

    def __init__(self, path: Path | None = None) -> None:
        """Append every record to the file at `path` too, if one is given."""
        self.records: list[Record] = []
        self.total_nano = 0
        self.in_flight = 0
        self._place: dict[str, int] = {}
        self._encoder = msgspec.json.Encoder()
        self._file = None if path is None else os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)

    def add(self, record: Record) -> None:
        """Enter one finished record; it is in the file, by write(2), when this returns."""
        assert record.request_id not in self._place, f"{record.request_id} was billed twice"
        if self._file is not None:
            line = self._encoder.encode(record) + b"\n"
            written = os.write(self._file, line)
            assert written == len(line), "the bill file took only part of a record"
        self._place[record.request_id] = len(self.records)
        self.records.append(record)
        self.total_nano += record.amount_nano

    def since(self, request_id: str | None) -> list[Record]:
        """Return the records after `request_id`, or all of them. KeyError when that id is not on the bill."""
        if request_id is None:
            return self.records
        return self.records[self._place[request_id] + 1 :]

    def reset(self) -> None:
        """Start an empty bill; the file keeps what it has."""
        self.records = []
        self._place = {}
        self.total_nano = 0

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            os.close(self._file)
            self._file = None
