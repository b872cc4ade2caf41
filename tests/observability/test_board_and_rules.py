"""The board and the alert rules name only figures that there are, with labels that these have."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tollkeeper.domain.errors import LimitsUnavailable
from tollkeeper.domain.usage import Outcome
from tollkeeper.observability.metric_list import METRICS, WORKER, Metric

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
BOARD = json.loads((DEPLOY / "grafana" / "tollkeeper.json").read_text(encoding="utf-8"))
RULES = yaml.safe_load((DEPLOY / "prometheus" / "tollkeeper-alerts.yml").read_text(encoding="utf-8"))
SCRAPE = yaml.safe_load((DEPLOY / "prometheus" / "prometheus.yml").read_text(encoding="utf-8"))
A_SECOND = frozenset({"reqps", "recps", "cps"})
"""Grafana's units of what is counted each second."""
PROMETHEUS_OWN = frozenset({"job", "instance", "le", WORKER})
_SERIES = re.compile(r"\b((?:tollkeeper|process)_[a-z_]+)\b(\{[^}]*\})?")
_LABEL = re.compile(r"(\w+)\s*(?:=~|!~|!=|=)\s*\"([^\"]*)\"")
_BY = re.compile(r"\b(?:by|without)\s*\(([^)]*)\)")


def _by_series() -> dict[str, Metric]:
    found: dict[str, Metric] = {}
    for metric in METRICS:
        endings = ("_bucket", "_sum", "_count") if metric.kind == "histogram" else ("",)
        found |= {f"{metric.name}{ending}": metric for ending in endings}
    return found


SERIES = _by_series()


def expressions() -> Iterator[tuple[str, str]]:
    for panel in BOARD["panels"]:
        for target in panel.get("targets", ()):
            yield f"{panel['title']} {target['refId']}", target["expr"]
    for group in RULES["groups"]:
        for rule in group["rules"]:
            yield rule["alert"], rule["expr"]
    for variable in BOARD["templating"]["list"]:
        if variable["type"] == "query":
            yield f"${variable['name']}", variable["definition"]


def faults(expression: str) -> list[str]:
    """Return the names in an expression that no figure or label has."""
    named = _SERIES.findall(re.sub(r'"[^"]*"', '""', expression))
    found = [name for name, _ in named if name not in SERIES]
    metrics = [SERIES[name] for name, _ in named if name in SERIES]
    labels = {label for metric in metrics for label in metric.labels} | PROMETHEUS_OWN
    used = {name for name, _ in _LABEL.findall(expression)}
    used |= {name.strip() for group in _BY.findall(expression) for name in group.split(",") if name.strip()}
    return found + sorted(used - labels)


@pytest.mark.parametrize(("place", "expression"), list(expressions()), ids=[place for place, _ in expressions()])
def test_an_expression_names_what_there_is(place: str, expression: str) -> None:
    assert faults(expression) == [], place
    assert expression.count("(") == expression.count(")")
    assert expression.count("{") == expression.count("}")


@pytest.mark.parametrize(
    "expression",
    [
        "rate(tollkeeper_call_total[5m])",
        "tollkeeper_overhead_seconds",
        'tollkeeper_calls_total{colour="x"}',
        "sum by (project) (tollkeeper_calls_total)",
    ],
)
def test_a_name_that_is_not_there_is_noticed(expression: str) -> None:
    assert faults(expression)


def test_the_board_shows_every_figure() -> None:
    shown = {SERIES[name] for _, expression in expressions() for name, _ in _SERIES.findall(expression)}
    left_out = {metric.name for metric in METRICS} - {metric.name for metric in shown}
    assert left_out == {
        "tollkeeper_job_next_due_timestamp_seconds",
        "tollkeeper_job_duration_seconds",
        "tollkeeper_lease_escrow",
        "tollkeeper_lease_free",
        "tollkeeper_refusal_notes_dropped_total",
        "process_start_time_seconds",
    }


