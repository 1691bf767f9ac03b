"""Kills workers under load, again and again, and then proves from Kafka alone that nothing was lost, doubled or changed.

`make chaos` starts a real Kafka, two workers with stable names and a paced producer of a bank's events. A seeded schedule ends
workers by SIGKILL; like a supervisor it starts them again at once, whatever ended them. When all is read to its end it holds
outputs and journal against each other, against a replay, and against what was produced. Exit code 1: something was wrong.

The seed gives the schedule and the events; what the operating system makes of them differs from run to run.
"""

from __future__ import annotations

import argparse
import itertools
import json
import random
import sys
import tempfile
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import msgspec
from confluent_kafka import KafkaError, Producer

from bench.workload import Workload
from stream import app
from stream.engine import rerun
from stream.engine.deadletters import TOPIC as DEAD
from stream.tables.account import ACCOUNT_VERSIONS, unpack
from stream.topics import CATALOGUE
from tests.kafka import Broker, Process, Received
from tests.kafka.client import wait_until
from tests.kafka.job import PARTITIONS, Job, outputs

INPUTS = tuple(topic.name for topic in CATALOGUE if topic.role == "input")
OUTPUTS = ("signals", "nudges", "escalations", "decisions", DEAD, "account-facts", "account-orders")
INNER = ("signals", "account-facts", "account-orders")
"""What the stages tell each other."""
EVENTS = {"payments": "payments", "bounces": "bounces", "missed-bills": "missed_bills"}
"""The counts in an account's row, by topic."""

PAUSE = (1.5, 6.0)
"""Seconds from one kill to the next: some hit a worker at work, some one that is only just reading its state back."""
BOTH = 0.15
"""How often both workers are killed at once."""
BAD_EVERY, PROMISE_EVERY = 1_000, 400
"""One record in so many is rubbish; after one in so many somebody promises to pay."""
SETTLE = 180.0

Event = tuple[str, bytes, bytes]


class Kill(NamedTuple):
    """After `pause` seconds, SIGKILL for these workers."""

    pause: float
    victims: tuple[int, ...]


def schedule(seed: int, kills: int, workers: int) -> list[Kill]:
    """`kills` kills. The same seed gives the same."""
    chance = random.Random(seed)
    plan: list[Kill] = []
    left = kills
    while left:
        pause = chance.uniform(*PAUSE)
        all_ = chance.random() < BOTH and left >= workers
        victims = tuple(range(workers)) if all_ else (chance.randrange(workers),)
        plan.append(Kill(pause, victims))
        left -= len(victims)
    return plan


# --- what goes in ----------------------------------------------------------------------------------------------------------


@dataclass
class Produced:
    """What the bank sent, as it counted itself."""

    by_topic: Counter[str] = field(default_factory=Counter)
    bad: int = 0
    events: dict[bytes, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    """By account: events by topic."""
    distinct: dict[bytes, dict[str, set[str]]] = field(default_factory=lambda: defaultdict(lambda: defaultdict(set)))
    """By account: their ids, by topic. A bank sends some events more than once."""
    seconds: float = 0.0


def mixed(events: Iterable[Event], holder_of: dict[bytes, str], today: date) -> Iterator[Event]:
    """The events, and now and then rubbish, or a promise to pay."""
    for number, (topic, key, value) in enumerate(events, 1):
        yield topic, key, value
        if number % BAD_EVERY == 0:
            yield topic, key, value[:-1]
        if number % PROMISE_EVERY == 0 and topic == "payments" and key in holder_of:
            name = f"{number}-{key.decode()}"
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
                    "promise_id": f"promise-{name}"[:64],
                    "amount": "10.00",
                    "currency": msgspec.json.decode(value)["currency"],
                    "due_date": (today + timedelta(days=3)).isoformat(),
                    "account_id": key.decode(),
                },
            }
            yield "contact-outcomes", holder_of[key].encode(), json.dumps(promise).encode()


def produce(job: Job, records: Iterable[Event], rate: float, told: Produced) -> None:
    """Writes records at `rate` a second (0: unpaced), stamped as they leave; counts them in `told`. Raises if one is refused."""
    refused: list[KafkaError] = []

    def delivered(error: KafkaError | None, _: object) -> None:
        if error is not None:
            refused.append(error)

    # Idempotent: what is doubled would be doubled by the job.
    producer = Producer({**job.client.config, "partitioner": "murmur2_random", "enable.idempotence": True, "linger.ms": 10})
    decode = msgspec.json.Decoder().decode
    started = time.monotonic()
    for sent, (topic, key, value) in enumerate(records):
        if rate and sent % 50 == 0:
            while (ahead := started + sent / rate - time.monotonic()) > 0:
                producer.poll(min(ahead, 0.05))
        while True:
            try:
                producer.produce(job.topic(topic), value, key, on_delivery=delivered)
                break
            except BufferError:
                producer.poll(0.1)
        producer.poll(0)
        told.by_topic[topic] += 1
        try:
            event = decode(value)
        except msgspec.DecodeError:
            told.bad += 1
            continue
        if topic in EVENTS:
            told.events[key][topic] += 1
            told.distinct[key][topic].add(f"{event['event_id']}/{event.get('status', 'booked')}")
    left = producer.flush(60)
    told.seconds = time.monotonic() - started
    if refused or left:
        raise RuntimeError(f"the producer lost records: {refused[:1] or left}")


