"""A regular payment that did not leave: a sign that comes before anybody counts a bill as missed.

Sees
    Outgoing payments that `habits` has learned (see there: rhythms, grace, working days) and that did not come by their deadline:
    rent, council tax, energy, repayments, subscriptions and the like. Incomes are the business of `income_drop`.

Maths
    weight = sum over absent habits of  category weight * count / (count + 1) * (1 + again * (absent - 1))

    where `count` is how many payments held the rhythm, and `absent` how many in a row did not come. One that is absent alone
    weighs at most `alone` until `alone_days` after the day on which it was expected. Severity is the highest threshold
    reached. It is raised when a payment lapses, changed when more lapse or fewer remain, and withdrawn when the payment
    comes, however late, or when the habit is forgotten.

Cries wolf
    Steady people make a payment late too, by hand and by oversight: most of these come within two weeks of their day, which
    is why a rent alone only watches so long. A single subscription or insurance that stops was most often cancelled: alone it
    stays below the lowest threshold or only watches, and ends by itself when the habit is forgotten. A payee of the same
    category that came since (a new supplier, a new landlord) takes the absent one's place: it does not count. An account that
    is left, because its owner now banks elsewhere, is silent and not in trouble: nothing counts while no event at all has
    come for `quiet_days` (but on own credit products, which have no other life), nor when every habit of three or more is
    absent, incomes too. Nothing becomes absent while the feed of payments is silent itself.

Undone
    A reversed payment is due again, and absent if its deadline is past: see `habits` for what cannot be taken back. A payment
    that is delivered late takes the absence back.

Sources
    FCA CONC 1.3.1G (4): non-payment of essential bills such as utility bills. Priority of debts: MoneyHelper and StepChange. The
    weights are our own judgement.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from pydantic import Field

from stream.contracts.signals import ReasonRecord
from stream.contracts.vocabulary import CATEGORIES
from stream.detectors import habits, world
from stream.detectors.base import (
    Finding,
    Share,
    Threshold,
    Told,
    WeightedLevels,
    listed,
    money,
    on,
    time_of,
    weighed,
)
from stream.detectors.levels import DAY, FADED, NANO, NOTHING, PAID, conclude, gone_after, level_of
from stream.reference.categories import noun
from stream.tables import event as ev
from stream.tables.account import HABITS, REPAID
from stream.tables.compiled import compiled
from stream.tables.notes import EventNote

VERSION: Final = "1"
DETECTOR: Final = 2

PAYMENT: Final = ev.PAYMENT
BOOKED: Final = ev.BOOKED
LISTED: Final = 4
"""How many absent payments are named."""
WIDTH: Final = 7
"""Facts a payment: category, amount, currency, expected day, latest day, how many in a row, cadence."""
OTHERS: Final = LISTED * WIDTH
LEFT: Final = 3
"""Habits of an account that must all be absent for it to be taken for left."""

lapsed_day = habits.lapsed_day
is_replaced = habits.is_replaced
find = habits.find


class Settings(WeightedLevels):
    """Settings of `expected_payment_absent`."""

    again: Share = Field(description="What each further absence in a row of the same payment adds, as a share of its weight.")
    alone: Threshold = Field(description="The most that one payment weighs that is absent alone and not for long.")
    alone_days: int = Field(ge=1, le=60, description="Days after the expected day for which that is so.")
    quiet_days: int = Field(ge=1, le=60, description="Days without any event after which an account is taken for left.")


CONFIG = np.dtype(
    [
        ("again", "f8"),
        ("alone", "f8"),
        ("alone_days", "i8"),
        ("quiet", "i8"),
        ("thresholds", "f8", (3,)),
        ("category_weight", "f8", (64,)),
        ("income", "i1", (64,)),
    ]
)


def configure(settings: Settings, config: npt.NDArray[Any]) -> None:
    """See `base`."""
    config["again"] = settings.again
    config["alone"] = settings.alone
    config["alone_days"] = settings.alone_days
    config["quiet"] = settings.quiet_days * DAY
    config["thresholds"] = settings.thresholds
    for index, category in enumerate(CATEGORIES):
        config["category_weight"][0, index] = settings.category_weights.get(category, 1.0)
        config["income"][0, index] = category in habits.INCOME


@compiled
def is_absent(row: Any, k: int, config: Any) -> bool:
    """Whether habit `k` is an outgoing payment that did not come."""
    slot = row["habits"][k]
    return int(slot["absent"]) > 0 and int(config["income"][int(slot["category"])]) == 0


@compiled
def any_absent(row: Any, config: Any) -> bool:
    """Whether any outgoing payment did not come."""
    found = False
    for k in range(HABITS):
        found = found or is_absent(row, k, config)
    return found


@compiled
def is_left(row: Any, before: int, clock: int, config: Any) -> bool:
    """Whether the account's life has moved elsewhere; `before` is the severity that is open."""
    if int(row["flags"]) & REPAID != 0:
        return False
    if clock - int(row["last_at"]) > gone_after(before, config):
        return True
    absent, kept = 0, 0
    for k in range(HABITS):
        if int(row["habits"][k]["absent"]) > 0:
            absent += 1
        elif int(row["habits"][k]["due"]) > 0:
            kept += 1
    return kept == 0 and absent >= LEFT


