"""The gate: what is not known is refused, and no window ever holds a forbidden instant."""

from __future__ import annotations

from typing import Any

import pytest

from stream.tables.customer import AccountFacts, Case, Customer, Hold, Nudge, OpenSignal, Pause, Quiet
from stream.treatment.local_time import DAY, zone
from stream.treatment.permission import HOUR, Operator
from stream.treatment.policy import Policy, default_text, load
from tests.unit.treatment.gate import NOON, ask, at, hold, nudge, person


def test_a_known_customer_with_consent_at_noon_may_be_contacted_until_the_hours_end() -> None:
    verdict = ask(person())
    assert (verdict.result, verdict.not_before, verdict.not_after) == ("allow", NOON, at("2026-03-04 20:00"))
    assert {each.verdict for each in verdict.rules} == {"allow"}


def test_every_verdict_names_all_rules_it_asked_with_their_counters() -> None:
    rules = {each.rule.id: each.counters for each in ask(person()).rules}
    assert rules["everywhere.weekly_cap"] == {"nudges": 0, "limit": 2, "days": 7}
    assert rules["gb.hours"] == {"local_minute": 720}
    assert len(rules) == 14


SIGNAL = OpenSignal("S", "d", "A1", "high", NOON, NOON, b"[]", proposes_hold="bereavement")


@pytest.mark.parametrize(
    ("rule", "customer", "settings"),
    [
        ("everywhere.customer_known", Customer("C1"), {}),
        ("everywhere.zone_known", person(time_zone=""), {}),
        ("everywhere.zone_known", person(time_zone="Europe/Atlantis"), {}),
        ("everywhere.zone_known", person(time_zone="../../etc/passwd"), {}),
        ("everywhere.consent", person(consents={}), {}),
        ("everywhere.consent", person(consents={"email": 0}), {}),
        ("everywhere.channel_open", person(blocked={"sms": NOON - DAY}), {}),
        ("everywhere.channel_open", person(blocked={"sms": NOON}, consents={"sms": NOON}), {}),
        ("everywhere.no_economic_abuse", person(vulnerabilities=["economic_abuse"]), {}),
        ("everywhere.own_account", person(accounts={"A1": AccountFacts("A1", 0, "guarantor", "loan")}), {}),
        ("everywhere.no_hold", person(holds=hold()), {}),
        ("everywhere.no_hold", person(holds=hold(account_id="A1")), {}),
        ("everywhere.no_hold", person(holds=hold("opt_out", channel="sms")), {}),
        ("everywhere.no_hold", person(signals={"S": SIGNAL}), {}),
        ("everywhere.no_hold", person(overflow=True), {}),
        ("everywhere.no_shared_hold", person(
            accounts={"A1": AccountFacts("A1", 0, "joint", "loan", pauses=[Pause("P", "dispute", NOON - DAY)])}
        ), {}),
        ("everywhere.no_open_case", person(cases={"K": Case("K", NOON - DAY, NOON - DAY)}), {}),
        ("everywhere.not_stopped", person(stopped=True), {}),
        ("everywhere.not_stopped", person(), {"operator": Operator(stopped=True)}),
        ("everywhere.not_snoozed", person(snoozes={"": None}), {}),
        ("everywhere.not_snoozed", person(), {"operator": Operator(snoozes={"": None})}),
        ("everywhere.not_snoozed", person(snoozes={"d": None}), {"detectors": ["d"]}),
        ("everywhere.contact_from", person(), {"contact_from": NOON - HOUR, "seen_at": NOON - 2 * HOUR}),
    ],
)  # fmt: skip
def test_what_is_missing_or_forbidden_without_an_end_is_refused(
    rule: str, customer: Customer, settings: Any
) -> None:
    verdict = ask(customer, **settings)
    assert verdict.result == "refuse"
    refusing = [each.rule.id for each in verdict.rules if each.verdict == "refuse"]
    # Of a customer who is not known, no zone is known either.
    assert refusing == ([rule, "everywhere.zone_known"] if customer.profile is None else [rule])


