"""Reminders, plans, promises and thanks from end to end: what was agreed, what was paid, and what is said about it."""

from __future__ import annotations

import datetime as dt
import json
from decimal import Decimal
from typing import Any

import pytest

from tests.unit.agents.customers_bank import START, Bank, Said, days, hours, known, moment, ms, new_step, only

READY = START + days(3)
MINUTE = dt.timedelta(minutes=1)


def of(said: Said, treatment: str, status: str = "issued") -> list[dict[str, Any]]:
    return [each for each in said.nudges(status) if each["treatment"] == treatment]


def starts(said: Said, treatment: str) -> list[dt.datetime]:
    return [moment(each["not_before"]) for each in of(said, treatment)]


def decided(said: Said, treatment: str) -> list[str]:
    return [each["result"] for each in said.decisions() if each["treatment"] == treatment]


def care(said: Said) -> list[dict[str, Any]]:
    return [each for each in said.escalations() if each["queue"] == "arrears_care"]


def asked(said: Said) -> list[str]:
    """The codes of the first reasons for which the arrears care team was asked."""
    return [each["reasons"][0]["code"] for each in care(said)]


def obligation(next_due: str | None = "2026-03-22", name: str = "O1", **fields: Any) -> dict[str, Any]:
    told = {
        "obligation_id": name, "category": "loan", "counterparty_id": "BANK", "amount_due": "120.00", "currency": "GBP",
        "next_due": next_due,
    }  # fmt: skip
    return {key: value for key, value in (told | fields).items() if value is not None}


def payment(at: dt.datetime, amount: str, event: str | None = None, **fields: Any) -> dict[str, Any]:
    return {
        "event_id": event or f"E-{at:%m%d%H%M}-{amount}", "occurred_at": at.isoformat(), "amount": amount, "currency": "GBP",
        "direction": "credit", "category": "loan",
    } | fields  # fmt: skip


def pay(
    bank: Bank, at: dt.datetime, amount: str, told: dt.datetime | None = None, account: str = "A-0001", **fields: Any
) -> None:
    """A payment, told by the account it was made to, with what such a record always tells of the account."""
    told_before = [json.loads(each.value or b"") for topic, each in bank.written if topic == "account-facts"]
    last = next((each for each in reversed(told_before) if each["account_id"] == account), {"product": "loan"})
    kept = {name: last[name] for name in ("product", "role", "currency", "obligations", "pauses", "apr") if name in last}
    bank.facts(told or at, account, change="payment", payments=[payment(at, amount, **fields)], **kept)


# --- a reminder of a regular payment


def due(*obligations: dict[str, Any], detector: str = "missed_bills", channel: str = "sms", **facts: Any) -> Bank:
    """A customer on rung 2 from READY on, with regular payments on their own credit."""
    bank = Bank()
    bank.customer(START, channels={channel: {"consent": True}})
    bank.facts(START, **{"product": "loan", "obligations": obligations or (obligation(),)} | facts)
    bank.signal(START, detector=detector)
    bank.tick(READY)
    return bank


def test_a_regular_payment_is_reminded_of_once_in_the_three_days_before_it() -> None:
    bank = due()
    bank.ticks(READY, READY + days(30), hours(1))
    said = bank.run()
    reminder = only(of(said, "payment_reminder"))
    assert (reminder["not_before"], reminder["not_after"]) == ("2026-03-19T08:00:00Z", "2026-03-19T20:00:00Z")
    assert reminder["account_ids"] == ["A-0001"]
    assert reminder["signal_ids"] == []
    assert [each["code"] for each in reminder["reasons"]] == ["payment_due"]
    assert "is due in the next few days" in reminder["params"]["text"]
    assert "120" not in json.dumps(reminder), "no amount"
    deferred = next(each for each in said.decisions("deferred") if each["treatment"] == "payment_reminder")
    assert deferred["next_allowed_at"] == "2026-03-19T08:00:00Z"
    assert [rule["rule_id"] for rule in deferred["rules"] if rule["verdict"] != "allow"] == ["everywhere.in_time"]


@pytest.mark.parametrize(
    ("next_due", "channel", "not_before", "not_after"),
    [
        ("2026-03-22", "email", "2026-03-19T00:00:00Z", "2026-03-22T00:00:00Z"),
        # The clocks go forward on 29 March: the days are London's.
        ("2026-03-30", "email", "2026-03-27T00:00:00Z", "2026-03-29T23:00:00Z"),
        ("2026-04-02", "sms", "2026-03-30T07:00:00Z", "2026-03-30T19:00:00Z"),
        # On its first days on the rung there is less time left; on the date itself none: the next one is in a month.
        ("2026-03-06", "sms", "2026-03-05T09:00:00Z", "2026-03-05T20:00:00Z"),
        ("2026-03-06", "email", "2026-03-05T09:00:00Z", "2026-03-06T00:00:00Z"),
        ("2026-03-05", "sms", "2026-04-02T07:00:00Z", "2026-04-02T19:00:00Z"),
        # A date that was told long ago comes again every month, on its last day where there is no such day.
        ("2026-02-20", "sms", "2026-03-17T08:00:00Z", "2026-03-17T20:00:00Z"),
        ("2025-12-31", "sms", "2026-03-28T08:00:00Z", "2026-03-28T20:00:00Z"),
        ("2026-01-30", "email", "2026-03-27T00:00:00Z", "2026-03-29T23:00:00Z"),
    ],
)
def test_a_reminder_comes_before_its_date_and_never_on_it(next_due: str, channel: str, not_before: str, not_after: str) -> None:
    bank = due(obligation(next_due), channel=channel)
    bank.ticks(READY, READY + days(31), hours(1))
    first = of(bank.run(), "payment_reminder")[0]
    assert (first["not_before"], first["not_after"]) == (not_before, not_after)


def test_who_has_moved_to_another_zone_is_reminded_by_their_own_days_there() -> None:
    bank = due(channel="email")
    bank.customer(READY + days(1), time_zone="Pacific/Auckland", channels={"email": {"consent": True}})
    bank.ticks(READY + days(1), READY + days(30), hours(1))
    first = of(bank.run(), "payment_reminder")[0]
    assert (first["not_before"], first["not_after"]) == ("2026-03-18T11:00:00Z", "2026-03-21T11:00:00Z")


