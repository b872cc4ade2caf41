"""What Prometheus' own tool says of our page, scrape, rules and board: `promtool` of Debian's package `prometheus`, where it is."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml
from tests.observability.test_board_and_rules import BOARD, DEPLOY, RULES
from tests.observability.test_exposition import figures_of

from tollkeeper.observability.exposition import render

PROMTOOL = shutil.which("promtool")
pytestmark = pytest.mark.skipif(
    PROMTOOL is None, reason="promtool is not on PATH, so nothing here was held against the real Prometheus"
)
ALERTS = DEPLOY / "prometheus" / "tollkeeper-alerts.yml"
CALLS = 'tollkeeper_calls_total{instance="a", provider="openai", '
UNPRICED = 'tollkeeper_unpriced_calls_total{instance="a", provider="openai", model="m"}'
_LABEL, _VALUE = re.compile(r"\{\{ \$labels\.(\w+) \}\}"), re.compile(r"\{\{ \$value[^}]*\}\}")


class Case(msgspec.Struct, frozen=True):
    """What is scraped every 15 seconds, and the alert of that moment: its labels, and its value as its texts have it."""

    alert: str
    series: dict[str, str]
    at: str
    labels: dict[str, str] | None = None
    value: str = ""


CASES = (
    Case(
        "TollkeeperDown", {'up{job="tollkeeper", instance="a"}': "0x40"}, "5m", {"job": "tollkeeper", "instance": "a"}
    ),
    Case("TollkeeperDown", {'up{job="tollkeeper", instance="a"}': "1x8 0x4 1x20"}, "3m"),
    Case(
        "TollkeeperDatabaseDown",
        {f'tollkeeper_database_up{{instance="a", worker="{n}"}}': f"{n}x40" for n in (0, 1)},
        "5m",
        {"instance": "a"},
    ),
    Case("TollkeeperDatabaseDown", {'tollkeeper_database_up{instance="a"}': "1x8 0x2 1x20"}, "3m"),
    Case(
        "TollkeeperJournalBacklog",
        {'tollkeeper_journal_backlog_oldest_seconds{instance="a"}': "45x40"},
        "5m",
        {"instance": "a"},
        "45s",
    ),
    Case("TollkeeperJournalBacklog", {'tollkeeper_journal_backlog_oldest_seconds{instance="a"}': "1x40"}, "5m"),
    Case(
        "TollkeeperJournalAdmitsNothing",
        {'tollkeeper_journal_admitting{instance="a"}': "0x40"},
        "5m",
        {"instance": "a"},
    ),
    Case("TollkeeperJournalAdmitsNothing", {'tollkeeper_journal_admitting{instance="a"}': "1x40"}, "5m"),
    Case(
        "TollkeeperRecordsSetAside",
        {'tollkeeper_journal_set_aside_total{instance="a"}': "0x8 1x40"},
        "5m",
        {"instance": "a"},
    ),
    Case("TollkeeperRecordsSetAside", {'tollkeeper_journal_set_aside_total{instance="a"}': "3x100"}, "20m"),
    Case(
        "TollkeeperJobLate",
        {'tollkeeper_job_lag_seconds{instance="a", name="prune"}': "1000x80"},
        "10m",
        {"name": "prune"},
        "16m 40s",
    ),
    Case("TollkeeperJobLate", {'tollkeeper_job_lag_seconds{instance="a", name="prune"}': "60x80"}, "10m"),
    Case(
        "TollkeeperLimitsUnavailable",
        {'tollkeeper_refusals_total{reason="limits_unavailable"}': "_x4 1+1x40"},
        "6m",
        {},
    ),
    Case("TollkeeperLimitsUnavailable", {'tollkeeper_refusals_total{reason="insufficient_quota"}': "0+9x40"}, "6m"),
    Case(
        "TollkeeperOverhead",
        {
            f'tollkeeper_overhead_seconds_bucket{{operation="messages", le="{bound}"}}': f"0+{n}x120"
            for bound, n in (("0.032768", 1), ("0.065536", 10), ("+Inf", 10))
        },
        "25m",
        {},
        "65.17ms",
    ),
    Case(
        "TollkeeperOverhead",
        {f'tollkeeper_overhead_seconds_bucket{{le="{bound}"}}': "7x120" for bound in ("0.065536", "+Inf")},
        "25m",
    ),
    Case(
        "TollkeeperProviderErrors",
        {CALLS + 'status="2xx", outcome="complete"}': "0+8x80", CALLS + 'status="2xx", outcome="broken"}': "0+2x80"},
        "15m",
        {"provider": "openai"},
        "20%",
    ),
    Case(
        "TollkeeperProviderErrors",
        {CALLS + 'status="5xx", outcome="provider_error"}': "0+1x80"},
        "15m",
        {"provider": "openai"},
        "100%",
    ),
    Case(
        "TollkeeperProviderErrors",
        {
            CALLS + f'status="{status}", outcome="{outcome}"}}': "0+5x80"
            for status, outcome in (("2xx", "complete"), ("none", "client_gone"), ("none", "crashed"))
        },
        "15m",
    ),
    Case(
        "TollkeeperFailOvers",
        {'tollkeeper_lost_tries_total{provider="openai", reason="429"}': "0+2x120"},
        "25m",
        {"provider": "openai", "reason": "429"},
    ),
    Case("TollkeeperFailOvers", {'tollkeeper_lost_tries_total{provider="openai", reason="429"}': "0x60 2x60"}, "25m"),
    Case("TollkeeperUnpricedCalls", {UNPRICED: "_x8 1x40"}, "3m", {"provider": "openai", "model": "m"}),
    Case("TollkeeperUnpricedCalls", {UNPRICED: "_x8 1x400"}, "75m"),
    Case("TollkeeperUnpricedCalls", {UNPRICED: "3x300 4x20"}, "76m", {"provider": "openai", "model": "m"}),
    Case(
        "TollkeeperTracesLost",
        {'tollkeeper_traces_total{instance="a", result="failed"}': "0+1x200"},
        "30m",
        {"instance": "a"},
    ),
    Case("TollkeeperTracesLost", {'tollkeeper_traces_total{instance="a", result="exported"}': "0+1x200"}, "30m"),
)


def promtool(*arguments: str | Path, stdin: bytes = b"") -> str:
    """Run it; its fault is ours."""
    done = subprocess.run(
        [str(PROMTOOL), *map(str, arguments)],
        input=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    said = done.stdout.decode()
    assert done.returncode == 0, said
    return said


def filled(query: str) -> str:
    """Return a query of the board with values in the place of Grafana's variables."""
    found = query.replace("$__rate_interval", "1m").replace("$instance", ".*").replace("$provider", "(openai|claude)")
    assert "$" not in found
    return found


