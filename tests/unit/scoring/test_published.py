"""The published figures: no worse than told, and told as measured."""

from __future__ import annotations

from pathlib import Path

import pytest

from stream.detectors import settings
from stream.detectors.registry import NAMES
from stream.scoring import corpus, document
from stream.scoring.score import ALL, Figures, Score

FOLDER = Path(__file__).parents[3] / "docs" / "detectors"
PUBLISHED = document.read(FOLDER / "scores.json")
ANEW = "measure anew with `python -m stream.scoring.document docs/detectors`, and say why in the change"


@pytest.fixture(scope="module")
def sample() -> Score:
    seed, customers = corpus.SAMPLE
    return corpus.score_seeds((seed,), customers, settings.load())


def worse(told: Figures, found: Figures) -> list[str]:
    more = [name for name in ("recall", "precision", "lead_days") if (getattr(found, name) or 0) < (getattr(told, name) or 0)]
    less = ["detection_days", "alerts_per_1000", "accounts_per_1000"]
    return more + [name for name in less if (getattr(found, name) or 0) > (getattr(told, name) or 0)]


@pytest.mark.parametrize("level", ["act", "watch"])
def test_the_detectors_together_are_worth_no_less_than_published(sample: Score, level: str) -> None:
    told, found = getattr(PUBLISHED.sample, level)[ALL], getattr(sample, level)[ALL]
    assert worse(told, found) == [], f"{ANEW}: {found}"


def test_the_sample_is_the_one_that_was_published(sample: Score) -> None:
    told = PUBLISHED.sample
    assert (told.customers, told.accounts, told.steady_account_months, told.act[ALL].stressed) == (
        sample.customers, sample.accounts, sample.steady_account_months, sample.act[ALL].stressed,
    ), ANEW  # fmt: skip


def test_the_same_code_gives_the_same_figures_exactly() -> None:
    found = [corpus.score_seeds((corpus.SAMPLE[0],), 30, settings.load()) for _ in range(2)]
    assert found[0] == found[1]


def test_figures_are_published_of_every_detector_and_of_no_seed_that_was_tuned_on() -> None:
    assert list(PUBLISHED.score.act) == [ALL, *NAMES]
    assert PUBLISHED.seeds == corpus.PUBLISHED
    assert all(seed % 2 == 0 for seed in (*PUBLISHED.seeds, corpus.SAMPLE[0]))


def test_the_page_tells_the_figures() -> None:
    assert (FOLDER / "scores.md").read_text("utf-8") == document.page(PUBLISHED), ANEW


@pytest.mark.parametrize(
    ("name", "value"),
    [("recall", 0.7), ("precision", 0.6), ("lead_days", 19.0), ("alerts_per_1000", 15.1), ("detection_days", 41.0)],
)
def test_any_figure_that_falls_behind_is_named(name: str, value: float) -> None:
    told = Figures(10, 8, 0.8, 0.9, 20.0, 40.0, 9, 1, 15.0, 14.0)
    found = Figures(**{field: getattr(told, field) for field in told.__struct_fields__} | {name: value})
    assert worse(told, found) == [name]
    assert worse(told, told) == []
