"""Holds: how long each lasts by what was told and where the customer lives, and what it forbids meanwhile."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from stream.contracts.vocabulary import HOLD_KINDS, TREATMENTS
from stream.tables.customer import AccountFacts, Customer, Hold, OpenSignal, Pause, Profile
from stream.treatment import holds
from stream.treatment.local_time import DAY, from_ms
from stream.treatment.policy import default_text, load
from tests.unit.agents.customers_bank import POLICY, START, Bank, Said, days, hours, moment
from tests.unit.treatment.gate import NOON, ask, at, hold, person

READY = START + days(3)


def lives(jurisdiction: str, region: str = "", zone: str = "Europe/London") -> Profile:
    return Profile(0, jurisdiction, zone, "en", region)


def ends(kind: str, placed: str, profile: Profile | None, **told: Any) -> str:
    """When a hold ends, as London's clock shows it; nothing where only a lifting ends it."""
    moments = {name: at(value) if isinstance(value, str) else value for name, value in told.items()}
    end = holds.until(Hold("H", kind, 0, at(placed), **moments), profile, POLICY)
    return "" if end is None else f"{from_ms(end).astimezone(dt.UTC):%Y-%m-%d %H:%MZ}"


GB, SCT, DE, US = lives("GB"), lives("GB", "GB-SCT"), lives("DE"), lives("US")


