"""Income that did not come, came late, or came smaller.

Sees
    Salary, benefit and pension, in three ways:

    - absent: an income that `habits` has learned did not come by its deadline (see there: rhythms, grace, working days). One
      that comes late takes the sign back.
    - smaller: an income came on its day, but below `smaller` of what is usual for it.
    - fallen: the income of the last two whole months lay below `fallen` of what it was before. This sees work without any
      rhythm, such as gigs, and stays when an income that ended has been forgotten. A month runs from the 8th to the 7th of the
      next: few are paid then, so that a payday moved by a weekend does not change its month.

Maths
    absent  = sum over absent incomes of  share * missing * absent_in_a_row * days_of_its_period / 28
    smaller = share * (1 - amount / usual amount) * m, up to m = 1, and a quarter of what is more;
              m = times_in_a_row * days_of_its_period / 28
    fallen  = 3 * (1 - mean of the last two months / usual month)
    score   = the larger of absent + smaller and fallen

    `share` is the income's part of all income of the account, by habits or by months, whichever is more. `missing` is 1, or what
    newcomers that came since leave of it: another employer who pays the like makes up for the absent one from
    `made_up` on. For a salary only a salary or a pension does: a benefit in its place is still a drop. The whole main income
    absent once is medium, a second time high; a second income counts by its share; two months below half are high.

    The usual month follows a sixth of each change of the months that are more than two back, of which no more than double and
    half are believed; the first month, which is seen in part, is left out. Five Fridays are no change, and a pay that moved
    leaves at most one month short.

Cries wolf
    An employer who is late for everybody is seen here on each account, unless the habits' guard knows of it. A sabbatical and
    parental leave look like a lost income, and unpaid leave like a smaller one. A bonus lifts what is usual by a quarter, so that
    the month after it is not small. Extra payments off the payday are neither small nor a rhythm. An account on which nothing at
    all has happened for `quiet_days` is left, not poor: nothing is absent there. Work without rhythm is judged by months alone,
    from the fifth on.

Undone
    A reversed income is taken out of its month, and is due again with `habits`, see there. One that came smaller and is reversed
    stays noted until the next comes, or 45 days. A correction changes nothing here. Income told late counts in its own month
    where that is not older than two months.

Words
    Neither payer nor amount: a joint account has two holders, and neither learns here what the other earns.

Sources
    ECB, Guidance to banks on non-performing loans (March 2017), annex: payroll decreased over the last three months,
    unemployment. FCA CONC 1.3.1G: inability to meet repayments out of disposable income. Shares and marks are our own judgement.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from pydantic import Field

from stream.contracts.signals import ReasonRecord
from stream.contracts.vocabulary import CATEGORIES
from stream.detectors import habits
from stream.detectors.base import Finding, Levels, Share, Told, on, time_of
from stream.detectors.levels import DAY, FADED, NOTHING, PAID, conclude, gone_after, level_of
from stream.detectors.world import local_day, month_of, month_start
from stream.tables import event as ev
from stream.tables.account import HABITS, REPAID
from stream.tables.compiled import compiled
from stream.tables.notes import EventNote

VERSION: Final = "1"
DETECTOR: Final = 3

PAYMENT: Final = ev.PAYMENT
TIME: Final = ev.TIME
BOOKED: Final = ev.BOOKED
CREDIT: Final = ev.CREDIT
BENEFIT: Final = CATEGORIES.index("benefit")
EARNED: Final = (CATEGORIES.index("salary"), BENEFIT, CATEGORIES.index("pension"))

SUMS: Final = 3
"""Months whose income is kept: this one and the two before."""
SHIFT: Final = 7
"""Days by which a month of income begins later than the calendar's."""
FOLDS: Final = 6
"""Months that the usual month is a mean of, about."""
SMALL: Final = 45
"""Days for which an income that came smaller is remembered, unless the next one comes."""
LATEST: Final = 30000
MOST: Final = 2000000000
TRUSTED: Final = 7
"""Payments in rhythm from which one by weeks is believed: gigs fall into such a rhythm by chance."""

