"""What must be true at the end. Reads Kafka alone, committed records only, and the bank's own count."""

from __future__ import annotations

import hashlib
import json
import multiprocessing
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field

from bench.chaos.bank import COUNTERS, INPUTS, Told
from stream import app
from stream.engine import journal, rerun
from stream.engine.deadletters import TOPIC as DEAD
from stream.engine.step import Headers
from stream.errors import EwsError
from stream.settings import Settings
from stream.tables.account import ACCOUNT_VERSIONS, unpack
from stream.topics import ACCOUNTS_INPUTS, CUSTOMERS_INPUTS
from tests.kafka.client import Received
from tests.kafka.job import PARTITIONS, Job

OUTPUTS = ("signals", "nudges", "escalations", "decisions", DEAD, "account-facts", "account-orders")
INNER = ("signals", "account-facts", "account-orders")
"""What the stages tell each other."""
READS = {"accounts": ACCOUNTS_INPUTS, "customers": CUSTOMERS_INPUTS}
_BEGINS = {"signals": ("signal_id", "raised"), "nudges": ("nudge_id", "issued")}
"""What must begin once. Not escalations: one that nobody answers is issued again, urgently, under its id."""
_PLACE = ("kafka_dlt-original-topic", "kafka_dlt-original-partition", "kafka_dlt-original-offset")

Bag = Counter[bytes]
"""How often each record comes, by a digest of key, value and headers."""


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


@dataclass
class Said:
    """One output topic, read to its end."""

    bag: Bag = field(default_factory=Counter)
    ids: Counter[tuple[bytes, ...]] = field(default_factory=Counter)
    """Record ids; of dead letters, the places where the records lie."""
    begun: Counter[str] = field(default_factory=Counter)
    """Ids of signals raised and of nudges issued."""
    ends: dict[int, int] = field(default_factory=dict)
    """By partition, the offset after the last record."""

    @property
    def records(self) -> int:
        """How many."""
        return self.bag.total()


def digest(key: bytes | None, value: bytes | None, headers: Headers) -> bytes:
    """A record in 16 bytes."""
    return hashlib.blake2b(repr((key, value, tuple(headers))).encode(), digest_size=16).digest()


def listen(topic: str, records: Iterable[Received]) -> Said:
    """Takes an output topic in."""
    said = Said()
    for record in records:
        said.bag[digest(record.key, record.value, record.headers)] += 1
        said.ends[record.partition] = record.offset + 1
        headers = dict(record.headers)
        said.ids[tuple(headers[name] for name in (_PLACE if topic == DEAD else ("ce_id",)))] += 1
        if topic in _BEGINS:
            name, first = _BEGINS[topic]
            value = json.loads(record.value or b"{}")
            if value["status"] == first:
                said.begun[value[name]] += 1
    return said


def check_ranges(entries: Iterable[journal.Entry], ends: Mapping[tuple[str, int], int], found: Findings) -> None:
    """Every offset of an input lies in exactly one range of each stage that reads it, up to `ends` (topic, partition)."""
    positions: dict[tuple[str, str, int], int] = defaultdict(int)
    for entry in entries:
        for topic, start, to in entry.applied:
            place = entry.stage, topic, entry.partition
            at = positions[place]
            line = f"journal: {entry.stage}[{entry.partition}] goes from {topic} {at} to {start}"
            found.add(line, lost=max(start - at, 0), double=max(at - start, 0), different=int(to < start))
            positions[place] = to
    for (topic, partition), end in ends.items():
        for stage, inputs in READS.items():
            if topic in inputs:
                at = positions[stage, topic, partition]
                line = f"{stage}: {topic}[{partition}] applied to {at}, written to {end}"
                found.add(line, lost=max(end - at, 0))


def check_sent(ends: Mapping[tuple[str, int], int], told: Told, found: Findings) -> None:
    """What the bank sent is what the topics hold."""
    there: Counter[str] = Counter()
    for (topic, _), end in ends.items():
        there[topic] += end
    for topic in INPUTS:
        line = f"{topic}: {told.by_topic[topic]} were sent, {there[topic]} are there"
        found.add(line, different=abs(told.by_topic[topic] - there[topic]))


