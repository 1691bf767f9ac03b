"""More short-term borrowing than this account's own past would lead one to expect.

Sees
    Short-term credit (money from and to such lenders) and cash drawn on a credit card, which counts a quarter, beside what the
    account usually spends. With `gambling` on, payments to betting and gaming too.

    `gambling` is off unless somebody answers for it. Spending on gambling is lawful and mostly harmless play; that somebody may
    be addicted is close to a fact about health, which GDPR Art. 9 protects, and acting on it needs a lawful basis, a code of
    conduct and trained people, which a default cannot bring along. It is summed either way, so that a bank that switches it on
    compares with a real past and not with nothing; switched off, nothing reads the sum. Words never name it.

Maths
    now  = sum of amounts, each decayed with a half-life of 14 days, as an amount a day
    past = the same with 120 days, less the part that is `now`: the recent weeks are not compared with themselves
    share(x) = x / (x + usual outgoings a day)
    score = share(now) - share(past), at least 0; with gambling the sum of both scores

    Sums decay by local days, forward from each payment's own day, so that the order of arrival does not matter. Each amount a
    day is the sum divided by what a steady amount of 1 would have come to since the account's first payment: a young account
    does not look poorer than it is. Savings and transfers are no outgoings.

Cries wolf
    One short-term loan may be a broken boiler: from nothing to one is low, which only watches. It takes a second within weeks,
    or a large one, to be more. Cash drawn on a card abroad looks like a cash advance, and is one. An account that always
    borrowed is never raised: this sees change, not a way of life. Silent for `history_days` on a new account, and where fewer
    than `min_payments` were ever made.

Undone
    A reversed payment is taken out with the weight of its own time: exactly, but for the rounding of the sums, where the
    reversal bears the time of the payment; with one that bears a later time a little more leaves than had remained. A
    correction that replaces a payment changes nothing: the first amount stays.

Sources
    FCA CONC 1.3.1G: borrowing to repay. That new short-term credit and cash advances precede arrears: Norden and Weber, "Credit
    Line Usage, Checking Account Activity, and Default Risk of Bank Borrowers", RFS 2010, on account activity before default.
    Half-lives and marks are our own judgement.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from pydantic import Field

from stream.contracts.signals import ReasonRecord
from stream.contracts.vocabulary import CATEGORIES
from stream.detectors.base import Finding, Levels, Told, mark, time_of
from stream.detectors.levels import DAY, NOTHING, REVERSED, conclude, level_of
from stream.detectors.world import local_day
from stream.tables import event as ev
from stream.tables.account import CARD
from stream.tables.compiled import compiled
from stream.tables.notes import EventNote

VERSION: Final = "1"
DETECTOR: Final = 7

FAST: Final = 14.0
SLOW: Final = 120.0
"""Half-lives, days. No settings: the sums of a row are of these."""
LN2: Final = 0.6931471805599453
CASH_WEIGHT: Final = 0.25
"""What cash drawn on a credit card counts: once abroad it is a habit of holidays, again and again it is borrowing."""

PAYMENT: Final = ev.PAYMENT
BOOKED: Final = ev.BOOKED
DEBIT: Final = ev.DEBIT
TIME: Final = ev.TIME
SHORT_TERM_CREDIT: Final = CATEGORIES.index("short_term_credit")
GAMBLING: Final = CATEGORIES.index("gambling")
CASH: Final = CATEGORIES.index("cash")
SAVINGS: Final = CATEGORIES.index("savings")
TRANSFER: Final = CATEGORIES.index("transfer")


class Settings(Levels):
    """Settings of `distress_spending`. Marks are differences of shares."""

    history_days: int = Field(ge=28, le=365, description="Days from an account's first payment for which it stays silent.")
    min_payments: int = Field(ge=1, le=1000, description="Payments below which an account has no past to compare with.")
    release: float = Field(gt=0.0, le=1.0, description="Share of a severity's mark below which it is given up.")
    gambling: bool = Field(description="Whether spending on gambling counts. See above before it is switched on.")


CONFIG = np.dtype(
    [
        ("release", "f8"),
        ("thresholds", "f8", (3,)),
        ("history", "i8"),
        ("payments", "i8"),
        ("gambling", "i8"),
    ]
)


def configure(settings: Settings, config: npt.NDArray[Any]) -> None:
    """See `base`."""
    config["release"] = settings.release
    config["thresholds"] = settings.thresholds
    config["history"] = settings.history_days
    config["payments"] = settings.min_payments
    config["gambling"] = settings.gambling


@compiled
def left(days: int, half_life: float) -> float:
    """The share that is left after so many days."""
    return math.exp(-float(days) / half_life * LN2)


@compiled
def steady(days: int, half_life: float) -> float:
    """What the decayed sum of 1 a day comes to after so many days."""
    return (1.0 - left(days, half_life)) * half_life / LN2


@compiled
def age_of(row: Any) -> int:
    """Days from the account's first payment to the day of its sums, to the week."""
    return int(row["spending"]["weeks"]) * 7 + 7


@compiled
def monthly_outgoings(row: Any) -> float:
    """What the account usually spends in a month, whole currency units, as of the day of its sums."""
    return float(row["spending"]["outgoings"]) / steady(age_of(row), SLOW) * 30.4375


@compiled
def is_borrowed(row: Any, event: Any) -> bool:
    """Whether a payment is short-term borrowing, taken or repaid."""
    category = int(event["category"])
    return category == SHORT_TERM_CREDIT or (
        category == CASH and int(event["direction"]) == DEBIT and int(row["flags"]) & CARD != 0
    )


@compiled
def counts(row: Any, event: Any, config: Any) -> bool:
    """Whether a payment can raise or lower the score by itself."""
    return int(event["topic"]) == PAYMENT and (
        is_borrowed(row, event) or (int(config["gambling"]) != 0 and int(event["category"]) == GAMBLING)
    )


