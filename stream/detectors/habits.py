"""What an account does regularly: each payment and income that recurs, with its rhythm and its usual amount.

Not a detector: `expected_payment_absent`, `income_drop` and `lateness_drift` read what is learned here.

Sees
    Booked payments of the kinds that people owe regularly (`OUTGOING`), and salary, benefit and pension (`INCOME`). On an own
    credit product the repayments, which are credits there. Not shops, cash, transfers, savings, gambling or fees; transport and
    other things not where they are paid by card. The subject of a habit is the obligation's id, whatever the payee is called;
    where there is none, the payee with the category.

Maths
    Rhythms: weekly, two-weekly, four-weekly (by weekday); monthly by a day, moved to the next or to the previous working day
    (day 31 with the previous: the last working day), or by a working day counted from the start or the end; quarterly,
    half-yearly, yearly by a day. A day that a month lacks is its last.

    Of each habit only the latest payment is kept, so a rhythm is guessed from two payments, and holds once a third agrees: then
    `due` is the next planned day. A payment agrees when it lies within the rhythm's tolerance of a planned day. One that is not
    explained by the plan and its working days, but makes a rhythm with the payment before, moves the plan: a changed payment
    date is adopted at its second payment. Until then the first is not held against the second: the deadline is

        the grace, in working days of the account's country, after the later of `due` and one period after the latest payment

    so that neither a changed date nor a part paid in between raises an alarm that stays. Payments off the plan wear the habit
    down (`count`), those on it build it up; below two nothing is expected any more.

    When the deadline has passed while payments keep coming (see `event.LIVE`), the habit is `absent`, once for each planned
    day, until a payment comes, however late. After some absences in a row it is forgotten: it was cancelled. A rhythm that has
    not yet held often enough to be trusted (weeks agree by chance more easily than months) is forgotten at once, unsaid.

    Council tax is due in ten instalments from April to January: in February and March nothing is expected.

    The usual amount follows a quarter of each change, of which no more than double and half are believed.

Slots
    A newcomer takes a free slot, else that of a payment without rhythm: one that has not come back for 45 days, or one of a
    lesser kind. A habit that holds is never given up for a newcomer, so that no crowd of shops can empty the memory.

Undone
    A reversed payment is taken back where it was the latest of its habit: what it paid is due again, unless the payment lay off
    the plan. Of an earlier one nothing is known any more. A correction counts as one more payment, which on the same
    planned day changes nothing. A payment that comes weeks late counts for the planned day that it was made for, and is not
    learned from when later ones were before it.

Sources
    Ten instalments: Council Tax (Administration and Enforcement) Regulations 1992 (SI 1992/613), schedule 1. Working days: the
    calendars of `reference.working_days`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal, get_args

import numpy as np
import numpy.typing as npt
from pydantic import Field

from stream.contracts.vocabulary import CATEGORIES, SCHEMES, Category
from stream.detectors import base
from stream.detectors import world as worlds
from stream.reference.categories import priority
from stream.tables import event as ev
from stream.tables.account import HABITS, NEVER, REPAID
from stream.tables.compiled import compiled

VERSION: Final = "1"

WEEKLY: Final = 1
TWO_WEEKLY: Final = 2
FOUR_WEEKLY: Final = 3
MONTHLY: Final = 4
"""By a day of the month, else the next working day."""
MONTHLY_BEFORE: Final = 5
"""By a day of the month, else the working day before."""
MONTHLY_WORKING: Final = 6
"""By a working day of the month: 1 the first, -1 the last."""
QUARTERLY: Final = 7
HALF_YEARLY: Final = 8
YEARLY: Final = 9

Cadence = Literal[
    "weekly", "two_weekly", "four_weekly", "monthly", "monthly_before", "monthly_working", "quarterly", "half_yearly", "yearly"
]
CADENCES: Final[tuple[str, ...]] = ("", *get_args(Cadence))
"""The index is the code in a habit's `cadence`."""

DAYS: Final = (0, 7, 14, 28, 30, 30, 30, 91, 182, 365)
"""Days of a period, by cadence."""
MONTHS: Final = (0, 0, 0, 0, 1, 1, 1, 3, 6, 12)
"""Months of a period, by cadence."""
TOLERANCE: Final = (0, 2, 3, 4, 6, 6, 6, 10, 14, 21)
"""Days from a planned day within which a payment agrees, by cadence."""

