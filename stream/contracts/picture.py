"""The picture of a customer, as `ews view` keeps it in Valkey or Redis: `ews.picture.v1`.

No topic: a view of the topics, for downstream channels and the service desk. Keys, guarantees and access rights: docs/view.md.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from stream.contracts.base import Code, Id, Language, Many, Model, Number, Rung, Text, Time, Zone
from stream.contracts.contact_outcomes import Promise
from stream.contracts.nudges import Offer
from stream.contracts.vocabulary import (
    Channel,
    ContactDirection,
    DecisionResult,
    HoldKind,
    Outcome,
    Priority,
    Queue,
    Severity,
    SuggestedAction,
    Treatment,
)

TYPE = "ews.picture.v1"


class PictureStep(Model):
    """Where the customer stood on the ladder when this was last told."""

    rung: Rung = Field(description="0 steady, 1 watched, 2 a supportive message, 3 an offer of help, 4 a person, 5 a specialist.")
    as_of: Time = Field(description="When that was; nothing is told while nothing is decided.")


class PictureReason(Model):
    """One fact behind a sign, in words. For staff: the account may be shared."""

    code: Code = Field(description="Which fact, for machines.")
    text: Text = Field(description="The fact, for people.")
    value: Number = Field(description="The number behind it; money as a decimal string.")
    unit: Code | None = Field(default=None, description="What the number counts.")


class PictureSignal(Model):
    """A sign that stands, until `expires_at`."""

    signal_id: Id = Field(description="For `ews explain`.")
    detector: Code = Field(description="What saw it.")
    account_id: Id = Field(description="The account.")
    severity: Severity = Field(description="How grave.")
    since: Time = Field(description="When it was first seen.")
    as_of: Time = Field(description="When it was last told of.")
    reasons: Many[PictureReason] = Field(description="What it rests on.")
    would_clear: Text | None = Field(default=None, description="What would make it go away.")
    proposes_hold: HoldKind | None = Field(default=None, description="A hold that a person should confirm.")
    expires_at: Time | None = Field(default=None, description="When it lapses by itself.")


class PictureHold(Model):
    """A reason to leave the person alone: in force from `placed_at` until `until`. One that was lifted is left out."""

    hold_id: Id = Field(description="The hold.")
    kind: HoldKind = Field(description="Why.")
    account_id: Id | None = Field(default=None, description="The account it is about; the whole person where absent.")
    channel: Channel | None = Field(default=None, description="The channel it is about; all of them where absent.")
    placed_at: Time = Field(description="From when it holds.")
    until: Time | None = Field(default=None, description="When it ends, as told or by law; until lifted where absent.")
    provisional: bool = Field(description="Whether it waits for a person or for the holds feed to confirm it.")


class PictureChannel(Model):
    """Whether one channel is open, by the customer's own word."""

    open: bool = Field(description="Agreed to, and not closed since. Holds, hours and counts may still forbid a message.")
    closed_at: Time | None = Field(default=None, description="When the customer opted out of it, or it reached somebody else.")


class PictureNext(Model):
    """When the system's own next message may leave, by the decisions as last told."""

    at: Time = Field(description="The earliest time that a waiting message may leave.")
    treatment: Treatment = Field(description="Which message that is.")
    because: Many[Text] = Field(description="The rules that are not met yet, in words.")
    as_of: Time = Field(description="When this was decided.")


class PictureDecision(Model):
    """What was last decided about one treatment or team."""

    treatment: Code = Field(description="The treatment, or the queue of an escalation.")
    result: DecisionResult = Field(description="What came of it.")
    decision_id: Id = Field(description="For `ews explain`.")
    as_of: Time = Field(description="When.")
    next_allowed_at: Time | None = Field(default=None, description="When it may be tried again.")
    because: Many[Text] = Field(description="The rules that were not met, in words.")


