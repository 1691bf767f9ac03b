"""Severity from a score, and what a detector says when its severity moves."""

from __future__ import annotations

from typing import Any, Final

from stream.contracts.vocabulary import SEVERITIES, Severity
from stream.tables.compiled import compiled

NOTHING: Final = 0
RAISED: Final = 1
CHANGED: Final = 2
WITHDRAWN: Final = 3

FADED: Final = 0
PAID: Final = 1
REVERSED: Final = 2
CORRECTED: Final = 3
WAIVED: Final = 4
SWITCHED_OFF: Final = 5
OUTAGE: Final = 6
PAUSED: Final = 7
RETURNED: Final = 8
CAUSES: Final = ("faded", "paid", "reversed", "corrected", "waived", "switched_off", "outage", "paused", "returned")
"""Why something left a sign: the index is the code in a sign's `cause`."""

INFO: Final = 4
"""The severity, in arrays, of an open sign that is no trouble: one to know of. 0 is a sign that is not open, 1-3 are trouble."""

NANO: Final = 1000000000
"""Weights are summed as whole billionths: integers, so that the order of summing cannot show."""

DAY: Final = 86400000
"""Milliseconds."""


def severity_name(code: int) -> Severity:
    """The word for a severity of an open sign, as arrays store it."""
    return SEVERITIES[0 if code == INFO else code]


@compiled
def trouble(sign: Any) -> int:
    """How grave the trouble is that a sign tells of, 0-3: none where it is not open, or only to know of."""
    severity = int(sign["severity"])
    return 0 if severity == INFO else severity


@compiled
def level_of(before: int, score: float, thresholds: Any, release: float) -> int:
    """The severity (0-3) of `score`: a threshold reached lifts it, and it falls only below `release` times
    the threshold held.
    """
    reached = 0
    for k in range(3):
        if score >= float(thresholds[k]):
            reached = k + 1
    if reached >= before:
        return reached
    level = before
    while level > reached and score < release * float(thresholds[level - 1]):
        level -= 1
    return level


@compiled
def conclude(row: Any, sign: Any, level: int, score: float, at: int, lost: int) -> int:
    """Moves `sign` to `level` and says what that is: RAISED, CHANGED, WITHDRAWN or NOTHING.

    An open sign that keeps its severity is CHANGED when `lost` > 0 events behind it went away: what was said
    of it is no longer so. Of one account each episode starts later than the one before, whatever order its events came in.
    """
    before = int(sign["severity"])
    sign["score"] = score
    sign["severity"] = level
    if level == before:
        return CHANGED if level > 0 and lost > 0 else NOTHING
    if before == 0:
        start = at
        if start <= int(row["episode"]):
            start = int(row["episode"]) + 1
        row["episode"] = start
        sign["start"] = start
        return RAISED
    return WITHDRAWN if level == 0 else CHANGED


@compiled
def gone_after(severity: int, config: Any) -> int:
    """Milliseconds of silence after which an account is taken for left: while a sign of it is open more than a month, so that one
    with few payments does not come and go.
    """
    return int(config["quiet"]) if severity == 0 else max(int(config["quiet"]), 35 * DAY)


@compiled
def switch_off(sign: Any, event: Any) -> int:
    """Takes back what a detector said that is switched off, and lets go of what it remembered."""
    was_open = int(sign["severity"]) > 0
    if was_open or int(sign["held"]) != 0 or int(sign["due"]) != 0 or float(sign["score"]) != 0.0:
        event["touched"] = 1
    sign["severity"] = 0
    sign["due"] = 0
    sign["held"] = 0
    sign["score"] = 0.0
    sign["cause"] = SWITCHED_OFF
    return WITHDRAWN if was_open else NOTHING
