"""The composition root: a job that is given other settings goes on as one that was started anew under them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import replace
from functools import cache
from typing import Any

import msgspec
import pytest
from prometheus_client import REGISTRY

from stream import app, settings
from stream.engine.configs import Configuration
from stream.engine.offline import Line, Offline
from stream.engine.step import Drained, Output, Placement, Stage
from stream.simulate import simulate

START = dt.date(2026, 1, 5)
MONTHS = 5
UNTIL = int(dt.datetime(2026, 6, 20, tzinfo=dt.UTC).timestamp() * 1000)


class Recorded:
    """A step whose changelog is kept."""

    def __init__(self, step: Any, rows: list[tuple[bytes, bytes | None]]) -> None:
        self._step = step
        self._rows = rows

    def __getattr__(self, name: str) -> Any:
        return getattr(self._step, name)

    def drain(self) -> Drained:
        drained: Drained = self._step.drain()
        self._rows += drained.rows
        return drained


def recorded(stage: Stage, rows: list[tuple[bytes, bytes | None]]) -> Stage:
    def create(placement: Placement) -> Any:
        return Recorded(stage.create(placement), rows)

    return replace(stage, create=create)


def start(config: Configuration, said: list[Output], rows: Iterable[list[tuple[bytes, bytes | None]]]) -> Offline:
    return Offline(
        [recorded(stage, kept) for stage, kept in zip(app.stages(config), rows, strict=True)],
        "murmur2",
        config_hash=config.hash,
        dead_letter_limit=1.0,
        max_record_bytes=1_000_000,
        tick=True,
        write=said.append,
    )


@cache
def lines() -> list[tuple[str, Line]]:
    return [
        (event.topic, Line(0, event.timestamp_ms, event.key.encode(), msgspec.json.encode(event.value)))
        for event in simulate(5, 60, START, MONTHS)
    ]


def run(before: Configuration, after: Configuration, how: str) -> tuple[list[Output], list[Any]]:
    """What is said and written in the second half of a story, after the change."""
    story = lines()
    half = len(story) // 2
    said: list[Output] = []
    rows: tuple[list[Any], list[Any]] = [], []
    job = start(before, said, rows)
    list(job.run(story[:half], story[half][1].timestamp - 1))
    assert said
    said.clear()
    if how == "reload":
        for task, stage in zip(job._tasks, app.stages(after), strict=True):
            task.configure(stage, task.context._replace(config_hash=after.hash))
    elif how == "restart":
        fresh = start(after, said, rows)
        for old, new, kept in zip(job._tasks, fresh._tasks, rows, strict=True):
            new.step.restore(kept)
            new.checkpoint.feeds = old.checkpoint.feeds
        job = fresh
    for kept in rows:
        kept.clear()
    list(job.run(story[half:], UNTIL))
    return said, [sorted(dict(kept).items()) for kept in rows]


def test_a_reload_and_a_restart_cannot_be_told_apart() -> None:
    before = app.configuration(settings.load())
    policy = before.files[app.POLICY].replace('version = "2026.2"', 'version = "changed"').replace("sms = 12", "sms = 3")
    assert policy != before.files[app.POLICY]
    detectors = "[bounce_pressure]\nlow = 0.3\nmedium = 0.5\nhalf_life_days = 90\n[missed_bills]\nlow = 0.5\nwindow_days = 90"
    after = msgspec.structs.replace(before, files={app.DETECTORS: detectors, app.POLICY: policy})
    reloaded, restarted = run(before, after, "reload"), run(before, after, "restart")
    assert reloaded == restarted
    unchanged = run(before, before, "nothing")
    for topic in ("signals", "nudges", "decisions"):
        assert [o for o in reloaded[0] if o.topic == topic] != [o for o in unchanged[0] if o.topic == topic], topic


@pytest.mark.parametrize(("name", "text"), [(app.DETECTORS, "[bounce_pressure]\nlow = -1"), (app.POLICY, "version = 7")])
def test_a_wrong_file_gives_no_stages(name: str, text: str) -> None:
    good = app.configuration(settings.load())
    with pytest.raises(app.ConfigurationError, match=r"low|version"):
        app.stages(msgspec.structs.replace(good, files={**good.files, name: text}))


def test_what_an_accounts_step_counted_is_in_the_metrics_with_every_label_declared() -> None:
    def value(name: str, **labels: str) -> float:
        found = REGISTRY.get_sample_value(name, labels)
        assert found is not None
        return found

    before = value("ews_unknown_return_codes_total", scheme="nach"), value("ews_outages_total", group="bank", result="own")
    app.tell(3, {("unknown_codes", "nach"): 2, ("outages", "bank", "own"): 1})
    after = value("ews_unknown_return_codes_total", scheme="nach"), value("ews_outages_total", group="bank", result="own")
    assert (after[0] - before[0], after[1] - before[1]) == (2, 1)
