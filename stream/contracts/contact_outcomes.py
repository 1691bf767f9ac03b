"""`contact-outcomes` (customer_id): what came of a contact, by whomever it was made."""

from __future__ import annotations

import msgspec
from pydantic import Field

from stream.contracts.base import Amount, Currency, Id, IsoDate, Model, Record, Time, decoder_of
from stream.contracts.base import encode as encode
from stream.contracts.vocabulary import Channel, ContactDirection, Outcome


class Promise(Model):
    """What the person said they would pay."""

    promise_id: Id = Field(description="Names the promise.")
    amount: Amount = Field(description="How much.")
    currency: Currency = Field(description="ISO 4217 code of the amount.")
    due_date: IsoDate = Field(description="By when.")
    account_id: Id = Field(description="The account it is to be paid to.")


class PromiseRecord(Record, frozen=True, kw_only=True):
    """Fields as in `Promise`."""

    promise_id: Id
    amount: Amount
    currency: Currency
    due_date: IsoDate
    account_id: Id


class ContactOutcome(Model):
    """One thing that happened in a contact; events with one `contact_id` are one contact."""

    event_id: Id = Field(description="Idempotency key: an event that is sent twice counts once.")
    contact_id: Id = Field(description="The contact.")
    customer_id: Id = Field(description="The person; also the record's key.")
    account_id: Id | None = Field(
        default=None, description="The account it was about; unknown counts against all of the person's."
    )
    occurred_at: Time = Field(description="When.")
    direction: ContactDirection = Field(description="Who contacted whom.")
    channel: Channel = Field(description="How.")
    outcome: Outcome = Field(description="What came of it.")
    nudge_id: Id | None = Field(default=None, description="The nudge it follows.")
    escalation_id: Id | None = Field(default=None, description="The escalation it follows.")
    offer_id: Id | None = Field(default=None, description="The offer it answers.")
    promise: Promise | None = Field(default=None, description="A promise that was made in it.")


class ContactOutcomeRecord(Record, frozen=True, kw_only=True):
    """Fields as in `ContactOutcome`."""

    event_id: Id
    contact_id: Id
    customer_id: Id
    account_id: Id | None = None
    occurred_at: Time
    direction: ContactDirection
    channel: Channel
    outcome: Outcome
    nudge_id: Id | None = None
    escalation_id: Id | None = None
    offer_id: Id | None = None
    promise: PromiseRecord | None = None


decoder = msgspec.json.Decoder(ContactOutcomeRecord)
"""Types and closed lists only; `decode` checks the rest."""

decode = decoder_of(decoder)
"""Bytes to a checked record. Raises BadRecord."""
