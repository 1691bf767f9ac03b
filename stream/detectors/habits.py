"""What an account does regularly: each payment and income that recurs, by payee, with its rhythm and its usual amount.

Not a detector: `expected_payment_absent`, `income_drop` and `lateness_drift` read what is learned here.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from stream.detectors import base
from stream.tables.account import NEVER
from stream.tables.compiled import compiled

VERSION: Final = "1"


class Settings(base.Settings):
    """Settings of what is learned."""


CONFIG = np.dtype([("spare", "i8")])


def configure(settings: Settings, config: npt.NDArray[Any]) -> None:
    """See `base`."""


@compiled
def learn(row: Any, event: Any, config: Any, world: Any) -> None:
    """Takes one event, or the passing of time, into the habits of `row`."""


@compiled
def due(row: Any, config: Any, world: Any) -> int:
    """The earliest instant, ms, at which time alone makes an expected payment absent; NEVER if none."""
    return NEVER
