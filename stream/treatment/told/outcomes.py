"""What came of contacts, by whomever they were made, and what customers said in them."""

from __future__ import annotations

from typing import Final

from stream.contracts.contact_outcomes import ContactOutcomeRecord, PromiseRecord
from stream.contracts.ids import derive
from stream.contracts.money import minor_units
from stream.tables.customer import MAX_CONTACTS, MAX_PROMISES, Contact, Customer, Hold, Promise, first_time
from stream.treatment import commitments
from stream.treatment.evaluate import HISTORY_KEPT
from stream.treatment.local_time import DAY, to_ms
from stream.treatment.told import NEW, REPEATED, Told, holds
from stream.treatment.turn import Moment, Turn

REACHED: Final = frozenset({"delivered", "opened", "clicked", "conversation", "promise"})
"""Outcomes that show a nudge arrived, so that it counts even if it was taken back."""
ANSWERS: Final = frozenset(
    {
        "clicked", "conversation", "promise", "refused", "opted_out", "complaint", "dispute", "hardship",
        "represented", "plan_proposed", "plan_accepted", "plan_declined",
    }
)  # fmt: skip
"""Outcomes of an outbound contact that end a silence; inbound contact always does."""
TALKS: Final = ANSWERS - {"clicked"}
"""Outcomes that tell of a conversation, where the channel is the voice."""
NOT_CONNECTED: Final = frozenset({"not_connected", "failed"})
"""Outcomes of a contact that never reached the other end."""
HOLDS_FROM_OUTCOMES: Final = frozenset({"complaint", "dispute", "represented"})
"""What a customer may say that holds contact at once, until the holds feed has caught up."""


def tell(customer: Customer, event: ContactOutcomeRecord, moment: Moment, turns: list[Turn]) -> Told:
    """What came of a contact, and what the customer said in it."""
    if not first_time(customer, "contact-outcomes", event.event_id):
        return REPEATED
    at = to_ms(event.occurred_at)
    if event.direction == "inbound" or event.outcome in ANSWERS:
        customer.responded_at = max(customer.responded_at, at)
    _contact(customer, event, at, moment)
    if event.nudge_id is not None and event.outcome in REACHED:
        for nudge in customer.nudges:
            if nudge.nudge_id == event.nudge_id:
                nudge.reached = nudge.counts = True
    match event.outcome:
        case "opted_out" | "wrong_party":
            customer.blocked[event.channel] = max(customer.blocked.get(event.channel, 0), at)
        case "hardship":
            customer.hardship_at = max(customer.hardship_at, at)
        case "plan_proposed":
            customer.proposed_at = max(customer.proposed_at, at)
        case "plan_accepted" | "plan_declined":
            _plan(customer, event, at, moment, turns)
    if event.outcome in HOLDS_FROM_OUTCOMES:
        hold_id = derive("outcome", customer.customer_id, event.contact_id, event.outcome)
        account_id = (event.account_id or "") if event.outcome == "dispute" else ""
        until = at + moment.policy.holds.provisional_days * DAY
        customer.holds[hold_id] = Hold(hold_id, event.outcome, at, at, account_id=account_id, ends_at=until, provisional=True)
        holds.bound(customer, moment)
    if event.promise is not None:
        _promise(customer, event.promise, at, moment, turns)
    return NEW


def _promise(customer: Customer, told: PromiseRecord, at: int, moment: Moment, turns: list[Turn]) -> None:
    """A promise, or another in its place; its account is asked to report payments towards it."""
    amount = minor_units(told.amount, told.currency)
    if amount <= 0:
        return
    promise = Promise(told.promise_id, told.account_id, amount, told.currency, told.due_date.isoformat(), at)
    known = customer.promises.get(told.promise_id)
    if known is not None:
        same = (known.amount, known.due_date, known.currency) == (promise.amount, promise.due_date, promise.currency)
        if same or known.told_at > at:
            return
        # A promise that was made anew: what was paid towards it stays paid.
        promise.made_at = known.made_at
    promise.told_at = at
    customer.promises[told.promise_id] = promise
    while len(customer.promises) > MAX_PROMISES:
        order = sorted(customer.promises.values(), key=lambda each: (each.status == "open", each.made_at))
        dropped = customer.promises.pop(order[0].promise_id)
        if dropped.watched and dropped.promise_id != told.promise_id:
            turns.append(Turn(customer, moment))
            commitments.unwatch(dropped, turns[-1])
    if told.promise_id in customer.promises:
        turns.append(Turn(customer, moment))
        commitments.watch(promise, turns[-1])
        if known is not None and known.watched:
            commitments.unwatch(known, turns[-1])


def _plan(customer: Customer, event: ContactOutcomeRecord, at: int, moment: Moment, turns: list[Turn]) -> None:
    """An offer of ours that was accepted or declined."""
    plan = customer.plans.get(event.offer_id or "")
    if plan is None:
        return  # not one of our offers: the bank's own hold and case speak for it
    if event.outcome == "plan_declined":
        if not plan.accepted_at:
            plan.ended_at = plan.ended_at or at
        return
    turns.append(Turn(customer, moment))
    commitments.accept(plan, at, turns[-1])


def _contact(customer: Customer, event: ContactOutcomeRecord, at: int, moment: Moment) -> None:
    """The contact that an outcome is of: one `contact_id` is one contact."""
    if at <= moment.clock - HISTORY_KEPT:
        return
    known = customer.contacts.get(event.contact_id)
    if known is None:
        known = customer.contacts[event.contact_id] = Contact(at, event.channel)
    known.at = min(known.at, at)
    known.anywhere = known.anywhere or event.account_id is None
    known.account_id = known.account_id or event.account_id or ""
    known.nudge_id = known.nudge_id or event.nudge_id or ""
    known.outbound = known.outbound or event.direction == "outbound"
    if at >= known.told_at:
        known.told_at, known.connected = at, event.outcome not in NOT_CONNECTED
    if event.outcome in TALKS:
        known.talked_at = max(known.talked_at, at)
    if len(customer.contacts) > MAX_CONTACTS:
        # What cannot be remembered must not be forgotten: until it would count no more, nothing is sent.
        first = min(customer.contacts, key=lambda name: (customer.contacts[name].told_at, name))
        customer.crowded_until = max(customer.crowded_until, customer.contacts.pop(first).told_at + HISTORY_KEPT)