PERIODS: Final = habits.DAYS
TOLERANCE: Final = habits.TOLERANCE
lapsed_day = habits.lapsed_day
find = habits.find


class Settings(Levels):
    """Settings of `income_drop`."""

    smaller: Share = Field(description="Share of its usual amount below which an income came smaller.")
    fallen: Share = Field(description="Share of a usual month below which both of the last two months must lie.")
    made_up: Share = Field(description="Share of an absent income that newcomers must bring for it to count as replaced.")
    quiet_days: int = Field(ge=1, le=60, description="Days without any event after which an account is taken for left.")


CONFIG = np.dtype(
    [
        ("thresholds", "f8", (3,)),
        ("smaller", "f8"),
        ("fallen", "f8"),
        ("made_up", "f8"),
        ("quiet", "i8"),
    ]
)


def configure(settings: Settings, config: npt.NDArray[Any]) -> None:
    """See `base`."""
    config["thresholds"] = settings.thresholds
    config["smaller"] = settings.smaller
    config["fallen"] = settings.fallen
    config["made_up"] = settings.made_up
    config["quiet"] = settings.quiet_days * DAY


# --- months -------------------------------------------------------------------------------------------------


@compiled
def income_month(day: int) -> int:
    """The month that income of a day counts to."""
    return min(max(month_of(day - SHIFT), 1), LATEST)


