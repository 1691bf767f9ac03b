"""`missed-bills` (account_id): bills that were missed, part-paid, paid late or waived."""

from __future__ import annotations

import msgspec
from pydantic import Field

from stream.contracts.base import Amount, Currency, Id, IsoDate, Model, Record, Time, decoder_of
from stream.contracts.base import encode as encode
from stream.contracts.vocabulary import BillOutcome, BookingStatus, Category


class MissedBill(Model):
    """What became of one bill."""

    event_id: Id = Field(description="Idempotency key: an event that is sent twice counts once.")
    account_id: Id = Field(description="The account it should have been paid from; also the record's key.")
    occurred_at: Time = Field(description="When this became known.")
    bill_id: Id = Field(
        description="The bill: a later event on it (paid late, waived) answers the earlier one."
    )
    counterparty_id: Id = Field(description="Who sent the bill.")
    category: Category = Field(description="What the bill is for.")
    amount_due: Amount = Field(description="How much was due.")
    amount_paid: Amount | None = Field(default=None, description="How much was paid so far.")
    minimum_due: Amount | None = Field(
        default=None, description="The least that was due, e.g. a card's minimum payment."
    )
    currency: Currency = Field(description="ISO 4217 code of every amount here.")
    due_date: IsoDate = Field(description="When it was due.")
    outcome: BillOutcome = Field(description="What became of it.")
    paid_at: Time | None = Field(default=None, description="When it was paid after all.")
    obligation_id: Id | None = Field(default=None, description="The recurring obligation it belongs to.")
    status: BookingStatus = Field(
        default="booked",
        description="`reversed` undoes the event named by `corrects`, or else the one with this id.",
    )
    corrects: Id | None = Field(default=None, description="The event that this one replaces.")


class MissedBillRecord(Record, frozen=True, kw_only=True):
    """Fields as in `MissedBill`."""

    event_id: Id
    account_id: Id
    occurred_at: Time
    bill_id: Id
    counterparty_id: Id
    category: Category
    amount_due: Amount
    amount_paid: Amount | None = None
    minimum_due: Amount | None = None
    currency: Currency
    due_date: IsoDate
    outcome: BillOutcome
    paid_at: Time | None = None
    obligation_id: Id | None = None
    status: BookingStatus = "booked"
    corrects: Id | None = None


decoder = msgspec.json.Decoder(MissedBillRecord)
"""Types and closed lists only; `decode` checks the rest."""

decode = decoder_of(decoder)
"""Bytes to a checked record. Raises BadRecord."""
