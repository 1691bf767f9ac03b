"""Why payments come back, and what each reason says about the payer's money (`return_codes.csv`)."""

from __future__ import annotations

from functools import lru_cache
from typing import Final, Literal, NamedTuple, get_args

from stream.reference._table import rows

Class = Literal[
    "unknown", "stress", "ambiguous_stress", "weak_stress", "ambiguous", "customer_act", "unauthorised",
    "admin", "technical", "legal", "life_event", "person_check", "pending",
]  # fmt: skip
CLASSES: Final[tuple[Class, ...]] = get_args(Class)
"""Every class. Its index is the code that arrays store, so new ones are appended."""


class ReturnCode(NamedTuple):
    """What one return code means."""

    class_: Class
    weight: float
    """How much one return counts as a sign of stress: 0 to 1."""
    meaning: str
    """In plain words."""
    source: str
    also: Class | None = None
    """A second class that asks for its own care: NACH 69 is both a life event and a legal matter."""

    @property
    def class_code(self) -> int:
        """The index of the class in `CLASSES`."""
        return CLASSES.index(self.class_)


UNKNOWN: Final = ReturnCode("unknown", 0.0, "A reason that is not in our table", "")

ANY: Final = "*"
"""In the code column: every code of the scheme and R-transaction that has no row of its own."""

_SHARED: Final = {"sepa_sct": "sepa_sdd"}
"""Schemes that use another's list: ISO 20022 has one for SEPA debits and credit transfers."""

Key = tuple[str, str, str, str]


def _load() -> dict[Key, ReturnCode]:
    words: dict[str, Class] = {word: word for word in CLASSES}
    return {
        (row["scheme"], row["report"], row["r_type"], row["code"]): ReturnCode(
            words[row["class"]], float(row["weight"]), row["meaning"], row["source"], words.get(row["also"])
        )
        for row in rows("return_codes.csv")
    }


TABLE: Final[dict[Key, ReturnCode]] = _load()
"""Every row by scheme, report (Bacs alone), R-transaction type (SEPA alone; blank = any) and code."""


def normalise(scheme: str, code: str) -> str:
    """The code as the table writes it: upper case, no spaces around, leading zeros as the scheme has them."""
    code = code.strip().upper()
    if scheme in ("bacs", "direct_entry") and code.isascii() and code.isdigit():
        return code.lstrip("0") or "0"
    if scheme == "nach" and code.isascii() and code.isdigit():
        return code.lstrip("0").zfill(2)
    if scheme == "card":
        return "_".join(code.replace("_", " ").replace("-", " ").split())
    return code


@lru_cache(maxsize=4096)
def lookup(scheme: str, report: str | None, r_type: str | None, code: str) -> ReturnCode:
    """What a return code means; `UNKNOWN` (weight 0) for what the table does not list. Never raises.

    `report` is `arudd` where a Bacs return names none; `r_type` counts for SEPA only: its reversals, which
    the creditor starts itself, are never stress. A row for the R-transaction type goes before a row for any.
    """
    scheme = _SHARED.get(scheme, scheme)
    report = (report or "arudd") if scheme == "bacs" else ""
    code = normalise(scheme, code)
    if code == ANY:
        return UNKNOWN
    if scheme == "sepa_sdd" and r_type:
        for key in ((scheme, report, r_type, code), (scheme, report, r_type, ANY)):
            if key in TABLE:
                return TABLE[key]
    return TABLE.get((scheme, report, "", code), UNKNOWN)
