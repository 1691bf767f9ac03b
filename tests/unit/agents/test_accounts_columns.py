"""The columns of a chunk against the contracts, record by record."""

from __future__ import annotations

import json
from dataclasses import astuple
from typing import Any, NamedTuple

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream.agents import columns
from stream.contracts import envelope, payments
from stream.detectors.base import time_of
from stream.errors import BadRecord
from stream.tables.hashing import hash_text
from stream.tables.scan import scan

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
    assert list(batch.records) == list(good.values())
    for event, record in zip(batch.events, good.values(), strict=True):
        assert event["at"] == columns.ms_of(record.occurred_at)
        assert event["id"] == columns.id_of(hash_text(record.event_id), reader.topic)
        assert event["payee"] == hash_text(record.counterparty_id)
        assert event["corrects"] == columns.id_of(hash_text(record.corrects or ""), reader.topic)
        assert event["bill"] == hash_text(record.bill_id or "")


FULL = GOOD["payments"] | {
    "counterparty_name": "Power & Light", "obligation_id": "o", "bill_id": "b", "due_date": "2024-02-29", "amount_due": "12.30",
    "minimum_due": "0.01", "balance_after": "-1200.00", "bank_id": "bank", "status": "booked", "corrects": "c",
}  # fmt: skip
TIMES = st.one_of(
    st.builds(
        "{:04}-{:02}-{:02}{}{:02}:{:02}:{:02}{}{}".format,
        st.sampled_from([0, 1899, 1900, 1902, 1903, 1970, 2000, 2024, 2026, 2100, 9988, 9989, 9998, 9999]),
        st.sampled_from([0, 1, 2, 3, 12, 13]), st.sampled_from([0, 1, 28, 29, 30, 31, 32]), st.sampled_from("TTTt "),
        st.sampled_from([0, 23, 24]), st.sampled_from([0, 59, 60]), st.sampled_from([0, 59, 60]),
        st.sampled_from(["", ".", ".0", ".4995", ".9996", ".123500", ".1235", ".123456", ".1234567", ",5"]),
        st.sampled_from(["Z", "z", "", "+00:00", "-00:00", "+14:00", "-23:59", "+24:00", "+0100", "+01", "+01:60"]),
    ),
)  # fmt: skip
TEXTS = st.one_of(
    st.sampled_from(["", " ", "x", "x" * 64, "x" * 65, "\x7f", "~", "\x1f", "é", "\\", '"', "null", "A"]), st.text(max_size=4)
)
FORMS: dict[str, st.SearchStrategy[Any]] = {
    "occurred_at": TIMES,
    "due_date": st.one_of(TIMES.map(lambda text: text[:10]), st.none(), st.just("2026-3-1")),
    "amount": st.one_of(st.from_regex(r"-?[0-9]{0,19}(\.[0-9]{0,5})?", fullmatch=True), st.sampled_from(["1e3", " 1", "٣"])),
}
FORMS |= {"amount_due": FORMS["amount"], "minimum_due": FORMS["amount"], "balance_after": FORMS["amount"]}


@st.composite
def payment_text(draw: st.DrawFn) -> bytes:
    """A payment as some bank might write it, or nearly."""
    fields = [(name, value) for name, value in FULL.items() if name in GOOD["payments"] or draw(st.booleans())]
    if draw(st.booleans()):
        fields = draw(st.permutations(fields))
    for _ in range(draw(st.integers(0, 2))):
        place = draw(st.integers(0, len(fields) - 1))
        name, value = fields[place]
        how = draw(st.sampled_from(["form", "form", "none", "text", "number", "gone", "twice", "name"]))
        new = draw(FORMS.get(name, TEXTS)) if how == "form" else draw(TEXTS)
        fields[place : place + 1] = {
            "form": [(name, new)], "text": [(name, new)], "none": [(name, None)], "number": [(name, 5)], "gone": [],
            "twice": [(name, value), (name, new)], "name": [(draw(TEXTS), value)],
        }[how]  # fmt: skip
    space = [draw(st.sampled_from(["", "", " ", "\n\t", "\r"])) for _ in range(3)]
    parts = [f"{json.dumps(k)}{space[0]}:{space[1]}{json.dumps(v, ensure_ascii=False)}" for k, v in fields]
    text = "{" + space[2] + f",{space[1]}".join(parts) + space[0] + "}" + space[2]
    if draw(st.integers(0, 9)) == 0:
        at, width = draw(st.integers(0, len(text))), draw(st.integers(0, 2))
        text = text[:at] + draw(st.sampled_from(["", ",", "}", "{", "[", '"', "\\", ":", "\0"])) + text[at + width :]
    return text.encode("utf-8", "surrogatepass")