@pytest.mark.parametrize("kind", [
    "dispute", "hardship_plan", "breathing_space", "mental_health_crisis", "mental_capacity", "bereavement",
    "insolvency", "cease", "opt_out", "complaint", "represented", "debt_advice", "vulnerable_review", "fraud",
])  # fmt: skip
def test_every_kind_of_hold_forbids(kind: str) -> None:
    assert ask(person(holds=hold(kind))).result == "refuse"


@pytest.mark.parametrize(
    ("customer", "settings"),
    [
        (person(holds=hold(account_id="A2")), {}),
        (person(holds=hold(channel="email")), {}),
        (person(holds=hold(until=NOON)), {}),
        (person(holds=hold(placed=NOON, until=NOON)), {}),
        (person(blocked={"sms": NOON - DAY}, consents={"sms": NOON - HOUR}), {}),
        (person(blocked={"email": NOON - DAY}), {}),
        (person(snoozes={"other": None}), {"detectors": ["d"]}),
        (person(snoozes={"d": None}), {"detectors": ["d", "e"]}),
        (person(accounts={"A2": AccountFacts("A2", 0, "joint", "loan", pauses=[Pause("P", "dispute", 0)])}), {}),
        (person(accounts={"A1": AccountFacts("A1", 0, "joint", "loan", pauses=[Pause("P", "cease", 0)])}), {}),
        (person(accounts={"A1": AccountFacts("A1", 0, "joint", "loan")}), {}),
        (person(cases={"K": Case("K", NOON - DAY, NOON, NOON)}), {}),
        (person(), {"contact_from": NOON, "seen_at": NOON}),
        (person(nudges=[nudge(NOON - DAY), nudge(NOON - DAY, withdrawn=True, counts=False)]), {}),
        (person(nudges=[nudge(NOON - 7 * DAY), nudge(NOON - 7 * DAY)]), {}),
    ],
)
def test_what_is_out_of_scope_or_over_does_not_forbid(customer: Customer, settings: Any) -> None:
    assert ask(customer, **settings).result == "allow"


@pytest.mark.parametrize(
    ("clock", "result", "not_before"),
    [
        ("2026-03-04 07:59", "defer", "2026-03-04 08:00"),
        ("2026-03-04 08:00", "allow", "2026-03-04 08:00"),
        ("2026-03-04 19:59", "allow", "2026-03-04 19:59"),
        ("2026-03-04 20:00", "defer", "2026-03-05 08:00"),
        ("2026-03-04 23:30", "defer", "2026-03-05 08:00"),
        # The clocks go forward on 29 March and back on 25 October: 8:00 local stays 8:00 local.
        ("2026-03-28 21:00", "defer", "2026-03-29 08:00"),
        ("2026-10-24 21:00", "defer", "2026-10-25 08:00"),
    ],
)
def test_hours_are_local_and_half_open(clock: str, result: str, not_before: str) -> None:
    verdict = ask(person(), at(clock))
    assert (verdict.result, verdict.not_before) == (result, at(not_before))
    assert verdict.not_after == at(not_before[:10] + " 20:00")


def test_letters_and_emails_have_no_hours_and_an_email_window_is_72_hours() -> None:
    midnight = at("2026-03-04 00:30")
    for channel, hours in (("letter", 120), ("email", 72)):
        verdict = ask(person(), midnight, channel)
        assert (verdict.result, verdict.not_after - midnight) == ("allow", hours * HOUR)


def policy_with_hours(opens: str, closes: str) -> Policy:
    text = default_text().replace('opens = "08:00"', f'opens = "{opens}"')
    return load(text.replace('closes = "20:00"', f'closes = "{closes}"'))


def test_an_opening_that_does_not_exist_is_the_jump_itself() -> None:
    # On 29 March 2026 London's clocks jump from 1:00 to 2:00.
    verdict = ask(person(), at("2026-03-29 00:10"), policy=policy_with_hours("01:30", "20:00"))
    assert verdict.not_before == at("2026-03-29 02:00")


