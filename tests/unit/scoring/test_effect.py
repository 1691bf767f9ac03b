"""What came after nudges and controls, on records few enough to count by hand."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.engine.offline import Line
from stream.scoring.effect import FIRST, THEN, Effect, Figures, Report, newcombe, wilson

START = datetime(2026, 1, 1, tzinfo=UTC)
MS = 1 / 86_400_000
COMPARED = {"name": "x", "arm": "treated"}
Told = tuple[str, Line]


def day(number: float) -> datetime:
    return START + timedelta(days=number)


def told(topic: str, record: dict[str, Any], at: datetime, **more: Any) -> Told:
    """A record as it lies in the topic."""
    fields = {name: value for name, value in (record | more).items() if value is not None}
    line = Line(0, round(at.timestamp() * 1000), str(record["customer_id"]).encode(), msgspec.json.encode(fields))
    return topic, line


def nudge(customer: int, at: float, name: str | None = None, **more: Any) -> Told:
    record = {
        "nudge_id": name or f"n{customer}", "status": "issued", "customer_id": f"C-{customer}", "treatment": "debt_advice",
        "decided_at": day(at).isoformat(),
    }  # fmt: skip
    return told("nudges", record, day(at), **more)


def decision(customer: int, at: float, result: str = "control", **more: Any) -> Told:
    record = {
        "decision_id": f"d{customer}", "customer_id": f"C-{customer}", "treatment": "debt_advice", "result": result,
        "decided_at": day(at).isoformat(),
    }  # fmt: skip
    return told("decisions", record, day(at), **more)


def signal(customer: int, at: float, status: str = "raised", severity: str = "medium", **more: Any) -> Told:
    record = {
        "signal_id": f"s{customer}", "status": status, "customer_id": f"C-{customer}", "detector": "missed_bills",
        "severity": severity, "occurred_at": day(at).isoformat(),
    }  # fmt: skip
    return told("signals", record, day(at), **more)


def missed(customer: int, at: float, name: str = "", **more: Any) -> Told:
    return signal(customer, at, severity="low", signal_id=name or f"m{customer}", detector="arrears_clock", **more)


def outcome(customer: int, at: float, outcome: str = "conversation", direction: str = "outbound", **more: Any) -> Told:
    record = {
        "event_id": f"e{customer}", "contact_id": f"k{customer}", "customer_id": f"C-{customer}", "direction": direction,
        "channel": "voice", "outcome": outcome, "occurred_at": day(at).isoformat(),
    }  # fmt: skip
    return told("contact-outcomes", record, day(at), **more)


LATER = outcome(9_999, 1_000, "delivered")
"""Ends every trial, and is nobody's response."""
TROUBLE = signal(9_998, 0)


def reported(*records: Told, minimum: int = 1) -> Report:
    effect = Effect()
    for topics in (FIRST, THEN):
        for topic, line in records:
            if topic in topics:
                effect.hear(topic, line)
    return effect.report(minimum)


def arm(*records: Told) -> Figures:
    [treatment] = reported(*records, LATER, TROUBLE).treatments
    [one] = treatment.arms
    return one


def responded(*records: Told) -> int:
    share = arm(*records).response
    assert share is not None
    return share.count


def cured(*records: Told) -> int:
    share = arm(*records).self_cure
    assert share is not None
    return share.count


# --- intervals


@pytest.mark.parametrize(
    ("count", "of", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718), (20, 20, 0.8389, 1.0)],
)
def test_the_interval_of_a_share_is_the_published_one(count: int, of: int, low: float, high: float) -> None:
    """Newcombe 1998, two-sided intervals for the single proportion, table I, method 3 (and one by symmetry)."""
    assert wilson(count, of) == pytest.approx((low, high), abs=5e-5)


