"""The folder that `ews simulate` writes."""

from __future__ import annotations

import json
from collections import Counter
from datetime import date, datetime
from pathlib import Path

import pytest

from stream.simulate import Event, Truth, folder, simulate

START = date(2026, 3, 1)


def test_each_topic_has_its_file_with_its_events_in_order_of_delivery(tmp_path: Path) -> None:
    events = list(simulate(2, 40, START, 3))
    counts = folder.write(tmp_path / "new" / "bank", events)
    assert counts == Counter(event.topic for event in events)
    for topic, count in counts.items():
        lines = [
            json.loads(line)
            for line in (tmp_path / "new" / "bank" / f"{topic}.jsonl").read_text().splitlines()
        ]
        assert len(lines) == count
        told = []
        for line in lines:
            own = line.get("occurred_at")
            stamp = line.pop("_timestamp", None)
            assert stamp is not None or own is not None
            told.append((stamp or round(datetime.fromisoformat(own).timestamp() * 1000), line))
        assert told == [(event.timestamp_ms, event.value) for event in events if event.topic == topic]


def test_only_late_and_reference_records_carry_a_timestamp_of_their_own() -> None:
    for event in simulate(2, 30, START, 3):
        told = json.loads(folder.line(event))
        prompt = "occurred_at" in told and (
            datetime.fromisoformat(told["occurred_at"]).timestamp() * 1000 == event.timestamp_ms
        )
        assert ("_timestamp" in told) is not prompt


def test_the_same_seed_writes_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        truths: list[Truth] = []
        folder.write(tmp_path / name, simulate(9, 25, START, 2, on_truth=truths.append))
        folder.write_truth(tmp_path / name, truths)
    files = sorted(path.name for path in (tmp_path / "a").iterdir())
    assert "truth.jsonl" in files
    for file in files:
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()


def test_the_truth_has_one_line_a_customer_by_customer(tmp_path: Path) -> None:
    truths: list[Truth] = []
    for _ in simulate(9, 25, START, 2, on_truth=truths.append):
        pass
    folder.write_truth(tmp_path, truths)
    told = [json.loads(line) for line in (tmp_path / "truth.jsonl").read_text().splitlines()]
    assert [line["customer_id"] for line in told] == [f"C-{n:06d}" for n in range(25)]
    assert {line["state"] for line in told} == {"steady", "stressed"}


def test_a_file_that_is_there_is_not_overwritten(tmp_path: Path) -> None:
    event = Event("payments", "A", 0, {"occurred_at": "1970-01-01T00:00:00+00:00"})
    folder.write(tmp_path, [event])
    with pytest.raises(FileExistsError):
        folder.write(tmp_path, [event])
