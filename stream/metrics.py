"""The catalogue of metrics: prefix `ews_`, base units, every label value from a closed set, no customer in any label.

docs/metrics.md is written from it. What is counted here is counted once a commit or every few seconds, never once an event.
"""

from __future__ import annotations

import os
from collections import Counter as Tally
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from prometheus_client import Counter, Gauge, Histogram, disable_created_metrics

from stream import __version__
from stream.errors import Reason
from stream.topics import ACCOUNTS_INPUTS, CATALOGUE, CUSTOMERS_INPUTS, EVENT_TIMESTAMP

if TYPE_CHECKING:
    from stream.engine.task import Commit

disable_created_metrics()  # type: ignore[no-untyped-call] # twice the series, for what process_start_time_seconds tells

LATENCY_P50 = 0.25
LATENCY_P99 = 0.6
"""The objectives, in seconds from an event in Kafka to what answers it: half within the first, 99 of 100 within the second."""

OUTCOMES = ("applied", "repeated", "refused")

# --- what comes in

EVENTS = Counter(
    "ews_events",
    "Records read and committed: applied, repeated (known before, or older than what is known), or refused (a dead letter).",
    ["stage", "topic", "outcome"],
)
LAG = Gauge(
    "ews_lag_records", "Records between a task's position and the end of its input.", ["stage", "topic", "partition"]
)
LAG_SECONDS = Gauge(
    "ews_lag_seconds",
    "For how long the oldest record that is not applied has waited, at most; 0 for none.",
    ["stage", "topic", "partition"],
)
LAST_EVENT = Gauge(
    "ews_last_event_timestamp_seconds",
    "Kafka's timestamp of the newest record applied.",
    ["stage", "topic", "partition"],
)
CLOCK = Gauge("ews_clock_timestamp_seconds", "The task's watermark: its clock, in event time.", ["stage", "partition"])
TICKS = Counter("ews_ticks", "Ticks written.", ["stage"])
DEAD_LETTERS = Counter("ews_dead_letters", "Records that could not be used, by reason.", ["reason"])
UNKNOWN_RETURN_CODES = Counter(
    "ews_unknown_return_codes", "Bounces whose return code is in no table and weighs nothing, by scheme.", ["scheme"]
)

# --- how fast, and how much

