"""What a signal says: reasons in plain, kind words, and what would clear it.

The words name what a bill was for, its amount and its date, and never a payee, another holder or anything
else of the account.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from functools import lru_cache
from typing import Final, NamedTuple

from stream.agents.columns import time_of
from stream.contracts.money import to_text
from stream.contracts.signals import ReasonRecord
from stream.detectors import bounce_pressure
from stream.detectors.kernel import Finding
from stream.detectors.settings import DetectorSettings
from stream.reference.categories import noun
from stream.tables.notes import EventNote

_MONTHS: Final = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October",
    "November", "December",
)  # fmt: skip


_EPOCH: Final = date(1970, 1, 1).toordinal()


class Told(NamedTuple):
    """The words of one finding."""

    reasons: tuple[ReasonRecord, ...]
    would_clear: str


@lru_cache(maxsize=4096)
def _day(days: int) -> str:
    when = date.fromordinal(days + _EPOCH)
    return f"{when.day} {_MONTHS[when.month - 1]} {when.year}"


def day(ms: int) -> str:
    """The date (UTC) of an instant as people write it."""
    return _day(ms // 86_400_000)


def listed(items: Sequence[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} and {items[-1]}" if items else ""


def figure(number: float) -> str:
    """A number as people write it: at most two decimals, none that say nothing."""
    text = f"{number:.2f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def money(event: EventNote) -> str:
    """`GBP 38.20`, or nothing where the amount was not told."""
    return f"{event.currency} {to_text(event.amount, event.currency)}" if event.amount >= 0 else ""


def _bounce(event: EventNote) -> str:
    amount = money(event)
    return f"{noun(event.category)} ({amount + ', ' if amount else ''}{day(event.at)})"


def _bill(event: EventNote) -> str:
    return f"{noun(event.category)} ({money(event)}, due {day(event.due)})"


def _owed(event: EventNote) -> str:
    amount = money(event)
    return f"{noun(event.category)} ({amount})" if amount else noun(event.category)


def _clears(owed: Sequence[str], expires: int, otherwise: str) -> str:
    parts = []
    if owed:
        parts.append(f"once paid: {listed(owed)}")
    if expires > 0:
        parts.append(f"by itself on {day(expires)} {otherwise}")
    return f"Clears {'; or '.join(parts)}." if parts else ""


def _threshold(thresholds: tuple[float, float, float], severity: int) -> float:
    return thresholds[max(severity, 1) - 1]


def words_of(finding: Finding, events: Sequence[EventNote], at: int, settings: DetectorSettings) -> Told:
    """The words for a finding that rests on `events`."""
    events = sorted(events, key=lambda event: (event.at, event.event_id))
    ids = tuple(event.event_id for event in events)
    if finding.detector == bounce_pressure.DETECTOR:
        return _of_bounces(finding, events, ids, at, settings)
    return _of_bills(finding, events, ids, at, settings)


def _of_bounces(finding: Finding, events: Sequence[EventNote], ids: tuple[str, ...], at: int, settings: DetectorSettings) -> Told:
    own = settings.bounce_pressure
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
        ReasonRecord(
            code="bounce_pressure",
            text=(
                f"Weighed by reason, kind of bill and age this comes to {figure(finding.score)}, "
                f"where {figure(_threshold(own.thresholds, finding.severity))} is the mark."
            ),
            value=finding.score,
            unit="weight",
            threshold=_threshold(own.thresholds, finding.severity),
            event_ids=ids,
        ),
    )
    # A payment that was presented twice is owed once.
    owed = list(dict.fromkeys(map(_owed, events)))
    return Told(reasons, _clears(owed, finding.expires, "if nothing else comes back"))


def _of_bills(finding: Finding, events: Sequence[EventNote], ids: tuple[str, ...], at: int, settings: DetectorSettings) -> Told:
    own = settings.missed_bills
    many = len(events) != 1
    window_from = time_of(at - own.window_days * 86_400_000)
    reasons = (
        ReasonRecord(
            code="missed_bills",
            text=(
                f"{len(events)} bill{'s' if many else ''} due in the last {own.window_days} days "
                f"{'are' if many else 'is'} not paid in full: {listed([_bill(event) for event in events])}."
            ),
            value=len(events),
            unit="bills",
            window_from=window_from,
            window_to=time_of(at),
            event_ids=ids,
        ),
        ReasonRecord(
            code="missed_billers",
            text=(
                f"Counted by biller and weighed by kind of bill this comes to {figure(finding.score)}, "
                f"where {figure(_threshold(own.thresholds, finding.severity))} is the mark."
            ),
            value=finding.score,
            unit="weight",
            threshold=_threshold(own.thresholds, finding.severity),
            event_ids=ids,
        ),
    )
    return Told(reasons, _clears([_owed(event) for event in events], finding.expires, "if no other bill is missed"))


ENDINGS: Final = {
    "faded": "Time has passed, and what was noticed no longer weighs enough.",
    "paid": "What was missing has been paid.",
    "reversed": "The report it rested on was taken back.",
    "corrected": "The report it rested on was corrected.",
    "waived": "The bill was waived.",
    "left": "This person no longer holds the account.",
    "erased": "The account's record was erased.",
}
"""Why a signal was withdrawn, by code."""


def ending(code: str, score: float, event_id: str | None) -> ReasonRecord:
    """The reason of a withdrawal."""
    return ReasonRecord(code=code, text=ENDINGS[code], value=score, unit="weight", event_ids=(event_id,) if event_id else ())
