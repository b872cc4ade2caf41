"""Which deployment a call is sent to first, and the places that their limits leave."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tollkeeper.domain.deployment import Deployment, Provider, Route
from tollkeeper.domain.deployment_health import Failure
from tollkeeper.limits.deployments import KNOWN_MAX, LiveDeployments

PROVIDER = Provider("p", "openai", "https://p.test/v1")
SEEDS = st.integers(0, 2**62 - 1)


def deployment(model: str, **changes: int | bool) -> Deployment:
    return Deployment(PROVIDER, model, **changes)  # type: ignore[arg-type]


def names(deployments: tuple[Deployment, ...]) -> list[str]:
    return [each.model for each in deployments]


class Clock:
    ns = 10**12

    def __call__(self) -> int:
        return self.ns


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def deployments(clock: Clock) -> LiveDeployments:
    return LiveDeployments(now_ns=clock)


def fail(deployments: LiveDeployments, at: Deployment, failure: Failure) -> None:
    place = deployments.enter(at, 0)
    assert not isinstance(place, int)
    place.fail(failure)


@given(SEEDS)
def test_without_weights_the_order_is_the_lists(seed: int) -> None:
    route = Route("m", (deployment("a"), deployment("b"), deployment("c")))
    assert names(route.in_order(seed)) == ["a", "b", "c"]


@given(SEEDS)
def test_neighbours_with_weights_share_a_place_in_the_list(seed: int) -> None:
    route = Route("m", (deployment("a"), deployment("b", weight=3), deployment("c", weight=1), deployment("d")))
    ordered = names(route.in_order(seed))
    assert (ordered[0], ordered[-1]) == ("a", "d")
    assert sorted(ordered) == ["a", "b", "c", "d"]


def test_the_weights_are_the_shares() -> None:
    route = Route("m", (deployment("a", weight=3), deployment("b", weight=1), deployment("c", weight=4)))
    first = Counter(route.in_order(seed)[0].model for seed in range(800))
    assert first == {"a": 300, "b": 100, "c": 400}


def test_a_deployment_that_rests_comes_last_and_is_not_lost(deployments: LiveDeployments, clock: Clock) -> None:
    a, b, c = (deployment(name) for name in "abc")
    route = Route("m", (a, b, c))
    fail(deployments, a, Failure(429, wait_us=9_000_000))
    fail(deployments, b, Failure(429, wait_us=2_000_000))
    assert names(deployments.order(route, bytes(16))) == ["c", "b", "a"]
    assert deployments.rest_us(a) == 9_000_000
    clock.ns += 3 * 10**9
    assert names(deployments.order(route, bytes(16))) == ["b", "c", "a"]


def test_the_only_deployment_is_asked_even_if_it_rests(deployments: LiveDeployments) -> None:
    a = deployment("a")
    fail(deployments, a, Failure(401))
    assert deployments.order(Route("m", (a,)), bytes(16)) == (a,)


def test_places_are_as_many_as_calls_may_be_there_at_once(deployments: LiveDeployments) -> None:
    a = deployment("a", concurrent_calls=2)
    first, second = deployments.enter(a, 0), deployments.enter(a, 0)
    assert not isinstance(first, int)
    assert not isinstance(second, int)
    assert isinstance(deployments.enter(a, 0), int)
    first.leave()
    assert not isinstance(deployments.enter(a, 0), int)


def test_a_rate_of_a_deployment_says_when_to_ask_again(deployments: LiveDeployments, clock: Clock) -> None:
    a = deployment("a", requests_per_minute=2, tokens_per_minute=100)
    assert not isinstance(deployments.enter(a, 60), int)
    assert deployments.enter(a, 60) == 12_000_000  # 20 tokens at 100 a minute
    assert not isinstance(deployments.enter(a, 40), int)  # for which the refused one took no request
    assert deployments.enter(a, 0) == 30_000_000
    clock.ns += 30 * 10**9
    assert not isinstance(deployments.enter(a, 0), int)


def test_replicas_have_equal_parts_of_a_limit(clock: Clock) -> None:
    replicas = [1]
    deployments = LiveDeployments(lambda: replicas[0], clock)
    a = deployment("a", requests_per_minute=4)
    replicas[0] = 2
    let_in = [not isinstance(deployments.enter(a, 0), int) for _ in range(4)]
    assert let_in == [True, True, False, False]


def test_names_from_outside_do_not_fill_the_memory(deployments: LiveDeployments) -> None:
    for number in range(KNOWN_MAX + 10):
        place = deployments.enter(deployment(f"m{number}"), 0)
        assert not isinstance(place, int)
        place.serve()
    assert len(list(deployments)) <= KNOWN_MAX


def test_what_only_a_client_names_is_never_known(deployments: LiveDeployments) -> None:
    for number in range(10):
        fail(deployments, Deployment(PROVIDER, f"made-up-{number}", is_unlisted=True), Failure(401))
    assert (list(deployments), len(deployments.changed)) == ([], 0)
