"""What a person reads when they ask why."""

from __future__ import annotations

import ast
import inspect
import json
import re
from typing import Any

import pytest

from stream.contracts import vocabulary
from stream.treatment import checks, evaluate, people, permission, treatments, withdrawal
from stream.treatment.explain import BECAUSE, QUEUES, RESULTS, TREATMENTS, TRIGGERS, VERDICTS, explain
from tests.unit.agents.customers_bank import START, Bank, days, hours


def history() -> dict[str, list[dict[str, Any]]]:
    """A nudge that was deferred by night, went out, and was taken back by a hold."""
    bank = Bank()
    bank.customer(START)
    bank.signal(START + hours(12), would_clear="A payment to the same payee.")
    bank.ticks(START + hours(12), START + days(4) + hours(1))
    bank.hold(START + days(4) + hours(2), "bereavement", placed=START + days(4))
    said = bank.run()
    related = {name: said.of(name) for name in ("decisions", "nudges", "escalations")}
    related["signals"] = [json.loads(bank.written[1][1].value or b"")]
    return related


def test_a_nudge_tells_what_it_says_why_by_which_rules_and_what_became_of_it() -> None:
    related = history()
    text = explain("nudge", related["nudges"][-1], related)
    for part in (
        "To customer C1 by sms: a kind note about a returned payment.",
        "It was taken back on 6 March 2026, 11:00 UTC: a hold now forbids contact (bereavement).",
        "Two payments were returned in 30 days.",
        "S1: bounce pressure, medium, account A-0001; stands",
        "- The customer has consented to the channel. (sms: yes)\n    GDPR Art. 6 and 7",
        "Nothing stood in the way\n  - No hold on the person, the account or the channel is in force.",
        "A payment to the same payee.",
        "6 March 2026, 08:00 UTC issued",
    ):
        assert part in text, part


def test_a_decision_names_the_rule_that_made_it_wait_with_source_and_until_when() -> None:
    related = history()
    deferred = related["decisions"][0]
    text = explain("decision", deferred, related)
    assert "it has to wait" in text
    assert "it may go out from 6 March 2026, 08:00 UTC, the customer's own time" in text
    assert "not now Contact from 8:00 until before 20:00 of the customer's local time." in text
    assert "gb.hours version 1; CONC 7.9.4R(1)" in text


def test_a_signal_tells_what_would_clear_it_and_what_followed() -> None:
    related = history()
    text = explain("signal", related["signals"][0], related)
    assert "A payment to the same payee." in text
    assert text.count("a kind note about a returned payment") == 2


def test_an_escalation_names_the_team_and_the_ground() -> None:
    related = history()
    text = explain("escalation", related["escalations"][0], related)
    assert "A person from the bereavement team is asked" in text
    assert "A hold for bereavement is in force from 6 March 2026." in text


@pytest.mark.parametrize("kind", ["signal", "nudge", "escalation", "decision"])
def test_a_record_with_nothing_in_it_is_still_told(kind: str) -> None:
    assert explain(kind, {}, {}).startswith(kind.capitalize())


def test_another_kind_is_refused() -> None:
    with pytest.raises(ValueError, match="kind is one of"):
        explain("payment", {}, {})


def test_every_word_of_the_contracts_has_plain_words() -> None:
    assert set(TREATMENTS) == set(vocabulary.TREATMENTS)
    assert set(QUEUES) == set(vocabulary.QUEUES)
    assert set(TRIGGERS) == set(vocabulary.TRIGGERS)
    assert set(RESULTS) == set(vocabulary.DECISION_RESULTS)
    assert set(VERDICTS) == set(vocabulary.VERDICTS)


CALLS = ("Check", "Spans", "cls", "withdraw", "withdraw_escalation")


def test_every_reason_for_taking_back_has_plain_words() -> None:
    said: set[str] = set()
    for room in (permission, checks, withdrawal, people, treatments, evaluate):
        for node in ast.walk(ast.parse(inspect.getsource(room))):
            # The cause is the second argument of what makes a check, and of what takes something back.
            if isinstance(node, ast.Call) and getattr(node.func, "id", getattr(node.func, "attr", "")) in CALLS:
                words = ast.walk(node.args[1]) if len(node.args) > 1 else ()
                said |= {each.value for each in words if isinstance(each, ast.Constant)}
            if isinstance(node, ast.FunctionDef) and node.name in ("_ground_gone", "_paid_or_passed_on"):
                returned = (each for each in ast.walk(node) if isinstance(each, ast.Return))
                said |= {each.value for one in returned for each in ast.walk(one) if isinstance(each, ast.Constant)}
    said = {each for each in said if isinstance(each, str) and re.fullmatch(r"[a-z]+(_[a-z]+)*", each)}
    # The breaker and what binds only before a nudge is issued take nothing back; the last two are kinds of cause.
    said -= {"breaker", "cool_down", "before_contact_from", "unreachable", "no_surplus"}
    assert len(said) >= 20
    assert said <= set(BECAUSE)
