"""A new optional field is no new version: whoever does not know it does as if it were not there."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from stream import app, settings
from stream.contracts import DECODE, parse
from stream.engine.offline import Line, Offline, merge
from stream.engine.step import Output, Placement, Record, Refused, Stage
from stream.simulate import simulate


def newer(value: bytes | None) -> bytes | None:
    """The record as a later version of its contract might have it: a field more, and in each part of a list too."""
    if value is None:
        return None
    record = json.loads(value)
    for part in [record, *(each for many in record.values() if isinstance(many, list) for each in many)]:
        if isinstance(part, dict):
            part["added_later"] = {"deep": [1, None, "text"]}
    return json.dumps(record).encode()


class Older:
    """A stage that reads, of every topic, records that are newer than it."""

    def __init__(self, step: Any) -> None:
        self._step = step

    def apply(self, topic: str, records: Sequence[Record]) -> list[Refused]:
        refused: list[Refused] = self._step.apply(
            topic, [Line(r.offset, r.timestamp, r.key, newer(r.value), tuple(r.headers)) for r in records]
        )
        return refused

    def __getattr__(self, name: str) -> Any:
        return getattr(self._step, name)


def older(stage: Stage) -> Stage:
    def create(placement: Placement) -> Any:
        return Older(stage.create(placement))

    return replace(stage, create=create)


def said(stages: Sequence[Stage]) -> list[Output]:
    by_topic: dict[str, list[Line]] = {}
    for event in simulate(3, 40, date(2026, 1, 1), 3):
        lines = by_topic.setdefault(event.topic, [])
        lines.append(Line(len(lines), event.timestamp_ms, event.key.encode(), json.dumps(event.value).encode()))
    out: list[Output] = []
    job = Offline(
        stages, "murmur2", config_hash="x", dead_letter_limit=1.0, max_record_bytes=1_000_000, tick=True, write=out.append
    )
    for _ in job.run(merge({topic: iter(lines) for topic, lines in by_topic.items()})):
        pass
    return out


@pytest.fixture(scope="module")
def plain() -> list[Output]:
    return said(app.stages(app.configuration(settings.load())))


def test_a_field_that_a_stage_does_not_know_changes_no_byte_of_what_it_says(plain: list[Output]) -> None:
    """In the bank's events, and in what the stages tell each other."""
    assert {"signals", "nudges", "decisions", "account-facts", "account-orders"} <= {output.topic for output in plain}
    assert said([older(stage) for stage in app.stages(app.configuration(settings.load()))]) == plain


def test_who_reads_outputs_reads_them_with_a_field_more(plain: list[Output]) -> None:
    read = set()
    for output in plain:
        if output.topic in DECODE and output.value is not None:
            more = newer(output.value)
            assert more is not None
            assert DECODE[output.topic](more) == DECODE[output.topic](output.value)
            assert parse(output.topic, more) == parse(output.topic, output.value)
            read.add(output.topic)
    assert {"signals", "nudges", "decisions", "account-facts"} <= read
