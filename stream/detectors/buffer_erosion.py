"""The money kept back is going: lower lows month by month, days overdrawn, beyond the limit.

Sees
    The balances that payments carry. Of each month the lowest is kept: it stands just before payday, so lows are compared with
    lows, and neither payday nor the season within a month shows. Four things are seen, and weigh together:

    - drained: a month's low is at least `drained` below the middle of the lows of the six months before. Not where it is still
      more than `ample` months of outgoings, which is wealth drawn down by plan, nor where less than `slight` months of them were
      ever kept. Once this month and once last month it weighs half as much again.
    - falling: three months in a row, or more, whose low is below the one before by `slight` months of outgoings. A quarter for
      each. The month that runs counts only once it is below the last.
    - overdrawn: days of this month, or of the last, on which a payment left the account below zero, where that is not usual. All
      `overdrawn_days` of them weigh 1.
    - over the limit: months, of the last three, with a balance beyond the arranged limit. 1, and a half for each further.

Maths
    score = drained + falling + overdrawn + over the limit

    Severity rises when the score reaches a mark, and falls below `release` times the mark it holds. The last two months stand
    for now: a balance just after payday says nothing of the low to come, so a recovery shows when a better month is over.

Cries wolf
    Half of a population lives close to zero before payday, and no fall is left to see: silent. A dear month (a holiday, a car)
    drains the account once and is low, which only watches; it fades when a month with a usual low is over. Silent where
    balances are not sent, for three months on a new account, and on the bank's own credit products but for the limit. A bank
    whose payments carry balances in another currency than the account's misleads it.

Undone
    A month's low does not depend on the order of arrival: a balance that comes late counts in its own month and never
    overwrites a later one; one older than six months counts nowhere. A late balance below zero adds a day overdrawn only if it
    is of the latest month seen. Nothing is taken back when a payment is reversed or corrected: the balance it carried was real
    at that moment. One that was told wrongly stays in the low of its month.

Sources
    ECB, Guidance to banks on non-performing loans (March 2017), annex on early warning indicators for individuals: credit
    balance down 95 % in six months, months with overdraft exceeded. FCA CONC 5D.2.1R: watching overdraft use for signs of
    difficulty. Norden and Weber, RFS 2010: account activity turns abnormal about a year before default. Weights are our own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from pydantic import Field

from stream.contracts.money import to_text
from stream.contracts.signals import ReasonRecord
from stream.detectors.base import Finding, Levels, Share, Told, on, time_of
from stream.detectors.distress_spending import monthly_outgoings
from stream.detectors.levels import DAY, NOTHING, conclude, level_of
from stream.detectors.world import CURRENCY_CODES, local_day, month_of, month_start
from stream.tables import event as ev
from stream.tables.account import MONTHS, NO_LOW, REPAID
from stream.tables.compiled import compiled
from stream.tables.notes import EventNote

VERSION: Final = "1"
DETECTOR: Final = 6

PAYMENT: Final = ev.PAYMENT
BOOKED: Final = ev.BOOKED
NO_BALANCE: Final = ev.NO_BALANCE

HISTORY: Final = 3
"""Earlier months whose lows must be known before any is called usual."""


class Settings(Levels):
    """Settings of `buffer_erosion`."""

    release: float = Field(gt=0.0, le=1.0, description="Share of a severity's mark below which it is given up.")
    drained: Share = Field(description="Share of the usual low that must be gone.")
    ample: float = Field(ge=0.0, le=24.0, description="Months of outgoings; a low above them is no stress, whatever it was.")
    slight: float = Field(gt=0.0, le=1.0, description="Months of outgoings; a difference in lows below them is noise.")
    overdrawn_days: int = Field(ge=1, le=31, description="Days overdrawn in a month that weigh 1.")


CONFIG = np.dtype(
    [
        ("release", "f8"),
        ("drained", "f8"),
        ("ample", "f8"),
        ("slight", "f8"),
        ("overdrawn", "f8"),
        ("thresholds", "f8", (3,)),
    ]
)


def configure(settings: Settings, config: npt.NDArray[Any]) -> None:
    """See `base`."""
    config["release"] = settings.release
    config["drained"] = settings.drained
    config["ample"] = settings.ample
    config["slight"] = settings.slight
    config["overdrawn"] = settings.overdrawn_days
    config["thresholds"] = settings.thresholds


@compiled
def bits(mask: int) -> int:
    """How many bits are set."""
    count = 0
    while mask != 0:
        mask &= mask - 1
        count += 1
    return count


@compiled
def floor_units(event: Any, world: Any) -> int:
    """The balance that a payment carries in whole currency units, downwards."""
    units = int(event["balance"]) // int(world.units[int(event["currency"])])
    return min(max(units, -NO_LOW), NO_LOW - 1)


@compiled
def calendar_month(day: int) -> int:
    """`month_of`, within what a row can hold."""
    return min(max(month_of(day), -32767), 32767)


@compiled
def tells(event: Any) -> bool:
    """Whether this is a payment with a balance."""
    return int(event["topic"]) == PAYMENT and int(event["balance"]) != NO_BALANCE and int(event["status"]) == BOOKED


@compiled
def learn(row: Any, event: Any, config: Any, world: Any) -> None:
    """Takes one event into the row of any account; evidence is not there yet."""
    if not tells(event):
        return
    held = row["balances"]
    day = local_day(row, int(event["at"]))
    own, latest = calendar_month(day), int(held["month"])
    if latest == 0 or own > latest:
        kept = latest + 1 if latest != 0 else own - MONTHS + 1
        for month in range(max(kept, own - MONTHS + 1), own + 1):
            held["lows"][month % MONTHS] = NO_LOW
        held["before"] = bits(int(held["overdrawn"])) if own == latest + 1 else 0
        held["overdrawn"] = 0
        held["month"] = own
        latest = own
    elif own <= latest - MONTHS:
        return
    slot = own % MONTHS
    held["lows"][slot] = min(int(held["lows"][slot]), floor_units(event, world))
    if own == latest and int(event["balance"]) < 0:
        held["overdrawn"] = int(held["overdrawn"]) | (1 << (day - month_start(own)))


@compiled
def low_of(row: Any, month: int) -> int:
    """The low of a month, or NO_LOW where it is not known."""
    latest = int(row["balances"]["month"])
    if latest == 0 or month > latest or month <= latest - MONTHS:
        return NO_LOW
    return int(row["balances"]["lows"][month % MONTHS])


@compiled
def usual_before(row: Any, month: int) -> int:
    """The lower middle of the lows known of the six months before, or NO_LOW where they are fewer than `HISTORY`."""
    known = 0
    for k in range(1, MONTHS):
        if low_of(row, month - k) != NO_LOW:
            known += 1
    if known < HISTORY:
        return NO_LOW
    for k in range(1, MONTHS):
        low, below, equal = low_of(row, month - k), 0, 0
        for j in range(1, MONTHS):
            other = low_of(row, month - j)
            if other < low:
                below += 1
            elif other == low:
                equal += 1
        if low != NO_LOW and below <= (known - 1) // 2 < below + equal:
            return low
    return NO_LOW


@compiled
def is_drained(row: Any, month: int, outgoings: float, config: Any) -> bool:
    """Whether hardly anything is left in `month` of what is usual."""
    low = low_of(row, month)
    if low == NO_LOW or float(low) > float(config["ample"]) * outgoings:
        return False
    usual = usual_before(row, month)
    return (
        usual != NO_LOW
        and float(usual) >= float(config["slight"]) * outgoings
        and float(low) <= (1.0 - float(config["drained"])) * float(usual)
    )


@compiled
def months_falling(row: Any, month: int, outgoings: float, config: Any) -> int:
    """How many months in a row, up to now, the low lay below the one before."""
    slight = float(config["slight"]) * outgoings
    last = month if low_of(row, month) < low_of(row, month - 1) else month - 1
    if float(low_of(row, last)) > float(config["ample"]) * outgoings:
        return 0
    count = 0
    while count < MONTHS - 1:
        later, earlier = low_of(row, last - count), low_of(row, last - count - 1)
        if later == NO_LOW or earlier == NO_LOW or float(earlier - later) < slight:
            break
        count += 1
    return count


@compiled
def days_overdrawn(row: Any, month: int) -> int:
    """Days overdrawn of `month` or of the one before, whichever were more; 0 where that is usual or nothing usual is known."""
    held = row["balances"]
    latest, days = int(held["month"]), bits(int(held["overdrawn"]))
    if latest == month:
        days = max(days, int(held["before"]))
    elif latest != month - 1:
        return 0
    if days == 0:
        return 0
    usual, earlier = usual_before(row, month), usual_before(row, month - 1)
    # What has only just become usual is not yet.
    return 0 if usual == NO_LOW or (usual < 0 and (earlier == NO_LOW or earlier < 0)) else days


@compiled
def months_over(row: Any, month: int, units: int) -> int:
    """Months, of the last three, with a balance beyond the arranged limit."""
    count, limit = 0, int(row["limit"])
    for k in range(3):
        if limit > 0 and low_of(row, month - k) * units < -limit:
            count += 1
    return count


@compiled
def drained_now(row: Any, month: int, outgoings: float, config: Any) -> int:
    """Whether this month is drained (1), the last one (2), or both (3)."""
    this = 1 if is_drained(row, month, outgoings, config) else 0
    return this + (2 if is_drained(row, month - 1, outgoings, config) else 0)


@compiled
def score(row: Any, month: int, units: int, config: Any) -> float:
    """The weight of all that is seen in `month`, where `units` minor units are one of the currency."""
    over = months_over(row, month, units)
    total = 0.5 + 0.5 * over if over > 0 else 0.0
    if int(row["flags"]) & REPAID != 0:
        return total
    outgoings = monthly_outgoings(row)
    drained = drained_now(row, month, outgoings, config)
    if drained > 0:
        total += 1.5 if drained == 3 else 1.0
    falling = months_falling(row, month, outgoings, config)
    if falling >= 3:
        total += 0.25 * falling
    return total + min(float(days_overdrawn(row, month)) / float(config["overdrawn"]), 1.0)


@compiled
def matters(row: Any, event: Any, config: Any, world: Any) -> bool:
    """Whether an event can raise the score: a balance below zero, or a new low of its month with little left."""
    if not tells(event) or (int(row["flags"]) & REPAID != 0 and int(row["limit"]) == 0):
        return False
    if int(event["balance"]) < 0:
        return True
    if float(floor_units(event, world)) > float(config["ample"]) * monthly_outgoings(row):
        return False
    return low_of(row, calendar_month(local_day(row, int(event["at"])))) == floor_units(event, world)


@compiled
def wants(row: Any, event: Any, config: Any, world: Any) -> bool:
    """See `base`."""
    if not matters(row, event, config, world):
        return False
    month = calendar_month(local_day(row, int(event["clock"])))
    return score(row, month, int(world.units[int(event["currency"])]), config) >= float(config["thresholds"][0])


@compiled
def step(row: Any, evidence: Any, event: Any, config: Any, told: Any, world: Any) -> int:
    """Takes one event in. Returns a code of `levels`; the details are then in the account's sign of this detector."""
    sign = evidence["signs"][DETECTOR]
    before, clock = int(sign["severity"]), int(event["clock"])
    # The passing of time has no currency: it is kept with the sign.
    currency = int(sign["spare"][0]) * 100 + int(sign["spare"][1])
    if matters(row, event, config, world):
        currency = int(event["currency"])
    elif before == 0 or clock < int(sign["due"]):
        return NOTHING
    units = int(world.units[currency])
    month = calendar_month(local_day(row, clock))
    now = score(row, month, units, config)
    level = level_of(before, now, config["thresholds"], float(config["release"]))
    # A month that ends makes its low the last word on it.
    due = month_start(month + 1) * DAY - int(row["offset"]) * 60000 if level > 0 else 0
    if level == before and (level == 0 or (now == float(sign["score"]) and due == int(sign["due"]))):
        return NOTHING
    event["touched"] = 1
    sign["spare"][0] = currency // 100
    sign["spare"][1] = currency % 100
    sign["cause"] = 0
    sign["due"] = due
    facts = told["facts"]
    facts[0] = currency
    facts[1] = month
    facts[2] = months_over(row, month, units)
    facts[3] = 0
    facts[4] = 0
    facts[5] = 0
    if int(row["flags"]) & REPAID == 0:
        outgoings = monthly_outgoings(row)
        facts[3] = drained_now(row, month, outgoings, config)
        facts[4] = months_falling(row, month, outgoings, config)
        facts[5] = days_overdrawn(row, month)
    shown = month if int(facts[3]) != 2 and low_of(row, month) != NO_LOW else month - 1
    facts[6] = shown
    facts[7] = low_of(row, shown) * units
    facts[8] = usual_before(row, shown) * units
    facts[9] = int(row["limit"])
    return conclude(row, sign, level, now, int(event["at"]), 0)


