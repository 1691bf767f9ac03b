"""Offers that a nudge carries: repayment plans and another payment date, worked out from what the accounts tell.

What was offered is remembered, so that it can be accepted. The figures behind an offer stand in its decision, for staff; the
offer itself says in words what it was worked out from.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from decimal import Decimal

from stream.contracts.ids import derive
from stream.contracts.money import minor_units, to_text
from stream.contracts.nudges import InstalmentRecord, OfferRecord
from stream.reference.categories import priority
from stream.reference.currencies import EXPONENTS
from stream.tables import customer as table
from stream.treatment import plans, reminders
from stream.treatment.arrears import is_held
from stream.treatment.turn import OWN_CREDIT, Turn

DATE_BASIS = "The same payment, on the day after income is next expected."


def budget(currency: str, turn: Turn) -> plans.Budget:
    """What the customer's accounts in one currency bring and must pay in a month, by their habits; each obligation once."""
    income: int | None = None
    paydays: list[dt.date] = []
    bills: int | None = None
    other: dict[str, int] = {}
    for account in turn.customer.accounts.values():
        if account.role == "guarantor":
            continue
        means = account.means
        if means is not None and means.currency == currency:
            if means.income_low:
                income = (income or 0) + minor_units(means.income_low, currency)
            if means.next_income_on:
                paydays.append(dt.date.fromisoformat(means.next_income_on))
            if means.priority_bills:
                bills = (bills or 0) + minor_units(means.priority_bills, currency)
        for each in account.obligations:
            # Home, council tax and energy are among the bills already.
            if each.currency == currency and priority(each.category) == "other":
                other[each.obligation_id] = max(each.amount, other.get(each.obligation_id, 0))
    # A plan that was agreed takes its instalments, too.
    agreed = sum(
        max(each.amount for each in plan.instalments)
        for plan in turn.customer.plans.values()
        if plan.runs and plan.currency == currency
    )
    return plans.Budget(currency, income, min(paydays, default=None), bills, sum(other.values()) + agreed)


def debts(turn: Turn) -> list[plans.Debt]:
    """What is past due on the customer's own credit, but for what is held: a disputed debt, one under a plan or a moratorium."""
    found = []
    planned = {plan.account_id for plan in turn.customer.plans.values() if plan.runs}
    for account in turn.customer.accounts.values():
        told = account.arrears
        if told is None or not told.amount or account.role == "guarantor" or not told.currency:
            continue
        if account.account_id not in planned and not is_held(account, turn):
            category = account.obligations[0].category if account.obligations else ""
            amount = minor_units(told.amount, told.currency)
            apr = Decimal(account.apr) if account.apr else None
            found.append(plans.Debt(account.account_id, account.product, amount, told.currency, apr, category))
    return found


def _first(turn: Turn) -> plans.Debt | None:
    """The debt that is repaid first, by the policy's order: others wait for it."""
    ordered = plans.in_order(debts(turn), turn.policy.plans.order)
    return ordered[0] if ordered else None


def first_debt(account_ids: list[str], turn: Turn) -> list[str]:
    """The accounts of an offer, with the debt that is repaid first in front, also where the signs are on another account."""
    first = _first(turn)
    return account_ids if first is None else list(dict.fromkeys([first.account_id, *account_ids]))


def nothing_left(account_id: str, turn: Turn) -> bool:
    """Whether something is past due on an account, what is left of a month is known, and no plan fits in it."""
    mine = next((each for each in debts(turn) if each.account_id == account_id), None)
    if mine is None:
        return False
    means, floor = budget(mine.currency, turn), _floor(mine.currency, turn)
    known = plans.surplus(means, floor) is not None
    return known and not plans.offers([mine], means, floor, terms(mine.currency, turn), turn.today())


def terms(currency: str, turn: Turn) -> plans.PlanTerms:
    """The policy's terms, in minor units of a currency."""
    own = turn.policy.plans
    return plans.PlanTerms(own.max_months, own.shares, own.min_instalment * 10 ** EXPONENTS[currency], own.order)


def _floor(currency: str, turn: Turn) -> int | None:
    units = turn.policy.plans.living_costs.get(currency)
    return None if units is None else units * 10 ** EXPONENTS[currency]


def later_date(account_id: str, turn: Turn) -> tuple[table.Obligation, dt.date, dt.date] | None:
    """The next payment on an account that falls due before money comes in: with its date, and the day after the payday."""
    account = turn.customer.accounts.get(account_id)
    if account is None or account.product not in OWN_CREDIT:
        return None
    for each in account.obligations:
        due = reminders.next_due(each, turn.today())
        payday = budget(each.currency, turn).payday
        if due is not None and payday is not None and turn.today() <= payday and due <= payday < due + dt.timedelta(days=15):
            return each, due, payday + dt.timedelta(days=1)
    return None


def make(
    treatment: str, account_ids: Sequence[str], nudge_id: str, turn: Turn
) -> tuple[tuple[OfferRecord, ...], dict[str, int]]:
    """The offers of a nudge, and the figures behind them; none where there is nothing to offer, or it is not known."""
    if treatment == "payment_date_change" and account_ids:
        return _another_date(account_ids[0], nudge_id, turn), {}
    if treatment != "flexible_plan":
        return (), {}
    first = _first(turn)
    if first is None or first.account_id not in account_ids:
        return (), {}
    means, floor = budget(first.currency, turn), _floor(first.currency, turn)
    found = plans.offers([first], means, floor, terms(first.currency, turn), turn.today())
    left = plans.surplus(means, floor)
    made = []
    for number, plan in enumerate(found):
        offer_id = derive("offer", nudge_id, str(number))
        instalments = [table.Instalment(each.due_date.isoformat(), each.amount) for each in plan.instalments]
        turn.customer.plans[offer_id] = table.Plan(offer_id, plan.account_id, plan.currency, instalments, turn.clock)
        made.append(
            OfferRecord(
                offer_id=offer_id,
                kind="repayment_plan",
                instalments=tuple(
                    InstalmentRecord(due_date=each.due_date, amount=to_text(each.amount, plan.currency))
                    for each in plan.instalments
                ),
                currency=plan.currency,
                basis=plans.basis(plan),
            )
        )
    _bound(turn)
    if not made or left is None:
        return tuple(made), {}
    figures = {
        "surplus": left, "income_low": means.income or 0, "priority_bills": means.priority_bills or 0,
        "other_instalments": means.other_instalments, "living_costs": floor or 0, "arrears": first.arrears,
        "highest_instalment": max(each.amount for plan in found for each in plan.instalments),
    }  # fmt: skip
    return tuple(made), figures


def _another_date(account_id: str, nudge_id: str, turn: Turn) -> tuple[OfferRecord, ...]:
    found = later_date(account_id, turn)
    if found is None:
        return ()
    obligation, _, on = found
    amount = to_text(obligation.amount, obligation.currency)
    instalment = InstalmentRecord(due_date=on, amount=amount)
    offer = OfferRecord(
        offer_id=derive("offer", nudge_id, "0"),
        kind="payment_date",
        instalments=(instalment,),
        currency=obligation.currency,
        basis=DATE_BASIS,
    )
    return (offer,)


def _bound(turn: Turn) -> None:
    """Forgets the oldest offers that nobody took, then plans that have ended."""
    known = turn.customer.plans
    spare = sorted(known.values(), key=lambda each: (bool(each.accepted_at), not each.ended_at, each.offered_at, each.offer_id))
    for each in spare[: max(0, len(known) - table.MAX_OFFERS)]:
        if not each.accepted_at or each.ended_at:
            del known[each.offer_id]