@pytest.mark.parametrize(
    ("kind", "placed", "profile", "told", "end"),
    [
        # Day 1 is the day after, through day 60; the clocks go forward on 29 March and back on 25 October.
        ("breathing_space", "2026-03-04 12:00", GB, {}, "2026-05-03 23:00Z"),
        ("breathing_space", "2026-03-04 00:00", GB, {}, "2026-05-03 23:00Z"),
        ("breathing_space", "2026-03-04 23:59", GB, {}, "2026-05-03 23:00Z"),
        ("breathing_space", "2026-03-05 00:00", GB, {}, "2026-05-04 23:00Z"),
        ("breathing_space", "2026-09-01 12:00", GB, {}, "2026-11-01 00:00Z"),
        ("breathing_space", "2026-06-01 12:00", GB, {}, "2026-07-31 23:00Z"),
        ("breathing_space", "2028-01-15 12:00", GB, {}, "2028-03-16 00:00Z"),
        # By the customer's own day: 23:00 in London is the next day in Berlin.
        ("breathing_space", "2026-03-04 23:30", lives("GB", "", "Europe/Berlin"), {}, "2026-05-04 22:00Z"),
        ("breathing_space", "2026-03-04 12:00", lives("GB", "", ""), {}, "2026-05-04 00:00Z"),
        # Scotland has six months, of which some are short.
        ("breathing_space", "2026-03-04 12:00", SCT, {}, "2026-09-04 23:00Z"),
        ("breathing_space", "2026-08-31 12:00", SCT, {}, "2027-03-01 00:00Z"),
        ("breathing_space", "2027-08-31 12:00", SCT, {}, "2028-03-01 00:00Z"),
        ("breathing_space", "2026-12-31 12:00", SCT, {}, "2027-06-30 23:00Z"),
        ("breathing_space", "2026-03-04 12:00", lives("GB", "GB-WLS"), {}, "2026-05-03 23:00Z"),
        # Elsewhere, and where the place is not known, it lasts.
        ("breathing_space", "2026-03-04 12:00", DE, {}, ""),
        ("breathing_space", "2026-03-04 12:00", None, {}, ""),
        # A crisis lasts until thirty days after its treatment has ended, wherever the customer lives.
        ("mental_health_crisis", "2026-01-04 12:00", GB, {}, ""),
        ("mental_health_crisis", "2026-01-04 12:00", GB, {"treatment_ended_at": "2026-03-10 15:00"}, "2026-04-09 23:00Z"),
        ("mental_health_crisis", "2026-01-04 12:00", DE, {"treatment_ended_at": "2026-03-10 15:00"}, "2026-04-09 23:00Z"),
        ("mental_health_crisis", "2026-01-04 12:00", None, {"treatment_ended_at": "2026-03-10 15:00"}, "2026-04-10 00:00Z"),
        (
            "mental_health_crisis", "2026-01-04 12:00", GB,
            {"treatment_ended_at": "2026-03-10 15:00", "ends_at": "2026-03-20 09:00"}, "2026-04-09 23:00Z",
        ),
        (
            "mental_health_crisis", "2026-01-04 12:00", GB,
            {"treatment_ended_at": "2026-03-10 15:00", "ends_at": "2026-06-20 09:00"}, "2026-06-20 08:00Z",
        ),
        # Who seeks debt advice in Great Britain has thirty days, and another thirty once.
        ("debt_advice", "2026-03-04 12:00", GB, {}, "2026-04-03 23:00Z"),
        ("debt_advice", "2026-03-04 12:00", GB, {"renewals": 1}, "2026-05-03 23:00Z"),
        ("debt_advice", "2026-03-04 12:00", GB, {"renewals": 2}, "2026-05-03 23:00Z"),
        ("debt_advice", "2026-03-04 12:00", SCT, {}, "2026-04-03 23:00Z"),
        ("debt_advice", "2026-03-04 12:00", DE, {}, ""),
        ("breathing_space", "2026-03-04 12:00", GB, {"renewals": 3}, "2026-05-03 23:00Z"),
        # An end that was told counts, sooner or later.
        ("breathing_space", "2026-03-04 12:00", GB, {"ends_at": "2026-03-20 09:00"}, "2026-03-20 09:00Z"),
        ("breathing_space", "2026-03-04 12:00", GB, {"ends_at": "2026-07-20 09:00"}, "2026-07-20 08:00Z"),
        ("debt_advice", "2026-03-04 12:00", GB, {"ends_at": "2026-07-20 09:00", "renewals": 1}, "2026-07-20 08:00Z"),
        ("complaint", "2026-03-04 12:00", US, {"ends_at": "2026-03-20 09:00"}, "2026-03-20 09:00Z"),
        # A lifting ends it, and never makes it longer.
        ("breathing_space", "2026-03-04 12:00", GB, {"lifted_at": "2026-03-10 09:00"}, "2026-03-10 09:00Z"),
        ("breathing_space", "2026-03-04 12:00", GB, {"lifted_at": "2026-09-10 09:00"}, "2026-05-03 23:00Z"),
        ("bereavement", "2026-03-04 12:00", GB, {"lifted_at": "2026-09-10 09:00"}, "2026-09-10 08:00Z"),
        ("fraud", "2026-03-04 12:00", US, {"ends_at": "2026-03-20 09:00", "lifted_at": "2026-03-09 09:00"}, "2026-03-09 09:00Z"),
        ("fraud", "2026-03-04 12:00", US, {"ends_at": "2026-03-20 09:00", "lifted_at": "2026-03-29 09:00"}, "2026-03-20 09:00Z"),
    ],
)  # fmt: skip
def test_a_hold_ends_as_told_else_by_the_length_of_its_place_else_when_lifted(
    kind: str, placed: str, profile: Profile | None, told: Any, end: str
) -> None:
    assert ends(kind, placed, profile, **told) == end


@pytest.mark.parametrize("kind", sorted({*HOLD_KINDS} - {"breathing_space", "debt_advice"}))
@pytest.mark.parametrize("profile", [GB, SCT, DE, None], ids=["GB", "GB-SCT", "DE", "unknown"])
def test_all_other_holds_last_until_they_are_lifted(kind: str, profile: Profile | None) -> None:
    assert ends(kind, "2026-03-04 12:00", profile) == ""


def test_lengths_are_the_policys() -> None:
    policy = load(default_text().replace("days = 60", "days = 90"))
    customer = Customer("C1", profile=GB, holds=hold("breathing_space", at("2026-03-04 12:00")))
    holds.settle(customer, POLICY)
    assert customer.holds["H"].until == at("2026-05-04 00:00")
    holds.settle(customer, policy)
    assert customer.holds["H"].until == at("2026-06-03 00:00")


