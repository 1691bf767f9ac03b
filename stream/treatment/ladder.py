"""The ladder: how much is done about what is seen. Pure functions of standing, target and clock.

0 steady · 1 watch (no contact) · 2 supportive nudge · 3 support offer · 4 human outreach · 5 specialist. One
rung at a time: up after a rung was held its days, down one rung per run of clear days. The two speeds are the
hysteresis. Days past due are gone to at once, and so are the specialists while there is a bereavement, an
insolvency or a vulnerability; when that has been looked after, the customer stands where they stood. Times in ms
of event time: a record that comes late moves a customer as of when it happened.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import msgspec

from stream.tables.customer import Nudge, OpenSignal
from stream.treatment import arrears, commitments
from stream.treatment.policy import Ladder
from stream.treatment.turn import Turn

DAY: Final = 86_400_000


class Standing(msgspec.Struct, frozen=True):
    """Where a customer stands."""

    rung: int
    since: int
    clear_since: int
    """Since when less than this rung was called for; 0 while it is not so."""


def target(signals: Iterable[OpenSignal], ladder: Ladder) -> int:
    """The rung that open signals call for by themselves. One that only combines others is no second sign beside them."""
    low = medium = high = combined = 0
    for signal in signals:
        if signal.severity == "high":
            high += 1
        elif signal.severity == "medium":
            medium += 1
            combined += signal.detector in ladder.combined
        elif signal.severity == "low":
            low += 1
    return max(
        ladder.target_low if low else 0,
        ladder.target_medium if medium else 0,
        ladder.target_two_mediums if medium - combined >= 2 else 0,
        ladder.target_high if high else 0,
    )


def move(standing: Standing, wanted: int, at: int, clock: int, ladder: Ladder, *, began: int | None = None) -> Standing:
    """Where the customer stands now: at most one rung from where they stood.

    `at` is when what is wanted came to be so. `began` is when what is seen began: a trouble that was told late has been watched
    since then, so that the order in which tasks tell of several troubles makes no difference.
    """
    rung, since, clear_since = standing.rung, standing.since, standing.clear_since
    if wanted > rung:
        if rung == 0 and began is not None and not ladder.hold_days[0]:
            return Standing(1, min(clock, max(since, began)), 0)
        held = since + ladder.hold_days[rung] * DAY if since else 0
        if clock >= held:
            return Standing(rung + 1, max(held, at), 0)
        return Standing(rung, since, 0)
    if wanted < rung:
        if not clear_since:
            return Standing(rung, since, at)
        down = clear_since + ladder.clear_days * DAY
        if clock >= down:
            return Standing(rung - 1, down, down if wanted < rung - 1 else 0)
        return standing
    return Standing(rung, since, 0)


def next_move(standing: Standing, wanted: int, ladder: Ladder) -> int | None:
    """When time alone would move the customer, if it would."""
    if wanted > standing.rung:
        return standing.since + ladder.hold_days[standing.rung] * DAY
    if wanted < standing.rung and standing.clear_since:
        return standing.clear_since + ladder.clear_days * DAY
    return None


def climb(turn: Turn) -> None:
    """Moves the customer on the ladder, and finds the rung that is called for."""
    customer, ladder = turn.customer, turn.policy.ladder
    called = target(turn.trouble.values(), ladder) if turn.trouble else 0
    seen, forced = called, 0
    if (customer.promises or customer.plans) and commitments.broken(turn):
        seen = max(seen, ladder.target_broken_promise)
    if customer.accounts:
        turn.late = arrears.past_due(turn)
        if turn.late and turn.late[0].days >= ladder.care_days:
            forced = 5 if turn.late[0].days >= ladder.specialist_days else 4
        if arrears.missed_instalments(turn) >= ladder.missed_instalments:
            seen = max(seen, 4)
    turn.wanted = max(seen, forced, ladder.target_silence if silent_since(turn, called) is not None else 0)
    standing = Standing(customer.rung, customer.rung_since, customer.clear_since)
    if forced > customer.rung:
        standing = Standing(forced, turn.now, 0)
    elif turn.wanted == customer.rung:
        standing = Standing(customer.rung, customer.rung_since, 0)
    else:
        signs = turn.trouble.values()
        latest = max([each.at for each in signs], default=0)
        began = min([each.started for each in signs], default=None)
        at = min(turn.clock, max(turn.now, latest, customer.cleared_at if turn.wanted < customer.rung else 0))
        standing = move(standing, turn.wanted, at, turn.clock, ladder, began=began)
    customer.rung, customer.rung_since, customer.clear_since = standing.rung, standing.since, standing.clear_since
    turn.specialist = seen >= 2 and is_vulnerable(turn)


def is_vulnerable(turn: Turn) -> bool:
    """Whether the customer's record tells of circumstances that trained staff look after."""
    profile = turn.customer.profile
    return profile is not None and any(each in turn.policy.ladder.specialist_vulnerabilities for each in profile.vulnerabilities)


def offer(turn: Turn, called: int) -> Nudge | None:
    """The last support offer (rung 3) that stands unanswered, while signals still call for one."""
    if called < 3:
        return None
    treatments = turn.policy.treatments
    for nudge in reversed(turn.customer.nudges):
        found = treatments.get(nudge.treatment)  # type: ignore[call-overload]
        if not nudge.withdrawn and found is not None and found.rung == 3:
            return None if turn.customer.responded_at > nudge.not_before else nudge
    return None


def silent_since(turn: Turn, called: int) -> Nudge | None:
    """The support offer that has been met with silence for the policy's days."""
    made = turn.offer = offer(turn, called)
    silent = made if made is not None and turn.clock >= made.not_before + turn.policy.ladder.silence_days * DAY else None
    for nudge in turn.customer.nudges:
        nudge.unanswered = nudge is silent
    return silent
