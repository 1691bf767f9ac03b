"""The auditor's replay: applies exactly what the live run applied, in its order, and says again what it said."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, Message, TopicPartition

from stream.engine import checks, configs, journal
from stream.engine.configs import Configuration
from stream.engine.offline import Line
from stream.engine.step import Output, Placement, Stage
from stream.engine.task import Chunk, Context, Task
from stream.errors import CheckpointError, ConfigurationError, EngineError
from stream.settings import Settings

_TIMEOUT = 30.0


@dataclass(frozen=True, slots=True)
class Applied:
    """One transaction, applied again."""

    stage: str
    partition: int
    at: int
    """When the live run committed it (ms, the journal record's timestamp)."""
    outputs: list[Output]
    events: int


def _consumer(settings: Settings) -> Consumer:
    return Consumer(
        {
            **settings.librdkafka(),
            "group.id": f"{settings.app}-replay",  # never joined: partitions are assigned by hand
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "isolation.level": "read_committed",
            "auto.offset.reset": "error",
        }
    )


class _Reader:
    """Committed records of one partition, read forwards only."""

    def __init__(self, settings: Settings, topic: str, partition: int, start: int) -> None:
        self._consumer = _consumer(settings)
        self._consumer.assign([TopicPartition(topic, partition, start)])
        self._where = f"{topic}[{partition}]"
        self._held: list[Message] = []
        """Fetched and not yet taken, the next one last."""
        self._eof = -1
        """The end of the partition when it was last reached."""

    def take(self, to: int | None) -> list[Line]:
        """All records below offset `to` (None: up to the present end) that were not taken yet."""
        lines: list[Line] = []
        while True:
            while self._held:
                if to is not None and _offset(self._held[-1]) >= to:
                    return lines
                lines.append(_line(self._held.pop()))
            if self._eof >= (0 if to is None else to):
                return lines
            self._fill()

    def _fill(self) -> None:
        deadline = time.monotonic() + _TIMEOUT
        while not (messages := self._consumer.consume(2_000, 0.1)):
            if time.monotonic() > deadline:
                raise EngineError(f"{self._where}: no answer from the broker within {_TIMEOUT:.0f} s")
        for message in messages:
            error = message.error()
            if error is None:
                self._held.append(message)
            elif error.code() == KafkaError._PARTITION_EOF:
                self._eof = _offset(message)
            else:
                raise CheckpointError(
                    f"{self._where}: {error.name()}: the journal names records that are no longer there. Replay reaches back as "
                    "far as the inputs' retention does."
                )
        self._held.reverse()

    def close(self) -> None:
        self._consumer.close()


def _line(message: Message) -> Line:
    headers: tuple[tuple[str, bytes], ...] = tuple(message.headers() or ())  # type: ignore[arg-type]
    return Line(_offset(message), message.timestamp()[1], message.key(), message.value(), headers)


def _offset(message: Message) -> int:
    offset = message.offset()
    assert offset is not None  # only a message that was never sent has none
    return offset


def configuration(settings: Settings, config_hash: str) -> Configuration:
    """The configuration behind a hash, from the `configs` topic. Raises ConfigurationError when it is not there."""
    reader = _Reader(settings, settings.topic("configs"), 0, OFFSET_BEGINNING)
    try:
        for line in reader.take(None):
            if line.key == config_hash.encode() and line.value is not None:
                return configs.decode(line.value)
    finally:
        reader.close()
    raise ConfigurationError(f"the topic {settings.topic('configs')} does not hold configuration {config_hash}")


def replay(
    settings: Settings, stages_of: Callable[[Configuration], Sequence[Stage]], partition: int
) -> Iterator[Applied]:
    """Applies every journalled transaction of a partition, both stages, from the journal's start.

    Raises CheckpointError where a range is missing, doubled or no longer readable, and ConfigurationError where the library
    versions differ from those of the live run.
    """
    partitions = checks.check(settings).partitions
    entries = _Reader(settings, settings.topic("journal"), partition, OFFSET_BEGINNING)
    tasks: dict[str, Task] = {}
    readers: dict[tuple[str, str], _Reader] = {}
    positions: dict[tuple[str, str], int] = {}
    hashes: dict[str, str] = {}
    written: dict[str, dict[bytes, bytes]] = {}
    try:
        for line in entries.take(None):
            entry = journal.decode(line.value or b"")
            if hashes.setdefault(entry.stage, entry.config_hash) != entry.config_hash:
                # The live run was started anew under another configuration: its state went on, and so does ours.
                step = _stage(settings, stages_of, entry).create(tasks[entry.stage].placement)
                step.restore(written[entry.stage].items())
                tasks[entry.stage].step = step
                hashes[entry.stage] = entry.config_hash
            task = tasks.get(entry.stage)
            if task is None:
                task = tasks[entry.stage] = _task(settings, stages_of, entry, partitions)
            events = 0
            for topic, start, to in entry.applied:
                key = entry.stage, topic
                if key not in readers:
                    readers[key] = _Reader(settings, settings.topic(topic), partition, start)
                    positions[key] = start
                    task.begin({topic: start}, {})
                if positions[key] != start:
                    raise CheckpointError(
                        f"the journal of {entry.stage}[{partition}] goes from {topic} {positions[key]} to {start}: a range is "
                        + ("missing" if start > positions[key] else "applied twice")
                    )
                lines = readers[key].take(to)
                positions[key] = to
                task.apply(Chunk(topic, start, to, lines))
                events += len(lines)
            commit = task.take()
            assert commit is not None  # an entry applies at least one range
            _remember(written.setdefault(entry.stage, {}), commit.rows[:-1])
            yield Applied(entry.stage, partition, line.timestamp, commit.outputs, events)
    finally:
        entries.close()
        for reader in readers.values():
            reader.close()


def committed(settings: Settings, topics: Sequence[str], key: bytes | None) -> Iterator[tuple[str, bytes, bytes]]:
    """Logical topic, key and value of every committed record of some topics; of one key alone where it is given."""
    partitions = checks.check(settings).partitions
    for topic in topics:
        for partition in range(partitions):
            reader = _Reader(settings, settings.topic(topic), partition, OFFSET_BEGINNING)
            try:
                for line in reader.take(None):
                    if line.value is not None and line.key is not None and key in (None, line.key):
                        yield topic, line.key, line.value
            finally:
                reader.close()


def _stage(settings: Settings, stages_of: Callable[[Configuration], Sequence[Stage]], entry: journal.Entry) -> Stage:
    config = configuration(settings, entry.config_hash)
    now = configs.versions()
    if config.versions != now:
        differ = ", ".join(
            f"{name} {config.versions.get(name)} (here {now.get(name)})"
            for name in sorted(config.versions.keys() | now.keys())
            if config.versions.get(name) != now.get(name)
        )
        raise ConfigurationError(f"the live run used {differ}: install those versions to reproduce its bytes")
    return next(stage for stage in stages_of(config) if stage.name == entry.stage)


def _task(
    settings: Settings,
    stages_of: Callable[[Configuration], Sequence[Stage]],
    entry: journal.Entry,
    partitions: int,
) -> Task:
    stage = _stage(settings, stages_of, entry)
    context = Context(
        entry.config_hash,
        1.0,  # the live run has already judged the share of dead letters
        settings.max_record_bytes,
        {name: settings.topic(name) for name in stage.inputs},
    )
    return Task(stage, Placement(entry.partition, partitions, settings.partitioner), context)


def _remember(written: dict[bytes, bytes], rows: list[tuple[bytes, bytes | None]]) -> None:
    """What the changelog would hold after compaction: state for a restart under another configuration."""
    for key, value in rows:
        if value is None:
            written.pop(key, None)
        else:
            written[key] = value