def test_who_is_quiet_all_the_days_before_is_not_reminded_on_the_date() -> None:
    bank = due()
    bank.hold(READY + days(10), "complaint", ends=moment("2026-03-22T06:00:00+00:00"))
    bank.ticks(READY + days(10), READY + days(30), hours(1))
    said = bank.run()
    assert of(said, "payment_reminder") == []
    assert decided(said, "payment_reminder")[-1] in ("withdrawn", "deferred")
    results = [each for each in said.decisions() if each["treatment"] == "payment_reminder" and each["decided_at"] > "2026-03-12"]
    assert results[-1]["decided_at"] <= "2026-03-22T01", "and nobody waits for it any more"


@pytest.mark.parametrize(
    ("obligations", "detector", "facts"),
    [
        # Not on an account that owes nothing to us, nor for a debt that is another's.
        ((obligation(),), "missed_bills", {"product": "current_account"}),
        ((obligation(),), "missed_bills", {"product": "savings"}),
        ((obligation(),), "missed_bills", {"role": "guarantor"}),
        # Not for what has no date, or has just been paid.
        ((obligation(None),), "missed_bills", {}),
        ((obligation("2026-03-23", last_paid="2026-03-19"),), "missed_bills", {}),
        # Not where the signs are of another kind.
        ((obligation(),), "bounce_pressure", {}),
        ((obligation(),), "income_drop", {}),
    ],
)
def test_nobody_is_reminded_without_cause(obligations: Any, detector: str, facts: Any) -> None:
    bank = due(*obligations, detector=detector, **facts)
    bank.ticks(READY, READY + days(17), hours(6))
    said = bank.run()
    assert of(said, "payment_reminder") == []
    assert said.orders() == []


def test_what_was_paid_a_month_ago_is_due_again() -> None:
    bank = due(obligation(last_paid="2026-03-01"))
    bank.ticks(READY, READY + days(15), hours(1))
    assert starts(bank.run(), "payment_reminder") == [moment("2026-03-19T08:00:00+00:00")]


def test_who_has_no_sign_of_stress_or_only_a_mild_one_is_not_reminded() -> None:
    for severity in (None, "low"):
        bank = Bank()
        bank.customer(START)
        bank.facts(START, product="loan", obligations=[obligation()])
        if severity:
            bank.signal(START, severity=severity, detector="missed_bills")
        bank.ticks(READY, READY + days(30), hours(6))
        assert bank.run().drained.outputs == []


def test_a_reminder_goes_with_the_signs_that_called_for_it() -> None:
    bank = due()
    bank.signal(READY + days(5), status="withdrawn", detector="missed_bills")
    bank.ticks(READY + days(5), READY + days(17), hours(1))
    said = bank.run()
    assert of(said, "payment_reminder") == []
    assert decided(said, "payment_reminder") == ["deferred", "withdrawn"]
    assert [each["kind"] for each in said.orders()] == ["watch_promise", "unwatch_promise"]


OPEN = moment("2026-03-19T10:00:00+00:00")
"""Two hours after the reminder may be sent."""


@pytest.mark.parametrize("at", [moment("2026-03-15T10:00:00+00:00"), OPEN, moment("2026-03-19T19:00:00+00:00")])
@pytest.mark.parametrize(
    ("fields", "paid"),
    [
        ({"obligation_id": "O1"}, True),
        # A debit elsewhere that names the obligation, and a repayment that names none.
        ({"obligation_id": "O1", "direction": "debit"}, True),
        ({}, True),
        ({"obligation_id": "O2"}, False),
        ({"direction": "debit"}, False),
        ({"account": "A-0002"}, False),
        # A part of it.
        ({"obligation_id": "O1", "amount": "119.99"}, False),
        ({"amount": "60.00"}, False),
        ({"amount": "500.00"}, True),
    ],
)
def test_what_has_been_paid_is_not_reminded_of_and_a_reminder_that_is_out_is_taken_back(
    at: dt.datetime, fields: Any, paid: bool
) -> None:
    bank = due()
    bank.ticks(READY, at, hours(1))
    pay(bank, at + MINUTE, **{"amount": "120.00"} | fields)
    bank.ticks(at + hours(1), moment("2026-03-22T09:00:00+00:00"), hours(1))
    said = bank.run()
    issued = at >= OPEN or not paid
    assert len(of(said, "payment_reminder")) == issued
    taken = of(said, "payment_reminder", "withdrawn")
    assert [each["withdrawn_because"] for each in taken] == (["customer_paid"] if paid and issued else [])
    assert [each["kind"] for each in said.orders()][:2] == ["watch_promise", "unwatch_promise"]


def test_a_payment_is_for_what_is_past_due_before_it_is_for_what_is_ahead() -> None:
    for named in (False, True):
        bank = due(arrears="120.00", past_due_since="2026-02-22", days_past_due_treatment=8)
        bank.ticks(READY, READY + days(10), hours(6))
        pay(bank, READY + days(10) + MINUTE, "120.00", **{"obligation_id": "O1"} if named else {})
        bank.ticks(READY + days(11), moment("2026-03-20T09:00:00+00:00"), hours(1))
        assert of(bank.run(), "payment_reminder"), "it went to what is past due"


def test_a_payment_for_last_month_is_none_for_this() -> None:
    bank = due(obligation("2026-03-29"))
    bank.ticks(READY, READY + days(1), hours(6))
    pay(bank, READY + days(1) + MINUTE, "120.00", obligation_id="O1")
    bank.ticks(READY + days(2), READY + days(25), hours(1))
    assert starts(bank.run(), "payment_reminder") == [moment("2026-03-26T08:00:00+00:00")]


def test_a_payment_that_comes_after_the_window_takes_nothing_back() -> None:
    bank = due()
    bank.ticks(READY, moment("2026-03-20T10:00:00+00:00"), hours(1))
    pay(bank, moment("2026-03-20T10:30:00+00:00"), "120.00", obligation_id="O1")
    said = bank.run()
    assert len(of(said, "payment_reminder")) == 1
    assert of(said, "payment_reminder", "withdrawn") == []


