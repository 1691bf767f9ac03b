"""What the customer said they would pay: promises, and the instalments of plans they accepted, followed to their end.

The accounts are asked to tell of payments while something is awaited, and for some days after it was decided: a payment made in
time may be told late, and one that kept a promise may come back.
"""

from __future__ import annotations

import datetime as dt
from typing import Final, NamedTuple

from stream.contracts.ids import derive
from stream.tables.customer import Payment as Paid
from stream.tables.customer import Plan, Promise
from stream.treatment import orders
from stream.treatment.local_time import DAY, LATEST, local_date
from stream.treatment.promises import Commitment, Judgement, Payment, allocate, deadline, judge
from stream.treatment.turn import Turn

WATCHED_AFTER: Final = 7 * DAY
"""How long payments are told of after something was decided."""
KEPT: Final = 60 * DAY
"""How long what was decided is remembered."""


class Broken(NamedTuple):
    """A promise, or an instalment of a plan, that was not kept."""

    kind: str
    """`promise` or `plan`."""
    name: str
    account_id: str
    amount: int
    currency: str
    due_date: str
    decided_at: int


def due_until(due_date: str, turn: Turn) -> int:
    """The first instant after the last local day on which something due can be paid, grace included."""
    country = turn.customer.profile.jurisdiction if turn.customer.profile is not None else None
    return deadline(dt.date.fromisoformat(due_date), turn.policy.ladder.promise_working_days, country, turn.tz)


def _until(plan: Plan, due_date: str, turn: Turn) -> int:
    """The same for an instalment; one that was due before the plan was agreed is due then."""
    return due_until(max(due_date, local_date(plan.accepted_at, turn.tz).isoformat()), turn)


def decide(turn: Turn) -> None:
    """Works out anew what was paid towards everything that is awaited, and decides what is kept and what is not."""
    customer = turn.customer
    if not customer.promises and not customer.plans:
        return
    awaited = _all(turn)
    if not awaited:
        return
    payments = [
        Payment(event_id, each.account_id, each.currency, each.amount, each.at) for event_id, each in customer.payments.items()
    ]
    paid = allocate(awaited.values(), payments)
    part = turn.policy.ladder.promise_part_percent
    judged = {name: judge(each, paid[name], turn.clock, part) for name, each in awaited.items()}
    for promise in customer.promises.values():
        _settle(promise, judged[f"promise:{promise.promise_id}"], turn)
    for plan in customer.plans.values():
        if plan.watched:
            _settle_plan(plan, judged, turn)


def _settle(promise: Promise, judged: Judgement, turn: Turn) -> None:
    if judged != promise.status and promise.watched:
        promise.status, promise.decided_at = judged, turn.clock
    if promise.watched and promise.status != "open" and turn.clock >= promise.decided_at + WATCHED_AFTER:
        unwatch(promise, turn)


def _settle_plan(plan: Plan, judged: dict[str, Judgement], turn: Turn) -> None:
    for number, each in enumerate(plan.instalments):
        now = judged[f"plan:{plan.offer_id}:{number}"]
        if now != each.status:
            each.status, each.decided_at = now, turn.clock
    decided = all(each.status != "open" for each in plan.instalments)
    plan.done_at = (plan.done_at or turn.clock) if decided else 0
    if plan.done_at and turn.clock >= max(each.decided_at for each in plan.instalments) + WATCHED_AFTER:
        unwatch_plan(plan, turn)


def _all(turn: Turn) -> dict[str, Commitment]:
    """Everything that money may have been paid towards, also what is decided: its money is spent."""
    found = {}
    for promise in turn.customer.promises.values():
        name = f"promise:{promise.promise_id}"
        due = dt.date.fromisoformat(promise.due_date)
        until = due_until(promise.due_date, turn)
        found[name] = Commitment(name, promise.account_id, promise.currency, promise.amount, promise.made_at, due, until)
    for plan in turn.customer.plans.values():
        if plan.accepted_at:
            for number, each in enumerate(plan.instalments):
                name = f"plan:{plan.offer_id}:{number}"
                until = min(_until(plan, each.due_date, turn), plan.ended_at or LATEST)
                due = dt.date.fromisoformat(each.due_date)
                found[name] = Commitment(name, plan.account_id, plan.currency, each.amount, plan.accepted_at, due, until)
    return found


def broken(turn: Turn) -> list[Broken]:
    """What was not kept of late, promises first: it asks for a person for the policy's days."""
    customer, clock = turn.customer, turn.clock
    lasting = turn.policy.ladder.broken_promise_days * DAY
    found = [
        Broken("promise", each.promise_id, each.account_id, each.amount, each.currency, each.due_date, each.decided_at)
        for each in customer.promises.values()
        if each.status == "broken" and clock < each.decided_at + lasting
    ]
    for plan in customer.plans.values():
        if plan.accepted_at and not _replaced(plan, turn):
            found += [
                Broken("plan", plan.offer_id, plan.account_id, each.amount, plan.currency, each.due_date, each.decided_at)
                for each in plan.instalments
                if each.status in ("broken", "part_kept") and clock < each.decided_at + lasting
            ]
    return found


