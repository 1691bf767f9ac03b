"""One turn of a customer: what their record calls for at the clock, and what is said or taken back.

`evaluate` is a function of the record, the clock and the policy. It asks in a fixed order: what time has
ended, what was promised and what came of it, where the customer stands on the ladder, what was said and may no
longer stand, what is wanted and permitted, whom to ask, what came of earlier treatments, and when to look again.
It is called after every record of the customer and whenever `due` has come; called twice, it says nothing the
second time. Each question has a room of its own beside this one.
"""

from __future__ import annotations

from typing import Final

from stream.tables.customer import Customer
from stream.treatment import commitments, effects, holds, ladder, orders, people, reminders, treatments
from stream.treatment.ladder import Standing
from stream.treatment.local_time import DAY
from stream.treatment.turn import Moment, Said, Turn
from stream.treatment.withdrawal import take_back, withdraw, withdraw_escalation

HOLDS_KEPT: Final = 90 * DAY
HISTORY_KEPT: Final = 35 * DAY


def evaluate(customer: Customer, moment: Moment) -> Turn:
    """Brings a customer up to the clock; changes the record, sets its `due`, and returns the turn with what is to be said."""
    turn = Turn(customer, moment)
    _forget(turn)
    commitments.decide(turn)
    if customer.holds or customer.paused:
        orders.tell_pauses(turn)
    ladder.climb(turn)
    take_back(turn)
    treatments.treat(turn)
    people.escalate(turn)
    effects.conclude(turn)
    customer.under = turn.moment.under
    _look_again(turn)
    return turn


def erase(customer: Customer, moment: Moment) -> list[Said]:
    """Takes everything back that can still be, because the customer's record was erased."""
    turn = Turn(customer, moment)
    for nudge in customer.nudges:
        if nudge.body and moment.clock < nudge.not_after:
            withdraw(nudge, "customer_erased", turn)
    for escalation in customer.escalations.values():
        if escalation.body and escalation.status in ("issued", "taken"):
            withdraw_escalation(escalation, "customer_erased", turn)
    for promise in customer.promises.values():
        if promise.watched:
            commitments.unwatch(promise, turn)
    for plan in customer.plans.values():
        commitments.unwatch_plan(plan, turn)
    for episode in customer.episodes.values():
        reminders.end(episode, turn)
    for hold_id, paused in customer.paused.items():
        for account_id in paused.told:
            # Also where it is over: the account remembers whose it was.
            orders.pause(hold_id, account_id, paused, "resume", turn)
    return turn.said


# --- what time has ended


def _forget(turn: Turn) -> None:
    customer, clock = turn.customer, turn.clock
    expired = [each for each in customer.signals.values() if each.expires_at is not None and each.expires_at <= clock]
    for signal in expired:
        assert signal.expires_at is not None
        customer.cleared_at = max(customer.cleared_at, signal.expires_at)
        del customer.signals[signal.signal_id]
    if expired:
        turn.look()
    if customer.holds:
        holds.settle(customer, turn.policy)
        for hold in list(customer.holds.values()):
            if hold.until is not None and hold.until <= clock - HOLDS_KEPT:
                del customer.holds[hold.hold_id]
                customer.paused.pop(hold.hold_id, None)
    if customer.cases:
        # A case tells what its team has seen for as long as it is remembered what they were asked.
        asked = {each.escalation_id for each in customer.escalations.values() if each.body}
        for case in list(customer.cases.values()):
            if case.closed_at is not None and case.closed_at <= clock - HISTORY_KEPT and case.escalation_id not in asked:
                del customer.cases[case.case_id]
    if customer.promises or customer.plans or customer.payments:
        commitments.forget(turn)
    if customer.nudges:
        customer.nudges = [each for each in customer.nudges if each.unanswered or each.not_after > clock - HISTORY_KEPT]
    if customer.contacts:
        customer.contacts = {name: each for name, each in customer.contacts.items() if each.told_at > clock - HISTORY_KEPT}
    if customer.crowded_until and customer.crowded_until <= clock:
        customer.crowded_until = 0
    if customer.settled:
        customer.settled = {name: at for name, at in customer.settled.items() if at > clock - HISTORY_KEPT}
    if customer.snoozes:
        customer.snoozes = {name: until for name, until in customer.snoozes.items() if until is None or until > clock}


# --- when to look again


def _look_again(turn: Turn) -> None:
    customer, clock = turn.customer, turn.clock
    times: list[int | None] = [signal.expires_at for signal in customer.signals.values()]
    standing = Standing(customer.rung, customer.rung_since, customer.clear_since)
    step = ladder.next_move(standing, turn.wanted, turn.policy.ladder)
    # One rung a turn: where the next one is due at once, the next turn takes it.
    times.append(None if step is None else max(step, clock + 1))
    times += treatments.times(turn)
    times += people.times(turn)
    if customer.promises or customer.plans:
        times += commitments.times(turn)
    if customer.trials:
        times += effects.times(turn)
    for hold in customer.holds.values():
        times += [hold.placed_at, *((hold.until, hold.until + HOLDS_KEPT) if hold.until is not None else ())]
    if turn.wanted or customer.hardship_at or customer.proposed_at:
        times.append(turn.moment.contact_from)
    if turn.offer is not None and turn.offer.withdrawn:
        times.append(clock + 1)  # its silence was counted before it was taken back
    due = None
    for at in times:
        if at is not None and at > clock and (due is None or at < due):
            due = at
    customer.due = due
