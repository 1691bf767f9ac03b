"""One record as it is delivered, and what is true of one customer."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple


class Event(NamedTuple):
    """One record as it is delivered: `timestamp_ms` is the record's, `value` the event with its own time."""

    topic: str
    key: str
    timestamp_ms: int
    value: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Truth:
    """What is true of one customer, to hold an early-warning system against."""

    customer_id: str
    scenario: str
    country: str
    account_ids: tuple[str, ...]
    life_event_on: str | None
    """The local date on which something happened; null for steady customers."""
    onset_at: str | None
    """When money first came less or later than it used to: the earliest time at which anybody could know."""
    first_bounce_at: str | None
    first_missed_instalment: str | None
    """The due date of the first own instalment (loan or card) that was not met in full on time."""
    state: str
    """`stressed` when `onset_at` is set, else `steady`."""
    nudge_right: bool
    """Whether a supportive nudge is right at some time."""
    no_nudge_from: str | None
    """From when on no nudge may reach the customer (hold, opt-out)."""
    no_nudge_until: str | None
    """When that ends; null where it does not."""
    duplicated: tuple[str, ...]
    """Ids of events that are delivered more than once."""
    late: tuple[str, ...]
    """Ids of events whose record timestamp is a day or more after `occurred_at`."""


@dataclass(frozen=True, slots=True)
class CorpusTruth(Truth):
    """What is true of one customer of the golden corpus."""

    recovered_at: str | None
    """When all that was owed had been paid and the buffer was back; null where that did not happen."""


def money(minor: int, exponent: int = 2) -> str:
    """Minor units as a decimal string.

    >>> money(123405), money(-5), money(1500, 0), money(1500, 3)
    ('1234.05', '-0.05', '1500', '1.500')
    """
    whole, part = divmod(abs(minor), 10**exponent)
    sign = "-" if minor < 0 else ""
    return f"{sign}{whole}.{part:0{exponent}d}" if exponent else f"{sign}{whole}"


def milliseconds(when: datetime) -> int:
    """Since 1970-01-01 UTC, as Kafka counts."""
    return round(when.timestamp() * 1000)


def text(when: datetime) -> str:
    """RFC 3339 with the offset that the local clock had."""
    return when.isoformat()
