"""Hand-made events of one small bank, as the contracts want them."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.kafka.client import Message
from tests.kafka.planted import PLANTED

DAY = timedelta(days=1)


def noon_zone(now: datetime) -> str:
    """A zone in which it is about noon: contact hours are open, whenever the tests run."""
    ahead = 12 - now.astimezone(UTC).hour
    return "Etc/GMT" if ahead == 0 else f"Etc/GMT{-ahead:+d}"


def encode(value: dict[str, Any]) -> bytes:
    """As a bank would send it."""
    return json.dumps(value).encode()


def text(moment: datetime) -> str:
    """RFC 3339."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds")


def message(value: dict[str, Any], at: datetime, key: str | None = None) -> Message:
    """A record with its own time, placed by its key."""
    name = key or value.get("account_id") or value["customer_id"]
    if "holders" in value:
        name = value["account_id"]
    return Message(-1, name.encode(), encode(value), timestamp=int(at.timestamp() * 1000))


def account(number: int, at: datetime, holders: int = 1, **more: Any) -> dict[str, Any]:
    """Account `A-<number>` of customer `C-<number>` (and `C-<number>-2` ...)."""
    names = [f"C-{number}"] + [f"C-{number}-{i}" for i in range(2, holders + 1)]
    return {
        "account_id": f"A-{number}",
        "updated_at": text(at),
        "holders": [{"customer_id": name, "role": "joint" if i else "primary"} for i, name in enumerate(names)],
        "product": "current_account",
        "currency": "GBP",
        "country": "GB",
        "time_zone": "Europe/London",
        **more,
    }


def customer(name: str, at: datetime, zone: str, **more: Any) -> dict[str, Any]:
    """A customer who may be contacted by e-mail and SMS."""
    return {
        "customer_id": name,
        "updated_at": text(at),
        "jurisdiction": "GB",
        "time_zone": zone,
        "language": "en",
        "channels": {"email": {"consent": True}, "sms": {"consent": True}},
        **more,
    }


def bounce(number: int, event: str, at: datetime, **more: Any) -> dict[str, Any]:
    """A direct debit for the mortgage came back for want of funds."""
    return {
        "event_id": event,
        "account_id": f"A-{number}",
        "occurred_at": text(at),
        "scheme": "sepa_sdd",
        "r_type": "return",
        "reason_code": "AM04",
        "amount": "620.00",
        "currency": "GBP",
        "counterparty_id": f"{PLANTED}-lender-{event}",
        "category": "mortgage",
        **more,
    }


def payment(number: int, event: str, at: datetime, **more: Any) -> dict[str, Any]:
    """Groceries."""
    return {
        "event_id": event,
        "account_id": f"A-{number}",
        "occurred_at": text(at),
        "direction": "debit",
        "amount": "12.50",
        "currency": "GBP",
        "counterparty_id": f"{PLANTED}-grocer",
        "counterparty_name": f"{PLANTED} Grocer & Daughter",
        "remittance_information": f"{PLANTED} thanks, Ada",
        "category": "groceries",
        "scheme": "card",
        **more,
    }


def hold(name: str, event: str, at: datetime, kind: str = "cease") -> dict[str, Any]:
    """Leave this person alone."""
    return {
        "event_id": event,
        "hold_id": f"hold-{event}",
        "customer_id": name,
        "kind": kind,
        "occurred_at": text(at),
        "placed_at": text(at),
    }


def signal(number: int, at: datetime, status: str, severity: str) -> dict[str, Any]:
    """What the accounts stage says of bounced payments."""
    reason = {"code": "bounced_payments", "text": "Payments came back unpaid.", "value": 2, "event_ids": ["b1", "b2"]}
    return {
        "signal_id": f"signal-{number}",
        "status": status,
        "detector": "bounce_pressure",
        "detector_version": "1",
        "account_id": f"A-{number}",
        "customer_id": f"C-{number}",
        "occurred_at": text(at),
        "severity": severity,
        "score": 2.0,
        "reasons": [reason],
    }


def trouble(number: int, now: datetime) -> list[tuple[str, Message]]:
    """What leads to a nudge: a first bounce a week ago, two more just now. Topic and record, in order of time."""
    return [
        ("bounces", message(bounce(number, f"b{number}-{i}", at), at))
        for i, at in enumerate((now - 7 * DAY, now - timedelta(minutes=3), now - timedelta(minutes=2)))
    ]
