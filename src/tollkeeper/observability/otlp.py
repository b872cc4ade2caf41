"""Traces as OpenTelemetry's spans, in the words of its GenAI conventions, and their way to a collector by OTLP over HTTP.

The conventions are those of open-telemetry/semantic-conventions-genai v0.1.0 (github.com, read 2026-11-23), all of status
"development": span `gen_ai.client.inference` of docs/gen-ai/client-inference.md. This file alone imports OpenTelemetry, and
is imported when tracing is on.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from typing import Any
from urllib.parse import urlsplit

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceFlags

from tollkeeper.domain.deployment import ProviderKind
from tollkeeper.domain.usage import INPUT_DIMENSIONS, OUTPUT_DIMENSIONS, UsageRecord
from tollkeeper.observability.call_trace import CallTrace, TryTrace

OPERATIONS = {
    "chat.completions": "chat",
    "messages": "chat",
    "responses": "chat",
    "completions": "text_completion",
    "embeddings": "embeddings",
    "generate_content": "generate_content",
}
"""`gen_ai.operation.name` of each of our operations that has a word in the conventions; the others keep their own."""
PROVIDERS: dict[ProviderKind, str] = {
    "openai": "openai",
    "anthropic": "anthropic",
    "gemini": "gcp.gemini",
    "deepseek": "deepseek",
    "xai": "x_ai",
    "openai_compatible": "openai_compatible",
}
"""`gen_ai.provider.name` of each kind; the last is a word of ours."""
_PARTS: dict[str, Callable[[str], bool]] = {
    "input_tokens": lambda dimension: dimension in INPUT_DIMENSIONS,
    "output_tokens": lambda dimension: dimension in OUTPUT_DIMENSIONS,
    "cache_read.input_tokens": lambda dimension: dimension.startswith("cache_read"),
    "audio.cache_read.input_tokens": lambda dimension: dimension == "cache_read_audio",
    "image.cache_read.input_tokens": lambda dimension: dimension == "cache_read_image",
    "cache_write.input_tokens": lambda dimension: dimension.startswith("cache_write"),
    "audio.input_tokens": lambda dimension: dimension in {"input_audio", "cache_read_audio"},
    "audio.output_tokens": lambda dimension: dimension == "output_audio",
    "image.input_tokens": lambda dimension: dimension in {"input_image", "cache_read_image"},
    "image.output_tokens": lambda dimension: dimension == "output_image",
}
"""`gen_ai.usage.*`: which of our classes each adds up. Here totals include their parts."""
_TIMEOUT_S = 10.0
_SAMPLED = TraceFlags(TraceFlags.SAMPLED)
Attributes = dict[str, str | int | float | bool]


class _LastMessage(logging.Handler):
    """Keeps what the exporter said last."""

    text = ""

    def emit(self, record: logging.LogRecord) -> None:
        self.text = record.getMessage()


class Otlp:
    """One collector, and who sends to it."""

    def __init__(self, endpoint: str, headers: Mapping[str, str], *, service_name: str, instance: str) -> None:
        self._exporter: SpanExporter = OTLPSpanExporter(endpoint=endpoint, headers=dict(headers), timeout=_TIMEOUT_S)
        own = version("tollkeeper")
        self._resource = Resource(
            {"service.name": service_name, "service.version": own, "service.instance.id": instance}
        )
        self._scope = InstrumentationScope("tollkeeper", own)
        self._said = _LastMessage()
        logger = logging.getLogger("opentelemetry.exporter")  # it would log each batch; the queue tells once a minute
        logger.handlers, logger.propagate = [self._said], False

    def export(self, traces: Sequence[CallTrace]) -> str:
        """Send traces; waits for the collector, and tries again for some seconds when it is busy.

        Returns why it did not take them, "" when it did.
        """
        spans = [span for trace in traces for span in self.spans_of(trace)]
        if self._exporter.export(spans) is SpanExportResult.SUCCESS:
            return ""
        return self._said.text or "the collector did not take them"

    def close(self) -> None:
        """Give up what is on its way."""
        self._exporter.shutdown()

    def spans_of(self, trace: CallTrace) -> list[ReadableSpan]:
        """Return the call's span, and one below it for each try."""
        parent = None if trace.parent is None else _context(trace, trace.parent.span_id, is_remote=True)
        own = _context(trace, trace.span_id)
        whole = self._span(
            _name(trace),
            own,
            parent,
            kind=SpanKind.SERVER,
            times=(trace.at_ns(trace.started_ns), trace.at_ns(trace.ended_ns)),
            attributes=_call_attributes(trace),
            events=[Event(step, timestamp=trace.at_ns(at_ns)) for step, at_ns in trace.events],
            status=Status(StatusCode.ERROR if trace.status >= 500 else StatusCode.UNSET),
        )
        return [whole, *(self._try_span(trace, tried, own) for tried in trace.tries)]

    def _try_span(self, trace: CallTrace, tried: TryTrace, parent: SpanContext) -> ReadableSpan:
        return self._span(
            f"{_operation(trace)} {tried.deployment.model}",
            _context(trace, tried.span_id),
            parent,
            kind=SpanKind.CLIENT,
            times=(trace.at_ns(tried.started_ns), trace.at_ns(tried.ended_ns or trace.ended_ns)),
            attributes=_try_attributes(trace, tried),
            status=Status(StatusCode.ERROR if tried.error or tried.status >= 400 else StatusCode.UNSET),
        )

    def _span(
        self, name: str, own: SpanContext, parent: SpanContext | None, *, times: tuple[int, int], **more: Any
    ) -> ReadableSpan:
        return ReadableSpan(
            name,
            own,
            parent,
            self._resource,
            start_time=times[0],
            end_time=times[1],
            instrumentation_scope=self._scope,
            **more,
        )


