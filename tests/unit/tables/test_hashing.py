from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from stream.contracts import money
from stream.errors import BadRecord
from stream.reference import currencies
from stream.tables.hashing import ABSENT, NO_AMOUNT, hash_column, hash_text, looks_plain, parse_amounts

LIKELY = st.from_regex(r"-?[0-9]{0,19}(\.[0-9]{0,5})?", fullmatch=True)
ANY = st.text(st.characters(exclude_characters="\n", exclude_categories=["Cs"]), min_size=1, max_size=12)


@given(
    st.lists(LIKELY | ANY, min_size=1, max_size=5),
    st.sampled_from(["GBP", "JPY", "KWD", "CLF"]),
    st.booleans(),
)
@example(
    ["000000000000001.2345", "999999999999999.9999", "99999999999999.9999", "-0", "-", "1.", ".1", ""],
    "CLF",
    True,
)
def test_amounts_are_read_as_money_reads_them(texts: list[str], currency: str, signed: bool) -> None:
    exponents = np.full(len(texts), currencies.EXPONENTS[currency], np.int8)
    read = money.signed_minor_units if signed else money.minor_units
    for text, found in zip(texts, parse_amounts(texts, exponents, signed=signed).tolist(), strict=True):
        try:
            expected = read(text, currency)
        except BadRecord:
            expected = NO_AMOUNT if text else ABSENT
        assert found == expected


def test_hashes_are_the_same_everywhere_and_for_ever() -> None:
    """They lie in changelogs: a change needs a new schema version."""
    assert hash_column(["a", "evt-0001", "é", ""]).tolist() == [
        3820088766959538492,
        hash_text("evt-0001"),
        hash_text("é"),
        0,
    ]


@given(st.lists(ANY, max_size=6))
def test_a_column_hashes_each_text_as_if_it_were_alone(texts: list[str]) -> None:
    assert hash_column(texts).tolist() == [hash_text(text) for text in texts]


def test_a_million_similar_ids_do_not_collide() -> None:
    hashes = hash_column([f"evt-{n:07d}" for n in range(1_000_000)])
    assert len(np.unique(hashes)) == 1_000_000
    # What is left of it beside topic and status, too.
    assert len(np.unique(hashes >> 4)) == 1_000_000
    assert hashes.min() > 0


def test_a_line_feed_is_not_taken_for_the_end_of_a_text() -> None:
    with pytest.raises(ValueError, match="line feed"):
        hash_column(["a\nb"])
    assert parse_amounts(["1\n2"], np.zeros(1, np.int8)).tolist() == [NO_AMOUNT]


@pytest.mark.parametrize(
    ("text", "plain"),
    [(b"", True), (b'{"a":1}', True), (b'{"a":"\\u000a"}', False), ("é".encode(), False), (b"\x7f", False)],
)
def test_plain_text_is_ascii_without_escapes(text: bytes, plain: bool) -> None:
    assert looks_plain(text) is plain
