"""`operator-actions` (customer_id, or `*` in every partition): stop, snooze and resume, by a person."""

from __future__ import annotations

import msgspec
from pydantic import Field

from stream.contracts.base import Code, Id, Model, Record, Text, Time, Until, decoder_of
from stream.contracts.base import encode as encode
from stream.contracts.vocabulary import Action


class OperatorAction(Model):
    """What an operator ordered."""

    event_id: Id = Field(description="Idempotency key: an event that is sent twice counts once.")
    occurred_at: Time = Field(description="When.")
    action: Action = Field(description="What is to happen.")
    customer_id: Id | None = Field(
        default=None, description="The person it is about; absent where it is about all."
    )
    detector: Code | None = Field(
        default=None, description="The detector it is about; all of them where absent."
    )
    until: Until = Field(default=None, description="When it ends by itself. The year 9999 means never.")
    who: Text = Field(description="Who ordered it.")
    why: Text = Field(description="Their reason.")


class OperatorActionRecord(Record, frozen=True, kw_only=True):
    """Fields as in `OperatorAction`."""

    event_id: Id
    occurred_at: Time
    action: Action
    customer_id: Id | None = None
    detector: Code | None = None
    until: Until = None
    who: Text
    why: Text


decoder = msgspec.json.Decoder(OperatorActionRecord)
"""Types and closed lists only; `decode` checks the rest."""

decode = decoder_of(decoder)
"""Bytes to a checked record. Raises BadRecord."""
