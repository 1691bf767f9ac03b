"""What the accounts stage tells of signs of stress, and what of it need not be looked at."""

from __future__ import annotations

from stream.contracts.signals import SignalRecord
from stream.tables.customer import MAX_SIGNALS, Customer, OpenSignal, first_time
from stream.treatment.ladder import target
from stream.treatment.local_time import DAY, LATEST, to_ms, to_ms_or_none
from stream.treatment.policy import Ladder
from stream.treatment.told import KEPT, NEW, REPEATED, SAME, Told, is_due
from stream.treatment.turn import SEVERITY_ORDER, SPOKEN_OF, Moment, Turn, keep_reasons


def tell(customer: Customer, event: SignalRecord, moment: Moment, turns: list[Turn]) -> Told:
    """A signal that was raised, changed or withdrawn; nothing new where it calls for what was called for before."""
    at = to_ms(event.occurred_at)
    what = (event.status, event.severity, event.proposes_hold or "", str(at))
    if not first_time(customer, "signals", event.signal_id, *what):
        return REPEATED
    if event.status == "withdrawn":
        gone = customer.signals.pop(event.signal_id, None)
        customer.cleared_at = max(customer.cleared_at, at)
        customer.gone[event.signal_id] = at
        if len(customer.gone) > MAX_SIGNALS:
            del customer.gone[next(iter(customer.gone))]
        if gone is None:
            return SAME
        if not gone.rose_at and _is_low(gone) and _stands(customer) and _looked_at(customer, moment):
            return KEPT
        return NEW if gone.proposes_hold else SAME
    if event.signal_id in customer.gone:
        return REPEATED  # an id is never raised again: this was said before it was taken back
    known = customer.signals.get(event.signal_id)
    if known is not None and known.at > at:
        known.started = min(known.started, at)
        if known.rose_at and event.severity in SPOKEN_OF:
            known.rose_at = min(known.rose_at, at)
        return SAME
    rose_at, fell_at = _rose_and_fell(known, event.severity in SPOKEN_OF, at, moment.policy.ladder)
    customer.signals[event.signal_id] = OpenSignal(
        signal_id=event.signal_id,
        detector=event.detector,
        account_id=event.account_id,
        severity=event.severity,
        started=known.started if known is not None else at,
        at=at,
        reasons=keep_reasons(event.reasons),
        expires_at=to_ms_or_none(event.expires_at),
        proposes_hold=event.proposes_hold or "",
        code=event.reasons[0].code if event.reasons else "",
        rose_at=rose_at,
        fell_at=fell_at,
        trace=moment.trace,
    )
    full = len(customer.signals) > MAX_SIGNALS
    if full:
        every = customer.signals.values()
        mildest = max(every, key=lambda each: (not each.proposes_hold, SEVERITY_ORDER[each.severity], -each.at))
        del customer.signals[mildest.signal_id]
    if not full and _calls_for_nothing(customer, known, customer.signals[event.signal_id], moment):
        return KEPT
    proposed = event.proposes_hold or (known is not None and known.proposes_hold)
    return NEW if proposed else SAME


def _calls_for_nothing(customer: Customer, known: OpenSignal | None, told: OpenSignal, moment: Moment) -> bool:
    """Whether a signal leads to nothing now that was not so before it: only to another look once it expires."""
    due = min(customer.due or LATEST, told.expires_at or LATEST)
    if due <= moment.clock or not _looked_at(customer, moment):
        return False
    if known is not None:
        same = known.at >= (moment.contact_from or 0) and _calls_for_the_same(known, told, customer, moment.policy.ladder)
    else:
        watched = customer.rung > 0 and moment.contact_from is None
        same = watched and _is_low(told) and _stands(customer, told.signal_id)
    if same and due < LATEST:
        customer.due = due
    return same


def _looked_at(customer: Customer, moment: Moment) -> bool:
    """Whether all that was known before has been looked at, under the policy that is in force; the next step up or down is due
    at once, which is an instant later.
    """
    return customer.under == moment.under and not is_due(customer, moment.clock + 1)


def _calls_for_the_same(known: OpenSignal, told: OpenSignal, customer: Customer, ladder: Ladder) -> bool:
    """Whether a signal that is told again calls for the same as before: in other words, for longer, or more or less gravely
    where that leads to the same rung.

    Not what a person may be asked about anew: what proposes a hold, what could not be judged, and what is high after somebody
    has looked; nor what is high in somebody who may be in the control group, which nobody with a high sign is.
    """
    if (known.account_id, known.detector) != (told.account_id, told.detector):
        return False
    if known.proposes_hold or told.proposes_hold or told.severity == "info":
        return False
    severities = {known.severity, told.severity}
    looked = customer.control_since or any(each.status == "done" for each in customer.escalations.values())
    if "high" in severities and looked:
        return False
    if known.severity == told.severity:
        return True
    others = [each for each in customer.signals.values() if each is not told]
    return severities == SPOKEN_OF and target([*others, known], ladder) == target([*others, told], ladder)


def _is_low(signal: OpenSignal) -> bool:
    """Whether a sign is only watched."""
    return signal.severity == "low" and not signal.proposes_hold


def _stands(customer: Customer, but: str = "") -> bool:
    """Whether some other sign of stress is open: one more or less that is only watched changes nothing then."""
    return any(each.severity != "info" and name != but for name, each in customer.signals.items())


def _rose_and_fell(known: OpenSignal | None, high: bool, at: int, ladder: Ladder) -> tuple[int, int]:
    """Since when a signal can be spoken of, and since when not any more; what is less only for a while has not fallen."""
    if known is None:
        return (at if high else 0), 0
    if not high:
        return known.rose_at, known.fell_at or (at if known.rose_at else 0)
    long = known.fell_at and at >= known.fell_at + ladder.recognition_clear_days * DAY
    return (at if long or not known.rose_at else known.rose_at), 0
