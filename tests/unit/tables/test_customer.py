"""The stored form of a customer: comes back as it went, and says no to what it does not know."""

from __future__ import annotations

import msgspec
import pytest

from stream.errors import StateError
from stream.tables.customer import (
    MARK,
    MAX_SEEN,
    PARTITION_KEY,
    VERSION,
    Breaker,
    Customer,
    Hold,
    Nudge,
    Partition,
    Profile,
    Quiet,
    changelog_key,
    decode,
    decode_partition,
    encode,
    first_time,
)

FULL = Customer(
    "C1",
    profile=Profile(5, "GB", "Europe/London", "en", consents={"sms": 0}, quiet=[Quiet(1320, 420, [0, 6])]),
    holds={"H": Hold("H", "dispute", 1, 2, None, "A1")},
    nudges=[Nudge("N", "bounce_explained", "sms", ["A1"], ["S"], 10, 20, b"{}", trace=b"00-")],
    snoozes={"": None, "d": 9},
    due=77,
    seen=(2**63).to_bytes(8, "big") + (1).to_bytes(8, "big"),
)


def test_a_record_comes_back_as_it_went_byte_for_byte() -> None:
    assert decode(encode(FULL)) == FULL
    assert encode(decode(encode(FULL))) == encode(FULL)
    partition = Partition(7, "2026.1", True, {"d": None}, {"stop": 5}, Breaker("2026.1", 9, 3, 8), bytes(8))
    assert decode_partition(encode(partition)) == partition


def test_the_version_stands_in_front_and_another_is_refused_with_the_way_out() -> None:
    stored = encode(FULL)
    assert stored[0] == VERSION
    for wrong in (bytes((VERSION + 1,)) + stored[1:], b""):
        for read in (decode, decode_partition):
            with pytest.raises(StateError, match="EWS_APP"):
                read(wrong)


def test_a_damaged_record_is_refused_without_its_data() -> None:
    with pytest.raises(StateError) as caught:
        decode(encode(FULL)[:-3])
    assert "C1" not in str(caught.value)


def test_a_field_that_was_added_since_is_filled_and_one_that_is_unknown_is_refused() -> None:
    """An older program would drop it with the next write."""
    assert decode(bytes((VERSION,)) + msgspec.msgpack.encode({"customer_id": "C1"})) == Customer("C1")
    newer: list[dict[str, object]] = [
        {"customer_id": "C1", "added_later": 1},
        {"customer_id": "C1", "holds": {"H": {**msgspec.to_builtins(Hold("H", "dispute", 1, 2)), "added_later": 1}}},
    ]
    for fields in newer:
        with pytest.raises(StateError, match="a field that this program does not know"):
            decode(bytes((VERSION,)) + msgspec.msgpack.encode(fields))


def test_a_row_of_version_1_is_read_and_the_newest_is_written() -> None:
    """It kept the marks of events as whole numbers."""
    numbers = [2**63, 1]
    for of_version_2, read in (
        (FULL, decode),
        (Partition(7, "2026.1", snoozes={"d": None}, seen=FULL.seen), decode_partition),
    ):
        fields = {**msgspec.msgpack.decode(encode(of_version_2)[1:]), "seen": numbers}
        assert read(b"\x01" + msgspec.msgpack.encode(fields)) == of_version_2
        del fields["seen"]
        assert read(b"\x01" + msgspec.msgpack.encode(fields)) == msgspec.structs.replace(of_version_2, seen=b"")  # type: ignore[type-var]
    assert encode(FULL)[0] == VERSION == 2


@pytest.mark.parametrize("seen", ["x", 5, [-1], [2**64 - 1, "x"], [None], b"12345678"])
def test_a_damaged_row_of_version_1_is_refused(seen: object) -> None:
    with pytest.raises(StateError, match="damaged"):
        decode(b"\x01" + msgspec.msgpack.encode({"customer_id": "C1", "seen": seen}))


def test_a_known_steady_customer_is_small() -> None:
    assert len(encode(Customer("C-00000001", profile=FULL.profile))) < 200


def test_no_customer_has_the_key_of_the_partition() -> None:
    assert changelog_key("C1") == b"C1"
    assert not PARTITION_KEY.decode().isprintable()


def test_recent_events_are_known_again_within_bounds_and_parts_do_not_run_together() -> None:
    record = Customer("C1")
    assert first_time(record, "holds", "E1")
    assert not first_time(record, "holds", "E1")
    assert first_time(record, "hold", "sE1")
    for number in range(MAX_SEEN):
        assert first_time(record, "cases", str(number))
        assert not first_time(record, "cases", str(number))
    assert len(record.seen) == MAX_SEEN * MARK
    assert first_time(record, "holds", "E1")


def test_marks_that_only_meet_across_two_others_are_of_nothing_that_was_told() -> None:
    record = Customer("C1")
    assert first_time(record, "holds", "E1")
    mark = record.seen
    record.seen = bytes(5) + mark + bytes(3)
    assert first_time(record, "holds", "E1")
    record.seen = bytes(5) + mark + bytes(3) + mark
    assert not first_time(record, "holds", "E1")
