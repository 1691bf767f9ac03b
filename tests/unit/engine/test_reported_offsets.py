"""What the source tells the group of how far the tasks are."""

from __future__ import annotations

from stream.engine.source import common

READERS = {"payments": ["accounts"], "ticks": ["accounts", "customers"]}


def test_of_an_input_that_two_stages_read_the_group_is_told_the_lesser_position() -> None:
    written = {("accounts", 1): {"payments": 9, "ticks": 5}, ("customers", 1): {"ticks": 3}}
    assert common(written, READERS) == {("payments", 1): 9, ("ticks", 1): 3}


def test_a_task_that_has_written_nothing_is_not_vouched_for_by_its_neighbour() -> None:
    """Else, killed before its first commit, it would be taken for one whose changelog was emptied, and never start again."""
    assert common({("accounts", 1): {"payments": 9, "ticks": 5}, ("customers", 1): {}}, READERS) == {("payments", 1): 9}
    assert common({("accounts", 1): {"payments": 9, "ticks": 5}}, READERS) == {("payments", 1): 9}


def test_partitions_are_told_apart() -> None:
    written = {("accounts", 0): {"ticks": 5}, ("customers", 1): {"ticks": 3}}
    assert common(written, READERS) == {}
