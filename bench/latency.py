"""How long a bounce takes to become a nudge: through both stages, exactly once, read committed, while the bank sends payments.

`python -m bench.latency` keeps the worker busy at several rates; meanwhile customers with a bounce of last week have two more,
and the time from sending the last to reading the signal and the nudge is taken. Then the same at one rate with other settings of
`EWS_COMMIT_INTERVAL_MS`, the one knob that trades latency for work. Writes bench/results/latency.json.
"""

from __future__ import annotations

import argparse
import itertools
import json
import random
import statistics
import tempfile
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from confluent_kafka import Consumer, Producer

from bench.machine import machine
from stream.settings import Settings
from tests.kafka import Broker, wait_until
from tests.kafka import broker as broker_module
from tests.kafka.bank import DAY, account, bounce, customer, encode, message, noon_zone, payment
from tests.kafka.job import Job

RESULTS = Path(__file__).parent / "results"
OTHERS = 5_000
"""Accounts that pay and have no trouble."""
TROUBLED_EACH_SECOND = 15
RATES = (1_000, 10_000, 20_000)
CURVE_RATE = 10_000
INTERVAL: int = Settings.model_fields["commit_interval_ms"].default
"""What a worker has that is told nothing."""


class Watch(threading.Thread):
    """Notes when the first signal and the first nudge of each customer are read."""

    def __init__(self, job: Job) -> None:
        super().__init__(daemon=True)
        self.seen: dict[str, dict[str, float]] = {"signals": {}, "nudges": {}}
        self._topics = {job.topic(name): name for name in self.seen}
        self._consumer = Consumer(
            {
                **job.client.config, "group.id": f"{job.env['EWS_APP']}-watch", "auto.offset.reset": "earliest",
                "isolation.level": "read_committed", "fetch.wait.max.ms": 5,
            }
        )  # fmt: skip
        self._consumer.subscribe(list(self._topics))
        self.ended = threading.Event()

    def run(self) -> None:
        while not self.ended.is_set():
            for record in self._consumer.consume(1_000, 0.005):
                if record.error() is None:
                    value = json.loads(record.value())
                    seen = self.seen[self._topics[record.topic()]]
                    if value.get("severity") != "low":
                        seen.setdefault(value["customer_id"], time.time())
        self._consumer.close()


def background(now: datetime) -> Iterator[tuple[bytes, dict[str, Any]]]:
    chance = random.Random(3)
    for number in itertools.count():
        account_number = chance.randrange(OTHERS)
        yield b"A-%d" % account_number, payment(account_number, f"x{number}", now)


def measure(broker: Broker, folder: Path, name: str, rate: int, seconds: float, interval: int) -> dict[str, Any]:
    """Latencies at a rate of events a second."""
    job = Job(broker, folder, f"{name}.", EWS_COMMIT_INTERVAL_MS=str(interval), EWS_TICK_SECONDS="1")
    job.create_topics()
    count = int(seconds * TROUBLED_EACH_SECOND)
    now = datetime.now(UTC)
    troubled = range(OTHERS, OTHERS + count)
    then, zone = now - 30 * DAY, noon_zone(now)
    everybody = range(OTHERS + count)
    job.produce("accounts", [message(account(n, then), then) for n in everybody])
    job.produce("customers", [message(customer(f"C-{n}", then, zone), then) for n in everybody])
    job.produce("bounces", [message(bounce(n, f"a{n}", now - 7 * DAY), now - 7 * DAY) for n in troubled])
    worker = job.start()
    watch = Watch(job)
    try:
        job.wait_applied(("accounts", "customers", "bounces", "account-facts"), 300)
        watch.start()
        producer = Producer({**job.client.config, "partitioner": "murmur2_random", "linger.ms": 2})
        sent: dict[str, float] = {}
        trouble, payments = iter(troubled), background(now)
        started, events = time.time(), 0
        warm = 5.0
        while (passed := time.time() - started) < seconds + warm:
            while events < rate * passed:
                key, value = next(payments)
                producer.produce(job.topic("payments"), encode(value), key)
                events += 1
                if events % 500 == 0:
                    producer.poll(0)
            while passed > warm and len(sent) < (passed - warm) * TROUBLED_EACH_SECOND and (n := next(trouble, None)) is not None:
                at = datetime.now(UTC)
                for event, when in ((f"b{n}", at - timedelta(minutes=1)), (f"c{n}", at)):
                    producer.produce(job.topic("bounces"), encode(bounce(n, event, when)), b"A-%d" % n)
                sent[f"C-{n}"] = time.time()
            producer.poll(0.001)
        producer.flush(30)
        wait_until(lambda: len(watch.seen["nudges"]) >= 0.95 * len(sent), 60, "the nudges", 0.2)
        assert worker.running, worker.tail()
    finally:
        watch.ended.set()
        watch.join()
        job.close()
    told: dict[str, Any] = {"rate": rate, "commit_interval_ms": interval, "sent": round(events / (seconds + warm))}
    for topic, seen in watch.seen.items():
        times = sorted(1000 * (at - sent[name]) for name, at in seen.items() if name in sent)
        cuts = statistics.quantiles(times, n=100)
        told[topic] = {"count": len(times), "p50_ms": round(cuts[49]), "p90_ms": round(cuts[89]), "p99_ms": round(cuts[98])}
        told[topic]["histogram_50ms"] = [sum(1 for t in times if low <= t < low + 50) for low in range(0, 1000, 50)]
    return told


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(prog="python -m bench.latency", description=__doc__)
    parser.add_argument("--rates", type=int, nargs="+", default=RATES)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--commit-interval-ms", type=int, nargs="*", default=[25, 50, 200, 400], help="of the curve, at one rate")
    parser.add_argument("--curve-rate", type=int, default=CURVE_RATE)
    options = parser.parse_args()
    broker_module.JVM = ("-Xms512m", "-Xmx1g", "-Xshare:auto")
    found = []
    with tempfile.TemporaryDirectory() as temporary, Broker(Path(temporary) / "broker") as broker:
        plan = [(rate, INTERVAL) for rate in options.rates]
        plan += [(options.curve_rate, interval) for interval in options.commit_interval_ms]
        for number, (rate, interval) in enumerate(plan):
            one = measure(broker, Path(temporary), f"latency{number}", rate, options.seconds, interval)
            found.append(one)
            parts = [f"{topic} p50 {one[topic]['p50_ms']} p99 {one[topic]['p99_ms']} ms" for topic in ("signals", "nudges")]
            print(f"{rate:>6}/s, a commit every {interval} ms: {', '.join(parts)} ({one['nudges']['count']} nudges)", flush=True)
    (RESULTS / "latency.json").write_text(json.dumps({"machine": machine(), "runs": found}, indent=2) + "\n")


if __name__ == "__main__":
    main()
