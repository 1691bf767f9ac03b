"""Holds: how long each lasts, and what it forbids.

A hold binds in [placed_at, until). What it was told to end at counts; without that the policy's length for its kind and the
customer's place; without either it lasts until it is lifted. A lifting always ends it.
"""

from __future__ import annotations

import datetime as dt
from calendar import monthrange
from collections.abc import Mapping, Sequence
from zoneinfo import ZoneInfo

from stream.contracts.holds import HoldRecord
from stream.tables.customer import Customer, Hold, Profile
from stream.treatment.local_time import DAY, local_date, start_of_day, to_ms, to_ms_or_none, zone
from stream.treatment.policy import HoldLength, Policy

Span = tuple[int, int | None]
"""A stretch [from, until); None is open-ended."""

UTC = ZoneInfo("UTC")


def told(event: HoldRecord, known: Hold | None) -> Hold | None:
    """The hold as its record tells it, given what was known of it; None where something newer has been told."""
    occurred_at, placed_at = to_ms(event.occurred_at), to_ms(event.placed_at)
    if known is not None and known.occurred_at > occurred_at:
        return None
    return Hold(
        event.hold_id, event.kind, occurred_at, placed_at,
        account_id=event.account_id or "",
        channel=event.channel or "",
        lifted=event.lifted_at is not None,
        ends_at=to_ms_or_none(event.ends_at),
        treatment_ended_at=to_ms_or_none(event.treatment_ended_at),
        lifted_at=to_ms_or_none(event.lifted_at),
        # Placed anew, it counts from there; told again as it was placed, it is renewed.
        renewals=known.renewals + (known.occurred_at < occurred_at) if known and known.placed_at == placed_at else 0,
    )  # fmt: skip


def until(hold: Hold, profile: Profile | None, policy: Policy) -> int | None:
    """When a hold ends by all that is known (ms); None where only a lifting ends it."""
    ends = [] if hold.ends_at is None else [hold.ends_at]
    length = _length(hold.kind, profile, policy)
    if length is not None:
        tz = (zone(profile.time_zone) if profile is not None else None) or UTC
        if length.after_treatment:
            if hold.treatment_ended_at is not None:
                ends.append(_last(hold.treatment_ended_at, length, 1, tz))
        elif not ends:
            ends.append(_last(hold.placed_at, length, 1 + min(hold.renewals, length.renewals), tz))
    end = max(ends, default=None)
    if hold.lifted_at is not None:
        return hold.lifted_at if end is None else min(end, hold.lifted_at)
    return end


def _length(kind: str, profile: Profile | None, policy: Policy) -> HoldLength | None:
    mine = [each for each in policy.hold_lengths if each.kind == kind]
    if profile is not None:
        for place in (profile.region, profile.jurisdiction):
            for each in mine:
                if place and place in each.places:
                    return each
    return next((each for each in mine if not each.places), None)


def _last(start: int, length: HoldLength, times: int, tz: ZoneInfo) -> int:
    """The first instant after the last local day of `times` lengths, day 1 being the day after `start`."""
    day = local_date(start, tz)
    months = day.year * 12 + day.month - 1 + length.months * times
    year, month = divmod(months, 12)
    if length.months:
        day = dt.date(year, month + 1, min(day.day, monthrange(year, month + 1)[1]))
    count = length.days * times + 1
    end = start_of_day(day + dt.timedelta(days=count), tz)
    # A day that a zone skipped is not one of them.
    skipped = end - start_of_day(day, tz) < count * DAY - DAY // 2
    return start_of_day(day + dt.timedelta(days=count + 1), tz) if skipped else end


def settle(customer: Customer, policy: Policy) -> None:
    """Brings the end of every hold up to date: a customer's place and zone may become known after the hold. What a signal
    proposes is decided once the holds feed has told of one of its kind since the signal's last word; nothing less decides it.
    """
    for hold in customer.holds.values():
        hold.until = until(hold, customer.profile, policy)
    for signal in customer.signals.values():
        if signal.proposes_hold and not signal.decided:
            signal.decided = any(
                hold.kind == signal.proposes_hold and not hold.provisional and hold.occurred_at >= signal.at
                for hold in customer.holds.values()
            )


def in_force(hold: Hold, clock: int) -> bool:
    """Whether a hold binds at an instant."""
    return hold.placed_at <= clock and (hold.until is None or clock < hold.until)


def own(customer: Customer, account_ids: Sequence[str], channel: str, treatment: str, policy: Policy) -> list[tuple[str, Span]]:
    """The stretches that the customer's own holds forbid a treatment, with their kinds: in scope of its accounts and channel.

    What a signal proposes binds for as long as the signal stands, until a person has decided.
    """
    spans: list[tuple[str, Span]] = [
        (hold.kind, (hold.placed_at, hold.until))
        for hold in customer.holds.values()
        if (not hold.account_id or not account_ids or hold.account_id in account_ids or hold.kind in OF_PERSONS)
        and hold.channel in ("", channel)
        and not _allows(hold.kind, treatment, policy)
    ]
    spans += [
        (signal.proposes_hold, (signal.started, signal.expires_at))
        for signal in customer.signals.values()
        if signal.proposes_hold
        and not signal.decided
        and (signal.proposes_hold not in OF_ACCOUNTS or not account_ids or signal.account_id in account_ids)
    ]
    return spans


def _allows(kind: str, treatment: str, policy: Policy) -> bool:
    allowed: Mapping[str, tuple[str, ...]] = policy.holds.allows  # type: ignore[assignment]
    return treatment in allowed.get(kind, ())


OF_PERSONS = frozenset({"bereavement", "insolvency", "mental_capacity", "vulnerable_review", "fraud"})
"""Kinds whose scope is the person, whatever account they name."""
OF_ACCOUNTS = frozenset({"dispute", "hardship_plan"})
"""Kinds whose scope is an account, where they name one."""


def shared(customer: Customer, account_ids: Sequence[str], treatment: str, policy: Policy) -> list[tuple[str, Span]]:
    """The stretches that other holders' holds forbid on the accounts."""
    spans: list[tuple[str, Span]] = []
    for account_id in account_ids or customer.accounts:
        account = customer.accounts.get(account_id)
        if account is not None:
            spans += [
                (pause.kind, (pause.start, pause.until))
                for pause in account.pauses
                if pause.kind in policy.holds.shared and not _allows(pause.kind, treatment, policy)
            ]
    return spans
