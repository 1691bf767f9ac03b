"""Every case beside a detector comes out as it says; and the runner sees when one does not."""

from __future__ import annotations

import msgspec
import pytest

from stream.detectors.registry import NAMES
from stream.detectors.settings import OWN
from stream.errors import ConfigurationError
from stream.scoring import cases

CASES = [pytest.param(name, case, id=f"{name}: {case.name}") for name in cases.names() for case in cases.load(name)]


@pytest.mark.parametrize(("detector", "case"), CASES)
def test_a_case_comes_out_as_it_says(detector: str, case: cases.Case) -> None:
    assert cases.run(detector, case).failures == ()


@pytest.mark.parametrize("detector", NAMES)
def test_a_detector_has_cases_that_it_sees_and_cases_that_leave_it_silent(detector: str) -> None:
    own = [[one for one in case.expect if one.detector in (None, detector)] for case in cases.load(detector)]
    assert any(own)
    assert not all(own)


def test_every_file_of_cases_belongs_to_a_detector() -> None:
    assert set(cases.names()) <= OWN.keys()


START = 1_767_225_600_000  # 1 January 2026


def at(day: int, hour: float) -> int:
    return START + round((day * 24 + hour) * 3_600_000)


BILL = '{ topic = "missed-bills", category = "telecom", day = 5, late = 4 }'


def made(events: str, expect: str, more: str = "") -> cases.Case:
    text = f'[[case]]\nname = "n"\nabout = "a"\nevents = [{events}]\nexpect = [{expect}]\n{more}'
    [case] = cases.read(text, "made up")
    return case


@pytest.mark.parametrize(
    ("expect", "told"),
    [
        ("", "0 expected, 1 said"),
        ('{ severity = "low" }, { severity = "low" }', "2 expected, 1 said"),
        ('{ severity = "high" }', "expected high"),
        ('{ status = "changed" }', "expected changed"),
        ("{ day = 6 }", "expected on day 6"),
        ("{ on = 2026-01-07 }", "expected on 2026-01-07"),
        ('{ reason_contains = "mortgage" }', "expected a reason with 'mortgage'"),
        ('{ reason_lacks = "not paid" }', "expected no reason with 'not paid'"),
        ('{ would_clear_contains = "GBP 7.00" }', "expected to clear with 'GBP 7.00'"),
        ('{ proposes_hold = "bereavement" }', "expected to propose 'bereavement'"),
        ('{ severity = "low" }, { detector = "bounce_pressure" }', "bounce_pressure A-1 C-1: 1 expected, 0 said"),
        ('{ severity = "low" }, { customer_id = "C-2" }', "missed_bills A-1 C-2: 1 expected, 0 said"),
    ],
)
def test_what_is_not_as_expected_is_told(expect: str, told: str) -> None:
    [failure] = cases.run("missed_bills", made(BILL, expect)).failures
    assert told in failure


def test_what_is_as_expected_passes() -> None:
    expect = '{ severity = "low", day = 5, on = 2026-01-06, reason_contains = "not paid", proposes_hold = "" }'
    assert cases.run("missed_bills", made(BILL, expect)).failures == ()


@pytest.mark.parametrize(
    ("events", "told"),
    [
        ('{ topic = "nudges", day = 1 }', "topic nudges"),
        ('{ topic = "payments", category = "rent" }', "day"),
        ('{ topic = "payments", category = "rents", day = 1 }', "category"),
        ('{ topic = "payments", category = "rent", day = 1, amount = "1.234" }', "bad_amount"),
        ('{ topic = "payments", category = "rent", day = [1, 2], amount = ["1.00"] }', "1 values for 2 days"),
        ('{ topic = "payments", category = "rent", day = 1, every = 3 }', "every and times"),
    ],
)
def test_an_event_that_cannot_be_used_is_an_error_and_never_left_out(events: str, told: str) -> None:
    with pytest.raises(ConfigurationError, match=told):
        cases.run("missed_bills", made(events, ""))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[[case]]\n", "name"),
        ('[[case]]\nname = "n"\nabout = "a"\nevents = []\nexpect = []\nuntil_day = 3\n', "until_day"),
        ('[[case]]\nname = "n"\nabout = "a"\nevents = []\nexpect = [{ severity = "grave" }]\n', "grave"),
        ('[[case]]\nname = "n"\nabout = "a"\nevents = []\nexpect = []\n' * 2, "two cases are called: n"),
        ("[[cases]]\n", "nothing else"),
    ],
)
def test_a_file_of_another_form_is_refused(text: str, told: str) -> None:
    with pytest.raises(ConfigurationError, match=told):
        cases.read(text, "made up")


def test_settings_of_a_file_and_of_the_case_are_merged_over_the_defaults() -> None:
    text = "[missed_bills]\nlow = 0.1\nmedium = 0.2\nhigh = 0.9\n[missed_bills.category_weights]\ntelecom = 0.5\n"
    assert cases.run("missed_bills", made(BILL, '{ severity = "medium" }'), text).failures == ()
    more = "settings = { missed_bills = { high = 0.4 } }"
    assert cases.run("missed_bills", made(BILL, '{ severity = "high" }', more), text).failures == ()


def test_days_repetitions_lists_and_accounts_become_events_of_their_own() -> None:
    events = (
        '{ topic = "payments", category = "rent", on = 2026-01-02, every = 14, times = 3, time = "06:30" },'
        '{ topic = "payments", category = "energy", day = [5, 6], amount = ["1.00", "2.00"], late = [0, 1] },'
        '{ topic = "bounces", category = "loan", reason_code = "0", day = 9, delivered = 20, accounts = [2, 3] },'
        '{ topic = "accounts", product = "loan", day = 30 },'
        '{ topic = "account-orders", kind = "pause", hold_kind = "dispute", from = 2026-01-03T00:00:00Z, day = 31 }'
    )
    lines = cases._lines(made(events, "", "alive = false"), None)
    told = [(topic, line.timestamp, msgspec.json.decode(line.value or b"")) for topic, line in lines]
    assert [(topic, stamp, value["account_id"]) for topic, stamp, value in told] == [
        ("accounts", at(0, 11), "A-1"),
        ("payments", at(1, 6.5), "A-1"),
        ("payments", at(5, 12), "A-1"),
        ("payments", at(6, 12), "A-1"),
        ("payments", at(15, 6.5), "A-1"),
        ("bounces", at(20, 12), "A-2"),
        ("bounces", at(20, 12), "A-3"),
        ("payments", at(29, 6.5), "A-1"),
        ("accounts", at(30, 12), "A-1"),
        ("account-orders", at(31, 12), "A-1"),
    ]
    values = [value for topic, _, value in told if topic == "payments"]
    assert [value["amount"] for value in values] == ["100.00", "1.00", "2.00", "100.00", "100.00"]
    assert [value.get("due_date") for value in values] == [None, None, "2026-01-06", None, None]
    assert len({value.get("event_id") for _, _, value in told}) == 8
