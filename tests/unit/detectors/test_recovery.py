"""Laws of `recovery`: it remembers trouble, counts in a row, and never speaks beside another sign."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from stream.contracts.vocabulary import CATEGORIES
from stream.detectors import recovery, settings, world
from stream.detectors.base import TOLD
from stream.detectors.levels import DAY, INFO, NOTHING, RAISED, WITHDRAWN, severity_name
from stream.detectors.registry import NAMES
from stream.tables import event as ev
from stream.tables.account import ACCOUNT, EVIDENCE, SLOTS
from stream.tables.event import EVENT

START = 1_767_225_600_000  # 1 January 2026
CONFIG = settings.config_of(settings.load())[0]["recovery"]
WORLD = world.bare()


class Account:
    """One account, this detector, and what others say."""

    def __init__(self) -> None:
        self.row, self.evidence = np.zeros(1, ACCOUNT), np.zeros(1, EVIDENCE)
        self.told, self.clock = np.zeros(1, TOLD), START

    def others(self, day: int, **severities: int) -> int:
        """What the other detectors say from a day on, and what this one makes of it."""
        for number, name in enumerate(NAMES):
            if number != recovery.DETECTOR:
                self.evidence[0]["signs"][number]["severity"] = severities.get(name, 0)
        return self.take(day, topic=ev.TIME)

    def pays(self, day: int, due: int | None = None, **more: Any) -> int:
        fields = {"topic": ev.PAYMENT, "amount": 100, "owed": 100, "minimum": -1, "id": 1000 + day, "payee": 7, **more}
        return self.take(day, due=START + (day if due is None else due) * DAY, **fields)

    def take(self, day: int, **fields: Any) -> int:
        event = np.zeros(1, EVENT)
        event["at"], event["category"] = START + day * DAY, CATEGORIES.index("energy")
        for name, value in fields.items():
            event[name] = value
        self.clock = max(self.clock, int(event["at"][0]))
        event["clock"] = self.clock
        return int(recovery.step(self.row[0], self.evidence[0], event[0], CONFIG, self.told[0], WORLD))

    def over_trouble(self, day: int = 5) -> Account:
        self.others(0, missed_bills=2)
        self.others(day)
        return self

    @property
    def sign(self) -> np.void:
        return self.evidence[0]["signs"][recovery.DETECTOR]


def test_three_payments_on_time_after_a_trouble_open_a_sign_of_severity_info() -> None:
    account = Account().over_trouble()
    assert [account.pays(day) for day in (6, 8, 20)] == [NOTHING, NOTHING, RAISED]
    assert int(account.sign["severity"]) == INFO
    assert severity_name(INFO) == "info"
    assert account.told[0]["events"][:3].tolist() == [1006, 1008, 1020]
    assert account.pays(21) == NOTHING, "a fourth is no news"


@pytest.mark.parametrize(
    ("severities", "is_trouble"),
    [
        ({"missed_bills": 1}, False),
        ({"missed_bills": 1, "income_drop": 1}, True),
        ({"bounce_pressure": 2}, True),
        ({"bounce_pressure": INFO}, False),
        ({"stress_score": 3}, False),
    ],
)
def test_what_counts_as_trouble(severities: dict[str, int], is_trouble: bool) -> None:
    account = Account()
    account.others(0, **severities)
    assert (int(account.sign["held"]) == 1) is is_trouble


def test_the_streak_begins_where_the_last_sign_ends() -> None:
    account = Account()
    account.others(0, missed_bills=2)
    account.others(3, missed_bills=1)
    for day in (4, 5, 6):
        assert account.pays(day) == NOTHING
    account.others(7)
    assert [account.pays(day) for day in (8, 9, 22)] == [NOTHING, NOTHING, RAISED]


def test_a_payment_due_on_a_sunday_is_on_time_on_monday_and_late_on_tuesday() -> None:
    on_time, late = Account().over_trouble(), Account().over_trouble()
    for account, last in ((on_time, 18), (late, 19)):
        account.pays(6)
        account.pays(9)
        account.pays(last + 7, due=24)  # 25 January 2026 is a Sunday
    assert int(on_time.sign["severity"]) == INFO
    assert int(late.sign["score"]) == 0


def test_another_sign_takes_it_back_and_only_a_new_end_starts_it_anew() -> None:
    account = Account().over_trouble()
    for day in (6, 8, 20):
        account.pays(day)
    assert account.others(25, income_drop=1) == WITHDRAWN
    assert account.others(30, income_drop=2) == NOTHING
    assert account.others(40) == NOTHING
    assert [account.pays(day) for day in (41, 42, 55)] == [NOTHING, NOTHING, RAISED]


def test_it_ends_by_itself_and_then_remembers_nothing() -> None:
    account = Account().over_trouble()
    for day in (6, 8, 20):
        account.pays(day)
    assert int(account.sign["due"]) == int(account.sign["expires"]) == START + 50 * DAY
    assert account.others(50) == WITHDRAWN
    assert (int(account.sign["held"]), int(account.sign["due"]), float(account.sign["score"])) == (0, 0, 0.0)


def test_payments_of_a_few_days_are_no_streak_until_one_comes_later() -> None:
    account = Account().over_trouble()
    assert [account.pays(day) for day in (6, 7, 8, 19)] == [NOTHING] * 4
    assert account.others(25) == NOTHING, "time alone says nothing"
    assert account.pays(26) == RAISED
    assert int(account.sign["score"]) == 5


def test_a_trouble_is_forgotten_after_its_window() -> None:
    account = Account().over_trouble()
    account.pays(6)
    assert int(account.sign["due"]) == START + 95 * DAY
    account.others(95)
    assert int(account.sign["held"]) == 0
    assert [account.pays(day) for day in (96, 97, 98)] == [NOTHING] * 3


def test_a_reversed_payment_leaves_the_streak_and_the_others_stay_in_order() -> None:
    account = Account().over_trouble()
    account.pays(6)
    account.pays(8)
    account.pays(9, id=1006, status=ev.REVERSED)
    account.pays(10)
    assert account.pays(22) == RAISED
    assert account.told[0]["events"][:3].tolist() == [1008, 1010, 1022]
    assert account.pays(23, id=1010, status=ev.REVERSED) == WITHDRAWN


def test_of_a_long_streak_the_latest_payments_are_remembered() -> None:
    account = Account().over_trouble()
    for day in range(6, 6 + 3 * SLOTS):
        assert account.pays(day) in (NOTHING, RAISED)
    held = account.evidence[0]["recovery"]["events"].tolist()
    assert sorted(held) == [1000 + day for day in range(6 + 2 * SLOTS, 6 + 3 * SLOTS)]