def _money(minor: int, currency: str) -> str:
    return f"{currency} {to_text(minor, currency)}"


def tell(found: Finding, events: Sequence[EventNote], at: int, settings: Settings) -> Told:
    """See `base`."""
    number, now, over, drained, falling, days, shown, low, usual, limit = found.facts[:10]
    currency = CURRENCY_CODES[number - 1]
    told: list[tuple[str, str, int | str, str]] = []
    if drained:
        lowest, before = _money(low, currency), _money(usual, currency)
        text = f"The lowest balance of {_month(shown)} was about {lowest}, where {before} is usual."
        told.append(("drained", text, to_text(low, currency), currency))
    if falling >= 3:
        text = f"The lowest balance of each month has fallen for {falling} months in a row."
        told.append(("falling", text, falling, "months"))
    if days:
        text = f"The account was overdrawn on {days} day{'s' if days > 1 else ''} within one month, which was not usual for it."
        told.append(("overdrawn", text, days, "days"))
    if over:
        often = ("one of", "two of", "all of")[min(over, 3) - 1]
        text = f"The balance went beyond the agreed limit of {_money(limit, currency)} in {often} the last three months."
        told.append(("over_limit", text, over, "months"))
    if not told:
        told.append(("recovering", "The balance is better, but not yet for a whole month.", 0, "months"))
    reasons = tuple(
        ReasonRecord(
            code=code,
            text=text,
            value=value,
            unit=unit,
            window_from=time_of(month_start(now - MONTHS + 1) * DAY),
            window_to=time_of(at),
            event_ids=(),
        )
        for code, text, value, unit in told
    )
    return Told(reasons, "Clears when a whole month has passed in which the lowest balance is near what is usual.")


def _month(number: int) -> str:
    return on(month_start(number)).partition(" ")[2]
