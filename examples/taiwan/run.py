"""Sends a folder of `<topic>.jsonl` to the input topics of a running job: who holds what first, then the events in order of time.

    python examples/taiwan/run.py accounts.csv taiwan/      # converts first
    python examples/taiwan/run.py taiwan/                   # the folder is there already

Where Kafka is, the topics' prefix and the producers' partitioner are those of the worker: the same EWS_* variables. Records are
stamped with the time of their events, so the topics must keep what is that old: README.md beside this file.
"""

from __future__ import annotations

import argparse
import heapq
import json
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Producer
from confluent_kafka.admin import AdminClient, ConfigResource, ResourceType
from convert import convert

from stream.errors import ConfigurationError
from stream.settings import Settings, load
from stream.topics import BY_NAME

FIRST = ("accounts", "customers")
THEN = ("payments", "bounces", "missed-bills")
DAY_MS = 86_400_000

Line = tuple[int, str, str, bytes]
"""Record timestamp (ms), topic, key, value."""


class SendError(Exception):
    """What keeps the folder from being sent, and what to do."""


def lines(folder: Path, topic: str) -> Iterator[Line]:
    """The records of one topic as they stand in the folder; none where it has no such file."""
    file = folder / f"{topic}.jsonl"
    if not file.exists():
        return
    field = BY_NAME[topic].key
    with file.open(encoding="utf-8") as records:
        for text in records:
            value: dict[str, Any] = json.loads(text)
            at = value.pop("_timestamp", None)
            if at is None:
                at = milliseconds(value["occurred_at"])
            yield at, topic, value[field], json.dumps(value, separators=(",", ":")).encode()


def milliseconds(text: str) -> int:
    """An RFC 3339 time in milliseconds since 1970."""
    return round(datetime.fromisoformat(text).timestamp() * 1000)


def in_order(folder: Path) -> Iterator[Line]:
    """Everything in the folder: reference records, then the events of all topics merged by time."""
    for topic in FIRST:
        yield from lines(folder, topic)
    yield from heapq.merge(*(lines(folder, topic) for topic in THEN), key=lambda line: line[0])


def keep_days(settings: Settings, topics: Iterable[str]) -> dict[str, float]:
    """How many days Kafka keeps the records of some topics; infinite where it deletes none by age. SendError: not there."""
    admin = AdminClient(settings.librdkafka())
    try:
        there = admin.list_topics(timeout=15).topics
    except KafkaException:
        raise SendError(f"no broker answers at {settings.bootstrap}: check EWS_BOOTSTRAP") from None
    names = {settings.topic(topic): topic for topic in topics}
    if missing := [name for name in names if name not in there]:
        raise SendError(f"topics are missing: {', '.join(missing)}. Run: ews topics create")
    kept: dict[str, float] = {}
    for resource, future in admin.describe_configs([ConfigResource(ResourceType.TOPIC, name) for name in names]).items():
        config = future.result(timeout=30)
        retention = int(config["retention.ms"].value)
        deletes = "delete" in config["cleanup.policy"].value and retention >= 0
        kept[names[resource.name]] = retention / DAY_MS if deletes else float("inf")
    return kept


def send(settings: Settings, records: Iterable[Line], rate: float) -> Counter[str]:
    """Writes all records, the events at `rate` a second; returns their number by topic. SendError says what is in the way."""
    kept = keep_days(settings, FIRST + THEN)
    producer = Producer(
        {
            **settings.librdkafka(),
            "partitioner": "consistent_random" if settings.partitioner == "crc32" else "murmur2_random",
            "enable.idempotence": True,
            "linger.ms": 20,
        }
    )
    refused: Counter[str] = Counter()

    def delivered(error: KafkaError | None, _: object) -> None:
        if error is not None:
            refused[error.str()] += 1

    counts: Counter[str] = Counter()
    paced, started = 0, 0.0
    for at, topic, key, value in records:
        days = (time.time() * 1000 - at) / DAY_MS
        if days > kept[topic]:
            name = settings.topic(topic)
            raise SendError(
                f"{name} keeps {kept[topic]:.0f} days, and a record is {days:.0f} days old: Kafka would delete it. Let it: "
                f"kafka-configs --alter --entity-type topics --entity-name {name} --add-config retention.ms=-1"
            )
        if topic in THEN:
            if not paced:
                producer.flush(120)  # every holder is known before the first event
                started = time.monotonic()
            if (ahead := started + paced / rate - time.monotonic()) > 0.005:
                producer.poll(0)
                time.sleep(ahead)
            paced += 1
        while True:
            try:
                producer.produce(settings.topic(topic), value, key, timestamp=at, on_delivery=delivered)
                break
            except BufferError:
                producer.poll(0.1)
        producer.poll(0)
        counts[topic] += 1
    left = producer.flush(120)
    if refused or left:
        raise SendError(f"records were refused: {refused.most_common(1) or left}")
    return counts


def main() -> int:
    """The command. Exit code 1: the records could not be made or sent."""
    parser = argparse.ArgumentParser(description="Sends six months of credit cards to the topics of a running job.")
    parser.add_argument("csv", nargs="?", type=Path, help="the file of UCI data set 350; without it the folder is sent as it is")
    parser.add_argument("folder", type=Path, help="the folder of its events")
    parser.add_argument("--rate", type=float, default=5000, help="events a second; no more than the worker reads")
    options = parser.parse_args()
    try:
        if options.csv is not None:
            convert(options.csv, options.folder)
        settings = load()
        started = time.monotonic()
        counts = send(settings, in_order(options.folder), options.rate)
    except (OSError, ValueError, SendError, ConfigurationError) as error:
        print(f"run.py: {error}", file=sys.stderr)
        return 1
    seconds = time.monotonic() - started
    for topic, count in counts.items():
        print(f"{topic:13}{count:>9,}")
    print(f"{counts.total():,} records sent in {seconds:.1f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
