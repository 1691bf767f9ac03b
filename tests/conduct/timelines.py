"""Timelines that try the contact rules: short, seeded, and full of what goes wrong around a nudge.

`draw(seed)` gives the records that one partition of a customers stage might read over some weeks: who people are, what their
accounts look like, signals that call for a nudge, and then, about when one is issued, whatever may forbid it: holds that are
placed late or lifted, conversations and calls, a move to another zone, an opt-out, a case. Dates lie around what calendars do
to local time: both changes of the clocks, leap days, the turn of the year, public holidays, the day that Apia left out.

A record that should name a nudge or an escalation cannot know its id: it says `LATEST`, and whoever feeds the timeline puts
the customer's latest in its place (see `tests.conduct.run`).
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any, NamedTuple

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
LATEST = "?latest"


class Written(NamedTuple):
    """One record: `timestamp` in ms."""

    topic: str
    key: str | None
    value: dict[str, Any]
    timestamp: int
    bad: bool = False
    """Whether it is to be refused."""


class Place(NamedTuple):
    jurisdiction: str
    regions: tuple[str, ...]
    zones: tuple[str, ...]
    language: str
    currency: str
    weight: int


PLACES = (
    Place("GB", ("", "GB-ENG", "GB-SCT", "GB-SCT", "GB-NIR", "GB-WLS"), ("Europe/London",), "en-GB", "GBP", 20),
    Place(
        "US", ("", "US-NY", "US-CA"),
        ("America/New_York", "America/Los_Angeles", "Pacific/Honolulu", "America/Phoenix", "Pacific/Pago_Pago"),
        "en-US", "USD", 14,
    ),
    Place("US", ("US-MA",), ("America/New_York",), "en-US", "USD", 12),
    Place("IE", ("",), ("Europe/Dublin",), "en-IE", "EUR", 12),
    Place("IN", ("", "IN-MH"), ("Asia/Kolkata",), "en-IN", "INR", 10),
    Place(
        "AU", ("", "AU-NSW", "AU-WA"), ("Australia/Sydney", "Australia/Lord_Howe", "Australia/Perth", "Australia/Adelaide"),
        "en-AU", "AUD", 14,
    ),
    Place("DE", ("", "DE-BY"), ("Europe/Berlin",), "de-DE", "EUR", 4),
    Place("FR", ("",), ("Europe/Paris", "Pacific/Tahiti"), "fr-FR", "EUR", 2),
    Place("ES", ("",), ("Europe/Madrid", "Atlantic/Canary"), "es-ES", "EUR", 2),
    Place("PT", ("",), ("Europe/Lisbon", "Atlantic/Azores"), "pt-PT", "EUR", 2),
    Place("PL", ("",), ("Europe/Warsaw",), "pl-PL", "PLN", 1),
    Place("GR", ("",), ("Europe/Athens",), "el-GR", "EUR", 1),
    Place("WS", ("",), ("Pacific/Apia",), "en-WS", "USD", 4),
    Place("NZ", ("",), ("Pacific/Auckland", "Pacific/Chatham"), "en-NZ", "NZD", 1),
    Place("CH", ("", "CH-ZH"), ("Europe/Zurich",), "de-CH", "CHF", 1),
    Place("BR", ("",), ("America/Sao_Paulo",), "pt-BR", "BRL", 1),
    Place("CL", ("",), ("America/Santiago",), "es-CL", "USD", 1),
    Place("EG", ("",), ("Africa/Cairo",), "ar-EG", "USD", 1),
    Place("LB", ("",), ("Asia/Beirut",), "ar-LB", "USD", 1),
    Place("JP", ("",), ("Asia/Tokyo",), "ja-JP", "USD", 1),
)  # fmt: skip
PLACES_WEIGHTS = [place.weight for place in PLACES]
FAR_ZONES = (
    "Pacific/Apia", "Pacific/Pago_Pago", "Pacific/Kiritimati", "Australia/Lord_Howe", "Asia/Kathmandu", "Asia/Kolkata",
    "America/New_York", "America/St_Johns", "Europe/London", "Africa/Casablanca", "America/Havana", "Asia/Tokyo",
)  # fmt: skip

DATES = (
    # The clocks: Europe, America, Australia, Chile, Egypt.
    "2026-03-29", "2026-10-25", "2026-03-08", "2026-11-01", "2026-04-05", "2026-10-04", "2026-09-06", "2026-04-24", "2027-03-28",
    # Leap days, the turn of the year, Easter.
    "2024-02-29", "2028-02-29", "2025-12-31", "2026-12-31", "2027-12-28", "2026-12-25", "2024-12-25", "2026-04-03", "2027-03-29",
    # Nothing in particular.
    "2026-06-10", "2026-06-16", "2026-02-12", "2026-09-17",
)  # fmt: skip
OWN_DATES = {
    "GB": ("2026-03-29", "2026-10-25", "2026-05-04", "2026-08-31", "2026-08-03", "2026-11-30", "2026-07-13", "2026-03-17"),
    "US": ("2026-03-08", "2026-11-01", "2026-07-04"),
    "IE": ("2026-03-29", "2026-10-25", "2026-02-02", "2026-03-17", "2026-10-26", "2026-05-04"),
    "AU": ("2026-04-05", "2026-10-04", "2026-01-26", "2027-01-26", "2026-04-25", "2026-04-03"),
    "IN": ("2026-01-26", "2026-08-15"),
    "DE": ("2026-10-03", "2026-05-14"),
    "FR": ("2026-07-14", "2026-08-15"),
    "ES": ("2026-10-12",),
    "PT": ("2026-04-25", "2026-12-08"),
    "WS": ("2011-12-30", "2011-12-30", "2012-04-01", "2020-09-27", "2026-06-01"),
    "NZ": ("2026-02-06", "2026-04-05"),
}
"""Changes of the clocks and holidays of each nation."""

CHANNELS = ("sms", "email", "push", "voice", "letter", "chat")
PREFERRED = ("voice", "voice", "voice", "email", "email", "letter", "sms", "chat", "push", "")
DETECTORS = (
    "bounce_pressure", "missed_bills", "lateness_drift", "income_drop", "part_payment", "buffer_erosion",
    "expected_payment_absent", "distress_spending", "stress_score", "arrears_clock",
)  # fmt: skip
HOLD_KINDS = (
    "dispute", "hardship_plan", "breathing_space", "breathing_space", "mental_health_crisis", "mental_capacity", "bereavement",
    "insolvency", "cease", "opt_out", "opt_out", "complaint", "represented", "debt_advice", "debt_advice", "vulnerable_review",
    "fraud",
)  # fmt: skip
OF_AN_ACCOUNT = ("dispute", "hardship_plan")
LENGTHS = {"breathing_space": (30, 58, 59, 60, 61), "GB-SCT": (60, 61, 179, 181, 183, 184), "debt_advice": (27, 28, 29, 30, 59)}
"""In days, of holds that end by themselves."""
PROPOSALS = ("bereavement", "insolvency", "dispute", "fraud", "vulnerable_review", "mental_capacity")
OUTCOMES = (
    "attempted", "not_connected", "delivered", "failed", "opened", "clicked", "no_answer", "conversation", "conversation",
    "promise", "refused", "wrong_party", "opted_out", "opted_out", "complaint", "dispute", "hardship", "represented",
    "represented", "plan_proposed", "plan_accepted", "plan_declined",
)  # fmt: skip
MILD = ("attempted", "attempted", "delivered", "delivered", "opened", "no_answer", "not_connected", "failed")
MADE = ("attempted", "attempted", "delivered", "delivered", "opened", "no_answer", "no_answer", "no_answer", "not_connected")
QUEUES = ("arrears_care", "vulnerability", "bereavement", "insolvency", "disputes", "fraud", "collections_review")
PRODUCTS = ("current_account", "loan", "credit_card", "mortgage", "overdraft")
CATEGORIES = ("mortgage", "rent", "energy", "loan", "telecom", "credit_card", "insurance")
QUIET_TIMES = ("00:00", "02:30", "06:00", "08:07", "09:15", "10:00", "12:00", "13:30", "17:00", "19:45", "22:00", "23:59")
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
LATER = (timedelta(), 5 * MINUTE, 20 * MINUTE, HOUR, HOUR, 3 * HOUR, 3 * HOUR, 6 * HOUR, 9 * HOUR, 14 * HOUR)
BACK = (timedelta(), timedelta(), timedelta(), HOUR, 7 * HOUR, DAY, 2 * DAY, 4 * DAY)


def ms(at: datetime) -> int:
    return int((at - EPOCH).total_seconds()) * 1000


class Account(NamedTuple):
    account_id: str
    role: str
    product: str


class Person:
    """What the generator remembers of a customer, to change it later."""

    def __init__(self, chance: Random, customer_id: str, place: Place) -> None:
        self.customer_id = customer_id
        self.place = place
        self.region = chance.choice(place.regions)
        self.zone = chance.choice(place.zones)
        self.consents: dict[str, dict[str, Any]] = {name: {"consent": True} for name in CHANNELS if chance.random() < 0.8} or {
            "email": {"consent": True}
        }
        self.preferred = chance.choice(PREFERRED)
        if place.jurisdiction == "US" and chance.random() < 0.5:
            # Where calls and texts are counted, that is what is tried.
            self.preferred = "sms" if self.region == "US-MA" and chance.random() < 0.5 else "voice"
        self.quiet: list[dict[str, Any]] = []
        self.vulnerabilities: list[str] = []
        self.segment = "microfinance" if place.jurisdiction == "IN" and chance.random() < 0.5 else ""
        self.accounts: list[Account] = []
        self.pauses: dict[str, list[dict[str, Any]]] = {}
        self.signals: dict[str, dict[str, Any]] = {}
        self.holds: dict[str, dict[str, Any]] = {}
        self.cases: list[str] = []
        self.contacts: list[dict[str, Any]] = []
        self.stopped = False
        self.snoozes: list[str] = []


class Writer:
    """Writes one timeline."""

    def __init__(self, seed: int) -> None:
        self.chance = Random(seed)
        self.written: list[Written] = []
        self.serial = 0
        self.at = EPOCH
        self.people: list[Person] = []
        self.all_stopped = False
        self.all_snoozes: list[str] = []

    # --- records

    def write(self, topic: str, key: str | None, value: dict[str, Any], bad: bool = False) -> None:
        self.written.append(Written(topic, key, value, ms(self.at), bad))

    def name(self, kind: str) -> str:
        self.serial += 1
        return f"{kind}{self.serial}"

    def tick(self) -> None:
        at = ms(self.at)
        self.write("ticks", None, {"stage": "customers", "partition": 0, "at": at, "caught_up": True, "live_feeds": []})

    def profile(self, person: Person) -> None:
        value: dict[str, Any] = {
            "customer_id": person.customer_id,
            "updated_at": self.at.isoformat(),
            "jurisdiction": person.place.jurisdiction,
            "time_zone": person.zone,
            "language": person.place.language,
            "channels": {name: dict(each) for name, each in person.consents.items()},
        }
        if person.region:
            value["region"] = person.region
        if person.preferred:
            value["preferred_channel"] = person.preferred
        if person.quiet:
            value["quiet"] = list(person.quiet)
        if person.vulnerabilities:
            value["vulnerabilities"] = list(person.vulnerabilities)
        if person.segment:
            value["segment"] = person.segment
        self.write("customers", person.customer_id, value)

    def facts(self, person: Person, account: Account, change: str = "profile", arrears: int = 0) -> None:
        chance, at = self.chance, self.at
        currency = person.place.currency
        value: dict[str, Any] = {
            "account_id": account.account_id, "customer_id": person.customer_id, "as_of": at.isoformat(), "change": change,
            "role": account.role, "product": account.product, "currency": currency,
            "pauses": person.pauses.get(account.account_id, []),
        }  # fmt: skip
        if chance.random() < 0.5:
            value |= {
                "outstanding": "1250.00", "income_monthly_low": "1900.00", "priority_bills_monthly": "900.00",
                "next_income_on": (at + chance.randrange(1, 28) * DAY).date().isoformat(),
                "obligations": [
                    {
                        "obligation_id": f"O-{account.account_id}", "category": chance.choice(CATEGORIES),
                        "counterparty_id": "P1", "amount_due": "60.00", "currency": currency,
                        "next_due": (at + chance.randrange(1, 28) * DAY).date().isoformat(),
                    }
                ],
            }  # fmt: skip
        if arrears:
            value |= {
                "arrears": "120.00", "days_past_due_treatment": arrears, "days_past_due_contractual": arrears,
                "past_due_since": (at - arrears * DAY).date().isoformat(),
            }  # fmt: skip
        self.write("account-facts", person.customer_id, value)

    # --- what people and banks do

    def signal(self, person: Person) -> None:
        chance = self.chance
        account = chance.choice(person.accounts)
        value: dict[str, Any] = {
            "signal_id": self.name("S"), "status": "raised", "detector": chance.choice(DETECTORS), "detector_version": "1",
            "account_id": account.account_id, "customer_id": person.customer_id, "occurred_at": self.at.isoformat(),
            "severity": chance.choice(("medium", "medium", "medium", "medium", "high", "low")), "score": 1.5,
            "reasons": [{"code": "seen", "text": "Two payments were returned.", "value": 2, "event_ids": ["B1"]}],
        }  # fmt: skip
        if chance.random() < 0.06:
            value["proposes_hold"] = chance.choice(PROPOSALS)
        if chance.random() < 0.15:
            value["expires_at"] = (self.at + chance.randrange(2, 20) * DAY).isoformat()
        person.signals[value["signal_id"]] = value
        self.write("signals", person.customer_id, value)

    def more_signal(self, person: Person) -> None:
        """Changed, withdrawn, or things looking up."""
        chance = self.chance
        if not person.signals or chance.random() < 0.2:
            value = {
                "signal_id": self.name("S"), "status": "raised", "detector": "recovery", "detector_version": "1",
                "account_id": chance.choice(person.accounts).account_id, "customer_id": person.customer_id,
                "occurred_at": self.at.isoformat(), "severity": "info", "score": 3.0, "reasons": [],
            }  # fmt: skip
            self.write("signals", person.customer_id, value)
            return
        signal_id = chance.choice(list(person.signals))
        value = person.signals[signal_id] | {"occurred_at": self.at.isoformat()}
        if chance.random() < 0.4:
            value["status"] = "withdrawn"
            del person.signals[signal_id]
        else:
            value |= {"status": "changed", "severity": chance.choice(("low", "medium", "high"))}
            if chance.random() < 0.15:
                value["proposes_hold"] = chance.choice(PROPOSALS)
            person.signals[signal_id] = value
        self.write("signals", person.customer_id, value)

    def hold(self, person: Person) -> None:
        chance, at = self.chance, self.at
        kind = chance.choice(HOLD_KINDS)
        placed = at - chance.choice(BACK) if chance.random() < 0.85 else at + chance.choice(LATER)
        lengths = LENGTHS.get("GB-SCT" if kind == "breathing_space" and person.region == "GB-SCT" else kind)
        if lengths and chance.random() < 0.4:
            # So long ago that it is just about to end by itself, or has just ended.
            placed = at - chance.choice(lengths) * DAY - chance.choice(LATER)
        value: dict[str, Any] = {
            "event_id": self.name("E"), "hold_id": self.name("H"), "customer_id": person.customer_id, "kind": kind,
            "occurred_at": at.isoformat(), "placed_at": placed.isoformat(),
        }  # fmt: skip
        if kind in OF_AN_ACCOUNT or chance.random() < 0.15:
            value["account_id"] = chance.choice(person.accounts).account_id
        if kind == "opt_out" and chance.random() < 0.6:
            value["channel"] = chance.choice((*CHANNELS, *(6 * (person.preferred or "email",))))
        if chance.random() < 0.35:
            value["ends_at"] = (at + chance.choice((HOUR, 5 * HOUR, DAY, 2 * DAY, 5 * DAY, 40 * DAY))).isoformat()
        person.holds[value["hold_id"]] = value
        self.write("holds", person.customer_id, value)

    def more_hold(self, person: Person) -> None:
        """Lifted, extended, told again, its treatment ended; or told late that it once was otherwise."""
        if not person.holds:
            self.hold(person)
            return
        chance, at = self.chance, self.at
        known = chance.choice(list(person.holds.values()))
        value = known | {"event_id": self.name("E"), "occurred_at": at.isoformat()}
        if known["kind"] == "mental_health_crisis" and chance.random() < 0.6:
            ended = at - chance.choice((0, 1, 20, 27, 28, 29, 30, 31)) * DAY - chance.choice(LATER)
            value["treatment_ended_at"] = ended.isoformat()
        elif known["kind"] != "debt_advice" or chance.random() < 0.5:
            match chance.randrange(5):
                case 0 | 1:
                    value["lifted_at"] = (at - chance.choice((timedelta(), timedelta(), HOUR, DAY))).isoformat()
                case 2:
                    value["ends_at"] = (at + chance.choice(LATER) * 6).isoformat()
                case 3:
                    value["placed_at"] = (at - chance.choice(BACK)).isoformat()
                case 4:
                    # Older than what is known: it changes nothing.
                    earlier = datetime.fromisoformat(known["occurred_at"]) - HOUR
                    value |= {"occurred_at": earlier.isoformat(), "lifted_at": earlier.isoformat()}
                    self.write("holds", person.customer_id, value)
                    return
        person.holds[value["hold_id"]] = value
        self.write("holds", person.customer_id, value)

    def contact(self, person: Person, outcome: str, at: datetime, **fields: Any) -> None:
        chance = self.chance
        value: dict[str, Any] = {
            "event_id": self.name("E"), "contact_id": self.name("K"), "customer_id": person.customer_id,
            "occurred_at": at.isoformat(), "direction": "inbound" if chance.random() < 0.15 else "outbound",
            "channel": person.preferred or "sms", "outcome": outcome,
        } | fields  # fmt: skip
        if "account_id" not in value and chance.random() < 0.75:
            value["account_id"] = chance.choice(person.accounts).account_id
        if outcome == "promise":
            value["promise"] = {
                "promise_id": self.name("P"), "amount": "50.00", "currency": person.place.currency,
                "due_date": (at + chance.randrange(1, 9) * DAY).date().isoformat(),
                "account_id": chance.choice(person.accounts).account_id,
            }  # fmt: skip
        if outcome.startswith("plan_"):
            value["offer_id"] = self.name("F")
        person.contacts.append(value)
        self.write("contact-outcomes", person.customer_id, value)

    def outcome(self, person: Person) -> None:
        chance = self.chance
        if person.contacts and chance.random() < 0.25:
            # More of a contact that is known: earlier or later, one event or the same again.
            known = chance.choice(person.contacts)
            if chance.random() < 0.3:
                self.write("contact-outcomes", person.customer_id, known)
                return
            at = datetime.fromisoformat(known["occurred_at"]) + chance.choice((-HOUR, -5 * MINUTE, MINUTE, MINUTE, 6 * HOUR))
            same = {name: known[name] for name in ("contact_id", "direction", "channel", "account_id") if name in known}
            self.contact(person, chance.choice(MILD), min(at, self.at), **same)
            return
        at = self.at - chance.choice(BACK)
        fields: dict[str, Any] = {}
        if chance.random() < 0.3:
            fields["nudge_id"] = LATEST
        elif chance.random() < 0.5:
            fields["channel"] = chance.choice(CHANNELS)
        self.contact(person, chance.choice(OUTCOMES if chance.random() < 0.6 else MILD), at, **fields)

    def burst(self, person: Person) -> None:
        """So many contacts before, on one account or unknown ones, that there may be room for one more or not."""
        chance = self.chance
        most, days = chance.choice(ROOM.get("US-MA" if person.region == "US-MA" else person.place.jurisdiction, ROOM[""]))
        # Days count from the nudge that is to come, some three days from now.
        reach = (days - chance.choice((3, 3.5, 4))) * DAY
        channels: tuple[str, ...] = (person.preferred or "sms",) if chance.random() < 0.3 else CHANNELS
        if person.place.jurisdiction == "US" and chance.random() < 0.8:
            channels = ("voice", "sms") if person.region == "US-MA" and most == 2 else ("voice",)
        account = next(iter(person.signals.values()))["account_id"]
        count = max(1, most + chance.choice((-1, -1, 0, 0, 1)))
        for number in range(count):
            fields: dict[str, Any] = {"direction": "outbound", "channel": chance.choice(channels)}
            if chance.random() < 0.8:
                fields["account_id"] = account
            # Spread, so that a month's many are never a week's too many.
            at = self.at - reach * ((number + chance.random()) / count)
            outcome = "conversation" if chance.random() < 0.05 else chance.choice(MADE)
            self.contact(person, outcome, at.replace(microsecond=0), **fields)

    def ending(self, person: Person) -> None:
        """A hold, or an outcome that acts as one, that ends by itself about when a nudge is to come."""
        chance = self.chance
        end = self.at + chance.random() * 4 * DAY + 2 * DAY
        kind = chance.choice(("breathing_space", "breathing_space", "debt_advice", "renewed", "mental_health_crisis", "outcome"))
        if kind == "outcome":
            self.contact(person, chance.choice(("complaint", "dispute", "represented")), end - 30 * DAY, direction="inbound")
            return
        length = {"breathing_space": 60, "debt_advice": 30, "renewed": 60, "mental_health_crisis": 40}[kind]
        if kind == "breathing_space" and person.region == "GB-SCT":
            length = 183
        placed = (end - length * DAY).replace(microsecond=0)
        value: dict[str, Any] = {
            "event_id": self.name("E"), "hold_id": self.name("H"), "customer_id": person.customer_id,
            "kind": "debt_advice" if kind == "renewed" else kind, "occurred_at": placed.isoformat(),
            "placed_at": placed.isoformat(),
        }  # fmt: skip
        if kind == "mental_health_crisis":
            value["treatment_ended_at"] = (placed + 10 * DAY).isoformat()
        person.holds[value["hold_id"]] = value
        self.write("holds", person.customer_id, value)
        if kind == "renewed":
            again = value | {"event_id": self.name("E"), "occurred_at": (placed + 25 * DAY).isoformat()}
            person.holds[value["hold_id"]] = again
            self.write("holds", person.customer_id, again)

    def close(self, person: Person) -> None:
        """A channel is closed, and at times opened again: by a consent that is newer or one that is not."""
        chance = self.chance
        channel = person.preferred or chance.choice(CHANNELS)
        self.contact(person, chance.choice(("opted_out", "wrong_party")), self.at - chance.choice(BACK), channel=channel)
        if chance.random() < 0.5:
            self.at += chance.choice(LATER)
            since = self.at - chance.choice(BACK)
            person.consents[channel] = {"consent": True, "since": since.isoformat()}
            self.profile(person)

    def case(self, person: Person) -> None:
        chance = self.chance
        value: dict[str, Any] = {
            "event_id": self.name("E"), "customer_id": person.customer_id, "queue": chance.choice(QUEUES),
            "occurred_at": (self.at - chance.choice(BACK)).isoformat(),
        }  # fmt: skip
        if person.cases and chance.random() < 0.6:
            case_id = chance.choice(person.cases)
            value |= {"case_id": case_id, "status": "closed" if chance.random() < 0.8 else "opened"}
        else:
            value |= {"case_id": self.name("C"), "status": "opened" if chance.random() < 0.95 else "closed"}
            person.cases.append(value["case_id"])
        if chance.random() < 0.4:
            value["escalation_id"] = LATEST
        self.write("cases", person.customer_id, value)

    def operate(self, person: Person) -> None:
        """Stops and snoozes, of one or of all; what was silenced is usually soon let go."""
        chance = self.chance
        for_all = chance.random() < 0.4
        stopped = self.all_stopped if for_all else person.stopped
        snoozes = self.all_snoozes if for_all else person.snoozes
        value: dict[str, Any] = {
            "event_id": self.name("E"), "occurred_at": self.at.isoformat(), "who": "op", "why": "because",
        }  # fmt: skip
        if not for_all:
            value["customer_id"] = person.customer_id
        if stopped:
            value["action"] = "resume_nudges"
        elif snoozes and chance.random() < 0.6:
            value["action"] = "unsnooze"
            if detector := snoozes.pop():
                value["detector"] = detector
        elif chance.random() < 0.3:
            value["action"] = "stop_nudges"
        elif chance.random() < 0.05:
            value |= {"action": "release_breaker", "detector": chance.choice(DETECTORS)}
        else:
            detector = chance.choice(("", *DETECTORS[:4]))
            value["action"] = "snooze"
            if detector:
                value["detector"] = detector
            if chance.random() < 0.6:
                value["until"] = (self.at + chance.choice(LATER) * 3 + HOUR).isoformat()
            if detector not in snoozes:
                snoozes.append(detector)
        if value["action"].endswith("nudges"):
            stopped = value["action"] == "stop_nudges"
            if for_all:
                self.all_stopped = stopped
            else:
                person.stopped = stopped
        self.write("operator-actions", "*" if for_all else person.customer_id, value)

    def account(self, person: Person) -> None:
        """Facts change: another holder's pause comes or goes, the role, arrears."""
        chance = self.chance
        number = chance.randrange(len(person.accounts))
        account = person.accounts[number]
        draw = chance.random()
        arrears = 0
        change = "profile"
        if draw < 0.6:
            change = "pause"
            pauses = person.pauses.setdefault(account.account_id, [])
            if pauses and chance.random() < 0.4:
                person.pauses[account.account_id] = pauses[:-1]
            else:
                pause = {
                    "order_id": self.name("O"), "customer_id": "C9" if chance.random() < 0.85 else person.customer_id,
                    "hold_kind": chance.choice(("dispute", "breathing_space", "mental_health_crisis", "hardship_plan")),
                    "from": (self.at - chance.choice(BACK)).isoformat(),
                }  # fmt: skip
                if chance.random() < 0.5:
                    pause["until"] = (self.at + chance.choice(LATER) * 4).isoformat()
                person.pauses[account.account_id] = [*pauses, pause]
        elif draw < 0.75:
            account = account._replace(role=chance.choice(("primary", "joint", "guarantor")))
            person.accounts[number] = account
        else:
            change = "arrears"
            arrears = chance.choice((0, 3, 12, 29, 35))
        self.facts(person, account, change, arrears)

    def change(self, person: Person) -> None:
        """A profile that is no longer what it was."""
        chance = self.chance
        match chance.randrange(9):
            case 0:
                person.zone = chance.choice(person.place.zones + FAR_ZONES)
            case 1 | 2:
                person.quiet = [self.quiet() for _ in range(chance.choice((0, 1, 1, 2)))]
            case 3 | 4:
                channel = chance.choice(CHANNELS)
                if channel in person.consents and chance.random() < 0.5:
                    person.consents[channel] = {"consent": False}
                else:
                    since = self.at - chance.choice(BACK) if chance.random() < 0.8 else self.at + chance.choice(LATER)
                    person.consents[channel] = {"consent": True, "since": since.isoformat()}
            case 5:
                person.preferred = chance.choice(PREFERRED)
            case 6:
                person.vulnerabilities = [chance.choice(("economic_abuse", "health", "job_loss", "mental_health"))]
            case 7:
                person.vulnerabilities = []
                person.segment = chance.choice(("", "microfinance"))
            case 8:
                if chance.random() < 0.4:
                    person.place = chance.choices(PLACES, PLACES_WEIGHTS)[0]
                person.region = chance.choice(person.place.regions)
        self.profile(person)

    def quiet(self) -> dict[str, Any]:
        chance = self.chance
        value: dict[str, Any] = {"from": chance.choice(QUIET_TIMES), "to": chance.choice(QUIET_TIMES)}
        if chance.random() < 0.1:
            value["to"] = value["from"]
        if value["to"] == value["from"] or chance.random() < 0.5:
            value["days"] = chance.sample(DAYS, chance.randrange(1, 4))
        return value

    def again(self, person: Person) -> None:
        """What was written once is written twice."""
        each = self.chance.choice(self.written)
        if each.topic in ("holds", "contact-outcomes", "cases", "operator-actions"):
            self.write(each.topic, each.key, each.value)
        else:
            self.profile(person)

    def bad(self, person: Person) -> None:
        """A record with a zone that does not exist is refused."""
        zone, person.zone = person.zone, "Mars/Olympus"
        self.profile(person)
        person.zone = zone
        self.written[-1] = self.written[-1]._replace(bad=True)


