"""Wires the path of a call: journal, upstream client, relay, pipeline."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from tollkeeper import config
from tollkeeper.bootstrap.observer import Observer, open_observer
from tollkeeper.domain.errors import ConfigurationError
from tollkeeper.domain.model_card import KnownModels
from tollkeeper.gateway.asgi import Gateway
from tollkeeper.gateway.authentication import Authenticator
from tollkeeper.gateway.backgrounds import Backgrounds
from tollkeeper.gateway.files import FileRoutes
from tollkeeper.gateway.holding import Holder
from tollkeeper.gateway.models import ModelList
from tollkeeper.gateway.pipeline import Pipeline
from tollkeeper.gateway.relay import Relay, RelaySettings
from tollkeeper.gateway.response_ids import ResponseIds
from tollkeeper.gateway.stored_responses import StoredResponses
from tollkeeper.gateway.token_counts import TokenCounts
from tollkeeper.journal.ledger import JournaledLedger, open_ledger
from tollkeeper.journal.settings import JournalSettings
from tollkeeper.journal.writer import exit_process
from tollkeeper.kit import clock
from tollkeeper.kit.address_guard import AddressGuard
from tollkeeper.kit.id_seal import IdSeal
from tollkeeper.limits.budgets import LeasedBudgets
from tollkeeper.limits.deployments import LiveDeployments
from tollkeeper.limits.health_sharing import HealthSharing
from tollkeeper.limits.rates import Rates
from tollkeeper.limits.refusal_log import BatchedRefusalLog
from tollkeeper.limits.shares import Shares
from tollkeeper.ports.prices import Prices
from tollkeeper.ports.routes import Routes
from tollkeeper.ports.upstream import Deadlines
from tollkeeper.store.deployment_health import StoreHealthReports
from tollkeeper.store.engine import Store
from tollkeeper.store.leases import StoreLeases
from tollkeeper.store.provider_files import StoreFiles
from tollkeeper.store.rate_demands import StoreRateDemands
from tollkeeper.store.refused_calls import RefusedCalls
from tollkeeper.tokens.worker import TokenCounterProcess
from tollkeeper.upstream.client import UpstreamClient
from tollkeeper.upstream.dial import tls_context
from tollkeeper.upstream.pool import PoolLimits
from tollkeeper.upstream.proxy import from_environment

LEASES_S = 5.0
"""How long a process that ends may try to give its leases back."""
_log = logging.getLogger(__name__)
Closers = list[Callable[[], Awaitable[object]]]
"""What is to be closed at the end, the last one first."""


class DataPlane(msgspec.Struct, frozen=True):
    """What serves calls, the ledger that says whether it admits any, and the other parts that have figures of their own."""

    gateway: Gateway
    ledger: JournaledLedger
    budgets: LeasedBudgets
    client: UpstreamClient
    relay: Relay
    backgrounds: Backgrounds
    refusals: BatchedRefusalLog
    observer: Observer


class Tables(msgspec.Struct, frozen=True):
    """What calls are looked up in; all of it is in memory."""

    routes: Routes
    prices: Prices
    known: KnownModels


async def make_data_plane(  # what a replica has put together
    configuration: config.Configuration,
    store: Store,
    authenticator: Authenticator,
    tables: Tables,
    closers: Closers,
    *,
    seal: IdSeal,
) -> DataPlane:
    """Open the journal and wire everything; what needs closing is added to `closers`.

    Raises:
        TollkeeperError: the journal or a file of the settings is not as it must be; the message says what to do.
    """
    settings = configuration.settings
    leases = StoreLeases(store)
    ledger = await _open_ledger(settings.journal, store, leases)
    observer = open_observer(configuration, instance=ledger.holder, closers=closers)
    budgets = LeasedBudgets(leases, holder=ledger.holder, on_bug=_end_process)
    closers.append(lambda: _close_ledger(ledger, budgets, timeout_s=settings.server.shutdown_grace_s))
    ledger.on_flushed(budgets.flushed)
    await budgets.start()
    counter = TokenCounterProcess()
    closers.append(counter.aclose)
    client = _upstream_client(configuration)
    closers.append(client.aclose)
    relay_settings = _relay_settings(settings.upstream, client_stall_s=settings.server.client_stall_s)
    relay = observer.relay(client, relay_settings)
    ids, backgrounds = ResponseIds(seal), Backgrounds(client)
    rates = _open_rates(settings.limits, store, ledger.holder, lambda: budgets.replicas, closers)
    refusals = BatchedRefusalLog(RefusedCalls(store))
    refusals.start()
    closers.append(refusals.aclose)
    deployments = _open_deployments(store, ledger.holder, lambda: budgets.replicas, closers)
    pipeline = Pipeline(
        authenticator,
        tables.routes,
        observer.limiter(rates),
        Holder(budgets, counter),
        observer.ledger(ledger),
        tables.prices,
        relay,
        counter,
        refusals,
        observer.deployments(deployments),
        ids,
        backgrounds,
        settings.server.body_bytes_max,
        int(settings.upstream.wait_s * 1_000_000),
        configuration.trusted_proxies,
        observer.counted,
    )
    closers.append(backgrounds.aclose)  # which settles: after the limits' parts are there, before they are closed
    stored = StoredResponses(
        authenticator, tables.routes, rates, ids, backgrounds, client, relay_settings, configuration.trusted_proxies
    )
    models = ModelList(tables.routes, tables.prices, tables.known, created_s=clock.now_us() // 1_000_000)
    files = FileRoutes(pipeline, StoreFiles(store), client, relay_settings)
    counts = TokenCounts(pipeline, client, relay_settings.deadlines)
    gateway = Gateway(pipeline, models, counts, stored=stored, files=files, tracer=observer.tracer)
    closers.append(lambda: _wait_for_calls(gateway))
    return DataPlane(gateway, ledger, budgets, client, relay, backgrounds, refusals, observer)


def _open_rates(
    limits: config.Limits, store: Store, holder: str, replicas: Callable[[], int], closers: Closers
) -> Rates:
    rates = Rates()
    shares = Shares(
        rates,
        StoreRateDemands(store),
        holder=holder,
        replicas=replicas,
        when_unavailable=limits.rates_when_unavailable,
    )
    shares.start()
    closers.append(shares.aclose)
    return rates


def _open_deployments(store: Store, holder: str, replicas: Callable[[], int], closers: Closers) -> LiveDeployments:
    deployments = LiveDeployments(replicas)
    sharing = HealthSharing(deployments, StoreHealthReports(store), holder=holder, replicas=replicas)
    sharing.start()
    closers.append(sharing.aclose)
    return deployments


def _deadlines(upstream: config.Upstream) -> Deadlines:
    return Deadlines(upstream.connect_s, upstream.first_byte_s, upstream.idle_s, upstream.total_s)


def _relay_settings(upstream: config.Upstream, *, client_stall_s: float) -> RelaySettings:
    return RelaySettings(
        deadlines=_deadlines(upstream),
        answer_bytes_max=upstream.answer_bytes_max,
        drain_s=upstream.drain_s,
        drains_max=upstream.drains_max,
        client_stall_s=client_stall_s,
    )


async def _open_ledger(journal: config.Journal, store: Store, leases: StoreLeases) -> JournaledLedger:
    settings = JournalSettings(
        directory=Path(journal.directory), durability=journal.durability, segment_bytes=journal.segment_bytes
    )
    with _blaming("journal.directory", journal.directory):
        return await open_ledger(settings, store, leases=leases)


def _upstream_client(configuration: config.Configuration) -> UpstreamClient:
    upstream = configuration.settings.upstream
    with _blaming("upstream.ca_file", upstream.ca_file):
        tls = tls_context(Path(upstream.ca_file) if upstream.ca_file else None)
    return UpstreamClient(
        limits=PoolLimits(connections_max=upstream.connections_max),
        proxies=from_environment(configuration.proxies),
        tls=tls,
        guard=AddressGuard(configuration.private_networks),
    )


@contextmanager
def _blaming(setting: str, value: str) -> Iterator[None]:
    """Let the operating system's refusal of a file name the setting that it comes from."""
    try:
        yield
    except OSError as error:
        raise ConfigurationError(f"{setting}: '{value}' cannot be used: {error.strerror or error}") from error


async def _close_ledger(ledger: JournaledLedger, budgets: LeasedBudgets, *, timeout_s: float) -> None:
    async def give_leases_back() -> None:
        if not await budgets.aclose(LEASES_S):
            _log.warning("leases were not given back to their budgets; the next start does it")

    if not await ledger.aclose(timeout_s, last=give_leases_back):
        _log.warning("usage is left in the journal; the next start writes it into the database")


def _end_process(error: BaseException) -> None:
    """End a process that cannot keep its leases any more: the next start replays what it left."""
    _log.critical("the exchange of leases failed, the process ends: %r", error)
    exit_process(repr(error))


async def _wait_for_calls(gateway: Gateway) -> None:
    """Let calls whose tasks were cancelled at the end of the grace period settle what they owe."""
    for _ in range(200):
        if not gateway.in_flight:
            return
        await asyncio.sleep(0.1)
