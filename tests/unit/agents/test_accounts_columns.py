"""The columns of a chunk against the contracts, record by record."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from stream.agents import columns
from stream.contracts import envelope
from stream.detectors.base import time_of
from stream.errors import BadRecord
from stream.tables.hashing import hash_text

GOOD: dict[str, dict[str, Any]] = {
    "payments": {
        "event_id": "e", "account_id": "A", "occurred_at": "2026-03-01T12:00:00Z", "direction": "debit",
        "amount": "12.30", "currency": "GBP", "counterparty_id": "P", "category": "energy", "scheme": "bacs",
    },
    "bounces": {
        "event_id": "e", "account_id": "A", "occurred_at": "2026-03-01T12:00:00Z", "scheme": "bacs",
        "reason_code": "0", "counterparty_id": "P", "category": "energy",
    },
    "missed-bills": {
        "event_id": "e", "account_id": "A", "occurred_at": "2026-03-01T12:00:00Z", "bill_id": "L",
        "counterparty_id": "P", "category": "energy", "amount_due": "10", "currency": "GBP", "due_date": "2026-02-20",
        "outcome": "missed",
    },
}  # fmt: skip
READERS = {"payments": columns.PAYMENTS, "bounces": columns.BOUNCES, "missed-bills": columns.MISSED_BILLS}
ODD: dict[str, list[Any]] = {
    "event_id": ["", "x" * 64, "x" * 65, "a\nb", "a\x7f", "é", "\u200b", "\\", 5, None, "😀" * 64],
    "account_id": ["a\nb", "Ä", "\\"],
    "occurred_at": [
        "1899-12-31T23:59:59Z", "1900-01-01T00:00:00Z", "9998-12-31T23:59:59Z", "9999-01-01T00:00:00Z", "2026-03-01",
        "2026-03-01T12:00:00", "2026-03-01T12:00:00.123456+05:30", "0001-01-01T00:00:00+14:00",
    ],
    "amount": ["0", "1.234", "-1", "1e3", "", "007.50", "9" * 15, "9" * 16, "1.", 5, None],
    "amount_due": ["0", "1.234", "-1", "", "12"],
    "amount_paid": ["3", "3.001", "x"],
    "minimum_due": ["1", "-0", "1.50"],
    "balance_after": ["-1", "--1", "-1.234", "0", "-"],
    "currency": ["gbp", "XXX", "JPY", "KWD", "", None],
    "due_date": ["1899-12-31", "1900-01-01", "9998-12-31", "9999-01-01", "2026-02-30", ""],
    "paid_at": ["1899-12-31T00:00:00Z", "2026-03-01T00:00:00Z", "9999-06-01T00:00:00Z"],
    "category": ["rent", "gym", ""],
    "direction": ["credit", "out"],
    "status": ["booked", "reversed", "x"],
    "corrects": ["c", "", "a\tb", "x" * 65],
    "bill_id": ["b", "\x01", ""],
    "obligation_id": ["o", "\u2028"],
    "original_event_id": ["p", "\x00"],
    "outcome": ["waived", "lost"],
    "counterparty_name": ["Café", "x" * 1001, "\ud800", "a\nb"],
    "extra": [[[[]]], {"a": {}}, "\n"],
}  # fmt: skip


class Rec(NamedTuple):
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...] = ()


@st.composite
def chunk(draw: st.DrawFn) -> tuple[str, list[Rec]]:
    topic = draw(st.sampled_from(sorted(GOOD)))
    records = []
    for n in range(draw(st.integers(1, 5))):
        fields = GOOD[topic] | {"event_id": f"e{n}"}
        for name in draw(st.lists(st.sampled_from(sorted(ODD)), max_size=2)):
            fields[name] = draw(st.sampled_from(ODD[name]))
        value = json.dumps(fields, ensure_ascii=draw(st.booleans())).encode("utf-8", "surrogatepass")
        headers = draw(st.sampled_from([(), (("ce_id", b"1"),)]))
        prefix = draw(st.sampled_from([b"", b"\x00\x00\x00\x00\x07", b" "]))
        key = str(fields["account_id"]).encode("utf-8", "surrogatepass")
        records.append(Rec(n, 400_000_000_000_000, key, prefix + value, headers))
    return topic, records


@settings(max_examples=300, deadline=None)
@given(chunk())
def test_a_chunk_is_read_as_its_records_would_be_one_by_one(made: tuple[str, list[Rec]]) -> None:
    topic, records = made
    reader = READERS[topic]
    batch = columns.read(reader, records)
    good, refused = {}, {}
    for index, record in enumerate(records):
        try:
            good[index] = reader.decode(envelope.unwrap(record.value or b"", record.headers))
        except BadRecord as bad:
            refused[index] = (bad.reason, str(bad))
    assert {one.index: (one.reason, one.why) for one in batch.refused} == refused
    assert batch.source == list(good)
    assert batch.records == list(good.values())
    for event, record in zip(batch.events, good.values(), strict=True):
        assert event["at"] == columns.ms_of(record.occurred_at)
        assert event["id"] == columns.id_of(hash_text(record.event_id), reader.topic)
        assert event["payee"] == hash_text(record.counterparty_id)
        assert event["corrects"] == columns.id_of(hash_text(record.corrects or ""), reader.topic)
        assert event["bill"] == hash_text(record.bill_id or "")


def test_one_bad_record_does_not_hide_its_neighbours() -> None:
    def one(n: int, **more: Any) -> Rec:
        return Rec(n, 1_800_000_000_000, b"A", json.dumps(GOOD["payments"] | {"event_id": f"e{n}"} | more).encode())

    records = [one(0), one(1, amount="x"), one(2, currency="ZZZ"), one(3, event_id="a\nb"), one(4)]
    batch = columns.read(columns.PAYMENTS, records)
    assert batch.source == [0, 4]
    assert [(refused.index, refused.reason.value) for refused in sorted(batch.refused, key=lambda one: one.index)] == [
        (1, "bad_amount"),
        (2, "unknown_value"),
        (3, "bad_field"),
    ]
    assert batch.events["amount"].tolist() == [1230, 1230]


def test_an_open_amount_is_what_is_missing_of_the_minimum_where_there_is_one() -> None:
    def one(n: int, **more: Any) -> Rec:
        return Rec(
            n,
            1_800_000_000_000,
            b"A",
            json.dumps(GOOD["missed-bills"] | {"event_id": f"e{n}"} | more).encode(),
        )

    records = [
        one(0),
        one(1, amount_paid="4"),
        one(2, minimum_due="5"),
        one(3, minimum_due="5", amount_paid="5.00"),
    ]
    assert columns.read(columns.MISSED_BILLS, records).events["amount"].tolist() == [1000, 600, 500, 0]


def test_times_are_told_back_to_the_millisecond() -> None:
    for ms in np.random.default_rng(1).integers(-2_000_000_000_000, 250_000_000_000_000, 2000).tolist():
        assert columns.ms_of(time_of(ms)) == ms
