"""The checker of a chaos run sees what is lost, double or different, and is silent where nothing is."""

from __future__ import annotations

import json
from collections import Counter

import pytest

from bench.chaos import check
from bench.chaos.bank import Told
from bench.chaos.check import Findings
from bench.chaos.report import Commits
from stream.engine.journal import Entry
from tests.kafka import Received

WHOLE = [
    Entry("accounts", 0, [("accounts", 0, 3), ("payments", 0, 10)], "h", "ews"),
    Entry("customers", 0, [("customers", 0, 2)], "h", "ews"),
    Entry("accounts", 0, [("payments", 10, 25)], "h", "ews"),
]
ENDS = {("accounts", 0): 3, ("payments", 0): 25, ("customers", 0): 2}


def ranges(entries: list[Entry], ends: dict[tuple[str, int], int]) -> tuple[int, int, int]:
    found = Findings()
    check.check_ranges(entries, ends, found)
    assert bool(found.lines) == bool(found.lost or found.double or found.different)
    return found.lost, found.double, found.different


def test_a_whole_journal_is_in_order() -> None:
    assert ranges(WHOLE, ENDS) == (0, 0, 0)


def test_a_transaction_that_is_missing_from_the_journal_is_lost_records() -> None:
    assert ranges([WHOLE[1], WHOLE[2]], ENDS) == (3 + 10, 0, 0)


def test_a_range_that_comes_twice_is_double_records() -> None:
    assert ranges([*WHOLE, WHOLE[2]], ENDS) == (0, 15, 0)


def test_records_after_the_last_range_are_lost() -> None:
    assert ranges(WHOLE, {**ENDS, ("payments", 0): 26}) == (1, 0, 0)


def test_an_input_that_only_one_of_two_stages_has_read_is_lost_to_the_other() -> None:
    ticks = Entry("accounts", 0, [("ticks", 0, 4)], "h", "ews")
    assert ranges([ticks], {("ticks", 0): 4}) == (4, 0, 0)


def record(value: dict[str, str], number: str, offset: int = 0) -> Received:
    return Received("t", 0, offset, 0, b"C-1", json.dumps(value).encode(), (("ce_id", number.encode()),))


def ids(topic: str, *records: Received) -> int:
    found = Findings()
    check.check_ids(topic, check.listen(topic, records), found)
    return found.double


def test_a_record_id_that_comes_twice_is_seen() -> None:
    assert ids("decisions", record({}, "1"), record({}, "2")) == 0
    assert ids("decisions", record({}, "1"), record({}, "1")) == 1


@pytest.mark.parametrize(("topic", "name", "first"), [("signals", "signal_id", "raised"), ("nudges", "nudge_id", "issued")])
def test_what_begins_twice_under_one_id_is_seen(topic: str, name: str, first: str) -> None:
    begun, ended = {name: "x", "status": first}, {name: "x", "status": "withdrawn"}
    assert ids(topic, record(begun, "1"), record(ended, "2")) == 0
    assert ids(topic, record(begun, "1"), record(begun, "2")) == 1


def test_key_value_and_headers_each_count() -> None:
    one = (b"k", b"v", (("h", b"1"),))
    others = [(b"K", *one[1:]), (one[0], b"V", one[2]), (*one[:2], ()), (None, *one[1:]), (*one[:2], (("h", b"2"),))]
    assert len({check.digest(*other) for other in (one, *others)}) == 6
    found = Findings()
    check.check_bytes("signals", Counter([check.digest(*one)]), Counter([check.digest(*one)]), found)
    assert found == Findings()
    check.check_bytes("signals", Counter([check.digest(*one)]), Counter([check.digest(*others[0])] * 2), found)
    assert found.different == 3


def test_what_the_bank_sent_must_be_there() -> None:
    told, found = Told(), Findings()
    told.by_topic["payments"] = 26
    check.check_sent({("payments", 0): 20, ("payments", 1): 5}, told, found)
    assert found.different == 1


def test_the_longest_silence_is_that_of_all_tasks_together_and_of_the_slowest() -> None:
    def at(ms: int, partition: int) -> tuple[Received, Entry]:
        entry = Entry("accounts", partition, [("payments", ms, ms + 1)], "h", "ews")
        return Received("journal", partition, 0, ms, None, b"", ()), entry

    commits = Commits([at(0, 0), at(0, 1), at(1_000, 1), at(5_000, 0), at(6_000, 1), at(99_000, 1)], until=6_500)
    assert commits.worst(0, 6_500) == (4.0, 5.0)
    assert commits.worst(0, 500) == (1.0, 5.0)
    assert commits.last == 6_000
