"""One Kafka transaction per commit: outputs, dead letters, rows, journal and checkpoint, all or nothing."""

from __future__ import annotations

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.errors import IllegalOperation, KafkaError, ProducerFenced

from stream.engine import denials
from stream.engine.partitioner import Partitioner, partition_of
from stream.engine.task import Commit
from stream.errors import EngineError, FencedError
from stream.topics import CATALOGUE

_Item = tuple[bytes | None, bytes | None, list[tuple[str, bytes]]]
_NO_HEADERS: list[tuple[str, bytes]] = []

READ_BACK = frozenset({"signals", "account-facts", "account-orders"})
"""Outputs that the job itself reads beside the bank's topics: placed by the inputs' partitioner, or the keys would not meet.

Everything else is placed by murmur2, Kafka's own.
"""


class Writer:
    """The transactional producer of one task. Starting it fences the task's previous owner."""

    def __init__(
        self,
        options: dict[str, Any],
        *,
        transactional_id: str,
        timeout_ms: int,
        max_record_bytes: int,
        partition: int,
        partitions: int,
        partitioner: Partitioner,
        changelog: str,
        physical: dict[str, str],
    ) -> None:
        self._producer = AIOKafkaProducer(
            **options,
            transactional_id=transactional_id,
            transaction_timeout_ms=timeout_ms,
            linger_ms=0,
            # Kafka >= 4 answers CONCURRENT_TRANSACTIONS for a moment after each commit; a short wait keeps commits short.
            retry_backoff_ms=10,
            max_batch_size=max_record_bytes,
            max_request_size=max_record_bytes + 100_000,
        )
        self._partition = partition
        self._partitions = partitions
        self._partitioner = partitioner
        self._changelog = changelog
        self._physical = physical

    async def start(self) -> None:
        """Fences the previous owner and waits until its open transaction has ended."""
        await self._producer.start()

    async def stop(self) -> None:
        """Closes the connections; an open transaction is left to be fenced."""
        await self._producer.stop()

    async def write(self, commit: Commit) -> None:
        """Writes a commit in one transaction. Raises FencedError or EngineError, and then nothing of it is visible."""
        async with self._begun(list(self._batches(commit))):
            await self._producer.commit_transaction()

    async def abort_leftovers(self) -> None:
        """Ends what hangs of earlier transactions of this task, as aborted, in every partition that they can have reached.

        The markers of one aborted transaction over all of them do it. Its records are never visible. Raises as `write` does.
        """
        outputs = [topic for topic in CATALOGUE if topic.role == "output" or topic.name in READ_BACK]
        placed: dict[tuple[str, int], list[_Item]] = {
            (self._physical[topic.name], partition): [(b"", b"", _NO_HEADERS)]
            for topic in outputs
            for partition in range(self._partitions)
        }
        placed[self._physical["journal"], self._partition] = placed[self._changelog, self._partition] = [(b"", b"", _NO_HEADERS)]
        for topic in {topic for topic, _ in placed}:
            await self._producer.partitions_for(topic)  # else they would be added one by one, and a death leave some out
        async with self._begun(list(self._built(placed))):
            await self._producer.abort_transaction()

    @contextlib.asynccontextmanager
    async def _begun(self, batches: list[tuple[str, int, Any]]) -> AsyncIterator[None]:
        """A transaction that holds these batches; within, it is ended."""
        producer = self._producer
        try:
            await producer.begin_transaction()
            try:
                # commit_transaction reports nothing of a refused batch: each future is awaited before it.
                sent = []
                try:
                    for topic, partition, batch in batches:
                        sent.append(await producer.send_batch(batch, topic, partition=partition))
                except IllegalOperation:
                    await asyncio.gather(*sent)  # one was refused meanwhile, and says why
                    raise
                await asyncio.gather(*sent)
            except ProducerFenced:
                raise
            except KafkaError:
                await _abort(producer)
                raise
            yield
        except ProducerFenced as error:
            raise FencedError("another worker has taken this task over") from error
        except KafkaError as error:
            if denied := denials.denial(error, "Write"):
                raise denied from None
            raise EngineError(f"the transaction could not be written: {error!r}") from error

    def _batches(self, commit: Commit) -> Iterable[tuple[str, int, Any]]:
        """Builds all batches, synchronously, rows and checkpoint last."""
        return self._built(self._placed(commit))

    def _built(self, placed: dict[tuple[str, int], list[_Item]]) -> Iterable[tuple[str, int, Any]]:
        for (topic, partition), items in placed.items():
            builder = self._producer.create_batch()
            for key, value, headers in items:
                if builder.append(timestamp=None, key=key, value=value, headers=headers) is None:
                    yield topic, partition, builder
                    builder = self._producer.create_batch()
                    builder.append(timestamp=None, key=key, value=value, headers=headers)
            yield topic, partition, builder

    def _placed(self, commit: Commit) -> dict[tuple[str, int], list[_Item]]:
        placed: dict[tuple[str, int], list[_Item]] = defaultdict(list)
        for output in commit.outputs:
            if output.key is None:
                partition = self._partition
            else:
                partitioner = self._partitioner if output.topic in READ_BACK else "murmur2"
                partition = partition_of(output.key, self._partitions, partitioner)
            placed[self._physical[output.topic], partition].append((output.key, output.value, list(output.headers)))
        placed[self._physical["journal"], self._partition].append((None, commit.journal, _NO_HEADERS))
        placed[self._changelog, self._partition] = [(key, value, _NO_HEADERS) for key, value in commit.rows]
        return placed


async def _abort(producer: AIOKafkaProducer) -> None:
    """Ends the transaction so that no reader waits for its timeout; if even that fails, the next owner's fencing does it."""
    with contextlib.suppress(KafkaError, TimeoutError, AssertionError):  # aiokafka asserts on its transaction's state
        await asyncio.wait_for(producer.abort_transaction(), timeout=5)
