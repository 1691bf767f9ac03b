"""The model of sizes: its constants are what the benches measured, and it says nothing odd."""

from __future__ import annotations

import json
import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream import sizing
from stream.engine import checks
from stream.settings import Settings
from stream.sizing import MIB, Bank, size
from stream.tables.account import ACCOUNT

RESULTS = Path(__file__).parents[2] / "bench" / "results"
TOLERANCE = 0.25
"""Memory, rows and bytes hardly differ between machines; CPU and rates of a like machine differ by so much from day to day."""

Figures = Callable[[Any], float]


def known(accounts: int) -> float:
    """Bytes that accounts without trouble and their customers take."""
    share = Bank._field_defaults["customers_share"]
    return accounts * (sizing.STEADY_ACCOUNT_BYTES + share * sizing.CUSTOMER_BYTES)


MEASURED: dict[str, tuple[str, Figures]] = {
    "CPU_US_AN_EVENT": ("throughput", lambda r: statistics.median(one["both"]["cpu_us_per_event"] for one in r["rounds"])),
    "OUTPUT_BYTES_AN_EVENT": (
        "throughput",
        lambda r: statistics.median(one["both"]["output_bytes_per_event"] for one in r["rounds"]),
    ),
    "IDLE_CORE_A_TASK": ("limits", lambda r: r["partitions"]["idle_cpu_share_of_a_core"] / r["partitions"]["tasks"]),
    "TASK_BYTES": (
        "limits",
        lambda r: (r["partitions"]["mb_after_events"] - r["partitions"]["idle_mb"]) / r["partitions"]["tasks"] * MIB,
    ),
    "WORKER_BYTES": ("limits", lambda r: r["backlog"]["mb_before"] * MIB - known(r["backlog"]["accounts"])),
    "CATCHING_UP_BYTES": ("limits", lambda r: (r["backlog"]["mb_peak_after"] - r["backlog"]["mb_before"]) * MIB),
    "INPUT_BYTES_AN_EVENT": ("limits", lambda r: r["backlog"]["bytes_an_event"]),
    "RESTORED_ROWS_A_SECOND": ("limits", lambda r: r["accounts"]["rows_per_second"]),
    "STEADY_ACCOUNT_BYTES": ("limits", lambda r: r["state"]["steady_account"]["bytes_in_memory"]),
    "OPEN_ACCOUNT_BYTES": ("limits", lambda r: r["state"]["open_account"]["bytes_in_memory"]),
    "CUSTOMER_BYTES": ("limits", lambda r: r["state"]["customer"]["bytes_in_memory"]),
    "STEADY_ACCOUNT_WRITTEN": ("limits", lambda r: r["state"]["steady_account"]["bytes_written"]),
    "OPEN_ACCOUNT_WRITTEN": ("limits", lambda r: r["state"]["open_account"]["bytes_written"]),
    "CUSTOMER_WRITTEN": ("limits", lambda r: r["state"]["customer"]["bytes_written"]),
    "STEADY_ACCOUNT_ROWS": ("limits", lambda r: r["state"]["steady_account"]["rows"]),
    "OPEN_ACCOUNT_ROWS": ("limits", lambda r: r["state"]["open_account"]["rows"]),
}


@pytest.mark.parametrize("name", MEASURED)
def test_a_constant_is_what_was_measured(name: str) -> None:
    bench, read = MEASURED[name]
    measured = read(json.loads((RESULTS / f"{bench}.json").read_text("utf-8")))
    assert getattr(sizing, name) == pytest.approx(measured, rel=TOLERANCE)


def test_accounts_in_and_out_of_trouble_are_together_what_a_whole_worker_took() -> None:
    found = json.loads((RESULTS / "limits.json").read_text("utf-8"))["accounts"]
    open_ = found["open_episodes_share"]
    memory = (1 - open_) * sizing.STEADY_ACCOUNT_BYTES + open_ * sizing.OPEN_ACCOUNT_BYTES
    written = (1 - open_) * sizing.STEADY_ACCOUNT_WRITTEN + open_ * sizing.OPEN_ACCOUNT_WRITTEN
    rows = (1 - open_) * sizing.STEADY_ACCOUNT_ROWS + open_ * sizing.OPEN_ACCOUNT_ROWS
    assert memory == pytest.approx(found["bytes_an_account"], rel=TOLERANCE)
    assert written == pytest.approx(found["bytes_written_an_account"], rel=TOLERANCE)
    assert rows == pytest.approx(found["rows"] / found["accounts"], rel=TOLERANCE)


