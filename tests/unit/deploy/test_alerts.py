"""Alerts, recording rules, runbooks and metrics hold on to one another: none can change its name alone."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml

from stream import app, metrics, settings
from tests.unit.deploy import promql

RUNBOOKS = promql.ROOT / "docs" / "runbooks"
ALERTS = promql.rules("alerts.yml")
RECORDS = promql.rules("rules.yml")
PARTS = ("Meaning", "Impact", "Diagnosis", "Mitigation")
SAFE = {"job", "instance", "stage", "partition", "topic", "reason", "scheme", "detector", "namespace", "persistentvolumeclaim"}
"""Labels that an alert's text may show: none of them names a person or an account."""

every_alert = pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert["alert"])


@pytest.fixture(autouse=True, scope="module")
def _declared() -> None:
    """Series that the policy in force decides are there too."""
    app.tell_versions(app.configuration(settings.load()))


def runbook(alert: dict[str, Any]) -> str:
    return (RUNBOOKS / f"{alert['alert']}.md").read_text("utf-8")


@pytest.mark.parametrize("rule", [*ALERTS, *RECORDS], ids=lambda rule: rule.get("alert") or rule["record"])
def test_all_that_a_rule_reads_is_in_the_catalogue(rule: dict[str, Any]) -> None:
    assert promql.faults(rule["expr"]) == []


@every_alert
def test_an_alert_says_how_bad_it_is_what_it_is_and_where_to_read_on(alert: dict[str, Any]) -> None:
    assert alert["labels"]["severity"] in ("critical", "warning")
    notes = alert["annotations"]
    assert set(notes) == {"summary", "description", "runbook_url"}
    assert (promql.ROOT / notes["runbook_url"]) == RUNBOOKS / f"{alert['alert']}.md"
    assert "{{" not in notes["summary"]
    shown = set(re.findall(r"\$labels\.(\w+)", notes["description"]))
    assert shown <= SAFE
    there: set[str] = set()
    known = {**promql.NOT_OURS, **promql.catalogue(), **promql.recorded()}
    for use in promql.uses(alert["expr"]):
        there |= known[use.metric]
    assert shown <= there, "the text shows a label that the expression does not have"


@every_alert
def test_every_alert_has_a_runbook_with_its_four_parts_its_expression_and_commands(alert: dict[str, Any]) -> None:
    text = runbook(alert)
    assert text.startswith(f"# {alert['alert']}\n")
    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == list(PARTS)
    assert f"```promql\n{alert['expr']}\n```" in text, "run: python docs/generate.py"
    assert alert["labels"]["severity"] in text.split("## Impact")[0]
    diagnosis = text.split("## Diagnosis")[1].split("## Mitigation")[0]
    commands = re.findall(r"^\$ (.+)$", diagnosis, re.MULTILINE)
    assert commands, "a diagnosis is something to run"


def test_there_is_no_runbook_without_an_alert_and_the_index_has_them_all() -> None:
    names = {alert["alert"] for alert in ALERTS}
    assert {path.stem for path in RUNBOOKS.glob("*.md")} == names | {"index"}
    index = (RUNBOOKS / "index.md").read_text("utf-8")
    for name in names:
        assert f"({name}.md)" in index


@pytest.mark.parametrize("page", sorted(RUNBOOKS.glob("*.md")), ids=lambda page: page.stem)
def test_every_metric_that_a_runbook_names_is_there(page: Any) -> None:
    known = {*promql.NOT_OURS, *promql.catalogue(), *promql.recorded()}
    for name in re.findall(r"\b(?:ews|ews:\w+:\w+|process|kubelet)_[a-z_0-9]+\b", page.read_text("utf-8")):
        base = {name, f"{name}_bucket", f"{name}_total"}
        assert name.startswith("process_id") or base & known, name


def test_the_objectives_in_rules_and_alerts_are_those_of_the_catalogue() -> None:
    buckets = set(metrics.EVENT_SECONDS._kwargs["buckets"])
    assert {metrics.LATENCY_P50, metrics.LATENCY_P99} <= buckets
    edges = {
        use.matched["le"][1]
        for rule in [*ALERTS, *RECORDS]
        for use in promql.uses(rule["expr"])
        if use.metric == "ews_event_to_output_seconds_bucket" and "le" in use.matched
    }
    assert edges == {str(metrics.LATENCY_P99)}
    [median] = [alert for alert in ALERTS if alert["alert"] == "EwsLatencyMedian"]
    assert f"> {metrics.LATENCY_P50}\n" in median["expr"]
    for alert in ALERTS:
        for told in re.findall(r"(0\.\d+) s\b", alert["annotations"]["description"]):
            assert float(told) in (metrics.LATENCY_P50, metrics.LATENCY_P99)


def test_a_stall_is_told_before_the_worker_ends_itself_and_dead_letters_before_the_limit() -> None:
    by_name = {alert["alert"]: alert for alert in ALERTS}
    fields = settings.Settings.model_fields
    stalled = by_name["EwsStalled"]
    assert float(stalled["expr"].rpartition("> ")[2]) < fields["stall_seconds"].default
    assert stalled["for"] == "0m"
    share = re.search(r"> ([\d.]+)\n", by_name["EwsDeadLetters"]["expr"])
    assert share is not None
    assert float(share[1]) < fields["dead_letter_limit"].default
    told = by_name["EwsDeadLetters"]["annotations"]["description"]
    assert f"at {100 * fields['dead_letter_limit'].default:.0f} % a worker stops" in told


def test_cases_name_series_that_there_are() -> None:
    """Or a case could pass on a metric that nobody writes."""
    for path in sorted((promql.PROMETHEUS / "tests").glob("*.yml")):
        for case in yaml.safe_load(path.read_text("utf-8"))["tests"]:
            for series in case["input_series"]:
                for use in promql.uses(series["series"]):
                    if use.metric == "up":
                        continue
                    known = {**promql.NOT_OURS, **promql.catalogue()}
                    assert use.metric in known, use.metric
                    assert set(use.matched) <= known[use.metric], series["series"]
