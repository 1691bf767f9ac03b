from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import pytest

from stream.errors import StateError
from stream.tables import notes
from stream.tables.account import (
    ACCOUNT,
    ACCOUNT_VERSIONS,
    EVIDENCE,
    EVIDENCE_VERSIONS,
    pack,
    pack_sparse,
    unpack,
    unpack_sparse,
)


def filled(dtype: np.dtype[Any], count: int = 3) -> Any:
    rows = np.zeros(count, dtype)
    noise = np.random.default_rng(1).integers(0, 255, count * dtype.itemsize, np.uint8)
    rows.view(np.uint8)[:] = noise
    return rows


def test_a_row_is_small() -> None:
    assert ACCOUNT.itemsize <= 640


@pytest.mark.parametrize(("dtype", "versions"), [(ACCOUNT, ACCOUNT_VERSIONS), (EVIDENCE, EVIDENCE_VERSIONS)])
def test_what_is_packed_is_unpacked(dtype: np.dtype[Any], versions: Any) -> None:
    rows = filled(dtype)
    values = pack(rows, versions)
    assert [len(value) for value in values] == [dtype.itemsize + 2] * 3
    assert unpack(values, versions).tobytes() == rows.tobytes()


def thinned(count: int) -> Any:
    """Rows of which a few words are not zero; of the last none is."""
    rows = np.zeros(count, EVIDENCE)
    words = rows.view(np.uint64).reshape(count, -1)
    for number in range(count - 1):
        words[number, number :: 7 + number] = number + 1
    return rows


@pytest.mark.parametrize("rows", [thinned(4), filled(EVIDENCE), np.zeros(1, EVIDENCE)], ids=["few words", "all", "none"])
def test_what_is_packed_without_its_zeros_is_unpacked(rows: Any) -> None:
    values = pack_sparse(rows, EVIDENCE_VERSIONS)
    assert unpack_sparse(values, EVIDENCE_VERSIONS).tobytes() == rows.tobytes()


@pytest.mark.parametrize("cut", [1, 2, 10, -8, -1])
def test_one_value_that_is_cut_short_among_sound_ones_is_refused(cut: int) -> None:
    values = pack_sparse(thinned(4), EVIDENCE_VERSIONS)
    with pytest.raises(StateError, match="run the version that wrote it"):
        unpack_sparse([values[0], values[1][:cut], values[2]], EVIDENCE_VERSIONS)


def test_older_rows_without_their_zeros_are_read_among_newer_ones() -> None:
    old = np.dtype([("row", "i8"), ("score", "f8")])
    new = np.dtype([("row", "i8"), ("fresh", "i8"), ("score", "f8")])
    before, after = np.zeros(1, old), np.zeros(1, new)
    before["score"], after["score"], after["fresh"] = 0.5, 1.5, 7
    versions = {1: old, 2: new}
    rows = unpack_sparse([*pack_sparse(before, {1: old}), *pack_sparse(after, versions)], versions)
    assert rows["score"].tolist() == [0.5, 1.5]
    assert rows["fresh"].tolist() == [0, 7]


def test_evidence_that_was_written_in_full_is_read_among_later_ones() -> None:
    rows = thinned(3)
    first, last = notes.Notes({}, {}), notes.Notes({7: notes.EventNote("e", 1, "", "", -1, "", 0)}, {})
    dense = notes.DENSE + msgspec.msgpack.encode(notes.StoredEvidence(pack(rows[:1], EVIDENCE_VERSIONS)[0], first))
    sparse = notes.pack(pack_sparse(rows[1:2], EVIDENCE_VERSIONS)[0], last)
    found, words = notes.unpack_all([dense, sparse])
    assert found.tobytes() == rows[:2].tobytes()
    assert words == [first, last]


def test_an_older_row_is_read_by_name_and_a_newer_version_is_written() -> None:
    slot = np.dtype([("event", "i8"), ("gone", "i2"), ("weight", "f4")])
    old = np.dtype([("gone", "i4"), ("flags", "i1"), ("ring", "i8", (4,)), ("slots", slot, (2,)), ("last_at", "i8")])
    newer_slot = np.dtype([("weight", "f8"), ("event", "i8"), ("fresh", "i1")])
    new = np.dtype(
        [
            ("last_at", "i8"),
            ("ring", "i8", (6,)),
            ("slots", newer_slot, (3,)),
            ("flags", "i2"),
            ("fresh", "f8"),
        ]
    )
    before = np.zeros(2, old)
    before["last_at"], before["flags"], before["gone"] = (5, 6), (1, -2), 9
    before["ring"] = [[1, 2, 3, 4], [5, 6, 7, 8]]
    before["slots"]["event"] = [[1, 2], [3, 4]]
    before["slots"]["weight"] = 0.5
    values = pack(before, {1: old})
    mixed = [values[0], pack(np.zeros(1, new), {1: old, 2: new})[0], values[1]]
    rows = unpack(mixed, {1: old, 2: new})
    assert rows.dtype == new
    assert rows["last_at"].tolist() == [5, 0, 6]
    assert rows["flags"].tolist() == [1, 0, -2]
    assert rows["ring"].tolist() == [[1, 2, 3, 4, 0, 0], [0] * 6, [5, 6, 7, 8, 0, 0]]
    assert rows["slots"]["event"].tolist() == [[1, 2, 0], [0, 0, 0], [3, 4, 0]]
    assert rows["slots"]["weight"].tolist() == [[0.5, 0.5, 0.0], [0.0] * 3, [0.5, 0.5, 0.0]]
    assert rows["fresh"].tolist() == [0.0] * 3


@pytest.mark.parametrize("value", [b"", b"\x00", b"\x00\x02" + bytes(ACCOUNT.itemsize), b"\x00\x01" + bytes(7)])
def test_an_unknown_version_is_refused_with_a_way_out(value: bytes) -> None:
    with pytest.raises(StateError, match="run the version that wrote it"):
        unpack([value], ACCOUNT_VERSIONS)
