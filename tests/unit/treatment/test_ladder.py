"""The ladder as a table: where signals lead, and how fast."""

from __future__ import annotations

import pytest

from stream.tables.customer import OpenSignal
from stream.treatment.ladder import DAY, Standing, move, next_move, target
from stream.treatment.policy import default_text, load

LADDER = load(default_text()).ladder
T = 1_000 * DAY


def signal(severity: str, detector: str = "missed_bills") -> OpenSignal:
    return OpenSignal("S", detector, "A", severity, 0, 0, b"[]")


@pytest.mark.parametrize(
    ("severities", "rung"),
    [
        ([], 0),
        (["info"], 0),
        (["low"], 1),
        (["low", "low", "low"], 1),
        (["medium"], 2),
        (["medium", "low"], 2),
        (["medium", "medium"], 3),
        (["high"], 3),
        (["high", "high", "medium"], 3),
    ],
)
def test_target_rung(severities: list[str], rung: int) -> None:
    assert target([signal(severity) for severity in severities], LADDER) == rung


def test_what_only_adds_up_other_signs_is_no_second_sign() -> None:
    combined, bills, income = signal("medium", "stress_score"), signal("medium"), signal("medium", "income_drop")
    assert target([combined], LADDER) == 2
    assert target([combined, bills], LADDER) == 2
    assert target([combined, bills, income], LADDER) == 3


@pytest.mark.parametrize(
    ("standing", "wanted", "clock", "after"),
    [
        (Standing(0, 0, 0), 3, T, Standing(1, T, 0)),
        (Standing(1, T, 0), 3, T + 3 * DAY - 1, Standing(1, T, 0)),
        (Standing(1, T, 0), 3, T + 3 * DAY, Standing(2, T + 3 * DAY, 0)),
        # A clock that jumps moves one rung all the same.
        (Standing(1, T, 0), 4, T + 100 * DAY, Standing(2, T + 100 * DAY, 0)),
        (Standing(2, T, 0), 2, T + DAY, Standing(2, T, 0)),
        (Standing(2, T, 0), 0, T + DAY, Standing(2, T, T + DAY)),
        (Standing(2, T, T + DAY), 0, T + 31 * DAY - 1, Standing(2, T, T + DAY)),
        (Standing(2, T, T + DAY), 0, T + 31 * DAY, Standing(1, T + 31 * DAY, T + 31 * DAY)),
        (Standing(2, T, T + DAY), 1, T + 31 * DAY, Standing(1, T + 31 * DAY, 0)),
        # A relapse ends the clear days, and the rung was held long enough already.
        (Standing(2, T, T + DAY), 2, T + 20 * DAY, Standing(2, T, 0)),
        (Standing(2, T, T + DAY), 3, T + 20 * DAY, Standing(3, T + 20 * DAY, 0)),
    ],
)
def test_moves(standing: Standing, wanted: int, clock: int, after: Standing) -> None:
    assert move(standing, wanted, clock, clock, LADDER) == after


@pytest.mark.parametrize(
    ("standing", "wanted", "at", "clock", "after"),
    [
        # What came late moves a customer as of when it happened, and no sooner than the rung had been held.
        (Standing(0, 0, 0), 2, T, T + 5 * DAY, Standing(1, T, 0)),
        (Standing(1, T, 0), 2, T + DAY, T + 5 * DAY, Standing(2, T + 3 * DAY, 0)),
        (Standing(1, T, 0), 2, T + 4 * DAY, T + 5 * DAY, Standing(2, T + 4 * DAY, 0)),
        (Standing(1, T, 0), 2, T + DAY, T + 2 * DAY, Standing(1, T, 0)),
        (Standing(2, T, 0), 0, T + DAY, T + 5 * DAY, Standing(2, T, T + DAY)),
        # A relapse ends the clear days, also where the next rung is not yet due.
        (Standing(2, T, T + DAY), 3, T + 2 * DAY, T + 2 * DAY, Standing(2, T, 0)),
        # A step down is as of when it fell due, however late that is seen.
        (Standing(3, T, T + DAY), 0, T + 90 * DAY, T + 90 * DAY, Standing(2, T + 31 * DAY, T + 31 * DAY)),
    ],
)
def test_moves_of_what_is_told_late(standing: Standing, wanted: int, at: int, clock: int, after: Standing) -> None:
    assert move(standing, wanted, at, clock, LADDER) == after


@pytest.mark.parametrize(
    ("standing", "wanted", "due"),
    [
        (Standing(1, T, 0), 2, T + 3 * DAY),
        (Standing(1, T, 0), 1, None),
        (Standing(2, T, T + DAY), 0, T + 31 * DAY),
    ],
)
def test_the_next_move_is_known_in_advance(standing: Standing, wanted: int, due: int | None) -> None:
    assert next_move(standing, wanted, LADDER) == due
    if due is not None:
        assert move(standing, wanted, due - 1, due - 1, LADDER).rung == standing.rung
        assert move(standing, wanted, due, due, LADDER).rung != standing.rung


def test_a_trouble_told_late_has_been_watched_since_it_began() -> None:
    late = move(Standing(0, 0, 0), 2, 100 * DAY, 100 * DAY, LADDER, began=93 * DAY)
    assert late == Standing(1, 93 * DAY, 0)
    assert move(late, 2, 100 * DAY, 100 * DAY, LADDER, began=93 * DAY) == Standing(2, 100 * DAY, 0)
    # ... but not since before the last rung was left, nor from the future.
    assert move(Standing(0, 98 * DAY, 0), 2, 100 * DAY, 100 * DAY, LADDER, began=93 * DAY) == Standing(1, 98 * DAY, 0)
    assert move(Standing(0, 0, 0), 2, 100 * DAY, 100 * DAY, LADDER, began=101 * DAY) == Standing(1, 100 * DAY, 0)
