"""What goes in: a bank's events at a pace that changes, some of them rubbish, and the bank's own count of them."""

from __future__ import annotations

import json
import threading
import time
from array import array
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

import msgspec
from confluent_kafka import KafkaError, Producer

from bench.workload import Workload
from stream.topics import CATALOGUE
from tests.kafka.job import Job

INPUTS = tuple(topic.name for topic in CATALOGUE if topic.role == "input")
COUNTERS = {"payments": "payments", "bounces": "bounces", "missed-bills": "missed_bills"}
"""The counts in an account's row, by topic."""
BAD_EVERY, PROMISE_EVERY = 1_000, 400
"""One record in so many is rubbish; after one in so many somebody promises to pay."""
_SHORT = 1_000_000
"""Events up to which the script is three months long; beyond, a year: not ever more accounts, but more to tell of each."""
_A_MONTH = 20
"""Events that a month of the script brings for each of the accounts asked for (it is told from the middle on)."""
BURST = 4.0
"""Seconds for which a step's own rate holds."""

Event = tuple[str, bytes, bytes]


@dataclass
class Told:
    """What the bank sent, as it counted itself."""

    by_topic: Counter[str] = field(default_factory=Counter)
    bad: int = 0
    ids: dict[tuple[bytes, str], array[int]] = field(default_factory=lambda: defaultdict(lambda: array("q")))
    """By account and topic, a number for each event: the same where the bank sends one again."""

    @property
    def sent(self) -> int:
        """All records."""
        return sum(self.by_topic.values())


class Bank:
    """Sends until told to stop, now and then faster."""

    def __init__(self, job: Job, events: int, rate: float) -> None:
        """Enough accounts for so many events, so that the story is told to its end."""
        now = datetime.now(UTC)
        months = 3 if events <= _SHORT else 12
        until = int(now.timestamp() * 1000) - 3_600_000
        accounts = 250 + events // (_A_MONTH * months)
        load = Workload(accounts, (now - timedelta(days=30 * months)).date(), INPUTS, until, months)
        self.told = Told()
        self._rate = rate
        self._burst = (0.0, rate)
        """Until when (monotonic), and at which rate."""
        self._job = job
        self._reference = list(load.reference())
        holders = {
            key: msgspec.json.decode(value)["holders"][0]["customer_id"]
            for topic, key, value in self._reference
            if topic == "accounts"
        }
        self.accounts = len(holders)
        self._events = _mixed(load.events(events), holders, now.date())
        self._stopping = threading.Event()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True, name="bank")

    @property
    def events(self) -> int:
        """Sent so far: all but who holds what."""
        return self.told.sent - len(self._reference)

    def introduce(self) -> None:
        """Sends who holds which account."""
        self._produce(iter(self._reference), paced=False)

    def hurry(self, rate: float) -> None:
        """For some seconds, another rate."""
        self._burst = (time.monotonic() + BURST, rate)

    def start(self) -> None:
        """Begins to send events, in a thread."""
        self._thread.start()

    def stop(self) -> None:
        """Ends it; raises what went wrong, and where the events ran out before."""
        dry = not self._thread.is_alive()
        self._stopping.set()
        self._thread.join(120)
        if self._failure is not None:
            raise self._failure
        if dry or self._thread.is_alive():
            raise RuntimeError("the bank's events ran out, or it does not end: workers were disturbed while idle")

    def _run(self) -> None:
        try:
            self._produce(self._events, paced=True)
        except BaseException as failure:
            self._failure = failure

    def _produce(self, records: Iterator[Event], *, paced: bool) -> None:
        """Writes records, stamped as they leave, and counts them. Raises if one is refused."""
        refused: list[KafkaError] = []

        def delivered(error: KafkaError | None, _: object) -> None:
            if error is not None:
                refused.append(error)

        # Idempotent: what is doubled would be doubled by the job.
        producer = Producer(
            {**self._job.client.config, "partitioner": "murmur2_random", "enable.idempotence": True, "linger.ms": 10}
        )
        due = time.monotonic()
        for number, (topic, key, value) in enumerate(records):
            if paced and number % 50 == 0:
                # What it falls behind while a broker is away it makes up for: a bank's events do not go away.
                until, rate = self._burst
                due += 50 / (rate if time.monotonic() < until else self._rate)
                while (ahead := due - time.monotonic()) > 0:
                    producer.poll(min(ahead, 0.05))
                if self._stopping.is_set():
                    break
            while True:
                try:
                    producer.produce(self._job.topic(topic), value, key, on_delivery=delivered)
                    break
                except BufferError:
                    producer.poll(0.1)
            producer.poll(0)
            self._count(topic, key, value)
        left = producer.flush(120)
        if refused or left:
            raise RuntimeError(f"the producer lost records: {refused[:1] or left}")

    def _count(self, topic: str, key: bytes, value: bytes) -> None:
        self.told.by_topic[topic] += 1
        try:
            event = _decode(value)
        except msgspec.DecodeError:
            self.told.bad += 1
            return
        if topic in COUNTERS:
            self.told.ids[key, topic].append(hash((event.event_id, event.status)))


class _Id(msgspec.Struct):
    event_id: str = ""
    status: str = "booked"


_decode = msgspec.json.Decoder(_Id).decode


def _mixed(events: Iterable[Event], holder_of: dict[bytes, str], today: date) -> Iterator[Event]:
    """The events, and now and then rubbish, or a promise to pay."""
    for number, (topic, key, value) in enumerate(events, 1):
        yield topic, key, value
        if number % BAD_EVERY == 0:
            yield topic, key, value[:-1]
        if number % PROMISE_EVERY == 0 and topic == "payments" and key in holder_of:
            promise = {
                "event_id": f"outcome-{number}",
                "contact_id": f"contact-{number}",
                "customer_id": holder_of[key],
                "account_id": key.decode(),
                "occurred_at": datetime.now(UTC).isoformat(timespec="milliseconds"),
                "direction": "inbound",
                "channel": "voice",
                "outcome": "promise",
                "promise": {
                    "promise_id": f"promise-{number}-{key.decode()}"[:64],
                    "amount": "10.00",
                    "currency": msgspec.json.decode(value)["currency"],
                    "due_date": (today + timedelta(days=3)).isoformat(),
                    "account_id": key.decode(),
                },
            }
            yield "contact-outcomes", holder_of[key].encode(), json.dumps(promise).encode()
