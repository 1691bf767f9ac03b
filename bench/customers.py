"""What one signal costs in the customers stage: `python -m bench.customers`.

A simulated year of many customers goes through both stages in this process. What the customers stage reads of it is kept, and goes
through that stage alone, without a broker: decoded, decided, and drained as a commit every 500 records would. Once all of it, with
the facts and ticks between the signals as part of the work; and once the signals alone, of customers who are known. Each round is
one run from the start, and the quickest counts: what slows a run down is other work on the machine. Printed in signals a second of
one core.
"""

from __future__ import annotations

import argparse
import itertools
import json
import platform
import sys
import time
from collections import Counter
from collections.abc import Sequence
from typing import Any

import msgspec

from stream.agents.accounts import AccountsStep
from stream.agents.customers import CustomersStep
from stream.detectors import settings
from stream.engine.offline import Line, Offline
from stream.engine.step import Placement, Record, Refused, Stage
from stream.simulate.corpus import corpus
from stream.topics import ACCOUNTS_INPUTS, CUSTOMERS_INPUTS
from stream.treatment.policy import Policy, default_text, load

COMMIT = 500

Chunk = tuple[str, list[Record]]


class Recorded(CustomersStep):
    """The customers stage, with all that it reads kept in order."""

    def __init__(self, placement: Placement, policy: Any) -> None:
        super().__init__(placement, policy)
        self.read: list[tuple[str, Record]] = []

    def apply(self, topic: str, records: Sequence[Record]) -> list[Refused]:
        self.read += [(topic, record) for record in records]
        return super().apply(topic, records)


def tape(customers: int) -> list[Chunk]:
    """Everything that the customers stage reads in a year, in runs of one topic."""
    encode = msgspec.json.Encoder().encode
    policy = load(default_text())
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


def measured(found: list[Chunk], policy: Policy) -> tuple[float, Counter[str]]:
    """Seconds of CPU that a run takes, and what it said."""
    step = CustomersStep(Placement(0, 1, "murmur2"), policy)
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


def main() -> int:
    """Runs the rounds and prints them."""
    parser = argparse.ArgumentParser(prog="python -m bench.customers", description=__doc__)
    parser.add_argument("--customers", type=int, default=2_000, help="how many simulated customers (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=5, help="runs, of which the quickest counts (default: %(default)s)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    sys.stderr.write("bench.customers: simulating a year, and the accounts stage over it ...\n")
    found = tape(options.customers)
    count = Counter[str]()
    for topic, records in found:
        count[topic] += len(records)
    rounds: list[float] = []
    said: Counter[str] = Counter()
    for number in range(options.rounds):
        seconds, said = measured(found, load(default_text()))
        rounds.append(count["signals"] / seconds)
        sys.stderr.write(f"bench.customers: round {number + 1} of {options.rounds}: {rounds[-1]:,.0f} signals/s\n")
    result = {
        "customers": options.customers,
        "records": dict(count),
        "said": dict(said),
        "signals_per_second": round(max(rounds)),
        "records_per_second": round(max(rounds) * count.total() / count["signals"]),
        "rounds": [round(each) for each in rounds],
        "python": platform.python_version(),
        "machine": platform.processor() or platform.machine(),
    }
    if options.json:
        print(json.dumps(result))
        return 0
    print(f"customers stage: {result['signals_per_second']:,} signals/s a core (rounds: {result['rounds']})")
    print(f"  with all that comes between them: {result['records_per_second']:,} records/s, {dict(count)}")
    print(f"  said: {dict(said)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
