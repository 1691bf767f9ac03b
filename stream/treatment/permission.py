"""The gate before every nudge: may this customer be contacted, how, about what, and until when?

It fails closed: what is not known is refused. Every rule is a `Check` that can say from when it permits and
how long; the answer is the first instant that all permit, and the end of the stretch in which none of them
forbids. So no instant in [not_before, not_after) is forbidden by anything known at the clock. Every verdict
carries the rules with the counters they used. Which rules with figures bind is the pack's matter.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType
from typing import Final, Literal
from zoneinfo import ZoneInfo

import msgspec

from stream.contracts.vocabulary import DAYS
from stream.reference.public_holidays import is_holiday
from stream.tables.customer import Contact, Customer, Nudge, Profile
from stream.treatment import holds
from stream.treatment.checks import FAR, BelowCap, Check, Counters, OpenDays, OutsideQuiet, Spans, WithinHours
from stream.treatment.holds import Span
from stream.treatment.local_time import DAY, local_date, start_of_day, zone
from stream.treatment.policy import Cap, ClosedDays, Gap, Policy, Rule

Result = Literal["allow", "defer", "refuse"]

HOUR: Final = 3_600_000
_MAX_ROUNDS: Final = 2_000
"""More turns than a year of nights has; beyond, no permitted instant is near enough to wait for."""


class RuleVerdict(msgspec.Struct, frozen=True):
    """What one rule said at the instant that was asked about, and with which counters."""

    rule: Rule
    verdict: Result
    counters: Counters


class Verdict(msgspec.Struct, frozen=True):
    """The answer of the gate for one channel."""

    result: Result
    channel: str
    not_before: int = 0
    """The next permitted instant; the one asked about where the result is `allow`."""
    not_after: int = 0
    """The end of the permitted stretch that starts at `not_before`."""
    rules: tuple[RuleVerdict, ...] = ()
    waits: bool = False
    """Refused only until a person has given a word."""

    @property
    def failing(self) -> tuple[str, ...]:
        """The ids of the rules that did not allow."""
        return tuple(verdict.rule.id for verdict in self.rules if verdict.verdict != "allow")


class Operator(msgspec.Struct, frozen=True):
    """What operators have said for all customers of the partition."""

    stopped: bool = False
    snoozes: Mapping[str, int | None] = MappingProxyType({})


class Subject(msgspec.Struct, frozen=True):
    """What a nudge would be about."""

    treatment: str = ""
    account_ids: Sequence[str] = ()
    detectors: Sequence[str] = ()
    """Those behind it, for snoozes."""
    seen_at: int | None = None
    """When what it speaks of was last seen."""
    nudge_id: str = ""
    """The nudge itself, where it was issued: it does not stand in its own way."""
    opens: int = 0
    closes: int = 0
    """The stretch in which it makes sense, where it is bound to a date."""


# --- the rules of one customer


def snooze_spans(snoozes: Iterable[Mapping[str, int | None]], detectors: Sequence[str]) -> list[Span]:
    """The stretches that operators' snoozes forbid:

    for everything, or where all detectors behind a nudge are snoozed.
    """
    held = [each for each in snoozes if each]
    if not held:
        return []
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


def _in_force(kinds: Sequence[tuple[str, Span]], at: int) -> Counters:
    """How many stretches of each kind cover an instant."""
    if not kinds:
        return {}
    found = Counter(kind for kind, (start, end) in kinds if start <= at and (end is None or at < end))
    return dict(sorted(found.items()))


def _profile_checks(profile: Profile, channel: str, policy: Policy, customer: Customer) -> list[Check]:
    basics = policy.basics
    since = profile.consents.get(channel)
    blocked_at = customer.blocked.get(channel)
    consent: Check
    if not since:
        consent = Check(basics.consent, "consent_withdrawn", {channel: int(since is not None)}, permitted=since is not None)
    else:
        consent = Spans(basics.consent, "consent_withdrawn", {channel: 1}, [(0, since)])
    # Only a consent that was given after the opt-out opens the channel again; one of unknown date does not.
    open_again = blocked_at is None or (since is not None and since > blocked_at)
    safe = "economic_abuse" not in profile.vulnerabilities
    return [
        consent,
        Check(basics.channel_open, "opted_out", {channel: int(open_again)}, permitted=open_again),
        Check(basics.no_economic_abuse, "customer_needs_a_person", {}, permitted=safe),
    ]


@cache
def _weekdays(days: tuple[str, ...]) -> frozenset[int]:
    return frozenset(DAYS.index(day) for day in days)


def _calendar_checks(
    customer: Customer, profile: Profile, tz: ZoneInfo, channel: str, policy: Policy, at: int, subject: Subject
) -> list[Check]:
    book = policy.book(profile.jurisdiction, profile.region)
    found: list[Check] = [
        WithinHours.of(rule, tz, at, _weekdays(rule.days))
        for rule in book.hours
        if channel in rule.channels and rule.segment in ("", profile.segment)
    ]
    found += [OpenDays.of(rule, tz, at, _closed(rule, profile)) for rule in book.closed_days if channel in rule.channels]
    if profile.quiet:
        found += [OutsideQuiet.of(rule, profile.quiet, tz, at) for rule in book.quiet if channel in rule.channels]
    for cap in book.caps:
        if not cap.channels or channel in cap.channels:
            found.append(BelowCap.of(cap, _days(customer, cap, tz, subject), tz, at))
    found += [_after_talk(customer, rule, tz, subject, at) for rule in book.gaps if channel in rule.channels]
    return found


def _closed(rule: ClosedDays, profile: Profile) -> Closed:
    return Closed(_weekdays(rule.days), rule.holidays, profile.jurisdiction, profile.region)


@dataclass(frozen=True, slots=True)
class Closed:
    """Whether a day is closed by weekday or as a holiday."""

    weekdays: frozenset[int]
    holidays: bool
    country: str
    region: str

    def __call__(self, day: dt.date) -> bool:
        return day.weekday() in self.weekdays or (self.holidays and is_holiday(self.country, self.region, day))


def _accounts(customer: Customer, rule: Cap | Gap, subject: Subject) -> Sequence[str]:
    """The accounts that are counted by themselves; one without a name where the rule counts by person.

    What is about no account is about all of them.
    """
    if rule.per == "person":
        return ("",)
    return subject.account_ids or sorted({"", *customer.accounts, *(each.account_id for each in customer.contacts.values())})


def _days(customer: Customer, cap: Cap, tz: ZoneInfo, subject: Subject) -> list[list[dt.date]]:
    """The local days of what a cap counts, by account. A nudge that an outcome tells of is counted as that contact."""
    if not customer.nudges and not customer.contacts:
        return []
    if cap.counts == "nudges":
        mine = (each for each in customer.nudges if each.counts and each.nudge_id != subject.nudge_id)
        return [[local_date(each.not_before, tz) for each in mine]]
    contacts = [
        each
        for each in customer.contacts.values()
        if each.outbound
        and (not cap.channels or each.channel in cap.channels)
        and (each.connected or cap.counts == "contacts")
        and (not each.nudge_id or each.nudge_id != subject.nudge_id)
    ]
    told = {each.nudge_id for each in customer.contacts.values() if each.outbound and each.nudge_id}
    nudges = [
        each
        for each in customer.nudges
        if each.counts
        and (not cap.channels or each.channel in cap.channels)
        and each.nudge_id not in told
        and each.nudge_id != subject.nudge_id
    ]
    found = []
    for account_id in _accounts(customer, cap, subject):
        days = [local_date(each.at, tz) for each in contacts if _about(each, account_id)]
        days += [
            local_date(each.not_before, tz)
            for each in nudges
            if not account_id or not each.account_ids or account_id in each.account_ids
        ]
        found.append(days)
    return found


def _about(contact: Contact, account_id: str) -> bool:
    return not account_id or contact.anywhere or contact.account_id in ("", account_id)


def _after_talk(customer: Customer, rule: Gap, tz: ZoneInfo, subject: Subject, at: int) -> Check:
    accounts = _accounts(customer, rule, subject)
    spans: list[Span] = []
    for contact in customer.contacts.values():
        if contact.talked_at and contact.channel in rule.channels and any(_about(contact, each) for each in accounts):
            day = local_date(contact.talked_at, tz)
            spans.append((start_of_day(day, tz), start_of_day(day + dt.timedelta(days=rule.days), tz)))
    now = sum(start <= at and (end is None or at < end) for start, end in spans)
    return Spans(rule, "contact_cap", {"conversations": now, "days": rule.days}, spans)


class Gate:
    """The rules that bind a nudge about a subject, made ready for one customer; what holds for every channel is worked out once.
    """

    __slots__ = ("_after", "_at", "_before", "_customer", "_policy", "_subject", "_tz")

    def __init__(
        self,
        customer: Customer,
        at: int,
        policy: Policy,
        subject: Subject,
        *,
        operator: Operator,
        contact_from: int | None = None,
    ) -> None:
        self._customer, self._at, self._policy, self._subject = customer, at, policy, subject
        basics, profile = policy.basics, customer.profile
        self._tz = zone(profile.time_zone) if profile is not None else None
        self._before = [
            Check(basics.customer_known, "customer_unknown", {}, permitted=profile is not None),
            Check(basics.zone_known, "zone_unknown", {}, permitted=self._tz is not None),
        ]
        self._after = self._common(operator, contact_from)

    def _common(self, operator: Operator, contact_from: int | None) -> list[Check]:
        customer, at, subject, basics = self._customer, self._at, self._subject, self._policy.basics
        shared = holds.shared(customer, subject.account_ids, subject.treatment, self._policy)
        spans = [span for _, span in shared]
        found: list[Check] = [
            Spans(basics.no_shared_hold, "shared_hold_placed", _in_force(shared, at), spans, backdates=True)
        ]
        cases: list[Span] = [(case.opened_at, case.closed_at) for case in customer.cases.values()]
        is_open = sum(start <= at and (end is None or at < end) for start, end in cases)
        found.append(Spans(basics.no_open_case, "case_opened", {"open": is_open}, cases, backdates=True))
        stopped = operator.stopped or customer.stopped
        found.append(Check(basics.not_stopped, "nudges_stopped", {"stopped": int(stopped)}, permitted=not stopped))
        snoozes = snooze_spans((operator.snoozes, customer.snoozes), subject.detectors)
        found.append(Spans(basics.not_snoozed, "snoozed", {"snoozes": len(snoozes)}, snoozes))
        if contact_from is not None:
            stale = subject.seen_at is not None and subject.seen_at < contact_from
            found.append(Spans(basics.contact_from, "before_contact_from", {}, [(0, None if stale else contact_from)]))
        if subject.closes:
            window: list[Span] = [(0, subject.opens), (subject.closes, None)]
            found.append(Spans(basics.in_time, "date_past", {}, window))
        treatments = self._policy.treatments
        days = treatments[subject.treatment].cool_down_days if subject.treatment in treatments else 0
        if days and not subject.nudge_id:
            given = [each.not_before for each in customer.nudges if each.counts and each.treatment == subject.treatment]
            rest: list[Span] = [(0, max(given) + days * DAY)] if given else []
            found.append(Spans(basics.cool_down, "cool_down", {"given": len(given), "days": days}, rest, lasting=False))
        return found

    def checks(self, channel: str) -> list[Check]:
        """Every rule that binds on a channel from the instant on, in the order a person would ask them."""
        customer, at, policy, account_ids = self._customer, self._at, self._policy, self._subject.account_ids
        basics, profile = policy.basics, customer.profile
        found = list(self._before)
        if profile is not None:
            found += _profile_checks(profile, channel, policy, customer)
        guarantor = any(
            account_id in customer.left
            or ((account := customer.accounts.get(account_id)) is not None and account.role == "guarantor")
            for account_id in account_ids
        )
        found.append(Check(basics.own_account, "not_a_holder", {}, permitted=not guarantor))
        own = holds.own(customer, account_ids, channel, self._subject.treatment, policy)
        if customer.overflow:
            own.append(("more_than_can_be_kept", (0, None)))
        if customer.crowded_until:
            own.append(("more_than_can_be_kept", (0, customer.crowded_until)))
        found.append(Spans(basics.no_hold, "hold_placed", _in_force(own, at), [span for _, span in own], backdates=True))
        found += self._after
        if profile is not None and self._tz is not None:
            found += _calendar_checks(customer, profile, self._tz, channel, policy, at, self._subject)
        today = dt.date(1970, 1, 1) + dt.timedelta(days=at // DAY)
        return [check for check in found if check.rule.in_force <= today]

    @property
    def shut(self) -> bool:
        """Whether no instant is permitted on any channel, by a rule that does not ask for the channel."""
        return any(check.clear_at(self._at) is None for check in (*self._before, *self._after))


class Answer(msgspec.Struct, frozen=True):
    """When all rules permit, before each is asked for its own word."""

    result: Result
    channel: str
    found: Sequence[Check]
    asked: int
    at: int
    end: int
    blocking: Check | None

    def verdict(self) -> Verdict:
        """The answer with what each rule says of the instant that was asked about."""
        return _verdict(self)


def judge(found: Sequence[Check], channel: str, at: int, policy: Policy) -> Answer:
    """The first stretch at or after an instant that every rule permits."""
    asked = at
    blocking: Check | None = None
    binding = [check for check in found if not check.open]
    for _ in range(_MAX_ROUNDS):
        moved = at
        for check in binding:
            clear = check.clear_at(moved)
            if clear is None or clear >= FAR:
                return Answer("refuse", channel, found, asked, 0, 0, check)
            moved = clear
        if moved != at:
            at = moved
            continue
        end = at + policy.window_hours[channel] * HOUR  # type: ignore[index]
        closing = found[0]
        for check in binding:
            closes = check.until(at)
            if closes < end:
                end, closing = closes, check
        if end - at >= policy.shortest_window_seconds * 1000:
            return Answer("allow" if at == asked else "defer", channel, found, asked, at, end, blocking)
        blocking = blocking or closing
        at = end
    return Answer("refuse", channel, found, asked, 0, 0, blocking)


def _verdict(answer: Answer) -> Verdict:
    found, asked, result = answer.found, answer.asked, answer.result
    if result == "allow":
        rules = [RuleVerdict(each.rule, "allow", each.counters) for each in found]
        return Verdict(result, answer.channel, answer.at, answer.end, tuple(rules))
    rules = []
    against: list[Check] = []
    for check in found:
        clear = check.clear_at(asked)
        verdict: Result = "allow" if clear == asked else "refuse" if clear is None else "defer"
        if check is answer.blocking and verdict != "refuse":
            verdict = "refuse" if result == "refuse" else "defer"
        if verdict == "refuse":
            against.append(check)
        rules.append(RuleVerdict(check.rule, verdict, check.counters))
    waits = bool(against) and all(check.waits for check in against)
    return Verdict(result, answer.channel, answer.at, answer.end, tuple(rules), waits)


def may_contact(
    customer: Customer,
    channel: str,
    at: int,
    policy: Policy,
    subject: Subject | None = None,
    *,
    operator: Operator | None = None,
    contact_from: int | None = None,
) -> Verdict:
    """Whether a nudge about a subject may be sent on `channel` from `at` (ms) on, and in which stretch.

    `allow`: from `at`, until `not_after`. `defer`: from `not_before` on, by all that is known. `refuse`: no instant
    is known at which it would be permitted.
    """
    gate = Gate(customer, at, policy, subject or Subject(), operator=operator or Operator(), contact_from=contact_from)
    return judge(gate.checks(channel), channel, at, policy).verdict()


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
