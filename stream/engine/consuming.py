"""What aiokafka's consumer needs besides its own calls."""

from __future__ import annotations

import asyncio

from aiokafka import AIOKafkaConsumer


async def stop(consumer: AIOKafkaConsumer) -> None:
    """Stops a consumer, also where its broker has just gone.

    aiokafka cancels its fetches there and awaits them; one that waits to be tried again hands its cancellation on, as if it were
    the caller's, and the client stays open.
    """
    try:
        await consumer.stop()
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise
        await consumer._client.close()
