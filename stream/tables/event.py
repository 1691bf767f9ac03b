"""`EVENT`: one input event as a row of numbers, and the codes in it.

Every field is signed, so that compiled and plain Python agree on each sum. Words are stored as their index in
the tuples of `contracts.vocabulary`; ids as `hashing` hashes (0: absent); amounts as minor units (-1:
absent); instants in milliseconds since 1970-01-01 UTC.
"""

from __future__ import annotations

from typing import Final

import numpy as np

PAYMENT: Final = 0
BOUNCE: Final = 1
MISSED_BILL: Final = 2
TIME: Final = 3
"""Nothing happened but the passing of time."""

BOOKED: Final = 0
REVERSED: Final = 1

DEBIT: Final = 0
CREDIT: Final = 1

MISSED: Final = 0
PART_PAID: Final = 1
PAID_LATE: Final = 2
WAIVED: Final = 3

LIVE: Final = 1
"""Payments keep coming: one that is expected and does not come is absent. Else the feed may be what is absent."""

NO_BALANCE: Final = -(1 << 62)
"""The payment did not tell the balance."""

APPLIED: Final = 0
DUPLICATE: Final = 1

EVENT = np.dtype(
    [
        ("at", "i8"),
        ("clock", "i8"),  # the task's clock once this event is seen
        ("seen", "i8"),  # (topic, event id, status): what makes a redelivery
        ("id", "i8"),  # the event id alone
        ("corrects", "i8"),
        ("payee", "i8"),
        ("obligation", "i8"),
        ("bill", "i8"),
        ("original", "i8"),
        ("amount", "i8"),  # of a bill: what is open
        ("owed", "i8"),  # of a payment or bill: what was due in all
        ("minimum", "i8"),  # of a payment or bill: the least that had to be paid
        ("balance", "i8"),  # of a payment: the account's balance after it, or NO_BALANCE
        ("bank", "i8"),
        ("account", "i8"),
        ("due", "i8"),  # midnight UTC of the due date
        ("weight", "f8"),  # of a bounce: what its return code weighs
        ("row", "i4"),
        ("currency", "i4"),
        ("topic", "i1"),
        ("status", "i1"),
        ("direction", "i1"),
        ("category", "i1"),
        ("scheme", "i1"),
        ("kind", "i1"),  # of a bounce: its class; of a bill: its outcome; of time: LIVE where payments keep coming
        ("also", "i1"),  # of a bounce: a second class of its code; 0: none
        ("again", "i1"),  # of a bounce: 1 where the payment had been presented before
        ("guard", "i1"),  # of time: 1 where outages began or ended, see `outage_guard`
        ("outcome", "i1"),  # written by the kernel: APPLIED or DUPLICATE
        ("kept", "i1"),  # written by the kernel: 1 where a slot of evidence holds it
        ("touched", "i1"),  # written by the kernel: 1 where evidence changed
        ("missed", "i1"),  # written by the kernel: 1 where it undoes what is not remembered
    ]
)
