"""Ids of outputs: derived from what they name, never drawn, so that a replay gives the same ones."""

from __future__ import annotations

from hashlib import blake2b


def derive(*parts: str) -> str:
    """32 hexadecimal digits that depend on every part and where it begins: ("a", "bc") is not ("ab", "c")."""
    digest = blake2b(digest_size=16)
    for part in parts:
        data = part.encode("utf-8", "surrogatepass")
        digest.update(len(data).to_bytes(4, "big"))
        digest.update(data)
    return digest.hexdigest()