@compiled
def weight_of(slot: Any, config: Any) -> int:
    """What the absence of a habit weighs, in billionths."""
    count = float(int(slot["count"]))
    repeated = 1.0 + float(config["again"]) * float(int(slot["absent"]) - 1)
    return int(float(config["category_weight"][int(slot["category"])]) * count / (count + 1.0) * repeated * NANO + 0.5)


@compiled
def gather(row: Any, sign: Any, clock: int, config: Any, told: Any, world: Any) -> float:
    """The weight of all that is absent; writes the gravest into the facts of `told`, and into `sign` when time makes it weigh
    more.
    """
    facts = told["facts"]
    total, listed, others, said = 0, 0, 0, 0
    left = is_left(row, int(sign["severity"]), clock, config)
    sign["due"] = 0
    while not left:
        best, best_weight = -1, 0
        for k in range(HABITS):
            if said >> k & 1 == 0 and is_absent(row, k, config) and not is_replaced(row, k):
                weight = weight_of(row["habits"][k], config)
                if weight > best_weight:
                    best, best_weight = k, weight
        if best < 0:
            break
        said |= 1 << best
        total += best_weight
        if listed == LISTED:
            others += 1
            continue
        slot = row["habits"][best]
        first = listed * WIDTH
        facts[first] = int(slot["category"])
        facts[first + 1] = int(slot["amount"])
        facts[first + 2] = int(slot["currency"])
        facts[first + 3] = lapsed_day(row, slot, world)
        facts[first + 4] = int(slot["last"])
        facts[first + 5] = int(slot["absent"])
        facts[first + 6] = int(slot["cadence"])
        listed += 1
    facts[OTHERS] = listed
    facts[OTHERS + 1] = others
    found = total / NANO
    if listed == 1 and int(facts[5]) == 1 and found > float(config["alone"]):
        ends = (int(facts[3]) + int(config["alone_days"]) + 1) * DAY - int(row["offset"]) * 60000
        if clock < ends:
            found = float(config["alone"])
            sign["due"] = ends
    return found


@compiled
def wants(row: Any, event: Any, config: Any, world: Any) -> bool:
    """See `base`."""
    return any_absent(row, config)


@compiled
def step(row: Any, evidence: Any, event: Any, config: Any, told: Any, world: Any) -> int:
    """See `base`."""
    sign = evidence["signs"][DETECTOR]
    absent = any_absent(row, config)
    before = int(sign["severity"])
    if not absent and before == 0 and int(sign["held"]) == 0:
        return NOTHING
    was, due = float(sign["score"]), int(sign["due"])
    now = gather(row, sign, int(event["clock"]), config, told, world)
    held = 1 if absent else 0
    if now == was and held == int(sign["held"]) and due == int(sign["due"]):
        return NOTHING
    event["touched"] = 1
    sign["held"] = held
    level = level_of(before, now, config["thresholds"], 1.0)
    sign["cause"] = FADED
    if int(event["topic"]) == PAYMENT and int(event["status"]) == BOOKED and now < was:
        k = find(row, event)
        if k >= 0 and int(row["habits"][k]["due"]) > 0:
            sign["cause"] = PAID
    return conclude(row, sign, level, now, int(event["at"]), 1 if now != was else 0)


def _payment(facts: Sequence[int]) -> tuple[str, str]:
    """What it is, and what is said of it."""
    category, amount, currency, expected, last, absent, cadence = facts
    name = f"the {noun(CATEGORIES[category])}"
    usual = money(amount, world.CURRENCY_CODES[currency - 1]) if currency > 0 else ""
    about = f", usually about {usual}," if usual else ""
    again = f", for the {_TIMES[min(absent, 5)]} time in a row" if absent > 1 else ""
    before = f"; the last one was on {on(last)}" if last > 0 else ""
    text = f"The {_ADJECTIVES[cadence]} payment for {name}{about} was expected by {on(expected)} "
    text += f"and has not been made{again}{before}."
    return name, text


_ADJECTIVES: Final = tuple(word.removesuffix("_before").removesuffix("_working").replace("_", "-") for word in habits.CADENCES)
_TIMES: Final = ("", "first", "second", "third", "fourth", "fifth")


def tell(found: Finding, events: Sequence[EventNote], at: int, settings: Settings) -> Told:
    """See `base`."""
    facts = found.facts
    payments = [_payment(facts[k * WIDTH : (k + 1) * WIDTH]) for k in range(facts[OTHERS])]
    others = facts[OTHERS + 1]
    reasons = [
        ReasonRecord(
            code="payment_absent", text=text, value=facts[k * WIDTH + 5], unit="payments", window_to=time_of(at), event_ids=()
        )
        for k, (_, text) in enumerate(payments)
    ]
    if others:
        text = f"{others} more regular payment{'s have' if others > 1 else ' has'} not been made."
        reasons.append(
            ReasonRecord(code="payments_absent", text=text, value=others, unit="payments", window_to=time_of(at), event_ids=())
        )
    how = "Weighed by kind of bill and how regular it was"
    reasons.append(weighed("absent_weight", how, found, settings.thresholds, ()))
    names = list(dict.fromkeys(name for name, _ in payments))
    one = len(payments) + others == 1
    return Told(tuple(reasons), f"Clears once the payment{'' if one else 's'} for {listed(names)} {'is' if one else 'are'} made.")
