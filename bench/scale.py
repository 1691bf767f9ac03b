"""What an event costs with one to four workers: CPU seconds of all of them, for the whole job. `python -m bench.scale`.

On a machine with fewer cores than workers the events a second say nothing; the CPU an event does, and so does how evenly it lies.
Then the pause of a rebalance: under a paced load a worker joins one, two and three others; of each partition the longest gap
between two commits is taken, beside the same without a joiner.
Writes bench/results/scale.json.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench import reference
from bench.machine import machine
from bench.pauses import Paced, now_ms, pauses
from bench.throughput import cpu_of, produce
from tests.kafka import Broker, wait_until
from tests.kafka import broker as broker_module
from tests.kafka.job import Job

RESULTS = Path(__file__).parent / "results"
CALM = 10.0
"""Seconds without a rebalance, before each."""


def measure(broker: Broker, folder: Path, workers: int, options: argparse.Namespace) -> dict[str, Any]:
    """So many workers over the reference job's events, each started and idle before the first comes."""
    job = Job(broker, folder, f"scale{workers}.", EWS_RETENTION_DAYS="400", EWS_TICK_SECONDS="5")
    job.create_topics()
    try:
        running = [job.start(f"scale{workers}-{number}") for number in range(workers)]
        wait_until(lambda: sum(w.log().count('"task open"') for w in running) >= 8, 120, "every task open", 0.3)
        before = [cpu_of(worker.pid) for worker in running]
        total = sum(produce(job, reference.events(options.events, options.accounts, "uniform", datetime.now(UTC))).values())
        group = job.settings().group

        def done() -> bool:
            read = sum(max(at, 0) for topic in reference.TOPICS for at in job.client.committed(group, job.topic(topic)))
            return read >= total

        wait_until(done, 600, "all read", 1.0)
        spent = [cpu_of(worker.pid) - one for worker, one in zip(running, before, strict=True)]
    finally:
        job.close()
        broker.client.delete_topic(*(topic for topic in broker.client.topics() if topic.startswith(f"scale{workers}.")))
    return {
        "workers": workers,
        "events": total,
        "cpu_us_per_event": sum(spent) / total * 1e6,
        "largest_share": max(spent) / sum(spent),
    }


def joined(broker: Broker, folder: Path, most: int, options: argparse.Namespace) -> list[dict[str, Any]]:
    """Pauses (ms, by partition) while workers join one after another, up to `most`."""
    job = Job(broker, folder, "join.", EWS_RETENTION_DAYS="400", EWS_TICK_SECONDS="5")
    job.create_topics()
    total = int(options.rate * most * (CALM + options.settle + 30))
    bank = Paced(job, reference.events(total, options.accounts, "uniform", datetime.now(UTC)), options.rate)
    spans: dict[str, tuple[int, int]] = {}
    try:
        first = job.start("join-0")
        wait_until(lambda: first.log().count('"task open"') >= 8, 120, "every task open", 0.3)
        bank.start()
        wait_until(lambda: 0 not in job.client.end_offsets(job.topic("journal")), 180, "every partition commits", 0.5)
        for number in range(1, most):
            time.sleep(3)
            began = now_ms()
            time.sleep(CALM)
            spans[f"calm {number}"] = (began, now_ms())
            began = now_ms()
            worker = job.start(f"join-{number}")
            wait_until(lambda log=worker.log: '"task open"' in log(), 120, "the newcomer has tasks", 0.2)
            time.sleep(options.settle)
            spans[f"join {number}"] = (began, now_ms())
        assert bank.failure is None, bank.failure
        assert bank.is_alive(), "the load ended before the last worker joined"
    finally:
        bank.stop.set()
        bank.join()
        job.close()
    found = pauses(job, spans)
    return [
        {
            "from": number,
            "to": number + 1,
            "calm_ms": [round(1000 * pause) for pause in found[f"calm {number}"].values()],
            "pause_ms": [round(1000 * pause) for pause in found[f"join {number}"].values()],
        }
        for number in range(1, most)
    ]


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(prog="python -m bench.scale", description=__doc__)
    parser.add_argument("--events", type=int, default=300_000)
    parser.add_argument("--accounts", type=int, default=100_000)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2, 3, 4])
    parser.add_argument("--rate", type=float, default=2_000, help="events a second while workers join")
    parser.add_argument("--settle", type=float, default=15, help="seconds watched once the newcomer has tasks")
    options = parser.parse_args()
    broker_module.JVM = ("-Xms512m", "-Xmx1g", "-Xshare:auto")
    runs = []
    with tempfile.TemporaryDirectory() as temporary, Broker(Path(temporary) / "broker") as broker:
        for workers in options.workers:
            one = measure(broker, Path(temporary), workers, options)
            runs.append(one)
            print(
                f"{workers} workers: {one['cpu_us_per_event']:.1f} us CPU an event in all; the busiest had "
                f"{one['largest_share']:.0%} of it", flush=True,
            )  # fmt: skip
        joins = joined(broker, Path(temporary), max(options.workers), options) if max(options.workers) > 1 else []
        for join in joins:
            print(f"{join['from']} to {join['to']} workers: pauses {join['pause_ms']} ms; without a rebalance {join['calm_ms']}")
    told = {"machine": machine(), "runs": runs, "rate": options.rate, "rebalances": joins}
    (RESULTS / "scale.json").write_text(json.dumps(told, indent=2) + "\n")


if __name__ == "__main__":
    main()
