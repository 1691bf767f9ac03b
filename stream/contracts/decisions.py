"""`decisions` (customer_id): every evaluation of a treatment, with its rules."""

from __future__ import annotations

import msgspec
from pydantic import Field

from stream.contracts.base import Code, Counters, Id, Many, Model, Record, Text, Time, decoder_of
from stream.contracts.base import encode as encode
from stream.contracts.vocabulary import DecisionResult, Trigger, Verdict


class Rule(Model):
    """One rule that was asked."""

    rule_id: Code = Field(description="Which rule.")
    version: Code = Field(description="Which version of it.")
    verdict: Verdict = Field(description="What it said.")
    clock: Time | None = Field(default=None, description="The instant it was asked about.")
    counters: Counters | None = Field(default=None, description="What it had counted.")
    source: Text | None = Field(default=None, description="The law, rule or default it comes from.")


class RuleRecord(Record, frozen=True, kw_only=True):
    """Fields as in `Rule`."""

    rule_id: Code
    version: Code
    verdict: Verdict
    clock: Time | None = None
    counters: Counters | None = None
    source: Text | None = None


class Decision(Model):
    """One evaluation."""

    decision_id: Id = Field(description="Names it.")
    customer_id: Id = Field(description="The person; also the record's key.")
    decided_at: Time = Field(description="When, in event time.")
    trigger: Trigger = Field(description="What made it fall due.")
    treatment: Code = Field(description="The treatment considered, or the queue of an escalation.")
    result: DecisionResult = Field(description="What came of it.")
    rules: Many[Rule] = Field(description="Every rule that was asked, in order.")
    next_allowed_at: Time | None = Field(default=None, description="When it may be tried again.")
    policy_version: Code = Field(description="The policy it was decided under.")
    shadow: bool | None = Field(
        default=None, description="Whether that policy is only tried out: nothing was sent and nobody asked."
    )


class DecisionRecord(Record, frozen=True, kw_only=True):
    """Fields as in `Decision`."""

    decision_id: Id
    customer_id: Id
    decided_at: Time
    trigger: Trigger
    treatment: Code
    result: DecisionResult
    rules: Many[RuleRecord]
    next_allowed_at: Time | None = None
    policy_version: Code
    shadow: bool | None = None


decoder = msgspec.json.Decoder(DecisionRecord)
"""Types and closed lists only; `decode` checks the rest."""

decode = decoder_of(decoder)
"""Bytes to a checked record. Raises BadRecord."""
