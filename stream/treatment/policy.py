"""The contact policy: rules, ladder, treatments and queues as data, versioned, each rule with its source.

One place for each default: the packaged `policy.toml`. Unknown keys are refused, and an error names the field
and the way out.
"""

from __future__ import annotations

import datetime as dt
import tomllib
from collections.abc import Iterator
from functools import cached_property, lru_cache
from importlib.resources import files
from typing import Annotated, Literal, NamedTuple

import msgspec
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from stream.contracts.vocabulary import (
    Channel,
    Day,
    HoldKind,
    Priority,
    Queue,
    SuggestedAction,
    Treatment,
    Vulnerability,
)
from stream.errors import ConfigurationError
from stream.treatment.plain import grade

HourText = Annotated[str, StringConstraints(pattern=r"^([01]\d|2[0-3]):[0-5]\d$|^24:00$")]
Word = Annotated[str, StringConstraints(min_length=1, max_length=200)]
Guidance = Annotated[str, StringConstraints(min_length=1, max_length=400)]
Rung = Annotated[int, Field(ge=0, le=5)]
Days = Annotated[int, Field(ge=1, le=366)]
DaysBack = Annotated[int, Field(ge=1, le=31)]
"""Days of which something is counted: contacts and nudges are remembered for a little longer."""
Percent = Annotated[int, Field(ge=1, le=100)]
Place = Annotated[str, StringConstraints(pattern=r"^[A-Z]{2}(-[A-Z0-9]{1,3})?$")]
Currency = Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")]
RuleId = Annotated[str, StringConstraints(pattern=r"^[a-z0-9_.]{1,64}$")]
Channels = Annotated[tuple[Channel, ...], Field(min_length=1)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Rule(_Part):
    """One rule: where it comes from, and since when it is in force."""

    id: RuleId
    version: Annotated[int, Field(ge=1)]
    source: Word
    in_force: dt.date
    says: Word
    """What it means, for a person to read."""


class Hours(Rule):
    """Contact is allowed in [opens, closes) of the customer's local time."""

    opens: HourText
    closes: HourText
    channels: Channels
    days: tuple[Day, ...] = ()
    """Weekdays it binds on; empty: all."""
    segment: str = ""
    """The bank's own word for the customers it binds; empty: all."""

    @model_validator(mode="after")
    def _in_order(self) -> Hours:
        if minutes(self.opens) >= minutes(self.closes):
            raise ValueError("opens must be before closes")
        return self


class ClosedDays(Rule):
    """No contact on some weekdays, or on national holidays, of the customer's place."""

    channels: Channels
    days: tuple[Day, ...] = ()
    holidays: bool = False


class QuietHours(Rule):
    """The customer's own quiet hours, and the channels they bind."""

    channels: Channels


class Cap(Rule):
    """At most `limit` in `days` calendar days of the customer's zone, the day itself included."""

    counts: Literal["nudges", "contacts", "calls"]
    """What is counted: `nudges`, ours alone; `contacts`, all that were made by anybody but the customer, and our nudges; `calls`,
    those of the contacts that reached the other end, and our nudges.
    """
    limit: Annotated[int, Field(ge=1, le=1000)]
    days: DaysBack
    channels: tuple[Channel, ...] = ()
    """Channels that are counted, and bound; empty: all."""
    per: Literal["person", "account"] = "person"


class Gap(Rule):
    """No contact on `days` calendar days from a conversation on, its own day included."""

    channels: Channels
    days: DaysBack
    per: Literal["person", "account"] = "person"


class Pack(_Part):
    """Which rules with figures bind in some places."""

    places: tuple[Place, ...]
    rules: tuple[RuleId, ...]
    footer: dict[Channel, dict[str, Annotated[str, StringConstraints(min_length=1, max_length=100)]]] = {}
    """What each message on a channel must end with, by language."""


class Book(NamedTuple):
    """The rules of one pack, by kind."""

    hours: tuple[Hours, ...]
    closed_days: tuple[ClosedDays, ...]
    quiet: tuple[QuietHours, ...]
    caps: tuple[Cap, ...]
    gaps: tuple[Gap, ...]
    footer: dict[Channel, dict[str, str]]


class HoldLength(Rule):
    """How long a hold lasts that is told without an end."""

    kind: HoldKind
    places: tuple[Place, ...]
    """Regions or countries; empty: everywhere."""
    days: Annotated[int, Field(ge=0, le=3660)] = 0
    """Whole local days after the one it was placed on."""
    months: Annotated[int, Field(ge=0, le=120)] = 0
    renewals: Annotated[int, Field(ge=0, le=10)] = 0
    """How many times being told again gives the same length anew."""
    after_treatment: bool = False
    """Counted from the end of the treatment instead, and open until that is told."""


class Basics(_Part):
    """The rules without figures: they hold everywhere."""

    customer_known: Rule
    zone_known: Rule
    consent: Rule
    channel_open: Rule
    no_hold: Rule
    no_shared_hold: Rule
    no_open_case: Rule
    not_stopped: Rule
    not_snoozed: Rule
    contact_from: Rule
    own_account: Rule
    no_economic_abuse: Rule
    cool_down: Rule
    in_time: Rule
    no_breaker: Rule
    not_control: Rule


class Grounds(_Part):
    """What the ladder asks: why a treatment, a person or a withdrawal is called for."""

    rung: Rule
    steady: Rule
    kept: Rule
    due: Rule
    stands: Rule
    hold: Rule
    proposed: Rule
    check: Rule
    promise: Rule
    plan_missed: Rule
    arrears: Rule
    missed: Rule
    hardship: Rule
    counter_offer: Rule
    no_surplus: Rule
    affordable: Rule
    vulnerable: Rule
    overdue: Rule
    silence: Rule
    since: Rule
    unreachable: Rule


class Holds(_Part):
    """What a hold does beside forbidding nudges."""

    shared: tuple[HoldKind, ...]
    """Kinds that bind the other holders of the account too."""
    provisional_days: Days
    """How long a hold lasts that follows from what the customer said, until the holds feed has caught up."""
    queues: dict[HoldKind, Queue]
    checks: dict[str, Queue]
    """Whom a sign that is no trouble asks to look, by the code of its first reason, where it proposes no hold."""
    allows: dict[HoldKind, tuple[Treatment, ...]] = {}
    """Treatments that a kind of hold does not forbid."""


class Ladder(_Part):
    """When a customer moves between rungs."""

    target_low: Rung
    target_medium: Rung
    target_high: Rung
    target_two_mediums: Rung
    combined: tuple[Word, ...]
    """Detectors that add up what others say: theirs is no second sign beside those."""
    target_broken_promise: Rung
    target_silence: Rung
    care_days: Days
    urgent_days: Days
    specialist_days: Days
    specialist_vulnerabilities: tuple[Vulnerability, ...]
    missed_instalments: Annotated[int, Field(ge=1, le=8)]
    hold_days: Annotated[tuple[Annotated[int, Field(ge=0, le=366)], ...], Field(min_length=5, max_length=5)]
    """Days a rung (0, 1, 2, 3, 4) is held before the next one up."""
    clear_days: Days
    silence_days: DaysBack
    promise_working_days: Annotated[int, Field(ge=0, le=30)]
    promise_part_percent: Percent
    broken_promise_days: Days
    contactability_days: Days
    recognition_clear_days: Days
    """Days without any open signal before an improvement is recognised."""
    recognition_days: Days
    """Days after those in which it may still be."""

    @model_validator(mode="after")
    def _rising(self) -> Ladder:
        if not self.target_low <= self.target_medium <= min(self.target_two_mediums, self.target_high):
            raise ValueError("what is graver must not lead to a lower rung: target_low, target_medium, then the others")
        return self


class Plans(_Part):
    """How repayment plans are worked out, and reminded of."""

    max_months: Annotated[int, Field(ge=1, le=120)]
    shares: Annotated[tuple[Percent, ...], Field(min_length=2, max_length=3)]
    min_instalment: Annotated[int, Field(ge=1, le=1_000_000)]
    living_costs: dict[Currency, Annotated[int, Field(ge=0, le=100_000_000)]]
    order: Literal["harm_first", "highest_rate_first", "smallest_first"]
    offer_days: Days
    reminder_days: Annotated[int, Field(ge=1, le=14)]


class Safety(_Part):
    """What keeps a mistake small, and how it is known what helps."""

    breaker_share: Annotated[float, Field(gt=0, le=1)]
    breaker_people: Annotated[int, Field(ge=20, le=1_000_000)]
    control_share: Annotated[float, Field(ge=0, le=0.10)]
    control_days: Annotated[int, Field(ge=1, le=30)]
    control_name: Annotated[str, StringConstraints(pattern=r"^[a-z0-9_-]{1,40}$")]
    control_salt: Word
    effect_days: Annotated[int, Field(ge=1, le=90)]


class TreatmentPolicy(_Part):
    """One treatment: who gets it, how it is said, and where."""

    rung: Rung
    detectors: tuple[Word, ...] = ()
    """Whose signals call for it on its rung; empty: any."""
    products: tuple[str, ...] = ()
    """Products of the signal's account it is for; empty: any."""
    channels: Channels
    template: Word
    template_version: Word
    tone: Word
    reading_grade: Annotated[int, Field(ge=1, le=16)]
    """The most years of school that its words may ask for (Flesch and Kincaid)."""
    help: Word
    cool_down_days: Annotated[int, Field(ge=0, le=30)]
    """Days in which it is not given again."""
    text: Annotated[
        dict[str, Annotated[str, StringConstraints(min_length=1, max_length=1000)]], Field(min_length=1)
    ]
    """What it says, by language, or by language and occasion or place (`en.GB`). `{account}` is the end of the account's number.
    """

    def words(self, language: str, default: str, *variants: str) -> tuple[str, str]:
        """The language that is spoken, and the words in it for the first of the variants that has its own."""
        spoken = language.split("-")[0].lower()
        if spoken not in self.text:
            spoken = default
        for variant in variants:
            if (text := self.text.get(f"{spoken}.{variant}")) is not None:
                return spoken, text
        return spoken, self.text[spoken]


class QueuePolicy(_Part):
    """How soon a person must look, and what may be suggested."""

    due_by_hours: Annotated[int, Field(ge=1, le=24 * 60)]
    priority: Priority
    rung: Rung
    actions: tuple[SuggestedAction, ...]
    first: Guidance
    """What the person does first."""
    never: Guidance
    """What the person does not do."""


class Policy(_Part):
    """Everything that decides about contact."""

    version: Word
    shadow: bool
    """Decide and record, but send nothing and ask nobody."""
    default_language: Word
    preferred_wait_hours: Annotated[int, Field(ge=0, le=72)]
    """How long a nudge waits for the channel the customer asked for, where another is free sooner."""
    shortest_window_seconds: Annotated[int, Field(ge=1, le=86_400)]
    settle_minutes: Annotated[int, Field(ge=0, le=240)]
    """Minutes between a decision and the first instant at which its nudge may be sent."""
    window_hours: dict[Channel, Annotated[int, Field(ge=1, le=24 * 14)]]
    hours: tuple[Hours, ...]
    closed_days: tuple[ClosedDays, ...]
    quiet: tuple[QuietHours, ...]
    caps: tuple[Cap, ...]
    gaps: tuple[Gap, ...]
    packs: dict[str, Pack]
    """`default` is for all places that no other names."""
    hold_lengths: tuple[HoldLength, ...]
    basics: Basics
    grounds: Grounds
    holds: Holds
    ladder: Ladder
    plans: Plans
    safety: Safety
    treatments: dict[Treatment, TreatmentPolicy]
    queues: dict[Queue, QueuePolicy]

    @model_validator(mode="after")
    def _whole(self) -> Policy:
        if "default" not in self.packs:
            raise ValueError("packs.default is missing")
        ids = [rule.id for rule in self.rules]
        if twice := sorted({each for each in ids if ids.count(each) > 1}):
            raise ValueError(f"the rule id {twice[0]} stands twice")
        figures = {rule.id for rule in self._figures()}
        placed: set[str] = set()
        for name, pack in self.packs.items():
            if unknown := sorted(set(pack.rules) - figures):
                raise ValueError(f"packs.{name}.rules names {unknown[0]}, which is no rule here")
            if again := sorted(placed & set(pack.places)):
                raise ValueError(f"packs.{name}.places names {again[0]}, which another pack has")
            placed |= set(pack.places)
        for channel in self.channels:
            if channel not in self.window_hours:
                raise ValueError(f"window_hours.{channel} is missing")
        teams = (*self.holds.queues.values(), *self.holds.checks.values())
        for queue in {*teams, "arrears_care", "collections_review", "vulnerability", "contactability"}:
            if queue not in self.queues:
                raise ValueError(f"queues.{queue} is missing")
        for treatment_name, treatment in self.treatments.items():
            if self.default_language not in treatment.text:
                raise ValueError(f"treatments.{treatment_name}.text.{self.default_language} is missing")
            for language, text in treatment.text.items():
                # The formula is made for English; of other languages a person is the judge.
                if language.split(".")[0] == "en" and grade(text) > treatment.reading_grade:
                    raise ValueError(
                        f"treatments.{treatment_name}.text.{language} reads at grade {grade(text):.1f}, above its reading_grade: "
                        "use shorter words and sentences"
                    )
        return self

    def book(self, jurisdiction: str, region: str) -> Book:
        """The rules of a place: the region's own pack, else the country's, else the default."""
        books = self._books
        return books.get(region) or books.get(jurisdiction) or books["default"]

    @cached_property
    def _books(self) -> dict[str, Book]:
        found: dict[str, Book] = {}
        for name, pack in self.packs.items():
            mine = set(pack.rules)
            book = Book(
                tuple(each for each in self.hours if each.id in mine),
                tuple(each for each in self.closed_days if each.id in mine),
                tuple(each for each in self.quiet if each.id in mine),
                tuple(each for each in self.caps if each.id in mine),
                tuple(each for each in self.gaps if each.id in mine),
                pack.footer,
            )
            found |= dict.fromkeys(pack.places, book)
            if name == "default":
                found[name] = book
        return found

    def on_rung(self, rung: int) -> tuple[Treatment, ...]:
        """The treatments of a rung, in the policy's order."""
        return self._by_rung.get(rung, ())

    @cached_property
    def _by_rung(self) -> dict[int, tuple[Treatment, ...]]:
        rungs = {each.rung for each in self.treatments.values()}
        return {rung: tuple(name for name, each in self.treatments.items() if each.rung == rung) for rung in rungs}

    def channels_on(self, rung: int) -> tuple[Channel, ...]:
        """The channels that some treatment of a rung may use."""
        return self._channels_by_rung.get(rung, ())

    @cached_property
    def _channels_by_rung(self) -> dict[int, tuple[Channel, ...]]:
        return {
            rung: tuple(dict.fromkeys(channel for name in names for channel in self.treatments[name].channels))
            for rung, names in self._by_rung.items()
        }

    @cached_property
    def channels(self) -> tuple[Channel, ...]:
        """Every channel that some treatment may use."""
        return tuple(dict.fromkeys(channel for treatment in self.treatments.values() for channel in treatment.channels))

    @cached_property
    def rules(self) -> tuple[Rule, ...]:
        """Every rule, in the order of the file."""
        basics = [getattr(self.basics, name) for name in Basics.model_fields]
        grounds = [getattr(self.grounds, name) for name in Grounds.model_fields]
        return (*basics, *grounds, *self._figures(), *self.hold_lengths)

    def _figures(self) -> Iterator[Rule]:
        for kind in (self.hours, self.closed_days, self.quiet, self.caps, self.gaps):
            yield from kind


@lru_cache(maxsize=64)
def minutes(hour: str) -> int:
    """Minutes since local midnight of "HH:MM"."""
    return int(hour[:2]) * 60 + int(hour[3:])


def load(text: str) -> Policy:
    """Reads a policy from TOML. Raises `ConfigurationError` naming the field and the way out."""
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(
            f"policy: not TOML ({error}): mend the file named by EWS_POLICY_FILE"
        ) from None
    try:
        # The JSON route lets strict mode take arrays as tuples; dates are written in ISO form on the way.
        return Policy.model_validate_json(msgspec.json.encode(data))
    except ValidationError as error:
        lines = []
        for item in error.errors(include_url=False, include_input=False):
            field = ".".join(str(part) for part in item["loc"]) or "the file"
            remedy = "remove it, or mend its spelling" if item["type"] == "extra_forbidden" else "mend it"
            lines.append(f"policy: {field}: {item['msg']}: {remedy}")
        raise ConfigurationError("\n".join(lines)) from None


def default_text() -> str:
    """The packaged policy, as text."""
    return files("stream.treatment").joinpath("policy.toml").read_text(encoding="utf-8")
