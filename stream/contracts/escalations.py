"""`escalations` (customer_id): requests that a person looks."""

from __future__ import annotations

import msgspec
from pydantic import Field

from stream.contracts.base import Id, Many, Model, Record, Rung, Text, Time, decoder_of
from stream.contracts.base import encode as encode
from stream.contracts.signals import Reason, ReasonRecord
from stream.contracts.vocabulary import IssueStatus, Priority, Queue, SuggestedAction


class Escalation(Model):
    """One request to one team, issued or taken back."""

    escalation_id: Id = Field(description="The same through its life; never issued again after a withdrawal.")
    status: IssueStatus = Field(description="Issued, or taken back.")
    customer_id: Id = Field(description="The person; also the record's key.")
    account_ids: Many[Id] = Field(description="The accounts it is about.")
    queue: Queue = Field(description="The team that is asked.")
    rung: Rung = Field(description="The rung of the ladder, 0 to 5.")
    priority: Priority = Field(description="How soon.")
    reasons: Many[Reason] = Field(description="What it rests on.")
    suggested_actions: Many[SuggestedAction] = Field(description="What the team may consider; it decides.")
    due_by: Time = Field(description="When it should have been looked at.")
    decided_at: Time = Field(description="When it was decided, in event time.")
    decision_id: Id = Field(description="The decision it comes from.")
    signal_ids: Many[Id] = Field(description="The signals behind it.")
    withdrawn_because: Text | None = Field(default=None, description="Why it was taken back.")


class EscalationRecord(Record, frozen=True, kw_only=True):
    """Fields as in `Escalation`."""

    escalation_id: Id
    status: IssueStatus
    customer_id: Id
    account_ids: Many[Id]
    queue: Queue
    rung: Rung
    priority: Priority
    reasons: Many[ReasonRecord]
    suggested_actions: Many[SuggestedAction]
    due_by: Time
    decided_at: Time
    decision_id: Id
    signal_ids: Many[Id]
    withdrawn_because: Text | None = None


decoder = msgspec.json.Decoder(EscalationRecord)
"""Types and closed lists only; `decode` checks the rest."""

decode = decoder_of(decoder)
"""Bytes to a checked record. Raises BadRecord."""
