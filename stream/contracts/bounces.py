"""`bounces` (account_id): payments that a bank, a customer or a scheme returned."""

from __future__ import annotations

import msgspec
from pydantic import Field

from stream.contracts.base import (
    Amount,
    Code,
    Currency,
    Id,
    IsoDate,
    Model,
    Record,
    Time,
    decoder_of,
    refuse,
    rules,
)
from stream.contracts.base import encode as encode
from stream.contracts.vocabulary import BookingStatus, Category, Report, RType, Scheme
from stream.errors import Reason


def _both_or_neither(record: Bounce | BounceRecord) -> None:
    if record.amount is not None and record.currency is None:
        refuse(Reason.INCONSISTENT, "currency", "an amount needs its currency")
    if record.currency is not None and record.amount is None:
        refuse(Reason.INCONSISTENT, "amount", "a currency needs its amount")


@rules(_both_or_neither)
class Bounce(Model):
    """One returned payment or instruction."""

    event_id: Id = Field(description="Idempotency key: an event that is sent twice counts once.")
    account_id: Id = Field(description="The account whose payment came back; also the record's key.")
    occurred_at: Time = Field(description="When it was returned.")
    scheme: Scheme = Field(description="The payment scheme it came back through.")
    report: Report | None = Field(
        default=None,
        description="The Bacs report it was read from; `arudd` where none is named and the scheme is `bacs`.",
    )
    r_type: RType | None = Field(default=None, description="The SEPA R-transaction type.")
    reason_code: Code = Field(description="The scheme's own return code, as sent.")
    amount: Amount | None = Field(
        default=None, description="How much came back; goes together with `currency`."
    )
    currency: Currency | None = Field(default=None, description="ISO 4217 code of the amount.")
    counterparty_id: Id = Field(description="Who was not paid.")
    category: Category = Field(description="What the payment was for.")
    obligation_id: Id | None = Field(default=None, description="The recurring obligation it served.")
    bank_id: Id | None = Field(default=None, description="The bank that returned it.")
    bill_id: Id | None = Field(default=None, description="The bill it should have paid.")
    original_event_id: Id | None = Field(default=None, description="The payment that came back.")
    representment: bool | None = Field(
        default=None, description="Whether this was a second presentation of the same payment."
    )
    due_date: IsoDate | None = Field(default=None, description="When the payment was due.")
    status: BookingStatus = Field(
        default="booked",
        description="`reversed` undoes the event named by `corrects`, or else the one with this id.",
    )
    corrects: Id | None = Field(default=None, description="The event that this one replaces.")


@rules(_both_or_neither)
class BounceRecord(Record, frozen=True, kw_only=True):
    """Fields as in `Bounce`."""

    event_id: Id
    account_id: Id
    occurred_at: Time
    scheme: Scheme
    report: Report | None = None
    r_type: RType | None = None
    reason_code: Code
    amount: Amount | None = None
    currency: Currency | None = None
    counterparty_id: Id
    category: Category
    obligation_id: Id | None = None
    bank_id: Id | None = None
    bill_id: Id | None = None
    original_event_id: Id | None = None
    representment: bool | None = None
    due_date: IsoDate | None = None
    status: BookingStatus = "booked"
    corrects: Id | None = None


decoder = msgspec.json.Decoder(BounceRecord)
"""Types and closed lists only; `decode` checks the rest."""

decode = decoder_of(decoder)
"""Bytes to a checked record. Raises BadRecord."""