# --- workers, and who starts them again -----------------------------------------------------------------------------------


class Supervisor:
    """Keeps the workers running: each that ends is started again at once, under its own name. Counts why they ended."""

    def __init__(self, job: Job, workers: int) -> None:
        self._job = job
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._stopped = threading.Event()
        self.names = [f"w{number}" for number in range(workers)]
        self.workers: list[Process] = [self._start(number) for number in range(workers)]
        self.killed = 0
        self.unplanned: list[tuple[float, str, int]] = []
        """When (s since the start), who, exit code: of those that nobody killed."""
        self._since = time.monotonic()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def _start(self, number: int) -> Process:
        # The same log file for a name's whole life.
        return self._job.start(self.names[number], EWS_INSTANCE_ID=self.names[number])

    def kill(self, victims: Iterable[int]) -> None:
        """SIGKILL, and a new start for each."""
        with self._lock:
            for number in victims:
                if self.workers[number].running:
                    self.workers[number].kill()
                    self.killed += 1
                else:
                    self._note(number)
                self.workers[number] = self._start(number)

    def _note(self, number: int) -> None:
        code = self.workers[number].returncode
        assert code is not None
        self.unplanned.append((time.monotonic() - self._since, self.names[number], code))

    def _watch(self) -> None:
        while not self._stopping.wait(0.05):
            with self._lock:
                if self._stopping.is_set():
                    break
                for number, worker in enumerate(self.workers):
                    if not worker.running:
                        self._note(number)
                        self.workers[number] = self._start(number)
        # A worker dies with the thread that started it (see tests/kafka/leash.py).
        self._stopped.wait()

    def stop(self) -> list[int]:
        """Ends all workers in order (SIGTERM); their exit codes."""
        with self._lock:
            self._stopping.set()
            codes = [worker.stop() for worker in self.workers]
        self._stopped.set()
        self._thread.join()
        return codes

    def lines(self, word: str) -> int:
        """How often the workers' logs say something."""
        return sum(file.read_text(errors="replace").count(word) for file in self._job.folder.glob("w?*.err"))


# --- what must be true ----------------------------------------------------------------------------------------------------


@dataclass
class Findings:
    """What was found wrong, by kind."""

    lost: int = 0
    double: int = 0
    different: int = 0
    lines: list[str] = field(default_factory=list)

    def add(self, line: str, *, lost: int = 0, double: int = 0, different: int = 0) -> None:
        """Notes it where any of the numbers is not 0."""
        self.lost, self.double, self.different = self.lost + lost, self.double + double, self.different + different
        if lost or double or different:
            self.lines.append(line)


def check_ranges(job: Job, told: Produced, found: Findings) -> None:
    """Every offset of every input lies in exactly one journalled range of each stage that reads it; all that was sent is."""
    positions: dict[tuple[str, str, int], int] = {}
    for _, entry in job.entries():
        for topic, start, to in entry.applied:
            key = entry.stage, topic, entry.partition
            at = positions.get(key, 0)
            found.add(f"journal: {key} goes from {at} to {start}", lost=max(start - at, 0), double=max(at - start, 0))
            positions[key] = to
    try:
        job.check_journal()
    except AssertionError as wrong:
        found.add(f"journal: {wrong}", different=1)
    applied = job.applied()
    for topic in INPUTS:
        ends = job.client.end_offsets(job.topic(topic))
        for partition, end in enumerate(ends):
            at = applied.get((topic, partition), 0)
            line = f"{topic}[{partition}]: applied to {at}, written to {end}"
            found.add(line, lost=max(end - at, 0), double=max(at - end, 0))
        line = f"{topic}: {told.by_topic[topic]} were sent, {sum(ends)} are there"
        found.add(line, different=abs(told.by_topic[topic] - sum(ends)))


