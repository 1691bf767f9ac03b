"""What one event costs in the detectors: `python -m bench.detectors`.

A simulated year of many customers goes through the accounts stage in this process, without a broker. The first half, in which
habits are learned, is not measured; of the second half each round is one run, and the quickest counts: what slows a run down is
other work on the machine. Printed in microseconds an event: reading (decode and columns), the pass of all detectors over the
rows, draining (changelog rows and outputs), and everything (with words and signals). Writes bench/results/detectors.json.
"""

from __future__ import annotations

import argparse
import itertools
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np

from bench.machine import machine
from stream.agents import columns
from stream.agents.accounts import _READERS, AccountsStep
from stream.detectors import settings
from stream.engine.step import Placement
from stream.simulate.corpus import corpus
from stream.tables.account import ACCOUNT, EVIDENCE
from stream.topics import ACCOUNTS_INPUTS

CHUNK = 2_000
RESULTS = Path(__file__).parent / "results"


class Record(NamedTuple):
    """One record, as the step takes it."""

    offset: int
    timestamp: int
    key: bytes
    value: bytes
    headers: tuple[()] = ()


Chunk = tuple[str, Sequence[Record]]


def chunks(customers: int) -> list[Chunk]:
    """A year of records, cut as a worker that is behind would read them: as long as the topic stays, at most CHUNK."""
    encode = msgspec.json.Encoder().encode
    waiting: dict[str, list[Record]] = {}
    found: list[Chunk] = []
    for event in corpus(1, customers):
        if event.topic in ACCOUNTS_INPUTS:
            own = waiting.setdefault(event.topic, [])
            own.append(Record(0, event.timestamp_ms, event.key.encode(), encode(event.value)))
            if len(own) >= CHUNK or event.topic == "accounts":
                found.append((event.topic, own))
                waiting[event.topic] = []
    return found + [chunk for chunk in waiting.items() if chunk[1]]


class Timed(AccountsStep):
    """The accounts stage with a stop watch around the pass."""

    passing = 0.0

    def _process(self, events: Any) -> Any:
        start = time.perf_counter()
        found = super()._process(events)
        self.passing += time.perf_counter() - start
        return found


def measured(tape: Sequence[Chunk]) -> dict[str, float]:
    """Microseconds an event of one run, by what takes them."""
    step = Timed(Placement(0, 1, "murmur2"), settings.load())
    half = len(tape) // 2
    for topic, records in tape[:half]:
        step.apply(topic, records)
    step.drain()
    step.passing = 0.0
    second = [(topic, records) for topic, records in tape[half:] if topic in _READERS]
    events = sum(len(records) for _, records in second)
    start = time.perf_counter()
    for topic, records in second:
        columns.read(_READERS[topic], records)
    reading = time.perf_counter() - start
    draining = 0.0
    start = time.perf_counter()
    for topic, records in second:
        step.apply(topic, records)
        begun = time.perf_counter()
        step.drain()
        draining += time.perf_counter() - begun
    whole = time.perf_counter() - start
    spent = {"read": reading, "pass": step.passing, "drain": draining, "all": whole}
    return {name: seconds / events * 1e6 for name, seconds in spent.items()}


def main() -> int:
    """Measures, prints, and says whether the pass keeps its limit."""
    parser = argparse.ArgumentParser(prog="python -m bench.detectors", description=__doc__)
    parser.add_argument("--customers", type=int, default=400)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--limit", type=float, default=1.5, help="microseconds an event that the pass may take")
    args = parser.parse_args()
    AccountsStep.warm_up()
    tape = chunks(args.customers)
    rounds = [measured(tape) for _ in range(args.rounds)]
    best = {name: round(min(one[name] for one in rounds), 3) for name in rounds[0]}
    events = sum(len(records) for topic, records in itertools.islice(tape, len(tape) // 2, None) if topic in _READERS)
    print(f"{events:,} events of {args.customers} customers, {args.rounds} rounds, NumPy {np.__version__}")
    print(f"row {ACCOUNT.itemsize} bytes, evidence {EVIDENCE.itemsize} bytes")
    for name, cost in best.items():
        print(f"{name:5} {cost:7.3f} us an event   (rounds: {', '.join(f'{one[name]:.3f}' for one in rounds)})")
    told = {"machine": machine(), "events": events, "rounds": args.rounds, "limit_us": args.limit, "us_an_event": best}
    (RESULTS / "detectors.json").write_text(json.dumps(told, indent=2) + "\n")
    print(json.dumps(best))
    return 0 if best["pass"] <= args.limit else 1


if __name__ == "__main__":
    sys.exit(main())
