"""A consumer is stopped although one of its fetches waits to be tried again; who stops it can still be cancelled."""

from __future__ import annotations

import asyncio

import pytest
from aiokafka import AIOKafkaConsumer
from aiokafka.consumer.fetcher import Fetcher

from stream.engine import consuming


async def with_a_fetch_that_waits() -> tuple[AIOKafkaConsumer, asyncio.Task[None]]:
    """A consumer as it stands when its broker has just closed the connection under a fetch."""
    consumer = AIOKafkaConsumer(bootstrap_servers="127.0.0.1:1")
    fetch = asyncio.create_task(asyncio.sleep(3600))
    await asyncio.sleep(0)

    class Waiting(Fetcher):
        def __init__(self) -> None:
            self._fetch_task, self._fetch_waiters, self._pending_tasks = fetch, (), [fetch]

    consumer._fetcher = Waiting()
    return consumer, fetch


def test_a_fetch_that_waits_does_not_end_who_stops_the_consumer() -> None:
    async def run() -> None:
        consumer, fetch = await with_a_fetch_that_waits()
        await consuming.stop(consumer)
        assert fetch.cancelled()

    asyncio.run(run())


def test_who_stops_it_can_be_cancelled() -> None:
    class Slow:
        async def stop(self) -> None:
            await asyncio.sleep(3600)

    async def run() -> None:
        stopping = asyncio.create_task(consuming.stop(Slow()))
        await asyncio.sleep(0)
        stopping.cancel()
        with pytest.raises(asyncio.CancelledError):
            await stopping

    asyncio.run(run())
