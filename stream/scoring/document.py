"""The published figures: docs/detectors/scores.json, measured, and docs/detectors/scores.md, written from it.

`python -m stream.scoring.document docs/detectors` measures anew and writes both; it takes minutes.
"""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from stream.detectors import settings
from stream.scoring import corpus
from stream.scoring import score as scores
from stream.scoring.score import Score


class Published(msgspec.Struct, frozen=True):
    """What is published, and the smaller run that the test suite measures again."""

    seeds: tuple[int, ...]
    score: Score
    sample_seed: int
    sample: Score


def measure() -> Published:
    """The figures of this code under its default settings."""
    defaults = settings.load()
    seed, customers = corpus.SAMPLE
    return Published(
        corpus.PUBLISHED,
        corpus.score_seeds(corpus.PUBLISHED, corpus.CUSTOMERS, defaults),
        seed,
        msgspec.structs.replace(corpus.score_seeds((seed,), customers, defaults), scenarios=[]),
    )


def read(path: Path) -> Published:
    """What scores.json holds."""
    return msgspec.json.decode(path.read_bytes(), type=Published)


def page(published: Published) -> str:
    """The Markdown page of the published figures."""
    found = published.score
    act, watch = found.act[scores.ALL], found.watch[scores.ALL]
    seeds = " and ".join(str(seed) for seed in published.seeds)
    lines = [
        "# What the detectors are worth",
        "",
        f"Measured over the golden corpus of the seeds {seeds} (`ews simulate --corpus`), on which nothing was tuned:",
        f"{found.customers:,} customers over twelve months, {act.stressed:,} of them stressed, {found.accounts:,} accounts, "
        f"{found.steady_account_months:,.0f} steady account-months.",
        "Measure it again with `ews detectors score --published`. Simulated customers are what we think of real ones: these",
        "figures compare one version of the detectors with the next, and promise nothing of a bank's own customers.",
        "",
        *_table(
            ("all detectors together", "act: medium or above", "watch: low or above"),
            [
                ("stressed customers caught", *(f"{one.caught:,} of {one.stressed:,}" for one in (act, watch))),
                ("recall", _share(act.recall), _share(watch.recall)),
                ("precision", _share(act.precision), _share(watch.precision)),
                ("median days before the first missed instalment", _plain(act.lead_days), _plain(watch.lead_days)),
                ("median days from onset to the alert", _plain(act.detection_days), _plain(watch.detection_days)),
                ("false alerts per 1,000 steady accounts a month", _plain(act.alerts_per_1000), _plain(watch.alerts_per_1000)),
                ("accounts that had one", _plain(act.accounts_per_1000), _plain(watch.accounts_per_1000)),
            ],
        ),
        "",
    ]
    for level, by_detector in (("act", found.act), ("watch", found.watch)):
        lines += [f"## By detector, {level}", "", *_detectors(by_detector), ""]
    lines += [
        "## By scenario",
        "",
        *_table(
            ("scenario", "customers", "act: caught", "act: false alerts", "watch: caught", "watch: false alerts"),
            (
                (
                    one.scenario,
                    f"{one.customers:,}",
                    _caught(one.act),
                    _plain(one.act.alerts_per_1000),
                    _caught(one.watch),
                    _plain(one.watch.alerts_per_1000),
                )
                for one in found.scenarios
            ),
        ),
        "",
        "## What is counted",
        "",
        "```text",
        (inspect.getdoc(scores) or "").partition("\n")[2].strip("\n"),
        "```",
    ]
    return "\n".join(lines) + "\n"


def _detectors(by_detector: dict[str, scores.Figures]) -> Iterator[str]:
    yield from _table(
        ("detector", "caught", "recall", "precision", "lead, days", "after onset, days", "false alerts", "accounts"),
        (
            (
                name,
                _caught(one),
                _share(one.recall),
                _share(one.precision),
                _plain(one.lead_days),
                _plain(one.detection_days),
                _plain(one.alerts_per_1000),
                _plain(one.accounts_per_1000),
            )
            for name, one in by_detector.items()
            if name != scores.ALL
        ),
    )


def _caught(one: scores.Figures) -> str:
    return f"{one.caught:,} of {one.stressed:,}" if one.stressed else ""


def _share(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


def _plain(value: Any) -> str:
    return "" if value is None else f"{value:g}"


def _table(heads: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    yield "| " + " | ".join(heads) + " |"
    yield "|---" * len(heads) + "|"
    for row in rows:
        yield "| " + " | ".join(row) + " |"


def main(folder: Path) -> None:
    """Measures, and writes scores.json and scores.md into `folder`."""
    published = measure()
    text = msgspec.json.format(msgspec.json.encode(published), indent=1).decode()
    # A line for each detector's figures: what changed can be read in a diff.
    text = re.sub(r"\{[^{}]*\}", lambda inner: re.sub(r"\s*\n\s*", " ", inner[0]), text)
    (folder / "scores.json").write_text(text + "\n", encoding="utf-8")
    (folder / "scores.md").write_text(page(published), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