def check_counts(job: Job, told: Produced, found: Findings) -> int:
    """The counts in the accounts' rows are those of the bank; asks neither journal nor outputs. Returns the accounts looked at.

    An event that the bank sent twice counts once if the repetition comes soon, and may count again after a long time.
    """
    latest: dict[bytes, bytes] = {}
    for record in job.client.read_flat(job.changelog):
        if record.key and record.value and record.key in told.events:
            latest[record.key] = record.value
    names = sorted(told.events)
    found.add("accounts have no row", lost=len(names) - len(latest))
    names = [name for name in names if name in latest]
    rows = unpack([latest[name] for name in names], ACCOUNT_VERSIONS)
    for name, row in zip(names, rows, strict=True):
        for topic, counter in EVENTS.items():
            counted, sent, least = int(row[counter]), told.events[name][topic], len(told.distinct[name][topic])
            line = f"{name.decode()}: {counted} {topic} counted, {least} were sent, {sent} with repetitions"
            found.add(line, lost=max(least - counted, 0), double=max(counted - sent, 0))
    return len(names)


def check_ids(live: dict[str, list[Received]], told: Produced, found: Findings) -> None:
    """No id twice: of records, of raised signals, of issued nudges and escalations, of dead letters' places."""
    for topic in OUTPUTS:
        if topic == DEAD:
            names = ("kafka_dlt-original-topic", "kafka_dlt-original-partition", "kafka_dlt-original-offset")
            ids = [tuple(dict(record.headers)[name] for name in names) for record in live[topic]]
        else:
            ids = [(dict(record.headers)["ce_id"],) for record in live[topic]]
        found.add(f"{topic}: ids that come twice", double=len(ids) - len(set(ids)))
    for topic, name, first in (("signals", "signal_id", "raised"), ("nudges", "nudge_id", "issued")):
        values = [json.loads(record.value or b"{}") for record in live[topic]]
        begun = [value[name] for value in values if value["status"] == first]
        found.add(f"{topic}: {first} twice", double=len(begun) - len(set(begun)))
    line = f"{DEAD}: {told.bad} bad records were sent, {len(live[DEAD])} were set aside"
    found.add(line, lost=max(told.bad - len(live[DEAD]), 0), double=max(len(live[DEAD]) - told.bad, 0))


def check_bytes(job: Job, live: dict[str, list[Received]], found: Findings) -> None:
    """Outputs are those of the journal's replay: key, value and headers."""
    said: dict[str, list[Received]] = {topic: [] for topic in OUTPUTS}
    for partition in range(PARTITIONS):
        for applied in rerun.replay(job.settings(), app.stages, partition):
            for output in applied.outputs:
                said[output.topic].append(Received(output.topic, 0, 0, 0, output.key, output.value, output.headers))
    for topic in OUTPUTS:
        one, other = outputs(live[topic]), outputs(said[topic])
        missing, more = (other - one).total(), (one - other).total()
        found.add(f"{topic}: {missing} only in the replay, {more} only live", different=missing + more)


class Gaps(NamedTuple):
    """Seconds."""

    all_: float
    """The longest time in which no task committed anything."""
    one: float
    """The same of a single task."""
    task: str
    span: float
    """From the first to the last commit that applied records of the bank."""


def gaps(job: Job, until_ms: int) -> Gaps:
    """Gaps between commits, by the journal's timestamps, from each task's first commit to `until_ms`."""
    by_task: dict[str, list[int]] = defaultdict(list)
    bank: list[int] = []
    for record, entry in job.entries():
        if record.timestamp <= until_ms:
            by_task[f"{entry.stage}[{entry.partition}]"].append(record.timestamp)
            if any(topic in INPUTS for topic, _, _ in entry.applied):
                bank.append(record.timestamp)
    everything = sorted(at for times in by_task.values() for at in times)

    def longest(times: list[int]) -> int:
        times = sorted([*times, until_ms])
        return max((b - a for a, b in itertools.pairwise(times)), default=0)

    one, task = max((longest(times), task) for task, times in by_task.items())
    return Gaps(longest(everything) / 1000, one / 1000, task, (max(bank) - min(bank)) / 1000)


# --- the run --------------------------------------------------------------------------------------------------------------


def settle(job: Job) -> None:
    """Returns once everything that was sent, and what the stages tell each other, is in the journal."""
    ends = {(t, p): end for t in INPUTS for p, end in enumerate(job.client.end_offsets(job.topic(t)))}

    def applied() -> bool:
        positions = job.applied()
        return all(positions.get(key, 0) >= end for key, end in ends.items())

    wait_until(applied, SETTLE, "all inputs applied", 1.0)
    job.wait_applied(INNER, SETTLE)