@compiled
def learn(row: Any, event: Any, config: Any, world: Any) -> None:
    """Takes one event into the row of any account; evidence is not there yet."""
    if int(event["topic"]) != PAYMENT:
        return
    held = row["spending"]
    day, before = local_day(row, int(event["at"])), int(held["day"])
    if before == 0:
        held["day"] = day
    elif day > before:
        slow, fast = left(day - before, SLOW), left(day - before, FAST)
        held["outgoings"] = float(held["outgoings"]) * slow
        held["borrowed_usual"] = float(held["borrowed_usual"]) * slow
        held["gambled_usual"] = float(held["gambled_usual"]) * slow
        held["borrowed_now"] = float(held["borrowed_now"]) * fast
        held["gambled_now"] = float(held["gambled_now"]) * fast
        held["weeks"] = min(int(held["weeks"]) + day // 7 - before // 7, 127)
        held["day"] = day
    category, spent = int(event["category"]), int(event["direction"]) == DEBIT
    borrowed, booked = is_borrowed(row, event), int(event["status"]) == BOOKED
    if (not spent and not borrowed) or (booked and int(event["corrects"]) != 0):
        return
    amount = float(int(event["amount"])) / float(int(world.units[int(event["currency"])]))
    if not booked:
        amount = -amount
    slow, fast = amount, amount
    if day < before:
        slow, fast = amount * left(before - day, SLOW), amount * left(before - day, FAST)
    if spent and category != SAVINGS and category != TRANSFER:
        held["outgoings"] = max(float(held["outgoings"]) + slow, 0.0)
    if borrowed:
        weight = CASH_WEIGHT if category == CASH else 1.0
        held["borrowed_usual"] = max(float(held["borrowed_usual"]) + weight * slow, 0.0)
        held["borrowed_now"] = max(float(held["borrowed_now"]) + weight * fast, 0.0)
    elif spent and category == GAMBLING:
        held["gambled_usual"] = max(float(held["gambled_usual"]) + slow, 0.0)
        held["gambled_now"] = max(float(held["gambled_now"]) + fast, 0.0)


@compiled
def rise(row: Any, now: float, usual: float, day: int) -> float:
    """By how much the recent share exceeds what the past explains on `day`, from sums decayed quickly and slowly."""
    lag = max(day - int(row["spending"]["day"]), 0)
    age = age_of(row) + lag
    slow, fast = left(lag, SLOW), left(lag, FAST)
    outgoings = float(row["spending"]["outgoings"]) * slow / steady(age, SLOW)
    if outgoings <= 0.0:
        return 0.0
    recent = now * fast / steady(age, FAST)
    earlier = max(usual * slow - now * fast, 0.0) / (steady(age, SLOW) - steady(age, FAST))
    return max(recent / (recent + outgoings) - earlier / (earlier + outgoings), 0.0)


@compiled
def borrowing(row: Any, day: int) -> float:
    """The rise of short-term borrowing."""
    return rise(row, float(row["spending"]["borrowed_now"]), float(row["spending"]["borrowed_usual"]), day)


@compiled
def score(row: Any, day: int, config: Any) -> float:
    """The rise of all that counts; 0 while the account has no past."""
    if age_of(row) < int(config["history"]) + 7 or int(row["payments"]) < int(config["payments"]):
        return 0.0
    total = borrowing(row, day)
    if int(config["gambling"]) != 0:
        total += rise(row, float(row["spending"]["gambled_now"]), float(row["spending"]["gambled_usual"]), day)
    return total


@compiled
def wants(row: Any, event: Any, config: Any, world: Any) -> bool:
    """See `base`."""
    return counts(row, event, config) and (
        score(row, local_day(row, int(event["clock"])), config) >= float(config["thresholds"][0])
    )


@compiled
def step(row: Any, evidence: Any, event: Any, config: Any, told: Any, world: Any) -> int:
    """Takes one event in. Returns a code of `levels`; the details are then in the account's sign of this detector."""
    sign = evidence["signs"][DETECTOR]
    before, clock = int(sign["severity"]), int(event["clock"])
    moved = counts(row, event, config)
    if not moved and (before == 0 or int(event["topic"]) != TIME or clock < int(sign["due"])):
        return NOTHING
    day = local_day(row, clock)
    now = score(row, day, config)
    level = level_of(before, now, config["thresholds"], float(config["release"]))
    if before == 0 and level == 0:
        return NOTHING
    event["touched"] = 1
    code = conclude(row, sign, level, now, int(event["at"]), 0)
    sign["cause"] = REVERSED if moved and int(event["status"]) != BOOKED else 0
    # It fades by the day: looked at again at the next local midnight.
    sign["due"] = (day + 1) * DAY - int(row["offset"]) * 60000 if level > 0 else 0
    # Whether borrowing alone would be at least half of a low sign: else the words do not speak of it.
    told["facts"][0] = 1 if borrowing(row, day) >= 0.5 * float(config["thresholds"][0]) else 0
    return code


def tell(found: Finding, events: Sequence[EventNote], at: int, settings: Settings) -> Told:
    """See `base`."""
    borrows = found.facts[0] == 1
    reason = ReasonRecord(
        code="short_term_borrowing" if borrows else "risen_spending",
        text=f"{'Short-term borrowing' if borrows else 'Some spending'} has lately risen well above this account's own past.",
        value=round(found.score, 4),
        unit="share",
        threshold=mark(settings.thresholds, found.severity),
        window_from=time_of(at - round(2 * FAST) * DAY),
        window_to=time_of(at),
        event_ids=(),
    )
    return Told((reason,), "Clears by itself within weeks if it is not repeated.")
