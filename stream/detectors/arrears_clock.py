"""Days past due on the bank's own credit products, by three counters.

Sees
    Instalments of an own credit card, loan or mortgage that were missed or paid in part (news of a bill of a credit category on
    that account; of a card, the minimum payment), the repayments since, an overdraft that is beyond its limit, and pauses. A
    direct debit for the instalment that bounces lies on another account and makes no day past due: the missed bill does. Bills
    of others never count.

Maths
    Days run from the oldest due date of which something is open: the day after it is day 1. For an overdraft they run from the
    day on which the balance went beyond the limit. Days are local days of the account.

        contractual   all of them; it never pauses
        treatment     those of them on which no pause was in force at any time of the day
        regulatory    days since when the amount past due exceeds both thresholds without a break: an amount and a share of what
                      is outstanding, by currency (the share counts only where the outstanding amount is known)

    Buckets of the treatment counter: 1-29, 30-59, 60-89, 90 days and more; the last eight moves between them are kept. The score
    is the treatment counter, severity the highest mark it has reached.

    A repayment counts against what was told before it. One that names a bill pays that bill and no other; one that names an
    obligation pays the oldest instalment of it; any other pays the oldest due date first, also in part. All of it is worked out
    anew at every step from news, repayments and pauses, so a late payment, a reversal or a pause placed in the past recounts
    every counter.

    Beside the counters stands how many instalments were missed of late: those that fell due on this local day or one of the 59
    before, of which some news says that they were missed or paid in part, by bill. To pay one late does not undo it; to waive it,
    or to reverse or replace the news, does. It is told with the facts of the account (`missed_instalments_60d`), which are told
    anew whenever the amount past due, its oldest due date or this number changes, also where no sign is open or changes.

    It asks a person for nothing by itself. What follows from 30 days (IFRS 9: a significant increase in credit risk is presumed)
    and 90 days (default no later) is for the bank's own books; here they are marks of a bucket.

Cries wolf
    Rarely: these are the lender's own books. One day is low and only watched, as a payment under way often lands the next day.
    News of a missed instalment that is itself late or wrong is the usual cause; it is withdrawn when that is corrected.

Undone
    News of a bill and repayments, exactly, while they are among the latest eight of each. Beyond: of nine instalments open at
    once the two that were due last count as one; the ninth repayment makes what the first paid final. A repayment is known only
    where it came after the news, or while something of the account is remembered: nothing past due, and 90 days later all is
    forgotten, moves included. An overdraft knows its latest balance alone; the reversal of a payment leaves it as it is. Pauses
    are lost when this is switched off.

    How many instalments were missed of late rests on the same eight pieces of news, of which one bill may have several. Once
    there are more it may be too low, never too high: the settled ones that were due first go first, and two open ones count as
    one. News that leaves nothing to pay (of a card: the minimum was paid, and no more) is none of a missed instalment, and an
    overdraft has no instalments.

Sources
    CRR (EU) 575/2013 Article 178 and Delegated Regulation (EU) 2018/171 (EUR 100 and 1 % of a retail exposure, more than 90
    consecutive days); EBA/GL/2016/07 paragraphs 16-20 (counting, and its suspension); the thresholds of 0 that the PRA sets for
    UK retail exposures; IFRS 9 5.5.11 and B5.5.37; early arrears of 5-30 days: ECB guidance to banks on non-performing loans.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final, NamedTuple, Self

import numpy as np
import numpy.typing as npt
from pydantic import Field, model_validator

from stream.contracts.money import to_text
from stream.contracts.signals import ReasonRecord
from stream.contracts.vocabulary import CATEGORIES, HoldKind
from stream.detectors.base import NOTED, Finding, Levels, Share, Told, clears, mark, money, on
from stream.detectors.levels import (
    CORRECTED,
    DAY,
    NOTHING,
    PAID,
    PAUSED,
    REVERSED,
    WAIVED,
    conclude,
    level_of,
)
from stream.detectors.missed_bills import CREDIT_CATEGORIES
from stream.detectors.world import CURRENCY_CODES, local_day
from stream.tables import event as ev
from stream.tables.account import AWAITED, CARD, COUNTED, EMPTY, KNOWN, NEVER, OVERDRAFT, REPAID, SLOTS, UNDONE
from stream.tables.compiled import compiled
from stream.tables.notes import EventNote

VERSION: Final = "2"
DETECTOR: Final = 8

PAYMENT: Final = ev.PAYMENT
MISSED_BILL: Final = ev.MISSED_BILL
TIME: Final = ev.TIME
BOOKED: Final = ev.BOOKED
CREDIT: Final = ev.CREDIT
NO_BALANCE: Final = ev.NO_BALANCE
OPEN_OUTCOME: Final = ev.PART_PAID
SETTLED_OUTCOME: Final = ev.PAID_LATE
WAIVED_OUTCOME: Final = ev.WAIVED

CREDIT_BILL: Final = tuple(category in CREDIT_CATEGORIES for category in CATEGORIES)
"""By the number of a category: whether its bills are for credit."""

PAUSING: Final[frozenset[HoldKind]] = frozenset(("dispute", "hardship_plan", "breathing_space", "mental_health_crisis"))
"""Holds under which the treatment counter stands still: disputes, plans and moratoria."""

KEPT: Final = 90 * DAY
"""How long all is remembered after nothing is past due any more: events may be this late."""

LATELY: Final = 60
"""Local days, this one included, in which an instalment fell due that counts as missed of late."""

OTHER: Final = "other"
"""Stands for the currencies that are not named."""


class Settings(Levels):
    """Settings of `arrears_clock`. The marks are days past due by the treatment counter."""

    regulatory_amount: Mapping[str, Annotated[int, Field(ge=0, le=1_000_000)]] = Field(
        description="Whole units that the amount past due must exceed for the regulatory counter, by currency, and `other`.",
    )
    regulatory_share: Mapping[str, Share] = Field(
        description="Share of the outstanding amount that it must exceed as well, by currency, and `other`.",
    )

    @model_validator(mode="after")
    def _known(self) -> Self:
        for table in (self.regulatory_amount, self.regulatory_share):
            if OTHER not in table or not set(table) <= {OTHER, *CURRENCY_CODES}:
                raise ValueError("regulatory_amount and regulatory_share name ISO 4217 currencies, and `other`")
        return self


CONFIG = np.dtype(
    [
        ("thresholds", "f8", (3,)),
        ("amount", "i8", (len(CURRENCY_CODES) + 1,)),
        ("share", "f8", (len(CURRENCY_CODES) + 1,)),
    ]
)


def configure(settings: Settings, config: npt.NDArray[Any]) -> None:
    """See `base`."""
    config["thresholds"] = settings.thresholds
    for number, currency in enumerate((OTHER, *CURRENCY_CODES)):
        config["amount"][0, number] = settings.regulatory_amount.get(currency, settings.regulatory_amount[OTHER])
        config["share"][0, number] = settings.regulatory_share.get(currency, settings.regulatory_share[OTHER])


# --- pauses, as orders place them ---------------------------------------------------------------------------


def pause(arrears: Any, order: int, since: int, until: int) -> None:
    """Remembers that `order` pauses the treatment counter from `since` to `until` (ms; NEVER: no end is known). Beyond the slots
    the pause that ended first is forgotten.
    """
    pauses = [one for one in _pauses(arrears) if one[0] != order]
    _set_pauses(arrears, [*pauses, (order, since, until)])


def resume(arrears: Any, order: int, at: int) -> None:
    """Ends the pause that `order` placed, if it is remembered. What was paused until then stays so."""
    pauses = _pauses(arrears)
    if any(one == order for one, _, _ in pauses):
        _set_pauses(arrears, [(one, since, min(until, at) if one == order else until) for one, since, until in pauses])


def _pauses(arrears: Any) -> list[tuple[int, int, int]]:
    return [(int(one["order"]), int(one["since"]), int(one["until"])) for one in arrears["pauses"] if int(one["until"]) != 0]


def _set_pauses(arrears: Any, pauses: list[tuple[int, int, int]]) -> None:
    standing = sorted((one for one in pauses if one[1] < one[2]), key=lambda one: one[2])[-SLOTS:]
    arrears["pauses"] = np.zeros(SLOTS, arrears["pauses"].dtype)
    for slot, (order, since, until) in zip(arrears["pauses"], sorted(standing, key=lambda one: one[1]), strict=False):
        slot["order"], slot["since"], slot["until"] = order, since, until
    arrears["used"] = 1


# --- figures ------------------------------------------------------------------------------------------------


@compiled
def days_past_due(row: Any, arrears: Any, clock: int) -> int:
    """The contractual counter."""
    since = int(arrears["since"])
    return max(local_day(row, clock) - since, 0) if since > 0 else 0


@compiled
def days_paused(row: Any, arrears: Any, clock: int) -> int:
    """Days past due on which a pause was in force."""
    total, reached, last = 0, int(arrears["since"]), local_day(row, clock)
    for k in range(SLOTS):
        one = arrears["pauses"][k]
        if reached > 0 and int(one["until"]) != 0:
            first = max(local_day(row, int(one["since"])), reached + 1)
            end = min(local_day(row, int(one["until"]) - 1), last)
            if end >= first:
                total += end - first + 1
                reached = end
    return total


@compiled
def days_regulatory(row: Any, arrears: Any, clock: int) -> int:
    """The regulatory counter."""
    breached = int(arrears["breached"])
    return max(local_day(row, clock) - breached, 0) if breached > 0 else 0


@compiled
def bucket_of(days: int) -> int:
    """0: nothing past due; 1-4: 1-29, 30-59, 60-89, 90 days and more."""
    return 0 if days <= 0 else min(days // 30 + 1, 4)


class Standing(NamedTuple):
    """An account's arrears at an instant."""

    treatment: int = 0
    contractual: int = 0
    regulatory: int = 0
    open: int = 0
    """Past due, minor units."""
    currency: str = ""
    since: int = 0
    """The oldest unpaid due date, days since 1970-01-01; 0 where nothing is past due."""
    missed: int = 0
    """Instalments missed of late, paid since or not."""


