"""What a signal says: the detector's own words, and why one was taken back.

The words name what a bill was for, its amount and its date, and never a payee, another holder or anything
else of the account.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from stream.contracts.signals import ReasonRecord
from stream.detectors import bounce_pressure
from stream.detectors.base import Finding, Told
from stream.detectors.registry import MODULES, SIGNS
from stream.tables.notes import EventNote


def words_of(finding: Finding, events: Sequence[EventNote], at: int, settings: Any) -> Told:
    """The words for a finding that rests on `events`."""
    events = sorted(events, key=lambda event: (event.at, event.event_id))
    name, subject = SIGNS[finding.detector]
    own = getattr(settings, name)
    if subject:
        return bounce_pressure.tell_hold(finding, events, at, own)
    return MODULES[name].tell(finding, events, at, own)


ENDINGS: Final = {
    "faded": "Time has passed, and what was noticed no longer weighs enough.",
    "paid": "What was missing has been paid.",
    "reversed": "The report it rested on was taken back.",
    "corrected": "The report it rested on was corrected.",
    "waived": "The bill was waived.",
    "switched_off": "What looked for this was switched off.",
    "outage": "It was the doing of an outage, not of this account.",
    "paused": "The counting of overdue days was paused.",
    "returned": "Something else has come up since.",
    "left": "This person no longer holds the account.",
    "erased": "The account's record was erased.",
}
"""Why a signal was withdrawn, by code."""


def ending(code: str, score: float, event_id: str | None) -> ReasonRecord:
    """The reason of a withdrawal."""
    return ReasonRecord(code=code, text=ENDINGS[code], value=score, unit="weight", event_ids=(event_id,) if event_id else ())