def test_the_account_is_watched_from_when_the_reminder_is_in_sight_until_its_date() -> None:
    bank = due()
    bank.ticks(READY, READY + days(18), hours(1))
    watch, unwatch, *_ = bank.run().orders()
    assert (watch["kind"], watch["account_id"], watch["amount"], watch["due_date"]) == (
        "watch_promise", "A-0001", "120.00", "2026-03-22",
    )  # fmt: skip
    assert moment(watch["at"]) == READY
    assert (unwatch["kind"], unwatch["promise_id"], unwatch["order_id"]) == (
        "unwatch_promise", watch["promise_id"], watch["order_id"],
    )  # fmt: skip
    assert moment(unwatch["at"]) == moment("2026-03-22T00:00:00+00:00")


def test_of_several_each_is_reminded_of_in_its_turn() -> None:
    bank = due(obligation("2026-03-24", "O2"), obligation("2026-03-22", "O1"))
    bank.ticks(READY, READY + days(50), hours(1))
    assert starts(bank.run(), "payment_reminder") == [
        moment("2026-03-19T08:00:00+00:00"), moment("2026-03-22T08:00:00+00:00"),
        moment("2026-04-19T07:00:00+00:00"), moment("2026-04-22T07:00:00+00:00"),
    ]  # fmt: skip


def test_a_reminder_follows_a_date_that_is_moved() -> None:
    bank = due()
    bank.ticks(READY, READY + days(10), hours(6))
    bank.facts(READY + days(10), product="loan", obligations=[obligation("2026-03-28")])
    bank.ticks(READY + days(10), READY + days(25), hours(1))
    assert starts(bank.run(), "payment_reminder") == [moment("2026-03-25T08:00:00+00:00")]


def test_a_reminder_goes_with_the_obligation() -> None:
    bank = due()
    bank.ticks(READY, READY + days(10), hours(6))
    bank.facts(READY + days(10), product="loan", obligations=[])
    bank.ticks(READY + days(10), READY + days(25), hours(1))
    assert of(bank.run(), "payment_reminder") == []


def test_an_account_that_is_given_up_is_not_reminded_of() -> None:
    bank = due()
    bank.ticks(READY, READY + days(10), hours(6))
    bank.facts(READY + days(10), product="loan", removed=True)
    bank.ticks(READY + days(10), READY + days(25), hours(1))
    assert of(bank.run(), "payment_reminder") == []


# --- offers of a plan


MEANS = {"income_monthly_low": "2000.00", "next_income_on": "2026-03-27", "priority_bills_monthly": "400.00"}
"""Of 2,000 a month 400 go to home and bills, 120 to the loan and 750 to living: 730 are left."""


def behind(arrears: str = "1500.00", **fields: Any) -> dict[str, Any]:
    """A loan with something past due, and what the customer can count on."""
    return {
        "product": "loan", "arrears": arrears, "past_due_since": "2026-02-25", "days_past_due_treatment": 5,
        "obligations": [obligation()], **MEANS,
    } | fields  # fmt: skip


def offered(*accounts: dict[str, Any], **profile: Any) -> Bank:
    """A customer on the rung of offers, six days after a grave sign."""
    bank = Bank()
    bank.customer(START, **profile)
    for number, facts in enumerate(accounts or (behind(),)):
        bank.facts(START, f"A-000{number + 1}", **facts)
    bank.signal(START, severity="high")
    bank.ticks(START, START + days(6) + hours(1))
    return bank


def plan_of(offer: dict[str, Any]) -> tuple[list[str], list[Decimal]]:
    return [each["due_date"] for each in offer["instalments"]], [Decimal(each["amount"]) for each in offer["instalments"]]


@pytest.mark.parametrize(
    ("arrears", "months"),
    [("1500.00", [3, 4, 6]), ("600.00", [2, 3]), ("200.00", [1]), ("1500.01", [3, 4, 6]), ("7000.07", [12, 16, 24]),
     ("17520.00", [24])],
)  # fmt: skip
def test_an_offer_has_plans_to_choose_from_that_each_pay_the_arrears_within_what_is_left(arrears: str, months: list[int]) -> None:
    nudge = only(of(offered(behind(arrears)).run(), "flexible_plan"))
    assert [len(each["instalments"]) for each in nudge["offers"]] == months
    for offer in nudge["offers"]:
        dates, amounts = plan_of(offer)
        assert sum(amounts) == Decimal(arrears)
        assert max(amounts) <= Decimal("730.00")
        assert dates[0] == "2026-03-28", "the day after the payday"
        assert dates == sorted(set(dates))
        assert (offer["kind"], offer["currency"]) == ("repayment_plan", "GBP")
        assert not any(figure in offer["basis"] for figure in ("2000", "730", "400", "750"))
    assert len({each["offer_id"] for each in nudge["offers"]}) == len(months)


def test_the_figures_behind_an_offer_stand_in_its_decision_and_not_in_the_nudge() -> None:
    said = offered().run()
    nudge = only(of(said, "flexible_plan"))
    (decision,) = [each for each in said.decisions("issued") if each["decision_id"] == nudge["decision_id"]]
    rule = next(each for each in decision["rules"] if each["rule_id"] == "plans.affordable")
    assert rule["counters"] == {
        "surplus": 73_000, "income_low": 200_000, "priority_bills": 40_000, "other_instalments": 12_000, "living_costs": 75_000,
        "arrears": 150_000, "highest_instalment": 50_000,
    }  # fmt: skip
    text = nudge["params"]["text"]
    assert text.startswith("Hello from your bank. We would like to make things easier on your account …0001.")
    assert "We have worked out ways to spread what is owed" in text
    for secret in ("2000", "73000", "40000", "75000"):
        assert secret not in json.dumps(nudge)


@pytest.mark.parametrize(
    "facts",
    [
        {"income_monthly_low": None}, {"next_income_on": None}, {"priority_bills_monthly": None}, {"currency": "SEK"},
        {"arrears": None, "past_due_since": None, "days_past_due_treatment": 0},
    ],
)  # fmt: skip
def test_where_too_little_is_known_a_plan_is_spoken_of_without_figures(facts: Any) -> None:
    if facts.get("currency"):
        facts = facts | {"obligations": []}
    said = offered(behind(**facts)).run()
    nudge = only(of(said, "flexible_plan"))
    assert "offers" not in nudge
    assert "We can look for a plan together" in nudge["params"]["text"]
    assert "no_surplus" not in asked(said)


