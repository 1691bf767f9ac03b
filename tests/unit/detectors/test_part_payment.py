"""Laws of `part_payment`: what adds up, what ends a run, and what is undone exactly."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.contracts.vocabulary import CATEGORIES
from stream.detectors import part_payment, settings
from stream.detectors.base import TOLD, Finding
from stream.detectors.levels import DAY, NOTHING
from stream.tables import event as ev
from stream.tables.account import ACCOUNT, EVIDENCE, REPAID
from stream.tables.event import EVENT

START = 1_767_225_600_000  # 1 January 2026
SETTINGS = settings.load().part_payment
CONFIG = settings.config_of(settings.load())[0]["part_payment"]
SEVERITIES = ("none", "low", "medium", "high")


class Account:
    """One account and this detector alone."""

    def __init__(self) -> None:
        self.row, self.evidence = np.zeros(1, ACCOUNT), np.zeros(1, EVIDENCE)
        self.told, self.clock, self.said = np.zeros(1, TOLD), START, NOTHING

    def pays(self, month: int, amount: int, owed: int = 100, **more: Any) -> np.void:
        """A payment on the day that the month's due falls on."""
        event = np.zeros(1, EVENT)
        event["at"] = START + int(30 * month + more.pop("late", 0)) * DAY
        event["topic"], event["amount"], event["owed"], event["minimum"] = ev.PAYMENT, amount, owed, -1
        event["due"] = START + 30 * month * DAY
        event["payee"], event["currency"], event["category"] = 7, 1, CATEGORIES.index("energy")
        event["id"] = more.pop("id", 1000 + month * 10 + amount)
        for name, value in more.items():
            event[name] = value
        return self.take(event)

    def wait(self, month: int, days: int = 0) -> None:
        event = np.zeros(1, EVENT)
        event["topic"], event["at"] = ev.TIME, START + (30 * month + days) * DAY
        self.take(event)

    def take(self, event: np.ndarray[Any, Any]) -> np.void:
        self.clock = max(self.clock, int(event["at"][0]))
        event["clock"] = self.clock
        self.told["count"] = 0
        self.said = part_payment.step(self.row[0], self.evidence[0], event[0], CONFIG, self.told[0], None)
        return event[0]

    @property
    def sign(self) -> np.void:
        return self.evidence[0]["signs"][part_payment.DETECTOR]

    @property
    def severity(self) -> str:
        return SEVERITIES[int(self.sign["severity"])]

    def parts(self) -> bytes:
        return bytes(self.evidence[0]["parts"].tobytes())


def test_a_due_is_short_only_when_its_grace_is_over() -> None:
    account = Account()
    account.pays(0, 60)
    account.wait(0, days=2)
    assert account.severity == "none"
    assert int(account.sign["due"]) == START + 3 * DAY
    account.wait(0, days=3)
    assert account.severity == "low"


@given(st.lists(st.integers(1, 60), min_size=2, max_size=6))
def test_payments_toward_one_due_add_up_in_whatever_pieces(pieces: list[int]) -> None:
    account = Account()
    for number, piece in enumerate(pieces):
        account.pays(0, piece, id=number + 1)
    account.wait(0, days=3)
    assert account.severity == ("none" if sum(pieces) >= 98 else "low")


@given(st.lists(st.sampled_from([30, 100]), min_size=1, max_size=9))
def test_severity_is_the_length_of_the_latest_run_of_short_dues(paid: list[int]) -> None:
    account, run = Account(), 0
    for month, amount in enumerate(paid):
        account.pays(month, amount)
        account.wait(month, days=5)
        run = 0 if amount == 100 else run + 1
        assert account.severity == SEVERITIES[min(run, 3)]


@given(st.lists(st.sampled_from([20, 25, 60, 100]), min_size=1, max_size=9))
def test_the_minimum_alone_is_never_more_than_medium(paid: list[int]) -> None:
    account, minimums, shorts = Account(), 0, 0
    for month, amount in enumerate(paid):
        account.pays(month, amount, minimum=25)
        account.wait(month, days=5)
        minimums = {25: minimums + 1, 20: minimums}.get(amount, 0)
        shorts = shorts + 1 if amount == 20 else 0
        alone = 2 if minimums >= 6 else 1 if minimums >= 3 else 0
        assert account.severity == SEVERITIES[min(3, shorts + min(alone, 1) if shorts else alone)]


