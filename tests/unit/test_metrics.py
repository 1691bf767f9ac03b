"""Metrics: every series there from the start, nobody's name in a label, and each commit counted as it was."""

from __future__ import annotations

import asyncio
import json
from collections import Counter as Counts
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import REGISTRY, Counter, Gauge, Histogram

from stream import app, metrics, settings
from stream.agents.accounts import AccountsStep
from stream.engine.offline import Line, Offline
from stream.engine.pacing import Pacer
from stream.engine.runner import Runner
from stream.engine.step import Output, Placement
from stream.engine.task import Chunk, Commit, Context, Task
from stream.topics import CATALOGUE, EVENT_TIMESTAMP
from tests.kafka import bank
from tests.kafka.toy import BAD
from tests.kafka.toy import stages as toys

NOW = datetime(2026, 3, 4, 11, tzinfo=UTC)
TRACE = b"00-" + b"a" * 32 + b"-" + b"b" * 16 + b"-01"
ALLOWED = {
    "stage", "topic", "outcome", "partition", "reason", "scheme", "state", "detector", "severity", "status", "group", "result",
    "treatment", "queue", "rule", "arm", "cured", "answered", "hash", "version", "enabled",
}  # fmt: skip
"""What labels may tell: of the job and of kinds. None tells of a person or an account."""
ALL = [one for one in vars(metrics).values() if isinstance(one, Counter | Gauge | Histogram)]


def value(name: str, **labels: str) -> float:
    found = REGISTRY.get_sample_value(name, labels)
    assert found is not None, f"{name} {labels} is not there before anything has happened"
    return found


def changed(name: str, act: Callable[[], object], **labels: str) -> float:
    before = value(name, **labels)
    act()
    return value(name, **labels) - before


def test_labels_tell_of_kinds_and_never_of_a_person() -> None:
    assert {label for one in ALL for label in one._labelnames} == ALLOWED


def test_the_series_that_there_can_be_are_few_enough_to_keep() -> None:
    """With two partitions' worth of tasks: a thousand workers would not trouble a Prometheus."""
    app.tell_versions(app.configuration(settings.load()))
    count = sum(len(family.samples) for one in ALL for family in one.collect())
    assert count < 1_200


def test_every_closed_set_is_there_from_the_start_at_0() -> None:
    for name, labels in (
        ("ews_events_total", {"stage": "customers", "topic": "holds", "outcome": "refused"}),
        ("ews_dead_letters_total", {"reason": "too_far_ahead"}),
        ("ews_signals_total", {"detector": "recovery", "severity": "info", "status": "withdrawn"}),
        ("ews_open_signals", {"detector": "income_drop", "severity": "high"}),
        ("ews_event_to_output_seconds_count", {"topic": "escalations"}),
        ("ews_config_refused", {}),
    ):
        value(name, **labels)
    app.tell_versions(app.configuration(settings.load()))
    value("ews_decisions_total", result="refused", rule="everywhere.breaker")
    assert value("ews_detector_info", detector="bounce_pressure", version=versions()["bounce_pressure"], enabled="yes") == 1


def versions() -> dict[str, str]:
    from stream.detectors import settings as detectors

    return detectors.versions(detectors.load(app.configuration(settings.load()).files[app.DETECTORS]))


def test_a_commit_is_counted_with_outcomes_bytes_and_the_time_since_each_event() -> None:
    outputs = [
        Output("signals", b"C-1", b"12345", (("ce_id", b"1"), (EVENT_TIMESTAMP, b"999700"))),
        Output("signals", b"C-1", b"12345", (("ce_id", b"1"),)),  # time alone brought it about
        Output("dead-letters", None, b"x", (("ews-reason", b"bad_json"), ("ews-version", b"1"))),
    ]
    counts = {("payments", "applied"): 7, ("payments", "repeated"): 2, ("payments", "refused"): 1}
    commit = Commit([(b"k", b"row"), (b"gone", None)], outputs, b"", 10, counts, {})

    def act() -> None:
        metrics.observe_commit("accounts", 0.02, commit, 1000.0)

    of = {"stage": "accounts"}
    assert changed("ews_events_total", act, **of, topic="payments", outcome="repeated") == 2
    assert changed("ews_changelog_bytes_total", act, **of) == 8
    assert changed("ews_output_bytes_total", act, topic="signals") == 16
    assert changed("ews_outputs_total", act, topic="signals") == 2
    assert changed("ews_dead_letters_total", act, reason="bad_json") == 1
    assert changed("ews_event_to_output_seconds_count", act, topic="signals") == 1
    assert changed("ews_event_to_output_seconds_sum", act, topic="signals") == pytest.approx(0.3)
    assert changed("ews_event_to_output_seconds_bucket", act, topic="signals", le="0.25") == 0
    assert changed("ews_event_to_output_seconds_bucket", act, topic="signals", le="0.4") == 1


