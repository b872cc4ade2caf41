"""The limiter of one replica: all rules or none, headers that keep their word, corrections, and what it remembers."""

from __future__ import annotations

import random

import msgspec
import pytest
from tests.fakes.ports import make_key
from tests.rates.cluster import NS_PER_S, Time

from tollkeeper.domain.errors import RateExceeded
from tollkeeper.domain.key_terms import FurtherProject, KeyTerms
from tollkeeper.domain.rate_limit import RateRule
from tollkeeper.limits.rates import Rates
from tollkeeper.ports.limiter import Admission
from tollkeeper.refusals import error_body, error_headers

ANY = ("gpt-4o-mini",)


def rule(
    name: str, requests: int | None = None, tokens: int | None = None, *, model: str = "", kind: str = "project"
) -> RateRule:
    return RateRule(name, kind, f"{name}-scope", name, model, requests, tokens)  # type: ignore[arg-type]


def headers(admission: Admission | RateExceeded) -> dict[str, str]:
    found = admission.rate_headers if isinstance(admission, RateExceeded) else admission.headers()
    return {name.decode(): value.decode() for name, value in found}


def refused(rates: Rates, key, models=ANY, tokens=1) -> RateExceeded:
    with pytest.raises(RateExceeded) as found:
        rates.admit(key, models, tokens)
    return found.value


def seconds(text: str) -> float:
    """Read a duration as Go writes it."""
    total, number = 0.0, ""
    text = text.replace("ms", "i")
    for letter in text:
        if letter in "hmsi":
            total += float(number) * {"h": 3600, "m": 60, "s": 1, "i": 0.001}[letter]
            number = ""
        else:
            number += letter
    return total


def test_a_key_without_rules_is_never_held_up():
    rates = Rates(Time().now_ns)
    admission = rates.admit(make_key(), ANY, 10**9)
    admission.release(None)
    assert (list(admission.headers()), admission.figures, len(rates)) == ([], (), 0)


def test_the_whole_minute_may_come_at_once_and_then_one_after_the_other():
    time = Time()
    rates, key = Rates(time.now_ns), make_key(rates=(rule("p", 60),))
    for _ in range(60):
        rates.admit(key, ANY, 5)
    assert refused(rates, key).fields["retry_after_seconds"] == 1.0
    time.ns += NS_PER_S
    rates.admit(key, ANY, 5)
    refused(rates, key)


def test_a_refused_call_takes_nothing_from_any_rule():
    time = Time()
    wide, narrow = rule("wide", 100, 1000, kind="organization"), rule("narrow", 1)
    rates, key = Rates(time.now_ns), make_key(rates=(wide, narrow))
    other = make_key(rates=(wide,))
    rates.admit(key, ANY, 10)
    before = headers(rates.admit(other, ANY, 10))
    for _ in range(5):
        refused(rates, key, tokens=10)
    after = headers(rates.admit(other, ANY, 10))
    assert int(before["x-ratelimit-remaining-requests"]) - int(after["x-ratelimit-remaining-requests"]) == 1
    assert int(before["x-ratelimit-remaining-tokens"]) - int(after["x-ratelimit-remaining-tokens"]) == 10


def test_the_refusal_says_whose_limit_it_is_and_when_to_come_back():
    time = Time()
    rates, key = Rates(time.now_ns), make_key(rates=(rule("p", 1000), rule("ml", 60, 1000, model="gpt-4o-mini")))
    rates.admit(key, ANY, 1000)
    error = refused(rates, key, tokens=100)
    assert error.message == (
        "Rate limit of 1,000 tokens a minute reached for project 'ml' and model 'gpt-4o-mini'. Try again in 6s; an admin "
        "with quota:manage can raise it."
    )
    assert error.fields == {
        "limit_name": "tokens_per_minute",
        "scope": "project",
        "scope_id": "ml-scope",
        "unit": "tokens",
        "limit": 1000,
        "model": "gpt-4o-mini",
        "retry_after_seconds": 6.0,
    }
    status, body = error_body(error, "req_1")
    assert (status, msgspec.json.decode(body)["error"]["type"]) == (429, "rate_limit_exceeded")
    assert dict(error_headers(error, status))[b"retry-after-ms"] == b"6000"
    decisive = [each for each in error.looked_at if each["is_decisive"]]
    assert [(each["scope_name"], each["unit"], each["left"], each["needed"]) for each in decisive] == [
        ("ml", "tokens", 0, 100)
    ]
    assert len(error.looked_at) == 3


