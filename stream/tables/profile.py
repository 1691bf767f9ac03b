"""What the records about an account say, packed: holders, product, obligations, pauses, promises that are
watched.
"""

from __future__ import annotations

from typing import Final

import msgspec

from stream.errors import StateError

VERSION: Final = b"\x00\x01"
"""In front of a stored profile. Appending a field with a default needs no new version."""


class Holder(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """One person's part in the account."""

    customer_id: str
    role: str
    joined: int
    """When the record that named them first was made, ms."""


class Obligation(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """Something the account regularly pays; as in the `accounts` record."""

    obligation_id: str
    category: str
    counterparty_id: str
    amount_due: str
    currency: str
    due_day: int | None
    due_date: str | None


class Pause(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """A pause that a hold placed. Times in ms."""

    order_id: str
    customer_id: str
    hold_kind: str
    since: int
    until: int | None


class Watch(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """A promise that is being watched."""

    order_id: str
    customer_id: str
    promise_id: str


class Profile(msgspec.Struct, array_like=True, frozen=True):
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


EMPTY: Final = Profile()

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Profile).decode


def pack(profile: Profile) -> bytes:
    """The changelog value of a profile."""
    return VERSION + _encode(profile)


def unpack(value: bytes | None) -> Profile:
    """The profile behind a changelog value; the empty one for None. StateError for an unknown version."""
    if value is None:
        return EMPTY
    if value[:2] != VERSION:
        raise StateError(
            "a profile in the accounts changelog has a schema version this program does not know; run the version that wrote it"
        )
    return _decode(memoryview(value)[2:])
