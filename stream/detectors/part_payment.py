"""Less paid than was due, or the minimum and no more, again and again.

Sees
    Payments that say what was due (`amount_due`), of one obligation or else one payee, small ones like large ones. Payments
    toward one due (its bill, or its due date) add up: a bill paid in two halves is paid. A due is judged `grace_days` after its
    date, or at once where it is paid in full before. One of which nothing was paid is a missed bill and not ours: it neither
    counts nor ends a run. Of an own credit product a repayment is a credit.

Maths
    paid >= full_share * amount due                        in full: both runs end
    a minimum is due, paid <  full_share * minimum         short: the run of short dues grows
                      paid <= minimum_reach * minimum      the minimum: its run grows, the run of short dues ends
                      paid above that                      both runs end
    no minimum is due, paid < full_share * amount due      short

    score = sum over obligations of dues short in a row + m
            m = 2 from minimum_medium minimums of one card in a row on, 1 from minimum_low on; but 1 beside any short due

    Severity is the highest of `low`, `medium`, `high` that the score has reached: one short due is low, two in a row or of two
    obligations are medium, three are high; the minimum alone is never more than medium.

Cries wolf
    One short due is most often a credit note, a disputed item or a slip: it only watches, and the next due paid in full ends
    it. Two in a row are what CONC calls a sign of difficulty. The minimum by itself is weak: about one card holder in twenty
    pays it again and again, often by a standing instruction or on a card without interest. It is said once when its run reaches
    a mark, and not again while it lasts. Two payments of which the first alone was the whole due read as one that is short.
    Four obligations are remembered; of more, those with the shortest runs give way.

Undone
    A due that is made up in full takes its whole run back, and more than the minimum that of minimums. When that payment is
    reversed the run is back as it was. A reversed or replaced payment is taken out exactly while it is the latest one toward
    its due; an earlier one of that due by the amount that its reversal repeats. Not undone: payments toward a due before the
    latest one of the obligation, be they late, reversed or made up, and an amount due that was corrected downwards while others
    paid toward it. An obligation of which no due was paid for `memory_days` is forgotten.

Sources
    FCA CONC 1.3.1G (1) consecutively failing to meet minimum repayments, (5) consecutive failure to meet repayments when due.
    Persistent debt: CONC 6.7.27R (over eighteen months more interest and charges than principal was paid), of which a run of
    minimum payments is the early form. Who pays the minimum: FCA Credit Card Market Study, interim report MS14/6.2 (November
    2015), 1.6 million of about 30 million card holders. The marks are our own judgement.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, Self

import numpy as np
import numpy.typing as npt
from pydantic import Field, model_validator

from stream.contracts.signals import ReasonRecord
from stream.contracts.vocabulary import CATEGORIES
from stream.detectors.base import Finding, Levels, Share, Told, clears, money, on
from stream.detectors.levels import CORRECTED, DAY, NOTHING, PAID, REVERSED, conclude, level_of
from stream.detectors.world import CURRENCY_CODES
from stream.reference.categories import noun
from stream.tables import event as ev
from stream.tables.account import AWAITED, COUNTED, EMPTY, REPAID
from stream.tables.compiled import compiled
from stream.tables.notes import EventNote

VERSION: Final = "1"
DETECTOR: Final = 5

PAYMENT: Final = ev.PAYMENT
TIME: Final = ev.TIME
BOOKED: Final = ev.BOOKED
CREDIT: Final = ev.CREDIT
PARTS: Final = 4
"""How many obligations are remembered."""
MOST: Final = 100
"""Runs are counted up to here."""
FIGURES: Final = 8
"""Facts that are told of each obligation."""

PASSED: Final = 0
HELD: Final = 1
ENDED: Final = 2

UNPAID: Final = 0
SHORT: Final = 1
MINIMUM: Final = 2
MET: Final = 3


class Settings(Levels):
    """Settings of `part_payment`."""

    full_share: Share = Field(description="Share of what was due from which it counts as paid: less is short.")
    minimum_reach: float = Field(
        ge=1.0, le=2.0, description="What is paid counts as the minimum and no more up to this many times the minimum."
    )
    minimum_low: int = Field(ge=2, le=36, description="Minimum payments in a row that are low.")
    minimum_medium: int = Field(ge=2, le=36, description="Minimum payments in a row that are medium.")
    grace_days: int = Field(ge=0, le=30, description="Days after the due date when a due that was paid in part counts as short.")
    memory_days: int = Field(ge=35, le=400, description="Days after its latest due date when an obligation is forgotten.")

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if not self.minimum_low < self.minimum_medium:
            raise ValueError("minimum_low must be below minimum_medium")
        if not self.grace_days < self.memory_days:
            raise ValueError("grace_days must be below memory_days")
        return self


CONFIG = np.dtype(
    [
        ("full_share", "f8"),
        ("minimum_reach", "f8"),
        ("minimum_low", "i8"),
        ("minimum_medium", "i8"),
        ("grace", "i8"),
        ("memory", "i8"),
        ("thresholds", "f8", (3,)),
    ]
)


def configure(settings: Settings, config: npt.NDArray[Any]) -> None:
    """See `base`."""
    config["full_share"] = settings.full_share
    config["minimum_reach"] = settings.minimum_reach
    config["minimum_low"] = settings.minimum_low
    config["minimum_medium"] = settings.minimum_medium
    config["grace"] = settings.grace_days * DAY
    config["memory"] = settings.memory_days * DAY
    config["thresholds"] = settings.thresholds


@compiled
def standing(slot: Any, config: Any) -> int:
    """How the slot's due was paid so far: UNPAID, SHORT, MINIMUM or MET."""
    paid, least, share = float(slot["paid"]), float(slot["least"]), float(config["full_share"])
    if paid <= 0.0:
        return UNPAID
    if paid >= share * float(slot["owed"]) or least == 0.0:
        return MET
    if least < 0.0 or paid < share * least:
        return SHORT
    return MINIMUM if paid <= float(config["minimum_reach"]) * least else MET


