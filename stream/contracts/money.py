"""Money: decimal strings at the edge, integers of minor units inside, never a float."""

from __future__ import annotations

import re
from functools import lru_cache

from stream.errors import BadRecord, Reason
from stream.reference import currencies

_PLAIN = re.compile(r"-?[0-9]{1,15}(?:\.([0-9]{1,4}))?", re.ASCII)

LIMIT = 10**18
"""Amounts stay below this many minor units, so that an int64 column holds any of them."""


def exponent(currency: str) -> int:
    """How many decimals the currency has (ISO 4217). BadRecord UNKNOWN_VALUE for any other code."""
    decimals = currencies.EXPONENTS.get(currency)
    if decimals is None:
        raise BadRecord(Reason.UNKNOWN_VALUE, "currency", "not an ISO 4217 code")
    return decimals


# A cache of a pure function: detectors convert again what the decoder has checked.
@lru_cache(maxsize=1 << 16)
def signed_minor_units(text: str, currency: str) -> int:
    """`"-12.5"` of `GBP` is -1250. BadRecord BAD_AMOUNT if it is no plain decimal string of that currency."""
    match = _PLAIN.fullmatch(text)
    if match is None:
        raise BadRecord(Reason.BAD_AMOUNT, "", "not a plain decimal string")
    decimals = exponent(currency)
    fraction = match[1] or ""
    if len(fraction) > decimals:
        raise BadRecord(Reason.BAD_AMOUNT, "", "more decimals than the currency has")
    minor = int(text.replace(".", "", 1)) * int(10 ** (decimals - len(fraction)))
    if abs(minor) >= LIMIT:
        raise BadRecord(Reason.BAD_AMOUNT, "", "too large")
    return minor


@lru_cache(maxsize=1 << 16)
def minor_units(text: str, currency: str) -> int:
    """`"120.5"` of `GBP` is 12050.

    BadRecord BAD_AMOUNT for anything but one to 15 digits and at most the currency's decimals after a point
    (no sign, no exponent), UNKNOWN_VALUE for an unknown currency. The result is below 10**18.
    """
    if text.startswith("-"):
        raise BadRecord(Reason.BAD_AMOUNT, "", "negative")
    return signed_minor_units(text, currency)


def to_text(minor: int, currency: str) -> str:
    """The decimal string of an amount with all the currency's decimals: 12050 of `GBP` is `"120.50"`."""
    decimals = exponent(currency)
    sign = "-" if minor < 0 else ""
    digits = str(abs(minor)).rjust(decimals + 1, "0")
    return f"{sign}{digits[:-decimals]}.{digits[-decimals:]}" if decimals else sign + digits