def run(job: Job, options: argparse.Namespace, say: Callable[[str], None]) -> Findings:
    """One run; what it found wrong."""
    now = datetime.now(UTC)
    plan = schedule(options.seed, options.kills, options.workers)
    total = int(options.rate * (sum(kill.pause for kill in plan) + 5))
    # As many accounts as bring so many events, so that the story is told to its end (64 an account).
    until = int(now.timestamp() * 1000) - 3_600_000
    load = Workload(250 + total // 64, (now - timedelta(days=90)).date(), INPUTS, until)
    told = Produced()
    reference = list(load.reference())
    holder_of = {
        key: msgspec.json.decode(value)["holders"][0]["customer_id"] for topic, key, value in reference if topic == "accounts"
    }
    produce(job, reference, 0, told)
    say(f"{len(holder_of):,} accounts; {total:,} events to come, at {options.rate:,.0f}/s")

    supervisor = Supervisor(job, options.workers)
    wait_until(lambda: job.client.end_offsets(job.topic("journal")).count(0) == 0, 120, "every partition commits", 0.3)
    failures: list[BaseException] = []

    def bank() -> None:
        try:
            produce(job, mixed(load.events(total), holder_of, now.date()), options.rate, told)
        except BaseException as failure:
            failures.append(failure)

    bank_thread = threading.Thread(target=bank, daemon=True)
    bank_thread.start()
    started = time.monotonic()
    for number, kill in enumerate(plan, 1):
        time.sleep(kill.pause)
        supervisor.kill(kill.victims)
        say(
            f"  {time.monotonic() - started:6.1f} s  kill -9 {' and '.join(f'w{victim}' for victim in kill.victims):10}"
            f"  ({number} of {len(plan)}), {sum(told.by_topic.values()):,} records sent"
        )
    bank_thread.join()
    if failures:
        raise failures[0]
    settle(job)
    settled_ms = int(time.time() * 1000)
    codes = supervisor.stop()

    found = Findings()
    for number, code in enumerate(codes):
        found.add(f"w{number} ended with {code} when asked to stop", different=int(code != 0))
    events = sum(told.by_topic.values()) - len(reference)
    found.add(f"only {events:,} of {total:,} events were sent: workers were killed idle", different=max(total - events, 0))
    say("settled; checking ...")
    live = {topic: job.read(topic) for topic in OUTPUTS}
    check_ranges(job, told, found)
    accounts = check_counts(job, told, found)
    check_ids(live, told, found)
    check_bytes(job, live, found)

    gap = gaps(job, settled_ms)
    exits = Counter(code for _, _, code in supervisor.unplanned)
    moved = supervisor.lines('"event": "assigned"')
    starts = supervisor.lines('"event": "worker up"')
    say("")
    say(f"seed             {options.seed}")
    say(f"kills            {supervisor.killed}, of {options.workers} workers, each restarted at once")
    told_exits = ", ".join(f"{count} with exit code {code}" for code, count in sorted(exits.items())) or "none"
    say(f"unplanned exits  {told_exits}")
    for at, name, code in supervisor.unplanned:
        say(f"                 {name} after {at:.1f} s: exit code {code}")
    # Who comes back under its name within the session timeout gets its partitions back, and nobody else notices.
    say(f"rebalances       {moved} assignments to {starts} workers that came up: {max(moved - starts, 0)} beyond their first")
    sent = f"{events:,} sent in {told.seconds:.0f} s, {events / told.seconds:,.0f}/s"
    say(f"events           {sent}; all applied after {gap.span:.0f} s, {events / gap.span:,.0f}/s")
    say(f"outputs          {', '.join(f'{len(records):,} {topic}' for topic, records in live.items())}")
    say(f"longest gap      {gap.all_:.1f} s without any commit; {gap.one:.1f} s in one task, {gap.task}")
    say(
        f"checked          every offset once in the journal; {accounts:,} accounts counted as the bank counts; no id twice; "
        "every output byte against the replay"
    )
    for line in found.lines[:20]:
        say(f"WRONG            {line}")
    if len(found.lines) > 20:
        say(f"WRONG            and {len(found.lines) - 20} more")
    say(f"{found.lost} lost, {found.double} double, {found.different} different")
    return found


def main() -> int:
    """Entry point; the exit code."""
    parser = argparse.ArgumentParser(prog="bench.chaos", description="kill -9 under load: nothing lost, nothing twice")
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--rate", type=float, default=5000, help="events a second")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", type=Path, help="an empty folder for the workers' logs, which stays")
    options = parser.parse_args()
    if options.kills < 1 or options.workers < 1 or options.rate <= 0:
        parser.error("--kills and --workers must be at least 1, --rate above 0")
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.keep or Path(temporary)
        with Broker(Path(temporary) / "broker") as broker:
            job = Job(broker, folder / "workers", "chaos.")
            job.create_topics()
            try:
                found = run(job, options, lambda line: print(line, flush=True))
            except BaseException:
                print(job.tails(), file=sys.stderr)
                raise
            finally:
                job.close()
    return int(bool(found.lines))


if __name__ == "__main__":
    sys.exit(main())
