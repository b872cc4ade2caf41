"""Which thresholds are reached, crossed and expected to be, exactly and for all figures."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tollkeeper.domain.alert import AlertRule, crossings, projected_overrun, reached

amounts = st.integers(0, 10**18)
rules = st.lists(
    st.builds(AlertRule, st.integers(1, 10_000), st.sampled_from(["email", "slack", "webhook", "disable"])), max_size=6
)


@given(amounts, st.integers(1, 10**18), rules)
def test_a_rule_is_reached_exactly_when_its_part_is_used(used: int, limit: int, rules: list[AlertRule]) -> None:
    found = reached(used, limit, rules)
    assert found == sorted(set(found))
    for rule in rules:
        is_reached = used > 0 and Fraction(used, limit) >= Fraction(rule.threshold_permille, 1000)
        assert (rule in found) == is_reached


@given(st.lists(amounts, min_size=1, max_size=8), st.integers(0, 10**18), rules)
def test_over_a_window_each_rule_is_crossed_at_most_once(steps: list[int], limit: int, rules: list[AlertRule]) -> None:
    crossed: list[AlertRule] = []
    before = 0
    for used in sorted(steps):
        crossed += crossings(before, used, limit, rules)
        before = used
    assert len(crossed) == len(set(crossed))
    assert set(crossed) == set(reached(before, limit, rules))


def test_nothing_is_reached_before_anything_is_used() -> None:
    assert reached(0, 0, [AlertRule(1, "email")]) == []
    assert reached(1, 0, [AlertRule(1000, "email")]) == [AlertRule(1000, "email")]


@pytest.mark.parametrize(
    ("used", "at", "projected"),
    [
        (10, 99, None),  # too early to tell
        (10, 100, None),  # 100 in the end: just as much as there is
        (11, 100, 110),
        (60, 500, 120),
        (50, 500, None),
        (99, 999, None),
        (100, 500, None),  # used up: another alert's matter
        (0, 500, None),
        (60, 1000, None),  # it is over
        (60, 0, None),
    ],
)
def test_what_is_expected_is_linear_and_only_after_a_tenth(used: int, at: int, projected: int | None) -> None:
    assert projected_overrun(used, 100, start_us=0, end_us=1000, at_us=at) == projected


def test_what_has_no_end_is_not_projected() -> None:
    assert projected_overrun(99, 100, start_us=0, end_us=None, at_us=500) is None
