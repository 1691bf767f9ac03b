"""Programs that tests start, stop, kill and freeze: a broker, a worker. None outlives the test run."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

LEASH = Path(__file__).with_name("leash.py")
ROOT = Path(__file__).resolve().parents[2]


class Process:
    """One running program; stdout and stderr each go to a file of their own."""

    started: ClassVar[list[Process]] = []
    """Every one that this test run has started: at its end all that they said is looked through."""

    def __init__(
        self, command: Sequence[str], folder: Path, name: str, env: Mapping[str, str] | None = None
    ) -> None:
        """Starts `command`; its output is appended to `folder/name.out` and `folder/name.err`."""
        folder.mkdir(parents=True, exist_ok=True)
        self.stdout_file = folder / f"{name}.out"
        self.stderr_file = folder / f"{name}.err"
        leashed = [sys.executable, "-I", "-S", str(LEASH), str(os.getpid()), *command]
        self.command = tuple(command)
        Process.started.append(self)
        with self.stdout_file.open("ab") as out, self.stderr_file.open("ab") as err:
            self._popen = subprocess.Popen(
                leashed,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                env=None if env is None else dict(env),
                cwd=ROOT,
                start_new_session=True,  # Ctrl-C is for the test run, which then ends its children in order
            )

    @property
    def pid(self) -> int:
        """The program's own process id."""
        return self._popen.pid

    @property
    def returncode(self) -> int | None:
        """The exit code, negative for a signal; None while it runs."""
        return self._popen.poll()

    @property
    def running(self) -> bool:
        """Whether it has not ended yet (a paused program is running)."""
        return self.returncode is None

    def terminate(self) -> None:
        """SIGTERM."""
        self._signal(signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL, and waits for the end."""
        self._signal(signal.SIGKILL)
        self._popen.wait()

    def pause(self) -> None:
        """SIGSTOP: the program stands still, its connections stay open."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """SIGCONT."""
        self._signal(signal.SIGCONT)

    def wait(self, timeout: float) -> int:
        """The exit code; AssertionError with the end of the log if there is none within `timeout` seconds."""
        try:
            return self._popen.wait(timeout)
        except subprocess.TimeoutExpired:
            raise AssertionError(
                f"process {self.pid} did not end within {timeout} s:\n{self.tail()}"
            ) from None

    def stop(self, timeout: float = 30) -> int:
        """SIGTERM, then SIGKILL after `timeout` seconds. The exit code. A paused or ended program is fine."""
        self.resume()
        self.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            return self._popen.wait(timeout)
        self.kill()
        return self._popen.wait()

    def log(self) -> str:
        """All of stderr so far."""
        return self.stderr_file.read_text(errors="replace")

    def output(self) -> str:
        """All of stdout so far."""
        return self.stdout_file.read_text(errors="replace")

    def tail(self, lines: int = 40) -> str:
        """The last lines of stdout and stderr, for a message."""
        return "\n".join(self.output().splitlines()[-lines:] + self.log().splitlines()[-lines:])

    def _signal(self, number: int) -> None:
        if self.returncode is None:
            self._popen.send_signal(number)


def start_worker(
    settings: Mapping[str, str], folder: Path, name: str = "worker", args: Sequence[str] = ("worker",)
) -> Process:
    """Starts `ews worker` (or what `args` say); of EWS_* variables it sees `settings` alone."""
    env = {key: value for key, value in os.environ.items() if not key.startswith("EWS_")}
    env |= {"PYTHONUNBUFFERED": "1", **settings}
    return Process([sys.executable, "-m", "stream", *args], folder, name, env)
