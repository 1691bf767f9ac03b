"""The view beside the job, on a real Kafka and a real Valkey: its loss slows nobody, and it catches up by itself."""

from __future__ import annotations

import json
import shutil
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import redis

from tests.integration.test_main_job import bring_trouble, settle
from tests.kafka import Broker, Message, Process, start_worker, wait_until
from tests.kafka.bank import encode, hold, message, text
from tests.kafka.broker import free_ports
from tests.kafka.job import Job
from tests.valkey import Valkey, running

pytestmark = pytest.mark.kafka


class Desk:
    """One job, its Valkey, and the views beside it."""

    def __init__(self, job: Job, valkey: Valkey, folder: Path) -> None:
        self.job = job
        self.valkey = valkey
        self._folder = folder
        self._started: list[Process] = []

    def run(self, *args: str, port: int = 0) -> Process:
        env = {**self.job.env, "EWS_REDIS_URL": self.valkey.url, "EWS_WEB_PORT": str(port)}
        process = start_worker(env, self._folder, f"view-{len(self._started)}", ("view", *args))
        self._started.append(process)
        return process

    def pictures(self) -> dict[str, Any]:
        """All that readers can see, by customer."""
        prefix = f"{self.job.settings().group}:view:"
        try:
            with self.valkey.client() as client:
                generation = (client.get(prefix + "current") or b"").decode()
                of = f"{prefix}{generation}:of:"
                return {
                    key.decode().removeprefix(of): json.loads(client.hget(key, "picture") or b"null")
                    for key in client.scan_iter(of + "*", count=1000)
                }
        except redis.RedisError:
            return {}

    def wait_for(self, customer: str, what: Callable[[dict[str, Any]], Any], why: str) -> None:
        wait_until(lambda: what(self.pictures().get(customer, {})), 60, f"{why}\n{self.tails()}", 0.2)

    def rebuilt(self) -> dict[str, Any]:
        """The pictures after `ews view --rebuild`."""
        process = self.run("--rebuild")
        assert process.wait(120) == 0, process.tail()
        return self.pictures()

    def tails(self) -> str:
        return "\n".join(process.tail(15) for process in self._started)

    def close(self) -> None:
        for process in self._started:
            process.kill()


@pytest.fixture
def desk(broker: Broker, prefix: str, tmp_path: Path) -> Iterator[Desk]:
    job = Job(broker, tmp_path, prefix)
    job.create_topics()
    with running(tmp_path / "valkey", durable=True) as valkey:
        own = Desk(job, valkey, tmp_path)
        yield own
        own.close()
        job.close()
        print(own.tails(), job.tails())


