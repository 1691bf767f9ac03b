"""Categories and currencies as data."""

from __future__ import annotations

from stream.contracts.vocabulary import CATEGORIES
from stream.reference.categories import CATEGORY, PRIORITIES, noun, priority
from stream.reference.currencies import EXPONENTS


def test_every_category_of_the_contracts_is_described_in_their_order() -> None:
    assert tuple(CATEGORY) == CATEGORIES
    assert all(facts.noun and facts.source for facts in CATEGORY.values())


def test_home_council_tax_and_energy_come_first() -> None:
    assert PRIORITIES == ("home", "council_tax", "energy", "other")
    first = {name: facts.priority for name, facts in CATEGORY.items() if facts.priority != "other"}
    assert first == {"mortgage": "home", "rent": "home", "council_tax": "council_tax", "energy": "energy"}


def test_a_category_we_do_not_know_is_a_bill_of_no_priority() -> None:
    assert (noun("yachts"), priority("yachts")) == ("bill", "other")
    assert (noun("energy"), priority("energy")) == ("energy bill", "energy")


def test_what_is_nobodys_business_has_no_name() -> None:
    """Words are read by people: what was gambled or drawn in cash is not for them."""
    assert {noun("gambling"), noun("cash")} == {"other payment"}


def test_currencies_have_iso_4217s_decimals() -> None:
    expected = {
        "GBP": 2,
        "EUR": 2,
        "USD": 2,
        "INR": 2,
        "AUD": 2,
        "JPY": 0,
        "KRW": 0,
        "ISK": 0,
        "KWD": 3,
        "TND": 3,
        "CLF": 4,
    }
    assert {code: EXPONENTS[code] for code in expected} == expected
    assert all(len(code) == 3 and code.isascii() and code.isupper() for code in EXPONENTS)
    assert set(EXPONENTS.values()) == {0, 2, 3, 4}
    assert len(EXPONENTS) > 150
