"""Recognition: a kind word for what has become better. Once for each, never with pressure, and never while something is not kept.

Who is thanked while less is called for takes a step down the ladder.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from stream.tables.customer import Episode
from stream.treatment import commitments
from stream.treatment.checks import FAR
from stream.treatment.local_time import DAY
from stream.treatment.turn import Turn

TREATMENT: Final = "recognition"
IMPROVED_WITHIN: Final = 90 * DAY
RECOVERY: Final = "recovery"
"""The detector that tells of payments made on time again."""
NO_THANKS: Final = frozenset({"bereavement", "insolvency", "vulnerability"})
"""Teams whose people are not told that things look steadier."""


def wanted(turn: Turn) -> list[str]:
    """Recognition of an improvement: what was agreed has been kept, or nothing has been wrong for the policy's days, or payments
    have been on time again for as long. Once for each, and never while something is not kept.
    """
    customer = turn.customer
    if TREATMENT not in turn.policy.treatments:
        return []
    agreed = bool(customer.promises or customer.plans)
    broken = agreed and bool(commitments.broken(turn))
    episode = customer.episodes.get(TREATMENT)
    if agreed and not broken and (episode is None or episode.subject == RECOVERY) and (kept := _kept(turn)):
        episode = customer.episodes[TREATMENT] = Episode(TREATMENT, kept, turn.clock)
    if episode is None:
        lately = customer.helped_at and turn.clock < customer.helped_at + IMPROVED_WITHIN
        if broken or turn.trouble or customer.rung < 2 or not lately:
            return []
        episode = customer.episodes[TREATMENT] = Episode(TREATMENT, RECOVERY, max(customer.cleared_at, 1))
    if broken or (episode.subject == RECOVERY and not customer.helped_at):
        return []
    if any(turn.clock < end for end in looked_after(turn)):
        return []
    return [TREATMENT] if starts_at(episode, turn) <= turn.clock < ends_at(episode, turn) else []


def looked_after(turn: Turn) -> list[int]:
    """Until when nobody says that things look steadier: while specialists look after the customer, and a while after that."""
    queues: Mapping[str, str] = turn.policy.holds.queues  # type: ignore[assignment]
    rest = turn.policy.ladder.recognition_clear_days * DAY
    return [
        FAR if hold.until is None else hold.until + rest
        for hold in turn.customer.holds.values()
        if queues.get(hold.kind) in NO_THANKS and hold.placed_at <= turn.clock
    ]


def _kept(turn: Turn) -> str:
    """What was kept and not yet thanked for: a promise, or a whole plan."""
    for promise in turn.customer.promises.values():
        if promise.status == "kept" and not promise.thanked and turn.clock < promise.decided_at + DAY:
            return f"promise:{promise.promise_id}"
    for plan in turn.customer.plans.values():
        done = plan.done_at and not plan.ended_at and not plan.thanked and turn.clock < plan.done_at + DAY
        if done and all(each.status == "kept" for each in plan.instalments):
            return f"plan:{plan.offer_id}"
    return ""


def starts_at(episode: Episode, turn: Turn) -> int:
    if episode.subject != RECOVERY:
        return episode.start
    quiet = episode.start + turn.policy.ladder.recognition_clear_days * DAY
    on_time = [each.started for each in turn.customer.signals.values() if each.detector == RECOVERY]
    return min([quiet, *(max(at, episode.start) for at in on_time)])


def ends_at(episode: Episode, turn: Turn) -> int:
    return starts_at(episode, turn) + turn.policy.ladder.recognition_days * DAY


def given(episode: Episode, turn: Turn) -> None:
    """What follows from a thank-you: the customer takes a step down where less is called for."""
    customer = turn.customer
    kind, _, name = episode.subject.partition(":")
    if kind == "promise" and name in customer.promises:
        customer.promises[name].thanked = True
    if kind == "plan" and name in customer.plans:
        customer.plans[name].thanked = True
    if kind == RECOVERY:
        customer.helped_at = 0
    if turn.wanted < customer.rung:
        customer.rung -= 1
        customer.rung_since = turn.clock
        customer.clear_since = turn.clock if turn.wanted < customer.rung else 0
    del customer.episodes[TREATMENT]
