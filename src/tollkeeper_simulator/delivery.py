"""Sends an answer the way its fault plan says, and enters it into the bill before the last byte leaves.

What is billed when an answer does not end well: a refusal nothing; a plain answer everything, because it was generated
before it was sent; a stream the prompt and the tokens of the events written so far. A caller who hangs up while still
queued (`delay`) pays nothing, one who hangs up while a plain answer is generated pays for the tokens made until then.
"Written" is what went into the socket: without a pace a short stream is generated, and billed, before anyone can hang up.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import msgspec

from tollkeeper_simulator import clock
from tollkeeper_simulator.bill import Record, Usage, lines_for
from tollkeeper_simulator.http import head

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tollkeeper_simulator.answer import Answer, Caller, Event, Job
    from tollkeeper_simulator.bill import Bill
    from tollkeeper_simulator.faults import FaultPlan
    from tollkeeper_simulator.http import Channel

_MS_PER_S = 1_000
_LAST_CHUNK = b"0\r\n\r\n"
_MALFORMED_EVENT = 2
# After so many events without a pause other connections get their turn, and a caller who hung up is noticed.
_FAIRNESS = 64
_TICKS_PER_NANO = 10


class Delivery:
    """One answer on its way to one caller."""

    def __init__(
        self, caller: Caller, plan: FaultPlan, *, channel: Channel, bill: Bill, tokens_per_second: int | None
    ) -> None:
        """Prepare to answer `caller` over `channel`."""
        self._caller = caller
        self._plan = plan
        self._channel = channel
        self._bill = bill
        self._rate = tokens_per_second
        self._body_bytes = 0
        self._billed = False

    async def queue(self) -> bool:
        """Wait as long as the fault says; False when the caller hung up meanwhile, which costs nothing."""
        if self._plan.delay_ms:
            await self._channel.sleep(self._plan.delay_ms / _MS_PER_S)
        return not self._channel.gone

    async def send(self, answer: Answer) -> None:
        """Send `answer`; when this returns it is on the bill."""
        if answer.events is None:
            await self._send_plain(answer)
        else:
            await self._send_stream(answer, answer.events)
        assert self._billed or answer.job is None, "an answer left without being billed"

    def refuse(self, answer: Answer, *, hung_up: bool = False) -> None:
        """Enter an answer that costs nothing."""
        self._enter(answer, Usage(), complete=not hung_up, told=False)

    # Plain answers

    async def _send_plain(self, answer: Answer) -> None:
        usage = await self._generate(answer)
        end = self._plan.ends_at
        whole = end is None or end >= len(answer.body)
        body = answer.body if end is None else answer.body[:end]
        told = answer.tells_usage and whole and not self._plan.malformed and not self._channel.gone
        self._enter(answer, usage, complete=whole and not self._channel.gone, told=told)
        start = head(answer.status, [("content-type", answer.plain_type), *answer.headers], len(answer.body))
        if self._slow:
            await self._channel.write(start)
            for piece in self._cut(body):
                await self._write_raw(piece)
        else:
            await self._channel.write(start + body)
        if not whole:
            await self._end_badly()

    async def _generate(self, answer: Answer) -> Usage:
        """Take the time that the answer needs; return what was generated before the caller left."""
        if answer.job is None:
            return Usage()
        usage = answer.job.usage
        if self._rate is not None and usage.output_tokens:
            started = clock.monotonic_ms()
            await self._channel.sleep(usage.output_tokens / self._rate)
            if self._channel.gone:
                return _partly(usage, (clock.monotonic_ms() - started) * self._rate // _MS_PER_S)
        if self._plan.first_byte_delay_ms:
            await self._channel.sleep(self._plan.first_byte_delay_ms / _MS_PER_S)
        return usage

    # Streams

    async def _send_stream(self, answer: Answer, events: Iterable[Event]) -> None:
        assert answer.job is not None, "only a model's answer is streamed"
        if self._plan.first_byte_delay_ms:
            await self._channel.sleep(self._plan.first_byte_delay_ms / _MS_PER_S)
        kind = [("content-type", answer.stream_type), ("cache-control", "no-cache")]
        await self._channel.write(head(answer.status, [*kind, *answer.headers], None))
        made = _Made(answer.job)
        started = clock.monotonic_ms()
        for number, (event, last) in enumerate(_with_last(events)):
            if await self._paced(made.output + event.output_tokens, started):
                break
            if number % _FAIRNESS == _FAIRNESS - 1:
                await asyncio.sleep(0)
            made.add(event)
            # Something comes first, so that what breaks is a stream.
            if self._plan.error_event and made.half and number:
                self._enter(answer, made.usage(), complete=False, told=made.told)
                await self._write_event(answer.error_event)
                break
            data = self._spoil(event.data, number)
            if self._plan.ends_at is not None and self._body_bytes + len(data) >= self._plan.ends_at:
                await self._end_stream(answer, made, data[: self._plan.ends_at - self._body_bytes])
                return
            made.told = made.told or event.tells_usage
            if last:
                self._enter(answer, made.usage(), complete=True, told=made.told)
            await self._write_event(data)
        if not self._billed:
            self._enter(answer, made.usage(), complete=False, told=made.told)
        await self._channel.write(_LAST_CHUNK)

    async def _end_stream(self, answer: Answer, made: _Made, rest: bytes) -> None:
        self._enter(answer, made.usage(), complete=False, told=made.told)
        await self._write_event(rest)
        await self._end_badly()

    async def _paced(self, output_tokens: int, started_ms: int) -> bool:
        """Wait until so many tokens can have been made; True when the caller is gone."""
        if self._rate is not None:
            late_ms = started_ms + output_tokens * _MS_PER_S // self._rate - clock.monotonic_ms()
            if late_ms > 0:
                await self._channel.sleep(late_ms / _MS_PER_S)
        return self._channel.gone

    def _spoil(self, data: bytes, number: int) -> bytes:
        if self._plan.malformed and number == _MALFORMED_EVENT:
            data = data[: len(data) // 2] + b"\n\n"
        if self._plan.crlf:
            data = data.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
        return data

    async def _write_event(self, data: bytes) -> None:
        if not data:
            return
        if not self._slow:
            self._body_bytes += len(data)
            await self._channel.write(b"%x\r\n%b\r\n" % (len(data), data))
            return
        for piece in self._cut(data):
            await self._write_raw(piece, chunked=True)

    # Both

    @property
    def _slow(self) -> bool:
        return self._plan.drip_bytes is not None or self._plan.piece_bytes is not None

    def _cut(self, data: bytes) -> Iterator[bytes]:
        size = self._plan.drip_bytes or self._plan.piece_bytes or len(data)
        for start in range(0, len(data), size):
            yield data[start : start + size]

    async def _write_raw(self, piece: bytes, *, chunked: bool = False) -> None:
        self._body_bytes += len(piece)
        await self._channel.write(b"%x\r\n%b\r\n" % (len(piece), piece) if chunked else piece)
        # Even a pause of nothing lets the event loop hand the piece to the network by itself.
        await self._channel.sleep(self._plan.drip_ms / _MS_PER_S)

    async def _end_badly(self) -> None:
        if self._plan.stall_at == self._plan.ends_at:
            await self._channel.sleep(None)
        elif self._plan.reset_at == self._plan.ends_at:
            # What was written before must be on its way first: an RST would overtake it.
            await self._channel.sleep(0.01)
            self._channel.reset()
        else:
            self._channel.close()

    def _enter(self, answer: Answer, usage: Usage, *, complete: bool, told: bool) -> None:
        assert not self._billed, "an answer was about to be billed twice"
        self._billed = True
        job, caller = answer.job, self._caller
        if self._plan.zero_usage:
            usage = Usage()
        lines = () if job is None else lines_for(job.model, job.tier, usage, percent=job.percent)
        amount_nano = sum(line.amount_nano for line in lines)
        record = Record(
            request_id=caller.request_id,
            path=caller.path,
            model="" if job is None else job.model,
            served_model="" if job is None else job.served_model,
            service_tier="default" if job is None else job.tier,
            status=answer.status,
            usage=usage,
            lines=lines,
            amount_nano=amount_nano,
            complete=complete,
            usage_sent=told,
            client_gone_after_bytes=self._body_bytes if self._channel.gone else None,
            fault=self._plan.text or None,
            api_key_id=caller.api_key_id,
            stream=answer.events is not None,
            time=clock.now_s(),
            provider=self._caller.provider if job is None else job.provider,
            price_percent=100 if job is None else job.percent,
            cost_ticks=amount_nano * _TICKS_PER_NANO if job is not None and job.states_cost else None,
        )
        self._bill.add(record)


class _Made:
    """What a stream has generated so far."""

    def __init__(self, job: Job) -> None:
        self._whole = job.usage
        self._entered = job.usage.input_tokens - job.found_tokens
        # Without results that come on the way, what was searched was searched before the first event.
        self._searches = 0 if job.found_tokens else job.usage.web_searches
        self.output = self._reasoning = self._audio = 0
        self.told = False

    @property
    def half(self) -> bool:
        return 2 * self.output >= self._whole.output_tokens

    def add(self, event: Event) -> None:
        self.output += event.output_tokens
        self._reasoning += event.reasoning_tokens
        self._audio += event.output_audio_tokens
        self._entered += event.found_tokens
        self._searches += event.searches

    def usage(self) -> Usage:
        return msgspec.structs.replace(
            self._whole,
            input_tokens=self._entered,
            web_searches=self._searches,
            output_tokens=self.output,
            reasoning_tokens=self._reasoning,
            output_audio_tokens=self._audio,
            output_image_tokens=min(self._whole.output_image_tokens, self.output),
        )


def _partly(usage: Usage, output_tokens: int) -> Usage:
    """Return `usage` with only the first `output_tokens`; reasoning comes first, audio last."""
    output = min(output_tokens, usage.output_tokens)
    spoken = max(0, output - (usage.output_tokens - usage.output_audio_tokens))
    return msgspec.structs.replace(
        usage,
        output_tokens=output,
        reasoning_tokens=min(usage.reasoning_tokens, output),
        output_audio_tokens=spoken,
        output_image_tokens=min(usage.output_image_tokens, output),
    )


def _with_last(events: Iterable[Event]) -> Iterator[tuple[Event, bool]]:
    """Yield each event, and whether it is the last."""
    coming = iter(events)
    event = next(coming)
    for following in coming:
        yield event, False
        event = following
    yield event, True
