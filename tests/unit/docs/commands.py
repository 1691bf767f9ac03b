"""The commands of the documentation: what a page shows, and how a line of it is held against the real command line."""

from __future__ import annotations

import contextlib
import io
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeAlias

import typer

from stream.cli import app

COMMANDS: Final = ("sh", "console")
"""Fences that hold commands: `sh` nothing else, `console` after `$ ` and what they answered."""
OTHERS: Final = ("text", "json", "promql", "toml", "python", "yaml")
"""Fences that hold none."""
TOOLS: Final = ("ews", "make", "docker", "kubectl", "promtool", "curl", "python", "pip", "export", "journalctl", "kafka-")
"""What a line that is a command begins with, in a fence that says that it holds none."""

Parser: TypeAlias = typer.core.TyperGroup

_FENCE = re.compile(r"^```(?P<info>.*)\n(?P<body>(?:.*\n)*?)```$", re.MULTILINE)
_INLINE = re.compile(r"`((?:[^`\n\"']*[ /])?ews [^`]+)`")
_ASSIGNMENT = re.compile(r"[A-Z_]+=")
_LACKING = re.compile(r"Missing (argument|option)|requires an argument")
_END = frozenset(("|", "||", "&", "&&", ";", ">", ">>", "<", "(", ")"))


@dataclass(frozen=True)
class Block:
    """A fenced block of a page."""

    info: str
    body: str

    @property
    def language(self) -> str:
        return self.info.split(" ", 1)[0]

    @property
    def why_not(self) -> str | None:
        """Why it is not run; None where it is."""
        mark, colon, why = self.info.partition(" ")[2].partition(":")
        return why.strip() if mark == "not-run" and colon else None

    @property
    def lines(self) -> list[str]:
        """Its commands, each on one line, without comments."""
        if self.language not in COMMANDS:
            return []
        whole = self.body.replace("\\\n", " ").splitlines()
        if self.language == "console":
            whole = [line.removeprefix("$ ") for line in whole if line.startswith("$ ")]
        return [line.strip() for line in whole if line.strip() and not line.lstrip().startswith("#")]

    def faults(self) -> Iterator[str]:
        """What is wrong with how it says whether it is run."""
        if self.language in OTHERS:
            if self.info != self.language:
                yield f"```{self.info}: nothing stands behind {self.language}"
            for line in self.body.splitlines() if self.language == "text" else ():
                if line.removeprefix("$ ").startswith(TOOLS):
                    yield f"a command in a block of text: {line}"
        elif self.language not in COMMANDS:
            yield f"```{self.info}: say what it holds: {', '.join((*COMMANDS, *OTHERS))}"
        elif self.info != self.language and not self.why_not:
            yield f"```{self.info}: run it, or say `not-run: WHY`"
        elif self.language == "console" and not self.why_not:
            yield "a block with answers is not run: say `not-run: WHY`, or make it sh"


def blocks(text: str) -> list[Block]:
    """Every fenced block of a page."""
    return [Block(found["info"], found["body"]) for found in _FENCE.finditer(text)]


def inline(text: str) -> list[str]:
    """Every command `ews ...` within a sentence. "`ews dlq list, show`" is two."""
    found = []
    for told in _INLINE.findall(_FENCE.sub("", text)):
        line = " ".join(told.split())
        head, *more = line.split(", ")
        if re.search(r"\bews [A-Z]+\b", head):
            continue  # `ews COMMAND --help` stands for all of them
        found += [head, *(f"{head.rpartition(' ')[0]} {each}" for each in more)]
    return found


def words(line: str) -> Iterator[list[str]]:
    """The arguments of each `ews` in a line of shell. ValueError: a quote is not closed."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    command: list[str] = []
    for word in (*lexer, ";"):
        if word not in _END:
            command.append(word)
            continue
        while command and (command[0] in ("$", "exec", "time") or _ASSIGNMENT.match(command[0])):
            del command[0]
        if "--" in command[:-1]:  # kubectl exec POD -- ews ...
            del command[: command.index("--") + 1]
        if command and Path(command[0]).name == "ews":
            yield command[1:]
        command = []


def parser() -> Parser:
    """The real command line with nothing behind it: it takes or refuses arguments, and does nothing."""
    group = typer.main.get_command(app)
    assert isinstance(group, Parser)
    waiting: list[Any] = [group]
    while waiting:
        command = waiting.pop()
        if isinstance(command, Parser):
            waiting += command.commands.values()
        if command.callback is not None:
            command.callback = lambda **_: None
    return group


def faults(group: Parser, arguments: list[str], *, whole: bool) -> Iterator[str]:
    """What the command line has against these arguments of `ews`.

    `whole`: what must be given is; a command that is only named within a sentence may leave it out.
    """
    told = io.StringIO()
    try:
        with contextlib.redirect_stderr(told), contextlib.redirect_stdout(io.StringIO()):
            group.main(list(arguments), prog_name="ews")
    except SystemExit as end:
        answer = told.getvalue()
        lacks = _LACKING.search(answer) or "Error" not in answer
        # What a page calls a file need not be there.
        if end.code and "does not exist" not in answer and (whole or not lacks):
            yield answer.strip().splitlines()[-1] if "Error" in answer else "which command?"
