"""Tests of the command `estimate`: exact figures for counts and for request files, comparisons, and what is refused."""

from __future__ import annotations

import json
import sys
from fractions import Fraction
from pathlib import Path
from types import ModuleType

import pytest
from price_commands import C1, call, done, found, refused

from tollkeeper.domain.errors import InvalidRequest


def test_a_thousand_documents_on_one_model_cost_the_exact_product() -> None:
    answer = found("estimate", "--model", "gpt-4o-mini", *C1)
    assert answer["total_usd"] == "1.05"  # 1000 x (5000 x 0.15 + 500 x 0.60) / 1M
    assert answer["per_call_usd"] == "0.00105"
    assert (answer["provider"], answer["tier"], answer["state"]) == ("openai", "standard", "priced")
    assert [(line["dimension"], line["quantity"], line["usd_per_million"]) for line in answer["lines"]] == [
        ("input", 5000, "0.15"),
        ("output", 500, "0.60"),
    ]
    assert "1.05 USD" in done("estimate", "--model", "gpt-4o-mini", *C1)


def test_each_call_is_rounded_by_itself_as_it_is_billed() -> None:
    one = found("estimate", "--model", "gpt-6.1-sol", "--input", "1", "--cached", "1", "--output", "0")
    assert one["per_call_usd"] == "0.0000001"
    many = found("estimate", "--model", "gpt-5.4-nano", "--input", "1", "--output", "0", "--calls", "7", "--batch")
    assert many["total_usd"] == "0.0000007"


def test_cached_tokens_are_a_part_of_the_input() -> None:
    answer = found("estimate", "--model", "gpt-4o", "--input", "5000", "--cached", "2000", "--output", "0")
    assert [(line["dimension"], line["quantity"]) for line in answer["lines"]] == [
        ("input", 3000),
        ("cache_read", 2000),
    ]
    assert answer["total_usd"] == "0.01"  # 3000 x 2.5 + 2000 x 1.25


def test_tier_and_batch_select_their_prices() -> None:
    sizes = ("--model", "gpt-5.6-sol", "--input", "1000", "--output", "1000")
    totals = [found("estimate", *sizes, *more)["total_usd"] for more in ((), ("--tier", "flex"), ("--batch",))]
    assert totals == ["0.024", "0.012", "0.012"]
    assert found("estimate", *sizes, "--tier", "priority")["total_usd"] == "0.048"
    assert found("estimate", *sizes, "--tier", "fast")["total_usd"] == "0.048"


def test_long_context_changes_the_price_of_the_whole_call() -> None:
    answer = found("estimate", "--model", "gpt-5.6-sol", "--input", "272001", "--output", "1000")
    assert answer["total_usd"] == "2.206008"


def test_an_unknown_tier_is_unpriced_and_never_zero() -> None:
    sizes = ("--model", "gpt-4o", "--input", "10", "--output", "10", "--tier", "ultrafast")
    answer = found("estimate", *sizes)
    assert (answer["total_usd"], answer["per_call_usd"], answer["state"], answer["lines"]) == (
        None,
        None,
        "unpriced",
        [],
    )
    assert "ultrafast" in answer["reason"]
    text = done("estimate", *sizes)
    assert "unpriced" in text
    assert "0.00" not in text


def test_an_unknown_model_is_refused() -> None:
    assert "unpriced" in refused("estimate", "--model", "gpt-6.2-astra", *C1).message


def test_a_model_of_several_resellers_must_name_its_provider() -> None:
    error = refused("estimate", "--model", "kimi-k3", "--input", "1", "--output", "1")
    assert isinstance(error, InvalidRequest)
    assert "moonshotai/kimi-k3" in error.message
    named = found("estimate", "--model", "groq/openai/gpt-oss-120b", "--input", "1", "--output", "1")
    assert (named["provider"], named["model"]) == ("groq", "openai/gpt-oss-120b")


def test_a_provider_of_our_names_is_understood() -> None:
    answer = found("estimate", "--model", "gemini/gemini-2.5-pro", "--input", "1000", "--output", "0")
    assert (answer["provider"], answer["total_usd"]) == ("google", "0.00125")


