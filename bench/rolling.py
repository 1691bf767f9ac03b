"""Rehearses what a rollout does to real processes: how long each partition stands still when a worker goes, leaves or joins.

`python -m bench.rolling` starts a real Kafka, three workers with stable names and a paced producer. Under load it restarts one
within the session timeout, lets one leave for good, brings it back, and adds a fourth. The pause of a partition is the longest
gap between two journal entries that applied events of the bank. Prints them, and writes bench/results/rolling.json.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from bench.machine import machine
from bench.pauses import Paced, now_ms, pauses
from bench.throughput import produce
from bench.workload import TOPICS, Workload
from stream.settings import Settings
from tests.kafka import Broker, Process
from tests.kafka.client import wait_until
from tests.kafka.job import Job

RESULTS = Path(__file__).parent / "results"
PARTITIONS = 6
WORKERS = 3
SETTLE = 40.0
"""Seconds that each step is watched; a leave longer, by the session timeout."""


class Rehearsal:
    """The running job, and when what was done to it."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.steps: dict[str, tuple[int, int]] = {}
        """From and to, in ms since 1970."""
        self.exits: dict[str, float] = {}
        """Seconds from SIGTERM to the end of the process."""
        self.workers = {name: self.start(name) for name in (f"w{number}" for number in range(WORKERS))}

    def start(self, name: str) -> Process:
        """A worker under a stable name."""
        return self.job.start(name, EWS_INSTANCE_ID=name)

    def watch(self, step: str, began: int, seconds: float) -> None:
        """Lets the job run on, and notes the span."""
        time.sleep(seconds)
        self.steps[step] = (began, now_ms())

    def end(self, name: str, step: str) -> None:
        """SIGTERM, and waits for the end."""
        began = time.monotonic()
        code = self.workers[name].stop(60)
        self.exits[step] = round(time.monotonic() - began, 1)
        if code != 0:
            raise RuntimeError(f"{name} ended with {code}: {self.workers[name].tail()}")


def rehearse(job: Job, rate: float) -> dict[str, object]:
    """The whole of it; what was measured. Raises where an offset was lost, or applied twice."""
    session = Settings.model_fields["session_timeout_ms"].default / 1000
    now = datetime.now(UTC)
    seconds = 30 + 4 * SETTLE + session + 30
    total = int(rate * seconds)
    load = Workload(500 + total // 50, (now - timedelta(days=90)).date(), TOPICS, now_ms() - 3_600_000)
    produce(job, load.reference())
    show = Rehearsal(job)
    wait_until(lambda: 0 not in job.client.end_offsets(job.topic("journal")), 180, "every partition commits", 0.5)
    bank = Paced(job, load.events(total), rate)
    bank.start()
    time.sleep(15)
    show.watch("undisturbed", now_ms(), 15)

    began = now_ms()
    show.end("w0", "restart")
    show.workers["w0"] = show.start("w0")
    show.watch("restart", began, SETTLE)

    began = now_ms()
    show.end("w2", "leave")
    show.watch("leave", began, session + SETTLE / 2)

    show.workers["w2"] = show.start("w2")
    show.watch("2 to 3", now_ms(), SETTLE)
    began = now_ms()
    show.workers["w3"] = show.start("w3")
    show.watch("3 to 4", began, SETTLE)
    if bank.failure is None and not bank.is_alive():
        raise RuntimeError("the load ended before the last step: raise the number of events")
    bank.stop.set()
    bank.join()
    if bank.failure:
        raise bank.failure
    ends = {(t, p): end for t in TOPICS for p, end in enumerate(job.client.end_offsets(job.topic(t)))}

    def applied() -> bool:
        positions = job.applied()
        return all(positions.get(key, 0) >= end for key, end in ends.items())

    wait_until(applied, 120, "all inputs applied", 1.0)
    for worker in show.workers.values():
        worker.stop(60)
    job.check_journal()
    return {
        "machine": machine(),
        "events_per_second": rate,
        "partitions": PARTITIONS,
        "session_timeout_ms": int(session * 1000),
        "exit_seconds": show.exits,
        "pause_seconds": pauses(job, show.steps),
    }


def main() -> int:
    """Entry point; the exit code."""
    parser = argparse.ArgumentParser(prog="bench.rolling", description="how long partitions stand still in a rollout")
    parser.add_argument("--rate", type=float, default=1000, help="events a second")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, Broker(Path(folder) / "broker") as broker:
        job = Job(broker, Path(folder), "roll-", EWS_PARTITIONS=str(PARTITIONS))
        # As in production: the defaults.
        for name in ("EWS_SESSION_TIMEOUT_MS", "EWS_TICK_SECONDS"):
            del job.env[name]
        job.create_topics()
        try:
            found = rehearse(job, options.rate)
        except BaseException:
            print(job.tails())
            raise
        finally:
            job.close()
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "rolling.json").write_text(json.dumps(found, indent=2) + "\n")
    print(json.dumps(found, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
