"""Outputs in words: what a customer would read, what a team would read, and why something was taken back."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Literal
from zoneinfo import ZoneInfo

import msgspec

from stream.treatment.explain import BECAUSE

Kind = Literal["signal", "nudge", "escalation", "withdrawn", "dead letter"]

ACTIONS: Final[Mapping[str, str]] = {
    "plan": "a plan they can afford",
    "payment_date": "another payment date",
    "interest_or_fee_relief": "relief from interest or fees",
    "settlement": "a settlement",
    "debt_advice": "free debt advice",
    "education": "guidance on money",
    "counter_offer": "another offer",
    "plan_review": "a review of the plan",
    "consolidation": "putting debts together",
}
"""Suggested actions: for a person to decide."""

MOST_REASONS = 3
READ_IN_FULL = 3
"""How often the same template is told in full; after that its beginning will do."""


@dataclass(frozen=True, slots=True)
class Told:
    """One output as people read it."""

    kind: Kind
    at: datetime
    """Event time, in UTC."""
    who: str
    headline: str
    lines: tuple[str, ...] = ()
    quiet: bool = False
    """One line is enough for it."""


class Teller:
    """Puts outputs into words. It remembers signals, for what is said later refers to them."""

    def __init__(self, zones: Mapping[str, str]) -> None:
        self._zones = zones
        """IANA zone by customer."""
        self._gone: dict[str, str] = {}
        """Why a signal was withdrawn, by its id."""
        self._severity: dict[str, str] = {}
        """How grave a signal was when it last spoke, by its id."""
        self._read: Counter[str] = Counter()
        """How often a template was told."""

    def tell(self, topic: str, value: bytes | None) -> Told | None:
        """An output in words; None for one that says nothing new: a decision, a signal as grave as before."""
        if value is None or topic not in ("signals", "nudges", "escalations"):
            return None
        record: dict[str, Any] = msgspec.json.decode(value)
        match topic, record["status"]:
            case "signals", "withdrawn":
                return self._signal_withdrawn(record)
            case "signals", _:
                return self._signal(record)
            case "nudges", "issued":
                return self._nudge(record)
            case "escalations", "issued":
                return self._escalation(record)
            case _:
                return self._withdrawn(record, "nudge" if topic == "nudges" else "escalation")

    def _signal(self, record: dict[str, Any]) -> Told | None:
        severity = record["severity"]
        before = self._severity.get(record["signal_id"])
        self._severity[record["signal_id"]] = severity
        if severity == before:
            return None  # more or less of the same: the record says it, a person need not hear it
        moved = f", was {before}" if before else ""
        return Told(
            "signal",
            _time(record["occurred_at"]),
            record["customer_id"],
            f"{severity} {plain(record['detector'])} on {record['account_id']}{moved}",
            # The first reason is what happened; how it was weighed is for `ews explain`.
            tuple(textwrap.shorten(text, 200, placeholder=" …") for text in reasons(record["reasons"][:1])),
            quiet=severity in ("info", "low"),
        )

    def _signal_withdrawn(self, record: dict[str, Any]) -> Told:
        # The first reason of a withdrawal is its cause; what had been said comes after it.
        why = record["reasons"][0]["text"].rstrip(".") if record["reasons"] else "it no longer holds"
        self._gone[record["signal_id"]] = why
        return Told(
            "withdrawn",
            _time(record["occurred_at"]),
            record["customer_id"],
            f"signal {plain(record['detector'])} on {record['account_id']}",
            (why,),
            quiet=True,
        )

    def _nudge(self, record: dict[str, Any]) -> Told:
        zone = ZoneInfo(self._zones.get(record["customer_id"], "UTC"))
        opens, closes = (_time(record[name]).astimezone(zone) for name in ("not_before", "not_after"))
        days = "" if opens.date() == closes.date() else f"{closes:%a %-d %b} "
        text = record["params"].get("text") or plain(record["template"])
        self._read[record["template"]] += 1
        if self._read[record["template"]] > READ_IN_FULL:
            text = textwrap.shorten(text, 100, placeholder=" …")
        # An optional offer is part of the message: what it costs and when is what a customer wants to know.
        offers = [
            f"{plain(offer['kind'])}: "
            + ", ".join(f"{each['amount']} {offer['currency']} on {each['due_date']}" for each in offer["instalments"][:3])
            for offer in record.get("offers") or ()
        ]
        return Told(
            "nudge",
            _time(record["decided_at"]),
            record["customer_id"],
            f"{plain(record['treatment'])} by {record['channel']}, {opens:%a %-d %b %H:%M} to {days}{closes:%H:%M} their time",
            (f"“{text}”", *offers),
        )

    def _escalation(self, record: dict[str, Any]) -> Told:
        zone = ZoneInfo(self._zones.get(record["customer_id"], "UTC"))
        due = _time(record["due_by"]).astimezone(zone)
        urgent = "urgent, " if record["priority"] == "urgent" else ""
        suggested = [ACTIONS.get(action, plain(action)) for action in record["suggested_actions"]]
        return Told(
            "escalation",
            _time(record["decided_at"]),
            record["customer_id"],
            f"to {plain(record['queue'])}: {urgent}please look by {due:%a %-d %b %H:%M}",
            (
                *(textwrap.shorten(text, 200, placeholder=" …") for text in reasons(record["reasons"])),
                *([f"you may consider: {', '.join(suggested)}"] if suggested else []),
            ),
        )

    def _withdrawn(self, record: dict[str, Any], what: str) -> Told:
        code = record.get("withdrawn_because") or ""
        why = BECAUSE.get(code, plain(code))
        gone = [self._gone[each] for each in record["signal_ids"] if each in self._gone]
        if code == "signal_withdrawn" and gone:
            why += f" ({gone[-1]})"
        subject = plain(record["treatment"] if what == "nudge" else record["queue"])
        return Told(
            "withdrawn",
            _time(record["decided_at"]),
            record["customer_id"],
            f"{what} {subject}",
            (f"because: {why}",),
        )


def reasons(records: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    """The texts of reasons, each once, the first few of them."""
    texts = list(dict.fromkeys(record["text"] for record in records))
    more = len(texts) - MOST_REASONS
    return (*texts[:MOST_REASONS], *([f"and {more} more"] if more > 0 else []))


def plain(code: str) -> str:
    """A code as words.

    >>> plain("small_bill_check_in")
    'small bill check in'
    """
    return code.replace("_", " ").replace("-", " ")


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)