def test_a_closing_that_does_not_exist_is_the_jump_itself() -> None:
    verdict = ask(person(), at("2026-03-29 00:10"), policy=policy_with_hours("00:00", "01:30"))
    assert verdict.not_after == at("2026-03-29 02:00")


def test_an_opening_that_comes_twice_opens_the_second_time_and_a_closing_closes_the_first() -> None:
    # On 25 October 2026 London's clocks go from 2:00 back to 1:00.
    verdict = ask(person(), at("2026-10-25 00:10"), policy=policy_with_hours("01:30", "20:00"))
    assert verdict.not_before == at("2026-10-25 01:30", fold=1)
    verdict = ask(person(), at("2026-10-25 00:10"), policy=policy_with_hours("00:00", "01:30"))
    assert verdict.not_after == at("2026-10-25 01:30", fold=0)


def test_a_day_that_a_country_skipped_has_no_hours() -> None:
    # Samoa had no 30 December 2011.
    verdict = ask(person(time_zone="Pacific/Apia"), at("2011-12-29 21:00", "Pacific/Apia"))
    assert verdict.not_before == at("2011-12-31 08:00", "Pacific/Apia")
    assert verdict.not_before - at("2011-12-29 21:00", "Pacific/Apia") == 11 * HOUR


@pytest.mark.parametrize(
    "name", ["Pacific/Pago_Pago", "Pacific/Kiritimati", "Asia/Kathmandu", "Australia/Lord_Howe"]
)
def test_hours_hold_at_the_ends_of_the_earth(name: str) -> None:
    verdict = ask(person(time_zone=name), at("2026-06-01 03:15", name))
    assert (verdict.result, verdict.not_before, verdict.not_after) == (
        "defer", at("2026-06-01 08:00", name), at("2026-06-01 20:00", name),
    )  # fmt: skip


NIGHT = Quiet(22 * 60, 9 * 60 + 30)


@pytest.mark.parametrize(
    ("quiet", "clock", "not_before", "not_after"),
    [
        ([NIGHT], "2026-03-04 08:30", "2026-03-04 09:30", "2026-03-04 20:00"),
        ([NIGHT], "2026-03-04 21:00", "2026-03-05 09:30", "2026-03-05 20:00"),
        ([Quiet(720, 780)], "2026-03-04 10:00", "2026-03-04 10:00", "2026-03-04 12:00"),
        ([Quiet(720, 780)], "2026-03-04 12:00", "2026-03-04 13:00", "2026-03-04 20:00"),
        # 4 March 2026 is a Wednesday (2). A stretch belongs to the day it starts on.
        ([Quiet(18 * 60, 10 * 60, [1])], "2026-03-04 09:00", "2026-03-04 10:00", "2026-03-04 20:00"),
        ([Quiet(18 * 60, 10 * 60, [2])], "2026-03-04 09:00", "2026-03-04 09:00", "2026-03-04 18:00"),
        # Equal ends are the whole day.
        ([Quiet(0, 0, [2, 3])], "2026-03-04 12:00", "2026-03-06 08:00", "2026-03-06 20:00"),
        # Two that meet leave nothing between them.
        ([Quiet(480, 720), Quiet(720, 1080)], "2026-03-04 09:00", "2026-03-04 18:00", "2026-03-04 20:00"),
    ],
)
def test_quiet_hours_cut_the_window(quiet: list[Quiet], clock: str, not_before: str, not_after: str) -> None:
    verdict = ask(person(quiet=quiet), at(clock))
    assert (verdict.not_before, verdict.not_after) == (at(not_before), at(not_after))


def test_who_is_always_quiet_is_never_contacted_except_by_letter() -> None:
    customer = person(quiet=[Quiet(0, 0)])
    assert ask(customer).result == "refuse"
    assert ask(customer, channel="email").result == "refuse"
    assert ask(customer, channel="letter").result == "allow"


