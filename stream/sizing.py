"""How large a job must be: from a bank's numbers to partitions, workers, memory, what Kafka carries and keeps, and a restore.

Plain arithmetic over what the benches measured. Each constant names the file of bench/results that it is from; a test holds it
against that file. What the model leaves out stands in docs/sizing.md.
"""

from __future__ import annotations

import math
from typing import Final, NamedTuple

MIB: Final = 1 << 20

# --- measured

CPU_US_AN_EVENT: Final = 14.0
"""CPU of the whole job, both stages and their transactions, µs (throughput.json: `both`)."""
IDLE_CORE_A_TASK: Final = 0.0026
"""Share of a core that a task takes when nothing comes (limits.json: `partitions`)."""
WORKER_BYTES: Final = 270 * MIB
"""A worker that holds nothing (limits.json: `backlog`, `mb_before` less what it knows)."""
CATCHING_UP_BYTES: Final = 390 * MIB
"""What a worker holds more while it catches up, new troubles of its accounts included (limits.json: `backlog`, `mb_peak_after`
less `mb_before`)."""
TASK_BYTES: Final = 3.4 * MIB
"""What each task holds more under events (limits.json: `partitions`, `mb_after_events` less `idle_mb`)."""
STEADY_ACCOUNT_BYTES: Final = 1_150
"""Memory of an account without an open episode (limits.json: `state`, and the tenth that whole workers take more: `accounts`)."""
OPEN_ACCOUNT_BYTES: Final = 11_400
"""Memory of an account with an open episode (the same)."""
CUSTOMER_BYTES: Final = 3_100
"""Memory of a customer (the same)."""
STEADY_ACCOUNT_WRITTEN: Final = 840
"""Key and value of its changelog rows (limits.json: `state`)."""
OPEN_ACCOUNT_WRITTEN: Final = 2_680
"""The same of an account with an open episode (limits.json: `state`)."""
CUSTOMER_WRITTEN: Final = 2_610
"""The same of a customer (limits.json: `state`)."""
STEADY_ACCOUNT_ROWS: Final = 2.0
"""Its changelog rows (limits.json: `state`)."""
OPEN_ACCOUNT_ROWS: Final = 3.0
"""The same with an open episode (limits.json: `state`)."""
RESTORED_ROWS_A_SECOND: Final = 90_000
"""Rows that a worker reads back (limits.json: `accounts`)."""
INPUT_BYTES_AN_EVENT: Final = 360
"""An event on the broker's disk, uncompressed (limits.json: `backlog`)."""
OUTPUT_BYTES_AN_EVENT: Final = 42
"""Signals, facts, decisions, nudges and journal for each event (throughput.json: `both`)."""
ROW_BYTES: Final = 636 + 40
"""What an event writes into the changelog: its account's row, with key and framing (`ACCOUNT` in `stream/tables/account.py`)."""
EVIDENCE_BYTES: Final = OPEN_ACCOUNT_WRITTEN - STEADY_ACCOUNT_WRITTEN
"""What it writes more where an episode is open."""

# --- chosen

BUSY: Final = 0.5
"""A worker is at most so busy at the peak: after a stop it catches up as fast as events go on coming."""
STATE_A_WORKER: Final = 4 << 30
"""Bytes of state that a worker is given at most, so that it fits on any node and is back within minutes."""
FEWEST_WORKERS: Final = 3
"""One may go, and two remain."""
PARTITIONS: Final = (12, 24, 48, 96, 192, 384, 768)
"""Counts that many numbers of workers divide evenly."""
PARTITIONS_A_WORKER: Final = 3
"""At least so many: whatever goes or comes moves a small part, and there is room for more workers later."""

# --- Kafka's own defaults

DIRTY: Final = 2.0
"""A compacted log grows to so many times what it would be when clean (`min.cleanable.dirty.ratio` 0.5)."""
SEGMENT_BYTES: Final = 1 << 30
"""The newest part of a log, which no compaction touches, grows so large (`segment.bytes`)."""


class Bank(NamedTuple):
    """What is asked for."""

    accounts: int
    events_per_day: int
    """Payments, bounces and missed bills."""
    peak: float = 10.0
    """Events a second in the busiest hour, in times of the day's average."""
    customers_share: float = 0.7
    """Customers for each account."""
    open_share: float = 0.05
    """Share of the accounts with an open episode of trouble."""
    retention_days: int = 30
    replication: int = 3


EXAMPLE: Final = Bank(accounts=50_000_000, events_per_day=500_000_000, peak=10)
"""A large retail bank."""
SMALL: Final = Bank(accounts=1_000_000, events_per_day=10_000_000, peak=10)
"""What deploy/k8s is made for as it is."""


class Size(NamedTuple):
    """What it takes. Bytes are of uncompressed records."""

    events_per_second: float
    events_per_second_at_peak: float
    partitions: int
    workers: int
    cores: float
    """Cores' worth of CPU on average."""
    cores_at_peak: float
    memory_bytes: float
    """Of each worker, while all are there."""
    memory_limit_bytes: float
    """Of each worker, when one has gone and the others have its partitions."""
    state_bytes: float
    """Memory of all that is known, in all workers."""
    changelog_bytes: float
    """One copy of the changelogs right after compaction."""
    changelog_bytes_at_most: float
    """One copy right before."""
    written_per_second_at_peak: float
    """By the bank and the job: inputs, changelogs, outputs; without copies."""
    read_per_second_at_peak: float
    """By the workers: inputs, and the outputs that the job reads back (here: all of them)."""
    disk_bytes: float
    """All copies, at the end of the retention."""
    restore_seconds: float
    """Of a worker that starts with its share of the partitions, right after compaction."""
    restore_seconds_at_most: float
    """Right before."""


