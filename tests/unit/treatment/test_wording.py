"""Plain language: what a customer reads, and what a member of staff is asked to do."""

from __future__ import annotations

import re

import pytest

from stream.contracts.signals import ReasonRecord
from stream.treatment.plain import grade, syllables
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


@pytest.mark.parametrize("name", [name for name in TEXTS if name.split(".")[1] == "en"])
def test_a_text_says_who_writes_how_to_get_help_and_that_it_is_free_to_choose(name: str) -> None:
    treatment, text = TEXTS[name]
    assert text.startswith("Hello from your bank.")
    see = "See them in our app, or" if name == "flexible_plan.en.offers" else "message us in our app or"
    assert f"{see} call the number on your statement" in text
    assert any(free in text for free in ("It is up to you.", "Take the time you need.", "You do not need to do anything."))
    kinds = {
        "money_guidance": "free money guidance",
        "flexible_plan": "a plan together",
        "free_debt_advice": "Debt advice can help. It is free",
        "payment_date": "We can look",
        "plan_review": "We will look at the plan with you.",
        "none": "If things change, we are here to listen.",
    }
    assert kinds[treatment.help] in text


def test_help_with_a_date_names_another_date() -> None:
    texts = {name: text for name, (treatment, text) in TEXTS.items() if treatment.help == "payment_date"}
    assert set(texts) == {"payment_reminder.en", "payment_date_change.en"}
    assert "We can look at another date with you." in texts["payment_reminder.en"]
    assert "We can look for a date that fits better" in texts["payment_date_change.en"]


def test_a_reminder_speaks_of_what_is_ahead_and_opens_a_way_out() -> None:
    for name in ("payment_reminder.en", "plan_reminder.en"):
        text = TEXTS[name][1]
        assert "is due in the next few days" in text
        assert ", tell us." in text
        assert "please pay" not in text.lower()


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("bounce_explained", "did not go through"),
        ("small_bill_check_in", "look different from usual"),
        ("flexible_plan", "We saw signs that money may be tight."),
        ("debt_advice", "We saw signs that money may be tight."),
        ("payment_reminder", "A regular payment for your account {account} is due in the next few days."),
        ("plan_reminder", "The next payment of the plan for your account {account} is due in the next few days."),
        ("payment_date_change", "The date of the regular payment for your account {account} may not suit you any more."),
        ("education", "Money can change from one month to the next."),
        ("recognition", "Things have looked steadier for a while"),
    ],
)
def test_a_text_says_why_it_comes(name: str, why: str) -> None:
    assert why in POLICY.treatments[name].text["en"]  # type: ignore[index]


@pytest.mark.parametrize(
    ("treatment", "variants", "part"),
    [
        ("flexible_plan", (), "We can look for a plan together"),
        ("flexible_plan", ("offers", "", "GB"), "We have worked out ways to spread what is owed"),
        ("debt_advice", ("", "", "IE"), "confidential and independent of us"),
        ("debt_advice", ("", "", "GB"), "An adviser can also tell you about breathing space"),
        ("debt_advice", ("", "GB-SCT", "GB"), "An adviser can also tell you about breathing space"),
        ("recognition", ("", "", "GB"), "Things have looked steadier for a while"),
        ("recognition", ("promise", "", "GB"), "Thank you for keeping to what we agreed."),
    ],
)
@pytest.mark.parametrize("language", ["en", "en-GB", "EN", "cy", "cy-GB"])
def test_the_words_are_those_of_the_occasion_or_the_place_in_a_language_that_is_spoken(
    treatment: str, variants: tuple[str, ...], part: str, language: str
) -> None:
    spoken, text = POLICY.treatments[treatment].words(language, POLICY.default_language, *variants)  # type: ignore[index]
    assert spoken == "en"
    assert part in text


def test_words_in_another_language_are_taken_where_there_are_some() -> None:
    policy = load(default_text().replace("[treatments.recognition.text]", '[treatments.recognition.text]\ncy = "Helo."'))
    words = policy.treatments["recognition"].words
    assert words("cy-GB", "en", "promise") == ("cy", "Helo.")
    assert words("cy", "en") == ("cy", "Helo.")
    assert words("de", "en")[0] == "en"


@pytest.mark.parametrize("name", TEXTS)
def test_a_text_asks_no_more_years_of_school_than_its_policy_says(name: str) -> None:
    treatment, text = TEXTS[name]
    assert treatment.reading_grade <= 6
    assert grade(text) <= treatment.reading_grade


@pytest.mark.parametrize(
    ("text", "low", "high"),
    [
        ("", 0.0, 0.0),
        ("The cat sat on the mat.", -2.0, 0.0),
        ("We can talk, and point you to free money guidance.", 1.5, 5.0),
        ("The contractual obligations of the beneficiary necessitate immediate regularisation.", 18.0, 40.0),
    ],
)
def test_harder_words_and_longer_sentences_read_at_a_higher_grade(text: str, low: float, high: float) -> None:
    assert low <= grade(text) <= high


@pytest.mark.parametrize(
    ("word", "count"),
    [
        ("cat", 1), ("money", 2), ("people", 2), ("table", 2), ("home", 1), ("agreed", 2), ("looked", 1), ("wanted", 2),
        ("again", 2), ("independent", 4), ("confidential", 4), ("I", 1), ("it's", 1), ("account", 2),
    ],
)  # fmt: skip
def test_syllables_are_counted_as_they_are_spoken(word: str, count: int) -> None:
    assert syllables(word) == count


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
