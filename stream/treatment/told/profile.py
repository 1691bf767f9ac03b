"""What the customer master tells: how, when and whether the customer may be contacted."""

from __future__ import annotations

from stream.contracts.customers import CustomerRecord
from stream.contracts.vocabulary import DAYS
from stream.tables.customer import Customer, Profile, Quiet
from stream.treatment.local_time import to_ms
from stream.treatment.policy import minutes
from stream.treatment.told import NEW, REPEATED, Told
from stream.treatment.turn import Moment, Turn


def tell(customer: Customer, event: CustomerRecord, moment: Moment, turns: list[Turn]) -> Told:
    """The newest record counts."""
    if customer.profile is not None and to_ms(event.updated_at) < customer.profile.updated_at:
        return REPEATED
    customer.profile = Profile(
        updated_at=to_ms(event.updated_at),
        jurisdiction=event.jurisdiction,
        time_zone=event.time_zone,
        language=event.language,
        region=event.region or "",
        consents={
            name: 0 if channel.since is None else max(0, to_ms(channel.since))
            for name, channel in event.channels.items()
            if channel.consent
        },
        preferred=event.preferred_channel or "",
        quiet=[
            Quiet(minutes(each.from_), minutes(each.to), [DAYS.index(day) for day in each.days or ()])
            for each in event.quiet or ()
        ],
        vulnerabilities=list(event.vulnerabilities or ()),
        segment=event.segment or "",
    )
    return NEW
