"""What was promised, what was paid towards it, and whether it was kept. Pure functions of event time.

A promise to pay and an instalment of an accepted plan are one thing here: a commitment. What was paid towards each is worked out
anew from all payments, so that neither the order in which they arrive nor one that arrives twice makes a difference. Amounts are
minor units; instants are milliseconds since 1970-01-01 UTC.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable
from typing import Final, Literal, NamedTuple
from zoneinfo import ZoneInfo

from stream.reference.working_days import DAYS, FIRST, before
from stream.treatment.local_time import LATEST, from_ms, start_of_day

Judgement = Literal["open", "kept", "part_kept", "broken"]
"""`part_kept` and `broken` hold of what is known now: a payment made in time and told late changes them."""


class Commitment(NamedTuple):
    """What somebody said they would pay. Payments count from `made_at` until before `deadline`."""

    id: str
    account_id: str
    currency: str
    amount: int
    made_at: int
    due: dt.date
    deadline: int


class Payment(NamedTuple):
    """Money that came in on an account, by its event."""

    event_id: str
    account_id: str
    currency: str
    amount: int
    at: int


_FIRST_DAY: Final = dt.date.fromordinal(dt.date(1970, 1, 1).toordinal() + FIRST)
_LAST_DAY: Final = from_ms(LATEST).date() - dt.timedelta(days=1)
_SATURDAY: Final = 5


def deadline(due: dt.date, working_days: int, country: str | None, tz: ZoneInfo) -> int:
    """The first instant after the last local day on which it can be kept: so many working days of the country after `due`.

    With none of them that is the due date itself, working day or not. Where the country's holidays are not known, Monday to
    Friday. Any date has a deadline: one beyond what is computed has the last instant that is.
    """
    day, left = min(due, _LAST_DAY), working_days
    while left > 0:
        day += dt.timedelta(days=1)
        left -= _is_working(day, country)
    return min(start_of_day(day + dt.timedelta(days=1), tz), LATEST)


def allocate(commitments: Iterable[Commitment], payments: Iterable[Payment]) -> dict[str, int]:
    """How much was paid towards each commitment, by its id, never more than its amount. Ids are distinct.

    Payments are taken in order of time, each event once. Its money goes to the commitments on its account, in its currency, that
    were open then and still lacked something: the earliest deadline first, of equals the one made first. What one does not need
    goes to the next; what none needs is gone, and waits for no later one.
    """
    waiting: defaultdict[tuple[str, str], list[Commitment]] = defaultdict(list)
    for each in sorted(commitments, key=lambda each: (each.deadline, each.made_at, each.id)):
        waiting[each.account_id, each.currency].append(each)
    paid = {each.id: 0 for line in waiting.values() for each in line}
    seen: set[str] = set()
    # All fields, so that even an event told twice in two ways is read the same way whatever came first.
    for payment in sorted(payments, key=lambda each: (each.at, each)):
        if payment.event_id in seen:
            continue
        seen.add(payment.event_id)
        left = payment.amount
        for each in waiting.get((payment.account_id, payment.currency), ()):
            if left > 0 and each.made_at <= payment.at < each.deadline:
                share = min(left, each.amount - paid[each.id])
                paid[each.id] += share
                left -= share
    return paid


def judge(commitment: Commitment, paid: int, clock: int, part_from_percent: int = 50) -> Judgement:
    """Whether it was kept, with so much `paid` towards it: at once when all of it is, else no sooner than its deadline.

    From `part_from_percent` of the amount on it is kept in part.
    """
    if paid >= commitment.amount:
        return "kept"
    if clock < commitment.deadline:
        return "open"
    return "part_kept" if paid * 100 >= commitment.amount * part_from_percent else "broken"


def _is_working(day: dt.date, country: str | None) -> bool:
    index = (day - _FIRST_DAY).days
    if 0 <= index < DAYS:
        earlier = before(country)
        return bool(earlier[index + 1] > earlier[index])
    return day.weekday() < _SATURDAY
