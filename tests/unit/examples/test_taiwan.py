"""The converter of the card data, on twenty invented rows of its layout."""

from __future__ import annotations

import csv
import importlib.util
import json
import sys
from collections import Counter, defaultdict
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from stream.contracts import DECODE

SCRIPT = Path(__file__).parents[3] / "examples" / "taiwan" / "convert.py"

_spec = importlib.util.spec_from_file_location("taiwan_convert", SCRIPT)
assert _spec
assert _spec.loader
convert = importlib.util.module_from_spec(_spec)
sys.modules["taiwan_convert"] = convert  # dataclasses look their module up
_spec.loader.exec_module(convert)

# limit, statuses April..September, statements April..September, paid April..September, default in October
ROWS = [
    (20000, (0, 0, 0, 0, 0, 0), (9000, 9100, 9200, 9300, 9400, 9500), (400, 400, 400, 400, 400, 400), 0),
    (50000, (-1,) * 6, (1200, 300, 800, 950, 1000, 20), (1200, 300, 800, 950, 1000, 20), 0),
    (360000, (-2,) * 6, (0,) * 6, (0,) * 6, 0),
    (20000, (0, 0, 0, 0, 2, 2), (5000, 5100, 5200, 5300, 5400, 5500), (300, 300, 300, 300, 0, 0), 1),
    (20000, (0, 0, 2, 0, 0, 0), (5000, 5100, 5200, 5300, 5400, 5500), (300, 300, 0, 900, 300, 300), 0),
    (30000, (2, 2, 3, 4, 5, 6), (20000, 20500, 21000, 21500, 22000, 22500), (0,) * 6, 1),
    (30000, (1, 2, 2, 2, 2, 0), (18000, 18100, 18200, 18300, 18400, 18500), (0, 900, 900, 0, 900, 2000), 0),
    (10000, (-2, -2, -2, -2, -2, 1), (0,) * 6, (0,) * 6, 0),
    (10000, (-1, -1, -1, -1, -1, -1), (-120, 0, 300, -5, 10, 40), (0, 0, 300, 0, 10, 40), 0),
    (10000, (3, 2, 0, 0, 0, 0), (700, 710, 720, 730, 740, 750), (0, 0, 720, 300, 300, 300), 0),
    (500000, (0, 0, -1, -1, 0, 0), (25000, 24000, 1000, 0, 999, 980), (900, 24000, 1000, 0, 40, 40), 0),
    (20000, (8, 8, 8, 8, 8, 8), (900, 900, 900, 900, 900, 900), (0,) * 6, 1),
    (20000, (0, 1, 0, 1, 0, 1), (4000, 4000, 4000, 4000, 4000, 4000), (200, 5000, 200, 100, 200, 0), 0),
    (70000, (2, 0, 2, 0, 2, 0), (6000, 6000, 6000, 6000, 6000, 6000), (0, 1200, 0, 1200, 0, 1200), 0),
    (80000, (0, 0, 0, 0, 0, -2), (60, 60, 60, 60, 60, 0), (60, 60, 60, 60, 60, 60), 0),
    (80000, (0, 0, 0, 0, 0, 3), (61, 62, 63, 64, 65, 66), (1, 1, 1, 1, 1, 1), 1),
    (90000, (-1, 2, 2, -1, -1, -1), (3000, 3100, 3200, 3300, 3400, 3500), (3000, 0, 0, 9600, 3400, 3500), 0),
    (90000, (0, 0, 0, 2, 3, 4), (40000, 41000, 42000, 43000, 44000, 45000), (2000, 2000, 2000, 0, 1, 2), 1),
    (15000, (0, 0, 0, 0, 0, 0), (14000, 14100, 14200, 14300, 14400, 14500), (0, 0, 0, 0, 0, 0), 0),
    (15000, (2, 2, 2, 2, 2, -1), (1400, 1410, 1420, 1430, 1440, 1450), (0, 700, 700, 700, 700, 7000), 0),
]  # fmt: skip


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "accounts.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(
            ["ID", "LIMIT_BAL", "SEX", *convert.STATUS, *convert.BILL, *convert.PAID, convert.DEFAULT]
        )
        for number, (limit, status, bill, paid, default) in enumerate(ROWS, 1):
            writer.writerow([number, limit, 2, *status, *bill, *paid, default])
    return path


@pytest.fixture
def folder(source: Path, tmp_path: Path) -> dict[str, list[dict[str, Any]]]:
    out = tmp_path / "out"
    assert convert.main([str(source), str(out)]) == 0
    return {path.stem: [json.loads(line) for line in path.read_text().splitlines()] for path in out.iterdir()}


Folder = dict[str, list[dict[str, Any]]]


def _of(folder: Folder, topic: str, number: int) -> list[dict[str, Any]]:
    return [value for value in folder[topic] if value.get("account_id") == f"TW-{number:05d}"]


def _outcomes(folder: Folder, number: int) -> list[tuple[str, str]]:
    return [(value["bill_id"][-2:], value["outcome"]) for value in _of(folder, "missed-bills", number)]


