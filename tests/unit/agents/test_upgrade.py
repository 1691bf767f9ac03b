"""A job that goes from one schema version to the next says what one version alone says, and leaves the same state."""

from __future__ import annotations

import json
from datetime import date
from typing import Any

import pytest

from stream import app, settings
from stream.engine.offline import Line, Offline, merge
from stream.engine.step import Output
from stream.errors import StateError
from stream.simulate import simulate
from stream.tables import readable
from tests.kafka import versions

Rows = dict[bytes, bytes]
STAGES = ("accounts", "customers")


def records() -> list[tuple[str, Line]]:
    by_topic: dict[str, list[Line]] = {}
    for event in simulate(3, 40, date(2026, 1, 1), 3):
        lines = by_topic.setdefault(event.topic, [])
        lines.append(Line(len(lines), event.timestamp_ms, event.key.encode(), json.dumps(event.value).encode()))
    return list(merge({topic: iter(lines) for topic, lines in by_topic.items()}))


def run(some: list[tuple[str, Line]], begin: tuple[Rows, Rows] = ({}, {})) -> tuple[list[Output], tuple[Rows, Rows]]:
    """What is said of some records, and the rows that are stored after them."""
    out: list[Output] = []
    job = Offline(
        app.stages(app.configuration(settings.load())),
        "murmur2",
        config_hash="x",
        dead_letter_limit=1.0,
        max_record_bytes=1_000_000,
        tick=True,
        write=out.append,
    )
    held = (dict(begin[0]), dict(begin[1]))
    for step, rows in zip(job.steps, held, strict=True):
        step.restore(rows.items())
        keep(step, rows)
    for _ in job.run(iter(some)):
        pass
    return out, held


def keep(step: Any, rows: Rows) -> None:
    drain = step.drain

    def kept() -> Any:
        drained = drain()
        for key, value in drained.rows:
            rows.pop(key, None)
            if value is not None:
                rows[key] = value
        return drained

    step.drain = kept


def test_the_next_version_goes_on_from_the_rows_of_the_one_before(monkeypatch: pytest.MonkeyPatch) -> None:
    every = records()
    half = len(every) // 2
    with monkeypatch.context() as before:
        for change in versions.old():
            before.setattr(*change)
        first, stored = run(every[:half])
    lengths = {len(value) for key, value in stored[0].items() if key[:1] > b"\x1f"}
    assert lengths == {2 + versions.OLD_ACCOUNT.itemsize}
    for change in versions.new():
        monkeypatch.setattr(*change)
    second, mixed = run(every[half:], stored)
    whole, fresh = run(every)
    assert first
    assert second
    assert first + second == whole
    assert {value[:2] for key, value in mixed[0].items() if key[:1] > b"\x1f"} == {b"\x00\x01", b"\x00\x02"}, "side by side"
    for stage, one, other in zip(STAGES, mixed, fresh, strict=True):
        assert one.keys() == other.keys()
        for key in one:
            assert one[key] == other[key] or readable.same(stage, key, one[key], other[key])
    monkeypatch.undo()
    for change in versions.old():
        monkeypatch.setattr(*change)
    with pytest.raises(StateError, match="schema version 2"):
        run([], mixed)
