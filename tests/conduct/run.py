"""Runs the customers stage over timelines, as many as one likes, and has the oracle look at all it said.

Every timeline has a seed, and one seed is one timeline for ever: `python -m tests.conduct --only SEED` shows it.
"""

from __future__ import annotations

import json
import multiprocessing
import sys
import time
import traceback
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, NamedTuple

from stream.agents.customers import CustomersStep
from stream.engine.step import Placement
from stream.treatment.policy import Policy, default_text, load
from tests.conduct import oracle, timelines
from tests.conduct.oracle import Said, Told, Violation

ALONE = Placement(0, 1, "murmur2")
CHUNK = 100
LINE_EVERY = 50_000
"""Timelines after which a line is told where nobody sits at a terminal."""
SHOWN = 3
"""Seeds kept for each rule."""


class Record(NamedTuple):
    """One record, as a consumer has it."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...] = ()


@dataclass
class Report:
    """What came of some timelines."""

    timelines: int = 0
    records: int = 0
    refused: int = 0
    outputs: Counter[str] = field(default_factory=Counter)
    """By topic and status or result."""
    nudges: Counter[tuple[str, str]] = field(default_factory=Counter)
    """By pack and channel, as issued."""
    rules: Counter[str] = field(default_factory=Counter)
    """Violations."""
    seeds: dict[str, list[int]] = field(default_factory=dict)
    """The first seeds that violate each rule."""
    violating: int = 0
    """Timelines with some violation."""

    def add(self, other: Report) -> None:
        self.timelines += other.timelines
        self.records += other.records
        self.refused += other.refused
        self.violating += other.violating
        for mine, its in ((self.outputs, other.outputs), (self.nudges, other.nudges), (self.rules, other.rules)):
            mine.update(its)  # type: ignore[arg-type]
        for rule, seeds in other.seeds.items():
            self.seeds[rule] = sorted({*self.seeds.get(rule, ()), *seeds})[:SHOWN]


class Ran(NamedTuple):
    """One timeline, told and answered."""

    told: list[Told]
    said: list[Said]
    violations: list[Violation]
    refused: int


_WIDE: dict[int, tuple[Policy, Policy]] = {}


def widened(policy: Policy) -> Policy:
    """The policy with every channel for every treatment, each in an order of its own: the gate has more to say no to."""
    if id(policy) not in _WIDE:
        order = ("voice", "sms", "push", "chat", "email", "letter")
        treatments = {
            name: each.model_copy(update={"channels": order[number % 6 :] + order[: number % 6]})
            for number, (name, each) in enumerate(policy.treatments.items())
        }
        wide = policy.model_copy(update={"treatments": treatments})
        _WIDE[id(policy)] = policy, Policy.model_validate_json(wide.model_dump_json())
    return _WIDE[id(policy)][1]


def run_one(seed: int, policy: Policy) -> Ran:
    """Feeds one timeline, record by record, so that it is known after which record each thing was said.

    Every second one under the policy with all channels open to all treatments.
    """
    step = CustomersStep(ALONE, widened(policy) if seed % 2 else policy)
    told: list[Told] = []
    said: list[Said] = []
    violations: list[Violation] = []
    refused = 0
    latest: dict[tuple[str, str], dict[str, Any]] = {}
    ids: set[tuple[str, bytes]] = set()
    for index, each in enumerate(timelines.draw(seed)):
        value = resolve(each.value, latest)
        key = None if each.key is None else each.key.encode()
        told.append((each.topic, value, each.timestamp))
        try:
            refusals = step.apply(each.topic, [Record(index, each.timestamp, key, json.dumps(value).encode())])
            outputs = step.drain().outputs
        except Exception:
            why = traceback.format_exc(limit=-3)
            violations.append(Violation("crash", value.get("customer_id", "-"), each.topic, index, None, why))
            break
        refused += len(refusals)
        if bool(refusals) != each.bad:
            why = refusals[0].why if refusals else "a bad record was taken"
            violations.append(Violation("refused", value.get("customer_id", "-"), each.topic, index, None, why))
        for output in outputs:
            name = output.topic, dict(output.headers)["ce_id"]
            if name in ids:
                violations.append(Violation("id twice", value.get("customer_id", "-"), output.topic, index, None, ""))
            ids.add(name)
            if output.topic not in ("nudges", "escalations", "decisions"):
                continue
            record = json.loads(output.value or b"{}")
            said.append((index, output.topic, record))
            if record.get("status") == "issued":
                latest[output.topic, record["customer_id"]] = record
    violations += oracle.check(told, said)
    return Ran(told, said, violations, refused)


def resolve(value: dict[str, Any], latest: dict[tuple[str, str], dict[str, Any]]) -> dict[str, Any]:
    """Puts the id of the customer's latest nudge or escalation where one is meant."""
    for name, topic in (("nudge_id", "nudges"), ("escalation_id", "escalations")):
        if value.get(name) != timelines.LATEST:
            continue
        value = dict(value)
        record = latest.get((topic, value["customer_id"]))
        if record is None:
            del value[name]
            continue
        value[name] = record[name]
        if name == "nudge_id":
            value["channel"] = record["channel"]
            if record["account_ids"]:
                value["account_id"] = record["account_ids"][0]
    return value


