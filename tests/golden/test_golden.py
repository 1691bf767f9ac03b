"""Whole stories, from the bank's records to the words that people read.

Each folder is one story: its inputs, one JSON object a line, and `expected.txt`: what customers and staff are told, in
order of time, and the explanation of everything that was said. They run through the job's own stages without a broker.

What is expected changes when words, marks or rules are changed on purpose. Then write it anew, and read the difference:

    EWS_GOLDEN=write python -m pytest tests/golden
    git diff tests/golden
"""

from __future__ import annotations

import datetime as dt
import json
import os
from pathlib import Path
from typing import Any

import pytest

from stream import settings
from stream.app import configuration, stages
from stream.engine import files
from stream.engine.offline import Offline, merge
from stream.engine.step import Output
from stream.treatment.explain import explain

HERE = Path(__file__).parent
STORIES = {"job_loss": "2026-06-15T00:00:00+00:00", "late_hold": "2026-03-20T00:00:00+00:00"}
"""The stories, and until when each is told."""
KINDS = {"signals": "signal", "nudges": "nudge", "escalations": "escalation", "decisions": "decision"}
WRITE = os.environ.get("EWS_GOLDEN") == "write"

Told = dict[str, list[dict[str, Any]]]


def run(story: str) -> list[Output]:
    """Everything the job says to the records of a story."""
    until = int(dt.datetime.fromisoformat(STORIES[story]).timestamp() * 1000)
    said: list[Output] = []
    loaded = settings.load()
    config = configuration(loaded)
    job = Offline(
        stages(config),
        loaded.partitioner,
        config_hash=config.hash,
        dead_letter_limit=loaded.dead_letter_limit,
        max_record_bytes=loaded.max_record_bytes,
        tick=True,
        write=said.append,
    )
    records = merge({topic: files.lines(topic, path) for topic, path in files.find(HERE / story).items()})
    for _ in job.run(records, until):
        pass
    assert [each.headers for each in said if each.topic == "dead-letters"] == []
    return said


def told_of(said: list[Output]) -> Told:
    return {topic: [json.loads(each.value or b"") for each in said if each.topic == topic] for topic in KINDS}


def line(topic: str, record: dict[str, Any]) -> str:
    """One line of the story's course."""
    at, who = record.get("decided_at") or record["occurred_at"], record["customer_id"]
    match topic:
        case "signals":
            what = f"{record['detector']} {record['severity']} {record['status']}"
        case "nudges":
            what = f"nudge {record['treatment']} {record['status']}"
        case "escalations":
            what = f"escalation to {record['queue']} {record['status']}"
        case _:
            what = f"decision {record['treatment']} {record['result']}, {record['trigger']}"
    return f"{at:<24} {who:<5} {what}"


def render(said: list[Output]) -> str:
    """The story as text: its course, what customers read, and the explanations."""
    told = told_of(said)
    parts = ["# The course of it", ""]
    parts += [line(each.topic, json.loads(each.value or b"")) for each in said if each.topic in KINDS]
    parts += ["", "# What customers read", ""]
    for nudge in told["nudges"]:
        if nudge["status"] == "issued":
            head = f"To {nudge['customer_id']} by {nudge['channel']}, from {nudge['not_before']}:"
            parts += [head, nudge["params"]["text"], ""]
    for topic, kind in KINDS.items():
        parts += [f"# Why: {topic}", ""]
        for id_ in dict.fromkeys(record[f"{kind}_id"] for record in told[topic]):
            versions = [each for each in told[topic] if each[f"{kind}_id"] == id_]
            record = versions[-1]
            if record.get("result") == "issued":
                continue  # the explanation of what was issued tells it already
            who = record["customer_id"]
            mine = {name: [each for each in records if each["customer_id"] == who] for name, records in told.items()}
            if topic == "escalations" and len(versions) > 1:
                parts += ["## As it was asked", "", explain(kind, versions[0], mine), "## As it ended", ""]
            parts += [explain(kind, record, mine)]
    return "\n".join(parts).rstrip() + "\n"


@pytest.fixture(autouse=True)
def shipped_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("EWS_")]:
        monkeypatch.delenv(name)


@pytest.mark.parametrize("story", STORIES)
def test_a_story_is_told_as_expected(story: str) -> None:
    text = render(run(story))
    expected = HERE / story / "expected.txt"
    if WRITE:
        expected.write_text(text, encoding="utf-8")
    assert text == expected.read_text(encoding="utf-8"), "if it is meant: EWS_GOLDEN=write python -m pytest tests/golden"


def test_job_loss_climbs_one_rung_at_a_time_to_a_person_and_is_recognised_when_it_has_passed() -> None:
    told = told_of(run("job_loss"))
    assert [(each["treatment"], each["status"]) for each in told["nudges"]] == [
        ("small_bill_check_in", "issued"), ("debt_advice", "issued"), ("recognition", "issued"),
    ]  # fmt: skip
    assert [(each["queue"], each["status"]) for each in told["escalations"]] == [
        ("arrears_care", "issued"), ("arrears_care", "withdrawn"),
    ]  # fmt: skip
    cleared = [each["occurred_at"] for each in told["signals"] if each["status"] == "withdrawn"]
    assert cleared[-1][:10] == "2026-04-24"
    assert told["nudges"][-1]["decided_at"][:10] == "2026-05-08"


def test_a_hold_told_late_takes_back_the_nudges_to_both_holders() -> None:
    told = told_of(run("late_hold"))
    withdrawn = {each["customer_id"]: each["withdrawn_because"] for each in told["nudges"] if each["status"] == "withdrawn"}
    assert withdrawn == {"ben": "hold_placed", "cora": "shared_hold_placed"}
    last = {each["customer_id"]: each["status"] for each in told["nudges"]}
    assert set(last.values()) == {"withdrawn"}