def test_the_comparison_is_sorted_by_cost_and_exact() -> None:
    answer = found("estimate", "--compare", *C1)
    totals = [Fraction(each["total_usd"]) for each in answer["data"]]
    assert totals == sorted(totals)
    assert all(total > 0 for total in totals)
    assert len(totals) > 60
    by_model = {(each["provider"], each["model"]): each for each in answer["data"]}
    assert by_model["openai", "gpt-4o-mini"]["total_usd"] == "1.05"
    assert by_model["openai", "gpt-4o"]["total_usd"] == "17.50"  # 1000 x (5000 x 2.5 + 500 x 10) / 1M
    assert by_model["anthropic", "claude-opus-5-5"]["total_usd"] == "30.00"  # 5000 x 4 + 500 x 20
    assert answer["data"][0]["times_cheapest"] == "1.00"
    assert len(by_model) == len(totals)
    assert answer["left_out"] > 0


def test_all_shows_the_unpriced_as_unpriced() -> None:
    answer = found("estimate", "--compare", *C1, "--all", "--provider", "openai")
    assert answer["left_out"] == 0
    embedding = next(each for each in answer["data"] if each["model"] == "text-embedding-3-small")
    assert (embedding["total_usd"], embedding["state"], embedding["times_cheapest"]) == (None, "unpriced", None)
    text = done("estimate", "--compare", *C1, "--all", "--provider", "openai")
    line = next(line for line in text.splitlines() if "text-embedding-3-small" in line)
    assert line.split() == ["openai", "text-embedding-3-small", "unpriced", "unpriced", "–"]


def test_a_comparison_can_be_narrowed_sorted_by_name_and_shown_in_won() -> None:
    answer = found("estimate", "--compare", *C1, "--provider", "openai,xai", "--sort", "model", "--krw-rate", "1400.5")
    assert {each["provider"] for each in answer["data"]} == {"openai", "x-ai"}
    names = [(each["provider"], each["model"]) for each in answer["data"]]
    assert names == sorted(names)
    mini = next(each for each in answer["data"] if each["model"] == "gpt-4o-mini")
    assert mini["total_krw"] == "1471"  # 1.05 x 1400.5 = 1470.525
    assert "1,471" in done("estimate", "--compare", *C1, "--krw-rate", "1400.5")


def test_a_call_longer_than_the_context_window_is_left_out_of_the_comparison() -> None:
    answer = found("estimate", "--compare", "--input", "150000", "--output", "0", "--provider", "openai")
    names = {each["model"] for each in answer["data"]}
    assert "gpt-4o" not in names  # 128,000
    assert "gpt-4.1" in names


def test_retired_fine_tuned_and_special_models_are_left_out_of_the_comparison() -> None:
    names = {each["model"] for each in found("estimate", "--compare", *C1, "--provider", "openai,google")["data"]}
    assert not names & {"ada", "davinci", "gpt-image-2", "gpt-audio", "gpt-realtime", "gemini-2.0-flash"}
    assert not [name for name in names if "ft" in name.split("-")]
    assert {"gpt-4o", "gpt-6.1-sol", "o3", "gemini-2.5-pro"} <= names


def test_batch_prices_can_be_compared() -> None:
    answer = found("estimate", "--compare", *C1, "--batch", "--provider", "openai")
    mini = next(each for each in answer["data"] if each["model"] == "gpt-4o-mini")
    assert (mini["tier"], mini["total_usd"]) == ("batch", "0.525")


@pytest.mark.parametrize(
    "arguments",
    [
        ("--model", "gpt-4o"),
        ("--model", "gpt-4o", "--input", "1"),
        ("--input", "1", "--output", "1"),
        ("--model", "gpt-4o", "--input", "1", "--output", "1", "--cached", "2"),
        ("--model", "gpt-4o", "--compare", "--input", "1", "--output", "1"),
        ("--model", "gpt-4o", "--input", "1", "--output", "1", "--tier", "flex", "--batch"),
        ("--compare", "--input", "1", "--output", "1", "--provider", "nobody"),
        ("--compare", "--input", "1", "--output", "1", "--krw-rate", "dear"),
        ("--model", "gpt-4o", "--input", "1", "--output", "1", "--krw-rate", "-1"),
        ("--model", "gpt-4o", "--input", "9999999999999", "--output", "1"),
        ("--file", "missing.json"),
    ],
)
def test_contradictory_or_missing_figures_are_refused(arguments: tuple[str, ...]) -> None:
    assert isinstance(refused("estimate", *arguments), InvalidRequest)


@pytest.mark.parametrize("arguments", [("--input", "-1"), ("--calls", "0"), ("--input", "many"), ("--sort", "luck")])
def test_wrong_usage_exits_with_2(arguments: tuple[str, ...]) -> None:
    assert call("estimate", "--model", "gpt-4o", *arguments).exit_code == 2


