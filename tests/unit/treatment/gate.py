"""A customer, an instant and a question to the gate, for the tests of what may be said and when."""

from __future__ import annotations

import datetime as dt
from typing import Any
from zoneinfo import ZoneInfo

from stream.tables.customer import Contact, Customer, Hold, Nudge, Profile
from stream.treatment.local_time import DAY, to_ms
from stream.treatment.permission import HOUR, Subject, Verdict, may_contact
from stream.treatment.policy import default_text, load

POLICY = load(default_text())


def at(text: str, tz: str = "Europe/London", fold: int = 0) -> int:
    """A local wall time as an instant."""
    return to_ms(dt.datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(tz), fold=fold))


NOON = at("2026-03-04 12:00")
"""A Wednesday in London."""


def person(**fields: Any) -> Customer:
    profile = {"updated_at": 0, "jurisdiction": "GB", "time_zone": "Europe/London", "language": "en"}
    changes = {key: fields.pop(key) for key in list(fields) if key in Profile.__struct_fields__}
    profile |= {"consents": {"sms": 0, "email": 0, "letter": 0}} | changes
    return Customer("C1", profile=Profile(**profile), **fields)


def ask(customer: Customer, clock: int = NOON, channel: str = "sms", **settings: Any) -> Verdict:
    """What the gate says of a nudge about account A1, unless the subject is told otherwise."""
    policy = settings.pop("policy", POLICY)
    gate = {name: settings.pop(name) for name in ("operator", "contact_from") if name in settings}
    return may_contact(customer, channel, clock, policy, Subject(**{"account_ids": ["A1"]} | settings), **gate)


def nudge(not_before: int, **fields: Any) -> Nudge:
    told = {"nudge_id": "N", "treatment": "bounce_explained", "channel": "sms", "account_ids": ["A1"], "signal_ids": []}
    return Nudge(**told | {"not_before": not_before, "not_after": not_before + HOUR} | fields)


def hold(
    kind: str = "breathing_space", placed: int = NOON - DAY, until: int | None = None, **fields: Any
) -> dict[str, Hold]:
    return {"H": Hold("H", kind, placed, placed, until, **fields)}


def contacts(*told: Contact) -> dict[str, Contact]:
    return {f"K{number}": each for number, each in enumerate(told)}


def call(when: int, **fields: Any) -> Contact:
    """A call that a person made about account A1, and that reached the other end."""
    return Contact(**{"at": when, "channel": "voice", "account_id": "A1", "outbound": True, "told_at": when} | fields)
