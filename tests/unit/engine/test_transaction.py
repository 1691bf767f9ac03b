"""What a commit that is refused says: the reason, whenever the producer learns it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from aiokafka.errors import IllegalOperation, ProducerFenced

from stream.engine.step import Output
from stream.engine.task import Commit
from stream.engine.transaction import Writer
from stream.errors import FencedError
from stream.topics import CATALOGUE


class FencedMeanwhile:
    """A producer that is fenced by its first batch, before the second is handed over, as aiokafka is."""

    def __init__(self, real: Any) -> None:
        self.create_batch = real.create_batch
        self._fenced = False

    async def begin_transaction(self) -> None: ...

    async def send_batch(self, *_: object, **__: object) -> asyncio.Future[None]:
        if self._fenced:
            raise IllegalOperation("Can't send messages while not in transaction")
        self._fenced = True
        refused = asyncio.get_running_loop().create_future()
        refused.set_exception(ProducerFenced())
        return refused


def test_a_worker_that_is_fenced_between_two_batches_says_that_it_was_fenced() -> None:
    async def run() -> None:
        writer = Writer(
            {"bootstrap_servers": "127.0.0.1:1"}, transactional_id="t", timeout_ms=1_000, max_record_bytes=1_000_000, partition=0,
            partitions=1, partitioner="murmur2", changelog="changes", physical={topic.name: topic.name for topic in CATALOGUE},
        )  # fmt: skip
        real = writer._producer
        writer._producer = FencedMeanwhile(real)
        with pytest.raises(FencedError):
            await writer.write(Commit([(b"k", b"v")], [Output("signals", b"C", b"{}", ())], b"{}", 1, {}, {}))
        await real.stop()

    asyncio.run(run())