@compiled
def roll(row: Any, month: int) -> None:
    """Goes on to `month`: months that are more than two back become part of what is usual."""
    held = row["incomes"]
    latest = int(held["month"])
    if latest == 0:
        held["month"] = month
        return
    first = income_month(int(row["spending"]["day"]) - 7 * int(row["spending"]["weeks"]))
    while latest < month:
        # The month that leaves: it takes the place of the one that begins.
        slot = (latest + 1) % SUMS
        known = latest + 1 - SUMS - first
        usual, sum_ = int(held["usual"]), int(held["sums"][slot])
        if known == 1 or (known > 1 and usual == 0):
            held["usual"] = sum_
        elif known > 1:
            held["usual"] = usual + (min(max(sum_, usual // 2), 2 * usual) - usual) // min(known, FOLDS)
        held["sums"][slot] = 0
        latest += 1
        if month - latest > 2 * FOLDS + SUMS:
            latest = month - 2 * FOLDS - SUMS
    held["month"] = month


@compiled
def is_income(row: Any, event: Any) -> bool:
    """Whether an event is income."""
    return (
        int(event["topic"]) == PAYMENT
        and int(event["direction"]) == CREDIT
        and int(event["category"]) in EARNED
        and int(row["flags"]) & REPAID == 0
    )


@compiled
def learn(row: Any, event: Any, config: Any, world: Any) -> None:
    """Takes one event into the row of any account; evidence is not there yet."""
    if int(event["topic"]) != PAYMENT:
        return
    held = row["incomes"]
    month = income_month(local_day(row, int(event["at"])))
    if month > int(held["month"]):
        roll(row, month)
    booked = int(event["status"]) == BOOKED
    if not is_income(row, event) or month <= int(held["month"]) - SUMS or (booked and int(event["corrects"]) != 0):
        return
    amount = int(event["amount"]) // int(world.units[int(event["currency"])])
    sum_ = int(held["sums"][month % SUMS]) + (amount if booked else -amount)
    held["sums"][month % SUMS] = min(max(sum_, 0), MOST)


# --- habits -------------------------------------------------------------------------------------------------


@compiled
def earns(slot: Any) -> bool:
    """Whether a slot holds an income."""
    return int(slot["subject"]) != 0 and int(slot["category"]) in EARNED


@compiled
def monthly(slot: Any, world: Any) -> float:
    """What an income in rhythm brings in a month, whole currency units."""
    units = float(int(world.units[int(slot["currency"])]))
    return float(int(slot["amount"])) / units * 30.4375 / float(PERIODS[int(slot["cadence"])])


@compiled
def household(row: Any, world: Any) -> float:
    """What the account earns in a month as a rule, by incomes in rhythm or by months; whole currency units."""
    total = 0.0
    for k in range(HABITS):
        slot = row["habits"][k]
        if int(slot["due"]) > 0 and earns(slot):
            total += monthly(slot, world)
    return max(total, float(int(row["incomes"]["usual"])))


@compiled
def missing(row: Any, k: int, config: Any) -> float:
    """The part of the absent income `k` that newcomers since do not make up for."""
    slot = row["habits"][k]
    usual, came = int(slot["amount"]), 0
    for j in range(HABITS):
        other = row["habits"][j]
        newcomer = j != k and earns(other) and int(other["last"]) > int(slot["last"]) and int(other["count"]) <= habits.OPENS
        if newcomer and (int(other["category"]) != BENEFIT or int(slot["category"]) == BENEFIT):
            came += int(other["amount"])
    if usual <= 0 or float(came) >= float(config["made_up"]) * float(usual):
        return 0.0
    return 1.0 - float(came) / float(usual)


@compiled
def absent(row: Any, before: int, clock: int, config: Any, facts: Any, world: Any) -> float:
    """The weight of all absent incomes; which they are goes to `facts`."""
    facts[0] = 0
    if clock - int(row["last_at"]) > gone_after(before, config):
        return 0.0
    total, all_ = 0.0, 0.0
    for k in range(HABITS):
        slot = row["habits"][k]
        if int(slot["absent"]) > 0 and earns(slot):
            if all_ == 0.0:
                all_ = household(row, world)
            open_ = missing(row, k, config)
            if open_ > 0.0 and all_ > 0.0:
                period = float(PERIODS[int(slot["cadence"])]) / 28.0
                total += monthly(slot, world) / all_ * open_ * float(int(slot["absent"])) * period
                listed = int(facts[0])
                if listed < 4:
                    facts[1 + 2 * listed] = lapsed_day(row, slot, world)
                    facts[2 + 2 * listed] = int(slot["absent"])
                    facts[0] = listed + 1
    return total


@compiled
def any_absent(row: Any) -> bool:
    """Whether any income did not come."""
    found = False
    for k in range(HABITS):
        found = found or (int(row["habits"][k]["absent"]) > 0 and earns(row["habits"][k]))
    return found


@compiled
def shortfall(row: Any, event: Any, config: Any, world: Any) -> float:
    """The share of the account's income by which this one came smaller than usual; 0 where it is not small, -1 where the event
    is no income that was due.
    """
    if not is_income(row, event) or int(event["status"]) != BOOKED or int(event["corrects"]) != 0:
        return -1.0
    k = find(row, event)
    if k < 0:
        return -1.0
    slot = row["habits"][k]
    if int(slot["due"]) == 0 or (PERIODS[int(slot["cadence"])] < 28 and int(slot["count"]) < TRUSTED):
        return -1.0
    day = local_day(row, int(event["at"]))
    if int(slot["last"]) != day or abs(lapsed_day(row, slot, world) - day) > TOLERANCE[int(slot["cadence"])]:
        return -1.0
    # `habits` has taken it in already, by a quarter of the change and at most half of it: what was usual before?
    amount, now = float(int(event["amount"])), float(int(slot["amount"]))
    usual = (4.0 * now - amount) / 3.0
    if amount < usual / 2.0:
        usual = now / 0.875
    if usual <= 0.0 or amount >= float(config["smaller"]) * usual:
        return 0.0
    return (1.0 - amount / usual) * min(monthly(slot, world) * usual / now / household(row, world), 1.0)


@compiled
def fallen(row: Any, config: Any, world: Any) -> float:
    """By what share of a usual month the last two lay below it, where both did and habits do not explain it; else 0."""
    held = row["incomes"]
    month, usual = int(held["month"]), float(int(held["usual"]))
    last, before = float(int(held["sums"][(month - 1) % SUMS])), float(int(held["sums"][(month - 2) % SUMS]))
    limit = float(config["fallen"]) * usual
    if usual <= 0.0 or last >= limit or before >= limit:
        return 0.0
    return 1.0 - (last + before) / (2.0 * usual)


# --- the sign -----------------------------------------------------------------------------------------------


@compiled
def wants(row: Any, event: Any, config: Any, world: Any) -> bool:
    """See `base`."""
    return any_absent(row) or fallen(row, config, world) > 0.0 or shortfall(row, event, config, world) > 0.0


@compiled
def step(row: Any, evidence: Any, event: Any, config: Any, told: Any, world: Any) -> int:
    """Takes one event in. Returns a code of `levels`; the details are then in the account's sign of this detector."""
    sign, facts = evidence["signs"][DETECTOR], told["facts"]
    before, clock = int(sign["severity"]), int(event["clock"])
    if before == 0 and int(sign["spare"][1]) == 0 and not wants(row, event, config, world):
        return NOTHING
    today = local_day(row, clock)
    if int(event["topic"]) == TIME and before > 0 and income_month(today) > int(row["incomes"]["month"]):
        roll(row, income_month(today))
    # What came smaller: by how many hundredths of all income, how many times in a row, with what period, noted until when.
    hundredths, times, days, noted = int(sign["spare"][0]), int(sign["spare"][1]), int(sign["spare"][2]), int(sign["expires"])
    short = shortfall(row, event, config, world)
    if short > 0.0:
        hundredths = min(int(short * 100.0 + 0.5), 100)
        times = min(times + 1, 100)
        days = min(PERIODS[int(row["habits"][find(row, event)]["cadence"])], 28)
        noted = clock + SMALL * DAY
    elif short == 0.0 or (times > 0 and clock >= noted):
        hundredths, times, days, noted = 0, 0, 0, 0
    gone = absent(row, before, clock, config, facts, world)
    months = float(times * days) / 28.0
    small = float(hundredths) / 100.0 * (months if months < 1.0 else 0.75 + 0.25 * months)
    less = fallen(row, config, world) if clock - int(row["last_at"]) <= gone_after(before, config) else 0.0
    now = max(gone + small, 3.0 * less)
    level = level_of(before, now, config["thresholds"], 1.0)
    due = 0
    if level > 0 or times > 0:
        due = (month_start(income_month(today) + 1) + SHIFT) * DAY - int(row["offset"]) * 60000
        due = min(due, noted) if times > 0 else due
    same = level == before and noted == int(sign["expires"]) and due == int(sign["due"])
    if same and (level == 0 or now == float(sign["score"])):
        return NOTHING
    event["touched"] = 1
    sign["spare"][0] = hundredths
    sign["spare"][1] = times
    sign["spare"][2] = days
    sign["expires"] = noted
    sign["held"] = 1 if times > 0 else 0
    sign["due"] = due
    sign["cause"] = PAID if is_income(row, event) and int(event["status"]) == BOOKED else FADED
    facts[9] = local_day(row, int(event["at"])) if short > 0.0 else 0
    facts[10] = times
    facts[11] = 1 if less > 0.0 else 0
    return conclude(row, sign, level, now, int(event["at"]), 0)


_AGAIN: Final = ("", "", " for the second time in a row", " for the third time in a row")


def tell(found: Finding, events: Sequence[EventNote], at: int, settings: Settings) -> Told:
    """See `base`."""
    facts = found.facts
    told: list[tuple[str, str, int]] = []
    for k in range(facts[0]):
        day, times = facts[1 + 2 * k], facts[2 + 2 * k]
        again = _AGAIN[min(times, 3)] if times < 4 else " several times in a row"
        told.append(("income_absent", f"Income that was expected by {on(day)} has not come{again}.", times))
    if facts[10]:
        when = f" that came on {on(facts[9])}" if facts[9] else " that came lately"
        told.append(("income_smaller", f"Income{when} was well below what is usual.", facts[10]))
    if facts[11]:
        told.append(("income_fallen", "Income over the last two months was well below what was usual before.", 2))
    reasons = tuple(
        ReasonRecord(code=code, text=text, value=value, unit="times", window_to=time_of(at), event_ids=())
        for code, text, value in told
    )
    return Told(reasons, "Clears when income comes again as usual.")
