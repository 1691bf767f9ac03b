"""`ews detectors`: what is told of each, and what a check finds."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from stream.cli import app
from stream.detectors.registry import NAMES
from stream.errors import ConfigurationError


def ews(*words: str) -> Result:
    return CliRunner().invoke(app, ["detectors", *words])


def test_list_tells_each_detector_with_its_marks() -> None:
    rows = json.loads(ews("list", "-o", "json").stdout)
    assert [row["detector"] for row in rows][: len(NAMES)] == list(NAMES)
    assert all(row["sees"].endswith(".") for row in rows)
    bills = rows[NAMES.index("missed_bills")]
    assert (bills["enabled"], bills["low"], bills["medium"], bills["high"]) == (True, 1.0, 2.0, 3.0)


def test_list_tells_what_a_file_of_ones_own_changes(tmp_path: Path) -> None:
    (tmp_path / "own.toml").write_text("[missed_bills]\nenabled = false\nmedium = 1.5\n")
    rows = json.loads(ews("list", "--file", str(tmp_path / "own.toml"), "-o", "json").stdout)
    bills = rows[NAMES.index("missed_bills")]
    assert (bills["enabled"], bills["medium"]) == (False, 1.5)


def test_show_tells_signs_false_alarms_settings_and_cases() -> None:
    told = ews("show", "missed_bills")
    assert told.exit_code == 0
    for words in ("## Sees", "## Cries wolf", "| `window_days` | 70 | from 7 to 365 |", "| one small bill is a low sign"):
        assert words in told.stdout
    told = json.loads(ews("show", "missed_bills", "-o", "json").stdout)
    assert {"version", "summary", "sees", "maths", "cries_wolf", "sources", "cases"} <= set(told)
    assert told["settings"]["window_days"] == 70
    assert told["schema"]["properties"]["window_days"]["maximum"] == 365
    assert told["cries_wolf"].startswith("One missed bill is most often a slip")


def test_show_tells_the_settings_of_a_file_of_ones_own(tmp_path: Path) -> None:
    (tmp_path / "own.toml").write_text("[missed_bills]\nwindow_days = 80\n")
    assert "| `window_days` | 80 | from 7 to 365 |" in ews("show", "missed_bills", "--file", str(tmp_path / "own.toml")).stdout


@pytest.mark.parametrize("command", ["show", "check"])
def test_a_detector_nobody_knows_is_a_wrong_use(command: str) -> None:
    assert ews(command, "palmistry").exit_code == 2


def test_check_runs_the_cases_a_line_each() -> None:
    told = ews("check", "bounce_pressure")
    assert told.exit_code == 0, told.stdout
    lines = told.stdout.splitlines()
    assert "ok   bounce_pressure: one ordinary bounce says nothing" in lines
    assert lines[-1].endswith("cases, 0 failed")


def test_check_tells_what_settings_of_ones_own_change_and_fails(tmp_path: Path) -> None:
    (tmp_path / "own.toml").write_text("[bounce_pressure]\nlow = 0.5\n")
    told = ews("check", "bounce_pressure", "--file", str(tmp_path / "own.toml"))
    assert told.exit_code == 1
    assert "FAIL bounce_pressure: one ordinary bounce says nothing" in told.stdout.splitlines()
    assert "0 expected, 1 said: day 1: raised low" in told.stdout
    rows = json.loads(ews("check", "bounce_pressure", "--file", str(tmp_path / "own.toml"), "-o", "json").stdout)
    assert {row["ok"] for row in rows} == {True, False}


def test_check_refuses_settings_that_are_wrong_and_names_the_key(tmp_path: Path) -> None:
    (tmp_path / "own.toml").write_text("[missed_bills]\nwindow_days = 3\n")
    told = ews("check", "--file", str(tmp_path / "own.toml"))
    assert isinstance(told.exception, ConfigurationError)
    assert told.exception.exit_code == 3
    assert "missed_bills.window_days" in str(told.exception)
