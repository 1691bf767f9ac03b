"""Laws of `lateness_drift`: how often it cries wolf, what makes an obligation slip, and what brings it back."""

from __future__ import annotations

import itertools
import math
import re
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.contracts.vocabulary import CATEGORIES
from stream.detectors import lateness_drift, settings, world
from stream.detectors.base import TOLD
from stream.detectors.lateness_drift import SLIPPED, WATCHING
from stream.detectors.levels import CAUSES, DAY, NOTHING, WITHDRAWN
from stream.tables import event as ev
from stream.tables.account import ACCOUNT, EVIDENCE, REPAID
from stream.tables.event import EVENT

CONFIG = settings.config_of(settings.load())[0]["lateness_drift"]
WORLD = world.with_country(world.bare(), "GB")
SEVERITIES = ("none", "low", "medium", "high")
MONDAY = 20_458  # 5 January 2026

ORDINARY = {0: 0.80, 1: 0.10, 2: 0.05, 3: 0.03, 5: 0.015, 10: 0.005}
COLLECTED = {0: 0.985, 3: 0.005, 6: 0.005, 9: 0.005}
EVEN = dict.fromkeys(range(5), 0.2)


# --- false alarms -------------------------------------------------------------------------------------------


def plain(function: Any) -> Any:
    """The Python behind a compiled function."""
    return getattr(function, "py_func", function)


def run_length(noise: dict[int, float], usual: int) -> float:
    """The average run length, exactly: the CUSUM is a Markov chain on half days (Brook and Evans 1972)."""
    reference, decision, cap = (int(CONFIG[name]) for name in ("reference", "decision", "cap"))
    if max(min(2 * days - usual, cap) for days in noise) <= reference:
        return math.inf
    move = np.zeros((decision, decision))
    for now in range(decision):
        for days, chance in noise.items():
            then = max(0, now + min(2 * days - usual, cap) - reference)
            if then < decision:
                move[now, then] += chance
    return float(np.linalg.solve(np.eye(decision) - move, np.ones(decision))[0])


def learned(noise: dict[int, float]) -> float:
    """The same where the usual lateness is the latest of four payments: alarms over payments in the long run."""
    rate, below = 0.0, 0.0
    for days in sorted(noise):
        upto = below + noise[days]
        rate += (upto**4 - below**4) / run_length(noise, 2 * days)
        below = upto
    return 1 / rate


@pytest.mark.parametrize(
    ("noise", "usual", "known", "from_four"),
    [(ORDINARY, 0, 4_865, 11_300), (COLLECTED, 0, 296_000, 313_000), (EVEN, 4, 380_000, 1_420)],
)
def test_run_lengths_are_as_the_docstring_has_them(noise: dict[int, float], usual: int, known: int, from_four: int) -> None:
    assert run_length(noise, usual) == pytest.approx(known, rel=0.005)
    assert learned(noise) == pytest.approx(from_four, rel=0.005)
    row = re.compile(rf"u = {usual} +{known:,} +{from_four:,}\n")
    assert row.search(lateness_drift.__doc__ or "")


def test_on_a_seeded_stream_of_on_time_noise_it_cries_wolf_as_seldom_as_stated() -> None:
    slip, slot, alarms, payments = plain(lateness_drift.slip), {"late": 0, "drift": 0, "seen": WATCHING}, 0, 600_000
    days = np.random.default_rng(20260105).choice(list(ORDINARY), payments, p=list(ORDINARY.values())).tolist()
    for late in days:
        slip(slot, late, CONFIG)
        if slot["seen"] != WATCHING:
            alarms += 1
            slot = {"late": 0, "drift": 0, "seen": WATCHING}
    # About 123 alarms, so a standard error of 9 %.
    assert 4_865 * 0.75 < payments / alarms < 4_865 * 1.35