def test_where_nothing_is_left_debt_advice_is_spoken_of_and_a_person_is_asked() -> None:
    said = offered(behind(income_monthly_low="1200.00")).run()
    assert of(said, "flexible_plan") == []
    assert len(of(said, "debt_advice")) == 1
    assert asked(said) == ["no_surplus"]


def test_an_obligation_that_two_accounts_tell_of_is_counted_once_and_home_and_bills_are_in_the_bills() -> None:
    bills = [obligation(name="O2", category="rent", amount_due="500.00"), obligation(name="O3", category="energy")]
    said = offered(behind(), {"product": "current_account", "obligations": [obligation(), *bills]}).run()
    (decision,) = [each for each in said.decisions("issued") if each["treatment"] == "flexible_plan"]
    counters = next(each for each in decision["rules"] if each["rule_id"] == "plans.affordable")["counters"]
    assert counters["other_instalments"] == 12_000


def test_what_a_guarantor_earns_or_owes_is_no_part_of_it() -> None:
    said = offered(behind(), behind("900.00", role="guarantor", income_monthly_low="5000.00")).run()
    nudge = only(of(said, "flexible_plan"))
    assert {sum(plan_of(each)[1]) for each in nudge["offers"]} == {Decimal("1500.00")}
    assert max(max(plan_of(each)[1]) for each in nudge["offers"]) <= Decimal("730.00")


def test_the_home_is_repaid_first() -> None:
    home = behind("800.00", product="mortgage", obligations=[], income_monthly_low=None, next_income_on=None)
    bank = Bank()
    bank.customer(START)
    bank.facts(START, "A-0001", **behind())
    bank.facts(START, "A-0002", **home)
    bank.signal(START, severity="high")
    bank.signal(START, "S2", "high", account="A-0002")
    bank.ticks(START, START + days(6) + hours(1))
    nudge = only(of(bank.run(), "flexible_plan"))
    assert nudge["account_ids"][0] == "A-0002"
    assert {sum(plan_of(each)[1]) for each in nudge["offers"]} == {Decimal("800.00")}


# --- a plan that was accepted


def offers_of(bank: Bank) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = only(of(bank.run(), "flexible_plan"))["offers"]
    return found


ACCEPTED = START + days(7)


def agreed(arrears: str = "600.00", choice: int = -1, **profile: Any) -> tuple[Bank, dict[str, Any]]:
    """A plan of three instalments of 200.00 on the 28th, accepted a day after it was offered; the sign of stress stands."""
    bank = offered(behind(arrears), **profile)
    chosen = offers_of(bank)[choice]
    bank.outcome(ACCEPTED, "plan_accepted", direction="inbound", offer_id=chosen["offer_id"])
    # What the plan spreads is past due no more.
    bank.facts(ACCEPTED + MINUTE, product="loan", obligations=[obligation()], **MEANS)
    return bank, chosen


def pay_in_time(bank: Bank, chosen: dict[str, Any], count: int = 99) -> dt.datetime:
    """Pays so many instalments on their dates, hours passing in between; returns the instant after the last."""
    at = ACCEPTED + hours(1)
    for each in chosen["instalments"][:count]:
        when = moment(f"{each['due_date']}T10:00:00+00:00")
        bank.ticks(at, when - hours(1))
        pay(bank, when, each["amount"])
        at = when + hours(1)
    return at


def test_a_plan_that_is_accepted_is_watched_as_a_whole_to_its_last_date() -> None:
    bank, chosen = agreed()
    bank.outcome(ACCEPTED + hours(1), "plan_accepted", direction="inbound", offer_id=chosen["offer_id"])
    order = only([each for each in bank.run().orders() if each["promise_id"] == chosen["offer_id"]])
    assert (order["kind"], order["account_id"], order["amount"], order["currency"], order["due_date"]) == (
        "watch_promise", "A-0001", "600.00", "GBP", "2026-05-28",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("outcome", "offer"), [("plan_declined", None), ("plan_accepted", "no-such-offer"), ("plan_accepted", "")]
)
def test_a_plan_that_is_declined_or_not_ours_is_not_followed(outcome: str, offer: str | None) -> None:
    bank = offered(behind("600.00"))
    offer_id = offers_of(bank)[0]["offer_id"] if offer is None else offer or None
    bank.outcome(ACCEPTED, outcome, direction="inbound", offer_id=offer_id)
    bank.ticks(ACCEPTED, ACCEPTED + days(40), hours(6))
    said = bank.run()
    assert [each for each in said.orders() if each["promise_id"] == offer_id] == []
    assert of(said, "plan_reminder") == []


def test_a_plan_that_was_declined_may_not_be_accepted_afterwards() -> None:
    bank = offered(behind("600.00"))
    offer_id = offers_of(bank)[0]["offer_id"]
    bank.outcome(ACCEPTED, "plan_declined", direction="inbound", offer_id=offer_id)
    bank.outcome(ACCEPTED + hours(1), "plan_accepted", direction="inbound", offer_id=offer_id)
    assert [each for each in bank.run().orders() if each["promise_id"] == offer_id] == []


def test_each_instalment_is_reminded_of_in_the_three_days_before_it() -> None:
    bank, chosen = agreed()
    pay_in_time(bank, chosen)
    said = bank.run()
    assert [len(each["instalments"]) for each in offers_of_said(said)] == [2, 3]
    assert starts(said, "plan_reminder") == [
        moment("2026-03-25T08:00:00+00:00"), moment("2026-04-25T07:00:00+00:00"), moment("2026-05-25T07:00:00+00:00"),
    ]  # fmt: skip
    for each in of(said, "plan_reminder"):
        assert each["account_ids"] == ["A-0001"]
        assert "The next payment of the plan for your account …0001 is due in the next few days." in each["params"]["text"]
        assert "200.00" not in json.dumps(each)
    assert asked(said) == []


def offers_of_said(said: Said) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = only(of(said, "flexible_plan"))["offers"]
    return found


def test_under_a_plan_its_account_has_no_other_reminders() -> None:
    regular = [obligation("2026-03-30")]
    bank = offered(behind("600.00", obligations=regular))
    bank.signal(START + days(6) + hours(2), "S2", detector="missed_bills")
    bank.tick(START + days(6) + hours(3))
    chosen = offers_of(bank)[-1]
    bank.outcome(ACCEPTED, "plan_accepted", direction="inbound", offer_id=chosen["offer_id"])
    bank.facts(ACCEPTED + MINUTE, product="loan", obligations=regular, **MEANS)
    bank.ticks(ACCEPTED + hours(1), moment("2026-03-30T09:00:00+00:00"))
    said = bank.run()
    assert of(said, "payment_reminder") == []
    assert len(of(said, "plan_reminder")) == 1


