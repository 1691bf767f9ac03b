"""Plain words that the customers stage and the explanation share, and the reasons as a customer may see them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from typing import Final

import msgspec

from stream.contracts.signals import ReasonRecord

MONTHS: Final = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October",
    "November", "December",
)  # fmt: skip

HOLDS: Final = {
    "vulnerable_review": "a review of what the customer needs",
    "mental_health_crisis": "a mental health crisis",
    "mental_capacity": "mental capacity",
    "dispute": "a dispute",
    "fraud": "suspected fraud",
}
"""What a hold is for, where its name alone would not read well."""

DISCREET: Final = {
    "bounced_payments": "Payments came back unpaid.",
    "bounce_pressure": "How much they weigh is above the mark.",
    "missed_bills": "Regular bills were not paid in full.",
    "missed_billers": "How much they weigh is above the mark.",
}
OTHERWISE: Final = "A sign of stress was seen."
_COUNTS: Final = frozenset({"payments", "bills", "weight", "days"})
"""Units whose values tell neither an amount nor a payee."""


def date_words(day: dt.date) -> str:
    """`7 October 2026`."""
    return f"{day.day} {MONTHS[day.month - 1]} {day.year}"


def discreet(reasons: Iterable[ReasonRecord]) -> tuple[ReasonRecord, ...]:
    """Reasons without amounts, payees, kinds of bill, dates and events.

    An account may be shared, and what happened on it may be the other holder's.
    """
    return tuple(
        msgspec.structs.replace(
            reason,
            text=DISCREET.get(reason.code, OTHERWISE),
            value=reason.value if reason.unit in _COUNTS else 0,
            unit=reason.unit if reason.unit in _COUNTS else None,
            threshold=reason.threshold if reason.unit in _COUNTS else None,
            window_from=None,
            window_to=None,
            event_ids=(),
        )
        for reason in reasons
    )