def test_a_hold_is_in_force_from_when_it_was_placed_until_before_its_end() -> None:
    one = Hold("H", "cease", 0, NOON, NOON + DAY)
    assert [holds.in_force(one, when) for when in (NOON - 1, NOON, NOON + DAY - 1, NOON + DAY)] == [False, True, True, False]
    assert holds.in_force(Hold("H", "cease", 0, NOON), NOON + 9000 * DAY)


# --- what it forbids


@pytest.mark.parametrize(
    ("fields", "accounts", "channel", "forbidden"),
    [
        ({}, ["A1"], "sms", True),
        ({}, [], "sms", True),
        ({"account_id": "A1"}, ["A1"], "sms", True),
        ({"account_id": "A1"}, ["A2", "A1"], "sms", True),
        ({"account_id": "A1"}, ["A2"], "sms", False),
        # What is about no account may be about the one that is held.
        ({"account_id": "A1"}, [], "sms", True),
        ({"channel": "sms"}, ["A1"], "sms", True),
        ({"channel": "sms"}, ["A1"], "email", False),
        ({"channel": "sms", "account_id": "A1"}, ["A1"], "sms", True),
        ({"channel": "sms", "account_id": "A1"}, ["A2"], "sms", False),
        ({"channel": "sms", "account_id": "A1"}, ["A1"], "letter", False),
    ],
)
@pytest.mark.parametrize("kind", ["dispute", "opt_out", "breathing_space"])
def test_a_hold_binds_in_its_scope_of_account_and_channel(
    kind: str, fields: Any, accounts: list[str], channel: str, forbidden: bool
) -> None:
    verdict = ask(person(holds=hold(kind, **fields)), channel=channel, account_ids=accounts)
    assert verdict.result == ("refuse" if forbidden else "allow")
    assert verdict.failing == (("everywhere.no_hold",) if forbidden else ())


@pytest.mark.parametrize("treatment", TREATMENTS)
def test_under_a_plan_only_its_own_reminders_go_out(treatment: str) -> None:
    expected = "allow" if treatment == "plan_reminder" else "refuse"
    assert ask(person(holds=hold("hardship_plan", account_id="A1")), treatment=treatment).result == expected
    shared = person(accounts={"A1": AccountFacts("A1", 0, "joint", "loan", pauses=[Pause("P", "hardship_plan", 0)])})
    assert ask(shared, treatment=treatment).result == expected


@pytest.mark.parametrize("kind", sorted({*HOLD_KINDS} - {"hardship_plan"}))
def test_no_other_hold_lets_a_plans_reminders_through(kind: str) -> None:
    assert ask(person(holds=hold(kind)), treatment="plan_reminder").result == "refuse"
    both = {"1": Hold("1", "hardship_plan", 0, 0), "2": Hold("2", kind, 0, 0)}
    assert ask(person(holds=both), treatment="plan_reminder").result == "refuse"


@pytest.mark.parametrize("kind", HOLD_KINDS)
def test_holds_of_another_holder_bind_where_they_are_about_the_debt(kind: str) -> None:
    account = AccountFacts("A1", 0, "joint", "loan", pauses=[Pause("P", kind, NOON - DAY, NOON + DAY)])
    shared = kind in ("dispute", "hardship_plan", "breathing_space", "mental_health_crisis")
    for accounts in (["A1"], []):
        verdict = ask(person(accounts={"A1": account}), account_ids=accounts)
        assert (verdict.result, verdict.not_before) == (("defer", NOON + DAY) if shared else ("allow", NOON))
    assert ask(person(accounts={"A1": account}), account_ids=["A2"]).result == "allow"


def proposal(kind: str, account_id: str = "A1") -> Customer:
    signal = OpenSignal("S", "bounce_pressure", account_id, "info", NOON - DAY, NOON, b"[]", proposes_hold=kind)
    return person(signals={"S": signal})