EVENTS: tuple[tuple[Callable[[Writer, Person], None], int], ...] = (
    (Writer.signal, 5),
    (Writer.more_signal, 5),
    (Writer.hold, 5),
    (Writer.more_hold, 5),
    (Writer.outcome, 12),
    (Writer.close, 3),
    (Writer.case, 4),
    (Writer.operate, 4),
    (Writer.account, 5),
    (Writer.change, 10),
    (Writer.again, 2),
    (Writer.bad, 1),
)
DOES = [event for event, _ in EVENTS]
ROOM = {"US": ((7, 7),), "US-MA": ((2, 7), (2, 7), (7, 7)), "IE": ((3, 30),), "AU": ((3, 7), (10, 30)), "": ((2, 7), (4, 30))}
"""How many contacts a pack allows in how many days: bursts come close to it."""


def draw(seed: int) -> list[Written]:
    """The timeline with this seed."""
    writer = Writer(seed)
    chance = writer.chance
    begin(writer)
    weights = [weight for _, weight in EVENTS]
    # A timeline has a theme, so that things of one kind meet.
    weights[chance.randrange(len(weights) - 2)] += 15
    # Signals are given time: a rung is climbed, a nudge falls due.
    for _ in range(chance.choice((1, 2, 2, 3))):
        if chance.random() < 0.3:
            one(writer, weights)
        writer.at += chance.choice((20, 24, 26, 30, 34)) * HOUR
        writer.tick()
    for _ in range(chance.choice((1, 1, 1, 2))):
        for _ in range(chance.randrange(6, 13)):
            writer.at += chance.choice(LATER)
            if chance.random() < 0.45:
                writer.tick()
            else:
                one(writer, weights)
        for _ in range(chance.randrange(3)):
            writer.at += chance.choice((7, 9, 11)) * HOUR
            writer.tick()
        writer.at += chance.choice((1, 2, 4, 6, 20)) * DAY
    if chance.random() < 0.15:
        # A long story: more than four nudges would fit into a month.
        for _ in range(chance.randrange(4, 9)):
            writer.signal(chance.choice(writer.people))
            for hours in (10, 37, 37):
                writer.at += (hours + chance.randrange(8)) * HOUR
                writer.tick()
    for hours in (5, 6, 15):
        writer.at += hours * HOUR
        writer.tick()
    return writer.written


