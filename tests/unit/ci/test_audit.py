"""What was not looked up is not called clean."""

from __future__ import annotations

from typing import Any

import pytest

from tests import scripts

audit = scripts.load(".ci/audit.py")

CLEAN = {"name": "one", "version": "1", "vulns": []}
BAD = {"name": "two", "version": "2", "vulns": [{"id": "PYSEC-1", "fix_versions": ["3"]}]}
SKIPPED = {"name": "three", "skip_reason": "not found"}


@pytest.mark.parametrize(
    ("packages", "code", "told"),
    [
        ([CLEAN], 0, "1 packages looked up, 0 vulnerabilities known"),
        ([CLEAN, BAD, SKIPPED], 1, "two 2: PYSEC-1, mended in 3"),
        ([CLEAN, SKIPPED], 4, "1 packages could not be looked up, nothing is known of them: three"),
        ([SKIPPED], 4, "0 packages looked up"),
        ([], 4, "0 packages looked up"),
        (None, 4, "no vulnerability service answered"),
    ],
)
def test_the_exit_code_tells_clean_found_and_unknown_apart(packages: list[Any] | None, code: int, told: str) -> None:
    got, lines = audit.verdict(None if packages is None else {"dependencies": packages})
    assert got == code
    assert told in "\n".join(lines)
