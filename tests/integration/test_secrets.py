"""What the job and its commands tell when things go wrong: neither a secret nor a customer's data, in no log and on no page."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from faust.web.base import DEBUG_BLUEPRINTS, DEFAULT_BLUEPRINTS, OPTIONAL_BLUEPRINTS
from mode.utils.imports import symbol_by_name

from tests.kafka import planted, wait_until
from tests.kafka.bank import account, customer, message, trouble
from tests.kafka.job import Job
from tests.kafka.planted import PASSWORD
from tests.kafka.security import make_certificates

SECRETS = {
    "EWS_SECURITY_PROTOCOL": "SASL_PLAINTEXT",
    "EWS_SASL_USERNAME": "ews",
    "EWS_SASL_PASSWORD": PASSWORD,
    "EWS_SSL_KEY_PASSWORD": f"{PASSWORD} of the key",
}


def ews(*command: str, code: str | None = None, **env: str) -> subprocess.CompletedProcess[str]:
    """A command as one runs it, or a program of that name; whatever it tells holds nothing planted."""
    program = ["-c", code] if code is not None else ["-m", "stream"]
    own: Mapping[str, str] = {name: value for name, value in os.environ.items() if not name.startswith("EWS_")}
    done = subprocess.run(
        [sys.executable, *program, *command], env={**own, **env}, capture_output=True, text=True, check=False, timeout=120
    )
    assert planted.marks(done.stdout + done.stderr) == []
    assert "Traceback" not in done.stderr
    return done


@pytest.mark.parametrize("form", ["table", "json"])
def test_settings_are_printed_with_their_secrets_masked(form: str) -> None:
    done = ews("config", "print", "-o", form, **SECRETS)
    assert done.returncode == 0
    assert done.stdout.count("********") == 2


def test_settings_that_are_wrong_are_told_without_the_secrets_beside_them(tmp_path: Path) -> None:
    certificates = make_certificates(tmp_path)
    key = serialization.load_pem_private_key(certificates.client_key.read_bytes(), None)
    locked = tmp_path / "locked.key"
    locking = serialization.BestAvailableEncryption(b"another")
    locked.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, locking))
    (tmp_path / "binary").write_bytes(b"\xff" + PASSWORD.encode())
    tls = {
        "EWS_SECURITY_PROTOCOL": "SASL_SSL", "EWS_SSL_CA_FILE": str(certificates.ca),
        "EWS_SSL_CERT_FILE": str(certificates.client), "EWS_SSL_KEY_FILE": str(locked),
    }  # fmt: skip
    for wrong, told in (
        ({"EWS_SASL_MECHANISM": f"{PASSWORD}"}, "EWS_SASL_MECHANISM"),
        ({"EWS_WEB_PORT": f"{PASSWORD}"}, "EWS_WEB_PORT"),
        ({"EWS_SASL_PASSWORD_FILE": str(tmp_path / "nowhere")}, "nowhere cannot be read: No such file"),
        ({"EWS_SASL_PASSWORD_FILE": str(tmp_path)}, "cannot be read: Is a directory"),
        ({"EWS_SASL_PASSWORD_FILE": str(tmp_path / "binary")}, "binary cannot be read: it is not text"),
        (tls, "the key's password cannot be used"),
    ):
        done = ews("topics", "check", **{**SECRETS, **wrong})
        assert done.returncode == 3, done.stderr
        assert told in done.stderr


def test_a_defect_of_a_command_is_told_by_its_place_alone() -> None:
    code = (
        "from stream import cli, settings\n"
        "def load(**given):\n"
        f"    secret = {PASSWORD!r}\n"
        "    raise KeyError(secret)\n"
        "settings.load = load\n"
        "cli.main()\n"
    )
    done = ews("config", "print", code=code)
    assert done.returncode == 1
    assert "KeyError" in done.stderr
    assert "<string>:4 load" in done.stderr


def test_a_defect_before_the_start_and_a_lost_task_are_told_by_their_places_alone() -> None:
    code = (
        "import asyncio, gc\n"
        "from stream import app, settings\n"
        "async def lost():\n"
        f"    raise ValueError({PASSWORD!r})\n"
        "def build(*_):\n"
        "    async def leave():\n"
        "        task = asyncio.ensure_future(lost())\n"
        "        await asyncio.sleep(0)\n"
        "        await asyncio.sleep(0)\n"
        "        del task\n"
        "        gc.collect()\n"
        "    asyncio.get_event_loop().run_until_complete(leave())\n"
        f"    raise LookupError({PASSWORD!r})\n"
        "app.build = build\n"
        "app.run(settings.load())\n"
    )
    done = ews(code=code)
    assert done.returncode == 1
    assert '"what": "Task exception was never retrieved"' in done.stderr
    assert "<string>:4 lost" in done.stderr
    assert '"fail-stop"' in done.stderr.splitlines()[-1]
    assert "<string>:13 build" in done.stderr.splitlines()[-1]


DYING = f"""
from stream import app, settings
from tests.kafka import toy

