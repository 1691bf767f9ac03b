"""What Prometheus itself says of our metrics, rules and alerts: `promtool` judges them, and runs their cases."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
import yaml
from prometheus_client import generate_latest

from stream import metrics
from tests.prometheus import prepare

DEPLOY = Path(__file__).parents[2] / "deploy" / "prometheus"
CASES = sorted((DEPLOY / "tests").glob("*.yml"))


@pytest.fixture(scope="module")
def promtool() -> Path:
    try:
        return prepare.find("promtool")
    except prepare.NotPreparedError as missing:
        pytest.skip(str(missing))


def run(promtool: Path, *arguments: str, given: bytes = b"") -> str:
    done = subprocess.run([promtool, *arguments], input=given, capture_output=True, cwd=DEPLOY, timeout=120, check=False)
    said = (done.stdout + done.stderr).decode()
    assert done.returncode == 0, said
    return said


def test_promtool_finds_nothing_to_better_in_the_metrics(promtool: Path) -> None:
    """With every metric shown, those that have series only once a task is there too."""
    for gauge in (metrics.LAG, metrics.LAG_SECONDS, metrics.LAST_EVENT):
        gauge.labels("accounts", "payments", "99").set(1)
    for gauge in (metrics.CLOCK, metrics.RESTORE_PROGRESS, metrics.STALLED):
        gauge.labels("accounts", "99").set(1)
    metrics.BREAKER.labels("99").set(0)
    try:
        page = generate_latest()
    finally:
        metrics.forget_task("accounts", 99, ["payments"])
        metrics.forget_task("customers", 99, ["payments"])
    assert b'ews_lag_seconds{partition="99",stage="accounts",topic="payments"} 1.0' in page
    assert run(promtool, "check", "metrics", given=page) == ""


@pytest.mark.parametrize("name", ["rules.yml", "alerts.yml"])
def test_the_rules_are_sound(promtool: Path, name: str) -> None:
    assert "SUCCESS" in run(promtool, "check", "rules", name)


@pytest.mark.parametrize("case", CASES, ids=lambda path: path.stem)
def test_alerts_fire_when_they_should_and_stay_quiet_when_they_should(promtool: Path, case: Path) -> None:
    run(promtool, "test", "rules", str(case))


def test_every_alert_has_a_case_in_which_it_fires_and_one_in_which_it_does_not() -> None:
    alerts = {rule["alert"] for group in yaml.safe_load((DEPLOY / "alerts.yml").read_text())["groups"] for rule in group["rules"]}
    fires: set[str] = set()
    quiet: set[str] = set()
    for path in CASES:
        for test in yaml.safe_load(path.read_text())["tests"]:
            for check in test.get("alert_rule_test", ()):
                (fires if check.get("exp_alerts") else quiet).add(check["alertname"])
    assert fires == alerts
    assert quiet == alerts
