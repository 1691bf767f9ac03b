"""The one pass over events: each runs through every detector, in order, and what they find is copied out.

A detector is one file with a `step` (see `bounce_pressure`), its settings in `settings`, and its line in
`run`.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from stream.detectors import bounce_pressure, missed_bills
from stream.detectors.levels import NOTHING, WITHDRAWN
from stream.tables import event as ev
from stream.tables.account import DETECTORS, EVIDENCE_DIRTY, NEVER, RING, ROW_DIRTY, SLOTS
from stream.tables.accounts import DIRTY, DUPLICATES, FREE, UNDO_MISSES
from stream.tables.compiled import compiled

PAYMENT: Final = ev.PAYMENT
BOUNCE: Final = ev.BOUNCE
MISSED_BILL: Final = ev.MISSED_BILL
TIME: Final = ev.TIME
PART_PAID: Final = ev.PART_PAID
BOOKED: Final = ev.BOOKED
DUPLICATE: Final = ev.DUPLICATE

FINDING = np.dtype(
    [
        ("start", "i8"),  # of the episode
        ("at", "i8"),  # event time of the trigger
        ("expires", "i8"),
        ("score", "f8"),
        ("events", "i8", (SLOTS,)),
        ("row", "i4"),
        ("trigger", "i4"),  # index of the trigger within the events
        ("detector", "i1"),
        ("action", "i1"),  # of `levels`: RAISED, CHANGED or WITHDRAWN
        ("severity", "i1"),
        ("listed", "i1"),  # how many of `events`
        ("cause", "i1"),
        ("passing", "i1"),  # 1: time did it, and the event only brought it to light
        ("spare", "i1", (2,)),
    ]
)
"""What a detector said of an account, copied at that moment."""


class Finding(NamedTuple):
    """A row of `FINDING` as Python numbers."""

    start: int
    at: int
    expires: int
    score: float
    events: list[int]
    row: int
    trigger: int
    detector: int
    action: int
    severity: int
    listed: int
    cause: int
    passing: int


def findings_of(rows: npt.NDArray[Any]) -> list[Finding]:
    """Rows of `FINDING` as Python numbers."""
    fields = [rows[name].tolist() for name in Finding._fields]
    return list(map(Finding._make, zip(*fields, strict=True)))


FINDINGS_PER_EVENT: Final = 2 * DETECTORS
"""The most one event can lead to: what time did before it, and what it did itself."""

step_bounce_pressure = bounce_pressure.step
step_missed_bills = missed_bills.step
BOUNCE_PRESSURE: Final = bounce_pressure.DETECTOR
MISSED_BILLS: Final = missed_bills.DETECTOR


@compiled
def put(findings: Any, n: int, number: int, detector: int, code: int, sign: Any, i: int, event: Any) -> int:
    """Copies what `sign` says into the next finding, unless it says nothing. Returns the number of
    findings.
    """
    if code == NOTHING:
        return n
    finding = findings[n]
    finding["row"] = number
    finding["trigger"] = i
    finding["at"] = int(event["at"])
    finding["passing"] = 1 if int(event["topic"]) == TIME else 0
    finding["detector"] = detector
    finding["action"] = code
    finding["severity"] = int(sign["severity"])
    finding["score"] = float(sign["score"])
    finding["start"] = int(sign["start"])
    finding["expires"] = int(sign["expires"])
    finding["cause"] = int(sign["cause"])
    finding["listed"] = int(sign["count"])
    for k in range(SLOTS):
        finding["events"][k] = int(sign["events"][k])
    if code == WITHDRAWN:
        sign["start"] = 0
        sign["expires"] = 0
    return n + 1


@compiled
def run(row: Any, evidence: Any, event: Any, config: Any, findings: Any, n: int, number: int, i: int) -> int:
    """Every detector on one event: a line each. Returns the number of findings."""
    signs = evidence["signs"]
    code = step_bounce_pressure(row, evidence, event, config)
    n = put(findings, n, number, BOUNCE_PRESSURE, code, signs[BOUNCE_PRESSURE], i, event)
    code = step_missed_bills(row, evidence, event, config)
    n = put(findings, n, number, MISSED_BILLS, code, signs[MISSED_BILLS], i, event)
    return n  # noqa: RET504 - so that a line may follow


@compiled
def note_dues(evidence: Any, due: Any) -> None:
    """Writes when time alone has something to do for this evidence, and when it has for an open sign."""
    first, first_open = NEVER, NEVER
    for k in range(DETECTORS):
        at = int(evidence["signs"][k]["due"])
        if at > 0:
            first = min(first, at)
            if int(evidence["signs"][k]["severity"]) > 0:
                first_open = min(first_open, at)
    due[0] = first
    due[1] = first_open


@compiled
def is_idle(evidence: Any) -> bool:
    """Whether nothing is remembered and nothing said any more."""
    if int(evidence["bounces_used"]) > 0 or int(evidence["bills_used"]) > 0 or float(evidence["rest"]) > 0.0:
        return False
    severity = 0
    for k in range(DETECTORS):
        severity += int(evidence["signs"][k]["severity"])
    return severity == 0


@compiled
def known(row: Any, event: Any) -> bool:
    """Whether the account has seen this event; remembers it if not."""
    seen = int(event["seen"])
    for k in range(RING):
        if int(row["ring"][k]) == seen:
            return True
    k = int(row["ring_next"])
    row["ring"][k] = seen
    row["ring_next"] = (k + 1) % RING
    return False


@compiled
def may_count(event: Any) -> bool:
    """Whether an event may be the first that is remembered of an account."""
    topic = int(event["topic"])
    return (topic == BOUNCE and float(event["weight"]) > 0.0) or (topic == MISSED_BILL and int(event["kind"]) <= PART_PAID)


@compiled
def process(
    accounts: Any,
    evidence: Any,
    free: Any,
    tally: Any,
    events: Any,
    config: Any,
    findings: Any,
    dirty: Any,
    passing: Any,
    dues: Any,
) -> int:
    """Applies `events` in order to `accounts` and `evidence`, in place. Returns the number of `findings`.

    `free` is the stack of free evidence rows, at least one for each event that may need one; `dirty` gets the
    numbers of changed rows; `dues` has a row beside each row of evidence (see `note_dues`); `passing` is one
    event of scratch. Evidence row 0 belongs to nobody and stays zero.
    """
    settings = config[0]
    time = passing[0]
    n = 0
    for i in range(len(events)):
        event = events[i]
        number, topic = int(event["row"]), int(event["topic"])
        row = accounts[number]
        if topic != TIME and known(row, event):
            event["outcome"] = DUPLICATE
            tally[DUPLICATES] += 1
            continue
        if int(row["dirty"]) == 0:
            dirty[tally[DIRTY]] = number
            tally[DIRTY] += 1
        row["dirty"] = int(row["dirty"]) | ROW_DIRTY
        held, touched = int(row["evidence"]), 0
        if topic != TIME:
            row["last_at"] = max(int(row["last_at"]), int(event["at"]))
            if topic == PAYMENT:
                row["payments"] = int(row["payments"]) + 1
            elif topic == BOUNCE:
                row["bounces"] = int(row["bounces"]) + 1
            else:
                row["missed_bills"] = int(row["missed_bills"]) + 1
            if held == 0 and int(event["status"]) == BOOKED and may_count(event):
                tally[FREE] -= 1
                held = int(free[tally[FREE]])
                row["evidence"] = held
                evidence[held]["row"] = number
            if held > 0 and int(dues[held, 0]) <= int(event["clock"]):
                # What time alone did comes before the event: an episode that is over is not prolonged by it.
                time["topic"] = TIME
                time["at"] = int(event["at"])
                time["clock"] = int(event["clock"])
                n = run(row, evidence[held], time, settings, findings, n, number, i)
                touched = 1
        n = run(row, evidence[held], event, settings, findings, n, number, i)
        tally[UNDO_MISSES] += int(event["missed"])
        if held > 0 and touched + int(event["touched"]) > 0:
            row["dirty"] = int(row["dirty"]) | EVIDENCE_DIRTY
            if is_idle(evidence[held]):
                evidence[held] = evidence[0]
                row["evidence"] = 0
                free[tally[FREE]] = held
                tally[FREE] += 1
            note_dues(evidence[held], dues[held])
    return n


@compiled
def note_all_dues(evidence: Any, dues: Any) -> None:
    """`note_dues` for every evidence row."""
    for k in range(1, len(dues)):
        note_dues(evidence[k], dues[k])


def scratch(events: int) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """Room for the findings of so many events, and the event in which time passes."""
    return np.zeros(events * FINDINGS_PER_EVENT, FINDING), np.zeros(1, ev.EVENT)
