"""What the simulated bank sends in the demo, and how fast."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime

from stream.simulate import Event, Truth, simulate
from stream.simulate.calendars import add_months

MONTHS = 3
STEP_MS = 2 * 3_600_000
"""Simulated time between two ticks."""

QUIET_SHARE = 0.28
"""The part of the story before the first life event: the simulation strikes nobody earlier."""
QUIET_SPEED = 3.0
"""How much faster it is told."""


@dataclass(frozen=True, slots=True)
class Story:
    """A bank's events in order of delivery, from its first reference record up to `end_ms`."""

    events: tuple[Event, ...]
    truths: tuple[Truth, ...]
    start_ms: int
    end_ms: int

    def pace(self, at_ms: int) -> float:
        """The share of the telling (0 to 1) at which simulated time `at_ms` is due: quiet weeks pass faster.

        >>> story = Story((), (), 0, 100)
        >>> [round(story.pace(at), 3) for at in (0, 28, 64, 100)]
        [0.0, 0.115, 0.557, 1.0]
        """
        share = min(1.0, max(0.0, (at_ms - self.start_ms) / (self.end_ms - self.start_ms)))
        quiet = QUIET_SHARE / QUIET_SPEED
        whole = quiet + 1 - QUIET_SHARE
        told = share / QUIET_SPEED if share < QUIET_SHARE else quiet + share - QUIET_SHARE
        return told / whole


def tell(seed: int, customers: int, end: date) -> Story:
    """Three months of a bank with that many customers, up to the first instant of `end` (UTC)."""
    start = add_months(end, -MONTHS)
    truths: list[Truth] = []
    events = tuple(simulate(seed, customers, start, MONTHS, on_truth=truths.append))
    end_ms = _midnight(end)
    return Story(tuple(e for e in events if e.timestamp_ms < end_ms), tuple(truths), _midnight(start), end_ms)


def _midnight(day: date) -> int:
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) * 1000
