"""Payments that slip: each a little later after its due date than was usual, of one obligation after the other.

Sees
    Payments that name their due date, of the obligations that are regular (see `habits`). Lateness counts in working days of
    the account's country: what is due on a Saturday and collected on Monday is on time, and so is what comes early.

Maths
    x = 2 * working days late, 0 to 24                 in half days
    u = the largest x of the first four payments       what is usual; no payment is in it that is tested against it
    S = max(0, S + min(x - u, 2 * cap_days) - 2 * reference_days)          a one-sided CUSUM

    An obligation slips when S >= 2 * decision_days. It is back once two payments in a row are on time (S does not grow). After
    six more payments it is learned anew what is usual. `cap_days` is the most that one payment can tell: a single one, however
    late, is never enough, and with the defaults no two are.

    One obligation is low; two, or one for the home, council tax or energy, are medium.

Cries wolf
    The mean number of payments of one obligation between false alarms (its average run length), with the defaults, where
    payments are independent and u is known, or learned:
                                                                                                 known    learned
        80 % on time, 10 % one day late, 5 % two, 3 % three, 1.5 % five, 0.5 % ten; u = 0        4,865     11,300
        collected on time but for 1.5 %, forgotten for three, six or nine days; u = 0          296,000    313,000
        spread evenly over none to four days late; u = 4                                       380,000      1,420
    so that of eight monthly bills of the first kind one slips without cause in fifty years. Payments three or more days later
    than usual are seen at the third, two days later at the eighth. The figures are exact, by the Markov chain of Brook and
    Evans; Siegmund's approximation is for normal noise, and most payments are on time to the day. Where one late payment among
    the first four makes u large, slipping is seen later, or not. A new payday that moves all payments for good reads as
    slipping until it is learned as usual.

Undone
    The latest late payment of an obligation that slips, when it is reversed or replaced: S is then what it was without it. Of
    others nothing is taken back; two payments on time clear them. Payments count in the order of arrival: one that comes after
    a later one counts when it comes. What no late payment has confirmed for `memory_days` fades.

Sources
    CUSUM: Page, "Continuous Inspection Schemes", Biometrika 41, 1954. Run lengths: Brook and Evans, "An approach to the
    probability distribution of CUSUM run length", Biometrika 59, 1972; Siegmund, "Sequential Analysis", Springer 1985. Lateness
    as an early sign: early arrears of 5 to 30 days, ECB guidance on non-performing loans (2017), annex on early warning.
    Priority of debts: the practice of UK debt advice. Reference value, decision and cap are our own judgement.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Final, Self

import numpy as np
import numpy.typing as npt
from pydantic import Field, model_validator

from stream.contracts.signals import ReasonRecord
from stream.contracts.vocabulary import CATEGORIES
from stream.detectors import base
from stream.detectors.base import Finding, Told, day, listed, on
from stream.detectors.habits import find
from stream.detectors.levels import CORRECTED, DAY, FADED, NOTHING, PAID, REVERSED, conclude
from stream.detectors.world import local_day, working_before
from stream.reference.categories import noun, priority
from stream.tables import event as ev
from stream.tables.account import COUNTED, EMPTY, REPAID
from stream.tables.compiled import compiled
from stream.tables.notes import EventNote

VERSION: Final = "1"
DETECTOR: Final = 4

PAYMENT: Final = ev.PAYMENT
TIME: Final = ev.TIME
BOOKED: Final = ev.BOOKED
CREDIT: Final = ev.CREDIT

WATCHING: Final = 4
"""Of a habit's `seen`: below, payments behind `late` so far; from here on `late` is known."""
SLIPPED: Final = 5
"""From here on the obligation slips: SLIPPED + 2 * payments since + 1 if the latest of them was on time."""
RELEARNED: Final = 6
"""Payments after which the new lateness is learned as usual."""
LATEST: Final = 24
"""Half days: nothing is later."""
MOST: Final = 100
"""The CUSUM stays here."""
NEITHER: Final = 0
SLIPS: Final = 1
BACK: Final = 2
ANEW: Final = 3

LATES: Final = 4
"""How many obligations that slip are remembered."""
FIGURES: Final = 5
"""Facts that are told of each."""

HalfDays = Annotated[float, Field(ge=0.5, le=20.0, multiple_of=0.5)]


class Settings(base.Settings):
    """Settings of `lateness_drift`."""

    reference_days: HalfDays = Field(description="Working days later than usual, in halves, that add nothing.")
    decision_days: HalfDays = Field(description="Sum of working days beyond that, in halves, at which an obligation slips.")
    cap_days: HalfDays = Field(description="Working days later than usual, in halves, that one payment can tell at most.")
    memory_days: int = Field(ge=35, le=400, description="Days after its latest late payment when a slipping obligation fades.")

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if not self.reference_days < self.cap_days:
            raise ValueError("reference_days must be below cap_days")
        if not self.cap_days - self.reference_days < self.decision_days:
            raise ValueError("decision_days must be more than cap_days - reference_days: one late payment is no drift")
        return self