def test_under_a_hold_for_the_plan_only_its_reminders_go_out() -> None:
    bank, chosen = agreed()
    bank.hold(ACCEPTED + hours(1), "hardship_plan", account_id="A-0001")
    bank.signal(ACCEPTED + hours(2), "S2", detector="missed_bills")
    pay_in_time(bank, chosen)
    said = bank.run()
    assert {each["treatment"] for each in said.nudges() if moment(each["decided_at"]) > ACCEPTED + days(1)} == {"plan_reminder"}
    assert len(of(said, "plan_reminder")) == 3


@pytest.mark.parametrize(
    ("when", "issued", "taken"),
    [("2026-03-24T10:00", 0, []), ("2026-03-25T10:00", 1, ["customer_paid"]), ("2026-03-26T10:00", 1, [])],
)
def test_an_instalment_that_has_been_paid_is_not_reminded_of(when: str, issued: int, taken: list[str]) -> None:
    bank, _ = agreed()
    at = moment(f"{when}:00+00:00")
    bank.ticks(ACCEPTED + hours(1), at - hours(1))
    pay(bank, at, "200.00")
    bank.ticks(at + hours(1), moment("2026-04-20T10:00:00+00:00"), hours(2))
    said = bank.run()
    assert len(of(said, "plan_reminder")) == issued
    assert [each["withdrawn_because"] for each in of(said, "plan_reminder", "withdrawn")] == taken
    bank.ticks(moment("2026-04-20T11:00:00+00:00"), moment("2026-04-27T11:00:00+00:00"))
    assert starts(bank.run(), "plan_reminder")[issued:] == [moment("2026-04-25T07:00:00+00:00")]


def test_a_plan_that_was_kept_is_thanked_for_once() -> None:
    bank, chosen = agreed()
    bank.signal(ACCEPTED + hours(1), severity="low", status="changed")
    at = pay_in_time(bank, chosen)
    bank.ticks(at, at + days(40), hours(1))
    said = bank.run()
    thanks = only(of(said, "recognition"))
    assert "Thank you for keeping to what we agreed." in thanks["params"]["text"]
    assert [each["code"] for each in thanks["reasons"]] == ["promise_kept"]
    assert thanks["decided_at"] == "2026-05-28T10:00:00Z"
    assert asked(said) == []


def test_after_thanks_for_a_plan_nothing_more_is_decided_about_thanks() -> None:
    bank, chosen = agreed()
    at = pay_in_time(bank, chosen)
    bank.outcome(at + hours(1), "conversation", direction="inbound")
    bank.ticks(at + hours(2), at + days(12), hours(1))
    assert decided(bank.run(), "recognition") == ["issued"]


@pytest.mark.parametrize(("paid", "asks"), [("199.99", True), ("100.00", True), ("99.99", True), (None, True), ("200.00", False)])
def test_an_instalment_that_is_not_paid_in_full_asks_a_person_after_its_days_of_grace(paid: str | None, asks: bool) -> None:
    bank, _ = agreed()
    at = moment("2026-03-27T10:00:00+00:00")
    bank.ticks(ACCEPTED + hours(1), at - hours(1))
    if paid:
        pay(bank, at, paid)
    # Saturday, 28 March, and three working days: through Wednesday, 1 April.
    bank.ticks(at + hours(1), moment("2026-04-01T22:00:00+00:00"))
    assert asked(bank.run()) == []
    bank.ticks(moment("2026-04-01T23:00:00+00:00"), moment("2026-04-03T10:00:00+00:00"))
    said = bank.run()
    assert asked(said) == (["plan_instalment_missed"] if asks else [])
    if asks:
        request = only(care(said))
        assert request["decided_at"] == "2026-04-01T23:00:00Z"
        assert request["reasons"][0]["text"] == "An instalment of GBP 200.00 by 28 March 2026 was not kept in full."
        assert request["suggested_actions"][:2] == ["plan_review", "counter_offer"]
        assert request["account_ids"][0] == "A-0001"


def test_a_plan_of_which_an_instalment_was_missed_is_not_thanked_for() -> None:
    bank, chosen = agreed()
    bank.ticks(ACCEPTED + hours(1), moment("2026-04-10T10:00:00+00:00"))
    for each in chosen["instalments"][1:]:
        when = moment(f"{each['due_date']}T10:00:00+00:00")
        pay(bank, when, each["amount"])
        bank.ticks(when + hours(1), when + days(9), hours(6))
    assert of(bank.run(), "recognition") == []


@pytest.mark.parametrize("number", [0, 1, 2])
def test_an_instalment_that_was_paid_in_time_and_is_told_late_takes_its_request_back(number: int) -> None:
    bank, chosen = agreed()
    at = pay_in_time(bank, chosen, number)
    day = moment(f"{chosen['instalments'][number]['due_date']}T10:00:00+00:00")
    bank.ticks(at, day + days(7), hours(1))
    assert asked(bank.run()) == ["plan_instalment_missed"]
    pay(bank, day, "200.00", told=day + days(7) + hours(1))
    said = bank.run()
    assert [each["withdrawn_because"] for each in said.escalations("withdrawn")] == ["promise_kept"]


def test_an_instalment_that_comes_back_after_it_was_paid_asks_a_person() -> None:
    for number in (0, 2):
        bank, chosen = agreed()
        at = pay_in_time(bank, chosen, number)
        day = moment(f"{chosen['instalments'][number]['due_date']}T10:00:00+00:00")
        bank.ticks(at, day - hours(1), hours(1))
        pay(bank, day, "200.00", event="E-back")
        bank.tick(day + hours(1))
        pay(bank, day, "200.00", event="E-back", told=day + days(2), reversed=True)
        bank.ticks(day + days(3), day + days(8), hours(1))
        assert asked(bank.run()) == ["plan_instalment_missed"], number