def begin(writer: Writer) -> None:
    """Who there is, what they have, and what the matter is."""
    chance = writer.chance
    home = chance.choices(PLACES, PLACES_WEIGHTS)[0]
    dates = OWN_DATES.get(home.jurisdiction, DATES) if chance.random() < 0.5 else DATES
    noon = datetime.fromisoformat(chance.choice(dates)).replace(tzinfo=UTC)
    writer.at = noon - chance.randrange(2 * 24, 6 * 24) * HOUR + chance.randrange(0, 60, 5) * MINUTE
    for number in range(chance.choices((1, 2, 3), (70, 22, 8))[0]):
        place = home if chance.random() < 0.7 else chance.choices(PLACES, PLACES_WEIGHTS)[0]
        person = Person(chance, f"C{number + 1}", place)
        for count in range(chance.choices((1, 2, 3), (60, 30, 10))[0]):
            # The first account of all is one that they share.
            shared = number and not count and chance.random() < 0.5
            account_id = "A1-0" if shared else f"A{number + 1}-{count}"
            role = "joint" if shared else chance.choices(("primary", "joint", "guarantor"), (80, 12, 8))[0]
            person.accounts.append(Account(account_id, role, chance.choice(PRODUCTS)))
        if chance.random() < 0.3:
            person.quiet = [writer.quiet()]
        if chance.random() < 0.03:
            person.vulnerabilities = ["economic_abuse"]
        writer.people.append(person)
        if chance.random() < 0.97:
            writer.profile(person)
        else:
            writer.bad(person)
        for account in person.accounts:
            if chance.random() < 0.9:
                writer.facts(person, account, arrears=chance.choice((0, 0, 0, 0, 0, 4, 15)))
        for _ in range(chance.choice((1, 1, 2, 2, 3))):
            writer.signal(person)
        if chance.random() < 0.4:
            writer.burst(person)
        elif chance.random() < 0.2:
            writer.ending(person)


def one(writer: Writer, weights: list[int]) -> None:
    """One event, of anybody."""
    chance = writer.chance
    person = writer.people[0] if len(writer.people) == 1 else chance.choice(writer.people)
    chance.choices(DOES, weights)[0](writer, person)
