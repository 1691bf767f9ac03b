"""Every return code we promise to know has its class, weight and source; the rest weighs nothing."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest

from stream.contracts.vocabulary import R_TYPES, REPORTS, SCHEMES
from stream.reference.document import markdown
from stream.reference.return_codes import ANY, CLASSES, TABLE, UNKNOWN, Class, lookup, normalise


def codes(text: str) -> list[str]:
    """`"R20-R28 R31"` written out."""
    found: list[str] = []
    for part in text.split():
        first, _, last = part.partition("-")
        if not last:
            found.append(first)
            continue
        letters = first.rstrip("0123456789")
        width = len(first) - len(letters)
        low, high = int(first[len(letters) :]), int(last[len(letters) :])
        found += [f"{letters}{number:0{width}d}" for number in range(low, high + 1)]
    return found


EXPECTED: list[tuple[str, str | None, str, str]] = [
    ("bacs", "arudd", "0", "ambiguous_stress"),
    ("bacs", "arudd", "1", "customer_act"),
    ("bacs", "arudd", "2", "life_event"),
    ("bacs", "arudd", "3 5 6 A B", "admin"),
    ("bacs", "arudd", "4 7", "unauthorised"),
    ("bacs", "arudd", "8 9", "technical"),
    ("bacs", "addacs", "0", "ambiguous"),
    ("bacs", "addacs", "1", "customer_act"),
    ("bacs", "addacs", "2", "life_event"),
    ("bacs", "addacs", "D", "unauthorised"),
    ("bacs", "addacs", "3 B C E R", "admin"),
    ("bacs", "auddis", "0", "ambiguous"),
    ("bacs", "auddis", "1", "customer_act"),
    ("bacs", "auddis", "2", "life_event"),
    ("bacs", "auddis", "D", "unauthorised"),
    ("bacs", "auddis", "3 5 6 B C F G H I K L M N O P Q", "admin"),
    ("bacs", "ddica", "3 7", "admin"),
    ("bacs", "ddica", "1 2 4 5 6 8", "unauthorised"),
    ("sepa_sdd", None, "AM04", "stress"),
    ("sepa_sdd", None, "MS03 RR04", "ambiguous"),
    ("sepa_sdd", None, "MS02 MD06 SL01 CUST FOCR CN01", "customer_act"),
    ("sepa_sdd", None, "MD01 FR01 FRAD", "unauthorised"),
    ("sepa_sdd", None, "MD07", "life_event"),
    ("sepa_sdd", None, "AC01 AC03 AC13 BE00-BE09 RC00-RC09 RR01-RR03 DNOR CNOR AC04 AM06", "admin"),
    ("sepa_sdd", None, "AC06 AC16 AC17", "legal"),
    ("sepa_sdd", None, "AG01 AG02 FF00-FF09 AM05 DUPL TM01 ED05 DT01", "technical"),
    ("ach", None, "R01", "stress"),
    ("ach", None, "R09", "weak_stress"),
    ("ach", None, "R02 R03 R04 R12 R13 R20-R23 R06 R31", "admin"),
    ("ach", None, "R24-R28 R18 R19 R61-R85", "technical"),
    ("ach", None, "R05 R07 R10 R11 R29 R51", "unauthorised"),
    ("ach", None, "R08", "customer_act"),
    ("ach", None, "R15", "life_event"),
    ("ach", None, "R14", "person_check"),
    ("ach", None, "R16", "legal"),
    ("ach", None, "R17", "ambiguous"),
    ("nach", None, "04", "stress"),
    ("nach", None, "05", "weak_stress"),
    ("nach", None, "01 02 03 08 12 14-16 51-54 55-58", "admin"),
    ("nach", None, "06 17 61 21", "customer_act"),
    ("nach", None, "07 68", "legal"),
    ("nach", None, "13 59", "technical"),
    ("nach", None, "09 70", "ambiguous"),
    ("nach", None, "60 69", "life_event"),
    ("nach", None, "98", "pending"),
    ("direct_entry", None, "4", "life_event"),
    ("direct_entry", None, "2", "customer_act"),
    ("direct_entry", None, "6", "ambiguous_stress"),
    ("direct_entry", None, "1 3 5 7 8 9", "admin"),
    ("card", None, "INSUFFICIENT_FUNDS", "stress"),
]
EACH = [(scheme, report, code, class_) for scheme, report, text, class_ in EXPECTED for code in codes(text)]
WEIGHTS = {"stress": 1.0, "ambiguous_stress": 0.6, "weak_stress": 0.5}


@pytest.mark.parametrize(("scheme", "report", "code", "class_"), EACH, ids=lambda part: str(part))
def test_a_promised_code_has_its_class_weight_meaning_and_source(
    scheme: str, report: str | None, code: str, class_: str
) -> None:
    found = lookup(scheme, report, None, code)
    assert found.class_ == class_
    assert found.weight == (0.4 if code == "MS03" else WEIGHTS.get(class_, 0.0))
    assert found.meaning
    assert found.source


def test_the_table_holds_nothing_but_the_promised_codes_and_sepa_reversals() -> None:
    listed = {(scheme, report or "", code) for scheme, report, code, _ in EACH}
    assert {(scheme, report, code) for scheme, report, r_type, code in TABLE if not r_type} == listed
    assert {key for key in TABLE if key[2]} == {
        ("sepa_sdd", "", "reversal", ANY),
        ("sepa_sdd", "", "reversal", "MD07"),
    }


def test_the_table_speaks_the_contracts_words() -> None:
    for (scheme, report, r_type, code), row in TABLE.items():
        assert scheme in SCHEMES
        assert report in (*REPORTS, "")
        assert r_type in (*R_TYPES, "")
        assert row.class_ in CLASSES
        assert code == normalise(scheme, code) or code == ANY
        assert 0 <= row.weight <= 1
        assert row.source.strip()


def test_classes_keep_their_codes() -> None:
    assert CLASSES == get_args(Class) == (
        "unknown", "stress", "ambiguous_stress", "weak_stress", "ambiguous", "customer_act", "unauthorised",
        "admin", "technical", "legal", "life_event", "person_check", "pending",
    )  # fmt: skip
    assert UNKNOWN.class_code == 0
    assert lookup("sepa_sdd", None, None, "AM04").class_code == 1


@pytest.mark.parametrize(
    ("scheme", "code"),
    [
        ("bacs", "Z"), ("bacs", ""), ("sepa_sdd", "ZZ99"), ("ach", "R99"), ("nach", "99"), ("card", "51"),
        ("card", "DO_NOT_HONOUR"), ("faster_payments", "AM04"), ("internal", "0"), ("no such", "R01"),
        ("other", "insufficient_funds"), ("sepa_sdd", "*"), ("nach", "٤"),
    ],
)  # fmt: skip
def test_what_is_not_listed_is_unknown_and_weighs_nothing(scheme: str, code: str) -> None:
    assert lookup(scheme, None, None, code) == UNKNOWN
    assert UNKNOWN.weight == 0


@pytest.mark.parametrize("r_type", R_TYPES)
@pytest.mark.parametrize("code", ["AM04", "MS03", "AC01", "NEW1"])
def test_a_reversal_by_the_creditor_itself_is_never_stress(code: str, r_type: str) -> None:
    found = lookup("sepa_sdd", None, r_type, code)
    if r_type == "reversal":
        assert (found.class_, found.weight) == ("admin", 0)
    else:
        assert found == lookup("sepa_sdd", None, None, code)


def test_a_death_stays_one_in_a_reversal() -> None:
    assert lookup("sepa_sdd", None, "reversal", "MD07").class_ == "life_event"


def test_the_r_transaction_counts_for_sepa_alone() -> None:
    assert lookup("ach", None, "reversal", "R01").class_ == "stress"


def test_credit_transfers_share_the_list_of_direct_debits() -> None:
    assert lookup("sepa_sct", None, "return", "AC04") == lookup("sepa_sdd", None, None, "AC04")


def test_each_bacs_report_numbers_its_reasons_for_itself() -> None:
    assert {report: lookup("bacs", report, None, "0").class_ for report in REPORTS} == {
        "arudd": "ambiguous_stress", "addacs": "ambiguous", "auddis": "ambiguous", "ddica": "unknown",
    }  # fmt: skip
    assert lookup("bacs", None, None, "0") == lookup("bacs", "arudd", None, "0")
    assert lookup("ach", "addacs", None, "R01").class_ == "stress"


def test_one_code_may_ask_for_the_care_of_two_classes() -> None:
    assert lookup("nach", None, None, "69").also == "legal"
    assert [key for key, row in TABLE.items() if row.also] == [("nach", "", "", "69")]


@pytest.mark.parametrize(
    ("scheme", "sent", "meant"),
    [
        ("sepa_sdd", " am04 ", "AM04"), ("ach", "r01", "R01"), ("nach", "4", "04"), ("nach", "004", "04"),
        ("bacs", "00", "0"), ("bacs", "b", "B"), ("direct_entry", "06", "6"),
        ("card", "Insufficient funds", "INSUFFICIENT_FUNDS"),
        ("card", "insufficient-funds", "INSUFFICIENT_FUNDS"),
    ],
)  # fmt: skip
def test_codes_are_read_as_senders_write_them(scheme: str, sent: str, meant: str) -> None:
    assert normalise(scheme, sent) == meant
    assert lookup(scheme, None, None, sent) == lookup(scheme, None, None, meant) != UNKNOWN


def test_the_page_is_what_the_table_says() -> None:
    page = Path(__file__).parents[3] / "docs" / "return-codes.md"
    assert page.read_text(encoding="utf-8") == markdown(), (
        "run: python -m stream.reference.document > docs/return-codes.md"
    )
