"""How single usage records look: one whole with every line of its charge, or a list of those in doubt."""

from __future__ import annotations

from zoneinfo import ZoneInfo

from rich.console import Console
from rich.table import Table

from tollkeeper.cli.usage_table import dollars, places_of, plain, print_whole
from tollkeeper.control.usage import Names
from tollkeeper.control.usage_records import request_id_of
from tollkeeper.domain.money import format_usd_per_million
from tollkeeper.domain.tenancy import Organization
from tollkeeper.domain.usage import UsageRecord
from tollkeeper.kit.clock import utc


def show_record(record: UsageRecord, organization: Organization, names: Names) -> None:
    """Print one record whole."""
    console = Console(highlight=False, soft_wrap=True)
    facts = Table(box=None, pad_edge=False, show_header=False)
    facts.add_column(style="bold")
    facts.add_column(overflow="fold")
    for name, value in _facts(record, organization, names):
        facts.add_row(name, plain(value))
    console.print(facts)
    if not record.lines:
        return
    places = places_of([record.amount_nanos, *(line.amount_nanos for line in record.lines)])
    table = Table(box=None, pad_edge=False, header_style="bold", footer_style="bold", show_footer=True)
    table.add_column("charge", footer="total")
    table.add_column("quantity", justify="right")
    table.add_column("per million", justify="right")
    table.add_column("amount", justify="right", footer=dollars(record.amount_nanos, places))
    table.add_column("price from", overflow="fold")
    for line in record.lines:
        price = f"${format_usd_per_million(line.price_pico)}"
        amount = dollars(line.amount_nanos, places)
        table.add_row(line.dimension, f"{line.quantity:,}", price, amount, plain(line.source))
    console.print()
    print_whole(console, table)


def show_doubtful(records: list[UsageRecord], organization: Organization, *, limit: int) -> None:
    """Print records whose amount is an estimate or unknown, newest first."""
    console = Console(highlight=False)
    if not records:
        console.print("No estimated or unpriced calls in this time: every amount is from the provider's own counts.")
        return
    places = places_of([record.amount_nanos for record in records])
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("request", "time", "model", "state", "reason"):
        table.add_column(title, overflow="fold", no_wrap=title == "request")
    table.add_column("amount", justify="right", no_wrap=True)
    for record in records:
        table.add_row(
            request_id_of(record),
            _time(record, organization),
            plain(record.model_served),
            record.cost_state.value,
            plain(record.reason or "–"),
            dollars(record.amount_nanos, places),
        )
    print_whole(console, table)
    if len(records) == limit:
        console.print(f"\nThe newest {limit}; more with --limit.")


def _facts(record: UsageRecord, organization: Organization, names: Names) -> list[tuple[str, str]]:
    key, project = record.api_key_id, record.project_id
    asked = f" (asked for {record.model_asked})" if record.model_asked != record.model_served else ""
    tokens = ", ".join(f"{quantity:,} {dimension}" for dimension, quantity in record.quantities.items())
    reasoning = f", of it {record.reasoning_tokens:,} reasoning" if record.reasoning_tokens else ""
    labels = ", ".join(f"{name}={value}" for name, value in record.labels.items())
    facts = [
        ("request", request_id_of(record)),
        ("time", _time(record, organization)),
        ("project", f"{names['project_id'].get(project, project)} ({project})"),
        ("key", f"{names['api_key_id'].get(key, key)} ({key})"),
        ("operation", record.operation + (", streamed" if record.is_stream else "")),
        ("model", record.model_served + asked),
        ("provider", record.provider),
        ("outcome", f"{record.outcome.value}, HTTP {record.status or 'none'}"),
        ("tokens", (tokens or "none known") + reasoning),
        ("tier", record.service_tier),
        ("cost", f"{dollars(record.amount_nanos)} ({record.cost_state.value})"),
        ("reason", record.reason),
        (
            "tried before",
            ", ".join(f"{each.provider}/{each.model}: {each.status or each.reason}" for each in record.tries),
        ),
        ("labels", labels),
        ("end user", record.end_user),
        ("provider's id", record.provider_request_id),
        ("latency", f"{_ms(record.latency_us)}, first byte {_ms(record.first_byte_us)}, own {_ms(record.overhead_us)}"),
    ]
    return [(name, value) for name, value in facts if value]


def _time(record: UsageRecord, organization: Organization) -> str:
    at = utc(record.started_at_us).astimezone(ZoneInfo(organization.timezone))
    return at.strftime("%Y-%m-%d %H:%M:%S")


def _ms(duration_us: int) -> str:
    return f"{duration_us // 1000:,}.{duration_us % 1000:03d} ms"
