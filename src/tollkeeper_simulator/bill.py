"""The simulated provider's bill: one record for each request it answered, exact to the nano-USD, and nothing else."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import msgspec

from tollkeeper_simulator.prices import COUNTED_WITH, Dimension, Provider, Tier, amount_nano, rates_for

if TYPE_CHECKING:
    from pathlib import Path

    from tollkeeper_simulator.prices import Rates


class Usage(msgspec.Struct, frozen=True):
    """Quantities of one request. What a provider does not have stays zero.

    `input_tokens` is the whole input, however the provider's own `usage` splits it: cached, written to a cache, audio,
    image and tool-use prompt tokens are in it. `output_tokens` includes reasoning, audio and image tokens.
    `cached_audio_tokens` are among both the cached and the audio tokens; `cache_write_tokens` are those for 30 minutes.
    """

    input_tokens: int = 0
    cached_tokens: int = 0
    cache_write_tokens: int = 0
    input_audio_tokens: int = 0
    input_image_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int = 0
    output_audio_tokens: int = 0
    cache_write_5m_tokens: int = 0
    cache_write_1h_tokens: int = 0
    cache_write_12h_tokens: int = 0
    cached_audio_tokens: int = 0
    tool_use_prompt_tokens: int = 0
    output_image_tokens: int = 0
    web_searches: int = 0
    file_searches: int = 0
    code_sessions: int = 0
    grounded_prompts: int = 0
    grounding_queries: int = 0
    seconds: int = 0
    characters: int = 0
    images: int = 0
    image_kind: str = ""

    def quantities(self) -> dict[Dimension, int]:
        """Return the disjoint classes that can be billed; those of tokens add up to input plus output.

        Pictures are counted with the other input: only a model that sells them apart says so (see `lines_for`).
        """
        heard = self.input_audio_tokens - self.cached_audio_tokens
        written = self.cache_write_5m_tokens + self.cache_write_1h_tokens + self.cache_write_12h_tokens
        apart = self.cached_tokens + self.cache_write_tokens + written + heard
        classes: dict[Dimension, int] = {
            "input": self.input_tokens - apart,
            "cache_read": self.cached_tokens - self.cached_audio_tokens,
            "cache_read_audio": self.cached_audio_tokens,
            "cache_write_5m": self.cache_write_5m_tokens,
            "cache_write_30m": self.cache_write_tokens,
            "cache_write_1h": self.cache_write_1h_tokens,
            "cache_write_12h": self.cache_write_12h_tokens,
            "input_audio": heard,
            "output": self.output_tokens - self.output_audio_tokens - self.output_image_tokens,
            "output_audio": self.output_audio_tokens,
            "output_image": self.output_image_tokens,
            "web_search": self.web_searches,
            "file_search": self.file_searches,
            "code_session": self.code_sessions,
            "grounded_prompt": self.grounded_prompts,
            "grounding_query": self.grounding_queries,
            "second": self.seconds,
            "character": self.characters,
            "image": self.images,
        }
        assert min(classes.values()) >= 0, f"token classes overlap: {self}"
        return classes


class Line(msgspec.Struct, frozen=True):
    """One priced dimension of a record; `amount_nano` is rounded once, half to even. `detail` is an image's size and quality."""

    dimension: Dimension
    quantity: int
    unit_price_pico: int
    amount_nano: int
    detail: str = ""


class Record(msgspec.Struct, frozen=True):
    """One request as the provider bills it.

    `model` is the name on the price list and `served_model` the dated one in the answer; both are empty when the request
    was refused before a model was known. `time` is Unix seconds. `complete` says that the whole answer was handed to the
    network, `usage_sent` that the caller was told its usage, `client_gone_after_bytes` how many body bytes had been
    written when the caller was seen to be gone. `service_tier` is the price list's word, `default` where Anthropic and
    Google say `standard`. `price_percent` is what the token prices in `lines` are of the list's, `cost_ticks` the cost that
    the caller is told by a provider that states it (xAI), in 10^-10 US dollars.
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
    provider: Provider = "openai"
    price_percent: int = 100
    cost_ticks: int | None = None


def lines_for(model: str, tier: Tier, usage: Usage, *, percent: int = 100) -> tuple[Line, ...]:
    """Price `usage`: one line for each dimension with a quantity, one rounding for each line."""
    rates = rates_for(model, tier, usage.input_tokens).at_percent(percent)
    lines = []
    for dimension, quantity in _sold(usage, rates).items():
        if quantity:
            detail = usage.image_kind if dimension == "image" else ""
            price = rates.of(dimension, detail)
            lines.append(Line(dimension, quantity, price, amount_nano(quantity, price), detail))
    return tuple(lines)


def _sold(usage: Usage, rates: Rates) -> dict[Dimension, int]:
    """Return the quantities by what this model has prices for: audio without a price of its own is plain input."""
    sold = usage.quantities()
    if usage.input_image_tokens and rates.sells("input_image"):
        # A cached picture is billed as cached text everywhere, so only fresh ones are taken out of the input.
        pictures = min(usage.input_image_tokens, sold["input"])
        sold["input_image"] = pictures
        sold["input"] -= pictures
    for dimension, other in COUNTED_WITH.items():
        if sold.get(dimension) and not rates.sells(dimension):
            sold[other] += sold.pop(dimension)
    return sold


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