@pytest.mark.parametrize("kind", HOLD_KINDS)
def test_what_a_signal_proposes_binds_until_a_person_has_decided(kind: str) -> None:
    assert ask(proposal(kind)).failing == ("everywhere.no_hold",)
    # A dispute and a plan are about an account; all else is about the person.
    of_account = kind in ("dispute", "hardship_plan")
    assert ask(proposal(kind), account_ids=["A2"]).result == ("allow" if of_account else "refuse")
    assert ask(proposal(kind), channel="letter").result == "refuse"


# --- from the record on


def ready(**profile: Any) -> Bank:
    bank = Bank()
    bank.customer(START, **profile)
    bank.signal(START)
    return bank


def nudged_at(said: Said) -> list[dt.datetime]:
    return [moment(each["not_before"]) for each in said.nudges()]


def test_a_breathing_space_ends_by_itself_on_the_morning_after_day_sixty() -> None:
    bank = ready()
    bank.hold(START + days(1), "breathing_space")
    bank.ticks(READY, READY + days(70))
    # Placed on Tuesday, 3 March: day 60 is Saturday, 2 May, and summer time has come.
    assert nudged_at(bank.run()) == [moment("2026-05-03T07:00:00+00:00")]


def test_a_place_that_becomes_known_after_the_hold_gives_it_an_end() -> None:
    bank = Bank()
    bank.signal(START)
    bank.hold(START, "breathing_space")
    bank.ticks(START, START + days(80), days(1))
    assert bank.run().nudges() == []
    bank.customer(START + days(81))
    assert nudged_at(bank.run()) == [START + days(81)]


def test_who_moves_to_scotland_has_six_months_and_who_moves_away_has_no_end() -> None:
    for place, moved in (({"jurisdiction": "GB", "region": "GB-SCT"}, 185), ({"jurisdiction": "DE"}, None)):
        bank = ready()
        bank.hold(START, "breathing_space")
        bank.customer(START + days(10), **place)
        bank.ticks(START + days(10), START + days(220), hours(6))
        said = nudged_at(bank.run())
        assert [(each - START).days for each in said] == ([] if moved is None else [moved])


def test_a_crisis_ends_thirty_days_after_its_treatment_has() -> None:
    bank = ready()
    bank.hold(START, "mental_health_crisis")
    bank.ticks(READY, START + days(100), days(1))
    assert bank.run().nudges() == []
    bank.hold(START + days(100), "mental_health_crisis", placed=START, treatment_ended_at=(START + days(95)).isoformat())
    bank.ticks(START + days(100), START + days(130))
    # Ended on 5 June: thirty days after it end with 5 July, a Sunday; texts have no Sundays.
    assert nudged_at(bank.run()) == [moment("2026-07-06T07:00:00+00:00")]


def test_debt_advice_is_given_thirty_days_and_another_thirty_once() -> None:
    for told, after in ((0, 31), (1, 61), (2, 61)):
        bank = ready()
        bank.hold(START, "debt_advice")
        for number in range(told):
            bank.hold(START + days(20 + number), "debt_advice", placed=START)
        bank.ticks(START + days(22), START + days(120), hours(6))
        said = nudged_at(bank.run())
        assert [(each.date() - START.date()).days for each in said] == [after]


def test_a_renewal_that_is_placed_anew_lasts_thirty_days_from_there() -> None:
    bank = ready()
    bank.hold(START, "debt_advice")
    bank.hold(START + days(28), "debt_advice", placed=START + days(28))
    bank.ticks(START + days(28), START + days(120), hours(6))
    said = nudged_at(bank.run())
    assert [(each.date() - START.date()).days for each in said] == [28 + 31]


def test_what_is_delivered_again_is_no_renewal() -> None:
    bank = ready()
    bank.hold(START, "debt_advice")
    bank.written += [bank.written[-1], bank.written[-1]]
    bank.hold(START, "debt_advice")
    bank.ticks(READY, START + days(90), hours(6))
    assert [(each.date() - START.date()).days for each in nudged_at(bank.run())] == [31]