def test_another_plan_takes_the_place_of_the_first_and_only_it_is_followed() -> None:
    bank, first = agreed(choice=0)
    second = offers_of(bank)[1]
    bank.outcome(ACCEPTED + days(1), "plan_accepted", direction="inbound", offer_id=second["offer_id"])
    bank.ticks(ACCEPTED + days(1), moment("2026-03-27T10:00:00+00:00"))
    pay(bank, moment("2026-03-27T11:00:00+00:00"), "200.00")
    bank.ticks(moment("2026-03-27T12:00:00+00:00"), moment("2026-04-10T10:00:00+00:00"))
    said = bank.run()
    plans = {first["offer_id"]: "first", second["offer_id"]: "second"}
    orders = [(each["kind"], plans[each["promise_id"]]) for each in said.orders() if each["promise_id"] in plans]
    assert orders == [("watch_promise", "first"), ("unwatch_promise", "first"), ("watch_promise", "second")]
    # The first asked for 300.00 by the 28th: it is no longer owed.
    assert asked(said) == []
    assert len(of(said, "plan_reminder")) == 1


def test_a_plan_that_is_accepted_after_its_first_date_has_not_missed_it() -> None:
    bank = offered(behind("600.00"))
    chosen = offers_of(bank)[-1]
    bank.facts(ACCEPTED, product="loan", obligations=[obligation()], **MEANS)
    at = moment("2026-04-10T10:00:00+00:00")
    bank.ticks(ACCEPTED + hours(1), at - hours(1), hours(6))
    bank.outcome(at, "plan_accepted", direction="inbound", offer_id=chosen["offer_id"])
    bank.ticks(at + hours(1), at + days(3))
    said = bank.run()
    assert "plan_instalment_missed" not in asked(said)
    assert known(said).plans[chosen["offer_id"]].instalments[0].status != "broken"


def test_what_was_missed_of_a_plan_calls_for_nobody_once_another_plan_was_agreed() -> None:
    bank, _ = agreed(choice=0)
    bank.ticks(ACCEPTED + hours(1), moment("2026-04-05T10:00:00+00:00"))
    said = bank.run()
    assert asked(said) == ["plan_instalment_missed"]
    assert known(said).clear_since == 0
    at = moment("2026-04-05T11:00:00+00:00")
    bank.outcome(at, "plan_accepted", direction="inbound", offer_id=offers_of(bank)[1]["offer_id"])
    bank.ticks(at + hours(1), at + days(3))
    assert known(bank.run()).clear_since == ms(at), "no more is called for than the sign of stress does"


def test_who_proposes_a_plan_of_their_own_is_answered_by_a_person() -> None:
    bank = offered(behind("600.00"))
    offer_id = offers_of(bank)[0]["offer_id"]
    bank.outcome(ACCEPTED, "plan_proposed", direction="inbound", offer_id=offer_id)
    said = bank.run()
    request = only(care(said))
    assert (request["reasons"][0]["code"], moment(request["decided_at"])) == ("customer_said_counter_offer", ACCEPTED)
    assert request["suggested_actions"][:2] == ["counter_offer", "plan_review"]
    assert [each for each in said.orders() if each["promise_id"] == offer_id] == [], "what was proposed is not what was offered"


def test_a_plan_outlives_a_restart() -> None:
    bank, chosen = agreed()
    again = Bank()
    pay_in_time(again, chosen)
    step = new_step()
    step.restore(bank.run().drained.rows)
    said = again.run(step)
    assert len(of(said, "plan_reminder")) == 3
    assert len(of(said, "recognition")) == 1


# --- promises


DUE = "2026-03-20"
"""A Friday: with three working days it can be kept through Wednesday, the 25th."""


def promised(*terms: tuple[str, ...], **profile: Any) -> Bank:
    """Promises (name, amount, due date, account) that were made on the first day, without any sign of stress."""
    bank = Bank()
    bank.customer(START, **profile)
    for name, amount, due_date, *account in terms or (("P1", "100.00", DUE),):
        told = {
            "promise_id": name, "amount": amount, "currency": "GBP", "due_date": due_date, "account_id": (*account, "A-0001")[0],
        }  # fmt: skip
        bank.outcome(START, "promise", direction="inbound", promise=told)
    return bank


def statuses(said: Said) -> dict[str, str]:
    return {name: each.status for name, each in known(said).promises.items()}


OVER = moment("2026-03-26T00:00:00+00:00")


@pytest.mark.parametrize(
    ("paid", "status"),
    [
        ([("100.00", {})], "kept"),
        ([("60.00", {}), ("40.00", {})], "kept"),
        ([("250.00", {})], "kept"),
        ([("99.99", {})], "part_kept"),
        ([("50.00", {})], "part_kept"),
        ([("49.99", {})], "broken"),
        ([], "broken"),
        ([("100.00", {"currency": "EUR"})], "broken"),
        ([("100.00", {"direction": "debit"})], "broken"),
        ([("100.00", {"account": "A-0002"})], "broken"),
        # What was paid before the promise, or after its days of grace, is not what was promised.
        ([("100.00", {"at": START - hours(1)})], "broken"),
        ([("100.00", {"at": OVER})], "broken"),
        ([("100.00", {"at": OVER - MINUTE})], "kept"),
        # Told late, and in time.
        ([("100.00", {"told": OVER + days(3)})], "kept"),
        # The same event twice is one payment.
        ([("50.00", {"event": "E"}), ("50.00", {"event": "E"})], "part_kept"),
    ],
)
def test_a_promise_is_kept_kept_in_part_or_broken_by_what_was_paid_in_its_time(paid: list[Any], status: str) -> None:
    bank = promised()
    for number, (amount, fields) in enumerate(paid):
        told = dict(fields)
        at = told.pop("at", START + days(5) + number * MINUTE)
        pay(bank, at, amount, **{"told": max(at, START)} | told)
    bank.written.sort(key=lambda each: each[1].timestamp)
    bank.ticks(OVER - MINUTE, OVER + days(4), hours(6))
    bank.written.sort(key=lambda each: each[1].timestamp)
    said = bank.run()
    assert statuses(said) == {"P1": status}


