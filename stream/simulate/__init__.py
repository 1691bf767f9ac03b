"""Simulated customers: the events a bank would send, in order of delivery, and the truth behind them.

Deterministic: the same arguments give the same events on any machine. Nothing here reads a clock or the
network. Memory grows with the customers, not with the events.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator, Sequence
from datetime import date
from random import Random

from stream.simulate.calendars import DAY, TUESDAY, add_months, is_working_day
from stream.simulate.event import Event, Truth
from stream.simulate.life import Life
from stream.simulate.outbox import Outbox
from stream.simulate.people import draw
from stream.simulate.scenarios import SCENARIOS, Scenario, assign, choose

__all__ = ["SCENARIOS", "Event", "Scenario", "Truth", "simulate"]


def simulate(
    seed: int,
    customers: int,
    start: date,
    months: int,
    scenarios: Sequence[str] | None = None,
    *,
    on_truth: Callable[[Truth], None] | None = None,
) -> Iterator[Event]:
    """Yields every event of `customers` customers over `months` months from `start`, by record timestamp.

    Reference records come first, dated the day before `start`. Events that are delivered late may come after
    the last month. `scenarios` limits what happens to the named ones (`SCENARIOS`). `on_truth` is called once
    for each customer, as soon as that customer's last event has been yielded.

    Raises ValueError, at the call: fewer than one customer or month, or an unknown scenario.
    """
    if customers < 1 or months < 1:
        raise ValueError("at least one customer and one month are needed")
    chosen = choose(list(scenarios) if scenarios else None)
    end = add_months(start, months)
    lives = _lives(seed, customers, start, end, chosen)
    return heapq.merge(*(_told(life, on_truth) for life in lives), key=lambda event: event.timestamp_ms)


def _told(life: Life, on_truth: Callable[[Truth], None] | None) -> Iterator[Event]:
    yield from life.events()
    if on_truth:
        for truth in life.truths():
            on_truth(truth)


def _lives(seed: int, customers: int, start: date, end: date, chosen: list[Scenario]) -> Iterator[Life]:
    days = (end - start).days
    outage = _outage_day(start + DAY * (days * 45 // 100))
    index = 0
    for scenario in assign(customers, chosen, Random(f"{seed}:scenarios")):  # noqa: S311
        rng = Random(f"{seed}:{index}")  # noqa: S311
        struck = start + DAY * (days * rng.randrange(28, 48) // 100)
        if scenario is SCENARIOS[0]:
            struck = date.max
        person = draw(index, scenario, start, outage, rng)
        yield Life(person, scenario, start, end, struck, outage, rng, Outbox(index))
        index += len(person.customer_ids)


def _outage_day(day: date) -> date:
    """The first mid-week working day from `day` on that every month has."""
    while not (is_working_day("GB", day) and TUESDAY <= day.weekday() <= TUESDAY + 2 and day.day <= 28):
        day += DAY
    return day