@pytest.mark.parametrize(("days", "payments"), [(3, 3), (4, 3), (30, 3), (2, 8)])
def test_a_lasting_delay_is_seen_at_the_payment_stated(days: int, payments: int) -> None:
    slot = {"late": 0, "drift": 0, "seen": WATCHING}
    seen = [number for number in range(1, 20) if not plain(lateness_drift.slip)(slot, days, CONFIG) and slot["seen"] == SLIPPED]
    assert seen[0] == payments


@given(st.lists(st.integers(-5, 9), min_size=4, max_size=4), st.integers(0, 40))
def test_the_usual_lateness_is_the_latest_of_the_first_four_and_of_none_after(first: list[int], later: int) -> None:
    slot = {"late": 0, "drift": 0, "seen": 0}
    for days in [*first, later]:
        plain(lateness_drift.slip)(slot, days, CONFIG)
    assert slot["late"] == 2 * max(0, *first)
    assert slot["seen"] == WATCHING


@given(st.lists(st.integers(-30, 60), max_size=60))
def test_a_habit_stays_within_its_bytes(days: list[int]) -> None:
    slot = np.zeros(1, ACCOUNT)[0]["habits"][0]
    for one in days:
        lateness_drift.slip(slot, one, CONFIG)
        assert 0 <= int(slot["late"]) <= 24
        assert 0 <= int(slot["drift"]) <= 100
        assert 0 <= int(slot["seen"]) <= SLIPPED + 12


# --- an account ---------------------------------------------------------------------------------------------


