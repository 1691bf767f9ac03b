"""Income that did not come, came late, or came smaller."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from stream.detectors import base
from stream.detectors.base import Finding, Told
from stream.detectors.levels import NOTHING
from stream.tables.compiled import compiled
from stream.tables.notes import EventNote

VERSION: Final = "1"
DETECTOR: Final = 3


class Settings(base.Settings):
    """Settings of `income_drop`."""


CONFIG = np.dtype([("spare", "i8")])


def configure(settings: Settings, config: npt.NDArray[Any]) -> None:
    """See `base`."""


@compiled
def learn(row: Any, event: Any, config: Any, world: Any) -> None:
    """Takes one event into the row of any account; evidence is not there yet."""


@compiled
def wants(row: Any, event: Any, config: Any, world: Any) -> bool:
    """See `base`."""
    return False


@compiled
def step(row: Any, evidence: Any, event: Any, config: Any, told: Any, world: Any) -> int:
    """See `base`."""
    return NOTHING


def tell(found: Finding, events: Sequence[EventNote], at: int, settings: Settings) -> Told:
    """See `base`."""
    return Told((), "")
