"""Plain language: what a customer reads, and what a member of staff is asked to do."""

from __future__ import annotations

import re

import pytest

from stream.contracts.signals import ReasonRecord
from stream.treatment.policy import default_text, load
from stream.treatment.words import discreet

POLICY = load(default_text())
TEXTS = {
    f"{name}.{language}": (treatment, text)
    for name, treatment in POLICY.treatments.items()
    for language, text in treatment.text.items()
}
LONGEST_SENTENCE = 22
LONGEST_TEXT = 320
"""Two text messages of 160 characters, and of the account's end a few more."""
FORBIDDEN = (
    # threats and pressure
    "must", "immediately", "urgent", "legal", "court", "enforce", "collector", "consequence", "final", "deadline", "warning",
    # blame
    "fail", "failed", "overdue", "arrears", "default", "debtor", "missed", "behind", "unfortunately", "again", "your fault",
    # payment and selling
    "pay now", "payment link", "http", "www", "click", "borrow", "loan", "offer ends", "interest rate",
    # words of the trade
    "bounce", "bounced", "delinquent", "obligation", "instalment", "hardship", "vulnerable", "forbearance", "signal",
    "well done",
)  # fmt: skip


def sentences(text: str) -> list[str]:
    return [part for part in re.split(r"(?<=[.!?])\s+", text) if part]


@pytest.mark.parametrize("name", TEXTS)
def test_no_word_threatens_blames_sells_or_belongs_to_the_trade(name: str) -> None:
    said = TEXTS[name][1].lower()
    assert [word for word in FORBIDDEN if re.search(rf"\b{re.escape(word)}\b", said)] == []


@pytest.mark.parametrize("name", TEXTS)
def test_a_text_can_be_sent_as_it_is(name: str) -> None:
    text = TEXTS[name][1]
    assert re.findall(r"\{(\w+)\}", text) in ([], ["account"])
    bare = text.replace("{account}", "")
    assert not re.search(r"[\d£$€%@/{}]", bare), "no amounts, dates, numbers or links"
    assert len(text) <= LONGEST_TEXT
    assert text == " ".join(text.split())
    assert text.endswith(".")


@pytest.mark.parametrize("name", TEXTS)
def test_sentences_are_short(name: str) -> None:
    long = [each for each in sentences(TEXTS[name][1]) if len(each.split()) > LONGEST_SENTENCE]
    assert long == []


@pytest.mark.parametrize("name", [name for name in TEXTS if name.endswith(".en")])
def test_a_text_says_who_writes_how_to_get_help_and_that_it_is_free_to_choose(name: str) -> None:
    treatment, text = TEXTS[name]
    assert text.startswith("Hello from your bank.")
    assert "message us in our app or call the number on your statement" in text
    assert any(free in text for free in ("It is up to you.", "Take the time you need.", "You do not need to do anything."))
    kinds = {
        "money_guidance": "free money guidance",
        "flexible_plan": "a plan together",
        "free_debt_advice": "Debt advice can help. It is free",
        "none": "If things change, we are here to listen.",
    }
    assert kinds[treatment.help] in text


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("bounce_explained", "did not go through"),
        ("small_bill_check_in", "look different from usual"),
        ("flexible_plan", "We saw signs that money may be tight."),
        ("debt_advice", "We saw signs that money may be tight."),
        ("recognition", "Things have looked steadier for a while"),
    ],
)
def test_a_text_says_why_it_comes(name: str, why: str) -> None:
    assert why in POLICY.treatments[name].text["en"]  # type: ignore[index]


@pytest.mark.parametrize("name", POLICY.queues)
def test_a_person_is_told_what_to_do_first_and_what_not_to_do(name: str) -> None:
    queue = POLICY.queues[name]
    assert queue.never.startswith("Do not ")
    assert not queue.first.startswith("Do not")
    for text in (queue.first, queue.never):
        assert text.endswith(".")
        assert all(len(each.split()) <= 32 for each in sentences(text))
        assert "_" not in text


def test_a_nudge_tells_neither_income_nor_borrowing_not_even_by_a_code() -> None:
    codes = ("income_absent", "part_income_drop", "short_term_borrowing", "risen_spending", "drained", "stress_score")
    told = discreet(ReasonRecord(code=code, text=code, value="12.00", unit="GBP", event_ids=("e",)) for code in codes)
    assert [(reason.code, reason.value, reason.unit, reason.event_ids) for reason in told] == [("sign_of_stress", 0, None, ())]
