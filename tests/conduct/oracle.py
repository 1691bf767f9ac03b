"""What may be said to whom and when: a slow reading of the contact rules that shares no code with the system.

`check` is given what a customers stage was told and what it said, and finds every nudge that some rule forbids, every id that
came back, every decision that was forgotten. It knows the topics and the rules and nothing else: no table, no policy file, no
module of the system. Where the rules are silent it takes the reading that forbids less, and says so beside it, so that what it
does report is wrong under every reading.

A nudge is judged when it is issued, over its whole window; and again at each later record of its customer, over what is then
left of the window. Holds, outcomes that act as holds, cases and other holders' pauses are judged over the whole window each
time: one that is placed late takes back what was already issued.

Nothing here steps through minutes. Spans (holds, cases, pauses) are intersected with the window. All else changes only at a
wall-clock edge (midnight, opening, closing, an end of quiet hours), at a change of the zone's offset, or at a moment that was
told, and is constant from one edge up to the next: it is looked at on every edge (see `edges`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import cache
from importlib.resources import files
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import holidays

DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
FIRST = datetime(1900, 1, 1, tzinfo=UTC)
NEVER = datetime(9999, 12, 31, tzinfo=UTC)

Told = tuple[str, dict[str, Any], int]
"""Topic, value, record timestamp in ms."""
Said = tuple[int, str, dict[str, Any]]
"""Index of the record after which it was said, topic, value."""


class Violation(NamedTuple):
    """One thing that should not have been."""

    rule: str
    customer_id: str
    subject: str
    """The nudge, escalation, decision or signal."""
    after: int
    """After which record."""
    at: datetime | None
    """The forbidden instant."""
    why: str

    def __str__(self) -> str:
        at = f" at {self.at.isoformat()}" if self.at else ""
        return f"after record {self.after}: {self.customer_id} {self.subject}: {self.rule}{at}: {self.why}"


# --- the rules' own figures

EU = frozenset(
    {
        "AT", "BE", "BG", "CY", "CZ", "DE", "DK", "EE", "ES", "FI", "FR", "GR", "HR", "HU", "IE", "IT", "LT", "LU", "LV", "MT",
        "NL", "PL", "PT", "RO", "SE", "SI", "SK",
    }
)  # fmt: skip
"""The 27 members; IE has a pack of its own."""
NOT_CONNECTED = frozenset({"not_connected", "failed"})
TALKED = frozenset(
    {
        "conversation", "promise", "refused", "complaint", "dispute", "hardship", "represented", "plan_proposed",
        "plan_accepted", "plan_declined", "opted_out",
    }
)  # fmt: skip
"""Outcomes of a voice contact in which two people spoke."""
CLOSING = frozenset({"opted_out", "wrong_party"})
HOLDING = frozenset({"complaint", "dispute", "represented"})
PAUSING = frozenset({"dispute", "breathing_space", "mental_health_crisis", "hardship_plan"})
"""Kinds of hold that also reach the account's other holders."""
OF_AN_ACCOUNT = frozenset({"dispute", "hardship_plan"})
WEEK = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def pack_of(jurisdiction: str, region: str) -> str:
    """Which rules protect a person: the region's, else the jurisdiction's, else the default."""
    if region == "US-MA":
        return "US-MA"
    if jurisdiction in ("GB", "US", "IE", "IN", "AU"):
        return jurisdiction
    return "EU" if jurisdiction in EU else "default"


# --- what is told, read once


class Quiet(NamedTuple):
    start: int
    end: int
    days: frozenset[int]


class Profile(NamedTuple):
    jurisdiction: str
    region: str
    zone: ZoneInfo
    pack: str
    segment: str
    economic_abuse: bool
    channels: dict[str, tuple[bool, datetime | None]]
    quiet: tuple[Quiet, ...]


class Hold(NamedTuple):
    kind: str
    told_at: datetime
    placed_at: datetime
    ends_at: datetime | None
    treatment_ended_at: datetime | None
    lifted_at: datetime | None
    account_id: str
    channel: str
    renewed: bool
    """Told again, later, of the same kind: debt advice lasts twice as long."""


class Outcome(NamedTuple):
    at: datetime
    outbound: bool
    channel: str
    outcome: str
    account_id: str
    nudge_id: str
    zone: ZoneInfo | None
    """The customer's zone when it was told."""


class Case(NamedTuple):
    at: datetime
    opened_at: datetime
    closed_at: datetime | None


class Signal(NamedTuple):
    since: datetime
    severity: str
    detector: str
    proposes: str
    account_id: str
    expires_at: datetime | None


class Pause(NamedTuple):
    kind: str
    start: datetime
    end: datetime | None


class Facts(NamedTuple):
    role: str
    pauses: tuple[Pause, ...]


class Nudge(NamedTuple):
    nudge_id: str
    customer_id: str
    account_ids: tuple[str, ...]
    treatment: str
    channel: str
    start: datetime
    end: datetime
    signal_ids: tuple[str, ...]
    zone: ZoneInfo | None
    """The customer's zone when it was issued."""
    record: dict[str, Any]


@dataclass
class Orders:
    """What operators said of one person, or of all."""

    stopped: bool = False
    snoozes: dict[str, datetime | None] = field(default_factory=dict)
    """By detector, "" for all: until when; None until it is undone."""