def test_every_record_passes_its_contract(folder: Folder) -> None:
    for topic in ("accounts", "customers", "payments", "missed-bills"):
        assert folder[topic]
        for value in folder[topic]:
            DECODE[topic](json.dumps(value).encode())


def test_every_payment_of_the_data_is_one_credit_of_that_amount(folder: Folder) -> None:
    for number, (_, _, _, paid, _) in enumerate(ROWS, 1):
        told = [(value["amount"], value["direction"]) for value in _of(folder, "payments", number)]
        assert told == [(f"{amount}.00", "credit") for amount in paid if amount]


def test_who_is_never_behind_misses_nothing(folder: Folder) -> None:
    for number, (_, status, _, _, _) in enumerate(ROWS, 1):
        if max(status) <= 0:
            assert _outcomes(folder, number) == []


def test_each_statement_behind_is_missed_once_unless_nothing_was_due(folder: Folder) -> None:
    for number, (_, status, bill, _, _) in enumerate(ROWS, 1):
        expected = [
            f"{month:02d}"
            for month, s, b in zip(convert.MONTHS, status, bill, strict=True)
            if s >= 1 and b > 0
        ]
        assert [bill_id for bill_id, outcome in _outcomes(folder, number) if outcome == "missed"] == expected


def test_a_status_that_falls_back_pays_the_old_statement_late(folder: Folder) -> None:
    assert _outcomes(folder, 5) == [("06", "missed"), ("06", "paid_late")]
    both = ("missed", "paid_late")
    assert _outcomes(folder, 14) == [(month, outcome) for month in ("04", "06", "08") for outcome in both]


def test_two_months_behind_for_long_owes_the_two_newest_statements_only(folder: Folder) -> None:
    late = [bill for bill, outcome in _outcomes(folder, 20) if outcome == "paid_late"]
    assert late == ["04", "05", "06", "07", "08"]
    by_july = [
        value["bill_id"][-2:] for value in _of(folder, "missed-bills", 20)
        if value["outcome"] == "paid_late" and value["occurred_at"] < "2005-08"
    ]  # fmt: skip
    assert by_july == ["04", "05"]


def test_a_payment_while_behind_serves_the_oldest_statement_and_part_pays_it(folder: Folder) -> None:
    part = [value for value in _of(folder, "missed-bills", 7) if value["outcome"] == "part_paid"]
    assert [(value["bill_id"][-2:], value["amount_paid"]) for value in part] == [
        ("04", "900.00"), ("05", "900.00"), ("07", "900.00"),
    ]  # fmt: skip
    assert _of(folder, "payments", 7)[0]["bill_id"].endswith("04")


def test_the_minimum_is_three_percent_in_whole_dollars_within_a_thousand_and_the_statement(
    folder: Folder,
) -> None:
    least = {value["amount_due"]: value["minimum_due"] for value in folder["missed-bills"]}
    assert least["43000.00"] == "1290.00"
    assert least["20500.00"] == "1000.00"
    assert least["900.00"] == "900.00"


def test_an_unpaid_default_stays_missed(folder: Folder) -> None:
    assert Counter(outcome for _, outcome in _outcomes(folder, 6)) == {"missed": 6}


def test_ids_are_distinct_and_times_are_taipei_time_in_order(folder: Folder) -> None:
    for topic in ("payments", "missed-bills"):
        ids = [value["event_id"] for value in folder[topic]]
        assert len(set(ids)) == len(ids)
        times = [datetime.fromisoformat(value["occurred_at"]) for value in folder[topic]]
        assert times == sorted(times)
        assert {time.utcoffset() for time in times} == {timedelta(hours=8)}
    bills = defaultdict(set)
    for value in folder["missed-bills"]:
        bills[value["bill_id"]].add((value["due_date"], value["amount_due"]))
    assert all(len(seen) == 1 for seen in bills.values())


def test_late_payments_come_after_the_due_date_of_their_month_and_others_before_it(folder: Folder) -> None:
    for number, (_, status, _, paid, _) in enumerate(ROWS, 1):
        due_day = 5 + number * 7 % 20
        days = [datetime.fromisoformat(value["occurred_at"]).day for value in _of(folder, "payments", number)]
        assert [day > due_day for day in days] == [s >= 1 for s, p in zip(status, paid, strict=True) if p]


def test_the_truth_holds_the_default_of_each(folder: Folder) -> None:
    assert [value["default_next_month"] for value in folder["truth"]] == [bool(row[4]) for row in ROWS]


def test_a_file_of_another_layout_is_refused_by_name_of_column(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "other.csv"
    path.write_text("ID,LIMIT_BAL\n1,2\n")
    assert convert.main([str(path), str(tmp_path / "out")]) == 2
    assert "PAY_0" in capsys.readouterr().err


def test_a_value_that_is_no_number_is_refused_by_line_without_the_value(
    source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source.write_text(source.read_text().replace("360000", "secret"))
    assert convert.main([str(source), str(tmp_path / "out")]) == 2
    told = capsys.readouterr().err
    assert "line 4" in told
    assert "secret" not in told
