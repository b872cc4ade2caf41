"""Tests of the command `prices`: lists, dates and sources, own prices added and imported, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from price_commands import C1, add, call, done, found, refused

from tollkeeper.domain.errors import InvalidRequest, NotFound, TollkeeperError


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


def test_the_list_has_the_price_of_a_short_input_and_tells_of_thresholds() -> None:
    (entry,) = found("prices", "list", "--provider", "openai", "--model", "gpt-5.6-sol")["data"]
    (version,) = found("prices", "show", "openai/gpt-5.6-sol", "--at", "2026-11-22", "--tier", "standard")["versions"]
    shown = {(rate["dimension"], rate["context_over"]): rate for rate in version["tiers"]["standard"]}
    assert entry["context_over"] == [272_000]
    assert entry["usd_per_million"]["input"] == shown["input", 0]["usd_per_million"]
    assert entry["usd_per_million"]["input"] != shown["input", 272_000]["usd_per_million"]


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
    assert rates["web_search", 0]["usd_per_million"] == "10000.00"  # ten dollars per 1,000
    assert answer["priced_besides"] == []
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
    add(sqlite_url, "--from", "2099-01-01")
    assert found("estimate", "--model", "gpt-4o-mini", *C1, "--database", sqlite_url)["total_usd"] == "1.05"
    answer = found("prices", "show", "gpt-4o-mini", "--at", "2099-01-01", "--database", sqlite_url)
    assert answer["versions"][0]["tiers"]["standard"][0]["usd_per_million"] == "1.50"


def test_a_price_for_a_mistyped_model_says_which_one_was_perhaps_meant(sqlite_url: str) -> None:
    named = ("--provider", "openai", "--model", "gpt-4o-minni", "--dimension", "input", "--usd-per-million", "0.1")
    result = call("prices", "add", *named, "--database", sqlite_url)
    assert result.exit_code == 0
    assert "is called 'gpt-4o-minni'" in result.stderr
    assert "Did you mean 'gpt-4o-mini'?" in result.stderr


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
    assert "+ openai/gpt-5.6-sol input (standard over 272,000 tokens): 10.00 → 6.00 from 2026-01-01" in text
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


def test_a_public_name_says_whose_prices_to_ask_for() -> None:
    Path("tollkeeper.toml").write_text(
        '[[providers]]\nname = "openai"\nkind = "openai"\napi_key_env = "NONE_HERE"\n'
        '[[models]]\nname = "smart"\ndeployments = [{ provider = "openai", model = "gpt-4o-mini" }]\n'
        '[[models]]\nname = "gpt-4o"\ndeployments = [{ provider = "openai", model = "gpt-4o" }]\n'
    )
    for asked in (("prices", "show", "smart"), ("estimate", "--model", "smart", "--input", "1", "--output", "1")):
        refusal = refused(*asked)
        assert "public name" in refusal.message
        assert "openai/gpt-4o-mini" in refusal.message
    assert found("prices", "show", "gpt-4o")["model"] == "gpt-4o"
