"""`cases` (customer_id): human cases, opened and closed."""

from __future__ import annotations

import msgspec
from pydantic import Field

from stream.contracts.base import Id, Model, Record, Text, Time, decoder_of
from stream.contracts.base import encode as encode
from stream.contracts.vocabulary import CaseStatus, Queue


class Case(Model):
    """A person's case was opened or closed."""

    event_id: Id = Field(description="Idempotency key: an event that is sent twice counts once.")
    case_id: Id = Field(description="The case.")
    customer_id: Id = Field(description="The person; also the record's key.")
    escalation_id: Id | None = Field(default=None, description="The escalation it answers.")
    occurred_at: Time = Field(description="When.")
    status: CaseStatus = Field(description="Opened or closed.")
    queue: Queue = Field(description="The team that has it.")
    result: Text | None = Field(default=None, description="What came of it, in the team's own words.")


class CaseRecord(Record, frozen=True, kw_only=True):
    """Fields as in `Case`."""

    event_id: Id
    case_id: Id
    customer_id: Id
    escalation_id: Id | None = None
    occurred_at: Time
    status: CaseStatus
    queue: Queue
    result: Text | None = None


decoder = msgspec.json.Decoder(CaseRecord)
"""Types and closed lists only; `decode` checks the rest."""

decode = decoder_of(decoder)
"""Bytes to a checked record. Raises BadRecord."""
