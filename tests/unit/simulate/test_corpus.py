"""The golden corpus: what households do in each story, held against what is said to be true of them."""

from __future__ import annotations

import itertools
from collections import Counter, defaultdict
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from random import Random

import msgspec
import pytest

from stream.contracts import DECODE
from stream.reference.currencies import EXPONENTS
from stream.simulate import Event
from stream.simulate.calendars import add_months
from stream.simulate.corpus import FIRST_DAY, STORIES, corpus
from stream.simulate.corpus.homes import CREDIT
from stream.simulate.corpus.mix import BY_NAME, assign
from stream.simulate.corpus.world import GONE_EMPLOYER, LATE_EMPLOYER, OUTAGE_BANK, SILENT_BILLER, world
from stream.simulate.event import CorpusTruth
from stream.topics import BY_NAME as TOPICS
from tests.unit.simulate.conftest import Bank

END = add_months(FIRST_DAY, 12)
WORLD = world(FIRST_DAY, END)
STRESSED = [story.name for story in STORIES if story.stressed]
STEADY = [story.name for story in STORIES if not story.stressed]
NOT_PAID_IN_THE_END = ("gym_cancelled", "bereavement")


@lru_cache(maxsize=8)
def _run(seed: int, customers: int, months: int, *stories: str) -> Bank:
    truths: list[CorpusTruth] = []
    events = list(corpus(seed, customers, FIRST_DAY, months, stories, on_truth=truths.append))
    return Bank(events, {truth.customer_id: truth for truth in truths})


@pytest.fixture(scope="module")
def year() -> Bank:
    """A year of 240 customers: every story is there."""
    return _run(2, 240, 12)


def _at(event: Event) -> datetime:
    return datetime.fromisoformat(event.value.get("occurred_at") or event.value["updated_at"])


def _paid(bank: Bank, truth: CorpusTruth, *categories: str, direction: str = "debit") -> list[Event]:
    """The payments of these categories on the current account, by their own time."""
    found = [
        event
        for event in bank.told(truth, "payments")
        if event.key == truth.account_ids[0] and event.value["category"] in categories and event.value["direction"] == direction
    ]
    return sorted(found, key=_at)


def _months(events: list[Event]) -> Counter[tuple[int, int]]:
    return Counter((_at(event).year, _at(event).month) for event in events)


# --- the mix -----------------------------------------------------------------------------------------


def test_there_are_at_least_thirty_stories_and_their_shares_add_up() -> None:
    assert len(STORIES) == len(BY_NAME) >= 30
    assert sum(story.per_mille for story in STORIES) == 1000
    assert 750 <= sum(story.per_mille for story in STORIES if not story.stressed) <= 800


def test_what_strikes_many_at_once_strikes_enough_of_two_thousand() -> None:
    counts = Counter(story.name for story in assign(2000, STORIES, Random(1)))
    assert counts["employer_late"] >= 40
    assert counts["employer_insolvent"] >= 40
    assert counts["bank_outage"] >= 60
    assert min(counts["scheme_outage"], counts["silent_biller"]) >= 20


@pytest.mark.parametrize("customers", [1, 2, 57, 240, 2000])
def test_there_are_as_many_customers_as_asked_for(customers: int) -> None:
    stories = assign(customers, STORIES, Random(3))
    assert sum(2 if story.couple else 1 for story in stories) == customers
    if customers >= 240:
        assert {story.name for story in stories} == set(BY_NAME)


def test_wrong_arguments_are_refused_at_the_call() -> None:
    with pytest.raises(ValueError, match="unknown story lottery"):
        corpus(1, 10, stories=("lottery",))
    with pytest.raises(ValueError, match="three months"):
        corpus(1, 10, months=2)


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others() -> None:
    def told(seed: int) -> bytes:
        truths: list[CorpusTruth] = []
        return msgspec.json.encode([list(corpus(seed, 40, FIRST_DAY, 4, on_truth=truths.append)), truths])

    assert told(1) == told(1)
    assert told(1) != told(2)