@compiled
def short_run(slot: Any, state: int, judged: bool) -> int:
    """Dues in a row of which less was paid than had to be, the slot's own among them once it is judged."""
    if state in (MET, MINIMUM):
        return 0
    return min(int(slot["short"]) + (1 if state == SHORT and judged else 0), MOST)


@compiled
def minimum_run(slot: Any, state: int, judged: bool) -> int:
    """The same of the minimum and no more."""
    if state == MET:
        return 0
    return min(int(slot["minimum"]) + (1 if state == MINIMUM and judged else 0), MOST)


@compiled
def score(evidence: Any, clock: int, config: Any) -> float:
    """The score at `clock`."""
    shorts, minimums = 0, 0
    for k in range(PARTS):
        slot = evidence["parts"][k]
        if int(slot["state"]) != EMPTY:
            state, judged = standing(slot, config), int(slot["due"]) + int(config["grace"]) <= clock
            shorts += short_run(slot, state, judged)
            minimums = max(minimums, minimum_run(slot, state, judged))
    if minimums >= int(config["minimum_medium"]) and shorts == 0:
        return 2.0
    return float(shorts + (1 if minimums >= int(config["minimum_low"]) else 0))


@compiled
def is_ours(row: Any, event: Any) -> bool:
    """Whether this is money that goes out, or comes in on an own credit product."""
    return int(event["topic"]) == PAYMENT and (int(event["direction"]) != CREDIT or int(row["flags"]) & REPAID != 0)


@compiled
def subject_of(event: Any) -> int:
    """The obligation, else the payee."""
    return int(event["obligation"]) if int(event["obligation"]) != 0 else int(event["payee"])


@compiled
def undo(evidence: Any, event: Any, target: int) -> int:
    """Takes the payment `target` out of its due. Returns whether there was anything to do."""
    for k in range(PARTS):
        slot = evidence["parts"][k]
        if int(slot["state"]) == EMPTY:
            continue
        if int(slot["event"]) == target:
            slot["paid"] = max(int(slot["paid"]) - int(slot["amount"]), 0)
            slot["event"] = 0
            slot["amount"] = 0
        elif target == int(event["id"]) and int(slot["subject"]) == subject_of(event) and is_same_due(slot, event):
            slot["paid"] = max(int(slot["paid"]) - int(event["amount"]), 0)
        else:
            continue
        if int(slot["paid"]) == 0:
            slot["owed"] = 0
            slot["least"] = -1
            if int(slot["short"]) + int(slot["minimum"]) == 0:
                slot["state"] = EMPTY
                slot["event"] = 0
        return 1
    return 0


@compiled
def is_same_due(slot: Any, event: Any) -> bool:
    """Whether a payment names the due of `slot`, by its bill or its date."""
    return (int(event["bill"]) != 0 and int(event["bill"]) == int(slot["bill"])) or (
        int(event["due"]) != 0 and int(event["due"]) == int(slot["due"])
    )


