"""What keeps a mistake small: the breaker, the control group, the shadow, and the minutes before anything is sent."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from stream.agents.customers import CustomersStep
from stream.errors import ConfigurationError
from stream.tables.customer import Customer
from stream.treatment.policy import Policy, default_text, load
from stream.treatment.safety import Gauge, in_control
from tests.unit.agents.customers_bank import POLICY, START, Bank, Said, days, feed, hours, moment, ms, new_step

READY = START + days(3)
MINUTE = dt.timedelta(minutes=1)


def with_safety(policy: Policy = POLICY, **changes: Any) -> Policy:
    return policy.model_copy(update={"safety": policy.safety.model_copy(update=changes)})


def town(count: int, quiet: int = 0, **signal: Any) -> Bank:
    """So many customers with a sign of stress, and some without."""
    bank = Bank()
    for number in range(count + quiet):
        bank.customer(START, f"C{number:04}")
    for number in range(count):
        bank.signal(START, f"S{number}", customer=f"C{number:04}", **signal)
    return bank


def people(said: Said) -> list[str]:
    return [each["customer_id"] for each in said.nudges()]


def waiting(said: Said) -> list[str]:
    """Those whose nudge waits for the breaker."""
    return [
        each["customer_id"]
        for each in said.decisions("deferred")
        if [rule["rule_id"] for rule in each["rules"] if rule["verdict"] != "allow"] == ["everywhere.breaker"]
    ]


def more(step: CustomersStep, tell: Bank) -> Said:
    """What a step says of further records."""
    refused = feed(step, tell.written)
    return Said(step, step.drain(), refused)


# --- the breaker


@pytest.mark.parametrize(
    ("count", "quiet", "changes", "sent"),
    [
        (20, 0, {}, 20),
        (21, 0, {}, 20),
        (40, 0, {}, 20),
        # Never on fewer than twenty, whatever the share ...
        (25, 0, {"breaker_share": 0.001}, 20),
        # ... and beyond that by the share of those who are known.
        (35, 265, {}, 30),
        (30, 270, {}, 30),
        (35, 300, {}, 33),
        (40, 60, {"breaker_share": 0.35}, 35),
        (40, 0, {"breaker_people": 33}, 33),
        (40, 0, {"breaker_share": 1.0}, 40),
    ],
)
def test_the_breaker_trips_where_an_hour_would_reach_too_many_people(
    count: int, quiet: int, changes: Any, sent: int
) -> None:
    bank = town(count, quiet)
    bank.tick(READY)
    said = bank.run(policy=with_safety(**changes))
    assert people(said) == [f"C{number:04}" for number in range(sent)]
    assert waiting(said) == [f"C{number:04}" for number in range(sent, count)]
    assert said.step.breaker_tripped is (count > sent)
    assert said.nudges("withdrawn") == [], "what has been said stands"


@pytest.mark.parametrize(("name", "value"), [("breaker_people", "19"), ("breaker_share", "0.0"), ("breaker_share", "1.01")])
def test_a_breaker_that_would_never_or_always_trip_is_refused(name: str, value: str) -> None:
    before = {"breaker_people": "20", "breaker_share": "0.10"}[name]
    with pytest.raises(ConfigurationError, match=f"safety.{name}"):
        load(default_text().replace(f"{name} = {before}", f"{name} = {value}"))


def test_a_nudge_that_waits_for_the_breaker_is_deferred_with_its_rule_and_without_a_time() -> None:
    bank = town(21)
    bank.tick(READY)
    (decision,) = bank.run().decisions("deferred")
    assert "next_allowed_at" not in decision
    (rule,) = [each for each in decision["rules"] if each["verdict"] != "allow"]
    assert (rule["rule_id"], rule["verdict"], rule["counters"]) == ("everywhere.breaker", "refuse", {"people": 20, "limit": 20})


def test_a_new_hour_counts_anew() -> None:
    bank = town(15)
    for number in range(15):
        bank.customer(START, f"D{number}")
        bank.signal(START + hours(1), f"T{number}", customer=f"D{number}")
    bank.tick(READY)
    bank.tick(READY + hours(1))
    said = bank.run()
    assert len(people(said)) == 30
    assert not said.step.breaker_tripped


def test_a_new_hour_or_day_does_not_release_it_and_nobody_is_told_twice() -> None:
    bank = town(22)
    bank.ticks(READY, READY + days(5))
    said = bank.run()
    assert len(people(said)) == 20
    assert waiting(said) == ["C0020", "C0021"]
    assert said.step.breaker_tripped


def two_signs(count: int) -> Bank:
    """Customers who are each given two nudges at once."""
    bank = town(count)
    for number in range(count):
        bank.signal(START, f"M{number}", customer=f"C{number:04}", detector="missed_bills")
    return bank


@pytest.mark.parametrize("count", [12, 19, 20])
def test_who_is_written_to_twice_in_an_hour_is_one_person(count: int) -> None:
    bank = two_signs(count)
    bank.tick(READY)
    said = bank.run()
    assert len(people(said)) == 2 * count
    assert not said.step.breaker_tripped


def test_who_is_written_to_again_in_another_hour_counts_there() -> None:
    bank = town(20)
    bank.tick(READY)
    for number in range(20):
        bank.signal(READY + hours(1), f"M{number}", customer=f"C{number:04}", detector="missed_bills", account="A-0002")
    bank.customer(READY + hours(1), "D")
    bank.signal(READY - days(3) + hours(1), "SD", customer="D")
    bank.tick(READY + hours(1) + MINUTE)
    said = bank.run()
    assert len(people(said)) == 40
    assert waiting(said) == ["D"]


def test_who_may_not_be_written_to_now_does_not_trip_it() -> None:
    bank = town(20)
    bank.customer(START, "N", time_zone="America/Los_Angeles")
    bank.customer(START, "O", channels={})
    for name in "NO":
        bank.signal(START, f"S{name}", customer=name)
    bank.tick(READY)
    said = bank.run()
    assert not said.step.breaker_tripped
    assert waiting(said) == []


def test_who_is_held_back_for_the_control_group_does_not_trip_it() -> None:
    policy = with_safety(control_share=0.10)
    held = drawn(policy, 1)[0]
    others = [f"C{number:04}" for number in range(60) if not is_drawn(f"C{number:04}", policy)][:20]
    bank = Bank()
    for name in [*others, held]:
        bank.customer(START, name)
    for name in others:
        bank.signal(START, f"S-{name}", customer=name)
    bank.signal(START + MINUTE, "S-held", customer=held)
    bank.tick(READY)
    bank.tick(READY + MINUTE)
    said = bank.run(policy=policy)
    assert people(said) == others
    assert not said.step.breaker_tripped


def test_an_operator_releases_it_and_those_who_wait_are_written_to() -> None:
    bank = town(50)
    bank.tick(READY)
    bank.operator(READY + hours(1), "release_breaker")
    said = bank.run()
    assert len(people(said)) == 40, "and it trips again where it would be too many"
    assert said.step.breaker_tripped
    bank.operator(READY + hours(1) + MINUTE, "release_breaker")
    said = bank.run()
    assert sorted(people(said)) == [f"C{number:04}" for number in range(50)]
    assert not said.step.breaker_tripped
    assert said.nudges()[-1]["not_before"] == "2026-03-05T10:01:00Z"


def test_a_word_about_one_customer_does_not_release_it() -> None:
    bank = town(21)
    bank.tick(READY)
    bank.operator(READY + hours(1), "release_breaker", "C0020")
    bank.operator(READY + hours(1), "snooze", detector="other")
    said = bank.run()
    assert len(people(said)) == 20
    assert said.step.breaker_tripped


def test_one_that_waits_is_dropped_with_its_signal_and_stays_dropped_after_the_release() -> None:
    bank = town(21)
    bank.tick(READY)
    bank.signal(READY + hours(1), "S20", customer="C0020", status="withdrawn")
    bank.operator(READY + hours(2), "release_breaker")
    said = bank.run()
    assert len(people(said)) == 20
    assert [each["result"] for each in said.decisions() if each["customer_id"] == "C0020"] == ["deferred", "withdrawn"]


def test_another_version_of_the_policy_starts_anew() -> None:
    bank = town(41)
    bank.tick(READY)
    step = bank.run().step
    step.configure(POLICY.model_copy(update={"version": "next"}))
    later = Bank()
    later.customer(READY + MINUTE, "C0020")
    said = more(step, later)
    assert people(said) == [f"C{number:04}" for number in range(21, 41)], "all who wait, with a count of its own"
    assert step.breaker_tripped


def test_the_same_version_does_not() -> None:
    bank = town(21)
    bank.tick(READY)
    step = bank.run().step
    step.configure(with_safety(breaker_people=100))
    later = Bank()
    later.customer(READY + MINUTE, "C0020")
    assert people(more(step, later)) == []


def test_it_outlives_a_restart() -> None:
    bank = town(21)
    bank.tick(READY)
    before = bank.run()
    again = new_step()
    again.restore(before.drained.rows)
    assert again.breaker_tripped
    later = Bank()
    later.customer(READY + hours(2), "C0020")
    later.ticks(READY + hours(2), READY + hours(5))
    assert people(more(again, later)) == []
    later = Bank()
    later.operator(READY + hours(6), "release_breaker")
    assert people(more(again, later)) == ["C0020"]
    last = new_step()
    last.restore([*before.drained.rows, *again.drain().rows])


def test_the_people_who_are_known_and_the_count_of_the_hour_outlive_a_restart() -> None:
    bank = town(40, 220)
    step = new_step()
    step.restore(bank.run().drained.rows)
    later = Bank()
    later.tick(READY)
    said = more(step, later)
    assert len(people(said)) == 26, "a tenth of 260"
    half = town(15)
    half.tick(READY)
    step = new_step()
    step.restore(half.run().drained.rows)
    later = Bank()
    for number in range(10):
        later.customer(READY + MINUTE, f"D{number}")
        later.signal(START, f"T{number}", customer=f"D{number}")
        late(later, READY + MINUTE)
    later.tick(READY + 2 * MINUTE)
    assert len(people(more(step, later))) == 5


def test_it_does_not_take_back_what_has_been_said() -> None:
    bank = town(25)
    bank.tick(READY)
    bank.hold(READY + hours(1), "fraud", customer="C0030")
    bank.customer(READY + hours(1), "C0000")
    assert bank.run().nudges("withdrawn") == []


def test_an_hour_and_a_version_are_all_that_the_gauge_counts_by() -> None:
    gauge, clock = Gauge(known=0), ms(START)
    for number in range(20):
        assert gauge.allows(Customer("C"), POLICY, clock)
        gauge.count(Customer(f"C{number}"), clock)
    assert gauge.breaker.people == 20
    assert gauge.allows(Customer("C"), POLICY, clock + ms(START + hours(1)) - ms(START))
    assert gauge.breaker.people == 0


# --- the control group


def is_drawn(name: str, policy: Policy) -> bool:
    return in_control(Customer(name), policy)


def drawn(policy: Policy, count: int) -> list[str]:
    """Customers who would be in the control group."""
    return [name for name in (f"C{number:04}" for number in range(1000)) if is_drawn(name, policy)][:count]


TRIAL = with_safety(control_share=0.10, breaker_share=1.0)
HELD = drawn(TRIAL, 1)[0]
FREE = next(name for name in (f"C{number:04}" for number in range(1000)) if not is_drawn(name, TRIAL))


def one(name: str, **profile: Any) -> Bank:
    bank = Bank()
    bank.customer(START, name, **profile)
    bank.signal(START, customer=name)
    return bank


@pytest.mark.parametrize("share", [0.10, 0.05, 0.01])
def test_of_many_customers_the_share_is_held_back_and_the_others_are_nudged(share: float) -> None:
    policy = with_safety(control_share=share, breaker_share=1.0)
    bank = town(400)
    bank.tick(READY)
    said = bank.run(policy=policy)
    held = {each["customer_id"] for each in said.decisions("control")}
    assert held.isdisjoint(people(said))
    assert len(held) + len(people(said)) == 400
    expected = 400 * share
    assert abs(len(held) - expected) <= 4 * (expected * (1 - share)) ** 0.5
    assert held == {f"C{number:04}" for number in range(400) if is_drawn(f"C{number:04}", policy)}


def test_the_group_is_a_matter_of_the_salt_and_the_name_and_of_nothing_else() -> None:
    everyone = [f"C{number:04}" for number in range(1000)]
    own = {name for name in everyone if is_drawn(name, TRIAL)}
    smaller = {name for name in everyone if is_drawn(name, with_safety(control_share=0.05))}
    assert smaller < own, "a smaller share is a part of the greater"
    for changes in ({"control_salt": "another"}, {"control_name": "another"}):
        other = {name for name in everyone if is_drawn(name, with_safety(control_share=0.10, **changes))}
        assert len(own & other) < len(own) / 2
    assert {name for name in everyone if is_drawn(name, POLICY)} == set()


@pytest.mark.parametrize(
    ("name", "value"), [("control_share", "0.11"), ("control_share", "-0.01"), ("control_days", "31"), ("control_days", "0")]
)
def test_a_larger_or_longer_control_group_is_refused_by_the_schema(name: str, value: str) -> None:
    before = {"control_share": "0.0", "control_days": "30"}[name]
    text = default_text()
    assert f"{name} = {before}\n" in text
    with pytest.raises(ConfigurationError, match=f"safety.{name}"):
        load(text.replace(f"{name} = {before}\n", f"{name} = {value}\n"))
    limits = {"control_share": "0.10", "control_days": "30"}[name]
    assert load(text.replace(f"{name} = {before}\n", f"{name} = {limits}\n"))


def test_who_is_held_back_is_recorded_once_and_nudged_after_thirty_days() -> None:
    bank = one(HELD)
    bank.ticks(READY, READY + days(40), hours(1))
    said = bank.run(policy=TRIAL)
    (control,) = said.decisions("control")
    assert moment(control["decided_at"]) == READY
    assert control["treatment"] == "bounce_explained"
    against = [(rule["rule_id"], rule["verdict"]) for rule in control["rules"] if rule["verdict"] != "allow"]
    assert against == [("everywhere.control", "refuse")]
    (nudge,) = said.nudges()
    assert moment(nudge["decided_at"]) == READY + days(30)
    assert "experiment" not in nudge, "who was held back is never among the treated"
    # The clocks have gone forward meanwhile: thirty days are days of 24 hours, and 10:00 in London is within the hours.
    assert [each["result"] for each in said.decisions()] == ["control", "issued"]


def test_news_of_somebody_who_is_held_back_is_no_second_decision() -> None:
    bank = one(HELD)
    bank.tick(READY)
    for number in range(1, 20):
        bank.customer(READY + days(number), HELD, preferred_channel="sms")
        bank.operator(READY + days(number) + hours(1), "resume_nudges")
    said = bank.run(policy=TRIAL)
    assert [each["result"] for each in said.decisions()] == ["control"]


def test_fewer_days_are_fewer() -> None:
    bank = one(HELD)
    bank.ticks(READY, READY + days(40), hours(1))
    (nudge,) = bank.run(policy=with_safety(TRIAL, control_days=10)).nudges()
    assert moment(nudge["decided_at"]) == READY + days(10)


def test_the_days_are_counted_from_the_first_that_was_held_back_and_not_again() -> None:
    bank = one(HELD)
    bank.tick(READY)
    bank.signal(READY + days(2), customer=HELD, status="withdrawn")
    bank.signal(READY + days(20), "S2", customer=HELD, detector="missed_bills")
    bank.ticks(READY + days(20), READY + days(29))
    bank.ticks(READY + days(29), READY + days(40), hours(1))
    bank.signal(READY + days(50), "S2", customer=HELD, detector="missed_bills", status="withdrawn")
    bank.signal(READY + days(60), "S3", customer=HELD)
    bank.ticks(READY + days(60), READY + days(70))
    said = bank.run(policy=TRIAL)
    assert [moment(each["decided_at"]) for each in said.decisions("control")] == [READY, READY + days(20)]
    first, second = said.nudges()
    assert moment(first["decided_at"]) == READY + days(30)
    assert moment(second["decided_at"]) >= READY + days(60)


def test_a_group_that_was_joined_outlives_a_restart() -> None:
    bank = one(HELD)
    bank.tick(READY)
    rows = bank.run(policy=TRIAL).drained.rows
    again = new_step(policy=TRIAL)
    again.restore(rows)
    later = Bank()
    later.ticks(READY + hours(1), READY + days(29))
    assert more(again, later).decisions() == []
    later = Bank()
    later.tick(READY + days(30))
    assert people(more(again, later)) == [HELD]


GRAVE: dict[str, tuple[dict[str, Any], Any]] = {
    "caring": ({"vulnerabilities": ["caring"]}, None),
    "young, with little income": ({"vulnerabilities": ["low_income", "young_adult"]}, None),
    "past due": ({}, lambda bank, name: bank.facts(START, customer=name, past_due_since="2026-03-01", product="loan")),
    "past due elsewhere": ({}, lambda bank, name: bank.facts(START, "A-0009", name, past_due_since="2026-03-01", product="loan")),
    "high": ({}, lambda bank, name: bank.signal(START, "S1", "high", "changed", customer=name)),
    "another high": ({}, lambda bank, name: bank.signal(START, "S2", "high", customer=name, detector="income_drop")),
}


@pytest.mark.parametrize("why", GRAVE)
@pytest.mark.parametrize("name", [HELD, FREE])
def test_with_something_past_due_or_grave_or_a_vulnerability_one_is_nudged_and_in_neither_arm(why: str, name: str) -> None:
    profile, tell = GRAVE[why]
    bank = one(name, **profile)
    if tell is not None:
        tell(bank, name)
    bank.tick(READY)
    bank.tick(READY + days(14))
    said = bank.run(policy=TRIAL)
    assert said.decisions("control") == []
    nudge = next(each for each in said.nudges() if each["treatment"] == "bounce_explained")
    assert "experiment" not in nudge
    arms = {each[2] for each in said.step.take_tallies() if each[0] == "trial"}
    assert arms == {"outside"}


@pytest.mark.parametrize(
    "tell",
    [
        lambda bank, at: bank.customer(at, HELD, vulnerabilities=["job_loss"]),
        lambda bank, at: bank.facts(at, customer=HELD, past_due_since="2026-03-07", days_past_due_treatment=1, product="loan"),
        lambda bank, at: bank.signal(at, "S1", "high", "changed", customer=HELD),
    ],
)
def test_who_comes_to_need_it_is_nudged_at_once(tell: Any) -> None:
    bank = one(HELD)
    bank.tick(READY)
    tell(bank, READY + days(2))
    said = bank.run(policy=TRIAL)
    assert len(said.decisions("control")) == 1
    (nudge,) = said.nudges()
    assert moment(nudge["decided_at"]) == READY + days(2)


def test_only_supportive_nudges_are_held_back_and_an_offer_of_support_never() -> None:
    bank = one(HELD)
    bank.signal(START, "S2", customer=HELD, detector="missed_bills")
    bank.ticks(READY, READY + days(4))
    said = bank.run(policy=TRIAL)
    assert {each["treatment"] for each in said.decisions("control")} == {"bounce_explained", "small_bill_check_in"}
    (offer,) = said.nudges()
    assert (offer["treatment"], moment(offer["decided_at"])) == ("debt_advice", READY + days(3))
    assert "experiment" not in offer


def test_a_reminder_of_a_date_is_not_held_back() -> None:
    bank = one(HELD)
    due = {
        "obligation_id": "O1", "category": "loan", "counterparty_id": "B", "amount_due": "120.00", "currency": "GBP",
        "next_due": "2026-03-08",
    }  # fmt: skip
    bank.facts(START, customer=HELD, product="loan", obligations=[due])
    bank.signal(START, "S2", customer=HELD, detector="missed_bills")
    bank.tick(READY)
    said = bank.run(policy=TRIAL)
    assert [each["treatment"] for each in said.nudges()] == ["payment_reminder"]
    assert "experiment" not in said.nudges()[0]


@pytest.mark.parametrize(
    ("policy", "experiment"),
    [
        (TRIAL, {"name": "rung-2", "arm": "treated"}),
        (with_safety(TRIAL, control_name="spring"), {"name": "spring", "arm": "treated"}),
        (POLICY, None),
    ],
)
def test_the_treated_arm_is_marked_as_such_while_there_is_another(policy: Policy, experiment: Any) -> None:
    free = next(name for name in (f"C{number:04}" for number in range(1000)) if not is_drawn(name, policy))
    bank = one(free)
    bank.tick(READY)
    (nudge,) = bank.run(policy=policy).nudges()
    assert nudge.get("experiment") == experiment


@pytest.mark.parametrize("name", [HELD, FREE])
@pytest.mark.parametrize(
    ("cured", "answered"), [("yes", "no"), ("no", "yes"), ("no", "no"), ("yes", "yes")]
)
def test_what_came_of_both_arms_is_counted_alike_after_the_policys_days(name: str, cured: str, answered: str) -> None:
    bank = one(name)
    bank.tick(READY)
    if answered == "yes":
        bank.outcome(READY + days(2), "conversation", name, "inbound", "voice")
    if cured == "yes":
        bank.signal(READY + days(5), customer=name, status="withdrawn")
    bank.ticks(READY + days(6), READY + days(14) - MINUTE, hours(6))
    step = bank.run(policy=TRIAL).step
    assert not [each for each in step.take_tallies() if each[0] == "trial"]
    later = Bank()
    later.tick(READY + days(14))
    more(step, later)
    arm = "control" if name == HELD else "treated"
    trials = {each: count for each, count in step.take_tallies().items() if each[0] == "trial"}
    assert trials == {("trial", "bounce_explained", arm, cured, answered): 1}


def test_a_nudge_that_was_taken_back_stays_in_its_arm_as_the_control_group_does() -> None:
    bank = one(FREE)
    bank.tick(READY)
    bank.signal(READY + hours(1), customer=FREE, status="withdrawn")
    bank.ticks(READY + days(14), READY + days(16))
    said = bank.run(policy=TRIAL)
    assert len(said.nudges("withdrawn")) == 1
    trials = {each: count for each, count in said.step.take_tallies().items() if each[0] == "trial"}
    assert trials == {("trial", "bounce_explained", "treated", "yes", "no"): 1}


# --- the shadow


def eventful() -> Bank:
    bank = town(21)
    bank.facts(START, customer="C0001", product="loan", past_due_since="2026-01-20", days_past_due_treatment=41, arrears="90.00")
    bank.hold(START + days(1), "bereavement", customer="C0002")
    bank.hold(START + days(1), "dispute", "H2", customer="C0003", account_id="A-0001")
    promise = {"promise_id": "P1", "amount": "10.00", "currency": "GBP", "due_date": "2026-04-01", "account_id": "A-0001"}
    bank.outcome(START + days(1), "promise", "C0004", promise=promise)
    bank.ticks(READY, READY + days(1))
    bank.signal(READY + days(1), "S5", customer="C0005", status="withdrawn")
    bank.hold(READY + days(1), "fraud", "H3", placed=READY, customer="C0006")
    return bank


def test_a_shadow_decides_and_records_and_says_nothing_else() -> None:
    said = eventful().run(policy=POLICY.model_copy(update={"shadow": True}))
    assert {output.topic for output in said.drained.outputs} == {"decisions"}
    assert {each["shadow"] for each in said.decisions()} == {True}
    live = eventful().run()
    assert {output.topic for output in live.drained.outputs} == {"decisions", "nudges", "escalations", "account-orders"}
    assert not any("shadow" in each for each in live.decisions())

    def told(decisions: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [{name: value for name, value in each.items() if name not in ("shadow", "decision_id")} for each in decisions]

    assert told(said.decisions()) == told(live.decisions()), "the same decisions"
    # They may stand in one topic, and so have ids of their own.
    assert not {each["decision_id"] for each in said.decisions()} & {each["decision_id"] for each in live.decisions()}


# --- the minutes before anything is sent


SETTLING = load(default_text())
SETTLE = dt.timedelta(minutes=10)


def late(bank: Bank, told_at: dt.datetime) -> None:
    """The last record arrives later than what it tells of."""
    bank.written[-1][1].timestamp = ms(told_at)


def test_a_nudge_may_be_sent_no_sooner_than_some_minutes_after_it_was_decided() -> None:
    assert SETTLING.settle_minutes == 10
    bank = one("C1")
    bank.tick(READY)
    (nudge,) = bank.run(policy=SETTLING).nudges()
    assert moment(nudge["decided_at"]) == READY
    assert moment(nudge["not_before"]) == READY + SETTLE
    assert nudge["not_after"] == "2026-03-05T20:00:00Z"


def test_what_waits_for_the_morning_is_decided_the_minutes_before_it() -> None:
    bank = Bank()
    bank.customer(START)
    bank.signal(START + hours(12))
    bank.ticks(READY + hours(12), READY + days(2), MINUTE * 5)
    said = bank.run(policy=SETTLING)
    (nudge,) = said.nudges()
    assert (nudge["decided_at"], nudge["not_before"]) == ("2026-03-06T07:50:00Z", "2026-03-06T08:00:00Z")
    assert said.decisions("deferred")[0]["next_allowed_at"] == "2026-03-06T08:00:00Z"


def test_nothing_is_decided_so_late_that_no_time_is_left() -> None:
    bank = Bank()
    bank.customer(START)
    bank.signal(START + hours(10) + MINUTE * 50)
    bank.ticks(READY + hours(10) + MINUTE * 50, READY + days(2), MINUTE * 5)
    (nudge,) = bank.run(policy=SETTLING).nudges()
    assert nudge["not_before"] == "2026-03-06T08:00:00Z"


@pytest.mark.parametrize(
    ("occurred", "told", "again"),
    [
        # It had happened before the decision, and nothing had been sent: the episode has not spoken.
        (-60, 1, True),
        (-60, 9, True),
        (-1, 5, True),
        (0, 5, True),
        # It happened after the decision, and before anything was sent: the same.
        (1, 5, True),
        (5, 5, True),
        (9, 9, True),
        # Nobody knows any more whether it was sent.
        (-60, 11, False),
        (-60, 600, False),
    ],
)
def test_a_hold_within_the_minutes_takes_a_nudge_back_and_mutes_it_only_where_it_may_have_been_sent(
    occurred: int, told: int, again: bool
) -> None:
    bank = one("C1")
    bank.tick(READY)
    bank.tick(READY + told * MINUTE)
    bank.hold(READY + occurred * MINUTE, "complaint", ends=READY + days(1))
    late(bank, READY + told * MINUTE)
    bank.ticks(READY + days(1) - SETTLE, READY + days(20), MINUTE * 30)
    said = bank.run(policy=SETTLING)
    (taken,) = said.nudges("withdrawn")
    assert taken["withdrawn_because"] == "hold_placed"
    first, *others = said.nudges()
    assert taken["nudge_id"] == first["nudge_id"]
    assert bool(others) is again
    if again:
        (second,) = others
        assert second["nudge_id"] != first["nudge_id"]
        assert moment(second["not_before"]) == READY + days(1)


def test_the_order_of_arrival_within_the_minutes_makes_no_difference_to_what_stands() -> None:
    def stands(*, early: bool) -> list[tuple[str, str]]:
        bank = one("C1")
        if not early:
            bank.tick(READY)
        bank.hold(READY - hours(1), "complaint", ends=READY + days(1))
        if early:
            bank.tick(READY)
        else:
            late(bank, READY + 5 * MINUTE)
        bank.ticks(READY + hours(1), READY + days(20), MINUTE * 10)
        said = bank.run(policy=SETTLING)
        gone = {each["nudge_id"] for each in said.nudges("withdrawn")}
        return [(each["treatment"], each["not_before"]) for each in said.nudges() if each["nudge_id"] not in gone]

    assert stands(early=False) == stands(early=True) != []


def test_a_reminder_speaks_again_too_however_soon_the_hold_was_told() -> None:
    due = {
        "obligation_id": "O1", "category": "loan", "counterparty_id": "B", "amount_due": "120.00", "currency": "GBP",
        "next_due": "2026-03-09",
    }  # fmt: skip
    bank = Bank()
    bank.customer(START, channels={"email": {"consent": True}})
    bank.signal(START, detector="missed_bills")
    bank.tick(READY)
    bank.facts(READY + days(2), product="loan", obligations=[due])
    bank.hold(READY + days(1), "complaint", ends=READY + days(3))
    late(bank, READY + days(2))
    bank.ticks(READY + days(2) + SETTLE, READY + days(5), SETTLE)
    said = bank.run(policy=SETTLING)
    reminders = [each for each in said.nudges() if each["treatment"] == "payment_reminder"]
    assert [moment(each["not_before"]) for each in reminders] == [READY + days(2) + SETTLE, READY + days(3)]


def test_a_signal_that_had_gone_before_the_decision_takes_the_nudge_back_and_the_next_one_speaks() -> None:
    bank = one("C1")
    bank.tick(READY)
    bank.signal(READY - hours(1), status="withdrawn")
    late(bank, READY + 5 * MINUTE)
    bank.signal(READY + hours(2), "S2")
    bank.ticks(READY + hours(3), READY + days(2))
    said = bank.run(policy=SETTLING)
    assert [each["withdrawn_because"] for each in said.nudges("withdrawn")] == ["signal_withdrawn"]
    assert [each["signal_ids"] for each in said.nudges()] == [["S1"], ["S2"]]


def test_what_was_taken_back_before_it_could_be_sent_does_not_count_against_the_caps() -> None:
    bank = one("C1")
    bank.signal(START, "S2", detector="missed_bills")
    bank.tick(READY)
    bank.hold(READY - hours(1), "complaint", ends=READY + hours(3))
    late(bank, READY + 5 * MINUTE)
    bank.ticks(READY + hours(1), READY + hours(6), SETTLE)
    said = bank.run(policy=SETTLING)
    assert len(said.nudges("withdrawn")) == 2
    assert [moment(each["not_before"]) for each in said.nudges()[2:]] == [READY + hours(3)] * 2


def test_a_release_that_is_older_than_the_trip_releases_nothing() -> None:
    bank = town(21)
    bank.tick(READY)
    bank.operator(READY - hours(1), "release_breaker")
    assert bank.run().step.breaker_tripped