class PictureMessage(Model):
    """A nudge that was issued and not taken back. Whether it was sent, `contacts` tell."""

    nudge_id: Id = Field(description="For `ews explain`.")
    treatment: Treatment = Field(description="What it does.")
    channel: Channel = Field(description="How it is to be sent.")
    account_ids: Many[Id] = Field(description="The accounts it is about.")
    text: Text | None = Field(default=None, description="What it says.")
    not_before: Time = Field(description="Not to be sent earlier.")
    not_after: Time = Field(description="To be ignored from then on.")


class PictureOffer(Offer):
    """A plan that was offered and is not answered."""

    nudge_id: Id = Field(description="The message it was made in.")
    account_ids: Many[Id] = Field(description="The accounts it is about.")
    offered_at: Time = Field(description="When.")


class PictureEscalation(Model):
    """A request for a person that is not done."""

    escalation_id: Id = Field(description="For `ews explain`.")
    queue: Queue = Field(description="The team that is asked.")
    priority: Priority = Field(description="How soon.")
    account_ids: Many[Id] = Field(description="The accounts it is about.")
    reasons: Many[PictureReason] = Field(description="What it rests on.")
    suggested_actions: Many[SuggestedAction] = Field(description="What the team may consider; it decides.")
    due_by: Time = Field(description="When it should have been looked at.")
    as_of: Time = Field(description="When it was last asked.")
    status: Literal["waiting", "taken"] = Field(description="Whether a case is open for it.")


class PictureCase(Model):
    """A human case that is open."""

    case_id: Id = Field(description="The case.")
    queue: Queue = Field(description="The team that has it.")
    opened_at: Time = Field(description="Since when.")
    escalation_id: Id | None = Field(default=None, description="The request it answers.")


class PictureContact(Model):
    """One contact, with the latest that came of it."""

    contact_id: Id = Field(description="The contact.")
    at: Time = Field(description="When it began.")
    direction: ContactDirection = Field(description="Who contacted whom.")
    channel: Channel = Field(description="How.")
    outcome: Outcome = Field(description="The latest that came of it.")
    account_id: Id | None = Field(default=None, description="The account it was about.")
    nudge_id: Id | None = Field(default=None, description="The nudge it follows.")
    promise: Promise | None = Field(default=None, description="The last promise made in it; not whether it was kept.")


class Picture(Model):
    """A customer as they stand by all that was told. It holds no clock: compare its times with yours."""

    type: Literal["ews.picture.v1"] = Field(description="This contract and its version.")
    customer_id: Id = Field(description="The person.")
    versions: dict[str, int] = Field(description="By topic, the offset of the last record of this person in it. Never goes back.")
    known: bool = Field(description="Whether their record in `customers` has come. Without it nobody is written to.")
    language: Language | None = Field(default=None, description="BCP 47 tag they are written to in.")
    time_zone: Zone | None = Field(default=None, description="IANA time zone they live in.")
    channels: dict[Channel, PictureChannel] = Field(description="Channels that their record or an outcome tells of.")
    preferred_channel: Channel | None = Field(default=None, description="The channel they would rather have.")
    ladder: PictureStep | None = Field(default=None, description="Where they stood when last decided about.")
    holds: Many[PictureHold] = Field(description="Reasons to leave them alone, the newest first.")
    signals: Many[PictureSignal] = Field(description="Signs that stand, the gravest first.")
    next_contact: PictureNext | None = Field(default=None, description="When the system's own next message may leave.")
    messages: Many[PictureMessage] = Field(description="The last nudges issued, the newest first.")
    offers: Many[PictureOffer] = Field(description="Plans that were offered and not answered, the newest first.")
    escalations: Many[PictureEscalation] = Field(description="Requests for a person that are not done, the most pressing first.")
    cases: Many[PictureCase] = Field(description="Human cases that are open.")
    contacts: Many[PictureContact] = Field(description="The last contacts, the newest first.")
    decisions: Many[PictureDecision] = Field(description="What was last decided, by treatment, the newest first.")