OPENS: Final = 3
"""Payments in rhythm from which the next is expected."""
FADES: Final = 2
"""Payments in rhythm below which it is expected no more."""
SAME: Final = 3
"""Days within which a second payment is a part of the first."""
PENDING: Final = 45
"""Days for which a payment without rhythm keeps its slot against its equals."""
UNDOABLE: Final = 45
"""Days after a payment within which its reversal is told."""

OUTGOING: Final[frozenset[Category]] = frozenset(
    (
        "mortgage", "rent", "council_tax", "energy", "water", "telecom", "insurance", "loan", "credit_card", "car_finance",
        "short_term_credit", "subscription", "childcare", "child_maintenance", "education", "student_loan", "medical", "tax",
        "fines", "personal_debt", "transport", "other",
    )
)  # fmt: skip
INCOME: Final[frozenset[Category]] = frozenset(("salary", "benefit", "pension"))
NOT_BY_CARD: Final[frozenset[Category]] = frozenset(("transport", "other", "medical"))
CREDITS: Final[frozenset[Category]] = frozenset(("loan", "credit_card", "car_finance", "short_term_credit"))

PAYMENT: Final = ev.PAYMENT
TIME: Final = ev.TIME
LIVE: Final = ev.LIVE
BOOKED: Final = ev.BOOKED
CREDIT: Final = ev.CREDIT
BY_CARD: Final = SCHEMES.index("card")
COUNCIL_TAX: Final = CATEGORIES.index("council_tax")
DAY: Final = worlds.DAY

local_day = worlds.local_day
working_before = worlds.working_before
add_working = worlds.add_working
working_on_or_before = worlds.working_on_or_before
month_of = worlds.month_of
month_start = worlds.month_start

Grace = Annotated[int, Field(ge=0, le=30)]
Times = Annotated[int, Field(ge=1, le=100)]


class Settings(base.Settings):
    """Settings of what is learned."""

    grace: Mapping[Cadence, Grace] = Field(
        description="Working days, 0-30, by which an expected payment may be late before it is absent; 5 for those not named."
    )
    trusted: Mapping[Cadence, Times] = Field(
        description="Payments in rhythm, 1-100, from which their absence says anything; 3 for those not named."
    )
    forgotten: Mapping[Cadence, Times] = Field(
        description="Expected payments in a row, 1-100, that must not come for the habit to be forgotten; 3 for those not named."
    )


CONFIG = np.dtype(
    [
        ("grace", "i2", (len(CADENCES),)),
        ("trusted", "i2", (len(CADENCES),)),
        ("forgotten", "i2", (len(CADENCES),)),
        ("kind", "i1", (64,)),  # by category: 1 outgoing, 2 outgoing unless by card, 3 income, 0 not learned
        ("rank", "i1", (64,)),  # by category: a newcomer takes the slot of a payment without rhythm of a lower rank
    ]
)


def configure(settings: Settings, config: npt.NDArray[Any]) -> None:
    """See `base`."""
    for name, given, otherwise in (
        ("grace", settings.grace, 5),
        ("trusted", settings.trusted, OPENS),
        ("forgotten", settings.forgotten, 3),
    ):
        config[name][0, 1:] = [given.get(cadence, otherwise) for cadence in get_args(Cadence)]
    for index, category in enumerate(CATEGORIES):
        outgoing = (2 if category in NOT_BY_CARD else 1) if category in OUTGOING else 0
        config["kind"][0, index] = 3 if category in INCOME else outgoing
        grave = category in INCOME or category in CREDITS or priority(category) != "other"
        config["rank"][0, index] = 2 if grave else 0 if category in ("subscription", "other", "medical", "transport") else 1


# --- the plan -----------------------------------------------------------------------------------------------


@compiled
def planned(row: Any, cadence: int, anchor: int, month: int, world: Any) -> int:
    """The planned day in a month (since January 1970), of the rhythms by month."""
    first = month_start(month)
    if cadence == MONTHLY_WORKING:
        if anchor > 0:
            return int(add_working(row, first - 1, anchor, world))
        day = working_on_or_before(row, month_start(month + 1) - 1, world)
        for _ in range(-anchor - 1):
            day = working_on_or_before(row, day - 1, world)
        return int(day)
    day = min(first + anchor, month_start(month + 1)) - 1
    return int(working_on_or_before(row, day, world) if cadence == MONTHLY_BEFORE else add_working(row, day, 0, world))