def answer(port: int, path: str) -> tuple[int, str]:
    """What a view's web port says; 0 where nobody answers."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()
    except OSError:
        return 0, ""


def test_valkey_dies_under_load_and_the_job_goes_on_and_the_pictures_catch_up(desk: Desk) -> None:
    """Twice: it comes back with its data, then without. Both times the pictures are those of a rebuild from the topics."""
    job, now = desk.job, datetime.now(UTC)
    bring_trouble(job, range(1, 16), now)
    worker = job.start()
    port, _ = free_ports(2)
    views = [desk.run(port=port), desk.run()]
    desk.wait_for("C-1", lambda it: it.get("signals") and it["known"], "the first pictures")
    wait_until(lambda: answer(port, "/ready")[0] == 200, 60, f"the view is ready\n{desk.tails()}")
    settle(job)  # or the job would tell of an erased customer's old trouble after the erasure

    desk.valkey.kill()
    bring_trouble(job, range(16, 40), now)
    later = datetime.now(UTC)
    opted_out = {
        "event_id": "out", "contact_id": "call", "customer_id": "C-3", "occurred_at": text(later), "direction": "inbound",
        "channel": "sms", "outcome": "opted_out",
    }  # fmt: skip
    job.produce("holds", [message(hold("C-1", "h1", later, "bereavement"), later)])
    job.produce("contact-outcomes", [message(opted_out, later)])
    job.produce("customers", [Message(-1, b"C-2", None, timestamp=int(later.timestamp() * 1000))])
    # The job has applied all of it while Valkey was away, and never complained.
    job.wait_applied(("accounts", "customers", "bounces", "holds", "contact-outcomes", "signals"), 90)
    assert worker.running
    assert not [line for line in worker.log().splitlines() if '"error"' in line or '"critical"' in line]
    wait_until(lambda: answer(port, "/ready")[0] == 503, 60, "the view says that it is not ready")
    assert "no answer from redis://" in answer(port, "/ready")[1]
    assert "ews_view_redis_up 0.0" in answer(port, "/metrics")[1]
    assert "ews_memory_limit_bytes 0.0" not in answer(port, "/metrics")[1], "what uses nothing of its limit alarms nobody"
    assert all(view.running for view in views)

    desk.valkey.start()
    desk.wait_for("C-1", lambda it: [each["kind"] for each in it.get("holds", ())] == ["bereavement"], "the hold shows")
    desk.wait_for("C-3", lambda it: it.get("channels", {}).get("sms", {}).get("open") is False, "the opt-out shows")
    wait_until(lambda: "C-2" not in desk.pictures(), 60, "the erased customer is gone")
    wait_until(lambda: answer(port, "/ready")[0] == 200, 60, f"the view is ready again\n{desk.tails()}")
    worker.terminate()
    assert worker.wait(60) == 0
    rebuilt = desk.rebuilt()
    assert len(rebuilt) == 38
    assert "C-2" not in rebuilt
    wait_until(lambda: desk.pictures() == desk.rebuilt(), 90, "the pictures are those of a rebuild", 1)

    # The views went over to what was rebuilt, and follow on there.
    job.produce("holds", [message(hold("C-5", "h5", later), later)])
    desk.wait_for("C-5", lambda it: it.get("holds"), "the view follows in the new generation")

    desk.valkey.kill()
    for file in (desk.valkey.folder / "appendonlydir",):
        shutil.rmtree(file)
    desk.valkey.start()
    desk.wait_for("C-5", lambda it: it.get("holds"), "all is built anew by itself")
    assert desk.pictures() == desk.rebuilt()
    assert all(view.running for view in views)

    told = desk.run("show", "C-1")
    assert told.wait(60) == 0
    assert "There has been a death" in told.output()
    asked = desk.run("show", "C-5", "-o", "json")
    assert asked.wait(60) == 0
    assert json.loads(asked.output())["picture"]["holds"][0]["kind"] == "cease"
    nobody = desk.run("show", "C-2")
    assert nobody.wait(60) == 1
    assert "no picture of this customer" in nobody.log()
    for view in views:
        view.terminate()
        assert view.wait(60) == 0


def test_a_zombie_that_wakes_changes_nothing_and_a_bad_record_stops_nobody(desk: Desk) -> None:
    now = datetime.now(UTC)
    first = desk.run()
    desk.job.produce("holds", [message(hold("C-1", "h1", now), now)])
    desk.wait_for("C-1", lambda it: it.get("holds"), "the first view writes")
    first.pause()
    second = desk.run()
    lifted = {**hold("C-1", "h1", now), "event_id": "h1-over", "occurred_at": text(datetime.now(UTC)), "lifted_at": text(now)}
    desk.job.produce("holds", [(b"C-1", b"not json"), (b"C-1", encode({**lifted, "customer_id": "C-9"})), message(lifted, now)])
    desk.wait_for("C-1", lambda it: it and not it["holds"] if it else True, "the second view writes")
    first.resume()
    desk.job.produce("holds", [message(hold("C-1", "h2", datetime.now(UTC)), now)])
    desk.wait_for("C-1", lambda it: [each["hold_id"] for each in it.get("holds", ())] == ["hold-h2"], "both go on")
    assert first.running
    assert second.running
    assert desk.pictures() == desk.rebuilt()
