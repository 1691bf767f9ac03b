"""`make chaos`: exit code 0 when nothing was wrong, 1 otherwise."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path

from bench.chaos import plan
from bench.chaos.run import BROKER, job_on, run
from tests.kafka.cluster import Cluster
from tests.kafka.slow_disk import SlowDisk

RESULTS = Path(__file__).parents[1] / "results" / "chaos.json"


def main() -> int:
    """Entry point; the exit code."""
    parser = argparse.ArgumentParser(prog="bench.chaos", description="faults under load: nothing lost, nothing twice")
    parser.add_argument("--minutes", type=float, default=plan.MINUTES, help="of faults, about; settling and checking come after")
    parser.add_argument("--brokers", type=int, choices=(1, 3), default=1)
    parser.add_argument("--rate", type=float, default=5_000, help="events a second, at most times")
    parser.add_argument("--burst", type=float, default=20_000, help="events a second for some seconds, at one fault in six")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--plan", action="store_true", help="print the plan and do nothing")
    parser.add_argument("--keep", type=Path, help="an empty folder for the logs of workers and brokers, which stays")
    options = parser.parse_args()
    if min(options.minutes, options.rate, options.burst) <= 0:
        parser.error("--minutes, --rate and --burst must be above 0")
    steps = plan.schedule(options.seed, options.minutes * 60, brokers=options.brokers, rate=options.rate, burst=options.burst)
    if options.plan:
        for number, step in enumerate(steps, 1):
            print(f"{number:4}  after {step.pause:.1f} s  {step!s:75} at {step.rate:,.0f} events/s")
        return 0
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.keep or Path(temporary)
        disk = SlowDisk.available()
        with Cluster(folder / "brokers", options.brokers, settings=BROKER, proxied=True, slow_disk=disk) as cluster:
            job = job_on(cluster, folder / "workers")
            try:
                told = run(cluster, job, options.seed, steps, lambda line: print(line, flush=True))
            except BaseException:
                print(job.tails(), cluster.log()[-5000:], file=sys.stderr, sep="\n")
                raise
            finally:
                job.close()
    print("", *told.lines(), sep="\n")
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    results[f"{options.brokers} broker{'s' if options.brokers > 1 else ''}"] = told.data()
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(results, indent=2, sort_keys=True) + "\n")
    return int(bool(told.wrong))


if __name__ == "__main__":
    sys.exit(main())
