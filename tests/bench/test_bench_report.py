"""The table, the page and the command line: what is written, and that invalid figures are shown as such."""

from __future__ import annotations

import json
from pathlib import Path

import bench.__main__ as command
import pytest
from bench.__main__ import PAGE, deliver, parse_arguments
from bench.figures import Latency, Load, Sample
from bench.procfs import Machine
from bench.report import Run, as_json, as_markdown, as_text, number, table
from bench.systems import custom


def sample(system: str, cpu_us: int, errors: int = 0) -> Sample:
    load = Load(answers=1000, errors=errors, cpu_us=cpu_us, duration_us=1_000_000)
    return Sample(system, 1, load, Latency(100, 200, 20, 40, 0), load, resident_kb=10240, proportional_kb=5120)


def run(*samples: Sample, failures: dict[str, str] | None = None) -> Run:
    return Run(
        machine=Machine("A CPU", 2, "Linux 6", 24000),
        versions={"nginx": "1.22.1", "wrk": "4.1.0"},
        notes={one.system: ("one worker",) for one in samples},
        failures=failures or {},
        samples=samples,
        seconds=6,
        rounds=1,
        duration_s=60,
        load_before=0.2,
        stolen_percent=3.2,
        connections=32,
        chunk_gap_ms=0,
    )


def test_the_table_divides_by_nginx_of_the_same_run() -> None:
    header, nginx, tollkeeper = table(run(sample("nginx", 12_000), sample("tollkeeper", 60_000)).summaries())
    assert len(header) == len(nginx) == len(tollkeeper)
    assert nginx[:5] == ["nginx", "12.0", "1.0", "12.0", "1.0"]
    assert tollkeeper[:3] == ["tollkeeper", "60.0", "5.0"]
    assert tollkeeper[5:7] == ["100 / 200", "80.0"]


def test_without_nginx_there_are_figures_but_no_ratios() -> None:
    _, row = table(run(sample("tollkeeper", 60_000)).summaries())
    assert row[1:3] == ["60.0", "–"]


def test_failed_calls_are_shown_in_place_of_the_figure() -> None:
    _, row = table(run(sample("tollkeeper", 60_000, errors=3)).summaries())
    assert row[1:3] == ["invalid: 6 failed", "–"]  # three calls and three streams


def test_the_page_states_machine_versions_targets_and_every_round() -> None:
    page = as_markdown(
        run(sample("nginx", 12_000), sample("tollkeeper", 60_000), failures={"litellm": "not installed"})
    )
    assert "A CPU, 2 cores" in page
    assert "**nginx** 1.22.1: one worker" in page
    assert "**litellm** was not measured: not installed" in page
    assert "| CPU per call at most 8 × nginx's | 5.0 × nginx | met |" in page
    assert "| CPU per call at most 1/100 of LiteLLM's | no valid figure | not measured |" in page
    assert page.count("| tollkeeper | 1 |") == 1
    assert page.count("\n# ") == 0
    assert page.startswith("# Benchmarks\n")


def test_text_and_json_carry_the_same_figures() -> None:
    one = run(sample("nginx", 12_000), sample("tollkeeper", 60_000), failures={"portkey": "no npm"})
    assert "portkey: not measured: no npm" in as_text(one)
    document = json.loads(as_json(one))
    assert document["summaries"]["tollkeeper"]["call_us"] == 60
    assert document["verdicts"][0]["is_met"] is True


def test_the_page_is_not_overwritten_by_a_run_that_lacks_the_gateway_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = tmp_path / "page.md"
    monkeypatch.setattr(command, "PLACE", tmp_path)
    monkeypatch.setattr(command, "PAGE", page)
    arguments = parse_arguments([])
    deliver(run(sample("nginx", 12_000), failures={"tollkeeper": "no such command"}), arguments)
    assert not page.exists()
    deliver(run(sample("nginx", 12_000), sample("tollkeeper", 60_000), failures={"litellm": "no pip"}), arguments)
    assert page.read_text().startswith("# Benchmarks")


def test_numbers_keep_three_digits_or_all() -> None:
    assert [number(figure) for figure in (12.34, 99.94, 515.4, 12150.0, None)] == ["12.3", "99.9", "515", "12,150", "–"]


def test_only_a_full_run_writes_the_page_by_itself() -> None:
    assert parse_arguments([]).output == PAGE
    assert parse_arguments(["--quick"]).output is None
    assert parse_arguments(["--only", "nginx"]).output is None
    assert parse_arguments(["--quick", "--output", "x.md"]).output == Path("x.md")
    assert parse_arguments(["--quick"]).rounds == 1


@pytest.mark.parametrize("arguments", [["--only", "apache"], ["--system", "x"], ["--seconds", "0"]])
def test_wrong_arguments_are_refused(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        parse_arguments(arguments)
    assert ended.value.code == 2


def test_a_contender_of_ones_own_has_name_command_and_address() -> None:
    name, _build = custom("mine=serve --port {port}|http://127.0.0.1:{port}/v1/chat/completions|sk-1")
    assert name == "mine"
    with pytest.raises(ValueError, match="is not NAME=COMMAND"):
        custom("mine=serve")
