"""Reading wrk's figures, and nginx's count of what it served."""

from __future__ import annotations

import pytest
from bench.upstream import parse_served
from bench.wrk import parse_burst

OUTPUT = """Running 6s test @ http://127.0.0.1:9100/v1/chat/completions
  1 threads and 32 connections
Requests/sec:  14022.11
{"answers":84132,"duration_us":6000100,"failed_status":2,"failed_socket":1,"p50_us":45,"p99_us":77}
"""


def test_every_kind_of_failure_counts() -> None:
    burst = parse_burst(OUTPUT)
    assert burst.errors == 3
    assert (burst.answers, burst.duration_us, burst.p50_us, burst.p99_us) == (84132, 6000100, 45, 77)


def test_a_load_that_broke_is_an_error_with_its_own_words() -> None:
    with pytest.raises(ValueError, match="connection refused"):
        parse_burst("unable to connect to 127.0.0.1:9100: connection refused")


def test_served_calls_are_the_third_number_of_the_third_line() -> None:
    text = "Active connections: 1 \nserver accepts handled requests\n 33 33 90211 \nReading: 0 Writing: 1 Waiting: 0 \n"
    assert parse_served(text) == 90211
