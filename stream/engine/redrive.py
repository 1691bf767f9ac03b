"""Dead letters again: what was set aside and why, and the way back into its own topic.

A redriven record and a mark in `dead-letters` that says so are one transaction, under one transactional id for the whole job. So
a letter is sent once: whoever redrives reads the marks after opening that id, which fences anybody who opened it before.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from confluent_kafka import KafkaError, KafkaException, Producer

from stream import __version__
from stream.engine import checks, denials, rerun
from stream.engine.deadletters import TOPIC
from stream.engine.offline import Line
from stream.engine.partitioner import partition_of
from stream.errors import EngineError, EwsError, RightsError
from stream.rights import Right, redrive_id
from stream.settings import Settings

REDRIVEN = "ews-redriven"
"""The header of a redriven record, and of the mark in `dead-letters`: the id of the dead letter."""
_ADDED = "kafka_dlt-original-topic"
"""The first header that a dead letter has beside those of its record."""
_NEEDED = frozenset(
    {
        *(f"kafka_dlt-original-{what}" for what in ("topic", "partition", "offset", "timestamp")),
        "kafka_dlt-exception-message",
        "ews-reason",
        "ews-version",
    }
)
_BATCH = 500
"""Letters of one transaction."""
_TIMEOUT = 30.0


class Letter(NamedTuple):
    """A dead letter, and the record that it holds as it came."""

    id: str
    """`topic:partition:offset` of that record."""
    topic: str
    """Its input, by logical name."""
    partition: int
    offset: int
    timestamp: int
    """Of the record, ms."""
    reason: str
    why: str
    version: str
    """Of the program that set it aside."""
    at: int
    """When it was set aside, ms."""
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...]
    """Of the record alone."""
    sha256: str
    size: int
    kept: bool
    """Whether key and value are here: what was too large to be written again is not."""
    lies: int
    """The partition of `dead-letters` that has it."""
    redriven_at: int | None = None
    """When it was sent back, ms."""


def letter_of(line: Line, prefix: str, lies: int) -> Letter | None:
    """The dead letter in a record of `dead-letters`; None for a mark, or for what the job did not write."""
    start = next((index for index in reversed(range(len(line.headers))) if line.headers[index][0] == _ADDED), None)
    if start is None:
        return None
    told = dict(line.headers[start:])
    if not told.keys() >= _NEEDED:
        return None
    topic = told[_ADDED].decode().removeprefix(prefix)
    partition = int.from_bytes(told["kafka_dlt-original-partition"], "big")
    offset = int.from_bytes(told["kafka_dlt-original-offset"], "big")
    large = told.get("ews-value-sha256")
    value = line.value or b""
    return Letter(
        id=f"{topic}:{partition}:{offset}",
        topic=topic,
        partition=partition,
        offset=offset,
        timestamp=int.from_bytes(told["kafka_dlt-original-timestamp"], "big"),
        reason=told["ews-reason"].decode(),
        why=told["kafka_dlt-exception-message"].decode(),
        version=told["ews-version"].decode(),
        at=line.timestamp,
        key=line.key,
        value=line.value if large is None else None,
        headers=line.headers[:start],
        sha256=hashlib.sha256(value).hexdigest() if large is None else large.decode(),
        size=len(value) if large is None else int(told["ews-value-bytes"]),
        kept=large is None,
        lies=lies,
    )


def read(settings: Settings, wanted: Callable[[Letter], bool], *, values: bool = True) -> list[Letter]:
    """The dead letters that are wanted, in the order of their records, each with whether it has been redriven.

    A record that was set aside twice, for a job was started anew on the same topics, is one letter: the later. Without `values`,
    what the records held is not kept in memory. Raises as `rerun.partitions`.
    """
    found: dict[tuple[str, int], Letter] = {}
    redriven: dict[tuple[str, int], int] = {}
    for partition in range(rerun.partitions(settings, (TOPIC,))):
        for line in rerun.lines(settings, TOPIC, partition):
            letter = letter_of(line, settings.topic_prefix, partition)
            if letter is None:
                if mark := _mark_of(line):
                    redriven[mark] = line.timestamp
            elif wanted(letter):
                bare = letter if values else letter._replace(key=None, value=None, headers=())
                found[letter.id, letter.timestamp] = bare
    told = [letter._replace(redriven_at=redriven.get(name)) for name, letter in found.items()]
    return sorted(told, key=lambda letter: (letter.topic, letter.partition, letter.offset))


def _mark_of(line: Line) -> tuple[str, int] | None:
    """Id and timestamp of the record that a mark tells of. Both, for a topic made anew has the same positions again."""
    told = dict(line.headers)
    if REDRIVEN not in told or "kafka_dlt-original-timestamp" not in told:
        return None
    return told[REDRIVEN].decode("utf-8", "replace"), int.from_bytes(told["kafka_dlt-original-timestamp"], "big")


class Redriver:
    """Sends letters back. Opening it fences any other that is open under the same app."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._counts = {TOPIC: rerun.partitions(settings, (TOPIC,))}
        self._producer = Producer(
            {
                **settings.librdkafka(),
                "transactional.id": redrive_id(settings),
                "message.max.bytes": settings.max_record_bytes + 100_000,
                "client.id": f"{settings.app}-redrive",
            }
        )
        try:
            self._producer.init_transactions(_TIMEOUT)
        except KafkaException as error:
            if error.args[0].code() in denials.CODES:
                raise denials.missing([Right("transactional-id", redrive_id(settings), "Write")]) from error
            raise self._told(error.args[0], 0) from error

    def send(self, letters: Sequence[Letter]) -> Iterator[int]:
        """Sends records back with their keys and headers, in order; yields how many have been, after each transaction.

        Where one fails nothing of it is visible: what was yielded before is sent and marked. Each gets the present for its
        timestamp, lies where its key belongs, and says in a header that it was redriven.
        """
        sent = 0
        for start in range(0, len(letters), _BATCH):
            batch = letters[start : start + _BATCH]
            try:
                self._producer.begin_transaction()
                failed: list[KafkaError] = []
                for letter in batch:
                    self._produce(letter, failed)
                left = self._producer.flush(_TIMEOUT)
                if failed or left:
                    raise KafkaException(failed[0] if failed else KafkaError(KafkaError._TIMED_OUT))
                self._producer.commit_transaction(_TIMEOUT)
            except (KafkaException, SystemError) as error:
                # A fatal error is raised while reports are called, and these then seem to have failed: it is the cause.
                cause = error if isinstance(error, KafkaException) else error.__cause__
                if not isinstance(cause, KafkaException):
                    raise
                self._abort()
                # Refused as a whole, a transaction does not say for which of its topics.
                names = {self._settings.topic(topic) for topic in (TOPIC, *(letter.topic for letter in batch))}
                if lacks := checks.Admin(self._settings).lacking("Write", names):
                    raise RightsError(f"{_before(sent)}{denials.missing(lacks)}") from error
                raise self._told(cause.args[0], sent) from error
            sent += len(batch)
            yield sent

    def _produce(self, letter: Letter, failed: list[KafkaError]) -> None:
        def reported(error: KafkaError | None, _: object) -> None:
            if error is not None:
                failed.append(error)

        assert letter.key is not None
        if letter.topic not in self._counts:
            self._counts[letter.topic] = rerun.partitions(self._settings, (letter.topic,))
        # What concerns everybody lies in every partition under one key: each copy goes back where it was.
        home = letter.partition
        if letter.key != b"*":
            home = partition_of(letter.key, self._counts[letter.topic], self._settings.partitioner)
        own = [(name, content) for name, content in letter.headers if name != REDRIVEN]
        mark = [
            (REDRIVEN, letter.id.encode()),
            ("kafka_dlt-original-timestamp", letter.timestamp.to_bytes(8, "big")),
            ("ews-version", __version__.encode()),
        ]
        self._write(letter.topic, home, letter, [*own, mark[0]], letter.value, reported)
        self._write(TOPIC, letter.lies, letter, mark, None, reported)

    def _write(
        self,
        topic: str,
        partition: int,
        letter: Letter,
        headers: list[tuple[str, bytes]],
        value: bytes | None,
        reported: Callable[[KafkaError | None, object], None],
    ) -> None:
        more = {"headers": headers, "on_delivery": reported}
        while True:
            try:
                self._producer.produce(self._settings.topic(topic), value, letter.key, partition, **more)  # type: ignore[arg-type]
                break
            except BufferError:
                self._producer.poll(0.1)
        self._producer.poll(0)

    def _abort(self) -> None:
        try:
            self._producer.abort_transaction(_TIMEOUT)
        except KafkaException:
            return  # the broker ends it after its timeout, or whoever opens the id next

    def _told(self, error: KafkaError, sent: int) -> EwsError:
        before = _before(sent)
        if error.code() in (KafkaError._FENCED, KafkaError.INVALID_PRODUCER_EPOCH, KafkaError.PRODUCER_FENCED):
            return EngineError(f"somebody else has begun to redrive: {before}look at `ews dlq list`, and try again")
        return EngineError(f"not written ({error.name()}): {before}the same command again is safe and sends the rest")


def _before(sent: int) -> str:
    return f"{sent} were sent before and are marked; " if sent else "nothing was sent; "