def rule_of(alert: str) -> dict[str, Any]:
    (rule,) = [rule for group in RULES["groups"] for rule in group["rules"] if rule["alert"] == alert]
    return dict(rule)


def as_test(case: Case) -> dict[str, Any]:
    """Return a case as `promtool test rules` wants it, with the texts that the alert has to have."""
    fires: list[dict[str, Any]] = []
    if case.labels is not None:
        labels, rule = case.labels, rule_of(case.alert)
        texts = {
            name: _VALUE.sub(case.value, _LABEL.sub(lambda found: labels[found[1]], text))
            for name, text in rule["annotations"].items()
        }
        fires.append({"exp_labels": labels | rule["labels"], "exp_annotations": texts})
    return {
        "interval": "15s",
        "input_series": [{"series": name, "values": values} for name, values in case.series.items()],
        "alert_rule_test": [{"eval_time": case.at, "alertname": case.alert, "exp_alerts": fires}],
    }


@pytest.mark.parametrize("workers", [("",), ("0", "1")], ids=["one", "two"])
def test_the_page_is_as_prometheus_wants_it(workers: tuple[str, ...]) -> None:
    _, text = render({name: figures_of(7) for name in workers}, "")
    assert promtool("check", "metrics", stdin=text) == ""


def test_the_scrape_and_the_rules_are_valid() -> None:
    said = promtool("check", "config", DEPLOY / "prometheus" / "prometheus.yml")
    assert f"{sum(len(group['rules']) for group in RULES['groups'])} rules found" in said


