"""`ews policy`: a file looked at, and the rules told."""

from __future__ import annotations

import json
import re
from pathlib import Path

from click.testing import Result
from typer.testing import CliRunner

from stream.cli import app
from stream.errors import ConfigurationError
from stream.treatment.policy import default_text, load

OWN = re.sub(r'^version = ".*"', 'version = "own.1"', default_text(), count=1, flags=re.MULTILINE)


def ews(*words: str) -> Result:
    return CliRunner().invoke(app, ["policy", *words])


def test_a_sound_file_is_told_with_its_version(tmp_path: Path) -> None:
    (tmp_path / "own.toml").write_text(OWN)
    done = ews("check", str(tmp_path / "own.toml"))
    assert (done.exit_code, done.stdout) == (0, f"ok: policy own.1, {len(load(OWN).rules)} rules\n")
    assert json.loads(ews("check", str(tmp_path / "own.toml"), "-o", "json").stdout)["version"] == "own.1"


def test_a_wrong_file_ends_with_code_3_and_the_field(tmp_path: Path) -> None:
    (tmp_path / "own.toml").write_text(OWN + "\n[no_such_part]\n")
    done = ews("check", str(tmp_path / "own.toml"))
    assert isinstance(done.exception, ConfigurationError)
    assert done.exception.exit_code == 3
    assert "no_such_part" in str(done.exception)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    done = ews("check", str(tmp_path / "gone.toml"))
    assert isinstance(done.exception, ConfigurationError)
    assert "gone.toml" in str(done.exception)
    assert ews("check").exit_code == 2


def test_every_rule_in_force_is_told_in_the_order_of_the_file() -> None:
    policy = load(default_text())
    told = json.loads(ews("rules", "-o", "json").stdout)
    assert told["policy_version"] == policy.version
    fields = ("rule_id", "version", "source", "in_force_from", "says")
    assert [tuple(rule[field] for field in fields) for rule in told["rules"]] == [
        (rule.id, rule.version, rule.source, rule.in_force.isoformat(), rule.says) for rule in policy.rules
    ]
    first = policy.rules[0]
    assert ews("rules").stdout.splitlines()[:5] == [
        f"policy {policy.version}, {len(policy.rules)} rules",
        "",
        f"{first.id}  version {first.version}, in force from {first.in_force.isoformat()}",
        f"    {first.says}",
        f"    source: {first.source}",
    ]


def test_the_policy_in_force_is_the_one_that_is_set(tmp_path: Path) -> None:
    (tmp_path / "own.toml").write_text(OWN)
    done = CliRunner(env={"EWS_POLICY_FILE": str(tmp_path / "own.toml")}).invoke(app, ["policy", "rules", "-o", "json"])
    assert json.loads(done.stdout)["policy_version"] == "own.1"
