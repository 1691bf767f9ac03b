"""What the accounts stage tells the customers stage of an account: arrears, means, and when obligations were paid."""

from __future__ import annotations

from typing import Any

import pytest

from stream.contracts import DECODE
from stream.detectors import settings
from stream.engine.step import Output
from tests.unit.agents.test_accounts_step import account, bounce, missed, ms, new, order, payment, run, said, tick, values

LOAN: dict[str, Any] = {"category": "loan", "counterparty_id": "BANK"}


def facts(outputs: list[Output], change: str) -> list[dict[str, Any]]:
    return [one for one in values(outputs, "account-facts") if one["change"] == change]


def arrears(outputs: list[Output]) -> list[str]:
    return [status for status, _, detector in said(outputs) if detector == "arrears_clock"]


def counters(told: dict[str, Any]) -> tuple[int, int, int]:
    return tuple(told.get(f"days_past_due_{name}", 0) for name in ("treatment", "contractual", "regulatory"))  # type: ignore[return-value]


def test_arrears_are_told_to_every_holder_with_each_bucket_and_amount() -> None:
    step = new()
    outputs = run(step, [account(holders=("C1", "C2"), product="loan"), missed("m1", 5, due_date="2026-03-02", **LOAN)])
    first, other = facts(outputs, "arrears")
    assert (first["customer_id"], other["customer_id"]) == ("C1", "C2")
    assert (first["arrears"], first["past_due_since"], counters(first)) == ("25.00", "2026-03-02", (4, 4, 4))
    assert facts(run(step, [tick(6)]), "arrears")[0]["days_past_due_treatment"] == 5, "medium"
    assert facts(run(step, [tick(20)]), "arrears") == [], "nobody needs to hear of each day"
    assert counters(facts(run(step, [tick(31)]), "arrears")[0]) == (30, 30, 30)
    part = payment("p1", 32, direction="credit", amount="10.00", **LOAN)
    assert facts(run(step, [part]), "arrears")[0]["arrears"] == "15.00"
    rest = payment("p2", 33, direction="credit", amount="15.00", **LOAN)
    (paid, _) = facts(run(step, [rest]), "arrears")
    assert counters(paid) == (0, 0, 0)
    assert {"arrears", "past_due_since"}.isdisjoint(paid)


def test_arrears_are_told_as_they_were_at_each_event_whatever_the_chunks() -> None:
    log = [
        missed("m1", 5, due_date="2026-03-02", **LOAN),
        missed("m2", 36, due_date="2026-04-02", **LOAN),
        missed("m3", 66, due_date="2026-05-02", **LOAN),
    ]
    single, whole = new(), new()
    for step in (single, whole):
        run(step, [account(product="loan")])
    expected = run(single, log)
    assert [one["arrears"] for one in facts(expected, "arrears")] == ["25.00", "25.00", "50.00", "50.00", "75.00"]
    whole.apply("missed-bills", [one for _, one in log])
    assert whole.drain().outputs == expected


def test_a_pause_placed_in_the_past_is_told_with_the_days_recounted() -> None:
    step = new()
    run(step, [account(product="loan"), missed("m1", 5, due_date="2026-03-02", **LOAN), tick(20)])
    outputs = run(step, [order("o1", "pause", 20.5, hold_kind="dispute", **{"from": "2026-03-05T00:00:00Z"})])
    assert arrears(outputs) == ["changed"]
    assert [counters(one) for one in values(outputs, "account-facts")] == [(2, 20, 20), (2, 20, 20)]
    outputs = run(step, [tick(40), order("o1", "resume", 41), tick(45)])
    assert [counters(one) for one in facts(outputs, "pause")] == [(2, 40, 40)]
    assert counters(facts(outputs, "arrears")[-1]) == (6, 44, 44), "the day of the end was paused in part and does not count"


def test_a_pause_that_came_before_anything_was_missed_counts_and_survives_a_restart() -> None:
    before = new()
    before.apply(*_one(account(product="mortgage")))
    before.apply(*_one(order("o1", "pause", 1, hold_kind="breathing_space")))
    step = new()
    step.restore(before.drain().rows)
    assert arrears(run(step, [missed("m1", 5, category="mortgage", due_date="2026-03-04")])) == []
    outputs = run(step, [order("o1", "resume", 10)])
    assert counters(facts(outputs, "pause")[0]) == (0, 7, 7)
    assert arrears(run(step, [tick(11)])) == ["raised"]


def _one(told: tuple[str, Any]) -> tuple[str, list[Any]]:
    return told[0], [told[1]]


@pytest.mark.parametrize("hold_kind", ["complaint", "opt_out"])
def test_a_hold_that_only_stops_contact_keeps_nothing_in_mind(hold_kind: str) -> None:
    step = new()
    run(step, [account(product="loan"), order("o1", "pause", 1, hold_kind=hold_kind)])
    assert step.counters()["evidence_rows"] == 0


