from __future__ import annotations

import numpy as np

from stream.tables.account import ACCOUNT
from stream.tables.rows import Rows


def test_growing_keeps_every_row_and_adds_zeros() -> None:
    rows = Rows(ACCOUNT, 10)
    marks = []
    for size in (10, 11, 500, 40_000, 400_000):
        rows.reserve(size)
        rows.array["last_at"][size - 1] = size
        marks.append(size)
        assert [rows.array["last_at"][mark - 1] for mark in marks] == marks
        assert int(np.count_nonzero(rows.array["last_at"])) == len(marks)
    assert rows.copies == 0, "pages are remapped, not copied"


def test_a_view_that_somebody_holds_costs_a_copy_and_no_data() -> None:
    rows = Rows(ACCOUNT, 10)
    rows.array["last_at"][3] = 7
    held = rows.array
    rows.reserve(100_000)
    assert rows.copies == 1
    assert rows.array["last_at"][3] == 7
    assert held["last_at"][3] == 7


def test_less_room_than_there_is_changes_nothing() -> None:
    rows = Rows(ACCOUNT, 100)
    before = rows.array
    rows.reserve(5)
    assert rows.array is before
