"""The records the accounts stage writes: signals and account facts, one for each holder."""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any, Final, NamedTuple, cast

from stream.contracts import account_facts, signals
from stream.contracts.account_facts import (
    AccountFactsRecord,
    FactsObligationRecord,
    FactsPauseRecord,
    FactsPaymentRecord,
)  # fmt: skip
from stream.contracts.envelope import headers_for
from stream.contracts.ids import derive
from stream.contracts.money import to_text
from stream.contracts.signals import ReasonRecord, SignalRecord
from stream.contracts.vocabulary import (
    CATEGORIES,
    Category,
    FactsChange,
    HoldKind,
    Product,
    Role,
    SignalStatus,
)
from stream.detectors import habits
from stream.detectors.arrears_clock import Standing
from stream.detectors.base import time_of
from stream.detectors.levels import severity_name
from stream.detectors.registry import SIGNS
from stream.detectors.world import CURRENCY_CODES
from stream.engine.step import Output
from stream.reference.categories import priority
from stream.tables.hashing import hash_text
from stream.tables.notes import Said
from stream.tables.profile import Holder, Obligation, Profile


class Trigger(NamedTuple):
    """What an output answers to."""

    topic: str
    id: str
    """Unique within the topic."""
    at: int
    """Event time, ms."""
    traceparent: bytes | None
    event_id: str | None = None
    """For a reason to name; None where nothing happened but time."""
    logged: int = 0
    """Kafka's timestamp of it, ms; 0 where nothing happened but time."""


def signal_id(account_id: str, holder: Holder, sign: int, start: int) -> str:
    """The id of a holder's signal: one for each episode, and for each time that this person joined in the
    middle of one.
    """
    episode = str(start) if holder.joined <= start else f"{start}/{holder.joined}"
    name, subject = SIGNS[sign]
    return derive("signal", holder.customer_id, account_id, name, subject, episode)


def signal(
    status: SignalStatus,
    account_id: str,
    customer_id: str,
    sign: int,
    version: str,
    said: Said,
    reasons: tuple[ReasonRecord, ...],
    trigger: Trigger,
) -> Output:
    """One signal to one holder."""
    name = said.told[customer_id]
    record = SignalRecord(
        signal_id=name,
        status=status,
        detector=SIGNS[sign][0],
        detector_version=version,
        account_id=account_id,
        customer_id=customer_id,
        occurred_at=time_of(said.at if status == "raised" else trigger.at),
        severity=severity_name(said.severity),
        score=said.score,
        reasons=reasons,
        would_clear=said.would_clear if status != "withdrawn" and said.would_clear else None,
        proposes_hold=said.hold if status != "withdrawn" else None,
        expires_at=time_of(said.expires) if status != "withdrawn" and said.expires > 0 else None,
    )
    event_id = derive("signals", name, status, severity_name(said.severity), trigger.topic, trigger.id)
    headers = headers_for("signals", event_id, time_of(trigger.at), trigger.traceparent, trigger.logged)
    return Output("signals", customer_id.encode(), signals.encode(record), headers)


class Means(NamedTuple):
    """What an account can count on, and must pay, as its habits show it."""

    income: str | None = None
    """The least that a month brings: each income in rhythm that has not failed to come, in a month of four weeks."""
    next_income: date | None = None
    priority_bills: str | None = None
    """The most that home, council tax and energy take in a month, on average over a year."""
    paid: Mapping[str, date] = {}
    """When each obligation was last paid, by its id."""


NO_ARREARS: Final = Standing()
NO_MEANS: Final = Means()

_IN_RHYTHM: Final = habits.FADES
_WEEK: Final = 7
_YEAR_DAYS: Final = 365


