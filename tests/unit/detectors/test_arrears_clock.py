"""Laws of `arrears_clock`: order does not matter, what is undone leaves no trace, pauses count every day once."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.contracts.vocabulary import CATEGORIES
from stream.detectors import arrears_clock, settings, world
from stream.detectors.base import NOTED, TOLD
from stream.detectors.levels import DAY, NOTHING, RAISED, WITHDRAWN
from stream.errors import ConfigurationError
from stream.tables import event as ev
from stream.tables.account import ACCOUNT, AWAITED, EVIDENCE, KNOWN, NEVER, OVERDRAFT, REPAID, SLOTS
from stream.tables.event import EVENT

START = 1_767_225_600_000  # 1 January 2026
FIRST = START // DAY
CONFIG = settings.config_of(settings.load())[0]["arrears_clock"]
WORLD = world.bare()
CURRENCY = world.CURRENCY_CODES.index("EUR") + 1


class Loan:
    """One loan and this detector alone."""

    def __init__(self, outstanding: int = 0) -> None:
        self.row, self.evidence = np.zeros(1, ACCOUNT), np.zeros(1, EVIDENCE)
        self.row["flags"], self.row["outstanding"] = KNOWN | REPAID, outstanding
        self.told, self.clock = np.zeros(1, TOLD), START
        self.codes: list[int] = []
        self.facts: list[int] = self.told[0]["facts"].tolist()
        """As of the latest finding."""

    def take(self, **fields: Any) -> None:
        event = np.zeros(1, EVENT)
        event["category"], event["currency"] = CATEGORIES.index("loan"), CURRENCY
        for name, value in fields.items():
            event[name] = value
        self.clock = max(self.clock, int(event["at"][0]))
        event["clock"] = self.clock
        code = arrears_clock.step(self.row[0], self.evidence[0], event[0], CONFIG, self.told[0], WORLD)
        if code != NOTHING:
            self.codes.append(int(code))
            self.facts = self.told[0]["facts"].tolist()

    def missed(self, number: int, due: int, amount: int = 12000, **more: Any) -> None:
        at = START + due * DAY + DAY // 2
        self.take(
            **{
                "id": number,
                "bill": number,
                "due": START + due * DAY,
                "at": at,
                "amount": amount,
                "topic": ev.MISSED_BILL,
                **more,
            }
        )

    def paid(self, number: int, day: float, amount: int, **more: Any) -> None:
        at = START + int(day * DAY)
        self.take(**{"id": number, "at": at, "amount": amount, "topic": ev.PAYMENT, "direction": ev.CREDIT, **more})

    def wait(self, day: int) -> arrears_clock.Standing:
        self.take(topic=ev.TIME, at=START + day * DAY)
        return arrears_clock.standing_at(self.row[0], self.arrears, self.clock)

    @property
    def arrears(self) -> np.void:
        return self.evidence[0]["arrears"]


def test_order_of_arrival_does_not_matter_once_something_is_remembered() -> None:
    news = [
        ("missed", 2, 30, 12000),
        ("missed", 3, 60, 12000),
        ("paid", 11, 45.0, 15000),
        ("paid", 12, 70.0, 4000),
    ]
    found = set()
    for order in itertools.permutations(news):
        loan = Loan()
        loan.missed(1, 0)
        for kind, *told in order:
            getattr(loan, kind)(*told)
        found.add(loan.wait(80))
    assert found == {arrears_clock.Standing(50, 50, 20, 17000, "EUR", FIRST + 30, 2)}


def test_the_regulatory_counter_starts_again_below_its_thresholds() -> None:
    loan = Loan()
    loan.missed(1, 0, 9000)
    loan.missed(2, 30, 9000)
    assert loan.wait(50).regulatory == 20, "EUR 90, then EUR 180"
    loan.paid(11, 50.0, 8500)
    assert loan.wait(55) == arrears_clock.Standing(55, 55, 0, 9500, "EUR", FIRST, 2)
    loan.missed(3, 60, 9000)
    assert loan.wait(70).regulatory == 10


def test_a_hundredth_of_what_is_outstanding_must_be_exceeded_as_well() -> None:
    small, large = Loan(outstanding=1_200_000 - 1), Loan(outstanding=1_200_000)
    for loan in (small, large):
        loan.missed(1, 0, 12000)
    assert (small.wait(10).regulatory, large.wait(10).regulatory) == (10, 0)


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40)), max_size=SLOTS))
def test_every_paused_day_is_left_out_once_whatever_the_pauses(spans: list[tuple[int, int]]) -> None:
    loan = Loan()
    loan.missed(1, 0)
    spans = [(min(span), max(span)) for span in spans]
    for number, (since, until) in enumerate(spans):
        arrears_clock.pause(loan.arrears, number + 1, START + since * DAY, START + until * DAY)
    paused = {day for since, until in spans for day in range(since, until)}
    assert loan.wait(35).treatment == sum(day not in paused for day in range(1, 36))
    assert loan.wait(35).contractual == 35


def test_a_pause_without_an_end_goes_on_until_it_is_resumed() -> None:
    loan = Loan()
    loan.missed(1, 0)
    arrears_clock.pause(loan.arrears, 1, START + 5 * DAY, NEVER)
    assert loan.wait(30).treatment == 4
    arrears_clock.resume(loan.arrears, 1, START + 30 * DAY)
    assert loan.wait(35).treatment == 4 + 6
    arrears_clock.resume(loan.arrears, 99, START)
    assert loan.wait(35).treatment == 4 + 6


@given(st.lists(st.tuples(st.booleans(), st.integers(1, 60), st.integers(1, 20000)), max_size=4), st.integers(1, 60))
def test_what_is_reversed_leaves_no_trace_in_the_counters(told: list[tuple[bool, int, int]], undone: int) -> None:
    with_it, without = Loan(), Loan()
    for loan in (with_it, without):
        loan.missed(1, 0)
        if loan is with_it:
            loan.paid(90, undone, 5000)
        for number, (is_bill, day, amount) in enumerate(told):
            if is_bill:
                loan.missed(10 + number, day, amount)
            else:
                loan.paid(10 + number, day, amount)
        if loan is with_it:
            loan.paid(90, undone, 5000, status=ev.REVERSED)
    assert with_it.wait(70) == without.wait(70)


def test_more_instalments_than_slots_keep_the_amount_and_the_oldest_date() -> None:
    loan = Loan()
    for number in range(SLOTS + 4):
        loan.missed(number + 1, 30 * number, 1000)
    last = 30 * (SLOTS + 4)
    assert loan.wait(last) == arrears_clock.Standing(last, last, loan.wait(last).regulatory, 1000 * (SLOTS + 4), "EUR", FIRST, 1)


def bill(number: int, due: int, kind: int, **more: Any) -> dict[str, Any]:
    return {"number": number, "due": due, "kind": kind, **more}


SETTLED: dict[str, Any] = {"amount": 0}


@pytest.mark.parametrize(
    ("told", "count"),
    [
        ([bill(1, 0, ev.MISSED)], 1),
        ([bill(1, 0, ev.PART_PAID)], 1),
        ([bill(1, 0, ev.MISSED), bill(2, 0, ev.PART_PAID, bill=1), bill(3, 0, ev.PAID_LATE, bill=1)], 1),
        ([bill(1, 0, ev.MISSED), bill(2, 14, ev.MISSED)], 2),
        ([bill(1, 0, ev.MISSED), bill(2, 0, ev.WAIVED, bill=1)], 0),
        ([bill(1, 0, ev.MISSED), bill(1, 0, ev.MISSED, status=ev.REVERSED)], 0),
        ([bill(1, 0, ev.MISSED), bill(2, 0, ev.PAID_LATE, bill=1, corrects=1)], 0),
        ([bill(1, 0, ev.MISSED), bill(2, 0, ev.PART_PAID, bill=1, corrects=1)], 1),
        ([bill(1, 0, ev.MISSED), bill(2, 0, ev.WAIVED, bill=1), bill(2, 0, ev.WAIVED, bill=1, status=ev.REVERSED)], 1),
        ([bill(1, 0, ev.MISSED), bill(2, 1, ev.PART_PAID, **SETTLED)], 1),
        ([bill(1, 0, ev.MISSED), bill(2, 0, ev.PART_PAID, bill=1, **SETTLED)], 1),
    ],
    ids=[
        "missed", "part paid", "settled late", "two", "waived", "reversed", "replaced by another outcome", "replaced by its like",
        "not waived after all", "minimum paid", "minimum paid late",
    ],
)  # fmt: skip
def test_an_instalment_is_missed_of_late_by_its_bill_paid_since_or_not(told: list[dict[str, Any]], count: int) -> None:
    loan = Loan()
    for one in told:
        loan.missed(**one)
    assert loan.wait(20).missed == count


@pytest.mark.parametrize(("offset", "turn"), [(0, 60.0), (330, 60.0 - 5.5 / 24), (-300, 60.0 + 5 / 24)])
def test_sixty_local_days_end_with_a_midnight_of_the_account(offset: int, turn: float) -> None:
    loan = Loan()
    loan.row["offset"] = offset
    loan.missed(1, 0)
    loan.paid(2, 1.0, 12000)
    assert loan.codes == [NOTED], "due today it is not yet past due; paid the next morning, it is missed all the same"
    assert int(loan.evidence[0]["signs"][arrears_clock.DETECTOR]["due"]) == START + round(turn * DAY)
    loan.take(topic=ev.TIME, at=START + round(turn * DAY) - 1)
    assert loan.facts[11] == 1
    loan.take(topic=ev.TIME, at=START + round(turn * DAY))
    assert (loan.codes, loan.facts[11]) == ([NOTED, NOTED], 0)


def test_an_instalment_that_is_told_before_it_falls_due_counts_from_that_day() -> None:
    loan = Loan()
    loan.missed(1, 5, at=START)
    assert [loan.wait(day).missed for day in (4, 5, 64, 65)] == [0, 1, 1, 0]


def test_a_second_missed_instalment_is_noted_where_nothing_else_moves() -> None:
    loan = Loan()
    arrears_clock.pause(loan.arrears, 1, START, NEVER)
    loan.missed(1, 0)
    loan.paid(2, 1.0, 12000)
    loan.missed(3, 30)
    assert (loan.codes[-1], loan.facts[0], loan.facts[11]) == (NOTED, 0, 2)
    loan.wait(31)
    assert (loan.codes[-1], loan.facts[0], loan.facts[2]) == (NOTED, 12000, 0), "past due, though the count is paused"
    loan.paid(4, 32.0, 2000)
    assert (loan.codes[-1], loan.facts[0]) == (NOTED, 10000)


def test_what_is_paid_on_time_or_on_an_overdraft_is_no_missed_instalment() -> None:
    loan, overdraft = Loan(), Loan()
    loan.missed(1, 0, kind=ev.PAID_LATE)
    overdraft.row["flags"] = KNOWN | REPAID | OVERDRAFT
    overdraft.missed(1, 0)
    assert (loan.wait(5), overdraft.wait(5)) == (arrears_clock.Standing(), arrears_clock.Standing())


NEWS = st.tuples(st.integers(1, 4), st.integers(0, 80), st.sampled_from((ev.MISSED, ev.PART_PAID, ev.PAID_LATE, ev.WAIVED)))
PAYS = st.tuples(st.just(0), st.integers(0, 80), st.integers(1, 20000))


@given(st.lists(st.one_of(NEWS, PAYS), min_size=1, max_size=7))
def test_what_was_told_last_is_what_stands_at_every_instant(told: list[tuple[int, int, int]]) -> None:
    """Looking only when something happens, or the clock has reached what is due, misses no change of amount, date or number."""
    loan = Loan()
    sign = loan.evidence[0]["signs"][arrears_clock.DETECTOR]
    told = sorted(told, key=lambda one: one[1])
    for day in range(200):
        while told and told[0][1] == day:
            number, _, what = told.pop(0)
            if number:
                at = START + day * DAY + DAY // 2
                loan.missed(100 * len(told) + 99, day - 3 * number, at=at, bill=number, kind=what)
            else:
                loan.paid(100 * len(told) + 98, float(day), what)
        at = START + day * DAY + DAY // 2
        while 0 < int(sign["due"]) <= at:
            loan.take(topic=ev.TIME, at=int(sign["due"]))
        loan.clock = at
        now = arrears_clock.standing_at(loan.row[0], loan.arrears, at)
        assert (loan.facts[0], loan.facts[1], loan.facts[11]) == (now.open, now.since, now.missed)
    assert loan.codes.count(RAISED) == loan.codes.count(WITHDRAWN) or loan.facts[0] > 0


def test_more_repayments_than_slots_all_pay() -> None:
    loan = Loan()
    loan.missed(1, 0, 100_000)
    for number in range(2 * SLOTS):
        loan.paid(100 + number, 1.0 + number, 1000)
    assert loan.wait(40).open == 100_000 - 2 * SLOTS * 1000


def test_moves_between_buckets_are_kept_in_and_out() -> None:
    loan = Loan()
    loan.missed(1, 0)
    for day in (1, 29, 30, 60, 90):
        loan.wait(day)
    loan.paid(2, 95.0, 12000)
    assert arrears_clock.moves(loan.arrears) == [
        (FIRST + 1, 0, 1), (FIRST + 30, 1, 2), (FIRST + 60, 2, 3), (FIRST + 90, 3, 4), (FIRST + 95, 4, 0),
    ]  # fmt: skip


def test_of_many_moves_the_latest_are_kept_in_order() -> None:
    loan = Loan()
    for number in range(3 * SLOTS):
        loan.missed(number + 1, 10 * number)
        loan.wait(10 * number + 2)
        loan.paid(1000 + number, 10 * number + 3.0, 12000)
    days = [day for day, _, _ in arrears_clock.moves(loan.arrears)]
    assert days == sorted(days)
    assert len(days) >= SLOTS
    assert days[-1] == FIRST + 10 * (3 * SLOTS - 1) + 3


def test_ninety_days_after_the_last_word_everything_is_forgotten() -> None:
    loan = Loan()
    loan.missed(1, 0)
    loan.paid(2, 10.0, 12000)
    sign = loan.evidence[0]["signs"][arrears_clock.DETECTOR]
    assert (int(sign["severity"]), int(sign["held"])) == (0, AWAITED)
    assert int(sign["due"]) == START + 60 * DAY, "then it was missed no more of late"
    loan.wait(99)
    assert int(sign["held"]) == 1
    loan.wait(100)
    assert (int(sign["held"]), int(sign["due"])) == (0, 0)


def test_thresholds_name_currencies_and_what_holds_for_the_others() -> None:
    for text in ("[arrears_clock.regulatory_amount]\nEURO = 5", "[arrears_clock.regulatory_share]\nEUR = 1.5"):
        with pytest.raises(ConfigurationError, match="regulatory"):
            settings.load(text)
