"""Who may read figures: this machine, private networks of the settings, and who has the token; for others there is no route."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from tollkeeper import config
from tollkeeper.domain.errors import ConfigurationError
from tollkeeper.kit.networks import Networks
from tollkeeper.observability.figures import Figures, FigureSheet
from tollkeeper.observability.metrics_page import MetricsPage, Readers

TOKEN = "a-token-of-some-length"
LOCAL = Networks(["127.0.0.0/8", "::1"])


def scope_of(
    peer: str | None = "127.0.0.1", path: str = "/metrics", method: str = "GET", **headers: str
) -> dict[str, Any]:
    encoded = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return {"path": path, "method": method, "headers": encoded, "client": None if peer is None else (peer, 1)}


def readers(token: str = TOKEN, trusted: tuple[str, ...] = ()) -> Readers:
    return Readers(LOCAL, token, Networks(trusted))


@pytest.mark.parametrize("peer", ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"])
def test_this_machine_may_read(peer: str) -> None:
    assert readers().may_read(scope_of(peer))


@pytest.mark.parametrize("peer", ["192.0.2.1", "10.0.0.1", "::2", "", None, "nonsense"])
def test_other_addresses_may_not(peer: str | None) -> None:
    assert not readers().may_read(scope_of(peer))


@pytest.mark.parametrize("header", ["x_forwarded_for", "forwarded", "x_real_ip", "via"])
def test_what_came_through_a_proxy_that_is_not_trusted_is_not_local(header: str) -> None:
    assert not readers().may_read(scope_of(**{header: "127.0.0.1"}))


def test_a_trusted_proxy_says_from_where_a_request_came() -> None:
    trusting = readers(trusted=("127.0.0.1",))
    assert not trusting.may_read(scope_of(x_forwarded_for="198.51.100.7"))
    assert trusting.may_read(scope_of(x_forwarded_for="127.0.0.2"))
    assert not trusting.may_read(scope_of(x_forwarded_for="127.0.0.2, 198.51.100.7"))


def test_the_token_reads_from_everywhere() -> None:
    assert readers().may_read(scope_of("192.0.2.1", authorization=f"Bearer {TOKEN}"))
    assert readers().may_read(scope_of("192.0.2.1", authorization=f"bearer {TOKEN} ", x_forwarded_for="192.0.2.9"))


@pytest.mark.parametrize(
    "sent", ["Bearer ", "Bearer wrong", TOKEN, f"Basic {TOKEN}", f"Bearer {TOKEN}x", "Bearer \xff"]
)
def test_another_token_reads_nothing(sent: str) -> None:
    assert not readers().may_read(scope_of("192.0.2.1", authorization=sent))


@pytest.mark.parametrize("sent", ["Bearer ", "Bearer x", ""])
def test_without_a_token_in_the_settings_none_fits(sent: str) -> None:
    assert not readers(token="").may_read(scope_of("192.0.2.1", authorization=sent))


async def _collect() -> Mapping[str, Figures]:
    sheet = FigureSheet()
    sheet.add("tollkeeper_calls_in_flight", 1)
    return {"": sheet.figures}


def test_only_a_get_of_the_path_is_a_scrape() -> None:
    page = MetricsPage(_collect, readers())
    assert page.owns(scope_of())
    assert page.owns(scope_of(method="HEAD"))
    for other in (scope_of(method="POST"), scope_of(path="/metrics/"), scope_of(path="/"), scope_of("192.0.2.1")):
        assert not page.owns(other)


async def test_scrapes_at_once_are_all_answered() -> None:
    page = MetricsPage(_collect, readers())

    async def scrape() -> tuple[int, bytes]:
        sent: list[Any] = []

        async def send(message: Any) -> None:
            sent.append(message)

        await page(scope_of(), None, send)  # type: ignore[arg-type]
        headers = dict(sent[0]["headers"])
        assert headers[b"content-length"] == b"%d" % len(sent[1]["body"])
        assert headers[b"cache-control"] == b"no-store"
        return sent[0]["status"], sent[1]["body"]

    answers = await asyncio.gather(*[scrape() for _ in range(5)])
    assert all(status == 200 and b"tollkeeper_calls_in_flight 1.0" in body for status, body in answers)


def loaded(**environment: str) -> config.Configuration:
    return config.load(environment={config.CONFIG_VARIABLE: "/dev/null", **environment})


def test_private_networks_of_the_settings_may_read_too() -> None:
    found = loaded(
        TOLLKEEPER_UPSTREAM__PRIVATE_NETWORKS="10.1.0.0/16", TOLLKEEPER_METRICS__NETWORKS="192.0.2.7"
    ).metrics_networks
    for address in ("127.0.0.1", "::1", "10.1.2.3", "192.0.2.7"):
        assert found.contains(address)
    assert not found.contains("10.2.0.1")


def test_the_token_is_read_where_the_settings_say() -> None:
    assert loaded().metrics_token == ""
    made = loaded(TOLLKEEPER_METRICS__TOKEN_ENV="SCRAPER", SCRAPER=TOKEN)
    assert made.metrics_token == TOKEN
    assert TOKEN not in repr(made)


@pytest.mark.parametrize(
    ("environment", "named"),
    [
        ({"TOLLKEEPER_METRICS__TOKEN_ENV": "SCRAPER", "SCRAPER": "short"}, "metrics.token has fewer than 16"),
        ({"TOLLKEEPER_METRICS__TOKEN_ENV": "SCRAPER"}, "metrics.token: the environment variable SCRAPER"),
        ({"TOLLKEEPER_METRICS__NETWORKS": "everywhere"}, "metrics.networks"),
        ({"TOLLKEEPER_TRACING__ENABLED": "true", "TOLLKEEPER_TRACING__ENDPOINT": "collector:4318"}, "tracing.endpoint"),
        (
            {"TOLLKEEPER_TRACING__ENABLED": "true", "TOLLKEEPER_TRACING__ENDPOINT": "https://u:p@host/x"},
            "tracing.endpoint",
        ),
        (
            {"TOLLKEEPER_TRACING__ENABLED": "true", "TOLLKEEPER_TRACING__HEADERS_ENV": "H", "H": "nonsense"},
            "tracing.headers",
        ),
        (
            {"TOLLKEEPER_TRACING__ENABLED": "true", "TOLLKEEPER_TRACING__HEADERS_ENV": "H", "H": "a b=c"},
            "tracing.headers",
        ),
        ({"TOLLKEEPER_TRACING__SAMPLE_RATIO": "1.5"}, "TOLLKEEPER_TRACING__SAMPLE_RATIO"),
    ],
)
def test_a_mistake_in_the_settings_names_the_setting(environment: dict[str, str], named: str) -> None:
    with pytest.raises(ConfigurationError, match=named.replace(".", r"\.")):
        loaded(**environment)


def test_headers_for_the_collector_are_pairs() -> None:
    environment = {"TOLLKEEPER_TRACING__ENABLED": "true", "TOLLKEEPER_TRACING__HEADERS_ENV": "H"}
    made = loaded(**environment, H="Authorization=Bearer a=b, x-team = ai,")
    assert made.tracing_headers == {"authorization": "Bearer a=b", "x-team": "ai"}
    assert loaded().tracing_headers == {}