@dataclass
class Known:
    """All that has been told of one customer so far."""

    profiles: list[Profile] = field(default_factory=list)
    holds: dict[str, Hold] = field(default_factory=dict)
    contacts: dict[str, list[Outcome]] = field(default_factory=lambda: defaultdict(list))
    cases: dict[str, Case] = field(default_factory=dict)
    signals: dict[str, Signal] = field(default_factory=dict)
    detectors: dict[str, str] = field(default_factory=dict)
    """Detector of every signal ever told."""
    hold_words: list[tuple[str, datetime]] = field(default_factory=list)
    """Kind and time of everything the holds feed ever said."""
    asked: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """The signals behind each escalation."""
    case_names: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    """The escalations that events of a case named."""
    answered: set[str] = field(default_factory=set)
    """Escalations whose case was closed."""
    facts: dict[str, Facts] = field(default_factory=dict)
    orders: Orders = field(default_factory=Orders)
    seen: set[tuple[str, str]] = field(default_factory=set)
    standing: dict[str, Nudge] = field(default_factory=dict)
    """Issued and not withdrawn."""
    over: set[str] = field(default_factory=set)
    """Ids that were withdrawn."""
    reported: set[str] = field(default_factory=set)

    @property
    def zone(self) -> ZoneInfo | None:
        return self.profiles[-1].zone if self.profiles else None


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def maybe(value: dict[str, Any], name: str) -> datetime | None:
    text = value.get(name)
    if text is None or text.startswith("9999"):
        return None
    return moment(text)


def minute_of(text: str) -> int:
    return int(text[:2]) * 60 + int(text[3:])


@cache
def zone_of(name: str) -> ZoneInfo | None:
    """From the pinned tzdata package: the machine's own files may be of another year, and laws of time change."""
    try:
        with files("tzdata").joinpath("zoneinfo", *name.split("/")).open("rb") as file:
            return ZoneInfo.from_file(file, key=name)
    except (ValueError, OSError):
        return None


TIME_OF = {"customers": "updated_at", "account-facts": "as_of"}


def clock_of(topic: str, value: dict[str, Any], timestamp: int) -> datetime:
    """How far a record moves the clock: to the earlier of its own time and its record's."""
    stamped = datetime.fromtimestamp(timestamp / 1000, UTC)
    if topic == "ticks":
        return datetime.fromtimestamp(value["at"] / 1000, UTC)
    return min(stamped, moment(value[TIME_OF.get(topic, "occurred_at")]))


def tell(known: Known, topic: str, value: dict[str, Any]) -> None:
    """Notes one record."""
    if event_id := value.get("event_id"):
        if (topic, event_id) in known.seen:
            return
        known.seen.add((topic, event_id))
    match topic:
        case "customers":
            tell_profile(known, value)
        case "holds":
            tell_hold(known, value)
        case "contact-outcomes":
            known.contacts[value["contact_id"]].append(
                Outcome(
                    moment(value["occurred_at"]), value["direction"] == "outbound", value["channel"], value["outcome"],
                    value.get("account_id") or "", value.get("nudge_id") or "", known.zone,
                )
            )  # fmt: skip
        case "cases":
            tell_case(known, value)
        case "signals":
            tell_signal(known, value)
        case "account-facts":
            if value.get("removed"):
                known.facts.pop(value["account_id"], None)
                return
            pauses = tuple(
                Pause(each["hold_kind"], moment(each["from"]), maybe(each, "until"))
                for each in value.get("pauses", ())
                if each["customer_id"] != value["customer_id"]
            )
            known.facts[value["account_id"]] = Facts(value["role"], pauses)
        case "operator-actions":
            order(known.orders, value)


def tell_profile(known: Known, value: dict[str, Any]) -> None:
    zone = zone_of(value["time_zone"])
    if zone is None:
        # Refused. Whether an earlier record then still counts is not said: here it does.
        return
    jurisdiction, region = value["jurisdiction"], value.get("region") or ""
    known.profiles.append(
        Profile(
            jurisdiction, region, zone, pack_of(jurisdiction, region), value.get("segment") or "",
            "economic_abuse" in (value.get("vulnerabilities") or ()),
            {name: (each["consent"], maybe(each, "since")) for name, each in value["channels"].items()},
            tuple(
                Quiet(
                    minute_of(each["from"]), minute_of(each["to"]),
                    frozenset(WEEK.index(day) for day in each.get("days") or WEEK),
                )
                for each in value.get("quiet") or ()
            ),
        )
    )  # fmt: skip


def tell_hold(known: Known, value: dict[str, Any]) -> None:
    told_at = moment(value["occurred_at"])
    known.hold_words.append((value["kind"], told_at))
    before = known.holds.get(value["hold_id"])
    if before is not None and before.told_at > told_at:
        return
    # Once: told a third time it is no longer. Placed anew, it counts from there.
    same = before is not None and before.kind == value["kind"] and before.placed_at == moment(value["placed_at"])
    renewed = same and before is not None and (before.renewed or before.told_at < told_at)
    known.holds[value["hold_id"]] = Hold(
        value["kind"], told_at, moment(value["placed_at"]), maybe(value, "ends_at"), maybe(value, "treatment_ended_at"),
        maybe(value, "lifted_at"), value.get("account_id") or "", value.get("channel") or "", renewed,
    )  # fmt: skip


