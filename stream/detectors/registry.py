"""The detectors: what names, versions, words and documents are made from."""

from __future__ import annotations

from typing import Final, cast

from stream.detectors import (
    arrears_clock,
    bounce_pressure,
    buffer_erosion,
    distress_spending,
    expected_payment_absent,
    income_drop,
    lateness_drift,
    missed_bills,
    part_payment,
    recovery,
    stress_score,
)
from stream.detectors.base import Module

REGISTRY: Final = tuple(
    cast(Module, module)
    for module in (
        bounce_pressure,
        missed_bills,
        expected_payment_absent,
        income_drop,
        lateness_drift,
        part_payment,
        buffer_erosion,
        distress_spending,
        arrears_clock,
        recovery,
        stress_score,
    )
)
"""In the order of their `DETECTOR` numbers, which are never reused."""

NAMES: Final[tuple[str, ...]] = tuple(module.__name__.rpartition(".")[2] for module in REGISTRY)

SIGNS: Final[tuple[tuple[str, str], ...]] = (
    *((name, "") for name in NAMES),
    ("bounce_pressure", "hold"),
    ("bounce_pressure", "legal"),
    ("bounce_pressure", "dispute"),
)
"""All that can be said of an account, by the number of its sign: the detector, and the subject where it is not stress."""

MODULES: Final[dict[str, Module]] = dict(zip(NAMES, REGISTRY, strict=True))
