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
    down (`count`), those on it build it up; below two nothing is expected any more. Weeks must be kept to the day, and a second
    payment within a week wears too: else any frequent income would look weekly.

    When the deadline has passed while payments keep coming (see `event.LIVE`), the habit is `absent`, once for each planned
    day, until a payment comes, however late. After some absences in a row it is forgotten: it was cancelled. A rhythm that has
    not yet held often enough to be trusted (weeks agree by chance more easily than months) is forgotten at once, unsaid.

    Council tax is due in ten instalments from April to January: in February and March nothing is expected.

    The usual amount follows a quarter of each change, of which no more than double and half are believed.

Slots
    A newcomer takes a free slot, else that of a payment without rhythm: one that has not come back for 45 days, or one of a
    lesser kind; or that of an absent habit of its own category, which it replaces. A habit that holds is never given up for a
    newcomer, so that no crowd of shops can empty the memory.

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
from stream.detectors import base, outage_guard
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

CLOSE: Final = 10
"""Days from a month's planned day within which no other month's is nearer."""
OPENS: Final = 3
"""Payments in rhythm from which the next is expected."""
FADES: Final = 2
"""Payments in rhythm below which it is expected no more."""
SAME: Final = 3
"""Days within which a second payment is a part of the first."""
PENDING: Final = 45
"""Days for which a payment without rhythm keeps its slot against its equals."""
SATURDAY: Final = 5
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

is_silent = outage_guard.is_silent
see_payer = outage_guard.see_payer
local_day = worlds.local_day
working_before = worlds.working_before
add_working = worlds.add_working
working_on_or_after = worlds.working_on_or_after
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
def due_of(slot: Any) -> int:
    """The day that is due. Wider than its field, as `last_of` and `anchor_of`: what is called with it is compiled once."""
    return int(slot["due"]) + 0


@compiled
def last_of(slot: Any) -> int:
    """The day of the latest payment."""
    return int(slot["last"]) + 0


@compiled
def anchor_of(slot: Any) -> int:
    """What the rhythm counts from."""
    return int(slot["anchor"]) + 0


@compiled
def weekday(day: int) -> int:
    """Of a day since 1970-01-01; 0 is Monday."""
    return (day + 3) % 7


@compiled
def on_weekday(slot: Any, day: int) -> int:
    """The planned day nearest to `day`, of the rhythms by week."""
    return day + (anchor_of(slot) - weekday(day) + 3) % 7 - 3


@compiled
def bare(slot: Any, month: int) -> int:
    """The planned day in a month (since January 1970) without regard to working days, of the rhythms by day of the month."""
    return min(month_start(month) + anchor_of(slot), month_start(month + 1)) - 1


@compiled
def planned(row: Any, slot: Any, month: int, world: Any) -> int:
    """The planned day in a month (since January 1970), of the rhythms by month."""
    anchor = anchor_of(slot)
    if int(slot["cadence"]) != MONTHLY_WORKING:
        day = bare(slot, month)
        if int(slot["cadence"]) == MONTHLY_BEFORE:
            return int(working_on_or_before(row, day, world))
        return int(working_on_or_after(row, day, world))
    if anchor > 0:
        return int(add_working(row, month_start(month) - 1, anchor, world))
    day = month_start(month + 1)
    while anchor < 0:
        day = working_on_or_before(row, day - 1, world)
        anchor += 1
    return day


@compiled
def nearest_month(row: Any, slot: Any, day: int, world: Any) -> int:
    """The month whose planned day is nearest to `day`."""
    month = month_of(day)
    off = day - planned(row, slot, month, world)
    if abs(off) <= CLOSE:
        return int(month)
    other = month + 1 if off > 0 else month - 1
    return int(other if abs(day - planned(row, slot, other, world)) < abs(off) else month)


@compiled
def plan(row: Any, slot: Any, day: int, steps: int, world: Any) -> int:
    """The planned day `steps` periods after the one nearest to `day` (of the rhythms by week: nearest by weekday)."""
    cadence = int(slot["cadence"])
    if MONTHS[cadence] == 0:
        return int(on_weekday(slot, day)) + steps * DAYS[cadence]
    return int(planned(row, slot, nearest_month(row, slot, day, world) + steps * MONTHS[cadence], world))