def standing_at(row: Any, arrears: Any, clock: int) -> Standing:
    """The arrears of an account as of its latest step, counted on to `clock`."""
    contractual, missed = int(days_past_due(row, arrears, clock)), int(missed_lately(row, arrears, clock))
    if contractual == 0:
        return Standing(missed=missed)
    return Standing(
        contractual - int(days_paused(row, arrears, clock)),
        contractual,
        int(days_regulatory(row, arrears, clock)),
        int(arrears["open"]),
        _currency(int(arrears["currency"])),
        int(arrears["since"]),
        missed,
    )


def standing_of(found: Finding) -> Standing:
    """The same at the moment of a finding of this detector."""
    total, since, treatment, contractual, regulatory, currency = found.facts[:6]
    missed = found.facts[11]
    if contractual == 0:
        return Standing(missed=missed)
    return Standing(treatment, contractual, regulatory, total, _currency(currency), since, missed)


def moves(arrears: Any) -> list[tuple[int, int, int]]:
    """The moves between buckets that are still known, the oldest first: day (since 1970-01-01), bucket before, bucket after."""
    count = int(arrears["moved"])
    found = [arrears["moves"][k % SLOTS] for k in range(max(count - SLOTS, 0), count)]
    return [(int(one["day"]), int(one["was"]), int(one["bucket"])) for one in found]