@pytest.mark.parametrize(
    ("counts", "difference", "low", "high"),
    [
        ((56, 70, 48, 80), 0.2, 0.0524, 0.3339),
        ((9, 10, 3, 10), 0.6, 0.1705, 0.8090),
        ((6, 7, 2, 7), 0.5714, 0.0582, 0.8062),
        ((5, 56, 0, 29), 0.0893, -0.0381, 0.1926),
        ((0, 10, 0, 10), 0.0, -0.2775, 0.2775),
        ((10, 10, 0, 20), 1.0, 0.6791, 1.0),
        ((10, 10, 0, 10), 1.0, 0.6075, 1.0),
    ],
)
def test_the_interval_of_a_difference_is_the_published_one(
    counts: tuple[int, int, int, int], difference: float, low: float, high: float
) -> None:
    """Newcombe 1998, interval estimation for the difference between independent proportions, table II, method 10."""
    assert newcombe(*counts) == pytest.approx((difference, low, high), abs=5e-5)


@given(st.integers(1, 400).flatmap(lambda of: st.tuples(st.integers(0, of), st.just(of))))
def test_a_share_lies_in_its_interval_and_the_interval_between_0_and_1(share: tuple[int, int]) -> None:
    low, high = wilson(*share)
    assert 0 <= low <= share[0] / share[1] <= high <= 1


# --- response


@pytest.mark.parametrize(("at", "count"), [(9, 0), (10, 0), (10 + MS, 1), (24, 1), (24 + MS, 0)])
def test_a_response_comes_within_a_fortnight_after_the_decision(at: float, count: int) -> None:
    assert responded(nudge(1, 10), outcome(1, at)) == count


@pytest.mark.parametrize(
    ("direction", "what", "count"),
    [
        ("outbound", "delivered", 0),
        ("outbound", "opened", 0),
        ("outbound", "wrong_party", 0),
        ("outbound", "clicked", 1),
        ("outbound", "opted_out", 1),
        ("outbound", "plan_declined", 1),
        ("inbound", "attempted", 1),
    ],
)
def test_what_is_a_response_is_a_closed_list_and_all_that_comes_in(direction: str, what: str, count: int) -> None:
    assert responded(nudge(1, 10), outcome(1, 12, what, direction)) == count


def test_a_response_answers_every_trial_that_is_under_way_and_no_other_customers() -> None:
    records = [nudge(1, 10, "a"), nudge(1, 20, "b"), nudge(1, 22, "c"), nudge(2, 20, "d")]
    assert responded(*records, outcome(1, 21), outcome(1, 23)) == 3
    assert arm(*records).trials == 4


# --- self-cure


@pytest.mark.parametrize(
    ("signals", "count"),
    [
        ([], 1),
        ([signal(1, 9)], 0),
        ([signal(1, 9), signal(1, 23, "withdrawn")], 1),
        ([signal(1, 9), signal(1, 24, "withdrawn")], 1),
        ([signal(1, 9), signal(1, 24 + MS, "withdrawn")], 0),
        ([signal(1, 9, severity="high"), signal(1, 20, "changed", "low")], 1),
        ([signal(1, 9, severity="low"), signal(1, 20, "changed", "medium")], 0),
        ([signal(1, 23)], 0),
        ([signal(1, 25)], 1),
        ([signal(1, 9, severity="info")], 1),
        ([signal(1, 9, expires_at=day(24).isoformat())], 1),
        ([signal(1, 9, expires_at=day(24 + MS).isoformat())], 0),
        ([signal(1, 9, expires_at=day(20).isoformat()), signal(1, 15, "changed", expires_at=day(40).isoformat())], 0),
        ([signal(1, 9), signal(1, 20, "withdrawn"), signal(1, 21, signal_id="another")], 0),
        ([signal(1, 20), signal(1, 20, "withdrawn")], 1),
        ([signal(1, 20, "changed", "low"), signal(1, 20, "changed", "high")], 0),
    ],
)
def test_cured_is_who_has_no_medium_or_high_signal_open_after_a_fortnight(signals: list[Told], count: int) -> None:
    assert cured(nudge(1, 10), *signals) == count
    assert cured(nudge(1, 10), *reversed(signals)) == count