EVENT_SECONDS = Histogram(
    "ews_event_to_output_seconds",
    "Time from Kafka's timestamp of an event to the commit of what answers it at once; what waits for an hour is not counted.",
    ["topic"],
    buckets=(0.05, 0.1, LATENCY_P50, 0.4, LATENCY_P99, 1, 2.5, 5, 10, 30, 60, 300, 1800),
)
COMMIT_SECONDS = Histogram(
    "ews_commit_seconds",
    "Time of one transaction.",
    ["stage"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)
APPLY_SECONDS = Histogram(
    "ews_apply_seconds",
    "Time the loop was busy with one chunk.",
    ["stage"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1),
)
OUTPUTS = Counter("ews_outputs", "Records written, by topic.", ["topic"])
OUTPUT_BYTES = Counter("ews_output_bytes", "Keys and values of records written, by topic.", ["topic"])
ROWS = Counter("ews_changelog_rows", "Changelog rows written.", ["stage"])
ROW_BYTES = Counter("ews_changelog_bytes", "Keys and values of changelog rows written.", ["stage"])
HELD = Gauge("ews_rows", "Accounts or customers whose state this worker holds.", ["stage"])
MEMORY_LIMIT = Gauge(
    "ews_memory_limit_bytes", "Memory that this process may use: its control group's limit, or else all of the machine's."
)

# --- tasks

REBALANCES = Counter("ews_rebalances", "Assignments received from the group.")
RESTORE_PROGRESS = Gauge("ews_restore_progress_ratio", "Share of the changelog read back.", ["stage", "partition"])
TASKS = Gauge("ews_tasks", "Tasks this worker owns, by state.", ["state"])
STALLED = Gauge(
    "ews_stalled_seconds", "For how long a task has had something to do and not moved; 0 while it moves.", ["stage", "partition"]
)
READY = Gauge("ews_ready", "1 while this worker is ready, as /ready says.")

# --- what is said

SIGNALS = Counter("ews_signals", "Signals to a holder of an account.", ["detector", "severity", "status"])
OPEN_SIGNALS = Gauge("ews_open_signals", "Signs that stand open on the accounts of this worker.", ["detector", "severity"])
OUTAGES = Counter(
    "ews_outages", "Bursts of bounces, by what they are of and by result: begun, then outage or own.", ["group", "result"]
)
NUDGES = Counter("ews_nudges", "Nudges, by treatment and status.", ["treatment", "status"])
ESCALATIONS = Counter(
    "ews_escalations", "Requests to a person, by team and status; one that is made again counts again.", ["queue", "status"]
)
DECISIONS = Counter(
    "ews_decisions",
    "Evaluations of a treatment, by result and the first rule that did not allow it, or `none`.",
    ["result", "rule"],
)
BREAKER = Gauge("ews_breaker_tripped", "1 while nudges wait for `ews policy release`: too many at once.", ["partition"])
TRIALS = Counter(
    "ews_trials", "Treatments whose days are over: nothing open by then, and whether the customer answered, by arm.",
    ["treatment", "arm", "cured", "answered"],
)  # fmt: skip
LEAD_SECONDS = Histogram(
    "ews_lead_seconds",
    "Time from the first nudge of late to the first own instalment missed after it.",
    buckets=[days * 86_400 for days in (0, 3, 7, 14, 21, 30, 45, 60, 90, 120, 180)],
)
UNWARNED = Counter("ews_unwarned_arrears", "Own instalments missed by a customer to whom no nudge had gone of late.")

# --- the view

VIEW_READY = Gauge("ews_view_ready", "1 while this `ews view` is ready, as its /ready says.")
VIEW_REDIS_UP = Gauge("ews_view_redis_up", "1 while Valkey or Redis answers this `ews view`.")
VIEW_LAG = Gauge("ews_view_lag_records", "Records between this `ews view` and the end of its input.", ["topic", "partition"])
VIEW_RECORDS = Counter("ews_view_records", "Records taken into pictures by `ews view`.", ["topic"])
VIEW_SKIPPED = Counter("ews_view_skipped", "Records that `ews view` could not use.", ["topic"])
VIEW_WRITES = Counter("ews_view_writes", "Pictures that `ews view` wrote or deleted.")
VIEW_CONFLICTS = Counter("ews_view_conflicts", "Batches of `ews view` that met another writer and were worked out anew.")

# --- what runs

CONFIG = Gauge("ews_config_info", "The configuration in force, by its hash.", ["hash"])
POLICY = Gauge("ews_policy_info", "The contact policy in force, by its version.", ["version"])
DETECTOR = Gauge(
    "ews_detector_info", "Each detector: its version with the hash of its settings, and whether it runs.",
    ["detector", "version", "enabled"],
)  # fmt: skip
RELOADS = Counter("ews_config_reloads", "Changes of the configuration's files, by result: ok or refused.", ["result"])
REFUSED = Gauge("ews_config_refused", "1 while the configuration's files are wrong: a restart would fail.")
BUILD = Gauge("ews_build_info", "Version of this program.", ["version"])

TIMED = ("signals", "nudges", "escalations")
"""Outputs whose time from the event is measured."""

# Every series that can be there is there from the start: a rate needs a 0 to rise from.
for _stage, _inputs in (("accounts", ACCOUNTS_INPUTS), ("customers", CUSTOMERS_INPUTS)):
    for _metric in (COMMIT_SECONDS, APPLY_SECONDS, ROWS, ROW_BYTES, HELD, TICKS):
        _metric.labels(_stage)
    for _topic in _inputs:
        for _outcome in OUTCOMES:
            EVENTS.labels(_stage, _topic, _outcome)
for _each in CATALOGUE:
    if _each.role == "output" or _each.name in ("account-facts", "account-orders"):
        OUTPUTS.labels(_each.name)
        OUTPUT_BYTES.labels(_each.name)
for _topic in TIMED:
    EVENT_SECONDS.labels(_topic)
for _reason in Reason:
    DEAD_LETTERS.labels(_reason.value)
for _result in ("ok", "refused"):
    RELOADS.labels(_result)
BUILD.labels(__version__).set(1)


def observe_commit(stage: str, seconds: float, commit: Commit, now: float) -> None:
    """Counts one committed transaction; `now` is the time of day at which it was committed, in seconds."""
    COMMIT_SECONDS.labels(stage).observe(seconds)
    for (topic, outcome), count in commit.counts.items():
        EVENTS.labels(stage, topic, outcome).inc(count)
    ROWS.labels(stage).inc(len(commit.rows))
    ROW_BYTES.labels(stage).inc(sum(len(key) + len(value or b"") for key, value in commit.rows))
    if not commit.outputs:
        return
    counts: Tally[str] = Tally()
    sizes: Tally[str] = Tally()
    for output in commit.outputs:
        topic = output.topic
        counts[topic] += 1
        sizes[topic] += len(output.key or b"") + len(output.value or b"")
        if topic in TIMED:
            # The last header, where it is there: what waited for its time carries none.
            name, told = output.headers[-1] if output.headers else ("", b"")
            if name == EVENT_TIMESTAMP:
                EVENT_SECONDS.labels(topic).observe(max(0.0, now - int(told) / 1000))
        elif topic == "dead-letters":
            DEAD_LETTERS.labels(dict(output.headers)["ews-reason"].decode()).inc()
    for topic, count in counts.items():
        OUTPUTS.labels(topic).inc(count)
        OUTPUT_BYTES.labels(topic).inc(sizes[topic])


def show_configuration(config_hash: str) -> None:
    """Tells which configuration is in force; of the one before no series stays."""
    CONFIG.clear()
    CONFIG.labels(config_hash).set(1)
    REFUSED.set(0)


def show_versions(policy: str, detectors: Mapping[str, tuple[str, bool]]) -> None:
    """Tells the policy's version, and each detector's with whether it runs; of those before no series stays."""
    POLICY.clear()
    POLICY.labels(policy).set(1)
    DETECTOR.clear()
    for name, (version, enabled) in detectors.items():
        DETECTOR.labels(name, version, "yes" if enabled else "no").set(1)


def forget_task(stage: str, partition: int, topics: Iterable[str]) -> None:
    """Drops the series of a task that has left this worker."""
    for gauge in (RESTORE_PROGRESS, CLOCK, STALLED):
        gauge.remove_by_labels({"stage": stage, "partition": str(partition)})
    if stage == "customers":
        BREAKER.remove_by_labels({"partition": str(partition)})
    for topic in topics:
        for gauge in (LAG, LAG_SECONDS, LAST_EVENT):
            gauge.remove_by_labels({"stage": stage, "topic": topic, "partition": str(partition)})


_LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")


def memory_limit(limits: Iterable[str] = _LIMITS) -> int:
    """Bytes that this process may use: the lower of its control group's limit and the machine's memory."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    for path in limits:
        try:
            told = Path(path).read_text("ascii").strip()
        except OSError:
            continue
        if told.isdigit():
            return min(total, int(told))
    return total