CONFIG = np.dtype(
    [("reference", "i8"), ("decision", "i8"), ("cap", "i8"), ("memory", "i8"), ("priority", "i1", (64,))],
)


def configure(settings: Settings, config: npt.NDArray[Any]) -> None:
    """See `base`."""
    config["reference"] = round(2 * settings.reference_days)
    config["decision"] = round(2 * settings.decision_days)
    config["cap"] = round(2 * settings.cap_days)
    config["memory"] = settings.memory_days * DAY
    config["priority"] = 0
    for index, category in enumerate(CATEGORIES):
        config["priority"][0, index] = priority(category) != "other"


@compiled
def growth(days: int, usual: int, config: Any) -> int:
    """What a payment so many working days late adds to the CUSUM, half days, where `usual` is usual."""
    return min(min(max(2 * days, 0), LATEST) - usual, int(config["cap"])) - int(config["reference"])


@compiled
def slip(slot: Any, days: int, config: Any) -> None:
    """Takes a payment so many working days late into the habit in `slot`."""
    seen, drift = int(slot["seen"]), int(slot["drift"])
    if seen < WATCHING:
        slot["late"] = max(int(slot["late"]), min(max(2 * days, 0), LATEST))
        slot["seen"] = seen + 1
        return
    more = growth(days, int(slot["late"]), config)
    slot["drift"] = min(max(drift + more, 0), MOST)
    if seen < SLIPPED:
        if int(slot["drift"]) >= int(config["decision"]):
            slot["seen"] = SLIPPED
        return
    payments, on_time = (seen - SLIPPED) // 2 + 1, more <= 0
    slot["seen"] = SLIPPED + 2 * payments + (1 if on_time else 0)
    if on_time and (seen - SLIPPED) % 2 == 1:
        slot["seen"] = WATCHING
        slot["drift"] = 0
    elif payments >= RELEARNED:
        slot["seen"] = 0
        slot["late"] = 0
        slot["drift"] = 0


@compiled
def is_ours(row: Any, event: Any) -> bool:
    """Whether this is a payment with a due date that goes out, or comes in on an own credit product."""
    if int(event["due"]) == 0 or int(event["topic"]) != PAYMENT:
        return False
    return (int(event["direction"]) == CREDIT) == (int(row["flags"]) & REPAID != 0)


