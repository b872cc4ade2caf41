"""Reserves and bills many requests of each operation, and says how far the two are apart."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from tests.bounds.bound_accountant import Accountant
from tests.bounds.bound_requests import MadeRequest, RequestMaker

from tollkeeper.domain.deployment import Deployment, Provider, Route
from tollkeeper.gateway.ceiling import ceiling_of
from tollkeeper.gateway.wire import openai as wire
from tollkeeper.prices.book import CompiledBook

OPERATIONS: tuple[wire.OpenAIOperation, ...] = ("chat.completions", "completions", "embeddings")
NOW_US = 1_795_305_600_000_000  # 2026-11-22
PROVIDER = Provider("openai", "openai", "https://provider.test/v1", "", "openai")


@dataclass
class Figures:
    """Of one kind of request: reserved over billed, and those that were billed more than was reserved."""

    ratios: list[float] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)

    def quantile(self, part: float) -> float:
        ratios = sorted(self.ratios)
        return ratios[min(len(ratios) - 1, int(len(ratios) * part))] if ratios else 0.0

    def row(self, name: str) -> str:
        return (
            f"  {name:<34} {len(self.ratios):>9,} {len(self.violations):>11,} "
            f"{self.quantile(0.5):>10.2f} {self.quantile(0.95):>12.2f}"
        )


HEADING = f"  {'':<34} {'requests':>9} {'violations':>11} {'median':>10} {'95th pct':>12}   (reserved / billed)"


def compare(
    operation: wire.OpenAIOperation, requests: int, seed: int, *, progress: Callable[[str], None] = lambda _: None
) -> dict[str, Figures]:
    """Return the figures by kind of request; "" is all of them."""
    maker, accountant, book = RequestMaker(seed), Accountant(seed), CompiledBook.load()
    found: dict[str, Figures] = {"": Figures()}
    number = 0
    while number < requests:
        made = maker.make(operation)
        billed = accountant.bill(made)
        if billed is None:
            continue
        number += 1
        billed = max(billed, accountant.simulated(made) or 0, 1)
        reserved = reserve(made, book)
        assert reserved is not None, f"no price: {made.fields['model']}"
        for kind in ("", kind_of(made)):
            figures = found.setdefault(kind, Figures())
            figures.ratios.append(reserved / billed)
            if billed > reserved:
                body = made.body[:300].decode("utf-8", "replace")
                figures.violations.append(f"number {number}: reserved {reserved}, billed {billed}: {body}")
        if number % 2_000 == 0:
            progress(f"{operation}: {number:,}")
    return found


def reserve(made: MadeRequest, book: CompiledBook) -> int | None:
    """Return what would be reserved for the request, in nano-USD."""
    call = wire.parse(made.operation, made.body)  # type: ignore[arg-type]
    route = Route(call.model, (Deployment(PROVIDER, call.model),))
    return ceiling_of(route, call, book, at_us=NOW_US).nanos


def kind_of(made: MadeRequest) -> str:
    """Name what its bound hangs on most."""
    fields = made.fields
    if made.file_tokens:
        return "with a file"
    if made.pictures:
        return "with pictures"
    if made.audio_seconds:
        return "with a voice"
    if "prediction" in fields:
        return "with a prediction"
    if made.operation == "embeddings":
        return "text"
    return "text, limit stated" if {"max_tokens", "max_completion_tokens"} & fields.keys() else "text, no limit"