def test_a_customer_has_a_few_hundred_events_a_year(year: Bank) -> None:
    assert 250 <= len(year.events) / len(year.truths) <= 400


# --- records -----------------------------------------------------------------------------------------


def test_every_record_decodes_and_its_key_is_its_id(year: Bank) -> None:
    for event in year.events:
        DECODE[event.topic](msgspec.json.encode(event.value))
        assert event.key == event.value[TOPICS[event.topic].key]


def test_records_come_by_timestamp_none_before_it_happened_and_all_within_the_year(year: Bank) -> None:
    stamps = [event.timestamp_ms for event in year.events]
    assert stamps == sorted(stamps)
    for event in year.events:
        assert event.timestamp_ms >= _at(event).timestamp() * 1000
        assert FIRST_DAY - timedelta(days=1) <= _at(event).date() <= END


def test_reference_records_come_first(year: Bank) -> None:
    known: set[str] = set()
    for event in year.events:
        if event.topic in ("accounts", "customers"):
            known.add(event.key)
        assert event.key in known


def test_ids_are_distinct_but_for_duplicates_which_the_truth_names(year: Bank) -> None:
    counts = Counter(event.value["event_id"] for event in year.events if "event_id" in event.value)
    named = [event_id for truth in year.truths.values() for event_id in truth.duplicated]
    assert sorted(named) == sorted(event_id for event_id, count in counts.items() if count > 1)
    assert {truth.scenario for truth in year.truths.values() if truth.duplicated} == {"duplicate_delivery"}


def test_late_events_are_of_the_story_that_has_them(year: Bank) -> None:
    assert {truth.scenario for truth in year.truths.values() if truth.late} == {"late_delivery"}
    late = [e for e in year.events if e.timestamp_ms - _at(e).timestamp() * 1000 >= 86_400_000 and e.topic == "payments"]
    assert len(late) > 5


def test_amounts_have_the_decimals_of_their_currency_and_are_above_nothing(year: Bank) -> None:
    seen = set()
    for event in year.events:
        currency = event.value.get("currency")
        if event.topic in ("payments", "bounces", "missed-bills") and currency:
            for name in ("amount", "amount_due", "balance_after"):
                if name in event.value:
                    amount = event.value[name]
                    assert len(amount.partition(".")[2]) == EXPONENTS[currency]
                    assert name == "balance_after" or Decimal(amount) > 0
            seen.add(currency)
    assert seen >= {"GBP", "JPY", "KWD"}
    assert {e.value["currency"] for t in year.of("yen") for e in year.told(t, "payments")} == {"JPY"}
    assert {e.value["currency"] for t in year.of("dinar") for e in year.told(t, "payments")} == {"KWD"}


def test_balances_follow_from_the_amounts(year: Bank) -> None:
    checked = 0
    for story in set(BY_NAME) - {"duplicate_delivery", "late_delivery"}:
        for truth in year.of(story):
            for account in truth.account_ids:
                events = [e for e in year.told(truth, "payments") if e.key == account and "balance_after" in e.value]
                for before, after in itertools.pairwise(events):
                    sign = 1 if after.value["direction"] == "credit" else -1
                    moved = Decimal(after.value["balance_after"]) - Decimal(before.value["balance_after"])
                    assert moved == sign * Decimal(after.value["amount"])
                    checked += 1
    assert checked > 50_000


def test_one_bank_sends_no_balances_of_current_accounts_and_all_others_do(year: Bank) -> None:
    assert year.of("no_balances")
    for truth in year.truths.values():
        sent = {"balance_after" in e.value for e in year.told(truth, "payments") if e.key == truth.account_ids[0]}
        assert len(sent) == 1
        assert truth.scenario != "no_balances" or sent == {False}
    assert sum(e.topic == "payments" and "balance_after" in e.value for e in year.events) > len(year.events) * 0.75