def _replaced(plan: Plan, turn: Turn) -> bool:
    """Whether another plan was agreed for the account after this one."""
    plans = turn.customer.plans.values()
    return any(each.account_id == plan.account_id and each.accepted_at > plan.accepted_at for each in plans)


def times(turn: Turn) -> list[int]:
    """When time alone will decide something here."""
    customer, ladder = turn.customer, turn.policy.ladder
    found: list[int] = []
    for promise in customer.promises.values():
        if promise.status == "open":
            found.append(due_until(promise.due_date, turn))
        elif promise.watched:
            found.append(promise.decided_at + WATCHED_AFTER)
    for plan in customer.plans.values():
        if plan.watched:
            found += [_until(plan, each.due_date, turn) for each in plan.instalments if each.status == "open"]
            found += [each.decided_at + WATCHED_AFTER for each in plan.instalments if each.status != "open"]
    found += [each.decided_at + ladder.broken_promise_days * DAY for each in broken(turn)]
    return found


def forget(turn: Turn) -> None:
    """Drops what was decided long ago, and the payments that nothing waits for any more.

    What was decided is remembered for as long as money that it took could be counted for something else.
    """
    customer, clock = turn.customer, turn.clock
    if customer.payments:
        live = [each for name, each in _all(turn).items() if _waits(name, turn)]
        customer.payments = {
            event_id: payment
            for event_id, payment in customer.payments.items()
            if any(_within(payment, each) for each in live)
        }
    if not customer.payments:
        for promise in list(customer.promises.values()):
            if promise.status != "open" and not promise.watched and promise.decided_at <= clock - KEPT:
                del customer.promises[promise.promise_id]
    for plan in list(customer.plans.values()):
        over = plan.ended_at or plan.done_at or (0 if plan.accepted_at else plan.offered_at + turn.policy.plans.offer_days * DAY)
        if over and over <= clock - KEPT and not plan.watched and not (plan.accepted_at and customer.payments):
            del customer.plans[plan.offer_id]


def _waits(name: str, turn: Turn) -> bool:
    kind, _, rest = name.partition(":")
    if kind == "promise":
        return turn.customer.promises[rest].watched
    return turn.customer.plans[rest.rpartition(":")[0]].watched


def _within(payment: Paid, commitment: Commitment) -> bool:
    mine = payment.account_id == commitment.account_id and payment.currency == commitment.currency
    return mine and commitment.made_at <= payment.at < commitment.deadline


# --- orders to the accounts


def watch(promise: Promise, turn: Turn) -> None:
    """Asks the account to tell of payments, so that a promise can be decided."""
    _order(promise, turn, "watch_promise")


def unwatch(promise: Promise, turn: Turn) -> None:
    """Ends that."""
    promise.watched = False
    _order(promise, turn, "unwatch_promise")


def unwatch_plan(plan: Plan, turn: Turn) -> None:
    """Ends the watch of a plan, where there is one."""
    if plan.watched:
        plan.watched = False
        _watch_plan(plan, turn, "unwatch_promise")


def accept(plan: Plan, at: int, turn: Turn) -> None:
    """A plan is agreed: it takes the place of another on the account, and its payments are awaited."""
    if plan.accepted_at or plan.ended_at:
        return
    others = [each for each in turn.customer.plans.values() if each.account_id == plan.account_id and each.accepted_at > at]
    if others:
        # Told late: another has been agreed since.
        plan.accepted_at, plan.ended_at = at, min(each.accepted_at for each in others)
        return
    for other in turn.customer.plans.values():
        if other.account_id == plan.account_id and other.accepted_at and not other.ended_at:
            if not other.done_at:
                other.ended_at = at
            unwatch_plan(other, turn)
    plan.accepted_at, plan.watched = at, True
    _watch_plan(plan, turn, "watch_promise")


def _order(promise: Promise, turn: Turn, kind: str) -> None:
    terms = (promise.promise_id, promise.account_id, str(promise.amount), promise.currency, promise.due_date)
    order_id = derive("promise", turn.customer.customer_id, *terms)
    money = promise.amount, promise.currency
    orders.watch(kind, order_id, promise.promise_id, promise.account_id, money, promise.due_date, turn)


def _watch_plan(plan: Plan, turn: Turn, kind: str) -> None:
    money = sum(each.amount for each in plan.instalments), plan.currency
    order_id = derive("plan", turn.customer.customer_id, plan.offer_id)
    orders.watch(kind, order_id, plan.offer_id, plan.account_id, money, plan.instalments[-1].due_date, turn)
