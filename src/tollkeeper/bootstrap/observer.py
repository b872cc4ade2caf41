"""Wires what observes calls by the settings: their counts, their traces, and the parts that tell the traces."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from tollkeeper import config
from tollkeeper.bootstrap.traced_parts import TracedDeployments, TracedLedger, TracedLimiter, TracedRelay
from tollkeeper.gateway.relay import Relay, RelaySettings
from tollkeeper.observability.call_counts import CountedCalls
from tollkeeper.observability.call_trace import Tracer
from tollkeeper.observability.label_names import LabelNames
from tollkeeper.observability.trace_queue import TraceQueue

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tollkeeper.ports.deployments import Deployments
    from tollkeeper.ports.ledger import Ledger
    from tollkeeper.ports.limiter import Limiter
    from tollkeeper.ports.upstream import Upstream

CLOSING_S = 3.0
"""How long a process that ends waits for the collector to take the last traces."""


class Observer:
    """What is known of the calls of one process. Without tracing every part is handed back as it is."""

    def __init__(self, counted: CountedCalls, traces: TraceQueue | None, tracer: Tracer | None) -> None:
        self.counted, self.traces, self.tracer = counted, traces, tracer

    def limiter(self, limiter: Limiter) -> Limiter:
        return limiter if self.tracer is None else TracedLimiter(limiter)

    def deployments(self, deployments: Deployments) -> Deployments:
        return deployments if self.tracer is None else TracedDeployments(deployments)

    def ledger(self, ledger: Ledger) -> Ledger:
        return ledger if self.tracer is None else TracedLedger(ledger)

    def relay(self, upstream: Upstream, settings: RelaySettings) -> Relay:
        return (Relay if self.tracer is None else TracedRelay)(upstream, settings)


def open_observer(
    configuration: config.Configuration, *, instance: str, closers: list[Callable[[], Awaitable[object]]]
) -> Observer:
    """Return what observes calls, begun; what needs closing is added to `closers`. `instance` names this process."""
    models = [each.model for route in configuration.routes for each in route.deployments]
    counted = CountedCalls(LabelNames([provider.name for provider in configuration.providers], models))
    tracing = configuration.settings.tracing
    if not tracing.enabled:
        return Observer(counted, None, None)
    from tollkeeper.observability.otlp import Otlp  # with OpenTelemetry, which nobody needs without traces

    collector = Otlp(
        tracing.endpoint, configuration.tracing_headers, service_name=tracing.service_name, instance=instance
    )
    traces = TraceQueue(collector.export, waiting_max=tracing.queue_max)
    traces.start()

    async def close() -> None:
        await asyncio.to_thread(traces.close, CLOSING_S)
        await asyncio.to_thread(collector.close)

    closers.append(close)
    return Observer(counted, traces, Tracer(traces.offer, tracing.sample_ratio))
