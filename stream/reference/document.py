"""Writes docs/return-codes.md: `python -m stream.reference.document > docs/return-codes.md`."""

from __future__ import annotations

import sys
from itertools import groupby

from stream.reference.return_codes import ANY, TABLE, Key, ReturnCode

_TITLES = {
    ("bacs", "arudd"): "Bacs: returned direct debits (ARUDD)",
    ("bacs", "addacs"): "Bacs: instructions amended or cancelled (ADDACS)",
    ("bacs", "auddis"): "Bacs: new instructions refused (AUDDIS)",
    ("bacs", "ddica"): "Bacs: refunds claimed (DDICA)",
    ("sepa_sdd", ""): "SEPA direct debits and credit transfers (ISO 20022)",
    ("ach", ""): "ACH (Nacha)",
    ("nach", ""): "NACH India",
    ("direct_entry", ""): "Direct entry (Australia)",
    ("card", ""): "Cards",
}

_HEAD = """\
# Return codes

Why a payment came back, by scheme, and what that says about the payer's money. This page is written from
`stream/reference/return_codes.csv` by `python -m stream.reference.document`; change the table, not the page.

`weight` is how much one return counts as a sign of stress, from 0 to 1. A code that is not listed has the
class `unknown` and the weight 0, and is counted.

| class | what follows |
|---|---|
| `stress`, `ambiguous_stress`, `weak_stress`, `ambiguous` | counts by its weight |
| `customer_act`, `admin`, `technical` | does not count |
| `unauthorised` | does not count; asks for a dispute check |
| `legal` | does not count; proposes a hold, and asks a person |
| `life_event` | never a nudge; a provisional bereavement hold on all holders, and a person |
| `person_check` | does not count; a person should look, without a hold |
| `pending` | does not count; a final code follows |
| `unknown` | does not count |
"""


def _line(key: Key, row: ReturnCode) -> str:
    _, _, r_type, code = key
    name = "any other" if code == ANY else f"`{code}`"
    if r_type:
        name += f" ({r_type})"
    both = f"`{row.class_}`" + (f" and `{row.also}`" if row.also else "")
    return f"| {name} | {both} | {row.weight:g} | {row.meaning} |"


def markdown() -> str:
    """The page, a section for each scheme and report, in the table's order."""
    parts = [_HEAD]
    for (scheme, report), group in groupby(TABLE.items(), key=lambda item: (item[0][0], item[0][1])):
        rows = list(group)
        sources = dict.fromkeys(row.source for _, row in rows)
        parts.append(f"## {_TITLES[scheme, report]}\n")
        parts.append("Source: " + ". ".join(sources) + ".\n")
        parts.append("| code | class | weight | meaning |\n|---|---|---|---|")
        parts.append("\n".join(_line(key, row) for key, row in rows) + "\n")
    return "\n".join(parts)


if __name__ == "__main__":
    sys.stdout.write(markdown())