@compiled
def fills(slot: Any, event: Any) -> bool:
    """Whether a payment that names no due makes good what is open of the slot's."""
    return (
        int(event["owed"]) < 0
        and int(event["bill"]) == 0
        and int(event["due"]) == 0
        and int(event["at"]) >= int(slot["due"])
        and int(event["amount"]) >= int(slot["owed"]) - int(slot["paid"])
    )


@compiled
def place(evidence: Any, clock: int, config: Any) -> int:
    """The slot for another obligation: a free one, else that of the shortest runs, else of the earliest due."""
    best, best_rank, best_due = 0, 1000, 0
    for k in range(PARTS):
        slot = evidence["parts"][k]
        state, judged = standing(slot, config), int(slot["due"]) + int(config["grace"]) <= clock
        rank = short_run(slot, state, judged) + minimum_run(slot, state, judged)
        if int(slot["state"]) == EMPTY:
            rank = -1
        if rank < best_rank or (rank == best_rank and int(slot["due"]) < best_due):
            best, best_rank, best_due = k, rank, int(slot["due"])
    return best


@compiled
def take(evidence: Any, event: Any, config: Any) -> int:
    """Takes a payment in. Returns HELD where a slot holds it, ENDED where it let an obligation go, else PASSED."""
    clock, amount, owed = int(event["clock"]), int(event["amount"]), int(event["owed"])
    due = int(event["due"]) if int(event["due"]) != 0 else int(event["at"])
    found = -1
    for k in range(PARTS):
        slot = evidence["parts"][k]
        if int(slot["state"]) != EMPTY and int(slot["subject"]) == subject_of(event):
            found = k
    slot = evidence["parts"][max(found, 0)]
    if found >= 0 and int(slot["currency"]) != int(event["currency"]):
        return PASSED
    if found < 0 or not (is_same_due(slot, event) or fills(slot, event)):
        # A due date so far ahead is a slip of somebody's pen: with it no later due would ever count.
        if owed < 0 or due + int(config["memory"]) <= clock or due > clock + int(config["memory"]):
            return PASSED
        short, minimum = 0, 0
        if found >= 0:
            if due <= int(slot["due"]):
                return PASSED
            state = standing(slot, config)
            short, minimum = short_run(slot, state, True), minimum_run(slot, state, True)
        if short + minimum == 0 and float(amount) >= float(config["full_share"]) * float(owed):
            if found < 0:
                return PASSED
            slot["state"] = EMPTY
            slot["event"] = 0
            return ENDED
        if found < 0:
            slot = evidence["parts"][place(evidence, clock, config)]
        slot["subject"] = subject_of(event)
        slot["bill"] = int(event["bill"])
        slot["due"] = due
        slot["owed"] = 0
        slot["least"] = -1
        slot["paid"] = 0
        slot["currency"] = int(event["currency"])
        slot["category"] = int(event["category"])
        slot["short"] = short
        slot["minimum"] = minimum
        slot["state"] = COUNTED
    slot["event"] = int(event["id"])
    slot["amount"] = amount
    slot["paid"] = int(slot["paid"]) + amount
    slot["owed"] = max(int(slot["owed"]), owed)
    slot["least"] = max(int(slot["least"]), int(event["minimum"]))
    return HELD


@compiled
def describe(evidence: Any, sign: Any, clock: int, config: Any, told: Any) -> None:
    """Forgets what is old; writes into `told` what is behind the sign, and into `sign` when time alone will change it."""
    grace, memory = int(config["grace"]), int(config["memory"])
    listed, next_at, last = 0, 0, 0
    sign["held"] = 0
    for k in range(PARTS):
        slot = evidence["parts"][k]
        if int(slot["state"]) == EMPTY:
            continue
        state, judged = standing(slot, config), int(slot["due"]) + grace <= clock
        short, minimum = short_run(slot, state, judged), minimum_run(slot, state, judged)
        leaves = int(slot["due"]) + memory
        changes = leaves if judged else int(slot["due"]) + grace
        awaited = not judged and state in (SHORT, MINIMUM)
        sign["held"] = AWAITED if awaited else max(int(sign["held"]), 1)
        if next_at == 0 or changes < next_at:
            next_at = changes
        minimum = minimum if minimum >= int(config["minimum_low"]) else 0
        if short + minimum > 0:
            told["events"][listed] = int(slot["event"])
            facts = told["facts"]
            at = listed * FIGURES
            facts[at] = int(slot["category"])
            facts[at + 1] = int(slot["currency"])
            facts[at + 2] = int(slot["owed"])
            facts[at + 3] = int(slot["paid"])
            facts[at + 4] = int(slot["least"])
            facts[at + 5] = int(slot["due"]) // DAY
            facts[at + 6] = short
            facts[at + 7] = minimum
            listed += 1
            last = max(last, leaves)
    told["count"] = listed
    sign["expires"] = last
    sign["due"] = max(next_at, clock + 1) if next_at > 0 else 0


