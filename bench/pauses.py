"""How long partitions stand still: a bank that sends at a pace, and the gaps between the journal's entries."""

from __future__ import annotations

import itertools
import threading
import time
from collections import defaultdict
from collections.abc import Iterable

from confluent_kafka import Producer

from tests.kafka.job import Job

EVENTS = ("payments", "bounces", "missed-bills")


def now_ms() -> int:
    """Wall clock, as Kafka stamps records."""
    return int(time.time() * 1000)


class Paced(threading.Thread):
    """Sends records (topic, key, value) at so many a second, until they end or `stop` is set."""

    def __init__(self, job: Job, records: Iterable[tuple[str, bytes, bytes]], rate: float) -> None:
        super().__init__(daemon=True)
        self.stop = threading.Event()
        self.failure: BaseException | None = None
        self._job, self._records, self._rate = job, records, rate

    def run(self) -> None:
        try:
            producer = Producer({**self._job.client.config, "partitioner": "murmur2_random", "linger.ms": 5})
            started = time.monotonic()
            for number, (topic, key, value) in enumerate(self._records):
                while number > self._rate * (time.monotonic() - started) and not self.stop.is_set():
                    producer.poll(0.005)
                if self.stop.is_set():
                    break
                producer.produce(self._job.topic(topic), value, key)
            producer.flush(60)
        except BaseException as failure:
            self.failure = failure


def pauses(job: Job, spans: dict[str, tuple[int, int]]) -> dict[str, dict[int, float]]:
    """By step (from and to, ms since 1970) and partition of the accounts stage: the longest gap (s) between commits of events."""
    times: dict[int, list[int]] = defaultdict(list)
    for record, entry in job.entries():
        if entry.stage == "accounts" and any(topic in EVENTS for topic, _, _ in entry.applied):
            times[entry.partition].append(record.timestamp)
    found: dict[str, dict[int, float]] = {}
    for step, (start, to) in spans.items():
        found[step] = {}
        for partition, stamps in sorted(times.items()):
            before = [at for at in stamps if at < start][-1:]
            within = [at for at in stamps if start <= at <= to]
            marks = [*before, *within, to]
            found[step][partition] = round(max((b - a for a, b in itertools.pairwise(marks)), default=0) / 1000, 3)
    return found
