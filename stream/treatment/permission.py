"""The gate before every nudge: may this customer be contacted, how, about what, and until when?

It fails closed: what is not known is refused. Every rule is a `Check` that can say from when it permits and
how long; the answer is the first instant that all permit, and the end of the stretch in which none of them
forbids. So no instant in [not_before, not_after) is forbidden by anything known at the clock. Every verdict
carries the rules with the counters they used.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal
from zoneinfo import ZoneInfo

from stream.tables.customer import Customer, Nudge, Profile, Quiet
from stream.treatment.local_time import DAY, LATEST, from_ms, instant, local_date, start_of_day, zone
from stream.treatment.policy import Cap, Hours, Policy, Rule, minutes

Result = Literal["allow", "defer", "refuse"]
Counters = dict[str, int]
Span = tuple[int, int | None]
"""A forbidden stretch [from, until); None is open-ended."""

FAR: Final = LATEST
HOUR: Final = 3_600_000
_MAX_ROUNDS: Final = 2_000
"""More turns than a year of nights has; beyond, no permitted instant is near enough to wait for."""


@dataclass(frozen=True, slots=True)
class Check:
    """One rule, made ready for one customer, channel and set of accounts."""

    rule: Rule
    counters: Counters
    clear_at: Callable[[int], int | None]
    """The first instant at or after the given one that the rule permits; None where it never does."""
    until: Callable[[int], int]
    """The next instant after a permitted one at which the rule forbids."""
    because: str = ""
    """What a withdrawal says where this rule comes to forbid a nudge that was issued."""
    backdates: bool = False
    """Whether it may come to forbid an instant that has passed (a hold placed late)."""
    lasting: bool = True
    """Whether it goes on binding a nudge after it was issued."""


@dataclass(frozen=True, slots=True)
class RuleVerdict:
    """What one rule said at the clock, and with which counters."""

    rule: Rule
    verdict: Result
    counters: Counters


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer of the gate for one channel."""

    result: Result
    channel: str
    not_before: int = 0
    """The next permitted instant; the clock itself where the result is `allow`."""
    not_after: int = 0
    """The end of the permitted stretch that starts at `not_before`."""
    rules: tuple[RuleVerdict, ...] = ()

    @property
    def failing(self) -> tuple[str, ...]:
        """The ids of the rules that did not allow."""
        return tuple(verdict.rule.id for verdict in self.rules if verdict.verdict != "allow")


@dataclass(frozen=True, slots=True)
class Operator:
    """What operators have said for all customers of the partition."""

    stopped: bool = False
    snoozes: dict[str, int | None] = field(default_factory=dict)


# --- kinds of checks


def _always(rule: Rule, permitted: bool, counters: Counters, because: str) -> Check:
    def clear_at(at: int) -> int | None:
        return at if permitted else None

    return Check(rule, counters, clear_at, lambda at: FAR, because)


def _never_within(
    rule: Rule, spans: Iterable[Span], counters: Counters, because: str, backdates: bool
) -> Check:
    ordered = sorted(
        (span for span in spans if span[1] is None or span[1] > span[0]), key=lambda span: span[0]
    )

    def clear_at(at: int) -> int | None:
        for start, end in ordered:
            if start > at:
                break
            if end is None:
                return None
            at = max(at, end)
        return at

    def until(at: int) -> int:
        return min((start for start, _ in ordered if start > at), default=FAR)

    return Check(rule, counters, clear_at, until, because, backdates)


def _within_hours(rule: Hours, tz: ZoneInfo, clock: int) -> Check:
    opens, closes = minutes(rule.opens), minutes(rule.closes)

    def opening(at: int) -> Span:
        day = local_date(at, tz)
        while True:
            start, end = instant(day, opens, tz, True), instant(day, closes, tz, False)
            if end > at and end > start:
                return start, end
            day += dt.timedelta(days=1)

    def until(at: int) -> int:
        end = opening(at)[1]
        assert end is not None
        return end

    return Check(
        rule,
        {"local_minute": minute_of_day(clock, tz)},
        lambda at: max(at, opening(at)[0]),
        until,
        "contact_hours",
    )


