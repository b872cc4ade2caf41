"""Meters a stream in the OpenAI dialect.

The usage chunk that only Tollkeeper asked for is taken out, the one the client asked for gets its cost.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from tollkeeper.domain.money import format_usd
from tollkeeper.domain.usage import Charge, Usage
from tollkeeper.gateway.meter import StreamMeter
from tollkeeper.gateway.wire import openai_answer as wire
from tollkeeper.gateway.wire.server_events import data_of, events_of
from tollkeeper.gateway.wire.translation_reading import event_data

_USAGE_OBJECT = re.compile(rb'"usage"\s*:\s*\{')
_DONE = re.compile(rb"^data: \[DONE\]", re.MULTILINE)
_ERROR_OBJECT = re.compile(rb'^data:\s*\{\s*"error"\s*:', re.MULTILINE)


class OpenAIMeter(StreamMeter):
    """`charge` prices a usage of the model that served, for the cost in the client's usage chunk."""

    needs_end = False  # some servers of the dialect state a usage and leave out `[DONE]`

    def __init__(self, *, wants_usage: bool, charge: Callable[[Usage, str], Charge]) -> None:
        super().__init__()
        self._wants_usage = wants_usage
        self._charge = charge
        self._service_tier: str | None = None

    def _texts_of(self, data: bytes) -> list[str]:
        return wire.delta_texts(data)

    def _pass(self, block: bytes) -> bytes:
        if not self.model_served:
            self._learn_model(block)
        if block.find(b'"usage"') >= 0 and _USAGE_OBJECT.search(block) is not None:
            return b"".join([self._pass_event(event) for event in events_of(block)])
        self._keep(block)
        self._notice(block)
        return block

    def _pass_event(self, event: bytes) -> bytes:
        found = _USAGE_OBJECT.search(event)
        answer = wire.parse_answer(data_of(event)) if found else None
        if found is None or answer is None or answer.usage is None:
            self._keep(event)
            self._notice(event)
            return event
        self.usage = wire.usage_of(answer.usage, answer.service_tier or self._service_tier)
        self.is_usage_final = not answer.choices
        if answer.choices:  # some servers put the usage into the last content chunk, or into every one
            self._keep(event)
            return event
        if not self._wants_usage:
            return b""
        return self._with_cost(event, found.end())

    def _with_cost(self, event: bytes, at: int) -> bytes:
        amount = self._charge(self.usage, self.model_served).amount_nanos if self.usage is not None else None
        if amount is None or b'"cost"' in event or _USAGE_OBJECT.search(event, at) is not None:
            return event  # which of two is the usage, only a parser could say
        return b'%b"cost":%b,%b' % (event[:at], format_usd(amount).encode(), event[at:])

    def _learn_model(self, block: bytes) -> None:
        for data in event_data(block):
            answer = wire.parse_answer(data)
            if answer is not None and answer.model:
                self.model_served = answer.model
                self._service_tier = answer.service_tier
                return

    def _notice(self, block: bytes) -> None:
        if block.find(b"data: [DONE]") >= 0 and _DONE.search(block) is not None:  # a model can write the same words
            self.is_done = self.is_usage_final = True
        if block.find(b'"error"') >= 0 and _ERROR_OBJECT.search(block) is not None:
            self.has_error = True
