"""Feeds sequences to the real steps and looks at what comes of each record.

A life is one sequence for one stage. It is applied in chunks, as a worker does; then the records that were accepted are applied
to a second step, one by one and without the refused ones. Both must say the same and store the same: then a bad record left no
trace, and the good ones behind it gave what they would have given.
"""

from __future__ import annotations

import ast
import faulthandler
import gc
import hashlib
import resource
import sys
import time
import traceback
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from random import Random
from typing import Any, NamedTuple, get_args, get_type_hints

import msgspec

import stream
from stream.agents.accounts import AccountsStep
from stream.agents.customers import CustomersStep
from stream.contracts import RECORDS
from stream.detectors import settings
from stream.engine import deadletters
from stream.engine.offline import Line
from stream.engine.redrive import letter_of
from stream.engine.step import Output, Placement, Refused
from stream.errors import Reason
from stream.treatment import policy
from tests.fuzz import inputs
from tests.fuzz.inputs import LARGEST, PARTITIONS, PLANTED, PLANTED_NUMBER, Input

COUNT = 400
"""Bad records of one life."""
HANGS = 120
"""Seconds of one life after which the stacks are shown and the run ends."""
SHOWN = 5
RESERVE = 4_000
"""So far below the limit a dead letter has all that its record had."""
LARGEST_ROW = LARGEST
"""No stored row and no output may be larger than what a topic takes."""

Step = AccountsStep | CustomersStep


class Violation(NamedTuple):
    """What should not be."""

    kind: str
    """One word; with `where` it tells one fault from another."""
    where: str
    seed: int
    stage: str
    told: str


@dataclass
class Report:
    """What came of some lives."""

    inputs: int = 0
    """Records to which something had happened."""
    sound: int = 0
    """Records behind them."""
    processed: int = 0
    """Of the inputs."""
    refused: Counter[str] = field(default_factory=Counter)
    """Of the inputs, by reason."""
    by_mutation: Counter[tuple[str, bool]] = field(default_factory=Counter)
    """Inputs by what was done to them, and whether they were refused."""
    said: set[str] = field(default_factory=set)
    """Every text of a reason."""
    outputs: int = 0
    largest_row: int = 0
    largest_output: int = 0
    slowest: float = 0.0
    """Seconds for one chunk, with the sound ones in it."""
    seconds: float = 0.0
    memory: int = 0
    """Peak of the process, in bytes."""
    violations: list[Violation] = field(default_factory=list)

    def add(self, other: Report) -> None:
        self.inputs += other.inputs
        self.sound += other.sound
        self.processed += other.processed
        self.refused += other.refused
        self.by_mutation += other.by_mutation
        self.said |= other.said
        self.outputs += other.outputs
        self.largest_row = max(self.largest_row, other.largest_row)
        self.largest_output = max(self.largest_output, other.largest_output)
        self.slowest = max(self.slowest, other.slowest)
        self.seconds += other.seconds
        self.memory = max(self.memory, other.memory)
        self.violations += other.violations


def new_step(stage: str) -> Step:
    placement = Placement(0, PARTITIONS, "murmur2")
    if stage == "accounts":
        return AccountsStep(placement, _detectors())
    return CustomersStep(placement, _policy())


@cache
def _detectors() -> Any:
    return settings.load()


@cache
def _policy() -> policy.Policy:
    return policy.load(policy.default_text())


# --- what may be said of a bad record


@cache
def _names() -> frozenset[str]:
    """The fields of all contracts."""
    found: set[str] = set()

    def walk(hint: Any) -> None:
        if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
            found.update(hint.__struct_encode_fields__)
            for inner in get_type_hints(hint, include_extras=True).values():
                walk(inner)
        for part in get_args(hint):
            walk(part)

    for kind in RECORDS.values():
        walk(kind)
    # What an envelope is made of, and a key, are named in the same way.
    return frozenset(found | {"data", "data_base64", "datacontenttype"})


@cache
def _phrases() -> frozenset[str]:
    """Every text that stands in the sources that refuse: what is said of a record may be nothing else."""
    root = Path(stream.__file__).parent
    found: set[str] = set()
    for path in [*root.glob("contracts/*.py"), *root.glob("agents/*.py"), root / "engine" / "ticks.py"]:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.add(node.value)
    return frozenset(found)


def tells_only_what_it_may(refused: Refused) -> bool:
    """Whether a reason is of the closed list, and its text is made of field names, places and phrases of the source."""
    if not isinstance(refused.reason, Reason):
        return False
    for part in filter(None, refused.why.removeprefix(refused.reason.value).split(": ")):
        steps = part.replace("[...]", "").replace("]", "").replace("[", ".").split(".")
        if part not in _phrases() and not all(step in _names() or step.isdecimal() or not step for step in steps):
            return False
    return PLANTED.lower() not in refused.why.lower() and PLANTED_NUMBER not in refused.why