def test_an_account_that_turns_out_to_be_none_of_the_banks_credit_takes_its_arrears_back() -> None:
    step = new()
    run(step, [account(product="loan"), missed("m1", 5, due_date="2026-03-02", **LOAN)])
    outputs = run(step, [account(day=6, product="current_account")])
    assert arrears(outputs) == ["withdrawn"]
    assert counters(facts(outputs, "profile")[0]) == (0, 0, 0)


def test_what_an_account_can_count_on_is_told_at_the_tick_after_a_sign() -> None:
    owed = {
        "obligation_id": "O1",
        "category": "rent",
        "counterparty_id": "L",
        "amount_due": "900",
        "currency": "GBP",
        "due_day": 3,
    }
    step = new()
    run(step, [account(obligations=[owed])])
    income = {"direction": "credit", "category": "salary", "counterparty_id": "EMPLOYER"}
    for month, day in enumerate((1, 32, 62)):  # 2 March, 2 April, 2 May
        run(step, [payment(f"s{month}", day, amount="2000.00", **income)])
        run(step, [payment(f"r{month}", day + 1, category="rent", counterparty_id="L", amount="900.00")])
        for week in range(4):
            weekly = {"direction": "credit", "category": "benefit", "counterparty_id": "STATE", "amount": "50.00"}
            run(step, [payment(f"b{month}{week}", month * 28 + 7 * week + 0.5, **weekly)])
    assert facts(run(step, [bounce("x", 84)]), "means") == []
    (told,) = facts(run(step, [tick(84.1)]), "means")
    assert told["income_monthly_low"] == "2200.00", "four weeks of benefit, and the salary"
    assert told["next_income_on"] == "2026-05-25"
    assert told["priority_bills_monthly"] == "900.00"
    assert told["obligations"][0]["last_paid"] == "2026-05-03"
    assert facts(run(step, [tick(84.2)]), "means") == [], "once"


def test_means_that_are_wanted_are_told_after_a_restart() -> None:
    before, step = new(), new()
    before.apply(*_one(account()))
    before.apply(*_one(bounce("b1", 1)))
    step.restore(before.drain().rows)
    assert [one["customer_id"] for one in facts(run(step, [tick(2)]), "means")] == ["C1"]


# --- instalments missed of late -----------------------------------------------------------------------------


def late(told: list[dict[str, Any]]) -> list[int]:
    return [one.get("missed_instalments_60d", 0) for one in told]


def test_missed_instalments_are_told_with_every_change_of_their_number_and_stay_when_paid() -> None:
    step = new()
    run(step, [account(product="loan", holders=("C1", "C2"))])
    first = facts(run(step, [missed("m1", 5, due_date="2026-03-02", **LOAN)]), "arrears")
    assert [(one["customer_id"], one["missed_instalments_60d"]) for one in first] == [("C1", 1), ("C2", 1)]
    paid = facts(run(step, [payment("p1", 5.1, direction="credit", amount="25.00", **LOAN)]), "arrears")
    assert [("arrears" in one, one["missed_instalments_60d"]) for one in paid] == [(False, 1), (False, 1)]
    second = run(step, [missed("m2", 32, due_date="2026-04-02", **LOAN)])
    assert arrears(second) == [], "due today: nothing is past due yet"
    assert late(facts(second, "arrears")) == [2, 2]
    assert late(facts(run(step, [payment("p2", 32.1, direction="credit", amount="25.00", **LOAN), tick(60.4)]), "arrears")) == []
    assert step.next_due() == ms(60.5), "midnight in London's standard time: 1 May"
    assert late(facts(run(step, [tick(60.5)]), "arrears")) == [1, 1]
    assert late(facts(run(step, [tick(91.5)]), "arrears")) == [0, 0]


def test_missed_instalments_are_told_with_profile_means_and_pauses_too() -> None:
    step = new()
    run(step, [account(product="loan"), missed("m1", 5, due_date="2026-03-02", **LOAN)])
    outputs = run(
        step,
        [
            missed("m2", 36, due_date="2026-04-02", **LOAN),
            tick(36.1),
            account(product="loan", day=37, status="restructured"),
            order("o1", "pause", 38, hold_kind="dispute"),
        ],
    )
    told = {change: late(facts(outputs, change))[-1:] for change in ("means", "profile", "pause")}
    assert told == {"means": [2], "profile": [2], "pause": [2]}


def test_arrears_that_begin_move_and_end_within_a_pause_are_told_without_a_sign() -> None:
    step = new()
    run(step, [account(product="loan"), order("o1", "pause", 1, hold_kind="breathing_space")])
    outputs = run(step, [missed("m1", 5, due_date="2026-03-02", **LOAN)])
    outputs += run(step, [payment("p1", 6, direction="credit", amount="10.00", **LOAN)])
    outputs += run(step, [payment("p2", 7, direction="credit", amount="15.00", **LOAN)])
    assert arrears(outputs) == []
    assert [one.get("arrears") for one in facts(outputs, "arrears")] == ["25.00", "15.00", None]
    assert [counters(one) for one in facts(outputs, "arrears")] == [(0, 4, 4), (0, 5, 5), (0, 0, 0)]
    assert late(facts(outputs, "arrears")) == [1, 1, 1]