@compiled
def days_late(row: Any, event: Any, world: Any) -> int:
    """Working days from the due date to the payment; negative: early."""
    return working_before(row, local_day(row, int(event["at"])), world) - working_before(row, int(event["due"]) // DAY, world)


@compiled
def is_of(slot: Any, event: Any) -> bool:
    """Whether `slot` is of the obligation that a payment belongs to, else of its payee and category."""
    if int(event["obligation"]) != 0:
        return int(slot["subject"]) == int(event["obligation"])
    return int(slot["subject"]) == int(event["payee"]) and int(slot["category"]) == int(event["category"])


@compiled
def learn(row: Any, event: Any, config: Any, world: Any) -> None:
    """Takes one payment into the row of any account."""
    if is_ours(row, event) and int(event["status"]) == BOOKED and int(event["corrects"]) == 0:
        k = find(row, event)
        if k >= 0:
            slip(row["habits"][k], days_late(row, event, world), config)


@compiled
def wants(row: Any, event: Any, config: Any, world: Any) -> bool:
    """See `base`."""
    if not is_ours(row, event) or int(event["status"]) != BOOKED:
        return False
    k = find(row, event)
    return k >= 0 and int(row["habits"][k]["seen"]) >= SLIPPED


@compiled
def undo(row: Any, evidence: Any, event: Any, target: int, config: Any) -> bool:
    """Takes the payment `target` out, if it is the latest late one of an obligation that slips."""
    for j in range(LATES):
        late = evidence["lates"][j]
        if int(late["event"]) == target and int(late["state"]) != EMPTY:
            late["event"] = 0
            k = find(row, event)
            if k >= 0 and int(row["habits"][k]["seen"]) >= SLIPPED:
                habit = row["habits"][k]
                drift = int(habit["drift"]) - growth(int(late["days"]), int(habit["late"]), config)
                habit["drift"] = max(drift, 0)
                habit["seen"] = max(int(habit["seen"]) - 2, SLIPPED) if drift >= int(config["decision"]) else WATCHING
            return True
    return False


@compiled
def follow(row: Any, evidence: Any, event: Any, world: Any, config: Any) -> int:
    """Brings the evidence of the payment's obligation up to its habit. Returns SLIPS, BACK where it is on time again, ANEW
    where it is learned anew, else NEITHER.
    """
    k = find(row, event)
    slips = k >= 0 and int(row["habits"][k]["seen"]) >= SLIPPED
    found, free = -1, 0
    for j in range(LATES):
        late = evidence["lates"][j]
        if int(late["state"]) == EMPTY:
            if int(evidence["lates"][free]["state"]) != EMPTY:
                free = j
        elif is_of(late, event):
            found = j
        elif int(evidence["lates"][free]["state"]) != EMPTY and int(late["at"]) < int(evidence["lates"][free]["at"]):
            free = j
    if not slips:
        if found < 0:
            return NEITHER
        evidence["lates"][found]["state"] = EMPTY
        evidence["lates"][found]["event"] = 0
        return BACK if k >= 0 and int(row["habits"][k]["seen"]) == WATCHING else ANEW
    days, habit = days_late(row, event, world), row["habits"][k]
    if int(event["status"]) != BOOKED or growth(days, int(habit["late"]), config) <= 0:
        return SLIPS
    late = evidence["lates"][found if found >= 0 else free]
    late["event"] = int(event["id"])
    late["at"] = int(event["at"])
    late["subject"] = int(habit["subject"])
    late["due"] = int(event["due"]) // DAY
    late["paid"] = local_day(row, int(event["at"]))
    late["days"] = min(days, 30000)
    late["usual"] = int(habit["late"])
    late["category"] = int(habit["category"])
    late["state"] = COUNTED
    event["kept"] = 1
    return SLIPS


@compiled
def describe(evidence: Any, sign: Any, clock: int, config: Any, told: Any) -> int:
    """Forgets what is old; writes into `told` what is behind the sign, and into `sign` when time alone will change it. Returns
    its weight: 1 for an obligation, 2 for one of priority.
    """
    memory, facts = int(config["memory"]), told["facts"]
    weight, count, first, last = 0, 0, 0, 0
    for j in range(LATES):
        late = evidence["lates"][j]
        leaves = int(late["at"]) + memory
        if int(late["state"]) != EMPTY and leaves <= clock:
            late["state"] = EMPTY
            late["event"] = 0
        if int(late["state"]) != EMPTY:
            weight += 1 + int(config["priority"][int(late["category"])])
            first = leaves if count == 0 else min(first, leaves)
            last = max(last, leaves)
            told["events"][count] = int(late["event"])
            facts[count * FIGURES] = int(late["category"])
            facts[count * FIGURES + 1] = int(late["due"])
            facts[count * FIGURES + 2] = int(late["paid"])
            facts[count * FIGURES + 3] = int(late["days"])
            facts[count * FIGURES + 4] = int(late["usual"])
            count += 1
    told["count"] = count
    sign["held"] = 1 if count > 0 else 0
    sign["expires"] = last
    sign["due"] = first
    return weight


@compiled
def step(row: Any, evidence: Any, event: Any, config: Any, told: Any, world: Any) -> int:
    """See `base`."""
    sign, clock, cause = evidence["signs"][DETECTOR], int(event["clock"]), FADED
    if int(event["topic"]) == TIME:
        if not 0 < int(sign["due"]) <= clock:
            return NOTHING
    elif is_ours(row, event):
        booked, undone = int(event["status"]) == BOOKED, False
        target = int(event["corrects"])
        if target == 0 and not booked:
            target = int(event["id"])
        if target != 0:
            undone = undo(row, evidence, event, target, config)
            if not undone:
                return NOTHING
            event["touched"] = 1
            k = find(row, event)
            if booked and k >= 0:
                slip(row["habits"][k], days_late(row, event, world), config)
        code = follow(row, evidence, event, world, config)
        if code == NEITHER:
            return NOTHING
        if undone:
            cause = CORRECTED if booked else REVERSED
        elif code == BACK:
            cause = PAID
    else:
        return NOTHING
    event["touched"] = 1
    weight = describe(evidence, sign, clock, config, told)
    lost = 1 if weight < float(sign["score"]) else 0
    sign["cause"] = cause if lost > 0 else 0
    return conclude(row, sign, min(weight, 2), float(weight), int(event["at"]), lost)


def _late(days: int) -> str:
    return f"{days} working day{'' if days == 1 else 's'} late"


def tell(found: Finding, events: Sequence[EventNote], at: int, settings: Settings) -> Told:
    """See `base`."""
    ids = tuple(event.event_id for event in events)
    reasons, bills = [], []
    for k in range(found.listed):
        category, due, paid, days, usual = found.facts[k * FIGURES : (k + 1) * FIGURES]
        bill = noun(CATEGORIES[category])
        text = (
            f"Payments of the {bill} come later than they used to: the one due on {on(due)} was paid on {on(paid)}, "
            f"{_late(days)}; before, they came {f'at most {_late(usual // 2)}' if usual else 'on time'}."
        )
        reasons.append(ReasonRecord(code="later_than_usual", text=text, value=days, unit="working_days", event_ids=ids))
        bills.append(f"the {bill}")
    own = f"Clears once two payments in a row of {listed(bills)} are on time; or by itself on {day(found.expires)}"
    return Told(tuple(reasons), f"{own} if none is as late again.")
