"""The job of the demo: `ews worker` as a process of its own, on the embedded broker."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from types import TracebackType

from stream.errors import EwsError
from stream.settings import ENV_PREFIX

_PATIENCE = 10.0
_LEASH = Path(__file__).with_name("leash.py")
_KEPT = ("EWS_DETECTORS_FILE", "EWS_POLICY_FILE")
"""Settings of the caller that the demo honours: trying one's own thresholds is what a demo is for."""


class Worker:
    """A running worker; leaving the context ends it, whatever happened. Its log goes to `log`."""

    def __init__(self, bootstrap: str, web_port: int) -> None:
        handle, name = tempfile.mkstemp(prefix="ews-demo-", suffix=".log")
        self.log = Path(name)
        self.keep_log = False
        environment = {name: value for name, value in os.environ.items() if not name.startswith(ENV_PREFIX) or name in _KEPT}
        environment |= {
            "EWS_BOOTSTRAP": bootstrap,
            "EWS_EMBEDDED_BROKER": "1",
            "EWS_CLOCK": "events",
            "EWS_WEB_PORT": str(web_port),
            "PYTHONUNBUFFERED": "1",
        }
        command = [sys.executable, str(_LEASH), str(os.getpid()), sys.executable, "-m", "stream", "worker"]
        with os.fdopen(handle, "wb") as log:
            # A session of its own: Ctrl-C reaches us alone, and we end it in good order.
            self._process = subprocess.Popen(  # noqa: S603
                command,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        """Of the worker's process."""
        return self._process.pid

    def check(self) -> None:
        """Raises EwsError with the end of the log when the worker has ended."""
        if (code := self._process.poll()) is not None:
            raise self.failure(f"the worker ended with exit code {code}")

    def failure(self, what: str) -> EwsError:
        """An error that shows the end of the worker's log and keeps the log for a closer look."""
        self.keep_log = True
        lines = self.log.read_text("utf-8", "replace").splitlines()[-12:]
        told = "\n  ".join(line[:400] for line in lines) or "(nothing)"
        return EwsError(f"{what}. The end of its log, all of it in {self.log}:\n  {told}")

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._process.terminate()
        try:
            self._process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if not self.keep_log:
            self.log.unlink(missing_ok=True)
