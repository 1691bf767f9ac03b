"""Finds `promtool` and `prometheus`: on the PATH, or from Debian's package, unpacked once into `.cache/prometheus`.

No package is installed: `apt-get download` and `dpkg-deb -x` need no root where the package lists are there.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CACHE = ROOT / ".cache" / "prometheus"

INSTALL = (
    "These tests need promtool. On Debian or Ubuntu: apt-get install prometheus; elsewhere: put promtool of "
    "https://prometheus.io/download on the PATH."
)


class NotPreparedError(Exception):
    """The tools are missing; the message says what to install."""


def find(name: str) -> Path:
    """The path of `promtool` or `prometheus`. Downloads once, however many ask at the same time; `NotPreparedError`."""
    if on_path := shutil.which(name):
        return Path(on_path)
    unpacked = CACHE / "usr" / "bin" / name
    CACHE.parent.mkdir(parents=True, exist_ok=True)
    with CACHE.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not unpacked.exists():
            _download()
    return unpacked


def _download() -> None:
    if not shutil.which("apt-get") or not shutil.which("dpkg-deb"):
        raise NotPreparedError(INSTALL)
    print("prometheus: fetching Debian's package (20 MB, once) ...", file=sys.stderr, flush=True)
    with tempfile.TemporaryDirectory(dir=CACHE.parent) as name:
        folder = Path(name)
        found = _run(folder, "apt-get", "download", "prometheus")
        if found and os.geteuid() == 0:  # a fresh machine has no package lists
            _run(folder, "apt-get", "update", "-qq")
            found = _run(folder, "apt-get", "download", "prometheus")
        packages = list(folder.glob("prometheus_*.deb"))
        if found or not packages:
            raise NotPreparedError(f"{found}\n{INSTALL}")
        if failed := _run(folder, "dpkg-deb", "-x", packages[0].name, "unpacked"):
            raise NotPreparedError(f"{failed}\n{INSTALL}")
        shutil.rmtree(CACHE, ignore_errors=True)
        (folder / "unpacked").rename(CACHE)


def _run(folder: Path, *command: str) -> str:
    """Empty where it worked, else why not."""
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    run = subprocess.run(
        command, cwd=folder, env=quiet, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    return "" if run.returncode == 0 else f"{' '.join(command)} failed: {(run.stderr or run.stdout)[-500:].strip()}"
