"""Laws of `income_drop` beyond its cases: its months, and what they are held against."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from stream.contracts.vocabulary import CATEGORIES
from stream.detectors import distress_spending, habits, income_drop
from stream.tables import event as ev
from tests.unit.detectors.money_rows import CONFIG, GBP, WORLD, account, day_of, payment

OWN = CONFIG["income_drop"]
START = day_of(2026, 1, 8)
"""The first day of a month of income."""


def learnt(incomes: list[tuple[int, int]], row: Any = None) -> Any:
    """An account that earned so many whole pounds on such days after the start."""
    row = account() if row is None else row
    for day, pounds in incomes:
        event = payment(START + day, pounds * 100, "salary", credit=True)
        income_drop.learn(row, event, OWN, WORLD)
        distress_spending.learn(row, event, CONFIG["distress_spending"], WORLD)
    return row


def monthly(months: list[int]) -> Any:
    """So much in each month, from the 20th of January on, and a penny in the one after, which tells that the last is whole."""
    return learnt([((day_of(2026 + k // 12, k % 12 + 1, 20) - START), pounds) for k, pounds in enumerate([*months, 0])])


def test_a_month_runs_from_the_8th_to_the_7th() -> None:
    days = [day_of(2026, 2, 7), day_of(2026, 2, 8), day_of(2026, 3, 7), day_of(2026, 3, 8)]
    first = income_drop.income_month(days[0])
    assert [income_drop.income_month(day) - first for day in days] == [0, 1, 1, 2]


def test_a_payday_moved_over_the_end_of_a_month_does_not_change_its_month() -> None:
    assert income_drop.income_month(day_of(2026, 5, 29)) == income_drop.income_month(day_of(2026, 6, 1))


@given(st.lists(st.tuples(st.integers(0, 80), st.integers(0, 5000)), min_size=1, max_size=30), st.randoms())
def test_sums_of_three_months_do_not_depend_on_the_order_of_arrival(incomes: list[tuple[int, int]], rng: Any) -> None:
    mixed = list(incomes)
    rng.shuffle(mixed)
    assert learnt(mixed)["incomes"]["sums"].tolist() == learnt(sorted(incomes))["incomes"]["sums"].tolist()


@given(st.integers(0, 85), st.integers(1, 5000))
def test_a_reversal_that_bears_the_payments_time_leaves_no_trace(day: int, pounds: int) -> None:
    row = learnt([(10, 1000), (40, 1000), (70, 1000), (85, 1)])
    before = row["incomes"].tobytes()
    learnt([(day, pounds)], row)
    income_drop.learn(row, payment(START + day, pounds * 100, "salary", credit=True, reversed_=True), OWN, WORLD)
    assert row["incomes"].tobytes() == before


@given(st.lists(st.integers(900, 1200), min_size=5, max_size=14))
def test_noise_is_not_fallen(months: list[int]) -> None:
    assert income_drop.fallen(monthly(months), OWN, WORLD) == 0.0


@given(st.lists(st.integers(900, 1200), min_size=4, max_size=12), st.integers(0, 500), st.integers(0, 500))
def test_two_months_at_half_are_fallen_and_one_is_not(months: list[int], one: int, two: int) -> None:
    assert income_drop.fallen(monthly([*months, one]), OWN, WORLD) == 0.0
    found = income_drop.fallen(monthly([*months, one, two]), OWN, WORLD)
    assert 3.0 * found >= float(OWN["thresholds"][1])


def test_a_first_month_that_was_seen_in_part_is_not_what_is_usual() -> None:
    assert int(monthly([100, 1000, 1000, 1000])["incomes"]["usual"]) == 1000


def test_a_bonus_moves_what_is_usual_by_little() -> None:
    row = monthly([1000, 1000, 1000, 1000, 1000, 9000, 1000, 1000, 1000])
    assert 1000 < int(row["incomes"]["usual"]) <= 1250


def test_years_without_income_are_rolled_over_at_once() -> None:
    row = learnt([(10, 1000), (40, 1000), (70, 1000), (100, 1000), (130, 1000), (40_000, 0)])
    assert row["incomes"]["sums"].tolist() == [0, 0, 0]
    assert int(row["incomes"]["month"]) == income_drop.income_month(START + 40_000)


def test_repayments_of_an_own_loan_are_no_income() -> None:
    row = account()
    row["flags"] = 4
    assert learnt([(10, 1000)], row)["incomes"]["sums"].tolist() == [0, 0, 0]


def habit(row: Any, k: int, category: str, pounds: int, *, last: int, absent: int = 0, count: int = 12) -> None:
    slot = row["habits"][k]
    slot["subject"], slot["amount"], slot["currency"] = k + 1, pounds * 100, GBP
    slot["category"] = CATEGORIES.index(category)  # type: ignore[arg-type]
    slot["cadence"], slot["anchor"], slot["count"], slot["absent"] = habits.MONTHLY, 28, count, absent
    slot["last"], slot["due"] = START + last, START + last + 30 * (absent + 1)


def weight(row: Any) -> float:
    row["last_at"] = 0
    return float(income_drop.absent(row, 0, 0, OWN, np.zeros(32, np.int64), WORLD))


def test_an_absent_income_weighs_its_share() -> None:
    row = account()
    habit(row, 0, "salary", 3000, last=0, absent=1)
    whole = weight(row)
    habit(row, 1, "salary", 1000, last=20)
    assert weight(row) == 0.75 * whole
    assert 1.0 < whole < 1.1


def test_newcomers_make_up_for_a_salary_but_a_benefit_does_not() -> None:
    for category, pounds, expected in (
        ("salary", 1500, 0.0),
        ("pension", 1500, 0.0),
        ("benefit", 1500, 1.0),
        ("salary", 500, 0.75),
    ):
        row = account()
        habit(row, 0, "salary", 2000, last=0, absent=1)
        habit(row, 1, category, pounds, last=20, count=1)
        assert income_drop.missing(row, 0, OWN) == expected


def test_an_income_that_was_there_before_makes_up_for_nothing() -> None:
    row = account()
    habit(row, 0, "salary", 2000, last=0, absent=1)
    habit(row, 1, "salary", 2000, last=20, count=12)
    assert income_drop.missing(row, 0, OWN) == 1.0


def test_only_income_is_income() -> None:
    row = account()
    event = payment(START, 100, "transfer", credit=True)
    assert not income_drop.is_income(row, event)
    event = payment(START, 100, "salary", credit=True)
    assert income_drop.is_income(row, event)
    event["direction"] = ev.DEBIT
    assert not income_drop.is_income(row, event)
