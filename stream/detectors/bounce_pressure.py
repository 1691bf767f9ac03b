"""Bounced payments that add up: the account could not meet what was asked of it.

Sees
    Returned payments on one account, whatever the scheme, each by the class of its return code. Only classes
    with a weight count: a cancelled instruction or a closed account is no stress. A code that tells of a death
    or a legal matter (insolvency, a court, a freeze) weighs nothing either: it raises a sign of its own, of
    severity info, that proposes a hold and asks for a person, at once and for every holder. A representative
    payee who may no longer act asks for a person alone. So does a code that says that a payment was not agreed
    to, or not as it was taken: a person checks whether it is disputed (reason `reported_unauthorised`).

Maths
    pressure(t) = sum over payments of the heaviest of its bounces: weight(i) * 2 ** (-(t - t_i) / half_life)
    weight(i) = code_weight(i) * class_scale(i) * category_weight(i) * repeat(i)
    repeat(i) = repeat_weight if an earlier payment of the same obligation came back within `cure_days` before, else 1

    A payment that was presented again is one payment: its bounces name the same bill or the same original
    event, or the later one says that it is a re-presentment, and the obligation bounced at most
    `representment_days` before. The obligation is known by its id, else by its payee.

    A decay forward from the bounce's own time, so that the order of arrival does not matter. Severity rises
    when the pressure reaches a threshold, and fades only when it drops below `release` times the threshold it
    holds. A bounce leaves at once, exactly and without that delay, when it is reversed or replaced, and when
    it is cured: by a later payment that names it (its bill, its obligation, or the event that bounced), else
    by one to the same counterparty of at least its amount within `cure_days`. What cures one bounce of a
    payment cures those before it. A payment that was read before the bounce it makes good is known from what
    the account pays regularly (its obligation or payee, on a later day, at least the amount), or from another
    bounce of the same payment. The passing of time alone closes a signal too.

Cries wolf
    About 0.83 % of direct debits fail; a third of bounces are mistakes, and half or more of "refer to payer"
    returns are paid the next month without help. Gyms bounce about ten times as often as mortgages (4.44 %
    against 0.46 %, August 2023), so subscriptions weigh less here. One ordinary bounce therefore stays below
    or near the lowest severity, which only watches; it takes two or three within weeks to reach a person.
    Many bounces at one bank, scheme or biller at once are an outage: `outage_guard` suspends their weight.
    It does not hold back what asks for a person: a collector's mistake may ask for many checks in a day.

Undone
    A bounce that is reversed or replaced, among the eight that are remembered; the weight of one that had to
    leave its slot fades and cannot be taken back. A cure, when the payment is reversed or comes back itself,
    and again when that return is reversed. A cure that was read off what the account pays regularly stays, for
    it is not known which payment it was. A proposed hold, when every report behind it (of more than four, the
    first four) is reversed or replaced; a dispute check likewise (of more than four, the latest four). Else a
    hold stands for `notice_days` and a check for `dispute_days`, by when a person has decided. Money that is
    paid ends neither.

Sources
    Return-code classes: the project's return-code table, each row with its source. Signs of stress: FCA CONC
    1.3.1G (inability to meet repayments out of disposable income). Base rates: Bacs return statistics, Aug
    2023. Second presentation within a month: Bacs rules for "refer to payer". Forward decay: Cormode,
    Shkapenyuk, Srivastava and Xu, "Forward Decay", ICDE 2009. That a repeat weighs half as much again is our
    own judgement.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from pydantic import Field

from stream.contracts.signals import ReasonRecord
from stream.contracts.vocabulary import CATEGORIES, HoldKind
from stream.detectors.base import (
    Finding,
    Told,
    Weight,
    WeightedLevels,
    clears,
    day,
    listed,
    money,
    owed,
    time_of,
    weighed,
)
from stream.detectors.levels import (
    CHANGED,
    CORRECTED,
    DAY,
    INFO,
    NANO,
    NOTHING,
    OUTAGE,
    PAID,
    REVERSED,
    conclude,
    level_of,
)
from stream.detectors.outage_guard import DROPPED, SWEEP, held_back
from stream.detectors.world import local_day
from stream.reference.categories import noun
from stream.reference.return_codes import CLASSES, Class
from stream.tables import event as ev
from stream.tables.account import COUNTED, EMPTY, HABITS, REPAID, SETTLED, SLOTS, SUSPENDED, UNDONE
from stream.tables.compiled import compiled
from stream.tables.notes import EventNote

VERSION: Final = "3"
DETECTOR: Final = 0
HOLD_SIGN: Final = 11
"""The sign of a reported death: it proposes a hold for bereavement. Also of what only a person can look at."""
LEGAL_SIGN: Final = 12
"""The sign of a legal matter: it proposes a hold for insolvency."""
DISPUTE_SIGN: Final = 13
"""The sign of a payment that was not agreed to: it asks for a dispute check, and proposes no hold."""
MARGIN: Final = 1e-8

BOUNCE: Final = ev.BOUNCE
PAYMENT: Final = ev.PAYMENT
TIME: Final = ev.TIME
BOOKED: Final = ev.BOOKED
CREDIT: Final = ev.CREDIT

LIFE_EVENT: Final = CLASSES.index("life_event")
LEGAL: Final = CLASSES.index("legal")
PERSON_CHECK: Final = CLASSES.index("person_check")
UNAUTHORISED: Final = CLASSES.index("unauthorised")
NO_CLASS: Final = -1
ASKS: Final = 1
PROPOSES: Final = 2
"""Scores of the signs that ask for a person: one is asked to look, or also a hold is proposed."""


class Settings(WeightedLevels):
    """Settings of `bounce_pressure`."""

    half_life_days: float = Field(ge=1.0, le=365.0, description="Days after which a bounce weighs half.")
    memory_days: int = Field(
        ge=90, le=400, description="Days after which a bounce is forgotten; later news of it changes nothing."
    )
    cure_days: int = Field(
        ge=1,
        le=180,
        description="Days within which a payment to the same counterparty, of at least its amount, cures; and a further bounce "
        "of the same obligation is a repeat.",
    )
    release: float = Field(gt=0.0, le=1.0, description="Share of a severity's threshold below which it is given up.")
    repeat_weight: float = Field(
        ge=1.0, le=3.0, description="What a further bounce of an obligation that bounced before is multiplied by."
    )
    representment_days: int = Field(
        ge=7, le=180, description="Days within which a bounce marked as a re-presentment is of the payment that bounced before."
    )
    notice_days: int = Field(
        ge=30, le=3650, description="Days for which a reported death or legal matter proposes its hold, unless taken back."
    )
    dispute_days: int = Field(
        ge=14, le=3650, description="Days for which a payment that was not agreed to asks for a dispute check, unless taken back."
    )
    class_scales: Mapping[Class, Weight] = Field(
        description="What the return-code table's weights are multiplied by, by class, 0-10; 1 for those not named."
    )


CONFIG = np.dtype(
    [
        ("half_life", "f8"),
        ("memory", "i8"),
        ("cure", "i8"),
        ("representment", "i8"),
        ("notice", "i8"),
        ("dispute", "i8"),
        ("repeat", "f8"),
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
    config["representment"] = settings.representment_days * DAY
    config["notice"] = settings.notice_days * DAY
    config["dispute"] = settings.dispute_days * DAY
    config["repeat"] = settings.repeat_weight
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
def same_obligation(one: Any, other: Any) -> bool:
    """Whether two bounces are of one obligation: by its id, or by payee where either has none."""
    if int(one["obligation"]) != 0 and int(other["obligation"]) != 0:
        return int(one["obligation"]) == int(other["obligation"])
    return int(one["payee"]) == int(other["payee"])


@compiled
def earlier(one: Any, other: Any) -> bool:
    """Whether `one` came back before `other`."""
    return int(one["at"]) < int(other["at"]) or (int(one["at"]) == int(other["at"]) and int(one["event"]) < int(other["event"]))


@compiled
def remembered(slot: Any) -> bool:
    """Whether a bounce happened, as far as is known."""
    return int(slot["state"]) != EMPTY and int(slot["state"]) != UNDONE


@compiled
def is_open(slot: Any) -> bool:
    """Whether a bounce is neither cured nor taken back."""
    return int(slot["state"]) in (COUNTED, SUSPENDED)


@compiled
def presented_before(evidence: Any, k: int, config: Any) -> int:
    """The slot of the same payment that came back last before slot `k`; -1 where there is none."""
    slots = evidence["bounces"]
    slot = slots[k]
    same, nearest = -1, -1
    for j in range(SLOTS):
        other = slots[j]
        if j == k or not remembered(other) or not earlier(other, slot):
            continue
        named = (int(slot["bill"]) != 0 and int(slot["bill"]) == int(other["bill"])) or (
            int(slot["original"]) != 0 and int(slot["original"]) == int(other["original"])
        )
        if named and (same < 0 or earlier(slots[same], other)):
            same = j
        if same_obligation(slot, other) and (nearest < 0 or earlier(slots[nearest], other)):
            nearest = j
    if (
        same < 0
        and nearest >= 0
        and int(slot["again"]) > 0
        and int(slot["at"]) - int(slots[nearest]["at"]) <= int(config["representment"])
    ):
        return nearest
    return same


@compiled
def link(evidence: Any, config: Any) -> None:
    """Notes of each bounce which payment it is of, and whether the obligation's earlier payments came back too."""
    slots = evidence["bounces"]
    for k in range(SLOTS):
        slot = slots[k]
        slot["first"], slot["repeat"] = k, 0
        if not remembered(slot):
            continue
        first = k
        before = presented_before(evidence, first, config)
        while before >= 0:
            first = before
            before = presented_before(evidence, first, config)
        slot["first"] = first
        for j in range(SLOTS):
            other = slots[j]
            recent = int(other["at"]) + int(config["cure"]) >= int(slots[first]["at"])
            if remembered(other) and recent and earlier(other, slots[first]) and same_obligation(other, slots[first]):
                slot["repeat"] = 1


