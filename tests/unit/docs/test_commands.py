"""Every command that a page shows is run here, or says why it is not; and each `ews` is one that the command line takes."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from stream import cli
from tests import scripts
from tests.unit.docs import commands

ROOT = Path(__file__).parents[3]
PAGES: list[Path] = [
    *scripts.load("docs/generate.py").pages(),
    ROOT / "CHANGELOG.md",
    ROOT / "SECURITY.md",
    ROOT / "bench" / "README.md",
    *sorted((ROOT / "examples").rglob("*.md")),
]
TEXTS = {str(page.relative_to(ROOT)): page.read_text("utf-8") for page in PAGES}
RUN = {name: [block for block in commands.blocks(text) if block.info == "sh"] for name, text in TEXTS.items()}
TOLD = [*sorted((ROOT / "stream").rglob("*.py")), *sorted((ROOT / "deploy" / "prometheus").glob("*.yml"))]
"""What names commands in its messages."""

every_page = pytest.mark.parametrize("page", TEXTS)


@pytest.fixture(scope="module")
def parser() -> Iterator[commands.Parser]:
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("EWS_")]:
            patch.delenv(name)
        yield commands.parser()


@every_page
def test_every_block_says_what_it_holds_and_whether_it_is_run(page: str) -> None:
    text = TEXTS[page]
    found = commands.blocks(text)
    fences = sum(line.lstrip().startswith(("```", "~~~")) for line in text.splitlines())
    assert 2 * len(found) == fences, "a fence that is not closed, is indented, or is of another kind"
    assert [fault for block in found for fault in block.faults()] == []


@every_page
def test_every_command_of_a_page_is_one_that_there_is(page: str, parser: commands.Parser) -> None:
    faults = []
    for block in commands.blocks(TEXTS[page]):
        for line in block.lines:
            for arguments in commands.words(line):
                faults += [(line, fault) for fault in commands.faults(parser, arguments, whole=True)]
    for line in commands.inline(TEXTS[page]):
        for arguments in commands.words(line):
            faults += [(line, fault) for fault in commands.faults(parser, arguments, whole=False)]
    assert faults == []


def test_every_command_that_a_message_names_is_one_that_there_is(parser: commands.Parser) -> None:
    faults, seen = [], 0
    for path in TOLD:
        for line in commands.inline(path.read_text("utf-8")):
            for arguments in commands.words(line):
                seen += 1
                faults += [(path.name, line, fault) for fault in commands.faults(parser, arguments, whole=False)]
    assert faults == []
    assert seen > 30


@pytest.mark.parametrize("page", [name for name, found in RUN.items() if found])
def test_what_a_page_shows_runs(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its blocks in order, in a folder of their own; `ews` by its own entry point, all else by a shell."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "stream").symlink_to(ROOT / "stream")
    for name in [name for name in os.environ if name.startswith("EWS_")]:
        monkeypatch.delenv(name)
    for block in RUN[page]:
        for line in block.lines:
            mine = list(commands.words(line))
            if line.startswith("export "):
                for word in shlex.split(line)[1:]:
                    monkeypatch.setenv(*word.split("=", 1))
            elif not mine:
                subprocess.run(["sh", "-e", "-c", line], check=True)
            for arguments in mine:
                monkeypatch.setattr(sys, "argv", ["ews", *arguments])
                with pytest.raises(SystemExit) as end:
                    cli.main()
                assert not end.value.code, line


def test_enough_is_run() -> None:
    """That nobody marks all of it."""
    run = {
        arguments[0] for found in RUN.values() for block in found for line in block.lines for arguments in commands.words(line)
    }
    assert {"config", "detectors", "operator", "policy", "replay", "report", "simulate", "topics", "view"} <= run


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("```\news worker\n```", "say what it holds"),
        ("```bash\nls\n```", "say what it holds"),
        ("```sh not-run\news worker\n```", "not-run: WHY"),
        ("```sh not-run:\news worker\n```", "not-run: WHY"),
        ("```sh notrun: needs a Kafka\news worker\n```", "not-run: WHY"),
        ("```console\n$ ews worker\n```", "is not run"),
        ("```text\n$ kubectl get pods\n```", "a command in a block of text"),
        ("```json not-run: why\n{}\n```", "nothing stands behind json"),
    ],
)
def test_a_block_that_is_neither_run_nor_marked_is_found(text: str, told: str) -> None:
    [block] = commands.blocks(text)
    [fault] = block.faults()
    assert told in fault


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("ews wroker", "No such command 'wroker'"),
        ("ews topics make", "No such command 'make'"),
        ("ews worker --instances 3", "No such option: --instances"),
        ("EWS_APP=two .venv/bin/ews worker --forever &", "No such option: --forever"),
        ("ews config print | grep x; ews config prnt", "No such command 'prnt'"),
        ("kubectl exec ews-worker-0 -- ews state veryfy", "No such command 'veryfy'"),
        ("ews view show", "Missing argument"),
        ("ews dlq", "which command?"),
        ("ews state inspect A-1 B-2", "unexpected extra argument"),
        ("ews replay IN OUT -o yaml", "'yaml' is not one of"),
    ],
)
def test_a_command_that_there_is_not_is_found(line: str, told: str, parser: commands.Parser) -> None:
    faults = [fault for arguments in commands.words(line) for fault in commands.faults(parser, arguments, whole=True)]
    assert len(faults) == 1
    assert told in faults[0]


def test_a_sentence_may_leave_out_what_must_be_given_but_name_nothing_else(parser: commands.Parser) -> None:
    told = commands.inline("`ews explain`, `ews dlq list, shwo`, `time ews worker --fast`, and `ews COMMAND --help`; `news x`.")
    assert told == ["ews explain", "ews dlq list", "ews dlq shwo", "time ews worker --fast"]
    faults = [list(commands.faults(parser, *commands.words(line), whole=False)) for line in told]
    assert [bool(each) for each in faults] == [False, False, True, True]
