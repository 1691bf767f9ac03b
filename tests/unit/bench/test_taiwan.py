"""The bench on card data: the area under the curve, and which month is held against which."""

from __future__ import annotations

import math
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench import taiwan

HEADS = (
    "ID,LIMIT_BAL,PAY_0,PAY_2,PAY_3,PAY_4,PAY_5,PAY_6,"
    "BILL_AMT1,BILL_AMT2,BILL_AMT3,BILL_AMT4,BILL_AMT5,BILL_AMT6,"
    "PAY_AMT1,PAY_AMT2,PAY_AMT3,PAY_AMT4,PAY_AMT5,PAY_AMT6,default.payment.next.month"
)


@given(st.lists(st.tuples(st.integers(0, 5), st.booleans()), min_size=2, max_size=40))
def test_the_area_is_the_share_of_pairs_in_the_right_order_with_ties_for_half(cards: list[tuple[int, bool]]) -> None:
    wrong = [score for score, label in cards if label]
    right = [score for score, label in cards if not label]
    found = taiwan.area([score for score, _ in cards], [label for _, label in cards])
    if not wrong or not right:
        assert math.isnan(found.auc)
        return
    pairs = [1.0 if a > b else 0.5 if a == b else 0.0 for a, b in product(wrong, right)]
    assert found.auc == pytest.approx(sum(pairs) / len(pairs))
    assert found.low <= found.auc + 1e-12
    assert found.auc <= found.high + 1e-12


def test_the_interval_holds_the_truth_about_nineteen_times_in_twenty() -> None:
    rng = np.random.default_rng(1)
    labels = np.arange(300) % 3 == 0
    truth = 0.5 * (1 + math.erf(1.0 / 2))  # of two normals one apart
    held = 0
    for _ in range(300):
        found = taiwan.area(rng.normal(labels.astype(float)), labels)
        held += found.low <= truth <= found.high
    assert 0.91 <= held / 300 <= 0.985


def test_each_month_is_held_against_the_next_and_the_last_against_october(tmp_path: Path) -> None:
    # Columns run backwards from September. The first card falls behind in June and stays so.
    rows = ["1,20000,4,3,2,2,0,0,9000,9000,9000,9000,9000,9000,0,0,0,0,400,400,1"]
    rows += [f"{number},20000,0,0,0,0,0,0,9000,9000,9000,9000,9000,9000,400,400,400,400,400,400,0" for number in range(2, 12)]
    path = tmp_path / "cards.csv"
    path.write_text("\n".join([HEADS, *rows]) + "\n")
    everybody, early = taiwan.months(path)
    assert [row.month for row in everybody] == ["April", "May", "June", "July", "August", "September"]
    assert [(row.cards, row.missed) for row in everybody] == [(11, 0), (11, 1), (11, 1), (11, 1), (11, 1), (11, 1)]
    assert [(row.cards, row.missed) for row in early] == [(11, 0), (11, 1), (10, 0), (10, 0), (10, 0), (10, 0)]
    assert everybody[5].baseline.auc == 1.0
    assert taiwan.table("all", everybody).splitlines()[-1].split()[:3] == ["September", "11", "9.1%"]


def test_without_the_data_it_says_so_and_is_no_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["taiwan", str(tmp_path / "none.csv")])
    assert taiwan.main() == 0
    assert capsys.readouterr().out.startswith("skipped: ")
