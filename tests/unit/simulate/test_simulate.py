"""What simulated customers do, held against what is said to be true of them."""

from __future__ import annotations

import itertools
from collections import Counter, defaultdict
from datetime import date, datetime, timedelta
from decimal import Decimal
from random import Random
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream.contracts import DECODE
from stream.simulate import SCENARIOS, Event, Truth, simulate
from stream.simulate.calendars import collected_on
from stream.simulate.people import OUTAGE_BANK, PLACES
from stream.simulate.scenarios import assign, choose
from stream.topics import BY_NAME
from tests.unit.simulate.conftest import Bank

START = date(2026, 1, 1)
NEVER_SHORT = ("steady", "late_payer")


def _run(seed: int, customers: int, months: int, *scenarios: str) -> tuple[list[Event], list[Truth]]:
    truths: list[Truth] = []
    events = list(simulate(seed, customers, START, months, scenarios or None, on_truth=truths.append))
    return events, truths


def _at(event: Event) -> datetime:
    return datetime.fromisoformat(event.value.get("occurred_at") or event.value["updated_at"])


# --- delivery ----------------------------------------------------------------------------------------


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others() -> None:
    def told(seed: int) -> bytes:
        events, truths = _run(seed, 40, 3)
        return msgspec.json.encode([events, truths])

    assert told(1) == told(1)
    assert told(1) != told(2)


def test_more_months_leave_the_past_of_a_steady_customer_as_it_was() -> None:
    short, _ = _run(3, 20, 2, "steady")
    long, _ = _run(3, 20, 4, "steady")
    assert long[: len(short)] == short


def test_every_record_decodes_under_its_contract_and_its_key_is_its_id(bank: Bank) -> None:
    for event in bank.events:
        DECODE[event.topic](msgspec.json.encode(event.value))
        assert event.key == event.value[BY_NAME[event.topic].key]


def test_all_input_topics_occur(bank: Bank) -> None:
    inputs = {name for name, topic in BY_NAME.items() if topic.role == "input"}
    assert {event.topic for event in bank.events} == inputs


def test_events_come_by_record_timestamp_and_none_before_it_happened(bank: Bank) -> None:
    stamps = [event.timestamp_ms for event in bank.events]
    assert stamps == sorted(stamps)
    assert all(event.timestamp_ms >= _at(event).timestamp() * 1000 for event in bank.events)


def test_reference_records_come_before_anything_else_of_their_account_or_customer(bank: Bank) -> None:
    known: set[str] = set()
    for event in bank.events:
        if event.topic in ("accounts", "customers"):
            known.add(event.key)
        assert event.key in known


def test_event_ids_are_distinct_but_for_duplicates_which_are_equal(bank: Bank) -> None:
    seen: dict[tuple[str, str], Event] = {}
    for event in bank.events:
        if "event_id" in event.value:
            first = seen.setdefault((event.topic, event.value["event_id"]), event)
            assert first.value == event.value


def test_duplicates_are_exactly_those_that_the_truth_names(bank: Bank) -> None:
    counts = Counter(event.value["event_id"] for event in bank.events if "event_id" in event.value)
    named = [event_id for truth in bank.truths.values() for event_id in truth.duplicated]
    assert sorted(named) == sorted(event_id for event_id, count in counts.items() if count > 1)
    assert {truth.scenario for truth in bank.truths.values() if truth.duplicated} == {"duplicate_delivery"}
    for truth in bank.of("duplicate_delivery"):
        assert truth.duplicated


def test_late_events_are_exactly_those_that_the_truth_names(bank: Bank) -> None:
    first: dict[str, Event] = {}
    for event in bank.events:
        if "event_id" in event.value:
            first.setdefault(event.value["event_id"], event)
    day = 86_400_000
    late = [
        event_id
        for event_id, event in first.items()
        if event.timestamp_ms - _at(event).timestamp() * 1000 >= day
    ]
    named = [event_id for truth in bank.truths.values() for event_id in truth.late]
    assert sorted(named) == sorted(late)
    assert {truth.scenario for truth in bank.truths.values() if truth.late} == {"late_delivery"}