def tell_case(known: Known, value: dict[str, Any]) -> None:
    """The newest event counts, as with holds; one that is older than what is known says nothing new."""
    at = moment(value["occurred_at"])
    if escalation_id := value.get("escalation_id"):
        known.case_names[value["case_id"]].add(escalation_id)
    if value["status"] == "closed":
        known.answered |= known.case_names[value["case_id"]]
    before = known.cases.get(value["case_id"])
    if before is not None and before.at > at:
        return
    if value["status"] == "opened":
        opened_at = before.opened_at if before is not None and before.closed_at is None else at
        known.cases[value["case_id"]] = Case(at, opened_at, None)
    else:
        known.cases[value["case_id"]] = Case(at, before.opened_at if before is not None else at, at)


def tell_signal(known: Known, value: dict[str, Any]) -> None:
    signal_id = value["signal_id"]
    known.detectors[signal_id] = value["detector"]
    if value["status"] == "withdrawn":
        known.signals.pop(signal_id, None)
        return
    before = known.signals.get(signal_id)
    since = before.since if before is not None else moment(value["occurred_at"])
    known.signals[signal_id] = Signal(
        since, value["severity"], value["detector"], value.get("proposes_hold") or "", value["account_id"],
        maybe(value, "expires_at"),
    )  # fmt: skip


def order(orders: Orders, value: dict[str, Any]) -> None:
    detector = value.get("detector") or ""
    match value["action"]:
        case "stop_nudges":
            orders.stopped = True
        case "resume_nudges":
            orders.stopped = False
        case "snooze":
            orders.snoozes[detector] = maybe(value, "until")
        case "unsnooze":
            orders.snoozes.pop(detector, None)


# --- local time


@cache
def _holidays(country: str, subdivision: str) -> Any:
    if country not in holidays.list_supported_countries():
        return frozenset()
    return holidays.country_holidays(country, subdiv=subdivision or None)


@cache
def is_holiday(profile_country: str, region: str, day: date) -> bool:
    """Whether it is a national holiday; for GB one of the nation's (England unless the region names another).

    Holidays of a region elsewhere bind nobody here: the rules say national.
    """
    subdivision = ""
    if profile_country == "GB":
        subdivision = region[3:] if region in ("GB-SCT", "GB-NIR", "GB-WLS") else "ENG"
    return day in _holidays(profile_country, subdivision)


def local_day(at: datetime, zone: ZoneInfo) -> date:
    return at.astimezone(zone).date()


def local_midnight(day: date, zone: ZoneInfo) -> datetime:
    """The first instant of a local day."""
    return datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC)


def days_after(at: datetime, days: int, zone: ZoneInfo) -> datetime:
    """So many days later, by the clock on the wall or by 24 hours: the rules do not say, so the earlier of the two."""
    if at > NEVER - days * DAY - DAY:
        return NEVER
    by_wall = (at.astimezone(zone).replace(tzinfo=None) + days * DAY).replace(tzinfo=zone).astimezone(UTC)
    return min(by_wall, at + days * DAY)


def months_after(day: date, months: int) -> date:
    """The same day some months later, or the month's last."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    for number in range(day.day, 27, -1):
        try:
            return date(year, month + 1, number)
        except ValueError:
            continue
    return date(year, month + 1, day.day)


def in_window(days: Iterable[date], end: date, length: int) -> bool:
    """Whether all of these days lie in [end - length + 1, end].

    A contact has more than one day where its events, or a move to another zone, put it on several; which one counts is not
    said, so it counts only where all of them do.
    """
    return all(0 <= (end - day).days < length for day in days)


STRIDE = 6 * HOUR
"""No zone changes its offset twice within it."""


def offset_changes(start: datetime, end: datetime, zone: ZoneInfo) -> tuple[tuple[datetime, ...], tuple[timedelta, ...]]:
    """A coarse grid over [start, end] with every change of the zone's offset in it, and all the offsets."""
    grid = [start]
    offsets = {start.astimezone(zone).utcoffset() or timedelta()}
    at = start
    while at < end:
        after = min(at + STRIDE, end)
        here, there = at.astimezone(zone).utcoffset(), after.astimezone(zone).utcoffset()
        if here != there:
            low, high = at, after
            while high - low > timedelta(milliseconds=1):
                middle = low + (high - low) / 2
                if middle.astimezone(zone).utcoffset() == here:
                    low = middle
                else:
                    high = middle
            # Within the millisecond after it; changes are on whole seconds.
            grid += [high.replace(microsecond=0), high]
            offsets.add(there or timedelta())
        grid.append(after)
        at = after
    return tuple(grid), tuple(offsets)


def edges(start: datetime, end: datetime, zone: ZoneInfo, walls: Iterable[int], moments: Iterable[datetime]) -> list[datetime]:
    """Every instant in [start, end) at which anything can change, and `start` itself, in order.

    `walls` are minutes of a local day: each is put on every date under every offset that the zone has in the window, so that
    none is missed however the clocks are turned. What is constant between neighbours need be looked at only here.
    """
    grid, offsets = offset_changes(start, end, zone)
    found = {start, *grid, *moments}
    for offset in offsets:
        naive = start.replace(tzinfo=None)
        midnight = datetime.combine((naive + offset).date(), datetime.min.time()) - offset
        last = end.replace(tzinfo=None)
        while midnight < last:
            for minute in walls:
                found.add((midnight + timedelta(minutes=minute)).replace(tzinfo=UTC))
            midnight += DAY
    return sorted(at for at in found if start <= at < end)


