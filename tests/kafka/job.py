"""A job on a test's broker: its topics, its workers, what goes in and what came out."""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path

from stream import settings
from stream.engine import checks, journal
from tests.kafka.broker import Broker
from tests.kafka.client import Client, Message, Received, wait_until
from tests.kafka.cluster import Cluster
from tests.kafka.process import Process

PARTITIONS = 4


class Job:
    """One app name on one broker. `program` is what a worker runs: `stream worker`, or the toy."""

    def __init__(
        self,
        broker: Broker | Cluster,
        folder: Path,
        prefix: str = "",
        program: tuple[str, ...] = ("-m", "stream", "worker"),
        client: Client | None = None,
        **env: str,
    ) -> None:
        self.broker = broker
        self.client = client or broker.client
        self.folder = folder
        self.program = program
        self.env = {
            "EWS_BOOTSTRAP": broker.bootstrap,
            "EWS_TOPIC_PREFIX": prefix,
            "EWS_APP": "ews" if not prefix else prefix.strip("-."),
            "EWS_REPLICATION": "1",
            "EWS_MIN_INSYNC": "1",
            "EWS_PARTITIONS": str(PARTITIONS),
            "EWS_SESSION_TIMEOUT_MS": "6000",
            "EWS_TICK_SECONDS": "0.5",
            "EWS_WEB_PORT": "0",
            **env,
        }
        self.workers: list[Process] = []

    def settings(self, **overrides: object) -> settings.Settings:
        """The job's settings as an object."""
        given = {name.removeprefix("EWS_").lower(): value for name, value in self.env.items()}
        return settings.load(**{**given, **overrides})

    def topic(self, name: str) -> str:
        """A topic's physical name."""
        return self.env["EWS_TOPIC_PREFIX"] + name

    @property
    def changelog(self) -> str:
        """The accounts stage's changelog."""
        return self.settings().changelog("accounts")

    def create_topics(self) -> None:
        """What `ews topics create` does."""
        loaded = self.settings()
        admin = checks.Admin(loaded)
        admin.create(checks.wanted(loaded), loaded.replication)
        admin.find_settled([topic.name for topic in checks.wanted(loaded)])

    def start(self, name: str | None = None, **env: str) -> Process:
        """Starts a worker."""
        name = name or f"worker-{len(self.workers)}"
        clean = {key: value for key, value in os.environ.items() if not key.startswith(("EWS_", "TOY_"))}
        process = Process([sys.executable, *self.program], self.folder, name, clean | self.env | env)
        self.workers.append(process)
        return process

    def close(self) -> None:
        """Ends what still runs."""
        for process in self.workers:
            process.kill()

    def tails(self) -> str:
        """What the workers said last."""
        return "\n".join(f"--- {p.stderr_file.name} (exit {p.returncode})\n{p.tail(15)}" for p in self.workers)

    def produce(self, topic: str, records: Iterable[tuple[bytes | None, bytes | None] | Message]) -> None:
        """Writes records, placed by their keys unless a Message says otherwise."""
        self.client.produce(
            self.topic(topic),
            [record if isinstance(record, Message) else Message(-1, *record) for record in records],
        )

    def read(self, topic: str) -> list[Received]:
        """All committed records of a topic."""
        return self.client.read_flat(self.topic(topic))

    def wait_for(self, topic: str, count: int, timeout: float = 60) -> list[Received]:
        """The topic's committed records, once there are at least `count`."""
        try:
            return wait_until(
                lambda: got if len(got := self.read(topic)) >= count else [], timeout, f"{count} records in {topic}", 0.3
            )
        except AssertionError as late:
            raise AssertionError(f"{late}; there are {len(self.read(topic))}\n{self.tails()}") from None

    def wait_applied(self, topics: Iterable[str], timeout: float = 60) -> None:
        """Returns once the journal covers everything these inputs hold now."""
        ends = {
            (topic, partition): (records[-1].offset + 1 if records else 0)
            for topic in topics
            for partition, records in self.client.read_all(self.topic(topic)).items()
        }
        try:
            wait_until(
                lambda: all(self.applied().get((t, p), 0) >= end for (t, p), end in ends.items()),
                timeout,
                "all inputs applied",
                0.3,
            )
        except AssertionError as late:
            raise AssertionError(f"{late}\n{self.tails()}") from None

    def entries(self) -> list[tuple[Received, journal.Entry]]:
        """The journal."""
        entries = [(record, journal.decode(record.value or b"")) for record in self.read("journal")]
        return [(record, entry) for record, entry in entries if entry.app == self.env["EWS_APP"]]

    def applied(self) -> Counter[tuple[str, int]]:
        """How far the journal has come, by topic and partition (ticks: of the accounts stage)."""
        positions: Counter[tuple[str, int]] = Counter()
        for _, entry in self.entries():
            for topic, _, to in entry.applied:
                if topic != "ticks" or entry.stage == "accounts":
                    positions[topic, entry.partition] = max(positions[topic, entry.partition], to)
        return positions

    def check_journal(self) -> None:
        """Each stage's ranges follow one another without gap or overlap, from the beginning of every input."""
        positions: dict[tuple[str, str, int], int] = {}
        for _, entry in self.entries():
            for topic, start, to in entry.applied:
                key = entry.stage, topic, entry.partition
                assert start == positions.get(key, 0), f"{key}: {positions.get(key, 0)} then {start}"
                assert to >= start
                positions[key] = to


def outputs(records: Iterable[Received]) -> Counter[tuple[bytes | None, bytes | None, tuple[tuple[str, bytes], ...]]]:
    """Records as a bag of key, value and headers: what must be equal between two runs."""
    return Counter((record.key, record.value, record.headers) for record in records)


def without(env: Mapping[str, str], *names: str) -> dict[str, str]:
    """Settings less some."""
    return {name: value for name, value in env.items() if name not in names}