def test_a_late_bounce_comes_after_the_payment_that_cures_it(bank: Bank) -> None:
    for truth in bank.of("late_delivery"):
        (bounce,) = bank.told(truth, "bounces")
        cures = [e for e in bank.told(truth, "payments") if e.value.get("bill_id") == bounce.value["bill_id"]]
        assert len(cures) == 1
        assert _at(cures[0]) > _at(bounce)


# --- people and calendars ----------------------------------------------------------------------------


def test_times_carry_the_local_offset_across_the_change_of_clocks(bank: Bank) -> None:
    zones = {
        event.key: ZoneInfo(event.value["time_zone"]) for event in bank.events if "time_zone" in event.value
    }
    offsets = defaultdict(set)
    for event in bank.events:
        told = _at(event)
        zone = zones[event.key]
        assert told.utcoffset() == told.astimezone(zone).utcoffset()
        offsets[zone.key].add(told.utcoffset())
    assert offsets["Europe/London"] == {timedelta(0), timedelta(hours=1)}


def test_debits_are_collected_on_their_due_day_or_the_next_working_day(bank: Bank) -> None:
    seen = Counter[str]()
    for truth in bank.of("steady"):
        country = truth.country
        for event in bank.told(truth, "payments"):
            if "due_date" in event.value:
                due = date.fromisoformat(event.value["due_date"])
                assert _at(event).date() == collected_on(country, due)  # type: ignore[arg-type]
                seen["28 Feb"] += due == date(2026, 2, 28)
                seen["moved"] += _at(event).date() != due
    assert seen["28 Feb"] > 0
    assert seen["moved"] > 0


def test_every_bill_of_every_month_is_paid_once_by_a_steady_customer(bank: Bank) -> None:
    for truth in bank.of("steady"):
        account = truth.account_ids[0]
        (record,) = [e for e in bank.told(truth, "accounts") if e.key == account]
        paid = Counter(
            e.value["bill_id"]
            for e in bank.told(truth, "payments")
            if e.key == account and "bill_id" in e.value
        )
        assert set(paid.values()) == {1}
        for obligation in record.value["obligations"]:
            months = {bill[-8:-2] for bill in paid if bill.startswith(obligation["obligation_id"])}
            expected = {f"2026{month:02d}" for month in range(1, 8)}
            if obligation["category"] == "council_tax":
                expected -= {"202602", "202603"}  # ten instalments, April to January
            # What falls due at the very end may be collected after it.
            assert expected - {"202607"} <= months <= expected


def test_balances_follow_from_the_amounts(bank: Bank) -> None:
    by_account: dict[str, list[Event]] = defaultdict(list)
    for truth in bank.of("job_loss") + bank.of("steady"):
        for event in bank.told(truth, "payments"):
            if event.key == truth.account_ids[0]:
                by_account[event.key].append(event)
    for events in by_account.values():
        for before, after in itertools.pairwise(events):
            sign = 1 if after.value["direction"] == "credit" else -1
            moved = Decimal(after.value["balance_after"]) - Decimal(before.value["balance_after"])
            assert moved == sign * Decimal(after.value["amount"])


def test_an_instalment_on_an_own_product_is_a_debit_here_and_a_credit_there(bank: Bank) -> None:
    seen = 0
    for truth in bank.truths.values():
        if len(truth.account_ids) == 2 and truth.scenario not in ("duplicate_delivery", "late_delivery"):
            own = [
                e
                for e in bank.told(truth, "payments")
                if e.value.get("obligation_id", "").startswith(truth.account_ids[1])
            ]
            out = [(e.value["bill_id"], e.value["amount"]) for e in own if e.value["direction"] == "debit"]
            into = [(e.value["bill_id"], e.value["amount"]) for e in own if e.value["direction"] == "credit"]
            assert out == into
            assert {e.key for e in own if e.value["direction"] == "credit"} <= {truth.account_ids[1]}
            seen += len(out)
    assert seen > 100


def test_bounces_use_the_scheme_and_codes_of_their_country(bank: Bank) -> None:
    for truth in bank.truths.values():
        place = PLACES[truth.country]  # type: ignore[index]
        codes = {*place.stress_codes, *place.outage_codes, place.act_code, place.death_code}
        for event in bank.told(truth, "bounces"):
            assert event.value["scheme"] == place.debit_scheme
            assert event.value["reason_code"] in codes
            assert ("report" in event.value) == (truth.country == "GB")
            assert ("r_type" in event.value) == (truth.country in ("IE", "DE"))


