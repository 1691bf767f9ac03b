"""Bounced payments that add up: the account could not meet what was asked of it.

Sees
    Returned payments on one account, whatever the scheme, each by the class of its return code. Only classes
    with a weight count: a cancelled instruction or a closed account is no stress.

Maths
    pressure(t) = sum over bounces i of weight(i) * 2 ** (-(t - t_i) / half_life)
    weight(i) = code_weight(i) * class_scale(i) * category_weight(i)

    A decay forward from the bounce's own time, so that the order of arrival does not matter. Severity rises
    when the pressure reaches a threshold, and fades only when it drops below `release` times the threshold it
    holds. A bounce leaves at once, exactly and without that delay, when it is reversed or replaced, and when
    it is cured: by a later payment that names it (its bill, its obligation, or the event that bounced), else
    by one to the same counterparty of at least its amount within `cure_days`. If that payment is reversed,
    the bounce is back. The passing of time alone closes a signal too.

Cries wolf
    About 0.83 % of direct debits fail; a third of bounces are mistakes, and half or more of "refer to payer"
    returns are paid the next month without help. Gyms bounce about ten times as often as mortgages (4.44 %
    against 0.46 %, August 2023), so subscriptions weigh less here. One ordinary bounce therefore stays below
    or near the lowest severity, which only watches; it takes two or three within weeks to reach a person.
    Many bounces at one bank or biller at once are an outage, which this detector cannot see.

Sources
    Return-code classes: the project's return-code table, each row with its source. Signs of stress: FCA CONC
    1.3.1G (inability to meet repayments out of disposable income). Base rates: Bacs return statistics, Aug
    2023. Forward decay: Cormode, Shkapenyuk, Srivastava and Xu, "Forward Decay", ICDE 2009.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from pydantic import Field

from stream.contracts.signals import ReasonRecord
from stream.contracts.vocabulary import CATEGORIES
from stream.detectors.base import (
    Finding,
    Told,
    Weight,
    WeightedLevels,
    clears,
    day,
    figure,
    listed,
    mark,
    money,
    time_of,
)
from stream.detectors.levels import CORRECTED, DAY, NANO, NOTHING, PAID, REVERSED, conclude, level_of
from stream.reference.categories import noun
from stream.reference.return_codes import CLASSES, Class
from stream.tables import event as ev
from stream.tables.account import COUNTED, EMPTY, REPAID, SETTLED, SLOTS, UNDONE
from stream.tables.compiled import compiled
from stream.tables.notes import EventNote

VERSION: Final = "1"
DETECTOR: Final = 0
HOLD_SIGN: Final = 11
"""The sign in which a hold is proposed."""
MARGIN: Final = 1e-8

BOUNCE: Final = ev.BOUNCE
PAYMENT: Final = ev.PAYMENT
BOOKED: Final = ev.BOOKED
CREDIT: Final = ev.CREDIT


class Settings(WeightedLevels):
    """Settings of `bounce_pressure`."""

    half_life_days: float = Field(ge=1.0, le=365.0, description="Days after which a bounce weighs half.")
    memory_days: int = Field(
        ge=90, le=400, description="Days after which a bounce is forgotten; later news of it changes nothing."
    )
    cure_days: int = Field(
        ge=1,
        le=180,
        description="Days within which a payment to the same counterparty, of at least its amount, cures.",
    )
    release: float = Field(gt=0.0, le=1.0, description="Share of a severity's threshold below which it is given up.")
    class_scales: Mapping[Class, Weight] = Field(
        description="What the return-code table's weights are multiplied by, by class, 0-10; 1 for those not named."
    )


CONFIG = np.dtype(
    [
        ("half_life", "f8"),
        ("memory", "i8"),
        ("cure", "i8"),
        ("release", "f8"),
        ("thresholds", "f8", (3,)),
        ("class_scale", "f8", (16,)),
        ("category_weight", "f8", (64,)),
    ]
)


def configure(settings: Settings, config: npt.NDArray[Any]) -> None:
    """See `base`."""
    config["half_life"] = settings.half_life_days * DAY
    config["memory"] = settings.memory_days * DAY
    config["cure"] = settings.cure_days * DAY
    config["release"] = settings.release
    config["thresholds"] = settings.thresholds
    for index, name in enumerate(CLASSES):
        config["class_scale"][0, index] = settings.class_scales.get(name, 1.0)
    for index, category in enumerate(CATEGORIES):
        config["category_weight"][0, index] = settings.category_weights.get(category, 1.0)


@compiled
def faded(weight: float, since: int, clock: int, half_life: float) -> int:
    """What `weight` of the instant `since` is worth at `clock`, in billionths."""
    age = float(max(clock - since, 0))
    return int(weight * math.exp(-age / half_life * 0.6931471805599453) * NANO + 0.5)


@compiled
def score(evidence: Any, clock: int, config: Any) -> float:
    """The pressure at `clock`."""
    half_life = float(config["half_life"])
    total = 0
    for k in range(SLOTS):
        slot = evidence["bounces"][k]
        if int(slot["state"]) == COUNTED:
            total += faded(float(slot["weight"]), int(slot["at"]), clock, half_life)
    if float(evidence["rest"]) > 0.0:
        total += faded(float(evidence["rest"]), int(evidence["rest_at"]), clock, half_life)
    return total / NANO


@compiled
def weight_of(event: Any, config: Any) -> float:
    """Weight of the return code, times the scale of its class, times the weight of the category."""
    scale = float(config["class_scale"][int(event["kind"])])
    return float(event["weight"]) * scale * float(config["category_weight"][int(event["category"])])


@compiled
def forget(evidence: Any, clock: int, config: Any) -> None:
    """Empties the slots that are older than the memory."""
    memory = int(config["memory"])
    for k in range(SLOTS):
        slot = evidence["bounces"][k]
        if int(slot["state"]) != EMPTY and int(slot["at"]) + memory <= clock:
            slot["state"] = EMPTY
            slot["event"] = 0
            evidence["bounces_used"] = int(evidence["bounces_used"]) - 1
    if float(evidence["rest"]) > 0.0 and int(evidence["rest_at"]) + memory <= clock:
        evidence["rest"] = 0.0


@compiled
def fold(evidence: Any, weight: float, at: int, config: Any) -> None:
    """Adds a bounce that has no slot to the rest, whose landmark is the latest of them."""
    half_life = float(config["half_life"])
    rest, landmark = float(evidence["rest"]), int(evidence["rest_at"])
    if rest <= 0.0:
        evidence["rest"] = weight
        evidence["rest_at"] = at
    elif at > landmark:
        evidence["rest"] = rest * math.exp(-float(at - landmark) / half_life * 0.6931471805599453) + weight
        evidence["rest_at"] = at
    else:
        evidence["rest"] = rest + weight * math.exp(-float(landmark - at) / half_life * 0.6931471805599453)


@compiled
def place(evidence: Any, at: int, config: Any) -> int:
    """The slot for a bounce of `at`: a free one, else one that no longer counts, else the oldest's, which
    joins the rest; or -1.
    """
    best, best_rank, best_at = -1, 3, 0
    for k in range(SLOTS):
        slot = evidence["bounces"][k]
        state, slot_at = int(slot["state"]), int(slot["at"])
        rank = 0 if state == EMPTY else (2 if state == COUNTED else 1)
        if rank < best_rank or (rank == best_rank and rank > 0 and slot_at < best_at):
            best, best_rank, best_at = k, rank, slot_at
    if best_rank < 2:
        if best_rank == 0:
            evidence["bounces_used"] = int(evidence["bounces_used"]) + 1
        return best
    if at <= best_at:
        return -1
    slot = evidence["bounces"][best]
    fold(evidence, float(slot["weight"]), best_at, config)
    return best


@compiled
def count(evidence: Any, event: Any, config: Any) -> int:
    """Takes a bounce in, if it weighs anything and is not too old. Returns whether a slot holds it."""
    weight = weight_of(event, config)
    at = int(event["at"])
    if weight <= 0.0 or at + int(config["memory"]) <= int(event["clock"]):
        return 0
    for k in range(SLOTS):
        if int(evidence["bounces"][k]["state"]) != EMPTY and int(evidence["bounces"][k]["event"]) == int(event["id"]):
            return 0
    k = place(evidence, at, config)
    if k < 0:
        fold(evidence, weight, at, config)
        return 0
    slot = evidence["bounces"][k]
    slot["event"] = int(event["id"])
    slot["at"] = at
    slot["payee"] = int(event["payee"])
    slot["obligation"] = int(event["obligation"])
    slot["bill"] = int(event["bill"])
    slot["original"] = int(event["original"])
    slot["amount"] = int(event["amount"])
    slot["settled_by"] = 0
    slot["weight"] = weight
    slot["currency"] = int(event["currency"])
    slot["category"] = int(event["category"])
    slot["kind"] = int(event["kind"])
    slot["state"] = COUNTED
    return 1


@compiled
def undo(evidence: Any, target: int) -> int:
    """Takes a bounce back. Returns 1 if it counted, 0 if it did no longer, -1 if it is not remembered."""
    for k in range(SLOTS):
        slot = evidence["bounces"][k]
        if int(slot["state"]) != EMPTY and int(slot["event"]) == target:
            counted = 1 if int(slot["state"]) == COUNTED else 0
            slot["state"] = UNDONE
            return counted
    return -1


@compiled
def cures(row: Any, slot: Any, event: Any, config: Any) -> bool:
    """Whether a payment makes the bounce in `slot` good."""
    if int(event["at"]) < int(slot["at"]):
        return False
    if int(event["direction"]) == CREDIT and int(row["flags"]) & REPAID == 0:
        return False
    bill, obligation, original = int(slot["bill"]), int(slot["obligation"]), int(slot["original"])
    if bill != 0 and bill == int(event["bill"]):
        return True
    if obligation != 0 and obligation == int(event["obligation"]):
        return True
    if original != 0 and (original == int(event["id"]) or original == int(event["corrects"])):
        return True
    return (
        int(slot["payee"]) == int(event["payee"])
        and int(slot["currency"]) == int(event["currency"])
        and 0 <= int(slot["amount"]) <= int(event["amount"])
        and int(event["at"]) - int(slot["at"]) <= int(config["cure"])
    )


@compiled
def settle(row: Any, evidence: Any, event: Any, config: Any) -> int:
    """Marks what a payment makes good, or takes that back. Returns how many bounces left."""
    left = 0
    target = int(event["corrects"])
    if target == 0 and int(event["status"]) != BOOKED:
        target = int(event["id"])
    for k in range(SLOTS):
        slot = evidence["bounces"][k]
        if target != 0 and int(slot["state"]) == SETTLED and int(slot["settled_by"]) == target:
            slot["state"] = COUNTED
            slot["settled_by"] = 0
            left -= 1
        if int(event["status"]) == BOOKED and int(slot["state"]) == COUNTED and cures(row, slot, event, config):
            slot["state"] = SETTLED
            slot["settled_by"] = int(event["id"])
            left += 1
    return left


@compiled
def describe(evidence: Any, sign: Any, clock: int, config: Any, told: Any) -> None:
    """Writes into `told` which bounces are behind the sign, and into `sign` when time alone will change or close it."""
    half_life = float(config["half_life"])
    memory = int(config["memory"])
    listed, oldest, newest = 0, 0, 0
    for k in range(SLOTS):
        slot = evidence["bounces"][k]
        told["events"][k] = 0
        if int(slot["state"]) == COUNTED:
            told["events"][listed] = int(slot["event"])
            listed += 1
            newest = max(newest, int(slot["at"]))
        if int(slot["state"]) != EMPTY and (oldest == 0 or int(slot["at"]) < oldest):
            oldest = int(slot["at"])
    told["count"] = listed
    sign["held"] = 1 if oldest > 0 or float(evidence["rest"]) > 0.0 else 0
    if float(evidence["rest"]) > 0.0:
        newest = max(newest, int(evidence["rest_at"]))
        if oldest == 0 or int(evidence["rest_at"]) < oldest:
            oldest = int(evidence["rest_at"])
    due = oldest + memory if oldest > 0 else 0
    sign["expires"] = 0
    level = int(sign["severity"])
    if level > 0:
        held = float(config["release"]) * float(config["thresholds"][level - 1])
        low = float(config["release"]) * float(config["thresholds"][0])
        now = float(sign["score"])
        # A little later than the logarithm says: there it is surely below, however its parts are rounded.
        fall = clock + int(half_life * math.log(max(now / (held - MARGIN), 1.0)) / 0.6931471805599453) + 1
        due = fall if due == 0 else min(due, fall)
        close = clock + int(half_life * math.log(max(now / (low - MARGIN), 1.0)) / 0.6931471805599453) + 1
        sign["expires"] = min(close, newest + memory)
    sign["due"] = max(due, clock + 1) if due > 0 else 0


@compiled
def wants(row: Any, event: Any, config: Any, world: Any) -> bool:
    """See `base`."""
    return int(event["topic"]) == BOUNCE and float(event["weight"]) > 0.0


@compiled
def step(row: Any, evidence: Any, event: Any, config: Any, told: Any, world: Any) -> int:
    """Takes one event in. Returns a code of `levels`; the details are then in the account's sign of this
    detector.
    """
    topic, clock = int(event["topic"]), int(event["clock"])
    if topic != BOUNCE and int(evidence["bounces_used"]) == 0 and float(evidence["rest"]) <= 0.0:
        return NOTHING
    sign = evidence["signs"][DETECTOR]
    lost, cause = 0, 0
    if topic == BOUNCE:
        target = int(event["corrects"])
        if target == 0 and int(event["status"]) != BOOKED:
            target = int(event["id"])
        if target != 0:
            found = undo(evidence, target)
            lost = max(found, 0)
            cause = REVERSED if int(event["status"]) != BOOKED else CORRECTED
            event["missed"] = 1 if found < 0 else 0
        if int(event["status"]) == BOOKED:
            event["kept"] = count(evidence, event, config)
    elif topic == PAYMENT:
        lost = settle(row, evidence, event, config)
        cause = PAID
        if lost == 0 and int(event["status"]) == BOOKED and int(event["corrects"]) == 0:
            return NOTHING
    event["touched"] = 1
    forget(evidence, clock, config)
    now = score(evidence, clock, config)
    # What was taken back shall leave no trace: only fading is held up by the release share.
    release = 1.0 if lost > 0 else float(config["release"])
    level = level_of(int(sign["severity"]), now, config["thresholds"], release)
    code = conclude(row, sign, level, now, int(event["at"]), lost)
    sign["cause"] = cause if lost > 0 else 0
    describe(evidence, sign, clock, config, told)
    return code


@compiled
def wants_hold(row: Any, event: Any, config: Any, world: Any) -> bool:
    """Whether a bounce tells of a death, an insolvency or a freeze."""
    return False


@compiled
def step_hold(row: Any, evidence: Any, event: Any, config: Any, told: Any, world: Any) -> int:
    """The proposal of a hold."""
    return NOTHING


def _bounce(event: EventNote) -> str:
    amount = money(event.amount, event.currency)
    return f"{noun(event.category)} ({amount + ', ' if amount else ''}{day(event.at)})"


def _owed(event: EventNote) -> str:
    amount = money(event.amount, event.currency)
    return f"{noun(event.category)} ({amount})" if amount else noun(event.category)


def tell(found: Finding, events: Sequence[EventNote], at: int, settings: Settings) -> Told:
    """See `base`."""
    ids = tuple(event.event_id for event in events)
    many = len(events) != 1
    threshold = mark(settings.thresholds, found.severity)
    reasons = (
        ReasonRecord(
            code="bounced_payments",
            text=(
                f"{len(events)} payment{'s' if many else ''} came back unpaid: {listed([_bounce(event) for event in events])}."
            ),
            value=len(events),
            unit="payments",
            window_from=time_of(min([event.at for event in events], default=at)),
            window_to=time_of(at),
            event_ids=ids,
        ),
        ReasonRecord(
            code="bounce_pressure",
            text=(
                f"Weighed by reason, kind of bill and age this comes to {figure(found.score)}, "
                f"where {figure(threshold)} is the mark."
            ),
            value=found.score,
            unit="weight",
            threshold=threshold,
            event_ids=ids,
        ),
    )
    # A payment that was presented twice is owed once.
    owed = list(dict.fromkeys(map(_owed, events)))
    return Told(reasons, clears(owed, found.expires, "if nothing else comes back"))


def tell_hold(found: Finding, events: Sequence[EventNote], at: int, settings: Settings) -> Told:
    """The words for the proposal of a hold."""
    return Told((), "")