def size(bank: Bank) -> Size:
    """The job that this bank needs. ValueError names what is out of bounds, or that one job is not enough."""
    _check(bank)
    average = bank.events_per_day / 86_400
    peak = average * bank.peak
    steady, troubled = bank.accounts * (1 - bank.open_share), bank.accounts * bank.open_share
    customers = bank.accounts * bank.customers_share
    state = steady * STEADY_ACCOUNT_BYTES + troubled * OPEN_ACCOUNT_BYTES + customers * CUSTOMER_BYTES
    clean = steady * STEADY_ACCOUNT_WRITTEN + troubled * OPEN_ACCOUNT_WRITTEN + customers * CUSTOMER_WRITTEN
    rows = steady * STEADY_ACCOUNT_ROWS + troubled * OPEN_ACCOUNT_ROWS + customers

    working = CPU_US_AN_EVENT / 1e6
    least = max(FEWEST_WORKERS, math.ceil(peak * working / BUSY), math.ceil(state / STATE_A_WORKER))
    partitions = next((count for count in PARTITIONS if count >= PARTITIONS_A_WORKER * least), None)
    if partitions is None:
        raise ValueError(f"needs {least} workers: more than one job of {PARTITIONS[-1]} partitions has; split it by customers")
    idle = 2 * partitions * IDLE_CORE_A_TASK

    # Whole partitions: none has more than an even share, so there may be some workers more.
    own = partitions // least
    workers = math.ceil(partitions / own)
    row = ROW_BYTES + bank.open_share * EVIDENCE_BYTES
    unclean = DIRTY * clean + partitions * SEGMENT_BYTES
    daily = bank.events_per_day * (INPUT_BYTES_AN_EVENT + OUTPUT_BYTES_AN_EVENT)
    restored = rows / partitions * own / RESTORED_ROWS_A_SECOND
    superseded = SEGMENT_BYTES / row * own / RESTORED_ROWS_A_SECOND
    return Size(
        events_per_second=average,
        events_per_second_at_peak=peak,
        partitions=partitions,
        workers=workers,
        cores=average * working + idle,
        cores_at_peak=peak * working + idle,
        memory_bytes=_memory(state, partitions, own),
        memory_limit_bytes=_memory(state, partitions, math.ceil(partitions / (workers - 1))),
        state_bytes=state,
        changelog_bytes=clean,
        changelog_bytes_at_most=unclean,
        written_per_second_at_peak=peak * (INPUT_BYTES_AN_EVENT + row + OUTPUT_BYTES_AN_EVENT),
        read_per_second_at_peak=peak * (INPUT_BYTES_AN_EVENT + OUTPUT_BYTES_AN_EVENT),
        disk_bytes=bank.replication * (daily * bank.retention_days + unclean),
        restore_seconds=restored,
        restore_seconds_at_most=DIRTY * restored + superseded,
    )


def _memory(state: float, partitions: int, own: int) -> float:
    """Of a worker that has so many of the partitions, both stages."""
    return WORKER_BYTES + CATCHING_UP_BYTES + own * (2 * TASK_BYTES + state / partitions)


def _check(bank: Bank) -> None:
    for name in ("accounts", "events_per_day", "retention_days", "replication"):
        if getattr(bank, name) < 1:
            raise ValueError(f"{name} must be at least 1")
    if not 1 <= bank.peak <= 10_000:
        raise ValueError("peak must be from 1 to 10,000: the busiest hour in times of the day's average")
    if not 0 <= bank.customers_share <= 100:
        raise ValueError("customers_share must be from 0 to 100: customers for each account")
    if not 0 <= bank.open_share <= 1:
        raise ValueError("open_share must be from 0 to 1")


def told(bank: Bank) -> list[tuple[str, str]]:
    """What is needed and how much of it, in words: for the command and the page."""
    found = size(bank)
    return [
        ("events a second", f"{found.events_per_second:,.0f}, {found.events_per_second_at_peak:,.0f} at the peak"),
        ("partitions of each topic", str(found.partitions)),
        ("workers", str(found.workers)),
        ("CPU, cores' worth in all", f"{found.cores:.2f}, {found.cores_at_peak:.2f} at the peak"),
        ("memory of a worker", f"{_gib(found.memory_bytes)}, {_gib(found.memory_limit_bytes)} when one of them is gone"),
        ("state in all workers", _gib(found.state_bytes)),
        ("changelogs, one copy", f"{_gib(found.changelog_bytes)} after compaction, {_gib(found.changelog_bytes_at_most)} before"),
        ("written into Kafka at the peak", f"{_mb(found.written_per_second_at_peak)} a second, before copies"),
        ("read by the workers at the peak", f"{_mb(found.read_per_second_at_peak)} a second"),
        ("Kafka's disks, all copies", f"{found.disk_bytes / (1 << 40):,.2f} TiB after {bank.retention_days} days"),
        (
            "restore of a worker",
            f"{_duration(found.restore_seconds)} after compaction, {_duration(found.restore_seconds_at_most)} before",
        ),
    ]


def _gib(count: float) -> str:
    return f"{count / (1 << 30):,.1f} GiB"


def _mb(count: float) -> str:
    return f"{count / 1e6:,.1f} MB"


def _duration(seconds: float) -> str:
    return f"{seconds:,.0f} s" if seconds < 120 else f"{seconds / 60:,.0f} min"