# --- stories -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("scenario", NEVER_SHORT)
def test_who_is_never_short_never_bounces_nor_overdraws(bank: Bank, scenario: str) -> None:
    assert bank.of(scenario)
    for truth in bank.of(scenario):
        assert not bank.told(truth, "bounces", "holds")
        balances = [
            e.value["balance_after"] for e in bank.told(truth, "payments") if e.key == truth.account_ids[0]
        ]
        assert not [balance for balance in balances if balance.startswith("-")]
        assert truth.state == "steady"


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 2**32), st.dates(date(2020, 1, 1), date(2030, 1, 1)))
def test_steady_customers_never_miss_whatever_the_seed_and_the_season(seed: int, start: date) -> None:
    topics = {event.topic for event in simulate(seed, 6, start, 6, ["steady"])}
    assert topics == {"accounts", "customers", "payments"}


@pytest.mark.parametrize("scenario", ["job_loss", "breathing_space", "opt_out"])
def test_no_salary_comes_after_the_job_is_lost_and_money_runs_short(bank: Bank, scenario: str) -> None:
    assert bank.of(scenario)
    for truth in bank.of(scenario):
        paid = [_at(e) for e in bank.told(truth, "payments") if e.value["category"] == "salary"]
        assert paid
        assert truth.life_event_on
        assert truth.onset_at
        assert max(paid).date() < date.fromisoformat(truth.life_event_on)
        assert max(paid) < datetime.fromisoformat(truth.onset_at)
        assert truth.state == "stressed"
    assert any(bank.told(truth, "bounces", "missed-bills") for truth in bank.of(scenario))


def test_nothing_is_short_before_the_onset(bank: Bank) -> None:
    stressed = [truth for truth in bank.truths.values() if truth.state == "stressed"]
    assert len(stressed) > 30
    for truth in stressed:
        onset = datetime.fromisoformat(truth.onset_at or "")
        signs = bank.told(truth, "bounces", "missed-bills")
        struck = date.fromisoformat(truth.life_event_on or "")
        assert all(_at(event).date() > struck for event in signs)
        assert onset.date() >= struck
    with_signs = [truth for truth in stressed if bank.told(truth, "bounces", "missed-bills")]
    assert len(with_signs) > len(stressed) * 0.6


def test_sick_pay_is_under_half_of_the_salary_and_ends(bank: Bank) -> None:
    recovered = 0
    for truth in bank.of("illness"):
        paid = [e for e in bank.told(truth, "payments") if e.value["category"] == "salary"]
        amounts = [Decimal(e.value["amount"]) for e in paid]
        sick = [_at(e) for e in paid if Decimal(e.value["amount"]) < max(amounts) / 2]
        assert sick[0] == datetime.fromisoformat(truth.onset_at or "")
        assert 2 <= len(sick) <= 5
        recovered += amounts[-1] == max(amounts)
    assert recovered


def test_a_shifted_payday_pays_once_a_month_and_later(bank: Bank) -> None:
    for truth in bank.of("payday_shift"):
        days = [_at(e).date() for e in bank.told(truth, "payments") if e.value["category"] == "salary"]
        struck = date.fromisoformat(truth.life_event_on or "")
        assert all(day.day >= 20 for day in days if day < struck)
        moved = [day for day in days if day >= datetime.fromisoformat(truth.onset_at or "").date()]
        assert moved
        assert all(5 <= day.day <= 12 for day in moved)
        gaps = [(b - a).days for a, b in itertools.pairwise(days)]
        assert min(gaps) >= 25
        assert 35 <= max(gaps) <= 52


def test_the_outage_strikes_many_on_one_day_at_one_bank_and_all_is_collected(bank: Bank) -> None:
    truths = bank.of("bank_outage")
    (day,) = {truth.life_event_on for truth in truths}
    bounces = [event for truth in truths for event in bank.told(truth, "bounces")]
    assert {truth.customer_id for truth in truths} == {f"C-{event.key[2:]}" for event in bounces}
    assert {event.value["bank_id"] for event in bounces} == {OUTAGE_BANK}
    assert len({_at(event).date() for event in bounces}) == 1
    assert min(_at(event).date() for event in bounces) > date.fromisoformat(day or "")
    paid = {
        e.value["bill_id"] for truth in truths for e in bank.told(truth, "payments") if "bill_id" in e.value
    }
    assert {event.value["bill_id"] for event in bounces} <= paid
    assert not [event for truth in truths for event in bank.told(truth, "missed-bills")]
    others = [e for e in bank.events if e.topic == "payments" and e.value.get("bank_id") == OUTAGE_BANK]
    assert {f"C-{event.key[2:]}" for event in others} == {truth.customer_id for truth in truths}


