"""What an expression reads, and whether the catalogue of metrics has it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import promql_parser
import yaml
from prometheus_client import Counter, Gauge, Histogram

from stream import metrics

ROOT = Path(__file__).parents[3]
PROMETHEUS = ROOT / "deploy" / "prometheus"

TARGET = frozenset({"job", "instance", "namespace", "pod"})
"""Labels that Prometheus gives what it scrapes."""

NOT_OURS = {
    "up": TARGET,
    "process_start_time_seconds": TARGET,
    "process_resident_memory_bytes": TARGET,
    "process_cpu_seconds_total": TARGET,
    "kubelet_volume_stats_available_bytes": frozenset({"namespace", "persistentvolumeclaim"}),
    "kubelet_volume_stats_capacity_bytes": frozenset({"namespace", "persistentvolumeclaim"}),
}
"""What we read of others: Prometheus itself, the client library, the kubelet."""


class Use(NamedTuple):
    """One place where an expression reads a metric."""

    metric: str
    matched: dict[str, tuple[str, str]]
    """What labels must be: the operator and the value, by label."""


def catalogue() -> dict[str, frozenset[str]]:
    """Every series name of ours with its labels, as Prometheus stores them."""
    found: dict[str, frozenset[str]] = {}
    for metric in vars(metrics).values():
        if not isinstance(metric, Counter | Gauge | Histogram):
            continue
        name, labels = next(iter(metric.describe())).name, frozenset(metric._labelnames) | TARGET
        if isinstance(metric, Counter):
            found[f"{name}_total"] = labels
        elif isinstance(metric, Histogram):
            found |= {f"{name}_bucket": labels | {"le"}, f"{name}_count": labels, f"{name}_sum": labels}
        else:
            found[name] = labels
    return found


def values() -> dict[tuple[str, str], set[str]]:
    """The values that our series have from the start, by name and label."""
    found: dict[tuple[str, str], set[str]] = {}
    for metric in vars(metrics).values():
        if isinstance(metric, Counter | Gauge | Histogram):
            for family in metric.collect():
                for sample in family.samples:
                    for label, value in sample.labels.items():
                        found.setdefault((sample.name, label), set()).add(value)
    return found


def rules(name: str) -> list[dict[str, Any]]:
    """The rules of a file, in order."""
    document = yaml.safe_load((PROMETHEUS / name).read_text("utf-8"))
    return [rule for group in document["groups"] for rule in group["rules"]]


def recorded() -> dict[str, frozenset[str]]:
    """The recording rules' names with the labels that each keeps."""
    found: dict[str, frozenset[str]] = {}
    for rule in rules("rules.yml"):
        groupings = [labels for by, labels in _groupings(promql_parser.parse(rule["expr"])) if by]
        assert groupings, f"{rule['record']} is a sum by something"
        found[rule["record"]] = frozenset(set.intersection(*map(set, groupings[:1]))) - {"le"}
    return found


def nodes(expr: Any) -> Iterator[Any]:
    """An expression's parts."""
    yield expr
    for name in ("lhs", "rhs", "expr", "vector_selector", "param"):
        part = getattr(expr, name, None)
        if part is not None and not isinstance(part, str):
            yield from nodes(part)
    for part in getattr(expr, "args", None) or ():
        yield from nodes(part)


def _groupings(expr: Any) -> Iterator[tuple[bool, list[str]]]:
    for node in nodes(expr):
        if isinstance(node, promql_parser.AggregateExpr) and node.modifier is not None:
            yield node.modifier.type == promql_parser.AggModifierType.By, list(node.modifier.labels)
        matching = getattr(getattr(node, "modifier", None), "matching", None)
        if isinstance(node, promql_parser.BinaryExpr) and matching is not None:
            yield False, list(matching.labels)


_OPS = {"Equal": "=", "NotEqual": "!=", "Re": "=~", "NotRe": "!~"}


def uses(text: str) -> list[Use]:
    """All that an expression reads."""
    found = []
    for node in nodes(promql_parser.parse(text)):
        if isinstance(node, promql_parser.VectorSelector):
            matched = {m.name: (_OPS[str(m.op).rpartition(".")[2]], m.value) for m in node.matchers.matchers}
            found.append(Use(node.name, matched))
    return found


def labels_named(text: str) -> set[str]:
    """The labels that an expression groups or joins by."""
    return {label for _, labels in _groupings(promql_parser.parse(text)) for label in labels}


def faults(text: str) -> list[str]:
    """What an expression reads that is not there: a metric, a label, or a label's value. Empty where all is well."""
    known = {**NOT_OURS, **catalogue(), **recorded()}
    there = values()
    found = []
    labels: set[str] = set()
    for use in uses(text):
        if use.metric not in known:
            found.append(f"there is no metric {use.metric}")
            continue
        labels |= known[use.metric]
        for label, (operator, value) in use.matched.items():
            if label not in known[use.metric]:
                found.append(f"{use.metric} has no label {label}")
            elif (declared := there.get((use.metric, label))) and "$" not in value and label not in TARGET:
                wanted = value.split("|") if "~" in operator else [re.escape(value)]
                missing = [each for each in wanted if not any(re.fullmatch(each, one) for one in declared)]
                found += [f"{use.metric} has no {label} {each}" for each in missing]
    found += [f"nothing that is read has the label {label}" for label in sorted(labels_named(text) - labels)]
    return found
