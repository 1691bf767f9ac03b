"""The documentation's tables are those of the packaged policy."""

from __future__ import annotations

from pathlib import Path

from stream.treatment.policy import default_text, load
from stream.treatment.tables import markdown

PAGE = Path(__file__).parents[3] / "docs" / "treatment.md"


def test_the_page_holds_the_tables_of_the_packaged_policy() -> None:
    text = PAGE.read_text(encoding="utf-8")
    begin, end = "<!-- policy: begin -->\n", "<!-- policy: end -->"
    held = text[text.index(begin) + len(begin) : text.index(end)]
    assert held.strip() == markdown(load(default_text())).strip()
