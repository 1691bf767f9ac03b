"""The floor: the same records through a bare aiokafka consumer and msgspec's decoder; no state, no output.

`BENCH_BOOTSTRAP`, `BENCH_PREFIX` (of the topics) and `BENCH_TOTAL` as for every peer; prints one line of JSON.
"""

from __future__ import annotations

import asyncio
import contextlib
import os

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition

from bench.peers.clock import Clock
from bench.reference import TOPICS
from stream.contracts import bounces, missed_bills, payments

DECODE = {"payments": payments.decoder.decode, "bounces": bounces.decoder.decode, "missed-bills": missed_bills.decoder.decode}


async def main() -> None:
    """Entry point."""
    prefix, total = os.environ["BENCH_PREFIX"], int(os.environ["BENCH_TOTAL"])
    consumer = AIOKafkaConsumer(
        bootstrap_servers=os.environ["BENCH_BOOTSTRAP"], auto_offset_reset="earliest", enable_auto_commit=False,
        isolation_level="read_committed", max_partition_fetch_bytes=2 << 20,
    )  # fmt: skip
    await consumer.start()
    decode = {prefix + topic: DECODE[topic] for topic in TOPICS}
    consumer.assign([TopicPartition(topic, number) for topic in decode for number in range(int(os.environ["BENCH_PARTITIONS"]))])
    clock = Clock(total)
    while not clock.done:
        for partition, records in (await consumer.getmany(timeout_ms=100, max_records=8_000)).items():
            read = decode[partition.topic]
            for record in records:
                with contextlib.suppress(msgspec.DecodeError):
                    read(record.value)
            clock.count(len(records))
    await consumer.stop()
    clock.tell()


if __name__ == "__main__":
    asyncio.run(main())
