"""`ews size`."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from stream import sizing
from stream.cli import app

ARGS = ["size", "--accounts", "50000000", "--events-per-day", "500000000"]


def run(*more: str) -> tuple[int, str]:
    done = CliRunner().invoke(app, [*ARGS, *more], env={"COLUMNS": "200"})
    return done.exit_code, done.output


def test_it_tells_what_the_model_says() -> None:
    code, said = run()
    assert code == 0
    for what, much in sizing.told(sizing.EXAMPLE):
        assert what in said
        assert much in said


def test_programs_get_every_figure() -> None:
    code, said = run("--peak", "3", "-o", "json")
    assert code == 0
    found = json.loads(said)
    assert found.keys() == set(sizing.Size._fields)
    assert found["workers"] == sizing.size(sizing.EXAMPLE._replace(peak=3)).workers


@pytest.mark.parametrize("wrong", [["--peak", "0"], ["--open-share", "2"], ["--accounts", "9000000000"]])
def test_what_cannot_be_ends_with_2(wrong: list[str]) -> None:
    code, said = run(*wrong)
    assert code == 2
    assert "Invalid value" in said
