"""Settings: errors name the variable and the remedy, never a value; secrets come from files and stay masked."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from stream import settings
from stream.errors import ConfigurationError

SASL = {"security_protocol": "SASL_PLAINTEXT", "sasl_username": "ews"}


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"commit_interval_ms": 1}, "EWS_COMMIT_INTERVAL_MS"),
        ({"partitioner": "S3CRET"}, "EWS_PARTITIONER"),
        ({"contact_from": "2026-01-01T00:00:00"}, "EWS_CONTACT_FROM: .*offset"),
        ({"app": "a b"}, "EWS_APP"),
        (SASL, "EWS_SASL_PASSWORD_FILE"),
        ({"ssl_cert_file": "/x"}, "EWS_SSL_KEY_FILE"),
        ({"security_protocol": "SSL", "ssl_ca_file": "/not/there"}, "EWS_SSL_CA_FILE"),
        ({**SASL, "sasl_password_file": "/not/there"}, "/not/there cannot be read"),
        ({"stall_seconds": 20, "commit_interval_ms": 10_000}, "EWS_STALL_SECONDS"),
        ({"no_such_setting": 1}, "EWS_NO_SUCH_SETTING"),
    ],
)
def test_what_is_wrong_is_named_and_never_quoted(given: dict[str, object], words: str) -> None:
    with pytest.raises(ConfigurationError, match=words) as refused:
        settings.load(**given)
    assert refused.value.exit_code == 3
    assert "S3CRET" not in str(refused.value)


def test_a_password_comes_from_its_file_and_shows_nowhere(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("geheim\n")
    loaded = settings.load(**SASL, sasl_password="other", sasl_password_file=tmp_path / "password")
    assert loaded.password() == "geheim"
    assert loaded.aiokafka()["sasl_plain_password"] == loaded.librdkafka()["sasl.password"] == "geheim"
    assert "geheim" not in repr(loaded) + loaded.model_dump_json()
    assert "other" not in repr(loaded) + loaded.model_dump_json()


def test_names_of_topics_group_and_changelogs_carry_the_prefix() -> None:
    loaded = settings.load(app="watch", topic_prefix="bank.")
    assert (loaded.topic("payments"), loaded.group) == ("bank.payments", "bank.watch")
    assert loaded.changelog("accounts") == "bank.watch-accounts-changelog"


@pytest.mark.parametrize(
    ("arguments", "env", "code", "words"),
    [
        (["config", "check"], {}, 0, ""),
        (["config", "check"], {"EWS_COMMIT_INTERVAL_MS": "0"}, 3, "EWS_COMMIT_INTERVAL_MS"),
        (["config", "check", "--policy-file", "/not/there"], {}, 3, "EWS_POLICY_FILE"),
        (["replay", "only-one"], {}, 2, "IN and OUT"),
        (["replay", "in", "out", "--until", "tomorrow"], {}, 2, "offset"),
        (["replay", "/not/there", "out"], {}, 3, "ews simulate"),
        (["nonsense"], {}, 2, "nonsense"),
        (["explain", "x", "--in", "/not/there"], {}, 3, "--in"),
    ],
)
def test_commands_end_with_the_documented_codes(
    tmp_path: Path, arguments: list[str], env: dict[str, str], code: int, words: str
) -> None:
    run = subprocess.run(
        [sys.executable, "-m", "stream", *arguments],
        env={"PATH": "", "HOME": str(tmp_path), "PYTHONPATH": str(Path(__file__).parents[2]), **env},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == code, run.stderr
    assert words in run.stderr
    assert "Traceback" not in run.stderr
