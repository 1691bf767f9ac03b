"""The one pass over events: each runs through every detector, in order, and what they find is copied out.

A detector is one file with a `step` (see `bounce_pressure`), its settings in `settings`, and its line in `run`.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from stream.detectors import bounce_pressure, missed_bills
from stream.detectors.levels import NOTHING, WITHDRAWN
from stream.tables import event as ev
from stream.tables.account import DETECTORS, EVIDENCE_DIRTY, RING, ROW_DIRTY, SLOTS
from stream.tables.compiled import compiled

PAYMENT: Final = ev.PAYMENT
BOUNCE: Final = ev.BOUNCE
MISSED_BILL: Final = ev.MISSED_BILL
TIME: Final = ev.TIME
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
        ("event", "i4"),  # index of the trigger within the events
        ("detector", "i1"),
        ("action", "i1"),  # of `levels`: RAISED, CHANGED or WITHDRAWN
        ("severity", "i1"),
        ("count", "i1"),
        ("cause", "i1"),
        ("spare", "i1", (3,)),
    ]
)
"""What a detector said of an account, copied at that moment."""

FREE: Final = 0
"""Index in `tally`: how many evidence rows are free."""
DIRTY: Final = 1
"""Index in `tally`: how many rows the next drain must write."""
DUPLICATES: Final = 2
UNDO_MISSES: Final = 3
TALLY: Final = 4
"""Length of `tally`."""

FINDINGS_PER_EVENT: Final = 2 * DETECTORS
"""The most one event can lead to: what time did before it, and what it did itself."""

step_bounce_pressure = bounce_pressure.step
step_missed_bills = missed_bills.step
BOUNCE_PRESSURE: Final = bounce_pressure.DETECTOR
MISSED_BILLS: Final = missed_bills.DETECTOR


@compiled
def put(findings: Any, n: int, number: int, detector: int, code: int, sign: Any, i: int, at: int) -> int:
    """Copies what `sign` says into the next finding, unless it says nothing. Returns the number of findings."""
    if code == NOTHING:
        return n
    finding = findings[n]
    finding["row"] = number
    finding["event"] = i
    finding["at"] = at
    finding["detector"] = detector
    finding["action"] = code
    finding["severity"] = int(sign["severity"])
    finding["score"] = float(sign["score"])
    finding["start"] = int(sign["start"])
    finding["expires"] = int(sign["expires"])
    finding["cause"] = int(sign["cause"])
    finding["count"] = int(sign["count"])
    for k in range(SLOTS):
        finding["events"][k] = int(sign["events"][k])
    if code == WITHDRAWN:
        sign["start"] = 0
        sign["expires"] = 0
    return n + 1


@compiled
def run(row: Any, evidence: Any, event: Any, config: Any, findings: Any, n: int, number: int, i: int) -> int:
    """Every detector on one event: a line each. Returns the number of findings."""
    signs, at = evidence["signs"], int(event["at"])
    n = put(findings, n, number, BOUNCE_PRESSURE, step_bounce_pressure(row, evidence, event, config), signs[BOUNCE_PRESSURE], i, at)
    n = put(findings, n, number, MISSED_BILLS, step_missed_bills(row, evidence, event, config), signs[MISSED_BILLS], i, at)
    return n


@compiled
def is_due(evidence: Any, clock: int) -> bool:
    """Whether time alone has something to do."""
    for k in range(DETECTORS):
        if 0 < int(evidence["signs"][k]["due"]) <= clock:
            return True
    return False


@compiled
def is_idle(evidence: Any) -> bool:
    """Whether nothing is remembered and nothing said any more."""
    if int(evidence["bounces_used"]) > 0 or int(evidence["bills_used"]) > 0 or float(evidence["rest"]) > 0.0:
        return False
    for k in range(DETECTORS):
        if int(evidence["signs"][k]["severity"]) > 0:
            return False
    return True


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
def process(
    accounts: Any, evidence: Any, free: Any, tally: Any, events: Any, config: Any, findings: Any, dirty: Any, passing: Any
) -> int:
    """Applies `events` in order to `accounts` and `evidence`, in place. Returns the number of `findings`.

    `free` is the stack of free evidence rows, at least one for each event that may need one; `dirty` gets the numbers of changed
    rows; `passing` is one event of scratch. Evidence row 0 belongs to nobody and stays zero.
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
        held = int(row["evidence"])
        if topic != TIME:
            row["last_at"] = max(int(row["last_at"]), int(event["at"]))
            if topic == PAYMENT:
                row["payments"] = int(row["payments"]) + 1
            elif topic == BOUNCE:
                row["bounces"] = int(row["bounces"]) + 1
            else:
                row["missed_bills"] = int(row["missed_bills"]) + 1
            if held == 0 and topic != PAYMENT and int(event["status"]) == BOOKED:
                tally[FREE] -= 1
                held = int(free[tally[FREE]])
                row["evidence"] = held
                evidence[held]["row"] = number
            if held > 0 and is_due(evidence[held], int(event["clock"])):
                # What time alone did comes before the event: an episode that is over is not prolonged by it.
                time["topic"] = TIME
                time["at"] = int(event["at"])
                time["clock"] = int(event["clock"])
                n = run(row, evidence[held], time, settings, findings, n, number, i)
        n = run(row, evidence[held], event, settings, findings, n, number, i)
        tally[UNDO_MISSES] += int(event["missed"])
        if held > 0:
            row["dirty"] = int(row["dirty"]) | EVIDENCE_DIRTY
            if is_idle(evidence[held]):
                evidence[held] = evidence[0]
                row["evidence"] = 0
                free[tally[FREE]] = held
                tally[FREE] += 1
    return n


@compiled
def due_rows(evidence: Any, used: int, clock: int, out: Any) -> int:
    """Numbers of the accounts for which time alone has something to do at `clock`. Returns how many."""
    n = 0
    for k in range(1, used):
        if is_idle(evidence[k]):
            continue
        if is_due(evidence[k], clock):
            out[n] = int(evidence[k]["row"])
            n += 1
    return n


@compiled
def earliest_due(evidence: Any, used: int) -> int:
    """The earliest instant at which time alone changes an open sign; 0 if there is none."""
    first = 0
    for k in range(1, used):
        for d in range(DETECTORS):
            sign = evidence[k]["signs"][d]
            due = int(sign["due"])
            if int(sign["severity"]) > 0 and due > 0 and (first == 0 or due < first):
                first = due
    return first


def scratch(events: int) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """Room for the findings of so many events, and the event in which time passes."""
    return np.zeros(events * FINDINGS_PER_EVENT, FINDING), np.zeros(1, ev.EVENT)
