from __future__ import annotations

import hashlib
import tracemalloc

from stream.tables import profile
from stream.tables.account import ACCOUNT
from stream.tables.accounts import AccountTable
from stream.tables.profile import Holder, Obligation, Profile

HOLDERS = tuple(Holder(f"CUS-{n:08d}", "primary", 1_700_000_000_000) for n in range(2))
OWED = tuple(Obligation(f"OB-{n:06d}", "rent", f"CP-{n:06d}", "900.00", "GBP", 1, None) for n in range(4))
PROFILE = Profile(1_700_000_000_000, "current_account", "GBP", "GB", "Europe/London", "open", "1200.00", HOLDERS, OWED)


def test_a_steady_known_account_costs_at_most_a_thousand_bytes() -> None:
    count = 50_000
    table = AccountTable(count)
    names = [f"ACC-{n:012d}".encode() for n in range(count)]
    tracemalloc.start()
    for name in names:
        # As it comes from a record: a key of its own.
        number = table.add(bytes(bytearray(name)))
        table.set_profile(number, PROFILE)
        if number % 1000 == 0:
            table.drain()
    table.drain()
    objects = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert objects / count + ACCOUNT.itemsize <= 1000


def test_a_row_that_was_freed_is_used_again_only_after_the_drain() -> None:
    table = AccountTable()
    first = table.add(b"A")
    table.touch(first)
    table.erase(first)
    assert table.add(b"B") != first
    assert table.drain()[:3] == [(b"A", None), (b"\x01A", None), (b"\x02A", None)]
    assert table.add(b"C") == first
    table.touch(first)
    assert [key for key, _ in table.drain()] == [b"C"]


def test_accounts_are_found_after_growth_and_listed_by_key() -> None:
    table = AccountTable(1)
    names = [f"{n * 7919 % 10007:05d}".encode() for n in range(10_000)]
    for name in names:
        table.add(name)
    assert table.find_all([*names, b"absent"]) == [*range(10_000), -1]
    assert [table.key_of(number) for number in table.numbers()] == sorted(names)


def test_only_what_changed_is_drained_and_once() -> None:
    table = AccountTable()
    for name in (b"A", b"B", b"C"):
        table.touch(table.add(name))
    assert [key for key, _ in table.drain()] == [b"A", b"B", b"C", b"\x00partition"]
    table.touch(table.find(b"B"))
    table.touch(table.find(b"B"))
    assert [key for key, _ in table.drain()] == [b"B"]
    assert table.drain() == []


def test_evidence_grows_without_losing_any() -> None:
    table = AccountTable()
    taken = set()
    for _ in range(3):
        table.reserve(0, 1000)
        for _ in range(700):
            table.tally[0] -= 1
            taken.add(int(table.free[table.tally[0]]))
    assert len(taken) == 2100
    assert 0 not in taken


def test_restoring_a_tombstone_frees_the_row() -> None:
    source, target = AccountTable(), AccountTable()
    number = source.add(b"A")
    source.touch(number)
    source.set_profile(number, PROFILE)
    target.restore(source.drain())
    assert target.profile(target.find(b"A")) == PROFILE
    source.erase(number)
    target.restore(source.drain())
    assert target.find(b"A") == -1
    assert target.add(b"B") == 0


def test_a_profile_of_another_shape_is_another_version() -> None:
    """A changelog is read back by the version alone: with a field more, it must be a new one."""
    shapes = [profile.Profile, profile.Holder, profile.Obligation, profile.Pause, profile.Watch]
    fields = " ".join(name for shape in shapes for name in shape.__struct_fields__)
    digest = hashlib.blake2b(fields.encode(), digest_size=4).hexdigest()
    assert (profile.VERSION, digest) == (b"\x00\x01", "1836e5bb")