def means(row: Any, profile: Profile, today: date) -> Means:
    """The means of an account with this row."""
    code = CURRENCY_CODES.index(profile.currency) + 1 if profile.currency in CURRENCY_CODES else 0
    income = bills = 0
    expected: list[date] = []
    last: dict[int, int] = {}
    for slot in row["habits"]:
        if int(slot["subject"]) == 0:
            continue
        last[int(slot["subject"])] = int(slot["last"])
        cadence, category, amount = int(slot["cadence"]), CATEGORIES[int(slot["category"])], int(slot["amount"])
        if cadence == 0 or int(slot["count"]) < _IN_RHYTHM or int(slot["currency"]) != code:
            continue
        days, months = habits.DAYS[cadence], habits.MONTHS[cadence]
        if category in habits.INCOME:
            if int(slot["absent"]) == 0:
                income += amount // months if months else amount * (4 * _WEEK // days)
            if int(slot["due"]) and (due := _date(int(slot["due"]))) >= today:
                expected.append(due)
        elif priority(category) != "other":
            bills += -(-amount // months) if months else -(-amount * _YEAR_DAYS // (12 * days))
    paid = {
        one.obligation_id: _date(day)
        for one in profile.obligations
        if (day := last.get(hash_text(one.obligation_id)) or last.get(hash_text(one.counterparty_id)))
    }
    return Means(
        to_text(income, profile.currency) if income else None,
        min(expected, default=None),
        to_text(bills, profile.currency) if bills else None,
        paid,
    )


def _date(day: int) -> date:
    return date(1970, 1, 1) + timedelta(days=day)


def facts(
    change: FactsChange,
    account_id: str,
    profile: Profile,
    holder: Holder,
    trigger: Trigger,
    as_of: int,
    *,
    removed: bool = False,
    payments: tuple[FactsPaymentRecord, ...] = (),
    standing: Standing = NO_ARREARS,
    means: Means = NO_MEANS,
) -> Output:
    """What one holder's record must know of the account, as it was at the instant `as_of` (ms): the one that `standing` was
    counted at.
    """
    today = time_of(as_of).date()
    record = AccountFactsRecord(
        account_id=account_id,
        customer_id=holder.customer_id,
        as_of=time_of(as_of),
        change=change,
        role=cast(Role, holder.role),
        product=cast(Product, profile.product),
        currency=profile.currency,
        country=None if removed else profile.country,
        status=None if removed else profile.status,
        outstanding=None if removed else profile.outstanding,
        apr=None if removed else profile.apr,
        arrears=to_text(standing.open, standing.currency) if standing.open else None,
        days_past_due_treatment=standing.treatment,
        days_past_due_contractual=standing.contractual,
        days_past_due_regulatory=standing.regulatory,
        past_due_since=_date(standing.since) if standing.since else None,
        missed_instalments_60d=standing.missed,
        obligations=() if removed else tuple(_obligation(one, today, means.paid) for one in profile.obligations),
        income_monthly_low=means.income,
        next_income_on=means.next_income,
        priority_bills_monthly=means.priority_bills,
        payments=payments,
        pauses=()
        if removed
        else tuple(
            FactsPauseRecord(
                order_id=pause.order_id,
                customer_id=pause.customer_id,
                hold_kind=cast(HoldKind, pause.hold_kind),
                from_=time_of(pause.since),
                until=None if pause.until is None else time_of(pause.until),
            )
            for pause in profile.pauses
        ),
        removed=removed,
    )
    event_id = derive("account-facts", account_id, holder.customer_id, change, trigger.topic, trigger.id)
    headers = headers_for("account-facts", event_id, time_of(trigger.at), trigger.traceparent, trigger.logged)
    return Output("account-facts", holder.customer_id.encode(), account_facts.encode(record), headers)


def _obligation(one: Obligation, today: date, paid: Mapping[str, date]) -> FactsObligationRecord:
    return FactsObligationRecord(
        obligation_id=one.obligation_id,
        category=cast(Category, one.category),
        counterparty_id=one.counterparty_id,
        amount_due=one.amount_due,
        currency=one.currency,
        next_due=next_due(one.due_day, one.due_date, today),
        last_paid=paid.get(one.obligation_id),
    )


def next_due(due_day: int | None, due_date: str | None, today: date) -> date | None:
    """When an obligation falls due next, on `today` or later: its date while that lies ahead, else its day of
    the month.

    In a month that is too short, its last day. None for a date that is past.
    """
    if due_date is not None:
        fixed = date.fromisoformat(due_date)
        if fixed >= today:
            return fixed
    if due_day is None:
        return None
    first = today.replace(day=1)
    for _ in range(2):
        last = monthrange(first.year, first.month)[1]
        due = first.replace(day=min(due_day, last))
        if due >= today:
            return due
        first = first + timedelta(days=last)
    raise AssertionError("the next month has every day of the month")