class Account:
    """One British account whose habits are known, and this detector alone."""

    def __init__(self, *categories: str) -> None:
        self.row, self.evidence, self.told = np.zeros(1, ACCOUNT)[0], np.zeros(1, EVIDENCE)[0], np.zeros(1, TOLD)[0]
        self.row["country"] = world.working_days.code_of("GB")
        for k, category in enumerate(categories):
            habit = self.row["habits"][k]
            habit["subject"], habit["category"], habit["seen"] = 100 + k, CATEGORIES.index(category), WATCHING
        self.clock, self.ids, self.said = 0, itertools.count(1), NOTHING

    def pays(self, *days: int, habit: int = 0, **more: Any) -> None:
        """Payments a week or more apart, each so many days after a Monday on which it was due."""
        for late in days:
            event = np.zeros(1, EVENT)[0]
            due = (max(self.clock // DAY, MONDAY) + 6 - 4) // 7 * 7 + 4
            event["topic"], event["due"], event["at"] = ev.PAYMENT, due * DAY, (due + late) * DAY + DAY // 2
            event["obligation"], event["payee"] = 100 + habit, 55
            event["category"], event["id"] = self.row["habits"][habit]["category"], next(self.ids)
            for name, value in more.items():
                event[name] = value
            self.take(event)

    def take(self, event: Any) -> None:
        self.clock = max(self.clock, int(event["at"]))
        event["clock"] = self.clock
        self.told["count"] = 0
        lateness_drift.learn(self.row, event, CONFIG, WORLD)
        self.said = lateness_drift.step(self.row, self.evidence, event, CONFIG, self.told, WORLD)
        self.last = event

    def wait(self, days: int) -> None:
        event = np.zeros(1, EVENT)[0]
        event["topic"], event["at"] = ev.TIME, self.clock + days * DAY
        self.take(event)

    @property
    def sign(self) -> Any:
        return self.evidence["signs"][lateness_drift.DETECTOR]

    @property
    def severity(self) -> str:
        return SEVERITIES[int(self.sign["severity"])]


def test_one_obligation_is_low_two_are_medium_and_so_is_one_of_priority() -> None:
    account = Account("telecom", "water")
    account.pays(0, 4, 4)
    assert account.severity == "none"
    account.pays(4)
    assert account.severity == "low"
    account.pays(4, 4, 4, habit=1)
    assert account.severity == "medium"
    for category in ("rent", "mortgage", "council_tax", "energy"):
        home = Account(category)
        home.pays(4, 4, 4)
        assert home.severity == "medium"


def test_a_single_payment_however_late_is_never_enough() -> None:
    account = Account("energy")
    account.pays(45, 0, 0, 45, 0, 0)
    assert account.severity == "none"
    assert not account.evidence.tobytes().strip(b"\0")


def test_two_payments_in_a_row_on_time_take_it_back_and_one_does_not() -> None:
    account = Account("energy")
    account.pays(4, 4, 4, 0, 4, 0)
    assert account.severity == "medium"
    account.pays(0)
    assert (account.said, CAUSES[int(account.sign["cause"])]) == (WITHDRAWN, "paid")
    assert int(account.sign["held"]) == 0


def test_what_stays_late_is_usual_in_the_end() -> None:
    account = Account("energy")
    account.pays(*[4] * 3)
    account.pays(*[4] * 5)
    assert account.severity == "medium"
    account.pays(4)
    assert (account.severity, CAUSES[int(account.sign["cause"])]) == ("none", "faded")
    account.pays(*[4] * 20)
    assert account.severity == "none"


def test_what_is_due_at_the_weekend_and_collected_on_the_next_working_day_is_on_time() -> None:
    account = Account("energy")
    event = np.zeros(1, EVENT)[0]
    # Good Friday, 3 April 2026, to the Tuesday after Easter Monday.
    event["due"], event["at"] = 20_546 * DAY, 20_550 * DAY + DAY // 2
    assert lateness_drift.days_late(account.row, event, WORLD) == 0
    event["at"] += DAY
    assert lateness_drift.days_late(account.row, event, WORLD) == 1
    event["at"] -= 10 * DAY
    assert lateness_drift.days_late(account.row, event, WORLD) < 0


def test_the_latest_late_payment_reversed_leaves_the_habit_as_it_was_before() -> None:
    account = Account("energy")
    account.pays(4, 4)
    before = account.row["habits"].tobytes()
    account.pays(4)
    assert account.severity == "medium"
    again = account.last.copy()
    again["status"] = ev.REVERSED
    account.take(again)
    assert (account.said, CAUSES[int(account.sign["cause"])]) == (WITHDRAWN, "reversed")
    assert account.row["habits"].tobytes() == before


def test_a_correction_to_on_time_takes_it_back() -> None:
    account = Account("energy")
    account.pays(4, 4, 4)
    right = account.last.copy()
    right["corrects"], right["id"], right["at"] = int(account.last["id"]), 999, int(account.last["due"])
    account.take(right)
    assert (account.severity, CAUSES[int(account.sign["cause"])]) == ("none", "corrected")


def test_a_reversal_of_what_is_not_remembered_changes_nothing() -> None:
    account = Account("energy")
    account.pays(4, 4, 4)
    held = account.row.tobytes() + account.evidence.tobytes()
    account.pays(4, status=ev.REVERSED, id=77)
    assert account.row.tobytes() + account.evidence.tobytes() == held


def test_time_lets_go_of_what_no_late_payment_confirms() -> None:
    account = Account("energy")
    account.pays(4, 4, 4)
    account.wait(99)
    assert account.severity == "medium"
    account.wait(1)
    assert (account.said, CAUSES[int(account.sign["cause"])], int(account.sign["held"])) == (WITHDRAWN, "faded", 0)


def test_money_that_goes_the_other_way_is_no_payment_of_a_bill() -> None:
    account = Account("loan")
    account.pays(4, 4, 4, direction=ev.CREDIT)
    assert account.severity == "none"
    account.row["flags"] = REPAID
    account.pays(4, 4, 4, direction=ev.CREDIT)
    assert account.severity == "low"


def test_of_more_obligations_than_slots_the_latest_are_told() -> None:
    account = Account(*["telecom"] * 6)
    for habit in range(6):
        account.pays(4, 4, 4, habit=habit)
    assert int(account.told["count"]) == 4
    assert int(account.sign["score"]) == 4
    assert {105, 104, 103} <= set(account.evidence["lates"]["subject"].tolist())


def test_an_account_without_habits_is_left_alone() -> None:
    account = Account()
    account.pays(9, 9, 9, 9, 9, 9, 9)
    assert account.severity == "none"
    assert not account.row["habits"].tobytes().strip(b"\0")
