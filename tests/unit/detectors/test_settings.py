from __future__ import annotations

import pytest

from stream.contracts.vocabulary import CATEGORIES
from stream.detectors import settings
from stream.errors import ConfigurationError
from stream.reference.return_codes import CLASSES


def test_defaults_load() -> None:
    loaded = settings.load()
    assert loaded.bounce_pressure.thresholds == (1.0, 1.8, 3.0)
    assert loaded.missed_bills.window_days == 60


def test_a_file_of_ones_own_is_merged_key_by_key() -> None:
    loaded = settings.load("[missed_bills]\nwindow_days = 30\n[missed_bills.category_weights]\nwater = 2.0\n")
    assert loaded.missed_bills.window_days == 30
    assert loaded.missed_bills.category_weights["water"] == 2.0
    assert loaded.missed_bills.category_weights["rent"] == 1.5
    assert loaded.bounce_pressure == settings.load().bounce_pressure


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("[missed_bills]\nwindow_days = 3\n", "missed_bills.window_days"),
        ("[missed_bills]\nlow = 5.0\n", "missed_bills"),
        ("[bounce_pressure]\nhalf_life = 5.0\n", "bounce_pressure.half_life"),
        ("[bounce_pressure.category_weights]\ngym = 1.0\n", "bounce_pressure.category_weights.gym"),
        ("[bounce_pressure]\nhalf_life_days = nan\n", "bounce_pressure.half_life_days"),
        ("[x]\n", "x"),
        ("[[", "TOML"),
    ],
)
def test_what_is_wrong_is_named(text: str, named: str) -> None:
    with pytest.raises(ConfigurationError, match=named.replace(".", r"\.")):
        settings.load(text)


def test_every_word_has_its_place_in_the_arrays() -> None:
    assert len(CLASSES) <= settings.CONFIG["bounce_class_scale"].shape[0]
    assert len(CATEGORIES) <= settings.CONFIG["bills_category_weight"].shape[0]
    config = settings.config_of(settings.load())
    assert config["bills_category_weight"][0, CATEGORIES.index("rent")] == 1.5
    assert config["bills_category_weight"][0, CATEGORIES.index("telecom")] == 1.0
