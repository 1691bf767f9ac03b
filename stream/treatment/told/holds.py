"""What the holds feed tells."""

from __future__ import annotations

from stream.contracts.holds import HoldRecord
from stream.tables.customer import MAX_HOLDS, Customer, first_time
from stream.treatment import holds
from stream.treatment.told import NEW, REPEATED, Told
from stream.treatment.turn import Moment, Turn


def tell(customer: Customer, event: HoldRecord, moment: Moment, turns: list[Turn]) -> Told:
    """A hold as it was last told."""
    if not first_time(customer, "holds", event.event_id):
        return REPEATED
    hold = holds.told(event, customer.holds.get(event.hold_id))
    if hold is None:
        return REPEATED
    customer.holds[event.hold_id] = hold
    bound(customer, moment)
    return NEW


def bound(customer: Customer, moment: Moment) -> None:
    """Keeps no more holds than can be remembered: those that are over go first."""
    while len(customer.holds) > MAX_HOLDS:
        over = [hold for hold in customer.holds.values() if hold.until is not None and hold.until <= moment.clock]
        if not over:
            # What cannot be remembered must not be forgotten: all is refused until a person has looked. What has a team of
            # its own is kept before what only forbids.
            customer.overflow = True
            queued = moment.policy.holds.queues
            spare = [name for name, hold in customer.holds.items() if hold.kind not in queued]
            del customer.holds[spare[-1] if spare else next(reversed(customer.holds))]
        else:
            del customer.holds[min(over, key=lambda hold: (hold.until or 0, hold.hold_id)).hold_id]
