"""A worker that hangs is seen: not ready first, then the reason in its log, then exit code 1. One that only has nothing to do,
or much, is left alone. On a real Kafka, with the toy job (tests/kafka/toy.py), which can be made to hang.
"""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from stream.engine import checks
from stream.engine.progress import WORDS, Waiting
from tests.integration.conftest import MakeBroker
from tests.kafka import Broker, Process, wait_until
from tests.kafka.broker import free_ports
from tests.kafka.job import Job
from tests.kafka.toy import HANG, expected

pytestmark = pytest.mark.kafka

LIMIT = 4.0
PATIENT = 8.0
"""The limit where the toy keeps the loop busy on purpose: a machine that is slow is not to look like one that hangs."""


class Watched(Job):
    """A toy job whose worker may stand still for `LIMIT` seconds, and tells of itself on a port of its own."""

    def __init__(self, broker: Broker, folder: Path, prefix: str = "", **env: str) -> None:
        self.port = free_ports(1)[0]
        more = {"EWS_STALL_SECONDS": str(LIMIT), "EWS_WEB_PORT": str(self.port), **env}
        super().__init__(broker, folder, prefix, ("-m", "tests.kafka.toy"), **more)

    def page(self, name: str) -> tuple[int, Any]:
        """Status and body of a page; (0, None) where nothing answers."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/{name}", timeout=3) as answer:
                return answer.status, json.loads(answer.read())
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.loads(error.read())
        except (OSError, ValueError):
            return 0, None

    def ready(self) -> bool:
        return self.page("ready")[0] == 200

    def start_ready(self, **env: str) -> Process:
        worker = self.start(**env)
        try:
            wait_until(self.ready, 60, "the worker is ready")
        except AssertionError as late:
            raise AssertionError(f"{late}: {self.page('ready')}\n{self.tails()}") from None
        return worker

    def why_not_ready(self, worker: Process) -> dict[str, Any]:
        """The first reason that /ready gives, once it gives one."""

        def told() -> dict[str, Any] | None:
            status, body = self.page("ready")
            return body["because"][0] if status == 503 else None

        try:
            return wait_until(told, 30, "not ready")
        except AssertionError as late:
            raise AssertionError(f"{late}\n{worker.tail()}") from None


@pytest.fixture
def job(broker: Broker, prefix: str, tmp_path: Path) -> Iterator[Watched]:
    """A toy job on the shared broker, its topics made."""
    toy = Watched(broker, tmp_path, prefix)
    toy.create_topics()
    yield toy
    toy.close()
    print(toy.tails())


def last_words(worker: Process) -> list[dict[str, Any]]:
    return [json.loads(line) for line in worker.log().splitlines() if line.startswith("{")][-2:]


@pytest.mark.parametrize("waiting", [Waiting.COMMIT, Waiting.APPLY, Waiting.LOOP])
def test_a_worker_that_hangs_is_not_ready_says_why_and_ends(job: Watched, waiting: Waiting) -> None:
    """A lock that nobody releases, in a commit or before a chunk is applied; and a loop that never comes round."""
    worker = job.start_ready()
    job.produce("payments", [(b"A0001", b"x")])
    job.wait_applied(["payments"])
    job.produce("payments", [(b"A0001", HANG + waiting.value.encode()), (b"A0001", b"x")])
    if waiting is not Waiting.LOOP:
        time.sleep(1)  # the record that asks for it is applied itself
        job.produce("payments", [(b"A0001", b"x")])
    reason = job.why_not_ready(worker)
    assert reason["reason"] == waiting.value
    assert reason["stage"] == "accounts"
    assert job.page("live")[0] == (503 if waiting is Waiting.LOOP else 200)
    assert worker.wait(60) == 1
    stalled, end = last_words(worker)
    assert stalled["event"] == "stalled"
    assert "x" not in stalled
    assert (end["event"], end["error"]) == ("fail-stop", "StalledError")
    assert reason["task"] in end["message"]
    assert WORDS[waiting] in end["message"]
    stacks = [line for task in stalled["tasks"] for line in task["stack"]] + stalled["threads"]["MainThread"]
    assert any("tests/kafka/toy.py" in line for line in stacks), stacks


def test_a_kernel_that_never_returns_ends_the_worker_too(job: Watched) -> None:
    """It holds up every thread of Python's: nothing answers, and the last timer ends the process."""
    worker = job.start_ready()
    job.produce("payments", [(b"A0001", HANG + b"interpreter")])
    wait_until(lambda: not job.ready(), 30, "not ready")
    assert worker.wait(60) == 1
    assert "Timeout" in worker.log()
    assert "tests/kafka/toy.py" in worker.log()


def test_a_fence_that_never_opens_ends_the_worker(job: Watched) -> None:
    worker = job.start(TOY_HANG="fence")
    assert worker.wait(60) == 1
    _, end = last_words(worker)
    assert WORDS[Waiting.FENCE] in end["message"]


