"""Ids of outputs: derived from what they name, never drawn, so that a replay gives the same ones."""

from __future__ import annotations

from hashlib import blake2b


def derive(*parts: str) -> str:
    """32 hexadecimal digits that depend on every part and where it begins: ("a", "bc") is not ("ab", "c")."""
    named: list[bytes] = []
    for part in parts:
        data = part.encode("utf-8", "surrogatepass")
        named += (len(data).to_bytes(4, "big"), data)
    return blake2b(b"".join(named), digest_size=16).hexdigest()