@pytest.mark.parametrize(
    ("nudges", "not_before"),
    [
        # Two on the 2nd and 3rd: [D-6, D] has room again on the 9th.
        (["2026-03-02 19:00", "2026-03-03 09:00"], "2026-03-09 08:00"),
        (["2026-03-04 09:00", "2026-03-04 10:00"], "2026-03-11 08:00"),
        (
            ["2026-02-03 09:00", "2026-02-13 09:00", "2026-02-20 09:00", "2026-02-25 09:00"],
            "2026-03-05 08:00",
        ),
    ],
)
def test_caps_count_calendar_days_of_the_customers_zone(nudges: list[str], not_before: str) -> None:
    verdict = ask(person(nudges=[nudge(at(each)) for each in nudges]))
    assert (verdict.result, verdict.not_before) == ("defer", at(not_before))


def test_a_nudge_late_in_the_evening_counts_on_its_local_day() -> None:
    # 23:30 on 25 February in New York is already the 26th in UTC: seven local days end on 4 March.
    name = "America/New_York"
    evening = [nudge(at("2026-02-25 23:30", name)), nudge(at("2026-02-25 23:40", name))]
    assert ask(person(nudges=evening, time_zone=name), at("2026-03-03 12:00", name)).result == "defer"
    assert ask(person(nudges=evening, time_zone=name), at("2026-03-04 12:00", name)).result == "allow"


def test_a_hold_with_an_end_defers_to_the_first_permitted_instant_after_it() -> None:
    verdict = ask(person(holds=hold(until=at("2026-03-06 21:15"))))
    assert (verdict.result, verdict.not_before) == ("defer", at("2026-03-07 08:00"))


def test_overlapping_holds_forbid_until_the_last_has_ended() -> None:
    holds = {
        "1": Hold("1", "cease", 0, NOON - DAY, NOON + 2 * DAY),
        "2": Hold("2", "fraud", 0, NOON + DAY, NOON + 3 * DAY),
        "3": Hold("3", "dispute", 0, NOON, NOON + HOUR),
    }
    assert ask(person(holds=holds)).not_before == NOON + 3 * DAY


def test_a_hold_that_will_begin_ends_the_window_and_one_without_end_after_the_opening_refuses() -> None:
    assert ask(person(holds=hold(placed=NOON + HOUR))).not_after == NOON + HOUR
    night = at("2026-03-04 21:00")
    assert ask(person(holds=hold(placed=night + HOUR)), night).result == "refuse"


def test_an_opening_shorter_than_a_minute_is_not_taken() -> None:
    verdict = ask(person(), at("2026-03-04 19:59:30"))
    assert (verdict.result, verdict.not_before) == ("defer", at("2026-03-05 08:00"))
    assert verdict.failing == ("gb.hours",)


def test_consent_from_a_later_day_defers_to_it() -> None:
    assert ask(person(consents={"sms": NOON + DAY})).not_before == NOON + DAY


def test_nothing_is_said_before_contact_begins() -> None:
    verdict = ask(person(), contact_from=NOON + DAY, seen_at=NOON + DAY)
    assert (verdict.result, verdict.not_before) == ("defer", NOON + DAY)


def test_a_rule_that_is_not_yet_in_force_does_not_bind() -> None:
    text = default_text()
    head, tail = text.split('id = "gb.hours"')
    policy = load(head + 'id = "gb.hours"' + tail.replace("in_force = 1970-01-01", "in_force = 2026-03-05", 1))
    assert ask(person(), at("2026-03-04 23:00"), policy=policy).result == "allow"
    assert ask(person(), at("2026-03-05 23:00"), policy=policy).result == "defer"


SPOKEN = {"treatment": "bounce_explained"}


