"""How well `stress_score` ranks real credit cards by who misses the next month: `python -m bench.taiwan [CSV]`.

Six months of 20,011 cards (UCI 350) go through the accounts stage as examples/taiwan converts them. At the end of each month
every card has a score; the month after tells who did not pay. Nothing is trained or fitted on the data.

For each month t, April to September 2005
    score     `stress_score` of the card at the end of t (local midnight), as `ews replay --state` tells it
    label     the repayment status of t + 1 is 1 or more (behind); for September: `default.payment.next.month`
    AUC       how often, of a card that misses and one that does not, the first has the higher score; a tie counts half
              (Mann and Whitney 1947); 95 % interval by DeLong, DeLong and Clarke-Pearson (Biometrics 44, 1988)
    baseline  the same for the repayment status of t alone: the naive ranking, for which nobody needs a system

and once more for the cards that are not behind in t, where a warning would be early.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import sys
import tempfile
from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from stream.agents.accounts import AccountsStep
from stream.detectors import settings
from stream.engine import files
from stream.engine.offline import Line, merge
from stream.scoring.alone import accounts_alone
from stream.topics import ACCOUNTS_INPUTS

ROOT = Path(__file__).resolve().parents[1]
DATA = ROOT.parent / "shared" / "data" / "taiwan" / "accounts.csv"
NAMES = ("April", "May", "June", "July", "August", "September")
SPAN_MS = 6 * 3_600_000


class Area(NamedTuple):
    """An area under the ROC curve and its 95 % interval; nan where one of the classes is empty."""

    auc: float
    low: float
    high: float


class Month(NamedTuple):
    """The cards of one month."""

    month: str
    cards: int
    missed: int
    score: Area
    baseline: Area


def area(scores: npt.ArrayLike, labels: npt.ArrayLike) -> Area:
    """The area under the ROC curve, by midranks."""
    values, wrong = np.asarray(scores, float), np.asarray(labels, bool)
    m, n = int(wrong.sum()), int((~wrong).sum())
    if not m or not n:
        return Area(float("nan"), float("nan"), float("nan"))
    ranks = midranks(values)
    above = (ranks[wrong] - midranks(values[wrong])) / n
    below = 1 - (ranks[~wrong] - midranks(values[~wrong])) / m
    auc = float(above.mean())
    variance = (float(above.var(ddof=1)) / m if m > 1 else 0.0) + (float(below.var(ddof=1)) / n if n > 1 else 0.0)
    half = 1.959964 * variance**0.5
    return Area(auc, max(auc - half, 0.0), min(auc + half, 1.0))


def midranks(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Ranks from 1; equal values share the mean of theirs."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    return (np.cumsum(counts) - (counts - 1) / 2)[inverse]


def converter() -> Any:
    """The example's converter, which is a script and no package."""
    spec = importlib.util.spec_from_file_location("taiwan_convert", ROOT / "examples" / "taiwan" / "convert.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


def month_ends(convert: Any) -> list[int]:
    """The local midnight after each month, ms."""
    return [int(datetime(2005, month + 1, 1, tzinfo=convert.TAIPEI).timestamp() * 1000) for month in convert.MONTHS]


def scores(folder: Path, ends: Sequence[int]) -> Iterator[dict[str, float]]:
    """`stress_score` by account at each of `ends`."""
    job = accounts_alone(settings.load(), lambda _: None, span_ms=SPAN_MS, dead_letter_limit=0.0)
    [step] = job.steps
    assert isinstance(step, AccountsStep)
    found = {topic: path for topic, path in files.find(folder).items() if topic in ACCOUNTS_INPUTS}
    records = merge({topic: files.lines(topic, path) for topic, path in found.items()})

    def month_of(record: tuple[str, Line]) -> int:
        return sum(record[1].timestamp >= end for end in ends)

    for month, own in groupby(records, month_of):
        if month == len(ends):
            return
        for _ in job.run(own, ends[month]):
            pass
        yield {str(row["account_id"]): float(str(row["stress_score"])) for row in step.features()}


def months(source: Path) -> tuple[list[Month], list[Month]]:
    """The figures of each month: of all cards, and of those that are not behind in it."""
    convert = converter()
    cards = list(convert.read(source))
    status = np.array([[statement.status for statement in card.statements] for card in cards])
    missed = np.column_stack([status[:, 1:] >= 1, [card.defaulted for card in cards]])
    everybody, early = [], []
    with tempfile.TemporaryDirectory() as folder:
        convert.convert(source, Path(folder))
        for t, by_account in enumerate(scores(Path(folder), month_ends(convert))):
            score = np.array([by_account[card.account_id] for card in cards])
            for told, own in ((everybody, np.ones(len(cards), bool)), (early, status[:, t] < 1)):
                labels = missed[own, t]
                told.append(
                    Month(NAMES[t], len(labels), int(labels.sum()), area(score[own], labels), area(status[own, t], labels))
                )
    return everybody, early


def table(title: str, rows: Sequence[Month]) -> str:
    """The figures as people read them."""
    lines = [title, f"{'':11}{'cards':>8}{'missed next':>13}   {'stress_score (95 %)':23}status alone (95 %)"]
    for row in rows:
        share = row.missed / row.cards if row.cards else 0.0
        areas = [f"{one.auc:.3f} ({one.low:.3f}-{one.high:.3f})" for one in (row.score, row.baseline)]
        lines.append(f"{row.month:11}{row.cards:>8,}{share:>12.1%}    {areas[0]:23}{areas[1]}")
    return "\n".join(lines)


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description="AUC of stress_score for a missed payment in the next month, by month.")
    parser.add_argument("csv", nargs="?", type=Path, default=DATA, help="the file of UCI data set 350")
    parser.add_argument("--json", action="store_true", help="as JSON")
    options = parser.parse_args()
    if not options.csv.is_file():
        print(f"skipped: {options.csv} is not there; give the file of UCI data set 350 (doi 10.24432/C55S3H)")
        return 0
    AccountsStep.warm_up()
    everybody, early = months(options.csv)
    if options.json:
        print(json.dumps({"all": [row._asdict() for row in everybody], "not_behind": [row._asdict() for row in early]}, indent=1))
        return 0
    print(table("all cards: who misses the next month", everybody))
    print()
    print(table("cards that are not behind: who falls behind next month", early))
    return 0


if __name__ == "__main__":
    sys.exit(main())