def _currency(number: int) -> str:
    return CURRENCY_CODES[number - 1] if number > 0 else ""


# --- the ledger ---------------------------------------------------------------------------------------------


@compiled
def over(row: Any, arrears: Any) -> int:
    """How far an overdraft is beyond its limit, minor units."""
    return max(-int(row["limit"]) - int(arrears["balance"]), 0) if int(arrears["over_at"]) > 0 else 0


@compiled
def is_last_word(arrears: Any, k: int) -> bool:
    """Whether slot `k` holds the latest news of its bill."""
    slot = arrears["slots"][k]
    if int(slot["state"]) != COUNTED:
        return False
    for j in range(SLOTS):
        other = arrears["slots"][j]
        if j != k and int(other["state"]) == COUNTED and int(other["bill"]) == int(slot["bill"]):
            later = int(other["at"]) - int(slot["at"])
            if later > 0 or (later == 0 and int(other["event"]) > int(slot["event"])):
                return False
    return True


@compiled
def is_missed(arrears: Any, k: int) -> bool:
    """Whether slot `k` holds the latest news of an instalment that was missed or paid in part, and not waived."""
    if int(arrears["slots"][k]["kind"]) == WAIVED_OUTCOME or not is_last_word(arrears, k):
        return False
    for j in range(SLOTS):
        other = arrears["slots"][j]
        told = int(other["state"]) == COUNTED and int(other["kind"]) <= OPEN_OUTCOME
        if told and int(other["bill"]) == int(arrears["slots"][k]["bill"]):
            return True
    return False


