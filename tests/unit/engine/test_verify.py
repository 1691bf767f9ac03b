"""The state in a changelog against its journal, on the embedded broker, with a job so small that its right state is obvious."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from stream.engine import checkpoint, rerun
from stream.engine.checks import STAGES
from stream.engine.embedded import EmbeddedBroker
from stream.engine.export import Held
from stream.engine.verify import Verified, verify
from stream.errors import CheckpointError, StateError
from tests.kafka.toy import stages
from tests.unit.engine.test_rerun import A, Log


@pytest.fixture(scope="module")
def broker() -> EmbeddedBroker:
    return EmbeddedBroker()


@pytest.fixture
def log(broker: EmbeddedBroker) -> Log:
    """A live run of 20 payments in three transactions, its changelog not yet written."""
    made = Log(broker)
    broker.create(made.settings.changelog(stage) for stage in STAGES)
    made.configure(A)
    made.write("payments", [(b"k%d" % (n % 3), b"x") for n in range(20)])
    made.journal([("payments", 0, 7)], [("payments", 7, 15)], [("payments", 15, 20)])
    return made


def changelog(log: Log, transactions: int) -> Held:
    """Writes what so many transactions wrote, and returns what the changelog then holds."""
    name = log.settings.changelog("accounts").removeprefix(log.settings.topic_prefix)
    for applied in log.replay()[:transactions]:
        log.write(name, applied.rows)
    held = rerun.held(log.settings, "accounts", 0)
    assert held is not None
    return held


def compared(log: Log, states: Mapping[str, Held] | None = None) -> dict[str, Verified]:
    found = verify(log.settings, stages, 0, states or {}, lambda *_: False, lambda _: None)
    return {one.stage: one for one in found}


def overwrite(log: Log, *records: tuple[bytes, bytes | None]) -> None:
    held = rerun.held(log.settings, "accounts", 0)
    assert held is not None
    name = log.settings.changelog("accounts").removeprefix(log.settings.topic_prefix)
    log.write(name, [*records, (checkpoint.KEY, held.checkpoint)])


@pytest.mark.parametrize("transactions", [1, 2, 3])
def test_what_the_job_committed_since_the_changelog_was_read_is_left_out(log: Log, transactions: int) -> None:
    assert changelog(log, transactions).positions == {"payments": (7, 15, 20)[transactions - 1]}
    found = compared(log)
    assert found["accounts"] == Verified("accounts", 0, 3, [], 3 - transactions)
    assert found["customers"] == Verified("customers", 0, 0, [], 0)


def test_a_changed_a_missing_and_a_foreign_row_are_named(log: Log) -> None:
    changelog(log, 3)
    overwrite(log, (b"k0", b"8"), (b"k1", None), (b"stranger", b"1"))
    differences = compared(log)["accounts"].differences
    assert [(one.key, one.live, one.replayed) for one in differences] == [
        (b"k0", b"8", b"7"),
        (b"k1", None, b"7"),
        (b"stranger", b"1", None),
    ]


def test_a_position_that_is_not_the_journals_is_named(log: Log) -> None:
    changelog(log, 3)
    name = log.settings.changelog("accounts").removeprefix(log.settings.topic_prefix)
    forged = checkpoint.Checkpoint({"payments": 99}, {}, 3, "murmur2")
    log.write(name, [(checkpoint.KEY, checkpoint.encode(forged))])
    assert [one.key for one in compared(log)["accounts"].differences] == [checkpoint.KEY]


def test_a_changelog_that_does_not_end_in_a_checkpoint_is_told(log: Log) -> None:
    changelog(log, 3)
    log.write(log.settings.changelog("accounts").removeprefix(log.settings.topic_prefix), [(b"k0", b"1")])
    with pytest.raises(StateError, match="does not end in a checkpoint"):
        rerun.held(log.settings, "accounts", 0)


def test_a_replay_from_a_state_applies_and_says_what_came_after_it(log: Log) -> None:
    log.write("payments", [(b"k0", b"x")] * 9)
    log.journal([("payments", 20, 29)])
    every = log.replay()
    state = changelog(log, 2)
    on = list(rerun.replay(log.settings, stages, 0, {"accounts": state}))
    assert [one.positions for one in on] == [{"payments": 20}, {"payments": 29}]
    assert [(one.outputs, one.rows) for one in on] == [(one.outputs, one.rows) for one in every[2:]]
    assert on[-1].outputs


def test_a_replay_from_a_state_notices_what_is_missing_after_it(log: Log) -> None:
    state = changelog(log, 2)
    log.write("payments", [(b"k0", b"x")] * 9)
    log.journal([("payments", 21, 29)])
    with pytest.raises(CheckpointError, match="is missing"):
        list(rerun.replay(log.settings, stages, 0, {"accounts": state}))
    elsewhere = checkpoint.encode(checkpoint.Checkpoint({"payments": 15}, {}, 12, "murmur2"))
    with pytest.raises(CheckpointError, match="12 partitions"):
        list(rerun.replay(log.settings, stages, 0, {"accounts": state._replace(checkpoint=elsewhere)}))
    with pytest.raises(CheckpointError, match="nothing of accounts"):
        list(rerun.replay(log.settings, stages, 0, {"customers": state._replace(stage="customers")}))


def test_a_state_stands_in_for_what_has_expired(log: Log) -> None:
    state = changelog(log, 3)
    assert list(rerun.replay(log.settings, stages, 0, {"accounts": state})) == []
    assert compared(log, {"accounts": state})["accounts"].differences == []
    changed = {"accounts": state._replace(rows={**state.rows, b"k0": b"8"})}
    assert [one.key for one in compared(log, changed)["accounts"].differences] == [b"k0"]
