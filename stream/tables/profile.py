"""What the records about an account say, packed: holders, product, obligations, pauses, promises that are
watched.
"""

from __future__ import annotations

import zlib
from typing import Final

import msgspec

from stream.errors import StateError

VERSION: Final = b"\x00\x01"
"""In front of a stored profile. What an older program does not know it refuses: it would drop it."""


class Holder(msgspec.Struct, array_like=True, frozen=True, gc=False, forbid_unknown_fields=True):
    """One person's part in the account."""

    customer_id: str
    role: str
    joined: int
    """When the record that named them first was made, ms."""


class Obligation(msgspec.Struct, array_like=True, frozen=True, gc=False, forbid_unknown_fields=True):
    """Something the account regularly pays; as in the `accounts` record."""

    obligation_id: str
    category: str
    counterparty_id: str
    amount_due: str
    currency: str
    due_day: int | None
    due_date: str | None


class Pause(msgspec.Struct, array_like=True, frozen=True, gc=False, forbid_unknown_fields=True):
    """A pause that a hold placed. Times in ms."""

    order_id: str
    customer_id: str
    hold_kind: str
    since: int
    until: int | None


class Watch(msgspec.Struct, array_like=True, frozen=True, gc=False, forbid_unknown_fields=True):
    """A promise that is being watched."""

    order_id: str
    customer_id: str
    promise_id: str


class Profile(msgspec.Struct, array_like=True, frozen=True, forbid_unknown_fields=True):
    """All that is known of an account from records about it. Without `holders` only orders have come so
    far.
    """

    updated_at: int = 0
    product: str = ""
    currency: str = ""
    country: str | None = None
    time_zone: str = ""
    status: str | None = None
    outstanding: str | None = None
    holders: tuple[Holder, ...] = ()
    obligations: tuple[Obligation, ...] = ()
    pauses: tuple[Pause, ...] = ()
    watches: tuple[Watch, ...] = ()
    apr: str | None = None
    """Percent a year, as a decimal string."""


EMPTY: Final = Profile()

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Profile).decode

# What profiles have in common: it need not be kept once for each of millions of accounts.
_COMMON: Final = (
    b"Australia/Sydney Asia/Kolkata Europe/Dublin Europe/Berlin America/New_York Europe/London child_maintenance car_finance "
    b"personal_debt student_loan childcare education transport medical water subscription telecom insurance council_tax energy "
    b"guarantor joint primary savings overdraft mortgage credit_card loan rent current_account open AUD INR EUR USD GBP"
)


def pack(profile: Profile) -> bytes:
    """The changelog value of a profile: deflated."""
    squeeze = zlib.compressobj(6, zlib.DEFLATED, -15, 9, zlib.Z_DEFAULT_STRATEGY, _COMMON)
    return VERSION + squeeze.compress(_encode(profile)) + squeeze.flush()


def check(value: bytes | None) -> None:
    """StateError for an unknown version. A changelog is read back with this alone: to unpack millions of profiles takes longer
    than all the rest of it, and most are not asked for before they are told anew.
    """
    if value is not None and value[:2] != VERSION:
        raise StateError(f"a profile in the accounts changelog has an unknown schema version: {StateError.WAY_OUT}")


def unpack(value: bytes | None) -> Profile:
    """The profile behind a changelog value; the empty one for None. StateError for an unknown version."""
    if value is None:
        return EMPTY
    check(value)
    try:
        return _decode(zlib.decompressobj(-15, _COMMON).decompress(memoryview(value)[2:]))
    except (msgspec.MsgspecError, zlib.error):
        raise StateError(
            "a profile in the accounts changelog is damaged, or has a field that this program does not know: "
            + StateError.WAY_OUT
        ) from None
