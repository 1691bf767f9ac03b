"""The policy file: data with sources, and errors that say what to do."""

from __future__ import annotations

import pytest

from stream.errors import ConfigurationError
from stream.treatment.policy import default_text, load

TEXT = default_text()
POLICY = load(TEXT)
HARD = "Notwithstanding circumstances, contractual obligations necessitate expeditious regularisation of irregularities."


def section(head: str, until: str) -> str:
    """The part of the file from one heading up to another."""
    return TEXT[TEXT.index(head) : TEXT.index(until)]


def test_the_packaged_policy_is_whole_and_every_rule_has_its_source() -> None:
    assert len({rule.id for rule in POLICY.rules}) == len(POLICY.rules) == 60
    assert all(rule.source and rule.says and rule.version >= 1 for rule in POLICY.rules)


def test_every_rule_with_figures_binds_somewhere_and_every_place_has_hours_and_caps() -> None:
    figures = {each.id for kind in (POLICY.hours, POLICY.closed_days, POLICY.quiet, POLICY.caps, POLICY.gaps) for each in kind}
    assert {each for pack in POLICY.packs.values() for each in pack.rules} == figures
    for pack in POLICY.packs.values():
        assert {"everywhere.quiet_hours", "everywhere.weekly_cap", "everywhere.monthly_cap"} <= set(pack.rules)
        assert any(each.id in pack.rules for each in POLICY.hours)


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ("limit = 2", "limit = 0", "caps.0.limit"),
        ('opens = "08:00"', 'opens = "8am"', "hours.0.opens"),
        ('opens = "08:00"', 'opens = "21:00"', "opens must be before closes"),
        ("clear_days = 30", "clear_days = 30\nclear_day = 3", "ladder.clear_day"),
        ('id = "everywhere.consent"', "", "basics.consent.id"),
        ("hold_days = [0, 3, 3, 3, 3]", "hold_days = [0, 3]", "ladder.hold_days"),
        ("[packs.default]", "[packs.XX]", "packs.default is missing"),
        ("email = 72", "", "window_hours.email"),
        (section("[queues.collections_review]", "[queues.contactability]"), "", "queues.collections_review"),
        (section("[queues.bereavement]", "[queues.insolvency]"), "", "queues.bereavement"),
        ('default_language = "en"', 'default_language = "cy"', "text.cy"),
        ('channels = ["sms", "push", "voice", "chat"]', 'channels = ["fax"]', "hours.0.channels"),
        ("[ladder]", "[ladder", "not TOML"),
        # Rules and packs fit together.
        ('id = "everywhere.consent"', 'id = "everywhere.zone_known"', "the rule id everywhere.zone_known stands twice"),
        ('id = "us.hours"', 'id = "gb.hours"', "the rule id gb.hours stands twice"),
        ('id = "gb.debt_advice"', 'id = "gb.breathing_space"', "the rule id gb.breathing_space stands twice"),
        ('rules = ["gb.hours"', 'rules = ["gb.ours"', "packs.GB.rules names gb.ours"),
        ('rules = ["gb.hours"', 'rules = ["gb.breathing_space"', "packs.GB.rules names gb.breathing_space"),
        ('places = ["IE"]', 'places = ["IE", "GB"]', "packs.GB.places names GB"),
        ('places = ["US-MA"]', 'places = ["Massachusetts"]', "packs.US-MA.places.0"),
        ('counts = "calls"', 'counts = "letters"', "caps.2.counts"),
        ('sms = { en = "Reply STOP', 'fax = { en = "Reply STOP', "packs.US.footer.fax"),
        # What a text may ask of its reader.
        ("reading_grade = 6", "reading_grade = 1", "treatments.payment_reminder.text.en reads at grade"),
        ("It is up to you.", HARD, "text.en reads at grade"),
        # Limits that keep people safe are the schema's, not the file's.
        ("settle_minutes = 10", "settle_minutes = 241", "settle_minutes"),
        ("provisional_days = 30", "provisional_days = 0", "holds.provisional_days"),
        ("reminder_days = 3", "reminder_days = 15", "plans.reminder_days"),
        # No more is counted back than is remembered, and what is graver leads no lower.
        ("silence_days = 14", "silence_days = 32", "ladder.silence_days"),
        ("days = 31", "days = 32", ".days"),
        ("target_medium = 2", "target_medium = 0", "what is graver must not lead to a lower rung"),
        ("target_high = 3", "target_high = 1", "what is graver must not lead to a lower rung"),
        ("shares = [40, 60, 80]", "shares = [40, 60, 101]", "plans.shares.2"),
        ("effect_days = 14", "effect_days = 91", "safety.effect_days"),
        ('interest_or_fee_relief"', 'new_credit"', "queues.arrears_care.actions"),
    ],
)  # fmt: skip
def test_a_mistake_is_refused_by_name_with_a_remedy(old: str, new: str, named: str) -> None:
    assert old in TEXT
    with pytest.raises(ConfigurationError) as caught:
        load(TEXT.replace(old, new, 1))
    assert named in str(caught.value)
    assert "mend" in str(caught.value)
    assert caught.value.exit_code == 3


@pytest.mark.parametrize(
    ("jurisdiction", "region", "hours"),
    [
        ("GB", "", ["gb.hours"]),
        ("GB", "GB-SCT", ["gb.hours"]),
        ("US", "", ["us.hours"]),
        ("US", "US-MA", ["us.hours"]),
        ("IN", "", ["in.hours", "in.microfinance_hours"]),
        ("IN", "IN-KA", ["in.hours", "in.microfinance_hours"]),
        ("AU", "", ["au.weekday_hours", "au.weekend_hours"]),
        ("AU", "AU-NSW", ["au.weekday_hours", "au.weekend_hours"]),
        ("IE", "", ["default.hours"]),
        ("DE", "DE-BY", ["default.hours"]),
        ("FR", "", ["default.hours"]),
        ("BR", "", ["default.hours"]),
        ("ZZ", "ZZ-1", ["default.hours"]),
    ],
)
def test_a_place_gets_its_own_pack_and_others_the_default(jurisdiction: str, region: str, hours: list[str]) -> None:
    assert [each.id for each in POLICY.book(jurisdiction, region).hours] == hours


def test_a_region_has_its_own_pack_before_that_of_its_country() -> None:
    def caps(region: str) -> set[str]:
        return {each.id for each in POLICY.book("US", region).caps}

    assert caps("US-MA") - caps("") == {"us_ma.contacts"}
    assert caps("US-CA") == caps("") != {each.id for each in POLICY.book("GB", "").caps}


def test_a_place_that_is_added_to_a_pack_gets_its_rules() -> None:
    policy = load(TEXT.replace('places = ["IN"]', 'places = ["IN", "NP"]'))
    assert [each.id for each in policy.book("NP", "").hours] == ["in.hours", "in.microfinance_hours"]


def test_every_country_of_the_union_is_placed_once() -> None:
    assert len(POLICY.packs["EU"].places) == 26, "and Ireland has a pack of its own"
    assert POLICY.book("IE", "") != POLICY.book("DE", "")


def test_no_words_to_a_customer_threaten_blame_or_sell() -> None:
    for treatment in POLICY.treatments.values():
        for text in treatment.text.values():
            said = text.lower()
            assert not any(
                word in said for word in ("must", "fail", "overdue", "legal", "http", "pay now", "borrow")
            )