# --- one rule after the other: what forbids an instant


def hours_of(profile: Profile, weekday: int) -> tuple[int, int]:
    """Opening and closing in minutes of the local day."""
    match profile.pack:
        case "US" | "US-MA":
            return 8 * 60, 21 * 60
        case "IN":
            return (9 * 60, 18 * 60) if profile.segment == "microfinance" else (8 * 60, 19 * 60)
        case "AU":
            return (9 * 60 if weekday >= 5 else 7 * 60 + 30), 21 * 60
        case _:
            return 8 * 60, 20 * 60


def bound_by_hours(profile: Profile, channel: str) -> bool:
    return channel in ("voice", "sms", "push", "chat") or (channel == "email" and profile.pack in ("US", "US-MA"))


def out_of_hours(profile: Profile, channel: str, local: datetime) -> str:
    if not bound_by_hours(profile, channel):
        return ""
    minute, weekday = local.hour * 60 + local.minute, local.weekday()
    opens, closes = hours_of(profile, weekday)
    if not opens <= minute < closes:
        return "hours"
    if profile.pack == "AU" and is_holiday("AU", "", local.date()):
        return "holiday"
    if profile.pack in ("GB", "IE", "EU", "default") and channel == "voice":
        if weekday == 6:
            return "sunday"
        if is_holiday(profile.jurisdiction, profile.region, local.date()):
            return "holiday"
    return ""


def in_quiet(profile: Profile, channel: str, local: datetime) -> bool:
    """By the clock on the wall, whatever was done to it in the night."""
    if channel == "letter":
        return False
    minute, weekday = local.hour * 60 + local.minute, local.weekday()
    for quiet in profile.quiet:
        if quiet.start < quiet.end:
            if weekday in quiet.days and quiet.start <= minute < quiet.end:
                return True
        elif weekday in quiet.days and minute >= quiet.start:
            return True
        elif minute < quiet.end:
            # Began the day before; where that day was left out of the calendar (Apia), also the one before that.
            before = {(weekday - 1) % 7}
            naive = local.replace(tzinfo=None) - DAY
            again = naive.replace(tzinfo=local.tzinfo).astimezone(UTC).astimezone(local.tzinfo)
            if again.date() != naive.date():
                before.add((weekday - 2) % 7)
            if before <= quiet.days:
                return True
    return False


def closed_at(known: Known, channel: str) -> datetime | None:
    """When the person last closed a channel."""
    closings = [
        each.at for contact in known.contacts.values() for each in contact if each.channel == channel and each.outcome in CLOSING
    ]
    return max(closings, default=None)


def without_consent(known: Known, profile: Profile, channel: str, at: datetime) -> str:
    consent, since = profile.channels.get(channel, (False, None))
    if not consent or (since is not None and at < since):
        return "consent"
    closed = closed_at(known, channel)
    if closed is not None and at >= closed and (since is None or since <= closed):
        return "channel closed"
    return ""


def snoozed(known: Known, everybody: Orders, nudge: Nudge, at: datetime) -> bool:
    """A snooze of one detector silences a nudge that rests on nothing else."""
    behind = {known.detectors.get(each, "?") for each in nudge.signal_ids}
    for orders in (known.orders, everybody):
        silent = {name for name, until in orders.snoozes.items() if until is None or at < until}
        if "" in silent or (behind and behind <= silent):
            return True
    return False


def proposed_hold(known: Known, nudge: Nudge, at: datetime) -> str:
    """The kind of a hold that a raised signal proposes, until a person has decided: the holds feed has told of one of its kind
    since (whose own words count then), or the case that was opened for it is closed.
    """
    for signal_id, signal in known.signals.items():
        if any(kind == signal.proposes and told_at >= signal.since for kind, told_at in known.hold_words):
            continue
        if any(signal_id in known.asked.get(escalation_id, ()) for escalation_id in known.answered):
            continue
        if not signal.proposes or at < signal.since or (signal.expires_at is not None and at >= signal.expires_at):
            continue
        if signal.proposes in OF_AN_ACCOUNT and signal.account_id not in nudge.account_ids:
            continue
        if signal.proposes == "hardship_plan" and nudge.treatment == "plan_reminder":
            continue
        return signal.proposes
    return ""


# --- contacts: how often


class Contact(NamedTuple):
    """One contact that was made, or a nudge that stands for one."""

    days: frozenset[date]
    channel: str
    account_ids: frozenset[str]
    """Empty: unknown, so it counts against all."""


def contacts_made(known: Known, zone: ZoneInfo, nudge: Nudge) -> list[Contact]:
    """All outbound contacts but this nudge itself: those told of, and nudges that no contact names."""
    made = []
    named: set[str] = set()
    for events in known.contacts.values():
        nudges = {each.nudge_id for each in events if each.nudge_id}
        if not all(each.outbound for each in events):
            # Inbound is no attempt. A reply that names a nudge tells that it came, not that it should not count.
            continue
        named |= nudges
        last = max(each.at for each in events)
        if any(each.at == last and each.outcome in NOT_CONNECTED for each in events):
            # Nothing came of it. Of a text or letter that failed the rules do not speak: it does not count either.
            continue
        if nudge.nudge_id in nudges:
            continue
        days = frozenset(local_day(each.at, at) for each in events for at in {zone, each.zone or zone})
        accounts = frozenset(each.account_id for each in events)
        made.append(Contact(days, events[0].channel, frozenset() if "" in accounts else accounts))
    for other in known.standing.values():
        if other.nudge_id == nudge.nudge_id or other.nudge_id in named:
            continue
        days = frozenset(local_day(other.start, at) for at in {zone, other.zone or zone})
        made.append(Contact(days, other.channel, frozenset(other.account_ids)))
    return made


