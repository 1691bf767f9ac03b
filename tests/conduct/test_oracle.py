"""The oracle itself: for each rule a nudge that it lets pass and one that it does not, so that a blind oracle is seen."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from tests.conduct import oracle
from tests.conduct.oracle import Said, Told

LONDON = "Europe/London"
NEW_YORK = "America/New_York"
SYDNEY = "Australia/Sydney"
DUBLIN = "Europe/Dublin"
APIA = "Pacific/Apia"
CHANNELS = ("sms", "email", "push", "voice", "letter", "chat")
START = datetime(2026, 6, 8, 9, tzinfo=UTC)
"""A Monday, ten o'clock in London."""


def at(zone: str, text: str) -> datetime:
    """A local time, e.g. `2026-06-08 09:00`, in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=oracle.zone_of(zone)).astimezone(UTC)


class Story:
    """Told and said, record after record."""

    def __init__(self, now: datetime = START) -> None:
        self.now = now
        self.told: list[Told] = []
        self.said: list[Said] = []
        self.serial = 0

    def tell(self, topic: str, value: dict[str, Any], now: datetime | None = None) -> None:
        self.now = now or self.now
        self.told.append((topic, value, int(self.now.timestamp() * 1000)))

    def _id(self, kind: str) -> str:
        self.serial += 1
        return f"{kind}{self.serial}"

    def customer(self, jurisdiction: str = "GB", zone: str = LONDON, now: datetime | None = None, **fields: Any) -> Story:
        self.now = now or self.now
        self.tell(
            "customers",
            {
                "customer_id": "C1", "updated_at": self.now.isoformat(), "jurisdiction": jurisdiction, "time_zone": zone,
                "language": "en", "channels": {name: {"consent": True} for name in CHANNELS},
            } | fields,
        )  # fmt: skip
        return self

    def hold(self, kind: str, placed: datetime, now: datetime | None = None, hold: str = "H1", **fields: Any) -> Story:
        self.now = now or self.now
        value = {
            "event_id": self._id("E"), "hold_id": hold, "customer_id": "C1", "kind": kind, "occurred_at": self.now.isoformat(),
            "placed_at": placed.isoformat(),
        }  # fmt: skip
        self.tell("holds", value | {k: v.isoformat() if isinstance(v, datetime) else v for k, v in fields.items()})
        return self

    def contact(self, when: datetime, outcome: str, channel: str = "voice", **fields: Any) -> Story:
        value = {
            "event_id": self._id("E"), "contact_id": self._id("K"), "customer_id": "C1", "occurred_at": when.isoformat(),
            "direction": "outbound", "channel": channel, "outcome": outcome, "account_id": "A1",
        } | fields  # fmt: skip
        self.tell("contact-outcomes", {k: v for k, v in value.items() if v is not None}, max(self.now, when))
        return self

    def case(self, status: str, when: datetime, now: datetime | None = None) -> Story:
        value = {
            "event_id": self._id("E"), "case_id": "K1", "customer_id": "C1", "occurred_at": when.isoformat(), "status": status,
            "queue": "arrears_care",
        }  # fmt: skip
        self.tell("cases", value, now)
        return self

    def operator(self, action: str, customer: str | None = "C1", now: datetime | None = None, **fields: Any) -> Story:
        self.now = now or self.now
        value = {
            "event_id": self._id("E"), "occurred_at": self.now.isoformat(), "action": action, "who": "o", "why": "w",
            "customer_id": customer,
        } | fields  # fmt: skip
        self.tell("operator-actions", {k: v for k, v in value.items() if v is not None})
        return self

    def signal(self, status: str = "raised", signal: str = "S1", now: datetime | None = None, **fields: Any) -> Story:
        self.now = now or self.now
        value = {
            "signal_id": signal, "status": status, "detector": "bounce_pressure", "account_id": "A1", "customer_id": "C1",
            "occurred_at": self.now.isoformat(), "severity": "medium",
        } | fields  # fmt: skip
        self.tell("signals", value)
        return self

    def facts(self, role: str = "primary", account: str = "A1", now: datetime | None = None, **fields: Any) -> Story:
        self.now = now or self.now
        value = {"account_id": account, "customer_id": "C1", "as_of": self.now.isoformat(), "change": "profile", "role": role}
        self.tell("account-facts", value | fields)
        return self

    def pause(self, kind: str, since: datetime, until: datetime | None = None, holder: str = "C2") -> Story:
        pause = {"order_id": "O1", "customer_id": holder, "hold_kind": kind, "from": since.isoformat()}
        return self.facts(pauses=[pause | ({"until": until.isoformat()} if until else {})])

    def tick(self, now: datetime) -> Story:
        self.tell("ticks", {"at": int(now.timestamp() * 1000)}, now)
        return self

    def decision(self, treatment: str = "education", result: str = "issued", **fields: Any) -> str:
        decision_id = self._id("D")
        record = {
            "decision_id": decision_id, "customer_id": "C1", "decided_at": self.now.isoformat(), "treatment": treatment,
            "result": result, "rules": [{"rule_id": "r", "version": "1", "verdict": "allow", "source": "somewhere"}],
        } | fields  # fmt: skip
        self.said.append((len(self.told) - 1, "decisions", record))
        return decision_id

    def nudge(
        self, start: datetime, end: datetime | None = None, channel: str = "push", nudge: str = "", treatment: str = "education",
        **fields: Any,
    ) -> Story:  # fmt: skip
        """Said after the latest record; an hour long unless it is said how long."""
        decision_id = self.decision(treatment)
        record = {
            "nudge_id": nudge or self._id("N"), "status": "issued", "customer_id": "C1", "account_ids": ["A1"],
            "treatment": treatment, "channel": channel, "not_before": start.isoformat(),
            "not_after": (end or start + timedelta(hours=1)).isoformat(), "decision_id": decision_id,
            "decided_at": self.now.isoformat(), "signal_ids": ["S1"],
        } | fields  # fmt: skip
        self.said.append((len(self.told) - 1, "nudges", record))
        return self

    def withdraw(self, **fields: Any) -> Story:
        record = next(value for _, topic, value in reversed(self.said) if topic == "nudges")
        gone = record | {"status": "withdrawn", "decided_at": self.now.isoformat(), "withdrawn_because": "a hold"} | fields
        self.said.append((len(self.told) - 1, "nudges", gone))
        return self

    def rules(self) -> list[str]:
        return [each.rule for each in oracle.check(self.told, self.said)]


# --- who is known, and by which channel


def test_a_customer_must_be_known_with_a_zone() -> None:
    assert Story().signal().nudge(START).rules() == ["customer unknown"]
    assert Story().customer(zone="Mars/Olympus").nudge(START).rules() == ["customer unknown"]
    assert Story().customer().nudge(START).rules() == []


def test_a_channel_needs_consent_and_from_its_since_on() -> None:
    noon = START + timedelta(hours=3)
    for channels, start, rules in (
        ({"push": {"consent": True}}, START, []),
        ({"push": {"consent": False}}, START, ["consent"]),
        ({"sms": {"consent": True}}, START, ["consent"]),
        ({"push": {"consent": True, "since": noon.isoformat()}}, noon, []),
        ({"push": {"consent": True, "since": noon.isoformat()}}, noon - timedelta(minutes=1), ["consent"]),
    ):
        assert Story().customer(channels=channels).nudge(start).rules() == rules


@pytest.mark.parametrize("outcome", ["opted_out", "wrong_party"])
def test_a_closed_channel_opens_by_a_later_consent(outcome: str) -> None:
    before, after = START - timedelta(hours=1), START + timedelta(hours=2)
    story = Story().customer().contact(START, outcome, "push")
    assert story.nudge(after).rules() == ["channel closed"]
    for since, rules in ((before, ["channel closed"]), (after, [])):
        story = Story().customer().contact(START, outcome, "push")
        story.customer(channels={"push": {"consent": True, "since": since.isoformat()}}, now=after)
        assert story.nudge(after).rules() == rules
    assert Story().customer().contact(START, outcome, "sms").nudge(after).rules() == []


def test_an_opt_out_closes_what_is_left_of_a_window() -> None:
    told_at = START + timedelta(minutes=30)
    story = Story().customer().nudge(START).contact(told_at, "opted_out", "push")
    assert story.rules() == ["channel closed"]
    assert Story().customer().nudge(START).contact(told_at, "opted_out", "push").withdraw().rules() == []
    story = Story().customer().nudge(START).tick(START + timedelta(hours=1)).contact(START, "opted_out", "push")
    assert story.rules() == []


# --- hours


@pytest.mark.parametrize(
    ("jurisdiction", "fields", "zone", "channel", "start", "end", "rules"),
    [
        ("GB", {}, LONDON, "sms", "2026-06-08 08:00", "2026-06-08 20:00", []),
        ("GB", {}, LONDON, "sms", "2026-06-08 07:59", "2026-06-08 20:00", ["hours"]),
        ("GB", {}, LONDON, "sms", "2026-06-08 08:00", "2026-06-08 20:01", ["hours"]),
        ("GB", {}, LONDON, "push", "2026-06-08 19:00", "2026-06-09 09:00", ["hours"]),
        ("GB", {}, LONDON, "chat", "2026-06-08 20:00", "2026-06-08 20:01", ["hours"]),
        ("GB", {}, LONDON, "voice", "2026-06-08 08:00", "2026-06-08 20:00", []),
        ("GB", {}, LONDON, "voice", "2026-06-08 20:00", "2026-06-08 20:30", ["hours"]),
        ("GB", {}, LONDON, "email", "2026-06-08 03:00", "2026-06-10 03:00", []),
        ("GB", {}, LONDON, "letter", "2026-06-08 03:00", "2026-06-10 03:00", []),
        # By the customer's zone, not the pack's.
        ("GB", {}, APIA, "sms", "2026-06-08 08:00", "2026-06-08 20:00", []),
        ("GB", {}, APIA, "sms", "2026-06-08 20:00", "2026-06-08 20:01", ["hours"]),
        ("US", {}, NEW_YORK, "sms", "2026-06-08 08:00", "2026-06-08 21:00", []),
        ("US", {}, NEW_YORK, "sms", "2026-06-08 08:00", "2026-06-08 21:01", ["hours"]),
        ("US", {}, NEW_YORK, "email", "2026-06-08 08:00", "2026-06-08 21:00", []),
        ("US", {}, NEW_YORK, "email", "2026-06-08 20:00", "2026-06-09 09:00", ["hours"]),
        ("US", {"region": "US-MA"}, NEW_YORK, "email", "2026-06-08 21:00", "2026-06-08 21:01", ["hours"]),
        ("US", {}, NEW_YORK, "letter", "2026-06-08 01:00", "2026-06-09 01:00", []),
        ("US", {}, NEW_YORK, "voice", "2026-06-14 08:00", "2026-06-14 21:00", []),
        ("IN", {}, "Asia/Kolkata", "push", "2026-06-08 08:00", "2026-06-08 19:00", []),
        ("IN", {}, "Asia/Kolkata", "push", "2026-06-08 18:00", "2026-06-08 19:01", ["hours"]),
        ("IN", {"segment": "microfinance"}, "Asia/Kolkata", "push", "2026-06-08 09:00", "2026-06-08 18:00", []),
        ("IN", {"segment": "microfinance"}, "Asia/Kolkata", "push", "2026-06-08 08:59", "2026-06-08 18:00", ["hours"]),
        ("IN", {"segment": "microfinance"}, "Asia/Kolkata", "sms", "2026-06-08 18:00", "2026-06-08 18:01", ["hours"]),
        ("GB", {"segment": "microfinance"}, LONDON, "sms", "2026-06-08 08:00", "2026-06-08 20:00", []),
        ("IE", {}, DUBLIN, "sms", "2026-06-08 08:00", "2026-06-08 20:00", []),
        ("IE", {}, DUBLIN, "sms", "2026-06-08 20:00", "2026-06-08 20:01", ["hours"]),
        ("DE", {}, "Europe/Berlin", "sms", "2026-06-08 07:00", "2026-06-08 07:01", ["hours"]),
        ("WS", {}, APIA, "sms", "2026-06-08 08:00", "2026-06-08 20:00", []),
        ("WS", {}, APIA, "sms", "2026-06-08 20:00", "2026-06-08 20:30", ["hours"]),
        ("AU", {}, SYDNEY, "sms", "2026-06-09 07:30", "2026-06-09 21:00", []),
        ("AU", {}, SYDNEY, "sms", "2026-06-09 07:29", "2026-06-09 21:00", ["hours"]),
        ("AU", {}, SYDNEY, "chat", "2026-06-13 09:00", "2026-06-13 21:00", []),
        ("AU", {}, SYDNEY, "chat", "2026-06-13 08:59", "2026-06-13 21:00", ["hours"]),
        ("AU", {}, SYDNEY, "voice", "2026-06-14 07:30", "2026-06-14 09:00", ["hours"]),
        # The day on which the clocks go forward, and that on which they go back.
        ("GB", {}, LONDON, "sms", "2026-03-29 08:00", "2026-03-29 20:00", []),
        ("GB", {}, LONDON, "sms", "2026-03-29 07:30", "2026-03-29 08:30", ["hours"]),
        ("GB", {}, LONDON, "sms", "2026-10-25 19:30", "2026-10-25 20:30", ["hours"]),
        # Apia had no 30 December: from one evening to the next but one.
        ("WS", {}, APIA, "sms", "2011-12-29 19:00", "2011-12-31 09:00", ["hours"]),
        ("WS", {}, APIA, "sms", "2011-12-31 08:00", "2011-12-31 20:00", []),
    ],
)  # fmt: skip
def test_hours(
    jurisdiction: str, fields: dict[str, Any], zone: str, channel: str, start: str, end: str, rules: list[str]
) -> None:
    begins = at(zone, start)
    story = Story(begins - timedelta(hours=1)).customer(jurisdiction, zone, **fields)
    assert story.nudge(begins, at(zone, end), channel).rules() == rules


@pytest.mark.parametrize(
    ("jurisdiction", "region", "zone", "channel", "day", "rules"),
    [
        ("GB", "", LONDON, "voice", "2026-06-13", []),
        ("GB", "", LONDON, "voice", "2026-06-14", ["sunday"]),
        ("GB", "", LONDON, "sms", "2026-06-14", []),
        ("GB", "", LONDON, "voice", "2026-05-25", ["holiday"]),
        ("GB", "", LONDON, "sms", "2026-05-25", []),
        # The summer holiday is on another day in Scotland; 12 July is kept in Northern Ireland, St Andrew's Day in Scotland.
        ("GB", "GB-ENG", LONDON, "voice", "2026-08-31", ["holiday"]),
        ("GB", "GB-SCT", LONDON, "voice", "2026-08-31", []),
        ("GB", "GB-NIR", LONDON, "voice", "2026-07-13", ["holiday"]),
        ("GB", "GB-WLS", LONDON, "voice", "2026-07-13", []),
        ("GB", "GB-SCT", LONDON, "voice", "2026-11-30", ["holiday"]),
        ("GB", "", LONDON, "voice", "2026-11-30", []),
        ("IE", "", DUBLIN, "voice", "2026-02-02", ["holiday"]),
        ("IE", "", DUBLIN, "voice", "2026-02-03", []),
        ("IE", "", DUBLIN, "voice", "2026-06-14", ["sunday"]),
        ("FR", "", "Europe/Paris", "voice", "2026-07-14", ["holiday"]),
        ("FR", "", "Europe/Paris", "voice", "2026-07-13", []),
        ("DE", "", "Europe/Berlin", "voice", "2026-06-14", ["sunday"]),
        ("NZ", "", "Pacific/Auckland", "voice", "2026-02-06", ["holiday"]),
        ("NZ", "", "Pacific/Auckland", "voice", "2026-02-05", []),
        ("ZA", "", "Africa/Johannesburg", "voice", "2026-06-14", ["sunday"]),
        ("US", "", NEW_YORK, "voice", "2026-12-25", []),
        ("IN", "", "Asia/Kolkata", "voice", "2026-01-26", []),
        ("AU", "", SYDNEY, "voice", "2026-01-26", ["holiday"]),
        ("AU", "", SYDNEY, "sms", "2026-01-26", ["holiday"]),
        ("AU", "", SYDNEY, "email", "2026-01-26", []),
        ("AU", "", SYDNEY, "voice", "2026-01-27", []),
        ("AU", "", SYDNEY, "voice", "2026-06-14", []),
    ],
)  # fmt: skip
def test_days(jurisdiction: str, region: str, zone: str, channel: str, day: str, rules: list[str]) -> None:
    begins = at(zone, f"{day} 10:00")
    fields: dict[str, Any] = {"region": region} if region else {}
    story = Story(begins - timedelta(hours=1)).customer(jurisdiction, zone, **fields)
    assert story.nudge(begins, at(zone, f"{day} 12:00"), channel).rules() == rules


MONDAY = {"from": "18:00", "to": "09:30", "days": ["mon"]}


@pytest.mark.parametrize(
    ("quiet", "channel", "start", "end", "rules"),
    [
        ({"from": "12:00", "to": "13:30"}, "sms", "2026-06-08 10:00", "2026-06-08 12:00", []),
        ({"from": "12:00", "to": "13:30"}, "sms", "2026-06-08 10:00", "2026-06-08 12:01", ["quiet"]),
        ({"from": "12:00", "to": "13:30"}, "sms", "2026-06-08 13:30", "2026-06-08 15:00", []),
        ({"from": "12:00", "to": "13:30"}, "sms", "2026-06-08 13:29", "2026-06-08 15:00", ["quiet"]),
        ({"from": "12:00", "to": "13:30"}, "email", "2026-06-08 13:00", "2026-06-08 15:00", ["quiet"]),
        ({"from": "12:00", "to": "13:30"}, "letter", "2026-06-08 13:00", "2026-06-08 15:00", []),
        (MONDAY, "email", "2026-06-08 17:00", "2026-06-08 18:00", []),
        (MONDAY, "email", "2026-06-08 17:00", "2026-06-08 18:01", ["quiet"]),
        (MONDAY, "email", "2026-06-09 09:00", "2026-06-09 10:00", ["quiet"]),
        (MONDAY, "email", "2026-06-09 09:30", "2026-06-10 12:00", []),
        (MONDAY, "email", "2026-06-08 08:00", "2026-06-08 18:00", []),
        ({"from": "10:00", "to": "10:00", "days": ["mon"]}, "email", "2026-06-09 09:00", "2026-06-09 09:30", ["quiet"]),
        ({"from": "10:00", "to": "10:00", "days": ["mon"]}, "email", "2026-06-09 10:00", "2026-06-14 10:00", []),
        ({"from": "00:00", "to": "00:00", "days": ["mon"]}, "email", "2026-06-08 23:59", "2026-06-09 00:00", ["quiet"]),
        ({"from": "00:00", "to": "00:00", "days": ["mon"]}, "email", "2026-06-09 00:00", "2026-06-15 00:00", []),
        # In the night of 29 March the clocks jump from 01:00 to 02:00; in that of 25 October 01:00 to 02:00 comes twice.
        ({"from": "01:30", "to": "02:30"}, "email", "2026-03-29 02:00", "2026-03-29 02:30", ["quiet"]),
        ({"from": "01:30", "to": "02:30"}, "email", "2026-03-29 02:30", "2026-03-30 01:30", []),
    ],
)
def test_quiet_hours(quiet: dict[str, Any], channel: str, start: str, end: str, rules: list[str]) -> None:
    begins = at(LONDON, start)
    story = Story(begins - timedelta(hours=1)).customer(quiet=[quiet])
    assert story.nudge(begins, at(LONDON, end), channel).rules() == rules


def test_quiet_hours_come_twice_when_the_clocks_go_back() -> None:
    quiet = {"from": "01:10", "to": "01:20", "days": ["sun"]}
    for start, rules in (("00:00", []), ("00:11", ["quiet"]), ("00:30", []), ("01:11", ["quiet"]), ("01:20", [])):
        begins = datetime.fromisoformat(f"2026-10-25 {start}").replace(tzinfo=UTC)
        story = Story(begins - timedelta(hours=1)).customer(quiet=[quiet])
        assert story.nudge(begins, begins + timedelta(minutes=5), "email").rules() == rules


def test_a_move_to_another_zone_judges_what_is_left() -> None:
    # Noon in London is early in New York, 17 o'clock is not.
    for start, rules in ((START, ["hours"]), (START + timedelta(hours=5), [])):
        story = Story(START).customer().nudge(start, start + timedelta(hours=4))
        assert story.customer("GB", NEW_YORK, now=START + timedelta(hours=1)).rules() == rules


# --- operators, cases, people to protect


@pytest.mark.parametrize("customer", ["C1", None])
def test_stopped_nudges(customer: str | None) -> None:
    assert Story().customer().operator("stop_nudges", customer).nudge(START).rules() == ["stopped"]
    story = Story().customer().operator("stop_nudges", customer).operator("resume_nudges", customer)
    assert story.nudge(START).rules() == []
    halfway = START + timedelta(minutes=30)
    assert Story().customer().nudge(START).operator("stop_nudges", customer, now=halfway).rules() == ["stopped"]
    assert Story().customer().nudge(START).operator("stop_nudges", customer, now=halfway).withdraw().rules() == []
    assert Story().customer().nudge(START).operator("stop_nudges", "C2", now=halfway).rules() == []
    assert Story().customer().nudge(START).operator("stop_nudges", customer, now=START + timedelta(hours=1)).rules() == []


@pytest.mark.parametrize("customer", ["C1", None])
def test_snoozes(customer: str | None) -> None:
    until = START + timedelta(hours=2)
    story = Story().customer().signal().operator("snooze", customer, until=until.isoformat())
    assert story.nudge(until).rules() == []
    assert story.nudge(until - timedelta(minutes=1)).rules() == ["snoozed"]
    story = Story().customer().signal().operator("snooze", customer, detector="bounce_pressure")
    assert story.nudge(START).rules() == ["snoozed"]
    story = Story().customer().signal().operator("snooze", customer, detector="income_drop")
    assert story.nudge(START).rules() == []
    story = Story().customer().signal().operator("snooze", customer).operator("unsnooze", customer)
    assert story.nudge(START).rules() == []
    # What rests on another detector too is not silenced.
    story = Story().customer().signal().signal(signal="S2", detector="income_drop")
    story.operator("snooze", customer, detector="bounce_pressure")
    assert story.nudge(START, signal_ids=["S1", "S2"]).rules() == []


def test_a_human_case() -> None:
    later = START + timedelta(hours=3)
    assert Story().customer().case("opened", START).nudge(later).rules() == ["case"]
    assert Story().customer().case("opened", START).case("closed", later, later).nudge(later).rules() == []
    # Also for what is past of the window, told late.
    story = Story().customer().nudge(START, later).tick(START + timedelta(hours=2))
    story.case("opened", START).case("closed", START + timedelta(hours=1))
    assert story.rules() == ["case"]
    story = Story().customer().case("closed", later).case("opened", START)
    assert story.nudge(later).rules() == []


def test_economic_abuse_and_guarantors() -> None:
    assert Story().customer(vulnerabilities=["economic_abuse"]).nudge(START).rules() == ["economic abuse"]
    assert Story().customer(vulnerabilities=["health"]).nudge(START).rules() == []
    assert Story().customer().facts("guarantor").nudge(START).rules() == ["guarantor"]
    assert Story().customer().facts("joint").facts("guarantor", "A2").nudge(START).rules() == []
    assert Story().customer().nudge(START).facts("guarantor", now=START + timedelta(minutes=1)).rules() == ["guarantor"]


# --- holds

KINDS = (
    "dispute", "breathing_space", "mental_health_crisis", "mental_capacity", "bereavement", "insolvency", "cease", "opt_out",
    "complaint", "represented", "debt_advice", "vulnerable_review", "fraud", "hardship_plan",
)  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_a_hold_forbids_from_its_placing_until_it_is_lifted(kind: str) -> None:
    later = START + timedelta(hours=2)
    rules = [f"hold {kind}"]
    assert Story().customer().hold(kind, START).nudge(later).rules() == rules
    assert Story().customer().hold(kind, later + timedelta(hours=1)).nudge(later).rules() == []
    assert Story().customer().hold(kind, START).hold(kind, START, later, lifted_at=later).nudge(later).rules() == []
    assert Story().customer().hold(kind, START, ends_at=later).nudge(later).rules() == []
    assert Story().customer().hold(kind, START, ends_at=later + timedelta(minutes=1)).nudge(later).rules() == rules
    # Placed late: what is past of the window counts too.
    story = Story().customer().nudge(START, later).tick(START + timedelta(hours=1))
    assert story.hold(kind, START, ends_at=START + timedelta(minutes=1)).rules() == rules
    story = Story().customer().nudge(START, later).tick(START + timedelta(hours=1)).hold(kind, START)
    assert story.withdraw().rules() == []


def test_of_one_hold_the_newest_event_counts() -> None:
    later = START + timedelta(hours=2)
    lifted = Story().customer().hold("cease", START, later, lifted_at=later)
    value = dict(lifted.told[-1][1], event_id="E9", occurred_at=START.isoformat())
    del value["lifted_at"]
    lifted.tell("holds", value)
    assert lifted.nudge(later).rules() == []


def test_holds_of_an_account_or_a_channel_reach_no_other() -> None:
    assert Story().customer().hold("dispute", START, account_id="A1").nudge(START).rules() == ["hold dispute"]
    assert Story().customer().hold("dispute", START, account_id="A2").nudge(START).rules() == []
    assert Story().customer().hold("opt_out", START, channel="push").nudge(START).rules() == ["hold opt_out"]
    assert Story().customer().hold("opt_out", START, channel="sms").nudge(START).rules() == []


def test_a_hardship_plan_allows_its_reminder() -> None:
    story = Story().customer().hold("hardship_plan", START, account_id="A1")
    assert story.nudge(START, treatment="plan_reminder").rules() == []
    assert story.nudge(START).rules() == ["hold hardship_plan"]
    story = Story().customer().hold("dispute", START, account_id="A1")
    assert story.nudge(START, treatment="plan_reminder").rules() == ["hold dispute"]


@pytest.mark.parametrize(
    ("jurisdiction", "region", "kind", "placed", "first", "fields"),
    [
        # Day 1 is 2 March, day 60 is 30 April: across the change of the clocks.
        ("GB", "", "breathing_space", "2026-03-01 23:30", "2026-05-01 00:00", {}),
        ("GB", "GB-SCT", "breathing_space", "2026-03-01 23:30", "2026-09-01 00:00", {}),
        ("GB", "", "debt_advice", "2026-04-01 12:00", "2026-05-01 12:00", {}),
        ("GB", "", "mental_health_crisis", "2026-01-01 12:00", "2026-05-01 12:00", {"treatment_ended_at": "2026-04-01 12:00"}),
    ],
)
def test_default_lengths(jurisdiction: str, region: str, kind: str, placed: str, first: str, fields: dict[str, str]) -> None:
    begins, ends = at(LONDON, placed), at(LONDON, first)
    told = {name: at(LONDON, text) for name, text in fields.items()}
    for start, rules in ((ends, []), (ends - timedelta(minutes=1), [f"hold {kind}"])):
        story = Story(begins).customer(jurisdiction, LONDON, **({"region": region} if region else {}))
        story.hold(kind, begins, **told).tick(ends - timedelta(hours=1))
        assert story.nudge(start, start + timedelta(minutes=1), "letter").rules() == rules


def test_without_an_end_of_its_own_a_hold_lasts() -> None:
    years = START + timedelta(days=900)
    for jurisdiction, zone, kind in (
        ("GB", LONDON, "mental_health_crisis"),
        ("GB", LONDON, "cease"),
        ("IE", DUBLIN, "breathing_space"),
    ):
        story = Story().customer(jurisdiction, zone).hold(kind, START).tick(years)
        assert story.nudge(years, channel="letter").rules() == [f"hold {kind}"]


def test_debt_advice_is_renewed_once() -> None:
    later = START + timedelta(days=20)
    for days, rules in ((59, ["hold debt_advice"]), (60, [])):
        story = Story().customer().hold("debt_advice", START).hold("debt_advice", START, later)
        story.hold("debt_advice", START, later + timedelta(days=9)).tick(START + timedelta(days=days - 1))
        assert story.nudge(START + timedelta(days=days), channel="letter").rules() == rules


@pytest.mark.parametrize("outcome", ["complaint", "dispute", "represented"])
def test_outcomes_that_act_as_holds(outcome: str) -> None:
    end = START + timedelta(days=30)
    story = Story().customer("IN", "Asia/Kolkata").contact(START, outcome, "letter")
    assert story.nudge(end, channel="letter").rules() == []
    assert story.nudge(end - timedelta(minutes=1), channel="letter").rules() == [f"outcome {outcome}"]
    elsewhere = Story().customer().contact(START, outcome, "letter", account_id="A2").nudge(START, channel="letter")
    assert elsewhere.rules() == ([] if outcome == "dispute" else [f"outcome {outcome}"])


def test_a_signal_that_proposes_a_hold() -> None:
    end = START + timedelta(hours=2)
    story = Story().customer().signal(proposes_hold="bereavement", expires_at=end.isoformat())
    assert story.nudge(end, account_ids=["A2"]).rules() == []
    assert story.nudge(START, account_ids=["A2"]).rules() == ["proposed hold bereavement"]
    story = Story().customer().signal(proposes_hold="dispute")
    assert story.nudge(START, account_ids=["A2"]).rules() == []
    assert story.nudge(START).rules() == ["proposed hold dispute"]
    assert Story().customer().signal(proposes_hold="fraud").signal("withdrawn").nudge(START).rules() == []


@pytest.mark.parametrize("kind", ["dispute", "breathing_space", "mental_health_crisis", "hardship_plan"])
def test_pauses_of_other_holders(kind: str) -> None:
    later = START + timedelta(hours=2)
    assert Story().customer().pause(kind, START).nudge(later).rules() == [f"pause {kind}"]
    assert Story().customer().pause(kind, START, later).nudge(later).rules() == []
    assert Story().customer().pause(kind, START, holder="C1").nudge(later).rules() == []
    assert Story().customer().pause(kind, START).nudge(later, account_ids=["A2"]).rules() == []
    assert Story().customer().pause(kind, START).facts(pauses=[]).nudge(later).rules() == []
    reminder = Story().customer().pause(kind, START).nudge(later, treatment="plan_reminder")
    assert reminder.rules() == ([] if kind == "hardship_plan" else [f"pause {kind}"])
    story = Story().customer().nudge(START, later).tick(START + timedelta(hours=1))
    assert story.pause(kind, START, START + timedelta(minutes=1)).rules() == [f"pause {kind}"]
    assert Story().customer().pause("bereavement", START).nudge(later).rules() == []


# --- how often


def on(zone: str, day: str) -> datetime:
    return at(zone, f"{day} 12:00")


@pytest.mark.parametrize(
    ("days", "rules"),
    [
        (("2026-06-01", "2026-06-07", "2026-06-08"), []),
        (("2026-06-02", "2026-06-07", "2026-06-08"), ["nudges: 2 in 7 days"]),
        (("2026-06-01", "2026-06-02", "2026-06-15", "2026-06-16", "2026-07-01"), []),
        (("2026-06-01", "2026-06-02", "2026-06-15", "2026-06-16", "2026-06-30"), ["nudges: 4 in 30 days"]),
        # In whatever order they were issued.
        (("2026-06-08", "2026-06-07", "2026-06-02"), ["nudges: 2 in 7 days"]),
    ],
)
def test_caps_of_nudges(days: tuple[str, ...], rules: list[str]) -> None:
    story = Story(on(LONDON, "2026-05-30")).customer()
    for number, day in enumerate(days):
        treatment = "recognition" if number == 1 else "education"
        story.tick(max(story.now, on(LONDON, day))).nudge(on(LONDON, day), channel="letter", treatment=treatment)
    assert story.rules() == rules


def test_what_was_withdrawn_does_not_count() -> None:
    story = Story().customer()
    for day in ("2026-06-08", "2026-06-09", "2026-06-10"):
        story.tick(on(LONDON, day)).nudge(on(LONDON, day), channel="letter")
        if day == "2026-06-09":
            story.withdraw()
    assert story.rules() == []


WEEK = [date(2026, 6, day).isoformat() for day in range(2, 9)]
"""[D-6, D] for 8 June."""


def american(fields: dict[str, Any] | None = None) -> Story:
    return Story(on(NEW_YORK, "2026-06-01")).customer("US", NEW_YORK, **(fields or {}))


def eighth(story: Story, channel: str = "voice", **fields: Any) -> list[str]:
    """What is said of a nudge on the afternoon of 8 June."""
    start = at(NEW_YORK, "2026-06-08 14:00")
    return story.tick(start).nudge(start, channel=channel, **fields).rules()


def test_seven_calls_in_seven_days() -> None:
    story = american()
    for day in WEEK[:6]:
        story.contact(on(NEW_YORK, day), "no_answer")
    assert eighth(story) == []
    story = american()
    for day in WEEK:
        story.contact(on(NEW_YORK, day), "no_answer")
    assert eighth(story) == ["US calls: 7 in 7 days"]


@pytest.mark.parametrize(
    "fields",
    [
        {"outcome": "not_connected"},
        {"outcome": "failed"},
        {"direction": "inbound"},
        {"account_id": "A2"},
        {"channel": "sms"},
        {"contact_id": "K-one"},
        {"when": on(NEW_YORK, "2026-06-01")},
    ],
)
def test_what_is_no_eighth_call(fields: dict[str, Any]) -> None:
    story = american()
    for day in WEEK:
        story.contact(**({"when": on(NEW_YORK, day), "outcome": "no_answer"} | (fields if day != WEEK[0] else {})))
    assert eighth(story) == []
    # The same, about an account that is not known, counts against all.
    story = american()
    for day in WEEK:
        story.contact(on(NEW_YORK, day), "no_answer", account_id=None)
    assert eighth(story) == ["US calls: 7 in 7 days"]


def test_a_call_is_what_its_latest_outcome_says() -> None:
    for first, second, rules in (("attempted", "not_connected", []), ("not_connected", "no_answer", ["US calls: 7 in 7 days"])):
        story = american()
        for day in WEEK:
            noon = on(NEW_YORK, day)
            # Told in the other order.
            story.contact(noon + timedelta(minutes=1), second, contact_id=f"K-{day}")
            story.contact(noon, first, contact_id=f"K-{day}")
        assert eighth(story) == rules


def test_own_voice_nudges_count_as_calls_unless_told_of_as_contacts() -> None:
    for nudge_id, rules in ((None, ["US calls: 7 in 7 days"]), ("N-own", [])):
        story = american()
        start = at(NEW_YORK, "2026-06-03 09:00")
        story.tick(start).nudge(start, channel="voice", nudge="N-own")
        for number, day in enumerate(WEEK[1:]):
            story.contact(on(NEW_YORK, day), "no_answer", nudge_id=nudge_id if number == 0 else None)
        assert eighth(story) == rules


def test_no_call_within_seven_days_of_a_conversation() -> None:
    for day, rules in (("2026-06-01", []), ("2026-06-02", ["US after a conversation"])):
        assert eighth(american().contact(on(NEW_YORK, day), "conversation")) == rules
        assert eighth(american().contact(on(NEW_YORK, day), "promise", direction="inbound")) == rules
        assert eighth(american().contact(on(NEW_YORK, day), "refused", account_id=None)) == rules
    assert eighth(american().contact(on(NEW_YORK, "2026-06-02"), "conversation", account_id="A2")) == []
    assert eighth(american().contact(on(NEW_YORK, "2026-06-02"), "conversation", channel="chat")) == []
    assert eighth(american().contact(on(NEW_YORK, "2026-06-02"), "no_answer")) == []
    assert eighth(american().contact(on(NEW_YORK, "2026-06-02"), "conversation"), "sms") == []


def test_a_conversation_takes_back_a_call_that_was_to_come() -> None:
    start = at(NEW_YORK, "2026-06-08 14:00")
    talked = at(NEW_YORK, "2026-06-08 10:00")
    assert american().nudge(start, channel="voice").contact(talked, "conversation").rules() == ["US after a conversation"]
    # But not the call in which it was held.
    story = american().nudge(start, channel="voice", nudge="N1")
    assert story.contact(start + timedelta(minutes=1), "conversation", nudge_id="N1").rules() == []


def test_calls_and_texts_in_massachusetts() -> None:
    calls, texts = ("no_answer", "voice"), ("delivered", "sms")
    for region, told, channel, rules in (
        ("US-MA", (calls, texts), "sms", ["US-MA calls and texts: 2 in 7 days"]),
        ("US-MA", (calls, texts), "voice", ["US-MA calls and texts: 2 in 7 days"]),
        ("US-MA", (calls, texts), "email", []),
        ("US-MA", (calls,), "sms", []),
        ("US-MA", (calls, ("delivered", "email")), "sms", []),
        ("US-NY", (calls, texts), "sms", []),
    ):
        story = american({"region": region})
        for outcome, by in told:
            story.contact(on(NEW_YORK, "2026-06-02"), outcome, by)
        assert eighth(story, channel) == rules
    story = american({"region": "US-MA"})
    for _ in range(2):
        story.contact(on(NEW_YORK, "2026-06-01"), "no_answer")
    assert eighth(story, "sms") == []


@pytest.mark.parametrize(
    ("count", "day", "fields", "rules"),
    [
        (2, "2026-06-08", {}, []),
        (3, "2026-06-08", {}, ["IE contacts: 3 in 30 days"]),
        (3, "2026-05-10", {}, ["IE contacts: 3 in 30 days"]),
        (3, "2026-05-09", {}, []),
        (3, "2026-06-08", {"account_id": "A2"}, ["IE contacts: 3 in 30 days"]),
        (3, "2026-06-08", {"direction": "inbound"}, []),
        (3, "2026-06-08", {"contact_id": "K-one"}, []),
    ],
)
def test_three_contacts_in_thirty_days(count: int, day: str, fields: dict[str, Any], rules: list[str]) -> None:
    story = Story(at(DUBLIN, f"{day} 09:00")).customer("IE", DUBLIN)
    for number in range(count):
        when = at(DUBLIN, f"{day} 10:00") + timedelta(minutes=number)
        story.contact(when, "delivered", **({"channel": ("sms", "email", "letter")[number]} | fields))
    start = at(DUBLIN, "2026-06-08 14:00")
    assert story.tick(start).nudge(start).rules() == rules


def test_nudges_and_contacts_are_counted_together_but_not_twice() -> None:
    for nudge_id, rules in ((None, ["IE contacts: 3 in 30 days"]), ("N1", [])):
        story = Story(at(DUBLIN, "2026-06-01 09:00")).customer("IE", DUBLIN)
        story.nudge(story.now, nudge="N1").contact(story.now + timedelta(minutes=5), "delivered", "push", nudge_id=nudge_id)
        story.contact(story.now + timedelta(hours=1), "delivered", "email")
        start = at(DUBLIN, "2026-06-08 14:00")
        assert story.tick(start).nudge(start).rules() == rules


@pytest.mark.parametrize(
    ("days", "fields", "rules"),
    [
        (("2026-06-08", "2026-06-07"), {}, []),
        (("2026-06-08", "2026-06-07", "2026-06-02"), {}, ["AU contacts: 3 in 7 days"]),
        (("2026-06-08", "2026-06-07", "2026-06-01"), {}, []),
        (("2026-06-08", "2026-06-07", "2026-06-02"), {"account_id": "A2"}, []),
        (("2026-06-08", "2026-06-07", "2026-06-02"), {"account_id": None}, ["AU contacts: 3 in 7 days"]),
        (tuple(f"2026-05-{day}" for day in range(10, 20)), {}, ["AU contacts: 10 in 30 days"]),
        (tuple(f"2026-05-{day}" for day in range(11, 20)), {}, []),
        (("2026-05-09", *(f"2026-05-{day}" for day in range(11, 20))), {}, []),
    ],
)
def test_contacts_in_australia(days: tuple[str, ...], fields: dict[str, Any], rules: list[str]) -> None:
    story = Story(at(SYDNEY, "2026-05-01 09:00")).customer("AU", SYDNEY)
    for day in sorted(days):
        story.contact(at(SYDNEY, f"{day} 10:00"), "delivered", **({"channel": "email"} | fields))
    start = at(SYDNEY, "2026-06-08 14:00")
    assert story.tick(start).nudge(start, channel="letter").rules() == rules


def test_a_contact_told_later_takes_back_a_nudge_that_is_then_too_many() -> None:
    start = at(DUBLIN, "2026-06-08 14:00")
    story = Story(at(DUBLIN, "2026-06-08 09:00")).customer("IE", DUBLIN)
    for minute in range(2):
        story.contact(story.now + timedelta(minutes=minute), "delivered", "email")
    story.nudge(start).contact(start - timedelta(minutes=5), "delivered", "email")
    assert story.rules() == ["IE contacts: 3 in 30 days"]
    story.withdraw()
    assert story.rules() == []


def test_a_nudge_must_not_be_too_many_on_a_later_day_of_its_window() -> None:
    for end, rules in (("2026-06-15 00:00", []), ("2026-06-15 00:01", ["AU contacts: 3 in 7 days"])):
        story = Story(at(SYDNEY, "2026-06-09 09:00")).customer("AU", SYDNEY)
        for minute in range(2):
            story.contact(story.now + timedelta(minutes=minute), "delivered", "email")
        story.nudge(at(SYDNEY, "2026-06-15 09:00"), channel="letter")
        assert story.nudge(at(SYDNEY, "2026-06-08 09:00"), at(SYDNEY, end), "letter").rules() == rules


# --- ids, decisions, withdrawals


def test_ids_and_withdrawals() -> None:
    assert Story().customer().nudge(START).withdraw().rules() == []
    assert Story().customer().nudge(START, nudge="N1").nudge(START, nudge="N1").rules() == ["id again"]
    assert Story().customer().nudge(START, nudge="N1").withdraw().nudge(START, nudge="N1").rules() == ["id again"]
    assert Story().customer().nudge(START).withdraw(channel="sms").rules() == ["withdrawal"]
    assert Story().customer().nudge(START).withdraw(withdrawn_because=None).rules() == ["withdrawal"]
    assert Story().customer().nudge(START).withdraw(nudge_id="N9").rules() == ["withdrawal"]
    assert Story().customer().nudge(START, START).rules() == ["window"]


def test_every_nudge_names_a_decision_that_was_said() -> None:
    assert Story().customer().nudge(START, decision_id="D-none").rules() == ["decision"]
    story = Story().customer()
    assert story.nudge(START, decision_id=story.decision(result="deferred")).rules() == ["decision"]
    story = Story().customer()
    assert story.nudge(START, decision_id=story.decision(customer_id="C2")).rules() == ["decision"]
    story = Story().customer()
    assert story.nudge(START, decision_id=story.decision("recognition")).rules() == ["decision"]
    for rules in ([], [{"rule_id": "r", "version": "1"}], [{"rule_id": "r", "source": "s"}]):
        story = Story().customer()
        assert story.nudge(START, decision_id=story.decision(rules=rules)).rules() == ["decision"]


def test_escalations_come_again_only_while_they_stand() -> None:
    def said(*statuses: str) -> list[str]:
        story = Story().customer()
        for status in statuses:
            record = {"escalation_id": "X1", "customer_id": "C1", "status": status, "withdrawn_because": "done"}
            story.said.append((0, "escalations", record))
        return story.rules()

    assert said("issued", "issued", "withdrawn") == []
    assert said("issued", "withdrawn", "issued") == ["id again"]
    assert said("withdrawn") == ["withdrawal"]


# --- nothing is lost


def test_a_deferred_treatment_is_taken_up_again() -> None:
    due = START + timedelta(hours=10)
    late = due + timedelta(hours=3)
    for end, again, rules in ((late, "", ["forgotten deferral"]), (late, "education", []), (due, "", [])):
        story = Story().customer().signal()
        story.decision(result="deferred", next_allowed_at=due.isoformat())
        story.tick(due)
        if again:
            story.decision(again, "refused")
        assert story.tick(end).rules() == rules
    story = Story().customer().signal()
    story.decision(result="deferred", next_allowed_at=due.isoformat())
    story.tick(due)
    story.decision("recognition", "refused")
    assert story.tick(late).rules() == ["forgotten deferral"]


def test_whoever_shows_signs_for_three_days_is_thought_of() -> None:
    end = START + timedelta(days=3, hours=2)
    assert Story().customer().signal().tick(end).rules() == ["forgotten signal"]
    assert Story().customer().signal().tick(end - timedelta(minutes=1)).rules() == []
    assert Story().customer().signal(severity="low").tick(end).rules() == []
    assert Story().customer().signal().signal("withdrawn", now=START + timedelta(days=2)).tick(end).rules() == []
    assert Story().customer().signal(expires_at=(START + timedelta(days=2)).isoformat()).tick(end).rules() == []
    for topic in ("decisions", "escalations"):
        story = Story().customer().signal().tick(START + timedelta(days=1))
        if topic == "decisions":
            story.decision(result="refused")
        else:
            story.said.append((2, topic, {"escalation_id": "X1", "customer_id": "C1", "status": "issued"}))
        assert story.tick(end).rules() == []
    # A person has them: the case was opened before, and is closed again at last.
    later = START + timedelta(days=1)
    assert Story().customer().case("opened", START).signal().tick(end + timedelta(days=9)).rules() == []
    story = Story().customer().case("opened", START).signal().case("closed", later, later)
    assert story.tick(end).rules() == ["forgotten signal"]


def test_what_operators_say_twice_counts_once() -> None:
    for customer in ("C1", None):
        story = Story().customer().operator("stop_nudges", customer)
        again = story.told[-1]
        story.operator("resume_nudges", customer).told.append(again)
        assert story.nudge(START).rules() == []


# --- the edges


@pytest.mark.parametrize("zone", [LONDON, NEW_YORK, "Australia/Lord_Howe", APIA, "Asia/Kathmandu", "Africa/Cairo"])
@pytest.mark.parametrize("start", ["2026-03-27", "2026-10-23", "2011-12-28", "2026-04-03", "2026-04-22"])
def test_the_edges_find_every_minute_at_which_local_time_crosses_a_wall(zone: str, start: str) -> None:
    """Against minute after minute, over five days in which some clocks change."""
    walls = (0, 90, 487, 1200)
    begins = datetime.fromisoformat(start).replace(tzinfo=UTC)
    ends = begins + timedelta(days=5)
    there = oracle.zone_of(zone)
    assert there is not None
    found = set(oracle.edges(begins, ends, there, walls, ()))

    def state(moment: datetime) -> tuple[date, list[bool]]:
        local = moment.astimezone(there)
        return local.date(), [local.hour * 60 + local.minute >= wall for wall in walls]

    moment, before = begins, state(begins)
    while moment < ends:
        now = state(moment)
        assert now == before or moment in found, moment
        moment, before = moment + timedelta(minutes=1), now
