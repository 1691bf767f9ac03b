"""How long a worker takes from its start to the first signal: `python -m bench.startup`.

A real Kafka of its own; an account with two bounces waits to be read. A worker is started, and the time runs until the signal
that they lead to is read (read committed). First with an empty folder of compiled code, as a container without one begins; then
again with what that start has left. Writes bench/results/startup.json.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench.machine import machine
from bench.throughput import cpu_of
from tests.kafka import Broker, wait_until
from tests.kafka.bank import DAY, account, bounce, message
from tests.kafka.job import Job

RESULTS = Path(__file__).parent / "results"


def first_signal(broker: Broker, folder: Path, name: str, compiled: Path) -> dict[str, Any]:
    """Seconds from the start of the process to its first task and to its first signal; the CPU it took by then."""
    job = Job(broker, folder, f"{name}.")
    job.create_topics()
    now = datetime.now(UTC)
    job.produce("accounts", [message(account(1, now - 30 * DAY), now - 30 * DAY)])
    job.produce("bounces", [message(bounce(1, f"b{ago}", now - ago * DAY), now - ago * DAY) for ago in (2, 1)])
    started = time.monotonic()
    worker = job.start(NUMBA_CACHE_DIR=str(compiled))
    try:
        wait_until(lambda: '"task open"' in worker.log() or not worker.running, 300, "an open task")
        opened = time.monotonic() - started
        job.wait_for("signals", 1, 300)
        return {
            "open_seconds": round(opened, 1),
            "signal_seconds": round(time.monotonic() - started, 1),
            "cpu_seconds": round(cpu_of(worker.pid), 1),
        }
    finally:
        job.close()


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(prog="python -m bench.startup", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="warm starts, of which the median counts (default: %(default)s)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary, Broker(Path(temporary) / "broker") as broker:
        compiled = Path(temporary) / "compiled"
        starts = []
        for number in range(1 + options.rounds):
            starts.append(first_signal(broker, Path(temporary) / f"job{number}", f"s{number}", compiled))
            sys.stderr.write(f"bench.startup: {'warm' if number else 'cold'}: {starts[-1]}\n")
    warm = sorted(starts[1:], key=lambda start: start["signal_seconds"])
    result = {"machine": machine(), "cold": starts[0], "warm": warm[len(warm) // 2]}
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "startup.json").write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps(result))


if __name__ == "__main__":
    main()
