"""A state export comes back whole, or not at all."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from stream.engine import checkpoint, export
from stream.engine.checkpoint import Checkpoint
from stream.engine.export import Header, Held
from stream.errors import ConfigurationError, StateError

HEADER = Header(export.VERSION, "ews", 2)
POSITION = checkpoint.encode(Checkpoint({"payments": 7}, {}, 2, "murmur2"))
TASKS = [
    Held("accounts", 0, {b"A-1": b"\x00\x01\xff", b"\x01A-1": b"words"}, POSITION),
    Held("customers", 0, {}, POSITION),
    Held("accounts", 1, {b"A-2": b"x"}, POSITION),
]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "state.jsonl"
    assert list(export.write(path, HEADER, TASKS)) == TASKS
    return path


def test_it_comes_back_as_it_went_and_by_partition(file: Path) -> None:
    assert export.read(file) == (HEADER, TASKS)
    assert export.read(file, 1)[1] == TASKS[2:]
    assert export.states(file, "ews", 0) == {"accounts": TASKS[0], "customers": TASKS[1]}
    assert TASKS[0].positions == {"payments": 7}
    assert file.stat().st_mode & 0o077 == 0


def test_another_jobs_or_an_absent_partition_is_refused(file: Path) -> None:
    with pytest.raises(ConfigurationError, match="EWS_APP"):
        export.states(file, "other", 0)
    with pytest.raises(ConfigurationError, match="partition 5"):
        export.states(file, "ews", 5)


def test_every_cut_and_every_missing_line_is_noticed(file: Path) -> None:
    lines = file.read_bytes().splitlines(keepends=True)
    assert len(lines) == 8
    for number in range(1, len(lines)):
        for left in (lines[:number], lines[:number] + lines[number + 1 :]):
            file.write_bytes(b"".join(left))
            with pytest.raises(StateError, match="not whole"):
                export.read(file)


def test_another_version_and_another_file_are_refused(file: Path) -> None:
    whole = file.read_bytes()
    file.write_bytes(whole.replace(b'"version":1', b'"version":2', 1))
    with pytest.raises(StateError, match="version 2, this program reads 1"):
        export.read(file)
    file.write_bytes(b'{"what": "payments"}\n')
    with pytest.raises(StateError, match="no state"):
        export.read(file)
    with pytest.raises(ConfigurationError, match="cannot be read"):
        export.read(file.parent / "nowhere")


def test_a_file_that_was_there_stays_until_the_new_one_is_whole(file: Path) -> None:
    before = file.read_bytes()

    def broken() -> Iterator[Held]:
        yield TASKS[0]
        raise StateError("the changelog does not end in a checkpoint")

    with pytest.raises(StateError):
        list(export.write(file, HEADER, broken()))
    assert file.read_bytes() == before
    assert [path.name for path in file.parent.iterdir()] == ["state.jsonl"]