@compiled
def nearest_month(row: Any, cadence: int, anchor: int, day: int, world: Any) -> int:
    """The month whose planned day is nearest to `day`."""
    month = month_of(day)
    gap = day - planned(row, cadence, anchor, month, world)
    other = month + 1 if gap > 0 else month - 1
    return int(other if abs(day - planned(row, cadence, anchor, other, world)) < abs(gap) else month)


@compiled
def plan(row: Any, cadence: int, anchor: int, day: int, steps: int, world: Any) -> int:
    """The planned day `steps` periods after the one nearest to `day` (of the rhythms by week: nearest by weekday)."""
    months = MONTHS[cadence]
    if months == 0:
        return day + (anchor - (day + 3) + 3) % 7 - 3 + steps * DAYS[cadence]
    return int(planned(row, cadence, anchor, nearest_month(row, cadence, anchor, day, world) + steps * months, world))


@compiled
def is_free(slot: Any, day: int) -> bool:
    """Whether nothing is due in the month of `day` whatever the rhythm: council tax, in February and March."""
    return int(slot["category"]) == COUNCIL_TAX and MONTHS[int(slot["cadence"])] == 1 and 1 <= month_of(day) % 12 <= 2


@compiled
def step_from(row: Any, slot: Any, day: int, step: int, world: Any) -> int:
    """The expected day after (`step` 1) or before (-1) the one nearest to `day`."""
    found = plan(row, int(slot["cadence"]), int(slot["anchor"]), day, step, world)
    while is_free(slot, found):
        found = plan(row, int(slot["cadence"]), int(slot["anchor"]), found, step, world)
    return int(found)


@compiled
def lapsed_day(row: Any, slot: Any, world: Any) -> int:
    """The latest day, since 1970-01-01, on which a payment was expected that did not come; of a slot that is `absent`."""
    return int(step_from(row, slot, int(slot["due"]), -1, world))


@compiled
def periods_from(row: Any, slot: Any, day: int, world: Any) -> int:
    """How many periods after `due` the latest planned day lies that a payment of `day` can be for; negative: before it."""
    cadence, anchor, base_day = int(slot["cadence"]), int(slot["anchor"]), int(slot["due"])
    months = MONTHS[cadence]
    early = day + TOLERANCE[cadence]
    if months == 0:
        return (early - plan(row, cadence, anchor, base_day, 0, world)) // DAYS[cadence]
    first = nearest_month(row, cadence, anchor, base_day, world)
    steps = (month_of(early) + 1 - first) // months
    while planned(row, cadence, anchor, first + steps * months, world) > early:
        steps -= 1
    return int(steps)


@compiled
def explains(row: Any, cadence: int, anchor: int, month: int, day: int, world: Any) -> bool:
    """Whether the plan of that month, with or without regard to working days, is `day`."""
    bare = min(month_start(month) + anchor, month_start(month + 1)) - 1
    moved = planned(row, cadence, anchor, month, world)
    if cadence == MONTHLY_WORKING:
        return day == moved
    return min(bare, moved) <= day <= max(bare, moved)


@compiled
def put(slot: Any, cadence: int, anchor: int) -> bool:
    """Writes a rhythm into a slot."""
    slot["cadence"] = cadence
    slot["anchor"] = anchor
    return True


@compiled
def explains_both(row: Any, cadence: int, anchor: int, before: int, day: int, world: Any) -> bool:
    """Whether a plan by month explains both days."""
    return explains(row, cadence, anchor, month_of(day), day, world) and explains(
        row, cadence, anchor, month_of(before), before, world
    )


@compiled
def fit(row: Any, slot: Any, cadence: int, before: int, day: int, world: Any) -> bool:
    """Finds the rhythm by month, of `cadence`'s length, that explains a payment of `day` and the one of `before`; writes it into
    the slot. Returns whether there is one.
    """
    month, earlier, months = month_of(day), month_of(before), MONTHS[cadence]
    if month - earlier != months:
        return False
    start, end = month_start(month), month_start(month + 1)
    forward = MONTHLY if months == 1 else cadence
    date = day - start + 1
    # The last day of a short month may stand for a later one.
    for anchor in range(31 if day == end - 1 else date, max(date - 5, 0), -1):
        if explains_both(row, forward, anchor, before, day, world):
            return put(slot, forward, anchor)
    if months > 1:
        return False
    for anchor in range(date, min(date + 5, 32) if day < end - 5 else 32):
        if explains_both(row, MONTHLY_BEFORE, anchor, before, day, world):
            return put(slot, MONTHLY_BEFORE, anchor)
    left = working_before(row, end, world) - working_before(row, day, world)
    if 0 < left <= 10 and explains_both(row, MONTHLY_WORKING, -left, before, day, world):
        return put(slot, MONTHLY_WORKING, -left)
    done = working_before(row, day + 1, world) - working_before(row, start, world)
    if 0 < done <= 15 and explains_both(row, MONTHLY_WORKING, done, before, day, world):
        return put(slot, MONTHLY_WORKING, done)
    return False


