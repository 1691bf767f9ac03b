"""What the accounts stage tells of a customer's accounts: what they owe, earn and pay."""

from __future__ import annotations

from stream.contracts.account_facts import AccountFactsRecord, FactsPaymentRecord
from stream.contracts.money import minor_units
from stream.tables.customer import (
    MAX_ACCOUNTS,
    MAX_OBLIGATIONS,
    MAX_PAUSES,
    MAX_PAYMENTS,
    AccountFacts,
    Arrears,
    Customer,
    Means,
    Obligation,
    Pause,
    Payment,
)
from stream.treatment import effects, reminders
from stream.treatment.local_time import to_ms, to_ms_or_none
from stream.treatment.told import NEW, SAME, Told
from stream.treatment.turn import OWN_CREDIT, Moment, Turn


def tell(customer: Customer, event: AccountFactsRecord, moment: Moment, turns: list[Turn]) -> Told:
    """An account as it is now, with what was paid; or that the customer holds it no more."""
    if event.removed:
        if customer.accounts.pop(event.account_id, None) is not None and event.account_id not in customer.left:
            customer.left = [*customer.left, event.account_id][-MAX_ACCOUNTS :]
        return NEW
    if event.account_id in customer.left:
        customer.left.remove(event.account_id)
    pauses = [
        Pause(each.order_id, each.hold_kind, to_ms(each.from_), to_ms_or_none(each.until))
        for each in event.pauses
        if each.customer_id != customer.customer_id and each.hold_kind in moment.policy.holds.shared
    ]
    customer.overflow = customer.overflow or len(pauses) > MAX_PAUSES
    known = customer.accounts.get(event.account_id)
    had = known.arrears.since if known is not None and known.arrears is not None else ""
    account = customer.accounts[event.account_id] = AccountFacts(
        event.account_id, to_ms(event.as_of), event.role, event.product, event.currency, pauses[: MAX_PAUSES],
        _arrears(event, known), _missed(event, known), _means(event, known), _obligations(event, known),
        str(event.apr) if event.apr is not None else known.apr if known is not None and event.change == "payment" else "",
    )  # fmt: skip
    if not had and account.arrears is not None:
        turns.append(Turn(customer, moment))
        effects.first_miss(had, account.arrears.since, turns[-1])
    while len(customer.accounts) > MAX_ACCOUNTS:
        idle = [each for each in customer.accounts.values() if not each.pauses and each.role != "guarantor"]
        customer.overflow = customer.overflow or not idle
        oldest = min(idle or customer.accounts.values(), key=lambda each: (each.as_of, each.account_id))
        del customer.accounts[oldest.account_id]
    _payments(customer, event, moment)
    same = known is not None and known.pauses == account.pauses and known.role == account.role
    return SAME if same and not customer.holds else NEW


def _payments(customer: Customer, event: AccountFactsRecord, moment: Moment) -> None:
    """What was paid towards something that is awaited."""
    for payment in event.payments:
        at, credit = to_ms(payment.occurred_at), payment.direction == "credit"
        if payment.reversed:
            customer.payments.pop(payment.event_id, None)
            continue
        if credit and (customer.promises or customer.plans):
            amount = minor_units(payment.amount, payment.currency)
            customer.payments[payment.event_id] = Payment(event.account_id, payment.currency, amount, at)
        _settle(customer, event, payment, at, moment)
    while len(customer.payments) > MAX_PAYMENTS:
        del customer.payments[min(customer.payments, key=lambda name: (customer.payments[name].at, name))]


def _settle(customer: Customer, event: AccountFactsRecord, payment: FactsPaymentRecord, at: int, moment: Moment) -> None:
    """Notes that what a reminder is about has been paid."""
    repayment = payment.direction == "credit" and event.product in OWN_CREDIT
    for episode in customer.episodes.values():
        if episode.treatment == reminders.PAYMENT:
            turn = Turn(customer, moment)
            amount = minor_units(payment.amount, payment.currency)
            if reminders.pays(episode.subject, event.account_id, payment.obligation_id, repayment, amount, at, turn):
                customer.settled[episode.subject] = at


def _arrears(event: AccountFactsRecord, known: AccountFacts | None) -> Arrears | None:
    """The arrears that a record of facts tells, or those that were known where it tells nothing of them."""
    if event.change == "payment":
        return known.arrears if known is not None else None
    if event.past_due_since is None:
        return None
    return Arrears(
        to_ms(event.as_of), event.days_past_due_treatment, event.days_past_due_contractual, event.days_past_due_regulatory,
        event.arrears or "", event.past_due_since.isoformat(), event.currency,
    )  # fmt: skip


def _means(event: AccountFactsRecord, known: AccountFacts | None) -> Means | None:
    """The same for means."""
    if event.change in ("payment", "arrears"):
        return known.means if known is not None else None
    if event.income_monthly_low is None and event.next_income_on is None and event.priority_bills_monthly is None:
        return None
    next_income_on = event.next_income_on.isoformat() if event.next_income_on else ""
    return Means(event.currency, event.income_monthly_low or "", next_income_on, event.priority_bills_monthly or "")


def _missed(event: AccountFactsRecord, known: AccountFacts | None) -> int:
    """The same for instalments missed."""
    if event.change == "payment":
        return known.missed if known is not None else 0
    return event.missed_instalments_60d


def _obligations(event: AccountFactsRecord, known: AccountFacts | None) -> list[Obligation]:
    """What the account regularly pays; when it was last paid is only told with its means."""
    before = {} if known is None else {each.obligation_id: each.last_paid for each in known.obligations}
    return [
        Obligation(
            each.obligation_id, each.category, minor_units(each.amount_due, each.currency), each.currency,
            each.next_due.isoformat() if each.next_due else "",
            each.last_paid.isoformat() if each.last_paid else before.get(each.obligation_id, ""),
        )
        for each in event.obligations[: MAX_OBLIGATIONS]
    ]  # fmt: skip
