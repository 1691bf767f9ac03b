"""`account-orders` (account_id): what the accounts stage must pause or watch."""

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
    Time,
    decoder_of,
    refuse,
    rules,
)
from stream.contracts.base import encode as encode
from stream.contracts.vocabulary import HoldKind, OrderKind
from stream.errors import Reason


def _both_or_neither(record: AccountOrder | AccountOrderRecord) -> None:
    if (record.amount is None) != (record.currency is None):
        refuse(Reason.INCONSISTENT, "amount", "an amount and its currency go together")


@rules(_both_or_neither)
class AccountOrder(Model):
    """One order from the customers stage."""

    order_id: Id = Field(
        description="Names the order; `resume` and `unwatch_promise` repeat that of what they end."
    )
    account_id: Id = Field(description="The account; also the record's key.")
    customer_id: Id = Field(description="Whose hold or promise it is.")
    at: Time = Field(description="When, in event time.")
    kind: OrderKind = Field(description="What to do.")
    hold_kind: HoldKind | None = Field(default=None, description="For pauses: why.")
    from_: Time | None = Field(
        default=None, alias="from", description="For pauses: since when; may lie in the past."
    )
    until: Time | None = Field(default=None, description="For pauses: until when.")
    promise_id: Id | None = Field(default=None, description="For promises: which.")
    amount: Amount | None = Field(default=None, description="For promises: how much.")
    currency: Currency | None = Field(default=None, description="ISO 4217 code of the amount.")
    due_date: IsoDate | None = Field(default=None, description="For promises: by when.")


@rules(_both_or_neither)
class AccountOrderRecord(Record, frozen=True, kw_only=True, rename={"from_": "from"}):
    """Fields as in `AccountOrder`."""

    order_id: Id
    account_id: Id
    customer_id: Id
    at: Time
    kind: OrderKind
    hold_kind: HoldKind | None = None
    from_: Time | None = None
    until: Time | None = None
    promise_id: Id | None = None
    amount: Amount | None = None
    currency: Currency | None = None
    due_date: IsoDate | None = None


decoder = msgspec.json.Decoder(AccountOrderRecord)
"""Types and closed lists only; `decode` checks the rest."""

decode = decoder_of(decoder)
"""Bytes to a checked record. Raises BadRecord."""