def test_the_board_is_one_that_grafana_takes() -> None:
    ids = [panel["id"] for panel in BOARD["panels"]]
    assert len(set(ids)) == len(ids)
    assert BOARD["uid"] == "tollkeeper"
    assert {each["name"] for each in BOARD["templating"]["list"]} == {"datasource", "instance", "provider"}
    for panel in BOARD["panels"]:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        assert panel["type"] in {"row", "stat", "timeseries"}
        assert panel["type"] == "row" or panel["datasource"]["uid"] == "${datasource}"


def test_the_board_has_every_option_that_grafanas_schema_asks_for() -> None:
    """The types `StatOptions`, `VizLegendOptions` and `VariableOption` of npm's @grafana/schema 13.2.3, read 2026-11-23."""
    for panel in BOARD["panels"]:
        if panel["type"] == "stat":
            assert {"justifyMode", "orientation", "percentChangeColorMode"} <= set(panel["options"])
            assert {"showPercentChange", "textMode", "wideLayout"} <= set(panel["options"])
        if panel["type"] == "timeseries":
            assert panel["options"]["legend"]["showLegend"] is True, panel["title"]
            assert {"calcs", "displayMode", "placement"} <= set(panel["options"]["legend"])
    assert all({"text", "value"} <= set(variable["current"]) for variable in BOARD["templating"]["list"])


def test_what_is_counted_each_second_is_shown_as_such() -> None:
    for panel in BOARD["panels"]:
        queries = [target["expr"] for target in panel.get("targets", ())]
        unit = panel.get("fieldConfig", {}).get("defaults", {}).get("unit")
        if any("rate(" in query and "quantile" not in query for query in queries):
            is_share_or_money = unit in {"percentunit", "currencyUSD"}
            assert (
                unit in A_SECOND or is_share_or_money or panel["title"].endswith((" a second", " a second by class"))
            ), panel["title"]
        if any("increase(" in query for query in queries):
            assert panel["title"].endswith(" in an hour")
            assert unit == "none"
        if any("* 3600" in query for query in queries):
            assert "an hour" in panel["title"]


def test_figures_of_processes_are_those_of_tollkeeper_whatever_its_job_is_called() -> None:
    """Every program that Prometheus' clients are in has figures of these names."""
    queries = [target["expr"] for panel in BOARD["panels"] for target in panel.get("targets", ())]
    of_processes = [query for query in queries if "process_" in query]
    assert len(of_processes) == 3
    assert all(query.endswith(" and on (job, instance, worker) tollkeeper_build_info") for query in of_processes)
    assert not [query for query in queries if 'job="' in query]


def test_the_rules_watch_what_operators_asked_for_and_say_what_to_do() -> None:
    rules: list[dict[str, Any]] = [rule for group in RULES["groups"] for rule in group["rules"]]
    watched = " ".join(rule["expr"] for rule in rules)
    for name in (
        "journal_backlog",
        "job_lag",
        LimitsUnavailable.code,
        "overhead_seconds_bucket",
        "calls_total",
        "database_up",
    ):
        assert name in watched
    assert "budget" not in watched
    assert len({rule["alert"] for rule in rules}) == len(rules)
    for rule in rules:
        assert set(rule["annotations"]) == {"summary", "summary_ko", "do"}, rule["alert"]
        assert rule["labels"]["severity"] in {"critical", "warning", "info"}


def test_values_of_labels_in_the_rules_are_values_that_there_are() -> None:
    values = {
        (name, value)
        for _, expression in expressions()
        for name, pattern in _LABEL.findall(expression)
        for value in pattern.split("|")
    }
    assert {value for name, value in values if name == "outcome"} <= {each.value for each in Outcome}
    assert {value for name, value in values if name == "result"} <= {"exported", "failed", "dropped"}


def test_the_example_scrapes_and_reads_the_rules() -> None:
    (scrape,) = SCRAPE["scrape_configs"]
    assert scrape["job_name"] == "tollkeeper"
    assert all((DEPLOY / "prometheus" / name).exists() for name in SCRAPE["rule_files"])
