"""How far a customer's own credit is past due at the clock, as their accounts last told, and counted on from there."""

from __future__ import annotations

import datetime as dt
from typing import Final

from stream.tables.customer import AccountFacts
from stream.treatment.holds import Span
from stream.treatment.local_time import local_date, start_of_day
from stream.treatment.turn import OWN_CREDIT, PastDue, Turn

MAX_AHEAD: Final = 30
"""Days after which what is past due beyond all marks is looked at again."""


def past_due(turn: Turn) -> list[PastDue]:
    """The customer's accounts with something past due, the longest first. A guarantor's are the borrower's."""
    found = []
    for account in turn.customer.accounts.values():
        told = account.arrears
        if told is not None and account.role != "guarantor":
            days = told.treatment + _days_since(account, told.at, turn)
            if days > 0:
                found.append(PastDue(account.account_id, days, told.since, told.amount, told.currency))
    if len(found) > 1:
        found.sort(key=lambda each: (-each.days, turn.harm(each.account_id), each.account_id))
    return found


def missed_instalments(turn: Turn) -> int:
    """Own instalments that were missed in the last 60 days, as last told, over all accounts but those that are held: a disputed
    debt, one under a plan or under a moratorium.
    """
    mine = (each for each in turn.customer.accounts.values() if each.missed and each.role != "guarantor")
    return sum(each.missed for each in mine if each.product in OWN_CREDIT and not is_held(each, turn))


def is_held(account: AccountFacts, turn: Turn) -> bool:
    """Whether a hold that stops what is asked about an account, or another holder's pause, is in force on it."""
    return any(begins <= turn.clock and (ends is None or turn.clock < ends) for begins, ends in _pauses(account, turn))


def _pauses(account: AccountFacts, turn: Turn) -> list[Span]:
    """The stretches in which an account's debt rests: by the customer's own holds, and by another holder's."""
    pausing = turn.policy.holds.shared
    own = (each for each in turn.customer.holds.values() if each.kind in pausing and each.account_id in ("", account.account_id))
    return [*((pause.start, pause.until) for pause in account.pauses), *((hold.placed_at, hold.until) for hold in own)]


def next_mark(turn: Turn) -> int | None:
    """When the days past due next reach one of the ladder's marks, if no pause comes between; tomorrow where one is about. None
    where nothing is past due.
    """
    marks, customer = turn.policy.ladder, turn.customer
    unpaid = [each for each in customer.accounts.values() if each.arrears is not None and each.role != "guarantor"]
    if not unpaid or customer.profile is None:
        return None
    paused = bool(customer.holds) or any(each.pauses for each in customer.accounts.values())
    late = {each.account_id: each.days for each in turn.late}
    days = [
        mark - late.get(each.account_id, 0)
        for each in unpaid
        for mark in (marks.care_days, marks.urgent_days, marks.specialist_days)
        if mark > late.get(each.account_id, 0)
    ]
    ahead = 1 if paused else min(days, default=MAX_AHEAD)
    return start_of_day(turn.today() + dt.timedelta(days=ahead), turn.tz)


def _days_since(account: AccountFacts, at: int, turn: Turn) -> int:
    """Local days after the one of `at`, through today, that no pause touches; none where it is not known what a day is."""
    if turn.customer.profile is None:
        return 0
    first, today = local_date(at, turn.tz), turn.today()
    if today <= first:
        return 0
    pauses = _pauses(account, turn)
    count = (today - first).days
    if not pauses:
        return count
    running = 0
    for number in range(1, min(count, 400) + 1):
        start, end = (start_of_day(first + dt.timedelta(days=number + more), turn.tz) for more in (0, 1))
        running += not any(begins < end and (ends is None or start < ends) for begins, ends in pauses)
    return running