def _outside_quiet(rule: Rule, quiet: Sequence[Quiet], tz: ZoneInfo, clock: int) -> Check:
    def spans(first: dt.date, days: int) -> list[tuple[int, int]]:
        found = []
        for offset in range(days):
            day = first + dt.timedelta(days=offset)
            for stretch in quiet:
                if stretch.days and day.weekday() not in stretch.days:
                    continue
                # Equal ends mean the whole day: the reading that forbids more.
                end = stretch.end if stretch.end > stretch.start else stretch.end + 1440
                # The roles of opening and closing are swapped: what is quiet begins early and ends late.
                found.append((instant(day, stretch.start, tz, False), instant(day, end, tz, True)))
        return sorted(span for span in found if span[1] > span[0])

    def clear_at(at: int) -> int | None:
        for _ in range(32):
            moved = at
            for start, end in spans(local_date(at, tz) - dt.timedelta(days=1), 3):
                if start <= moved < end:
                    moved = end
            if moved == at:
                return at
            at = moved
        return None

    def until(at: int) -> int:
        # Quiet hours repeat weekly, so eight days ahead show the next stretch if there is one.
        ahead = spans(local_date(at, tz) - dt.timedelta(days=1), 10)
        return min((start for start, _ in ahead if start > at), default=FAR)

    counters: Counters = {"local_minute": minute_of_day(clock, tz), "stretches": len(quiet)}
    return Check(rule, counters, clear_at, until, "quiet_hours")


def _below_cap(rule: Cap, days: Sequence[dt.date], tz: ZoneInfo, clock: int) -> Check:
    def counted(day: dt.date) -> int:
        return sum((day - earlier).days < rule.days for earlier in days)

    def clear_at(at: int) -> int | None:
        day = local_date(at, tz)
        if counted(day) < rule.limit:
            return at
        while counted(day) >= rule.limit:
            day += dt.timedelta(days=1)
        return max(at, start_of_day(day, tz))

    counters: Counters = {"nudges": counted(local_date(clock, tz)), "limit": rule.limit, "days": rule.days}
    return Check(rule, counters, clear_at, lambda at: FAR, "cap", lasting=False)


# --- the rules of one customer


def minute_of_day(ms: int, tz: ZoneInfo) -> int:
    """Minutes since local midnight, by the clock on the wall."""
    local = from_ms(ms).astimezone(tz)
    return local.hour * 60 + local.minute


def hold_spans(customer: Customer, account_ids: Sequence[str], channel: str) -> list[tuple[str, Span]]:
    """The stretches that the customer's own holds forbid, with their kinds, in scope of the
    accounts and channel.
    """
    spans: list[tuple[str, Span]] = [
        (hold.kind, (hold.placed_at, hold.until))
        for hold in customer.holds.values()
        if (not hold.account_id or hold.account_id in account_ids) and hold.channel in ("", channel)
    ]
    # What a signal proposes binds for as long as the signal stands, until a person has decided.
    spans += [
        (signal.proposes_hold, (signal.started, None))
        for signal in customer.signals.values()
        if signal.proposes_hold
        and (signal.proposes_hold not in ACCOUNT_HOLDS or signal.account_id in account_ids)
    ]
    return spans


ACCOUNT_HOLDS: Final = frozenset({"dispute", "hardship_plan"})
"""Kinds whose scope is an account, where they name one."""


def shared_spans(customer: Customer, account_ids: Sequence[str], policy: Policy) -> list[tuple[str, Span]]:
    """The stretches that other holders' holds forbid on the accounts."""
    return [
        (pause.kind, (pause.start, pause.until))
        for account_id in account_ids
        if (account := customer.accounts.get(account_id)) is not None
        for pause in account.pauses
        if pause.kind in policy.holds.shared
    ]


