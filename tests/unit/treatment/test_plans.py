"""Plans: never more than a month leaves over, paid off to the cent, and due after payday."""

from __future__ import annotations

import calendar
import itertools
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from stream.contracts.vocabulary import CATEGORIES, PRODUCTS
from stream.treatment.plans import Budget, Debt, Order, Plan, PlanTerms, basis, in_order, offers, surplus

TERMS = PlanTerms(max_months=12, shares=(40, 60, 80), min_instalment=500, order="harm_first")
TODAY = date(2026, 3, 4)
BUDGET = Budget("GBP", income=200_000, payday=date(2026, 3, 27), priority_bills=90_000, other_instalments=20_000)
FLOOR = 60_000
"""With `BUDGET` it leaves 30,000 a month."""


def debt(arrears: int, **fields: Any) -> Debt:
    return Debt(**{"account_id": "A1", "product": "credit_card", "arrears": arrears, "currency": "GBP"} | fields)


def budget_of(left: int, payday: date = BUDGET.payday or TODAY) -> Budget:
    """A budget that leaves this much a month with a floor of 0."""
    return Budget("GBP", left, payday, 0, 0)


def amounts(plan: Plan) -> list[int]:
    return [each.amount for each in plan.instalments]


def dates(plan: Plan) -> list[date]:
    return [each.due_date for each in plan.instalments]


def months(plans: tuple[Plan, ...]) -> list[int]:
    return [len(plan.instalments) for plan in plans]


debts_of_any_kind = st.builds(
    Debt,
    account_id=st.uuids().map(str),
    product=st.sampled_from(PRODUCTS),
    arrears=st.integers(0, 10**7),
    currency=st.just("GBP"),
    apr=st.none() | st.decimals(0, 99, places=2),
    category=st.sampled_from(("", *CATEGORIES)),
)
arrears_of_any_size = st.integers(1, 500) | st.integers(1, 10**7) | st.integers(1, 10**17)
surpluses = st.integers(1, 300) | st.integers(1, 10**6) | st.integers(1, 10**17)
days = st.dates(date(1900, 1, 1), date(2200, 1, 1))
near = st.integers(-800, 800)
orders: st.SearchStrategy[Order] = st.sampled_from(("harm_first", "highest_rate_first", "smallest_first"))
terms_of_any_kind = st.builds(
    PlanTerms,
    max_months=st.integers(1, 60),
    shares=st.lists(st.integers(1, 100), min_size=2, max_size=3, unique=True).map(lambda shares: tuple(sorted(shares))),
    min_instalment=st.integers(0, 5_000),
    order=orders,
)


# --- the surplus


@pytest.mark.parametrize(
    ("changes", "floor", "left"),
    [
        ({}, 60_000, 30_000),
        ({"priority_bills": None}, 60_000, None),
        ({"other_instalments": 50_000}, 60_000, 0),
        ({}, 90_001, -1),
        ({"income": 0}, 0, -110_000),
        ({"income": None}, 60_000, None),
        ({"payday": None}, 60_000, None),
        ({}, None, None),
    ],
)
def test_the_surplus_is_what_is_left_and_not_known_where_a_part_of_it_is_not(
    changes: dict[str, Any], floor: int | None, left: int | None
) -> None:
    assert surplus(BUDGET._replace(**changes), floor) == left


@pytest.mark.parametrize(
    ("changes", "floor"),
    [({"income": None}, FLOOR), ({"payday": None}, FLOOR), ({}, None), ({}, 90_000), ({}, 95_000), ({"currency": "EUR"}, FLOOR)],
    ids=["income unknown", "payday unknown", "floor unknown", "nothing left", "less than nothing left", "another currency"],
)
def test_nothing_is_offered_without_a_surplus_that_is_known(changes: dict[str, Any], floor: int | None) -> None:
    assert offers([debt(10_000)], BUDGET, FLOOR, TERMS, TODAY)
    assert offers([debt(10_000)], BUDGET._replace(**changes), floor, TERMS, TODAY) == ()


# --- how many months, and how much in each


