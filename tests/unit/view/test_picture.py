"""The fold of records into a picture: any order between topics gives the same, and what is old changes nothing."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.errors import BadRecord, Reason
from stream.view.picture import MAX_CONTACTS, TOPICS, State, Told, fold
from tests.unit.view.stories import STORIES, folded, shown, told

DAY = 86_400_000
NOW = 1_772_409_600_000  # 2026-03-02
CUSTOMER: dict[str, Any] = {
    "customer_id": "c", "updated_at": "2026-03-01T00:00:00Z", "jurisdiction": "GB", "time_zone": "Europe/London",
    "language": "en",
    "channels": {"sms": {"consent": True, "since": "2025-01-01T00:00:00Z"}, "email": {"consent": False}},
}  # fmt: skip
SIGNAL: dict[str, Any] = {
    "signal_id": "s", "status": "raised", "detector": "missed_bills", "detector_version": "1", "account_id": "a",
    "customer_id": "c",
    "occurred_at": "2026-03-01T00:00:00Z", "severity": "low", "score": 1.0,
    "reasons": [{"code": "missed_bills", "text": "2 bills are not paid.", "value": 2, "event_ids": ["e"]}],
}  # fmt: skip
HOLD: dict[str, Any] = {
    "event_id": "h1", "hold_id": "h", "customer_id": "c", "kind": "breathing_space", "occurred_at": "2026-03-01T00:00:00Z",
    "placed_at": "2026-03-01T00:00:00Z",
}  # fmt: skip
OUTCOME: dict[str, Any] = {
    "event_id": "o", "contact_id": "k", "customer_id": "c", "occurred_at": "2026-03-01T00:00:00Z", "direction": "inbound",
    "channel": "sms", "outcome": "conversation",
}  # fmt: skip
CASE: dict[str, Any] = {
    "event_id": "e", "case_id": "case", "customer_id": "c", "occurred_at": "2026-03-01T12:00:00Z", "status": "opened",
    "queue": "arrears_care",
}  # fmt: skip
REQUEST: dict[str, Any] = {
    "escalation_id": "q", "status": "issued", "customer_id": "c", "account_ids": ["a"], "queue": "arrears_care", "rung": 4,
    "priority": "normal", "reasons": [], "suggested_actions": ["plan"], "due_by": "2026-03-05T00:00:00Z",
    "decided_at": "2026-03-01T00:00:00Z", "decision_id": "d", "signal_ids": ["s"],
}  # fmt: skip
DECISION: dict[str, Any] = {
    "decision_id": "d", "customer_id": "c", "decided_at": "2026-03-01T00:00:00Z", "trigger": "signal", "treatment": "education",
    "result": "deferred", "next_allowed_at": "2026-03-03T08:00:00Z", "policy_version": "1",
    "rules": [{"rule_id": "ladder.rung", "version": "1", "verdict": "allow", "counters": {"rung": 2, "called_for": 2}}],
}  # fmt: skip


class Teller:
    """Records of one customer, each with the next offset of its topic."""

    def __init__(self) -> None:
        self.state = State()
        self.offsets: dict[str, int] = {}

    def __call__(self, topic: str, base: dict[str, Any] | None, at: int = NOW, **change: Any) -> bool:
        offset = self.offsets[topic] = self.offsets.get(topic, -1) + 1
        value = None if base is None else json.dumps({**base, **change}).encode()
        return fold(self.state, Told(topic, offset, at, b"c", value))

    def shown(self) -> dict[str, Any]:
        return shown("c", self.state)


@pytest.fixture
def tell() -> Teller:
    return Teller()


# --- laws


@pytest.mark.parametrize("story", STORIES)
@given(data=st.data())
def test_any_order_between_topics_gives_the_same_picture(story: str, data: st.DataObject) -> None:
    """Each topic in its order; how they interleave, and what is told twice, makes no difference."""
    records = told(story)
    queues = {topic: [each for each in records if each.topic == topic] for topic in TOPICS}
    order = data.draw(st.permutations([topic for topic, mine in queues.items() for _ in range(min(len(mine), 8))]))
    mixed: list[Told] = []
    for topic in (*order, *TOPICS):
        take = 1 if topic in order and len(mixed) < len(order) else len(queues[topic])
        mixed += queues[topic][:take]
        del queues[topic][:take]
    again = mixed[: data.draw(st.integers(0, len(mixed)))]
    wanted = {name: shown(name, state) for name, state in folded(records).items()}
    found = folded([*mixed, *again])
    assert {name: shown(name, state) for name, state in found.items()} == wanted


@pytest.mark.parametrize("story", STORIES)
def test_a_picture_is_what_the_contract_says_at_every_step_and_survives_storage(story: str) -> None:
    states: dict[str, State] = {}
    for each in told(story):
        assert each.key is not None
        name = each.key.decode()
        state = states.setdefault(name, State())
        fold(state, each)
        states[name] = msgspec.msgpack.decode(msgspec.msgpack.encode(state), type=State)
        assert states[name] == state
        assert shown(name, state)["versions"][each.topic] == each.offset  # type: ignore[index]


def test_a_record_that_was_seen_changes_nothing(tell: Teller) -> None:
    tell("signals", SIGNAL)
    tell("signals", SIGNAL, status="withdrawn", occurred_at="2026-03-01T01:00:00Z")
    before = msgspec.json.encode(tell.state)
    old = Told("signals", 0, NOW, b"c", json.dumps(SIGNAL).encode())
    assert fold(tell.state, old) is False
    assert msgspec.json.encode(tell.state) == before


# --- what is shown


def test_signals_stand_until_taken_back_and_the_gravest_comes_first(tell: Teller) -> None:
    tell("signals", SIGNAL)
    tell("signals", SIGNAL, signal_id="t", severity="high")
    tell("signals", SIGNAL, status="changed", severity="medium", occurred_at="2026-03-01T05:00:00Z")
    first, second = tell.shown()["signals"]
    assert (first["signal_id"], second["signal_id"]) == ("t", "s")
    assert (second["severity"], second["since"], second["as_of"]) == ("medium", "2026-03-01T00:00:00Z", "2026-03-01T05:00:00Z")
    assert second["reasons"] == [{"code": "missed_bills", "text": "2 bills are not paid.", "value": 2}]
    for name in "st":
        tell("signals", SIGNAL, status="withdrawn", signal_id=name, occurred_at="2026-03-01T06:00:00Z")
    assert tell.shown()["signals"] == []


def test_a_hold_is_shown_at_once_with_the_end_that_the_law_gives_it(tell: Teller) -> None:
    tell("holds", HOLD)
    [hold] = tell.shown()["holds"]
    assert (hold["kind"], hold["provisional"]) == ("breathing_space", False)
    tell("customers", CUSTOMER)
    [hold] = tell.shown()["holds"]
    # After 60 days, the first being the day after it began, on the customer's clock.
    assert hold["until"] == "2026-04-30T23:00:00Z"
    tell("holds", HOLD, event_id="h2", occurred_at="2026-03-02T00:00:00Z", lifted_at="2026-03-02T00:00:00Z")
    assert tell.shown()["holds"] == []


def test_an_older_event_of_a_hold_that_comes_late_does_not_bring_it_back(tell: Teller) -> None:
    tell("holds", HOLD, event_id="h2", occurred_at="2026-03-02T00:00:00Z", lifted_at="2026-03-02T00:00:00Z")
    tell("holds", HOLD)
    assert tell.shown()["holds"] == []


def test_a_hold_that_is_to_be_lifted_later_binds_until_then(tell: Teller) -> None:
    tell("holds", HOLD, kind="cease", lifted_at="2026-03-09T00:00:00Z")
    [hold] = tell.shown()["holds"]
    assert hold["until"] == "2026-03-09T00:00:00Z"


def test_an_opt_out_closes_its_channel_until_a_later_consent(tell: Teller) -> None:
    tell("customers", CUSTOMER)
    assert tell.shown()["channels"] == {"email": {"open": False}, "sms": {"open": True}}
    tell("contact-outcomes", OUTCOME, outcome="opted_out")
    assert tell.shown()["channels"]["sms"] == {"open": False, "closed_at": "2026-03-01T00:00:00Z"}
    again = {"sms": {"consent": True, "since": "2026-03-02T00:00:00Z"}}
    tell("customers", CUSTOMER, updated_at="2026-03-02T00:00:00Z", channels=again)
    assert tell.shown()["channels"] == {"sms": {"open": True}}


def test_what_a_customer_says_holds_at_once_until_the_holds_feed_has_it(tell: Teller) -> None:
    tell("contact-outcomes", OUTCOME, outcome="complaint")
    [said] = tell.shown()["holds"]
    assert (said["kind"], said["provisional"], said["placed_at"]) == ("complaint", True, "2026-03-01T00:00:00Z")
    assert said["until"] > said["placed_at"]
    tell("holds", HOLD, kind="complaint", occurred_at="2026-03-01T02:00:00Z")
    [hold] = tell.shown()["holds"]
    assert (hold["hold_id"], hold["provisional"]) == ("h", False)


def test_a_case_takes_a_request_and_closing_it_ends_both(tell: Teller) -> None:
    tell("escalations", REQUEST)
    assert [each["status"] for each in tell.shown()["escalations"]] == ["waiting"]
    tell("cases", CASE)
    assert [each["status"] for each in tell.shown()["escalations"]] == ["taken"]
    tell("cases", CASE, event_id="e2", status="closed", occurred_at="2026-03-01T18:00:00Z")
    assert (tell.shown()["escalations"], tell.shown()["cases"]) == ([], [])
    tell("escalations", REQUEST, priority="urgent", decided_at="2026-03-02T00:00:00Z")
    assert [(each["status"], each["priority"]) for each in tell.shown()["escalations"]] == [("waiting", "urgent")]


def test_a_case_that_names_another_request_does_not_take_this_one(tell: Teller) -> None:
    tell("escalations", REQUEST)
    tell("cases", CASE, escalation_id="other")
    assert [each["status"] for each in tell.shown()["escalations"]] == ["waiting"]


def test_the_next_contact_is_the_earliest_that_waits_and_the_rung_is_the_last_told(tell: Teller) -> None:
    tell("decisions", DECISION)
    earlier = {"next_allowed_at": "2026-03-02T08:00:00Z", "decided_at": "2026-03-01T01:00:00Z"}
    tell("decisions", DECISION, treatment="debt_advice", **earlier)
    assert tell.shown()["next_contact"]["at"] == "2026-03-02T08:00:00Z"
    assert tell.shown()["ladder"] == {"rung": 2, "as_of": "2026-03-01T01:00:00Z"}
    issued = {"result": "issued", "next_allowed_at": None, "decided_at": "2026-03-02T08:00:00Z"}
    tell("decisions", DECISION, treatment="debt_advice", **issued)
    assert tell.shown()["next_contact"]["treatment"] == "education"


def test_a_policy_that_is_only_tried_leaves_no_trace(tell: Teller) -> None:
    tell("decisions", DECISION, shadow=True)
    assert tell.state.blank


def test_contacts_are_the_last_ones_each_once_with_what_came_of_it_last(tell: Teller) -> None:
    tell("contact-outcomes", OUTCOME, outcome="attempted", direction="outbound")
    later = {"event_id": "o2", "occurred_at": "2026-03-01T00:05:00Z"}
    tell("contact-outcomes", OUTCOME, outcome="delivered", direction="outbound", **later)
    [contact] = tell.shown()["contacts"]
    assert (contact["outcome"], contact["at"]) == ("delivered", "2026-03-01T00:00:00Z")
    for day in range(1, 29):
        tell("contact-outcomes", OUTCOME, contact_id=f"k{day}", occurred_at=f"2026-02-{day:02}T00:00:00Z")
    assert len(tell.state.contacts) == MAX_CONTACTS
    assert [each["at"][:10] for each in tell.shown()["contacts"]][:3] == ["2026-03-01", "2026-02-28", "2026-02-27"]


# --- erasure


def test_a_tombstone_leaves_nothing_and_what_was_told_before_it_does_not_come_back(tell: Teller) -> None:
    for topic, record in (("customers", CUSTOMER), ("signals", SIGNAL), ("holds", HOLD), ("decisions", DECISION)):
        tell(topic, record)
    tell("customers", None, at=NOW + 1000)
    assert tell.state.blank
    tell("contact-outcomes", OUTCOME, at=NOW + 500)  # told before, read after
    tell("decisions", DECISION, at=NOW + 2000, result="withdrawn")  # the job takes back what it can
    assert tell.state.blank
    tell("customers", CUSTOMER, at=NOW + 3000)
    assert tell.shown()["known"] is True
    assert tell.shown()["signals"] == []


# --- what cannot be used


@pytest.mark.parametrize(
    ("topic", "base", "change", "reason"),
    [
        ("holds", None, {}, Reason.NULL_VALUE),
        ("holds", HOLD, {"customer_id": "d"}, Reason.KEY_MISMATCH),
        ("holds", HOLD, {"kind": "nonsense"}, Reason.UNKNOWN_VALUE),
        ("holds", HOLD, {"occurred_at": "2027-03-01T00:00:00Z"}, Reason.TOO_FAR_AHEAD),
    ],
)
def test_what_the_job_sets_aside_the_view_does_not_show(
    tell: Teller, topic: str, base: dict[str, Any] | None, change: dict[str, Any], reason: Reason
) -> None:
    with pytest.raises(BadRecord) as refused:
        tell(topic, base, **change)
    assert refused.value.reason is reason
    assert tell.state.blank
