"""Replay from files: order of records, batches, and lines as people write them."""

from __future__ import annotations

from pathlib import Path

import pytest

from stream.engine import files
from stream.engine.offline import Line, merge
from stream.errors import ConfigurationError


def at(*times: int) -> list[Line]:
    return [Line(i, t, b"k", b"v") for i, t in enumerate(times)]


def test_files_are_merged_by_time_and_ranks_break_ties() -> None:
    merged = list(merge({"payments": iter(at(1, 5)), "accounts": iter(at(5)), "holds": iter(at(1, 5))}))
    assert [(topic, line.timestamp) for topic, line in merged] == [
        ("holds", 1), ("payments", 1), ("accounts", 5), ("holds", 5), ("payments", 5),
    ]  # fmt: skip


def test_within_a_file_the_order_is_kept_even_where_time_goes_back() -> None:
    merged = list(merge({"payments": iter(at(10, 3, 4)), "bounces": iter(at(5))}))
    assert [(topic, line.timestamp) for topic, line in merged] == [
        ("bounces", 5), ("payments", 10), ("payments", 3), ("payments", 4),
    ]  # fmt: skip


def test_lines_carry_time_key_headers_and_tombstones(tmp_path: Path) -> None:
    path = tmp_path / "payments.jsonl"
    path.write_text(
        '{"account_id":"A-1","occurred_at":"2026-01-02T03:04:05+00:00"}\n'
        '{"account_id":"A-2","occurred_at":"2026-01-02T03:04:05Z","_timestamp":7}\n'
        "\n"
        "no json\n"
        '{"_key":"A-3","_timestamp":"1970-01-01T00:00:00.009Z","_headers":{"h":"v"},"_value":null}\n'
    )
    first, second, broken, tombstone = files.lines("payments", path)
    assert (first.key, first.timestamp) == (b"A-1", 1767323045000)
    assert (second.key, second.timestamp) == (b"A-2", 7)
    assert (broken.key, broken.value, broken.timestamp) == (None, b"no json", 7)
    assert (tombstone.key, tombstone.value, tombstone.timestamp, tombstone.headers) == (b"A-3", None, 9, (("h", b"v"),))


def test_a_folder_without_inputs_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"payments\.jsonl"):
        files.find(tmp_path)
