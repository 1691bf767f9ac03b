"""The image, as far as it can be tried without an engine: its recipe is held to rules, and its steps are run bare."""

from __future__ import annotations

import http.server
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
import threading
import venv
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
RECIPE = (ROOT / "Dockerfile").read_text("utf-8")


def steps(stage: int) -> list[tuple[str, str]]:
    """Instruction and argument of each step of a stage, continued lines joined, comments gone."""
    lines = "\n".join(line for line in RECIPE.splitlines() if not line.startswith("#"))
    joined = re.sub(r"\s*\\\n\s*", " ", lines)
    parts = [line.partition(" ") for line in joined.splitlines() if line.strip()]
    starts = [i for i, (word, _, _) in enumerate(parts) if word == "FROM"] + [len(parts)]
    return [(word, rest) for word, _, rest in parts[starts[stage] : starts[stage + 1]]]


def environment(stage: int) -> dict[str, str]:
    return dict(pair.split("=", 1) for word, rest in steps(stage) if word == "ENV" for pair in shlex.split(rest))


def last(word: str) -> str:
    return [rest for step, rest in steps(1) if step == word][-1]


def test_hadolint_has_nothing_to_say() -> None:
    done = subprocess.run([Path(sys.executable).with_name("hadolint"), ROOT / "Dockerfile"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_image_does_not_run_as_root() -> None:
    assert re.fullmatch(r"[1-9]\d{4,}:[1-9]\d{4,}", last("USER"))
    words = [word for word, _ in steps(1)]
    assert "RUN" not in words[words.index("USER") :]


def test_bases_are_pinned_to_one_version_and_told_in_the_label() -> None:
    bases = {rest.split()[0] for stage in (0, 1) for word, rest in steps(stage) if word == "FROM"}
    assert len(bases) == 1
    [base] = bases
    assert re.fullmatch(r"python:3\.11\.\d+-slim-[a-z]+", base)
    assert f'base.name="docker.io/library/{base}"' in RECIPE


def test_no_secret_and_no_compiler_is_in_the_recipe() -> None:
    assert not re.search(r"(?i)password|secret|token|api_key", RECIPE)
    runs = " ".join(rest for word, rest in steps(1) if word == "RUN")
    assert not re.search(r"\b(gcc|g\+\+|build-essential|clang)\b", runs)
    assert "pip uninstall" in runs


def test_signals_reach_the_worker() -> None:
    """tini is process 1, and no shell stands in between."""
    assert json.loads(last("ENTRYPOINT")) == ["tini", "--", "ews"]
    assert json.loads(last("CMD")) == ["worker"]


def test_what_was_compiled_is_looked_for_where_it_was_put() -> None:
    build, final = environment(0), environment(1)
    for name in ("NUMBA_CACHE_DIR", "NUMBA_CPU_NAME"):
        assert build[name] == final[name]
    assert ("COPY", f"--from=build {build['NUMBA_CACHE_DIR']} {final['NUMBA_CACHE_DIR']}") in steps(1)


def test_nothing_but_what_is_copied_is_sent_to_the_build() -> None:
    lines = (ROOT / ".dockerignore").read_text("utf-8").splitlines()
    rules = [line for line in lines if line and not line.startswith("#")]
    assert rules[0] == "*"
    sent = {rule[1:] for rule in rules if rule.startswith("!")}
    copied = {
        source.removeprefix("./")
        for word, rest in steps(0)
        if word == "COPY"
        for source in rest.split()[:-1]
    }
    assert sent == copied
    assert all((ROOT / name).exists() for name in sent)


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh environment that holds the project's wheel; the libraries are those of this one."""
    folder = tmp_path_factory.mktemp("image")
    source = folder / "src"
    source.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    shutil.copytree(ROOT / "stream", source / "stream", ignore=shutil.ignore_patterns("__pycache__"))
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    subprocess.run(
        [*pip, "wheel", "--no-deps", "--no-build-isolation", "--no-index", "--wheel-dir", folder / "wheels", source], check=True
    )
    [wheel] = (folder / "wheels").glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    for path in (ROOT / "stream").rglob("*"):
        if path.is_file() and "__pycache__" not in path.parts:
            assert str(path.relative_to(ROOT)) in names, path
    assert not [name for name in names if not name.startswith(("stream/", "early_warning_stream-"))]
    venv.create(folder / "venv", with_pip=False, symlinks=True)
    python = folder / "venv" / "bin" / "python"
    subprocess.run([*pip, "--python", python, "install", "--no-index", "--no-deps", wheel], check=True)
    site = folder / "venv" / "lib" / f"python{sys.version_info[0]}.{sys.version_info[1]}" / "site-packages"
    # After the environment's own: `stream` is the wheel's.
    (site / "libraries.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return folder


COMPILES = """
from numba.core import event
import stream
with event.install_recorder("numba:compile") as compiled:
    from stream.agents.accounts import AccountsStep
    AccountsStep.warm_up()
print(stream.__file__, len(compiled.buffer))
"""


def like_the_image(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """Runs a command of the fresh environment, and, where this is root, as bound to file modes as anybody else."""
    env = {name: value for name, value in os.environ.items() if not name.startswith(("EWS_", "NUMBA_", "PYTHON", "XDG_"))}
    env |= environment(1) | {"NUMBA_CACHE_DIR": str(folder / "cache"), "PATH": f"{folder}/venv/bin:/usr/bin:/bin"}
    bound = ["setpriv", "--inh-caps=-all", "--bounding-set=-all", "--"] if os.geteuid() == 0 else []
    return subprocess.run([*bound, *command], env=env, cwd="/", capture_output=True, text=True)


def every_file(folder: Path) -> dict[str, int]:
    return {str(path): path.stat().st_mtime_ns for path in sorted(folder.rglob("*"))}


@pytest.mark.skipif(os.geteuid() == 0 and not shutil.which("setpriv"), reason="root is bound by file modes with setpriv alone")
def test_a_worker_reads_the_compiled_detectors_from_a_read_only_folder_and_compiles_nothing(installed: Path) -> None:
    python = str(installed / "venv" / "bin" / "python")
    [build] = [rest for word, rest in steps(0) if word == "RUN" and "warm_up" in rest]
    step = build.replace("/opt/ews-cache", str(installed / "cache")).replace("/opt/ews/bin/python", python)
    (installed / "cache").mkdir()
    made = like_the_image(installed, "sh", "-c", step)
    assert made.returncode == 0, made.stderr
    before = every_file(installed)
    assert any(name.endswith(".nbi") for name in before)
    refused = like_the_image(installed, "touch", str(installed / "cache" / "file"))
    assert refused.returncode != 0, "the folder is not read-only: this test would show nothing"
    done = like_the_image(installed, python, "-c", COMPILES)
    assert done.returncode == 0, done.stderr
    where, compiled = done.stdout.split()
    assert where.startswith(str(installed / "venv"))
    assert compiled == "0"
    helped = like_the_image(installed, "ews", "worker", "--help")
    assert helped.returncode == 0, helped.stderr
    assert "SIGTERM" in helped.stdout
    assert every_file(installed) == before, "nothing is written"


class Health(http.server.BaseHTTPRequestHandler):
    """Answers /live as told."""

    status = 200

    def do_GET(self) -> None:
        self.send_response(self.status if self.path == "/live" else 404)
        self.end_headers()

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def port() -> Iterator[int]:
    with http.server.HTTPServer(("127.0.0.1", 0), Health) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(("status", "code"), [(200, 0), (503, 1)])
def test_the_health_check_asks_the_loop(port: int, status: int, code: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Health, "status", status)
    _, _, command = last("HEALTHCHECK").partition("CMD ")
    program = json.loads(command)
    done = subprocess.run([sys.executable, *program[1:]], env={**os.environ, "EWS_WEB_PORT": str(port)}, capture_output=True)
    assert done.returncode == code, done.stderr