@compiled
def is_free(slot: Any, day: int) -> bool:
    """Whether nothing is due in the month of `day` whatever the rhythm: council tax, in February and March."""
    return int(slot["category"]) == COUNCIL_TAX and MONTHS[int(slot["cadence"])] == 1 and 1 <= month_of(day) % 12 <= 2


@compiled
def beside(row: Any, slot: Any, day: int, back: bool, world: Any) -> int:
    """The expected day after the one nearest to `day`, or before it."""
    steps = -1 if back else 1
    found = plan(row, slot, day, steps, world)
    while is_free(slot, found):
        found = plan(row, slot, found, steps, world)
    return int(found)


@compiled
def lapsed_day(row: Any, slot: Any, world: Any) -> int:
    """The latest day, since 1970-01-01, on which a payment was expected that did not come; of a slot that is `absent`."""
    return int(beside(row, slot, due_of(slot), True, world))


@compiled
def periods_from(row: Any, slot: Any, day: int, world: Any) -> int:
    """How many periods after `due` the latest planned day lies that a payment of `day` can be for; negative: before it."""
    cadence = int(slot["cadence"])
    months = MONTHS[cadence]
    early = day + TOLERANCE[cadence]
    if months == 0:
        return (early - int(on_weekday(slot, due_of(slot)))) // DAYS[cadence]
    first = nearest_month(row, slot, due_of(slot), world)
    steps = (month_of(early) + 1 - first) // months
    while planned(row, slot, first + steps * months, world) > early:
        steps -= 1
    return int(steps)


@compiled
def explains(row: Any, slot: Any, month: int, day: int, world: Any) -> bool:
    """Whether the plan of that month, with or without regard to working days, is `day`."""
    moved = planned(row, slot, month, world)
    if int(slot["cadence"]) == MONTHLY_WORKING:
        return bool(day == moved)
    unmoved = bare(slot, month)
    return bool(min(unmoved, moved) <= day <= max(unmoved, moved))


@compiled
def put(slot: Any, cadence: int, anchor: int) -> None:
    """Writes a rhythm into a slot."""
    slot["cadence"] = cadence
    slot["anchor"] = anchor


