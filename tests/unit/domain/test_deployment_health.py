"""When a deployment is left alone, for how long, and how it comes back."""

from __future__ import annotations

import pytest

from tollkeeper.domain.deployment_health import (
    FAILURES_MAX,
    REFUSED_US,
    REST_US,
    REST_US_MAX,
    STATED_US_MAX,
    DeploymentHealth,
    Failure,
)

ERROR = Failure(500)
NOW = 1_000_000_000


def failing(*failures: Failure, at_us: int = NOW) -> DeploymentHealth:
    health = DeploymentHealth()
    for failure in failures:
        health.begin(at_us)
        health.fail(failure, at_us)
    return health


def test_one_or_two_failures_change_nothing() -> None:
    assert failing(*[ERROR] * (FAILURES_MAX - 1)).may_serve(NOW)


def test_several_in_a_row_leave_it_alone_for_a_while_and_longer_each_time() -> None:
    health = failing(*[ERROR] * FAILURES_MAX)
    assert not health.may_serve(NOW + REST_US - 1)
    assert health.may_serve(NOW + REST_US)
    health.begin(NOW + REST_US)
    health.fail(ERROR, NOW + REST_US)
    assert health.rests_until_us == NOW + REST_US + 2 * REST_US
    for _ in range(40):
        health.fail(ERROR, NOW)
    assert health.rests_until_us <= NOW + REST_US + REST_US_MAX


def test_a_served_call_in_between_forgets_the_failures() -> None:
    health = failing(ERROR, ERROR)
    health.serve(NOW)
    health.fail(ERROR, NOW)
    assert health.may_serve(NOW)


def test_after_a_rest_one_call_goes_first() -> None:
    health = failing(*[ERROR] * FAILURES_MAX)
    after = NOW + REST_US
    health.begin(after)
    assert not health.may_serve(after)
    health.serve(after)
    assert health.may_serve(after)


@pytest.mark.parametrize(
    ("failure", "rest_us"),
    [
        (Failure(429, wait_us=7_000_000), 7_000_000),
        (Failure(429, wait_us=10**12), STATED_US_MAX),
        (Failure(429), 1_000_000),
        (Failure(529), 1_000_000),
        (Failure(401), REFUSED_US),
        (Failure(402), REFUSED_US),
        (Failure(503), 0),
        (Failure(0, "connect"), 0),
    ],
)
def test_a_first_failure_rests_it_as_long_as_it_means(failure: Failure, rest_us: int) -> None:
    assert failing(failure).rests_until_us == (NOW + rest_us if rest_us else 0)


def test_what_another_replica_heard_counts_when_it_is_longer() -> None:
    health = failing(Failure(429, wait_us=5_000_000))
    health.leave_alone(NOW + 1_000_000, Failure(429))
    assert health.rests_until_us == NOW + 5_000_000
    health.leave_alone(NOW + 9_000_000, Failure(503))
    assert (health.rests_until_us, health.last_failure) == (NOW + 9_000_000, Failure(503))


def test_a_call_that_was_under_way_before_ends_no_rest() -> None:
    health = failing(Failure(429, wait_us=30_000_000))
    health.serve(NOW + 1)
    assert not health.may_serve(NOW + 1)


@pytest.mark.parametrize("failure", [Failure(403), Failure(404), Failure(409), Failure(0, "too_large")])
def test_what_a_caller_can_bring_about_is_no_illness(failure: Failure) -> None:
    assert failing(*[failure] * 9).failures == 0