# --- trials


def test_a_nudge_that_was_taken_back_stays_a_trial_of_its_arm() -> None:
    """What took it back cures the control group too; left out, the treated would be worse off by those it cured."""
    back = [nudge(1, 10, experiment=COMPARED), nudge(1, 11, status="withdrawn", experiment=COMPARED)]
    gone = [signal(number, at, status) for number in (1, 2) for at, status in ((9, "raised"), (11, "withdrawn"))]
    found = reported(*back, decision(2, 10), *gone, outcome(1, 12), LATER)
    treated, control = found.treatments[0].arms
    assert (found.trials, found.withdrawn, treated.trials, control.trials) == (2, 1, 1, 1)
    assert treated.response is not None
    assert treated.response.count == 1
    assert found.treatments[0].difference is not None
    assert found.treatments[0].difference.self_cure is not None
    assert found.treatments[0].difference.self_cure.difference == 0


def test_taken_back_are_counted_among_the_trials_that_are_over() -> None:
    unread = nudge(3, 11, status="withdrawn")
    found = reported(nudge(1, 10), nudge(1, 11, status="withdrawn"), nudge(2, 20), nudge(2, 21, status="withdrawn"), unread,
                     decision(4, 25, "refused"))  # fmt: skip
    assert (found.trials, found.withdrawn, found.pending) == (1, 1, 1)


def test_a_decision_is_a_trial_only_where_it_held_somebody_back() -> None:
    results = ["control", "issued", "deferred", "refused", "withdrawn"]
    found = reported(*(decision(number, 10, result) for number, result in enumerate(results)), LATER)
    assert [(one.arm, one.trials) for one in found.treatments[0].arms] == [("control", 1)]


def test_a_policy_that_is_only_tried_out_holds_nobody_back() -> None:
    assert reported(decision(1, 10, shadow=True), decision(2, 10, shadow=False), LATER).trials == 1


@pytest.mark.parametrize(("last", "trials", "pending"), [(23.9, 0, 1), (24, 1, 0)])
def test_a_trial_whose_days_are_not_over_is_pending(last: float, trials: int, pending: int) -> None:
    found = reported(nudge(1, 10), decision(2, last, "refused"))
    assert (found.trials, found.pending) == (trials, pending)
    assert found.until == day(last)


def test_arms_are_told_by_treatment_in_a_fixed_order() -> None:
    records = [
        nudge(1, 1, treatment="recognition"),
        nudge(2, 1, treatment="of_their_own"),
        decision(3, 1),
        nudge(4, 1),
        nudge(5, 1, experiment=COMPARED),
        nudge(6, 1, treatment="bounce_explained"),
    ]
    found = reported(*records, LATER)
    assert [(one.treatment, [arm.arm for arm in one.arms]) for one in found.treatments] == [
        ("bounce_explained", ["outside"]),
        ("debt_advice", ["treated", "control", "outside"]),
        ("recognition", ["outside"]),
        ("of_their_own", ["outside"]),
    ]


@pytest.mark.parametrize("experiment", [None, {"name": "x", "arm": "of_another_kind"}])
def test_who_could_not_have_been_held_back_is_compared_with_nobody(experiment: dict[str, str] | None) -> None:
    outside = nudge(1, 10, experiment=experiment)
    [treatment] = reported(outside, decision(2, 10), LATER, TROUBLE).treatments
    assert ([one.arm for one in treatment.arms], treatment.difference) == (["control", "outside"], None)
    cured = signal(2, 9), nudge(3, 10, experiment=COMPARED)
    [treatment] = reported(outside, signal(1, 9), decision(2, 10), *cured, LATER).treatments
    assert treatment.difference is not None
    assert treatment.difference.self_cure is not None
    assert treatment.difference.self_cure.difference == 1, "of the one who was treated, not of both who were written to"


