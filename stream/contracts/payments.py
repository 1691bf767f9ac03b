"""`payments` (account_id): money in and out of an account."""

from __future__ import annotations

import msgspec
from pydantic import Field

from stream.contracts.base import (
    Amount,
    Currency,
    Id,
    IsoDate,
    Model,
    Record,
    SignedAmount,
    Text,
    Time,
    decoder_of,
)  # fmt: skip
from stream.contracts.base import encode as encode
from stream.contracts.vocabulary import BookingStatus, Category, Direction, Scheme


class Payment(Model):
    """One payment booked on an account, or the reversal of one."""

    event_id: Id = Field(description="Idempotency key: an event that is sent twice counts once.")
    account_id: Id = Field(description="The account it was booked on; also the record's key.")
    occurred_at: Time = Field(description="When it was booked.")
    direction: Direction = Field(
        description="Seen from the account's holder; on a loan or card a repayment is a `credit`."
    )
    amount: Amount = Field(description="How much, as a decimal string.")
    currency: Currency = Field(description="ISO 4217 code of every amount here.")
    counterparty_id: Id = Field(description="Who paid or was paid.")
    counterparty_name: Text | None = Field(default=None, description="Their name, as a person would know it.")
    category: Category = Field(description="What it was for.")
    scheme: Scheme = Field(description="The payment scheme it went through.")
    obligation_id: Id | None = Field(default=None, description="The recurring obligation it serves.")
    bill_id: Id | None = Field(default=None, description="The bill it pays.")
    due_date: IsoDate | None = Field(default=None, description="When it was due.")
    amount_due: Amount | None = Field(default=None, description="How much was due.")
    minimum_due: Amount | None = Field(
        default=None, description="The least that was due, e.g. a card's minimum payment."
    )
    balance_after: SignedAmount | None = Field(
        default=None, description="The account's balance afterwards; negative means owed or overdrawn."
    )
    bank_id: Id | None = Field(default=None, description="The other side's bank.")
    status: BookingStatus = Field(
        default="booked", description="`reversed` undoes the event named by `corrects`, or this id."
    )
    corrects: Id | None = Field(default=None, description="The event that this one replaces.")


class PaymentRecord(Record, frozen=True, kw_only=True):
    """A payment on the hot path; fields as in `Payment`."""

    event_id: Id
    account_id: Id
    occurred_at: Time
    direction: Direction
    amount: Amount
    currency: Currency
    counterparty_id: Id
    counterparty_name: Text | None = None
    category: Category
    scheme: Scheme
    obligation_id: Id | None = None
    bill_id: Id | None = None
    due_date: IsoDate | None = None
    amount_due: Amount | None = None
    minimum_due: Amount | None = None
    balance_after: SignedAmount | None = None
    bank_id: Id | None = None
    status: BookingStatus = "booked"
    corrects: Id | None = None


decoder = msgspec.json.Decoder(PaymentRecord)
"""Types and closed lists only; `decode` checks the rest."""

decode = decoder_of(decoder)
"""Bytes to a checked record. Raises BadRecord."""