def test_a_commit_tells_what_became_of_every_record_once() -> None:
    stage = toys()[0]
    task = Task(stage, Placement(0, 1, "murmur2"), Context("c", 1.0, 20_000, {t.name: t.name for t in CATALOGUE}))
    task.begin(dict.fromkeys(stage.inputs, 0), {})
    task.apply(Chunk("payments", 0, 3, [Line(0, 1, b"A", b"x"), Line(1, 1, b"A", BAD), Line(2, 1, b"A", b"x")]))
    commit = task.take()
    assert commit is not None
    assert commit.counts == {("payments", "applied"): 2, ("payments", "repeated"): 0, ("payments", "refused"): 1}
    task.apply(Chunk("payments", 3, 4, [Line(3, 1, b"A", b"x")]))
    commit = task.take()
    assert commit is not None
    assert commit.counts["payments", "applied"] == 1


def test_lag_in_seconds_is_the_age_of_the_oldest_unread_record_at_most() -> None:
    stage = toys()[0]
    task = Task(stage, Placement(0, 1, "murmur2"), Context("c", 1.0, 20_000, {t.name: t.name for t in CATALOGUE}))
    absent: Any = None

    async def made() -> Runner:
        return Runner(
            task, absent, Pacer(0.1), changelog_topic="", options={}, check_crcs=True, fenced=absent, turn=asyncio.Lock()
        )

    runner = asyncio.run(made())
    task.checkpoint.feeds["payments"] = 100_000
    assert runner.waited("payments", 5, 160.0) == 60  # just started: no record before the newest applied is unread
    assert runner.waited("payments", 0, 200.0) == 0
    assert runner.waited("payments", 1, 205.0) == 5  # read to its end five seconds ago, although nothing came since 100
    task.checkpoint.feeds["payments"] = 230_000
    assert runner.waited("payments", 9, 240.0) == 10  # catching up: as old as what was applied last
    assert runner.waited("payments", 9, 220.0) == 0  # a producer's clock may be ahead


def test_what_stands_open_is_counted_by_detector_and_severity_and_let_go_when_it_ends() -> None:
    config = app.configuration(settings.load())
    step = app.stages(config)[0].create(Placement(0, 1, "murmur2"))
    assert isinstance(step, AccountsStep)
    before = NOW - timedelta(days=10)
    send(step, "accounts", bank.account(1, before), before)
    send(step, "bounces", bank.bounce(1, "b1", NOW), NOW)
    send(step, "bounces", bank.bounce(1, "b2", NOW), NOW)
    told = Counts((one["detector"], one["severity"]) for account in step.features() for one in account["signals"])
    [(detector, severity)] = [each for each in told if each[0] == "bounce_pressure"]
    assert step.open_signals() == told
    app.tell_held([step])
    assert value("ews_open_signals", detector=detector, severity=severity) == 1
    assert value("ews_rows", stage="accounts") == 1
    assert statuses(step, detector) == {"raised": 1, "changed": 1}
    for name in ("b1", "b2"):
        send(step, "bounces", bank.bounce(1, name, NOW, status="reversed"), NOW)
    app.tell_held([step])
    assert value("ews_open_signals", detector=detector, severity=severity) == 0
    assert statuses(step, detector) == {"changed": 1, "withdrawn": 1}