def about(contact: Contact, account_id: str) -> bool:
    return not contact.account_ids or account_id in contact.account_ids


class Limit(NamedTuple):
    name: str
    most: int
    days: int
    channels: frozenset[str]
    by_account: bool


ANY = frozenset({"voice", "sms", "push", "chat", "email", "letter"})
SEVEN_CALLS = Limit("US calls: 7 in 7 days", 7, 7, frozenset({"voice"}), True)
LIMITS: dict[str, tuple[Limit, ...]] = {
    "US": (SEVEN_CALLS,),
    "US-MA": (SEVEN_CALLS, Limit("US-MA calls and texts: 2 in 7 days", 2, 7, frozenset({"voice", "sms"}), True)),
    "IE": (Limit("IE contacts: 3 in 30 days", 3, 30, ANY, False),),
    "AU": (Limit("AU contacts: 3 in 7 days", 3, 7, ANY, True), Limit("AU contacts: 10 in 30 days", 10, 30, ANY, True)),
}


def too_often(known: Known, profile: Profile, nudge: Nudge, days: Iterable[date]) -> tuple[str, date] | None:
    """The limit that this nudge would go beyond on one of these days, if it were sent then."""
    limits = [limit for limit in LIMITS.get(profile.pack, ()) if nudge.channel in limit.channels]
    if not limits:
        return None
    made = contacts_made(known, profile.zone, nudge)
    for limit in limits:
        for day in days:
            # A nudge about no account at all is held only against contacts about none.
            for account_id in (nudge.account_ids or ("",)) if limit.by_account else ("",):
                count = sum(
                    in_window(each.days, day, limit.days)
                    for each in made
                    if each.channel in limit.channels and (not limit.by_account or about(each, account_id))
                )
                if count + 1 > limit.most:
                    return limit.name, day
    return None


class Talk(NamedTuple):
    at: datetime
    days: frozenset[date]


def talks(known: Known, zone: ZoneInfo, nudge: Nudge) -> list[Talk]:
    """Voice conversations about the accounts of this nudge, but for those that it brought about itself."""
    found = []
    for events in known.contacts.values():
        last = max(each.at for each in events)
        if any(each.at == last and each.outcome in NOT_CONNECTED for each in events):
            # Told last that it did not come about.
            continue
        if any(each.nudge_id == nudge.nudge_id for each in events):
            continue
        if all(each.account_id and each.account_id not in nudge.account_ids for each in events):
            continue
        found += [
            Talk(each.at, frozenset(local_day(each.at, at) for at in {zone, each.zone or zone}))
            for each in events
            if each.channel == "voice" and each.outcome in TALKED
        ]
    return found


# --- spans


Span = tuple[str, datetime, datetime]


def default_end(hold: Hold, profile: Profile) -> datetime:
    """When a hold ends that names no end."""
    match hold.kind:
        case "breathing_space" if profile.jurisdiction == "GB":
            placed = local_day(hold.placed_at, profile.zone)
            if profile.region == "GB-SCT":
                return local_midnight(months_after(placed, 6), profile.zone)
            # Day 1 is the day after; day 60 is the last.
            return local_midnight(placed + 61 * DAY, profile.zone)
        case "mental_health_crisis" if hold.treatment_ended_at is not None:
            return days_after(hold.treatment_ended_at, 30, profile.zone)
        case "debt_advice":
            return days_after(hold.placed_at, 60 if hold.renewed else 30, profile.zone)
    return NEVER


def end_of(hold: Hold, profiles: Sequence[Profile]) -> datetime:
    """Where a person moved between laws or zones it is not said which one measures a hold: the one that ends it first."""
    end = hold.ends_at
    if end is None or (hold.kind == "mental_health_crisis" and hold.treatment_ended_at is not None):
        # Of an end and a treatment's end, the earlier.
        end = min([end or NEVER, *(default_end(hold, profile) for profile in profiles)])
    return min(end, hold.lifted_at or NEVER)


def reaches(kind: str, account_id: str, channel: str, nudge: Nudge) -> bool:
    """Whether a hold forbids this nudge. One that names an account or a channel is about that alone, whatever its kind."""
    if kind == "hardship_plan" and nudge.treatment == "plan_reminder":
        return False
    return (not account_id or account_id in nudge.account_ids) and (not channel or channel == nudge.channel)


