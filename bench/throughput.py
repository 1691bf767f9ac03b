"""Throughput of one worker on a real Kafka: the same broker, the same hour, our job and the sketch it grew from in turns.

`make bench` prints a table and writes bench/results/throughput.json. The sketch lives outside the project; without it only our
own figures are taken. Events are those of the simulator, spread over many accounts: nothing is tuned to the job.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable
from datetime import date, timedelta
from pathlib import Path

from confluent_kafka import Producer

from bench.machine import machine
from bench.workload import Workload
from tests.kafka import Broker
from tests.kafka import broker as broker_module
from tests.kafka.job import Job

SKETCH = Path(__file__).resolve().parents[2] / "shared" / "prototypes"
RESULTS = Path(__file__).parent / "results"


def produce(job: Job, records: Iterable[tuple[str, bytes, bytes]]) -> dict[str, int]:
    """Writes records; returns their number by topic."""
    producer = Producer(
        {**job.client.config, "partitioner": "murmur2_random", "linger.ms": 20, "queue.buffering.max.messages": 500_000}
    )
    counts: dict[str, int] = {}
    for topic, key, value in records:
        counts[topic] = counts.get(topic, 0) + 1
        while True:
            try:
                producer.produce(job.topic(topic), value, key)
                break
            except BufferError:
                producer.poll(0.1)
    producer.flush(300)
    return counts


PROGRAMS = {"accounts": ("-m", "bench.accounts_only"), "both": ("-m", "stream", "worker")}
"""What is measured: the accounts stage alone, as the sketch is one stage; and the whole job."""


def ours(broker: Broker, folder: Path, name: str, program: str, options: argparse.Namespace) -> dict[str, float]:
    """Runs a worker over the workload. Time runs from the first to the last commit that holds events.

    Who holds which account is read by a worker before, so that the figure is that of the events alone.
    """
    interval = str(options.commit_interval_ms)
    job = Job(broker, folder, f"{name}.", PROGRAMS[program], EWS_COMMIT_INTERVAL_MS=interval, EWS_TICK_SECONDS="5")
    job.create_topics()
    try:
        # The story ends about now: to a worker whose clock stands at now, older trouble would be past.
        load = Workload(options.accounts, date.today() - timedelta(days=92))
        produce(job, load.reference())
        before = job.start()
        job.wait_applied(["accounts"], 300)
        if program == "both":
            job.wait_applied(["customers"], 300)
            job.wait_applied(["account-facts"], 300)
        before.stop()
        known = written(broker, job)
        counts = produce(job, load.events(options.events))
        total = sum(counts.values())
        worker = job.start()
        deadline = time.monotonic() + 600
        done = 0
        while done < total and time.monotonic() < deadline:
            time.sleep(1.0)
            if not worker.running:
                raise SystemExit(f"the worker ended with {worker.returncode}:\n{worker.tail()}")
            # The group's offsets lag by seconds, and cost nothing to ask for.
            group = job.settings().group
            done = sum(max(o, 0) for topic in counts for o in job.client.committed(group, job.topic(topic)))
        cpu = cpu_of(worker.pid)
        commits = []
        for record, entry in job.entries():
            here = sum(to - start for topic, start, to in entry.applied if topic in counts)
            if here:
                commits.append((record.timestamp, here))
        commits.sort()
        seconds = (commits[-1][0] - commits[0][0]) / 1000
        return {
            "events": total,
            "seconds": seconds,
            "events_per_second": sum(here for _, here in commits[1:]) / seconds,
            "cpu_us_per_event": cpu / total * 1e6,
            "commits": len(commits),
            "signals": len(job.read("signals")),
            "nudges": len(job.read("nudges")),
            **{f"{kind}_bytes_per_event": (size - known[kind]) / total for kind, size in written(broker, job).items()},
        }
    finally:
        job.close()
        job.client.delete_topic(*(topic for topic in job.client.topics() if topic.startswith(f"{name}.")))


def written(broker: Broker, job: Job) -> Counter[str]:
    """Bytes on the broker's disk: of the bank's events, of the changelogs, and of all else that the job writes."""
    kinds = {job.topic(name): "input" for name in ("payments", "bounces", "missed-bills")}
    kinds |= {job.settings().changelog(stage): "changelog" for stage in ("accounts", "customers")}
    found: Counter[str] = Counter()
    for file in (broker.folder / "data").glob(f"{job.env['EWS_TOPIC_PREFIX']}*/*.log"):
        found[kinds.get(file.parent.name.rsplit("-", 1)[0], "output")] += file.stat().st_size
    return found


def cpu_of(pid: int) -> float:
    """CPU seconds that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def sketch(broker: Broker, folder: Path, events: int, *, first: bool) -> dict[str, float]:
    """Runs the sketch over its own events on the same broker."""
    for file in SKETCH.glob("*.py"):
        text = file.read_text().replace("127.0.0.1:9092", broker.bootstrap)
        (folder / file.name).write_text(text)
    (folder / "orjson.py").write_text("from msgspec.json import encode as dumps\n")
    env = {**os.environ, "N": str(events)}
    if first:
        broker.client.create_topics({"signals": 4, "changelog": 4})
        subprocess.run([sys.executable, "generate.py", str(events)], cwd=folder, env=env, check=True, capture_output=True)
    run = subprocess.run([sys.executable, "full.py"], cwd=folder, env=env, check=True, capture_output=True, text=True)
    found = re.search(r"full ev/s (\d+) cpu us/ev ([\d.]+)", run.stdout)
    assert found, run.stdout + run.stderr
    return {"events_per_second": float(found[1]), "cpu_us_per_event": float(found[2])}


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=600_000)
    parser.add_argument("--accounts", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--commit-interval-ms", type=int, default=100)
    options = parser.parse_args()
    broker_module.JVM = ("-Xms512m", "-Xmx1g", "-Xshare:auto")
    rounds = []
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        (folder / "sketch").mkdir()
        with Broker(folder / "broker") as broker:
            for number in range(options.rounds):
                result = {
                    program: ours(broker, folder / "job", f"{program}{number}", program, options) for program in PROGRAMS
                }
                if SKETCH.is_dir():
                    result["sketch"] = sketch(broker, folder / "sketch", options.events, first=number == 0)
                rounds.append(result)
                line = "  ".join(
                    f"{name} {one['events_per_second']:,.0f}/s {one['cpu_us_per_event']:.1f} us"
                    for name, one in result.items()
                )
                ratio = "  (the sketch is not here: no ratio)"
                if "sketch" in result:
                    base = result["sketch"]["events_per_second"]
                    ratio = "  to the sketch: " + ", ".join(
                        f"{program} {result[program]['events_per_second'] / base:.2f}" for program in PROGRAMS
                    )
                print(f"round {number + 1}: {line}{ratio}", flush=True)
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "throughput.json").write_text(json.dumps({"machine": machine(), "rounds": rounds}, indent=2) + "\n")
    shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
