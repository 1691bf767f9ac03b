"""Things are better: what was wrong is over, and payments are made on time again.

Sees
    Accounts of which there was trouble: a sign of severity medium or high, or two low ones at once (of any detector but
    `stress_score`, which only combines). Once none is open any more: payments made on time in a row since then, and, where the
    account had been below zero in the trouble, whether the lowest balance of the month has come back.

Maths
    A payment is on time that pays what was due (or the minimum) by its due date, or by the next working day where that is none;
    or, where no due date is told, one that keeps the rhythm of a habit. The streak counts them. A payment after its due date, a
    bounce that may be stress, or a missed bill starts it anew.

    Said, as severity `info`, at a payment on time with which the streak reaches `payments` and `spread_days`, within
    `window_days` of the end of the trouble, when nothing is open, and, if the lowest balance of the trouble was below zero, this
    month's lowest has made up at least `refilled` of that. It ends by itself after `shown_days`, or at once when another sign is
    raised. The score is the streak.

    It calls for nothing: the ladder does not count it, and `stress_score` may take it as what speaks for the account. A promise
    that is kept is seen where promises are, by customer.

Cries wolf
    It praises too early where a few small debits go through while the next big one will not. That costs a kind word, and the
    next sign takes it back.

Undone
    A payment that is reversed leaves the streak while it is among the latest eight; the day it counts from stays. One that is
    corrected counts by its correction. A late payment that was reversed does not bring the streak back.

Sources
    EBA/GL/2016/07 paragraphs 71-77 and EBA/GL/2018/06 (probation: regular payments over a time, and no other trouble); that
    three of them in 90 days are enough to say thank you is our own judgement, and no statement about a cure of default.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from pydantic import Field

from stream.contracts.signals import ReasonRecord
from stream.detectors import base, habits
from stream.detectors.base import Finding, Share, Told, day, on
from stream.detectors.levels import DAY, FADED, INFO, NOTHING, RETURNED, REVERSED, conclude, trouble
from stream.detectors.world import add_working, local_day
from stream.tables import event as ev
from stream.tables.account import MONTHS, NO_LOW, REPAID, SLOTS
from stream.tables.compiled import compiled
from stream.tables.notes import EventNote

VERSION: Final = "1"
DETECTOR: Final = 9

PAYMENT: Final = ev.PAYMENT
BOUNCE: Final = ev.BOUNCE
MISSED_BILL: Final = ev.MISSED_BILL
BOOKED: Final = ev.BOOKED
CREDIT: Final = ev.CREDIT
OPEN_OUTCOME: Final = ev.PART_PAID

BEFORE: Final = DETECTOR
"""The signs up to this one are of detectors that see trouble for themselves."""

STEADY: Final = 0
TROUBLE: Final = 1
MENDING: Final = 2

OPENS: Final = habits.OPENS
find = habits.find


class Settings(base.Settings):
    """Settings of `recovery`."""

    payments: int = Field(ge=1, le=SLOTS, description="Payments on time in a row.")
    spread_days: int = Field(ge=0, le=90, description="Days from the first of them to the last, at least.")
    window_days: int = Field(ge=7, le=365, description="Days after the end of the trouble within which they count.")
    shown_days: int = Field(ge=1, le=90, description="Days after which the sign ends by itself.")
    refilled: Share = Field(description="Share of the lowest balance of the trouble, where below zero, that must be made up.")


CONFIG = np.dtype([("window", "i8"), ("spread", "i8"), ("shown", "i8"), ("refilled", "f8"), ("payments", "i8")])


def configure(settings: Settings, config: npt.NDArray[Any]) -> None:
    """See `base`."""
    config["window"] = settings.window_days * DAY
    config["spread"] = settings.spread_days
    config["shown"] = settings.shown_days * DAY
    config["refilled"] = settings.refilled
    config["payments"] = settings.payments


@compiled
def worst(evidence: Any) -> int:
    """The trouble that is open, as a severity; 2 for several low ones."""
    gravest, lows = 0, 0
    for k in range(BEFORE):
        severity = trouble(evidence["signs"][k])
        gravest = max(gravest, severity)
        lows += 1 if severity == 1 else 0
    return max(gravest, 2) if lows > 1 else gravest


@compiled
def low_now(row: Any) -> int:
    """The lowest balance of the latest month, whole currency units, or NO_LOW."""
    month = int(row["balances"]["month"])
    return int(row["balances"]["lows"][month % MONTHS]) if month > 0 else NO_LOW


@compiled
def is_refilled(row: Any, memory: Any, config: Any) -> bool:
    """Whether the buffer is back, as far as balances are sent."""
    low, now = int(memory["low"]), low_now(row)
    return low >= 0 or now == NO_LOW or float(now) >= float(low) * (1.0 - float(config["refilled"]))


@compiled
def punctual(row: Any, event: Any, world: Any) -> int:
    """1 for a payment on time, -1 for one after its due date, 0 for what is neither."""
    if (int(event["direction"]) == CREDIT) != (int(row["flags"]) & REPAID != 0):
        return 0
    paid_on = local_day(row, int(event["at"]))
    if int(event["due"]) != 0:
        if paid_on > add_working(row, int(event["due"]) // DAY, 0, world):
            return -1
        wanted = int(event["minimum"]) if int(event["minimum"]) > 0 else int(event["owed"])
        return 1 if int(event["amount"]) >= wanted else 0
    k = find(row, event)
    if k < 0:
        return 0
    habit = row["habits"][k]
    kept = int(habit["due"]) > 0 and int(habit["count"]) >= OPENS and int(habit["absent"]) == 0
    return 1 if kept and int(habit["last"]) == paid_on else 0


@compiled
def add(row: Any, memory: Any, event: Any) -> None:
    """Counts a payment on time."""
    streak = int(memory["streak"])
    if streak == 0:
        memory["first"] = local_day(row, int(event["at"]))
    memory["events"][streak % SLOTS] = int(event["id"])
    # Beyond what is remembered only the order goes on.
    memory["streak"] = streak + 1 if streak < 1000 * SLOTS else streak + 1 - SLOTS


@compiled
def remove(memory: Any, target: int) -> bool:
    """Takes a payment on time back. Returns whether it was one."""
    streak = int(memory["streak"])
    for k in range(max(streak - SLOTS, 0), streak):
        if int(memory["events"][k % SLOTS]) == target:
            for j in range(k, streak - 1):
                memory["events"][j % SLOTS] = int(memory["events"][(j + 1) % SLOTS])
            memory["events"][(streak - 1) % SLOTS] = 0
            memory["streak"] = streak - 1
            return True
    return False


@compiled
def start_anew(memory: Any) -> None:
    """Forgets the streak."""
    for k in range(SLOTS):
        memory["events"][k] = 0
    memory["streak"] = 0


@compiled
def take(row: Any, memory: Any, event: Any, is_said: bool, world: Any) -> int:
    """Takes one event in. Returns whether anything changed."""
    booked = int(event["status"]) == BOOKED
    if is_slip(event):
        kept = -1 if booked else 0
    elif int(event["topic"]) != PAYMENT:
        return 0
    else:
        target = int(event["id"]) if not booked else int(event["corrects"])
        if target != 0 and remove(memory, target):
            event["touched"] = 1
            if not booked:
                return 1
        kept = punctual(row, event, world) if booked and int(event["at"]) > int(memory["ended"]) else 0
    if kept > 0:
        add(row, memory, event)
        event["kept"] = 1
    elif kept < 0 and not is_said:
        start_anew(memory)
    return kept


@compiled
def is_slip(event: Any) -> bool:
    """Whether an event tells of a payment that failed."""
    if int(event["topic"]) == BOUNCE:
        return float(event["weight"]) > 0.0
    return int(event["topic"]) == MISSED_BILL and int(event["kind"]) <= OPEN_OUTCOME


@compiled
def wants(row: Any, event: Any, config: Any, world: Any) -> bool:
    """See `base`."""
    return False


@compiled
def step(row: Any, evidence: Any, event: Any, config: Any, told: Any, world: Any) -> int:
    """See `base`."""
    memory, sign, clock = evidence["recovery"], evidence["signs"][DETECTOR], int(event["clock"])
    state, now = int(memory["state"]), worst(evidence)
    if state == STEADY and now < 2:
        return NOTHING
    is_said = int(sign["severity"]) > 0
    moved, cause = 0, RETURNED
    if now >= 2:
        if state != TROUBLE:
            start_anew(memory)
            memory["state"] = TROUBLE
            memory["ended"] = 0
            memory["low"] = NO_LOW
            moved = 1
        if low_now(row) < int(memory["low"]):
            memory["low"] = low_now(row)
            moved = 1
    elif now == 0 and state == TROUBLE:
        memory["state"] = MENDING
        memory["ended"] = clock
        moved = 1
    elif state == MENDING:
        moved = take(row, memory, event, is_said, world)
        cause = RETURNED if now > 0 else REVERSED
    streak = int(memory["streak"])
    level = INFO if now == 0 and streak >= int(config["payments"]) else 0
    if level > 0 and not is_said:
        lasted = local_day(row, int(event["at"])) - int(memory["first"]) >= int(config["spread"])
        if moved > 0 and lasted and is_refilled(row, memory, config):
            sign["expires"] = clock + int(config["shown"])
        else:
            level = 0
    ended = int(memory["ended"])
    over = ended > 0 and clock >= (int(sign["expires"]) if level > 0 else ended + int(config["window"]))
    if over:
        start_anew(memory)
        memory["state"] = STEADY
        memory["ended"] = 0
        moved, level, cause = 1, 0, FADED
    if moved == 0 and (level > 0) == is_said:
        return NOTHING
    event["touched"] = 1
    streak = int(memory["streak"])
    sign["held"] = 1 if int(memory["state"]) != STEADY else 0
    sign["due"] = 0
    if int(memory["ended"]) > 0:
        sign["due"] = int(sign["expires"]) if level > 0 else ended + int(config["window"])
    sign["cause"] = cause
    if level > 0 and not is_said:
        count = min(streak, SLOTS)
        for k in range(count):
            told["events"][k] = int(memory["events"][(streak - count + k) % SLOTS])
        told["count"] = count
        told["facts"][0] = streak
        told["facts"][1] = int(memory["first"])
    return conclude(row, sign, level, float(streak), int(event["at"]), 0)


_NUMBERS: Final = ("No", "One", "Two", "Three", "Four", "Five", "Six", "Seven", "Eight", "Nine", "Ten")


def tell(found: Finding, events: Sequence[EventNote], at: int, settings: Settings) -> Told:
    """See `base`."""
    streak, first = found.facts[:2]
    count = _NUMBERS[streak] if streak < len(_NUMBERS) else str(streak)
    were = "payment has been made" if streak == 1 else "payments in a row have been made"
    reason = ReasonRecord(
        code="paid_on_time",
        text=f"{count} {were} on time since {on(first)}.",
        value=streak,
        unit="payments",
        threshold=settings.payments,
        event_ids=tuple(event.event_id for event in events),
    )
    return Told((reason,), f"Ends by itself on {day(found.expires)}.")
