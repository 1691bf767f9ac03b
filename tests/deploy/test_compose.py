"""docker-compose.yml: valid, pinned, bounded; and what it runs does run, on the tests' own Kafka."""

from __future__ import annotations

import http.server
import json
import re
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import jsonschema
import pytest
import typer
import yaml

from stream.cli import app
from stream.settings import Settings

ROOT = Path(__file__).parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text("utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = {name: service for name, service in SERVICES.items() if "build" in service}
COMMANDS = set(typer.main.get_command(app).commands)  # type: ignore[attr-defined]


def test_the_compose_file_is_valid_by_the_specifications_own_schema() -> None:
    """The schema is compose-spec's (Apache 2.0, see vendor/compose-spec.LICENSE)."""
    schema = json.loads((Path(__file__).parent / "vendor" / "compose-spec.json").read_text("utf-8"))
    jsonschema.Draft202012Validator(schema).validate(COMPOSE)


def test_everything_is_there() -> None:
    wanted = {"kafka", "valkey", "prometheus", "grafana", "topics", "worker-0", "worker-1", "simulator", "view"}
    assert set(SERVICES) == wanted


@pytest.mark.parametrize("name", SERVICES)
def test_every_service_is_pinned_bounded_and_closed(name: str) -> None:
    service = SERVICES[name]
    assert re.search(r":v?\d+\.\d+\.\d+(-[a-z]+)?$", service["image"])
    assert service["mem_limit"]
    assert service["cpus"]
    assert "no-new-privileges:true" in service["security_opt"]
    assert "healthcheck" in service
    assert "privileged" not in service
    for port in service.get("ports", ()):
        assert port.startswith("127.0.0.1:")
    for source in (str(volume).split(":")[0] for volume in service.get("volumes", ())):
        assert source in COMPOSE["volumes"] or source.startswith("./deploy/")


@pytest.mark.parametrize("name", OURS)
def test_what_is_ours_is_read_only_and_uses_settings_that_exist(name: str) -> None:
    service = OURS[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    for variable in service["environment"]:
        known = variable.removeprefix("EWS_").lower() in Settings.model_fields or variable.startswith("EWS_SIMULATE_")
        assert known, variable


@pytest.mark.parametrize("name", OURS)
def test_every_command_exists(name: str) -> None:
    words = " ".join(OURS[name]["command"]).replace("exec ews ", "").split()
    assert words[0] in COMMANDS


@pytest.mark.parametrize("name", [name for name, service in OURS.items() if service["restart"] != "no"])
def test_what_goes_on_running_is_asked_whether_it_is_ready(name: str) -> None:
    """By a command that runs: it says no where nobody answers."""
    command = OURS[name]["healthcheck"]["test"]
    assert command[:2] == ["CMD", "python"]
    assert "'/ready'" in command[-1]
    port = Settings.model_fields["web_port"].default
    assert f"'127.0.0.1', {port}," in command[-1]

    class Answer(http.server.BaseHTTPRequestHandler):
        status = 200

        def do_GET(self) -> None:
            self.send_response(self.status if self.path == "/ready" else 404)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Nothing is said."""

    def healthy(at: int) -> bool:
        words = [sys.executable, *command[2:-1], command[-1].replace(str(port), str(at))]
        return subprocess.run(words, check=False, capture_output=True).returncode == 0

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        assert healthy(server.server_port)
        Answer.status = 503
        assert not healthy(server.server_port)
        server.shutdown()
        free = server.server_port
    assert not healthy(free)


def test_two_workers_have_names_of_their_own() -> None:
    names = [OURS[name]["environment"]["EWS_INSTANCE_ID"] for name in ("worker-0", "worker-1")]
    assert len(set(names)) == 2


def test_the_broker_is_the_one_the_tests_run_on() -> None:
    pom = ElementTree.parse(ROOT / "tests" / "kafka" / "pom.xml")
    version = pom.findtext(".//{*}kafka.version")
    assert SERVICES["kafka"]["image"] == f"apache/kafka:{version}"


def test_no_password_is_written_down() -> None:
    text = (ROOT / "docker-compose.yml").read_text("utf-8")
    assert not re.search(r"(?im)^[^#]*(password|secret|token)\S*:\s*\S", text)


def test_prometheus_asks_the_workers_where_they_answer() -> None:
    told = yaml.safe_load((ROOT / "deploy" / "compose" / "prometheus.yml").read_text("utf-8"))
    targets = {target for job in told["scrape_configs"] for group in job["static_configs"] for target in group["targets"]}
    port = Settings.model_fields["web_port"].default
    assert targets == {f"{name}:{port}" for name in SERVICES if name.startswith("worker-")}
    assert all(OURS[target.split(":")[0]]["environment"]["EWS_WEB_HOST"] == "0.0.0.0" for target in targets)
