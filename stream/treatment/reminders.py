"""What is bound to a date: a regular payment on an own credit account, and the instalments of an agreed plan.

The reminder comes in the policy's days before the date, never on it or after. Payments are watched from the moment the reminder
is in sight: what has been paid is not reminded of, and a reminder that is out is taken back.
"""

from __future__ import annotations

import datetime as dt
from calendar import monthrange
from typing import Final, NamedTuple

from stream.contracts.ids import derive
from stream.tables.customer import Episode, Obligation
from stream.treatment import orders
from stream.treatment.local_time import DAY, start_of_day
from stream.treatment.turn import OWN_CREDIT, Turn

PAYMENT: Final = "payment_reminder"
PLAN: Final = "plan_reminder"
NEAR: Final = 20
"""Days before a due date in which a payment of the whole amount is one for that date."""
JUST_BEFORE: Final = 5
"""Days before it in which any payment is."""


class Due(NamedTuple):
    """A date that may be reminded of."""

    account_id: str
    subject: str
    on: dt.date
    obligation: Obligation | None = None


def next_due(obligation: Obligation, today: dt.date) -> dt.date | None:
    """When an obligation falls due next, tomorrow or later: its date as last told, and monthly from there."""
    if not obligation.next_due:
        return None
    told = dt.date.fromisoformat(obligation.next_due)
    if told > today:
        return told
    months = (today.year - told.year) * 12 + today.month - told.month
    for more in (0, 1):
        year, month = divmod(told.year * 12 + told.month - 1 + months + more, 12)
        day = dt.date(year, month + 1, min(told.day, monthrange(year, month + 1)[1]))
        if day > today:
            return day
    return None


def payments(turn: Turn) -> list[Due]:
    """The next regular payment on own credit that has not been paid, the soonest first; those of a plan are the plan's matter."""
    customer, found = turn.customer, []
    planned = {each.account_id for each in customer.plans.values() if each.runs}
    for account in customer.accounts.values():
        if account.product not in OWN_CREDIT or account.role == "guarantor" or account.account_id in planned:
            continue
        for each in account.obligations:
            on = next_due(each, turn.today())
            if on is None or (each.last_paid and (on - dt.date.fromisoformat(each.last_paid)).days < JUST_BEFORE):
                continue
            subject = f"{account.account_id}\n{each.obligation_id}\n{on.isoformat()}"
            if subject not in customer.settled:
                found.append(Due(account.account_id, subject, on, each))
    return sorted(found, key=lambda due: (due.on, turn.harm(due.account_id), due.subject))


def dates(turn: Turn) -> list[int]:
    """When each regular payment on own credit falls due: from then on it is the next one that may be reminded of."""
    accounts = [each for each in turn.customer.accounts.values() if each.product in OWN_CREDIT]
    days = [next_due(each, turn.today()) for account in accounts for each in account.obligations]
    return [start_of_day(day, turn.tz) for day in days if day is not None]


def instalments(turn: Turn) -> list[Due]:
    """The next instalment of each agreed plan that is not yet paid."""
    found = []
    for plan in turn.customer.plans.values():
        if plan.runs:
            ahead = [each for each in plan.instalments if each.status == "open" and each.due_date > turn.today().isoformat()]
            if ahead:
                first = min(ahead, key=lambda each: each.due_date)
                subject = f"{plan.offer_id}\n{first.due_date}"
                found.append(Due(plan.account_id, subject, dt.date.fromisoformat(first.due_date)))
    return found


def begin(treatment: str, due: Due, turn: Turn) -> Episode:
    """The episode of one reminder; for a payment, its account is asked to tell when it is made."""
    if due.obligation is not None:
        _order(due.account_id, due.subject, due.obligation, due.on, "watch_promise", turn)
    episode = Episode(treatment, due.subject, turn.clock, account_id=due.account_id)
    keep_time(episode, turn)
    return episode


def keep_time(episode: Episode, turn: Turn) -> None:
    """Sets the stretch in which a reminder may be said, by the customer's own days: they may have another zone now."""
    on = dt.date.fromisoformat(episode.subject.rpartition("\n")[2])
    episode.opens = start_of_day(on - dt.timedelta(days=turn.policy.plans.reminder_days), turn.tz)
    episode.closes = start_of_day(on, turn.tz)


def end(episode: Episode, turn: Turn) -> None:
    """Ends the watch of a reminder for a payment."""
    if episode.treatment != PAYMENT:
        return
    account_id, name, on = episode.subject.split("\n")
    account = turn.customer.accounts.get(account_id)
    known = [each for each in account.obligations if each.obligation_id == name] if account is not None else []
    obligation = known[0] if known else None
    _order(account_id, episode.subject, obligation, dt.date.fromisoformat(on), "unwatch_promise", turn)


def _order(account_id: str, subject: str, obligation: Obligation | None, on: dt.date, kind: str, turn: Turn) -> None:
    order_id = derive("reminder", turn.customer.customer_id, subject)
    money = None if obligation is None else (obligation.amount, obligation.currency)
    orders.watch(kind, order_id, order_id, account_id, money, on.isoformat(), turn)


def pays(
    subject: str, account_id: str, obligation_id: str | None, credit: bool, amount: int, at: int, turn: Turn
) -> bool:
    """Whether a payment told of an account is the one that a reminder is about: it names the obligation, or is a repayment where
    nothing older is past due; it is of the whole amount; and it was made in the days before the date.
    """
    mine, name, on = subject.split("\n")
    account = turn.customer.accounts.get(account_id)
    if mine != account_id or account is None or (obligation_id or name) != name:
        return False
    if account.arrears is not None or (obligation_id is None and not credit):
        return False
    if any(each.obligation_id == name and amount < each.amount for each in account.obligations):
        return False
    due = start_of_day(dt.date.fromisoformat(on), turn.tz)
    return due - NEAR * DAY <= at < due + DAY
