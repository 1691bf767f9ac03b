"""What docker-compose.yml runs does run: its own commands and settings, on the tests' Kafka."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from tests.deploy.test_compose import OURS
from tests.kafka import Broker, Process
from tests.kafka.client import wait_until


@pytest.mark.kafka
def test_its_commands_bring_signals_out(broker: Broker, prefix: str, tmp_path: Path) -> None:
    started: list[Process] = []

    def start(name: str, **overrides: str) -> Process:
        service = OURS[name]
        # Compose's own escape, and tini, which is not needed here.
        words = [str(word).replace("$$", "$") for word in (*service.get("entrypoint", ["ews"]), *service["command"])]
        words = words[2:] if words[0] == "tini" else words
        env = {key: value for key, value in os.environ.items() if not key.startswith("EWS_")}
        env |= {key: str(value) for key, value in service["environment"].items()}
        assert env["EWS_BOOTSTRAP"] == "kafka:9092"
        env |= {"EWS_BOOTSTRAP": broker.bootstrap, "EWS_TOPIC_PREFIX": prefix, "EWS_WEB_PORT": "0"} | overrides
        env["PATH"] = f"{Path(sys.executable).parent}:{env['PATH']}"
        started.append(Process(words, tmp_path, name, env))
        return started[-1]

    try:
        topics = start("topics")
        assert topics.wait(60) == 0, topics.tail()
        workers = [start(name) for name in ("worker-0", "worker-1")]
        simulator = start("simulator", EWS_SIMULATE_CUSTOMERS="40", EWS_SIMULATE_RATE="0")
        assert simulator.wait(120) == 0, simulator.tail()
        wait_until(lambda: broker.client.read_flat(f"{prefix}signals"), 120, "signals", 0.5)
        wait_until(lambda: broker.client.read_flat(f"{prefix}nudges"), 120, "nudges", 0.5)
        wait_until(lambda: all('"worker up"' in worker.log() for worker in workers), 120, "both workers up", 0.5)
        assert [worker.stop() for worker in workers] == [0, 0]
    finally:
        for process in started:
            process.kill()
            print(f"--- {process.stderr_file.name}\n{process.tail(10)}")