@pytest.mark.parametrize(
    ("given", "subject", "not_before"),
    [
        # The same thing is not said for fourteen days, to the minute ...
        ([nudge(NOON - 13 * DAY)], SPOKEN, at("2026-03-05 12:00")),
        ([nudge(NOON - 14 * DAY)], SPOKEN, NOON),
        ([nudge(NOON - 14 * DAY + 1)], SPOKEN, NOON + 1),
        ([nudge(NOON - 20 * DAY), nudge(NOON - 9 * DAY, nudge_id="M")], SPOKEN, at("2026-03-09 12:00")),
        # ... of hours that hold all the same ...
        ([nudge(at("2026-02-20 06:00"))], SPOKEN, at("2026-03-06 08:00")),
        # ... and something else is; what was taken back in time was not said, and a nudge is not in its own way.
        ([nudge(NOON - DAY)], {"treatment": "small_bill_check_in"}, NOON),
        ([nudge(NOON - DAY)], {}, NOON),
        ([nudge(NOON - DAY, withdrawn=True, counts=False)], SPOKEN, NOON),
        ([nudge(NOON - DAY, withdrawn=True)], SPOKEN, at("2026-03-17 12:00")),
        ([nudge(NOON - DAY)], SPOKEN | {"nudge_id": "N"}, NOON),
        # Each treatment has its own days.
        ([nudge(NOON - DAY, treatment="plan_reminder")], {"treatment": "plan_reminder"}, NOON),
        ([nudge(NOON - 29 * DAY, treatment="recognition")], {"treatment": "recognition"}, at("2026-03-05 12:00")),
    ],
)  # fmt: skip
def test_the_same_treatment_is_not_given_again_in_its_days(given: list[Nudge], subject: Any, not_before: int) -> None:
    verdict = ask(person(nudges=given), **subject)
    assert (verdict.result, verdict.not_before) == ("allow" if not_before == NOON else "defer", not_before)


@pytest.mark.parametrize(
    ("clock", "channel", "result", "not_before", "not_after"),
    [
        ("2026-03-06 12:00", "sms", "defer", "2026-03-07 08:00", "2026-03-07 20:00"),
        ("2026-03-06 12:00", "email", "defer", "2026-03-07 00:00", "2026-03-10 00:00"),
        ("2026-03-08 12:00", "email", "allow", "2026-03-08 12:00", "2026-03-10 00:00"),
        ("2026-03-09 12:00", "sms", "allow", "2026-03-09 12:00", "2026-03-09 20:00"),
        # After the last evening before the date there is no time left, and on the date itself never.
        ("2026-03-09 20:30", "sms", "refuse", "", ""),
        ("2026-03-09 23:59:30", "email", "refuse", "", ""),
        ("2026-03-10 00:00", "email", "refuse", "", ""),
        ("2026-03-12 12:00", "email", "refuse", "", ""),
    ],
)
def test_what_is_bound_to_a_date_is_said_in_its_days_and_never_on_the_date(
    clock: str, channel: str, result: str, not_before: str, not_after: str
) -> None:
    verdict = ask(person(), at(clock), channel, opens=at("2026-03-07 00:00"), closes=at("2026-03-10 00:00"))
    assert verdict.result == result
    assert verdict.not_before == (at(not_before) if not_before else 0)
    assert verdict.not_after == (at(not_after) if not_after else 0)
    if result != "allow":
        assert "everywhere.in_time" in verdict.failing


def test_more_contacts_than_can_be_remembered_forbid_until_they_count_no_more() -> None:
    verdict = ask(person(crowded_until=NOON + 2 * DAY))
    assert (verdict.result, verdict.not_before) == ("defer", NOON + 2 * DAY)
    assert ask(person(crowded_until=NOON)).result == "allow"


@pytest.mark.parametrize("silenced", ["customer", "operator"])
def test_a_snooze_with_an_end_defers_to_it(silenced: str) -> None:
    until = NOON + 2 * DAY
    customer = person(snoozes={"d": until} if silenced == "customer" else {})
    operator = Operator(snoozes={"e": until + DAY, "d": until} if silenced == "operator" else {"e": until + DAY})
    # A nudge stays silent only while every detector behind it does: until the first of them may speak.
    assert ask(customer, detectors=["d", "e"], operator=operator).not_before == until
    assert ask(customer, detectors=["d"], operator=operator).not_before == until
    assert ask(customer, detectors=["e"], operator=operator).not_before == until + DAY
    assert ask(customer, detectors=["f", "d", "e"], operator=operator).result == "allow"


def test_zones_come_from_the_pinned_package() -> None:
    assert zone("Europe/London") is zone("Europe/London")
    assert zone("") is None
    assert zone("Europe") is None
