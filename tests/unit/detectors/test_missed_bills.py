"""Laws of `missed_bills`: bills in a row, shares that are open, and what one payment pays."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as settings_of_hypothesis
from hypothesis import strategies as st

from stream.contracts.vocabulary import CATEGORIES
from stream.detectors import missed_bills, settings
from stream.detectors.base import TOLD
from stream.detectors.levels import DAY
from stream.tables import event as ev
from stream.tables.account import ACCOUNT, EVIDENCE
from stream.tables.event import EVENT

CONFIG = settings.config_of(settings.load())[0]["missed_bills"]
START = 20_454  # 1 January 2026


class Account:
    """One account and this detector alone; days count from the start."""

    def __init__(self) -> None:
        self.row, self.evidence, self.told = np.zeros(1, ACCOUNT)[0], np.zeros(1, EVIDENCE)[0], np.zeros(1, TOLD)[0]
        self.clock = 0

    def take(self, topic: int, day: float, **more: Any) -> int:
        event = np.zeros(1, EVENT)[0]
        event["topic"], event["at"] = topic, round((START + day) * DAY)
        self.clock = max(self.clock, int(event["at"]))
        event["clock"], event["payee"], event["amount"], event["owed"], event["minimum"] = self.clock, 7, 100, 100, -1
        for name, value in more.items():
            event[name] = value
        missed_bills.step(self.row, self.evidence, event, CONFIG, self.told, None)
        return int(self.evidence["signs"][missed_bills.DETECTOR]["severity"])

    def misses(self, due: int, category: str = "loan", **more: Any) -> int:
        own = {"id": 1000 + due, "bill": 1000 + due, "category": CATEGORIES.index(category), "due": (START + due) * DAY}
        return self.take(ev.MISSED_BILL, due + 1, **(own | more))

    def severities(self, since: int, until: int) -> list[int]:
        return [self.take(ev.TIME, day) for day in range(since, until)]

    @property
    def score(self) -> float:
        return missed_bills.score(self.evidence, CONFIG)


@pytest.mark.parametrize("category", ["loan", "telecom", "energy"])
@settings_of_hypothesis(max_examples=8, deadline=None)
@given(gaps=st.lists(st.integers(28, 31), min_size=4, max_size=9))
def test_while_bills_of_one_biller_are_missed_in_a_row_severity_never_falls(category: str, gaps: list[int]) -> None:
    account, due, seen = Account(), 1, []
    for gap in [*gaps, 0]:
        seen.append(account.misses(due, category))
        seen += account.severities(due + 2, due + gap)
        due += gap
    assert seen == sorted(seen)


def test_bills_in_a_row_leave_together_when_the_last_is_out_of_the_window() -> None:
    account = Account()
    for due in (1, 31, 61, 91):
        account.misses(due)
    assert set(account.severities(92, 91 + 70)) == {3}
    assert account.severities(91 + 70, 91 + 71) == [0]
    assert int(account.evidence["bills_used"]) == 0


def test_a_bill_paid_between_breaks_the_row() -> None:
    account = Account()
    for due in (1, 31, 61):
        account.misses(due)
    account.take(ev.PAYMENT, 63, id=5, bill=1031)
    assert account.severities(64, 71)[-1] == 2
    assert account.severities(71, 72) == [1]


@given(st.integers(1, 100_000), st.integers(0, 100_000), st.integers(-1, 100_000))
def test_the_share_that_is_open_is_in_hundredths_rounded_up(owed: int, paid: int, minimum: int) -> None:
    wanted = owed if minimum < 0 else min(minimum, owed)
    event = np.zeros(1, EVENT)[0]
    event["owed"], event["minimum"], event["amount"] = owed, minimum, max(wanted - paid, 0)
    share = missed_bills.share_open(event)
    if wanted == 0:
        assert share == 100
    else:
        exact = max(wanted - paid, 0)
        assert share == -(-100 * exact // wanted)


@given(st.permutations([(1, 30), (31, 100), (61, 55), (91, 80)]))
def test_part_paid_bills_weigh_what_is_open_in_whatever_order_they_are_told(bills: list[tuple[int, int]]) -> None:
    account = Account()
    account.take(ev.TIME, 92)
    for number, (due, rest) in enumerate(bills):
        account.take(
            ev.MISSED_BILL, 92 + number, id=due, bill=due, payee=due, due=(START + 40 + due // 10) * DAY,
            amount=rest, kind=ev.PART_PAID, category=CATEGORIES.index("loan"),
        )  # fmt: skip
    assert account.score == 2.65


@pytest.mark.parametrize(("amount", "left"), [(99, 3), (100, 2), (199, 2), (250, 1), (1000, 0)])
def test_a_payment_pays_the_bills_due_first_as_far_as_it_goes_and_its_reversal_brings_them_back(amount: int, left: int) -> None:
    account = Account()
    for due in (61, 1, 31):
        account.misses(due)
    account.take(ev.PAYMENT, 63, id=5, amount=amount)
    assert account.score == left
    assert sorted(account.told["events"][:left].tolist()) == [1061, 1031, 1001][:left][::-1] or amount < 100
    account.take(ev.PAYMENT, 64, id=5, amount=amount, status=ev.REVERSED)
    assert account.score == 3


def test_older_news_of_a_bill_that_was_paid_does_not_come_back_when_slots_run_out() -> None:
    account = Account()
    account.misses(1, id=900)
    account.misses(1, id=901, kind=ev.PART_PAID, at=(START + 3) * DAY, amount=40)
    account.take(ev.PAYMENT, 5, id=5, amount=40)
    assert account.score == 0
    for due in range(10, 18):
        account.misses(due, payee=due)
    assert 1001 not in account.evidence["bills"]["bill"][account.evidence["bills"]["counts"] != 0].tolist()
