"""The auditor's replay: applies exactly what the live run applied, in its order, and says again what it said.

Of the settings here it uses only where Kafka is, the topic prefix, and nothing that changes an output: that comes from the
journalled configuration. It asks of Kafka no more than to describe and read topics.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import get_args

import msgspec
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition
from confluent_kafka.admin import AdminClient

from stream.engine import checkpoint as checkpoints
from stream.engine import configs, denials, journal
from stream.engine.configs import Configuration
from stream.engine.export import Held
from stream.engine.offline import Line
from stream.engine.partitioner import Partitioner, partition_of
from stream.engine.step import Output, Placement, StagesOf
from stream.engine.task import Chunk, Context, Task
from stream.engine.transaction import READ_BACK
from stream.errors import CheckpointError, ConfigurationError, EngineError, EwsError, StateError, TopicsError
from stream.settings import Settings
from stream.topics import CATALOGUE, CUSTOMERS_INPUTS

_TIMEOUT = 30.0
_GONE = frozenset({KafkaError.OFFSET_OUT_OF_RANGE, KafkaError._AUTO_OFFSET_RESET})

READ = tuple(topic.name for topic in CATALOGUE if topic.role != "output" or topic.name in CUSTOMERS_INPUTS)
"""The topics that a replay reads."""


@dataclass(frozen=True, slots=True)
class Applied:
    """One transaction, applied again."""

    stage: str
    partition: int
    at: int
    """When the live run committed it (ms, the journal record's timestamp)."""
    outputs: list[Output]
    events: int
    rows: list[tuple[bytes, bytes | None]]
    """Changelog rows, the checkpoint last."""
    positions: dict[str, int]
    """Where the task stands after it, by logical topic."""


def partitions(settings: Settings, topics: Iterable[str] = READ) -> int:
    """The partition count that these topics (logical names) share.

    Raises TopicsError where one is missing or the counts differ, EngineError where no broker answers.
    """
    found = _counts(settings)
    counts = {topic: found.get(settings.topic(topic), 0) for topic in topics}
    if missing := sorted(settings.topic(topic) for topic, count in counts.items() if not count):
        raise _hidden(settings.bootstrap, ", ".join(missing))
    counts.pop("configs", None)
    if len(set(counts.values())) != 1:
        raise TopicsError(f"partition counts differ ({sorted(counts.items())}): these are not the topics of one job")
    return next(iter(counts.values()))


def _counts(settings: Settings) -> dict[str, int]:
    """Partitions by physical name, of all topics that this login sees. Nothing is created by asking."""
    try:
        known = AdminClient(settings.librdkafka()).list_topics(timeout=_TIMEOUT).topics
    except KafkaException as error:
        raise _no_answer(settings.bootstrap, error.args[0]) from error
    return {name: len(topic.partitions) for name, topic in known.items()}


def configurations(settings: Settings) -> dict[str, Configuration]:
    """All that the `configs` topic holds, by hash."""
    found: dict[str, Configuration] = {}
    for partition in range(_counts(settings).get(settings.topic("configs"), 0)):
        with _Reader(settings, settings.topic("configs"), partition) as reader:
            for line in reader.take(reader.end):
                if line.key is not None and line.value is not None:
                    found[line.key.decode("ascii", "replace")] = configs.decode(line.value)
    return found


def held(settings: Settings, stage: str, partition: int) -> Held | None:
    """What a task's changelog holds now, as of its last checkpoint; None where it holds nothing.

    Raises StateError where it does not end in a checkpoint, and as `partitions`.
    """
    rows: dict[bytes, bytes] = {}
    checkpoint: bytes | None = None
    complete = True
    with _Reader(settings, settings.changelog(stage), partition) as reader:
        for line in reader.take(reader.end):
            complete = line.key == checkpoints.KEY and line.value is not None
            if complete:
                checkpoint = line.value
            elif line.value is None:
                rows.pop(line.key or b"", None)
            else:
                rows[line.key or b""] = line.value
    if not complete or (checkpoint is None and rows):
        raise StateError(
            f"the changelog {settings.changelog(stage)}[{partition}] does not end in a checkpoint: it was written by something "
            "else, or cleaned up by time"
        )
    return None if checkpoint is None else Held(stage, partition, rows, checkpoint)


def values(settings: Settings, stage: str, key: bytes, names: Iterable[bytes]) -> dict[bytes, bytes]:
    """What a stage's changelog holds now under some names, where the rows of `key` lie. Raises as `partitions`."""
    count = partitions(settings)
    own = {_partitioner(config) for config in configurations(settings).values()} or {settings.partitioner}
    found: dict[bytes, bytes] = {}
    wanted = frozenset(names)
    for partition in sorted({partition_of(key, count, partitioner) for partitioner in own}):
        with _Reader(settings, settings.changelog(stage), partition) as reader:
            for line in reader.take(reader.end):
                if line.key in wanted:
                    found.pop(line.key, None)
                    if line.value is not None:
                        found[line.key] = line.value
    return found


def replay(
    settings: Settings, stages_of: StagesOf, partition: int, states: Mapping[str, Held] | None = None
) -> Iterator[Applied]:
    """Applies every journalled transaction of a partition, both stages, to the journal's present end: from the journal's start,
    or from `states`, by stage. What these hold already is not applied again.

    Raises CheckpointError where the journal or a range of an input is missing, doubled or no longer there, ConfigurationError
    where a configuration is missing or the library versions differ from those of the live run, EngineError where the brokers
    do not answer.

    Holds the state of the partition once.
    """
    count = partitions(settings)
    with _Reader(settings, settings.topic("journal"), partition) as entries:
        if entries.begin and not states:
            raise CheckpointError(
                f"the journal of partition {partition} reaches back to offset {entries.begin} only: what came "
                "before has expired, and with it the state that the rest begins with. A replay needs the journal and the inputs "
                "from their start (EWS_RETENTION_DAYS), or from a state that was exported in time (`ews state export`)."
            )
        # Read after the journal's end was fixed: a configuration is written before anything is applied under it.
        run = _Run(settings, stages_of, configurations(settings), Placement(partition, count, "murmur2"), states or {})
        try:
            for line in entries.take(entries.end):
                entry = _entry(line)
                # Another app on the same topics has a run of its own.
                if entry.app == settings.app and not run.holds(entry):
                    yield run.apply(entry, line.timestamp)
        finally:
            run.close()


def committed(settings: Settings, topics: Sequence[str], key: bytes | None = None) -> Iterator[tuple[str, bytes, bytes]]:
    """Logical topic, key and value of every committed record of some outputs that has both.

    With `key`, of that key alone, from the partitions it can lie in. Raises as `partitions`.
    """
    for topic, line in committed_lines(settings, topics, key):
        assert line.key is not None
        assert line.value is not None
        yield topic, line.key, line.value


def committed_lines(settings: Settings, topics: Sequence[str], key: bytes | None = None) -> Iterator[tuple[str, Line]]:
    """As `committed`, with all that a record has: of inputs, the headers say how the value is to be read."""
    # Where keys lie, the configurations tell: without them one could look in the wrong place and find nothing.
    count = partitions(settings, topics if key is None else (*topics, "configs"))
    own: set[Partitioner] = set()
    if key is not None:
        own = {_partitioner(config) for config in configurations(settings).values()} or {settings.partitioner}
    for topic in topics:
        wanted: Iterable[int] = range(count)
        if key is not None:
            placed_by: set[Partitioner] = own if topic in READ_BACK else {"murmur2"}
            wanted = sorted({partition_of(key, count, partitioner) for partitioner in placed_by})
        for partition in wanted:
            with _Reader(settings, settings.topic(topic), partition) as reader:
                for line in reader.take(reader.end):
                    if line.value is not None and line.key is not None and key in (None, line.key):
                        yield topic, line


def lines(settings: Settings, topic: str, partition: int) -> Iterator[Line]:
    """Every committed record of one partition of a topic (logical name), to its present end."""
    with _Reader(settings, settings.topic(topic), partition) as reader:
        yield from reader.take(reader.end)


class _Run:
    """The tasks of one partition as the journal leads them through their inputs."""

    def __init__(
        self,
        settings: Settings,
        stages_of: StagesOf,
        known: dict[str, Configuration],
        placement: Placement,
        states: Mapping[str, Held],
    ) -> None:
        self._settings = settings
        self._stages_of = stages_of
        self._known = known
        self._placement = placement
        self._states = states
        self._positions = {stage: state.positions for stage, state in states.items()}
        self._tasks: dict[str, Task] = {}
        self._readers: dict[tuple[str, str], _Reader] = {}

    def holds(self, entry: journal.Entry) -> bool:
        """Whether the state that the run began with holds a transaction already."""
        positions = self._positions.get(entry.stage, {})
        return all(to <= positions.get(topic, 0) for topic, _, to in entry.applied)

    def apply(self, entry: journal.Entry, at: int) -> Applied:
        """Applies one transaction."""
        task = self._task(entry)
        events = 0
        for topic, start, to in entry.applied:
            reader = self._readers.get((entry.stage, topic))
            if reader is None:
                reader = _Reader(self._settings, self._settings.topic(topic), entry.partition, start)
                self._readers[entry.stage, topic] = reader
                task.begin({topic: start}, {})
            if (position := task.position(topic)) != start:
                raise CheckpointError(
                    f"the journal of {entry.stage}[{entry.partition}] goes from {topic} {position} to {start}: a range is "
                    + ("missing" if start > position else "applied twice")
                )
            lines = list(reader.take(to))
            task.apply(Chunk(topic, start, to, lines))
            events += len(lines)
        commit = task.take()
        if commit is None:
            return Applied(entry.stage, entry.partition, at, [], 0, [], {})
        return Applied(entry.stage, entry.partition, at, commit.outputs, events, commit.rows, commit.positions)

    def _task(self, entry: journal.Entry) -> Task:
        task = self._tasks.get(entry.stage)
        if task is not None and task.context.config_hash == entry.config_hash:
            return task
        config = self._known.get(entry.config_hash)
        if config is None:
            raise ConfigurationError(
                f"the topic {self._settings.topic('configs')} does not hold configuration {entry.config_hash}, under which "
                f"{entry.stage}[{entry.partition}] ran"
            )
        _expect_versions(config)
        stage = next((stage for stage in self._stages_of(config) if stage.name == entry.stage), None)
        if stage is None:
            raise CheckpointError(f"the journal names a stage {entry.stage}, which this program does not have")
        context = Context(
            entry.config_hash,
            1.0,  # the live run has already judged the share of dead letters
            int(config.settings.get("max_record_bytes", self._settings.max_record_bytes)),
            {name: self._settings.topic(name) for name in stage.inputs},
        )
        if task is not None:
            # The live run read its files again here, or was started anew under others: either way its state went on.
            task.configure(stage, context)
            return task
        task = Task(stage, self._placement._replace(partitioner=_partitioner(config)), context)
        if entry.stage in self._states:
            self._restore(task, self._states[entry.stage])
        elif self._states:
            raise CheckpointError(f"the state to begin with holds nothing of {entry.stage}[{entry.partition}]")
        self._tasks[entry.stage] = task
        return task

    def _restore(self, task: Task, state: Held) -> None:
        task.restore([*state.rows.items(), (checkpoints.KEY, state.checkpoint)])
        made, here = task.checkpoint, task.placement
        if (made.partitions, made.partitioner) != (here.partitions, here.partitioner):
            raise CheckpointError(
                f"the state to begin with was made with {made.partitions} partitions and partitioner {made.partitioner}, the run "
                f"with {here.partitions} and {here.partitioner}: it is of another job"
            )

    def close(self) -> None:
        for reader in self._readers.values():
            reader.close()


def _partitioner(config: Configuration) -> Partitioner:
    name = config.settings.get("partitioner", "murmur2")
    for known in get_args(Partitioner):
        if name == known:
            return known  # type: ignore[no-any-return] # one of the literals
    raise ConfigurationError(f"the journalled configuration names a partitioner {name}, which this program does not know")


def _expect_versions(config: Configuration) -> None:
    now = configs.versions()
    if config.versions != now:
        differ = ", ".join(
            f"{name} {config.versions.get(name)} (here {now.get(name)})"
            for name in sorted(config.versions.keys() | now.keys())
            if config.versions.get(name) != now.get(name)
        )
        raise ConfigurationError(f"the live run used {differ}: install those versions to reproduce its bytes")


def _entry(line: Line) -> journal.Entry:
    try:
        return journal.decode(line.value or b"")
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise CheckpointError(
            f"the journal's record at offset {line.offset} is not one: was it written by something else?"
        ) from error


class _Reader:
    """Committed records of one partition, forwards only, from `start` (the first there is, where not given)."""

    def __init__(self, settings: Settings, topic: str, partition: int, start: int | None = None) -> None:
        self._where = f"{topic}[{partition}]"
        self._bootstrap = settings.bootstrap
        self._held: list[Message] = []
        """Fetched and not yet taken, the next one last."""
        self._eof = -1
        """The end of the partition when it was last reached."""
        self._consumer = Consumer(
            {
                **settings.librdkafka(),
                "group.id": f"{settings.app}-replay",  # never joined: partitions are assigned by hand
                "enable.auto.commit": False,
                "enable.partition.eof": True,
                "isolation.level": "read_committed",
                "auto.offset.reset": "error",
                "fetch.wait.max.ms": 20,  # the end of a partition is told after this wait
            }
        )
        try:
            self.begin, self.end = self._bounds(topic, partition)
            """The offsets that the partition holds now: from `begin`, below `end`."""
            if start is not None and not self.begin <= start <= self.end:
                raise self._gone(start)
            self._consumer.assign([TopicPartition(topic, partition, self.begin if start is None else start)])
        except BaseException:
            self.close()
            raise

    def _bounds(self, topic: str, partition: int) -> tuple[int, int]:
        try:
            bounds: tuple[int, int] | None = self._consumer.get_watermark_offsets(
                TopicPartition(topic, partition), timeout=_TIMEOUT
            )
        except KafkaException as error:
            raise self._told(error.args[0]) from error
        if bounds is None:
            raise _no_answer(self._bootstrap)
        return bounds

    def take(self, to: int) -> Iterator[Line]:
        """The records below offset `to` that were not taken yet, as they come. Ends also where the last of them are not there any
        more (compacted), or were none (transaction markers).
        """
        if to > self.end:
            raise self._gone(to)
        while True:
            while self._held:
                if _offset(self._held[-1]) >= to:
                    return
                yield _line(self._held.pop())
            if self._eof >= to or self.begin == self.end:
                return
            self._fill()

    def _fill(self) -> None:
        deadline = time.monotonic() + _TIMEOUT
        while (first := self._consumer.poll(0.5)) is None:
            if time.monotonic() > deadline:
                raise _no_answer(self._bootstrap)
        for message in (first, *self._consumer.consume(2_000, 0)):
            error = message.error()
            if error is None:
                self._held.append(message)
            elif error.code() == KafkaError._PARTITION_EOF:
                self._eof = _offset(message)
            elif error.code() == KafkaError.GROUP_AUTHORIZATION_FAILED:
                continue  # the client looks for the group's coordinator all the same: that of a group which is never joined
            else:
                raise self._told(error)
        self._held.reverse()

    def _told(self, error: KafkaError) -> EwsError:
        return told(error, self._where, self._bootstrap)

    def _gone(self, offset: int) -> CheckpointError:
        return CheckpointError(
            f"the journal names offset {offset} of {self._where}, which holds [{self.begin}, {self.end}) only: "
            + ("records have expired" if offset < self.begin else "the topic has lost records, or was made anew")
            + ". A replay reaches back as far as every input does (EWS_RETENTION_DAYS)."
        )

    def close(self) -> None:
        self._consumer.close()

    def __enter__(self) -> _Reader:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def told(error: KafkaError, where: str, bootstrap: str) -> EwsError:
    """What an error of the client means: records that are gone, a right that is missing, or brokers that do not answer."""
    if error.code() in _GONE:
        return CheckpointError(
            f"{where}: {error.name()}: records that the journal names expired while they were read. A replay reaches back as far "
            "as every input does (EWS_RETENTION_DAYS)."
        )
    if error.code() in denials.CODES:
        return denials.missing([f"Read on topic {where}"])
    if error.code() in (KafkaError._UNKNOWN_PARTITION, KafkaError._UNKNOWN_TOPIC):
        return _hidden(bootstrap, where)
    if error.code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
        return TopicsError(f"{where}: {error.name()}: there is no such topic any more")
    return _no_answer(bootstrap, error)


def _hidden(bootstrap: str, topics: str) -> TopicsError:
    return TopicsError(
        f"{bootstrap} shows no topic {topics}: is EWS_TOPIC_PREFIX right? Kafka shows a topic to a login only that may Read it, "
        "or Write it: `ews topics acls` prints how that is granted (docs/security.md)"
    )


def _no_answer(bootstrap: str, error: KafkaError | None = None) -> EngineError:
    why = "" if error is None else f" ({error.name()})"
    return EngineError(f"no answer from Kafka at {bootstrap} within {_TIMEOUT:.0f} s{why}: try again when it is up")


def _line(message: Message) -> Line:
    headers: tuple[tuple[str, bytes], ...] = tuple(message.headers() or ())  # type: ignore[arg-type]
    return Line(_offset(message), message.timestamp()[1], message.key(), message.value(), headers)


def _offset(message: Message) -> int:
    offset = message.offset()
    assert offset is not None  # only a message that was never sent has none
    return offset