def test_a_number_noted_is_told_once_whatever_the_chunks_and_after_a_restart() -> None:
    log = [missed(f"m{n}", 5 + n, due_date=f"2026-03-0{2 + n}", **LOAN) for n in range(4)]
    single, whole, again = new(), new(), new()
    for step in (single, whole):
        run(step, [account(product="loan")])
    expected = run(single, log)
    assert late(facts(expected, "arrears"))[-1] == 4
    whole.apply("missed-bills", [one for _, one in log])
    drained = whole.drain()
    assert drained.outputs == expected
    before = new()
    for topic, one in [account(product="loan"), *log]:
        before.apply(topic, [one])
    again.restore(before.drain().rows)
    assert again.next_due() == whole.next_due()
    assert late(facts(run(again, [tick(63)]), "arrears")) == late(facts(run(whole, [tick(63)]), "arrears"))


def test_facts_are_as_of_the_clock_at_which_days_were_counted() -> None:
    step = new()
    run(step, [account(product="loan"), payment("other", 9, at="B")])
    (told,) = facts(run(step, [missed("m1", 5, due_date="2026-03-02", **LOAN)]), "arrears")
    assert (told["as_of"], counters(told)) == ("2026-03-10T12:00:00Z", (8, 8, 8)), "told four days late"
    (told,) = facts(run(step, [order("o1", "pause", 8, hold_kind="dispute")]), "pause")
    assert (told["as_of"], counters(told)[1]) == ("2026-03-10T12:00:00Z", 8)
    (told,) = facts(run(step, [account(product="loan", day=8, status="x")]), "profile")
    assert (told["as_of"], counters(told)[1]) == ("2026-03-10T12:00:00Z", 8)


def test_switched_off_the_clock_tells_nothing_of_arrears() -> None:
    step = new()
    run(step, [account(product="loan"), missed("m1", 5, due_date="2026-03-02", **LOAN)])
    step.configure(settings.load("[arrears_clock]\nenabled = false\n"))
    outputs = run(step, [tick(6), account(product="loan", day=7, status="x")])
    assert arrears(outputs) == ["withdrawn"]
    assert [(counters(one), late([one])) for one in values(outputs, "account-facts") if one["change"] != "means"] == [
        ((0, 0, 0), [0]),
        ((0, 0, 0), [0]),
    ]


# --- the rate, and payments ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "told"),
    [("19.90", "19.90"), (19.9, "19.9"), (20, "20"), (0, "0"), (1e-7, "0"), (999999.99999999, "999999.999999"), (None, None)],
)
def test_the_rate_is_told_as_a_decimal_string(given: Any, told: str | None) -> None:
    step = new()
    outputs = run(step, [account(product="loan", apr=given), missed("m1", 5, due_date="2026-03-02", **LOAN)])
    for one in outputs:
        DECODE[one.topic](one.value)
    assert [one.get("apr") for one in values(outputs, "account-facts")] == [told, told]


def paid(outputs: list[Output]) -> list[list[tuple[str, bool]]]:
    return [
        [(payment["event_id"], payment.get("reversed", False)) for payment in one["payments"]]
        for one in facts(outputs, "payment")
    ]


def test_a_payment_that_is_taken_back_is_told_under_its_own_id() -> None:
    step = new()
    run(step, [account(product="loan"), order("o1", "watch_promise", 1, promise_id="R1")])
    outputs = run(
        step,
        [
            payment("p1", 2, direction="credit"),
            payment("p1", 3, direction="credit", status="reversed"),
            payment("p2", 4, direction="credit"),
            payment("p3", 5, direction="credit", amount="10.00", corrects="p2"),
            payment("p4", 6, direction="credit", corrects="p3", status="reversed"),
        ],
    )
    assert paid(outputs) == [
        [("p1", False)],
        [("p1", True)],
        [("p2", False)],
        [("p2", True), ("p3", False)],
        [("p3", True)],
    ]
    last = facts(outputs, "payment")[3]["payments"]
    assert [one["amount"] for one in last] == ["10.00", "10.00"]


def test_what_is_taken_back_is_told_once_to_each_holder_and_while_it_is_watched() -> None:
    step = new()
    run(step, [account(product="loan", holders=("C1", "C2")), payment("p0", 0.5, direction="credit")])
    run(step, [order("o1", "watch_promise", 1, promise_id="R1"), payment("p1", 2, direction="credit")])
    back = payment("p1", 3, direction="credit", status="reversed")
    assert paid(run(step, [back, back])) == [[("p1", True)]] * 2
    earlier = payment("p0", 3, direction="credit", status="reversed")
    assert paid(run(step, [earlier])) == [[("p0", True)]] * 2, "also one from before the watch"
    run(step, [payment("p2", 4, direction="credit"), order("o1", "unwatch_promise", 5, promise_id="R1")])
    assert paid(run(step, [payment("p2", 6, direction="credit", status="reversed")])) == []