@compiled
def forget(evidence: Any, clock: int, config: Any) -> None:
    """Empties the slots of obligations that are out of memory."""
    for k in range(PARTS):
        slot = evidence["parts"][k]
        if int(slot["state"]) != EMPTY and int(slot["due"]) + int(config["memory"]) <= clock:
            slot["state"] = EMPTY
            slot["event"] = 0


@compiled
def wants(row: Any, event: Any, config: Any, world: Any) -> bool:
    """See `base`."""
    return (
        int(event["owed"]) > 0
        and int(event["topic"]) == PAYMENT
        and int(event["status"]) == BOOKED
        and float(event["amount"]) < float(config["full_share"]) * float(event["owed"])
        and is_ours(row, event)
    )


@compiled
def step(row: Any, evidence: Any, event: Any, config: Any, told: Any, world: Any) -> int:
    """See `base`."""
    sign, clock = evidence["signs"][DETECTOR], int(event["clock"])
    cause, moved = 0, 0
    if int(event["topic"]) == TIME:
        moved = 1 if 0 < int(sign["due"]) <= clock else 0
    elif is_ours(row, event):
        cause = PAID
        target = int(event["corrects"])
        if target == 0 and int(event["status"]) != BOOKED:
            target = int(event["id"])
        if target != 0:
            moved = undo(evidence, event, target)
            cause = REVERSED if int(event["status"]) != BOOKED else CORRECTED
        if int(event["status"]) == BOOKED and (int(sign["held"]) != 0 or wants(row, event, config, world)):
            taken = take(evidence, event, config)
            event["kept"] = 1 if taken == HELD else int(event["kept"])
            moved = moved if taken == PASSED else 1
    if moved == 0:
        return NOTHING
    event["touched"] = 1
    forget(evidence, clock, config)
    now = score(evidence, clock, config)
    lost = 1 if now < float(sign["score"]) else 0
    level = level_of(int(sign["severity"]), now, config["thresholds"], 1.0)
    code = conclude(row, sign, level, now, int(event["at"]), lost)
    sign["cause"] = cause if lost > 0 else 0
    describe(evidence, sign, clock, config, told)
    return code


def tell(found: Finding, events: Sequence[EventNote], at: int, settings: Settings) -> Told:
    """See `base`."""
    ids = tuple(event.event_id for event in events)
    reasons: list[ReasonRecord] = []
    open_: list[str] = []
    for k in range(found.listed):
        category, currency, owed, paid, least, due, short, minimum = found.facts[k * FIGURES : (k + 1) * FIGURES]
        bill, code = noun(CATEGORIES[category]), CURRENCY_CODES[currency - 1] if currency > 0 else ""
        latest = f"{money(paid, code)} of {money(owed, code)} due on {on(due)}"
        if short:
            wanted = owed if least < 0 else min(least, owed)
            many = f"{short} payments in a row of the {bill} were" if short > 1 else f"A payment of the {bill} was"
            than = "was due" if least < 0 else f"the minimum of {money(least, code)}"
            text = f"{many} less than {than}{', most recently' if short > 1 else ':'} {latest}."
            reasons.append(ReasonRecord(code="part_payments", text=text, value=short, unit="payments", event_ids=ids))
            open_.append(f"{bill} ({money(max(wanted - paid, 0), code)})")
        if minimum:
            text = f"The minimum of the {bill}, and no more, was paid {minimum} times in a row, most recently {latest}."
            reasons.append(
                ReasonRecord(
                    code="minimum_payments",
                    text=text,
                    value=minimum,
                    unit="payments",
                    threshold=settings.minimum_low,
                    event_ids=ids,
                )
            )
            open_.append(f"more than the minimum of the {bill}")
    return Told(tuple(reasons), clears(open_, found.expires, "if nothing else is paid in part"))
