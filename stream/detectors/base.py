"""What every detector's file is made of.

A detector is one module with

- a docstring: what it sees, its maths, how often it cries wolf, what is not undone, its sources;
- `VERSION`, which changes when its logic does, and `DETECTOR`, the number of its sign (see `registry.SIGNS`);
- `Settings`, frozen, with units and bounds; its defaults are the table of its name in `defaults.toml`;
- `CONFIG` and `configure`, the settings as its compiled functions read them: times in milliseconds, words by their index;
- `wants(row, event, config, world) -> bool`, compiled: whether this event must be remembered, of an account without evidence;
- `step(row, evidence, event, config, told, world) -> int`, compiled: takes one event in (or the passing of time) and returns a
  code of `levels`, or NOTED; the details are then in `evidence["signs"][DETECTOR]` and in `told`. `event["touched"] = 1` where
  evidence changed, `event["kept"] = 1` where a slot of evidence now holds the event's id. Evidence of an account without any is a
  row of zeroes that must not be written: return NOTHING. Of an account it may see any event at any time;
- `tell(found, events, at, settings) -> Told`: the words.

`config` is the detector's own record. All numbers are read through `int()` or `float()`, and only `math.exp` and `math.log` are
used: plain Python then gives the same bytes as the compiled code.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from functools import lru_cache
from typing import Annotated, Any, Final, NamedTuple, Protocol, Self

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, model_validator

from stream.contracts.money import to_text
from stream.contracts.signals import ReasonRecord
from stream.contracts.vocabulary import Category, HoldKind
from stream.reference.categories import noun
from stream.tables.account import SLOTS
from stream.tables.notes import EventNote

# --- settings -----------------------------------------------------------------------------------------------

Weight = Annotated[float, Field(ge=0.0, le=10.0)]
Threshold = Annotated[float, Field(gt=0.0, le=100.0)]
Share = Annotated[float, Field(ge=0.0, le=1.0)]


class Frozen(BaseModel):
    """Settings: frozen, and nothing that is not known."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=False, allow_inf_nan=False)


class Settings(Frozen):
    """Settings of one detector."""

    enabled: bool = Field(True, description="Whether it runs. Switched off, it says nothing, and takes back what it said.")


class Levels(Settings):
    """Settings of a detector whose score has three marks."""

    low: Threshold = Field(description="Score at which a signal is raised as low.")
    medium: Threshold = Field(description="Score of medium.")
    high: Threshold = Field(description="Score of high.")

    @model_validator(mode="after")
    def _rising(self) -> Self:
        if not self.low < self.medium < self.high:
            raise ValueError("low, medium and high must rise")
        return self

    @property
    def thresholds(self) -> tuple[float, float, float]:
        """Low, medium, high."""
        return self.low, self.medium, self.high


class WeightedLevels(Levels):
    """The same, where categories weigh differently."""

    category_weights: Mapping[Category, Weight] = Field(description="Weight by category, 0-10; 1 for those that are not named.")


# --- findings -----------------------------------------------------------------------------------------------

NOTED: Final = 4
"""Beside the codes of `levels`: nothing is said, but figures that the facts of the account tell have changed."""

FACTS: Final = 32
"""How many numbers a detector may hand to its words."""

TOLD = np.dtype([("events", "i8", (SLOTS,)), ("facts", "i8", (FACTS,)), ("count", "i1"), ("sign", "i1"), ("said", "i1")])
"""What `step` hands to `tell`: ids of the events behind a finding, how many, and numbers of the detector's own meaning. What it
does not write is left from before. `said` is how many detectors have said something of this event so far.
"""


class Finding(NamedTuple):
    """What a detector said of an account, as Python numbers."""

    start: int
    at: int
    clock: int
    expires: int
    score: float
    events: list[int]
    facts: list[int]
    row: int
    trigger: int
    detector: int
    action: int
    severity: int
    listed: int
    cause: int
    passing: int


class Told(NamedTuple):
    """The words of one finding."""

    reasons: tuple[ReasonRecord, ...]
    would_clear: str
    proposes_hold: HoldKind | None = None


class Module(Protocol):
    """A detector's module, as this file's docstring has it."""

    VERSION: str
    DETECTOR: int
    CONFIG: np.dtype[Any]
    Settings: type[Settings]

    @property
    def __name__(self) -> str: ...
    @staticmethod
    def configure(settings: Any, config: npt.NDArray[Any]) -> None:
        """Writes `settings` into `config`, one row of `CONFIG`."""

    @staticmethod
    def tell(found: Finding, events: Sequence[EventNote], at: int, settings: Any) -> Told:
        """The words for a finding that rests on `events` (in order of time); `at` in ms of event time."""


# --- words --------------------------------------------------------------------------------------------------

_MONTHS: Final = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October",
    "November", "December",
)  # fmt: skip
_EPOCH: Final = date(1970, 1, 1).toordinal()


@lru_cache(maxsize=4096)
def on(days: int) -> str:
    """A day (since 1970-01-01) as people write it."""
    when = date.fromordinal(min(max(days + _EPOCH, 1), date.max.toordinal()))
    return f"{when.day} {_MONTHS[when.month - 1]} {when.year}"


def day(ms: int) -> str:
    """The date (UTC) of an instant as people write it."""
    return on(ms // 86_400_000)


def time_of(ms: int) -> datetime:
    """The aware datetime of an instant in milliseconds."""
    # Exact: a double holds these seconds to the microsecond, to which it is rounded.
    return datetime.fromtimestamp(ms / 1000, UTC)


def listed(items: Sequence[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} and {items[-1]}" if items else ""


def figure(number: float) -> str:
    """A number as people write it: at most two decimals, none that say nothing."""
    text = f"{number:.2f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


@lru_cache(maxsize=1 << 15)
def money(minor: int, currency: str) -> str:
    """`GBP 38.20`, or nothing where the amount is not known (negative)."""
    return f"{currency} {to_text(minor, currency)}" if minor >= 0 and currency else ""


def owed(event: EventNote) -> str:
    """What was for payment, with its amount where that is known."""
    amount = money(event.amount, event.currency)
    return f"{noun(event.category)} ({amount})" if amount else noun(event.category)


def weighed(code: str, how: str, found: Finding, thresholds: tuple[float, float, float], ids: tuple[str, ...]) -> ReasonRecord:
    """The reason that tells the score, `how` it was weighed, and the mark it has reached."""
    threshold = mark(thresholds, found.severity)
    return ReasonRecord(
        code=code,
        text=f"{how} this comes to {figure(found.score)}, where {figure(threshold)} is the mark.",
        value=found.score,
        unit="weight",
        threshold=threshold,
        event_ids=ids,
    )


def clears(owed: Sequence[str], expires: int, otherwise: str) -> str:
    """What would make a sign go away: payments, or the passing of time."""
    parts = []
    if owed:
        parts.append(f"once paid: {listed(owed)}")
    if expires > 0:
        parts.append(f"by itself on {day(expires)} {otherwise}")
    return f"Clears {'; or '.join(parts)}." if parts else ""


def mark(thresholds: tuple[float, float, float], severity: int) -> float:
    """The threshold that a severity (1-3) has reached."""
    return thresholds[max(severity, 1) - 1]