def test_no_database_is_made_and_nothing_is_said_about_it(tmp_path: Path) -> None:
    result = call("estimate", "--model", "gpt-4o-mini", *C1)
    assert result.exit_code == 0
    assert result.stderr == ""
    assert list((tmp_path / "empty").iterdir()) == []


def test_a_named_database_that_is_not_there_is_said_and_not_made(tmp_path: Path) -> None:
    result = call("estimate", "--model", "gpt-4o-mini", *C1, "--database", f"sqlite:///{tmp_path}/empty/none.db")
    assert result.exit_code == 0
    assert "own prices are left out" in result.stderr
    assert list((tmp_path / "empty").iterdir()) == []


def write(path: Path, body: object) -> str:
    path.write_text(json.dumps(body), encoding="utf-8")
    return str(path)


@pytest.fixture
def _counter(monkeypatch: pytest.MonkeyPatch) -> None:
    """Count a token for each word, so that these tests are about what is counted and not about how."""
    counter = ModuleType("tollkeeper.tokens.counter")
    counter.count_tokens = lambda model, texts: [len(text.split()) for text in texts]  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "tollkeeper.tokens.counter", counter)


CHAT = {
    "model": "gpt-4o-mini",
    "messages": [
        {"role": "system", "content": "one two three"},
        {"role": "user", "content": [{"type": "text", "text": "four five"}]},
    ],
    "max_completion_tokens": 100,
}


@pytest.mark.usefixtures("_counter")
def test_a_chat_request_is_counted_with_its_roles_and_overhead(tmp_path: Path) -> None:
    answer = found("estimate", "--file", write(tmp_path / "request.json", CHAT))
    assert answer["input_tokens"] == 2 + 3 + 2 + 2 * 3 + 3
    assert answer["output_tokens"] == 100
    assert answer["model"] == "gpt-4o-mini"
    assert answer["total_usd"] == "0.0000624"  # 16 x 0.15 + 100 x 0.6


@pytest.mark.usefixtures("_counter")
def test_choices_tools_and_tier_of_a_request_count(tmp_path: Path) -> None:
    plain = found("estimate", "--file", write(tmp_path / "a.json", CHAT))
    more = CHAT | {"n": 3, "tools": [{"type": "function"}], "service_tier": "priority"}
    answer = found("estimate", "--file", write(tmp_path / "b.json", more))
    assert answer["output_tokens"] == 300
    assert answer["input_tokens"] == plain["input_tokens"] + 1
    assert answer["tier"] == "priority"


@pytest.mark.usefixtures("_counter")
def test_embeddings_have_no_output_and_token_lists_count_themselves(tmp_path: Path) -> None:
    body = {"model": "text-embedding-3-small", "input": ["one two", "three"]}
    answer = found("estimate", "--file", write(tmp_path / "a.json", body))
    assert (answer["input_tokens"], answer["output_tokens"]) == (3, 0)
    answer = found("estimate", "--file", write(tmp_path / "b.json", body | {"input": [[1, 2, 3], [4]]}))
    assert answer["input_tokens"] == 4


@pytest.mark.usefixtures("_counter")
def test_a_request_is_compared_on_all_models(tmp_path: Path) -> None:
    answer = found("estimate", "--file", write(tmp_path / "a.json", CHAT), "--compare", "--provider", "openai")
    assert len(answer["data"]) > 20


@pytest.mark.usefixtures("_counter")
@pytest.mark.parametrize(
    "body",
    [
        [],
        {"messages": [{"role": "user", "content": "x"}], "max_tokens": 1},  # no model
        {"model": "gpt-4o", "messages": [{"role": "user", "content": "x"}]},  # no limit of the output
        {"model": "gpt-4o", "messages": [{"role": "user", "content": [{"type": "image_url"}]}], "max_tokens": 1},
        {"model": "gpt-4o", "messages": ["x"], "max_tokens": 1},
        {"model": "gpt-4o", "max_tokens": 1},
        {"model": "gpt-4o", "prompt": {"x": 1}, "max_tokens": 1},
        {"model": "gpt-4o", "prompt": "x", "max_tokens": 1, "n": "many"},
    ],
)
def test_a_request_that_cannot_be_counted_is_refused(tmp_path: Path, body: object) -> None:
    assert isinstance(refused("estimate", "--file", write(tmp_path / "request.json", body)), InvalidRequest)
