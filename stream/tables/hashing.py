"""64-bit hashes of ids, and amounts as integers, for whole columns of text at once.

A column is one text: its values joined by line feeds, which no id and no amount contains.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from stream.tables.compiled import compiled

Ints = npt.NDArray[np.int64]


@compiled
def _hash_lines(blob: Any, hashes: Any, lengths: Any) -> int:
    """Hashes each line; a line of length 0 gets 0. Returns the number of lines, negative if a byte is unprintable."""
    # Two FNV-1a lanes of 32 bits with primes of their own: all products stay below 2**57, so that plain Python and
    # int64 agree. The sign bit stays clear.
    first, second, length, count, plain = 2166136261, 3141592653, 0, 0, True
    for k in range(len(blob) + 1):
        byte = int(blob[k]) & 255 if k < len(blob) else 10
        if byte == 10:
            if count < len(hashes):
                # A last stir, so that the final byte reaches the high bits too.
                first = ((first ^ (first >> 15)) * 16777619) & 4294967295
                second = ((second ^ (second >> 13)) * 16777619) & 4294967295
                value = (((first ^ (second >> 7)) & 2147483647) << 32) | second
                hashes[count] = 0 if length == 0 else (value if value != 0 else 1)
                lengths[count] = length
            count += 1
            first, second, length = 2166136261, 3141592653, 0
        else:
            if byte < 32 or byte == 127:
                plain = False
            first = ((first ^ byte) * 16777619) & 4294967295
            second = ((second ^ byte) * 22695477) & 4294967295
            if byte & 192 != 128:
                length += 1
    return count if plain else -count


@compiled
def _parse_amounts(blob: Any, exponents: Any, out: Any) -> int:
    """Minor units of each line; -1 for an empty one, -2 for what is no amount. Returns the number of lines."""
    count, digits, decimals, point, bad, value = 0, 0, 0, False, False, 0
    for k in range(len(blob) + 1):
        byte = int(blob[k]) & 255 if k < len(blob) else 10
        if byte == 10:
            if count < len(out):
                places = int(exponents[count])
                if digits == 0 and not point and not bad:
                    out[count] = -1
                elif bad or digits == 0 or digits > 15 or decimals > places or (point and decimals == 0):
                    out[count] = -2
                else:
                    for _ in range(places - decimals):
                        value *= 10
                        if value >= 1000000000000000000:
                            bad = True
                            break
                    out[count] = -2 if bad or value >= 1000000000000000000 else value
            count += 1
            digits, decimals, point, bad, value = 0, 0, False, False, 0
        elif 48 <= byte <= 57 and not bad:
            if point:
                decimals += 1
            else:
                digits += 1
            if digits > 15 or decimals > 4:
                bad = True
            elif value < 100000000000000000:
                value = value * 10 + (byte - 48)
            else:
                bad = True
        elif byte == 46 and not point:
            point = True
        else:
            bad = True
    return count


def _blob(lines: Iterable[str]) -> npt.NDArray[np.int8]:
    return np.frombuffer("\n".join(lines).encode("utf-8", "surrogatepass"), np.int8)


def hash_column(lines: list[str]) -> tuple[Ints, npt.NDArray[np.int32], bool]:
    """Hash and length (in characters) of each text; and whether all may be trusted.

    Not trusted: a control character or a line feed somewhere (then the columns mean nothing), or something beyond ASCII
    (then whether it is printable is for the caller to find out).
    """
    text = "\n".join(lines)
    hashes, lengths = np.zeros(len(lines), np.int64), np.zeros(len(lines), np.int32)
    if not lines:
        return hashes, lengths, True
    blob = np.frombuffer(text.encode("utf-8", "surrogatepass"), np.int8)
    count = _hash_lines(blob, hashes, lengths)
    return hashes, lengths, count == len(lines) and text.isascii()


def hash_text(text: str) -> int:
    """The hash of one text without line feeds, as in a column; 0 for the empty one."""
    return int(hash_column([text])[0][0])


def parse_amounts(lines: list[str], exponents: npt.NDArray[np.int8]) -> Ints:
    """Minor units of decimal strings with at most `exponents` decimals; -1 for an empty text, -2 where it is no amount.

    Accepts what `contracts.money.minor_units` accepts. All -2 where a line feed hides in a text.
    """
    out = np.zeros(len(lines), np.int64)
    if lines and _parse_amounts(_blob(lines), exponents, out) != len(lines):
        out[:] = -2
    return out
