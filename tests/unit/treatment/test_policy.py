"""The policy file: data with sources, and errors that say what to do."""

from __future__ import annotations

import pytest

from stream.errors import ConfigurationError
from stream.treatment.policy import default_text, load


def test_the_packaged_policy_is_whole_and_every_rule_has_its_source() -> None:
    policy = load(default_text())
    assert len({rule.id for rule in policy.rules}) == len(policy.rules) == 25
    assert all(rule.source and rule.says and rule.version >= 1 for rule in policy.rules)


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ("limit = 2", "limit = 0", "packs.default.caps.0.limit"),
        ('opens = "08:00"', 'opens = "8am"', "packs.default.hours.opens"),
        ('opens = "08:00"', 'opens = "21:00"', "opens must be before closes"),
        ("clear_days = 30", "clear_days = 30\nclear_day = 3", "ladder.clear_day"),
        ('id = "everywhere.consent"', "", "basics.consent.id"),
        ("hold_days = [0, 3, 3, 3, 3]", "hold_days = [0, 3]", "ladder.hold_days"),
        ("[packs.default.hours]", "[packs.XX.hours]", "packs.XX"),
        ("email = 72", "", "window_hours.email"),
        ('bereavement = "bereavement"', 'bereavement = "collections_review"', "queues.collections_review"),
        ('default_language = "en"', 'default_language = "cy"', "text.cy"),
        ('channels = ["sms", "push", "voice", "chat"]', 'channels = ["fax"]', "packs.default.hours.channels"),
        ("[ladder]", "[ladder", "not TOML"),
    ],
)
def test_a_mistake_is_refused_by_name_with_a_remedy(old: str, new: str, named: str) -> None:
    text = default_text()
    assert old in text
    with pytest.raises(ConfigurationError) as caught:
        load(text.replace(old, new, 1))
    assert named in str(caught.value)
    assert "mend" in str(caught.value)
    assert caught.value.exit_code == 3


def test_a_place_gets_its_own_pack_and_others_the_default() -> None:
    text = default_text()
    start, end = text.index("[packs.default.hours]"), text.index("[holds]")
    own = text[start:end].replace("packs.default", "packs.IN").replace('closes = "20:00"', 'closes = "19:00"')
    policy = load(text[:end] + own + text[end:])
    assert policy.pack("IN", "").hours.closes == "19:00"
    assert policy.pack("IN", "IN-KA").hours.closes == "19:00"
    assert policy.pack("FR", "").hours.closes == "20:00"


def test_no_words_to_a_customer_threaten_blame_or_sell() -> None:
    policy = load(default_text())
    for treatment in policy.treatments.values():
        for text in treatment.text.values():
            said = text.lower()
            assert not any(
                word in said for word in ("must", "fail", "overdue", "legal", "http", "pay now", "borrow")
            )
