"""The customers stage over random timelines says nothing that the oracle forbids, and forgets nobody."""

from __future__ import annotations

from functools import cache

from stream.treatment.policy import default_text, load
from tests.conduct import timelines
from tests.conduct.run import Report, run, run_one, shown, table

TIMELINES = 2_000


@cache
def ran() -> Report:
    """Run once for all tests here."""
    return run(TIMELINES)


def test_no_timeline_brings_a_violation() -> None:
    report = ran()
    if report.violating:
        first = min(seed for seeds in report.seeds.values() for seed in seeds)
        raise AssertionError(f"{table(report)}\n\n{shown(first, run_one(first, load(default_text())))}")


def test_the_timelines_bring_nudges_on_every_channel_and_in_every_pack() -> None:
    report = ran()
    assert sum(report.nudges.values()) >= TIMELINES / 2
    assert {channel for _, channel in report.nudges} == set(timelines.CHANNELS)
    assert {pack for pack, _ in report.nudges} == {"GB", "US", "US-MA", "IE", "EU", "IN", "AU", "default"}


def test_one_seed_is_one_timeline() -> None:
    assert timelines.draw(7) == timelines.draw(7)
    assert timelines.draw(7) != timelines.draw(8)
