"""Tests of the commands `prices` and `estimate`: exact figures, JSON shapes, own prices, and what is refused."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
import typer
from click.testing import Result
from typer.testing import CliRunner

from tollkeeper.cli import prices
from tollkeeper.cli.estimate import estimate
from tollkeeper.domain.errors import InvalidRequest, NotFound, TollkeeperError

app = typer.Typer()
app.add_typer(prices.app, name="prices")
app.command("estimate")(estimate)

C1 = ("--calls", "1000", "--input", "5000", "--output", "500")


@pytest.fixture(autouse=True)
def _empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work where there are no settings and no database."""
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")
    monkeypatch.delenv("TOLLKEEPER_CONFIG", raising=False)


def call(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


def done(*arguments: str) -> str:
    result = call(*arguments)
    assert result.exit_code == 0, (result.output, result.exception)
    return result.output


def found(*arguments: str) -> Any:
    result = call(*arguments, "--json")
    assert result.exit_code == 0, (result.output, result.exception)
    return json.loads(result.stdout)


def refused(*arguments: str) -> TollkeeperError:
    result = call(*arguments)
    assert isinstance(result.exception, TollkeeperError), (result.exit_code, result.output, result.exception)
    return result.exception


def add(url: str, *more: str, price: str = "1.5", model: str = "gpt-4o-mini", dimension: str = "input") -> Any:
    named = ("--provider", "openai", "--model", model, "--dimension", dimension, "--usd-per-million", price)
    return found("prices", "add", *named, *more, "--database", url)


# estimate


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


# estimate --file


def write(path: Path, body: object) -> str:
    path.write_text(json.dumps(body), encoding="utf-8")
    return str(path)


@pytest.fixture
def _counter(monkeypatch: pytest.MonkeyPatch) -> None:
    """Count a token for each word, so that these tests are about what is counted and not about how."""
    import sys
    from types import ModuleType

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


# prices list, show


def test_the_list_has_the_prices_in_force_and_can_be_narrowed() -> None:
    answer = found("prices", "list", "--provider", "openai", "--model", "GPT-4o-m*")
    names = [each["model"] for each in answer["data"]]
    assert "gpt-4o-mini" in names
    assert all(name.startswith("gpt-4o-m") for name in names)
    mini = next(each for each in answer["data"] if each["model"] == "gpt-4o-mini")
    assert mini["usd_per_million"] == {"input": "0.15", "cache_read": "0.075", "output": "0.60"}
    assert mini["tiers"] == ["standard", "batch", "priority"]
    text = done("prices", "list", "--provider", "openai", "--model", "whisper-1")
    assert text.count("unpriced") == 3


def test_the_list_of_a_date_has_the_prices_of_that_date() -> None:
    for at, price in (("2025-06-09", "10.00"), ("2025-06-10", "2.00")):
        (entry,) = found("prices", "list", "--provider", "openai", "--model", "o3", "--at", at)["data"]
        assert entry["usd_per_million"]["input"] == price


def test_show_has_every_date_tier_threshold_and_source() -> None:
    answer = found("prices", "show", "gpt-5.6-sol-2026-09-09")
    assert (answer["provider"], answer["model"]) == ("openai", "gpt-5.6-sol")
    assert [version["valid_from"] for version in answer["versions"]] == [None, "2026-08-21", "2026-10-12", "2026-10-14"]
    rates = {(rate["dimension"], rate["context_over"]): rate for rate in answer["versions"][-1]["tiers"]["flex"]}
    assert rates["input", 0]["usd_per_million"] == "2.00"
    assert rates["input", 272_000]["usd_per_million"] == "4.00"
    assert rates["input", 0]["source"] == "genai-prices 0.2.3 gpt-5.6-sol"
    assert rates["input_audio", 0]["follows"] == "input"
    assert answer["priced_besides"]
    assert answer["sources"]


def test_show_can_be_narrowed_to_a_date_and_a_tier() -> None:
    answer = found("prices", "show", "openai/gpt-5.6-sol", "--at", "2026-09-01", "--tier", "standard")
    (version,) = answer["versions"]
    assert version["valid_from"] == "2026-08-21"
    assert list(version["tiers"]) == ["standard"]
    line = next(
        line for line in done("prices", "show", "gpt-4o").splitlines() if line.startswith("standard  cache_read")
    )
    assert line.split()[:3] == ["standard", "cache_read", "1.25"]
    assert "cache_read_audio, cache_read_image" in line
    assert "01:00–04:00 UTC" in done("prices", "show", "deepseek/deepseek-flash")


@pytest.mark.parametrize(
    ("arguments", "kind"),
    [
        (("show", "gpt-6.2-astra"), NotFound),
        (("list", "--provider", "nobody"), InvalidRequest),
        (("list", "--at", "soon"), InvalidRequest),
        (("show", "gpt-4o", "--at", "1969-12-31"), InvalidRequest),
    ],
)
def test_what_there_is_not_is_refused(arguments: tuple[str, ...], kind: type[TollkeeperError]) -> None:
    assert isinstance(refused("prices", *arguments), kind)


# prices add, import


def test_an_added_price_is_in_force_at_once_and_listed(sqlite_url: str) -> None:
    (row,) = add(sqlite_url, "--note", "contract 7")["data"]
    assert row["is_new"]
    assert row["id"].startswith("price_")
    (listed,) = found("prices", "list", "--own", "--database", sqlite_url)["data"]
    assert (listed["usd_per_million"], listed["note"], listed["organization_id"]) == ("1.50", "contract 7", None)
    answer = found("estimate", "--model", "gpt-4o-mini", *C1, "--database", sqlite_url)
    assert answer["total_usd"] == "7.80"  # 1000 x (5000 x 1.5 + 500 x 0.6) / 1M
    assert answer["lines"][0]["source"] == row["id"]
    assert found("estimate", "--model", "gpt-4o-mini", *C1)["total_usd"] == "1.05"


def test_a_price_of_the_future_waits(sqlite_url: str) -> None:
    add(sqlite_url, "--from", "2999-01-01")
    assert found("estimate", "--model", "gpt-4o-mini", *C1, "--database", sqlite_url)["total_usd"] == "1.05"
    answer = found("prices", "show", "gpt-4o-mini", "--at", "2999-01-01", "--database", sqlite_url)
    assert answer["versions"][0]["tiers"]["standard"][0]["usd_per_million"] == "1.50"


def test_a_model_of_own_prices_only_is_shown_and_compared(sqlite_url: str) -> None:
    for dimension, price in (("input", "0.1"), ("output", "0.2")):
        named = ("--provider", "vllm", "--model", "llama-local", "--dimension", dimension, "--usd-per-million", price)
        result = call("prices", "add", *named, "--database", sqlite_url)
        assert result.exit_code == 0
        assert "Not in the catalogue: vllm" in result.stderr
    answer = found("estimate", "--model", "llama-local", *C1, "--database", sqlite_url)
    assert (answer["provider"], answer["total_usd"]) == ("vllm", "0.60")
    compared = found("estimate", "--compare", *C1, "--database", sqlite_url)["data"]
    assert ("vllm", "llama-local") in {(each["provider"], each["model"]) for each in compared}


def test_a_file_is_imported_whole_and_again_changes_nothing(sqlite_url: str, tmp_path: Path) -> None:
    path = tmp_path / "prices.csv"
    path.write_text(
        "provider,model,dimension,usd_per_million,tier,context_over,valid_from,note\n"
        "openai,gpt-4o-mini,input,0.12,,,2026-01-01,contract\n"
        "openai,gpt-4o-mini,output,0.5,batch,,2026-01-01,\n"
        "openai,gpt-5.6-sol,input,6,,272000,2026-01-01,\n",
        encoding="utf-8",
    )
    dry = found("prices", "import", str(path), "--dry-run", "--database", sqlite_url)
    assert (dry["is_dry_run"], len(dry["data"])) == (True, 3)
    assert found("prices", "list", "--own", "--database", sqlite_url)["data"] == []
    text = done("prices", "import", str(path), "--database", sqlite_url)
    assert "+ openai/gpt-4o-mini input (standard): 0.15 → 0.12 from 2026-01-01" in text
    assert "+ openai/gpt-4o-mini output (batch): unpriced → 0.50 from 2026-01-01" in text
    assert "3 added, 0 already in force." in text
    again = done("prices", "import", str(path), "--database", sqlite_url)
    assert "0 added, 3 already in force." in again
    listed = found("prices", "list", "--own", "--database", sqlite_url)["data"]
    assert [row["usd_per_million"] for row in listed] == ["0.12", "0.50", "6.00"]


def test_a_json_file_keeps_the_digits_of_its_numbers(sqlite_url: str, tmp_path: Path) -> None:
    path = tmp_path / "prices.json"
    path.write_text(
        '[{"provider":"openai","model":"a","dimension":"input","usd_per_million":0.150001},'
        '{"provider":"openai","model":"b","dimension":"input","usd_per_million":"2"},'
        '{"provider":"openai","model":"c*","dimension":"input","usd_per_million":3}]',
        encoding="utf-8",
    )
    answer = found("prices", "import", str(path), "--database", sqlite_url)
    assert [row["usd_per_million"] for row in answer["data"]] == ["0.150001", "2.00", "3.00"]


GOOD = "openai,gpt-4o,input,1"


@pytest.mark.parametrize(
    ("line", "word"),
    [
        ("openai,gpt-4o,input,cheap", "usd"),
        ("openai,gpt-4o,input,-1", "out of range"),
        ("openai,gpt-4o,input,0.0000001", "decimals"),
        ("openai,gpt-4o,input,1e3", "price in USD"),
        ("openai,gpt-4o,words,1", "words"),
        ("openai,gpt*4o,input,1", "gpt*4o"),
        (",gpt-4o,input,1", "provider"),
        ("gemini,gpt-4o,input,1", "google"),
        ("openai,gpt-4o,input", "columns"),
        ("openai,gpt-4o,input,1,2", "columns"),
        (GOOD, "already states"),
    ],
)
def test_one_wrong_line_refuses_the_whole_file(sqlite_url: str, tmp_path: Path, line: str, word: str) -> None:
    path = tmp_path / "prices.csv"
    path.write_text(f"provider,model,dimension,usd_per_million\n{GOOD}\n{line}\n", encoding="utf-8")
    error = refused("prices", "import", str(path), "--database", sqlite_url)
    assert isinstance(error, InvalidRequest)
    assert word.lower() in error.message.lower()
    assert found("prices", "list", "--own", "--database", sqlite_url)["data"] == []


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("prices.txt", GOOD),
        ("prices.csv", ""),
        ("prices.csv", "provider,model,dimension,usd_per_million,colour\nopenai,a,input,1,red\n"),
        ("prices.json", "{"),
        ("prices.json", "[]"),
        ("prices.json", '[{"provider":"openai","model":"a","dimension":"input","usd_per_million":true}]'),
        ("prices.json", '[{"provider":"openai","model":"a","dimension":"input"}]'),
    ],
)
def test_a_file_that_is_no_price_list_is_refused(sqlite_url: str, tmp_path: Path, name: str, content: str) -> None:
    path = tmp_path / name
    path.write_text(content, encoding="utf-8")
    assert isinstance(refused("prices", "import", str(path), "--database", sqlite_url), InvalidRequest)


def test_a_missing_file_is_refused(sqlite_url: str) -> None:
    assert "none.csv" in refused("prices", "import", "none.csv", "--database", sqlite_url).message


@pytest.mark.parametrize(
    "more", [("--tier", "No Tier"), ("--context-over", "-1"), ("--from", "tomorrow"), ("--org", "nobody")]
)
def test_a_wrong_option_adds_nothing(sqlite_url: str, more: tuple[str, ...]) -> None:
    named = ("--provider", "openai", "--model", "gpt-4o", "--dimension", "input", "--usd-per-million", "1")
    refused("prices", "add", *named, *more, "--database", sqlite_url)
    assert found("prices", "list", "--own", "--database", sqlite_url)["data"] == []
