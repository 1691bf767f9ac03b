from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from stream.tables import compiled as module

ROOT = Path(__file__).parents[3]


SCRIPT = """
from stream.tables.compiled import cache_folder, compiled

@compiled
def after(number):
    return number + 1

print(cache_folder(), after(1))
"""


def folder_of(cache: Path, script: Path) -> str:
    script.write_text(SCRIPT)
    done = subprocess.run(
        [sys.executable, str(script)],
        env={**os.environ, "NUMBA_CACHE_DIR": str(cache), "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    folder, answer = done.stdout.split()
    assert answer == "2"
    return folder


def test_the_cache_is_named_by_the_sources(tmp_path: Path) -> None:
    folder = tmp_path / "early-warning-stream" / module.fingerprint()
    assert folder_of(tmp_path, tmp_path / "script.py") == str(folder)
    assert list(folder.rglob("*.nbi")), "what was compiled is kept there"


def test_without_a_folder_to_write_to_it_compiles_without_a_cache(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert folder_of(tmp_path / "file" / "below", tmp_path / "script.py") == "None"


def test_the_fingerprint_follows_every_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for package in ("tables", "detectors"):
        (tmp_path / package).mkdir()
        (tmp_path / package / "a.py").write_text("1")
    monkeypatch.setattr(module, "__file__", str(tmp_path / "tables" / "compiled.py"))
    found = set()
    for package in ("", "tables", "detectors"):
        if package:
            (tmp_path / package / "a.py").write_text("2")
        found.add(module.fingerprint.__wrapped__())
    assert len(found) == 3