def test_a_reversed_bounce_corrects_the_one_that_was_wrong_and_the_bill_was_paid(bank: Bank) -> None:
    for truth in bank.of("reversal"):
        bounces = bank.told(truth, "bounces")
        wrong = {e.value["event_id"]: e for e in bounces if "status" not in e.value}
        reversals = [e for e in bounces if e.value.get("status") == "reversed"]
        assert wrong
        assert sorted(e.value["corrects"] for e in reversals) == sorted(wrong)
        payments = {e.value["event_id"]: e for e in bank.told(truth, "payments")}
        for event in reversals:
            assert _at(wrong[event.value["corrects"]]) < _at(event)
            assert payments[event.value["original_event_id"]].value["bill_id"] == event.value["bill_id"]


def test_a_late_payer_misses_two_or_three_bills_and_pays_each(bank: Bank) -> None:
    for truth in bank.of("late_payer"):
        outcomes = defaultdict(list)
        for event in bank.told(truth, "missed-bills"):
            outcomes[event.value["bill_id"]].append(event.value["outcome"])
        assert 2 <= len(outcomes) <= 3
        assert all(told == ["missed", "paid_late"] for told in outcomes.values())
        assert truth.nudge_right


def test_a_gym_is_refused_thrice_by_the_customer_and_then_gone(bank: Bank) -> None:
    for truth in bank.of("gym_cancelled"):
        bounces = bank.told(truth, "bounces")
        assert len(bounces) == 3
        assert {e.value["reason_code"] for e in bounces} == {PLACES[truth.country].act_code}  # type: ignore[index]
        assert {e.value["category"] for e in bounces} == {"subscription"}
        after = [e for e in bank.told(truth, "payments") if _at(e) > _at(bounces[0])]
        assert bounces[0].value["obligation_id"] not in {e.value.get("obligation_id") for e in after}


def test_the_dead_neither_earn_nor_spend_and_the_hold_is_confirmed(bank: Bank) -> None:
    for truth in bank.of("bereavement"):
        holds = bank.told(truth, "holds")
        assert [e.value["provisional"] for e in holds] == [True, False]
        assert len({e.value["hold_id"] for e in holds}) == 1
        assert {e.value["kind"] for e in holds} == {"bereavement"}
        assert truth.no_nudge_from == holds[0].value["placed_at"]
        died = date.fromisoformat(truth.life_event_on or "")
        on_current = [e for e in bank.told(truth, "payments") if e.key == truth.account_ids[0]]
        assert max(_at(e).date() for e in on_current) <= died
        codes = {e.value["reason_code"] for e in bank.told(truth, "bounces")}
        assert codes == {PLACES[truth.country].death_code}  # type: ignore[index]
        assert not truth.nudge_right


@pytest.mark.parametrize(
    ("scenario", "kind"),
    [("breathing_space", "breathing_space"), ("opt_out", "opt_out"), ("vulnerability", "vulnerable_review")],
)
def test_holds_that_follow_are_what_the_truth_says(bank: Bank, scenario: str, kind: str) -> None:
    for truth in bank.of(scenario):
        (hold,) = bank.told(truth, "holds")
        assert hold.value["kind"] == kind
        assert truth.no_nudge_from == hold.value["placed_at"]
        assert truth.no_nudge_until == hold.value.get("ends_at")
        assert _at(hold) > datetime.fromisoformat(f"{truth.life_event_on}T23:59:59+00:00")


def test_breathing_space_ends_after_its_sixtieth_day(bank: Bank) -> None:
    for truth in bank.of("breathing_space"):
        (hold,) = bank.told(truth, "holds")
        ends = datetime.fromisoformat(hold.value["ends_at"])
        assert (ends.date() - _at(hold).date()).days == 61
        assert (ends.hour, ends.minute) == (0, 0)