def test_overlapping_holds_of_different_lengths_end_with_the_last() -> None:
    bank = ready()
    bank.hold(START, "debt_advice", "H1")
    bank.hold(START + days(10), "breathing_space", "H2")
    bank.hold(START + days(20), "complaint", "H3", ends=START + days(25))
    bank.hold(START + days(30), "fraud", "H4", lifted=START + days(40))
    bank.ticks(READY, START + days(90), hours(6))
    assert [(each.date() - START.date()).days for each in nudged_at(bank.run())] == [71]


def test_a_hold_lifted_early_lets_the_waiting_nudge_go_at_once() -> None:
    bank = ready()
    bank.hold(START, "breathing_space")
    bank.ticks(READY, READY + days(5))
    bank.hold(READY + days(6), "breathing_space", placed=START, lifted=READY + days(6))
    assert nudged_at(bank.run()) == [READY + days(6)]


def test_a_proposal_that_lapses_unanswered_lets_the_waiting_nudge_go() -> None:
    bank = ready()
    lapses = READY + days(4)
    bank.signal(START + days(1), "P1", "info", proposes_hold="fraud", expires_at=lapses.isoformat())
    bank.ticks(READY, READY + days(6))
    said = bank.run()
    assert nudged_at(said) == [lapses]
    assert [each["withdrawn_because"] for each in said.escalations("withdrawn")] == ["signal_withdrawn"]


def test_what_the_customer_says_holds_contact_until_the_holds_feed_has_caught_up() -> None:
    bank = ready()
    bank.outcome(START + days(1), "complaint", direction="inbound")
    bank.ticks(READY, START + days(40))
    assert nudged_at(bank.run()) == [START + days(31)]


def test_a_dispute_that_was_told_of_an_account_leaves_others_alone() -> None:
    bank = ready()
    bank.outcome(START + days(1), "dispute", direction="inbound", account_id="A-0002")
    bank.tick(READY)
    said = bank.run()
    assert nudged_at(said) == [READY]
    (asked,) = said.escalations()
    assert (asked["queue"], asked["account_ids"]) == ("disputes", ["A-0002"])
    other = ready()
    other.outcome(START + days(1), "dispute", direction="inbound", account_id="A-0001")
    other.ticks(READY, START + days(40))
    assert nudged_at(other.run()) == [START + days(31)]


@pytest.mark.parametrize("ends", [None, START + days(60)])
def test_a_sign_on_a_held_account_that_goes_lets_the_other_be_spoken_of(ends: dt.datetime | None) -> None:
    bank = ready()
    bank.signal(START, "S2", account="A-0002")
    bank.hold(START + days(1), "complaint", account_id="A-0002", ends=ends)
    bank.ticks(READY, READY + days(1))
    bank.signal(READY + days(1), "S2", account="A-0002", status="withdrawn")
    bank.ticks(READY + days(1), READY + days(2))
    (said,) = bank.run().nudges()
    assert (said["account_ids"], moment(said["not_before"])) == (["A-0001"], READY + days(1))


def test_accounts_are_told_of_a_pause_with_the_end_that_its_place_gives_it() -> None:
    bank = Bank()
    bank.facts(START, product="loan")
    bank.hold(START + hours(1), "breathing_space")
    bank.customer(START + days(2))
    bank.customer(START + days(3), region="GB-SCT")
    orders = [(each["kind"], each.get("until")) for each in bank.run().orders()]
    assert orders == [
        ("pause", None),
        ("pause", "2026-05-01T23:00:00Z"), ("resume", None),
        ("pause", "2026-09-02T23:00:00Z"), ("resume", "2026-05-01T23:00:00Z"),
    ]  # fmt: skip


def test_a_renewed_hold_keeps_a_nudge_back_that_the_first_one_would_have_let_go() -> None:
    bank = ready()
    bank.hold(START, "debt_advice")
    bank.ticks(READY, READY + days(1))
    bank.hold(START + days(30), "debt_advice", placed=START)
    bank.ticks(START + days(31), START + days(60))
    assert bank.run().nudges() == []
