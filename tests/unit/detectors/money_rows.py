"""An account told payment by payment, for the laws of the detectors that learn from every payment."""

from __future__ import annotations

from datetime import date
from typing import Any

import numpy as np

from stream.contracts.vocabulary import CATEGORIES
from stream.detectors import settings, world
from stream.detectors.levels import DAY
from stream.detectors.world import CURRENCY_CODES
from stream.tables import event as ev
from stream.tables.account import ACCOUNT
from stream.tables.event import EVENT, NO_BALANCE

CONFIG = settings.config_of(settings.load())[0]
WORLD = world.bare()
GBP = CURRENCY_CODES.index("GBP") + 1
NOON = DAY // 2


def day_of(year: int, month: int, day: int) -> int:
    """The day, from 1970-01-01."""
    return (date(year, month, day) - date(1970, 1, 1)).days


def account() -> Any:
    """An account that nothing is known of."""
    return np.zeros(1, ACCOUNT)[0]


def payment(
    day: int, minor: int, category: str, *, credit: bool = False, balance: int | None = None, reversed_: bool = False
) -> Any:
    """A payment at noon of a day."""
    event = np.zeros(1, EVENT)[0]
    event["topic"] = ev.PAYMENT
    event["at"] = event["clock"] = day * DAY + NOON
    event["amount"] = minor
    event["currency"] = GBP
    event["category"] = CATEGORIES.index(category)  # type: ignore[arg-type]
    event["direction"] = ev.CREDIT if credit else ev.DEBIT
    event["status"] = ev.REVERSED if reversed_ else ev.BOOKED
    event["balance"] = NO_BALANCE if balance is None else balance
    return event