def test_a_limit_among_the_keys_own_terms_names_who_can_raise_it():
    own = RateRule("key_a", "api_key", "key_a", "prod", "", 1)
    rates, key = Rates(Time().now_ns), make_key(rates=(own,))
    rates.admit(key, ANY, 1)
    assert "API key 'prod'" in refused(rates, key).message
    assert "api_key:create" in refused(rates, key).message


def test_of_several_used_up_the_longest_wait_counts():
    time = Time()
    rates, key = Rates(time.now_ns), make_key(rates=(rule("fast", 60), rule("slow", 6), rule("middle", 30)))
    for _ in range(6):
        rates.admit(key, ANY, 1)
    error = refused(rates, key)
    assert (error.fields["limit_name"], error.fields["limit"], error.fields["retry_after_seconds"]) == (
        "requests_per_minute",
        6,
        10.0,
    )
    time.ns += 10 * NS_PER_S
    rates.admit(key, ANY, 1)


def test_a_rule_of_a_model_holds_for_the_name_asked_and_what_may_serve_it():
    rates = Rates(Time().now_ns)
    key = make_key(rates=(rule("p", 100), rule("m", 1, model="gpt-4o")))
    rates.admit(key, ("fast", "gpt-4o"), 1)
    refused(rates, key, ("gpt-4o",))
    refused(rates, key, ("fast", "gpt-4o"))
    rates.admit(key, ("gpt-4o-mini",), 1)


def test_keys_share_the_rule_of_their_project_and_a_key_in_another_project_does_not():
    rates = Rates(Time().now_ns)
    shared = rule("p", 2)
    one, two = make_key(rates=(shared,)), make_key(rates=(msgspec.structs.replace(shared),))
    rates.admit(one, ANY, 1)
    rates.admit(two, ANY, 1)
    refused(rates, one)
    terms = KeyTerms(further_projects=(FurtherProject("proj_b", "", one.permissions, rates=(rule("q", 1),)),))
    abroad = make_key(rates=(shared,), terms=terms).in_project("proj_b")
    rates.admit(abroad, ANY, 1)
    assert refused(rates, abroad).fields["scope_id"] == "q-scope"


def test_equal_ids_of_two_organizations_are_two_rules():
    rates = Rates(Time().now_ns)
    rates.admit(make_key(rates=(rule("p", 1),)), ANY, 1)
    rates.admit(make_key(organization_id="org_b", rates=(rule("p", 1),)), ANY, 1)


def test_what_a_call_came_to_replaces_what_was_estimated():
    time = Time()
    rates, key = Rates(time.now_ns), make_key(rates=(rule("p", None, 1000),))
    admission = rates.admit(key, ANY, 600)
    admission.release(100)
    assert headers(admission)["x-ratelimit-remaining-tokens"] == "900"
    rates.admit(key, ANY, 900).release(None)  # unknown: the estimate stays
    refused(rates, key, tokens=1)
    time.ns += 60 * NS_PER_S
    rates.admit(key, ANY, 10).release(2000)  # a debt
    error = refused(rates, key, tokens=10)
    assert error.fields["retry_after_seconds"] == pytest.approx(60.6)


def test_a_call_is_released_once():
    admission = Rates(Time().now_ns).admit(make_key(rates=(rule("p", 10),)), ANY, 1)
    admission.release(0)
    with pytest.raises(AssertionError):
        admission.release(0)


def test_headers_tell_of_the_tightest_rule_of_each_unit():
    rates = Rates(Time().now_ns)
    key = make_key(rates=(rule("a", 600, 50_000), rule("b", 60), rule("c", None, 9_000)))
    told = headers(rates.admit(key, ANY, 3_000))
    assert told == {
        "x-ratelimit-limit-requests": "60",
        "x-ratelimit-remaining-requests": "59",
        "x-ratelimit-reset-requests": "1s",
        "x-ratelimit-limit-tokens": "9000",
        "x-ratelimit-remaining-tokens": "6000",
        "x-ratelimit-reset-tokens": "20s",
    }


