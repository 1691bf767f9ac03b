"""What a record of each topic tells of a customer: a room a topic, each with a `tell` that brings the customer's record up to it.

Nothing is decided here: that is `stream.treatment.evaluate`'s, which is asked unless nothing new was told.
"""

from __future__ import annotations

from typing import Final, Literal

from stream.tables.customer import Customer

SAME: Final = "same"
New = bool | Literal["same"]
"""Whether a record tells anything new; `SAME` where what it tells does not bear on what is permitted."""


def is_due(customer: Customer, clock: int) -> bool:
    """Whether the passing of time alone changes something now."""
    return customer.due is not None and customer.due <= clock
