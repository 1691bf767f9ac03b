"""What the service desk reads: what forbids first, in words, with nothing that is over and nothing to be ashamed of."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from stream.contracts.vocabulary import CHANNELS, HOLD_KINDS, OUTCOMES
from stream.detectors.registry import NAMES
from stream.view import words
from tests.unit.view.stories import folded, shown, told
from tests.unit.view.test_picture import CUSTOMER, DECISION, HOLD, OUTCOME, REQUEST, SIGNAL, Teller


def text(story: str, customer: str, at: str) -> str:
    now = datetime.fromisoformat(at)
    return words.tell(shown(customer, folded(told(story, at))[customer]), now, now)


@pytest.fixture
def tell() -> Teller:
    return Teller()


def read(tell: Teller, at: str = "2026-03-02T12:00:00Z", behind: float | None = 0.0) -> str:
    now = datetime.fromisoformat(at)
    return words.tell(tell.shown(), now, None if behind is None else now - timedelta(seconds=behind))


def test_every_word_of_the_closed_lists_and_every_detector_has_words() -> None:
    assert set(words.HOLDS) == set(HOLD_KINDS)
    assert set(words.CHANNELS) == set(CHANNELS)
    assert set(words.OUTCOMES) == set(OUTCOMES)
    assert set(words.DETECTORS) == set(NAMES)


def test_a_death_comes_before_everything_and_is_not_asked_about_again_once_it_is_confirmed() -> None:
    said = text("bereavement", "dora", "2026-05-10T10:00:00Z")
    assert said.index("There has been a death") < said.index("What is known")
    assert "The bereavement team has a case open" in said
    assert "confirm or rule out" not in said


def test_it_says_who_was_asked_by_when_and_why_first() -> None:
    said = text("job_loss", "anna", "2026-04-05T10:00:00Z")
    assert "The arrears care team is asked to look by 6 April 2026, 09:00, urgently." in said
    assert "There was no answer in 14 days to an offer of support." in said
    assert "not to be read out" in said
    assert "estimated chance" not in said  # a figure that says nothing to a person on the phone


def test_breathing_space_ends_in_words_as_the_law_of_the_place_has_it() -> None:
    assert "until 6 May 2026, 00:00" in text("breathing_space_late", "ben", "2026-03-09T10:00:00Z")
    assert "breathing space" not in text("breathing_space_late", "ben", "2026-05-08T10:00:00Z")


def test_offers_are_shown_while_they_can_be_taken() -> None:
    assert "2 payments of GBP 120.00, from 1 April 2026" in text("broken_promise", "hana", "2026-03-26T10:00:00Z")
    assert "GBP 120.00" not in text("broken_promise", "hana", "2026-04-20T10:00:00Z")


def test_what_is_over_is_left_out(tell: Teller) -> None:
    tell("customers", CUSTOMER)
    tell("holds", HOLD, kind="cease", ends_at="2026-03-02T11:00:00Z")
    tell("signals", SIGNAL, expires_at="2026-03-02T11:00:00Z")
    assert "asked not to be contacted" in read(tell, "2026-03-02T10:00:00Z")
    assert "2 bills are not paid." in read(tell, "2026-03-02T10:00:00Z")
    after = read(tell)
    assert "No hold of theirs is known" in after
    assert "No sign of trouble is open" in after


@pytest.mark.parametrize(("behind", "warned"), [(0.0, False), (59.0, False), (3600.0, True), (None, True)])
def test_a_picture_that_may_be_out_of_date_says_so_first(tell: Teller, behind: float | None, warned: bool) -> None:
    tell("customers", CUSTOMER)
    said = read(tell, behind=behind)
    assert ("TAKE CARE: this picture may be out of date" in said) is warned


def test_somebody_without_a_record_is_told_as_such(tell: Teller) -> None:
    tell("signals", SIGNAL)
    assert "their customer record has not come" in read(tell)


def test_channels_that_are_closed_say_why(tell: Teller) -> None:
    tell("customers", CUSTOMER)
    tell("contact-outcomes", OUTCOME, outcome="opted_out")
    said = read(tell)
    assert "No text message: closed since 1 March 2026." in said
    assert "No e-mail: they have not agreed to it." in said


def test_the_next_message_is_told_with_what_it_waits_for(tell: Teller) -> None:
    rules: list[dict[str, Any]] = [{"rule_id": "everywhere.hours", "version": "1", "verdict": "defer"}]
    tell("customers", CUSTOMER)
    tell("decisions", DECISION, rules=[*DECISION["rules"], *rules])
    said = read(tell)
    assert "Next: something useful to read; it may leave from 3 March 2026, 08:00 at the earliest" in said
    assert "Not so for now: " in said


def test_a_request_that_is_late_says_so(tell: Teller) -> None:
    tell("escalations", REQUEST)
    assert "is asked to look by" in read(tell)
    assert "should have looked by" in read(tell, "2026-03-06T00:00:00Z")


def test_times_are_the_customers_own(tell: Teller) -> None:
    tell("customers", CUSTOMER, time_zone="Asia/Kolkata")
    now = datetime(2026, 3, 2, 20, 0, tzinfo=UTC)
    assert words.tell(tell.shown(), now, now).startswith("Customer c, 3 March 2026, 01:30\n")
