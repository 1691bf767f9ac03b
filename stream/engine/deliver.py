"""One record into chosen partitions, written by hand, and what is known of each: there, or not acknowledged."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import NamedTuple

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from stream.settings import Settings

_TIMEOUT = 30.0
_REPORTS = 5.0
"""Longer than `_TIMEOUT` by this, every record has had its report."""


class Delivery(NamedTuple):
    """What became of the record, by partition."""

    written: list[int]
    missing: dict[int, KafkaError]
    """Not acknowledged. It may lie there all the same: an answer can be lost."""


def deliver(settings: Settings, topic: str, partitions: Iterable[int], key: bytes, value: bytes, timestamp_ms: int) -> Delivery:
    """Writes the record into each of the partitions of a topic (physical name), with acks=all, and waits for every report.

    Each partition is tried for itself for 30 seconds. Ctrl-C ends the wait, and what is open by then counts as missing.
    """
    # Not idempotent: there a partition that fails can fail the others. Readers know the event by its id.
    producer = Producer(
        {
            **settings.librdkafka(),
            "acks": "all",
            "message.timeout.ms": int(_TIMEOUT * 1000),
            "linger.ms": 0,
            "client.id": f"{settings.app}-deliver",
        }
    )
    wanted = list(partitions)
    written: set[int] = set()
    missing: dict[int, KafkaError] = {}

    def reported(error: KafkaError | None, message: Message) -> None:
        partition = message.partition()
        assert partition is not None
        if error is None:
            written.add(partition)
        else:
            missing[partition] = error

    for partition in wanted:
        try:
            producer.produce(topic, value, key, partition, on_delivery=reported, timestamp=timestamp_ms)
        except KafkaException as error:
            missing[partition] = error.args[0]
    unknown = KafkaError._MSG_TIMED_OUT
    deadline = time.monotonic() + _TIMEOUT + _REPORTS
    try:
        while len(written) + len(missing) < len(wanted) and time.monotonic() < deadline:
            producer.poll(0.1)
    except KeyboardInterrupt:
        unknown = KafkaError._INTR
    for partition in wanted:
        if partition not in written:
            missing.setdefault(partition, KafkaError(unknown))
    return Delivery(sorted(written), dict(sorted(missing.items())))