class Dying(toy.Counter):
    def apply(self, topic, records):
        if topic != "ticks" and records:
            payee = {PASSWORD!r}
            raise ValueError(payee, records[0].value)
        return super().apply(topic, records)

toy.Counter = Dying
app.run(settings.load(), toy.stages)
"""


@pytest.mark.kafka
def test_a_worker_that_dies_of_a_defect_tells_neither_texts_nor_locals(job: Job) -> None:
    now = datetime.now(UTC)
    job.program = ("-c", DYING)
    job.produce("customers", [message(customer("C-1", now, "Etc/GMT"), now)])
    worker = job.start()
    assert worker.wait(60) == 1
    last = worker.log().splitlines()[-1]
    assert '"ValueError"' in last
    assert "Traceback" not in worker.log()
    assert planted.marks(worker.log() + worker.output()) == []


@pytest.mark.kafka
def test_a_worker_serves_nothing_but_its_metrics_and_that_on_loopback(job: Job) -> None:
    """Faust's views of tables, partitions, statistics and graphs are off, whatever Faust's own variables say; no core file."""
    now = datetime.now(UTC)
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    views = ("TABLES", "ROUTER", "STATS", "GRAPH", "METRICS")
    opening = {"APP_DEBUG": "1", **{f"APP_WEB_{view}_ENABLED": "1" for view in views}}
    worker = job.start(EWS_WEB_PORT=str(port), WEB_BIND="0.0.0.0", WEB_HOST="0.0.0.0", WEB_PORT="1", **opening)
    job.produce("accounts", [message(account(1, now), now)])
    job.produce("bounces", [record for _, record in trouble(1, now)])
    job.wait_for("signals", 1)

    def answer(path: str) -> tuple[int, str]:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=20) as page:
                return page.status, page.read().decode()
        except urllib.error.HTTPError as refused:
            return refused.code, ""

    status, metrics = wait_until(lambda: answer("/metrics"), 20, "the page")
    assert status == 200
    assert "ews_events_total" in metrics
    assert planted.marks(metrics) == []
    shipped = [(prefix, symbol_by_name(name)) for prefix, name in (*DEFAULT_BLUEPRINTS, *DEBUG_BLUEPRINTS, *OPTIONAL_BLUEPRINTS)]
    paths = {prefix + route.uri for prefix, blueprint in shipped for route in blueprint.routes} - {"/"}
    assert len(paths) >= 5
    for path in paths:
        asked = re.sub(r"\{[^}]*\}|<[^>]*>", "x", path)
        assert answer(asked)[0] == 404, asked
    assert answer("/")[1].replace(" ", "") in ("", '{"status":"OK"}')
    assert listening(worker.pid) == {f"127.0.0.1:{port}"}
    limits = Path(f"/proc/{worker.pid}/limits").read_text()
    assert re.search(r"Max core file size +0 +0 ", limits)
    os.kill(worker.pid, signal.SIGTERM)
    assert worker.wait(60) == 0


def listening(pid: int) -> set[str]:
    """The addresses at which a process of this machine listens (TCP)."""
    sockets = {os.readlink(link) for link in Path(f"/proc/{pid}/fd").iterdir() if link.exists() or link.is_symlink()}
    found = set()
    for table, width in (("tcp", 8), ("tcp6", 32)):
        for line in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and f"socket:[{fields[9]}]" in sockets:
                host, port = fields[1].split(":")
                address = ".".join(str(int(host[i : i + 2], 16)) for i in (6, 4, 2, 0)) if width == 8 else f"[{host}]"
                found.add(f"{address}:{int(port, 16)}")
    return found
