"""A stream of events on its way back to the client: metered in the provider's dialect, then as it is, or translated."""

from __future__ import annotations

from functools import partial

from tollkeeper.domain.money import format_usd
from tollkeeper.domain.usage import Outcome
from tollkeeper.gateway.anthropic_meter import AnthropicMeter
from tollkeeper.gateway.gemini_meter import GeminiMeter
from tollkeeper.gateway.media_meter import MediaMeter
from tollkeeper.gateway.meter import TEXT_LENGTH_MAX, StreamMeter
from tollkeeper.gateway.openai_meter import OpenAIMeter
from tollkeeper.gateway.passage import Passage
from tollkeeper.gateway.responses_meter import ResponsesMeter
from tollkeeper.gateway.targets import Target
from tollkeeper.gateway.wire.audio import SpeechCall
from tollkeeper.gateway.wire.gemini_array import EventsAsArray
from tollkeeper.gateway.wire.media_call import MediaCall
from tollkeeper.gateway.wire.provider_api import ProviderApi
from tollkeeper.gateway.wire.responses import ResponsesCall


class StreamBack:
    """One stream. Cutting it into other pieces changes neither what the client gets nor the usage."""

    def __init__(self, passage: Passage, target: Target) -> None:
        self._passage, self._target = passage, target
        self.meter = _meter_of(target.api, passage)
        self._translated = None
        if passage.translation is not None:
            call = passage.call
            self._translated = passage.translation.stream(
                model=call.model,
                wants_usage=call.wants_usage,
                request_id=passage.request_id,
                cost_usd=partial(_cost_usd, self.meter, passage),  # not of this object: a circle would outlive the call
            )
        self._array = EventsAsArray() if passage.call.is_array else None

    def feed(self, data: bytes) -> bytes:
        """Take what arrived and return what may go to the client now.

        Raises:
            UpstreamFault: an event without end.
        """
        return self._pass(self.meter.feed(data))

    def finish(self) -> bytes:
        """Return what is left when the stream has ended."""
        passing = self._pass(self.meter.finish())
        if self._translated is not None:
            passing += self._as_asked(self._translated.finish())
        return passing if self._array is None else passing + self._array.finish()

    def note_end(self, *, is_client_gone: bool) -> None:
        """Let the passage know how the stream ended."""
        passage, meter = self._passage, self.meter
        if is_client_gone:
            passage.ended(Outcome.CLIENT_GONE)
        elif meter.has_error:
            passage.ended(Outcome.BROKEN, "the provider ended the stream with an error")
        elif not meter.is_done and (meter.usage is None or meter.needs_end):
            passage.ended(Outcome.BROKEN, "the stream ended without its end")
        else:
            passage.ended(Outcome.COMPLETE, "" if meter.usage else _why_counted(meter))

    def _pass(self, events: bytes) -> bytes:
        if not events:
            return events
        events = self._target.without_secret(events)
        if (translated := self._translated) is not None:
            events = translated.feed(events)
        return events if self._array is None else self._array.feed(events)

    def _as_asked(self, events: bytes) -> bytes:
        return events if self._array is None else self._array.feed(events)


def _cost_usd(meter: StreamMeter, passage: Passage) -> str | None:
    if meter.usage is None:
        return None
    amount = passage.use_of(meter.usage, meter.model_served).amount_nanos
    return None if amount is None else format_usd(amount)


def _why_counted(meter: StreamMeter) -> str:
    meter.output_texts()
    kept = f"; only the first {TEXT_LENGTH_MAX} characters of its text are counted" if meter.is_text_cut else ""
    return f"the provider stated no usage{kept}"


def _meter_of(api: ProviderApi, passage: Passage) -> StreamMeter:
    if api.dialect == "anthropic":
        return AnthropicMeter()
    if api.dialect == "gemini":
        return GeminiMeter(passage.call.choices)
    if isinstance(passage.call, MediaCall):
        return MediaMeter(is_speech=isinstance(passage.call, SpeechCall))
    if isinstance(passage.call, ResponsesCall):
        return ResponsesMeter(passage.deployment.provider, passage.call.ids, on_id=passage.call.note_id)
    # A translation sees the usage in any case, and says the cost itself.
    return OpenAIMeter(wants_usage=passage.translation is not None or passage.call.wants_usage, charge=passage.use_of)