def trial_of_newcombe() -> list[Told]:
    """70 treated, of whom 56 respond, and 80 held back, of whom 48 do; a quarter and a half of them stay in trouble."""
    records = []
    for number in range(150):
        treated = number < 70
        start = nudge(number, 10, experiment=COMPARED) if treated else decision(number, 10)
        records.append(start)
        if number < 56 or 70 <= number < 118:
            records.append(outcome(number, 12))
        if (number < 70 and number % 4 == 0) or (number >= 70 and number % 2 == 0):
            records.append(signal(number, 9))
    return records


def test_the_difference_to_control_is_told_with_its_interval() -> None:
    found = reported(*trial_of_newcombe(), LATER, minimum=30)
    [treatment] = found.treatments
    treated, control = treatment.arms
    assert (treated.arm, treated.trials, control.arm, control.trials) == ("treated", 70, "control", 80)
    assert treated.response is not None
    assert (treated.response.count, treated.response.share, treated.response.low, treated.response.high) == (
        56, 0.8, 0.6918, 0.8770,
    )  # fmt: skip
    difference = treatment.difference
    assert difference is not None
    assert msgspec.to_builtins(difference.response) == {"difference": 0.2, "low": 0.0524, "high": 0.3339}
    assert treated.self_cure is not None
    assert control.self_cure is not None
    assert (treated.self_cure.count, control.self_cure.count) == (52, 40)
    assert difference.self_cure is not None
    assert difference.self_cure.difference == round(52 / 70 - 40 / 80, 4)


def test_of_fewer_than_the_minimum_nothing_but_the_count_is_told() -> None:
    records = [*trial_of_newcombe(), LATER, TROUBLE, *(missed(number, 30) for number in range(40))]
    [treatment] = reported(*records, minimum=71).treatments
    treated, control = treatment.arms
    assert (treated.trials, treated.too_few, treated.response, treated.self_cure) == (70, True, None, None)
    assert (control.too_few, control.response is None) == (False, False)
    assert treatment.difference is not None
    assert (treatment.difference.response, treatment.difference.self_cure) == (None, None)
    lead = reported(*records, minimum=41).lead
    assert (lead.customers, lead.days, lead.episodes, lead.preceded) == (40, None, 40, None)


# --- lead time


def test_lead_time_runs_from_the_first_nudge_to_the_first_missed_instalment_after_it() -> None:
    records = [
        *(nudge(number, 100, f"a{number}") for number in range(5)),
        *(nudge(number, 110, f"b{number}") for number in range(5)),
        *(missed(number, 100 + lead) for number, lead in enumerate((10, 20, 40, 40.5, 80))),
        missed(0, 170, "later"),
        missed(4, 90, "earlier"),
        missed(0, 120, "m0", status="changed"),
        nudge(6, 100),
        decision(7, 100),
        missed(7, 130),
    ]
    lead = reported(*records, LATER).lead
    assert lead.customers == 5
    assert lead.days is not None
    assert (lead.days.lower, lead.days.median, lead.days.upper) == (20, 40, 40.5)
    assert lead.episodes == 8
    assert lead.preceded is not None
    assert lead.preceded.count == 6, "five and the later one; not the earlier one, nor the one of control"


@pytest.mark.parametrize(("before", "count"), [(0, 0), (MS, 1), (120, 1), (120 + MS, 0)])
def test_an_instalment_is_preceded_by_a_nudge_of_the_120_days_before(before: float, count: int) -> None:
    found = reported(nudge(1, 200 - before), missed(1, 200)).lead
    assert found.preceded is not None
    assert found.preceded.count == count


def test_a_withdrawn_nudge_warns_nobody() -> None:
    lead = reported(nudge(1, 10), nudge(1, 11, status="withdrawn"), missed(1, 20)).lead
    assert lead.preceded is not None
    assert (lead.customers, lead.preceded.count) == (0, 0)


# --- what whoever reads it must know


