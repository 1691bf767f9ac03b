"""What the job made of the story, held against the truth that it could not see."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from statistics import median
from typing import Any

from stream.simulate import Truth


@dataclass(frozen=True, slots=True)
class Verdict:
    """Counts of customers, and days."""

    stressed: int
    """Customers whose money ran short."""
    noticed: int
    """Of these: with a signal at or after the onset."""
    missers: int
    """Of the stressed: missed an own instalment within the story."""
    noticed_before_miss: int
    """Of these: with a signal before the instalment's due date."""
    lead_days: tuple[float, ...]
    """Of these: days from the first signal to the due date of the first missed instalment."""
    steady: int
    """Customers for whom no nudge was right at any time."""
    nudged_wrongly: Mapping[str, int]
    """Of these: with a supportive nudge, by what happened to them."""
    after_stop: int
    """Nudges decided while the customer was not to be contacted, and not taken back before they might be sent; anything but 0 is
    a fault.
    """

    @property
    def lead(self) -> float | None:
        """The median of the lead days."""
        return median(self.lead_days) if self.lead_days else None


def judge(truths: Sequence[Truth], signals: Iterable[Mapping[str, Any]], nudges: Iterable[Mapping[str, Any]]) -> Verdict:
    """Holds signals and nudges (records as decoded from JSON) against the truth."""
    raised: dict[str, list[datetime]] = {}
    for signal in signals:
        if signal["status"] == "raised":
            raised.setdefault(signal["customer_id"], []).append(datetime.fromisoformat(signal["occurred_at"]))
    issued: dict[str, list[datetime]] = {}
    sendable: dict[str, list[datetime]] = {}
    nudges = list(nudges)
    back = {nudge["nudge_id"]: datetime.fromisoformat(nudge["decided_at"]) for nudge in nudges if nudge["status"] == "withdrawn"}
    for nudge in nudges:
        # Thanks are no contact that could be wrong for a steady customer; but after a stop they are.
        if nudge["status"] == "issued":
            key = nudge["customer_id"] if nudge["treatment"] != "recognition" else f"{nudge['customer_id']}/thanks"
            decided = datetime.fromisoformat(nudge["decided_at"])
            issued.setdefault(key, []).append(decided)
            gone = back.get(nudge["nudge_id"])
            if gone is None or gone > datetime.fromisoformat(nudge["not_before"]):
                sendable.setdefault(nudge["customer_id"], []).append(decided)

    stressed = [truth for truth in truths if truth.state == "stressed"]
    first: dict[str, datetime] = {}
    for truth in stressed:
        assert truth.onset_at is not None
        onset = datetime.fromisoformat(truth.onset_at)
        if later := [at for at in raised.get(truth.customer_id, ()) if at >= onset]:
            first[truth.customer_id] = min(later)
    missers = [truth for truth in stressed if truth.first_missed_instalment]
    leads = [
        (_midnight(truth.first_missed_instalment) - first[truth.customer_id]).total_seconds() / 86_400
        for truth in missers
        if truth.first_missed_instalment and truth.customer_id in first
    ]
    steady = [truth for truth in truths if not truth.nudge_right]
    after_stop = 0
    for truth in truths:
        if truth.no_nudge_from:
            stop = datetime.fromisoformat(truth.no_nudge_from)
            over = datetime.fromisoformat(truth.no_nudge_until) if truth.no_nudge_until else None
            after_stop += sum(at > stop and (over is None or at < over) for at in sendable.get(truth.customer_id, ()))
    return Verdict(
        stressed=len(stressed),
        noticed=len(first),
        missers=len(missers),
        noticed_before_miss=sum(lead > 0 for lead in leads),
        lead_days=tuple(sorted(lead for lead in leads if lead > 0)),
        steady=len(steady),
        nudged_wrongly=Counter(truth.scenario for truth in steady if truth.customer_id in issued),
        after_stop=after_stop,
    )


def _midnight(day: str) -> datetime:
    return datetime.combine(date.fromisoformat(day), time(), UTC)
