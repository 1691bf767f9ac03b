"""64-bit hashes of ids, and amounts as integers, for whole columns of text at once.

A column is one text: its values joined by line feeds, which no id and no amount contains.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from stream.tables.compiled import compiled

Ints = npt.NDArray[np.int64]

ABSENT: Final = -1
"""In a column of amounts: there is none."""
NO_AMOUNT: Final = -(10**18)
"""In a column of amounts: the text is no amount. Every real one is nearer to zero."""


@compiled
def hash_of(blob: Any, start: int, stop: int) -> int:
    """The hash of these bytes, positive; 0 where there are none."""
    # Two FNV-1a lanes of 32 bits with multipliers of their own: all products stay below 2**57, so that plain
    # Python and int64 agree, and the sign bit stays clear.
    first, second = 2166136261, 3141592653
    for k in range(start, stop):
        byte = int(blob[k]) & 255
        first = ((first ^ byte) * 16777619) & 4294967295
        second = ((second ^ byte) * 22695477) & 4294967295
    # A last stir, so that the final byte reaches the high bits too.
    first = ((first ^ (first >> 15)) * 16777619) & 4294967295
    second = ((second ^ (second >> 13)) * 16777619) & 4294967295
    value = (((first ^ (second >> 7)) & 2147483647) << 32) | second
    if start == stop:
        return 0
    return value if value != 0 else 1


@compiled
def _hash_lines(blob: Any, hashes: Any) -> int:
    """Hashes each line; an empty one gets 0. Returns the number of lines."""
    count, start = 0, 0
    for k in range(len(blob) + 1):
        if k == len(blob) or blob[k] == 10:
            if count < len(hashes):
                hashes[count] = hash_of(blob, start, k)
            count += 1
            start = k + 1
    return count


@compiled
def amount_of(blob: Any, start: int, stop: int, places: int, signed: bool) -> int:
    """Minor units of the decimal string between these places, ABSENT for an empty one, NO_AMOUNT for what is none."""
    limit = 1000000000000000000
    digits, decimals, point, negative, value = 0, 0, False, False, 0
    if start == stop:
        return -1
    for k in range(start, stop):
        byte = int(blob[k]) & 255
        if 48 <= byte <= 57:
            if point:
                decimals += 1
            else:
                digits += 1
            # Eighteen digits are below the limit; a nineteenth is too many, unless it is a zero in front.
            if digits > 15 or decimals > 4 or value >= limit // 10:
                return -limit
            value = value * 10 + (byte - 48)
        elif byte == 46 and not point:
            point = True
        elif byte == 45 and signed and digits == 0 and not point and not negative:
            negative = True
        else:
            return -limit
    if digits == 0 or decimals > places or (point and decimals == 0):
        return -limit
    for _ in range(places - decimals):
        if value < limit:
            value *= 10
    if value >= limit:
        return -limit
    return -value if negative else value


@compiled
def _parse_amounts(blob: Any, exponents: Any, signed: bool, out: Any) -> int:
    """What `amount_of` makes of each line. Returns the number of lines."""
    count, start = 0, 0
    for k in range(len(blob) + 1):
        if k == len(blob) or blob[k] == 10:
            if count < len(out):
                out[count] = amount_of(blob, start, k, int(exponents[count]), signed)
            count += 1
            start = k + 1
    return count


@compiled
def _odd_bytes(blob: Any) -> int:
    """How many bytes are a backslash, a DEL, or beyond ASCII."""
    odd = 0
    for k in range(len(blob)):
        byte = int(blob[k])
        odd += (byte < 0) | (byte == 92) | (byte == 127)
    return odd


def looks_plain(text: bytes) -> bool:
    """Whether JSON text is ASCII without escapes: then every string in it is printable as it stands."""
    return len(text) == 0 or int(_odd_bytes(np.frombuffer(text, np.int8))) == 0


def _blob(lines: Sequence[str]) -> npt.NDArray[np.int8]:
    return np.frombuffer("\n".join(lines).encode("utf-8", "surrogatepass"), np.int8)


def hash_column(lines: Sequence[str]) -> Ints:
    """The hash of each text, positive; 0 for an empty one. No text may hold a line feed: ValueError."""
    hashes = np.zeros(len(lines), np.int64)
    if lines and _hash_lines(_blob(lines), hashes) != len(lines):
        raise ValueError("a line feed within a text")
    return hashes


def hash_text(text: str) -> int:
    """The hash of one text, as in a column."""
    return int(hash_column((text,))[0])


def parse_amounts(lines: Sequence[str], exponents: npt.NDArray[np.int8], *, signed: bool = False) -> Ints:
    """Minor units of decimal strings with at most `exponents` decimals; ABSENT for an empty text, NO_AMOUNT
    for any other.

    Accepts exactly what `contracts.money.minor_units` (or `signed_minor_units`) accepts. No text may hold a
    line feed: then all are NO_AMOUNT.
    """
    out = np.zeros(len(lines), np.int64)
    if lines and _parse_amounts(_blob(lines), exponents, signed, out) != len(lines):
        out[:] = NO_AMOUNT
    return out