def test_what_was_not_read_is_not_known_rather_than_nought() -> None:
    found = reported(nudge(1, 10), decision(2, 100, "refused"))
    [one] = found.treatments[0].arms
    assert (one.trials, one.too_few, one.response, one.self_cure) == (1, False, None, None)
    assert [warning.code for warning in found.warnings] == ["no_outcomes", "no_signals"]


def test_what_cannot_be_read_or_was_refused_by_the_job_is_counted_and_left_out() -> None:
    ahead = outcome(1, 400)
    bad = [
        ("nudges", Line(0, 0, b"C-1", b"{")),
        ("decisions", Line(0, 0, b"C-1", b'{"result": "control"}')),
        signal(1, 9, severity="grave"),
        nudge(1, 9, decided_at="2026-01-01T00:00:00"),
        outcome(1, 12, channel="pigeon"),
        ("contact-outcomes", outcome(1, 12)[1]._replace(key=b"C-2")),
        ("contact-outcomes", ahead[1]._replace(timestamp=round(day(398).timestamp() * 1000))),
        ("signals", Line(0, 0, b"C-1", None)),
        ("contact-outcomes", Line(0, 0, b"C-1", b"[" * 100_000)),
    ]
    found = reported(nudge(1, 10), *bad, outcome(1, 30), TROUBLE)
    assert [warning.text for warning in found.warnings] == ["Records that could not be read, or that the job refused: 9."]
    assert found.until == day(30)
    share = found.treatments[0].arms[0].response
    assert share is not None
    assert share.count == 0


def test_an_outcome_in_a_structured_envelope_is_read() -> None:
    topic, line = outcome(1, 12)
    assert line.value is not None
    envelope = {"specversion": "1.0", "id": "1", "source": "bank", "type": "x", "data": json.loads(line.value)}
    opened = line._replace(value=json.dumps(envelope).encode(), headers=(("content-type", b"application/cloudevents+json"),))
    assert responded(nudge(1, 10), (topic, opened)) == 1


def test_nothing_read_is_told_as_that() -> None:
    found = reported()
    assert (found.since, found.until, found.trials, found.treatments) == (None, None, 0, [])


def test_no_customer_is_in_the_report() -> None:
    text = msgspec.json.encode(reported(*trial_of_newcombe(), *(missed(number, 30) for number in range(40)), LATER)).decode()
    assert "C-" not in text
    assert '"from":"2026-01-10T00:00:00Z"' in text


# --- order


days = st.integers(0, 60).map(lambda number: number / 2)
customers = st.integers(0, 3)
severities = st.sampled_from(["info", "low", "medium", "high"])
records = st.one_of(
    st.builds(
        nudge, customers, days, st.sampled_from("abcd"), status=st.sampled_from(["issued", "issued", "withdrawn"]),
        treatment=st.sampled_from(["debt_advice", "education"]),
        experiment=st.sampled_from([None, COMPARED]),
    ),
    st.builds(decision, customers, days, st.sampled_from(["control", "issued"])),
    st.builds(
        signal, customers, days, st.sampled_from(["raised", "changed", "withdrawn"]), severities,
        signal_id=st.sampled_from("pqr"), detector=st.sampled_from(["arrears_clock", "income_drop"]),
        expires_at=st.sampled_from([None, day(20).isoformat()]),
    ),
    st.builds(outcome, customers, days, st.sampled_from(["delivered", "clicked"]), st.sampled_from(["inbound", "outbound"])),
)  # fmt: skip


def shuffled(found: Sequence[Told]) -> st.SearchStrategy[tuple[Sequence[Told], Iterable[Told]]]:
    again = st.lists(st.sampled_from(found), max_size=5) if found else st.just([])
    return st.tuples(st.just(found), again.flatmap(lambda more: st.permutations([*found, *more])))


@given(st.lists(records, max_size=30).flatmap(shuffled))
def test_neither_order_nor_repetition_changes_the_report(both: tuple[Sequence[Told], Iterable[Told]]) -> None:
    first, second = (msgspec.json.encode(reported(*some)) for some in both)
    assert first == second
