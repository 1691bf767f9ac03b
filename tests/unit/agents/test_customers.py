"""The customers stage by what it says: records in, nudges, escalations, decisions and orders out."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

import pytest

from stream.contracts import DECODE
from stream.engine.step import Placement
from stream.errors import Reason
from stream.tables import customer as table
from stream.topics import BY_NAME
from tests.unit.agents.customers_bank import (
    START,
    TRACE,
    Bank,
    Kafka,
    Said,
    days,
    feed,
    hours,
    moment,
    ms,
    new_step,
    only,
)

READY = START + days(3)
"""Three days after START: a medium signal raised at START calls for a nudge now."""


def ready(**profile: Any) -> Bank:
    """A customer with a medium signal."""
    bank = Bank()
    bank.customer(START, **profile)
    bank.signal(START, trace=TRACE)
    return bank


def nudged(**profile: Any) -> Bank:
    """The same, just after the nudge has gone out, by SMS, until 20:00."""
    bank = ready(**profile)
    bank.tick(READY)
    return bank


# --- the ladder in action


def test_a_low_signal_is_only_watched() -> None:
    bank = Bank()
    bank.customer(START)
    bank.signal(START, severity="low")
    bank.ticks(START, START + days(40), days(1))
    assert bank.run().drained.outputs == []


def test_a_medium_signal_is_watched_for_three_days_and_then_nudged_once() -> None:
    bank = ready()
    bank.tick(READY - dt.timedelta(seconds=1))
    assert bank.run().nudges() == []
    bank.ticks(READY, READY + days(20), hours(6))
    nudge = only(bank.run().nudges())
    assert nudge["treatment"] == "bounce_explained"
    assert (nudge["channel"], nudge["account_ids"], nudge["signal_ids"]) == ("sms", ["A-0001"], ["S1"])
    assert moment(nudge["not_before"]) == moment(nudge["decided_at"]) == READY
    assert moment(nudge["not_after"]) == READY + hours(11)
    assert nudge["reasons"][0]["code"] == "bounced_payments"
    assert nudge["language"] == "en-GB"


def test_missed_bills_get_the_small_bill_check_in() -> None:
    bank = Bank()
    bank.customer(START)
    bank.signal(START, detector="missed_bills")
    bank.tick(READY)
    assert only(bank.run().nudges())["treatment"] == "small_bill_check_in"


@pytest.mark.parametrize(
    ("product", "treatment"),
    [
        ("credit_card", "flexible_plan"),
        ("loan", "flexible_plan"),
        ("current_account", "debt_advice"),
        (None, "debt_advice"),
    ],
)
def test_a_high_signal_climbs_one_rung_at_a_time_to_a_support_offer(
    product: str | None, treatment: str
) -> None:
    bank = Bank()
    bank.customer(START)
    if product is not None:
        bank.facts(START, product=product)
    bank.signal(START, severity="high")
    bank.ticks(START, START + days(10))
    first, second = bank.run().nudges()
    assert (first["treatment"], moment(first["decided_at"])) == ("bounce_explained", READY)
    assert (second["treatment"], moment(second["decided_at"])) == (treatment, START + days(6))


def test_two_mediums_call_for_a_support_offer() -> None:
    bank = ready()
    bank.signal(START, "S2", detector="missed_bills")
    bank.ticks(START, START + days(8))
    # The cap of two in seven days holds the third message back.
    said = bank.run()
    assert [each["treatment"] for each in said.nudges()] == ["bounce_explained", "small_bill_check_in"]
    deferred = [each for each in said.decisions("deferred") if each["treatment"] == "debt_advice"]
    assert moment(only(deferred)["next_allowed_at"]) == moment("2026-03-12T08:00:00+00:00")
    bank.ticks(START + days(8), START + days(11))
    assert [each["treatment"] for each in bank.run().nudges()][2:] == ["debt_advice"]


def test_silence_after_an_offer_asks_a_person() -> None:
    bank = Bank()
    bank.customer(START)
    bank.signal(START, severity="high")
    bank.ticks(START, START + days(30), hours(6))
    said = bank.run()
    escalation = only(said.escalations())
    assert (escalation["queue"], escalation["rung"], escalation["priority"]) == ("arrears_care", 4, "normal")
    assert moment(escalation["decided_at"]) == START + days(6) + days(14)
    assert moment(escalation["due_by"]) == START + days(20) + hours(72)
    assert [each["code"] for each in escalation["reasons"]] == ["no_answer", "bounced_payments"]
    assert len(said.nudges()) == 2


@pytest.mark.parametrize(("outcome", "direction"), [("clicked", "outbound"), ("not_connected", "inbound")])
def test_an_answer_ends_the_silence(outcome: str, direction: str) -> None:
    bank = Bank()
    bank.customer(START)
    bank.signal(START, severity="high")
    bank.ticks(START, START + days(10))
    bank.outcome(START + days(12), outcome, direction=direction)
    bank.ticks(START + days(12), START + days(40), hours(6))
    assert bank.run().escalations() == []


def test_clear_days_lead_down_and_a_new_episode_has_a_new_id() -> None:
    bank = nudged()
    bank.signal(READY + days(5), status="withdrawn")
    bank.ticks(READY + days(5), READY + days(70), days(1))
    bank.signal(READY + days(71), "S9")
    bank.ticks(READY + days(71), READY + days(80), hours(6))
    nudges = [each for each in bank.run().nudges() if each["treatment"] == "bounce_explained"]
    assert len({each["nudge_id"] for each in nudges}) == 2
    assert moment(nudges[1]["decided_at"]) == READY + days(74)


def test_a_broken_promise_asks_a_person_and_a_kept_one_does_not() -> None:
    for paid, queues in ((["60.00", "40.00"], []), (["60.00", "39.99"], []), (["30.00", "19.99"], ["arrears_care"])):
        bank = Bank()
        bank.customer(START)
        bank.signal(START, severity="high")
        bank.ticks(START, START + days(10))
        due = (START + days(18)).date()
        promise = {
            "promise_id": "P1",
            "amount": "100.00",
            "currency": "GBP",
            "due_date": due.isoformat(),
            "account_id": "A-0001",
        }
        bank.outcome(START + days(11), "promise", promise=promise)
        for number, amount in enumerate(paid):
            at = START + days(15 + number)
            payment = {
                "event_id": f"E{number}", "occurred_at": at.isoformat(), "amount": amount, "currency": "GBP",
                "direction": "credit", "category": "loan",
            }  # fmt: skip
            bank.facts(at, change="payment", payments=[payment])
            bank.facts(at, change="payment", payments=[payment])
        bank.ticks(START + days(17), START + days(30))
        said = bank.run()
        assert [each["queue"] for each in said.escalations()] == queues
        kinds = [(each["kind"], each["promise_id"], each["amount"]) for each in said.orders()]
        assert kinds[0] == ("watch_promise", "P1", "100.00")
        bank.ticks(START + days(31), START + days(34))
        # For a week after it was decided: what was paid in time may be told late, and what was paid may come back.
        kinds = [(each["kind"], each["promise_id"], each["amount"]) for each in bank.run().orders()]
        assert kinds == [("watch_promise", "P1", "100.00"), ("unwatch_promise", "P1", "100.00")]
        if queues:
            # Friday 20 March, and three working days: through Wednesday 25 March.
            assert due == dt.date(2026, 3, 20)
            assert moment(said.escalations()[0]["decided_at"]) == moment("2026-03-26T00:00:00+00:00")


def test_an_info_signal_alone_calls_for_nothing() -> None:
    bank = Bank()
    bank.customer(START)
    bank.signal(START, severity="info", detector="recovery")
    bank.ticks(START, START + days(40), days(1))
    assert bank.run().drained.outputs == []


def test_improvement_after_help_is_recognised_once() -> None:
    bank = nudged()
    bank.signal(READY + days(5), status="withdrawn")
    bank.ticks(READY + days(5), READY + days(30), hours(6))
    nudges = bank.run().nudges()
    assert [each["treatment"] for each in nudges] == ["bounce_explained", "recognition"]
    assert moment(nudges[1]["decided_at"]) == READY + days(5 + 14)
    assert nudges[1]["signal_ids"] == []
    assert [each["code"] for each in nudges[1]["reasons"]] == ["signals_cleared"]


def test_good_news_does_not_stand_in_the_way_of_thanks() -> None:
    bank = nudged()
    bank.signal(READY + days(5), status="withdrawn")
    bank.signal(READY + days(6), "R1", severity="info", detector="recovery")
    bank.ticks(READY + days(6), READY + days(30), hours(6))
    assert [each["treatment"] for each in bank.run().nudges()] == ["bounce_explained", "recognition"]


def test_nobody_is_thanked_who_was_not_helped() -> None:
    bank = ready()
    bank.operator(START + hours(1), "stop_nudges")
    bank.tick(READY + days(1))
    bank.signal(READY + days(1), status="withdrawn")
    bank.operator(READY + days(1), "resume_nudges")
    bank.ticks(READY + days(1), READY + days(9), hours(6))
    assert bank.run().nudges() == []


# --- fail closed


def test_an_unknown_customer_is_refused_with_a_decision_and_nudged_once_known() -> None:
    bank = Bank()
    bank.signal(START)
    bank.ticks(READY, READY + days(2))
    said = bank.run()
    assert said.nudges() == []
    decision = only(said.decisions())
    assert (decision["result"], decision["rules"][0]["verdict"]) == ("refused", "refuse")
    assert "next_allowed_at" not in decision
    bank.customer(READY + days(2))
    assert only(bank.run().nudges())["nudge_id"]


def test_a_customer_without_any_consent_goes_to_a_person_after_a_week() -> None:
    bank = ready(channels={})
    bank.ticks(START, READY + days(9))
    said = bank.run()
    assert said.nudges() == []
    escalation = only(said.escalations())
    assert (escalation["queue"], moment(escalation["decided_at"])) == ("contactability", READY + days(7))
    bank.customer(READY + days(9) + hours(1))
    assert only(bank.run().escalations("withdrawn"))["withdrawn_because"] == "customer_reachable"


def test_history_stays_silent() -> None:
    bank = ready()
    bank.hold(START + hours(1), "fraud", ends=START + hours(2))
    bank.ticks(START, READY + days(30), hours(6))
    said = bank.run(contact_from=START + hours(2))
    assert said.nudges() == said.escalations() == []
    bank.signal(READY + days(31), "S2", severity="medium", account="A-0002")
    bank.tick(READY + days(31) + hours(1))
    assert bank.run(contact_from=START + days(10)).nudges()[0]["signal_ids"] == ["S1", "S2"]


def test_a_nudge_deferred_at_night_leaves_by_tick_when_hours_open_with_its_signals_trace() -> None:
    bank = Bank()
    night = START + hours(13)
    bank.customer(night)
    bank.signal(night, trace=TRACE)
    bank.tick(night + days(3))
    said = bank.run()
    assert said.nudges() == []
    assert moment(only(said.decisions("deferred"))["next_allowed_at"]) == START.replace(hour=8) + days(4)
    assert said.step.next_due() == ms(START.replace(hour=8) + days(4))
    bank.tick(night + days(3) + hours(1))
    bank.tick(START.replace(hour=8) + days(4) + dt.timedelta(seconds=5))
    said = bank.run()
    assert moment(only(said.nudges())["not_before"]) == START.replace(hour=8) + days(4) + dt.timedelta(
        seconds=5
    )
    assert [each["result"] for each in said.decisions()] == ["deferred", "issued"]
    headers = [dict(output.headers) for output in said.drained.outputs if output.topic == "nudges"]
    assert headers[0]["traceparent"] == TRACE


def test_ticks_that_change_nothing_say_nothing() -> None:
    bank = ready()
    bank.hold(START, "breathing_space", ends=START + days(20))
    bank.ticks(START, START + days(19))
    assert len(bank.run().decisions()) == 1


def test_a_preferred_channel_is_waited_for_and_the_treatments_order_follows() -> None:
    consent = {"sms": {"consent": True}, "email": {"consent": True}}
    at = START + hours(13)
    for preferred, channel in (("sms", "sms"), (None, "email"), ("voice", "email")):
        bank = Bank()
        bank.customer(at, channels=consent, preferred_channel=preferred)
        bank.signal(at)
        bank.ticks(at + days(3), at + days(4))
        assert only(bank.run().nudges())["channel"] == channel


# --- taking back


@pytest.mark.parametrize(
    ("placed", "ends", "withdrawn"),
    [
        (hours(1), None, True),
        (hours(-5), None, True),
        (days(-9), None, True),
        (days(-9), hours(-1), False),
        (days(-9), hours(0), False),
        (days(-9), hours(1), True),
        (hours(11), None, False),
        (hours(10.9), None, True),
    ],
)
def test_a_hold_takes_back_a_nudge_whose_window_it_touches(
    placed: dt.timedelta, ends: dt.timedelta | None, withdrawn: bool
) -> None:
    bank = nudged()
    bank.hold(READY + hours(2), placed=READY + placed, ends=None if ends is None else READY + ends)
    said = bank.run()
    assert len(said.nudges("withdrawn")) == withdrawn
    if withdrawn:
        issued, taken_back = said.of("nudges")
        assert taken_back.pop("withdrawn_because") == "hold_placed"
        assert moment(taken_back.pop("decided_at")) == READY + hours(2)
        assert taken_back == {key: issued[key] for key in issued if key != "decided_at"} | {
            "status": "withdrawn"
        }


def test_a_hold_told_after_the_window_takes_back_what_it_would_have_forbidden() -> None:
    bank = nudged()
    bank.hold(READY + days(2), placed=READY + hours(3))
    assert len(bank.run().nudges("withdrawn")) == 1


def proposed(bank: Bank, at: dt.datetime, kind: str | None, status: str = "raised") -> None:
    more = {} if kind is None else {"proposes_hold": kind}
    reason = {"code": "reported_by_return_code", "text": "A payment came back.", "value": 1, "event_ids": ["B9"]}
    bank.signal(at, "S9", "info", status, reasons=[reason], **more)


@pytest.mark.parametrize("kind", ["bereavement", "insolvency"])
def test_a_proposed_hold_takes_back_a_nudge_and_asks_the_team_at_once(kind: str) -> None:
    bank = nudged()
    proposed(bank, READY + hours(2), kind)
    bank.ticks(READY + days(1), READY + days(40))
    said = bank.run()
    assert only(said.nudges("withdrawn"))["withdrawn_because"] == "hold_placed"
    assert len(said.nudges()) == 1
    escalation = only(said.escalations())
    assert (escalation["queue"], moment(escalation["decided_at"])) == (kind, READY + hours(2))


def test_what_only_a_person_can_look_at_asks_one_and_leaves_the_nudge_alone() -> None:
    bank = nudged()
    proposed(bank, READY + hours(2), None)
    bank.ticks(READY + hours(3), READY + hours(9))
    proposed(bank, READY + hours(10), None, "withdrawn")
    said = bank.run()
    assert only(said.escalations())["queue"] == "vulnerability"
    assert only(said.escalations("withdrawn"))["withdrawn_because"] == "signal_withdrawn"
    assert said.nudges("withdrawn") == []


def test_a_proposed_hold_that_is_taken_back_gives_way() -> None:
    bank = ready()
    proposed(bank, START + hours(2), "bereavement")
    bank.ticks(READY, READY + days(5))
    proposed(bank, READY + days(5), "bereavement", "withdrawn")
    bank.ticks(READY + days(5), READY + days(20))
    said = bank.run()
    assert said.nudges()
    assert only(said.escalations("withdrawn"))["withdrawn_because"] == "signal_withdrawn"
    assert all(moment(nudge["not_before"]) >= READY + days(5) for nudge in said.nudges())


@pytest.mark.parametrize("first", ["hold", "proposal"])
def test_the_team_is_asked_once_for_a_hold_and_for_what_proposes_it(first: str) -> None:
    bank = ready()
    if first == "hold":
        bank.hold(START + hours(2), "bereavement")
    proposed(bank, START + hours(3), "bereavement")
    if first == "proposal":
        bank.hold(START + hours(4), "bereavement")
    bank.ticks(READY, READY + days(5))
    assert only(bank.run().escalations())["queue"] == "bereavement"


def test_a_hold_is_asked_for_once_what_proposed_it_is_taken_back() -> None:
    bank = ready()
    proposed(bank, START + hours(2), "bereavement")
    bank.hold(START + hours(4), "bereavement")
    proposed(bank, START + days(2), "bereavement", "withdrawn")
    bank.ticks(READY, READY + days(5))
    said = bank.run()
    assert [one["queue"] for one in said.escalations()] == ["bereavement", "bereavement"]
    assert only(said.escalations("withdrawn"))["withdrawn_because"] == "signal_withdrawn"


def test_many_signals_do_not_push_out_the_one_that_proposes_a_hold() -> None:
    bank = ready()
    proposed(bank, START + hours(2), "bereavement")
    for number in range(80):
        bank.signal(START + hours(3), f"X{number}", "high")
    bank.tick(READY)
    bank.tick(READY + days(4))
    assert bank.run().nudges() == []


def test_a_nudge_taken_back_is_never_issued_again_in_its_episode() -> None:
    bank = nudged()
    bank.hold(READY + hours(1))
    bank.hold(READY + hours(2), lifted=READY + hours(2))
    bank.ticks(READY + hours(3), READY + days(20), hours(6))
    assert len(bank.run().nudges()) == 1


def test_a_hold_read_at_the_instant_a_nudge_falls_due_stops_it() -> None:
    bank = ready()
    bank.hold(READY + hours(1), "complaint")
    bank.ticks(READY + hours(2), READY + days(3))
    said = bank.run()
    assert said.nudges() == []
    assert only(said.decisions())["result"] == "refused"


def test_a_deferred_nudge_waits_behind_a_hold_and_comes_when_it_is_over() -> None:
    bank = ready()
    bank.hold(START + days(1), "debt_advice", ends=READY + days(2))
    bank.ticks(READY, READY + days(1))
    bank.ticks(READY + days(1), READY + days(3))
    assert moment(only(bank.run().nudges())["not_before"]) == READY + days(2)


def test_a_hold_without_an_end_gives_way_when_it_is_lifted() -> None:
    bank = ready()
    bank.hold(START + days(1), "cease")
    bank.tick(READY)
    bank.hold(READY + days(1), "cease", placed=START + days(1), lifted=READY + days(1))
    nudge = only(bank.run().nudges())
    assert moment(nudge["not_before"]) == READY + days(1)


def test_an_older_event_of_a_hold_does_not_bring_it_back() -> None:
    bank = ready()
    bank.hold(START + hours(5), "cease", placed=START + hours(1), lifted=START + hours(5))
    late = json.dumps({
        "event_id": "late", "hold_id": "H1", "customer_id": "C1", "kind": "cease",
        "occurred_at": (START + hours(1)).isoformat(), "placed_at": (START + hours(1)).isoformat(),
    }).encode()  # fmt: skip
    bank.written.append(("holds", Kafka(99, ms(START + hours(6)), b"C1", late)))
    bank.tick(READY)
    assert len(bank.run().nudges()) == 1


def test_a_hold_on_one_account_leaves_another_alone() -> None:
    bank = ready()
    bank.hold(START + hours(1), "dispute", account_id="A-0002")
    bank.tick(READY)
    assert len(bank.run().nudges()) == 1


def test_another_holders_dispute_binds_and_withdraws() -> None:
    pause = {
        "order_id": "O1",
        "customer_id": "C2",
        "hold_kind": "dispute",
        "from": (READY + hours(1)).isoformat(),
    }
    bank = nudged()
    bank.facts(READY + hours(2), role="joint", change="pause", pauses=[pause])
    assert only(bank.run().nudges("withdrawn"))["withdrawn_because"] == "shared_hold_placed"
    own = Bank()
    own.written = nudged().written
    own.facts(READY + hours(2), change="pause", pauses=[pause | {"customer_id": "C1"}])
    own.facts(READY + hours(2), change="pause", pauses=[pause | {"hold_kind": "complaint"}])
    assert own.run().nudges("withdrawn") == []


def test_two_holders_are_two_people() -> None:
    bank = Bank()
    for customer in ("C1", "C2"):
        bank.customer(START, customer)
        bank.signal(START, f"S-{customer}", customer=customer)
    bank.hold(START + days(1), "complaint", customer="C2")
    bank.tick(READY)
    assert only(bank.run().nudges())["customer_id"] == "C1"


def test_a_signal_that_is_withdrawn_takes_its_nudge_along() -> None:
    bank = nudged()
    bank.signal(READY + hours(1), status="withdrawn")
    said = bank.run()
    assert only(said.nudges("withdrawn"))["withdrawn_because"] == "signal_withdrawn"
    assert said.nudges()[0]["nudge_id"] == said.nudges("withdrawn")[0]["nudge_id"]
    assert said.step.take_tallies()["nudges", "bounce_explained", "withdrawn"] == 1


def test_a_nudge_stands_while_one_of_its_signals_does() -> None:
    bank = ready()
    bank.signal(START, "S2", account="A-0002")
    bank.tick(READY)
    bank.signal(READY + hours(1), status="withdrawn")
    assert bank.run().nudges("withdrawn") == []
    bank.signal(READY + hours(2), "S2", account="A-0002", status="withdrawn")
    assert len(bank.run().nudges("withdrawn")) == 1


def test_a_deferred_nudge_is_dropped_with_its_signal() -> None:
    bank = ready(quiet=[{"from": "00:00", "to": "23:00"}])
    bank.customer(START, quiet=[{"from": "08:00", "to": "12:00"}])
    bank.tick(READY)
    bank.signal(READY + hours(1), status="withdrawn")
    bank.ticks(READY + hours(2), READY + days(3))
    said = bank.run()
    assert said.nudges() == []
    assert [each["result"] for each in said.decisions()] == ["deferred", "withdrawn"]


def test_a_signal_that_expires_is_over() -> None:
    bank = Bank()
    bank.customer(START)
    bank.signal(START, expires_at=(START + days(2)).isoformat())
    bank.ticks(START, START + days(5))
    assert bank.run().nudges() == []


@pytest.mark.parametrize(
    ("act", "because"),
    [
        (lambda bank, at: bank.customer(at, channels={"sms": {"consent": False}}), "consent_withdrawn"),
        (lambda bank, at: bank.outcome(at, "opted_out"), "opted_out"),
        (lambda bank, at: bank.outcome(at, "wrong_party"), "opted_out"),
        (lambda bank, at: bank.hold(at, "opt_out", channel="sms"), "hold_placed"),
        (lambda bank, at: bank.hold(at, "opt_out"), "hold_placed"),
        (lambda bank, at: bank.outcome(at, "complaint"), "hold_placed"),
        (lambda bank, at: bank.case(at), "case_opened"),
        (lambda bank, at: bank.operator(at, "stop_nudges"), "nudges_stopped"),
        (lambda bank, at: bank.operator(at, "stop_nudges", "C1"), "nudges_stopped"),
        (lambda bank, at: bank.operator(at, "snooze", "C1"), "snoozed"),
        (lambda bank, at: bank.customer(at, quiet=[{"from": "14:00", "to": "15:00"}]), "quiet_hours"),
        (lambda bank, at: bank.customer(at, time_zone="Asia/Tokyo"), "contact_hours"),
        (lambda bank, at: bank.customer(at, vulnerabilities=["economic_abuse"]), "customer_needs_a_person"),
        (lambda bank, at: bank.forget(at), "customer_erased"),
    ],
)
def test_what_forbids_contact_takes_back_an_open_nudge(act: Any, because: str) -> None:
    bank = nudged()
    act(bank, READY + hours(1))
    assert only(bank.run().nudges("withdrawn"))["withdrawn_because"] == because


@pytest.mark.parametrize(
    "act",
    [
        lambda bank, at: bank.hold(at, "opt_out", channel="email"),
        lambda bank, at: bank.outcome(at, "opted_out", channel="email"),
        lambda bank, at: bank.operator(at, "snooze", "C1", detector="missed_bills"),
        lambda bank, at: bank.operator(at, "release_breaker"),
        lambda bank, at: bank.customer(at, quiet=[{"from": "21:00", "to": "07:00"}]),
        lambda bank, at: bank.hold(at, "fraud", customer="C2"),
    ],
)
def test_what_does_not_concern_a_nudge_leaves_it(act: Any) -> None:
    bank = nudged()
    act(bank, READY + hours(1))
    assert bank.run().nudges("withdrawn") == []


def test_no_nudge_while_a_case_is_open_and_one_after_it_closed() -> None:
    bank = ready()
    bank.case(START + hours(1))
    bank.ticks(READY, READY + days(1))
    assert bank.run().nudges() == []
    bank.case(READY + days(2), "closed")
    assert len(bank.run().nudges()) == 1


def test_stop_holds_everyone_and_resume_lets_the_waiting_go() -> None:
    bank = Bank()
    for number in range(3):
        bank.customer(START, f"C{number}")
        bank.signal(START, f"S{number}", customer=f"C{number}")
    bank.operator(START + hours(1), "stop_nudges")
    bank.ticks(READY, READY + hours(3))
    said = bank.run()
    assert said.nudges() == []
    assert len(said.decisions("refused")) == 3
    bank.operator(READY + hours(4), "resume_nudges")
    assert [each["customer_id"] for each in bank.run().nudges()] == ["C0", "C1", "C2"]


def test_a_snooze_of_a_detector_for_all_ends_by_itself() -> None:
    bank = ready()
    until = READY + hours(5)
    bank.operator(START + hours(1), "snooze", detector="bounce_pressure", until=until.isoformat())
    bank.ticks(READY, READY + hours(8))
    assert moment(only(bank.run().nudges())["not_before"]) == until


def test_unsnooze_ends_a_snooze() -> None:
    bank = ready()
    bank.operator(START + hours(1), "snooze", "C1")
    bank.tick(READY)
    bank.operator(READY + hours(1), "unsnooze", "C1")
    assert len(bank.run().nudges()) == 1


# --- people


@pytest.mark.parametrize(
    ("kind", "queue", "priority"),
    [
        ("bereavement", "bereavement", "urgent"),
        ("insolvency", "insolvency", "urgent"),
        ("vulnerable_review", "vulnerability", "urgent"),
        ("mental_capacity", "vulnerability", "urgent"),
        ("dispute", "disputes", "normal"),
        ("fraud", "fraud", "urgent"),
        ("complaint", None, None),
        ("opt_out", None, None),
    ],
)
def test_some_holds_go_to_their_team_at_once_whatever_the_rung(
    kind: str, queue: str | None, priority: str
) -> None:
    bank = Bank()
    bank.hold(START, kind)
    said = bank.run()
    assert [(each["queue"], each["priority"]) for each in said.escalations()] == (
        [(queue, priority)] if queue else []
    )
    bank.hold(START + hours(1), kind, placed=START, lifted=START + hours(1))
    bank.hold(START + hours(2), kind, placed=START, lifted=START + hours(1))
    assert [each["withdrawn_because"] for each in bank.run().escalations("withdrawn")] == (
        ["hold_lifted"] if queue else []
    )


def test_a_signal_that_proposes_a_hold_forbids_nudges_and_asks_a_person_until_it_is_withdrawn() -> None:
    bank = nudged()
    bank.signal(READY + hours(1), "S-death", "info", proposes_hold="bereavement")
    said = bank.run()
    assert only(said.escalations())["queue"] == "bereavement"
    assert only(said.nudges("withdrawn"))["withdrawn_because"] == "hold_placed"
    bank.signal(READY + hours(2), "S-death", "info", status="withdrawn")
    assert only(bank.run().escalations("withdrawn"))["withdrawn_because"] == "signal_withdrawn"


def test_an_escalation_in_a_persons_hands_outlives_an_answer_but_not_its_signal() -> None:
    bank = Bank()
    bank.customer(START)
    bank.signal(START, severity="high")
    bank.ticks(START, START + days(20))
    escalation = only(bank.run().escalations())["escalation_id"]
    bank.case(START + days(21), escalation=escalation)
    bank.outcome(START + days(21), "conversation")
    assert bank.run().escalations("withdrawn") == []
    bank.signal(START + days(22), severity="high", status="withdrawn")
    assert only(bank.run().escalations("withdrawn"))["escalation_id"] == escalation


def test_a_closed_case_ends_its_escalation_and_nothing_is_asked_twice() -> None:
    bank = Bank()
    bank.customer(START)
    bank.signal(START, severity="high")
    bank.ticks(START, START + days(20))
    escalation = only(bank.run().escalations())["escalation_id"]
    bank.case(START + days(21), escalation=escalation)
    bank.case(START + days(22), "closed", escalation=escalation)
    bank.ticks(START + days(22), START + days(50), hours(6))
    assert len(bank.run().escalations()) == 1


def test_a_request_outlives_the_memory_of_the_offer_and_milder_signals() -> None:
    bank = Bank()
    bank.customer(START)
    bank.signal(START, severity="high")
    bank.ticks(START, START + days(21), hours(6))
    bank.signal(START + days(22), severity="low", status="changed")
    bank.ticks(START + days(22), START + days(120), days(1))
    said = bank.run()
    assert len(said.escalations()) == 1
    assert said.escalations("withdrawn") == []
    bank.outcome(START + days(121), "conversation")
    assert only(bank.run().escalations("withdrawn"))["withdrawn_because"] == "customer_responded"


def test_a_promise_kept_in_time_and_told_late_takes_its_request_back() -> None:
    bank = Bank()
    bank.customer(START)
    bank.signal(START, severity="high")
    bank.ticks(START, START + days(10))
    terms = {
        "promise_id": "P1",
        "amount": "10.00",
        "currency": "GBP",
        "due_date": "2026-03-13",
        "account_id": "A-0001",
    }
    bank.outcome(START + days(10), "promise", promise=terms)
    bank.ticks(START + days(11), START + days(20))
    assert only(bank.run().escalations())["reasons"][0]["code"] == "broken_promise"
    payment = {
        "event_id": "E", "occurred_at": (START + days(11)).isoformat(), "amount": "10.00", "currency": "GBP",
        "direction": "credit", "category": "loan",
    }  # fmt: skip
    bank.facts(START + days(20), change="payment", payments=[payment])
    assert only(bank.run().escalations("withdrawn"))["withdrawn_because"] == "promise_kept"


# --- orders


def test_a_hold_on_an_account_is_told_to_it_once_and_again_only_when_it_changes() -> None:
    bank = Bank()
    bank.facts(START)
    bank.hold(START, "dispute", account_id="A-0001")
    bank.facts(START + hours(1))
    bank.hold(START + hours(2), "dispute", placed=START, ends=START + days(9), account_id="A-0001")
    bank.hold(START + hours(3), "dispute", placed=START, lifted=START + hours(3), account_id="A-0001")
    bank.ticks(START + hours(3), START + days(120), days(1))
    orders = bank.run().orders()
    first, second = orders[0]["order_id"], orders[1]["order_id"]
    assert [(each["kind"], each["order_id"], each.get("until")) for each in orders] == [
        ("pause", first, None), ("pause", second, "2026-03-11T09:00:00Z"), ("resume", first, None),
        ("resume", second, "2026-03-11T09:00:00Z"),
    ]  # fmt: skip
    # An account carries an order out once: the same id with the same kind would be taken for a repetition.
    assert first != second
    assert {each["account_id"] for each in orders} == {"A-0001"}


def test_a_breathing_space_reaches_every_account_of_the_person() -> None:
    bank = Bank()
    bank.facts(START, "A-0001")
    bank.hold(START + hours(1), "breathing_space")
    bank.facts(START + hours(2), "A-0002")
    bank.hold(START + hours(3), "complaint", hold="H2")
    assert [(each["kind"], each["account_id"]) for each in bank.run().orders()] == [
        ("pause", "A-0001"),
        ("pause", "A-0002"),
    ]


def test_a_promise_on_new_terms_is_watched_anew_before_the_old_watch_ends() -> None:
    bank = Bank()
    bank.customer(START)
    terms = {
        "promise_id": "P1",
        "amount": "10.00",
        "currency": "GBP",
        "due_date": "2026-04-01",
        "account_id": "A-0001",
    }
    bank.outcome(START, "promise", promise=terms)
    bank.outcome(START + hours(1), "promise", promise=terms)
    bank.outcome(START + hours(2), "promise", promise=terms | {"due_date": "2026-04-08"})
    orders = bank.run().orders()
    assert [(each["kind"], each["due_date"]) for each in orders] == [
        ("watch_promise", "2026-04-01"), ("watch_promise", "2026-04-08"), ("unwatch_promise", "2026-04-01"),
    ]  # fmt: skip
    assert orders[0]["order_id"] == orders[2]["order_id"] != orders[1]["order_id"]


# --- erasure


def test_erasure_forgets_the_customer_takes_everything_back_and_tombstones_the_row() -> None:
    bank = nudged()
    bank.hold(READY + hours(1), "dispute", account_id="A-0009")
    step = new_step()
    feed(step, bank.written)
    step.drain()
    after = Bank()
    after.forget(READY + hours(2))
    feed(step, after.written)
    said = Said(step, step.drain(), [])
    assert [each["withdrawn_because"] for each in said.of("nudges")] == ["customer_erased"]
    assert [each["withdrawn_because"] for each in said.of("escalations")] == ["customer_erased"]
    assert [each["kind"] for each in said.orders()] == ["resume"]
    assert (b"C1", None) in said.drained.rows
    assert step.next_due() is None
    again = new_step()
    again.restore(said.drained.rows)
    assert again.next_due() is None


def test_what_is_told_of_accounts_after_an_erasure_leaves_nothing() -> None:
    bank = nudged()
    bank.forget(READY + hours(1))
    bank.facts(READY + hours(2))
    bank.facts(READY + hours(3), removed=True)
    said = bank.run()
    assert {key for key, value in said.drained.rows if value is not None} == {table.PARTITION_KEY}


def test_an_erasure_ends_pauses_at_the_accounts_also_those_that_are_over() -> None:
    bank = nudged()
    bank.hold(READY, "dispute", account_id="A-0009", ends_at=(READY + hours(1)).isoformat())
    bank.tick(READY + hours(2))
    bank.forget(READY + hours(3))
    assert [each["kind"] for each in bank.run().orders()] == ["pause", "resume"]


# --- idempotency, refusals, form


def test_everything_delivered_twice_changes_nothing() -> None:
    bank = nudged()
    bank.outcome(READY + hours(1), "promise", promise={
        "promise_id": "P1", "amount": "10.00", "currency": "GBP", "due_date": "2026-04-01",
        "account_id": "A-0001",
    })  # fmt: skip
    bank.hold(READY + hours(2), "dispute", account_id="A-0001")
    bank.case(READY + hours(3))
    bank.operator(READY + hours(4), "stop_nudges")
    once = bank.run()
    twice = Bank()
    twice.written = [each for each in bank.written for _ in range(2)]
    said = twice.run()
    assert said.drained.outputs == once.drained.outputs
    assert said.drained.rows == once.drained.rows


def test_bad_records_are_refused_by_reason_and_the_rest_goes_on() -> None:
    placement = Placement(0, 2, "murmur2")
    elsewhere = next(f"C{n}" for n in range(99) if not placement.holds(f"C{n}".encode()))
    here = next(f"C{n}" for n in range(99) if placement.holds(f"C{n}".encode()))
    bank = Bank()
    bank.hold(START, customer=here)
    good = bank.written[0][1]
    other = json.dumps(json.loads(good.value or b"") | {"customer_id": "X"}).encode()
    records = [
        Kafka(0, ms(START), here.encode(), b"{"),
        Kafka(1, ms(START), None, good.value),
        Kafka(2, ms(START), here.encode(), None),
        Kafka(3, ms(START), here.encode(), other),
        Kafka(4, ms(START), elsewhere.encode(), good.value),
        Kafka(5, ms(START - days(2)), here.encode(), good.value),
        good,
    ]
    step = new_step(placement=placement)
    refused = step.apply("holds", records)
    assert [(each.index, each.reason) for each in refused] == [
        (0, Reason.BAD_JSON), (1, Reason.NULL_KEY), (2, Reason.NULL_VALUE), (3, Reason.KEY_MISMATCH),
        (4, Reason.MISPARTITIONED), (5, Reason.TOO_FAR_AHEAD),
    ]  # fmt: skip
    assert [key for key, _ in step.drain().rows] == [here.encode(), b"\x00partition"]


def test_an_operators_word_for_all_is_taken_in_every_partition() -> None:
    for partition in range(4):
        bank = Bank()
        bank.operator(START, "stop_nudges")
        assert bank.run(placement=Placement(partition, 4, "murmur2")).refused == []


def test_an_operators_word_for_one_must_not_carry_the_key_of_all() -> None:
    bank = Bank()
    bank.operator(START, "stop_nudges", "C1")
    bank.written[0][1].key = b"*"
    assert [each.reason for each in bank.run().refused] == [Reason.KEY_MISMATCH]


def test_ticks_of_other_stages_and_partitions_move_nothing_and_bad_ones_are_refused() -> None:
    bank = Bank()
    bank.tick(START, stage="accounts")
    bank.tick(START, partition=3)
    bank.write("ticks", None, {"stage": 1}, START)
    bank.write("ticks", None, None, START)
    said = bank.run()
    assert [each.reason for each in said.refused] == [Reason.BAD_JSON, Reason.NULL_VALUE]
    assert said.step.clock == 0


def test_the_clock_is_the_latest_of_the_lesser_of_event_and_record_time() -> None:
    bank = Bank()
    bank.customer(START)
    bank.written[0][1].timestamp = ms(START - hours(1))
    bank.hold(START - days(3))
    assert bank.run().step.clock == ms(START - hours(1))


@pytest.mark.parametrize("year", [1900, 1969, 9998])
def test_times_at_the_ends_of_the_calendar_do_no_harm(year: int) -> None:
    at = dt.datetime(year, 12, 30, 23, 59, tzinfo=dt.UTC)
    bank = Bank()
    bank.customer(
        at,
        channels={"sms": {"consent": True, "since": at.isoformat()}},
        quiet=[{"from": "22:00", "to": "09:00"}],
    )
    bank.signal(at, severity="high", expires_at=at.isoformat())
    bank.signal(at, "S2", severity="high", proposes_hold="fraud")
    bank.signal(at, "S3", severity="high", customer="C2")
    bank.hold(at, "mental_health_crisis", ends=at, treatment_ended_at=at.isoformat(), account_id="A-0001")
    bank.facts(at)
    terms = {
        "promise_id": "P1",
        "amount": "10.00",
        "currency": "GBP",
        "due_date": f"{year}-12-31",
        "account_id": "A-0001",
    }
    bank.outcome(at, "promise", promise=terms)
    bank.operator(at, "snooze", until=at.isoformat())
    bank.case(at)
    bank.tick(at)
    said = bank.run()
    assert said.refused == []
    again = new_step()
    again.restore(said.drained.rows)
    assert again.next_due() == said.step.next_due()


def test_every_output_reads_by_its_contract_and_has_an_id_of_its_own() -> None:
    bank = ready()
    bank.customer(START, "C2", channels={})
    bank.signal(START, "S2", "high", customer="C2")
    bank.facts(START, "A-0002")
    bank.ticks(START, START + days(12))
    bank.hold(START + days(12), "mental_health_crisis", treatment_ended_at=(START + days(12)).isoformat())
    bank.hold(START + days(12), "dispute", hold="H2", account_id="A-0002")
    bank.signal(START + days(13), status="withdrawn")
    for amount, account in (("100.00", "A-0001"), ("90.00", "A-0002"), ("100.00", "A-0001")):
        due = (START + days(20)).date().isoformat()
        promise = {"promise_id": "P1", "amount": amount, "currency": "GBP", "due_date": due, "account_id": account}
        bank.outcome(START + days(13), "promise", promise=promise)
    bank.ticks(START + days(13), START + days(60), hours(6))
    said = bank.run()
    ids = []
    for output in said.drained.outputs:
        record = DECODE[output.topic](output.value)
        assert getattr(record, BY_NAME[output.topic].key).encode() == output.key
        headers = dict(output.headers)
        assert headers["ce_type"] == f"ews.{output.topic}.v1".encode()
        ids.append(headers["ce_id"])
    assert len(ids) == len(set(ids)) > 10
    assert {output.topic for output in said.drained.outputs} == {
        "nudges",
        "escalations",
        "decisions",
        "account-orders",
    }


def test_what_a_nudge_says_names_no_amount_no_payee_and_no_sensitive_fact() -> None:
    bank = Bank()
    bank.customer(START, vulnerabilities=["mental_health"])
    bank.signal(START)
    bank.tick(READY)
    nudge = only(bank.run().nudges())
    params = nudge["params"]
    assert params["account"] == "…0001"
    assert "mental" not in json.dumps(nudge)
    assert "B1" not in json.dumps(nudge)
    assert "A payment from your account …0001 did not go through." in params["text"]


# --- what accounts tell


def test_arrears_and_means_are_kept_until_a_record_tells_of_them_anew() -> None:
    bank = Bank()
    bank.customer(START)
    past_due = {"days_past_due_treatment": 2, "days_past_due_contractual": 12, "arrears": "60.00", "past_due_since": "2026-02-18"}
    bank.facts(START, change="means", income_monthly_low="1800.00", next_income_on="2026-03-27", **past_due)
    bank.facts(START + hours(1), change="payment")
    kept = known(bank)
    assert kept.arrears == table.Arrears(ms(START), 2, 12, 0, "60.00", "2026-02-18", "GBP")
    assert kept.means == table.Means("GBP", "1800.00", "2026-03-27")
    bank.facts(START + hours(2), change="arrears")
    assert (known(bank).arrears, known(bank).means) == (None, kept.means)
    bank.facts(START + hours(3), change="profile")
    assert known(bank).means is None


def known(bank: Bank) -> table.AccountFacts:
    rows = dict(bank.run().drained.rows)
    return table.decode(rows[table.changelog_key("C1")] or b"").accounts["A-0001"]


@pytest.mark.parametrize(("kind", "speaks"), [("bereavement", False), ("insolvency", False), ("fraud", False), ("dispute", True)])
def test_a_hold_of_the_person_stands_over_every_account_whatever_account_it_names(kind: str, speaks: bool) -> None:
    bank = ready()
    bank.facts(START)
    bank.facts(START, "A-0002")
    bank.hold(START + hours(1), kind, account_id="A-0002")
    bank.ticks(READY, READY + days(2))
    assert bool(bank.run().nudges()) is speaks


def test_a_vulnerability_told_after_the_decision_takes_the_nudge_back() -> None:
    bank = nudged()
    bank.customer(READY + hours(1), vulnerabilities=["economic_abuse"])
    assert only(bank.run().nudges("withdrawn"))["withdrawn_because"] == "customer_needs_a_person"


def test_nobody_is_written_to_about_an_account_that_is_theirs_no_longer() -> None:
    bank = ready()
    bank.facts(START)
    bank.facts(START + hours(1), removed=True)
    bank.ticks(READY, READY + days(2))
    assert bank.run().nudges() == []
    bank.facts(READY + days(3))
    bank.ticks(READY + days(3), READY + days(4))
    assert len(bank.run().nudges()) == 1


def test_a_promise_of_nothing_is_no_promise() -> None:
    bank = Bank()
    bank.customer(START)
    terms = {"promise_id": "P1", "amount": "0.00", "currency": "GBP", "due_date": "2026-04-01", "account_id": "A-0001"}
    bank.outcome(START, "promise", promise=terms)
    assert bank.run().orders() == []