def test_a_vulnerability_is_told_by_the_customer_opened_and_closed_as_a_case(bank: Bank) -> None:
    for truth in bank.of("vulnerability"):
        assert [e.value["status"] for e in bank.told(truth, "cases")] == ["opened", "closed"]
        records = bank.told(truth, "customers")
        assert ["vulnerabilities" in e.value for e in records] == [False, True]
        assert records[0].value["channels"] == records[1].value["channels"]


def test_a_joint_account_has_two_holders_with_one_truth(bank: Bank) -> None:
    truths = bank.of("joint_account")
    assert truths
    accounts = defaultdict(list)
    for truth in truths:
        accounts[truth.account_ids].append(truth)
    for account_ids, pair in accounts.items():
        record = next(e for e in bank.by_key[account_ids[0]] if e.topic == "accounts")
        holders = [holder["customer_id"] for holder in record.value["holders"]]
        assert holders == sorted(truth.customer_id for truth in pair)
        assert len(pair) == 2
        onset = datetime.fromisoformat(pair[0].onset_at or "")
        salaries = [e for e in bank.told(pair[0], "payments") if e.value["category"] == "salary"]
        before = [e for e in salaries if _at(e) < onset]
        after = [e for e in salaries if _at(e) >= onset]
        assert len({e.value["counterparty_id"] for e in before}) == 2
        assert len({e.value["counterparty_id"] for e in after}) == 1


def test_first_bounce_and_first_missed_instalment_are_those_of_the_events(bank: Bank) -> None:
    missed = 0
    for truth in bank.truths.values():
        bounces = sorted(_at(e) for e in bank.told(truth, "bounces"))
        assert truth.first_bounce_at == (bounces[0].isoformat() if bounces else None)
        own = [
            e for e in bank.told(truth, "missed-bills") if e.key == truth.account_ids[-1] and e.key[0] != "A"
        ]
        dues = sorted(e.value["due_date"] for e in own)
        if dues:
            assert truth.first_missed_instalment == dues[0]
            missed += 1
    assert missed > 5


def test_missed_bills_are_answered_only_after_they_were_told(bank: Bank) -> None:
    told: set[str] = set()
    for event in bank.events:
        if event.topic == "missed-bills":
            if event.value["outcome"] == "paid_late":
                assert event.value["bill_id"] in told
                assert event.value["paid_at"] <= event.value["occurred_at"]
            else:
                assert event.value["bill_id"] not in told
                told.add(event.value["bill_id"])


# --- choosing ----------------------------------------------------------------------------------------


@given(st.integers(1, 400), st.sets(st.sampled_from([scenario.name for scenario in SCENARIOS])))
def test_every_customer_has_one_story_and_every_story_has_a_customer(customers: int, names: set[str]) -> None:
    chosen = choose(sorted(names))
    stories = assign(customers, chosen, Random(1))
    people = sum(2 if story.name == "joint_account" else 1 for story in stories)
    assert people == customers
    allowed = {scenario.name for scenario in chosen} | {"steady"}
    assert {story.name for story in stories} <= allowed
    if customers >= 2 * (len(chosen) + 1):
        assert {story.name for story in stories} >= {scenario.name for scenario in chosen}


def test_as_many_truths_as_customers_and_only_chosen_scenarios() -> None:
    _, truths = _run(5, 31, 2, "job_loss", "steady", "joint_account")
    assert sorted(truth.customer_id for truth in truths) == [f"C-{n:06d}" for n in range(31)]
    assert {truth.scenario for truth in truths} == {"job_loss", "steady", "joint_account"}


@pytest.mark.parametrize("scenario", [scenario.name for scenario in SCENARIOS])
def test_every_scenario_runs_alone_for_one_month_and_one_customer(scenario: str) -> None:
    events, truths = _run(11, 1, 1, scenario)
    assert len(truths) == 1
    assert {"accounts", "customers", "payments"} <= {event.topic for event in events}


def test_shares_add_up_to_a_hundred() -> None:
    assert sum(scenario.percent for scenario in SCENARIOS) == 100


def test_wrong_arguments_are_refused_at_the_call() -> None:
    with pytest.raises(ValueError, match="choose from steady"):
        simulate(1, 1, START, 1, ["stedy"])
    with pytest.raises(ValueError, match="at least one"):
        simulate(1, 0, START, 1)
