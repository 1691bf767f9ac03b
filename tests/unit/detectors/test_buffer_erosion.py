"""Laws of `buffer_erosion` beyond its cases: what the row keeps of the balances, whatever their order."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from stream.detectors import buffer_erosion, distress_spending
from stream.detectors.world import month_of
from stream.tables.account import MONTHS, NO_LOW
from tests.unit.detectors.money_rows import CONFIG, GBP, WORLD, account, day_of, payment

OWN = CONFIG["buffer_erosion"]
START = day_of(2026, 1, 1)
told = st.tuples(st.integers(0, 250), st.integers(-200_000, 500_000))


def learnt(balances: list[tuple[int, int]]) -> Any:
    row = account()
    for day, balance in balances:
        buffer_erosion.learn(row, payment(START + day, 100, "groceries", balance=balance), OWN, WORLD)
    return row


def lows(row: Any) -> dict[int, int]:
    latest = int(row["balances"]["month"])
    found = {month: buffer_erosion.low_of(row, month) for month in range(latest - MONTHS, latest + 2)}
    return {month: low for month, low in found.items() if low != NO_LOW}


@given(st.lists(told, min_size=1, max_size=40))
def test_of_seven_months_the_lowest_balance_is_kept(balances: list[tuple[int, int]]) -> None:
    expected: dict[int, int] = {}
    for day, balance in balances:
        month = month_of(START + day)
        expected[month] = min(expected.get(month, NO_LOW), balance // 100)
    latest = max(expected)
    assert lows(learnt(sorted(balances))) == {month: low for month, low in expected.items() if month > latest - MONTHS}


@given(st.lists(st.tuples(st.integers(0, 30 * 6), st.integers(-200_000, 500_000)), min_size=1, max_size=30), st.randoms())
def test_lows_do_not_depend_on_the_order_of_arrival(balances: list[tuple[int, int]], rng: Any) -> None:
    mixed = list(balances)
    rng.shuffle(mixed)
    assert lows(learnt(mixed)) == lows(learnt(sorted(balances)))


@given(st.sets(st.integers(0, 30), min_size=1), st.randoms())
def test_each_day_overdrawn_counts_once_in_any_order(days: set[int], rng: Any) -> None:
    balances = [(day, -1) for day in days] * 2
    rng.shuffle(balances)
    row = learnt(balances)
    assert buffer_erosion.bits(int(row["balances"]["overdrawn"])) == len(days)


def test_the_days_of_a_month_that_is_over_are_kept_for_one_more() -> None:
    row = learnt([(3, -100), (4, -100), (4, 500), (33, 100)])
    assert int(row["balances"]["before"]) == 2
    buffer_erosion.learn(row, payment(START + 100, 100, "groceries", balance=100), OWN, WORLD)
    assert int(row["balances"]["before"]) == 0


def test_a_penny_below_zero_is_below_zero_and_whole_units_go_downwards() -> None:
    row = learnt([(3, -1)])
    assert lows(row) == {month_of(START): -1}


def test_reversed_payments_and_payments_without_a_balance_tell_nothing() -> None:
    row = account()
    for event in (
        payment(START, 100, "groceries"),
        payment(START, 100, "groceries", balance=-900, reversed_=True),
    ):
        buffer_erosion.learn(row, event, OWN, WORLD)
    assert row.tobytes() == account().tobytes()


def test_a_balance_of_any_size_fits() -> None:
    assert lows(learnt([(3, 10**17), (35, -(10**17))])) == {month_of(START): NO_LOW - 1, month_of(START) + 1: -NO_LOW}


@settings(max_examples=50)
@given(st.lists(st.integers(0, 200_000), min_size=7, max_size=7), st.integers(1, 500))
def test_the_score_never_falls_when_this_months_low_falls(months: list[int], cut: int) -> None:
    def score(last: int) -> float:
        row = learnt([(30 * k + 15, low) for k, low in enumerate(months[:-1])] + [(195, last)])
        for k in range(7):
            distress_spending.learn(row, payment(START + 30 * k + 15, 150_000, "groceries"), CONFIG["distress_spending"], WORLD)
        return float(buffer_erosion.score(row, month_of(START + 195), int(WORLD.units[GBP]), OWN))

    assert score(months[-1] - cut * 100) >= score(months[-1])