def test_headers_agree_with_the_next_decision():
    """Whatever went before: what remains goes at once, one more does not, and after retry-after it does."""
    dice, time = random.Random(5), Time()
    kept = 0
    for _ in range(400):
        rates = Rates(time.now_ns)
        key = make_key(
            rates=tuple(
                rule(f"r{at}", dice.choice([None, 7, 60, 999]), dice.choice([100, 7_777, 90_000])) for at in range(3)
            )
        )
        told: dict[str, str] = {}
        for _ in range(20):
            time.ns += dice.randrange(5 * NS_PER_S)
            tokens = dice.randrange(1, 3_000)
            try:
                admission = rates.admit(key, ANY, tokens)
                admission.release(dice.choice([None, dice.randrange(0, 6_000)]))
                told = headers(admission)
            except RateExceeded as error:
                told = headers(error)
                time.ns += int(error.fields["retry_after_seconds"] * 1000 + 0.5) * 1_000_000
                told = headers(rates.admit(key, ANY, tokens))
            left = int(told.get("x-ratelimit-remaining-requests", 10**9))
            tokens_left = int(told["x-ratelimit-remaining-tokens"])
            if left > 0 and tokens_left > 0:
                kept += 1
                rates.admit(key, ANY, dice.randrange(1, tokens_left + 1)).release(0)
            if tokens_left == 0:
                refused(rates, key, tokens=2)
    assert kept > 300


def test_after_the_reset_the_whole_limit_is_there():
    time = Time()
    rates, key = Rates(time.now_ns), make_key(rates=(rule("p", 60, 6000),))
    for _ in range(40):
        told = headers(rates.admit(key, ANY, 100))
    time.ns += int(max(seconds(told["x-ratelimit-reset-requests"]), seconds(told["x-ratelimit-reset-tokens"])) * 10**9)
    told = headers(rates.admit(key, ANY, 0))
    assert (told["x-ratelimit-remaining-requests"], told["x-ratelimit-remaining-tokens"]) == ("59", "6000")


def test_a_changed_limit_holds_from_the_next_call_and_forgets_no_debt():
    time = Time()
    rates = Rates(time.now_ns)
    before = make_key(rates=(rule("p", 100, 1000),))
    for _ in range(50):
        rates.admit(before, ANY, 1)
    lowered = make_key(rates=(rule("p", 60),))
    told = headers(rates.admit(lowered, ANY, 1))
    assert (told["x-ratelimit-limit-requests"], told["x-ratelimit-remaining-requests"]) == ("60", "9")
    assert "x-ratelimit-limit-tokens" not in told
    raised = make_key(rates=(rule("p", 200),))
    assert headers(rates.admit(raised, ANY, 1))["x-ratelimit-remaining-requests"] == "148"


def test_buckets_that_are_empty_again_are_forgotten_and_others_are_not():
    time = Time()
    rates = Rates(time.now_ns)
    busy = make_key(rates=(rule("busy", 1),))
    keys = []
    for number in range(30_000):
        keys.append(key := make_key(rates=(rule(f"r{number}", 60),)))  # their rules live on, as they do in a directory
        rates.admit(key, ANY, 1)
        time.ns += NS_PER_S // 100
        if number % 3000 == 2999:
            try:
                rates.admit(busy, ANY, 1)
            except RateExceeded:
                continue
    assert len(rates) < 5000
    time.ns += 60 * NS_PER_S
    rates.admit(busy, ANY, 1)
    for number in range(5000):
        rates.admit(make_key(rates=(rule(f"s{number}", 60),)), ANY, 1)
    refused(rates, busy)


def test_a_call_that_outlives_its_bucket_still_counts_for_what_it_came_to():
    time = Time()
    rates, key = Rates(time.now_ns), make_key(rates=(rule("p", None, 1000),))
    long_call = rates.admit(key, ANY, 10)
    time.ns += 60 * NS_PER_S
    keys = [make_key(rates=(rule(f"r{number}", 60),)) for number in range(9000)]
    for each in keys:
        rates.admit(each, ANY, 1)
    long_call.release(5010)
    assert refused(rates, key, tokens=1).fields["retry_after_seconds"] > 200
