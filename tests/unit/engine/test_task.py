"""A task: contiguity, commits as bytes, dead letters and their limit, state that survives a round trip."""

from __future__ import annotations

import msgspec
import pytest

from stream.engine import checkpoint, journal
from stream.engine.offline import Line
from stream.engine.runner import verify
from stream.engine.step import Placement, Record
from stream.engine.task import Chunk, Commit, Context, Task
from stream.errors import CheckpointError, DeadLetterLimit, GapError, StateError
from tests.kafka.toy import BAD, stages

CONTEXT = Context("cafe", 0.10, 20_000, {name: f"bank.{name}" for name in ("payments", "bounces", "ticks", "accounts")})


def make() -> Task:
    stage = stages()[0]
    task = Task(stage, Placement(0, 1, "murmur2"), CONTEXT)
    task.begin(dict.fromkeys(stage.inputs, 5), {topic: f"id-{topic}" for topic in stage.inputs})
    return task


def lines(*values: bytes, key: bytes = b"A", start: int = 5) -> list[Record]:
    return [Line(start + i, 1_000 + i, key, value) for i, value in enumerate(values)]


def taken(task: Task) -> Commit:
    commit = task.take()
    assert commit is not None
    return commit


def test_a_chunk_that_does_not_continue_is_a_gap_and_changes_nothing() -> None:
    task = make()
    for chunk in (Chunk("payments", 6, 7, lines(b"x", start=6)), Chunk("payments", 4, 6, lines(b"x", start=4))):
        with pytest.raises(GapError, match=r"payments\[0\]: the chunk starts at \d, the task stands at 5"):
            task.apply(chunk)
    assert task.take() is None


def test_a_commit_holds_rows_outputs_journal_and_last_of_all_the_checkpoint() -> None:
    task = make()
    task.apply(Chunk("payments", 5, 16, lines(*[b"x"] * 10)))
    task.apply(Chunk("bounces", 5, 6, lines(b"x")))
    commit = taken(task)
    assert [output.value for output in commit.outputs] == [b"A:10"]
    assert commit.rows[0] == (b"A", b"11")
    assert commit.rows[-1][0] == checkpoint.KEY
    state = checkpoint.decode(commit.rows[-1][1] or b"")
    assert state.positions["payments"] == 16
    assert state.positions["bounces"] == 6
    entry = journal.decode(commit.journal)
    assert entry == journal.Entry("accounts", 0, [("payments", 5, 16), ("bounces", 5, 6)], "cafe")
    assert task.take() is None


def test_an_empty_range_of_transaction_markers_moves_the_position() -> None:
    task = make()
    task.apply(Chunk("payments", 5, 9, []))
    assert checkpoint.decode(taken(task).rows[-1][1] or b"").positions["payments"] == 9


def test_restored_rows_and_checkpoint_go_on_where_the_task_stood() -> None:
    first = make()
    first.apply(Chunk("payments", 5, 12, lines(*[b"x"] * 7)))
    second = Task(first.stage, first.placement, CONTEXT)
    assert second.restore(taken(first).rows)
    for task in (first, second):
        task.apply(Chunk("payments", 12, 15, lines(*[b"x"] * 3, start=12)))
    assert taken(second).outputs == taken(first).outputs != []


def test_rows_after_the_checkpoint_mean_that_something_else_wrote_there() -> None:
    assert not Task(make().stage, Placement(0, 1, "murmur2"), CONTEXT).restore([(b"A", b"1")])


def test_a_dead_letter_keeps_its_bytes_and_gains_reason_and_position() -> None:
    task = make()
    task.apply(Chunk("payments", 5, 7, [Line(5, 99, b"A", BAD, (("h", b"v"),)), *lines(b"x", start=6)]))
    [dead] = taken(task).outputs
    headers = dict(dead.headers)
    assert (dead.topic, dead.key, dead.value, headers["h"]) == ("dead-letters", b"A", BAD, b"v")
    assert headers["kafka_dlt-original-topic"] == b"bank.payments"
    assert int.from_bytes(headers["kafka_dlt-original-offset"], "big") == 5
    assert int.from_bytes(headers["kafka_dlt-original-timestamp"], "big") == 99
    assert headers["ews-reason"] == b"bad_json"