def snooze_spans(snoozes: Iterable[dict[str, int | None]], detectors: Sequence[str]) -> list[Span]:
    """The stretches that operators' snoozes forbid:

    for everything, or where all detectors behind a nudge are snoozed.
    """
    held = list(snoozes)
    spans: list[Span] = [(0, silence[""]) for silence in held if "" in silence]
    ends: list[int | None] = []
    for detector in detectors:
        mine = [silence[detector] for silence in held if detector in silence]
        if not mine:
            return spans
        ends.append(None if None in mine else max(end for end in mine if end is not None))
    if ends:
        spans.append((0, min((end for end in ends if end is not None), default=None)))
    return spans


def _in_force(kinds: Iterable[tuple[str, Span]], clock: int) -> Counters:
    """How many stretches of each kind cover the clock."""
    return dict(
        sorted(
            Counter(
                kind for kind, (start, end) in kinds if start <= clock and (end is None or clock < end)
            ).items()
        )
    )


def _profile_checks(
    profile: Profile, channel: str, policy: Policy, clock: int, customer: Customer
) -> list[Check]:
    basics = policy.basics
    since = profile.consents.get(channel)
    blocked_at = customer.blocked.get(channel)
    if since is None:
        consent = _always(basics.consent, False, {channel: 0}, "consent_withdrawn")
    else:
        consent = _never_within(basics.consent, [(0, since)], {channel: 1}, "consent_withdrawn", False)
    # Only a consent that was given after the opt-out opens the channel again; one of unknown date does not.
    open_again = blocked_at is None or (since is not None and since > blocked_at)
    return [
        consent,
        _always(basics.channel_open, open_again, {channel: int(open_again)}, "opted_out"),
        _always(
            basics.no_economic_abuse,
            "economic_abuse" not in profile.vulnerabilities,
            {},
            "customer_needs_a_person",
        ),
    ]


def _calendar_checks(
    customer: Customer, profile: Profile, tz: ZoneInfo, channel: str, policy: Policy, clock: int
) -> list[Check]:
    pack = policy.pack(profile.jurisdiction, profile.region)
    checks: list[Check] = []
    if channel in pack.hours.channels:
        checks.append(_within_hours(pack.hours, tz, clock))
    if channel in pack.quiet.channels and profile.quiet:
        checks.append(_outside_quiet(pack.quiet, profile.quiet, tz, clock))
    days = [local_date(nudge.not_before, tz) for nudge in customer.nudges if nudge.counts]
    checks.extend(_below_cap(cap, days, tz, clock) for cap in pack.caps)
    return checks