# --- a life


def chunks(records: Sequence[Input], seed: int) -> Iterator[list[Input]]:
    """Runs of one topic, cut here and there."""
    random = Random(seed)
    start = 0
    while start < len(records):
        stop, most = start, start + random.choice((1, 2, 7, 64))
        while stop < min(len(records), most) and records[stop].topic == records[start].topic:
            stop += 1
        yield list(records[start:stop])
        start = stop


class Run:
    """One sequence through a stage, and all that is to be seen of it."""

    def __init__(self, stage: str, seed: int, records: Sequence[Input]) -> None:
        self.stage, self.seed, self.records = stage, seed, records
        self.report = Report()

    def go(self) -> Report:
        """Applies it; never raises for what a step does."""
        began = time.perf_counter()
        refused = self._subject()
        if refused is not None:
            self._count(refused)
            self._compare([one for index, one in enumerate(self.records) if index not in refused])
        self.report.seconds = time.perf_counter() - began
        self.report.memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        return self.report

    def _violated(self, kind: str, where: str, told: str) -> None:
        self.report.violations.append(Violation(kind, where, self.seed, self.stage, told))

    def _subject(self) -> dict[int, Refused] | None:
        """Applies it in chunks; the refused by index, None after a crash."""
        step, refused, at = new_step(self.stage), dict[int, Refused](), 0
        self.outputs: list[Output] = []
        self.rows: dict[bytes, bytes | None] = {}
        for chunk in chunks(self.records, self.seed):
            began = time.perf_counter()
            try:
                bad = step.apply(chunk[0].topic, [one.record for one in chunk])
                drained = step.drain()
                step.next_due()
            except Exception as error:
                self._crashed(error)
                return None
            self.report.slowest = max(self.report.slowest, time.perf_counter() - began)
            self.outputs += drained.outputs
            self.rows.update(drained.rows)
            for one in bad:
                refused[at + one.index] = one
            at += len(chunk)
        self.step = step
        return refused

    def _crashed(self, error: Exception) -> None:
        """Finds the record that did it."""
        frame = traceback.extract_tb(error.__traceback__)[-1]
        where = f"{type(error).__name__} at {Path(frame.filename).name}:{frame.lineno}"
        step = new_step(self.stage)
        culprit = "only in a chunk"
        for index, one in enumerate(self.records):
            try:
                step.apply(one.topic, [one.record])
                step.drain()
                step.next_due()
            except Exception:
                culprit = f"record {index}, {one.mutation}, of {one.topic}: {one.record!r:.1500}"
                break
        self._violated("crash", where, f"{culprit}\n{''.join(traceback.format_exception(error))}")

    def _count(self, refused: dict[int, Refused]) -> None:
        report = self.report
        for index, one in enumerate(self.records):
            bad = refused.get(index)
            if one.mutation == "sound":
                report.sound += 1
            else:
                report.inputs += 1
                report.by_mutation[one.mutation, bad is not None] += 1
                if bad is None:
                    report.processed += 1
                else:
                    report.refused[bad.reason.value] += 1
            if bad is not None:
                report.said.add(bad.why)
                if not tells_only_what_it_may(bad):
                    self._violated("data in a reason", bad.why, f"{one.mutation} of {one.topic}: {bad!r}")
                self._look_at_dead_letter(one, bad)
        report.outputs = len(self.outputs)
        report.largest_row = max((len(key) + len(value or b"") for key, value in self.rows.items()), default=0)
        report.largest_output = max((len(one.value or b"") for one in self.outputs), default=0)
        for what, size in (("row", report.largest_row), ("output", report.largest_output)):
            if size > LARGEST_ROW:
                self._violated("too large", what, f"a {what} of {size} bytes")

    def _look_at_dead_letter(self, one: Input, bad: Refused) -> None:
        record = one.record
        letter = deadletters.wrap(one.topic, 0, record, bad, LARGEST)
        headers = dict(letter.headers)
        size = wire_size(letter)
        if size > LARGEST:
            self._violated("too large", "dead letter", f"{size} bytes of {one.mutation} of {one.topic}")
        read = letter_of(Line(9, 1, letter.key, letter.value, letter.headers), "", 0)
        assert read is not None
        whole = read.kept and (read.key, read.value, read.headers) == (record.key, record.value, record.headers)
        small = wire_size(Output("", record.key, record.value, record.headers)) + RESERVE < LARGEST
        if not (whole if small else whole or read.sha256 == hashlib.sha256(record.value or b"").hexdigest()):
            self._violated("dead letter", "bytes", f"of {one.mutation} of {one.topic}: {letter!r:.500}")
        if headers["ews-reason"] != bad.reason.value.encode():
            self._violated("dead letter", "reason", repr(headers)[:500])

    def _compare(self, good: list[Input]) -> None:
        """Applies the accepted records alone, one by one."""
        step = new_step(self.stage)
        outputs: list[Output] = []
        rows: dict[bytes, bytes | None] = {}
        for one in good:
            try:
                bad = step.apply(one.topic, [one.record])
            except Exception as error:
                self._violated("crash", "without the refused ones", f"{one.record!r:.1500}\n{traceback.format_exception(error)}")
                return
            if bad:
                self._violated("judged otherwise", one.mutation, f"{one.topic}: {bad} {one.record!r:.1500}")
                return
            drained = step.drain()
            outputs += drained.outputs
            rows.update(drained.rows)
        if outputs != self.outputs:
            first = next((pair for pair in zip(self.outputs, outputs, strict=False) if pair[0] != pair[1]), None)
            self._violated("said otherwise", "outputs", f"{len(self.outputs)} and {len(outputs)}; first: {first!r:.3000}")
        for mine in (self.rows, rows):
            _forget_counts(mine)
        if rows != self.rows:
            differ = [key for key in rows.keys() | self.rows.keys() if rows.get(key) != self.rows.get(key)]
            self._violated("stored otherwise", "rows", f"{len(differ)} keys, such as {differ[0]!r}")
        if (step.clock, step.next_due()) != (self.step.clock, self.step.next_due()):
            self._violated("stored otherwise", "clock", f"{step.clock} and {self.step.clock}")