def spans(known: Known, nudge: Nudge) -> Iterator[Span]:
    """What forbids this nudge from some instant up to another, however late it was told."""
    for hold in known.holds.values():
        if reaches(hold.kind, hold.account_id, hold.channel, nudge):
            yield f"hold {hold.kind}", hold.placed_at, end_of(hold, known.profiles)
    zone = known.profiles[-1].zone
    for events in known.contacts.values():
        for each in events:
            account_id = each.account_id if each.outcome == "dispute" else ""
            if each.outcome in HOLDING and reaches(each.outcome, account_id, "", nudge):
                yield f"outcome {each.outcome}", each.at, days_after(each.at, 30, zone)
    for case in known.cases.values():
        yield "case", case.opened_at, case.closed_at or NEVER
    for account_id in nudge.account_ids:
        for pause in known.facts[account_id].pauses if account_id in known.facts else ():
            if pause.kind in PAUSING and reaches(pause.kind, "", "", nudge):
                yield f"pause {pause.kind}", pause.start, pause.end or NEVER


# --- a whole nudge


Forbidden = tuple[str, datetime, str]
"""Rule, instant, why."""


def forbidden(known: Known, everybody: Orders, nudge: Nudge, since: datetime) -> Forbidden | None:
    """What forbids some instant of a nudge's window, by all that has been told; looked at from `since` on, but for spans."""
    if not known.profiles:
        return "customer unknown", nudge.start, "no record of this customer with a zone"
    for rule, start, end in spans(known, nudge):
        at = max(start, nudge.start)
        if at < min(end, nudge.end):
            return rule, at, f"from {start.isoformat()} to {end.isoformat()}"
    start = max(nudge.start, since)
    if start >= nudge.end:
        return None
    profile = known.profiles[-1]
    if known.orders.stopped or everybody.stopped:
        return "stopped", start, "an operator stopped nudges"
    if profile.economic_abuse:
        return "economic abuse", start, "nothing is sent where somebody else may read or use it"
    for account_id in nudge.account_ids:
        if account_id in known.facts and known.facts[account_id].role == "guarantor":
            return "guarantor", start, f"only a guarantor of {account_id}"
    return by_instant(known, everybody, profile, nudge, start) or by_frequency(known, profile, nudge, start)


def by_instant(known: Known, everybody: Orders, profile: Profile, nudge: Nudge, start: datetime) -> Forbidden | None:
    walls = {0, *(edge for quiet in profile.quiet for edge in (quiet.start, quiet.end))}
    for weekday in (0, 6):
        walls |= set(hours_of(profile, weekday))
    for at in edges(start, nudge.end, profile.zone, walls, moments(known, everybody, nudge)):
        local = at.astimezone(profile.zone)
        rule = without_consent(known, profile, nudge.channel, at) or out_of_hours(profile, nudge.channel, local)
        if not rule and in_quiet(profile, nudge.channel, local):
            rule = "quiet"
        if not rule and snoozed(known, everybody, nudge, at):
            rule = "snoozed"
        if not rule and (kind := proposed_hold(known, nudge, at)):
            rule = f"proposed hold {kind}"
        if rule:
            return rule, at, f"{nudge.channel}, {profile.pack}, {local.isoformat()} {WEEK[local.weekday()]}"
    return None


def moments(known: Known, everybody: Orders, nudge: Nudge) -> Iterator[datetime]:
    """Where consent, a closed channel, a snooze or a proposed hold begins or ends."""
    for _, since in known.profiles[-1].channels.values():
        if since is not None:
            yield since
    if (closed := closed_at(known, nudge.channel)) is not None:
        yield closed
    for orders in (known.orders, everybody):
        yield from (until for until in orders.snoozes.values() if until is not None)
    for signal in known.signals.values():
        yield signal.since
        if signal.expires_at is not None:
            yield signal.expires_at


def days_left(nudge: Nudge, profile: Profile, start: datetime) -> list[date]:
    """The local days that [start, end) touches."""
    first = local_day(start, profile.zone)
    last = local_day(nudge.end - timedelta(microseconds=1), profile.zone)
    return [first + count * DAY for count in range((last - first).days + 1)]


def by_frequency(known: Known, profile: Profile, nudge: Nudge, start: datetime) -> Forbidden | None:
    """Contacts that were made: none of this once a nudge has itself been told of as a contact, for then it is one of them."""
    if profile.pack not in LIMITS:
        return None
    if any(each.nudge_id == nudge.nudge_id for events in known.contacts.values() for each in events):
        return None
    days = days_left(nudge, profile, start)
    if (found := too_often(known, profile, nudge, days)) is not None:
        name, day = found
        return name, max(start, local_midnight(day, profile.zone)), f"on {day}"
    if profile.pack in ("US", "US-MA") and nudge.channel == "voice":
        for talk in talks(known, profile.zone, nudge):
            for day in days:
                last = nudge.end if day == days[-1] else local_midnight(day + DAY, profile.zone)
                # On the day itself only what comes after it.
                if in_window(talk.days, day, 7) and talk.at < last:
                    return "US after a conversation", max(start, talk.at), f"on {day}, spoken to {talk.at.isoformat()}"
    return None


def capped(known: Known, nudge: Nudge) -> Forbidden | None:
    """More than two nudges in seven days or four in thirty, with the one just issued.

    Days are those of the zone now and of the zone when each was issued: a nudge counts where it is in the window by both.
    """
    assert known.profiles
    zone = known.profiles[-1].zone
    days = {
        each.nudge_id: frozenset(local_day(each.start, at) for at in {zone, each.zone or zone})
        for each in known.standing.values()
    }
    own = days[nudge.nudge_id]
    for most, length in ((2, 7), (4, 30)):
        for last in days.values():
            if len(last) > 1 or not in_window(own, max(last), length):
                continue
            if sum(in_window(each, max(last), length) for each in days.values()) > most:
                return f"nudges: {most} in {length} days", nudge.start, f"up to {max(last)}"
    return None