def _context(trace: CallTrace, span_id: int, *, is_remote: bool = False) -> SpanContext:
    return SpanContext(trace.trace_id, span_id, is_remote=is_remote, trace_flags=_SAMPLED)


def _operation(trace: CallTrace) -> str:
    return OPERATIONS.get(trace.operation, trace.operation)


def _name(trace: CallTrace) -> str:
    """Return the operation with the model that was asked for; one that nobody here knows is not repeated."""
    record = _last_record(trace)
    return f"{_operation(trace)} {record.model_asked}" if record is not None else _operation(trace)


def _last_record(trace: CallTrace) -> UsageRecord | None:
    return next((tried.record for tried in reversed(trace.tries) if tried.record is not None), None)


def _call_attributes(trace: CallTrace) -> Attributes:
    found: Attributes = {
        "http.request.method": "POST",
        "tollkeeper.request_id": trace.request_id,
        "tollkeeper.operation": trace.operation,
        "tollkeeper.dialect": trace.dialect,
        "tollkeeper.tries": len(trace.tries),
    }
    if trace.status:  # 0: the client left before it was answered
        found["http.response.status_code"] = trace.status
    if trace.error:
        found["error.type"] = trace.error
    record = _last_record(trace)
    if record is not None:
        found |= {
            "gen_ai.request.model": record.model_asked,
            "tollkeeper.organization_id": record.organization_id,
            "tollkeeper.project_id": record.project_id,
            "tollkeeper.api_key_id": record.api_key_id,
            "tollkeeper.outcome": record.outcome.value,
            "tollkeeper.overhead_us": record.overhead_us,
        }
    return found


def _try_attributes(trace: CallTrace, tried: TryTrace) -> Attributes:
    provider = tried.deployment.provider
    place = urlsplit(provider.base_url)
    found: Attributes = {
        "gen_ai.operation.name": _operation(trace),
        "gen_ai.provider.name": PROVIDERS[provider.kind],
        "gen_ai.request.model": tried.deployment.model,
        "server.address": place.hostname or "",
        "server.port": place.port or (443 if place.scheme == "https" else 80),
        "tollkeeper.provider": provider.name,
    }
    if tried.is_stream:
        found["gen_ai.request.stream"] = True
    if tried.status:
        found["http.response.status_code"] = tried.status
    if tried.error or tried.status >= 400:
        found["error.type"] = tried.error or str(tried.status)
    return found | _settled_attributes(trace, tried, tried.record) if tried.record is not None else found


def _settled_attributes(trace: CallTrace, tried: TryTrace, record: UsageRecord) -> Attributes:
    found: Attributes = {
        "gen_ai.response.model": record.model_served,
        "tollkeeper.outcome": record.outcome.value,
        "tollkeeper.cost_state": record.cost_state.value,
        "tollkeeper.estimated": record.is_estimated,
    }
    if record.amount_nanos is not None:  # unknown is not zero
        found["tollkeeper.cost_nanos"] = record.amount_nanos
    if record.is_stream and record.first_byte_us:
        before_ns = tried.started_ns - trace.started_ns  # the record's time is the call's, lost tries included
        found["gen_ai.response.time_to_first_chunk"] = max(0, record.first_byte_us * 1_000 - before_ns) / 1_000_000_000
    for name, is_part in _PARTS.items():
        stated = [quantity for dimension, quantity in record.quantities.items() if is_part(dimension)]
        if stated:
            found[f"gen_ai.usage.{name}"] = sum(stated)
    if record.reasoning_tokens:
        found["gen_ai.usage.reasoning.output_tokens"] = record.reasoning_tokens
    return found
