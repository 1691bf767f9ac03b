"""`nudges` (customer_id): supportive messages, complete enough to be sent from the record alone."""

from __future__ import annotations

import msgspec
from pydantic import Field

from stream.contracts import money
from stream.contracts.base import (
    Amount,
    Code,
    Currency,
    Id,
    IsoDate,
    Language,
    Many,
    Model,
    Params,
    Record,
    Text,
    Time,
    decoder_of,
    rules,
)
from stream.contracts.base import encode as encode
from stream.contracts.signals import Reason, ReasonRecord
from stream.contracts.vocabulary import Channel, IssueStatus, Treatment
from stream.errors import BadRecord


def _in_its_currency(record: Offer | OfferRecord) -> None:
    amounts = [instalment.amount for instalment in record.instalments]
    for index, amount in enumerate(amounts):
        try:
            money.minor_units(amount, record.currency)
        except BadRecord as bad:
            raise BadRecord(bad.reason, f"instalments[{index}].amount", bad.why) from None


class Instalment(Model):
    """One payment of an offered plan."""

    due_date: IsoDate = Field(description="When.")
    amount: Amount = Field(description="How much.")


class InstalmentRecord(Record, frozen=True, kw_only=True):
    """Fields as in `Instalment`."""

    due_date: IsoDate
    amount: Amount


@rules(_in_its_currency)
class Offer(Model):
    """What the person may choose."""

    offer_id: Id = Field(description="Names the offer.")
    kind: Code = Field(description="What is offered.")
    instalments: Many[Instalment] = Field(description="What would be paid when.")
    currency: Currency = Field(description="ISO 4217 code of the amounts here.")
    basis: Text = Field(description="What it was worked out from.")


@rules(_in_its_currency)
class OfferRecord(Record, frozen=True, kw_only=True):
    """Fields as in `Offer`."""

    offer_id: Id
    kind: Code
    instalments: Many[InstalmentRecord]
    currency: Currency
    basis: Text


class Experiment(Model):
    """The experiment this nudge is part of."""

    name: Code = Field(description="Which.")
    arm: Code = Field(description="Which side of it.")


class ExperimentRecord(Record, frozen=True, kw_only=True):
    """Fields as in `Experiment`."""

    name: Code
    arm: Code


class Nudge(Model):
    """One nudge, issued or taken back."""

    nudge_id: Id = Field(description="The same through its life; never issued again after a withdrawal.")
    status: IssueStatus = Field(description="Issued, or taken back.")
    customer_id: Id = Field(description="The person; also the record's key.")
    account_ids: Many[Id] = Field(description="The accounts it is about.")
    treatment: Treatment = Field(description="What it does.")
    channel: Channel = Field(description="How it is to be sent.")
    template: Code = Field(description="The words it is sent in.")
    template_version: Code = Field(description="Which version of them.")
    params: Params = Field(description="What goes into the template; money as decimal strings.")
    language: Language = Field(description="BCP 47 tag.")
    tone: Code = Field(description="How it should sound.")
    reasons: Many[Reason] = Field(description="What it rests on.")
    offers: Many[Offer] | None = Field(default=None, description="What the person may choose.")
    not_before: Time = Field(description="Not to be sent earlier.")
    not_after: Time = Field(description="To be ignored from then on.")
    decided_at: Time = Field(description="When it was decided, in event time.")
    decision_id: Id = Field(description="The decision it comes from.")
    signal_ids: Many[Id] = Field(description="The signals behind it.")
    experiment: Experiment | None = Field(default=None, description="The experiment it is part of.")
    withdrawn_because: Text | None = Field(default=None, description="Why it was taken back.")


class NudgeRecord(Record, frozen=True, kw_only=True):
    """Fields as in `Nudge`."""

    nudge_id: Id
    status: IssueStatus
    customer_id: Id
    account_ids: Many[Id]
    treatment: Treatment
    channel: Channel
    template: Code
    template_version: Code
    params: Params
    language: Language
    tone: Code
    reasons: Many[ReasonRecord]
    offers: Many[OfferRecord] | None = None
    not_before: Time
    not_after: Time
    decided_at: Time
    decision_id: Id
    signal_ids: Many[Id]
    experiment: ExperimentRecord | None = None
    withdrawn_because: Text | None = None


decoder = msgspec.json.Decoder(NudgeRecord)
"""Types and closed lists only; `decode` checks the rest."""

decode = decoder_of(decoder)
"""Bytes to a checked record. Raises BadRecord."""
