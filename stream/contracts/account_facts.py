"""`account-facts` (customer_id): what the customers stage must know of an account, one record a holder."""

from __future__ import annotations

import msgspec
from pydantic import Field

from stream.contracts.base import (
    Amount,
    Code,
    Count,
    Currency,
    Id,
    IsoDate,
    Jurisdiction,
    Many,
    Model,
    Percent,
    Record,
    Time,
    decoder_of,
)
from stream.contracts.base import encode as encode
from stream.contracts.vocabulary import Category, Direction, FactsChange, HoldKind, Product, Role


class FactsObligation(Model):
    """What the account regularly pays."""

    obligation_id: Id = Field(description="Names it.")
    category: Category = Field(description="What it is for.")
    counterparty_id: Id = Field(description="Who is paid.")
    amount_due: Amount = Field(description="How much, each time.")
    currency: Currency = Field(description="ISO 4217 code of the amount.")
    next_due: IsoDate | None = Field(default=None, description="When it falls due next.")
    last_paid: IsoDate | None = Field(default=None, description="When it was last paid.")


class FactsObligationRecord(Record, frozen=True, kw_only=True):
    """Fields as in `FactsObligation`."""

    obligation_id: Id
    category: Category
    counterparty_id: Id
    amount_due: Amount
    currency: Currency
    next_due: IsoDate | None = None
    last_paid: IsoDate | None = None


class FactsPayment(Model):
    """A payment on an account that is watched for a promise, or that one was taken back."""

    event_id: Id = Field(description="The payment.")
    occurred_at: Time = Field(description="When.")
    amount: Amount = Field(description="How much.")
    currency: Currency = Field(description="ISO 4217 code of the amount.")
    direction: Direction = Field(description="Seen from the holder.")
    category: Category = Field(description="What it was for.")
    obligation_id: Id | None = Field(default=None, description="The obligation it serves.")
    reversed: bool = Field(
        default=False,
        description="Whether this payment no longer counts: it was reversed, or the one that follows it here replaces it. The "
        "other fields are then those of the record that says so.",
    )


class FactsPaymentRecord(Record, frozen=True, kw_only=True):
    """Fields as in `FactsPayment`."""

    event_id: Id
    occurred_at: Time
    amount: Amount
    currency: Currency
    direction: Direction
    category: Category
    obligation_id: Id | None = None
    reversed: bool = False


class FactsPause(Model):
    """A pause that any holder's hold placed on the account."""

    order_id: Id = Field(description="The order that placed it.")
    customer_id: Id = Field(description="Whose hold it was.")
    hold_kind: HoldKind = Field(description="Why.")
    from_: Time = Field(alias="from", description="Since when.")
    until: Time | None = Field(default=None, description="Until when.")


class FactsPauseRecord(Record, frozen=True, kw_only=True, rename={"from_": "from"}):
    """Fields as in `FactsPause`."""

    order_id: Id
    customer_id: Id
    hold_kind: HoldKind
    from_: Time
    until: Time | None = None


class AccountFacts(Model):
    """One account as one holder's record needs it."""

    account_id: Id = Field(description="The account.")
    customer_id: Id = Field(description="The holder; also the record's key.")
    as_of: Time = Field(
        description="When it was so, in event time: the clock at which days past due were counted, or when the payment was."
    )
    change: FactsChange = Field(description="What brought this record about.")
    role: Role = Field(description="The holder's part in the account.")
    product: Product = Field(description="What kind of account it is.")
    currency: Currency = Field(description="ISO 4217 code of the amounts here.")
    country: Jurisdiction | None = Field(default=None, description="ISO 3166-1 code.")
    status: Code | None = Field(default=None, description="The bank's own word for its state.")
    outstanding: Amount | None = Field(default=None, description="What is owed on it.")
    apr: Percent | None = Field(default=None, description="Percent a year, as a decimal string.")
    arrears: Amount | None = Field(default=None, description="How much of that is overdue.")
    days_past_due_treatment: Count = Field(default=0, description="Days past due; pauses under holds.")
    days_past_due_contractual: Count = Field(default=0, description="Days past due; never pauses.")
    days_past_due_regulatory: Count = Field(default=0, description="Days beyond both regulatory thresholds without a break.")
    past_due_since: IsoDate | None = Field(
        default=None, description="The oldest due date that is unpaid: from it a reader can count on, pauses apart."
    )
    missed_instalments_60d: Count = Field(
        default=0,
        description="Instalments of this account, an own credit product, that fell due on the local day of `as_of` or one of the "
        "59 before and were told as missed or paid in part; each bill once. One that was paid since counts. One that was waived, "
        "or whose news was reversed or replaced, does not.",
    )
    obligations: Many[FactsObligation] = Field(default=(), description="What it regularly pays.")
    income_monthly_low: Amount | None = Field(default=None, description="A low estimate of income per month.")
    next_income_on: IsoDate | None = Field(default=None, description="When income is expected next.")
    priority_bills_monthly: Amount | None = Field(default=None, description="Priority bills per month.")
    payments: Many[FactsPayment] = Field(
        default=(), description="Payments seen while a promise is watched, and those that were taken back meanwhile."
    )
    pauses: Many[FactsPause] = Field(default=(), description="Pauses that any holder's hold placed.")
    removed: bool = Field(
        default=False, description="Whether this person no longer holds the account, or it was erased."
    )


class AccountFactsRecord(Record, frozen=True, kw_only=True):
    """Fields as in `AccountFacts`."""

    account_id: Id
    customer_id: Id
    as_of: Time
    change: FactsChange
    role: Role
    product: Product
    currency: Currency
    country: Jurisdiction | None = None
    status: Code | None = None
    outstanding: Amount | None = None
    apr: Percent | None = None
    arrears: Amount | None = None
    days_past_due_treatment: Count = 0
    days_past_due_contractual: Count = 0
    days_past_due_regulatory: Count = 0
    past_due_since: IsoDate | None = None
    missed_instalments_60d: Count = 0
    obligations: Many[FactsObligationRecord] = ()
    income_monthly_low: Amount | None = None
    next_income_on: IsoDate | None = None
    priority_bills_monthly: Amount | None = None
    payments: Many[FactsPaymentRecord] = ()
    pauses: Many[FactsPauseRecord] = ()
    removed: bool = False


decoder = msgspec.json.Decoder(AccountFactsRecord)
"""Types and closed lists only; `decode` checks the rest."""

decode = decoder_of(decoder)
"""Bytes to a checked record. Raises BadRecord."""
