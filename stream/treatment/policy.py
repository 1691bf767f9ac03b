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
from typing import Annotated

import msgspec
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from stream.contracts.vocabulary import Channel, HoldKind, Priority, Queue, SuggestedAction, Treatment
from stream.errors import ConfigurationError

HourText = Annotated[str, StringConstraints(pattern=r"^([01]\d|2[0-3]):[0-5]\d$|^24:00$")]
Word = Annotated[str, StringConstraints(min_length=1, max_length=200)]
Guidance = Annotated[str, StringConstraints(min_length=1, max_length=400)]
Rung = Annotated[int, Field(ge=0, le=5)]
Days = Annotated[int, Field(ge=1, le=366)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Rule(_Part):
    """One rule: where it comes from, and since when it is in force."""

    id: Annotated[str, StringConstraints(pattern=r"^[a-z0-9_.]{1,64}$")]
    version: Annotated[int, Field(ge=1)]
    source: Word
    in_force: dt.date
    says: Word
    """What it means, for a person to read."""


class Hours(Rule):
    """Contact is allowed in [opens, closes) of the customer's local time."""

    opens: HourText
    closes: HourText
    channels: tuple[Channel, ...]

    @model_validator(mode="after")
    def _in_order(self) -> Hours:
        if minutes(self.opens) >= minutes(self.closes):
            raise ValueError("opens must be before closes")
        return self


class QuietHours(Rule):
    """The customer's own quiet hours, and the channels they bind."""

    channels: tuple[Channel, ...]


class Cap(Rule):
    """At most `limit` nudges in `days` calendar days of the customer's zone, the day itself included."""

    limit: Annotated[int, Field(ge=1, le=1000)]
    days: Days


class Pack(_Part):
    """The rules of a jurisdiction that have figures in them."""

    hours: Hours
    quiet: QuietHours
    caps: Annotated[tuple[Cap, ...], Field(min_length=1)]


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


class Grounds(_Part):
    """What the ladder asks: why a treatment, a person or a withdrawal is called for."""

    rung: Rule
    steady: Rule
    stands: Rule
    hold: Rule
    proposed: Rule
    check: Rule
    promise: Rule
    silence: Rule
    unreachable: Rule


class Holds(_Part):
    """What a hold does beside forbidding nudges."""

    shared: tuple[HoldKind, ...]
    """Kinds that bind the other holders of the account too."""
    crisis_days_after_treatment: Annotated[int, Field(ge=0, le=366)]
    provisional_days: Days
    """How long a hold lasts that follows from what the customer said, until the holds feed has caught up."""
    queues: dict[HoldKind, Queue]
    checks: dict[str, Queue]
    """Whom a sign that is no trouble asks to look, by detector, where it proposes no hold."""


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
    hold_days: Annotated[tuple[Annotated[int, Field(ge=0, le=366)], ...], Field(min_length=5, max_length=5)]
    """Days a rung (0, 1, 2, 3, 4) is held before the next one up."""
    clear_days: Days
    silence_days: Days
    promise_working_days: Annotated[int, Field(ge=0, le=30)]
    broken_promise_days: Days
    contactability_days: Days
    recognition_clear_days: Days
    """Days without any open signal before an improvement is recognised."""
    recognition_days: Days
    """Days after those in which it may still be."""


class TreatmentPolicy(_Part):
    """One treatment: who gets it, how it is said, and where."""

    rung: Rung
    detectors: tuple[Word, ...] = ()
    """Whose signals call for it on its rung; empty: any."""
    products: tuple[str, ...] = ()
    """Products of the signal's account it is for; empty: any."""
    channels: Annotated[tuple[Channel, ...], Field(min_length=1)]
    template: Word
    template_version: Word
    tone: Word
    help: Word
    text: Annotated[
        dict[str, Annotated[str, StringConstraints(min_length=1, max_length=1000)]], Field(min_length=1)
    ]
    """What it says, by language; `{account}` is the end of the account's number."""


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
    default_language: Word
    preferred_wait_hours: Annotated[int, Field(ge=0, le=72)]
    """How long a nudge waits for the channel the customer asked for, where another is free sooner."""
    shortest_window_seconds: Annotated[int, Field(ge=1, le=86_400)]
    window_hours: dict[Channel, Annotated[int, Field(ge=1, le=24 * 14)]]
    packs: dict[str, Pack]
    """By ISO 3166-1 code, or 3166-2 for a region's own; `default` is for all others."""
    basics: Basics
    grounds: Grounds
    holds: Holds
    ladder: Ladder
    treatments: dict[Treatment, TreatmentPolicy]
    queues: dict[Queue, QueuePolicy]

    @model_validator(mode="after")
    def _whole(self) -> Policy:
        if "default" not in self.packs:
            raise ValueError("packs.default is missing")
        for channel in {channel for treatment in self.treatments.values() for channel in treatment.channels}:
            if channel not in self.window_hours:
                raise ValueError(f"window_hours.{channel} is missing")
        for queue in {*self.holds.queues.values(), *self.holds.checks.values(), "arrears_care", "contactability"}:
            if queue not in self.queues:
                raise ValueError(f"queues.{queue} is missing")
        for name, treatment in self.treatments.items():
            if self.default_language not in treatment.text:
                raise ValueError(f"treatments.{name}.text.{self.default_language} is missing")
        return self

    def pack(self, jurisdiction: str, region: str) -> Pack:
        """The pack of a place: the region's own, else the country's, else the default."""
        packs = self.packs
        return packs.get(region) or packs.get(jurisdiction) or packs["default"]

    @cached_property
    def rules(self) -> tuple[Rule, ...]:
        """Every rule, in the order of the file."""
        return tuple(self._walk())

    def _walk(self) -> Iterator[Rule]:
        for name in Basics.model_fields:
            yield getattr(self.basics, name)
        for name in Grounds.model_fields:
            yield getattr(self.grounds, name)
        for pack in self.packs.values():
            yield pack.hours
            yield pack.quiet
            yield from pack.caps


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
