"""`holds` (customer_id): reasons in law or kindness to leave a person alone."""

from __future__ import annotations

import msgspec
from pydantic import Field

from stream.contracts.base import Id, Model, Record, Text, Time, Until, decoder_of
from stream.contracts.base import encode as encode
from stream.contracts.vocabulary import Channel, HoldKind


class Hold(Model):
    """One hold as it now stands; the newest event of a `hold_id` replaces the earlier."""

    event_id: Id = Field(description="Idempotency key: an event that is sent twice counts once.")
    hold_id: Id = Field(description="The hold.")
    customer_id: Id = Field(description="The person; also the record's key.")
    account_id: Id | None = Field(
        default=None, description="The account it is about, where it is not about the whole person."
    )
    obligation_id: Id | None = Field(default=None, description="The obligation it is about.")
    channel: Channel | None = Field(
        default=None, description="For `opt_out`: the channel; all of them where absent."
    )
    kind: HoldKind = Field(description="Why.")
    occurred_at: Time = Field(description="When this became known.")
    placed_at: Time = Field(description="From when it holds; may lie in the past.")
    ends_at: Until = Field(default=None, description="When it ends by itself. The year 9999 means never.")
    treatment_ended_at: Until = Field(
        default=None, description="When the treatment ended that a crisis moratorium waits for."
    )
    lifted_at: Until = Field(default=None, description="When it was lifted.")
    provisional: bool | None = Field(
        default=None, description="Whether it waits to be confirmed by a person."
    )
    source: Text | None = Field(default=None, description="Who or what placed it.")


class HoldRecord(Record, frozen=True, kw_only=True):
    """Fields as in `Hold`."""

    event_id: Id
    hold_id: Id
    customer_id: Id
    account_id: Id | None = None
    obligation_id: Id | None = None
    channel: Channel | None = None
    kind: HoldKind
    occurred_at: Time
    placed_at: Time
    ends_at: Until = None
    treatment_ended_at: Until = None
    lifted_at: Until = None
    provisional: bool | None = None
    source: Text | None = None


decoder = msgspec.json.Decoder(HoldRecord)
"""Types and closed lists only; `decode` checks the rest."""

decode = decoder_of(decoder)
"""Bytes to a checked record. Raises BadRecord."""