@compiled
def worth(slot: Any, clock: int, config: Any) -> int:
    """What a bounce adds to the pressure at `clock`, in billionths, if it is the heaviest of its payment."""
    weight = float(slot["weight"])
    if int(slot["repeat"]) > 0:
        weight *= float(config["repeat"])
    return faded(weight, int(slot["at"]), clock, float(config["half_life"]))


@compiled
def stands(evidence: Any, k: int, clock: int, config: Any) -> bool:
    """Whether the bounce in slot `k` counts: it is neither cured nor taken back, and the heaviest of its payment."""
    slot = evidence["bounces"][k]
    if int(slot["state"]) != COUNTED:
        return False
    for j in range(SLOTS):
        other = evidence["bounces"][j]
        if j != k and int(other["state"]) == COUNTED and int(other["first"]) == int(slot["first"]):
            own, its = worth(slot, clock, config), worth(other, clock, config)
            if its > own or (its == own and earlier(slot, other)):
                return False
    return True


@compiled
def score(evidence: Any, clock: int, config: Any) -> float:
    """The pressure at `clock`."""
    half_life = float(config["half_life"])
    total = 0
    for k in range(SLOTS):
        if stands(evidence, k, clock, config):
            total += worth(evidence["bounces"][k], clock, config)
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
    gone = 0
    for k in range(SLOTS):
        slot = evidence["bounces"][k]
        if int(slot["state"]) != EMPTY and int(slot["at"]) + memory <= clock:
            slot["state"] = EMPTY
            slot["event"] = 0
            gone += 1
    if gone > 0:
        evidence["bounces_used"] = int(evidence["bounces_used"]) - gone
        link(evidence, config)
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
    joins the rest; or -1. What is suspended keeps its slot.
    """
    best, best_rank, best_at = -1, 3, 0
    for k in range(SLOTS):
        slot = evidence["bounces"][k]
        state, slot_at = int(slot["state"]), int(slot["at"])
        rank = 0 if state == EMPTY else (2 if state == COUNTED else (3 if state == SUSPENDED else 1))
        if rank < best_rank or (rank == best_rank and rank > 0 and slot_at < best_at):
            best, best_rank, best_at = k, rank, slot_at
    if best_rank < 2:
        if best_rank == 0:
            evidence["bounces_used"] = int(evidence["bounces_used"]) + 1
        return best
    if best < 0 or at <= best_at:
        return -1
    if stands(evidence, best, best_at, config):
        fold(evidence, worth(evidence["bounces"][best], best_at, config) / NANO, best_at, config)
    return best


@compiled
def paid_since(row: Any, slot: Any, config: Any) -> bool:
    """Whether what the account pays regularly tells that a bounce was made good on a later day."""
    day = local_day(row, int(slot["at"]))
    for k in range(HABITS):
        habit = row["habits"][k]
        subject = int(habit["subject"])
        if (
            subject != 0
            and (subject == int(slot["obligation"]) or subject == int(slot["payee"]))
            and day < int(habit["last"]) <= day + int(config["cure"]) // DAY
            and int(habit["currency"]) == int(slot["currency"])
            and 0 <= int(slot["amount"]) <= int(habit["amount"])
        ):
            return True
    return False


@compiled
def standing(slot: Any, world: Any) -> int:
    """The state of a bounce that is neither cured nor taken back."""
    return SUSPENDED if held_back(slot, world) > 0 else COUNTED


@compiled
def count(row: Any, evidence: Any, event: Any, config: Any, world: Any) -> int:
    """Takes a bounce in, if it weighs anything and is not too old. Returns whether a slot holds it."""
    weight = weight_of(event, config)
    at = int(event["at"])
    for k in range(SLOTS):
        slot = evidence["bounces"][k]
        if int(slot["state"]) == SETTLED and int(slot["settled_by"]) != 0 and int(slot["settled_by"]) == int(event["original"]):
            # What seemed to make it good came back itself.
            slot["state"] = standing(slot, world)
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
    slot["settled_at"] = 0
    slot["weight"] = weight
    slot["bank"] = int(event["bank"])
    slot["currency"] = int(event["currency"])
    slot["category"] = int(event["category"])
    slot["kind"] = int(event["kind"])
    slot["scheme"] = int(event["scheme"])
    slot["again"] = int(event["again"])
    slot["state"] = standing(slot, world)
    link(evidence, config)
    if paid_since(row, slot, config):
        slot["state"] = SETTLED
        slot["settled_at"] = at
    for j in range(SLOTS):
        other = evidence["bounces"][j]
        same = j != k and int(other["first"]) == int(slot["first"])
        if same and int(other["state"]) == SETTLED and int(other["settled_at"]) >= at:
            slot["state"] = SETTLED
            slot["settled_by"] = int(other["settled_by"])
            slot["settled_at"] = int(other["settled_at"])
    return 1


@compiled
def undo(evidence: Any, target: int, config: Any) -> int:
    """Takes a bounce back. Returns 1 if it counted, 0 if it did no longer, -1 if it is not remembered."""
    for k in range(SLOTS):
        slot = evidence["bounces"][k]
        if int(slot["state"]) != EMPTY and int(slot["event"]) == target:
            counted = 1 if int(slot["state"]) == COUNTED else 0
            slot["state"] = UNDONE
            for j in range(SLOTS):
                other = evidence["bounces"][j]
                if (
                    is_open(other)
                    and int(slot["original"]) != 0
                    and int(other["settled_by"]) == int(slot["original"])
                ):
                    # The payment that made this one good did not come back after all.
                    counted += 1 if int(other["state"]) == COUNTED else 0
                    other["state"] = SETTLED
            link(evidence, config)
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
def settle(row: Any, evidence: Any, event: Any, config: Any, world: Any) -> int:
    """Marks what a payment makes good, or takes that back. Returns how many bounces left."""
    left = 0
    slots = evidence["bounces"]
    target = int(event["corrects"])
    if target == 0 and int(event["status"]) != BOOKED:
        target = int(event["id"])
    came_back = False
    for k in range(SLOTS):
        slot = slots[k]
        if target != 0 and int(slot["settled_by"]) == target:
            if int(slot["state"]) == SETTLED:
                slot["state"] = standing(slot, world)
                left -= 1
            slot["settled_by"] = 0
            event["touched"] = 1
        if remembered(slot) and int(slot["original"]) == int(event["id"]) and int(event["at"]) <= int(slot["at"]):
            came_back = True
    if int(event["status"]) != BOOKED or came_back:
        return left
    for k in range(SLOTS):
        if is_open(slots[k]) and cures(row, slots[k], event, config):
            for j in range(SLOTS):
                slot = slots[j]
                same = int(slot["first"]) == int(slots[k]["first"]) and int(slot["at"]) <= int(event["at"])
                if is_open(slot) and same:
                    left += 1 if int(slot["state"]) == COUNTED else 0
                    slot["state"] = SETTLED
                    slot["settled_by"] = int(event["id"])
                    slot["settled_at"] = int(event["at"])
                    event["touched"] = 1
    return left


@compiled
def sweep(evidence: Any, config: Any, world: Any) -> int:
    """Suspends, releases or drops what the outages of `world` say. Returns how many bounces stopped counting."""
    left, dropped = 0, 0
    for k in range(SLOTS):
        slot = evidence["bounces"][k]
        if is_open(slot):
            held = held_back(slot, world)
            left += 1 if int(slot["state"]) == COUNTED and held > 0 else 0
            if held == DROPPED:
                slot["state"] = UNDONE
                dropped += 1
            else:
                slot["state"] = SUSPENDED if held > 0 else COUNTED
    if dropped > 0:
        link(evidence, config)
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
            if stands(evidence, k, clock, config):
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
            found = undo(evidence, target, config)
            lost = max(found, 0)
            cause = REVERSED if int(event["status"]) != BOOKED else CORRECTED
            event["missed"] = 1 if found < 0 else 0
        if int(event["status"]) == BOOKED:
            event["kept"] = count(row, evidence, event, config, world)
    elif topic == PAYMENT:
        lost = settle(row, evidence, event, config, world)
        cause = PAID
        if lost == 0 and int(event["status"]) == BOOKED and int(event["corrects"]) == 0:
            return NOTHING
    elif topic == TIME and int(event["guard"]) == SWEEP:
        lost = sweep(evidence, config, world)
        cause = OUTAGE
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
    """Whether a bounce tells of a death or a legal matter, or asks for a person."""
    if int(event["topic"]) != BOUNCE or int(event["status"]) != BOOKED:
        return False
    kind, also, age = int(event["kind"]), int(event["also"]), int(event["clock"]) - int(event["at"])
    if kind == UNAUTHORISED and age < int(config["dispute"]):
        return True
    return age < int(config["notice"]) and (kind in (LIFE_EVENT, LEGAL, PERSON_CHECK) or also in (LIFE_EVENT, LEGAL))


@compiled
def notice(row: Any, slots: Any, sign: Any, event: Any, keep: int, told: Any, main: int, minor: int) -> int:
    """One sign that rests, for `keep`, on reports of class `main`, which propose a hold, or `minor`, which only ask for a person.
    Where no class proposes one, each further report is told, and makes the oldest give way: it asks for a check of its own.
    """
    topic, clock = int(event["topic"]), int(event["clock"])
    lost, cause, fresh = 0, 0, 0
    if topic == BOUNCE:
        target = int(event["corrects"])
        if target == 0 and int(event["status"]) != BOOKED:
            target = int(event["id"])
        for k in range(len(slots)):
            if target != 0 and int(slots[k]["state"]) == COUNTED and int(slots[k]["event"]) == target:
                slots[k]["state"] = UNDONE
                lost += 1
                cause = REVERSED if int(event["status"]) != BOOKED else CORRECTED
                event["missed"] = 0
        kind = main if int(event["also"]) == main else int(event["kind"])
        if int(event["status"]) == BOOKED and kind in (main, minor) and int(event["at"]) + keep > clock:
            at, known, first = -1, False, 0
            for k in range(len(slots)):
                known = known or (int(slots[k]["state"]) != EMPTY and int(slots[k]["event"]) == int(event["id"]))
                if int(slots[k]["state"]) != COUNTED and (at < 0 or int(slots[k]["state"]) < int(slots[at]["state"])):
                    at = k
                if earlier(slots[k], slots[first]):
                    first = k
            if at < 0 and main == NO_CLASS and int(slots[first]["at"]) < int(event["at"]):
                at = first
            if at >= 0 and not known:
                slots[at]["event"] = int(event["id"])
                slots[at]["at"] = int(event["at"])
                slots[at]["kind"] = kind
                slots[at]["state"] = COUNTED
                event["kept"] = 1
                fresh = 1
    if fresh + lost == 0 and (int(sign["due"]) == 0 or int(sign["due"]) > clock):
        return NOTHING
    event["touched"] = 1
    said = int(float(sign["score"])) if int(sign["severity"]) > 0 else 0
    now, oldest, newest, listed = 0, 0, 0, 0
    for k in range(len(slots)):
        slot = slots[k]
        if int(slot["state"]) != EMPTY and int(slot["at"]) + keep <= clock:
            slot["state"] = EMPTY
            slot["event"] = 0
        if int(slot["state"]) != EMPTY and (oldest == 0 or int(slot["at"]) < oldest):
            oldest = int(slot["at"])
        if int(slot["state"]) == COUNTED:
            now = max(now, PROPOSES if int(slot["kind"]) == main else ASKS)
            newest = max(newest, int(slot["at"]))
            told["events"][listed] = int(slot["event"])
            listed += 1
    told["count"] = listed
    told["facts"][0] = now
    code = conclude(row, sign, INFO if now > 0 else 0, float(now), int(event["at"]), lost)
    if code == NOTHING and (now != said or (main == NO_CLASS and fresh > 0)):
        code = CHANGED
    sign["cause"] = cause
    sign["held"] = 1 if oldest != 0 else 0
    sign["due"] = max(oldest + keep, clock + 1) if oldest != 0 else 0
    sign["expires"] = newest + keep if now > 0 else 0
    return code


@compiled
def step_hold(row: Any, evidence: Any, event: Any, config: Any, told: Any, world: Any) -> int:
    """The sign of a death."""
    keep = int(config["notice"])
    return notice(row, evidence["deaths"], evidence["signs"][HOLD_SIGN], event, keep, told, LIFE_EVENT, PERSON_CHECK)


@compiled
def step_legal(row: Any, evidence: Any, event: Any, config: Any, told: Any, world: Any) -> int:
    """The sign of a legal matter."""
    keep = int(config["notice"])
    return notice(row, evidence["legals"], evidence["signs"][LEGAL_SIGN], event, keep, told, LEGAL, LEGAL)


@compiled
def step_dispute(row: Any, evidence: Any, event: Any, config: Any, told: Any, world: Any) -> int:
    """The sign of a payment that was not agreed to."""
    keep = int(config["dispute"])
    return notice(row, evidence["disputes"], evidence["signs"][DISPUTE_SIGN], event, keep, told, NO_CLASS, UNAUTHORISED)


def _bounce(event: EventNote) -> str:
    amount = money(event.amount, event.currency)
    return f"{noun(event.category)} ({amount + ', ' if amount else ''}{day(event.at)})"


def tell(found: Finding, events: Sequence[EventNote], at: int, settings: Settings) -> Told:
    """See `base`."""
    ids = tuple(event.event_id for event in events)
    many = len(events) != 1
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
        weighed("bounce_pressure", "Weighed by reason, kind of bill and age", found, settings.thresholds, ids),
    )
    # A payment that was presented twice is owed once.
    payments = list(dict.fromkeys(map(owed, events)))
    return Told(reasons, clears(payments, found.expires, "if nothing else comes back"))


_GIVEN: Final = {
    "bereavement": "an account holder has died, or can no longer act",
    "insolvency": "there is a legal matter, such as an insolvency, a court's order or a freeze",
    None: "the person who acts for an account holder may no longer be able to",
}
"""What a return code's reason comes to, by the hold that is proposed."""
_NOT_AGREED: Final = "an account holder may not have agreed to what was taken, or not to all of it"


def tell_hold(found: Finding, events: Sequence[EventNote], at: int, settings: Settings) -> Told:
    """The words for the proposal of a hold, or where only a person is asked to look."""
    hold: HoldKind | None = None
    if found.facts[0] == PROPOSES:
        hold = "insolvency" if found.detector == LEGAL_SIGN else "bereavement"
    disputed = found.detector == DISPUTE_SIGN
    many = len(events) != 1
    reason = ReasonRecord(
        code="reported_unauthorised" if disputed else "reported_by_return_code",
        text=(
            f"{len(events)} payment{'s' if many else ''} came back, and the reason given is that "
            f"{_NOT_AGREED if disputed else _GIVEN[hold]}: {listed([_bounce(event) for event in events])}."
        ),
        value=len(events),
        unit="payments",
        window_from=time_of(min([event.at for event in events], default=at)),
        window_to=time_of(at),
        event_ids=tuple(event.event_id for event in events),
    )
    if disputed:
        decides = " A person should find out whether it is disputed."
    elif hold:
        decides = " A person decides about the hold."
    else:
        decides = " A person should look at it."
    return Told((reason,), f"Clears once the report is taken back.{decides}", hold)