@pytest.mark.parametrize(
    ("arrears", "expected"),
    [
        (0, []),
        (1, [1]),
        (499, [1]),  # less than the least instalment, and yet all that is owed
        (500, [1]),
        (12_000, [1]),  # fits into the smallest share at once: there is nothing to choose
        (12_001, [1, 2]),
        (24_001, [2, 3]),
        (60_000, [3, 4, 5]),
        (90_000, [4, 5, 8]),
        (200_000, [9, 12]),  # two shares would take longer than a year: one option stands for both
        (300_000, [12]),
        (360_000, [12]),  # all of the surplus
        (360_001, []),  # a minor unit more than the surplus bears
    ],
)
def test_each_share_of_the_surplus_makes_an_option_the_fewest_months_first(arrears: int, expected: list[int]) -> None:
    assert months(offers([debt(arrears)], BUDGET, FLOOR, TERMS, TODAY)) == expected


@pytest.mark.parametrize(
    ("left", "least", "expected"),
    [
        (1_000, 0, [4, 5, 8]),
        (1_000, 600, [4, 5]),  # eight instalments of 375 would be smaller than the least: five of 600 are not
        (1_000, 601, [4]),
        (1_000, 1_000, [3]),
        (999, 1_001, []),  # the least is more than is left
        (3_000, 5_000, [1]),
    ],
)
def test_no_instalment_is_smaller_than_the_least(left: int, least: int, expected: list[int]) -> None:
    terms = TERMS._replace(min_instalment=least)
    assert months(offers([debt(3_000)], budget_of(left), 0, terms, TODAY)) == expected


def test_the_first_instalments_take_the_cents_that_do_not_divide() -> None:
    two, three = offers([debt(24_002)], BUDGET, FLOOR, TERMS, TODAY)
    assert amounts(two) == [12_001, 12_001]
    assert amounts(three) == [8_001, 8_001, 8_000]
    assert (two.account_id, two.currency) == ("A1", "GBP")


@given(arrears_of_any_size, surpluses, terms_of_any_kind, days, near)
def test_every_plan_clears_the_arrears_to_the_cent_and_never_asks_for_more_than_the_surplus(
    arrears: int, left: int, terms: PlanTerms, today: date, until_payday: int
) -> None:
    plans = offers([debt(arrears)], budget_of(left, today + timedelta(days=until_payday)), 0, terms, today)
    assert months(plans) == sorted(set(months(plans)))
    assert len(plans) <= len(terms.shares)
    for plan in plans:
        assert sum(amounts(plan)) == arrears
        assert all(0 < amount <= left for amount in amounts(plan))
        assert amounts(plan) == sorted(amounts(plan), reverse=True)
        assert amounts(plan)[0] - amounts(plan)[-1] <= 1
        assert amounts(plan)[-1] >= min(terms.min_instalment, arrears)
        assert len(plan.instalments) <= terms.max_months


