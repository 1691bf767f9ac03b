"""The journal: which offset ranges each transaction applied, in which order, under which configuration."""

from __future__ import annotations

import msgspec


class Entry(msgspec.Struct, frozen=True, gc=False):
    """One transaction of one task. Ranges are half open, [from, to), and chunks as they were applied."""

    stage: str
    partition: int
    applied: list[tuple[str, int, int]]
    config_hash: str
    app: str = ""
    """The job that applied it: another app name on the same topics journals its own run."""


encode = msgspec.json.Encoder().encode
decode = msgspec.json.Decoder(Entry).decode