def _forget_counts(rows: dict[bytes, bytes | None]) -> None:
    """Leaves the row of the partition out, where refused records are counted: that is to differ."""
    for key in [key for key in rows if key.startswith(b"\x00")]:
        del rows[key]


def wire_size(output: Output) -> int:
    """At most what a record takes in a batch of its own, with the lengths before each part."""
    return (
        len(output.key or b"") + len(output.value or b"") + 100
        + sum(len(name.encode()) + len(content or b"") + 10 for name, content in output.headers)
    )  # fmt: skip


def run(count: int, seed: int = 0, *, progress: bool = False) -> Report:
    """As many lives as bring `count` inputs, from this seed on, the stages in turn."""
    report = Report()
    AccountsStep.warm_up()
    began = time.perf_counter()
    number = seed
    while report.inputs < count and len(report.violations) < 200:
        stage = "accounts" if number % 2 == 0 else "customers"
        faulthandler.dump_traceback_later(HANGS, exit=True)
        report.add(run_one(number, stage, min(COUNT, count - report.inputs)))
        number += 1
        gc.collect()  # a step holds itself in a circle: else the peak would tell of the collector and not of the steps
        if progress and number % 50 == 0:
            took = time.perf_counter() - began
            sys.stderr.write(f"\r{report.inputs:,} inputs, {len(report.violations)} violations, {took:.0f} s")
    faulthandler.cancel_dump_traceback_later()
    if progress:
        sys.stderr.write("\n")
    return report


def run_one(seed: int, stage: str, count: int = COUNT) -> Report:
    """One life."""
    return Run(stage, seed, inputs.life(seed, stage, count)).go()


def table(report: Report) -> str:
    """The report for people."""
    lines = [
        f"inputs        {report.inputs:>9,}   and {report.sound:,} sound records behind them, {report.outputs:,} outputs",
        f"processed     {report.processed:>9,}",
        f"dead letters  {report.refused.total():>9,}",
        *(f"  {reason:<16}{count:>7,}" for reason, count in report.refused.most_common()),
        "by mutation   (processed / refused)",
        *(
            f"  {name:<12}{report.by_mutation[name, False]:>8,} /{report.by_mutation[name, True]:>8,}"
            for name in sorted({name for name, _ in report.by_mutation})
        ),
        f"texts of reasons: {len(report.said)}; largest row {report.largest_row:,} bytes, output {report.largest_output:,} bytes",
        f"{report.seconds:.0f} s, the slowest chunk {report.slowest:.2f} s, at most {report.memory / 2**20:.0f} MiB of memory",
        f"violations    {len(report.violations):>9,}",
    ]
    shown: Counter[tuple[str, str]] = Counter()
    for one in report.violations:
        shown[one.kind, one.where] += 1
        if shown[one.kind, one.where] == 1 and len(shown) <= SHOWN:
            lines.append(f"\n{one.kind}: {one.where} (--only {one.seed} --stage {one.stage})\n{one.told}")
    lines += [f"{count:>6} x {kind}: {where}" for (kind, where), count in shown.most_common()]
    return "\n".join(lines)
