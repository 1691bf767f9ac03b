"""Where the limits are, measured: `python -m bench.limits`, one part or all of them.

- `backlog`: memory of a worker that catches up with millions of events, and goes on under a broker that stops and starts.
- `accounts`: bytes that a known account costs, how fast two million are read back from Kafka, and what an event takes then.
- `partitions`: 64 partitions on one worker: start, assignment, restore, commits, memory, CPU when there is nothing to do.
- `state`: bytes that a steady account, one with an open episode and a customer cost, in memory and in the changelog.
- `holds`: ten thousand holds of one customer with 64 accounts.

Each part runs once and keeps its figures in bench/results/limits.json beside those of the others. All but `state` and
`holds` on a real Kafka.
"""

from __future__ import annotations

import argparse
import datetime as dt
import gc
import hashlib
import itertools
import json
import multiprocessing
import os
import random
import re
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from bench.machine import machine
from bench.throughput import cpu_of, produce
from bench.workload import Workload
from stream.agents.accounts import AccountsStep
from stream.agents.customers import CustomersStep
from stream.detectors import settings as detector_settings
from stream.engine import checkpoint
from stream.engine.checkpoint import Checkpoint
from stream.engine.offline import Line, Offline
from stream.engine.step import Drained, Placement, Stage, Step
from stream.simulate import simulate
from stream.topics import ACCOUNTS_INPUTS, CUSTOMERS_INPUTS
from stream.treatment.policy import default_text, load
from tests.kafka import Broker, Message, Process, wait_until
from tests.kafka import broker as broker_module
from tests.kafka.bank import encode, payment
from tests.kafka.broker import free_ports
from tests.kafka.job import Job

RESULTS = Path(__file__).parent / "results" / "limits.json"
MB = 1 << 20
ACCOUNTS_ONLY = ("-m", "bench.accounts_only")
FEW = 100_000
"""Accounts with which two million are compared."""
WARM = 2_000


def say(text: str) -> None:
    """Tells how far it is."""
    sys.stderr.write(f"bench.limits: {text}\n")