@settings(max_examples=1500, deadline=None)
@given(st.lists(payment_text(), min_size=1, max_size=4), st.sampled_from([b"A", b"A", b"B", None]))
def test_the_scanner_reads_a_payment_as_the_decoder_does_or_leaves_it_to_it(texts: list[bytes], key: bytes | None) -> None:
    assert_read_alike(texts, key)


def assert_read_alike(texts: list[bytes], key: bytes | None) -> None:
    records = [Rec(number, 400_000_000_000_000, key, text) for number, text in enumerate(texts)]
    quick, slow = columns.read(columns.PAYMENTS, records), columns._read(columns.PAYMENTS, records)
    assert sorted(map(astuple, quick.refused)) == sorted(map(astuple, slow.refused))
    assert (quick.source, quick.keys, list(quick.records)) == (slow.source, slow.keys, list(slow.records))
    assert quick.events.tobytes() == slow.events.tobytes()


AT_THE_EDGE = [
    *({"occurred_at": f"{day}T12:00:00Z"} for day in ("2026-04-30", "2026-04-31", "2026-02-29", "2028-02-29", "2100-02-29")),
    *({"occurred_at": f"2026-03-01T12:00:00.{part}Z"} for part in ("1224999", "122499", "1225", "1235", "122501", "0005")),
    *({"due_date": day} for day in ("2026-06-31", "2026-13-01", "2024-02-29", "2025-02-29", "1902-06-01", "9989-06-01")),
    *({"amount": text, "currency": code} for text in ("1.5", "1.50", "1.500", "15") for code in ("GBP", "JPY", "KWD", "CLF")),
    {"event_id": "x" * 64}, {"event_id": "x" * 65}, {"corrects": ""}, {"counterparty_name": "x" * 1000},
    {"counterparty_name": "x" * 1001},
    {"status": None}, {"amount_due": ""}, {"balance_after": "-0"}, {"balance_after": "-999999999999999.99"}, {"account_id": "AB"},
]  # fmt: skip


@pytest.mark.parametrize("change", AT_THE_EDGE, ids=str)
def test_the_scanner_reads_what_lies_at_an_edge_as_the_decoder_does(change: dict[str, Any]) -> None:
    assert_read_alike([json.dumps(FULL | change).encode()], b"A")


@pytest.mark.parametrize("more", [b"x", b"}", b"{}", b" \n", b"\x00", b","])
@pytest.mark.parametrize("name", ["event_id", "amount", "occurred_at", "status", "corrects"])
def test_the_scanner_takes_neither_what_follows_nor_what_comes_twice_for_granted(name: str, more: bytes) -> None:
    text = json.dumps(FULL).encode()
    twice = b'{"%s":"?~",' % name.encode() + text[1:]
    assert_read_alike([text + more, twice, text[:-1] + b"," + twice[1:], text[:-1] + b",}", twice], b"A")


def test_what_banks_mostly_send_is_not_odd_to_the_scanner() -> None:
    """Else it would be right, and idle."""
    texts = [
        json.dumps(FULL).encode(),
        json.dumps(FULL | {"occurred_at": "2026-03-01T12:00:00.123456+05:30", "counterparty_name": None}, indent=1).encode(),
        json.dumps(dict(reversed(FULL.items())), separators=(",", ":")).encode(),
    ]
    assert columns.PAYMENTS.form is not None
    _, odd = scan(columns.PAYMENTS.form, texts, [b"A"] * 3)
    assert not odd.any()


def test_the_scanner_knows_the_fields_of_the_contract() -> None:
    known = [(field.name, field.required) for field in columns.PAYMENT_FIELDS]
    assert known == [(field.name, field.required) for field in msgspec.structs.fields(payments.PaymentRecord)]


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