@compiled
def missed_lately(row: Any, arrears: Any, clock: int) -> int:
    """How many instalments that fell due of late were missed, paid since or not."""
    today, total = local_day(row, clock), 0
    for k in range(SLOTS):
        day = int(arrears["slots"][k]["due"]) // DAY
        if today - LATELY < day <= today and is_missed(arrears, k):
            total += 1
    return total


@compiled
def missed_until(row: Any, arrears: Any, clock: int) -> int:
    """When the passing of time alone next changes how many were missed of late; NEVER: it does not."""
    today, first = local_day(row, clock), NEVER
    for k in range(SLOTS):
        day = int(arrears["slots"][k]["due"]) // DAY
        if today - LATELY < day and is_missed(arrears, k):
            turn = (day if day > today else day + LATELY) * DAY - int(row["offset"]) * 60000
            first = min(first, turn)
    return first


@compiled
def past_due(row: Any, arrears: Any, day: int) -> int:
    """What is open of instalments due before `day`, and beyond the limit since before it, minor units."""
    total = over(row, arrears) if local_day(row, int(arrears["over_at"])) < day else 0
    for k in range(SLOTS):
        if int(arrears["slots"][k]["due"]) // DAY < day:
            total += int(arrears["slots"][k]["open"])
    return total


@compiled
def is_material(row: Any, total: int, currency: int, config: Any, world: Any) -> bool:
    """Whether an amount past due exceeds both regulatory thresholds."""
    share = float(config["share"][currency]) * float(int(row["outstanding"]))
    return total > int(config["amount"][currency]) * int(world.units[currency]) and float(total) > share


@compiled
def breached_since(row: Any, arrears: Any, before: int, day: int, config: Any, world: Any) -> int:
    """Since which day both thresholds are exceeded as of `day`, if they were since `before` (0: they were not)."""
    currency = int(arrears["currency"])
    if not is_material(row, past_due(row, arrears, day), currency, config, world):
        return 0
    if before > 0:
        return before
    first = day
    for k in range(-1, SLOTS):
        due = local_day(row, int(arrears["over_at"])) if k < 0 else int(arrears["slots"][k]["due"]) // DAY
        if 0 < due < first and is_material(row, past_due(row, arrears, due + 1), currency, config, world):
            first = due
    return first


@compiled
def pays(slot: Any, paid: Any) -> bool:
    """Whether a repayment is one for the instalment in `slot`."""
    if int(slot["open"]) <= 0 or int(paid["at"]) <= int(slot["at"]) or int(paid["currency"]) != int(slot["currency"]):
        return False
    if int(paid["bill"]) != 0:
        return int(paid["bill"]) == int(slot["bill"])
    return int(paid["obligation"]) == 0 or int(slot["obligation"]) == 0 or int(paid["obligation"]) == int(slot["obligation"])


