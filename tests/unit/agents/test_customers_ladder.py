"""The ladder from end to end: who is asked to look, when, why and about what; and when it is quiet again."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from itertools import pairwise, permutations
from typing import Any

import pytest

from stream.tables import customer as table
from stream.treatment.policy import default_text, load
from tests.unit.agents.customers_bank import (
    POLICY,
    START,
    Bank,
    Said,
    Written,
    days,
    feed,
    hours,
    known,
    moment,
    ms,
    new_step,
    only,
)

READY = START + days(3)
SETTLING = load(default_text())


def late_by(count: int, at: dt.datetime = START, **fields: Any) -> dict[str, Any]:
    """Facts of a loan that has been past due for so many days at an instant."""
    since = (at - days(count)).date().isoformat()
    return {
        "product": "loan", "days_past_due_treatment": count, "days_past_due_contractual": count, "past_due_since": since,
        "arrears": "300.00",
    } | fields  # fmt: skip


def asked(said: Said) -> list[tuple[str, str]]:
    """Requests as they were first made: the team, and the code of the first reason."""
    return [(each["queue"], each["reasons"][0]["code"]) for each in said.escalations()]


def taken_back(said: Said) -> list[tuple[str, str]]:
    return [(each["queue"], each["withdrawn_because"]) for each in said.escalations("withdrawn")]


# --- days past due


def past_due(count: int, **fields: Any) -> Bank:
    bank = Bank()
    bank.customer(START)
    bank.facts(START, **late_by(count, **fields))
    return bank


def test_thirty_days_past_due_ask_a_person_on_the_very_day_whatever_the_rung() -> None:
    bank = past_due(20)
    bank.ticks(START, START + days(9))
    assert bank.run().escalations() == []
    bank.ticks(START + days(9), START + days(11))
    said = bank.run()
    request = only(said.escalations())
    # The tenth day after 2 March begins at midnight in London.
    assert moment(request["decided_at"]) == moment("2026-03-12T00:00:00+00:00")
    assert (request["queue"], request["rung"], request["priority"]) == ("arrears_care", 4, "normal")
    assert moment(request["due_by"]) == moment("2026-03-15T00:00:00+00:00")
    assert request["account_ids"] == ["A-0001"]
    reason = request["reasons"][0]
    assert (reason["code"], reason["value"], reason["unit"]) == ("days_past_due", 30, "days")
    assert reason["text"] == "Payments have been past due for 30 days, since 10 February 2026, GBP 300.00 in all."
    rule = only(said.decisions("issued"))["rules"][0]
    assert (rule["rule_id"], rule["counters"]) == ("people.days_past_due", {"needed_days": 30})
    assert known(said).rung == 4


@pytest.mark.parametrize(
    ("count", "queue", "rung"),
    [(0, None, 0), (1, None, 0), (29, None, 0), (30, "arrears_care", 4), (59, "arrears_care", 4), (89, "arrears_care", 4),
     (90, "collections_review", 5), (200, "collections_review", 5)],
)  # fmt: skip
def test_days_past_due_are_gone_to_at_once(count: int, queue: str | None, rung: int) -> None:
    said = past_due(count).run()
    assert [each["queue"] for each in said.escalations()] == ([queue] if queue else [])
    assert known(said).rung == rung
    if queue:
        assert moment(said.escalations()[0]["decided_at"]) == START


def test_from_sixty_days_on_it_is_urgent() -> None:
    for count in (59, 60, 75):
        said = past_due(count).run()
        latest = [each for each in said.of("escalations") if each["status"] == "issued"][-1]
        assert latest["priority"] == ("urgent" if count >= 60 else "normal")
        if count >= 60:
            assert moment(latest["due_by"]) == START + days(1)


def through_ninety_days() -> Bank:
    """Somebody has looked within a day, and nothing was paid."""
    bank = past_due(28)
    bank.ticks(START, START + days(2), hours(6))
    request = only(bank.run().escalations())
    bank.case(START + days(2) + hours(1), escalation=request["escalation_id"])
    bank.ticks(START + days(2) + hours(6), START + days(70), hours(6))
    return bank


def test_what_is_still_past_due_after_sixty_days_is_asked_again_urgently_and_due_within_a_day() -> None:
    said = through_ninety_days().run()
    again = [each for each in said.asked_again() if each["queue"] == "arrears_care"]
    overdue, urgent = again
    assert moment(overdue["decided_at"]) == moment(said.escalations()[0]["due_by"])
    assert urgent["escalation_id"] == said.escalations()[0]["escalation_id"]
    # Day 60 is 3 April, by summer time.
    assert moment(urgent["decided_at"]) == moment("2026-04-03T03:00:00+00:00")
    assert urgent["priority"] == "urgent"
    assert moment(urgent["decided_at"]) < moment(urgent["due_by"]) <= moment(urgent["decided_at"]) + days(1)


def test_an_urgent_request_tells_the_days_as_they_are_now() -> None:
    urgent = [each for each in through_ninety_days().run().asked_again() if each["queue"] == "arrears_care"][-1]
    assert urgent["reasons"][0]["value"] == 60
    assert urgent["reasons"][0]["text"].startswith("Payments have been past due for 60 days")


def test_after_ninety_days_the_whole_account_is_looked_at_by_others() -> None:
    said = through_ninety_days().run()
    assert asked(said) == [("arrears_care", "days_past_due"), ("collections_review", "days_past_due")]
    review = said.escalations()[1]
    assert moment(review["decided_at"]) == moment("2026-05-03T03:00:00+00:00")
    assert (review["rung"], review["priority"]) == (5, "urgent")
    assert moment(review["due_by"]) == moment(review["decided_at"]) + hours(48)
    assert taken_back(said) == [("arrears_care", "passed_on")]
    (decision,) = [each for each in said.decisions("issued") if each["decision_id"] == review["decision_id"]]
    assert decision["rules"][0]["counters"] == {"needed_days": 90}


def test_who_pays_is_left_alone() -> None:
    bank = past_due(40)
    bank.facts(START + days(1), product="loan")
    said = bank.run()
    assert taken_back(said) == [("arrears_care", "customer_paid")]
    bank.ticks(START + days(2), START + days(80), days(1))
    assert len(bank.run().escalations()) == 1


def test_who_pays_the_oldest_part_is_not_passed_on_to_anybody() -> None:
    bank = past_due(40)
    bank.facts(START + days(1), **late_by(9, START + days(1)))
    said = bank.run()
    assert len(said.escalations()) == 1
    assert taken_back(said) == [("arrears_care", "customer_paid")]


def test_who_falls_behind_again_is_a_new_case() -> None:
    bank = past_due(40)
    bank.facts(START + days(1), product="loan")
    bank.facts(START + days(50), **late_by(30, START + days(50)))
    said = bank.run()
    ids = [each["escalation_id"] for each in said.escalations()]
    assert len(set(ids)) == 2
    assert asked(said) == [("arrears_care", "days_past_due")] * 2


@pytest.mark.parametrize("fields", [{"role": "guarantor"}, {"removed": True}])
def test_what_somebody_else_owes_asks_nobody(fields: Any) -> None:
    assert past_due(40, **fields).run().escalations() == []


def test_a_joint_holder_is_a_person_of_their_own() -> None:
    bank = past_due(40, role="joint")
    bank.facts(START, customer="C2", **late_by(40))
    said = bank.run()
    assert [each["customer_id"] for each in said.escalations()] == ["C1", "C2"]


# --- after a case is closed


def closed_case(opened: dt.timedelta, closed: dt.timedelta) -> Bank:
    """Past due beyond thirty days, and a case about it that somebody had for a while."""
    bank = past_due(32)
    request = only(bank.run().escalations())
    bank.case(START + opened, escalation=request["escalation_id"])
    bank.case(START + closed, "closed", escalation=request["escalation_id"])
    return bank


@pytest.mark.parametrize("severity", ["medium", "high"])
def test_what_comes_up_after_a_case_was_closed_asks_again_once_for_nothing_is_sent_any_more(severity: str) -> None:
    bank = closed_case(days(1), days(3))
    bank.ticks(START + days(3), START + days(5), hours(6))
    assert len(bank.run().escalations()) == 1
    bank.signal(START + days(5), severity=severity)
    bank.ticks(START + days(5) + hours(1), START + days(7), hours(6))
    said = bank.run()
    assert asked(said) == [("arrears_care", "days_past_due"), ("arrears_care", "since_last_case")]
    again = said.escalations()[1]
    assert moment(again["decided_at"]) <= START + days(5) + hours(6)
    assert again["signal_ids"] == ["S1"]
    rule = next(each for each in said.decisions("issued") if each["decision_id"] == again["decision_id"])["rules"][0]
    assert rule["rule_id"] == "people.since_last_case"


def test_what_came_up_while_somebody_had_the_case_was_theirs_to_see() -> None:
    bank = past_due(32)
    request = only(bank.run().escalations())
    bank.case(START + days(1), escalation=request["escalation_id"])
    bank.signal(START + days(2), severity="high")
    bank.case(START + days(3), "closed", escalation=request["escalation_id"])
    bank.ticks(START + days(3), START + days(9), hours(6))
    assert asked(bank.run()) == [("arrears_care", "days_past_due")]


def test_nor_does_it_come_up_anew_when_the_case_has_long_been_closed() -> None:
    bank = silent(days(23))
    request = only(bank.run().escalations())
    bank.case(START + days(24), escalation=request["escalation_id"])
    bank.signal(START + days(25), "S2", severity="high")
    bank.case(START + days(26), "closed", escalation=request["escalation_id"])
    for day in range(27, 80):
        bank.facts(START + days(day))
    assert asked(bank.run()) == [("arrears_care", "no_answer")]


def test_a_case_whose_older_record_comes_last_answers_the_request_that_it_names() -> None:
    bank = past_due(32)
    request = only(bank.run().escalations())
    bank.case(START + hours(3), "closed", queue="vulnerability")
    bank.case(START + hours(1), escalation=request["escalation_id"])
    bank.ticks(START + days(1), START + days(20), hours(6))
    said = bank.run()
    assert not said.asked_again()
    bank.signal(START + days(20), severity="high")
    bank.ticks(START + days(20) + hours(1), START + days(22), hours(6))
    assert asked(bank.run()) == [("arrears_care", "days_past_due"), ("arrears_care", "since_last_case")]


def test_what_a_dispute_took_back_is_asked_anew_when_its_day_comes_after_all() -> None:
    bank = past_due(20)
    bank.ticks(START, START + days(12), hours(6))
    own_dispute(bank, START + days(3), START + days(20), told=START + days(13))
    bank.ticks(START + days(20), START + days(45), hours(6))
    said = bank.run()
    assert ("arrears_care", "ground_gone") in taken_back(said)
    first, again = [each for each in said.escalations() if each["queue"] == "arrears_care"]
    assert first["escalation_id"] != again["escalation_id"]
    # 22 days by the 4th of March; the 5th to the 22nd do not count.
    assert START + days(26) <= moment(again["decided_at"]) <= START + days(29)


# --- pauses


def own_dispute(bank: Bank, placed: dt.datetime, lifted: dt.datetime | None = None, told: dt.datetime | None = None) -> None:
    bank.hold(told or placed, "dispute", placed=placed, account_id="A-0001")
    if lifted is not None:
        bank.hold(lifted, "dispute", placed=placed, lifted=lifted, account_id="A-0001")


def test_days_do_not_count_while_the_debt_is_disputed() -> None:
    bank = past_due(20)
    bank.ticks(START, START + days(5), hours(6))
    own_dispute(bank, START + days(5), START + days(25))
    bank.ticks(START + days(25) + hours(6), START + days(40), hours(3))
    said = bank.run()
    care = only([each for each in said.escalations() if each["queue"] == "arrears_care"])
    # 24 days by 6 March; the 7th to the 27th do not count; the sixth day after is 2 April.
    assert moment(care["decided_at"]) - moment("2026-04-01T23:00:00+00:00") < hours(3)


@pytest.mark.parametrize("kind", ["dispute", "hardship_plan", "breathing_space", "mental_health_crisis"])
@pytest.mark.parametrize("whose", ["own", "another's"])
def test_the_holds_that_pause_the_days_do_so_whoever_placed_them(kind: str, whose: str) -> None:
    bank = Bank()
    bank.customer(START)
    pauses = [{"order_id": "O1", "customer_id": "C2", "hold_kind": kind, "from": (START + days(1)).isoformat()}]
    bank.facts(START, **late_by(20), pauses=pauses if whose == "another's" else [])
    if whose == "own":
        bank.hold(START + days(1), kind, ends=START + days(400))
    bank.ticks(START + days(2), START + days(60), days(1))
    assert [each for each in bank.run().escalations() if each["queue"] == "arrears_care"] == []


@pytest.mark.parametrize("kind", ["complaint", "debt_advice", "cease", "opt_out"])
def test_other_holds_do_not(kind: str) -> None:
    bank = past_due(20)
    bank.hold(START + days(1), kind, ends=START + days(400))
    bank.ticks(START + days(2), START + days(15), days(1))
    assert asked(bank.run()) == [("arrears_care", "days_past_due")]


def test_a_dispute_about_another_account_does_not_stop_the_days_of_this_one() -> None:
    bank = past_due(20)
    bank.hold(START + days(1), "dispute", account_id="A-0009")
    bank.ticks(START + days(2), START + days(15), days(1))
    assert ("arrears_care", "days_past_due") in asked(bank.run())


def test_a_dispute_that_is_placed_late_takes_back_what_its_days_had_asked_for() -> None:
    bank = past_due(20)
    bank.ticks(START, START + days(12), hours(6))
    assert asked(bank.run()) == [("arrears_care", "days_past_due")]
    own_dispute(bank, START + days(3), told=START + days(13))
    said = bank.run()
    assert [queue for queue, _ in taken_back(said)] == ["arrears_care"]


def test_what_a_dispute_has_stopped_is_not_told_as_passed_on() -> None:
    bank = past_due(20)
    bank.ticks(START, START + days(12), hours(6))
    own_dispute(bank, START + days(3), told=START + days(13))
    assert ("arrears_care", "passed_on") not in taken_back(bank.run())


# --- instalments that were missed


@pytest.mark.parametrize(
    ("facts", "asks"),
    [
        ([{"missed_instalments_60d": 1}], False),
        ([{"missed_instalments_60d": 2}], True),
        ([{"missed_instalments_60d": 1}, {"missed_instalments_60d": 1, "account": "A-0002", "product": "credit_card"}], True),
        ([{"missed_instalments_60d": 2, "role": "guarantor"}], False),
        ([{"missed_instalments_60d": 2, "product": "current_account"}], False),
        ([{"missed_instalments_60d": 1}, {"missed_instalments_60d": 1, "account": "A-0002", "role": "guarantor"}], False),
    ],
)
def test_two_missed_instalments_lead_to_a_person_one_rung_at_a_time(facts: list[Any], asks: bool) -> None:
    bank = Bank()
    bank.customer(START)
    for each in facts:
        bank.facts(START, **{"product": "loan"} | each)
    bank.ticks(START, START + days(20), hours(6))
    said = bank.run()
    assert asked(said) == ([("arrears_care", "missed_instalments")] if asks else [])
    if asks:
        request = said.escalations()[0]
        assert moment(request["decided_at"]) == START + days(9), "three days each on rungs 1, 2 and 3"
        assert (request["reasons"][0]["value"], request["reasons"][0]["unit"]) == (2, "instalments")
        assert known(said).rung == 4


def test_what_was_missed_longer_ago_asks_no_more() -> None:
    bank = Bank()
    bank.customer(START)
    bank.facts(START, product="loan", missed_instalments_60d=2)
    bank.ticks(START, START + days(12))
    bank.facts(START + days(12), product="loan", missed_instalments_60d=1)
    assert taken_back(bank.run()) == [("arrears_care", "customer_paid")]


def test_the_same_missed_instalments_are_not_asked_about_again_when_something_is_paid() -> None:
    bank = Bank()
    bank.customer(START)
    bank.facts(START, **late_by(12, missed_instalments_60d=2))
    bank.ticks(START, START + days(10), hours(6))
    request = only(bank.run().escalations())
    bank.case(START + days(10), escalation=request["escalation_id"])
    bank.case(START + days(11), "closed", escalation=request["escalation_id"])
    # The older of the two is paid: both still fell due within the sixty days.
    at = START + days(12)
    bank.facts(at, **late_by(2, at, missed_instalments_60d=2))
    bank.ticks(START + days(12), START + days(20), hours(6))
    assert asked(bank.run()) == [("arrears_care", "missed_instalments")]


# --- what the customer says


SAYS = {
    "hardship": ("customer_said_hardship", ["plan", "payment_date"]),
    "plan_proposed": ("customer_said_counter_offer", ["counter_offer", "plan_review"]),
}


@pytest.mark.parametrize("outcome", SAYS)
@pytest.mark.parametrize("direction", ["inbound", "outbound"])
def test_who_says_that_they_cannot_pay_or_proposes_a_plan_is_heard_at_once(outcome: str, direction: str) -> None:
    bank = Bank()
    bank.customer(START)
    bank.outcome(START, outcome, direction=direction, channel="chat")
    request = only(bank.run().escalations())
    code, first = SAYS[outcome]
    assert (request["queue"], request["reasons"][0]["code"]) == ("arrears_care", code)
    assert moment(request["decided_at"]) == START
    assert request["suggested_actions"][:2] == first
    assert sorted(request["suggested_actions"]) == sorted(POLICY.queues["arrears_care"].actions)


@pytest.mark.parametrize("outcome", sorted({"conversation", "promise", "clicked", "plan_declined", "refused"}))
def test_other_words_alone_ask_nobody(outcome: str) -> None:
    bank = Bank()
    bank.customer(START)
    bank.outcome(START, outcome, direction="inbound")
    bank.ticks(START, START + days(20), days(1))
    assert bank.run().escalations() == []


def test_one_request_at_a_time_and_another_once_its_case_is_closed() -> None:
    bank = Bank()
    bank.customer(START)
    bank.outcome(START, "hardship", direction="inbound")
    bank.outcome(START + days(1), "hardship", direction="inbound")
    bank.outcome(START + days(1) + hours(1), "plan_proposed", direction="inbound")
    said = bank.run()
    first = only(said.escalations())
    bank.case(START + days(2), escalation=first["escalation_id"])
    bank.case(START + days(3), "closed", escalation=first["escalation_id"])
    bank.outcome(START + days(10), "hardship", direction="inbound")
    said = bank.run()
    assert len({each["escalation_id"] for each in said.escalations()}) > 1
    assert moment(said.escalations()[-1]["decided_at"]) <= START + days(10)


@pytest.mark.parametrize("outcome", SAYS)
def test_what_the_customer_said_is_not_forgotten_because_nobody_has_looked(outcome: str) -> None:
    bank = Bank()
    bank.customer(START)
    bank.outcome(START, outcome, direction="inbound")
    bank.ticks(START + hours(6), START + days(45), hours(6))
    said = bank.run()
    assert len(said.asked_again()) == 1
    assert taken_back(said) == []


def test_what_was_said_before_contact_began_asks_nobody() -> None:
    bank = Bank()
    bank.customer(START)
    bank.outcome(START, "hardship", direction="inbound")
    bank.customer(START + days(2))
    bank.ticks(START + days(2), START + days(10), days(1))
    assert bank.run(contact_from=START + days(1)).escalations() == []
    bank.outcome(START + days(11), "hardship", direction="inbound")
    assert len(bank.run(contact_from=START + days(1)).escalations()) == 1


def test_while_silence_is_asked_about_a_word_from_the_customer_takes_its_place() -> None:
    bank = Bank()
    bank.customer(START)
    bank.signal(START, severity="high")
    bank.ticks(START, START + days(20), hours(6))
    bank.outcome(START + days(21), "hardship", direction="inbound")
    said = bank.run()
    assert asked(said) == [("arrears_care", "no_answer"), ("arrears_care", "customer_said_hardship")]
    assert taken_back(said) == [("arrears_care", "customer_responded")]


# --- nothing left for a plan


BROKE = {"income_monthly_low": "1000.00", "next_income_on": "2026-03-27", "priority_bills_monthly": "400.00"}
"""Of 1,000 a month 400 go to home and bills and 750 are kept for living."""


def strained(**facts: Any) -> Bank:
    """A customer with a high sign of stress and something past due on the loan."""
    bank = Bank()
    bank.customer(START)
    bank.facts(START, **late_by(5) | BROKE | facts)
    bank.signal(START, severity="high")
    bank.ticks(START, START + days(7), hours(6))
    return bank


def test_where_nothing_is_left_for_a_plan_a_person_is_asked_on_the_rung_of_offers() -> None:
    said = strained().run()
    request = only(said.escalations())
    assert (request["queue"], request["reasons"][0]["code"]) == ("arrears_care", "no_surplus")
    assert moment(request["decided_at"]) == START + days(6)
    assert request["suggested_actions"][:2] == ["debt_advice", "interest_or_fee_relief"]
    assert [each["treatment"] for each in said.nudges()][-1] == "debt_advice"
    assert "flexible_plan" not in [each["treatment"] for each in said.nudges()]


@pytest.mark.parametrize(
    "facts",
    [
        {"income_monthly_low": "2000.00"},
        {"income_monthly_low": None},
        {"next_income_on": None},
        {"priority_bills_monthly": None},
        {"currency": "SEK"},
        {"past_due_since": None, "days_past_due_treatment": 0, "arrears": None},
    ],
)
def test_where_something_is_left_or_nothing_is_known_nobody_is_asked_for_that(facts: Any) -> None:
    assert "no_surplus" not in [reason for _, reason in asked(strained(**facts).run())]


def test_it_is_taken_back_as_paid_once_nothing_is_past_due() -> None:
    bank = strained()
    bank.facts(START + days(8), product="loan", **BROKE)
    assert taken_back(bank.run()) == [("arrears_care", "customer_paid")]


# --- nobody looks


def test_a_request_that_nobody_answers_is_asked_again_once_and_urgently() -> None:
    bank = past_due(30)
    bank.ticks(START, START + days(25), hours(1))
    said = bank.run()
    first = only(said.escalations())
    again = only(said.asked_again())
    assert again["escalation_id"] == first["escalation_id"]
    assert moment(again["decided_at"]) == START + hours(72) == moment(first["due_by"])
    assert (again["priority"], moment(again["due_by"])) == ("urgent", START + hours(144))
    assert [each["code"] for each in again["reasons"]] == [each["code"] for each in first["reasons"]]
    assert (first["reasons"][0]["value"], again["reasons"][0]["value"]) == (30, 33), "it tells the days as they are now"
    rules = [each["rules"][0]["rule_id"] for each in said.decisions("issued")]
    assert rules == ["people.days_past_due", "people.overdue"]


def test_a_case_that_is_open_past_its_time_is_asked_about_again_and_a_closed_one_is_not() -> None:
    for closed in (False, True):
        bank = past_due(30)
        request = only(bank.run().escalations())
        bank.case(START + days(1), escalation=request["escalation_id"])
        if closed:
            bank.case(START + days(2), "closed", escalation=request["escalation_id"])
        bank.ticks(START + days(2), START + days(20), hours(6))
        assert len(bank.run().asked_again()) == (not closed)


@pytest.mark.parametrize(
    ("kind", "due"), [("bereavement", 24), ("insolvency", 24), ("mental_capacity", 24), ("dispute", 48), ("fraud", 4)]
)
def test_every_team_has_its_own_time(kind: str, due: int) -> None:
    bank = Bank()
    bank.hold(START, kind)
    bank.ticks(START, START + days(5), hours(1))
    said = bank.run()
    assert moment(only(said.escalations())["due_by"]) == START + hours(due)
    again = only(said.asked_again())
    assert (moment(again["decided_at"]), again["priority"]) == (START + hours(due), "urgent")


# --- circumstances for trained staff


@pytest.mark.parametrize("vulnerability", ["mental_capacity", "bereavement", "domestic_abuse", "economic_abuse"])
def test_signs_of_stress_in_such_circumstances_go_to_trained_staff_and_not_into_a_nudge(vulnerability: str) -> None:
    bank = Bank()
    bank.customer(START, vulnerabilities=["caring", vulnerability])
    bank.signal(START)
    bank.signal(START + days(1), "S2", severity="high", account="A-0002")
    bank.ticks(START + days(1), START + days(40), hours(6))
    said = bank.run()
    assert said.nudges() == []
    request = only(said.escalations())
    assert (request["queue"], request["reasons"][0]["code"]) == ("vulnerability", "trained_staff")
    assert moment(request["decided_at"]) == START
    assert (request["rung"], request["priority"]) == (5, "urgent")
    assert vulnerability not in str(request["reasons"]), "they route, and are no reason"


def test_who_is_only_watched_is_left_in_peace() -> None:
    bank = Bank()
    bank.customer(START, vulnerabilities=["domestic_abuse"])
    bank.signal(START, severity="low")
    bank.ticks(START, START + days(30), days(1))
    assert bank.run().drained.outputs == []


@pytest.mark.parametrize("vulnerability", ["caring", "job_loss", "gambling_harm", "low_literacy", "mental_health"])
def test_other_circumstances_change_nothing_about_a_nudge(vulnerability: str) -> None:
    bank = Bank()
    bank.customer(START, vulnerabilities=[vulnerability])
    bank.signal(START)
    bank.tick(READY)
    said = bank.run()
    assert [each["treatment"] for each in said.nudges()] == ["bounce_explained"]
    assert said.escalations() == []


def test_such_circumstances_alone_do_not_stand_in_the_way_of_thanks() -> None:
    bank = Bank()
    bank.customer(START, vulnerabilities=["bereavement"])
    promise = {"promise_id": "P1", "amount": "10.00", "currency": "GBP", "due_date": "2026-03-20", "account_id": "A-0001"}
    bank.outcome(START, "promise", direction="inbound", promise=promise)
    paid = {
        "event_id": "E", "occurred_at": (START + days(1)).isoformat(), "amount": "10.00", "currency": "GBP",
        "direction": "credit", "category": "loan",
    }  # fmt: skip
    bank.facts(START + days(1), change="payment", product="loan", payments=[paid])
    assert [each["treatment"] for each in bank.run().nudges()] == ["recognition"]


def test_the_request_goes_with_the_signs() -> None:
    bank = Bank()
    bank.customer(START, vulnerabilities=["bereavement"])
    bank.signal(START)
    bank.signal(START + days(5), status="withdrawn")
    assert taken_back(bank.run()) == [("vulnerability", "signal_withdrawn")]


# --- a hold for specialists, and back


@pytest.mark.parametrize("kind", ["bereavement", "insolvency", "vulnerable_review", "mental_capacity", "mental_health_crisis"])
def test_while_specialists_look_after_somebody_nothing_is_sent_and_then_they_stand_where_they_stood(kind: str) -> None:
    bank = Bank()
    bank.customer(START)
    bank.signal(START)
    bank.tick(READY)
    before = known(bank.run())
    bank.hold(READY + days(1), kind)
    bank.signal(READY + days(2), "S2", "medium", account="A-0002", detector="stress_score")
    bank.ticks(READY + days(2), READY + days(10), hours(6))
    said = bank.run()
    assert [each["queue"] for each in said.escalations()] == [POLICY.holds.queues[kind]]  # type: ignore[index]
    assert len(said.nudges()) == 1
    bank.hold(READY + days(11), kind, placed=READY + days(1), lifted=READY + days(11))
    bank.ticks(READY + days(11), READY + days(20), hours(6))
    said = bank.run()
    assert known(said).rung == before.rung == 2
    assert taken_back(said) == [(POLICY.holds.queues[kind], "hold_lifted")]  # type: ignore[index]


def test_a_nudge_that_was_due_meanwhile_is_given_afterwards() -> None:
    bank = Bank()
    bank.customer(START)
    bank.signal(START)
    bank.hold(START + days(1), "vulnerable_review")
    bank.ticks(READY, READY + days(4), hours(6))
    bank.hold(READY + days(5), "vulnerable_review", placed=START + days(1), lifted=READY + days(5))
    nudge = only(bank.run().nudges())
    assert (nudge["treatment"], moment(nudge["decided_at"])) == ("bounce_explained", READY + days(5))


# --- a sign that comes and goes


def test_a_sign_that_flaps_moves_nobody_up_and_down_and_is_spoken_of_once_in_its_days() -> None:
    bank = Bank()
    bank.customer(START)
    for number in range(20):
        at = START + days(4 * number)
        bank.signal(at, f"S{number}")
        bank.ticks(at, at + days(3) + hours(8), hours(8))
        bank.signal(at + days(3) + hours(9), f"S{number}", status="withdrawn")
    step = new_step()
    rungs: list[int] = []
    outputs = []
    for written in bank.written:
        feed(step, [written])
        row = step.row("C1")
        rungs.append(table.decode(row or b"").rung)
        outputs += step.drain().outputs
    moves = [rung for number, rung in enumerate(rungs) if number == 0 or rung != rungs[number - 1]]
    assert moves == [0, 1, 2]
    said = Said(step, bank.run().drained, [])
    gone = {each["nudge_id"] for each in said.nudges("withdrawn")}
    stood = [each for each in said.nudges() if each["nudge_id"] not in gone]
    given = [moment(each["not_before"]) for each in stood if each["treatment"] == "bounce_explained"]
    assert len(given) > 2
    assert all(later - earlier >= days(14) for earlier, later in pairwise(given))
    assert [each["treatment"] for each in said.nudges() if each["treatment"] == "recognition"] == []
    assert said.escalations() == []


def test_a_severity_that_flaps_does_neither() -> None:
    bank = Bank()
    bank.customer(START)
    bank.signal(START)
    for number in range(1, 40):
        at = START + days(number)
        bank.signal(at, severity="low" if number % 2 else "medium", status="changed")
        bank.tick(at + hours(1))
    said = bank.run()
    assert known(said).rung == 2
    assert [each["treatment"] for each in said.nudges()] == ["bounce_explained"]


def test_a_sign_in_other_words_is_no_repetition_and_one_that_comes_twice_is() -> None:
    bank = Bank()
    bank.customer(START)
    bank.signal(START, severity="high")
    bank.signal(START + hours(1), severity="high", status="changed", score=1.7)
    assert not bank.run().drained.repeated
    bank.written.append(bank.written[-1])
    assert bank.run().drained.repeated == {"signals": 1}


@pytest.mark.parametrize("told", ["changed", "withdrawn"])
def test_whatever_is_told_after_the_policy_has_changed_lets_the_customer_be_looked_at_under_the_new_one(told: str) -> None:
    bank = Bank()
    bank.customer(START)
    bank.signal(START, severity="low")
    bank.signal(START, "S2", severity="low")
    step = bank.run().step
    assert (known(bank.run()).rung, known(bank.run()).under) == (1, POLICY.version)
    ladder = POLICY.ladder.model_copy(update={"target_low": 2})
    step.configure(POLICY.model_copy(update={"version": "stricter", "ladder": ladder}))
    after = Bank()
    after.signal(START + days(4), "S2", severity="low", status=told, score=1.7)
    said = after.run(step)
    assert (known(said).rung, known(said).under) == (2, "stricter")


def test_one_step_down_is_a_run_of_clear_days_and_a_sign_in_between_starts_it_anew() -> None:
    bank = Bank()
    bank.customer(START)
    bank.signal(START)
    bank.tick(READY)
    bank.signal(READY + days(1), status="withdrawn")
    bank.operator(READY + days(1), "stop_nudges")
    bank.ticks(READY + days(1), READY + days(25), days(1))
    bank.signal(READY + days(25), "S2")
    bank.signal(READY + days(26), "S2", status="withdrawn")
    bank.ticks(READY + days(26), READY + days(56) - hours(1), hours(1))
    assert known(bank.run()).rung == 2
    bank.ticks(READY + days(56), READY + days(86) - hours(1), hours(1))
    assert known(bank.run()).rung == 1
    bank.ticks(READY + days(86), READY + days(87), hours(1))
    assert known(bank.run()).rung == 0


def test_silence_never_leads_beyond_a_person() -> None:
    said = silent(days(100)).run()
    assert known(said).rung == 4
    assert asked(said) == [("arrears_care", "no_answer")]


def silent(until: dt.timedelta) -> Bank:
    bank = Bank()
    bank.customer(START)
    bank.signal(START, severity="high")
    bank.ticks(START, START + until, hours(12))
    return bank


@pytest.mark.parametrize("every", [1, 9, 100])
def test_silence_lasts_as_long_as_nobody_answers_whatever_else_is_told(every: int) -> None:
    """Nothing of it is forgotten, though the offer was made longer ago than nudges are remembered."""
    bank = silent(days(23))
    offers = len(bank.run().nudges())
    for day in range(24, 101):
        bank.tick(START + days(day))
        if day % every == 0:
            bank.facts(START + days(day))
    said = bank.run()
    assert (known(said).rung, asked(said)) == (4, [("arrears_care", "no_answer")])
    assert len(said.nudges()) == offers
    bank.outcome(START + days(101), "conversation", direction="inbound")
    assert not any(each.unanswered for each in known(bank.run()).nudges)


# --- which account comes first


def debt(category: str) -> list[dict[str, Any]]:
    return [{
        "obligation_id": f"O-{category}", "category": category, "counterparty_id": "B", "amount_due": "50.00", "currency": "GBP",
    }]  # fmt: skip


def test_of_equal_signs_the_debt_that_costs_most_to_lose_comes_first() -> None:
    bank = Bank()
    bank.customer(START, vulnerabilities=["bereavement"])
    bank.facts(START, "A-CARD", product="credit_card")
    bank.facts(START, "A-GAS", obligations=debt("energy"))
    bank.facts(START, "A-TAX", obligations=debt("council_tax"))
    bank.facts(START, "A-RENT", obligations=[*debt("rent"), *debt("telecom")])
    for number, name in enumerate(("A-CARD", "A-GAS", "A-TAX", "A-RENT")):
        bank.signal(START, f"S{number}", account=name)
    bank.tick(READY)
    (request,) = bank.run().escalations()
    assert request["account_ids"] == ["A-CARD"], "asked at the first sign"
    again = Bank()
    again.written = [each for each in bank.written if each[0] != "customers"]
    again.customer(READY, vulnerabilities=["bereavement"])
    (request,) = again.run().escalations()
    assert request["account_ids"] == ["A-RENT", "A-TAX", "A-GAS", "A-CARD"]


def test_a_mortgage_is_the_home_and_a_graver_sign_comes_before_a_graver_debt() -> None:
    bank = Bank()
    bank.facts(START, "A-CARD", product="credit_card")
    bank.facts(START, "A-HOME", product="mortgage")
    bank.facts(START, "A-LOAN", product="loan")
    bank.signal(START, "S1", "medium", account="A-CARD")
    bank.signal(START, "S2", "medium", account="A-HOME")
    bank.signal(START, "S3", "high", account="A-LOAN")
    bank.customer(READY, vulnerabilities=["bereavement"])
    (request,) = bank.run().escalations()
    assert request["account_ids"] == ["A-LOAN", "A-HOME", "A-CARD"]
    assert request["signal_ids"] == ["S3", "S2", "S1"]


def test_what_is_asked_about_one_account_names_it_first() -> None:
    bank = Bank()
    bank.customer(START)
    bank.facts(START, "A-HOME", product="mortgage")
    bank.signal(START, account="A-HOME")
    bank.facts(START, "A-CARD", **late_by(31, product="credit_card"))
    (request,) = bank.run().escalations()
    assert request["account_ids"] == ["A-CARD", "A-HOME"]


def test_of_two_accounts_the_one_past_due_longest_is_asked_about_and_of_equals_the_home() -> None:
    for home, card, first in ((40, 35, "A-HOME"), (35, 40, "A-CARD"), (40, 40, "A-HOME")):
        bank = Bank()
        bank.facts(START, "A-CARD", **late_by(card, product="credit_card"))
        bank.facts(START, "A-HOME", **late_by(home, product="mortgage"))
        (request,) = after(bank).escalations()
        assert request["account_ids"] == [first]


def after(bank: Bank) -> Said:
    """What is said when contact begins only after all was told."""
    written = bank.written
    told = Bank()
    told.written = list(written)
    for _, record in told.written:
        record.timestamp = ms(START)
    told.customer(START + hours(1))
    told.tick(START + days(1))
    return told.run(contact_from=START + hours(1))


# --- the order of arrival


def arrive(bank: Bank, late: list[Written], order: tuple[int, ...], at: dt.datetime, end: dt.datetime) -> Said:
    """Late records, told at one instant in some order, and time after that."""
    told = Bank()
    told.written = [each for each in bank.written if each not in late] + [late[number] for number in order]
    for _, record in (late[number] for number in order):
        record.timestamp = ms(at)
    told.ticks(at + dt.timedelta(minutes=10), end, dt.timedelta(minutes=30))
    return told.run(policy=SETTLING)


def outcome_of(said: Said) -> dict[str, Any]:
    """Where the customer stands in the end, who was asked, and how often they were written to: which of several treatments
    has the place that a cap leaves is a matter of what was told first.
    """
    gone = {each["escalation_id"] for each in said.escalations("withdrawn")}
    withdrawn = {each["nudge_id"] for each in said.nudges("withdrawn")}
    customer = known(said)
    return {
        "nudges": sorted(each["not_before"] for each in said.nudges() if each["nudge_id"] not in withdrawn),
        "asked": sorted(
            (each["queue"], each["reasons"][0]["code"]) for each in said.escalations() if each["escalation_id"] not in gone
        ),
        "rung": (customer.rung, customer.rung_since, customer.clear_since),
    }


Tell = Callable[[Bank], None]
LATE: dict[str, tuple[Tell, Tell, Tell]] = {
    "two signs and a dispute": (
        lambda bank: bank.signal(START + days(1), "S2", detector="missed_bills"),
        lambda bank: bank.signal(START + days(2), "S3", "low", detector="income_drop"),
        lambda bank: bank.hold(START + days(2), "dispute", account_id="A-0009"),
    ),
    "a sign, its change and its end": (
        lambda bank: bank.signal(START + days(1), "S2", detector="missed_bills"),
        lambda bank: bank.signal(START + days(2), "S2", "high", "changed", detector="missed_bills"),
        lambda bank: bank.signal(START + days(3), "S2", status="withdrawn", detector="missed_bills"),
    ),
    "three signs": (
        lambda bank: bank.signal(START + days(1), "S2", detector="missed_bills", account="A-0002"),
        lambda bank: bank.signal(START + days(2), "S3", detector="income_drop", account="A-0003"),
        lambda bank: bank.signal(START + days(3), "S4", "low", detector="lateness_drift", account="A-0004"),
    ),
    "a sign, arrears and a complaint": (
        lambda bank: bank.signal(START + days(1), "S2", detector="missed_bills"),
        lambda bank: bank.facts(START + days(2), **late_by(33, START + days(2))),
        lambda bank: bank.outcome(START + days(2) + hours(1), "complaint", contact_id="K"),
    ),
}


@pytest.mark.parametrize("what", LATE)
@pytest.mark.parametrize("after_days", [0.5, 4])
def test_the_order_in_which_late_records_arrive_makes_no_difference(what: str, after_days: float) -> None:
    told_at = START + days(4) + hours(1) if after_days > 1 else START + days(3) + hours(12)

    def run(order: tuple[int, ...]) -> dict[str, Any]:
        bank = Bank()
        bank.customer(START)
        bank.signal(START)
        bank.ticks(START + hours(1), told_at, hours(1))
        before = len(bank.written)
        for tell in LATE[what]:
            tell(bank)
        return outcome_of(arrive(bank, bank.written[before:], order, told_at, START + days(25)))

    outcomes = [run(order) for order in permutations(range(3))]
    assert all(each == outcomes[0] for each in outcomes), outcomes


def test_each_account_ninety_days_past_due_is_reviewed() -> None:
    bank = Bank()
    bank.customer(START)
    bank.facts(START, "A-0001", **late_by(95))
    bank.facts(START, "A-0002", **late_by(120))
    bank.ticks(START, START + days(1))
    found = [each["account_ids"] for each in bank.run().escalations() if each["queue"] == "collections_review"]
    assert sorted(found) == [["A-0001"], ["A-0002"]]


def test_a_list_of_holds_that_is_full_asks_a_person_and_speaks_again_once_the_case_is_closed() -> None:
    bank = Bank()
    bank.customer(START)
    bank.signal(START)
    for number in range(table.MAX_HOLDS + 1):
        bank.hold(START + hours(1), "complaint", f"H{number}", ends=START + days(2))
    bank.ticks(START + hours(2), START + days(6))
    said = bank.run()
    assert asked(said) == [("contactability", "too_many_holds")]
    assert said.nudges() == [], "what cannot be told apart is not gone against"
    bank.case(START + days(7), "opened", escalation=said.escalations()[0]["escalation_id"], queue="contactability")
    bank.case(START + days(8), "closed", escalation=said.escalations()[0]["escalation_id"], queue="contactability")
    bank.ticks(START + days(8), START + days(12))
    assert len(bank.run().nudges()) == 1


def test_what_the_customer_disputed_is_nobodys_matter_any_more_on_the_day_its_hold_ends() -> None:
    bank = Bank()
    bank.customer(START)
    bank.outcome(START, "dispute", account_id="A-0001")
    bank.ticks(START + hours(1), START + days(POLICY.holds.provisional_days) + hours(1), hours(1))
    taken = only([each for each in bank.run().escalations("withdrawn") if each["queue"] == "disputes"])
    assert moment(taken["decided_at"]) == START + days(POLICY.holds.provisional_days)


def test_what_has_a_team_is_kept_when_the_list_of_holds_is_full() -> None:
    bank = Bank()
    bank.customer(START)
    for number in range(table.MAX_HOLDS):
        bank.hold(START + hours(1), "complaint", f"H{number}")
    bank.hold(START + hours(2), "bereavement", "H-death")
    assert "H-death" in known(bank.run()).holds