@given(arrears_of_any_size, surpluses, terms_of_any_kind)
def test_a_plan_is_offered_whenever_the_surplus_bears_one(arrears: int, left: int, terms: PlanTerms) -> None:
    bearable = [
        count
        for count in range(1, terms.max_months + 1)
        if -(-arrears // count) <= left and (arrears // count >= terms.min_instalment or count == 1)
    ]
    plans = offers([debt(arrears)], budget_of(left), 0, terms, TODAY)
    assert set(months(plans)) <= set(bearable)
    assert bool(plans) == bool(bearable)


@given(arrears_of_any_size, surpluses, st.integers(0, 10**6), terms_of_any_kind)
def test_more_income_never_takes_a_plan_away_and_never_makes_one_longer(
    arrears: int, left: int, more: int, terms: PlanTerms
) -> None:
    poorer = offers([debt(arrears)], budget_of(left), 0, terms, TODAY)
    richer = offers([debt(arrears)], budget_of(left + more), 0, terms, TODAY)
    assume(poorer)
    assert richer
    assert months(richer)[0] <= months(poorer)[0]
    assert months(richer)[-1] <= months(poorer)[-1]


@given(st.integers(1, 500), st.integers(1, 99), st.integers(0, 10**4), st.integers(0, 10**4), st.integers(0, 10**4))
def test_bills_instalments_and_living_costs_leave_as_little_as_less_income_would(
    left: int, arrears: int, bills: int, instalments: int, floor: int
) -> None:
    whole = Budget("GBP", left + bills + instalments + floor, BUDGET.payday, bills, instalments)
    assert offers([debt(arrears)], whole, floor, TERMS, TODAY) == offers([debt(arrears)], budget_of(left), 0, TERMS, TODAY)


# --- when


@pytest.mark.parametrize(
    ("payday", "today", "expected"),
    [
        ("2026-03-27", "2026-03-04", ["2026-03-28", "2026-04-28", "2026-05-28"]),
        ("2026-03-04", "2026-03-04", ["2026-03-05", "2026-04-05", "2026-05-05"]),
        ("2026-03-03", "2026-03-04", ["2026-04-04", "2026-05-04", "2026-06-04"]),
        ("2026-02-04", "2026-03-04", ["2026-03-05", "2026-04-05", "2026-05-05"]),
        # A payday on the last day of a month is followed by the first of the next.
        ("2026-01-31", "2026-02-10", ["2026-03-01", "2026-04-01", "2026-05-01"]),
        ("2026-01-31", "2026-03-01", ["2026-04-01", "2026-05-01", "2026-06-01"]),
        # Short months have a last day, and the 31st comes back after them.
        ("2026-01-30", "2026-01-20", ["2026-01-31", "2026-02-28", "2026-03-31"]),
        ("2028-01-30", "2028-01-20", ["2028-01-31", "2028-02-29", "2028-03-31"]),
        ("2025-12-30", "2025-12-30", ["2025-12-31", "2026-01-31", "2026-02-28"]),
        # Long past: the day of the month is what is left of it.
        ("2024-05-31", "2026-02-10", ["2026-03-01", "2026-04-01", "2026-05-01"]),
        ("2024-05-15", "2026-12-20", ["2027-01-16", "2027-02-16", "2027-03-16"]),
    ],
)
def test_the_first_instalment_is_due_the_day_after_the_next_payday_and_the_others_monthly(
    payday: str, today: str, expected: list[str]
) -> None:
    budget = BUDGET._replace(payday=date.fromisoformat(payday))
    plan = offers([debt(60_000)], budget, FLOOR, TERMS, date.fromisoformat(today))[0]
    assert dates(plan) == [date.fromisoformat(day) for day in expected]
    assert plan.ends_on == dates(plan)[-1]


@given(days, near, st.integers(1, 60))
def test_instalments_are_due_after_today_and_a_payday_in_months_that_follow_each_other(
    today: date, until_payday: int, count: int
) -> None:
    payday = today + timedelta(days=until_payday)
    terms = PlanTerms(count, (100,), 0, "harm_first")
    (plan,) = offers([debt(count)], budget_of(1, payday), 0, terms, today)
    first = dates(plan)[0]
    assert first > max(today, payday)
    assert first <= max(today, payday) + timedelta(days=32)
    eve = first - timedelta(days=1)
    assert eve.day == min(payday.day, calendar.monthrange(eve.year, eve.month)[1])
    for earlier, later in itertools.pairwise(dates(plan)):
        assert (later.year * 12 + later.month) - (earlier.year * 12 + earlier.month) == 1
    assert all(day.day == min(first.day, calendar.monthrange(day.year, day.month)[1]) for day in dates(plan))


@pytest.mark.parametrize(("payday", "today"), [*itertools.product(["9998-12-31", "9999-12-31", "2026-03-27"], repeat=2)])
def test_no_plan_outlives_the_calendar(payday: str, today: str) -> None:
    budget = BUDGET._replace(payday=date.fromisoformat(payday))
    plans = offers([debt(360_000)], budget, FLOOR, TERMS, date.fromisoformat(today))
    assert bool(plans) == (payday == today == "2026-03-27")


# --- for which debt

MORTGAGE = debt(900, account_id="M", product="mortgage", apr=Decimal("4.5"))
COUNCIL = debt(800, account_id="C", product="loan", category="council_tax", apr=Decimal(0))
ENERGY = debt(700, account_id="E", product="loan", category="energy")
OVERDRAFT = debt(600, account_id="O", product="overdraft", apr=Decimal("39.9"))
CAR = debt(500, account_id="V", product="loan", category="car_finance", apr=Decimal("9.9"))
LOAN = debt(400, account_id="L", product="loan", apr=Decimal("9.9"))
CARD = debt(300, account_id="K", product="credit_card", apr=Decimal("24.9"))
SAVINGS = debt(300, account_id="B", product="savings")


@pytest.mark.parametrize(
    ("order", "expected"), [("harm_first", "MCEOVLKB"), ("highest_rate_first", "OKVLMCEB"), ("smallest_first", "KBLVOECM")]
)
def test_debts_in_their_order(order: Order, expected: str) -> None:
    debts = [SAVINGS, LOAN, CARD, ENERGY, CAR, MORTGAGE, OVERDRAFT, COUNCIL]
    assert "".join(each.account_id for each in in_order(debts, order)) == expected


@pytest.mark.parametrize(
    ("product", "category", "as_grave_as"),
    [
        ("loan", "rent", MORTGAGE),
        ("mortgage", "", MORTGAGE),
        ("mortgage", "loan", MORTGAGE),  # the graver of the two counts
        ("credit_card", "car_finance", CAR),
        ("current_account", "other", OVERDRAFT),
        ("credit_card", "gambling", CARD),
        ("", "telepathy", SAVINGS),
    ],
)
def test_product_and_category_tell_the_harm_and_the_graver_counts(product: str, category: str, as_grave_as: Debt) -> None:
    earlier, later = (debt(1, account_id=name, product=product, category=category) for name in ("0", "Z"))
    assert in_order([later, as_grave_as, earlier], "harm_first") == (earlier, as_grave_as, later)


@given(st.lists(debts_of_any_kind, max_size=6), orders, st.data())
def test_the_order_does_not_depend_on_the_order_they_came_in(debts: list[Debt], order: Order, data: st.DataObject) -> None:
    shuffled = data.draw(st.permutations(debts))
    assert in_order(shuffled, order) == in_order(debts, order)
    assert sorted(in_order(debts, order), key=repr) == sorted(debts, key=repr)


@given(st.lists(debts_of_any_kind, max_size=6), surpluses, terms_of_any_kind)
def test_one_debt_at_a_time_the_first_in_order_that_has_arrears(debts: list[Debt], left: int, terms: PlanTerms) -> None:
    first = [each for each in in_order(debts, terms.order) if each.arrears][:1]
    plans = offers(debts, budget_of(left), 0, terms, TODAY)
    assert plans == offers(first, budget_of(left), 0, terms, TODAY)
    assert {plan.account_id for plan in plans} <= {each.account_id for each in first}


def test_a_debt_without_arrears_gives_way_and_one_that_cannot_be_paid_does_not() -> None:
    paid_off = MORTGAGE._replace(arrears=0)
    assert {plan.account_id for plan in offers([CARD, paid_off], BUDGET, FLOOR, TERMS, TODAY)} == {"K"}
    too_much = MORTGAGE._replace(arrears=10**9)
    assert offers([CARD, too_much], BUDGET, FLOOR, TERMS, TODAY) == ()
    abroad = MORTGAGE._replace(currency="EUR")
    assert offers([CARD, abroad], BUDGET, FLOOR, TERMS, TODAY) == ()


# --- in which words


def test_the_basis_in_plain_words() -> None:
    (plan,) = offers([debt(12_000)], BUDGET, FLOOR, TERMS, TODAY)
    assert basis(plan) == (
        "Worked out from what regularly comes in, home and priority bills, other instalments, and money kept for living costs. "
        "It ends on 28 March 2026."
    )


@given(arrears_of_any_size, surpluses, days)
def test_the_basis_is_short_and_tells_another_holder_nothing_but_the_last_date(arrears: int, left: int, today: date) -> None:
    for plan in offers([debt(arrears)], budget_of(left, today), 0, TERMS, today):
        same_end = Plan("A2", "JPY", plan.instalments[-1:])
        assert basis(plan) == basis(same_end)
        assert [int(word) for word in basis(plan).rstrip(".").split() if word.isdigit()] == [plan.ends_on.day, plan.ends_on.year]
        assert len(basis(plan)) <= 200