def check_ids(topic: str, said: Said, found: Findings) -> None:
    """No id twice: of records and dead letters' places, of raised signals, of issued nudges."""
    first = next((name for name, count in said.ids.items() if count > 1), ())
    found.add(f"{topic}: ids that come twice, such as {first!r}", double=said.ids.total() - len(said.ids))
    found.add(f"{topic}: begun twice under one id", double=said.begun.total() - len(said.begun))


def check_bytes(topic: str, live: Bag, again: Bag, found: Findings) -> None:
    """The outputs are those of the journal's replay: key, value and headers."""
    missing, more = (again - live).total(), (live - again).total()
    found.add(f"{topic}: {missing} only in the replay, {more} only live", different=missing + more)


def check_counts(job: Job, told: Told, found: Findings) -> int:
    """The counts in the accounts' rows are those of the bank; asks neither journal nor outputs. Returns the accounts looked at.

    An event that the bank sent twice counts once if the repetition comes soon, and may count again after a long time.
    """
    latest: dict[bytes, bytes] = {}
    names = {key for key, _ in told.ids}
    for record in job.client.scan(job.changelog):
        if record.key in names and record.key and record.value:
            latest[record.key] = record.value
    found.add("accounts have no row", lost=len(names) - len(latest))
    rows = unpack(list(latest.values()), ACCOUNT_VERSIONS)
    for name, row in zip(latest, rows, strict=True):
        for topic, counter in COUNTERS.items():
            ids = told.ids.get((name, topic), ())
            counted, sent, least = int(row[counter]), len(ids), len(set(ids))
            line = f"{name.decode()}: {counted} {topic} counted, {least} were sent, {sent} with repetitions"
            found.add(line, lost=max(least - counted, 0), double=max(counted - sent, 0))
    return len(names)


def replayed(settings: Settings) -> dict[str, Bag]:
    """What the journal's replay says, by topic. Takes two processes."""
    bags: dict[str, Bag] = {topic: Counter() for topic in OUTPUTS}
    with ProcessPoolExecutor(2, multiprocessing.get_context("spawn")) as pool:
        for part in pool.map(_replayed, [settings.model_dump()] * PARTITIONS, range(PARTITIONS)):
            for topic, bag in part.items():
                bags[topic] += bag
    return bags


def _replayed(settings: dict[str, object], partition: int) -> dict[str, Bag]:
    bags: dict[str, Bag] = {topic: Counter() for topic in OUTPUTS}
    for applied in rerun.replay(Settings(**settings), app.stages, partition):  # type: ignore[arg-type]
        for output in applied.outputs:
            bags[output.topic][digest(output.key, output.value, output.headers)] += 1
    return bags


def check(job: Job, told: Told, found: Findings) -> tuple[dict[str, int], int]:
    """Everything. Returns the outputs by topic, and the accounts whose counts were compared."""
    ends = {(topic, p): end for topic in INPUTS for p, end in enumerate(job.client.end_offsets(job.topic(topic)))}
    check_sent(ends, told, found)
    live = {topic: listen(topic, job.client.scan(job.topic(topic))) for topic in OUTPUTS}
    ends |= {(topic, partition): end for topic in INNER for partition, end in live[topic].ends.items()}
    check_ranges((entry for _, entry in job.entries()), ends, found)
    for topic, said in live.items():
        check_ids(topic, said, found)
    aside = live[DEAD].records
    line = f"{DEAD}: {told.bad} bad records were sent, {aside} were set aside"
    found.add(line, lost=max(told.bad - aside, 0), double=max(aside - told.bad, 0))
    accounts = check_counts(job, told, found)
    try:
        again = replayed(job.settings(bootstrap=job.broker.bootstrap))
    except EwsError as error:
        found.add(f"no replay: {error}", different=1)
    else:
        for topic, said in live.items():
            check_bytes(topic, said.bag, again[topic], found)
    return {topic: said.records for topic, said in live.items()}, accounts