def test_a_value_too_large_to_wrap_is_told_by_its_hash() -> None:
    task = make()
    task.apply(Chunk("payments", 5, 6, lines(BAD + b"y" * 30_000)))
    [dead] = taken(task).outputs
    headers = dict(dead.headers)
    assert dead.value == b""
    assert headers["ews-value-bytes"] == b"30003"
    assert len(headers["ews-value-sha256"]) == 64


def test_the_limit_acts_on_a_share_of_at_least_a_thousand_records() -> None:
    task = make()
    position = 5
    for _ in range(9):  # 900 records, a quarter of them bad
        task.apply(Chunk("payments", position, position + 100, lines(*[BAD] * 25, *[b"x"] * 75, start=position)))
        position += 100
    with pytest.raises(DeadLetterLimit, match=r"250 of the last 1000 .*EWS_DEAD_LETTER_LIMIT"):
        task.apply(Chunk("payments", position, position + 100, lines(*[BAD] * 25, *[b"x"] * 75, start=position)))


def test_the_limit_looks_at_the_last_ten_thousand_and_survives_a_restart() -> None:
    task = make()
    position = 5
    for _ in range(30):
        task.apply(Chunk("payments", position, position + 1000, lines(*[b"x"] * 1000, start=position)))
        position += 1000
    restarted = Task(task.stage, task.placement, CONTEXT)
    restarted.restore(taken(task).rows)
    for _ in range(9):  # 900 of the last 10,000
        restarted.apply(Chunk("payments", position, position + 100, lines(*[BAD] * 100, start=position)))
        position += 100
    with pytest.raises(DeadLetterLimit):
        restarted.apply(Chunk("payments", position, position + 400, lines(*[BAD] * 400, start=position)))


def test_a_checkpoint_of_another_version_is_refused_in_words_and_an_older_one_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    state = checkpoint.Checkpoint({"payments": 7}, {}, 1, "murmur2")
    old = checkpoint.encode(state)
    monkeypatch.setattr(checkpoint, "VERSION", 2)
    assert checkpoint.decode(old).positions == {"payments": 7}
    new = checkpoint.encode(checkpoint.decode(old))
    monkeypatch.setattr(checkpoint, "VERSION", 1)
    with pytest.raises(StateError, match=r"schema version 2, this program reads 1 to 1: .*EWS_APP"):
        checkpoint.decode(new)
    added = msgspec.msgpack.encode({**msgspec.msgpack.decode(old), "added_later": 1})
    with pytest.raises(StateError, match="a field that this program does not know"):
        checkpoint.decode(added)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"partitions": 2}, "made with 1 partitions, the topics have 2"),
        ({"topic_ids": {"payments": "other"}}, "topic payments is not the one"),
        ({"bounds": {"payments": (8, 20)}}, "stands at 5, the topic holds .8, 20.*expired"),
        ({"bounds": {"payments": (0, 3)}}, "stands at 5, the topic holds .0, 3.*lost records"),
    ],
)
def test_a_checkpoint_that_no_longer_fits_is_refused_with_the_way_out(change: dict[str, object], message: str) -> None:
    task = make()
    fits: dict[str, object] = {"topic_ids": {"payments": "id-payments"}, "partitions": 1, "bounds": {"payments": (0, 9)}}
    with pytest.raises(CheckpointError, match=message) as refused:
        verify(task, **fits | change)  # type: ignore[arg-type]
    assert refused.value.exit_code == 3


def test_a_checkpoint_that_fits_passes() -> None:
    verify(make(), {"payments": "id-payments"}, 1, {"payments": (0, 5)})
