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
    "bounce_pressure": "How much they weigh has reached the mark.",
    "missed_bills": "Regular bills were not paid in full.",
    "missed_billers": "How much they weigh has reached the mark.",
    "payment_absent": "A regular payment was not made.",
    "absent_weight": "How much it weighs has reached the mark.",
    "part_payments": "A payment was less than was due.",
    "minimum_payments": "No more than the minimum was paid, several times in a row.",
    "days_past_due": "A payment on the account is past its date.",
    "later_than_usual": "Payments come later than they used to.",
    "signals_cleared": "No sign of stress has been open for a while.",
}
"""What may be said of an account that may be shared, by code."""

OTHERWISE: Final = ("sign_of_stress", "A sign of stress was seen.")
"""Code and words for all else: of income, borrowing, balances and plays of chance not even the code is told."""

_COUNTS: Final = frozenset({"payments", "bills", "weight", "days"})
"""Units whose values tell neither an amount nor a payee."""


def date_words(day: dt.date) -> str:
    """`7 October 2026`."""
    return f"{day.day} {MONTHS[day.month - 1]} {day.year}"


def discreet(reasons: Iterable[ReasonRecord]) -> tuple[ReasonRecord, ...]:
    """Reasons without amounts, payees, kinds of bill, dates and events; those that tell nothing then, once.

    An account may be shared, and what happened on it may be the other holder's.
    """
    told = (_discreet(reason) for reason in reasons)
    return tuple(dict.fromkeys(told))


def _discreet(reason: ReasonRecord) -> ReasonRecord:
    if reason.code not in DISCREET:
        code, text = OTHERWISE
        return ReasonRecord(code=code, text=text, value=0, event_ids=())
    counts = reason.unit in _COUNTS
    return msgspec.structs.replace(
        reason,
        text=DISCREET[reason.code],
        value=reason.value if counts else 0,
        unit=reason.unit if counts else None,
        threshold=reason.threshold if counts else None,
        window_from=None,
        window_to=None,
        event_ids=(),
    )
