"""What `bounce_pressure` promises beyond its cases: order of arrival, catching up, and what is taken back."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from stream.detectors import bounce_pressure
from stream.detectors.levels import DAY
from stream.tables.account import COUNTED, SETTLED
from stream.tables.hashing import hash_text
from tests.unit.detectors.test_detectors import CONFIG, START, Bank, bounce, stream_of

AT = START + 60 * DAY


def evidence_of(bank: Bank) -> Any:
    return bank.evidence[int(bank.accounts[0]["evidence"])]


def pressure(events: list[dict[str, Any]]) -> float:
    bank = Bank()
    bank.run(stream_of(events))
    return bounce_pressure.score(evidence_of(bank), AT, CONFIG[0]["bounce_pressure"])


def payment(number: int, day: float, **more: Any) -> dict[str, Any]:
    return {"topic": "payment", "id": f"p{number}", "day": day} | more


MONTHS = [
    bounce(1, 1, payee="E", obligation="O", bill="L1"),
    bounce(2, 8, payee="E", obligation="O", bill="L1"),
    bounce(3, 31, payee="E", obligation="O"),
    bounce(4, 40, payee="E", obligation="O", again=1, code="MS03"),
]


def test_presentations_and_repeats_weigh_the_same_in_whatever_order_they_come() -> None:
    scores = {pressure(list(order)) for order in itertools.permutations(MONTHS)}
    assert len(scores) == 1
    # Of the first payment the second bounce, the heavier; of the next month's, a repeat, the first, for MS03 weighs 0.4.
    expected = 1.2 * (2 ** (-(60 - 8) / 30) + 1.5 * 2 ** (-(60 - 31) / 30))
    assert scores.pop() == pytest.approx(expected, abs=1e-8)


@pytest.mark.parametrize("day", [39.9, 47])
def test_a_further_bounce_is_a_repeat_within_the_days_of_a_cure(day: float) -> None:
    together = pressure([bounce(1, 1, payee="E"), bounce(2, day, payee="E")])
    apart = pressure([bounce(1, 1, payee="E"), bounce(2, day, payee="F")])
    assert (together > apart) == (day < 46)


def test_what_is_taken_back_leaves_no_repeat_behind() -> None:
    undone = [bounce(1, 1, payee="E"), bounce(2, 31, payee="E"), bounce(1, 32, payee="E", status="reversed")]
    assert pressure(undone) == pressure([bounce(2, 31, payee="E")])


@pytest.mark.parametrize(
    "more",
    [{"payee": "E"}, {"payee": "X", "obligation": "O"}],
    ids=["by payee", "by obligation"],
)
def test_a_payment_read_before_the_bounce_it_makes_good_is_seen_in_what_is_paid_regularly(more: dict[str, str]) -> None:
    def state(last: int, amount: int) -> int:
        bank = Bank()
        habit = bank.accounts[0]["habits"][3]
        habit["subject"], habit["amount"], habit["currency"] = hash_text(more.get("obligation", "E")), amount, 1
        habit["last"] = START // DAY + last
        bank.run(stream_of([bounce(1, 10, **more)]))
        return int(evidence_of(bank)["bounces"][0]["state"])

    assert state(11, 3820) == SETTLED
    assert state(10, 3820) == COUNTED, "on the same day it may have been before"
    assert state(11, 3819) == COUNTED
    assert state(56, 3820) == COUNTED, "later than a cure by payee may be"


def test_a_first_presentation_that_comes_after_the_cure_of_the_second_is_cured() -> None:
    first, second = bounce(1, 1, payee="E", bill="L1"), bounce(2, 8, payee="E", bill="L1")
    paid = payment(1, 9, payee="E")
    assert pressure([second, paid, first]) == pressure([first, second, paid]) == 0
    assert pressure([second, payment(1, 7, payee="E", bill="L1"), first]) > 0


def test_a_cure_is_gone_while_its_payment_has_come_back_and_no_longer() -> None:
    story = [bounce(1, 1, payee="E"), payment(1, 5, payee="E"), bounce(2, 7, payee="E", original="p1")]
    both = pressure(story)
    assert both == pressure([story[0], story[2], story[1]]) == pressure([bounce(1, 1, payee="E"), bounce(2, 7, payee="E")])
    assert pressure([*story, bounce(2, 8, payee="E", original="p1", status="reversed")]) == 0


def test_a_bounce_of_a_payment_that_is_read_first_takes_the_cure_away() -> None:
    early = [bounce(1, 1, payee="E"), bounce(2, 7, payee="E", original="p1"), payment(1, 5, payee="E")]
    assert pressure(early) == pressure(early[:2])


def test_the_habits_slot_of_another_currency_or_payee_cures_nothing() -> None:
    bank = Bank()
    habits = bank.accounts[0]["habits"]
    habits["amount"], habits["last"] = 10_000, START // DAY + 12
    habits[0]["subject"], habits[0]["currency"] = hash_text("E"), 2
    habits[1]["subject"], habits[1]["currency"] = hash_text("F"), 1
    bank.run(stream_of([bounce(1, 10, payee="E")]))
    assert int(evidence_of(bank)["bounces"][0]["state"]) == COUNTED


def test_a_folded_re_presentment_is_not_counted_beside_its_payment() -> None:
    twice = [bounce(90, 1, payee="E", bill="L1"), bounce(91, 2, payee="E", bill="L1")]
    many = [bounce(n, 3 + n) for n in range(7)]
    expected = 1.2 * (2 ** (-(60 - 2) / 30) + sum(2 ** (-(57 - n) / 30) for n in range(7)))
    assert pressure([*twice, *many]) == pytest.approx(expected, abs=1e-8)
