"""`bench.compare`: where the CPU time of the accounts stage goes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bench import page
from bench.compare import parts


def test_the_parts_are_those_of_the_second_half_and_add_up_to_the_process(tmp_path: Path) -> None:
    """The first line is start-up, which counts for nothing; the second is where the half was passed."""
    lines = [
        {"events": 10, "cpu": 9.0, "apply": 5.0, "read": 4.0},
        {"events": 60, "cpu": 10.0, "apply": 5.1, "read": 4.0, "pass": 0.1, "drain": 0.2, "batches": 0.0},
        {"events": 100, "cpu": 10.4, "apply": 5.3, "read": 4.1, "pass": 0.15, "drain": 0.24, "batches": 0.02},
    ]
    file = tmp_path / "times"
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    found = parts(file, 100)
    an_event = 1e6 / 40
    assert found["read"] == pytest.approx(0.1 * an_event)
    assert found["pass"] == pytest.approx(0.05 * an_event)
    assert found["apply, the rest"] == pytest.approx(0.05 * an_event)
    assert found["drain"] == pytest.approx(0.04 * an_event)
    assert found["batches"] == pytest.approx(0.02 * an_event)
    assert sum(found.values()) == pytest.approx(0.4 * an_event)
    assert found.keys() == page.PARTS.keys()