def rss(pid: int, field: str = "VmRSS") -> float:
    """Resident memory of a process in MB; `VmHWM` is the highest so far."""
    found = re.search(rf"^{field}:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    assert found, field
    return int(found[1]) / 1024


def forget_peak(pid: int) -> None:
    """Lets the highest memory count from now on."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")


def alive(worker: Process) -> None:
    """Ends the bench where the worker has ended."""
    if not worker.running:
        raise SystemExit(f"the worker ended with {worker.returncode}:\n{worker.tail()}")


def open_tasks(worker: Process, count: int, timeout: float) -> list[dict[str, Any]]:
    """What the worker says of its tasks, once so many are open."""

    def told() -> list[dict[str, Any]]:
        alive(worker)
        lines = [json.loads(line) for line in worker.log().splitlines() if '"task open"' in line]
        return lines if len(lines) >= count else []

    return wait_until(told, timeout, f"{count} open tasks", 0.2)


# --- a backlog


def backlog(broker: Broker, folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Memory while a worker catches up: undisturbed, then with the broker stopped for a second in every two."""
    job = Job(broker, folder, "backlog.", EWS_TICK_SECONDS="5", EWS_SESSION_TIMEOUT_MS="45000")
    job.create_topics()
    load_ = Workload(options.backlog // 80, dt.date.today() - dt.timedelta(days=92))
    produce(job, load_.reference())
    before = job.start()
    for topic in ("accounts", "customers", "account-facts"):
        job.wait_applied([topic], 300)
    before.stop()
    say(f"backlog: writing {options.backlog:,} events")
    counts = produce(job, load_.events(options.backlog))
    total = sum(counts.values())
    worker = job.start()
    open_tasks(worker, 8, 300)
    known = rss(worker.pid)
    forget_peak(worker.pid)
    group = job.settings().group

    def done() -> int:
        alive(worker)
        return sum(max(o, 0) for topic in counts for o in job.client.committed(group, job.topic(topic)))

    started, half, samples = time.monotonic(), total // 2, list[tuple[int, float]]()
    deadline = started + options.seconds
    while (read := done()) < half and time.monotonic() < deadline:
        samples.append((read, rss(worker.pid)))
        time.sleep(1)
    steady, taken = rss(worker.pid, "VmHWM"), time.monotonic() - started
    say(f"backlog: {read:,} of {total:,} after {taken:.0f} s, peak {steady:.0f} MB; now with a broker that stops and starts")
    forget_peak(worker.pid)
    pulses = 0
    while pulses < 20 and done() < total:
        broker.pause()
        time.sleep(1)
        broker.resume()
        time.sleep(1)
        pulses += 1
    pulsed, at_pulses = rss(worker.pid, "VmHWM"), done()
    forget_peak(worker.pid)
    while (read_now := done()) < total and time.monotonic() < deadline:
        time.sleep(1)
    figures = {
        "events": total,
        "bytes_an_event": round(job_bytes(broker) / total),
        "accounts": options.backlog // 80,
        "read": read_now,
        "events_per_second_undisturbed": round(read / taken),
        "mb_before": round(known),
        "mb_peak_undisturbed": round(steady),
        "mb_at_tenths": [round(mb) for _, mb in samples[:: max(1, len(samples) // 10)]],
        "pulses": pulses,
        "read_when_pulses_ended": at_pulses,
        "mb_peak_under_pulses": round(pulsed),
        "mb_peak_after": round(rss(worker.pid, "VmHWM")),
        "stalled": "no progress" in worker.log(),
    }
    assert worker.stop() == 0
    return figures


def job_bytes(broker: Broker) -> int:
    """Bytes of the inputs on the broker's disk."""
    topics = ("payments", "bounces", "missed-bills")
    files = (broker.folder / "data").glob("backlog.*/*.log")
    return sum(f.stat().st_size for f in files if f.parent.name.removeprefix("backlog.").rsplit("-", 1)[0] in topics)


# --- two million accounts


class Accounts(AccountsStep):
    """The accounts stage, with all rows that it wrote."""

    def __init__(self, placement: Placement) -> None:
        super().__init__(placement, detector_settings.load())
        self.rows: dict[bytes, bytes] = {}

    def drain(self) -> Drained:
        drained = super().drain()
        self.rows |= {key: value for key, value in drained.rows if value is not None}
        return drained


class Customers(CustomersStep):
    """The customers stage, with all rows that it wrote."""

    def __init__(self, placement: Placement) -> None:
        super().__init__(placement, load(default_text()))
        self.rows: dict[bytes, bytes] = {}

    def drain(self) -> Drained:
        drained = super().drain()
        self.rows |= {key: value for key, value in drained.rows if value is not None}
        return drained


def year() -> tuple[dict[bytes, bytes], dict[bytes, bytes]]:
    """The rows of a bank's accounts and of its customers after a simulated year."""
    job = Offline(
        (Stage("accounts", ACCOUNTS_INPUTS, Accounts), Stage("customers", CUSTOMERS_INPUTS, Customers)),
        "murmur2",
        config_hash="",
        dead_letter_limit=1.0,
        max_record_bytes=1_000_000,
        tick=True,
        write=lambda output: None,
    )
    events = simulate(7, 250, dt.date(2025, 1, 1), 12)
    lines = ((e.topic, Line(0, e.timestamp_ms, e.key.encode(), json.dumps(e.value).encode())) for e in events)
    for _ in job.run(lines):
        pass
    of_accounts, of_customers = job.steps
    assert isinstance(of_accounts, Accounts)
    assert isinstance(of_customers, Customers)
    return of_accounts.rows, of_customers.rows


def accounts(broker: Broker, folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Accounts as a simulated year left them, copied under other ids into the changelog; read back by a worker, which then gets
    events of them. The same with a few accounts, for what an event takes there.
    """
    say("accounts: simulating a year")
    rows, _ = year()
    few = read_back(broker, folder / "few", "few.", rows, FEW, options)
    many = read_back(broker, folder / "many", "accounts.", rows, options.accounts, options)
    return many | {"few": {name: few[name] for name in ("accounts", "cpu_us_per_event", "events_per_second")}}


def read_back(
    broker: Broker, folder: Path, name: str, rows: dict[bytes, bytes], wanted: int, options: argparse.Namespace
) -> dict[str, Any]:
    """The figures of one worker with so many accounts."""
    own = [(key, value) for key, value in rows.items() if key[0] >= 32]
    beside = [(key, value) for key, value in rows.items() if key[0] in (1, 2)]
    ids = len(own)
    copies = -(-wanted // ids)
    partitions = 12
    job = Job(
        broker, folder, name, ACCOUNTS_ONLY, EWS_PARTITIONS=str(partitions), EWS_SESSION_TIMEOUT_MS="45000", EWS_CLOCK="events"
    )
    job.create_topics()
    empty = job.start()
    open_tasks(empty, partitions, 120)
    base = rss(empty.pid)
    empty.kill()
    say(f"accounts: writing the rows of {copies * ids:,} accounts")
    changelog = job.changelog.removeprefix(job.env["EWS_TOPIC_PREFIX"])

    def copied() -> Iterator[tuple[str, bytes, bytes]]:
        for copy in range(copies):
            for key, value in (*own, *beside):
                # A row of any kind lies with its account: the account's id decides, not the kind in front of it.
                yield changelog, b"%s-%d" % (key, copy), value

    written = place(job, changelog, copied(), partitions)
    worker = job.start()
    opened = open_tasks(worker, partitions, options.seconds)
    lines = [json.loads(line) for line in worker.log().splitlines() if line.startswith("{")]
    assigned = next(line["timestamp"] for line in lines if line["event"] == "assigned")
    seconds = (dt.datetime.fromisoformat(opened[-1]["timestamp"]) - dt.datetime.fromisoformat(assigned)).total_seconds()
    time.sleep(3)
    restored = sum(line["rows"] for line in opened)
    assert restored == written, (restored, written)
    figures = {
        "accounts": copies * ids,
        "rows": restored,
        "open_episodes_share": round(sum(key[0] == 1 for key, _ in beside) / ids, 3),
        "bytes_written_an_account": round(sum(len(k) + len(v) for k, v in (*own, *beside)) / ids),
        "mb_empty_worker": round(base),
        "mb": round(rss(worker.pid)),
        "mb_peak": round(rss(worker.pid, "VmHWM")),
        "bytes_an_account": round((rss(worker.pid) - base) * MB / (copies * ids)),
        "restore_seconds": round(seconds, 1),
        "rows_per_second": round(restored / seconds),
        "cpu_seconds": round(cpu_of(worker.pid), 1),
        "stalled": "no progress" in worker.log(),
    }
    say("accounts: events of them")
    figures |= driven(job, worker, [b"%s-%d" % (key, copy) for copy in range(copies) for key, _ in own], options.events)
    worker.kill()
    return figures


def driven(job: Job, worker: Process, names: list[bytes], count: int) -> dict[str, Any]:
    """What an event takes of a worker that finds `count` payments of random accounts, made right after the year."""
    chance = random.Random(5)
    start = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)

    def payments(first: int, last: int) -> Iterator[tuple[str, bytes, bytes]]:
        for number in range(first, last):
            name = chance.choice(names)
            at = start + dt.timedelta(milliseconds=number)
            yield "payments", name, encode(payment(0, f"x{number}", at, account_id=name.decode()))

    # What the first event after a restore has to find out about all accounts is not the events'.
    produce(job, payments(0, WARM))
    job.wait_applied(["payments"], 300)
    worker.pause()
    produce(job, payments(WARM, WARM + count))
    spent, since = cpu_of(worker.pid), 1000 * time.time()
    worker.resume()
    job.wait_applied(["payments"], 600)
    spent = cpu_of(worker.pid) - spent
    written = [record.timestamp for record, _ in job.entries() if record.timestamp >= since]
    return {
        "cpu_us_per_event": round(1e6 * spent / count, 1),
        "events_per_second": round(1000 * count / (max(written) - since)),
    }


def place(job: Job, topic: str, rows: Iterable[tuple[str, bytes, bytes]], partitions: int) -> int:
    """Writes changelog rows where their accounts lie, a checkpoint behind them; returns how many rows."""
    from confluent_kafka import Producer

    from stream.engine.partitioner import partition_of

    producer = Producer({**job.client.config, "linger.ms": 20, "queue.buffering.max.messages": 500_000})
    count = 0
    for _, key, value in rows:
        partition = partition_of(key if key[0] >= 32 else key[1:], partitions, "murmur2")
        while True:
            try:
                producer.produce(job.topic(topic), value, key, partition)
                break
            except BufferError:
                producer.poll(0.1)
        count += 1
    producer.flush(300)
    state = checkpoint.encode(Checkpoint(dict.fromkeys(ACCOUNTS_INPUTS, 0), {}, partitions, "murmur2"))
    job.client.produce(job.topic(topic), [Message(p, checkpoint.KEY, state) for p in range(partitions)])
    return count


# --- many partitions


def partitions(broker: Broker, folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    """One worker that owns 64 partitions of both stages."""
    port = free_ports(1)[0]
    job = Job(
        broker, folder, "wide.", EWS_PARTITIONS="64", EWS_TICK_SECONDS="5", EWS_SESSION_TIMEOUT_MS="45000", EWS_WEB_PORT=str(port)
    )
    say("partitions: making the topics")
    job.create_topics()

    def scraped() -> dict[str, float]:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=60) as page:
            lines = [line for line in page.read().decode().splitlines() if not line.startswith("#")]
        return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines)}

    started = time.monotonic()
    worker = job.start()
    open_tasks(worker, 128, 300)
    fresh = time.monotonic() - started
    time.sleep(10)
    idle = cpu_of(worker.pid)
    time.sleep(30)
    idle = (cpu_of(worker.pid) - idle) / 30
    idle_mb = rss(worker.pid)
    say(f"partitions: open after {fresh:.1f} s; idle {100 * idle:.0f} % of a core, {idle_mb:.0f} MB; now events")
    load_ = Workload(20_000, dt.date.today() - dt.timedelta(days=92))
    before = scraped()
    reference = produce(job, load_.reference())
    counts = produce(job, load_.events(options.events))
    total = sum(counts.values())
    group = job.settings().group
    deadline = time.monotonic() + options.seconds
    while time.monotonic() < deadline:
        alive(worker)
        if sum(max(o, 0) for topic in counts for o in job.client.committed(group, job.topic(topic))) >= total:
            break
        time.sleep(2)
    after = scraped()
    busy_mb, peak = rss(worker.pid), rss(worker.pid, "VmHWM")
    stalled = "no progress" in worker.log()
    assert worker.stop(120) == 0
    say("partitions: again, with state")
    started = time.monotonic()
    worker = job.start()
    opened = open_tasks(worker, 128, 300)
    again = time.monotonic() - started
    figures = {
        "partitions": 64,
        "tasks": 128,
        "seconds_to_open_fresh": round(fresh, 1),
        "idle_cpu_share_of_a_core": round(idle, 3),
        "idle_mb": round(idle_mb),
        "events": total,
        "reference_records": sum(reference.values()),
        "mb_after_events": round(busy_mb),
        "mb_peak": round(peak),
        "commit_seconds": {stage: quantiles(before, after, stage) for stage in ("accounts", "customers")},
        "seconds_to_open_with_state": round(again, 1),
        "rows_restored": sum(line["rows"] for line in opened),
        "stalled": stalled,
    }
    worker.stop(120)
    return figures


def quantiles(before: dict[str, float], after: dict[str, float], stage: str) -> dict[str, float]:
    """The bucket that holds the middle commit, the 99th in a hundred, and how many there were between two scrapes."""
    found: list[tuple[float, float]] = []
    for name, value in after.items():
        if name.startswith("ews_commit_seconds_bucket") and f'stage="{stage}"' in name:
            bound = re.search(r'le="([^"]+)"', name)
            assert bound
            found.append((float(bound[1]), value - before.get(name, 0.0)))
    found.sort()
    commits = found[-1][1]
    result = {"commits": commits}
    for share, label in ((0.5, "p50_at_most"), (0.99, "p99_at_most")):
        result[label] = next(bound for bound, count in found if count >= share * commits)
    return result


# --- what is known costs


def state(options: argparse.Namespace) -> dict[str, Any]:
    """Rows as a simulated year left them, copied under other ids and restored in this process, one kind after the other."""
    say("state: simulating a year")
    of_accounts, of_customers = year()
    open_ = {key[1:] for key in of_accounts if key[0] == 1}
    groups = {
        "steady_account": ("accounts", {k: v for k, v in of_accounts.items() if account_of(k) and account_of(k) not in open_}),
        "open_account": ("accounts", {k: v for k, v in of_accounts.items() if account_of(k) in open_}),
        "customer": ("customers", {k: v for k, v in of_customers.items() if k[0] >= 32}),
    }
    figures: dict[str, Any] = {}
    for name, (stage, rows) in groups.items():
        ids = sum(key[0] >= 32 for key in rows)
        copies = -(-options.state // ids)
        # In a process of its own: nothing is made of memory that something else left behind.
        with multiprocessing.get_context("spawn").Pool(1) as process:
            weight = process.apply(weigh, (stage, rows, copies))
        figures[name] = {
            "count": copies * ids,
            "rows": round(len(rows) / ids, 2),
            "bytes_in_memory": round(weight / (copies * ids)),
            "bytes_written": round(sum(len(key) + len(value) for key, value in rows.items()) / ids),
        }
    return figures


def weigh(stage: str, rows: dict[bytes, bytes], copies: int) -> float:
    """Bytes of memory that a step takes for so many copies of the rows, under other ids."""
    step: Step = {"accounts": Accounts, "customers": Customers}[stage](Placement(0, 1, "murmur2"))
    step.restore(rows.items())
    gc.collect()
    before = rss(os.getpid())
    # What is kept is kept once for each: no copy shares its bytes with another. Batches, as a worker reads them.
    every = ((b"%s-%d" % (key, copy), bytes(bytearray(value))) for copy in range(copies) for key, value in rows.items())
    while batch := list(itertools.islice(every, 1_000)):
        step.restore(batch)
    del batch
    gc.collect()
    return (rss(os.getpid()) - before) * MB


def account_of(key: bytes) -> bytes:
    """The account that a row of the accounts stage belongs to; empty where it is none's."""
    return key if key[0] >= 32 else key[1:] if key[0] in (1, 2) else b""


# --- many holds


def holds(options: argparse.Namespace) -> dict[str, Any]:
    """Holds on a person with 64 accounts: all of a kind that pauses every account; and of many kinds, every second one lifted."""
    from tests.unit.agents.customers_bank import ALONE, START, Bank, Kafka

    figures: dict[str, Any] = {}
    kinds = ("breathing_space", "dispute", "opt_out", "complaint", "hardship_plan", "bereavement")
    for name, of, lifted in (("open", kinds[:1], False), ("mixed", kinds, True)):
        bank = Bank()
        bank.customer(START)
        for number in range(64):
            bank.facts(START, account=f"A-{number:06d}")
        known = len(bank.written)
        for number in range(options.holds):
            at = START + dt.timedelta(minutes=number)
            ended = at if lifted and number % 2 else None
            bank.hold(at, kind=of[number % len(of)], hold=f"HOLD-{number:06d}", lifted=ended)
        step = CustomersStep(ALONE, load(default_text()))
        for topic, record in bank.written[:known]:
            step.apply(topic, [record])
        step.drain()
        records: list[Kafka] = [record for _, record in bank.written[known:]]
        said, largest, spent = hashlib.sha256(), 0, 0.0
        for start in range(0, len(records), 500):
            began = time.process_time()
            refused = step.apply("holds", records[start : start + 500])
            drained = step.drain()
            spent += time.process_time() - began
            assert not refused
            for output in drained.outputs:
                said.update(repr(output).encode())
            largest = max(largest, *[len(value or b"") for _, value in drained.rows])
        figures[name] = {
            "holds": len(records),
            "ms_a_record": round(spent / len(records) * 1e3, 3),
            "row_bytes_at_most": largest,
            "said": said.hexdigest()[:16],
        }
    return figures


PARTS: dict[str, Callable[[Broker, Path, argparse.Namespace], dict[str, Any]]] = {
    "backlog": backlog,
    "accounts": accounts,
    "partitions": partitions,
}
ALONE: dict[str, Callable[[argparse.Namespace], dict[str, Any]]] = {"state": state, "holds": holds}
"""Those that need no Kafka."""


def main() -> int:
    """Runs the parts asked for, prints their figures and keeps them."""
    parser = argparse.ArgumentParser(prog="python -m bench.limits", description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", help="backlog, accounts, partitions, state, holds (default: all)")
    parser.add_argument("--backlog", type=int, default=5_000_000, help="events of the backlog (default: %(default)s)")
    parser.add_argument("--accounts", type=int, default=2_000_000, help="accounts to read back (default: %(default)s)")
    parser.add_argument("--events", type=int, default=200_000, help="events of accounts and partitions (default: %(default)s)")
    parser.add_argument("--state", type=int, default=200_000, help="accounts and customers weighed (default: %(default)s)")
    parser.add_argument("--holds", type=int, default=10_000, help="holds of one customer (default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=900, help="longest wait of a part (default: %(default)s)")
    options = parser.parse_args()
    wanted = options.parts or [*PARTS, *ALONE]
    if unknown := set(wanted) - {*PARTS, *ALONE}:
        parser.error(f"no such part: {', '.join(sorted(unknown))}")
    broker_module.JVM = ("-Xms512m", "-Xmx1536m", "-Xshare:auto")
    for part in wanted:
        started = time.monotonic()
        if part in ALONE:
            figures = ALONE[part](options)
        else:
            with tempfile.TemporaryDirectory() as temporary, Broker(Path(temporary) / "broker") as broker:
                figures = PARTS[part](broker, Path(temporary) / "job", options)
        run = {"took_seconds": round(time.monotonic() - started), "load": round(os.getloadavg()[0], 1), "machine": machine()}
        kept = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
        kept[part] = {**figures, **run}
        RESULTS.write_text(json.dumps(kept, indent=2) + "\n")
        print(json.dumps({part: kept[part]}), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