@compiled
def guess(gap: int) -> int:
    """The cadence that two payments so many days apart may have; 0: none."""
    if 6 <= gap <= 8:
        return WEEKLY
    if 13 <= gap <= 15:
        return TWO_WEEKLY
    if gap == 28:
        return FOUR_WEEKLY
    if 25 <= gap <= 36:
        return MONTHLY
    if 84 <= gap <= 98:
        return QUARTERLY
    if 174 <= gap <= 192:
        return HALF_YEARLY
    return YEARLY if 351 <= gap <= 379 else 0


# --- learning -----------------------------------------------------------------------------------------------


@compiled
def is_income(slot: Any, config: Any) -> bool:
    """Whether a habit is an income."""
    return int(config["kind"][int(slot["category"])]) == 3


@compiled
def is_learned(row: Any, event: Any, config: Any) -> bool:
    """Whether a payment is of the kind that habits are made of."""
    kind = int(config["kind"][int(event["category"])])
    if kind == 0 or (kind == 2 and int(event["scheme"]) == BY_CARD):
        return False
    credit = int(event["direction"]) == CREDIT
    if int(row["flags"]) & REPAID != 0:
        return credit and kind != 3
    return credit == (kind == 3)


@compiled
def find(row: Any, event: Any) -> int:
    """The slot of the habit that a payment belongs to; -1: there is none."""
    subject = int(event["obligation"])
    named = subject != 0
    if not named:
        subject = int(event["payee"])
    for k in range(HABITS):
        slot = row["habits"][k]
        if int(slot["subject"]) == subject and (named or int(slot["category"]) == int(event["category"])):
            return k
    return -1


@compiled
def clear(slot: Any) -> None:
    """Frees a slot."""
    slot["subject"] = 0
    slot["amount"] = 0
    slot["last"] = 0
    slot["due"] = 0
    slot["currency"] = 0
    slot["category"] = 0
    slot["cadence"] = 0
    slot["anchor"] = 0
    slot["count"] = 0
    slot["absent"] = 0
    slot["late"] = 0
    slot["drift"] = 0
    slot["seen"] = 0


@compiled
def begin(slot: Any, day: int) -> None:
    """Starts to look for a rhythm anew, from one payment."""
    slot["last"] = day
    slot["due"] = 0
    slot["cadence"] = 0
    slot["anchor"] = 0
    slot["count"] = 1
    slot["absent"] = 0


@compiled
def settle_in(row: Any, event: Any, day: int, config: Any) -> None:
    """Gives a newcomer a slot, if there is one for it."""
    best, best_rank, best_last = -1, int(config["rank"][int(event["category"])]), 0
    for k in range(HABITS):
        slot = row["habits"][k]
        if int(slot["subject"]) == 0:
            best = k
            break
        if int(slot["due"]) == 0:
            rank = int(config["rank"][int(slot["category"])])
            if day - int(slot["last"]) > PENDING:
                rank = -1
            if rank < best_rank or (rank == best_rank and best >= 0 and int(slot["last"]) < best_last):
                best, best_rank, best_last = k, rank, int(slot["last"])
    if best < 0:
        return
    slot = row["habits"][best]
    clear(slot)
    slot["subject"] = int(event["obligation"]) if int(event["obligation"]) != 0 else int(event["payee"])
    slot["amount"] = int(event["amount"])
    slot["currency"] = int(event["currency"])
    slot["category"] = int(event["category"])
    begin(slot, day)