# --- the whole of it


def check(told: Sequence[Told], said: Sequence[Said]) -> list[Violation]:
    """All violations, by record. `told` in order of arrival, `said` in order of saying."""
    found: list[Violation] = []
    people: dict[str, Known] = defaultdict(Known)
    everybody = Orders()
    seen: set[str] = set()
    """Events for everybody."""
    clock = FIRST
    clocks: list[datetime] = []
    issued: dict[str, dict[str, Any]] = {}
    """Decisions that were said to issue."""
    escalations: dict[str, str] = {}
    by_index: dict[int, list[Said]] = defaultdict(list)
    for each in said:
        by_index[each[0]].append(each)
    for index, (topic, value, timestamp) in enumerate(told):
        clock = max(clock, clock_of(topic, value, timestamp))
        clocks.append(clock)
        concerned: set[str] = set()
        if topic != "ticks":
            customer_id = value.get("customer_id")
            if customer_id is not None:
                tell(people[customer_id], topic, value)
                concerned.add(customer_id)
            elif value["event_id"] not in seen:
                seen.add(value["event_id"])
                order(everybody, value)
                if value["action"] in ("resume_nudges", "unsnooze"):
                    # Whether a word for all also undoes one for a person is not said: here it does.
                    for known in people.values():
                        order(known.orders, value)
                concerned.update(people)
        fresh: list[Nudge] = []
        for _, output, record in by_index.get(index, ()):
            if output == "decisions" and record["result"] == "issued":
                issued[record["decision_id"]] = record
        for _, output, record in by_index.get(index, ()):
            if output == "nudges":
                found += said_nudge(people[record["customer_id"]], record, index, issued, fresh)
            elif output == "escalations":
                found += said_escalation(record, index, escalations)
                people[record["customer_id"]].asked[record["escalation_id"]] = tuple(record.get("signal_ids", ()))
        concerned.update(nudge.customer_id for nudge in fresh)
        for customer_id in sorted(concerned):
            found += judged(people[customer_id], everybody, fresh, index, clock)
    return found + forgotten(told, said, clocks)


def judged(known: Known, everybody: Orders, fresh: Sequence[Nudge], index: int, clock: datetime) -> list[Violation]:
    """The nudges of one customer that stand after a record: new ones over their whole window, others over what is left."""
    found = []
    new = {nudge.nudge_id for nudge in fresh}
    for nudge in known.standing.values():
        if nudge.nudge_id in known.reported:
            continue
        why = forbidden(known, everybody, nudge, FIRST if nudge.nudge_id in new else clock)
        if why is None and nudge.nudge_id in new:
            why = capped(known, nudge)
        if why is not None:
            known.reported.add(nudge.nudge_id)
            rule, at, text = why
            found.append(Violation(rule, nudge.customer_id, nudge.nudge_id, index, at, text))
    return found


def said_nudge(
    known: Known, record: dict[str, Any], index: int, issued: dict[str, dict[str, Any]], fresh: list[Nudge]
) -> list[Violation]:
    """A nudge is issued once, names its decision, and is withdrawn as it was issued, if at all."""
    nudge_id, customer_id = record["nudge_id"], record["customer_id"]

    def violation(rule: str, why: str) -> Violation:
        return Violation(rule, customer_id, nudge_id, index, None, why)

    if record["status"] == "withdrawn":
        nudge = known.standing.pop(nudge_id, None)
        known.over.add(nudge_id)
        if nudge is None:
            return [violation("withdrawal", "withdrawn, but it did not stand")]
        changing = ("status", "decided_at", "decision_id", "withdrawn_because")
        differ = sorted(
            name for name in (nudge.record.keys() | record.keys()) - set(changing) if nudge.record.get(name) != record.get(name)
        )
        if differ:
            return [violation("withdrawal", f"differs from what was issued in {', '.join(differ)}")]
        if not record.get("withdrawn_because"):
            return [violation("withdrawal", "does not say why")]
        return []
    found = []
    if nudge_id in known.over:
        found.append(violation("id again", "issued again after it was withdrawn"))
    elif nudge_id in known.standing:
        found.append(violation("id again", "issued twice"))
    start, end = moment(record["not_before"]), moment(record["not_after"])
    if start >= end:
        found.append(violation("window", "no instant in it"))
    decision = issued.get(record["decision_id"])
    if decision is None or decision["customer_id"] != customer_id:
        found.append(violation("decision", "names no decision of this customer to issue"))
    elif decision["treatment"] != record["treatment"]:
        found.append(violation("decision", "names a decision about another treatment"))
    elif not decision.get("rules") or not all(
        each.get("rule_id") and each.get("version") and each.get("source") for each in decision["rules"]
    ):
        found.append(violation("decision", "its decision has no rules, or one without version or source"))
    nudge = Nudge(
        nudge_id, customer_id, tuple(record["account_ids"]), record["treatment"], record["channel"], start, end,
        tuple(record["signal_ids"]), known.zone, record,
    )  # fmt: skip
    known.standing[nudge_id] = nudge
    fresh.append(nudge)
    return found


