"""All signs together, as the chance of a missed instalment within 30 days.

Sees
    What the other detectors say of the account now, and what they hold back below their own marks: a bounce here, a late
    salary there. It looks at no event of its own.

Maths
    p = 1 / (1 + exp(-z)),   z = intercept + sum over detectors d of  weight(d) * strength(d)
    strength(d) = score(d) / full(d), at most 1: its score as a share of the score at which it says all it can

    A logistic regression whose coefficients stand in the settings under a version of their own (`coefficients`). They are set by
    hand, so that an account of which nothing is known comes to about the base rate, one detector alone at its full strength to a
    chance worth a look, and two that agree to more than their sum; learning them from a bank's own outcomes replaces the numbers
    and nothing else. Severity is the highest mark that the chance reaches, and is given up below `release` of the mark held.

Cries wolf
    As often as what it adds up. Several detectors see one missed bill at once (it was expected, it did not come, it was told as
    missed), so their strengths are not independent; the weights are below what each would have alone. A chance of 12 % still
    means that seven in eight miss nothing: it is a reason to help, and none to act against anybody. The score advises; what is
    adverse a person decides (GDPR Art. 22; CJEU C-634/21).

Undone
    It follows the other detectors: what they take back leaves the sum in the same step. What merely fades leaves it when another
    event is taken in, or a week later at the latest.

Sources
    Logistic scoring with additive contributions: Hosmer, Lemeshow and Sturdivant, "Applied Logistic Regression", 2013. Signs: the
    detectors' own sources. Prediction within a stated horizon, and watch lists that combine signs: EBA/GL/2020/06, 8.5.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final, Self

import numpy as np
import numpy.typing as npt
from pydantic import Field, model_validator

from stream.contracts.signals import ReasonRecord
from stream.detectors import base
from stream.detectors.base import Finding, Told, figure, mark
from stream.detectors.levels import DAY, FADED, NOTHING, conclude, level_of
from stream.tables import event as ev
from stream.tables.compiled import compiled
from stream.tables.notes import EventNote

VERSION: Final = "1"
DETECTOR: Final = 10

PARTS: Final = (
    "bounce_pressure",
    "missed_bills",
    "expected_payment_absent",
    "income_drop",
    "lateness_drift",
    "part_payment",
    "buffer_erosion",
    "distress_spending",
    "arrears_clock",
    "recovery",
)
"""What is added up, by the number of its sign."""

COUNT: Final = len(PARTS)
TIME: Final = ev.TIME
LOOK: Final = 7 * DAY
"""How often an open sign is looked at again where nothing happens."""
MICRO: Final = 1000000
"""Facts are whole millionths."""


class Part(base.Frozen):
    """What one detector adds."""

    weight: float = Field(ge=-5.0, le=5.0, description="What it adds to the log odds at its full strength.")
    full: float = Field(gt=0.0, le=1000.0, description="The score of that detector at which it has its full strength.")


class Settings(base.Levels):
    """Settings of `stress_score`."""

    coefficients: str = Field(pattern=r"^[A-Za-z0-9._-]{1,40}$", description="Version of the coefficients below.")
    intercept: float = Field(ge=-12.0, le=0.0, description="Log odds of an account of which nothing is known.")
    release: float = Field(gt=0.0, le=1.0, description="Share of a mark below which its severity is given up.")
    parts: dict[str, Part] = Field(description="Weight in log odds (-5 to 5) and full score, by detector.")

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if set(self.parts) != set(PARTS):
            raise ValueError(f"parts must be exactly: {', '.join(PARTS)}")
        if self.high >= 1.0:
            raise ValueError("low, medium and high are chances: below 1")
        return self


CONFIG = np.dtype(
    [
        ("intercept", "f8"),
        ("release", "f8"),
        ("thresholds", "f8", (3,)),
        ("weight", "f8", (COUNT,)),
        ("full", "f8", (COUNT,)),
    ]
)


def configure(settings: Settings, config: npt.NDArray[Any]) -> None:
    """See `base`."""
    config["intercept"] = settings.intercept
    config["release"] = settings.release
    config["thresholds"] = settings.thresholds
    config["weight"] = [settings.parts[name].weight for name in PARTS]
    config["full"] = [settings.parts[name].full for name in PARTS]


@compiled
def part(evidence: Any, k: int, config: Any) -> float:
    """What the detector of sign `k` adds to the log odds."""
    strength = float(evidence["signs"][k]["score"]) / float(config["full"][k])
    return float(config["weight"][k]) * min(max(strength, 0.0), 1.0)


@compiled
def chance(evidence: Any, config: Any) -> float:
    """The chance of a missed instalment within 30 days."""
    total = float(config["intercept"])
    for k in range(COUNT):
        total += part(evidence, k, config)
    return 1.0 / (1.0 + math.exp(-total))


@compiled
def wants(row: Any, event: Any, config: Any, world: Any) -> bool:
    """See `base`. What it adds up is remembered by the others."""
    return False


@compiled
def step(row: Any, evidence: Any, event: Any, config: Any, told: Any, world: Any) -> int:
    """See `base`. Called after all others."""
    sign, clock = evidence["signs"][DETECTOR], int(event["clock"])
    before, again = int(sign["severity"]), 0 < int(sign["due"]) <= clock
    if not again and int(event["touched"]) == 0:
        return NOTHING
    if before == 0 and int(event["topic"]) == TIME and int(told["said"]) == 0:
        return NOTHING
    now = chance(evidence, config)
    if not again and now == float(sign["score"]):
        return NOTHING
    event["touched"] = 1
    level = level_of(before, now, config["thresholds"], float(config["release"]))
    for k in range(COUNT):
        told["facts"][k] = int(part(evidence, k, config) * MICRO)
    told["count"] = 0
    sign["cause"] = FADED
    sign["held"] = 0
    sign["due"] = clock + LOOK if level > 0 else 0
    return conclude(row, sign, level, now, int(event["at"]), 0)


NAMES: Final = {
    "bounce_pressure": "payments that came back",
    "missed_bills": "bills that were not paid",
    "expected_payment_absent": "regular payments that were not made",
    "income_drop": "a change in income",
    "lateness_drift": "payments that slip later",
    "part_payment": "payments made in part",
    "buffer_erosion": "less money kept back",
    "distress_spending": "a change in spending and borrowing",
    "arrears_clock": "instalments past due",
    "recovery": "payments made on time again",
}
"""What each part is called where people read it."""


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %" if share >= 0.005 else "less than 1 %"


def tell(found: Finding, events: Sequence[EventNote], at: int, settings: Settings) -> Told:
    """See `base`. What adds most is named first."""
    threshold = mark(settings.thresholds, found.severity)
    shares = sorted(((found.facts[k], name) for k, name in enumerate(PARTS)), key=lambda one: (-one[0], one[1]))
    adding = [(amount, name) for amount, name in shares if amount > 0]
    whole = sum(amount for amount, _ in adding)
    reasons = [
        ReasonRecord(
            code="stress_score",
            text=(
                f"All signs on this account together come to an estimated chance of {figure(100 * found.score)} % that an "
                f"instalment is missed within 30 days; {figure(100 * threshold)} % is the mark."
            ),
            value=round(100 * found.score, 2),
            unit="percent",
            threshold=round(100 * threshold, 2),
            event_ids=(),
        )
    ]
    reasons += [
        ReasonRecord(
            code=f"part_{name}",
            text=f"Of what raises it, {_percent(amount / whole)} comes from {NAMES[name]}.",
            value=amount / MICRO,
            unit="log_odds",
            event_ids=(),
        )
        for amount, name in adding
    ]
    reasons += [
        ReasonRecord(
            code=f"part_{name}", text=f"It is lowered by {NAMES[name]}.", value=amount / MICRO, unit="log_odds", event_ids=()
        )
        for amount, name in shares
        if amount < 0
    ]
    return Told(tuple(reasons), "Clears as the signs behind it clear.")
