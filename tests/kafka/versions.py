"""The job before and after a change of its schema: `python -m tests.kafka.versions old|new` is a worker like `ews worker`.

So far the accounts' tables have one version. Here it is the second, and `old` writes a first one that never shipped: the row and
its evidence in another layout (fields in the opposite order, one that has gone since, and without those that a worker keeps for
itself). The customer's record `old` writes as its first version was. `new` reads both and writes the next: of an account the
second, of a customer a third that says the same as the second. What of it is new is chosen by VERSIONS_NEW: of account, customer,
checkpoint; all of them by default. Both compute with the same code, so that the outputs across the change must be those of one
version alone.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Mapping
from types import ModuleType
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from stream.engine import checkpoint
from stream.tables import account, customer
from stream.tables.account import ACCOUNT, EVIDENCE

PARTS = {"account": 2, "customer": 3, "checkpoint": 2}
"""What can be new, and the version that it is then."""


def previous(dtype: np.dtype[Any], *own: str) -> np.dtype[Any]:
    """A layout that holds the same, otherwise; `own` are what is stored as 0."""
    assert dtype.names is not None
    fields = [(name, dtype[name]) for name in reversed(dtype.names) if name not in own]
    return np.dtype([("gone", "i4"), *fields])


OLD_ACCOUNT = previous(ACCOUNT, "evidence", "dirty")
OLD_EVIDENCE = previous(EVIDENCE, "row")


Change = tuple[ModuleType, str, object]
"""A module's name that stands for something else in a version."""
Read = Callable[[list[bytes], Mapping[int, np.dtype[Any]]], npt.NDArray[Any]]


def new(parts: Iterable[str] = PARTS) -> list[Change]:
    """The version after: it reads both, and writes the next."""
    changes: dict[str, list[Change]] = {
        "account": [
            (account, "ACCOUNT_VERSIONS", {1: OLD_ACCOUNT, 2: ACCOUNT}),
            (account, "EVIDENCE_VERSIONS", {1: OLD_EVIDENCE, 2: EVIDENCE}),
        ],
        "customer": [(customer, "VERSION", PARTS["customer"])],
        "checkpoint": [(checkpoint, "VERSION", PARTS["checkpoint"])],
    }
    return [change for part in parts for change in changes[part]]


def old() -> list[Change]:
    """The version before: it knows the first alone."""
    layouts = {ACCOUNT: OLD_ACCOUNT, EVIDENCE: OLD_EVIDENCE}
    pack, pack_sparse, encode = account.pack, account.pack_sparse, customer.encode

    def laid_out(rows: npt.NDArray[Any]) -> npt.NDArray[Any]:
        stored = np.zeros(len(rows), layouts[rows.dtype])
        account.copy_by_name(rows, stored)
        return stored

    def laid_out_again(read: Read) -> Read:
        def unpack(values: list[bytes], versions: Mapping[int, np.dtype[Any]]) -> npt.NDArray[Any]:
            stored = read(values, versions)
            rows = np.zeros(len(stored), next(dtype for dtype, old in layouts.items() if old == stored.dtype))
            account.copy_by_name(stored, rows)
            return rows

        return unpack

    def encode_1(record: customer.Customer | customer.Partition) -> bytes:
        fields = msgspec.msgpack.decode(encode(record)[1:])
        seen = fields.get("seen", b"")
        marks = [int.from_bytes(seen[at : at + customer.MARK], "big") for at in range(0, len(seen), customer.MARK)]
        return b"\x01" + msgspec.msgpack.encode(fields | {"seen": marks})

    return [
        (customer, "encode", encode_1),
        (account, "pack", lambda rows, versions: pack(laid_out(rows), versions)),
        (account, "pack_sparse", lambda rows, versions: pack_sparse(laid_out(rows), versions)),
        (account, "unpack", laid_out_again(account.unpack)),
        (account, "unpack_sparse", laid_out_again(account.unpack_sparse)),
        (account, "ACCOUNT_VERSIONS", {1: OLD_ACCOUNT}),
        (account, "EVIDENCE_VERSIONS", {1: OLD_EVIDENCE}),
    ]


if __name__ == "__main__":
    from stream import app, settings

    parts = os.environ.get("VERSIONS_NEW", ",".join(PARTS)).split(",")
    for module, name, value in {"old": old, "new": lambda: new(parts)}[sys.argv[1]]():
        setattr(module, name, value)
    app.run(settings.load())