def test_a_promise_that_is_kept_is_thanked_for_at_once_and_once() -> None:
    bank = promised()
    pay(bank, START + days(5), "100.00")
    bank.outcome(START + days(5) + hours(1), "conversation", direction="inbound")
    bank.ticks(START + days(5) + hours(1), START + days(40), hours(1))
    said = bank.run()
    thanks = only(of(said, "recognition"))
    assert moment(thanks["decided_at"]) == START + days(5)
    assert "Thank you for keeping to what we agreed." in thanks["params"]["text"]
    assert [each["code"] for each in thanks["reasons"]] == ["promise_kept"]
    assert decided(said, "recognition") == ["issued"]
    assert said.escalations() == []


@pytest.mark.parametrize("paid", ["99.99", "50.00"])
def test_a_promise_that_is_kept_in_part_is_neither_thanked_for_nor_held_against_anybody(paid: str) -> None:
    bank = promised()
    bank.signal(START)
    pay(bank, START + days(5), paid)
    bank.ticks(START + days(5) + hours(1), START + days(40), hours(6))
    said = bank.run()
    assert of(said, "recognition") == []
    assert care(said) == []


def test_a_promise_that_is_broken_leads_to_a_person_one_rung_at_a_time() -> None:
    bank = promised()
    bank.ticks(START + hours(15), START + days(40), hours(6))
    said = bank.run()
    request = only(care(said))
    assert moment(request["decided_at"]) == OVER + days(9), "three days each on rungs 1, 2 and 3"
    assert request["reasons"][0]["text"] == "A promise to pay GBP 100.00 by 20 March 2026 was not kept in full."
    assert of(said, "recognition") == []


def test_money_is_never_counted_for_two_promises() -> None:
    for amount, expected in (
        ("100.00", {"P1": "kept", "P2": "broken"}),
        ("149.99", {"P1": "kept", "P2": "broken"}),
        ("150.00", {"P1": "kept", "P2": "part_kept"}),
        ("200.00", {"P1": "kept", "P2": "kept"}),
    ):
        bank = promised(("P2", "100.00", "2026-03-27"), ("P1", "100.00", DUE))
        pay(bank, START + days(5), amount)
        bank.ticks(START + days(6), moment("2026-04-03T09:00:00+00:00"), hours(6))
        assert statuses(bank.run()) == expected


def test_money_that_kept_a_promise_keeps_no_other_when_the_first_is_forgotten() -> None:
    bank = promised(("P1", "100.00", "2026-03-10"), ("P2", "100.00", "2026-06-30"))
    pay(bank, START + days(5), "100.00")
    bank.ticks(START + days(6), moment("2026-06-30T09:00:00+00:00"), days(1))
    assert statuses(bank.run()).get("P2") == "open"
    bank.ticks(moment("2026-07-01T09:00:00+00:00"), moment("2026-07-06T09:00:00+00:00"), days(1))
    assert statuses(bank.run()).get("P2") == "broken"


def test_money_that_kept_an_instalment_keeps_no_promise() -> None:
    bank, chosen = agreed()
    terms = {"promise_id": "P1", "amount": "200.00", "currency": "GBP", "due_date": "2026-06-30", "account_id": "A-0001"}
    bank.outcome(ACCEPTED + MINUTE, "promise", direction="inbound", promise=terms)
    at = pay_in_time(bank, chosen)
    assert statuses(bank.run()) == {"P1": "open"}
    bank.outcome(at + days(1), "conversation", direction="inbound")
    assert statuses(bank.run()) == {"P1": "open"}


def test_money_that_was_paid_under_a_plan_that_is_replaced_is_not_counted_again() -> None:
    bank = offered(behind("600.00"))
    first, second = offers_of(bank)
    bank.outcome(ACCEPTED, "plan_accepted", direction="inbound", offer_id=first["offer_id"])
    terms = {"promise_id": "P1", "amount": "300.00", "currency": "GBP", "due_date": "2026-06-30", "account_id": "A-0001"}
    bank.outcome(ACCEPTED + MINUTE, "promise", direction="inbound", promise=terms)
    pay(bank, ACCEPTED + days(1), "300.00")
    assert statuses(bank.run()) == {"P1": "open"}
    bank.outcome(ACCEPTED + days(2), "plan_accepted", direction="inbound", offer_id=second["offer_id"])
    bank.outcome(ACCEPTED + days(3), "conversation", direction="inbound")
    assert statuses(bank.run()) == {"P1": "open"}


def test_a_promise_made_anew_on_other_terms_is_the_one_that_counts() -> None:
    bank = promised()
    again = {"promise_id": "P1", "amount": "60.00", "currency": "GBP", "due_date": "2026-03-27", "account_id": "A-0001"}
    pay(bank, START + days(5), "30.00")
    bank.outcome(START + days(6), "promise", direction="inbound", promise=again)
    pay(bank, START + days(7), "30.00")
    bank.ticks(START + days(8), START + days(9))
    said = bank.run()
    assert statuses(said) == {"P1": "kept"}, "what was paid towards it stays paid"


def test_a_payment_that_comes_back_unmakes_what_it_kept() -> None:
    bank = promised()
    pay(bank, START + days(5), "100.00", event="E1")
    bank.tick(START + days(5) + hours(1))
    pay(bank, START + days(5), "100.00", event="E1", told=START + days(7), reversed=True)
    assert statuses(bank.run()) == {"P1": "open"}
    bank.ticks(START + days(7), OVER + days(12), hours(6))
    said = bank.run()
    assert statuses(said) == {"P1": "broken"}
    assert asked(said) == ["broken_promise"]


def test_thanks_that_may_still_be_sent_are_taken_back_when_the_payment_comes_back() -> None:
    bank = promised(channels={"email": {"consent": True}})
    pay(bank, START + days(5), "100.00", event="E1")
    bank.tick(START + days(5) + hours(1))
    pay(bank, START + days(5), "100.00", event="E1", told=START + days(6), reversed=True)
    said = bank.run()
    assert len(of(said, "recognition")) == 1
    assert len(of(said, "recognition", "withdrawn")) == 1


def test_nobody_is_thanked_for_one_promise_while_another_is_broken() -> None:
    bank = promised(("P1", "100.00", "2026-03-06"), ("P2", "50.00", "2026-04-10"))
    bank.ticks(START + days(1), START + days(12), hours(6))
    pay(bank, START + days(12) + hours(1), "50.00")
    bank.ticks(START + days(12) + hours(2), START + days(25), hours(6))
    said = bank.run()
    assert statuses(said) == {"P1": "broken", "P2": "kept"}
    assert of(said, "recognition") == []


