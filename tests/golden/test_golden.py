"""Whole stories, from the bank's records to the words that people read.

Each folder is one story: its inputs, one JSON object a line, and `expected.txt`: what happened and what was said about it in
order of time, what customers read, and the explanations of the turning points. They run through the job's own stages without a
broker. In the inputs `"@debt_advice"` is the id of what was last said of that name: a nudge's treatment or a team's queue.

What is expected changes when words, marks or rules are changed on purpose. Then write it anew, and read the difference:

    EWS_GOLDEN=write python -m pytest tests/golden
    git diff tests/golden

The tests after the first hold what a story promises, whoever writes its text anew.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import re
from collections.abc import Iterator
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from stream import settings
from stream.agents.beside import BesideStep
from stream.app import configuration, stages
from stream.engine import files
from stream.engine.offline import Line, Offline, merge
from stream.engine.step import Output
from stream.tables import customer as customers
from stream.treatment.explain import explain

HERE = Path(__file__).parent
KINDS = {"signals": "signal", "nudges": "nudge", "escalations": "escalation", "decisions": "decision"}
WRITE = os.environ.get("EWS_GOLDEN") == "write"


class Story(NamedTuple):
    """Until when a story is told, and which lines of its course are explained: the last of those that begin so."""

    until: str
    explained: tuple[str, ...]


STORIES = {
    "job_loss": Story("2026-08-01T00:00:00+00:00", (
        "anna nudge debt_advice issued",
        "anna escalation to arrears_care issued, normal",
        "anna escalation to arrears_care issued, urgent",
        "anna recovery info raised",
        "anna nudge recognition issued",
    )),
    "breathing_space_late": Story("2026-06-15T00:00:00+00:00", (
        "ben decision payment_reminder refused",
        "ben nudge education withdrawn",
        "cora nudge education withdrawn",
        "ben arrears_clock medium withdrawn",
    )),
    "bereavement": Story("2026-07-01T00:00:00+00:00", (
        "emil nudge bounce_explained withdrawn",
        "dora bounce_pressure info raised",
        "dora escalation to bereavement issued",
        "emil escalation to bereavement issued",
    )),
    "dispute_one_of_two_cards": Story("2026-04-30T00:00:00+00:00", (
        "fay escalation to disputes issued",
        "fay nudge",
        "gus nudge",
        "fay arrears_clock medium changed on card-1111",
    )),
    "broken_promise": Story("2026-06-07T00:00:00+00:00", (
        "hana nudge flexible_plan issued",
        "hana escalation to arrears_care issued, normal",
        "hana escalation to arrears_care issued, urgent",
        "hana escalation to collections_review issued",
    )),
}  # fmt: skip

Record = dict[str, Any]
Told = dict[str, list[Record]]


class Telling(NamedTuple):
    """What came of a story."""

    happened: list[tuple[str, Record]]
    """Topic and record of its inputs, in order of time."""
    said: list[Output]
    job: Offline

    @property
    def told(self) -> Told:
        return {topic: self.of(topic) for topic in KINDS}

    def of(self, topic: str) -> list[Record]:
        return [json.loads(each.value or b"") for each in self.said if each.topic == topic]

    def nudges(self) -> list[tuple[str, str, str, str]]:
        """Day, customer, treatment and status of each."""
        return [(_day(each), each["customer_id"], each["treatment"], each["status"]) for each in self.of("nudges")]

    def asked(self) -> list[tuple[str, str, str, str, str]]:
        """Day, customer, queue, priority and status of each request to a person."""
        return [
            (_day(each), each["customer_id"], each["queue"], each["priority"], each["status"]) for each in self.of("escalations")
        ]

    def days_past_due(self, account_id: str) -> list[tuple[str, int, int]]:
        """Day of each telling, with the days past due by the treatment and the contractual counter, each once."""
        facts = [each for each in self.of("account-facts") if each["account_id"] == account_id and each["change"] != "payment"]
        told = [(each["as_of"][:10], each["days_past_due_treatment"], each["days_past_due_contractual"]) for each in facts]
        return list(dict.fromkeys(told))

    def customer(self, name: str) -> customers.Customer:
        """A customer's record as it stands at the end."""
        step = self.job.steps[-1]
        assert isinstance(step, BesideStep)
        return customers.decode(step.live.row(name) or b"")


@cache
def tell(story: str, until: str = "", also: str = "") -> Telling:
    """Runs a story, to its end or to an earlier instant; `also` is one more line of its `cases`."""
    loaded = settings.load()
    config = configuration(loaded)
    said: list[Output] = []
    job = Offline(
        stages(config),
        loaded.partitioner,
        config_hash=config.hash,
        dead_letter_limit=loaded.dead_letter_limit,
        max_record_bytes=loaded.max_record_bytes,
        tick=True,
        write=said.append,
    )
    end = _ms(until or STORIES[story].until)
    happened: list[tuple[str, Record]] = []
    waiting: list[tuple[str, Line]] = []
    for topic, line in _records(story, also):
        if line.timestamp > end:
            break
        if b'"@' in (line.value or b""):
            # It answers to something: that must have been said before its name can be known.
            for _ in job.run(waiting, line.timestamp):
                pass
            waiting, line = [], line._replace(value=_named(line.value or b"", said))
        waiting.append((topic, line))
        happened.append((topic, json.loads(line.value or b"")))
    for _ in job.run(waiting, end):
        pass
    assert [each.headers for each in said if each.topic == "dead-letters"] == []
    return Telling(happened, said, job)


