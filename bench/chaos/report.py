"""What happened: a table for people, JSON for programs."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from typing import NamedTuple

from bench.chaos.bank import INPUTS
from bench.chaos.faults import Done
from bench.machine import machine
from stream.engine import journal
from tests.kafka.client import Received


class Gap(NamedTuple):
    """Seconds."""

    job: float = 0.0
    """The longest time in which no task committed anything."""
    task: float = 0.0
    """The same of a single task: the slowest one."""


@dataclass
class Report:
    """One run."""

    seed: int
    brokers: int
    kafka: str
    seconds: float
    """From the first event to the last commit."""
    events: int
    applied_per_second: float
    accounts: int
    outputs: dict[str, int]
    faults: dict[str, int]
    worker_kills: int
    broker_kills: int
    rebalances: int
    unplanned_exits: dict[int, int]
    """Workers that ended by themselves and were started again, by exit code."""
    why: dict[str, int]
    """What they said, each once."""
    gaps: dict[str, Gap]
    """By kind of fault, the worst."""
    gap: Gap
    slow_disk: str
    lost: int = 0
    double: int = 0
    different: int = 0
    wrong: list[str] = field(default_factory=list)
    machine: dict[str, object] = field(default_factory=machine)

    def data(self) -> dict[str, object]:
        """For JSON."""
        return {**asdict(self), "gaps": {kind: gap._asdict() for kind, gap in self.gaps.items()}, "gap": self.gap._asdict()}

    def lines(self) -> list[str]:
        """For people."""
        exits = ", ".join(f"{count} with exit code {code}" for code, count in sorted(self.unplanned_exits.items())) or "none"
        why = ", ".join(f"{count} {name}" for name, count in sorted(self.why.items()))
        lines = [
            f"{'fault':40}{'times':>6}{'longest silence (s): job':>26}{'one task':>10}",
            *(
                f"{kind:40}{count:6}{self.gaps[kind].job:26.1f}{self.gaps[kind].task:10.1f}"
                for kind, count in sorted(self.faults.items())
            ),
            f"{'all':40}{sum(self.faults.values()):6}{self.gap.job:26.1f}{self.gap.task:10.1f}",
            "",
            f"kills            {self.worker_kills + self.broker_kills}: {self.worker_kills} of workers, "
            f"{self.broker_kills} of brokers",
            f"rebalances       {self.rebalances} generations of the group after the first",
            f"unplanned exits  {exits}{f' ({why})' if why else ''}",
            f"events           {self.events:,} in {self.seconds:.0f} s, {self.applied_per_second:,.0f}/s",
            f"accounts         {self.accounts:,}, whose own counts are the bank's",
            f"outputs          {', '.join(f'{count:,} {topic}' for topic, count in self.outputs.items())}",
            f"seed             {self.seed}",
            f"machine          {self.machine['cores']} cores, {self.machine['cpu']}; Apache Kafka {self.kafka}, "
            f"{self.brokers} broker{'s' if self.brokers > 1 else ''}",
        ]
        if "slow disk" in self.faults:
            lines.append(f"slow disk        {self.slow_disk}")
        lines += [f"WRONG            {line}" for line in self.wrong[:20]]
        if len(self.wrong) > 20:
            lines.append(f"WRONG            and {len(self.wrong) - 20} more")
        lines.append(f"{self.lost} lost, {self.double} double, {self.different} different")
        return lines


class Commits:
    """When the tasks committed, by the journal's timestamps (ms)."""

    def __init__(self, entries: Iterable[tuple[Received, journal.Entry]], until: int) -> None:
        """`until` is when everything was applied: what came later was idle."""
        tasks: dict[tuple[str, int], list[int]] = defaultdict(list)
        bank: list[int] = []
        for record, entry in entries:
            if record.timestamp <= until:
                tasks[entry.stage, entry.partition].append(record.timestamp)
                if any(topic in INPUTS for topic, _, _ in entry.applied):
                    bank.append(record.timestamp)
        self._one = [_silences([*times, until]) for times in tasks.values()]
        self._all = _silences([*(at for times in tasks.values() for at in times), until])
        self.last = max(bank)
        """The last commit that applied records of the bank."""

    def worst(self, begin: int, end: int) -> Gap:
        """The longest silences that touch this time."""

        def longest(silences: Sequence[tuple[int, int]]) -> float:
            return max((b - a for a, b in silences if a <= end and b >= begin), default=0) / 1000

        return Gap(longest(self._all), max((longest(silences) for silences in self._one), default=0.0))

    def by_kind(self, done: Iterable[Done]) -> dict[str, Gap]:
        """The worst for each kind of fault. Faults that follow one another within seconds share their silences."""
        worst: dict[str, Gap] = {}
        for fault in done:
            one, before = self.worst(fault.began, fault.ended), worst.get(fault.kind, Gap())
            worst[fault.kind] = Gap(max(one.job, before.job), max(one.task, before.task))
        return worst


def _silences(times: list[int]) -> list[tuple[int, int]]:
    """Times between commits that are long enough to matter."""
    return [(a, b) for a, b in pairwise(sorted(times)) if b - a >= 200]


def counted(done: Iterable[Done]) -> dict[str, int]:
    """Faults by kind."""
    return dict(sorted(Counter(fault.kind for fault in done).items()))
