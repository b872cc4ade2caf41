"""Every figure of `/metrics`: its name, kind, labels, unit and meaning. The reference page is written from here."""

from __future__ import annotations

from typing import Literal

import msgspec

Kind = Literal["counter", "gauge", "histogram"]
_MODEL = ("provider", "model")
MICRO, NANO = -6, -9


class Metric(msgspec.Struct, frozen=True):
    """One figure. Where it is counted in smaller units than it is shown in, `scale` is the power of ten between them.

    `bits` are the first and the last bound of a histogram, as powers of two of what is counted.
    """

    name: str
    kind: Kind
    meaning: str
    labels: tuple[str, ...] = ()
    scale: int = 0
    bits: tuple[int, int] = (0, 0)


METRICS: tuple[Metric, ...] = (
    # ---- calls
    Metric(
        "tollkeeper_calls_total",
        "counter",
        "Calls that were forwarded and have ended. status is the class of the provider's: 2xx to 5xx, none when no answer came.",
        ("dialect", "operation", *_MODEL, "status", "outcome"),
    ),
    Metric(
        "tollkeeper_call_duration_seconds",
        "histogram",
        "From the first byte of a call's request to its settlement.",
        _MODEL,
        MICRO,
        (13, 31),
    ),
    Metric(
        "tollkeeper_first_byte_seconds",
        "histogram",
        "From a call's request to the first byte of its provider's answer.",
        _MODEL,
        MICRO,
        (13, 30),
    ),
    Metric(
        "tollkeeper_overhead_seconds",
        "histogram",
        "What Tollkeeper adds to a call: its duration less the time spent waiting for providers.",
        ("operation",),
        MICRO,
        (5, 24),
    ),
    Metric("tollkeeper_tokens_total", "counter", "Tokens by billable class.", (*_MODEL, "class")),
    Metric(
        "tollkeeper_units_total",
        "counter",
        "What is billed and is no token: searches, code sessions, characters, seconds, images.",
        (*_MODEL, "class"),
    ),
    Metric(
        "tollkeeper_cost_usd_total",
        "counter",
        "What calls cost, in dollars, by cost state. For trends: the exact amounts are in the ledger.",
        (*_MODEL, "state"),
        NANO,
    ),
    Metric("tollkeeper_unpriced_calls_total", "counter", "Calls whose cost is unknown, which is not zero.", _MODEL),
    Metric(
        "tollkeeper_lost_tries_total",
        "counter",
        "Tries at deployments that did not serve, after which another one was tried; by what was met.",
        ("provider", "reason"),
    ),
    Metric(
        "tollkeeper_refusals_total",
        "counter",
        "Requests to the gateway that Tollkeeper itself answered with an error, by its code and HTTP status.",
        ("operation", "reason", "status"),
    ),
    Metric("tollkeeper_calls_in_flight", "gauge", "Requests to the gateway under way."),
    Metric("tollkeeper_streams_open", "gauge", "Streams that are passed on now, drains included."),
    Metric("tollkeeper_drains_open", "gauge", "Streams read on for their usage after their clients left."),
    Metric(
        "tollkeeper_background_responses",
        "gauge",
        "Responses that go on in the background and are asked for until they end.",
    ),
    Metric("tollkeeper_client_connections", "gauge", "Open connections of clients."),
    Metric("tollkeeper_provider_connections", "gauge", "Connections to providers.", ("state",)),
    Metric(
        "tollkeeper_provider_connections_waited_for", "gauge", "Calls that wait for a connection to their provider."
    ),
    # ---- books
    Metric("tollkeeper_journal_admitting", "gauge", "1 while the journal lets calls in, else 0."),
    Metric("tollkeeper_journal_open_reservations", "gauge", "Calls that are reserved and not settled."),
    Metric("tollkeeper_journal_backlog_records", "gauge", "Settled calls that the database does not have yet."),
    Metric("tollkeeper_journal_backlog_bytes", "gauge", "About what these take in the journal, by a sample of them."),
    Metric(
        "tollkeeper_journal_backlog_oldest_seconds",
        "gauge",
        "The age of the oldest of these; 0 without any.",
        scale=MICRO,
    ),
    Metric("tollkeeper_journal_file_bytes", "gauge", "What the journal's files of this process take."),
    Metric("tollkeeper_journal_flushed_total", "counter", "Settled calls written into the database."),
    Metric(
        "tollkeeper_journal_set_aside_total",
        "counter",
        "Settled calls that the database refused for good; they are in a file.",
    ),
    Metric("tollkeeper_leases", "gauge", "Leases on budgets that this process has.", ("unit",)),
    Metric(
        "tollkeeper_lease_escrow",
        "gauge",
        "What these hold of budgets: requests, tokens, calls at once.",
        ("unit",),
    ),
    Metric("tollkeeper_lease_free", "gauge", "What of that no call has drawn.", ("unit",)),
    Metric("tollkeeper_lease_escrow_usd", "gauge", "What leases on money hold, in dollars.", scale=NANO),
    Metric("tollkeeper_lease_free_usd", "gauge", "What of that no call has drawn.", scale=NANO),
    Metric(
        "tollkeeper_refusal_notes_dropped_total",
        "counter",
        "Refused calls that cannot be explained, for too many came.",
    ),
    Metric("tollkeeper_replicas", "gauge", "Replicas that are alive, as far as this one knows."),
    Metric("tollkeeper_database_up", "gauge", "1 when the database answered a query during this scrape, else 0."),
    # ---- background jobs
    Metric(
        "tollkeeper_job_last_success_timestamp_seconds",
        "gauge",
        "When a background job last ended well in this process; absent before that.",
        ("name",),
        MICRO,
    ),
    Metric(
        "tollkeeper_job_next_due_timestamp_seconds",
        "gauge",
        "When a background job of this process runs next; absent while another process has it.",
        ("name",),
        MICRO,
    ),
    Metric(
        "tollkeeper_job_lag_seconds",
        "gauge",
        "For how long a background job of this process has been due without having ended well.",
        ("name",),
        MICRO,
    ),
    Metric("tollkeeper_job_duration_seconds", "gauge", "How long its last good run took.", ("name",), MICRO),
    Metric("tollkeeper_job_failures_total", "counter", "Runs that failed and are tried again.", ("name",)),
    # ---- the process
    Metric(
        "tollkeeper_traces_total",
        "counter",
        "Traces of calls that were exported, that the collector did not take, and that were dropped because too many waited.",
        ("result",),
    ),
    Metric("tollkeeper_build_info", "gauge", "Always 1; the labels say what runs.", ("version", "python")),
    Metric("process_resident_memory_bytes", "gauge", "Memory that this process holds."),
    Metric("process_cpu_seconds_total", "counter", "CPU time that this process has used.", scale=NANO),
    Metric("process_open_fds", "gauge", "Files and connections that this process has open."),
    Metric("process_max_fds", "gauge", "How many it may have."),
    Metric("process_start_time_seconds", "gauge", "When this process started, since 1970 UTC.", scale=MICRO),
)
BY_NAME = {metric.name: metric for metric in METRICS}
WORKER = "worker"
"""The label that tells the workers of one `tollkeeper serve` apart, where there are several."""


def bounds_of(metric: Metric) -> tuple[int, ...]:
    """Return the upper bounds of a histogram's buckets, in what is counted; infinity not among them."""
    first, last = metric.bits
    return tuple(1 << bit for bit in range(first, last + 1))
