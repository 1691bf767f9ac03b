"""`customers` (customer_id, compacted): how, when and whether a person may be contacted."""

from __future__ import annotations

import msgspec
from pydantic import Field

from stream.contracts.base import (
    Channels,
    HourMinute,
    Id,
    Jurisdiction,
    Language,
    Many,
    Model,
    Record,
    Region,
    Text,
    Time,
    Zone,
    decoder_of,
)
from stream.contracts.base import encode as encode
from stream.contracts.vocabulary import Channel, Day, Vulnerability


class ChannelConsent(Model):
    """Whether one channel may be used."""

    consent: bool = Field(description="Whether the person agrees to it.")
    since: Time | None = Field(default=None, description="Since when that is so.")


class ChannelRecord(Record, frozen=True, kw_only=True):
    """Fields as in `ChannelConsent`."""

    consent: bool
    since: Time | None = None


class Quiet(Model):
    """Hours in which the person does not want to be contacted."""

    from_: HourMinute = Field(alias="from", description="Local time it begins, `HH:MM`.")
    to: HourMinute = Field(
        description="Local time it ends, not included; at or before `from` means on the next day."
    )
    days: Many[Day] | None = Field(
        default=None, description="On which days it begins; every day where absent."
    )


class QuietRecord(Record, frozen=True, kw_only=True, rename={"from_": "from"}):
    """Fields as in `Quiet`."""

    from_: HourMinute
    to: HourMinute
    days: Many[Day] | None = None


class Customer(Model):
    """A person as they now wish to be treated; the newest record replaces the earlier."""

    customer_id: Id = Field(description="The person; also the record's key.")
    updated_at: Time = Field(description="When this became so.")
    jurisdiction: Jurisdiction = Field(description="ISO 3166-1 code of the law that protects them.")
    region: Region | None = Field(
        default=None, description="ISO 3166-2 code where that law has parts, e.g. `US-MA`."
    )
    time_zone: Zone = Field(description="IANA time zone they live in.")
    language: Language = Field(description="BCP 47 tag of the language they are written to in.")
    channels: Channels[ChannelConsent] = Field(
        description="Consent by channel; a channel that is not there is not agreed to."
    )
    preferred_channel: Channel | None = Field(default=None, description="The channel they would rather have.")
    quiet: Many[Quiet] | None = Field(default=None, description="Hours to leave them alone.")
    vulnerabilities: Many[Vulnerability] | None = Field(
        default=None, description="Characteristics that route or relax; never an input to a score."
    )
    segment: Text | None = Field(default=None, description="The bank's own word.")


class CustomerRecord(Record, frozen=True, kw_only=True):
    """Fields as in `Customer`."""

    customer_id: Id
    updated_at: Time
    jurisdiction: Jurisdiction
    region: Region | None = None
    time_zone: Zone
    language: Language
    channels: Channels[ChannelRecord]
    preferred_channel: Channel | None = None
    quiet: Many[QuietRecord] | None = None
    vulnerabilities: Many[Vulnerability] | None = None
    segment: Text | None = None


decoder = msgspec.json.Decoder(CustomerRecord)
"""Types and closed lists only; `decode` checks the rest."""

decode = decoder_of(decoder)
"""Bytes to a checked record. Raises BadRecord."""
