"""The records the accounts stage writes: signals and account facts, one for each holder."""

from __future__ import annotations

from calendar import monthrange
from datetime import date, timedelta
from typing import NamedTuple, cast

from stream.contracts import account_facts, signals
from stream.contracts.account_facts import (
    AccountFactsRecord,
    FactsObligationRecord,
    FactsPauseRecord,
    FactsPaymentRecord,
)  # fmt: skip
from stream.contracts.envelope import headers_for
from stream.contracts.ids import derive
from stream.contracts.signals import ReasonRecord, SignalRecord
from stream.contracts.vocabulary import (
    Category,
    FactsChange,
    HoldKind,
    Product,
    Role,
    SignalStatus,
)
from stream.detectors.base import time_of
from stream.detectors.levels import severity_name
from stream.detectors.registry import SIGNS
from stream.engine.step import Output
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
    headers = headers_for("signals", event_id, time_of(trigger.at), trigger.traceparent)
    return Output("signals", customer_id.encode(), signals.encode(record), headers)


def facts(
    change: FactsChange,
    account_id: str,
    profile: Profile,
    holder: Holder,
    trigger: Trigger,
    *,
    removed: bool = False,
    payments: tuple[FactsPaymentRecord, ...] = (),
) -> Output:
    """What one holder's record must know of the account now."""
    today = time_of(trigger.at).date()
    record = AccountFactsRecord(
        account_id=account_id,
        customer_id=holder.customer_id,
        as_of=time_of(trigger.at),
        change=change,
        role=cast(Role, holder.role),
        product=cast(Product, profile.product),
        currency=profile.currency,
        country=None if removed else profile.country,
        status=None if removed else profile.status,
        outstanding=None if removed else profile.outstanding,
        obligations=() if removed else tuple(_obligation(one, today) for one in profile.obligations),
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
    headers = headers_for("account-facts", event_id, time_of(trigger.at), trigger.traceparent)
    return Output("account-facts", holder.customer_id.encode(), account_facts.encode(record), headers)


def _obligation(one: Obligation, today: date) -> FactsObligationRecord:
    return FactsObligationRecord(
        obligation_id=one.obligation_id,
        category=cast(Category, one.category),
        counterparty_id=one.counterparty_id,
        amount_due=one.amount_due,
        currency=one.currency,
        next_due=next_due(one.due_day, one.due_date, today),
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
