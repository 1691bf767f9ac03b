"""The catalogue of metrics: prefix `ews_`, base units, every label value from a closed set, no customer in any label."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from prometheus_client import Counter, Gauge, Histogram

from stream import __version__

if TYPE_CHECKING:
    from stream.engine.task import Commit

EVENTS = Counter("ews_events", "Input records applied and committed.", ["stage"])
OUTPUTS = Counter("ews_outputs", "Records written, by topic.", ["topic"])
DEAD_LETTERS = Counter("ews_dead_letters", "Records that could not be used, by reason.", ["reason"])
ROWS = Counter("ews_changelog_rows", "Changelog rows written.", ["stage"])
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
REBALANCES = Counter("ews_rebalances", "Assignments received from the group.")
RESTORE_PROGRESS = Gauge("ews_restore_progress_ratio", "Share of the changelog read back.", ["stage", "partition"])
LAG = Gauge("ews_lag_records", "Records between a task's position and the end of its input.", ["topic", "partition"])
TASKS = Gauge("ews_tasks", "Tasks this worker owns, by state.", ["state"])
STALLED = Gauge(
    "ews_stalled_seconds", "For how long a task has had something to do and not moved; 0 while it moves.", ["stage", "partition"]
)
READY = Gauge("ews_ready", "1 while this worker is ready, as /ready says.")
CLOCK = Gauge("ews_clock_timestamp_seconds", "The task's event-time clock.", ["stage", "partition"])
TICKS = Counter("ews_ticks", "Ticks written.", ["stage"])
CONFIG = Gauge("ews_config_info", "The configuration in force, by its hash.", ["hash"])
RELOADS = Counter("ews_config_reloads", "Changes of the configuration's files, by result: ok or refused.", ["result"])
for _result in ("ok", "refused"):
    RELOADS.labels(_result)
UNKNOWN_RETURN_CODES = Counter(
    "ews_unknown_return_codes", "Bounces whose return code is in no table and weighs nothing, by scheme.", ["scheme"]
)
OUTAGES = Counter(
    "ews_outages", "Bursts of bounces, by what they are of and by result: begun, then outage or own.", ["group", "result"]
)
NUDGES = Counter("ews_nudges", "Nudges, by treatment and status.", ["treatment", "status"])
ESCALATIONS = Counter(
    "ews_escalations", "Requests to a person, by team and status; one that is made again counts again.", ["queue", "status"]
)
DECISIONS = Counter("ews_decisions", "Evaluations of a treatment, by result.", ["result"])
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
VIEW_READY = Gauge("ews_view_ready", "1 while this `ews view` is ready, as its /ready says.")
VIEW_REDIS_UP = Gauge("ews_view_redis_up", "1 while Valkey or Redis answers this `ews view`.")
VIEW_LAG = Gauge("ews_view_lag_records", "Records between this `ews view` and the end of its input.", ["topic", "partition"])
VIEW_RECORDS = Counter("ews_view_records", "Records taken into pictures by `ews view`.", ["topic"])
VIEW_SKIPPED = Counter("ews_view_skipped", "Records that `ews view` could not use.", ["topic"])
VIEW_WRITES = Counter("ews_view_writes", "Pictures that `ews view` wrote or deleted.")
VIEW_CONFLICTS = Counter("ews_view_conflicts", "Batches of `ews view` that met another writer and were worked out anew.")
BUILD = Gauge("ews_build_info", "Version of this program.", ["version"])
BUILD.labels(__version__).set(1)


def observe_commit(stage: str, seconds: float, commit: Commit) -> None:
    """Counts one committed transaction."""
    COMMIT_SECONDS.labels(stage).observe(seconds)
    EVENTS.labels(stage).inc(commit.events)
    ROWS.labels(stage).inc(len(commit.rows))
    for output in commit.outputs:
        OUTPUTS.labels(output.topic).inc()
        if output.topic == "dead-letters":
            DEAD_LETTERS.labels(dict(output.headers)["ews-reason"].decode()).inc()


def show_configuration(config_hash: str) -> None:
    """Tells which configuration is in force; of the one before no series stays."""
    CONFIG.clear()
    CONFIG.labels(config_hash).set(1)


def forget_task(stage: str, partition: int, topics: Iterable[str]) -> None:
    """Drops the series of a task that has left this worker."""
    for gauge in (RESTORE_PROGRESS, CLOCK, STALLED):
        gauge.remove_by_labels({"stage": stage, "partition": str(partition)})
    if stage == "customers":
        BREAKER.remove_by_labels({"partition": str(partition)})
    for topic in topics:
        LAG.remove_by_labels({"topic": topic, "partition": str(partition)})
