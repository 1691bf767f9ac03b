from __future__ import annotations

from pathlib import Path

import pytest

from stream.detectors.documents import page
from stream.detectors.registry import REGISTRY
from stream.detectors.settings import OWN

PAGES = Path(__file__).parents[3] / "docs" / "detectors"


@pytest.mark.parametrize("name", OWN)
def test_the_page_is_current(name: str) -> None:
    """Write them anew with: python -m stream.detectors.documents docs/detectors"""
    assert (PAGES / f"{name}.md").read_text(encoding="utf-8") == page(name)


def test_detector_numbers_are_their_places_in_the_registry() -> None:
    assert [module.DETECTOR for module in REGISTRY] == list(range(len(REGISTRY)))
