"""The detectors by number: what names, versions, words and documents are made from."""

from __future__ import annotations

from types import ModuleType
from typing import Final

from stream.detectors import bounce_pressure, missed_bills

REGISTRY: Final[tuple[ModuleType, ...]] = (bounce_pressure, missed_bills)
"""In the order of their `DETECTOR` numbers, which are never reused."""

NAMES: Final[tuple[str, ...]] = tuple(module.__name__.rpartition(".")[2] for module in REGISTRY)
