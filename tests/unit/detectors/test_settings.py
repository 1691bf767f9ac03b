from __future__ import annotations

import pytest

from stream.contracts.vocabulary import CATEGORIES
from stream.detectors import missed_bills, settings
from stream.errors import ConfigurationError
from stream.reference.return_codes import CLASSES


def test_defaults_load() -> None:
    loaded = settings.load()
    assert loaded.bounce_pressure.thresholds == (1.0, 1.8, 3.0)
    assert loaded.missed_bills.window_days == 70


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
        ("[missed_bills]\nrepeat_weight = 1.1\n", "missed_bills.repeat_weight"),
        ("[missed_bills]\nrepeat_weight_credit = -0.1\n", "missed_bills.repeat_weight_credit"),
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
    assert len(CLASSES) <= settings.CONFIG["bounce_pressure"]["class_scale"].shape[0]
    assert len(CATEGORIES) <= settings.CONFIG["missed_bills"]["category_weight"].shape[0]
    config = settings.config_of(settings.load())
    assert config["missed_bills"]["category_weight"][0, CATEGORIES.index("rent")] == 1.5
    assert config["missed_bills"]["category_weight"][0, CATEGORIES.index("telecom")] == 1.0


def test_a_further_bill_counts_its_share_of_its_category_and_credit_its_own() -> None:
    own = "[missed_bills]\nrepeat_weight = 0.25\nrepeat_weight_credit = 0.8\n[missed_bills.category_weights]\nwater = 0.0\n"
    shares = settings.config_of(settings.load(own))["missed_bills"]["repeat_weight"][0]
    assert shares[CATEGORIES.index("telecom")] == 0.25
    assert shares[CATEGORIES.index("rent")] == 1.5 * 0.25
    assert shares[CATEGORIES.index("water")] == 0.0, "what a bank gives no weight has none the second time"
    credit = {name for name, share in zip(CATEGORIES, shares, strict=False) if share >= 0.8}
    assert credit == set(missed_bills.CREDIT_CATEGORIES)
