"""`signals` (customer_id): early signs of financial stress, raised, changed and withdrawn."""

from __future__ import annotations

import msgspec
from pydantic import Field

from stream.contracts.base import Code, Id, Many, Model, Number, Record, Text, Time, decoder_of
from stream.contracts.base import encode as encode
from stream.contracts.vocabulary import HoldKind, Severity, SignalStatus


class Reason(Model):
    """One fact behind an output, in words a call-centre agent can read out."""

    code: Code = Field(description="Which fact, for machines.")
    text: Text = Field(description="The fact, for people.")
    value: Number = Field(description="The number behind it; money as a decimal string.")
    unit: Code | None = Field(
        default=None, description="What the number counts: a currency, `days`, `bills`."
    )
    threshold: Number | None = Field(default=None, description="The number it was held against.")
    window_from: Time | None = Field(default=None, description="Start of what was looked at.")
    window_to: Time | None = Field(default=None, description="End of what was looked at.")
    event_ids: Many[Id] = Field(description="The events behind it.")


class ReasonRecord(Record, frozen=True, kw_only=True):
    """Fields as in `Reason`."""

    code: Code
    text: Text
    value: Number
    unit: Code | None = None
    threshold: Number | None = None
    window_from: Time | None = None
    window_to: Time | None = None
    event_ids: Many[Id]


class Signal(Model):
    """One sign on one account, said to one of its holders."""

    signal_id: Id = Field(description="The same through its life; never issued again after a withdrawal.")
    status: SignalStatus = Field(description="Raised, changed, or taken back.")
    detector: Code = Field(description="What saw it.")
    detector_version: Code = Field(description="Which version of it.")
    account_id: Id = Field(description="The account.")
    customer_id: Id = Field(description="The holder; also the record's key.")
    occurred_at: Time = Field(description="When, in event time.")
    severity: Severity = Field(description="How grave.")
    score: float = Field(description="The detector's own figure; compare only within a detector.")
    reasons: Many[Reason] = Field(description="What it rests on.")
    would_clear: Text | None = Field(default=None, description="What would make it go away.")
    proposes_hold: HoldKind | None = Field(default=None, description="A hold that a person should confirm.")
    expires_at: Time | None = Field(default=None, description="When it lapses by itself.")


class SignalRecord(Record, frozen=True, kw_only=True):
    """Fields as in `Signal`."""

    signal_id: Id
    status: SignalStatus
    detector: Code
    detector_version: Code
    account_id: Id
    customer_id: Id
    occurred_at: Time
    severity: Severity
    score: float
    reasons: Many[ReasonRecord]
    would_clear: Text | None = None
    proposes_hold: HoldKind | None = None
    expires_at: Time | None = None


decoder = msgspec.json.Decoder(SignalRecord)
"""Types and closed lists only; `decode` checks the rest."""

decode = decoder_of(decoder)
"""Bytes to a checked record. Raises BadRecord."""
