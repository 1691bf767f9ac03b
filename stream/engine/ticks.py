"""Ticks: the passing of time, written into the log so that a replay decides again what time decided."""

from __future__ import annotations

from typing import Annotated

import msgspec

_YEAR_1900, _YEAR_9999 = -2_208_988_800_000, 253_370_764_800_000
"""Times lie between, as those of events do."""


class Tick(msgspec.Struct, frozen=True, gc=False):
    """One tick for one task; written only when the task had read all its inputs."""

    stage: str
    partition: int
    at: Annotated[int, msgspec.Meta(ge=_YEAR_1900, lt=_YEAR_9999)]
    """Milliseconds since 1970-01-01 UTC."""
    caught_up: bool
    live_feeds: tuple[str, ...]
    """Input topics of the stage that brought records within the last day: absence is decided only on these."""


_DAY_MS = 86_400_000


def live(feeds: dict[str, int], at: int) -> tuple[str, ...]:
    """The topics of `feeds` (latest record timestamp, ms) that brought records within the day before `at`."""
    return tuple(sorted(topic for topic, last in feeds.items() if topic != "ticks" and at - last < _DAY_MS))


encode = msgspec.json.Encoder().encode
decode = msgspec.json.Decoder(Tick).decode
"""Bytes to a tick; ValueError for any others. Other times than those of the calendar are refused: no clock could tell them."""