def summed(seed: int, ran: Ran) -> Report:
    report = Report(1, len(ran.told), ran.refused, violating=bool(ran.violations))
    packs: dict[str, str] = {}
    after = iter(ran.said)
    output = next(after, None)
    for index, (topic, value, _) in enumerate(ran.told):
        if topic == "customers":
            packs[value["customer_id"]] = oracle.pack_of(value["jurisdiction"], value.get("region", ""))
        while output is not None and output[0] == index:
            _, name, record = output
            report.outputs[f"{name} {record.get('status') or record['result']}"] += 1
            if name == "nudges" and record["status"] == "issued":
                report.nudges[packs.get(record["customer_id"], "-"), record["channel"]] += 1
            output = next(after, None)
    for violation in ran.violations:
        report.rules[violation.rule] += 1
        report.seeds.setdefault(violation.rule, [seed])
    return report


_policy: Policy | None = None


def _begin(policy: Policy) -> None:
    global _policy
    _policy = policy


def _run_chunk(seeds: range) -> Report:
    assert _policy is not None
    return run_range(seeds, _policy)


def run_range(seeds: range, policy: Policy) -> Report:
    """Timelines one after the other, in this process."""
    report = Report()
    for seed in seeds:
        report.add(summed(seed, run_one(seed, policy)))
    return report


def run(count: int, seed: int = 0, processes: int = 1, policy: Policy | None = None) -> Report:
    """`count` timelines from `seed` on, under the packaged policy or another."""
    policy = policy or load(default_text())
    report = Report()
    for part in _parts(count, seed, processes, policy):
        report.add(part)
        _progress(report, count)
    return report


def _parts(count: int, seed: int, processes: int, policy: Policy) -> Iterator[Report]:
    chunks = [range(first, min(first + CHUNK, seed + count)) for first in range(seed, seed + count, CHUNK)]
    if processes <= 1:
        for chunk in chunks:
            yield run_range(chunk, policy)
        return
    with multiprocessing.get_context("fork").Pool(processes, _begin, (policy,)) as pool:
        yield from pool.imap_unordered(_run_chunk, chunks)


_begun = time.monotonic()


def _progress(report: Report, count: int) -> None:
    terminal = sys.stderr.isatty()
    if not terminal and report.timelines % LINE_EVERY >= CHUNK:
        return
    rate = report.timelines / max(time.monotonic() - _begun, 0.001)
    left = (count - report.timelines) / rate / 60
    line = (
        f"{report.timelines:,} of {count:,} timelines, {report.violating:,} violating; {rate:,.0f} a second, {left:,.0f} min left"
    )
    if terminal:
        print(f"\r\x1b[K{line}", end="\n" if report.timelines >= count else "", file=sys.stderr, flush=True)
    else:
        print(line, file=sys.stderr, flush=True)


# --- to read


def table(report: Report) -> str:
    """The whole report as text."""
    issued = sum(report.nudges.values())
    channels = list(timelines.CHANNELS)
    rows = [
        f"timelines        {report.timelines:>12,}",
        f"records          {report.records:>12,}",
        f"records refused  {report.refused:>12,}",
        f"nudges issued    {issued:>12,}   {issued / max(report.timelines, 1):.2f} a timeline",
        "",
        "nudges issued" + "".join(f"{name:>11}" for name in (*channels, "all")),
    ]
    for pack in sorted({pack for pack, _ in report.nudges}):
        counts = [report.nudges[pack, channel] for channel in channels]
        rows.append(f"  {pack:<11}" + "".join(f"{count:>11,}" for count in (*counts, sum(counts))))
    rows.append("")
    rows += [f"{name:<24}{count:>12,}" for name, count in sorted(report.outputs.items())]
    rows.append("")
    if not report.violating:
        rows.append("violations: none")
    else:
        rows.append(f"violations: {sum(report.rules.values()):,} in {report.violating:,} timelines")
        for rule, count in report.rules.most_common():
            rows.append(f"  {rule:<36}{count:>10,}   seeds {', '.join(map(str, report.seeds[rule]))}")
        rows.append("one of them: python -m tests.conduct --only SEED")
    return "\n".join(rows)


SHORT = ("reasons", "rules", "params", "offers", "template", "template_version", "tone", "policy_version", "language")


def shown(seed: int, ran: Ran) -> str:
    """One timeline with what was said after each record, and the violations."""
    lines = [f"timeline {seed}"]
    for index, (topic, value, timestamp) in enumerate(ran.told):
        stamp = datetime.fromtimestamp(timestamp / 1000, UTC).isoformat(" ", "minutes")
        told = "" if topic == "ticks" else json.dumps({k: v for k, v in value.items() if k != "reasons"})
        lines.append(f"{index:>4} {stamp} {topic} {told}")
        for after, name, record in ran.said:
            if after != index:
                continue
            short = {key: item for key, item in record.items() if key not in SHORT and item is not None}
            lines.append(f"       -> {name} {json.dumps(short)}")
            if record.get("rules"):
                asked = [f"{each['rule_id']}: {each['verdict']}" for each in record["rules"] if each["verdict"] != "allow"]
                lines.append(f"          {'; '.join(asked) or 'every rule allows'}")
    lines.append("")
    lines += [str(violation) for violation in ran.violations] or ["no violations"]
    return "\n".join(lines)