def test_a_worker_that_the_group_does_not_let_in_ends(job: Watched) -> None:
    """A frozen worker whose session lasts for long: the group waits for it, and gives nobody anything."""
    frozen = job.start("frozen", EWS_SESSION_TIMEOUT_MS="300000", EWS_WEB_PORT="0")
    wait_until(lambda: '"task open"' in frozen.log(), 60, "the first worker owns tasks")
    frozen.pause()
    worker = job.start()
    assert job.why_not_ready(worker)["reason"] == "group"
    assert worker.wait(60) == 1
    _, end = last_words(worker)
    assert WORDS[Waiting.GROUP] in end["message"]


def test_idle_topics_are_no_alarm(job: Watched) -> None:
    worker = job.start_ready(EWS_CLOCK="events")
    job.produce("payments", [(b"A%d" % n, b"x") for n in range(40)])
    job.wait_applied(["payments"])
    deadline = time.monotonic() + 2 * LIMIT
    while time.monotonic() < deadline:
        assert job.page("ready") == (200, {"ready": True, "because": []})
        time.sleep(0.2)
    assert worker.running
    assert "no progress" not in worker.log()


def test_a_long_restore_that_moves_is_no_alarm(job: Watched) -> None:
    job.produce("payments", [(b"K%06d" % i, b"x") for i in range(120_000)])
    worker = job.start_ready()
    job.wait_applied(["payments"])
    worker.stop()
    started = time.monotonic()
    worker = job.start_ready(TOY_RESTORE_SECONDS="0.4", EWS_STALL_SECONDS=str(PATIENT))
    assert time.monotonic() - started > PATIENT
    assert worker.running


def test_a_slow_backlog_that_moves_is_no_alarm(job: Watched) -> None:
    keys = [b"A%04d" % (i % 300) for i in range(6_000)]
    job.produce("payments", [(key, b"x") for key in keys])
    job.start(TOY_APPLY_SECONDS="0.04", EWS_CHUNK_RECORDS="20", EWS_CLOCK="events", EWS_STALL_SECONDS=str(PATIENT))
    started = time.monotonic()
    job.wait_for("signals", len(expected(keys)), 120)
    assert time.monotonic() - started > PATIENT
    assert job.workers[0].running


def test_brokers_that_are_away_are_waited_for(make_broker: MakeBroker, tmp_path: Path) -> None:
    """Not ready at once, for nothing can be read; but a restart would not bring them back, so the worker stays and goes on."""
    own = make_broker()
    # The broker forgets neither member nor transaction while it stands still.
    patient = {"EWS_SESSION_TIMEOUT_MS": "60000", "EWS_TRANSACTION_TIMEOUT_MS": "60000", "EWS_CLOCK": "events"}
    job = Watched(own, tmp_path / "job", **patient)
    try:
        job.create_topics()
        worker = job.start_ready()
        keys = [b"A%04d" % (i % 300) for i in range(6_000)]
        job.produce("payments", [(key, b"x") for key in keys[:3_000]])
        job.wait_for("signals", len(expected(keys[:3_000])))
        own.pause()
        assert job.why_not_ready(worker)["reason"] == "brokers"
        time.sleep(2 * LIMIT)
        assert worker.running
        assert not job.ready()
        own.resume()
        wait_until(job.ready, 60, "ready again")
        job.produce("payments", [(key, b"x") for key in keys[3_000:]])
        assert {record.value for record in job.wait_for("signals", len(expected(keys)))} == expected(keys)
        assert worker.running
    finally:
        own.resume()
        job.close()
        print(job.tails())


def test_a_leader_elected_anew_is_asked_at_once(make_broker: MakeBroker, tmp_path: Path) -> None:
    """librdkafka would ask for five minutes in the name of the one it knew; and what nobody tells makes a worker not ready."""
    own = make_broker()
    job = Job(own, tmp_path)
    job.create_topics()
    admin, ends = checks.Admin(job.settings()), {("payments", 0): 0, ("journal", 1): 0}
    wait_until(lambda: admin.ends(ends, 5) == ends, 60, "the leaders tell")
    own.restart()
    wait_until(lambda: admin.ends(ends, 5) == ends, 60, "they tell again")


def test_the_status_page_tells_of_every_task_and_of_no_customer(job: Watched) -> None:
    job.start_ready()
    job.produce("payments", [(b"CUSTOMER-SECRET", b"x")])
    job.wait_applied(["payments"])
    wait_until(lambda: all(task["lag_records"] == 0 for task in job.page("status")[1]["tasks"]), 30, "no lag")
    status, body = job.page("status")
    assert status == 200
    assert body["ready"]
    assert body["in_group"]
    assert [(task["stage"], task["partition"], task["state"]) for task in body["tasks"]] == [
        (stage, partition, "open") for stage in ("accounts", "customers") for partition in range(4)
    ]
    assert "SECRET" not in json.dumps(body)