def said_escalation(record: dict[str, Any], index: int, statuses: dict[str, str]) -> list[Violation]:
    """An escalation may be issued again while it stands (as urgent), never once it was withdrawn."""
    escalation_id = record["escalation_id"]
    before, statuses[escalation_id] = statuses.get(escalation_id), record["status"]
    why = ""
    if record["status"] == "withdrawn":
        rule = "withdrawal"
        if before != "issued":
            why = "withdrawn, but it did not stand"
        elif not record.get("withdrawn_because"):
            why = "does not say why"
    else:
        rule = "id again"
        why = "issued again after it was withdrawn" if before == "withdrawn" else ""
    return [Violation(rule, record["customer_id"], escalation_id, index, None, why)] if why else []


# --- nothing is lost


def forgotten(told: Sequence[Told], said: Sequence[Said], clocks: Sequence[datetime]) -> list[Violation]:
    ticks = [value["at"] for topic, value, _ in told if topic == "ticks"]
    if not ticks:
        return []
    end = datetime.fromtimestamp(max(ticks) / 1000, UTC)
    return forgotten_deferrals(said, end) + forgotten_signals(told, said, clocks)


def forgotten_deferrals(said: Sequence[Said], end: datetime) -> list[Violation]:
    """A deferred treatment is taken up again at its time."""
    found = []
    decisions = [(index, record) for index, topic, record in said if topic == "decisions"]
    for number, (index, record) in enumerate(decisions):
        if record["result"] != "deferred" or record.get("next_allowed_at") is None:
            continue
        due = moment(record["next_allowed_at"])
        if due + 2 * HOUR >= end:
            continue
        again = any(
            later["customer_id"] == record["customer_id"] and later["treatment"] == record["treatment"]
            for _, later in decisions[number + 1 :]
        )
        if not again:
            found.append(
                Violation(
                    "forgotten deferral", record["customer_id"], record["decision_id"], index, due,
                    f"{record['treatment']} was put off and never taken up",
                )
            )  # fmt: skip
    return found


def forgotten_signals(told: Sequence[Told], said: Sequence[Said], clocks: Sequence[datetime]) -> list[Violation]:
    """Whoever has had some medium or high signal open for three days has been thought of: a decision or an escalation.

    A second signal beside the first need not bring a decision of its own: the time is that in which any is open. Nor need there
    be one while a person looks after them: a case is open, or an escalation stands that no closed case has answered; nor where
    the case of an escalation was open at some time since, for what came up then was theirs to see. A signal that was lower for
    less than two weeks only flapped: the time goes on from before.
    """
    found = []
    words: dict[str, set[int]] = defaultdict(set)
    for index, topic, record in said:
        if topic in ("decisions", "escalations"):
            words[record["customer_id"]].add(index)
    people: dict[str, Known] = defaultdict(Known)
    since: dict[str, tuple[int, datetime]] = {}
    before: dict[str, tuple[tuple[int, datetime], datetime, set[str]]] = {}
    """The stretch that ended last: when it began and ended, and of which signals it was."""
    open_ids: dict[str, set[str]] = defaultdict(set)
    for index, (topic, value, _) in enumerate(told):
        clock = clocks[index]
        if topic in ("signals", "cases"):
            tell(people[value["customer_id"]], topic, value)
        for customer_id, known in people.items():
            still = {
                signal_id
                for signal_id, signal in known.signals.items()
                if signal.severity in ("medium", "high") and (signal.expires_at is None or clock < signal.expires_at)
            }
            if not still:
                if customer_id in since:
                    before[customer_id] = since.pop(customer_id), clock, open_ids.pop(customer_id)
                continue
            if customer_id not in since and customer_id in before:
                stretch, ended, ids = before[customer_id]
                if still <= ids and clock < ended + 14 * DAY:
                    since[customer_id] = stretch
            open_ids[customer_id] |= still
            begun, at = since.setdefault(customer_id, (index, clock))
            long = topic == "ticks" and clock >= at + 3 * DAY + 2 * HOUR
            if long and not with_a_person(customer_id, known, told, said, index):
                had = any(
                    case["customer_id"] == customer_id and case.get("escalation_id") and moment(case["occurred_at"]) > at
                    for topic_, case, _ in told[:index]
                    if topic_ == "cases" and case["status"] == "closed"
                )
                if not had and not any(begun <= each <= index for each in words[customer_id]):
                    why = f"open since record {begun}, nothing decided"
                    found.append(Violation("forgotten signal", customer_id, "-", index, None, why))
                # Asked once for each time.
                since[customer_id] = (begun, NEVER - 4 * DAY)
    return found


def with_a_person(customer_id: str, known: Known, told: Sequence[Told], said: Sequence[Said], index: int) -> bool:
    """Whether, after a record, a case is open or an escalation stands that no closed case has answered."""
    if any(case.closed_at is None for case in known.cases.values()):
        return True
    standing = {}
    for after, topic, record in said:
        if after <= index and topic == "escalations" and record["customer_id"] == customer_id:
            standing[record["escalation_id"]] = record["status"] == "issued"
    answered = {
        value.get("escalation_id") for topic, value, _ in told[: index + 1] if topic == "cases" and value["status"] == "closed"
    }
    return any(stands and escalation_id not in answered for escalation_id, stands in standing.items())