def test_a_reversed_payment_leaves_the_runs_as_they_were() -> None:
    account = Account()
    for month in range(2):
        account.pays(month, 40)
    account.wait(1, days=5)
    before = account.severity
    account.pays(2, 100, id=99)
    assert (before, account.severity) == ("medium", "none")
    account.pays(2, 100, id=99, status=ev.REVERSED, late=3)
    assert account.severity == before


@given(st.permutations([(1, 30), (2, 45), (3, 25)]), st.sampled_from([1, 2, 3]))
def test_any_one_of_several_payments_toward_a_due_is_taken_out_by_its_reversal(order: list[tuple[int, int]], gone: int) -> None:
    account, without = Account(), Account()
    for number, amount in order:
        account.pays(0, amount, id=number)
        if number != gone:
            without.pays(0, amount, id=number)
    account.pays(0, dict(order)[gone], id=gone, status=ev.REVERSED, late=1)
    assert int(account.evidence[0]["parts"][0]["paid"]) == int(without.evidence[0]["parts"][0]["paid"])


def test_a_lone_part_payment_reversed_is_forgotten() -> None:
    account = Account()
    account.pays(0, 40, id=5)
    assert int(account.sign["held"]) > 0
    account.pays(0, 40, id=5, status=ev.REVERSED, late=1)
    assert int(account.sign["held"]) == 0


def test_a_correction_replaces_what_it_corrects() -> None:
    account = Account()
    account.pays(0, 40, id=5)
    account.wait(0, days=4)
    assert account.severity == "low"
    account.pays(0, 100, id=6, corrects=5, late=5)
    assert account.severity == "none"


def test_a_payment_toward_an_earlier_due_changes_nothing() -> None:
    account = Account()
    account.pays(0, 40)
    account.pays(1, 40)
    account.wait(1, days=5)
    held = account.parts()
    assert int(account.pays(0, 60, late=40)["kept"]) == 0
    assert account.parts() == held


def test_a_payment_that_names_no_due_makes_up_what_is_open() -> None:
    for amount, severity in ((59, "low"), (60, "none")):
        account = Account()
        account.pays(0, 40)
        account.wait(0, days=5)
        account.pays(0, amount, owed=-1, due=0, late=9)
        assert account.severity == severity


def test_money_that_comes_in_is_ours_only_on_an_own_credit_product() -> None:
    account = Account()
    assert int(account.pays(0, 40, direction=ev.CREDIT)["kept"]) == 0
    account.row["flags"] = REPAID
    assert int(account.pays(0, 40, direction=ev.CREDIT)["kept"]) == 1


def test_of_more_obligations_than_slots_the_longest_runs_stay() -> None:
    account = Account()
    for month in range(2):
        account.pays(month, 40, payee=7)
    for payee in range(20, 26):
        account.pays(2, 40, payee=payee)
    assert 7 in account.evidence[0]["parts"]["subject"].tolist()
    account.wait(2, days=3)
    assert account.severity == "high"


def test_time_forgets_and_lets_go() -> None:
    account = Account()
    account.pays(0, 40)
    account.wait(0, days=99)
    assert account.severity == "low"
    account.wait(0, days=100)
    assert (account.severity, int(account.sign["held"]), int(account.sign["due"])) == ("none", 0, 0)


@pytest.mark.parametrize(("amount", "owed"), [(100, 100), (98, 100), (0, 0), (10, -1)])
def test_what_is_paid_or_was_not_asked_for_is_not_remembered(amount: int, owed: int) -> None:
    account = Account()
    event = account.pays(0, amount, owed=owed)
    assert not part_payment.wants(account.row[0], event, CONFIG, None)
    assert not account.evidence[0]["parts"].tobytes().strip(b"\0")


def test_words_name_the_currency_as_it_is() -> None:
    from stream.detectors.world import CURRENCY_CODES

    for code, paid in (("JPY", "JPY 4000 of JPY 10000"), ("BHD", "BHD 4.000 of BHD 10.000")):
        facts = [CATEGORIES.index("energy"), CURRENCY_CODES.index(code) + 1, 10_000, 4_000, -1, 20_454, 1, 0]
        found = Finding(0, 0, 0, 0, 1.0, [0] * 8, facts + [0] * 24, 0, 0, part_payment.DETECTOR, 1, 1, 1, 0, 0)
        told = part_payment.tell(found, [], START, SETTINGS)
        assert paid in told.reasons[0].text
