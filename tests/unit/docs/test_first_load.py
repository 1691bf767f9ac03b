"""docs/first-load.md: a history before EWS_CONTACT_FROM brings no contact. Run by the page's own commands."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from stream.cli import app
from tests.unit.docs import commands

PAGE = Path(__file__).parents[3] / "docs" / "first-load.md"
[BLOCK] = [block for block in commands.blocks(PAGE.read_text("utf-8")) if block.info == "sh"]
SIMULATE, REPLAY = (arguments for line in BLOCK.lines for arguments in commands.words(line))
FROM = REPLAY[REPLAY.index("--contact-from") + 1]

Run = Callable[[list[str]], dict[str, list[dict[str, str]]]]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Replays, and gives what was said by topic."""
    folder = tmp_path_factory.mktemp("load")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert CliRunner().invoke(app, SIMULATE).exit_code == 0

    def replay(arguments: list[str]) -> dict[str, list[dict[str, str]]]:
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(folder)
            done = CliRunner().invoke(app, arguments)
        assert done.exit_code == 0, done.output
        return {
            topic: [json.loads(line) for line in (folder / "out" / f"{topic}.jsonl").read_text().splitlines()]
            for topic in ("signals", "nudges", "escalations", "decisions")
        }

    return replay


def test_history_before_contact_from_brings_no_contact_and_all_its_signals(run: Run) -> None:
    silent = run(REPLAY)
    spoken = run([word for word in REPLAY if word not in ("--contact-from", FROM)])
    until = FROM.removesuffix("Z")

    def early(said: dict[str, list[dict[str, str]]], topic: str) -> int:
        return sum(record["decided_at"] < until for record in said[topic])

    for topic in ("nudges", "escalations"):
        assert early(spoken, topic), "or there would be nothing to keep silent about"
        assert early(silent, topic) == 0
        assert [record for record in silent[topic] if record["decided_at"] >= until], "contact begins then"
    assert silent["signals"] == spoken["signals"]
    asked = [rule["rule_id"] for decision in silent["decisions"] for rule in decision["rules"]]  # type: ignore[index]
    assert "everywhere.contact_from" in asked
