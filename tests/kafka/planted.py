"""Marks in what must never be told: secrets, and a bank's customers. Whatever the tests start is looked through for them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.kafka.process import Process

PLANTED = "PLANTED"
"""Part of every secret, and of every name and text of the tests' bank."""
PASSWORD = f"{PLANTED} pa$$ word"
"""Of the tests' logins: with what a shell or a file of properties could stumble over."""
_MARKS = re.compile(r"PLANTED|(?<![\w.-])[AC]-\d+(?![\w.])")
"""The planted word, and the ids of accounts and customers as the bank of the tests gives them."""


def marks(text: str) -> list[str]:
    """The lines of a text that tell what must not be told."""
    return [line for line in text.splitlines() if _MARKS.search(line)]


def shown(programs: Iterable[Process]) -> list[str]:
    """What programs told that must not be told: file and line of each. What `ews view show` prints is its answer to who asked."""
    return [
        f"{path}: {line[:300]}"
        for program in programs
        for path in (program.stderr_file, *([] if "show" in program.command else [program.stdout_file]))
        if path.exists()
        for line in marks(path.read_text(errors="replace"))
    ]
