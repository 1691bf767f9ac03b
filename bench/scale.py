"""What an event costs with one to four workers: CPU seconds of all of them, for the whole job. `python -m bench.scale`.

On a machine with fewer cores than workers the events a second say nothing; the CPU an event does, and so does how evenly it lies.
Writes bench/results/scale.json.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench import reference
from bench.machine import machine
from bench.throughput import cpu_of, produce
from tests.kafka import Broker, wait_until
from tests.kafka import broker as broker_module
from tests.kafka.job import Job

RESULTS = Path(__file__).parent / "results"


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


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(prog="python -m bench.scale", description=__doc__)
    parser.add_argument("--events", type=int, default=300_000)
    parser.add_argument("--accounts", type=int, default=100_000)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2, 3, 4])
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
    (RESULTS / "scale.json").write_text(json.dumps({"machine": machine(), "runs": runs}, indent=2) + "\n")


if __name__ == "__main__":
    main()
