"""The one pass over events: each runs through every detector, in order, and what they find is copied out.

A detector is one file with a `step` (see `bounce_pressure`), its settings in `settings`, and its line in
`run`.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from stream.detectors import (
    arrears_clock,
    bounce_pressure,
    buffer_erosion,
    distress_spending,
    expected_payment_absent,
    habits,
    income_drop,
    lateness_drift,
    missed_bills,
    part_payment,
    recovery,
    stress_score,
)
from stream.detectors.base import FACTS, NOTED, TOLD, Finding
from stream.detectors.levels import NOTHING, WITHDRAWN, switch_off
from stream.tables import event as ev
from stream.tables.account import AWAITED, EVIDENCE_DIRTY, NEVER, RING, ROW_DIRTY, SIGNS, SLOTS
from stream.tables.accounts import DIRTY, DUPLICATES, FREE, UNDO_MISSES
from stream.tables.compiled import compiled

PAYMENT: Final = ev.PAYMENT
BOUNCE: Final = ev.BOUNCE
MISSED_BILL: Final = ev.MISSED_BILL
TIME: Final = ev.TIME
LIVE: Final = ev.LIVE
BOOKED: Final = ev.BOOKED
DUPLICATE: Final = ev.DUPLICATE

FINDING = np.dtype(
    [
        ("start", "i8"),  # of the episode
        ("at", "i8"),  # event time of the trigger
        ("clock", "i8"),  # the task's clock then
        ("expires", "i8"),
        ("score", "f8"),
        ("events", "i8", (SLOTS,)),
        ("facts", "i8", (FACTS,)),
        ("row", "i4"),
        ("trigger", "i4"),  # index of the trigger within the events
        ("detector", "i1"),
        ("action", "i1"),  # of `levels`: RAISED, CHANGED or WITHDRAWN; or NOTED
        ("severity", "i1"),
        ("listed", "i1"),  # how many of `events`
        ("cause", "i1"),
        ("passing", "i1"),  # 1: time did it, and the event only brought it to light
        ("spare", "i1", (2,)),
    ]
)
"""What a detector said of an account, copied at that moment."""


def findings_of(rows: npt.NDArray[Any]) -> list[Finding]:
    """Rows of `FINDING` as Python numbers."""
    fields = [rows[name].tolist() for name in Finding._fields]
    return list(map(Finding._make, zip(*fields, strict=True)))


FINDINGS_PER_EVENT: Final = 2 * SIGNS
"""The most one event can lead to: what time did before it, and what it did itself."""

HOLD_SIGN: Final = bounce_pressure.HOLD_SIGN
LEGAL_SIGN: Final = bounce_pressure.LEGAL_SIGN
DISPUTE_SIGN: Final = bounce_pressure.DISPUTE_SIGN

learn_habits = habits.learn
due_of_habits = habits.due
learn_income_drop = income_drop.learn
learn_lateness_drift = lateness_drift.learn
learn_buffer_erosion = buffer_erosion.learn
learn_distress_spending = distress_spending.learn

wants_bounce_pressure = bounce_pressure.wants
wants_missed_bills = missed_bills.wants
wants_expected_payment_absent = expected_payment_absent.wants
wants_income_drop = income_drop.wants
wants_lateness_drift = lateness_drift.wants
wants_part_payment = part_payment.wants
wants_buffer_erosion = buffer_erosion.wants
wants_distress_spending = distress_spending.wants
wants_arrears_clock = arrears_clock.wants
wants_recovery = recovery.wants
wants_stress_score = stress_score.wants
wants_hold = bounce_pressure.wants_hold

step_bounce_pressure = bounce_pressure.step
step_missed_bills = missed_bills.step
step_expected_payment_absent = expected_payment_absent.step
step_income_drop = income_drop.step
step_lateness_drift = lateness_drift.step
step_part_payment = part_payment.step
step_buffer_erosion = buffer_erosion.step
step_distress_spending = distress_spending.step
step_arrears_clock = arrears_clock.step
step_recovery = recovery.step
step_stress_score = stress_score.step
step_hold = bounce_pressure.step_hold
step_legal = bounce_pressure.step_legal
step_dispute = bounce_pressure.step_dispute

BOUNCE_PRESSURE: Final = bounce_pressure.DETECTOR
MISSED_BILLS: Final = missed_bills.DETECTOR
EXPECTED_PAYMENT_ABSENT: Final = expected_payment_absent.DETECTOR
INCOME_DROP: Final = income_drop.DETECTOR
LATENESS_DRIFT: Final = lateness_drift.DETECTOR
PART_PAYMENT: Final = part_payment.DETECTOR
BUFFER_EROSION: Final = buffer_erosion.DETECTOR
DISTRESS_SPENDING: Final = distress_spending.DETECTOR
ARREARS_CLOCK: Final = arrears_clock.DETECTOR
RECOVERY: Final = recovery.DETECTOR
STRESS_SCORE: Final = stress_score.DETECTOR


@compiled
def put(findings: Any, n: int, number: int, code: int, sign: Any, told: Any, i: int, event: Any) -> int:
    """Copies what `sign` and `told` say into the next finding, unless it is nothing. Returns the number of findings."""
    if code == NOTHING:
        return n
    if code != NOTED:
        told["said"] = int(told["said"]) + 1
    event["touched"] = 1
    finding = findings[n]
    finding["row"] = number
    finding["trigger"] = i
    finding["at"] = int(event["at"])
    finding["clock"] = int(event["clock"])
    finding["passing"] = 1 if int(event["topic"]) == TIME else 0
    finding["detector"] = int(told["sign"])
    finding["action"] = code
    finding["severity"] = int(sign["severity"])
    finding["score"] = float(sign["score"])
    finding["start"] = int(sign["start"])
    finding["expires"] = int(sign["expires"])
    finding["cause"] = int(sign["cause"])
    finding["listed"] = int(told["count"])
    for k in range(SLOTS):
        finding["events"][k] = int(told["events"][k])
    for k in range(FACTS):
        finding["facts"][k] = int(told["facts"][k])
    if code == WITHDRAWN:
        sign["start"] = 0
        sign["expires"] = 0
    return n + 1


@compiled
def learn(row: Any, event: Any, config: Any, world: Any) -> bool:
    """What is learned of every account, in trouble or not. Returns whether habits changed."""
    changed = learn_habits(row, event, config["habits"], world)
    if int(event["topic"]) != TIME:
        learn_income_drop(row, event, config["income_drop"], world)
        learn_lateness_drift(row, event, config["lateness_drift"], world)
        learn_buffer_erosion(row, event, config["buffer_erosion"], world)
        learn_distress_spending(row, event, config["distress_spending"], world)
    return bool(changed)


@compiled
def wants(row: Any, event: Any, config: Any, world: Any) -> bool:
    """Whether an account without evidence needs some now: a line a detector."""
    on = config["enabled"]
    return (
        (on[BOUNCE_PRESSURE] != 0 and wants_bounce_pressure(row, event, config["bounce_pressure"], world))
        or (on[MISSED_BILLS] != 0 and wants_missed_bills(row, event, config["missed_bills"], world))
        or (
            on[EXPECTED_PAYMENT_ABSENT] != 0
            and wants_expected_payment_absent(row, event, config["expected_payment_absent"], world)
        )
        or (on[INCOME_DROP] != 0 and wants_income_drop(row, event, config["income_drop"], world))
        or (on[LATENESS_DRIFT] != 0 and wants_lateness_drift(row, event, config["lateness_drift"], world))
        or (on[PART_PAYMENT] != 0 and wants_part_payment(row, event, config["part_payment"], world))
        or (on[BUFFER_EROSION] != 0 and wants_buffer_erosion(row, event, config["buffer_erosion"], world))
        or (on[DISTRESS_SPENDING] != 0 and wants_distress_spending(row, event, config["distress_spending"], world))
        or (on[ARREARS_CLOCK] != 0 and wants_arrears_clock(row, event, config["arrears_clock"], world))
        or (on[RECOVERY] != 0 and wants_recovery(row, event, config["recovery"], world))
        or (on[STRESS_SCORE] != 0 and wants_stress_score(row, event, config["stress_score"], world))
        or (on[HOLD_SIGN] != 0 and wants_hold(row, event, config["bounce_pressure"], world))
    )


@compiled
def run(
    row: Any, evidence: Any, event: Any, config: Any, findings: Any, n: int, number: int, i: int, told: Any, world: Any
) -> int:
    """Every detector on one event: a paragraph each. Returns the number of findings."""
    on, signs = config["enabled"], evidence["signs"]
    told["said"] = 0

    sign = signs[BOUNCE_PRESSURE]
    told["sign"] = BOUNCE_PRESSURE
    told["count"] = 0
    code = (
        step_bounce_pressure(row, evidence, event, config["bounce_pressure"], told, world)
        if int(on[BOUNCE_PRESSURE])
        else switch_off(sign, event)
    )
    n = put(findings, n, number, code, sign, told, i, event)

    sign = signs[MISSED_BILLS]
    told["sign"] = MISSED_BILLS
    told["count"] = 0
    code = (
        step_missed_bills(row, evidence, event, config["missed_bills"], told, world)
        if int(on[MISSED_BILLS])
        else switch_off(sign, event)
    )
    n = put(findings, n, number, code, sign, told, i, event)

    sign = signs[EXPECTED_PAYMENT_ABSENT]
    told["sign"] = EXPECTED_PAYMENT_ABSENT
    told["count"] = 0
    code = (
        step_expected_payment_absent(row, evidence, event, config["expected_payment_absent"], told, world)
        if int(on[EXPECTED_PAYMENT_ABSENT])
        else switch_off(sign, event)
    )
    n = put(findings, n, number, code, sign, told, i, event)

    sign = signs[INCOME_DROP]
    told["sign"] = INCOME_DROP
    told["count"] = 0
    code = (
        step_income_drop(row, evidence, event, config["income_drop"], told, world)
        if int(on[INCOME_DROP])
        else switch_off(sign, event)
    )
    n = put(findings, n, number, code, sign, told, i, event)

    sign = signs[LATENESS_DRIFT]
    told["sign"] = LATENESS_DRIFT
    told["count"] = 0
    code = (
        step_lateness_drift(row, evidence, event, config["lateness_drift"], told, world)
        if int(on[LATENESS_DRIFT])
        else switch_off(sign, event)
    )
    n = put(findings, n, number, code, sign, told, i, event)

    sign = signs[PART_PAYMENT]
    told["sign"] = PART_PAYMENT
    told["count"] = 0
    code = (
        step_part_payment(row, evidence, event, config["part_payment"], told, world)
        if int(on[PART_PAYMENT])
        else switch_off(sign, event)
    )
    n = put(findings, n, number, code, sign, told, i, event)

    sign = signs[BUFFER_EROSION]
    told["sign"] = BUFFER_EROSION
    told["count"] = 0
    code = (
        step_buffer_erosion(row, evidence, event, config["buffer_erosion"], told, world)
        if int(on[BUFFER_EROSION])
        else switch_off(sign, event)
    )
    n = put(findings, n, number, code, sign, told, i, event)

    sign = signs[DISTRESS_SPENDING]
    told["sign"] = DISTRESS_SPENDING
    told["count"] = 0
    code = (
        step_distress_spending(row, evidence, event, config["distress_spending"], told, world)
        if int(on[DISTRESS_SPENDING])
        else switch_off(sign, event)
    )
    n = put(findings, n, number, code, sign, told, i, event)

    sign = signs[ARREARS_CLOCK]
    told["sign"] = ARREARS_CLOCK
    told["count"] = 0
    code = (
        step_arrears_clock(row, evidence, event, config["arrears_clock"], told, world)
        if int(on[ARREARS_CLOCK])
        else switch_off(sign, event)
    )
    n = put(findings, n, number, code, sign, told, i, event)

    sign = signs[RECOVERY]
    told["sign"] = RECOVERY
    told["count"] = 0
    code = step_recovery(row, evidence, event, config["recovery"], told, world) if int(on[RECOVERY]) else switch_off(sign, event)
    n = put(findings, n, number, code, sign, told, i, event)

    # Reports that ask for a person come as bounces and end by time: a payment need not look, unless all is switched off.
    if int(event["topic"]) != PAYMENT or int(on[HOLD_SIGN]) == 0:
        sign = signs[HOLD_SIGN]
        told["sign"] = HOLD_SIGN
        told["count"] = 0
        code = (
            step_hold(row, evidence, event, config["bounce_pressure"], told, world)
            if int(on[HOLD_SIGN])
            else switch_off(sign, event)
        )
        n = put(findings, n, number, code, sign, told, i, event)

        sign = signs[LEGAL_SIGN]
        told["sign"] = LEGAL_SIGN
        told["count"] = 0
        code = (
            step_legal(row, evidence, event, config["bounce_pressure"], told, world)
            if int(on[LEGAL_SIGN])
            else switch_off(sign, event)
        )
        n = put(findings, n, number, code, sign, told, i, event)

        sign = signs[DISPUTE_SIGN]
        told["sign"] = DISPUTE_SIGN
        told["count"] = 0
        code = (
            step_dispute(row, evidence, event, config["bounce_pressure"], told, world)
            if int(on[DISPUTE_SIGN])
            else switch_off(sign, event)
        )
        n = put(findings, n, number, code, sign, told, i, event)

    sign = signs[STRESS_SCORE]
    told["sign"] = STRESS_SCORE
    told["count"] = 0
    code = (
        step_stress_score(row, evidence, event, config["stress_score"], told, world)
        if int(on[STRESS_SCORE])
        else switch_off(sign, event)
    )
    n = put(findings, n, number, code, sign, told, i, event)

    return n  # noqa: RET504 - so that a paragraph may follow


@compiled
def note_dues(evidence: Any, due: Any) -> None:
    """Writes when time alone has something to do for this evidence, and when that may change what is said."""
    first, first_said = NEVER, NEVER
    for k in range(SIGNS):
        at = int(evidence["signs"][k]["due"])
        if at > 0:
            first = min(first, at)
            if int(evidence["signs"][k]["severity"]) > 0 or int(evidence["signs"][k]["held"]) == AWAITED:
                first_said = min(first_said, at)
    due[0] = first
    due[1] = first_said


@compiled
def is_idle(evidence: Any) -> bool:
    """Whether nothing is remembered and nothing said any more."""
    busy = 0
    for k in range(SIGNS):
        busy += int(evidence["signs"][k]["severity"]) + int(evidence["signs"][k]["held"])
    return busy == 0


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
    accounts: Any,
    evidence: Any,
    free: Any,
    tally: Any,
    events: Any,
    config: Any,
    findings: Any,
    dirty: Any,
    scratch: Any,
    dues: Any,
    row_dues: Any,
    world: Any,
) -> int:
    """Applies `events` in order to `accounts` and `evidence`, in place. Returns the number of `findings`.

    `free` is the stack of free evidence rows, at least one for each event; `dirty` gets the numbers of changed rows; `dues` has a
    row beside each row of evidence (see `note_dues`), `row_dues` an instant beside each account; `scratch` is room to work in.
    Evidence row 0 belongs to nobody and stays zero.
    """
    settings = config[0]
    time, told = scratch.time[0], scratch.told[0]
    n = len(events) - len(events)  # for a literal 0 Numba would compile all that takes it once more
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
        if topic != TIME:
            if int(row_dues[number]) <= int(event["clock"]) or int(dues[int(row["evidence"]), 0]) <= int(event["clock"]):
                # What time alone did comes before the event: an episode that is over is not prolonged by it.
                time["topic"] = TIME
                time["at"] = int(event["clock"])
                time["clock"] = int(event["clock"])
                # A payment from before that instant may be of a backlog that still holds the one expected.
                time["kind"] = LIVE if topic == PAYMENT and int(event["at"]) >= int(row_dues[number]) else 0
                n = one(row, evidence, free, tally, time, settings, findings, n, number, i, told, dues, row_dues, world)
            row["last_at"] = max(int(row["last_at"]), int(event["at"]))
            if topic == PAYMENT:
                row["payments"] = int(row["payments"]) + 1
            elif topic == BOUNCE:
                row["bounces"] = int(row["bounces"]) + 1
            else:
                row["missed_bills"] = int(row["missed_bills"]) + 1
        n = one(row, evidence, free, tally, event, settings, findings, n, number, i, told, dues, row_dues, world)
        tally[UNDO_MISSES] += int(event["missed"])
    return n


@compiled
def one(
    row: Any,
    evidence: Any,
    free: Any,
    tally: Any,
    event: Any,
    settings: Any,
    findings: Any,
    n: int,
    number: int,
    i: int,
    told: Any,
    dues: Any,
    row_dues: Any,
    world: Any,
) -> int:
    """One event, or the passing of time, for one account. Returns the number of findings."""
    if learn(row, event, settings, world):
        row_dues[number] = due_of_habits(row, settings["habits"], world)
    held = int(row["evidence"])
    if held == 0:
        if not wants(row, event, settings, world):
            return n
        tally[FREE] -= 1
        held = int(free[tally[FREE]])
        row["evidence"] = held
        evidence[held]["row"] = number
    event["touched"] = 0
    n = run(row, evidence[held], event, settings, findings, n, number, i, told, world)
    if int(event["touched"]) > 0:
        row["dirty"] = int(row["dirty"]) | EVIDENCE_DIRTY
    if is_idle(evidence[held]):
        row["dirty"] = int(row["dirty"]) | EVIDENCE_DIRTY
        evidence[held] = evidence[0]
        row["evidence"] = 0
        free[tally[FREE]] = held
        tally[FREE] += 1
    note_dues(evidence[held], dues[held])
    return n


@compiled
def note_all_dues(accounts: Any, evidence: Any, dues: Any, row_dues: Any, config: Any, world: Any) -> None:
    """The instants at which time alone does something, for every evidence row and the first `len(row_dues)` accounts."""
    for k in range(1, len(dues)):
        note_dues(evidence[k], dues[k])
    for k in range(len(row_dues)):
        row_dues[k] = due_of_habits(accounts[k], config[0]["habits"], world)


@compiled
def note_row_due(accounts: Any, number: int, row_dues: Any, config: Any, world: Any) -> None:
    """The same for one account, whose record has changed."""
    row_dues[number] = due_of_habits(accounts[number], config[0]["habits"], world)


class Scratch(NamedTuple):
    """Room to work in: the event in which time passes, of the same type as all others, and what a detector tells."""

    time: npt.NDArray[Any]
    told: npt.NDArray[Any]


def scratch(events: int) -> tuple[npt.NDArray[Any], Scratch]:
    """Room for the findings of so many events, and to work in."""
    return np.zeros(events * FINDINGS_PER_EVENT, FINDING), Scratch(np.zeros(1, ev.EVENT), np.zeros(1, TOLD))
