"""Faults on demand: their grammar (`status=503;delay=200`) and where they come from.

A fault is asked for by the header `x-sim-fault`, by a marker `[[sim:…]]` in the last user message (a gateway does not
forward unknown headers), or by a rule set through `POST /_faults`. All three are combined; the header wins.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, fields, replace
from typing import Literal, get_args

_MARKER = re.compile(r"\[\[sim:([^\]]*)\]\]")
Refusal = Literal["rate", "tokens", "quota"]
_STATUSES = frozenset({400, 401, 402, 403, 404, 408, 409, 413, 422, 429, 500, 502, 503, 504, 529})


class UnknownFaultError(ValueError):
    """The text of a fault is not in the grammar; `str()` says which part."""


@dataclass(frozen=True, slots=True)
class FaultPlan:
    """What is to go wrong with one answer; the defaults mean nothing.

    Times are milliseconds, positions are bytes of the body. `delay_ms` is time in the provider's queue, before anything
    is billed; `first_byte_delay_ms` holds back an answer that is already being generated. `tokens` and `big_kb` set the
    length of the answer and override the caller's limits. `searches` is how often a search tool is used that the caller
    offers. `blocked` has the prompt refused for what it says, `filtered` the answer broken off, each in a 200. `key` are the
    last characters of the only api key that all this is for, `label` is a name for the bill; neither does anything else.
    """

    text: str = ""
    status: int | None = None
    refusal: Refusal = "rate"
    delay_ms: int = 0
    first_byte_delay_ms: int = 0
    cut_at: int | None = None
    reset_at: int | None = None
    stall_at: int | None = None
    no_usage: bool = False
    zero_usage: bool = False
    malformed: bool = False
    drip_bytes: int | None = None
    drip_ms: int = 0
    piece_bytes: int | None = None
    error_event: bool = False
    crlf: bool = False
    late_usage: bool = False
    big_kb: int | None = None
    tokens: int | None = None
    searches: int | None = None
    blocked: bool = False
    filtered: bool = False
    key: str = ""
    label: str = ""

    @property
    def ends_at(self) -> int | None:
        """The body byte after which nothing more is sent, whichever way it ends."""
        ends = [at for at in (self.cut_at, self.reset_at, self.stall_at) if at is not None]
        return min(ends) if ends else None

    def for_key(self, api_key_id: str) -> FaultPlan:
        """Return what is to go wrong for a caller: nothing when it is meant for another one's key; its text stays."""
        return replace(NO_FAULT, text=self.text, label=self.label) if self.key not in {"", api_key_id} else self


NO_FAULT = FaultPlan()
_FLAGS = frozenset({"no_usage", "zero_usage", "malformed", "error_event", "crlf", "late_usage", "blocked", "filtered"})
_NUMBERS = {
    "delay": "delay_ms",
    "first_byte_delay": "first_byte_delay_ms",
    "cut": "cut_at",
    "reset": "reset_at",
    "stall": "stall_at",
    "pieces": "piece_bytes",
    "big": "big_kb",
    "tokens": "tokens",
    "searches": "searches",
}
_NAMES = frozenset({"key", "label"})


def parse(text: str) -> FaultPlan:
    """Read a fault; parts are joined with `;`.

    Raises:
        UnknownFaultError: a part has an unknown name or a value that is not a number in range.

    """
    values: dict[str, object] = {}
    for part in filter(None, (piece.strip() for piece in text.split(";"))):
        name, _, value = part.partition("=")
        if name in _FLAGS and not value:
            values[name] = True
        elif name in _NUMBERS:
            values[_NUMBERS[name]] = _number(value, part, at_least=1 if name in {"pieces", "big", "tokens"} else 0)
        elif name == "drip":
            size, _, pause = value.partition(",")
            values["drip_bytes"], values["drip_ms"] = _number(size, part, at_least=1), _number(pause, part)
        elif name == "status":
            values |= _status(value, part)
        elif name in _NAMES and value:
            values[name] = value
        else:
            msg = f"unknown fault {part!r}"
            raise UnknownFaultError(msg)
    return replace(NO_FAULT, text=text.strip(), **values)  # type: ignore[arg-type]


def marker_in(text: str) -> str | None:
    """Return the fault that a `[[sim:…]]` marker in `text` asks for; the last one wins."""
    if "[[sim:" not in text:
        return None
    found = _MARKER.findall(text)
    return found[-1] if found else None


def combine(*texts: str | None) -> FaultPlan:
    """Return one plan from several fault texts; where two set the same thing the earlier one wins."""
    given = [text for text in texts if text]
    if not given:
        return NO_FAULT
    return parse(";".join(reversed(given)))


@dataclass(slots=True)
class Rule:
    """A fault for the next `count` requests that match; None matches everything, `count` None never runs out."""

    fault: str
    model: str | None = None
    path: str | None = None
    api_key_id: str | None = None
    count: int | None = 1
    used: int = 0

    def fits(self, path: str, model: str, api_key_id: str) -> bool:
        """Whether this rule is meant for that request."""
        if self.count is not None and self.used >= self.count:
            return False
        return self.model in (None, model) and self.path in (None, path) and self.api_key_id in (None, api_key_id)


@dataclass(slots=True)
class Rules:
    """The faults that were set through the control API, oldest first; the first that fits is used."""

    rules: list[Rule] = field(default_factory=list)

    def add(self, rule: Rule) -> None:
        """Add a rule. Raises UnknownFaultError when its fault is not in the grammar."""
        parse(rule.fault)
        self.rules.append(rule)

    def take(self, path: str, model: str, api_key_id: str) -> str | None:
        """Return the fault for this request, if any, and count it as used."""
        for rule in self.rules:
            if rule.fits(path, model, api_key_id):
                rule.used += 1
                return rule.fault
        return None


def _number(value: str, part: str, *, at_least: int = 0) -> int:
    if not value.isascii() or not value.isdecimal() or int(value) < at_least:
        msg = f"fault {part!r} needs a whole number of at least {at_least}"
        raise UnknownFaultError(msg)
    return int(value)


def _status(value: str, part: str) -> dict[str, object]:
    code, _, kind = value.partition(":")
    status = _number(code, part)
    if status not in _STATUSES or (kind and kind not in get_args(Refusal)):
        msg = f"fault {part!r} is not a status that can be asked for"
        raise UnknownFaultError(msg)
    return {"status": status, "refusal": kind or "rate"}


assert set(_NUMBERS.values()) | _FLAGS | _NAMES <= {each.name for each in fields(FaultPlan)}
