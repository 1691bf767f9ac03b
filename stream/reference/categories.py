"""Categories of payments: what people call them, and how much losing them costs (`categories.csv`)."""

from __future__ import annotations

from types import MappingProxyType
from typing import Final, Literal, NamedTuple, get_args

from stream.reference._table import rows

Priority = Literal["home", "council_tax", "energy", "other"]
PRIORITIES: Final[tuple[Priority, ...]] = get_args(Priority)
"""Priority groups, the gravest first; the index is the code that arrays store."""


class CategoryFacts(NamedTuple):
    """One category."""

    noun: str
    """As in "your energy bill"."""
    priority: Priority
    source: str


_PRIORITY: Final[dict[str, Priority]] = {word: word for word in PRIORITIES}

CATEGORY: Final[MappingProxyType[str, CategoryFacts]] = MappingProxyType(
    {
        row["category"]: CategoryFacts(row["noun"], _PRIORITY[row["priority"]], row["source"])
        for row in rows("categories.csv")
    }
)
"""Facts by category: every word of the contracts' list, in its order."""


def noun(category: str) -> str:
    """What people call it; "bill" for a category we do not know."""
    facts = CATEGORY.get(category)
    return facts.noun if facts else "bill"


def priority(category: str) -> Priority:
    """Its priority group; "other" for a category we do not know."""
    facts = CATEGORY.get(category)
    return facts.priority if facts else "other"
