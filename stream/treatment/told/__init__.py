"""What a record of each topic tells of a customer: a room a topic, each with a `tell` that brings the customer's record up to it.

Nothing is decided here: that is `stream.treatment.evaluate`'s, which is asked where there is something to look at.
"""

from __future__ import annotations

from enum import Enum
from typing import Final

from stream.tables.customer import Customer


class Told(Enum):
    """What came of telling something."""

    REPEATED = "repeated"
    """It was known before, or is older than what is known."""
    KEPT = "kept"
    """It is known now, and calls for nothing that was not called for before."""
    SAME = "same"
    """The customer is looked at; it does not bear on what is permitted."""
    NEW = "new"
    """The customer is looked at; it may bear on what is permitted."""


REPEATED: Final = Told.REPEATED
KEPT: Final = Told.KEPT
SAME: Final = Told.SAME
NEW: Final = Told.NEW


def is_due(customer: Customer, clock: int) -> bool:
    """Whether the passing of time alone changes something now."""
    return customer.due is not None and customer.due <= clock
