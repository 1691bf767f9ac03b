"""A dead letter fits into its topic whatever its record was, with all of it or with what finds it again."""

from __future__ import annotations

import hashlib

import pytest
from aiokafka.record.default_records import DefaultRecordBatchBuilder

from stream.engine import deadletters
from stream.engine.offline import Line
from stream.engine.step import Output, Refused
from stream.errors import DeadLetterLimit, Reason

LIMIT = 100_000
RESERVE = 3_000
"""So far below the limit, all of the record is kept."""


def wrap(key: bytes | None, value: bytes | None, headers: tuple[tuple[str, bytes], ...] = ()) -> Output:
    why = Refused(0, Reason.BAD_FIELD, "bad_field: counterparty_name: of the wrong length")
    return deadletters.wrap("missed-bills", 11, Line(2**40, 2**41, key, value, headers), why, LIMIT)


def size(letter: Output) -> int:
    """The bytes of a batch that holds it alone."""
    builder = DefaultRecordBatchBuilder(
        magic=2, compression_type=0, is_transactional=1, producer_id=1, producer_epoch=0, base_sequence=0, batch_size=10**9
    )
    builder.append(0, timestamp=0, key=letter.key, value=letter.value, headers=list(letter.headers))
    return len(builder.build())


@pytest.mark.parametrize(
    ("key", "value", "headers"),
    [
        (b"k", b"v" * (LIMIT - RESERVE), ()),
        (b"k", b"v" * LIMIT, ()),
        (b"k", b"v" * 20 * LIMIT, ()),
        (b"k" * (LIMIT - RESERVE), b"v", ()),
        (b"k" * 2 * LIMIT, b"v", ()),
        (b"k" * 2 * LIMIT, None, ()),
        (None, None, ()),
        (b"k", b"v", (("h", b"x" * LIMIT),)),
        (b"k", b"v", (("h" * LIMIT, b""),)),
        (b"k", b"v", (("\U0001f600" * (LIMIT // 4), b""),)),
        (b"k", b"v", (("", b""),) * LIMIT),
        (b"k", b"v" * (LIMIT - RESERVE - 60), (("h", b"1"), ("none", None))),
    ],
    ids=range(12),
)
def test_it_fits_and_has_all_of_the_record_or_its_hash(key: bytes | None, value: bytes | None, headers: tuple) -> None:
    letter = wrap(key, value, headers)
    assert size(letter) <= LIMIT
    told = dict(letter.headers)
    assert told["ews-reason"] == b"bad_field"
    assert int.from_bytes(told["kafka_dlt-original-offset"], "big") == 2**40
    if "ews-value-sha256" in told:
        assert told["ews-value-sha256"] == hashlib.sha256(value or b"").hexdigest().encode()
        assert told["ews-value-bytes"] == str(len(value or b"")).encode()
        assert letter.key == key or told["ews-key-sha256"] == hashlib.sha256(key or b"").hexdigest().encode()
    else:
        assert (letter.key, letter.value, letter.headers[: len(headers)]) == (key, value, headers)


@pytest.mark.parametrize("length", [0, 1, 10_000, LIMIT - RESERVE])
def test_what_fits_is_kept_whole(length: int) -> None:
    assert wrap(b"k", b"v" * length).value == b"v" * length


def test_the_limit_looks_at_the_last_ten_thousand_and_at_no_fewer_than_a_thousand() -> None:
    window = deadletters.Window(0.1)
    window.count(999, 999)
    with pytest.raises(DeadLetterLimit):
        window.count(1, 0 + 1)
    window = deadletters.Window(0.1)
    for _ in range(30):
        window.count(1_000, 99)
    with pytest.raises(DeadLetterLimit):
        window.count(1_000, 1_000)
