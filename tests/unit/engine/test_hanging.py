"""When a transaction that Kafka left open may be aborted, and when only a person may say."""

from __future__ import annotations

import pytest

from stream.engine.hanging import Ends, Watch


@pytest.mark.parametrize(
    ("journal", "may"),
    [
        pytest.param(lambda n: Ends(100, 101), True, id="it stands still: nothing was decided"),
        pytest.param(lambda n: Ends(100, 101 + n), True, id="it stands still, and the other stage writes behind it"),
        pytest.param(lambda n: Ends(100, 100), False, id="all is decided in it: part of the transaction was"),
        pytest.param(lambda n: Ends(100 + n, 102 + n), False, id="it gets on, the other stage's transactions come and go"),
        pytest.param(lambda n: Ends(100 + n // 20, 130), False, id="it gets on slowly"),
        pytest.param(lambda n: Ends(100, 101) if n % 20 else Ends(101, 101), False, id="it is decided now and then"),
    ],
)
def test_only_a_journal_that_stands_still_lets_the_transaction_be_aborted(journal, may) -> None:  # type: ignore[no-untyped-def]
    watch = Watch(10.0)
    assert any(watch.may_abort(journal(n), 1_000.0 + n) for n in range(100)) == may


def test_it_is_not_aborted_before_a_transaction_of_the_other_stage_must_have_timed_out() -> None:
    watch = Watch(10.0)
    told = [watch.may_abort(Ends(100, 101), 1_000.0 + n) for n in range(40)]
    assert told.index(True) == 26
