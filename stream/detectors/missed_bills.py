"""Bills left unpaid within a window: of several billers, or of one lender month after month.

Sees
    Missed and part-paid bills of an account, small ones like large ones: a missed telephone bill is an earlier sign than a
    missed loan instalment. A bill counts while something of it is open; for a bill with a minimum, while the minimum is.

Maths
    weight(t) = sum over open bills that count at t of  category weight * share * share that is open
                share = 1 for one bill of each biller, the one for which that makes most;
                        repeat_weight_credit for its further bills of credit;
                        repeat_weight for its other further bills

    An open bill counts until `window` after its due date; and beyond, as long as an open bill of the same biller counts that
    was due up to 45 days later: bills missed in a row go together, when the last of them goes. So what is said does not fall
    because the first of four missed instalments grows old while the fourth is told. The default window holds three monthly due
    dates (31 + 31 days, and a week for the news).

    Credit is what a lender must be repaid by agreed dates: mortgage, loan, credit_card, car_finance, short_term_credit. Its
    second missed payment in a row is told by name as a sign of financial difficulty, and counts as that of another biller
    would. A bill of which three quarters were paid counts a quarter (in hundredths, rounded up).

    Severity is the highest threshold reached. Of several events about one bill the latest by its own time holds, so that the
    order of arrival does not matter within the window. A bill leaves when it is paid late, waived, reversed or replaced; when a
    payment names it; and when one to the same counterparty, after the due date, is enough for what is open: the bill due first
    comes first, and one payment pays as many as it covers.

Cries wolf
    One missed bill is most often a slip (a card that expired, a lost letter): it is low and only watches. Two billers are
    seldom a slip in the same two months; three seldom anything but a lack of money. Further bills of the same biller often
    share one cause, such as one mandate for telephone and television: of those that are not credit it takes three to be more
    than low. The first miss after a clean record gets nothing extra: about 0.83 % of direct debits fail, so of a thousand
    households with eight bills some sixty have one in any month. That small bills count like large ones is what makes them
    early. A bill in dispute or a change of supplier looks the same as a missed one until the biller says so.

Undone
    Events about bills, exactly, whatever their order, while the bill is remembered: until it counts no more. If a payment that
    made a bill good, or the news of it, is reversed, the bill is back. Not undone: what is told of a bill later than that; and
    bills are not reopened whose due date left the window while they were paid. Eight bills are remembered; of more, those that
    do not count and then those due first give way.

Sources
    FCA CONC 1.3.1G (1) failing consecutively to make the minimum payment of a credit card, (5) consecutive failure to meet
    repayments when due, (4) non-payment of essential bills such as utility bills. That a further bill which is not credit
    counts half is our own judgement. Failed direct debits: Bacs return statistics, Aug 2023. Priority of debts (home, council
    tax, energy before the rest): the practice of UK debt advice.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from pydantic import Field

from stream.contracts.signals import ReasonRecord
from stream.contracts.vocabulary import CATEGORIES, Category
from stream.detectors.base import (
    Finding,
    Share,
    Told,
    WeightedLevels,
    clears,
    day,
    listed,
    money,
    owed,
    time_of,
    weighed,
)
from stream.detectors.levels import CORRECTED, DAY, NANO, NOTHING, PAID, REVERSED, WAIVED, conclude, level_of
from stream.reference.categories import noun
from stream.tables import event as ev
from stream.tables.account import COUNTED, EMPTY, REPAID, SETTLED, SLOTS, UNDONE
from stream.tables.compiled import compiled
from stream.tables.notes import EventNote

VERSION: Final = "2"
DETECTOR: Final = 1

MISSED_BILL: Final = ev.MISSED_BILL
PAYMENT: Final = ev.PAYMENT
BOOKED: Final = ev.BOOKED
CREDIT: Final = ev.CREDIT
OPEN_OUTCOME: Final = ev.PART_PAID
"""Outcomes up to this one leave the bill open."""
IN_A_ROW: Final = 45 * DAY
"""Due dates of one biller, ms, that are no further apart are in a row: monthly, four-weekly and weekly ones are."""
WAIVED_OUTCOME: Final = ev.WAIVED

CREDIT_CATEGORIES: Final[frozenset[Category]] = frozenset(("mortgage", "loan", "credit_card", "car_finance", "short_term_credit"))
"""What a lender must be repaid by agreed dates (FCA CONC 1.3.1G (1) and (5))."""


class Settings(WeightedLevels):
    """Settings of `missed_bills`."""

    window_days: int = Field(
        ge=7,
        le=365,
        description="Days after its due date for which an unpaid bill counts; under 63, three monthly ones never count together.",
    )
    repeat_weight: Share = Field(
        description="Share of its category's weight that a further open bill of the same biller counts.",
    )
    repeat_weight_credit: Share = Field(
        description=(
            "The same where its category is credit (mortgage, loan, credit_card, car_finance, short_term_credit): "
            "consecutive missed payments, FCA CONC 1.3.1G (1) and (5)."
        ),
    )


CONFIG = np.dtype(
    [
        ("window", "i8"),
        ("thresholds", "f8", (3,)),
        ("category_weight", "f8", (64,)),
        ("repeat_weight", "f8", (64,)),
    ]
)


def configure(settings: Settings, config: npt.NDArray[Any]) -> None:
    """See `base`."""
    config["window"] = settings.window_days * DAY
    config["thresholds"] = settings.thresholds
    for index, category in enumerate(CATEGORIES):
        weight = settings.category_weights.get(category, 1.0)
        share = settings.repeat_weight_credit if category in CREDIT_CATEGORIES else settings.repeat_weight
        config["category_weight"][0, index] = weight
        config["repeat_weight"][0, index] = weight * share


@compiled
def same_bill(slot: Any, other: Any) -> bool:
    """Whether two slots speak of one bill. Billers number their bills for themselves."""
    return int(slot["bill"]) == int(other["bill"]) and int(slot["payee"]) == int(other["payee"])


@compiled
def is_open(evidence: Any, k: int) -> bool:
    """Whether slot `k` is the last word on its bill, and leaves it open."""
    slot = evidence["bills"][k]
    if int(slot["state"]) != COUNTED or int(slot["kind"]) > OPEN_OUTCOME or int(slot["amount"]) <= 0:
        return False
    for j in range(SLOTS):
        other = evidence["bills"][j]
        if j != k and (int(other["state"]) == COUNTED or int(other["state"]) == SETTLED) and same_bill(slot, other):
            later = int(other["at"]) - int(slot["at"])
            if later > 0 or (later == 0 and int(other["event"]) > int(slot["event"])):
                return False
    return True


@compiled
def look(evidence: Any, clock: int, config: Any) -> None:
    """Notes in each slot whether it counts at `clock`, and forgets the bills that are out of the window."""
    bills, window = evidence["bills"], int(config["window"])
    for k in range(SLOTS):
        bills[k]["counts"] = 1 if int(bills[k]["due"]) + window > clock and is_open(evidence, k) else 0
    more = True
    while more:
        more = False
        for k in range(SLOTS):
            slot = bills[k]
            if int(slot["counts"]) == 0 and int(slot["state"]) == COUNTED:
                for j in range(SLOTS):
                    after = int(bills[j]["due"]) - int(slot["due"])
                    held = int(bills[j]["counts"]) != 0 and int(bills[j]["payee"]) == int(slot["payee"])
                    if held and 0 < after <= IN_A_ROW and int(slot["counts"]) == 0 and is_open(evidence, k):
                        slot["counts"] = 1
                        more = True
    for k in range(SLOTS):
        slot = bills[k]
        if int(slot["state"]) != EMPTY and int(slot["counts"]) == 0 and int(slot["due"]) + window <= clock:
            slot["state"] = EMPTY
            slot["event"] = 0
            evidence["bills_used"] = int(evidence["bills_used"]) - 1


@compiled
def nano_weight(slot: Any, config: Any) -> int:
    """What the bill weighs if it is the first of its biller, in billionths."""
    return int(float(config["category_weight"][int(slot["category"])]) * NANO + 0.5) * int(slot["share"]) // 100


@compiled
def nano_share(slot: Any, config: Any) -> int:
    """What the bill weighs beside another of its biller, in billionths."""
    return int(float(config["repeat_weight"][int(slot["category"])]) * NANO + 0.5) * int(slot["share"]) // 100


@compiled
def score(evidence: Any, config: Any) -> float:
    """The weight of the bills that count, as of the latest look: one of each biller whole, its further ones by their share.

    Of a biller's bills the one that gains most by it counts whole, so that the order of slots, which is that
    of arrival, does not show.
    """
    total = 0
    for k in range(SLOTS):
        slot = evidence["bills"][k]
        if int(slot["counts"]) != 0:
            whole = nano_weight(slot, config)
            part = nano_share(slot, config)
            counts_whole = True
            for j in range(SLOTS):
                other = evidence["bills"][j]
                if j != k and int(other["payee"]) == int(slot["payee"]) and int(other["counts"]) != 0:
                    gain = nano_weight(other, config) - nano_share(other, config)
                    if gain > whole - part or (gain == whole - part and j < k):
                        counts_whole = False
            total += whole if counts_whole else part
    return total / NANO


@compiled
def place(evidence: Any, due: int) -> int:
    """The slot for a bill due at `due`: a free one, else one that does not count, else that of the bill due first; or -1."""
    best, best_rank, best_due = -1, 3, 0
    for k in range(SLOTS):
        slot = evidence["bills"][k]
        slot_due = int(slot["due"])
        rank = 0 if int(slot["state"]) == EMPTY else 1 + int(slot["counts"])
        if rank < best_rank or (rank == best_rank and rank > 0 and slot_due < best_due):
            best, best_rank, best_due = k, rank, slot_due
    if best_rank == 0:
        evidence["bills_used"] = int(evidence["bills_used"]) + 1
    elif best_rank == 2 and due <= best_due:
        return -1
    return best


@compiled
def speaks_of_known(evidence: Any, event: Any) -> bool:
    """Whether a slot holds the bill of `event`."""
    for k in range(SLOTS):
        slot = evidence["bills"][k]
        if int(slot["state"]) != EMPTY and int(slot["bill"]) == int(event["bill"]) and int(slot["payee"]) == int(event["payee"]):
            return True
    return False


@compiled
def share_open(event: Any) -> int:
    """How much of what had to be paid is open, in hundredths, rounded up."""
    wanted = int(event["owed"])
    if int(event["minimum"]) >= 0:
        wanted = min(int(event["minimum"]), wanted)
    if wanted <= int(event["amount"]):
        return 100
    hundredths = 100.0 * float(event["amount"]) / float(wanted)
    return min(int(hundredths) + (1 if hundredths > int(hundredths) else 0), 100)


@compiled
def take(evidence: Any, event: Any, config: Any) -> int:
    """Takes an event about a bill in. Returns whether a slot holds it."""
    due, clock = int(event["due"]), int(event["clock"])
    # News of an old bill, or that a bill is settled, matters only where the bill is known.
    if (due + int(config["window"]) <= clock or int(event["kind"]) > OPEN_OUTCOME) and not speaks_of_known(evidence, event):
        return 0
    for k in range(SLOTS):
        if int(evidence["bills"][k]["state"]) != EMPTY and int(evidence["bills"][k]["event"]) == int(event["id"]):
            return 0
    k = place(evidence, due)
    if k < 0:
        return 0
    slot = evidence["bills"][k]
    slot["event"] = int(event["id"])
    slot["at"] = int(event["at"])
    slot["due"] = due
    slot["payee"] = int(event["payee"])
    slot["bill"] = int(event["bill"])
    slot["amount"] = int(event["amount"])
    slot["share"] = share_open(event)
    slot["settled_by"] = 0
    slot["currency"] = int(event["currency"])
    slot["category"] = int(event["category"])
    slot["kind"] = int(event["kind"])
    slot["state"] = COUNTED
    return 1


@compiled
def undo(evidence: Any, target: int) -> int:
    """Takes an event about a bill back. Returns whether it is remembered: 1 or -1."""
    for k in range(SLOTS):
        slot = evidence["bills"][k]
        if int(slot["state"]) != EMPTY and int(slot["event"]) == target:
            slot["state"] = UNDONE
            return 1
    return -1


@compiled
def settle(row: Any, evidence: Any, event: Any) -> int:
    """Marks what a payment makes good, or takes that back. Returns how many slots changed."""
    moved, bills = 0, evidence["bills"]
    target = int(event["corrects"])
    if target == 0 and int(event["status"]) != BOOKED:
        target = int(event["id"])
    for k in range(SLOTS):
        if target != 0 and int(bills[k]["state"]) == SETTLED and int(bills[k]["settled_by"]) == target:
            bills[k]["state"] = COUNTED
            bills[k]["settled_by"] = 0
            moved += 1
    credit = int(event["direction"]) == CREDIT
    if int(event["status"]) != BOOKED or (credit and int(row["flags"]) & REPAID == 0):
        return moved
    if int(event["bill"]) != 0:
        for k in range(SLOTS):
            slot = bills[k]
            unpaid = int(slot["state"]) == COUNTED and int(slot["kind"]) <= OPEN_OUTCOME
            # A payment for another bill of the same biller pays that one.
            if unpaid and int(slot["bill"]) == int(event["bill"]):
                slot["state"] = SETTLED
                slot["settled_by"] = int(event["id"])
                moved += 1
        return moved
    left, best = int(event["amount"]), 0
    while best >= 0:
        best = -1
        for k in range(SLOTS):
            slot = bills[k]
            paid = (
                int(slot["payee"]) == int(event["payee"])
                and int(slot["currency"]) == int(event["currency"])
                and int(slot["amount"]) <= left
                and int(slot["due"]) <= int(event["at"])
                and is_open(evidence, k)
            )
            if paid and (best < 0 or int(slot["due"]) < int(bills[best]["due"])):
                best = k
        if best >= 0:
            left -= int(bills[best]["amount"])
            for k in range(SLOTS):
                # Older news of the bill too: it must not come to the fore when this slot is given away.
                if (
                    int(bills[k]["state"]) == COUNTED
                    and int(bills[k]["kind"]) <= OPEN_OUTCOME
                    and same_bill(bills[k], bills[best])
                ):
                    bills[k]["state"] = SETTLED
                    bills[k]["settled_by"] = int(event["id"])
            moved += 1
    return moved


@compiled
def describe(evidence: Any, sign: Any, clock: int, config: Any, told: Any) -> int:
    """Writes into `told` which bills are behind the sign, and into `sign` when time alone will change it. Returns how many it
    named and lost.
    """
    before = evidence["bills_listed"]
    window = int(config["window"])
    lost = 0
    for j in range(SLOTS):
        still = int(before[j]) == 0
        for k in range(SLOTS):
            if int(evidence["bills"][k]["event"]) == int(before[j]) and int(evidence["bills"][k]["counts"]) != 0:
                still = True
        if not still:
            lost += 1
    listed, billers, first, last = 0, 0, 0, 0
    for k in range(SLOTS):
        before[k] = 0
        told["events"][k] = 0
    for k in range(SLOTS):
        slot = evidence["bills"][k]
        leaves = int(slot["due"]) + window
        if int(slot["state"]) != EMPTY and leaves > clock and (first == 0 or leaves < first):
            first = leaves
        if int(slot["counts"]) != 0:
            before[listed] = int(slot["event"])
            told["events"][listed] = int(slot["event"])
            listed += 1
            last = max(last, leaves)
            first_of_biller = 1
            for j in range(k):
                other = evidence["bills"][j]
                if int(other["counts"]) != 0 and int(other["payee"]) == int(slot["payee"]):
                    first_of_biller = 0
            billers += first_of_biller
    told["count"] = listed
    told["facts"][0] = billers
    sign["held"] = 1 if int(evidence["bills_used"]) > 0 else 0
    sign["expires"] = last
    sign["due"] = first
    return lost


@compiled
def wants(row: Any, event: Any, config: Any, world: Any) -> bool:
    """See `base`."""
    return int(event["topic"]) == MISSED_BILL and int(event["kind"]) <= OPEN_OUTCOME


@compiled
def step(row: Any, evidence: Any, event: Any, config: Any, told: Any, world: Any) -> int:
    """Takes one event in. Returns a code of `levels`; the details are then in the account's sign of this
    detector.
    """
    topic, clock = int(event["topic"]), int(event["clock"])
    if topic != MISSED_BILL and int(evidence["bills_used"]) == 0:
        return NOTHING
    sign = evidence["signs"][DETECTOR]
    cause = 0
    if topic == MISSED_BILL:
        cause = WAIVED if int(event["kind"]) == WAIVED_OUTCOME else PAID
        target = int(event["corrects"])
        if target == 0 and int(event["status"]) != BOOKED:
            target = int(event["id"])
        if target != 0:
            event["missed"] = 1 if undo(evidence, target) < 0 else 0
            cause = REVERSED if int(event["status"]) != BOOKED else CORRECTED
            look(evidence, clock, config)
        if int(event["status"]) == BOOKED:
            event["kept"] = take(evidence, event, config)
    elif topic == PAYMENT:
        if settle(row, evidence, event) == 0:
            return NOTHING
        cause = PAID
    event["touched"] = 1
    look(evidence, clock, config)
    now = score(evidence, config)
    level = level_of(int(sign["severity"]), now, config["thresholds"], 1.0)
    lost = describe(evidence, sign, clock, config, told)
    sign["cause"] = cause if lost > 0 else 0
    return conclude(row, sign, level, now, int(event["at"]), lost)


@lru_cache(maxsize=1 << 15)
def _bill(category: str, amount: int, currency: str, due: int) -> str:
    """Of a pure function: a bill is named again whenever another one joins it."""
    return f"{noun(category)} ({money(amount, currency)}, due {day(due)})"


def tell(found: Finding, events: Sequence[EventNote], at: int, settings: Settings) -> Told:
    """See `base`."""
    ids = tuple(event.event_id for event in events)
    many, billers = len(events) != 1, found.facts[0]
    bills = [_bill(each.category, each.amount, each.currency, each.due) for each in events]
    how = "Counted by biller and weighed by kind of bill and by what is open"
    reasons = (
        ReasonRecord(
            code="missed_bills",
            text=(
                f"{len(events)} bill{'s' if many else ''}{f' of {billers} billers' if billers > 1 else ''} "
                f"{'are' if many else 'is'} not paid in full: {listed(bills)}."
            ),
            value=len(events),
            unit="bills",
            window_from=time_of(min([event.due for event in events], default=at)),
            window_to=time_of(at),
            event_ids=ids,
        ),
        weighed("missed_billers", how, found, settings.thresholds, ids),
    )
    return Told(reasons, clears([owed(event) for event in events], found.expires, "if no other bill is missed"))