@compiled
def fit(row: Any, slot: Any, length: int, day: int, world: Any) -> bool:
    """Finds the rhythm of `length` months that explains a payment of `day` and the one before; writes it into the slot. Returns
    whether there is one.
    """
    before = last_of(slot)
    month, earlier = month_of(day), month_of(before)
    if month - earlier != length:
        return False
    held, anchor_held = int(slot["cadence"]) + 0, anchor_of(slot)
    date = day - month_start(month) + 1
    for k in range(17):
        if k < 9:  # the date or, if it was moved, one before; the last day of a short month may stand for a later one
            cadence, anchor = (MONTHLY if length == 1 else QUARTERLY + length // 6), date + 3 - k
        elif k < 15:
            cadence, anchor = MONTHLY_BEFORE, (date + k - 9 if k < 14 else 31)
        elif k == 15:
            cadence, anchor = (
                MONTHLY_WORKING,
                working_before(row, day, world) - working_before(row, month_start(month + 1), world),
            )
        else:
            cadence, anchor = (
                MONTHLY_WORKING,
                working_before(row, day + 1, world) - working_before(row, month_start(month), world),
            )
        if (k < 9 or length == 1) and -10 <= anchor <= 31 and anchor != 0:
            put(slot, cadence, anchor)
            if explains(row, slot, month, day, world) and explains(row, slot, earlier, before, world):
                return True
    put(slot, held, anchor_held)
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
        replaced = int(slot["absent"]) > 0 and int(slot["category"]) == int(event["category"])
        if int(slot["due"]) == 0 or replaced:
            rank = int(config["rank"][int(slot["category"])])
            if replaced or day - int(slot["last"]) > PENDING:
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
def is_near(row: Any, day: int, expected: int, world: Any) -> bool:
    """Whether `day` is the expected one or, where that is a bank holiday, the working day beside it."""
    if day == expected or weekday(expected) >= SATURDAY:
        return bool(day == expected)
    return bool(day == working_on_or_before(row, expected, world) or day == working_on_or_after(row, expected, world))


@compiled
def try_out(row: Any, slot: Any, day: int, world: Any) -> None:
    """A payment of a habit without rhythm: guesses one, confirms the guess, or drops it."""
    count, cadence = int(slot["count"]), -int(slot["cadence"])
    gap = day - last_of(slot)
    if gap <= SAME:
        return
    agrees, fits = False, False
    if cadence > 0:
        put(slot, cadence, anchor_of(slot))
        off = day - beside(row, slot, last_of(slot), False, world)
        # Weeks agree by chance too easily: to the day, but for days on which banks are closed.
        agrees = is_near(row, day, day - off, world) if MONTHS[cadence] == 0 else abs(off) <= TOLERANCE[cadence]
    if agrees:
        if MONTHS[cadence] > 0 and not explains(row, slot, nearest_month(row, slot, day, world), day, world):
            fits = fit(row, slot, MONTHS[cadence], day, world)
        count += 1
    elif MONTHS[cadence] > 0 or gap != 2 * DAYS[cadence]:  # else one week was left out
        guessed = guess(gap)
        put(slot, guessed, weekday(day))
        if MONTHS[guessed] > 0:
            put(slot, guessed, day - month_start(month_of(day)) + 1)
            fits = fit(row, slot, MONTHS[guessed], day, world)
        # A month of 28 days between the first two looks like four weeks.
        count = count + 1 if fits and cadence == FOUR_WEEKLY else 2 if guessed > 0 else 1
    slot["count"] = count
    slot["last"] = day
    if count >= OPENS:
        slot["due"] = beside(row, slot, day, False, world)
    else:
        slot["cadence"] = -int(slot["cadence"])


@compiled
def adopt(row: Any, slot: Any, day: int, world: Any) -> bool:
    """Moves the plan where a payment is not explained by it, but makes a rhythm with the one before. Returns whether it did."""
    cadence, last = int(slot["cadence"]), last_of(slot)
    gap = day - last
    if last == 0 or gap <= SAME:
        return False
    months = MONTHS[cadence]
    if months == 0 and gap == DAYS[cadence]:
        slot["anchor"] = weekday(day)
        return True
    if (
        is_near(row, day, on_weekday(slot, day), world)
        if months == 0
        else explains(row, slot, nearest_month(row, slot, day, world), day, world)
    ):
        return False
    if (cadence == FOUR_WEEKLY or months > 0) and fit(row, slot, max(months, 1), day, world):
        return True
    if months == 1 and gap == DAYS[FOUR_WEEKLY]:
        put(slot, FOUR_WEEKLY, weekday(day))
        return True
    return False


@compiled
def go_on(row: Any, slot: Any, day: int, world: Any) -> bool:
    """A payment of a habit that is expected. Returns whether its amount belongs to the rhythm."""
    cadence, last, count, absent = int(slot["cadence"]), last_of(slot), int(slot["count"]), int(slot["absent"])
    steps = periods_from(row, slot, day, world)
    aim = plan(row, slot, due_of(slot), steps, world)
    weeks = MONTHS[cadence] == 0
    on_plan = is_near(row, day, aim, world) if weeks else day - aim <= TOLERANCE[cadence]
    if steps >= 0:
        slot["absent"] = 0
        worn = weeks and not on_plan
        if on_plan:
            slot["count"] = min(count + 1, 127)
    elif absent > 0:
        # Late: for the latest that did not come, unless it was made for an earlier one.
        late = day >= lapsed_day(row, slot, world) - TOLERANCE[cadence]
        slot["absent"] = 0 if late else min(absent, -steps - 1)
        worn = False
    else:
        worn = day > last and (weeks or (not on_plan and day - last > SAME))
    if worn:
        slot["count"] = count - 1
        if count - 1 < FADES:
            begin(slot, day)
            return False
    # To the day as planned is nothing to adopt.
    if day != aim and adopt(row, slot, day, world):
        aim = day
    if steps >= 0 or aim == day:
        slot["due"] = max(int(beside(row, slot, aim, False, world)), due_of(slot))
    slot["last"] = max(last, day)
    return bool(steps >= 0)


@compiled
def undo(row: Any, slot: Any, day: int, world: Any) -> None:
    """Takes the latest payment of a habit back: what it paid is due again."""
    last, count = last_of(slot), int(slot["count"])
    if last == 0 or not last <= day <= last + UNDOABLE:
        return
    if int(slot["due"]) == 0:
        if count <= 1:
            clear(slot)
        else:
            slot["count"] = count - 1
            slot["cadence"] = 0 if count == 2 else int(slot["cadence"])
        return
    before = lapsed_day(row, slot, world)
    if int(slot["absent"]) == 0 and abs(last - before) <= TOLERANCE[int(slot["cadence"])]:
        slot["due"] = before
        slot["count"] = max(count - 1, FADES)
    slot["last"] = 0


# --- lapsing ------------------------------------------------------------------------------------------------


@compiled
def ready(slot: Any) -> int:
    """The day from which the grace of what is due runs."""
    return max(due_of(slot), last_of(slot) + DAYS[int(slot["cadence"])])


@compiled
def deadline(row: Any, slot: Any, config: Any, world: Any) -> int:
    """The last day on which what is due may still come."""
    return int(add_working(row, ready(slot), int(config["grace"][int(slot["cadence"])]) + 0, world))


@compiled
def silent(row: Any, slot: Any, today: int, config: Any, world: Any) -> bool:
    """Whether an absence must not be decided today, because nobody is paid by this payer: it is put off to the next day."""
    if int(slot["last"]) == 0:
        return False
    cadence = int(slot["cadence"])
    expected = min(int(slot["due"]), int(slot["last"]) + DAYS[cadence])
    last = int(add_working(row, expected + 0, int(config["grace"][cadence]) + 0, world))
    return bool(is_silent(int(slot["subject"]), expected, last, today, world))


@compiled
def put_off(row: Any, slot: Any, today: int, config: Any, world: Any) -> None:
    """Lets nothing be absent before the end of `today`."""
    while 0 < int(slot["due"]) < today and deadline(row, slot, config, world) < today:
        slot["due"] = int(slot["due"]) + 1


@compiled
def lapse(row: Any, slot: Any, today: int, config: Any, world: Any) -> None:
    """Decides what has become absent before `today`."""
    cadence = int(slot["cadence"])
    while 0 < int(slot["due"]) < today and deadline(row, slot, config, world) < today:
        if silent(row, slot, today, config, world):
            put_off(row, slot, today, config, world)
            return
        absent = int(slot["absent"]) + 1
        if absent >= int(config["forgotten"][cadence]) or int(slot["count"]) < int(config["trusted"][cadence]):
            clear(slot)
            return
        slot["absent"] = absent
        slot["due"] = beside(row, slot, due_of(slot), False, world)


# --- for the kernel and the detectors -----------------------------------------------------------------------


@compiled
def learn(row: Any, event: Any, config: Any, world: Any) -> bool:
    """Takes one event, or the passing of time, into the habits of `row`. Returns whether they may have changed."""
    topic = int(event["topic"])
    if topic == TIME and int(event["kind"]) == LIVE:
        today = local_day(row, int(event["clock"]))
        for k in range(HABITS):
            if int(row["habits"][k]["due"]) > 0:
                lapse(row, row["habits"][k], today, config, world)
    if topic != PAYMENT or not is_learned(row, event, config):
        return topic == TIME
    if int(event["obligation"]) == 0 and int(event["status"]) == BOOKED:
        see_payer(row, event, world)
    day = local_day(row, int(event["at"]))
    k = find(row, event)
    if k < 0:
        if int(event["status"]) == BOOKED:
            settle_in(row, event, day, config)
        return int(event["status"]) == BOOKED
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
    return True


@compiled
def due(row: Any, config: Any, world: Any) -> int:
    """The earliest instant, ms, at which time alone makes an expected payment absent; NEVER if none. It may be past, while no
    payments come.
    """
    best, early = -1, NEVER
    for k in range(HABITS):
        slot = row["habits"][k]
        if int(slot["due"]) > 0 and ready(slot) < early:
            best, early = k, ready(slot)
    if best < 0:
        return NEVER
    first = deadline(row, row["habits"][best], config, world)
    for k in range(HABITS):
        slot = row["habits"][k]
        # As many days as working days at least: most need not be looked up.
        if k != best and int(slot["due"]) > 0 and ready(slot) + int(config["grace"][int(slot["cadence"])]) < first:
            first = min(first, deadline(row, slot, config, world))
    return (first + 1) * DAY - int(row["offset"]) * 60000


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