@compiled
def recount(row: Any, arrears: Any, clock: int, config: Any, world: Any) -> None:
    """Works out from news and repayments what is open, since when, and since when it is material."""
    today = local_day(row, clock)
    for k in range(SLOTS):
        slot = arrears["slots"][k]
        slot["open"] = int(slot["amount"]) if int(slot["kind"]) <= OPEN_OUTCOME and is_last_word(arrears, k) else 0
    breached = 0
    for j in range(SLOTS):
        paid = arrears["repayments"][j]
        if int(paid["state"]) == COUNTED:
            day = local_day(row, int(paid["at"]))
            breached = breached_since(row, arrears, breached, day, config, world)
            left = int(paid["amount"])
            for k in range(SLOTS):
                slot = arrears["slots"][k]
                if left > 0 and pays(slot, paid):
                    part = min(left, int(slot["open"]))
                    slot["open"] = int(slot["open"]) - part
                    left -= part
            if breached > 0:
                breached = breached_since(row, arrears, breached, day, config, world)
    arrears["breached"] = breached_since(row, arrears, breached, today, config, world)
    arrears["open"] = past_due(row, arrears, today)
    since = today
    if over(row, arrears) > 0:
        since = min(since, local_day(row, int(arrears["over_at"])))
    for k in range(SLOTS):
        if int(arrears["slots"][k]["open"]) > 0:
            since = min(since, int(arrears["slots"][k]["due"]) // DAY)
    arrears["since"] = since if since < today else 0


@compiled
def room(arrears: Any) -> int:
    """Frees a slot for an instalment and returns it: one in no use, else the first that says nothing any more, else that of the
    instalment due last, whose amount is added to the one due before it.
    """
    best, rank = SLOTS - 1, 0
    for k in range(SLOTS):
        slot = arrears["slots"][k]
        own = 2 if int(slot["state"]) == EMPTY else (1 if int(slot["open"]) == 0 else 0)
        if own > rank:
            best, rank = k, own
    if rank == 0:
        last = arrears["slots"][SLOTS - 1]
        before = arrears["slots"][SLOTS - 2]
        before["amount"] = int(before["amount"]) + int(last["open"])
    return best


@compiled
def take_news(arrears: Any, event: Any) -> int:
    """Takes news of an instalment in. Returns whether a slot holds it."""
    if int(event["kind"]) > OPEN_OUTCOME:
        # News that it is settled matters only where it is known.
        known = False
        for k in range(SLOTS):
            slot = arrears["slots"][k]
            known = known or (int(slot["state"]) != EMPTY and int(slot["bill"]) == int(event["bill"]))
        if not known:
            return 0
    for k in range(SLOTS):
        if int(arrears["slots"][k]["state"]) != EMPTY and int(arrears["slots"][k]["event"]) == int(event["id"]):
            return 0
    k = room(arrears)
    # Slots in use come first and in order of due date: those behind the free one close up, and the later ones make way.
    while k + 1 < SLOTS and int(arrears["slots"][k + 1]["state"]) != EMPTY:
        arrears["slots"][k] = arrears["slots"][k + 1]
        k += 1
    while k > 0 and comes_before(event, arrears["slots"][k - 1]):
        arrears["slots"][k] = arrears["slots"][k - 1]
        k -= 1
    slot = arrears["slots"][k]
    slot["event"] = int(event["id"])
    slot["at"] = int(event["at"])
    slot["due"] = int(event["due"])
    slot["bill"] = int(event["bill"])
    slot["obligation"] = int(event["obligation"])
    slot["amount"] = int(event["amount"])
    slot["open"] = int(event["amount"])
    slot["currency"] = int(event["currency"])
    # News that leaves nothing to pay is none of a missed instalment.
    slot["kind"] = max(int(event["kind"]), SETTLED_OUTCOME) if int(event["amount"]) == 0 else int(event["kind"])
    slot["state"] = COUNTED
    arrears["currency"] = int(event["currency"])
    return 1


@compiled
def comes_before(event: Any, slot: Any) -> bool:
    """Whether news belongs in front of `slot`."""
    if int(event["due"]) != int(slot["due"]):
        return int(event["due"]) < int(slot["due"])
    if int(event["at"]) != int(slot["at"]):
        return int(event["at"]) < int(slot["at"])
    return int(event["id"]) < int(slot["event"])


@compiled
def take_repayment(arrears: Any, event: Any) -> int:
    """Takes a repayment in; where there is no room, what the first one paid is final. Returns whether it is new."""
    paid = arrears["repayments"]
    used = 0
    for k in range(SLOTS):
        if int(paid[k]["state"]) != EMPTY:
            used += 1
            if int(paid[k]["event"]) == int(event["id"]):
                return 0
    k = used
    if used == SLOTS:
        left = int(paid[0]["amount"]) if int(paid[0]["state"]) == COUNTED else 0
        for j in range(SLOTS):
            slot = arrears["slots"][j]
            slot["open"] = int(slot["amount"]) if int(slot["kind"]) <= OPEN_OUTCOME and is_last_word(arrears, j) else 0
            if left > 0 and pays(slot, paid[0]):
                part = min(left, int(slot["open"]))
                slot["amount"] = int(slot["amount"]) - part
                left -= part
        for j in range(1, SLOTS):
            paid[j - 1] = paid[j]
        k = SLOTS - 1
    while k > 0 and (
        int(event["at"]) < int(paid[k - 1]["at"])
        or (int(event["at"]) == int(paid[k - 1]["at"]) and int(event["id"]) < int(paid[k - 1]["event"]))
    ):
        paid[k] = paid[k - 1]
        k -= 1
    slot = paid[k]
    slot["event"] = int(event["id"])
    slot["at"] = int(event["at"])
    slot["bill"] = int(event["bill"])
    slot["obligation"] = int(event["obligation"])
    slot["amount"] = int(event["amount"])
    slot["currency"] = int(event["currency"])
    slot["state"] = COUNTED
    return 1


@compiled
def undo(slots: Any, target: int) -> int:
    """Takes back what `target` told. Returns whether it is remembered."""
    found = 0
    for k in range(SLOTS):
        if int(slots[k]["state"]) == COUNTED and int(slots[k]["event"]) == target:
            slots[k]["state"] = UNDONE
            found = 1
    return found


# --- the detector -------------------------------------------------------------------------------------------


@compiled
def is_instalment(row: Any, event: Any) -> bool:
    """Whether an event is news of an instalment of this account, or of one that may turn out to be an own credit product."""
    flags = int(row["flags"])
    own = (flags & REPAID != 0 and flags & OVERDRAFT == 0) or flags & KNOWN == 0
    return own and int(event["topic"]) == MISSED_BILL and is_credit(int(event["category"]))


@compiled
def is_credit(category: int) -> bool:
    """Whether a bill of this category is one for credit."""
    return bool(CREDIT_BILL[category])


@compiled
def exceeds(row: Any, event: Any) -> bool:
    """Whether an event shows an overdraft beyond its limit."""
    return (
        int(row["flags"]) & OVERDRAFT != 0
        and int(event["topic"]) == PAYMENT
        and int(event["status"]) == BOOKED
        and int(event["balance"]) != NO_BALANCE
        and int(row["limit"]) > 0
        and int(event["balance"]) < -int(row["limit"])
    )


@compiled
def wants(row: Any, event: Any, config: Any, world: Any) -> bool:
    """See `base`."""
    if int(event["topic"]) == MISSED_BILL:
        missed = int(event["kind"]) <= OPEN_OUTCOME and int(event["amount"]) > 0
        return missed and int(event["status"]) == BOOKED and is_instalment(row, event)
    return exceeds(row, event)


@compiled
def take(row: Any, arrears: Any, event: Any) -> int:
    """Takes one event in. Returns whether anything changed."""
    target = int(event["corrects"])
    booked = int(event["status"]) == BOOKED
    if target == 0 and not booked:
        target = int(event["id"])
    if int(event["topic"]) == MISSED_BILL:
        if not is_instalment(row, event):
            return 0
        moved = undo(arrears["slots"], target) if target != 0 else 0
        if booked and take_news(arrears, event) > 0:
            event["kept"] = 1
            moved += 1
        return moved
    moved = undo(arrears["repayments"], target) if target != 0 else 0
    if not booked:
        return moved
    flags = int(row["flags"])
    if flags & REPAID != 0 and flags & OVERDRAFT == 0 and int(event["direction"]) == CREDIT:
        moved += take_repayment(arrears, event)
    elif flags & OVERDRAFT != 0 and int(event["balance"]) != NO_BALANCE and int(event["at"]) >= int(arrears["balance_at"]):
        arrears["balance"] = int(event["balance"])
        arrears["balance_at"] = int(event["at"])
        arrears["currency"] = int(event["currency"])
        if exceeds(row, event) and int(arrears["over_at"]) == 0:
            arrears["over_at"] = int(event["at"])
        moved += 1
    return moved


@compiled
def forgotten_at(arrears: Any) -> int:
    """When all of it may be forgotten, if nothing is open."""
    last = int(arrears["balance_at"])
    for k in range(SLOTS):
        last = max(last, int(arrears["slots"][k]["at"]), int(arrears["repayments"][k]["at"]), int(arrears["pauses"][k]["until"]))
    return NEVER if last == NEVER else last + KEPT


@compiled
def forget(arrears: Any) -> None:
    """Empties everything."""
    for k in range(SLOTS):
        arrears["slots"][k]["state"] = EMPTY
        arrears["slots"][k]["event"] = 0
        arrears["slots"][k]["open"] = 0
        arrears["slots"][k]["at"] = 0
        arrears["repayments"][k]["state"] = EMPTY
        arrears["repayments"][k]["at"] = 0
        arrears["pauses"][k]["until"] = 0
    arrears["balance_at"] = 0
    arrears["over_at"] = 0
    arrears["open"] = 0
    arrears["since"] = 0
    arrears["breached"] = 0
    arrears["bucket"] = 0
    arrears["moved"] = 0
    arrears["missed"] = 0
    arrears["used"] = 0


@compiled
def step(row: Any, evidence: Any, event: Any, config: Any, told: Any, world: Any) -> int:
    """See `base`."""
    arrears, topic, clock = evidence["arrears"], int(event["topic"]), int(event["clock"])
    sign = evidence["signs"][DETECTOR]
    if int(arrears["used"]) == 0 and not wants(row, event, config, world):
        return NOTHING
    cause = PAID
    if topic == TIME:
        cause = PAUSED if int(arrears["pauses"][0]["until"]) != 0 else CORRECTED
    elif topic != MISSED_BILL and topic != PAYMENT:
        return NOTHING
    else:
        if take(row, arrears, event) == 0:
            return NOTHING
        if int(event["status"]) != BOOKED:
            cause = REVERSED
        elif int(event["corrects"]) != 0:
            cause = CORRECTED
        elif topic == MISSED_BILL and int(event["kind"]) == WAIVED_OUTCOME:
            cause = WAIVED
    event["touched"] = 1
    arrears["used"] = 1
    flags = int(row["flags"])
    if flags & KNOWN != 0 and flags & REPAID == 0:
        forget(arrears)
    if over(row, arrears) == 0:
        arrears["over_at"] = 0
    was_open, was_since, was_bucket = int(arrears["open"]), int(arrears["since"]), int(arrears["bucket"])
    was_missed = int(arrears["missed"])
    recount(row, arrears, clock, config, world)
    open_ = 1 if int(arrears["over_at"]) > 0 else 0
    for k in range(SLOTS):
        open_ += 1 if int(arrears["slots"][k]["open"]) > 0 else 0
    if (open_ == 0 or flags & REPAID == 0) and forgotten_at(arrears) <= clock:
        forget(arrears)
    days = days_past_due(row, arrears, clock) - days_paused(row, arrears, clock) if flags & REPAID != 0 else 0
    bucket = bucket_of(days)
    if bucket != was_bucket:
        move = arrears["moves"][int(arrears["moved"]) % SLOTS]
        move["day"] = local_day(row, clock)
        move["was"] = was_bucket
        move["bucket"] = bucket
        # What is more than SLOTS stands for "full" alone.
        arrears["moved"] = int(arrears["moved"]) + 1 if int(arrears["moved"]) < 2 * SLOTS - 1 else SLOTS
        arrears["bucket"] = bucket
    until = NEVER
    arrears["missed"] = 0
    if flags & REPAID != 0:
        arrears["missed"] = missed_lately(row, arrears, clock)
        until = missed_until(row, arrears, clock)
    sign["held"] = int(arrears["used"])
    sign["due"] = 0
    if open_ > 0 and flags & REPAID != 0:
        sign["held"] = AWAITED
        sign["due"] = (local_day(row, clock) + 1) * DAY - int(row["offset"]) * 60000
    elif int(arrears["used"]) > 0 and min(forgotten_at(arrears), until) < NEVER:
        sign["held"] = AWAITED if until < NEVER else 1
        sign["due"] = max(min(forgotten_at(arrears), until), clock + 1)
    sign["cause"] = cause
    describe(row, arrears, clock, told)
    level = level_of(int(sign["severity"]), float(days), config["thresholds"], 1.0)
    moved = was_open != int(arrears["open"]) or was_since != int(arrears["since"]) or was_bucket != bucket
    code = conclude(row, sign, level, float(days), int(event["at"]), 1 if moved else 0)
    if code == NOTHING and (moved or was_missed != int(arrears["missed"])):
        return NOTED
    return code


@compiled
def describe(row: Any, arrears: Any, clock: int, told: Any) -> None:
    """Writes into `told` the figures, and what is past due."""
    facts, today, listed, oldest = told["facts"], local_day(row, clock), 0, -1
    for k in range(SLOTS):
        slot = arrears["slots"][k]
        if int(slot["open"]) > 0 and int(slot["due"]) // DAY < today:
            told["events"][listed] = int(slot["event"])
            listed += 1
            oldest = k if oldest < 0 else oldest
    told["count"] = listed
    contractual = days_past_due(row, arrears, clock)
    facts[0] = int(arrears["open"])
    facts[1] = int(arrears["since"])
    facts[2] = contractual - days_paused(row, arrears, clock)
    facts[3] = contractual
    facts[4] = days_regulatory(row, arrears, clock)
    facts[5] = int(arrears["currency"])
    facts[6] = listed
    facts[7] = over(row, arrears)
    facts[8] = int(row["flags"]) & CARD
    facts[9] = int(arrears["slots"][oldest]["open"]) if oldest >= 0 else 0
    facts[10] = int(arrears["slots"][oldest]["amount"]) if oldest >= 0 else 0
    facts[11] = int(arrears["missed"])


def tell(found: Finding, events: Sequence[EventNote], at: int, settings: Settings) -> Told:
    """See `base`."""
    total, since, treatment, contractual, regulatory, number, count, beyond, card, rest, whole = found.facts[:11]
    currency = _currency(number)
    ids = tuple(event.event_id for event in events)
    many, days = _days(treatment), "" if treatment == contractual else " (the days of a pause are not counted)"
    amount, name = money(total, currency), "minimum payment" if card else "instalment"
    if count == 0:
        text = f"The account has been beyond its limit since {on(since)}, for {many}{days}, now by {amount}."
    elif count > 1:
        text = f"{count} {name}s are overdue, {amount} in all, the oldest due on {on(since)}: {many}{days}."
    elif rest == whole:
        text = f"The {name} of {amount} due on {on(since)} is {many} overdue{days}."
    else:
        text = f"{amount} of the {name} due on {on(since)} is {many} overdue{days}."
    reasons = [
        ReasonRecord(
            code="days_past_due",
            text=text,
            value=treatment,
            unit="days",
            threshold=mark(settings.thresholds, found.severity),
            event_ids=ids,
        ),
        ReasonRecord(code="arrears", text=f"{amount} is overdue.", value=to_text(total, currency), unit=currency, event_ids=ids),
    ]
    if treatment != contractual:
        text = f"With the days of a pause it is {_days(contractual)} since {on(since)}."
        reasons.append(ReasonRecord(code="days_past_due_contractual", text=text, value=contractual, unit="days", event_ids=ids))
    if regulatory and contractual >= 30:
        text = f"What is overdue has been above the regulator's thresholds for {_days(regulatory)} without a break."
        reasons.append(ReasonRecord(code="days_past_due_regulatory", text=text, value=regulatory, unit="days", event_ids=ids))
    wanted = amount if beyond == 0 else f"{amount}, so that the account is within its limit"
    return Told(tuple(reasons), clears([wanted], 0, ""))


def _days(count: int) -> str:
    return f"{count} day{'' if count == 1 else 's'}"