def statuses(step: AccountsStep, detector: str) -> dict[str, int]:
    """How often a detector said what, since the last look."""
    found: Counts[str] = Counts()
    for (what, *labels), count in step.take_tallies().items():
        if what == "signals" and labels[0] == detector:
            found[labels[2]] += count
    return found


def test_a_record_that_tells_nothing_new_is_repeated() -> None:
    steps = [stage.create(Placement(0, 1, "murmur2")) for stage in app.stages(app.configuration(settings.load()))]
    for _ in range(2):
        send(steps[0], "payments", bank.payment(1, "p1", NOW), NOW)
        send(steps[0], "accounts", bank.account(1, NOW), NOW)
        send(steps[1], "holds", bank.hold("C-1", "h1", NOW), NOW)
    older = NOW - timedelta(days=1)
    send(steps[0], "accounts", bank.account(1, older), older)
    assert steps[0].drain().repeated == {"payments": 1, "accounts": 1}
    assert steps[1].drain().repeated == {"holds": 1}
    assert steps[0].drain().repeated == {}


def send(step: Any, topic: str, value: dict[str, Any], at: datetime) -> None:
    message = bank.message(value, at)
    assert step.apply(topic, [Line(0, message.timestamp, message.key, message.value)]) == []


def test_trace_and_time_of_the_event_go_with_it_to_signal_nudge_and_decision() -> None:
    """Through both stages: the bounce's own trace, and the instant at which Kafka took the bounce."""
    said: list[Output] = []
    config = app.configuration(settings.load())
    job = Offline(
        app.stages(config), "murmur2", config_hash="c", dead_letter_limit=1.0, max_record_bytes=1_000_000, tick=True,
        write=said.append,
    )  # fmt: skip
    then = NOW - timedelta(days=30)
    story: list[tuple[str, Line]] = [
        (topic, Line(0, message.timestamp, message.key, message.value))
        for topic, message in (
            ("accounts", bank.message(bank.account(1, then), then)),
            ("customers", bank.message(bank.customer("C-1", then, bank.noon_zone(NOW)), then)),
            ("bounces", bank.message(bank.bounce(1, "b0", NOW - timedelta(days=7)), NOW - timedelta(days=7))),
        )
    ]
    taken = NOW + timedelta(seconds=3)
    late = bank.message(bank.bounce(1, "b1", NOW), taken)
    story.append(("bounces", Line(0, late.timestamp, late.key, late.value, (("traceparent", TRACE),))))
    list(job.run(story))
    answers = [output for output in said if dict(output.headers).get("traceparent") == TRACE]
    assert {output.topic for output in answers} >= {"signals", "nudges", "decisions"}
    for output in answers:
        assert output.headers[-1] == (EVENT_TIMESTAMP, str(int(taken.timestamp() * 1000)).encode())
    [nudge] = [json.loads(output.value or b"") for output in answers if output.topic == "nudges"]
    assert nudge["customer_id"] == "C-1"


def test_the_limit_of_memory_is_the_control_groups_where_there_is_one(tmp_path: Path) -> None:
    limit = tmp_path / "memory.max"
    whole = metrics.memory_limit([])
    assert whole > 1_000_000
    limit.write_text("123456\n")
    assert metrics.memory_limit([str(tmp_path / "absent"), str(limit)]) == 123456
    limit.write_text("max\n")
    assert metrics.memory_limit([str(limit)]) == whole
    limit.write_text("9" * 19)  # what the first version of control groups calls no limit
    assert metrics.memory_limit([str(limit)]) == whole


def test_a_task_that_leaves_takes_its_series_along() -> None:
    for gauge in (metrics.LAG, metrics.LAG_SECONDS, metrics.LAST_EVENT):
        gauge.labels("accounts", "payments", "77").set(1)
    for gauge in (metrics.CLOCK, metrics.RESTORE_PROGRESS, metrics.STALLED):
        gauge.labels("accounts", "77").set(1)
    metrics.forget_task("accounts", 77, ["payments"])
    samples = [sample for one in ALL for family in one.collect() for sample in family.samples]
    assert not [sample for sample in samples if sample.labels.get("partition") == "77"]
