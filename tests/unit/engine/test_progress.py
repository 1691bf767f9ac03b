"""What counts as progress, and what does not: judged from plain facts, with the time given."""

from __future__ import annotations

from typing import Any

import pytest

from stream.engine.progress import Health, Lived, Standing, TaskHealth, TaskWatch, Waiting, Worker

OPEN = Standing("accounts", 2, "open", None, 0, 0, 100, 5, False, 0)
FETCH = (Waiting.FETCH, "payments")


def worker(**facts: Any) -> Worker:
    return Worker(brokers=True, restored=0, position=100, rounds=0)._replace(**facts)


def judged(
    steps: list[tuple[float, Standing]], behind: tuple[Waiting, str] | None = None, seen: list[Worker] | None = None, **more: bool
) -> TaskHealth:
    """The health at the last of some looks."""
    watch = TaskWatch(steps[0][0])
    for index, (now, standing) in enumerate(steps):
        common = seen[index] if seen else worker()
        watch.moved(now, standing, common.rounds)
        found = watch.judge(now, standing, behind, common, known=more.get("known", True))
    return found


def test_with_nothing_to_do_standing_still_is_no_stall() -> None:
    found = judged([(0, OPEN), (1_000, OPEN)])
    assert (found.seconds, found.waiting) == (0, None)


@pytest.mark.parametrize("waiting", [Waiting.APPLY, Waiting.COMMIT, Waiting.ENDS, Waiting.FETCH])
def test_lag_without_movement_is_told_with_its_reason(waiting: Waiting) -> None:
    found = judged([(0, OPEN), (10, OPEN), (50, OPEN)], (waiting, "payments"))
    assert (found.seconds, found.waiting, found.about) == (50, waiting, "payments")


def test_a_position_that_moves_is_progress() -> None:
    assert judged([(0, OPEN), (50, OPEN._replace(position=101)), (70, OPEN._replace(position=101))], FETCH).seconds == 20


def test_what_is_applied_and_never_written_is_a_stall_though_positions_move() -> None:
    steps = [(float(n), OPEN._replace(position=n, unwritten=True)) for n in range(60)]
    found = judged(steps, FETCH)
    assert (found.seconds, found.waiting) == (59, Waiting.COMMIT)
    moving = [(now, standing._replace(commits=int(now) // 2)) for now, standing in steps]
    assert judged(moving, FETCH).seconds <= 1


def test_a_restore_counts_as_long_as_any_task_reads_back() -> None:
    opening = OPEN._replace(state="opening", opening=Waiting.RESTORE, total=100)
    steps = [(float(n), opening) for n in range(60)]
    found = judged(steps)
    assert (found.seconds, found.waiting) == (59, Waiting.RESTORE)
    assert judged(steps, seen=[worker(restored=n // 10) for n in range(60)]).seconds < 10


def test_waiting_for_ones_turn_is_no_stall_but_being_passed_over_is() -> None:
    steps = [(float(n), OPEN) for n in range(200)]
    busy = [worker(position=n, rounds=0) for n in range(200)]
    assert judged(steps, FETCH, busy).seconds == 0
    passed_over = [worker(position=n, rounds=n // 10) for n in range(200)]
    assert judged(steps, FETCH, passed_over).seconds > 150


def test_while_the_brokers_are_away_no_time_runs() -> None:
    steps = [(0.0, OPEN), (50.0, OPEN), (60.0, OPEN)]
    found = judged(steps, FETCH, [worker(), worker(brokers=False), worker(brokers=False)])
    assert (found.seconds, found.waiting) == (0, Waiting.BROKERS)
    assert not Health((found,), joined=True).told()["ready"]
    assert judged(steps, FETCH, [worker(), worker(brokers=False), worker()]).seconds == 10


def test_ends_that_the_brokers_do_not_tell_make_it_not_ready_and_no_stall() -> None:
    found = judged([(0, OPEN), (100, OPEN)], FETCH, known=False)
    assert (found.seconds, found.waiting) == (0, Waiting.BROKERS)


def test_time_in_which_the_process_stood_still_does_not_count() -> None:
    lived = Lived(longest=2)
    assert [lived.at(now) for now in (10, 11, 500, 501)] == [0, 1, 3, 4]


def test_ready_is_joined_open_and_moving() -> None:
    task = judged([(0, OPEN), (1, OPEN)])
    assert Health((task,), joined=True).because == []
    assert Health((), joined=True).because == []
    for health, reason in (
        (Health((task,)), "group"),
        (Health((task,), joined=True, brokers=False), "brokers"),
        (Health((task,), joined=True, stopping=True), "stopping"),
        (Health((task,), joined=True, blocked=31.0), "loop"),
        (Health((judged([(0, OPEN), (31, OPEN)], FETCH),), joined=True), "fetch"),
        (Health((judged([(0, OPEN._replace(state="opening", opening=Waiting.FENCE))]),), joined=True), "fence"),
    ):
        assert [each["reason"] for each in health.because] == [reason]


def test_the_cause_is_told_before_what_it_holds_up() -> None:
    late = judged([(0, OPEN), (90, OPEN)], FETCH)
    stuck = judged([(0, OPEN), (60, OPEN)], (Waiting.APPLY, ""))
    assert [each["reason"] for each in Health((late, stuck), joined=True).because] == ["apply", "fetch"]