def test_obligations_that_are_not_monthly_say_their_next_date(year: Bank) -> None:
    dates = [
        (event, obligation["due_date"])
        for event in year.events
        if event.topic == "accounts"
        for obligation in event.value.get("obligations", ())
        if "due_date" in obligation
    ]
    assert dates
    assert all(date.fromisoformat(due) > _at(event).date() for event, due in dates)


# --- the truth ---------------------------------------------------------------------------------------


def test_the_state_is_that_of_the_story(year: Bank) -> None:
    assert {truth.scenario for truth in year.truths.values()} == set(BY_NAME)
    for truth in year.truths.values():
        assert truth.state == ("stressed" if BY_NAME[truth.scenario].stressed else "steady")
        assert (truth.onset_at is not None) == (truth.state == "stressed")


def test_the_first_missed_instalment_is_that_of_the_first_missed_bill_of_credit(year: Bank) -> None:
    missed = 0
    for truth in year.truths.values():
        short = []
        for event in year.told(truth, "missed-bills"):
            value = event.value
            wanted = value.get("minimum_due", value["amount_due"])
            unpaid = value["outcome"] in ("missed", "part_paid") and Decimal(value["amount_paid"]) < Decimal(wanted)
            if value["category"] in CREDIT and unpaid:
                short.append(value["due_date"])
        assert truth.first_missed_instalment == min(short, default=None)
        missed += bool(short)
        assert not short or truth.state == "stressed"
    assert missed > 20


