"""Stored rows for a person to read: what is there is told, whom it is about is hidden."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import numpy as np
import pytest

from stream.tables import account, customer, notes, readable
from stream.tables.account import ACCOUNT, EVIDENCE, NEVER
from stream.tables.customer import Case, Customer, Escalation, Hold, Nudge, OpenSignal, Profile
from stream.tables.profile import Holder
from stream.tables.profile import Profile as AccountProfile
from stream.tables.profile import pack as pack_profile


def mask(text: str) -> str:
    return f"#{sum(text.encode()) % 97}"


SECRET = Customer(
    "SECRET-C",
    profile=Profile(1_760_000_000_000, "GB", "Europe/London", "en", vulnerabilities=["SECRET-V"], segment="SECRET-S"),
    signals={"SECRET-1": OpenSignal("SECRET-1", "bounce_pressure", "SECRET-A", "high", 5, 6, b'[{"text": "SECRET-T"}]')},
    holds={"SECRET-H": Hold("SECRET-H", "dispute", 1, 2, NEVER)},
    cases={"SECRET-K": Case("SECRET-K", 1, 2)},
    nudges=[Nudge("SECRET-N", "bounce_explained", "sms", ["SECRET-A"], ["SECRET-1"], 1, 2, b'{"name": "SECRET-B"}')],
    escalations={"arrears:SECRET-A:3": Escalation("SECRET-E", "arrears_care", "arrears:SECRET-A:3", 1, 2)},
    left=["SECRET-L"],
    snoozes={"bounce_pressure": NEVER},
    seen=(2**63 + 5).to_bytes(8, "big"),
)


def test_a_customer_is_told_without_a_single_id_text_or_hash() -> None:
    stored = customer.encode(SECRET)
    hidden = json.dumps(readable.row("customers", b"SECRET-C", stored, mask))
    assert "SECRET" not in hidden
    assert f"{2**63 + 5:x}" not in hidden
    for told in ("bounce_pressure", "dispute", "GB", "2025-10-09T", "arrears_care", "never"):
        assert told in hidden, told
    shown = json.dumps(readable.row("customers", b"SECRET-C", stored, None))
    for name in ("SECRET-C", "SECRET-V", "SECRET-T", "SECRET-B", "SECRET-L", f"{2**63 + 5:x}"):
        assert name in shown


def test_no_field_of_an_id_is_among_the_plain_words() -> None:
    kinds = [kind for kind in vars(customer).values() if isinstance(kind, type) and issubclass(kind, msgspec.Struct)]
    fields = {field.name for kind in kinds for field in msgspec.structs.fields(kind)}
    ids = {name for name in fields if name.endswith(("_id", "_ids"))} | {"cause", "subject", "vulnerabilities", "segment", "last"}
    assert len(ids) > 10
    assert not ids & (readable.WORDS | readable.AMOUNTS | readable.MOMENTS)


@pytest.mark.parametrize("dtype", [ACCOUNT, EVIDENCE])
def test_every_wide_number_of_a_row_is_known_as_a_hash_a_time_or_an_amount(dtype: np.dtype[Any]) -> None:
    """No hash of an id gets out under a name that nobody thought of."""

    def wide(part: np.dtype[Any]) -> set[str]:
        names: set[str] = set()
        for name in part.names or ():
            base = part[name].base
            names |= wide(base) if base.names else {name} if base == np.dtype("i8") else set()
        return names

    assert len(wide(dtype)) > 5
    assert wide(dtype) <= readable.HASHES | readable.MOMENTS | readable.AMOUNTS


def test_an_accounts_row_hides_hashes_and_tells_numbers() -> None:
    rows = np.zeros(1, ACCOUNT)
    rows["bounces"], rows["last_at"], rows["ring"][0][0], rows["limit"] = 3, 1_760_000_000_000, 987654321987654321, 50_000
    [value] = account.pack(rows, account.ACCOUNT_VERSIONS)
    told = readable.row("accounts", b"A", value, mask)
    assert (told["bounces"], told["limit"]) == (3, 50_000)
    assert told["last_at"].startswith("2025-10-09")
    assert "987654321987654321" not in json.dumps(told)
    assert "payments" not in told, "what is empty is left out"


def test_a_profile_tells_what_the_account_is_and_not_whose() -> None:
    value = pack_profile(AccountProfile(5, "loan", "GBP", "GB", holders=(Holder("SECRET-C", "primary", 1),)))
    told = json.dumps(readable.row("accounts", b"\x02A", value, mask))
    assert "SECRET" not in told
    assert "primary" in told
    assert "loan" in told


@pytest.mark.parametrize(
    ("stage", "key"), [("accounts", b"A"), ("accounts", b"\x01A"), ("accounts", b"\x02A"), ("customers", b"C")]
)
def test_what_cannot_be_read_is_told_as_that(stage: str, key: bytes) -> None:
    assert set(readable.row(stage, key, b"\x00\x01junk", mask)) == {"unreadable"}


def test_a_key_is_named_by_its_kind_and_hidden() -> None:
    assert readable.name("accounts", b"A-1", None) == ("account", "A-1")
    assert readable.name("accounts", b"\x01A-1", mask)[0] == "evidence"
    assert "A-1" not in "".join(readable.name("accounts", b"\x02A-1", mask))
    assert readable.name("customers", b"\x00partition", mask) == ("partition", "")


def test_a_byte_of_a_row_that_is_changed_makes_it_another() -> None:
    """Wherever it lies: rows of one schema version are the same only where their bytes are, an open end among them."""
    rows = np.zeros(1, EVIDENCE)
    rows["signs"]["expires"][0][:] = NEVER
    [value] = account.pack_sparse(rows, account.EVIDENCE_VERSIONS)
    stored = notes.pack(value, notes.Notes({}, {}))
    assert readable.same("accounts", b"\x01A", stored, stored)
    customers = customer.encode(SECRET)
    for stage, key, whole in (("accounts", b"\x01A", stored), ("customers", b"C", customers)):
        for at in range(0, len(whole), 5):
            changed = bytearray(whole)
            changed[at] ^= 1
            assert not readable.same(stage, key, whole, bytes(changed)), at
