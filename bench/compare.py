"""The reference job by us and by others: the same events from the same Kafka in one run; ratios in a table and a picture.

What the job is, and how each peer is written: bench/README.md. Writes bench/results/compare.json, from which docs/performance.md
is made. Peers that are not at hand (Java, Maven, a package that does not install) are left out, and the table says so.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from bench import reference
from bench.machine import machine
from bench.throughput import cpu_of, produce
from stream.detectors.registry import NAMES
from tests.kafka import Broker, Process, wait_until
from tests.kafka import broker as broker_module
from tests.kafka.job import PARTITIONS, Job
from tests.kafka.prepare import ROOT

PEERS = Path(__file__).parent / "peers"
CACHE = ROOT / ".cache" / "peers"
RESULTS = Path(__file__).parent / "results"
JOB = {"bounce_pressure", "missed_bills"}
"""The detectors that the reference job's rules are."""

Result = dict[str, Any]


class Missing(Exception):
    """A peer cannot run here; the message says why."""


class Input(NamedTuple):
    """The events of a run, in topics of their own."""

    job: Job
    """What made the topics; its workers are ours."""
    total: int
    """Events: all peers but the slowest read them all."""


# --- ours -----------------------------------------------------------------------------------------------------------------


def parts(file: Path, total: int) -> dict[str, float]:
    """CPU microseconds an event of the second half, by what takes them (bench/accounts_timed.py)."""
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    half = next(line for line in lines if line["events"] >= total // 2)
    last = lines[-1]
    events = last["events"] - half["events"]
    spent = {name: (value - half.get(name, 0.0)) / events * 1e6 for name, value in last.items() if name != "events"}
    return {
        "read": spent["read"],
        "pass": spent["pass"],
        "apply, the rest": spent["apply"] - spent["read"] - spent["pass"],
        "drain": spent["drain"],
        "batches": spent["batches"],
        "fetch, send and loop": spent["cpu"] - spent["apply"] - spent["drain"] - spent["batches"],
    }


class Ours(NamedTuple):
    """A program of ours, and what it reads before it is measured."""

    program: tuple[str, ...]
    detectors: frozenset[str]
    reads: tuple[str, ...]


OURS: Mapping[str, Ours] = {
    # The whole job first: it reads what other runs write to `signals`.
    "ews: everything": Ours(("-m", "stream", "worker"), frozenset(NAMES), ("accounts", "customers", "account-facts")),
    # With the detectors that the job's rules are, and no others.
    "ews: accounts stage": Ours(("-m", "bench.accounts_timed"), frozenset(JOB), ("accounts",)),
}


def job_of(name: str, shared: Job) -> Job:
    """The job of a program of ours on the run's topics, with a state of its own."""
    file = shared.folder / f"{len(OURS[name].detectors)}.toml"
    file.write_text("".join(f"[{each}]\nenabled = false\n" for each in NAMES if each not in OURS[name].detectors))
    app = name.rpartition(" ")[2] + shared.env["EWS_TOPIC_PREFIX"].strip(".")
    env = {**shared.env, "EWS_APP": app, "EWS_TICK_SECONDS": "5", "EWS_DETECTORS_FILE": str(file)}
    return Job(shared.broker, shared.folder, env.pop("EWS_TOPIC_PREFIX"), OURS[name].program, **env)


def read_before(name: str, shared: Job) -> None:
    """A worker reads who holds the accounts. Peers need not know: their signals name the account alone."""
    job = job_of(name, shared)
    job.create_topics()
    worker = job.start(f"{job.env['EWS_APP']}-before", BENCH_TIMES=os.devnull)
    try:
        for topic in OURS[name].reads:
            job.wait_applied([topic], 300)
        worker.stop()
    finally:
        worker.kill()


def ours(name: str) -> Callable[[Input, Path], Result]:
    """A worker of ours over the events: by the journal's timestamps, over the second half of them."""

    def run(given: Input, _: Path) -> Result:
        job = job_of(name, given.job)
        told = len(job.read("signals"))
        times = job.folder / f"{job.env['EWS_APP']}.times"
        worker = job.start(job.env["EWS_APP"], BENCH_TIMES=str(times))
        try:
            wait_until(lambda: not worker.running or _read_by(job) >= given.total, 900, f"{name} has read all", 1.0)
            if not worker.running:
                raise SystemExit(f"the worker ended with {worker.returncode}:\n{worker.tail()}")
            cpu = cpu_of(worker.pid)
        finally:
            worker.kill()
        commits = []
        for record, entry in job.entries():
            here = sum(to - start for topic, start, to in entry.applied if topic in reference.TOPICS)
            if here:
                commits.append((record.timestamp, here))
        seconds, events = _second_half(commits, given.total)
        told = len(job.read("signals")) - told
        result: Result = {
            "events_per_second": events / seconds,
            "cpu_us_per_event_with_start": cpu / given.total * 1e6,
            "signals": told,
        }
        return {**result, "cpu_us_per_event_by_part": parts(times, given.total)} if times.exists() else result

    return run


def _read_by(job: Job) -> int:
    return sum(max(at, 0) for topic in reference.TOPICS for at in job.client.committed(job.settings().group, job.topic(topic)))


def _second_half(commits: list[tuple[int, int]], total: int) -> tuple[float, int]:
    """Seconds and events from the commit that passes the half to the last."""
    done, half = 0, None
    rest = 0
    for at, here in sorted(commits):
        if half is not None:
            rest += here
        done += here
        if half is None and done >= total // 2:
            half = at
    assert half is not None
    return (max(at for at, _ in commits) - half) / 1000, rest


# --- the others -----------------------------------------------------------------------------------------------------------


def peer(given: Input, command: list[str], name: str, total: int | None = None, **env: str) -> Result:
    """Runs a peer to its end; its last line of output is the result."""
    full = {
        **{key: value for key, value in os.environ.items() if not key.startswith(("EWS_", "PYTHON"))},
        "BENCH_BOOTSTRAP": given.job.broker.bootstrap,
        "BENCH_PREFIX": given.job.env["EWS_TOPIC_PREFIX"],
        "BENCH_TOTAL": str(total or given.total),
        "BENCH_PARTITIONS": str(PARTITIONS),
        "PYTHONPATH": str(ROOT),
        **env,
    }
    process = Process(command, given.job.folder, f"peer-{name}-{len(given.job.workers)}", full)
    given.job.workers.append(process)
    wait_until(lambda: not process.running, 600, f"{name} ends", 0.5)
    # Faust writes what a terminal needs before it.
    lines = [found[0] for line in process.output().splitlines() if (found := re.search(r"\{.*\}$", line))]
    if process.returncode != 0 or not lines:
        raise Missing(f"ended with {process.returncode}: {process.tail(3)}")
    return {key: float(value) for key, value in json.loads(lines[-1]).items()}


def other_python(name: str, package: str, imports: str) -> str:
    """A Python of its own that has a peer's package: they want other versions of what we use."""
    python = CACHE / f"venv-{name}" / "bin" / "python"
    there = python.exists() and not subprocess.run([python, "-c", f"import {imports}, numpy"], check=False).returncode
    if not there:
        subprocess.run([sys.executable, "-m", "venv", python.parents[1]], check=True)
        if subprocess.run([python, "-m", "pip", "install", "-q", package, "numpy"], check=False).returncode:
            raise Missing(f"{package} does not install")
    return str(python)


def streams(given: Input) -> list[str]:
    """The command that runs the Kafka Streams peer, compiled."""
    java, javac = given.job.broker.installation.java, shutil.which("javac")
    maven = shutil.which("mvn")
    if javac is None or maven is None:
        raise Missing("needs a JDK and Maven")
    libs, classes = CACHE / "libs", CACHE / "classes"
    if not any(libs.glob("kafka-streams-*.jar")):
        command = [maven, "-qBf", PEERS / "pom.xml", "dependency:copy-dependencies", f"-DoutputDirectory={libs}"]
        if subprocess.run(command, capture_output=True, check=False).returncode:
            raise Missing("Maven brings no kafka-streams")
    path = f"{libs}/*:{classes}"
    subprocess.run([javac, "-cp", path, "-d", classes, PEERS / "KafkaStreamsPeer.java"], check=True)
    return [str(java), "-Xms512m", "-Xmx2g", "-cp", path, "KafkaStreamsPeer"]


def by_streams(store: str, threads: int) -> Callable[[Input, Path], Result]:
    """Kafka Streams with this store and so many threads."""

    def run(given: Input, folder: Path) -> Result:
        name = f"streams-{store}-{threads}"
        group = {"BENCH_GROUP": given.job.env["EWS_TOPIC_PREFIX"] + name}
        place = {"BENCH_STORE": store, "BENCH_STATE": str(folder / name)}
        env = {**group, **place, "BENCH_THREADS": str(threads), "BENCH_COMMIT_MS": "100"}
        return peer(given, streams(given), name, **env)

    return run


RUNS: Mapping[str, Callable[[Input, Path], Result]] = {
    "floor": lambda given, _: peer(given, [sys.executable, "-m", "bench.peers.floor"], "floor"),
    **{name: ours(name) for name in OURS},
    "kafka streams, memory, 1 thread": by_streams("memory", 1),
    "kafka streams, memory, 2 threads": by_streams("memory", 2),
    "kafka streams, rocksdb, 1 thread": by_streams("rocksdb", 1),
    "kafka streams, rocksdb, 2 threads": by_streams("rocksdb", 2),
    "quix streams": lambda given, _: peer(
        given, [other_python("quix", "quixstreams>=3,<4", "quixstreams"), "-m", "bench.peers.quix"], "quix"
    ),
    "bytewax": lambda given, _: peer(
        given, [other_python("bytewax", "bytewax[kafka]==0.21.1", "bytewax"), "-m", "bench.peers.bytewax"], "bytewax"
    ),
    "stock faust": lambda given, folder: peer(
        given, [sys.executable, "-m", "bench.peers.stock_faust", "worker", "-l", "error"], "faust", min(given.total, 40_000),
        BENCH_STATE=str(folder / "faust"),
    ),
}


# --- the run --------------------------------------------------------------------------------------------------------------


def one_round(broker: Broker, folder: Path, number: int, shape: str, options: argparse.Namespace) -> dict[str, Result | str]:
    """Every peer over the same topics, one after the other."""
    job = Job(broker, folder, f"r{number}{shape}.", EWS_RETENTION_DAYS="400")
    now, chosen = datetime.now(UTC), [name for name in RUNS if not options.only or any(word in name for word in options.only)]
    job.create_topics()
    produce(job, reference.holders(options.accounts, now))
    for name in OURS.keys() & chosen:
        read_before(name, job)
    total = sum(produce(job, reference.events(options.events, options.accounts, shape, now)).values())
    given = Input(job, total)
    found: dict[str, Result | str] = {}
    try:
        for name in chosen:
            try:
                result = RUNS[name](given, folder)
                found[name] = result
                print(f"  {name:34} {result['events_per_second']:>10,.0f}/s", flush=True)
            except (Missing, AssertionError, subprocess.CalledProcessError) as why:
                found[name] = str(why)[:300]
                print(f"  {name:34} left out: {found[name]}", flush=True)
    finally:
        job.close()
        broker.client.delete_topic(*(topic for topic in broker.client.topics() if topic.startswith(job.env["EWS_TOPIC_PREFIX"])))
    return found


def ratios(rounds: list[dict[str, Result | str]]) -> Iterator[tuple[str, float, float]]:
    """Name, median events a second, and median share of the floor of the same round."""
    for name in rounds[0]:
        rates = [(one[name], one["floor"]) for one in rounds]
        sound = [(a, b) for a, b in rates if not isinstance(a, str) and not isinstance(b, str)]
        both = [(a["events_per_second"], b["events_per_second"]) for a, b in sound]
        if both:
            yield name, statistics.median(a for a, _ in both), statistics.median(a / b for a, b in both)


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(prog="python -m bench.compare", description=__doc__)
    parser.add_argument("--events", type=int, default=400_000)
    parser.add_argument("--accounts", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--shapes", nargs="+", choices=("zipf", "uniform"), default=["zipf", "uniform"])
    parser.add_argument("--only", nargs="+", help="peers whose name holds one of these words; the floor must be among them")
    options = parser.parse_args()
    broker_module.JVM = ("-Xms512m", "-Xmx1g", "-Xshare:auto")
    told: dict[str, object] = {"machine": machine(), "events": options.events, "accounts": options.accounts}
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        with Broker(folder / "broker") as broker:
            for shape in options.shapes:
                rounds = []
                for number in range(options.rounds):
                    print(f"{shape}, round {number + 1}", flush=True)
                    rounds.append(one_round(broker, folder, number, shape, options))
                told[shape] = rounds
                for name, rate, share in ratios(rounds):
                    print(f"{shape:8} {name:34} {rate:>10,.0f}/s  {share:.3f} of the floor")
    if not options.only:
        (RESULTS / "compare.json").write_text(json.dumps(told, indent=2) + "\n")


if __name__ == "__main__":
    main()
