"""The ladder: how much is done about what is seen. Pure functions of standing, target and clock.

0 steady · 1 watch (no contact) · 2 supportive nudge · 3 support offer · 4 human outreach · 5 specialist. One
rung at a time: up after a rung was held its days, down one rung per run of clear days. The two speeds are the
hysteresis. Rung 5 is not climbed to: bereavement, insolvency and vulnerability go to their queues at once,
whatever the rung. Times in ms of event time.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

from stream.treatment.policy import Ladder

DAY: Final = 86_400_000


class Standing(NamedTuple):
    """Where a customer stands."""

    rung: int
    since: int
    clear_since: int
    """Since when less than this rung was called for; 0 while it is not so."""


def target(signals: Iterable[tuple[str, str]], *, broken_promise: bool, ladder: Ladder) -> int:
    """The rung that the open signals (detector, severity) and promises call for, silence apart.

    A signal that only combines others is no second sign beside them.
    """
    counts = {"low": 0, "medium": 0, "high": 0}
    combined = 0
    for detector, severity in signals:
        if severity in counts:
            counts[severity] += 1
            combined += severity == "medium" and detector in ladder.combined
    wanted = [0]
    if counts["low"]:
        wanted.append(ladder.target_low)
    if counts["medium"]:
        wanted.append(ladder.target_medium)
    if counts["medium"] - combined >= 2:
        wanted.append(ladder.target_two_mediums)
    if counts["high"]:
        wanted.append(ladder.target_high)
    if broken_promise:
        wanted.append(ladder.target_broken_promise)
    return max(wanted)


def move(standing: Standing, wanted: int, clock: int, ladder: Ladder, *, began: int | None = None) -> Standing:
    """Where the customer stands now: at most one rung from where they stood.

    `began` is when what is seen began: a trouble that was told late has been watched since then, so that the order in which
    tasks tell of several troubles makes no difference.
    """
    rung, since, clear_since = standing
    if wanted > rung:
        if rung == 0 and began is not None:
            return Standing(1, min(clock, max(since, began)), 0)
        if clock >= since + ladder.hold_days[rung] * DAY or (rung == 0 and not ladder.hold_days[0]):
            return Standing(rung + 1, clock, 0)
        return Standing(rung, since, 0)
    if wanted < rung:
        if not clear_since:
            return Standing(rung, since, clock)
        if clock >= clear_since + ladder.clear_days * DAY:
            return Standing(rung - 1, clock, clock if wanted < rung - 1 else 0)
        return standing
    return Standing(rung, since, 0)


def next_move(standing: Standing, wanted: int, ladder: Ladder) -> int | None:
    """When time alone would move the customer, if it would."""
    if wanted > standing.rung:
        return standing.since + ladder.hold_days[standing.rung] * DAY
    if wanted < standing.rung and standing.clear_since:
        return standing.clear_since + ladder.clear_days * DAY
    return None
