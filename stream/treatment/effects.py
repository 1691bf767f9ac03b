"""What came of a treatment: looked at once, some days after it was given or held back, and counted for the metrics.

A trial is *cured* when nothing that a treatment would speak of is open by then, and *answered* when the customer has responded.
The same measure serves both arms. A nudge that was taken back stays in its arm: what cured it cures the control group too.
Arms are `treated` and `control`, and `outside` for all that could not have been held back.
"""

from __future__ import annotations

from typing import Final

from stream.tables.customer import MAX_TRIALS, Trial
from stream.treatment.local_time import DAY
from stream.treatment.turn import Turn

WARNED_WITHIN: Final = 120 * DAY
"""How long a nudge counts as a warning of what comes after it."""


def begin(trial: Trial, turn: Turn) -> None:
    """Remembers a trial, until its days are over; more than can be remembered are let go uncounted."""
    turn.customer.trials.append(trial)
    del turn.customer.trials[: max(0, len(turn.customer.trials) - MAX_TRIALS)]


def conclude(turn: Turn) -> None:
    """Counts the trials whose days are over."""
    customer, days = turn.customer, turn.policy.safety.effect_days * DAY
    if not customer.trials:
        return
    over = [each for each in customer.trials if turn.clock >= each.at + days]
    if not over:
        return
    customer.trials = [each for each in customer.trials if turn.clock < each.at + days]
    for trial in over:
        cured = "no" if turn.spoken else "yes"
        answered = "yes" if customer.responded_at > trial.at else "no"
        turn.counted.append(("trial", trial.treatment, trial.arm, cured, answered))


def times(turn: Turn) -> list[int]:
    """When the next trial is over."""
    return [each.at + turn.policy.safety.effect_days * DAY for each in turn.customer.trials]


def first_miss(before: str, since: str, turn: Turn) -> None:
    """Counts the days between the first nudge of late and the first own instalment missed after it: the warning's lead."""
    if before or not since:
        return
    customer = turn.customer
    warned = customer.warned_last and turn.clock < customer.warned_last + WARNED_WITHIN
    turn.counted.append(("lead", str((turn.clock - customer.warned_at) // DAY) if warned else ""))


def warn(turn: Turn) -> None:
    """Notes a nudge about a sign."""
    customer = turn.customer
    if not customer.warned_last or turn.clock >= customer.warned_last + WARNED_WITHIN:
        customer.warned_at = turn.clock
    customer.warned_last = turn.clock
