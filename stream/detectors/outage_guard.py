"""Many bounces at once, and payers gone silent: an outage is not stress."""

from __future__ import annotations

from typing import Any, Final

from stream.tables.compiled import compiled

SWEEP: Final = 1
"""The passing of time in which an account looks at its suspended bounces anew."""

BY_SCHEME: Final = 0
BY_BANK: Final = 1
BY_BILLER: Final = 2

HELD: Final = 1
DROPPED: Final = 2


@compiled
def held_back(slot: Any, world: Any) -> int:
    """Whether the outages of `world` hold a bounce back: 0, HELD or DROPPED."""
    held = 0
    for k in range(len(world.outages)):
        outage = world.outages[k]
        kind, key = int(outage["kind"]), int(outage["key"])
        own = int(slot["scheme"]) if kind == BY_SCHEME else (int(slot["bank"]) if kind == BY_BANK else int(slot["payee"]))
        if own == key and int(outage["since"]) <= int(slot["at"]) < int(outage["until"]):
            held = max(held, DROPPED if int(outage["dropped"]) > 0 else HELD)
    return held