@pytest.mark.parametrize(("due_date", "thanked"), [(DUE, False), ("2026-04-20", True)])
def test_thanks_that_wait_for_the_morning_are_left_unsaid_when_something_breaks_at_night(due_date: str, thanked: bool) -> None:
    bank = promised(("P1", "100.00", due_date), ("P2", "50.00", "2026-03-23", "A-0002"))
    bank.ticks(START + days(1), OVER - hours(3), days(1))
    pay(bank, OVER - hours(2), "50.00", account="A-0002")
    bank.ticks(OVER - hours(1), OVER + days(10), hours(1))
    said = bank.run()
    assert said.decisions("deferred")[0]["next_allowed_at"] == "2026-03-26T08:00:00Z"
    assert starts(said, "recognition") == ([OVER + hours(8)] if thanked else [])


def test_thanks_for_a_promise_do_not_claim_that_nothing_is_wrong() -> None:
    bank = promised()
    bank.signal(START)
    pay(bank, START + days(5), "100.00")
    said = bank.run()
    thanks = only(of(said, "recognition"))
    (decision,) = [each for each in said.decisions("issued") if each["decision_id"] == thanks["decision_id"]]
    claims = {each["rule_id"]: each for each in decision["rules"]}
    assert "ladder.steady" not in claims or claims["ladder.steady"]["counters"]["open"] == 0


def test_the_account_is_watched_for_a_week_after_a_promise_was_decided() -> None:
    bank = promised()
    pay(bank, START + days(5), "100.00")
    bank.ticks(START + days(6), START + days(12) - hours(1), hours(1))
    assert [each["kind"] for each in bank.run().orders()] == ["watch_promise"]
    bank.tick(START + days(12))
    assert [each["kind"] for each in bank.run().orders()] == ["watch_promise", "unwatch_promise"]


# --- recognition


def helped(severity: str = "medium", until: int = 3) -> Bank:
    """A customer who was helped, and whose sign of stress has gone since."""
    bank = Bank()
    bank.customer(START)
    bank.signal(START, severity=severity)
    bank.ticks(START, START + days(until), hours(6))
    bank.signal(START + days(until + 2), severity=severity, status="withdrawn")
    bank.tick(START + days(until + 2) + hours(1))
    return bank


def test_payments_that_are_on_time_again_are_recognised_at_once() -> None:
    bank = helped()
    assert known(bank.run()).rung == 2
    bank.signal(START + days(7), "R1", "info", detector="recovery")
    said = bank.run()
    thanks = only(of(said, "recognition"))
    assert moment(thanks["decided_at"]) == START + days(7)
    assert "Things have looked steadier for a while" in thanks["params"]["text"]
    assert [each["code"] for each in thanks["reasons"]] == ["signals_cleared"]


def test_without_such_a_sign_it_takes_fourteen_days() -> None:
    bank = helped()
    bank.ticks(START + days(5) + hours(2), START + days(30), hours(1))
    assert moment(only(of(bank.run(), "recognition"))["decided_at"]) == START + days(5 + 14)


@pytest.mark.parametrize(("severity", "until", "rung"), [("medium", 3, 2), ("high", 6, 3)])
@pytest.mark.parametrize("on_time", [True, False])
def test_thanks_bring_a_step_down_and_only_one(severity: str, until: int, rung: int, on_time: bool) -> None:
    bank = helped(severity, until)
    assert known(bank.run()).rung == rung
    if on_time:
        bank.signal(START + days(until + 3), "R1", "info", detector="recovery")
    bank.ticks(START + days(until + 3), START + days(until + 2 + 14), hours(6))
    bank.ticks(START + days(until + 2 + 14), START + days(until + 2 + 20), hours(6))
    said = bank.run()
    assert len(of(said, "recognition")) == 1
    assert known(said).rung == rung - 1


def test_after_the_step_down_the_next_takes_its_own_clear_days() -> None:
    bank = helped("high", 6)
    bank.signal(START + days(9), "R1", "info", detector="recovery")
    bank.ticks(START + days(9), START + days(39) - hours(1), hours(1))
    assert known(bank.run()).rung == 2
    bank.ticks(START + days(39), START + days(40), hours(1))
    assert known(bank.run()).rung == 1


def test_a_kept_promise_brings_a_step_down_where_less_is_called_for_and_none_where_it_is_not() -> None:
    for gone in (True, False):
        bank = Bank()
        bank.customer(START)
        terms = {"promise_id": "P1", "amount": "100.00", "currency": "GBP", "due_date": DUE, "account_id": "A-0001"}
        bank.signal(START)
        bank.outcome(START + hours(1), "promise", direction="inbound", promise=terms)
        bank.ticks(START + hours(6), READY, hours(6))
        if gone:
            bank.signal(READY + days(1), status="withdrawn")
        pay(bank, READY + days(2), "100.00")
        said = bank.run()
        assert len(of(said, "recognition")) == 1
        assert known(said).rung == (1 if gone else 2)


@pytest.mark.parametrize("still", ["low", "medium"])
def test_payments_on_time_are_no_thanks_while_a_sign_is_open(still: str) -> None:
    bank = helped()
    bank.signal(START + days(6), "S2", still, detector="income_drop")
    bank.signal(START + days(7), "R1", "info", detector="recovery")
    bank.ticks(START + days(7), START + days(40), hours(6))
    assert of(bank.run(), "recognition") == []


def test_nobody_is_thanked_who_was_never_helped_or_whose_help_was_taken_back() -> None:
    bank = Bank()
    bank.customer(START)
    bank.signal(START)
    bank.tick(READY)
    bank.signal(READY + hours(1), status="withdrawn")
    bank.signal(READY + days(1), "R1", "info", detector="recovery")
    bank.ticks(READY + days(1), READY + days(40), hours(6))
    said = bank.run()
    assert len(said.nudges("withdrawn")) == 1
    assert of(said, "recognition") == []


def test_an_improvement_is_recognised_once() -> None:
    bank = helped()
    bank.signal(START + days(7), "R1", "info", detector="recovery")
    bank.signal(START + days(8), "R1", "info", detector="recovery", status="changed")
    bank.signal(START + days(20), "R2", "info", detector="recovery")
    bank.ticks(START + days(20), START + days(80), hours(6))
    assert decided(bank.run(), "recognition") == ["issued"]
