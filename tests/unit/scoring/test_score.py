"""What is counted, on stories small enough to count by hand."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from stream.cli import app
from stream.scoring.score import ALL, Figures, Said, Score, Truth, observe, score, together

START = datetime(2026, 1, 1, tzinfo=UTC)
DAYS = 365.25


def day(number: float) -> datetime:
    return START + timedelta(days=number)


def ms(number: float) -> int:
    return round(day(number).timestamp() * 1000)


def steady(name: str = "C-1", *accounts: str) -> Truth:
    return Truth(name, "steady", accounts or (f"A-{name}",), None, None)


def stressed(name: str = "C-1", onset: float = 100, missed: int | None = 160, recovered: float | None = None) -> Truth:
    due = None if missed is None else day(missed).date()
    return Truth(name, "job_loss", (f"A-{name}",), day(onset), due, None if recovered is None else day(recovered))


def said(at: float, severity: str = "medium", status: str = "raised", number: int = 1, **more: str) -> Said:
    fields = {"customer_id": "C-1", "detector": "one", **more}
    account = fields.pop("account_id", f"A-{fields['customer_id']}")
    return Said(f"s{number}", status, account_id=account, occurred_at=day(at), severity=severity, **fields)


def scored(truths: list[Truth], *signals: Said) -> Score:
    return score(observe(truths, signals, ms(0), ms(DAYS)), ["one", "two"])


def act(truths: list[Truth], *signals: Said) -> Figures:
    return scored(truths, *signals).act[ALL]


def test_an_alert_before_the_first_missed_instalment_catches_with_its_lead() -> None:
    found = act([stressed()], said(130.5))
    assert (found.caught, found.stressed, found.recall, found.precision) == (1, 1, 1.0, 1.0)
    assert (found.lead_days, found.detection_days) == (30, 30.5)
    assert (found.true_alerts, found.false_alerts) == (1, 0)


@pytest.mark.parametrize(
    ("at", "caught", "true"), [(85.9, 0, 0), (86, 1, 1), (160.99, 1, 1), (161, 0, 1), (300, 0, 1)]
)
def test_it_catches_from_a_fortnight_before_onset_through_the_due_date(at: float, caught: int, true: int) -> None:
    found = act([stressed()], said(at))
    assert (found.caught, found.true_alerts) == (caught, true)


@pytest.mark.parametrize(("at", "caught"), [(219.9, 1), (220, 0)])
def test_without_a_missed_instalment_it_catches_for_120_days_and_has_no_lead(at: float, caught: int) -> None:
    found = act([stressed(missed=None)], said(at))
    assert (found.caught, found.lead_days) == (caught, None)


def test_the_first_alert_in_time_counts_whoever_said_it() -> None:
    found = scored([stressed()], said(150, number=1), said(120, number=2, detector="two"))
    assert [found.act[name].lead_days for name in (ALL, "one", "two")] == [40, 10, 40]


def test_a_low_signal_is_watched_and_only_its_change_to_medium_acts() -> None:
    found = scored([stressed()], said(110, "low"), said(150, "medium", "changed"), said(155, "high", "changed"))
    assert (found.watch[ALL].lead_days, found.act[ALL].lead_days) == (50, 10)
    assert (found.watch[ALL].true_alerts, found.act[ALL].true_alerts) == (1, 1)


def test_info_and_withdrawals_never_count() -> None:
    found = scored([stressed()], said(110, "info"), said(120, "high", "withdrawn"))
    assert (found.watch[ALL].caught, found.watch[ALL].true_alerts) == (0, 0)


def test_false_alerts_are_told_per_thousand_steady_accounts_and_month() -> None:
    found = act([steady(), steady("C-2")], said(10))
    assert (found.false_alerts, found.precision, found.recall) == (1, 0.0, None)
    assert found.alerts_per_1000 == pytest.approx(1000 / 24, abs=0.01)


def test_an_account_with_three_alerts_in_a_month_is_one_account() -> None:
    found = act([steady()], said(31, number=1), said(40, number=2), said(50, number=3), said(70, number=4))
    assert found.alerts_per_1000 == pytest.approx(4000 / 12, abs=0.01)
    assert found.accounts_per_1000 == pytest.approx(2000 / 12, abs=0.01)


def test_one_who_recovered_is_steady_again_after_sixty_days() -> None:
    customer = stressed(onset=100, recovered=200)
    found = scored([customer], said(259, number=1), said(261, number=2), said(50, number=3))
    assert (found.act[ALL].true_alerts, found.act[ALL].false_alerts) == (1, 2)
    assert found.steady_account_months == pytest.approx(12 * (DAYS - 174) / DAYS, abs=0.05)


def test_a_joint_account_counts_once_and_is_stressed_while_one_holder_is() -> None:
    one = Truth("C-1", "separation", ("J", "A-C-1"), day(100), None)
    two = Truth("C-2", "steady", ("J",), None, None)
    alerts = [said(at, number=k, account_id="J", customer_id=f"C-{k % 2 + 1}") for k, at in enumerate((120, 120, 50, 50))]
    found = scored([one, two], *alerts)
    assert (found.act[ALL].true_alerts, found.act[ALL].false_alerts) == (1, 1)
    assert found.accounts == 2
    assert found.steady_account_months == pytest.approx(2 * 86 / DAYS * 12, abs=0.05)


def test_scenarios_add_up_to_all_and_runs_to_one() -> None:
    truths = [steady("C-2"), stressed()]
    signals = [said(120), said(20, number=2, customer_id="C-2")]
    found = scored(truths, *signals)
    parts = [(one.scenario, one.act.caught, one.act.false_alerts) for one in found.scenarios]
    assert parts == [("job_loss", 1, 0), ("steady", 0, 1)]
    runs = [observe(truths, signals, ms(0), ms(DAYS), run) for run in ("1", "2")]
    both = score(together(runs), ["one"])
    assert (both.customers, both.act[ALL].caught, both.act[ALL].false_alerts) == (4, 2, 2)
    assert both.act[ALL].alerts_per_1000 == found.act[ALL].alerts_per_1000
    assert both.act[ALL].accounts_per_1000 == found.act[ALL].accounts_per_1000


def bounce(number: int, at: datetime) -> dict[str, str]:
    return {
        "event_id": f"b{number}", "account_id": "A-1", "occurred_at": at.isoformat(), "scheme": "sepa_sdd", "reason_code": "AM04",
        "amount": "620.00", "currency": "EUR", "counterparty_id": f"lender-{number}", "category": "mortgage",
    }  # fmt: skip


def test_a_folder_is_scored_by_the_command(tmp_path: Path) -> None:
    account = {
        "account_id": "A-1", "updated_at": day(0).isoformat(), "holders": [{"customer_id": "C-1", "role": "primary"}],
        "product": "current_account", "currency": "EUR", "country": "DE", "time_zone": "Europe/Berlin",
    }  # fmt: skip
    truth = {
        "customer_id": "C-1", "scenario": "job_loss", "account_ids": ["A-1"], "onset_at": day(30).isoformat(),
        "first_missed_instalment": date(2026, 3, 1).isoformat(), "state": "stressed",
    }  # fmt: skip
    events = [bounce(number, day(35 + number)) for number in range(3)]
    for name, lines in {"accounts": [account], "bounces": events, "truth": [truth]}.items():
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    told = CliRunner().invoke(app, ["detectors", "score", str(tmp_path), "-o", "json"])
    assert told.exit_code == 0, told.output
    found = json.loads(told.stdout)
    assert (found["watch"]["bounce_pressure"]["lead_days"], found["act"]["bounce_pressure"]["lead_days"]) == (24, 23)
    table = CliRunner().invoke(app, ["detectors", "score", str(tmp_path)])
    assert "1 customers, 1 of them stressed" in table.stdout


def test_a_folder_without_truth_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "payments.jsonl").write_text("")
    told = CliRunner().invoke(app, ["detectors", "score", str(tmp_path)])
    assert told.exit_code != 0
    assert "truth.jsonl" in str(told.exception)


@pytest.mark.parametrize("options", [[], ["x", "--published"], ["--seed", "1", "--published"], ["x", "--customers", "3"]])
def test_one_corpus_is_named_and_no_more(options: list[str]) -> None:
    assert CliRunner().invoke(app, ["detectors", "score", *options]).exit_code == 2
