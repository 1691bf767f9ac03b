"""When a kind word is due, what a nudge may tell of a shared account, and that every decision names its ground."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from stream.contracts.signals import ReasonRecord
from stream.treatment.policy import default_text, load
from stream.treatment.words import DISCREET, OTHERWISE, discreet
from tests.unit.agents.customers_bank import START, Bank, days, hours, moment

READY = START + days(3)
TELLING: dict[str, Any] = {
    "reasons": [
        {
            "code": "bounced_payments", "text": "1 payment came back unpaid: child maintenance (GBP 158.90, 2 March 2026).",
            "value": 1, "unit": "payments", "window_from": "2026-03-02T00:00:00Z", "window_to": "2026-03-02T09:00:00Z",
            "event_ids": ["B-SECRET"],
        },
        {
            "code": "income_gone", "text": "GBP 2200.00 is missing.", "value": "2200.00", "unit": "GBP",
            "threshold": "100.00", "event_ids": [],
        },
    ]
}  # fmt: skip


def nudged() -> Bank:
    bank = Bank()
    bank.customer(START)
    bank.signal(START)
    bank.tick(READY)
    return bank


def thanks(bank: Bank) -> list[dict[str, Any]]:
    return [each for each in bank.run().nudges() if each["treatment"] == "recognition"]


# --- a kind word


def test_a_kind_word_waits_until_it_has_been_quiet_for_the_policys_days() -> None:
    bank = nudged()
    bank.signal(READY + days(2), status="withdrawn")
    bank.ticks(READY + days(2), READY + days(16) - hours(1), hours(1))
    assert thanks(bank) == []
    bank.tick(READY + days(16))
    assert [moment(each["decided_at"]) for each in thanks(bank)] == [READY + days(16)]


def test_a_sign_that_returns_in_between_starts_the_count_anew() -> None:
    bank = nudged()
    bank.signal(READY + days(2), status="withdrawn")
    bank.signal(READY + days(12), "S2", severity="low")
    bank.signal(READY + days(13), "S2", severity="low", status="withdrawn")
    bank.ticks(READY + days(13), READY + days(27) - hours(1), hours(1))
    assert thanks(bank) == []
    bank.tick(READY + days(27))
    assert len(thanks(bank)) == 1


def test_nobody_is_thanked_while_another_sign_is_open() -> None:
    bank = nudged()
    bank.signal(READY + days(1), "S2", severity="low", detector="missed_bills")
    bank.signal(READY + days(2), status="withdrawn")
    bank.ticks(READY + days(2), READY + days(60), hours(6))
    assert thanks(bank) == []


def test_a_kind_word_is_taken_back_where_a_sign_returns_while_it_may_still_be_sent() -> None:
    bank = nudged()
    bank.signal(READY + days(2), status="withdrawn")
    bank.tick(READY + days(16))
    bank.signal(READY + days(16) + hours(1), "S2", severity="low")
    said = bank.run()
    (taken,) = [each for each in said.nudges("withdrawn") if each["treatment"] == "recognition"]
    assert taken["withdrawn_because"] == "signal_returned"
    (decision,) = said.decisions("withdrawn")
    assert decision["rules"][0]["rule_id"] == "ladder.steady"


def test_a_kind_word_that_has_been_said_stands_when_a_sign_returns_later() -> None:
    bank = nudged()
    bank.signal(READY + days(2), status="withdrawn")
    bank.tick(READY + days(16))
    bank.signal(READY + days(17), "S2", severity="low")
    assert bank.run().nudges("withdrawn") == []


def test_a_kind_word_names_the_quiet_days_among_its_rules() -> None:
    bank = nudged()
    bank.signal(READY + days(2), status="withdrawn")
    bank.ticks(READY + days(2), READY + days(17), hours(6))
    decision = bank.run().decisions("issued")[-1]
    assert decision["rules"][-1]["rule_id"] == "ladder.steady"
    assert decision["rules"][-1]["counters"] == {"open": 0, "needed_days": 14}


def test_a_kind_word_that_waits_too_long_is_left_unsaid() -> None:
    bank = nudged()
    bank.signal(READY + days(2), status="withdrawn")
    bank.operator(READY + days(3), "stop_nudges")
    bank.ticks(READY + days(3), READY + days(23), hours(6))
    bank.operator(READY + days(23) + hours(1), "resume_nudges")
    bank.ticks(READY + days(24), READY + days(60), hours(6))
    assert thanks(bank) == []


# --- shared accounts


@pytest.mark.parametrize("role", ["joint", "primary", None])
def test_a_nudge_tells_nothing_of_what_happened_on_an_account_that_may_be_shared(role: str | None) -> None:
    bank = Bank()
    bank.customer(START)
    if role is not None:
        bank.facts(START, role=role)
    bank.signal(START, **TELLING)
    bank.tick(READY)
    nudge = bank.run().nudges()[0]
    told = json.dumps(nudge)
    for secret in ("158.90", "2200", "GBP", "maintenance", "2 March", "B-SECRET"):
        assert secret not in told, secret
    assert [each["text"] for each in nudge["reasons"]] == [DISCREET["bounced_payments"], OTHERWISE[1]]
    assert nudge["signal_ids"] == ["S1"], "staff find the details there"


def test_a_person_still_gets_the_whole_evidence() -> None:
    bank = Bank()
    bank.customer(START, channels={})
    bank.signal(START, **TELLING)
    bank.ticks(START, READY + days(9))
    assert "158.90" in json.dumps(bank.run().escalations())


def test_discreet_words_have_no_figures() -> None:
    assert not re.search(r"\d", " ".join((*DISCREET.values(), OTHERWISE[1])))
    weight = ReasonRecord(code="bounce_pressure", text="x", value=3.1, unit="weight", threshold=3.0, event_ids=("B1",))
    kept = discreet([weight])[0]
    assert (kept.value, kept.threshold, kept.event_ids) == (3.1, 3.0, ())


# --- decisions


def every_kind() -> Bank:
    """A deferral, an issue, a withdrawal, a refusal, and people asked for a hold, a promise and for silence."""
    bank = Bank()
    channels = {"sms": {"consent": True}, "email": {"consent": True}}
    bank.customer(START + hours(12), time_zone="America/New_York", channels=channels, preferred_channel="sms")
    bank.signal(START + hours(17), severity="high")
    bank.ticks(START + hours(17), START + days(9), hours(1))
    bank.signal(START + days(9) + hours(1), "S2", severity="high", detector="missed_bills")
    bank.ticks(START + days(9) + hours(2), START + days(40), hours(6))
    bank.hold(START + days(40), "bereavement", placed=START + days(39))
    bank.signal(START + days(41), "S3", severity="medium", account="A-0002")
    bank.hold(START + days(42), "bereavement", placed=START + days(39), lifted=START + days(42))
    bank.signal(START + days(43), status="withdrawn")
    bank.signal(START + days(43), "S2", status="withdrawn")
    bank.signal(START + days(43), "S3", status="withdrawn")
    bank.operator(START + days(44), "stop_nudges")
    bank.ticks(START + days(45), START + days(70), hours(12))
    return bank


def test_every_decision_names_the_rules_that_decided_it_in_the_customers_own_time() -> None:
    decisions = every_kind().run().decisions()
    assert {each["result"] for each in decisions} == {"issued", "deferred", "refused", "withdrawn"}
    known = {rule.id for rule in load(default_text()).rules}
    for decision in decisions:
        assert decision["rules"], decision["treatment"]
        assert {rule["rule_id"] for rule in decision["rules"]} <= known
        against = [rule for rule in decision["rules"] if rule["verdict"] != "allow"]
        assert bool(against) == (decision["result"] != "issued")
        for rule in decision["rules"]:
            assert moment(rule["clock"]) == moment(decision["decided_at"])
            assert rule["clock"][-6:] in ("-05:00", "-04:00")
        if "next_allowed_at" in decision:
            assert decision["next_allowed_at"][-6:] in ("-05:00", "-04:00")


def test_a_deferred_nudge_may_go_when_the_customers_own_morning_opens() -> None:
    deferred = every_kind().run().decisions("deferred")[0]
    assert deferred["next_allowed_at"].endswith("T08:00:00-05:00")


def test_people_are_asked_on_a_ground_that_is_named() -> None:
    said = every_kind().run()
    grounds: dict[str, list[str]] = {}
    for each in said.decisions("issued"):
        if len(each["rules"]) == 1:
            grounds.setdefault(each["treatment"], []).append(each["rules"][0]["rule_id"])
    # Nobody looked in time, three days for the one and a day for the other, so both are asked again.
    assert grounds == {
        "arrears_care": ["people.no_answer", "people.overdue"], "bereavement": ["people.hold", "people.overdue"],
    }  # fmt: skip
    assert [(each["queue"], each["priority"]) for each in said.asked_again()] == [
        ("arrears_care", "urgent"), ("bereavement", "urgent"),
    ]  # fmt: skip


def test_a_broken_promise_is_told_in_the_currency_and_the_date_that_people_write() -> None:
    bank = nudged()
    promise = {"promise_id": "P1", "amount": "158.90", "currency": "GBP", "due_date": "2026-03-20", "account_id": "A-0001"}
    bank.outcome(READY + hours(1), "promise", promise=promise)
    bank.ticks(READY + hours(2), READY + days(40), hours(6))
    (escalation,) = [each for each in bank.run().escalations() if each["queue"] == "arrears_care"]
    assert escalation["reasons"][0]["text"] == "A promise to pay GBP 158.90 by 20 March 2026 was not kept in full."
