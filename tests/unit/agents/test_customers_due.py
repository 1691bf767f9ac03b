"""Time alone is enough: what is called for on a day comes on that day, without anything else being told of the customer."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable

import pytest

from stream.agents.beside import BesideStep
from stream.tables.customer import MAX_SIGNALS
from stream.treatment.policy import Policy
from tests.unit.agents.customers_bank import (
    ALONE,
    POLICY,
    START,
    Bank,
    Said,
    days,
    feed,
    hours,
    known,
    moment,
    ms,
    new_step,
    read,
)

Story = Callable[[Bank], None]


def other(**update: object) -> Policy:
    policy: Policy = POLICY.model_copy(update={"version": "other", **update})
    return Policy.model_validate_json(policy.model_dump_json())


def told_late(bank: Bank, at: dt.datetime) -> None:
    """The last record comes later than it happened."""
    bank.written[-1][1].timestamp = ms(at)


def days_past_due_that_have_yet_to_begin(bank: Bank) -> None:
    bank.facts(
        START + hours(1), product="loan", change="arrears", arrears="120.00", past_due_since="2026-02-26",
        days_past_due_treatment=0, days_past_due_contractual=4,
    )  # fmt: skip


def instalments_missed_under_another_holders_pause(bank: Bank) -> None:
    pause = {
        "order_id": "O1", "customer_id": "C9", "hold_kind": "breathing_space", "from": START.isoformat(),
        "until": (START + days(5)).isoformat(),
    }  # fmt: skip
    bank.facts(START, product="loan", role="joint", missed_instalments_60d=3, pauses=[pause])


def instalments_missed_still_when_a_case_has_long_been_closed(bank: Bank) -> None:
    bank.facts(START, product="loan", missed_instalments_60d=3)
    bank.case(START + days(15))
    bank.case(START + days(16), "closed")


def a_payment_made_before_its_day(bank: Bank) -> None:
    bank.signal(START + hours(1), detector="lateness_drift")
    bill = {
        "obligation_id": "O1", "category": "loan", "counterparty_id": "P1", "amount_due": "60.00", "currency": "GBP",
        "next_due": "2026-03-25", "last_paid": "2026-03-22",
    }  # fmt: skip
    bank.facts(START + days(20), product="loan", obligations=[bill])


def a_hold_that_ends_and_is_forgotten(bank: Bank) -> None:
    bank.hold(START, "bereavement", ends=START + days(5))


STORIES: dict[Story, list[tuple[str, str]]] = {
    days_past_due_that_have_yet_to_begin: [("2026-03-22", "arrears_care"), ("2026-05-31", "arrears_care")],
    instalments_missed_under_another_holders_pause: [("2026-03-16", "arrears_care")],
    instalments_missed_still_when_a_case_has_long_been_closed: [("2026-03-11", "arrears_care"), ("2026-05-10", "arrears_care")],
    a_payment_made_before_its_day: [("2026-04-22", "payment_reminder"), ("2026-05-22", "payment_reminder")],
    a_hold_that_ends_and_is_forgotten: [("2026-03-02", "bereavement"), ("2026-06-05", "bereavement")],
}


def heard(said: Said) -> list[tuple[str, str]]:
    """Requests as they were made and taken back, and reminders."""
    every = [*said.escalations(), *said.escalations("withdrawn"), *said.nudges()]
    return sorted({(each["decided_at"][:10], each.get("queue") or each["treatment"]) for each in every})


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.__name__)
@pytest.mark.parametrize("touched", [None, 4, 30, 70])
def test_what_time_brings_comes_whether_or_not_something_else_is_told(story: Story, touched: int | None) -> None:
    bank = Bank()
    bank.customer(START)
    story(bank)
    bank.ticks(START + days(3), START + days(100), hours(6))
    if touched is not None:
        bank.customer(START + days(touched) + hours(1))
    bank.written.sort(key=lambda each: each[1].timestamp)
    expected = STORIES[story]
    sooner = other(ladder=POLICY.ladder.model_copy(update={"care_days": 20}))
    assert [each for each in heard(bank.run(policy=sooner)) if each[1] == expected[0][1]] == expected


def test_who_was_asked_to_look_at_silence_that_was_none_is_not_left_on_a_rung_for_it() -> None:
    """A case that is told late takes the offer back, and with it what was silence after it."""
    bank = Bank()
    bank.customer(START)
    bank.signal(START, severity="high")
    bank.ticks(START, START + days(30), hours(6))
    bank.case(START + days(1))
    told_late(bank, START + days(30) + hours(1))
    bank.ticks(START + days(31), START + days(70), hours(6))
    assert known(bank.run()).rung == 3


def test_a_sign_that_pushes_another_out_of_a_full_list_has_the_customer_looked_at() -> None:
    bank = Bank()
    bank.customer(START)
    bank.signal(START, "SPOKEN")
    bank.ticks(START, START + days(3), hours(1))
    at = START + days(3)
    bank.signal(at + hours(1), "SPOKEN", severity="low", status="changed")
    for number in range(MAX_SIGNALS - 1):
        bank.signal(at + hours(2), f"S{number}", severity="low")
    assert bank.run().nudges("withdrawn") == []
    bank.signal(at + hours(3), "ONE-MORE", severity="low")
    [taken] = bank.run().nudges("withdrawn")
    assert taken["signal_ids"] == ["SPOKEN"]


def test_a_step_that_is_due_at_once_is_taken_with_the_next_signal() -> None:
    bank = Bank()
    bank.customer(START)
    bank.tick(START + days(5))
    bank.signal(START + days(1))
    told_late(bank, START + days(5))
    bank.signal(START + days(5), "S2", severity="low")
    bank.tick(START + days(5) + hours(5))
    customer = known(bank.run())
    assert (customer.rung, customer.rung_since) == (2, ms(START + days(5)))


# --- another policy


LATER: Policy = other(hours=tuple(each.model_copy(update={"opens": "13:00"}) for each in POLICY.hours))


@pytest.mark.parametrize("first", ["tick", "profile", "facts", "signal", "repeated"])
def test_a_nudge_is_held_against_a_new_policy_whatever_is_told_first_under_it(first: str) -> None:
    bank = Bank()
    bank.customer(START)
    bank.facts(START)
    bank.signal(START)
    bank.ticks(START + hours(1), START + days(3), hours(1))
    step = new_step()
    feed(step, bank.written)
    nudge = read(step.drain().outputs, "nudges")[-1]
    step.configure(LATER)
    at, after = moment(nudge["decided_at"]) + dt.timedelta(minutes=1), Bank()
    match first:
        case "tick":
            after.tick(at)
        case "profile":
            after.customer(at)
        case "facts":
            after.facts(at)
        case "signal":
            after.signal(at, status="changed", score=1.7)
        case "repeated":
            after.customer(at, updated_at=(START - days(9)).isoformat())
    [taken] = after.run(step).nudges("withdrawn")
    assert (taken["nudge_id"], taken["withdrawn_because"]) == (nudge["nudge_id"], "contact_hours")


def test_under_a_tried_policy_a_restart_makes_no_difference_to_who_is_spoken_to() -> None:
    bank = Bank()
    bank.customer(START)
    bank.signal(START)
    bank.operator(START, "snooze", customer="C1")
    again = bank.written[-1]
    bank.ticks(START + hours(1), START + days(3), hours(1))

    def after_stop(restart: bool) -> list[tuple[str, bool]]:
        step = BesideStep(ALONE, POLICY)
        feed(step, bank.written)  # type: ignore[arg-type]
        rows = dict(step.drain().rows)
        step.configure(POLICY, LATER)
        repeated = Bank()
        repeated.operator(START + days(3) + hours(1), "snooze", customer="C1")
        repeated.written[-1][1].value = again[1].value
        feed(step, repeated.written)  # type: ignore[arg-type]
        rows |= dict(step.drain().rows)
        if restart:
            step = BesideStep(ALONE, POLICY, LATER)
            step.restore(rows.items())
        stop = Bank()
        stop.operator(START + days(3) + hours(2), "stop_nudges")
        feed(step, stop.written)  # type: ignore[arg-type]
        return [(each["result"], bool(each.get("shadow"))) for each in read(step.drain().outputs, "decisions")]

    assert after_stop(restart=False) == after_stop(restart=True)
    assert ("refused", True) in after_stop(restart=False)
