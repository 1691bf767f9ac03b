"""A task: partition p of a stage, its table, its position and what it has not written yet. It knows no transport."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from stream.engine import checkpoint as checkpoints
from stream.engine import deadletters, journal
from stream.engine.checkpoint import Checkpoint
from stream.engine.step import Output, Placement, Record, Stage
from stream.errors import GapError


class Chunk(NamedTuple):
    """A run of records of one input: all that lie in [from_, to)."""

    topic: str
    from_: int
    to: int
    records: Sequence[Record]


@dataclass(frozen=True, slots=True)
class Commit:
    """All that one transaction writes, as bytes that nothing changes any more."""

    rows: list[tuple[bytes, bytes | None]]
    """Changelog rows; the checkpoint is the last."""
    outputs: list[Output]
    """Outputs and dead letters."""
    journal: bytes
    events: int
    counts: dict[tuple[str, str], int]
    """Records by input topic and outcome, as the metrics name outcomes."""
    positions: dict[str, int]
    """Where the task stands once this is written."""


class Context(NamedTuple):
    """What a task needs to know of the job it belongs to."""

    config_hash: str
    dead_letter_limit: float
    max_record_bytes: int
    physical: dict[str, str]
    """Topic names as Kafka has them, by logical name."""
    app: str = ""


class Task:
    """The state of one partition of a stage. Apply chunks, then take a Commit; the caller writes it, whole or not at all."""

    def __init__(self, stage: Stage, placement: Placement, context: Context) -> None:
        self.stage = stage
        self.placement = placement
        self.context = context
        self.step = stage.create(placement)
        self.checkpoint = Checkpoint({}, {}, placement.partitions, placement.partitioner)
        self.restored_rows = 0
        self.events = 0
        """Records applied since the last commit was taken."""
        self._applied: list[tuple[str, int, int]] = []
        self._dead: list[Output] = []
        self._read: Counter[str] = Counter()
        self._refused: Counter[str] = Counter()
        self._window = deadletters.Window(context.dead_letter_limit)

    @property
    def key(self) -> tuple[str, int]:
        """Stage name and partition."""
        return self.stage.name, self.placement.partition

    @property
    def unwritten(self) -> bool:
        """Whether anything has been applied since the last commit was taken."""
        return bool(self._applied)

    def restore(self, rows: Iterable[tuple[bytes, bytes | None]]) -> bool:
        """Takes changelog rows back, in order; returns whether the last one was a checkpoint."""
        batch: list[tuple[bytes, bytes | None]] = []
        last = False
        for key, value in rows:
            last = key == checkpoints.KEY and value is not None
            if last and value is not None:
                self.checkpoint = checkpoints.decode(value)
            else:
                batch.append((key, value))
        self.step.restore(batch)
        self.restored_rows += len(batch)
        self._window = deadletters.Window(
            self.context.dead_letter_limit, self.checkpoint.seen, self.checkpoint.bad
        )
        return last

    def begin(self, positions: dict[str, int], topic_ids: dict[str, str]) -> None:
        """Sets the position of inputs that the checkpoint does not know, and the ids of the topics as they are now."""
        for topic, offset in positions.items():
            self.checkpoint.positions.setdefault(topic, offset)
        self.checkpoint.topic_ids = dict(topic_ids)

    def position(self, topic: str) -> int:
        """The next offset of `topic` to apply."""
        return self.checkpoint.positions[topic]

    def apply(self, chunk: Chunk) -> None:
        """Applies a chunk. Raises GapError unless it continues exactly where the task stands."""
        position = self.checkpoint.positions[chunk.topic]
        records = chunk.records
        if chunk.from_ != position:
            raise GapError(
                f"{chunk.topic}[{self.placement.partition}]: the chunk starts at {chunk.from_}, the task stands at {position}"
            )
        refused = self.step.apply(chunk.topic, records) if records else []
        for bad in refused:
            self._dead.append(
                deadletters.wrap(
                    self.context.physical[chunk.topic],
                    self.placement.partition,
                    records[bad.index],
                    bad,
                    self.context.max_record_bytes,
                )
            )
        if chunk.topic != "ticks":
            self._window.count(len(records), len(refused))
        self._read[chunk.topic] += len(records)
        self._refused[chunk.topic] += len(refused)
        if records:
            feeds = self.checkpoint.feeds
            feeds[chunk.topic] = max(feeds.get(chunk.topic, 0), records[-1].timestamp)
        self.checkpoint.positions[chunk.topic] = chunk.to
        self._applied.append((chunk.topic, chunk.from_, chunk.to))
        self.events += len(records)

    def take(self) -> Commit | None:
        """Takes all that was changed and said since the last take, in one synchronous block; None when nothing was applied."""
        if not self._applied:
            return None
        drained = self.step.drain()
        state = self.checkpoint
        state.seen, state.bad = self._window.seen, self._window.bad
        entry = journal.Entry(
            self.stage.name, self.placement.partition, self._applied, self.context.config_hash, self.context.app
        )
        commit = Commit(
            rows=[*drained.rows, (checkpoints.KEY, checkpoints.encode(state))],
            outputs=[*drained.outputs, *self._dead],
            journal=journal.encode(entry),
            events=self.events,
            counts=self._counts(drained.repeated),
            positions=dict(state.positions),
        )
        self._applied, self._dead, self.events = [], [], 0
        self._read, self._refused = Counter(), Counter()
        return commit

    def _counts(self, repeated: Mapping[str, int]) -> dict[tuple[str, str], int]:
        counts: dict[tuple[str, str], int] = {}
        for topic, read in self._read.items():
            refused, again = self._refused[topic], repeated.get(topic, 0)
            counts[topic, "applied"] = read - refused - again
            counts[topic, "repeated"] = again
            counts[topic, "refused"] = refused
        return counts

    def configure(self, stage: Stage, context: Context) -> None:
        """Goes on under another configuration: `stage` is this task's as that configuration has it.

        Only straight after `take`: what was applied before it is journalled under the configuration it was applied with.
        """
        assert not self._applied, "what was applied under the old configuration is taken first"
        assert stage.configure is not None, f"stage {stage.name} cannot change its settings"
        stage.configure(self.step)
        self.stage, self.context = stage, context
