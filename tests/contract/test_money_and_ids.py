"""Money between decimal strings and minor units, and derived ids."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.contracts.ids import derive
from stream.contracts.money import LIMIT, exponent, minor_units, signed_minor_units, to_text
from stream.errors import BadRecord, Reason

CURRENCY = st.sampled_from(["JPY", "GBP", "KWD", "CLF"])


@pytest.mark.parametrize(
    ("text", "currency", "minor"),
    [
        ("120.00", "GBP", 12000), ("120.5", "GBP", 12050), ("120", "GBP", 12000), ("0", "GBP", 0),
        ("0.01", "EUR", 1), ("007.50", "GBP", 750), ("500", "JPY", 500), ("1.234", "KWD", 1234),
        ("1.2345", "CLF", 12345), ("999999999999999.99", "USD", 99999999999999999),
    ],
)  # fmt: skip
def test_amounts_become_minor_units(text: str, currency: str, minor: int) -> None:
    assert minor_units(text, currency) == minor


@pytest.mark.parametrize(
    ("text", "currency"),
    [
        ("", "GBP"), (".", "GBP"), (".5", "GBP"), ("1.", "GBP"), ("1.234", "GBP"), ("1.0", "JPY"),
        ("1.00", "JPY"), ("-1", "GBP"), ("-0", "GBP"), ("+1", "GBP"), ("1e2", "GBP"), ("1,000", "GBP"),
        (" 1", "GBP"), ("1\n", "GBP"), ("٣", "GBP"), ("１", "GBP"), ("1_0", "GBP"), ("NaN", "GBP"),
        ("inf", "GBP"), ("1.2.3", "GBP"), ("9999999999999999", "GBP"), ("999999999999999.9999", "CLF"),
        ("²", "GBP"),
    ],
)  # fmt: skip
def test_anything_but_a_plain_decimal_of_the_currency_is_a_bad_amount(text: str, currency: str) -> None:
    with pytest.raises(BadRecord) as raised:
        minor_units(text, currency)
    assert raised.value.reason == Reason.BAD_AMOUNT
    assert not text or text not in str(raised.value) or text in "."


@pytest.mark.parametrize("currency", ["gbp", "", "XXX", "GB", "BTC", "GBP "])
def test_an_unknown_currency_is_an_unknown_value(currency: str) -> None:
    for call in (
        lambda: exponent(currency),
        lambda: minor_units("1", currency),
        lambda: to_text(1, currency),
    ):
        with pytest.raises(BadRecord) as raised:
            call()
        assert raised.value.reason == Reason.UNKNOWN_VALUE


@given(st.integers(-LIMIT + 1, LIMIT - 1), CURRENCY)
def test_text_and_minor_units_are_each_others_inverse(minor: int, currency: str) -> None:
    text = to_text(minor, currency)
    whole = text.lstrip("-").partition(".")[0]
    if len(whole) <= 15:
        assert signed_minor_units(text, currency) == minor


@pytest.mark.parametrize("currency", ["JPY", "GBP", "KWD"])
def test_the_largest_amount_fits_an_int64_column(currency: str) -> None:
    decimals = exponent(currency)
    assert minor_units("9" * 15 + ("." + "9" * decimals if decimals else ""), currency) < LIMIT <= 2**63


@pytest.mark.parametrize(
    ("minor", "currency", "text"),
    [
        (0, "GBP", "0.00"), (5, "GBP", "0.05"), (-5, "GBP", "-0.05"), (12345, "GBP", "123.45"),
        (7, "JPY", "7"),
        (1, "KWD", "0.001"),
    ],
)  # fmt: skip
def test_amounts_are_told_with_all_their_decimals(minor: int, currency: str, text: str) -> None:
    assert to_text(minor, currency) == text


def test_a_derived_id_is_the_same_today_and_tomorrow() -> None:
    assert derive("signal", "acc-1", "cu-1") == "40a9b710ff5e65e6af526cf3de953870"
    assert derive() == "cae66941d9efbd404e4d88758ea67670"


@given(st.lists(st.text(), max_size=4), st.lists(st.text(), max_size=4))
def test_different_parts_give_different_ids(some: list[str], others: list[str]) -> None:
    assert (derive(*some) == derive(*others)) == (some == others)


def test_where_a_part_begins_matters() -> None:
    assert (
        len({derive("ab", "c"), derive("a", "bc"), derive("abc"), derive("abc", ""), derive("", "abc")}) == 5
    )