def test_what_a_row_takes_is_its_layout_with_key_and_framing() -> None:
    assert ACCOUNT.itemsize < sizing.ROW_BYTES <= ACCOUNT.itemsize + 64


def test_what_is_not_asked_for_is_as_in_the_settings() -> None:
    for name in ("retention_days", "replication"):
        assert Bank._field_defaults[name] == Settings.model_fields[name].default


def test_kafkas_own_defaults_are_those_of_the_changelogs() -> None:
    """The model reckons with brokers' defaults: the job sets none of them."""
    configs = [topic.config for topic in checks.wanted(Settings.model_construct()) if topic.name.endswith("-changelog")]
    assert configs
    for config in configs:
        assert not {"segment.bytes", "segment.ms", "min.cleanable.dirty.ratio"} & config.keys()


banks = st.builds(
    Bank,
    accounts=st.integers(1, 40_000_000),
    events_per_day=st.integers(1, 400_000_000),
    peak=st.floats(1, 30),
    customers_share=st.floats(0, 1.5),
    open_share=st.floats(0, 0.2),
    retention_days=st.integers(1, 400),
    replication=st.integers(1, 5),
)


@given(banks)
def test_every_worker_has_work_and_room(bank: Bank) -> None:
    found = size(bank)
    assert found.partitions >= sizing.PARTITIONS_A_WORKER * found.workers
    assert found.cores_at_peak - 2 * found.partitions * sizing.IDLE_CORE_A_TASK <= found.workers * sizing.BUSY
    share = -(-found.partitions // found.workers) / found.partitions
    assert share * found.state_bytes <= sizing.STATE_A_WORKER
    assert found.memory_bytes >= share * found.state_bytes + sizing.WORKER_BYTES
    assert found.memory_limit_bytes * (found.workers - 1) >= found.state_bytes
    assert found.memory_limit_bytes >= found.memory_bytes
    assert found.changelog_bytes_at_most > found.changelog_bytes
    assert found.restore_seconds_at_most > found.restore_seconds


@given(banks, st.sampled_from(["accounts", "events_per_day", "retention_days", "replication", "peak"]))
def test_a_larger_bank_never_needs_less(bank: Bank, name: str) -> None:
    less, more = size(bank), size(bank._replace(**{name: getattr(bank, name) * 2}))
    for figure in ("partitions", "workers", "cores_at_peak", "state_bytes", "changelog_bytes", "disk_bytes"):
        assert getattr(more, figure) >= getattr(less, figure), figure


def test_ten_times_the_events_are_ten_times_the_work() -> None:
    """By hand: 864 million a day are 10,000 a second, at a peak of 10 ten times as many."""
    found = size(Bank(accounts=1_000, events_per_day=864_000_000, peak=10))
    assert found.events_per_second == 10_000
    assert found.events_per_second_at_peak == 100_000
    working = 100_000 * sizing.CPU_US_AN_EVENT / 1e6
    assert working / sizing.BUSY <= found.workers < 1.5 * working / sizing.BUSY


def test_what_one_job_cannot_do_is_said() -> None:
    with pytest.raises(ValueError, match="more than one job of 768 partitions has"):
        size(Bank(accounts=2_000_000_000, events_per_day=1))


@pytest.mark.parametrize(
    ("name", "wrong"),
    [("accounts", 0), ("events_per_day", 0), ("peak", 0.5), ("customers_share", -1), ("open_share", 1.1), ("replication", 0)],
)
def test_numbers_out_of_bounds_are_named(name: str, wrong: float) -> None:
    with pytest.raises(ValueError, match=f"^{name} must be"):
        size(sizing.SMALL._replace(**{name: wrong}))
