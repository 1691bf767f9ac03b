"""Whether the state in a changelog is what its journal says it must be."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

from stream.engine import checkpoint as checkpoints
from stream.engine import rerun
from stream.engine.export import Held
from stream.engine.step import StagesOf
from stream.rights import STAGES
from stream.settings import Settings


class Difference(NamedTuple):
    """A changelog key whose value is not what the replay gives; None for none."""

    stage: str
    partition: int
    key: bytes
    live: bytes | None
    replayed: bytes | None


class Verified(NamedTuple):
    """One task, compared."""

    stage: str
    partition: int
    rows: int
    differences: list[Difference]
    ahead: int
    """Transactions that the journal has beyond the changelog: none, where no worker runs and nothing is wrong."""


def verify(
    settings: Settings,
    stages_of: StagesOf,
    partition: int,
    states: Mapping[str, Held],
    equal: Callable[[str, bytes, bytes, bytes], bool],
    progress: Callable[[int], None],
) -> Iterator[Verified]:
    """Compares all rows and the position of a partition, both stages, with a replay from the journal's start or from `states`.

    A job may go on running: what it commits after the changelog was read is left out. `equal` judges values of a stage and key
    whose bytes differ: they may be of different schema versions. `progress` is told the events applied so far. Raises as
    `rerun.replay`.

    Holds the state of the partition three times.
    """
    live = {stage: rerun.held(settings, stage, partition) for stage in STAGES}
    reached = {stage: state.positions for stage, state in live.items() if state is not None}
    again: dict[str, dict[bytes, bytes]] = {stage: {} for stage in STAGES}
    for stage, state in states.items():
        again[stage] = {**state.rows, checkpoints.KEY: state.checkpoint}
    events = 0
    ahead = dict.fromkeys(STAGES, 0)
    for applied in rerun.replay(settings, stages_of, partition, states):
        events += applied.events
        progress(events)
        if any(position > reached.get(applied.stage, {}).get(topic, 0) for topic, position in applied.positions.items()):
            ahead[applied.stage] += 1
            continue
        rows = again[applied.stage]
        for key, value in applied.rows:
            if value is None:
                rows.pop(key, None)
            else:
                rows[key] = value
    for stage, found in live.items():
        yield Verified(
            stage,
            partition,
            0 if found is None else len(found.rows),
            _differences(stage, partition, found, again[stage], equal),
            ahead[stage],
        )


def _differences(
    stage: str, partition: int, live: Held | None, again: dict[bytes, bytes], equal: Callable[[str, bytes, bytes, bytes], bool]
) -> list[Difference]:
    rows: dict[bytes, bytes] = {} if live is None else live.rows
    differences = []
    expected = dict(again)
    position = expected.pop(checkpoints.KEY, None)
    if not _same_position(None if live is None else live.checkpoint, position):
        differences.append(Difference(stage, partition, checkpoints.KEY, None if live is None else live.checkpoint, position))
    for key in sorted(rows.keys() | expected.keys()):
        one, other = rows.get(key), expected.get(key)
        if one != other and (one is None or other is None or not equal(stage, key, one, other)):
            differences.append(Difference(stage, partition, key, one, other))
    return differences


def _same_position(live: bytes | None, again: bytes | None) -> bool:
    """A replay knows of no topic ids, and only of inputs that something was applied of."""
    if live is None or again is None:
        return live == again
    one, other = checkpoints.decode(live), checkpoints.decode(again)
    return (one.seen, one.bad, one.feeds, one.partitions, one.partitioner) == (
        other.seen,
        other.bad,
        other.feeds,
        other.partitions,
        other.partitioner,
    ) and all(one.positions.get(topic) == position for topic, position in other.positions.items())
