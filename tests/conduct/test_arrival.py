"""Records that come late, within the policy's bound, make no difference to where a customer ends, and to what stands then.

The bound is `settle_minutes`: the time between a decision and the first instant of sending. A timeline is told once as it
happened, and once with each record late by a chance of up to that bound, so that they overtake one another; ticks, which carry
the time itself, are not late, and come every hour.
"""

from __future__ import annotations

import json
from random import Random
from typing import Any

import pytest

from stream.agents.customers import CustomersStep
from stream.tables import customer as table
from stream.treatment.policy import default_text, load
from tests.conduct import timelines
from tests.conduct.run import ALONE, Record, resolve

POLICY = load(default_text())
MINUTE = 60_000
HOUR = 60 * MINUTE
DAY = 24 * HOUR
TAIL = 40
"""Days of ticks after the last record, so that everything that waits is decided."""

End = tuple[dict[str, int], list[tuple[str, ...]]]


def happened(seed: int) -> list[tuple[int, str, str | None, dict[str, Any]]]:
    """A timeline as (instant, topic, key, value); every record at an instant of its own, so that its order is one of time."""
    found = []
    last = 0
    for each in timelines.draw(seed):
        if each.bad:
            continue
        last = max(last + 1, each.timestamp)
        value = resolve(each.value, {})
        found.append((last, each.topic, each.key, value))
    tick = {"stage": "customers", "partition": 0, "caught_up": True, "live_feeds": []}
    found += [(at, "ticks", None, tick | {"at": at}) for at in range(found[0][0] + 1, last + TAIL * DAY, HOUR)]
    return sorted(found, key=lambda each: each[0])


def told(records: list[tuple[int, str, str | None, dict[str, Any]]]) -> End:
    """Where everybody stands at the end, and the nudges that stand."""
    step = CustomersStep(ALONE, POLICY)
    standing: dict[str, tuple[str, ...]] = {}
    rows: dict[bytes, bytes | None] = {}
    for number, (at, topic, key, value) in enumerate(records):
        step.apply(topic, [Record(number, at, None if key is None else key.encode(), json.dumps(value).encode())])
        drained = step.drain()
        rows |= dict(drained.rows)
        for output in drained.outputs:
            if output.topic == "nudges":
                nudge = json.loads(output.value or b"")
                if nudge["status"] == "issued":
                    what = (nudge["customer_id"], nudge["treatment"], nudge["channel"], *nudge["signal_ids"])
                    standing[nudge["nudge_id"]] = what
                else:
                    del standing[nudge["nudge_id"]]
    people = {key: table.decode(value) for key, value in rows.items() if value is not None and key != table.PARTITION_KEY}
    return {each.customer_id: each.rung for each in people.values()}, sorted(standing.values())


def late(seed: int) -> tuple[End, End]:
    """The end of a timeline told in time, and told late."""
    chance = Random(seed)
    records = happened(seed)
    bound = POLICY.settle_minutes * MINUTE
    delayed = []
    for at, topic, key, value in records:
        # Our own topics are read in the order in which they were written, and profiles and facts are the latest that was told.
        keeps = topic in ("ticks", "signals", "account-facts", "customers")
        arrives = at if keeps else at + chance.randrange(bound)
        delayed.append((arrives, topic, key, value))
    return told(records), told(sorted(delayed, key=lambda each: each[0]))


@pytest.mark.parametrize("seed", range(300))
def test_the_order_of_arrival_within_the_bound_makes_no_difference_in_the_end(seed: int) -> None:
    in_time, in_another_order = late(seed)
    assert in_another_order == in_time
