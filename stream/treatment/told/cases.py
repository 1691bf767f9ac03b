"""What the bank's case system tells."""

from __future__ import annotations

from stream.contracts.cases import CaseRecord
from stream.tables.customer import MAX_CASES, Case, Customer, first_time
from stream.treatment.local_time import to_ms
from stream.treatment.told import NEW, REPEATED, Told
from stream.treatment.turn import Moment, Turn


def tell(customer: Customer, event: CaseRecord, moment: Moment, turns: list[Turn]) -> Told:
    """A case that was opened, moved on or closed."""
    if not first_time(customer, "cases", event.event_id):
        return REPEATED
    at = to_ms(event.occurred_at)
    known = customer.cases.get(event.case_id)
    if known is not None and known.at > at:
        # Told late: it was open earlier than was known, or answers a request that no later record named.
        earlier = event.status == "opened" and at < known.opened_at
        answers = bool(event.escalation_id) and not known.escalation_id
        if earlier:
            known.opened_at = at
        if answers:
            known.escalation_id = event.escalation_id or ""
            _answered(customer, known)
        return NEW if earlier or answers else REPEATED
    opened_at = min(known.opened_at, at) if known is not None else at
    closed_at = at if event.status == "closed" else None
    escalation_id = event.escalation_id or (known.escalation_id if known is not None else "")
    case = Case(event.case_id, opened_at, at, closed_at, escalation_id, event.queue)
    customer.cases[event.case_id] = case
    _answered(customer, case)
    while len(customer.cases) > MAX_CASES:
        closed = [case for case in customer.cases.values() if case.closed_at is not None]
        if closed:
            del customer.cases[min(closed, key=lambda case: (case.at, case.case_id)).case_id]
        else:
            customer.overflow = True
            del customer.cases[next(reversed(customer.cases))]
    return NEW


def _answered(customer: Customer, case: Case) -> None:
    """Marks the requests that a case answers; one that names none answers what its team was asked."""
    for escalation in customer.escalations.values():
        named = escalation.escalation_id == case.escalation_id if case.escalation_id else escalation.queue == case.queue
        if named and escalation.body and escalation.status != "withdrawn":
            escalation.status = "taken" if case.closed_at is None else "done"
            if escalation.cause == "overflow" and escalation.status == "done":
                customer.overflow = False
