"""Repayment plans to choose from, worked out from what an account can afford. Pure functions of facts and terms.

What is left of a month's income after priority bills, other instalments and living costs pays one debt at a time. No plan ever
asks for more than that, and where it is not known no plan is offered: a person looks instead. Amounts are minor units of their
currency. FCA CONC 7.3.4R: forbearance; CONC 7.3.10R: no unreasonably large amounts, no borrowing to repay. Order of debts:
MoneyHelper and StepChange, priority debts.
"""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Iterable
from datetime import MAXYEAR, date, timedelta
from decimal import Decimal
from types import MappingProxyType
from typing import Final, Literal, NamedTuple

from stream.reference import categories
from stream.treatment.words import date_words

Order = Literal["harm_first", "highest_rate_first", "smallest_first"]
"""Which debt is repaid first: the one that costs most to lose, the dearest, or the one that is gone soonest."""


class Debt(NamedTuple):
    """What is overdue on an account."""

    account_id: str
    product: str
    arrears: int
    currency: str
    apr: Decimal | None = None
    """Percent a year; None where not known."""
    category: str = ""
    """What the payments on it are for; empty where not known."""


class Budget(NamedTuple):
    """What a month brings and what it must pay, in one currency."""

    currency: str
    income: int | None
    """A low estimate; None where not known."""
    payday: date | None
    """When income is expected next; None where not known."""
    priority_bills: int | None
    """Home, council tax and energy; None where none are seen: they may be paid from elsewhere."""
    other_instalments: int
    """What falls due on own credit beside the arrears."""


class PlanTerms(NamedTuple):
    """Which plans may be offered: an option for each share, where they differ in months."""

    max_months: int
    shares: tuple[int, ...]
    """How much of the surplus an option uses, in percent: 1-100."""
    min_instalment: int
    """No instalment is smaller, unless all that is owed is."""
    order: Order


class Instalment(NamedTuple):
    """One payment of a plan."""

    due_date: date
    amount: int


class Plan(NamedTuple):
    """A plan that clears the arrears of one account, in monthly instalments of one amount: a leftover of n minor units makes the
    first n instalments one unit bigger.
    """

    account_id: str
    currency: str
    instalments: tuple[Instalment, ...]

    @property
    def ends_on(self) -> date:
        """The due date of the last instalment."""
        return self.instalments[-1].due_date


_AFTER_PRIORITY: Final = MappingProxyType({"current_account": 3, "overdraft": 3, "car_finance": 4, "loan": 5, "credit_card": 6})
"""Ranks after the priority groups. First the account that income flows into: what is owed there takes the next wage."""

_LAST: Final = 7


def surplus(budget: Budget, floor: int | None) -> int | None:
    """What a month leaves for arrears once all else is paid; `floor` is what living costs in a month. It may be negative.

    None where the income, the payday, the priority bills or the floor is not known: nothing may be built on a guess.
    """
    if budget.income is None or budget.payday is None or budget.priority_bills is None or floor is None:
        return None
    return budget.income - budget.priority_bills - budget.other_instalments - floor


def in_order(debts: Iterable[Debt], order: Order) -> tuple[Debt, ...]:
    """The debts in the order in which they are repaid, whatever order they came in.

    By the harm of losing what they pay for: home, council tax, energy, the account that income flows into, the car, loans, cards,
    all else; product and category both tell, and the graver one counts. Or by rate, the highest first and the unknown last; or by
    arrears, the smallest first. Of equals, the graver harm first, then the lower account id.
    """
    if order == "highest_rate_first":
        return tuple(sorted(debts, key=lambda each: (each.apr is None, -(each.apr or 0), _harm(each), each.account_id)))
    if order == "smallest_first":
        return tuple(sorted(debts, key=lambda each: (each.arrears, _harm(each), each.account_id)))
    return tuple(sorted(debts, key=lambda each: (_harm(each), each.account_id)))


def offers(debts: Iterable[Debt], budget: Budget, floor: int | None, terms: PlanTerms, today: date) -> tuple[Plan, ...]:
    """The plans that may be offered today for the first debt in order that has arrears, the shortest first.

    Each clears the arrears to the minor unit, and no instalment is above the surplus. An option takes as few months as its share
    of the surplus allows; one that would take too long takes `max_months` and more than its share. So no two have the same number
    of months, and a single one is left where no other number fits. The first instalment is due the day after the next payday (a
    payday that has passed comes again each month), the others on that day of each month, or its last.

    Nothing is offered where the surplus is not known or is used up, where even the longest plan would need more than the surplus,
    and where the debt that comes first is in another currency than the budget: the others wait for it.
    """
    left = surplus(budget, floor)
    debt = next((each for each in in_order(debts, terms.order) if each.arrears > 0), None)
    if debt is None or debt.currency != budget.currency or left is None or left <= 0 or budget.payday is None:
        return ()
    # Before the calendar ends: a month is spent on reaching the payday and the day after it.
    room = (MAXYEAR - 1 - max(budget.payday, today).year) * 12
    months = _months(debt.arrears, left, terms, room)
    if not months:
        return ()
    first = _next_payday(budget.payday, today) + timedelta(days=1)
    return tuple(_plan(debt, first, count) for count in months)


def basis(plan: Plan) -> str:
    """What the plan was worked out from, in plain words and without a figure.

    It is the same for everybody but for the last date: another holder of the account may read it.
    """
    return (
        "Worked out from what regularly comes in, home and priority bills, other instalments, and money kept for living costs. "
        f"It ends on {date_words(plan.ends_on)}."
    )


def _harm(debt: Debt) -> int:
    return min(_rank(debt.product), _rank(debt.category))


def _rank(word: str) -> int:
    group = categories.priority(word)
    return _AFTER_PRIORITY.get(word, _LAST) if group == "other" else categories.PRIORITIES.index(group)


def _months(arrears: int, left: int, terms: PlanTerms, room: int) -> list[int]:
    """How many months each option takes, without repetition and rising."""
    fewest = -(-arrears // left)
    most = min(terms.max_months, room, max(1, arrears // max(1, terms.min_instalment)))
    if fewest > most:
        return []
    # A share that comes to less than one minor unit cannot pay anything: it takes as long as it may.
    wanted = (-(-arrears // max(1, left * share // 100)) for share in terms.shares)
    return sorted({min(max(count, fewest), most) for count in wanted})


def _plan(debt: Debt, first: date, count: int) -> Plan:
    each, bigger = divmod(debt.arrears, count)
    return Plan(
        debt.account_id,
        debt.currency,
        tuple(Instalment(_months_later(first, number), each + (number < bigger)) for number in range(count)),
    )


def _next_payday(payday: date, today: date) -> date:
    """The payday itself, or the first of those that follow it monthly that is not over."""
    passed = max(0, (today.year - payday.year) * 12 + today.month - payday.month)
    this_month = _months_later(payday, passed)
    return this_month if this_month >= today else _months_later(payday, passed + 1)


def _months_later(day: date, months: int) -> date:
    """The same day of the month so many months later, or that month's last."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return date(year, month + 1, min(day.day, monthrange(year, month + 1)[1]))