def test_what_the_scrape_offers_in_comments_is_valid_too(tmp_path: Path) -> None:
    text = (DEPLOY / "prometheus" / "prometheus.yml").read_text(encoding="utf-8")
    offered = re.sub(r"^( *)# (?=\w+:|  +\S)", r"\1", text, flags=re.MULTILINE)
    offered = offered.replace("/etc/prometheus/tollkeeper-token", str(tmp_path / "token"))
    assert {"alerting", "scrape_configs"} <= set(yaml.safe_load(offered))
    (tmp_path / "token").write_text("a-token-of-some-length", encoding="utf-8")
    (tmp_path / "prometheus.yml").write_text(offered, encoding="utf-8")
    shutil.copy(ALERTS, tmp_path)
    promtool("check", "config", tmp_path / "prometheus.yml")


def test_every_query_of_the_board_is_one(tmp_path: Path) -> None:
    queries = [target["expr"] for panel in BOARD["panels"] for target in panel.get("targets", ())]
    rules = [{"record": f"board:{number}", "expr": filled(query)} for number, query in enumerate(queries)]
    (tmp_path / "board.yml").write_text(json.dumps({"groups": [{"name": "board", "rules": rules}]}), encoding="utf-8")
    assert f"{len(queries)} rules found" in promtool("check", "rules", tmp_path / "board.yml")


@pytest.mark.parametrize(
    "case", CASES, ids=[f"{case.alert} {'quiet' if case.labels is None else 'fires'}" for case in CASES]
)
def test_an_alert_fires_when_it_should_and_says_it_well(case: Case, tmp_path: Path) -> None:
    shutil.copy(ALERTS, tmp_path)
    test = {"rule_files": [ALERTS.name], "evaluation_interval": "15s", "tests": [as_test(case)]}
    (tmp_path / "case.yml").write_text(json.dumps(test), encoding="utf-8")
    promtool("test", "rules", tmp_path / "case.yml")


@pytest.mark.parametrize(
    ("ended", "percent"),
    [
        ({"complete": 3, "provider_error": 1}, 75),
        ({"complete": 3, "broken": 1, "client_gone": 9}, 75),
        ({"provider_error": 1}, 0),
        ({"complete": 1}, 100),
    ],
    ids=["some are refused", "some break off", "nothing is well", "all is well"],
)
def test_the_board_tells_which_part_of_the_calls_is_answered_well(
    ended: dict[str, int], percent: int, tmp_path: Path
) -> None:
    (panel,) = [panel for panel in BOARD["panels"] if panel["title"] == "Answered well"]
    query = f"round(100 * ({filled(panel['targets'][0]['expr'])}))"
    series = [
        {"series": f'{CALLS}outcome="{outcome}"}}', "values": f"0+{count}x40"} for outcome, count in ended.items()
    ]
    expected = {"expr": query, "eval_time": "5m", "exp_samples": [{"labels": "{}", "value": percent}]}
    test = {"tests": [{"interval": "15s", "input_series": series, "promql_expr_test": [expected]}]}
    (tmp_path / "case.yml").write_text(json.dumps(test), encoding="utf-8")
    promtool("test", "rules", tmp_path / "case.yml")


def test_every_alert_is_tried_both_ways() -> None:
    names = {rule["alert"] for group in RULES["groups"] for rule in group["rules"]}
    assert {case.alert for case in CASES if case.labels is not None} == names
    assert {case.alert for case in CASES if case.labels is None} == names
