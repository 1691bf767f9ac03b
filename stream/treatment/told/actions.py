"""What operators say of one customer, or of all."""

from __future__ import annotations

from stream.contracts.operator_actions import OperatorActionRecord
from stream.tables.customer import MAX_SNOOZES, Customer, Partition, first_time
from stream.treatment.local_time import to_ms, to_ms_or_none
from stream.treatment.told import NEW, REPEATED, Told
from stream.treatment.turn import Moment, Turn


def tell(customer: Customer, event: OperatorActionRecord, moment: Moment, turns: list[Turn]) -> Told:
    """A word on one customer."""
    return NEW if operate(customer, event) else REPEATED


def operate(of: Customer | Partition, event: OperatorActionRecord) -> bool:
    """Applies an operator's word on one customer or on all, unless a later one on the same matter is known; returns whether it
    was told for the first time.
    """
    if not first_time(of, "operator-actions", event.event_id):
        return False
    if event.action == "release_breaker":
        return True
    detector, at = event.detector or "", to_ms(event.occurred_at)
    matter = "stop" if event.action in ("stop_nudges", "resume_nudges") else f"snooze\n{detector}"
    if of.ordered_at.get(matter, at) > at:
        return True
    of.ordered_at[matter] = at
    if len(of.ordered_at) > 2 * MAX_SNOOZES:
        del of.ordered_at[min(of.ordered_at, key=lambda name: (name == "stop", of.ordered_at[name], name))]
    match event.action:
        case "stop_nudges" | "resume_nudges":
            of.stopped = event.action == "stop_nudges"
        case "snooze":
            of.snoozes[detector] = to_ms_or_none(event.until)
            while len(of.snoozes) > MAX_SNOOZES:
                # Too many to tell apart: one snooze of everything, which silences more.
                ends = list(of.snoozes.values())
                of.snoozes.clear()
                of.snoozes[""] = None if None in ends else max(end for end in ends if end is not None)
        case "unsnooze":
            of.snoozes.pop(detector, None)
    return True
