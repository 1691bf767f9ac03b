"""Laws of `distress_spending` beyond its cases: its sums, and what they are compared with."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.detectors import distress_spending as own
from stream.detectors.settings import config_of, load
from stream.tables.account import CARD
from tests.unit.detectors.money_rows import CONFIG, WORLD, account, day_of, payment

DEFAULT = CONFIG["distress_spending"]
START = day_of(2026, 1, 1)
SUMS = ("outgoings", "borrowed_now", "borrowed_usual", "gambled_now", "gambled_usual")
told = st.tuples(st.integers(0, 300), st.integers(1, 200_000), st.sampled_from(["groceries", "short_term_credit", "gambling"]))


def learnt(payments: list[tuple[int, int, str]], row: Any = None) -> Any:
    row = account() if row is None else row
    for day, minor, category in payments:
        own.learn(row, payment(START + day, minor, category), DEFAULT, WORLD)
        row["payments"] += 1
    return row


def sums(row: Any) -> list[float]:
    return [float(row["spending"][name]) for name in SUMS]


def steady_life(days: int) -> list[tuple[int, int, str]]:
    return [(day, 3_000, "groceries") for day in range(days)]


@given(st.lists(told, min_size=1, max_size=30), st.randoms())
def test_sums_do_not_depend_on_the_order_of_arrival(payments: list[tuple[int, int, str]], rng: Any) -> None:
    mixed = [max(payments), *payments]
    rng.shuffle(mixed)
    assert sums(learnt(mixed)) == pytest.approx(sums(learnt(sorted([max(payments), *payments]))), rel=1e-4, abs=0.01)


@given(st.lists(told, min_size=1, max_size=20), told)
def test_a_reversal_that_bears_the_payments_time_leaves_no_trace(
    payments: list[tuple[int, int, str]], one: tuple[int, int, str]
) -> None:
    row = learnt(sorted([*payments, (one[0], 0, one[2])]))
    before = sums(row)
    learnt([one], row)
    own.learn(row, payment(START + one[0], one[1], one[2], reversed_=True), DEFAULT, WORLD)
    assert sums(row) == pytest.approx(before, rel=1e-4, abs=0.01)


def test_what_is_always_the_same_is_what_is_usual() -> None:
    row = learnt(steady_life(400))
    assert own.monthly_outgoings(row) == pytest.approx(30 * 30.4375, rel=0.03)
    young = learnt(steady_life(70))
    assert own.monthly_outgoings(young) == pytest.approx(30 * 30.4375, rel=0.1)


@given(st.integers(1, 60), st.integers(70, 400))
def test_borrowing_that_never_changes_has_no_rise(every: int, days: int) -> None:
    row = learnt(sorted([*steady_life(days), *((day, 100 * every, "short_term_credit") for day in range(0, days, 1))]))
    assert own.borrowing(row, START + days) < float(DEFAULT["thresholds"][0])


def test_the_rise_fades_day_by_day() -> None:
    row = learnt([*steady_life(120), (120, 60_000, "short_term_credit")])
    seen = [own.borrowing(row, START + 120 + later) for later in range(0, 90, 5)]
    assert seen == sorted(seen, reverse=True)
    assert seen[0] > 0.3 > 0.05 > seen[-1]


def test_cash_is_borrowed_only_on_a_credit_card_and_counts_a_quarter() -> None:
    card = account()
    card["flags"] = CARD
    assert float(learnt([(0, 10_000, "cash")], card)["spending"]["borrowed_now"]) == 25.0
    assert float(learnt([(0, 10_000, "cash")])["spending"]["borrowed_now"]) == 0.0
    assert float(learnt([(0, 10_000, "short_term_credit")])["spending"]["borrowed_now"]) == 100.0


def test_gambling_is_summed_but_read_only_where_it_is_switched_on() -> None:
    row = learnt([*steady_life(120), *((day, 4_000, "gambling") for day in range(115, 121))])
    on = config_of(load("[distress_spending]\ngambling = true\n"))[0]["distress_spending"]
    assert own.score(row, START + 120, DEFAULT) == 0.0
    assert own.score(row, START + 120, on) > float(on["thresholds"][0])
    assert not own.wants(row, payment(START + 120, 4_000, "gambling"), DEFAULT, WORLD)
    assert own.wants(row, payment(START + 120, 4_000, "gambling"), on, WORLD)


def test_savings_and_transfers_are_no_outgoings() -> None:
    row = learnt([(0, 10_000, "savings"), (0, 10_000, "transfer")])
    assert sums(row) == [0.0] * 5


def test_years_of_silence_are_no_trouble() -> None:
    row = learnt([(0, 10_000, "short_term_credit"), (200_000, 10_000, "groceries")])
    assert int(row["spending"]["weeks"]) == 127
    assert sums(row) == [100.0, 0.0, 0.0, 0.0, 0.0]
