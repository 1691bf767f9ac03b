"""The golden corpus: many customers over a year in every story, steady and stressed, with the truth of each.

What detectors are tuned on and scored by. Odd seeds are for tuning; figures are published of even ones, so
that nobody is praised for what was learnt by heart. Deterministic and without a clock, as `simulate` is.

Its households deal with money in many ways and with noise, where those of `simulate` are simple and exact: the
demo and the benches show what happens to each, and hold its bytes. The two share people, calendars and delivery.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator
from datetime import date
from random import Random
from typing import Any

from stream.simulate.calendars import DAY, add_months
from stream.simulate.corpus.happenings import FROM_THE_START
from stream.simulate.corpus.homes import draw, moved_out
from stream.simulate.corpus.living import Living
from stream.simulate.corpus.mix import BY_NAME, STORIES, Story, assign
from stream.simulate.corpus.world import World, world
from stream.simulate.event import CorpusTruth, Event
from stream.simulate.outbox import Outbox

__all__ = ["FIRST_DAY", "STORIES", "Story", "corpus"]

FIRST_DAY = date(2023, 9, 1)
"""A year from here holds a 29 February, both changes of clocks and a December."""


def corpus(
    seed: int,
    customers: int = 2000,
    start: date = FIRST_DAY,
    months: int = 12,
    stories: tuple[str, ...] = (),
    *,
    on_truth: Callable[[CorpusTruth], None] | None = None,
) -> Iterator[Event]:
    """Yields every event, by record timestamp; `stories` limits it to these. `on_truth` gets each customer's truth.

    Raises ValueError, at the call: fewer than one customer or three months, or an unknown story.
    """
    if customers < 1 or months < 3:
        raise ValueError("at least one customer and three months are needed")
    if unknown := sorted(set(stories) - BY_NAME.keys()):
        raise ValueError(f"unknown story {', '.join(unknown)}: choose from {', '.join(BY_NAME)}")
    chosen = tuple(story for story in STORIES if not stories or story.name in stories)
    end = add_months(start, months)
    lives = _lives(seed, customers, start, end, chosen)
    return heapq.merge(*(_told(life, on_truth) for life in lives), key=lambda event: event.timestamp_ms)


def _told(life: Living, on_truth: Callable[[CorpusTruth], None] | None) -> Iterator[Event]:
    yield from life.events()
    if on_truth and not life.newcomer:
        for truth in life.truths():
            on_truth(truth)


def _lives(seed: int, customers: int, start: date, end: date, chosen: tuple[Story, ...]) -> Iterator[Living]:
    index, shared = 0, world(start, end)
    for story in assign(customers, chosen, Random(f"corpus:{seed}:stories")):  # noqa: S311
        rng = Random(f"corpus:{seed}:{index}")  # noqa: S311
        struck = _struck(story, start, end, shared, rng)
        home = draw(index, story, start, shared, rng)
        common: dict[str, Any] = {"story": story, "end": end, "world": shared}
        life = Living(home=home, start=start, struck_on=struck, rng=rng, outbox=Outbox(index), **common)
        if story.name == "separation":
            leaves = Random(f"corpus:{seed}:{index + 1}")  # noqa: S311
            alone, since = moved_out(home, story, start, shared, leaves), struck + 5 * DAY
            life.moved_out = alone.person.account_id
            yield Living(
                home=alone, start=since, struck_on=date.max, rng=leaves, outbox=Outbox(index + 1), newcomer=True, **common
            )
        yield life
        index += len(home.person.customer_ids)


def _struck(story: Story, start: date, end: date, shared: World, rng: Random) -> date:
    # What creeps begins early, so that the year shows where it leads.
    creeps = story.name in ("slow_slide", "minimum_only", "part_payer", "payday_borrower", "gambling", "rate_shock")
    percent = rng.randrange(20, 40) if creeps else rng.randrange(28, 55) if story.stressed else rng.randrange(30, 75)
    if story.name == "employer_insolvent":
        return shared.gone_from
    if story.name in FROM_THE_START:
        return start
    return start + DAY * ((end - start).days * percent // 100)
