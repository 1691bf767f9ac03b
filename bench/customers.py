"""What one signal costs in the customers stage: `python -m bench.customers`.

A simulated year of many customers goes through both stages in this process. What the customers stage reads of it is kept, and
goes through that stage alone, without a broker: decoded, decided, and drained every 500 records, as a commit would. Once all of
it, with the facts and ticks between the signals as part of the work; and once the signals alone, of customers who are known.
Each round is both of them from the start, in a process of its own, and the quickest counts: what slows a run down is other work
on the machine. Printed in signals a second of one core, and written to bench/results/customers.json.
"""

from __future__ import annotations

import argparse
import gc
import itertools
import json
import multiprocessing
import pickle
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import msgspec

from bench.machine import machine
from stream.agents.accounts import AccountsStep
from stream.agents.customers import CustomersStep
from stream.detectors import settings
from stream.engine.offline import Line, Offline
from stream.engine.step import Placement, Record, Refused, Stage
from stream.simulate.corpus import corpus
from stream.topics import ACCOUNTS_INPUTS, CUSTOMERS_INPUTS
from stream.treatment.policy import Policy, default_text, load

COMMIT = 500
TARGET = 15_000
"""Signals alone, a second of one core."""
RESULTS = Path(__file__).parent / "results"

Chunk = tuple[str, list[Record]]


class Recorded(CustomersStep):
    """The customers stage, with all that it reads kept in order."""

    def __init__(self, placement: Placement, policy: Any) -> None:
        super().__init__(placement, policy)
        self.read: list[tuple[str, Record]] = []

    def apply(self, topic: str, records: Sequence[Record]) -> list[Refused]:
        self.read += [(topic, record) for record in records]
        return super().apply(topic, records)


def tape(policy: Policy, customers: int) -> list[Chunk]:
    """Everything that the customers stage reads in a year, in runs of one topic."""
    encode = msgspec.json.Encoder().encode
    job = Offline(
        (
            Stage("accounts", ACCOUNTS_INPUTS, lambda placement: AccountsStep(placement, settings.load())),
            Stage("customers", CUSTOMERS_INPUTS, lambda placement: Recorded(placement, policy)),
        ),
        "murmur2",
        config_hash="",
        dead_letter_limit=1.0,
        max_record_bytes=1_000_000,
        tick=True,
        write=lambda output: None,
    )
    lines = (
        (event.topic, Line(0, event.timestamp_ms, event.key.encode(), encode(event.value))) for event in corpus(1, customers)
    )
    for _ in job.run(lines):
        pass
    step = job.steps[1]
    assert isinstance(step, Recorded)
    return [(topic, [record for _, record in run]) for topic, run in itertools.groupby(step.read, key=lambda each: each[0])]


def known_first(found: list[Chunk]) -> list[Chunk]:
    """What is told of customers before the first signal."""
    return [chunk for chunk in itertools.takewhile(lambda chunk: chunk[0] != "signals", found) if chunk[0] == "customers"]


def signals_alone(found: list[Chunk]) -> list[Chunk]:
    """The signals, in runs of a commit each."""
    every = [record for topic, records in found if topic == "signals" for record in records]
    return [("signals", every[start : start + COMMIT]) for start in range(0, len(every), COMMIT)]


def measured(policy: Policy, known: Iterable[Chunk], found: Iterable[Chunk]) -> tuple[float, Counter[str]]:
    """Seconds of CPU that a run over `found` takes where `known` has been applied, and what it said."""
    step = CustomersStep(Placement(0, 1, "murmur2"), policy)
    for topic, records in known:
        step.apply(topic, records)
    step.drain()
    said: Counter[str] = Counter()
    waiting = 0
    start = time.process_time()
    for topic, records in found:
        refused = step.apply(topic, records)
        assert not refused, (topic, refused[0])
        waiting += len(records)
        if waiting >= COMMIT:
            waiting = 0
            said.update(output.topic for output in step.drain().outputs)
    said.update(output.topic for output in step.drain().outputs)
    return time.process_time() - start, said


def counted(found: list[Chunk]) -> Counter[str]:
    """Records by topic."""
    counts: Counter[str] = Counter()
    for topic, run in found:
        counts[topic] += len(run)
    return counts


def one_round(tape_file: Path) -> dict[str, Any]:
    """One round of each kind, in a process that holds nothing but the tape: what the simulation leaves scattered over the memory
    slows a round down by a fifth.
    """
    policy = load(default_text())
    found: list[Chunk] = pickle.loads(tape_file.read_bytes())
    known, alone = known_first(found), signals_alone(found)
    # As a worker does: what stays is not looked through for cycles again and again.
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 50, 50)
    records = counted(found)
    apart, said_apart = measured(policy, known, alone)
    whole, said = measured(policy, (), found)
    return {
        "all": {
            "signals_per_second": round(records["signals"] / whole),
            "records_per_second": round(records.total() / whole),
            "said": dict(said),
        },
        "signals_alone": {"signals_per_second": round(records["signals"] / apart), "said": dict(said_apart)},
    }


def main() -> int:
    """Runs the rounds, prints them and keeps them."""
    parser = argparse.ArgumentParser(prog="python -m bench.customers", description=__doc__)
    parser.add_argument("--customers", type=int, default=2_000, help="how many simulated customers (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=5, help="runs, of which the quickest counts (default: %(default)s)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    sys.stderr.write("bench.customers: simulating a year, and the accounts stage over it ...\n")
    policy = load(default_text())
    found = tape(policy, options.customers)
    records = counted(found)
    rounds = []
    with tempfile.TemporaryDirectory() as folder:
        tape_file = Path(folder) / "tape"
        tape_file.write_bytes(pickle.dumps(found))
        del found
        for number in range(options.rounds):
            with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as apart:
                rounds.append(apart.submit(one_round, tape_file).result())
            sys.stderr.write(f"bench.customers: round {number + 1} of {options.rounds}\n")
    result: dict[str, Any] = {
        "machine": machine(), "customers": options.customers, "records": dict(records), "target": TARGET, "rounds": rounds,
    }  # fmt: skip
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "customers.json").write_text(json.dumps(result, indent=2) + "\n")
    if options.json:
        print(json.dumps(result))
        return 0
    print(f"customers stage, {options.customers:,} customers, signals a second of one core (rounds)")
    for name, told in (("all", "all that it reads"), ("signals_alone", "the signals alone")):
        rates = [each[name]["signals_per_second"] for each in rounds]
        print(f"  {told:18} {max(rates):7,}   ({', '.join(f'{rate:,}' for rate in rates)})")
        print(f"    said {rounds[-1][name]['said']}")
    print(f"  all: {max(each['all']['records_per_second'] for each in rounds):,} records/s, {dict(records)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