def test_no_instalment_is_missed_before_money_is_short(year: Bank) -> None:
    leads = []
    for truth in year.truths.values():
        if truth.first_missed_instalment and truth.onset_at:
            onset = datetime.fromisoformat(truth.onset_at).date()
            leads.append((date.fromisoformat(truth.first_missed_instalment) - onset).days)
    assert min(leads) >= 0
    assert sorted(leads)[len(leads) // 2] > 20


def test_a_steady_customer_pays_every_bill_in_the_end(year: Bank) -> None:
    late = 0
    for truth in year.truths.values():
        if truth.state != "steady" or truth.scenario in NOT_PAID_IN_THE_END:
            continue
        answered = {e.value["bill_id"] for e in year.told(truth, "missed-bills") if e.value["outcome"] == "paid_late"}
        for event in year.told(truth, "missed-bills"):
            if event.value["outcome"] == "missed" and _at(event).date() < END - timedelta(days=40):
                assert event.value["bill_id"] in answered
                late += 1
        paid = {e.value.get("bill_id") for e in year.told(truth, "payments")}
        named = any("bill_id" in e.value for e in year.told(truth, "payments") if e.key == truth.account_ids[0])
        for event in year.told(truth, "bounces"):
            if named and "bill_id" in event.value and _at(event).date() < END - timedelta(days=20):
                assert event.value["bill_id"] in paid
    assert late > 10


def test_steady_customers_have_noise_but_little_of_it(year: Bank) -> None:
    plain = [truth for story in ("steady", "thin_buffer", "rich", "weekly_pay", "pension", "holiday") for truth in year.of(story)]
    bounces = sum(len(year.told(truth, "bounces")) for truth in plain)
    assert 0.1 < bounces / len(plain) < 1
    overdrawn = [t for t in plain if any(e.value.get("balance_after", "0")[0] == "-" for e in _paid(year, t, "groceries"))]
    assert len(overdrawn) < len(plain) // 3


def test_only_the_stressed_go_over_the_limit_of_an_overdraft(year: Bank) -> None:
    over = set()
    for truth in year.truths.values():
        limit = next(e.value["overdraft_limit"] for e in year.told(truth, "accounts") if e.key == truth.account_ids[0])
        for event in year.told(truth, "payments"):
            # A fee may touch the limit; beyond it lie debits that the bank let through.
            beyond = Decimal(event.value.get("balance_after", "0")) < -Decimal(limit)
            if beyond and event.key == truth.account_ids[0] and event.value["category"] != "fee":
                over.add(truth.state)
    assert over == {"stressed"}


def test_most_of_the_stressed_show_it_before_an_instalment_is_missed(year: Bank) -> None:
    """Money is short for weeks first: bounces, unpaid bills, short-term credit, or an account overdrawn."""
    first, shown = 0, 0
    for truth in year.truths.values():
        if not truth.first_missed_instalment or not truth.onset_at:
            continue
        first += 1
        due = date.fromisoformat(truth.first_missed_instalment)
        signs = [e for e in year.told(truth, "bounces", "missed-bills") if e.value["category"] not in CREDIT]
        signs += _paid(year, truth, "short_term_credit", direction="credit")
        signs += [e for e in year.told(truth, "payments") if e.key[0] == "A" and e.value.get("balance_after", "0")[0] == "-"]
        onset = datetime.fromisoformat(truth.onset_at)
        shown += any(onset <= _at(e) and _at(e).date() < due for e in signs)
    assert shown > first * 0.8


def test_whoever_recovers_has_paid_every_bill_that_was_missed(year: Bank) -> None:
    recovered = [truth for truth in year.truths.values() if truth.recovered_at]
    assert {truth.scenario for truth in recovered} >= {"recovery", "illness"}
    for truth in recovered:
        at = datetime.fromisoformat(truth.recovered_at or "")
        assert truth.onset_at
        assert at > datetime.fromisoformat(truth.onset_at)
        missed = {
            e.value["bill_id"] for e in year.told(truth, "missed-bills") if e.value["outcome"] != "paid_late" and _at(e) < at
        }
        late = {e.value["bill_id"] for e in year.told(truth, "missed-bills") if e.value["outcome"] == "paid_late" and _at(e) < at}
        assert missed <= late


# --- stories of those who have enough ------------------------------------------------------------------


def test_a_late_employer_pays_everybody_three_days_late_once_and_nobody_is_stressed() -> None:
    bank = _run(4, 40, 12, "employer_late")
    assert {truth.state for truth in bank.truths.values()} == {"steady"}
    assert WORLD.pay_came == WORLD.pay_due + timedelta(days=3)
    for truth in bank.truths.values():
        days = [_at(e).date() for e in _paid(bank, truth, "salary", direction="credit")]
        assert WORLD.pay_came in days
        assert WORLD.pay_due not in days
        assert len(days) == 12
        assert {e.value["counterparty_id"] for e in _paid(bank, truth, "salary", direction="credit")} == {LATE_EMPLOYER[0]}


def test_an_outage_returns_debits_of_one_bank_and_all_are_collected() -> None:
    bank = _run(4, 30, 12, "bank_outage")
    for truth in bank.truths.values():
        last = WORLD.outage[1] + timedelta(days=4)
        outage = [e for e in bank.told(truth, "bounces") if WORLD.outage[0] < _at(e).date() <= last]
        assert outage
        assert {e.value["bank_id"] for e in outage} == {OUTAGE_BANK}
        assert not [e for e in bank.told(truth, "missed-bills") if e.value["category"] in CREDIT]
        if "bill_id" in outage[0].value:
            assert {e.value["bill_id"] for e in outage} <= {e.value.get("bill_id") for e in bank.told(truth, "payments")}


def test_a_scheme_outage_returns_debits_whatever_the_bill() -> None:
    bank = _run(4, 20, 12, "scheme_outage")
    hit = [e for e in bank.events if e.topic == "bounces" and 1 <= (_at(e).date() - WORLD.scheme_down).days <= 4]
    assert {e.key for e in hit} == {truth.account_ids[0] for truth in bank.truths.values()}
    assert {e.value["scheme"] for e in hit} == {"direct_entry"}
    assert len({e.value["counterparty_id"] for e in hit}) > 5


def test_a_silent_biller_collects_nothing_for_a_week_and_then_all() -> None:
    bank = _run(4, 20, 12, "silent_biller")
    debits = [e for e in bank.events if e.topic == "payments" and e.value["counterparty_name"] == SILENT_BILLER]
    days = Counter(_at(e).date() for e in debits)
    assert not [day for day in days if WORLD.file_due <= day < WORLD.file_due + timedelta(days=7)]
    assert days[WORLD.file_came] >= 15
    assert len(_months(debits)) == 12


def test_pay_comes_as_the_story_says() -> None:
    gaps: dict[str, set[int]] = {}
    for story, category in (("weekly_pay", "salary"), ("four_weekly_benefit", "benefit"), ("gig_work", "salary")):
        bank = _run(4, 6, 12, story)
        found = set()
        for truth in bank.truths.values():
            days = [_at(e).date() for e in _paid(bank, truth, category, direction="credit")]
            found |= {(b - a).days for a, b in itertools.pairwise(days)}
        gaps[story] = found
    assert gaps["weekly_pay"] <= {6, 7, 8, 5, 9}
    assert 24 <= min(gaps["four_weekly_benefit"]) <= 28 <= max(gaps["four_weekly_benefit"]) <= 32
    assert len(gaps["gig_work"]) > 10


def test_a_shifted_payday_pays_once_a_month_on_earlier_days_or_in_the_next_month() -> None:
    bank = _run(4, 8, 12, "payday_shift")
    kinds = set()
    for truth in bank.truths.values():
        moved = add_months(date.fromisoformat(truth.life_event_on or "").replace(day=1), 1)
        days = [_at(e).date() for e in _paid(bank, truth, "salary", direction="credit")]
        before = {day.day for day in days if day < moved}
        after = {day.day for day in days if day > moved}
        assert 11 <= len(days) <= 13
        assert min(before) > 20
        assert sum(after) / len(after) < sum(before) / len(before) - 1
        gap = max((b - a).days for a, b in itertools.pairwise(days))
        assert gap < 46
        kinds.add(gap > 36)
    assert kinds == {True, False}


def test_a_new_employer_pays_after_a_short_gap() -> None:
    bank = _run(4, 6, 12, "job_change")
    for truth in bank.truths.values():
        salaries = _paid(bank, truth, "salary", direction="credit")
        payers = list(dict.fromkeys(e.value["counterparty_id"] for e in salaries))
        assert len(payers) == 2
        gaps = [(_at(b) - _at(a)).days for a, b in itertools.pairwise(salaries)]
        assert max(gaps) < 75


def test_a_holiday_is_dear_and_leaves_the_shops_at_home_quiet_for_a_fortnight() -> None:
    bank = _run(4, 8, 12, "holiday")
    for truth in bank.truths.values():
        left = date.fromisoformat(truth.life_event_on or "")
        away = [e for e in _paid(bank, truth, "groceries") if left < _at(e).date() < left + timedelta(days=14)]
        assert not away


def test_a_bill_with_a_new_date_is_collected_on_it_and_the_record_says_so() -> None:
    bank = _run(4, 12, 12, "new_debit_date")
    moved = 0
    for truth in bank.truths.values():
        days = defaultdict(list)
        for event in bank.told(truth, "accounts"):
            for obligation in event.value.get("obligations", ()):
                if "due_day" in obligation:
                    days[obligation["obligation_id"]].append(obligation["due_day"])
        for obligation_id, told in days.items():
            if len(set(told)) > 1:
                moved += 1
                due = [date.fromisoformat(e.value["due_date"]) for e in bank.told(truth, "payments")
                       if e.value.get("obligation_id") == obligation_id]  # fmt: skip
                assert {told[0], told[-1]} <= {day.day for day in due}
    assert moved >= 6


def test_a_new_supplier_is_another_payee_and_a_renamed_one_is_not() -> None:
    bank = _run(4, 6, 12, "new_supplier")
    for truth in bank.truths.values():
        paid = [e.value["counterparty_id"] for e in _paid(bank, truth, "energy", "telecom", "insurance")]
        new = paid.index("BIL-COPPERBEECHENE")
        assert new > 2
    bank = _run(4, 6, 12, "renamed_payee")
    for truth in bank.truths.values():
        names = defaultdict(set)
        for event in _paid(bank, truth, "energy", "telecom", "insurance"):
            names[event.value["counterparty_id"]].add(event.value["counterparty_name"])
        assert sorted(len(told) for told in names.values())[-1] == 2


def test_energy_climbs_where_amounts_drift() -> None:
    bank = _run(4, 6, 12, "drifting_amounts")
    climbed = 0
    for truth in bank.truths.values():
        amounts = [Decimal(e.value["amount"]) for e in _paid(bank, truth, "energy")]
        climbed += bool(amounts) and amounts[-1] > amounts[0] * Decimal("1.15")
    assert climbed >= 4


def test_yearly_and_quarterly_bills_come_that_often() -> None:
    bank = _run(4, 8, 12, "yearly_bills")
    counts: Counter[int] = Counter()
    for truth in bank.truths.values():
        paid = Counter(e.value["counterparty_id"] for e in bank.told(truth, "payments"))
        counts[1] += paid["BIL-ALMANACKCLUB"]
        counts[4] += paid["BIL-NETHERPOOLWATE"] + paid["BIL-VEHICLETAXOFF"]
    assert counts[1] >= 6
    assert counts[4] >= 24


def test_the_hour_that_comes_twice_holds_two_payments_that_look_alike() -> None:
    bank = _run(4, 4, 12, "clock_change")
    looks_alike = 0
    for truth in bank.truths.values():
        fares = [e for e in _paid(bank, truth, "transport") if _at(e).hour in (1, 2, 3) and _at(e).minute < 35]
        offsets = {(_at(e).date(), _at(e).utcoffset()) for e in fares}
        looks_alike += len(offsets) > len({day for day, _ in offsets})
        assert len(fares) == 4
    assert looks_alike == 4


def test_bills_fall_due_on_a_29_february() -> None:
    bank = _run(4, 6, 12, "leap_day")
    for truth in bank.truths.values():
        due = {o["due_day"] for e in bank.told(truth, "accounts") for o in e.value.get("obligations", ()) if "due_day" in o}
        named = [e for e in bank.told(truth, "payments") if e.value.get("due_date") == "2024-02-29"]
        assert named or not due & {29, 30, 31}
    assert any(e.value.get("due_date") == "2024-02-29" for e in bank.events)


def test_a_house_move_draws_savings_and_pays_a_deposit_and_is_not_stress() -> None:
    bank = _run(4, 4, 12, "house_move")
    for truth in bank.truths.values():
        (deposit,) = [e for e in _paid(bank, truth, "other") if e.value["counterparty_id"] == "LAW-QUILLFEATHER"]
        drawn = max(Decimal(e.value["amount"]) for e in _paid(bank, truth, "savings", direction="credit"))
        assert Decimal(deposit.value["amount"]) > drawn * Decimal("0.9")
        assert truth.state == "steady"


def test_a_forgetful_payer_has_the_money_and_pays_weeks_late() -> None:
    bank = _run(4, 8, 12, "forgetful")
    outcomes = Counter(e.value["outcome"] for e in bank.events if e.topic == "missed-bills")
    assert outcomes["missed"] >= 12
    assert outcomes["missed"] - outcomes["paid_late"] <= 3
    assert all(truth.nudge_right for truth in bank.truths.values())


def test_a_gym_is_refused_and_reversed_bounces_name_the_wrong_ones() -> None:
    bank = _run(4, 6, 12, "gym_cancelled")
    for truth in bank.truths.values():
        struck = date.fromisoformat(truth.life_event_on or "")
        refused = [e for e in bank.told(truth, "bounces") if _at(e).date() >= struck and e.value["category"] == "subscription"]
        assert len(refused) >= 3
    bank = _run(4, 6, 12, "reversal")
    for truth in bank.truths.values():
        told = bank.told(truth, "bounces")
        wrong = {e.value["event_id"] for e in told if e.value.get("status") is None and "original_event_id" in e.value}
        assert wrong == {e.value["corrects"] for e in told if e.value.get("status") == "reversed"}
        assert len(wrong) == 2


def test_the_dead_earn_and_spend_nothing_more() -> None:
    bank = _run(4, 4, 12, "bereavement")
    for truth in bank.truths.values():
        died = date.fromisoformat(truth.life_event_on or "")
        assert max(_at(e).date() for e in bank.told(truth, "payments")) <= died
        holds = bank.told(truth, "holds")
        assert [e.value["provisional"] for e in holds] == [True, False]
        assert truth.no_nudge_from


# --- stories of those who have too little ----------------------------------------------------------------


@pytest.mark.parametrize("story", ["job_loss", "employer_insolvent", "breathing_space", "opt_out", "joint_salary_lost"])
def test_the_onset_is_the_first_payday_without_the_pay(story: str) -> None:
    bank = _run(4, 6, 12, story)
    for truth in bank.truths.values():
        onset = datetime.fromisoformat(truth.onset_at or "")
        struck = date.fromisoformat(truth.life_event_on or "")
        assert struck <= onset.date() <= struck + timedelta(days=35)
        payers = Counter(e.value["counterparty_id"] for e in _paid(bank, truth, "salary", direction="credit") if _at(e) < onset)
        after = Counter(e.value["counterparty_id"] for e in _paid(bank, truth, "salary", direction="credit") if _at(e) >= onset)
        assert len(set(payers) - set(after)) == 1


def test_an_insolvent_employer_pays_nobody_again() -> None:
    bank = _run(4, 20, 12, "employer_insolvent")
    paid = [e for e in bank.events if e.topic == "payments" and e.value["counterparty_id"] == GONE_EMPLOYER[0]]
    assert len({e.key for e in paid}) == 20
    assert max(_at(e).date() for e in paid) < WORLD.gone_from
    assert len({truth.onset_at for truth in bank.truths.values()}) == 1


def test_a_separation_opens_an_account_and_splits_the_other() -> None:
    bank = _run(4, 8, 12, "separation")
    couples = defaultdict(list)
    for truth in bank.truths.values():
        couples[truth.account_ids[0]].append(truth)
    for account, (stays, leaves) in couples.items():
        (new,) = set(leaves.account_ids) - set(stays.account_ids)
        records = [e.value for e in bank.by_key[account] if e.topic == "accounts"]
        assert len(records[0]["holders"]) == 2
        opened = [e.value for e in bank.by_key[new] if e.topic == "accounts"]
        assert {h["customer_id"] for h in opened[0]["holders"]} == {leaves.customer_id}
        salary = {e.value["counterparty_id"] for e in bank.by_key[new] if e.value.get("category") == "salary"}
        before = {e.value["counterparty_id"] for e in bank.by_key[account] if e.value.get("category") == "salary"}
        assert salary <= before
        assert stays.onset_at == leaves.onset_at
        assert any(len(record["holders"]) == 1 for record in records)


def test_hours_are_cut_and_sick_pay_is_under_half() -> None:
    for story, most in (("hours_cut", "0.70"), ("illness", "0.48")):
        bank = _run(4, 6, 12, story)
        for truth in bank.truths.values():
            onset = datetime.fromisoformat(truth.onset_at or "")
            pay = [(_at(e), Decimal(e.value["amount"])) for e in _paid(bank, truth, "salary", direction="credit")]
            usual = max(amount for at, amount in pay if at < onset)
            assert next(amount for at, amount in pay if at >= onset) < usual * Decimal(most) * Decimal("1.08")


def test_minimum_only_pays_the_minimum_month_after_month_after_the_onset() -> None:
    bank = _run(4, 8, 12, "minimum_only")
    for truth in bank.truths.values():
        onset = datetime.fromisoformat(truth.onset_at or "")
        repaid = [e for e in bank.told(truth, "payments") if e.key[0] == "K" and e.value["direction"] == "credit"]
        least = [_at(e) >= onset for e in repaid if e.value["amount"] == e.value["minimum_due"]]
        assert sum(least) >= 3
        before = [e for e in repaid if _at(e) < onset]
        assert [e for e in before if Decimal(e.value["amount"]) > Decimal(e.value["minimum_due"])]


def test_a_part_payer_pays_in_part() -> None:
    bank = _run(4, 6, 12, "part_payer")
    for truth in bank.truths.values():
        told = [e for e in bank.told(truth, "missed-bills") if e.value["outcome"] == "part_paid"]
        assert len(told) >= 3
        assert all(Decimal(e.value["amount_paid"]) > 0 for e in told)


def test_a_slow_slide_ends_overdrawn() -> None:
    bank = _run(4, 10, 12, "slow_slide")
    slid = 0
    for truth in bank.truths.values():
        onset = datetime.fromisoformat(truth.onset_at or "")
        after = [e.value["balance_after"] for e in bank.told(truth, "payments")
                 if e.key[0] == "A" and "balance_after" in e.value and _at(e) > onset]  # fmt: skip
        slid += sum(balance[0] == "-" for balance in after) > 20
    assert slid >= 6


def test_borrowers_borrow_and_gamblers_gamble_ever_more() -> None:
    bank = _run(4, 6, 12, "payday_borrower")
    for truth in bank.truths.values():
        onset = datetime.fromisoformat(truth.onset_at or "")
        borrowed = _paid(bank, truth, "short_term_credit", direction="credit")
        assert len(borrowed) >= 3
        assert _at(borrowed[0]) > onset
    bank = _run(4, 6, 12, "gambling")
    for truth in bank.truths.values():
        bets = _paid(bank, truth, "gambling")
        assert _at(bets[0]) >= datetime.fromisoformat(truth.onset_at or "")
        first, second = bets[: len(bets) // 2], bets[len(bets) // 2 :]
        assert len(second) > 5
        assert first


def test_an_instalment_rises_when_the_fixed_rate_ends() -> None:
    bank = _run(4, 6, 12, "rate_shock")
    for truth in bank.truths.values():
        onset = datetime.fromisoformat(truth.onset_at or "")
        asked = [(_at(e), Decimal(e.value["amount_due"])) for e in bank.told(truth, "payments") if e.key[0] == "H"]
        before = {amount for at, amount in asked if at < onset}
        after = {amount for at, amount in asked if at.date() >= onset.date()}
        assert len(before) == 1
        assert min(after, default=Decimal("1e9")) > max(before) * Decimal("1.6")


@pytest.mark.parametrize("story", ["breathing_space", "opt_out", "vulnerability"])
def test_a_hold_is_placed_after_the_onset(story: str) -> None:
    bank = _run(4, 6, 12, story)
    for truth in bank.truths.values():
        assert bank.told(truth, "holds")
        assert truth.no_nudge_from
        assert datetime.fromisoformat(truth.no_nudge_from).date() > date.fromisoformat(truth.life_event_on or "")


@pytest.mark.parametrize("story", [story.name for story in STORIES])
def test_every_story_runs_alone_for_one_customer_and_three_months(story: str) -> None:
    bank = _run(11, 1, 3, story)
    assert len(bank.truths) == 1
    for event in bank.events:
        DECODE[event.topic](msgspec.json.encode(event.value))