def _records(story: str, also: str) -> Iterator[tuple[str, Line]]:
    found = {topic: files.lines(topic, path) for topic, path in files.find(HERE / story).items()}
    if not also:
        return merge(found)
    more = json.loads(also)
    line = Line(0, _ms(more["occurred_at"]), more["customer_id"].encode(), also.encode())
    found["cases"] = iter(sorted([*found.get("cases", ()), line], key=lambda each: each.timestamp))
    return merge(found)


def _named(value: bytes, said: list[Output]) -> bytes:
    """A record with the id of what it answers to in the place of its name."""

    def id_of(found: re.Match[str]) -> str:
        name, customer_id = found[1], json.loads(value)["customer_id"]
        for each in reversed(said):
            record = json.loads(each.value or b"")
            if each.topic in ("nudges", "escalations") and record["customer_id"] == customer_id:
                if name in (record.get("treatment"), record.get("queue")):
                    return json.dumps(record["nudge_id" if each.topic == "nudges" else "escalation_id"])
        raise AssertionError(f"{name} was not said to {customer_id} before this was answered")

    return re.sub(r'"@(\w+)"', id_of, value.decode()).encode()


def _ms(text: str) -> int:
    return int(dt.datetime.fromisoformat(text).timestamp() * 1000)


def _day(record: Record) -> str:
    return str(record["decided_at"])[:10]


# --- how it is written down


def line(topic: str, record: Record) -> str:
    """One line of the story's course, without its time."""
    match topic:
        case "signals":
            what = f"{record['detector']} {record['severity']} {record['status']} on {record['account_id']}"
        case "nudges":
            what = f"nudge {record['treatment']} {record['status']}" + _because(record)
        case "escalations":
            due = f", {record['priority']}, by {record['due_by'][:16]}" if record["status"] == "issued" else _because(record)
            what = f"escalation to {record['queue']} {record['status']}{due}"
        case _:
            what = f"decision {record['treatment']} {record['result']}, {record['trigger']}"
    return f"{record['customer_id']} {what}"


def _because(record: Record) -> str:
    return f", {record['withdrawn_because']}" if record["status"] == "withdrawn" else ""


def course(telling: Telling, explained: set[int]) -> list[str]:
    """What happened (after a bar) and what was said about it (explained below where it has a star), in order of time.

    Left out: the life before anything was said, and decisions that the nudge or request beside them tells of.
    """
    lines = []
    for topic, record in telling.happened:
        at = dt.datetime.fromisoformat(record.get("occurred_at") or record["updated_at"])
        lines.append((at, 0, f"| {topic} {record.get('event_id') or record.get('account_id') or record['customer_id']}"))
    first = None
    beside = {(each["decided_at"], each["customer_id"], each.get("treatment") or each["queue"])
              for topic in ("nudges", "escalations") for each in telling.of(topic)}  # fmt: skip
    for number, each in enumerate(telling.said):
        record = json.loads(each.value or b"")
        if each.topic not in KINDS:
            continue
        if each.topic == "decisions" and (record["decided_at"], record["customer_id"], record["treatment"]) in beside:
            continue
        at = dt.datetime.fromisoformat(record.get("decided_at") or record["occurred_at"])
        first = min(at, first or at)
        lines.append((at, 1, f"{'*' if number in explained else ' '} {line(each.topic, record)}"))
    lines.sort(key=lambda each: each[:2])
    return [f"{at.astimezone(dt.UTC):%Y-%m-%d %H:%M} {text}" for at, _, text in lines if first and at >= first]


def render(story: str) -> str:
    """The story as text: its course, what customers read, and the explanations of its turning points."""
    telling = tell(story)
    told = telling.told
    points: set[int] = set()
    for start in STORIES[story].explained:
        found = [
            number for number, each in enumerate(telling.said)
            if each.topic in KINDS and line(each.topic, json.loads(each.value or b"")).startswith(start)
        ]  # fmt: skip
        points.update(found[-1:])
    parts = ["# The course of it (UTC)", "", *course(telling, points)]
    parts += ["", "# What customers read", ""]
    for nudge in told["nudges"]:
        if nudge["status"] == "issued":
            parts += [f"To {nudge['customer_id']} by {nudge['channel']}, from {nudge['not_before']}:", nudge["params"]["text"]]
            for offer in nudge.get("offers") or ():
                each = ", ".join(f"{one['amount']} on {one['due_date']}" for one in offer["instalments"])
                parts.append(f"  offered: {offer['kind']}, {offer['currency']} {each}")
            parts.append("")
    parts += ["# The turning points, explained", ""]
    for number in sorted(points):
        output = telling.said[number]
        record = json.loads(output.value or b"")
        mine = {name: [each for each in all_ if each["customer_id"] == record["customer_id"]] for name, all_ in told.items()}
        parts += [f"## {line(output.topic, record)}", "", explain(KINDS[output.topic], record, mine)]
    return "\n".join(parts).rstrip() + "\n"


@pytest.fixture(autouse=True)
def shipped_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("EWS_")]:
        monkeypatch.delenv(name)


@pytest.mark.parametrize("story", STORIES)
def test_a_story_is_told_as_expected(story: str) -> None:
    text = render(story)
    expected = HERE / story / "expected.txt"
    if WRITE:
        expected.write_text(text, encoding="utf-8")
    assert text == expected.read_text(encoding="utf-8"), "if it is meant: EWS_GOLDEN=write python -m pytest tests/golden"
