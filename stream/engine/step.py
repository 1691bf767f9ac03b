"""The boundary between the engine and a stage: records in, findings and changed rows out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from stream.engine.configs import Configuration
from stream.engine.partitioner import Partitioner, partition_of
from stream.errors import Reason
from stream.topics import BY_NAME, Rank

Headers = Sequence[tuple[str, bytes]]


class Record(Protocol):
    """One Kafka record, as aiokafka's ConsumerRecord has it; `timestamp` in ms."""

    @property
    def offset(self) -> int: ...
    @property
    def timestamp(self) -> int: ...
    @property
    def key(self) -> bytes | None: ...
    @property
    def value(self) -> bytes | None: ...
    @property
    def headers(self) -> Headers: ...


class Output(NamedTuple):
    """One record to write. The engine chooses the partition from the key (a dead letter without one stays in its own)."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...]


@dataclass(frozen=True, slots=True)
class Refused:
    """One input record that could not be used: `index` within the chunk; `why` carries no data of a customer."""

    index: int
    reason: Reason
    why: str


@dataclass(slots=True)
class Drained:
    """What a step changed and said since the last drain."""

    rows: list[tuple[bytes, bytes | None]] = field(default_factory=list)
    """Changelog rows; the value None is a tombstone. Keys never start with a zero byte followed by `checkpoint`."""
    outputs: list[Output] = field(default_factory=list)
    repeated: Mapping[str, int] = field(default_factory=dict)
    """Records by input topic that told nothing new. For metrics."""


class Step(Protocol):
    """The pure part of a stage, for one partition. Deterministic: same records in the same order, same bytes out.

    It reads no clock, no network, no environment. Its output depends on the sequence of records alone, never on how the sequence
    was cut into chunks or drains.
    """

    def restore(self, rows: Iterable[tuple[bytes, bytes | None]]) -> None:
        """Takes back rows that an earlier drain gave out, in their order. Called any number of times before `apply`."""

    def apply(self, topic: str, records: Sequence[Record]) -> list[Refused]:
        """Applies a chunk of one input topic (its logical name), in order. Returns the records that are bad, in order."""

    def drain(self) -> Drained:
        """Hands over what changed since the last drain, synchronously, as bytes that later calls do not change."""

    def next_due(self) -> int | None:
        """The earliest event time (ms) at which the passing of time alone will change something, if any is known."""

    @property
    def clock(self) -> int:
        """The task's clock: the latest min(occurred_at, record timestamp) seen, in ms; 0 before the first record."""


class Placement(NamedTuple):
    """Where a step lives: which keys are its own."""

    partition: int
    partitions: int
    partitioner: Partitioner

    def holds(self, key: bytes) -> bool:
        """Whether a record with this key belongs in this partition."""
        return partition_of(key, self.partitions, self.partitioner) == self.partition


@dataclass(frozen=True, slots=True)
class Stage:
    """A set of input topics with one key and one partition count, a table, and a pure step."""

    name: str
    inputs: tuple[str, ...]
    """Logical topic names."""
    create: Callable[[Placement], Step]
    warm_up: Callable[[], None] | None = None
    """Compiles what is compiled on first use; called before the worker joins the group."""
    configure: Callable[[Any], None] | None = None
    """Gives this stage's settings to a step that was created under others.

    Called after a drain and before the next apply. From then on the step says what a fresh one would, created with these
    settings and restored from all that was drained: a reload and a restart cannot be told apart.
    """

    def rank(self, topic: str) -> Rank:
        """The rank of one of the inputs."""
        return BY_NAME[topic].rank


StagesOf = Callable[[Configuration], Sequence[Stage]]
"""The stages under a configuration. Raises ConfigurationError that names what is wrong with it."""