@compiled
def moved(usual: int, amount: int) -> int:
    """What is usual after one more amount."""
    return usual + (min(max(amount, usual // 2), 2 * usual + 1) - usual) // 4 if usual > 0 else amount


@compiled
def try_out(row: Any, slot: Any, day: int, world: Any) -> None:
    """A payment of a habit without rhythm: guesses one, confirms the guess, or drops it."""
    last, count = int(slot["last"]), int(slot["count"])
    gap = day - last
    if gap <= SAME:
        return
    cadence, anchor = -int(slot["cadence"]), int(slot["anchor"])
    slot["last"] = day
    agrees = False
    if cadence > 0:
        expected = plan(row, cadence, anchor, last, 1, world)
        if MONTHS[cadence] > 0:
            agrees = abs(day - expected) <= TOLERANCE[cadence]
        else:
            # Weeks agree by chance too easily: to the day, but for days on which banks are closed.
            agrees = working_on_or_before(row, expected, world) <= day <= add_working(row, expected, 0, world)
            if gap == 2 * DAYS[cadence]:
                return  # one was left out
    if agrees:
        put(slot, cadence, anchor)
        month = nearest_month(row, cadence, anchor, day, world) if MONTHS[cadence] > 0 else 0
        if MONTHS[cadence] > 0 and not explains(row, cadence, anchor, month, day, world):
            fit(row, slot, cadence, last, day, world)
        slot["count"] = count + 1
    else:
        guessed = guess(gap)
        put(slot, guessed, (day + 3) % 7)
        fits = False
        if MONTHS[guessed] > 0:
            slot["anchor"] = day - month_start(month_of(day)) + 1
            fits = fit(row, slot, guessed, last, day, world)
        # A month of 28 days between the first two looks like four weeks.
        slot["count"] = count + 1 if fits and cadence == FOUR_WEEKLY else 2 if guessed > 0 else 1
    if int(slot["count"]) >= OPENS:
        slot["due"] = step_from(row, slot, day, 1, world)
    else:
        slot["cadence"] = -int(slot["cadence"])


@compiled
def adopt(row: Any, slot: Any, day: int, world: Any) -> None:
    """Moves the plan where a payment is not explained by it, but makes a rhythm with the payment before."""
    cadence, anchor, last = int(slot["cadence"]), int(slot["anchor"]), int(slot["last"])
    if last == 0 or day - last <= SAME:
        return
    if MONTHS[cadence] == 0:
        expected = plan(row, cadence, anchor, day, 0, world)
        if day - last == DAYS[cadence]:
            slot["anchor"] = (day + 3) % 7
            slot["due"] = day
        elif working_on_or_before(row, expected, world) <= day <= add_working(row, expected, 0, world):
            return
        elif cadence == FOUR_WEEKLY and 29 <= day - last <= 36 and fit(row, slot, MONTHLY, last, day, world):
            slot["due"] = day
        return
    month = nearest_month(row, cadence, anchor, day, world)
    if explains(row, cadence, anchor, month, day, world):
        return
    if fit(row, slot, cadence, last, day, world):
        slot["due"] = day
    elif day - last == 28 and MONTHS[cadence] == 1:
        slot["cadence"] = FOUR_WEEKLY
        slot["anchor"] = (day + 3) % 7
        slot["due"] = day


@compiled
def go_on(row: Any, slot: Any, day: int, world: Any) -> bool:
    """A payment of a habit that is expected. Returns whether its amount belongs to the rhythm."""
    cadence, last, count, absent = int(slot["cadence"]), int(slot["last"]), int(slot["count"]), int(slot["absent"])
    steps = periods_from(row, slot, day, world)
    aim = plan(row, cadence, int(slot["anchor"]), int(slot["due"]), steps, world)
    on_plan = day - aim <= TOLERANCE[cadence]
    if steps >= 0:
        adopt(row, slot, day, world)
        slot["due"] = step_from(row, slot, day if int(slot["due"]) == day else aim, 1, world)
        slot["absent"] = 0
        if on_plan:
            slot["count"] = min(count + 1, 127)
    elif absent > 0:
        # Late: for the latest that did not come, unless it was made for an earlier one.
        late = day >= lapsed_day(row, slot, world) - TOLERANCE[cadence]
        slot["absent"] = 0 if late else min(absent, -steps - 1)
        if late:
            adopt(row, slot, day, world)
            if int(slot["due"]) == day:
                slot["due"] = step_from(row, slot, day, 1, world)
    elif day > last:
        adopt(row, slot, day, world)
        if int(slot["due"]) == day:
            slot["due"] = step_from(row, slot, day, 1, world)
        elif not on_plan and day - last > SAME:
            slot["count"] = count - 1
            if count - 1 < FADES:
                begin(slot, day)
                return False
    slot["last"] = max(last, day)
    return steps >= 0


@compiled
def undo(row: Any, slot: Any, day: int, world: Any) -> None:
    """Takes the latest payment of a habit back: what it paid is due again."""
    last, cadence, count = int(slot["last"]), int(slot["cadence"]), int(slot["count"])
    if last == 0 or not last <= day <= last + UNDOABLE:
        return
    if int(slot["due"]) == 0:
        if count <= 1:
            clear(slot)
        else:
            slot["count"] = count - 1
            slot["cadence"] = 0 if count == 2 else cadence
        return
    before = lapsed_day(row, slot, world)
    if int(slot["absent"]) == 0 and abs(last - before) <= TOLERANCE[cadence]:
        slot["due"] = before
        slot["count"] = max(count - 1, FADES)
    slot["last"] = 0


# --- lapsing ------------------------------------------------------------------------------------------------


@compiled
def silent(row: Any, slot: Any, day: int, world: Any) -> bool:
    """Whether an absence must not be decided on this day, because more than this account is silent: it is put off to the next.

    `slot["subject"]` is the obligation's id, else the payee's.
    """
    return False


@compiled
def deadline(row: Any, slot: Any, config: Any, world: Any) -> int:
    """The last day on which what is due may still come."""
    cadence = int(slot["cadence"])
    day = max(int(slot["due"]), int(slot["last"]) + DAYS[cadence])
    return int(add_working(row, day, int(config["grace"][cadence]), world))


@compiled
def put_off(row: Any, slot: Any, today: int, config: Any, world: Any) -> None:
    """Lets nothing be absent before the end of `today`."""
    while int(slot["due"]) > 0 and deadline(row, slot, config, world) < today:
        slot["due"] = int(slot["due"]) + 1


@compiled
def lapse(row: Any, slot: Any, today: int, config: Any, world: Any) -> None:
    """Decides what has become absent before `today`."""
    cadence = int(slot["cadence"])
    while int(slot["due"]) > 0 and deadline(row, slot, config, world) < today:
        if silent(row, slot, today, world):
            put_off(row, slot, today, config, world)
            return
        absent = int(slot["absent"]) + 1
        if absent >= int(config["forgotten"][cadence]) or int(slot["count"]) < int(config["trusted"][cadence]):
            clear(slot)
            return
        slot["absent"] = absent
        slot["due"] = step_from(row, slot, int(slot["due"]), 1, world)


# --- for the kernel and the detectors -----------------------------------------------------------------------


@compiled
def learn(row: Any, event: Any, config: Any, world: Any) -> None:
    """Takes one event, or the passing of time, into the habits of `row`."""
    topic = int(event["topic"])
    if topic == TIME and int(event["kind"]) == LIVE:
        today = local_day(row, int(event["clock"]))
        for k in range(HABITS):
            if int(row["habits"][k]["due"]) > 0:
                lapse(row, row["habits"][k], today, config, world)
    if topic != PAYMENT or not is_learned(row, event, config):
        return
    day = local_day(row, int(event["at"]))
    k = find(row, event)
    if k < 0:
        if int(event["status"]) == BOOKED:
            settle_in(row, event, day, config)
        return
    slot = row["habits"][k]
    usual = int(event["status"]) == BOOKED
    if not usual:
        undo(row, slot, day, world)
    elif int(slot["due"]) > 0:
        usual = go_on(row, slot, day, world)
    else:
        try_out(row, slot, day, world)
    if usual:
        slot["amount"] = moved(int(slot["amount"]), int(event["amount"]))
    # What a late or reversed payment leaves due for a day that is past becomes absent with the next day.
    put_off(row, slot, local_day(row, int(event["clock"])), config, world)


@compiled
def due(row: Any, config: Any, world: Any) -> int:
    """The earliest instant, ms, at which time alone makes an expected payment absent; NEVER if none. It may be past, while no
    payments come.
    """
    first = NEVER
    for k in range(HABITS):
        slot = row["habits"][k]
        expected = int(slot["due"])
        if 0 < expected < first:
            first = min(first, deadline(row, slot, config, world))
    return (first + 1) * DAY - int(row["offset"]) * 60000 if first < NEVER else NEVER


@compiled
def is_replaced(row: Any, k: int) -> bool:
    """Whether a newcomer of the same category came after the latest payment of habit `k`: another supplier, another employer."""
    slot = row["habits"][k]
    for j in range(HABITS):
        other = row["habits"][j]
        if (
            int(other["subject"]) != 0
            and j != k
            and int(other["category"]) == int(slot["category"])
            and 0 < int(other["count"]) <= OPENS
            and int(other["last"]) > int(slot["last"])
        ):
            return True
    return False
