"""The reference job's validation and rules, for the peers that are written in Python."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from bench.reference import BOUNCES, MISSED, WINDOW_DAYS

_NEEDED = {
    "payments": ("event_id", "account_id", "occurred_at", "direction", "amount", "currency", "counterparty_id", "category",
                 "scheme"),
    "bounces": ("event_id", "account_id", "occurred_at", "scheme", "reason_code", "counterparty_id", "category"),
    "missed-bills": ("event_id", "account_id", "occurred_at", "bill_id", "counterparty_id", "category", "amount_due", "currency",
                     "due_date", "outcome"),
}  # fmt: skip
_LIMITS = {"bounces": BOUNCES, "missed-bills": MISSED}


def read(kind: str, value: bytes) -> dict[str, Any] | None:
    """The event of a topic with its time `at` (s) and amount `minor`; None where it is not valid."""
    try:
        event: dict[str, Any] = json.loads(value)
        if not all(isinstance(event[field], str) for field in _NEEDED[kind]):
            return None
        event["minor"] = round(float(event.get("amount", "0")) * 100)
        event["at"] = datetime.fromisoformat(event["occurred_at"]).timestamp()
    except (ValueError, KeyError):
        return None
    return event


def update(row: dict[str, Any], kind: str, at: float, minor: int) -> bool:
    """Takes an event into its account's row; whether it is a signal."""
    if kind == "payments":
        row["payments"] = row.get("payments", 0) + 1
        row["debits"] = row.get("debits", 0) + minor
        return False
    times = row[kind] = [*row.get(kind, ())[-7:], at]
    return sum(at - one < WINDOW_DAYS * 86_400 for one in times) >= _LIMITS[kind]
