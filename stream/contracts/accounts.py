"""`accounts` (account_id, compacted): who holds an account, and what it is. A tombstone erases it."""

from __future__ import annotations

from typing import Annotated, TypeVar

import msgspec
from msgspec import Meta
from pydantic import BeforeValidator, Field

from stream.contracts.base import (
    Amount,
    Code,
    Currency,
    Day31,
    Id,
    IsoDate,
    Jurisdiction,
    Many,
    Model,
    Rate,
    Record,
    Time,
    Zone,
    decoder_of,
    read_array,
    refuse,
    rules,
)
from stream.contracts.base import encode as encode
from stream.contracts.vocabulary import Category, Product, Role
from stream.errors import Reason

_T = TypeVar("_T")

Holders = Annotated[
    tuple[_T, ...],
    Meta(min_length=1, max_length=4),
    BeforeValidator(read_array),
    Field(min_length=1, max_length=4),
]
"""One to four."""


def _due(record: Obligation | ObligationRecord) -> None:
    if record.due_day is None and record.due_date is None:
        refuse(Reason.MISSING_FIELD, "due_day", "needs due_day or due_date")


def _distinct(record: Account | AccountRecord) -> None:
    if len({holder.customer_id for holder in record.holders}) < len(record.holders):
        refuse(Reason.INCONSISTENT, "holders", "the same customer twice")
    obligations = record.obligations or ()
    if len({obligation.obligation_id for obligation in obligations}) < len(obligations):
        refuse(Reason.INCONSISTENT, "obligations", "the same obligation twice")


class Holder(Model):
    """One person's part in an account."""

    customer_id: Id = Field(description="The person.")
    role: Role = Field(description="Their part in the account.")


class HolderRecord(Record, frozen=True, kw_only=True):
    """Fields as in `Holder`."""

    customer_id: Id
    role: Role


@rules(_due)
class Obligation(Model):
    """Something the account regularly pays. Needs `due_day` or `due_date`."""

    obligation_id: Id = Field(description="Names it for as long as it lasts.")
    category: Category = Field(description="What it is for.")
    counterparty_id: Id = Field(description="Who is paid.")
    amount_due: Amount = Field(description="How much, each time.")
    currency: Currency = Field(description="ISO 4217 code of the amounts here.")
    due_day: Day31 | None = Field(
        default=None, description="Day of the month; the last day where a month is shorter."
    )
    due_date: IsoDate | None = Field(default=None, description="The next date, where it is not monthly.")
    minimum_due: Amount | None = Field(default=None, description="The least that must be paid.")


@rules(_due)
class ObligationRecord(Record, frozen=True, kw_only=True):
    """Fields as in `Obligation`."""

    obligation_id: Id
    category: Category
    counterparty_id: Id
    amount_due: Amount
    currency: Currency
    due_day: Day31 | None = None
    due_date: IsoDate | None = None
    minimum_due: Amount | None = None


@rules(_distinct)
class Account(Model):
    """An account as it now stands; the newest record replaces the earlier."""

    account_id: Id = Field(description="The account; also the record's key.")
    updated_at: Time = Field(description="When the account became so.")
    holders: Holders[Holder] = Field(description="One to four different people.")
    product: Product = Field(description="What kind of account it is.")
    currency: Currency = Field(description="ISO 4217 code of the amounts here.")
    country: Jurisdiction = Field(description="ISO 3166-1 code of the country where it is held.")
    time_zone: Zone = Field(description="IANA time zone of its booking days.")
    credit_limit: Amount | None = Field(default=None, description="Of a card.")
    overdraft_limit: Amount | None = Field(default=None, description="Arranged overdraft.")
    outstanding: Amount | None = Field(default=None, description="What is owed on it.")
    apr: Rate | None = Field(default=None, description="Percent a year, as a number or a decimal string.")
    opened_on: IsoDate | None = Field(default=None, description="When it was opened.")
    obligations: Many[Obligation] | None = Field(
        default=None, description="What it regularly pays, where the bank knows."
    )
    status: Code | None = Field(default=None, description="The bank's own word for its state.")


@rules(_distinct)
class AccountRecord(Record, frozen=True, kw_only=True):
    """Fields as in `Account`."""

    account_id: Id
    updated_at: Time
    holders: Holders[HolderRecord]
    product: Product
    currency: Currency
    country: Jurisdiction
    time_zone: Zone
    credit_limit: Amount | None = None
    overdraft_limit: Amount | None = None
    outstanding: Amount | None = None
    apr: Rate | None = None
    opened_on: IsoDate | None = None
    obligations: Many[ObligationRecord] | None = None
    status: Code | None = None


decoder = msgspec.json.Decoder(AccountRecord)
"""Types and closed lists only; `decode` checks the rest."""

decode = decoder_of(decoder)
"""Bytes to a checked record. Raises BadRecord."""