def checks(
    customer: Customer,
    account_ids: Sequence[str],
    channel: str,
    clock: int,
    policy: Policy,
    *,
    operator: Operator,
    detectors: Sequence[str] = (),
    contact_from: int | None = None,
    subject_at: int | None = None,
) -> list[Check]:
    """Every rule that binds a nudge about these accounts on this channel, in the order a person
    would ask them.
    """
    basics, profile = policy.basics, customer.profile
    found = [_always(basics.customer_known, profile is not None, {}, "customer_unknown")]
    tz = zone(profile.time_zone) if profile is not None else None
    found.append(_always(basics.zone_known, tz is not None, {}, "zone_unknown"))
    if profile is not None:
        found += _profile_checks(profile, channel, policy, clock, customer)
    guarantor = any(
        (account := customer.accounts.get(account_id)) is not None and account.role == "guarantor"
        for account_id in account_ids
    )
    found.append(_always(basics.own_account, not guarantor, {}, "not_a_holder"))
    holds = hold_spans(customer, account_ids, channel)
    if customer.overflow:
        holds.append(("more_than_can_be_kept", (0, None)))
    found.append(
        _never_within(
            basics.no_hold, [span for _, span in holds], _in_force(holds, clock), "hold_placed", True
        )
    )
    shared = shared_spans(customer, account_ids, policy)
    counters = _in_force(shared, clock)
    found.append(
        _never_within(
            basics.no_shared_hold, [span for _, span in shared], counters, "shared_hold_placed", True
        )
    )
    cases = [(case.opened_at, case.closed_at) for case in customer.cases.values()]
    is_open = sum(start <= clock and (end is None or clock < end) for start, end in cases)
    found.append(_never_within(basics.no_open_case, cases, {"open": is_open}, "case_opened", True))
    stopped = operator.stopped or customer.stopped
    found.append(_always(basics.not_stopped, not stopped, {"stopped": int(stopped)}, "nudges_stopped"))
    snoozes = snooze_spans((operator.snoozes, customer.snoozes), detectors)
    found.append(_never_within(basics.not_snoozed, snoozes, {"snoozes": len(snoozes)}, "snoozed", False))
    if contact_from is not None:
        stale = subject_at is not None and subject_at < contact_from
        silence: list[Span] = [(0, None if stale else contact_from)]
        found.append(_never_within(basics.contact_from, silence, {}, "before_contact_from", False))
    if profile is not None and tz is not None:
        found += _calendar_checks(customer, profile, tz, channel, policy, clock)
    today = dt.date(1970, 1, 1) + dt.timedelta(days=clock // DAY)
    return [check for check in found if check.rule.in_force <= today]


def judge(found: Sequence[Check], channel: str, clock: int, policy: Policy) -> Verdict:
    """The first stretch at or after the clock that every rule permits, and what each rule says at
    the clock.
    """
    at = clock
    end = 0
    blocking: Check | None = None
    for _ in range(_MAX_ROUNDS):
        moved = at
        for check in found:
            clear = check.clear_at(moved)
            if clear is None or clear >= FAR:
                return _answer(found, "refuse", channel, clock, 0, 0, check)
            moved = clear
        if moved != at:
            at = moved
            continue
        closing = min(found, key=lambda check: check.until(at))
        end = min(closing.until(at), at + policy.window_hours[channel] * HOUR)  # type: ignore[index]
        if end - at >= policy.shortest_window_seconds * 1000:
            return _answer(found, "allow" if at == clock else "defer", channel, clock, at, end, blocking)
        blocking = blocking or closing
        at = end
    return _answer(found, "refuse", channel, clock, 0, 0, blocking)


def _answer(
    found: Sequence[Check],
    result: Result,
    channel: str,
    clock: int,
    at: int,
    end: int,
    blocking: Check | None,
) -> Verdict:
    rules = []
    for check in found:
        clear = check.clear_at(clock)
        verdict: Result = "allow" if clear == clock else "refuse" if clear is None else "defer"
        if check is blocking and verdict != "refuse":
            verdict = "refuse" if result == "refuse" else "defer"
        rules.append(RuleVerdict(check.rule, verdict, check.counters))
    return Verdict(result, channel, at, end, tuple(rules))


def may_contact(
    customer: Customer,
    account_ids: Sequence[str],
    channel: str,
    clock: int,
    policy: Policy,
    *,
    operator: Operator | None = None,
    detectors: Sequence[str] = (),
    contact_from: int | None = None,
    subject_at: int | None = None,
) -> Verdict:
    """Whether a nudge about `account_ids` may go out on `channel` at `clock` (ms), and in which stretch.

    `allow`: now, until `not_after`. `defer`: from `not_before` on, by all that is known. `refuse`: no instant
    is known at which it would be permitted. `detectors` are those behind the nudge, for snoozes; `subject_at`
    is when what it speaks of was last seen.
    """
    found = checks(
        customer, account_ids, channel, clock, policy, operator=operator or Operator(), detectors=detectors,
        contact_from=contact_from, subject_at=subject_at,
    )  # fmt: skip
    return judge(found, channel, clock, policy)


def breach(nudge: Nudge, found: Sequence[Check], clock: int) -> Check | None:
    """The first rule that has come to forbid an instant in which an issued nudge may be, or have been, sent.

    Rules that may be told late (holds, cases) are held against the whole stretch, others against what is left
    of it.
    """
    for check in found:
        if not check.lasting:
            continue
        start = nudge.not_before if check.backdates else max(clock, nudge.not_before)
        if start < nudge.not_after and (
            check.clear_at(start) != start or check.until(start) < nudge.not_after
        ):
            return check
    return None
