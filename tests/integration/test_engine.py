"""The engine on a real Kafka, with a job so small that its right output is obvious (tests/kafka/toy.py)."""

from __future__ import annotations

import asyncio
import random
import signal
import socket
import time
import urllib.request
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from aiokafka import AIOKafkaProducer, TopicPartition
from confluent_kafka import Producer

from stream.engine import checkpoint, rerun
from stream.engine.partitioner import partition_of
from tests.integration.conftest import MakeBroker
from tests.kafka import Broker, Message, Process, wait_until
from tests.kafka.broker import COMPACT_NOW
from tests.kafka.cluster import Cluster
from tests.kafka.job import PARTITIONS, Job
from tests.kafka.toy import BAD, expected, stages

pytestmark = pytest.mark.kafka

TOY = ("-m", "tests.kafka.toy")
STALL = 3
"""A short limit, in seconds, where nothing may be taken for a stall."""


@pytest.fixture
def job(broker: Broker, prefix: str, tmp_path: Path) -> Iterator[Job]:
    """A toy job on the shared broker, its topics made."""
    toy = Job(broker, tmp_path, prefix, TOY)
    toy.create_topics()
    yield toy
    toy.close()
    print(toy.tails())


def opened(worker: Process) -> bool:
    """Whether the worker owns a task; AssertionError where it has ended instead."""
    assert worker.running, worker.tail()
    return '"task open"' in worker.log()


def keys(count: int, seed: int = 1) -> list[bytes]:
    chooser = random.Random(seed)
    return [b"A%04d" % chooser.randrange(300) for _ in range(count)]


def produce(job: Job, chosen: list[bytes]) -> None:
    job.produce("payments", [(key, b"x") for key in chosen])


def assert_exact(job: Job, chosen: list[bytes], timeout: float = 60) -> None:
    """Every signal once, none more."""
    want = expected(chosen)
    got = [record.value for record in job.wait_for("signals", len(want), timeout)]
    assert len(got) == len(set(got)), "a signal came twice"
    assert set(got) == want
    job.check_journal()


def test_stopping_in_the_middle_leaves_exact_outputs(job: Job) -> None:
    chosen = keys(20_000)
    produce(job, chosen[:10_000])
    first = job.start()
    job.wait_for("signals", 100)
    first.terminate()
    assert first.wait(30) == 0
    produce(job, chosen[10_000:])
    job.start()
    assert_exact(job, chosen)


def test_kill_9_in_the_middle_leaves_exact_outputs(job: Job) -> None:
    chosen = keys(30_000)
    produce(job, chosen[:15_000])
    for _ in range(3):
        worker = job.start()
        wait_until(partial(opened, worker), 60, "tasks open")
        time.sleep(random.Random(len(job.workers)).uniform(0.05, 0.4))
        worker.kill()
    produce(job, chosen[15_000:])
    job.start()
    assert_exact(job, chosen)


def test_a_second_worker_joins_and_leaves(job: Job) -> None:
    chosen = keys(40_000)
    first = job.start()
    produce(job, chosen[:10_000])
    job.wait_for("signals", 100)
    second = job.start()
    wait_until(partial(opened, second), 60, "the second worker owns tasks")
    produce(job, chosen[10_000:20_000])
    job.wait_for("signals", len(expected(chosen[:20_000])))
    second.terminate()
    assert second.wait(30) == 0
    produce(job, chosen[20_000:])
    assert_exact(job, chosen)
    assert first.running
    # The tasks that stayed were not restored again.
    assert first.log().count('"task open"') < 16


def test_a_zombie_that_wakes_up_is_fenced(job: Job) -> None:
    chosen = keys(20_000)
    zombie = job.start()
    produce(job, chosen[:5_000])
    job.wait_for("signals", 100)
    zombie.pause()
    job.start()
    produce(job, chosen[5_000:])
    job.wait_for("signals", len(expected(chosen)))
    zombie.resume()
    time.sleep(3)
    assert_exact(job, chosen)


def test_a_refused_output_batch_aborts_all_of_its_transaction(job: Job) -> None:
    """A batch the broker refuses: no row, no checkpoint, no signal of that transaction is visible, and the worker stops."""
    chosen = keys(3_000)
    job.client.set_config(job.topic("signals"), {"max.message.bytes": "100"})
    produce(job, chosen)
    # The check at the start sees it ...
    worker = job.start()
    assert worker.wait(60) == 3
    assert "max.message.bytes" in worker.log()
    job.client.set_config(job.topic("signals"), {"max.message.bytes": "1100000"})
    worker = job.start()
    job.wait_for("signals", len(expected(chosen)))
    # ... but a broker can change its mind under a running worker.
    job.client.set_config(job.topic("signals"), {"max.message.bytes": "100"})
    before = len(job.read(job.changelog.removeprefix(job.env["EWS_TOPIC_PREFIX"])))
    more = keys(3_000, seed=2)
    produce(job, more)
    assert worker.wait(60) == 1
    assert "MessageSizeTooLarge" in worker.log()
    assert len(job.read("signals")) == len(expected(chosen))
    assert len(job.read(job.changelog.removeprefix(job.env["EWS_TOPIC_PREFIX"]))) - before < 3_000
    job.client.set_config(job.topic("signals"), {"max.message.bytes": "1100000"})
    job.start()
    assert_exact(job, chosen + more)


def test_a_topic_made_anew_under_a_checkpoint_stops_the_worker(job: Job) -> None:
    produce(job, keys(2_000))
    worker = job.start()
    job.wait_applied(["payments"])
    worker.terminate()
    worker.wait(30)
    job.client.delete_topic(job.topic("payments"))
    job.create_topics()
    produce(job, keys(4_000))
    worker = job.start()
    assert worker.wait(60) == 3
    assert "deleted and created again" in worker.log()


def test_a_topic_made_anew_under_a_running_worker_stops_it(job: Job) -> None:
    produce(job, keys(2_000))
    worker = job.start()
    job.wait_applied(["payments"])
    job.client.delete_topic(job.topic("payments"))
    job.create_topics()
    assert worker.wait(90) == 3, worker.tail()


def test_records_that_expired_unread_stop_the_worker(job: Job) -> None:
    produce(job, keys(2_000))
    worker = job.start()
    job.wait_applied(["payments"])
    worker.terminate()
    worker.wait(30)
    produce(job, keys(2_000))
    job.client.delete_records(
        job.topic("payments"), dict(enumerate(job.client.end_offsets(job.topic("payments"))))
    )
    worker = job.start()
    assert worker.wait(60) == 3
    assert "expired before they were read" in worker.log()


def test_partitions_added_under_a_running_worker_stop_it(job: Job) -> None:
    """Keys would lie elsewhere from then on: their state with one worker, their events with another."""
    produce(job, keys(2_000))
    worker = job.start()
    job.wait_applied(["payments"])
    job.client.add_partitions(job.topic("payments"), PARTITIONS + 1)
    assert worker.wait(90) == 3, worker.tail()
    assert "keys lie elsewhere now" in worker.log()
    worker = job.start()
    assert worker.wait(60) == 3
    assert "partition counts differ" in worker.log()


def test_partitions_added_to_all_topics_under_a_checkpoint_stop_the_worker(job: Job) -> None:
    produce(job, keys(2_000))
    worker = job.start()
    job.wait_applied(["payments"])
    worker.terminate()
    worker.wait(30)
    prefix = job.env["EWS_TOPIC_PREFIX"]
    for topic in [name for name in job.client.topics() if name.startswith(prefix) and name != f"{prefix}configs"]:
        job.client.add_partitions(topic, PARTITIONS + 1)
    worker = job.start()
    assert worker.wait(60) == 3
    assert f"the state was made with {PARTITIONS} partitions, the topics have {PARTITIONS + 1}" in worker.log()


def test_missing_topics_are_told_with_the_command_that_makes_them(broker: Broker, prefix: str, tmp_path: Path) -> None:
    toy = Job(broker, tmp_path, prefix, TOY)
    worker = toy.start()
    assert worker.wait(60) == 3
    assert "ews topics create" in worker.log()


@pytest.mark.parametrize(
    ("topic", "config", "words"),
    [
        ("payments", {"cleanup.policy": "compact"}, "cleanup.policy is compact, must be delete"),
        ("accounts", {"cleanup.policy": "delete"}, "cleanup.policy is delete, must be compact"),
        ("journal", {"retention.ms": "60000"}, "retention.ms is 60000"),
    ],
)
def test_a_topic_with_the_wrong_settings_is_refused_at_the_start(
    job: Job, topic: str, config: dict[str, str], words: str
) -> None:
    job.client.set_config(job.topic(topic), config)
    worker = job.start()
    assert worker.wait(60) == 3
    assert words in worker.log()


def test_a_restore_longer_than_the_session_timeout_keeps_the_membership(job: Job) -> None:
    chosen = [b"K%06d" % i for i in range(120_000)]
    produce(job, chosen)
    worker = job.start()
    job.wait_applied(["payments"])
    worker.terminate()
    worker.wait(30)
    # Four tasks, six batches of rows and more each, 0.3 s a batch: longer than the session's six seconds.
    started = time.monotonic()
    worker = job.start(TOY_RESTORE_SECONDS="0.3")
    wait_until(lambda: worker.log().count('"task open"') == 8, 120, "all tasks open")
    assert time.monotonic() - started > 7
    assert worker.log().count('"assigned"') == 1
    more = [b"K%06d" % i for i in range(1000) for _ in range(9)]
    produce(job, more)
    assert_exact(job, chosen + more)


def test_state_comes_back_from_a_compacted_changelog(job: Job) -> None:
    job.client.set_config(job.changelog, COMPACT_NOW)
    chosen = keys(6_000)
    worker = job.start()
    for part in range(6):
        produce(job, chosen[part * 1000 : part * 1000 + 1000])
        job.wait_for("signals", len(expected(chosen[: part * 1000 + 1000])))
        time.sleep(0.4)
    written = sum(job.client.end_offsets(job.changelog))

    def compacted() -> bool:
        return len(job.client.read_flat(job.changelog)) < written / 3

    wait_until(compacted, 60, "compaction", 0.5)
    worker.kill()
    more = keys(5_000, seed=3)
    job.start()
    produce(job, more)
    assert_exact(job, chosen + more)


def test_a_task_waits_for_what_lies_behind_an_open_transaction(job: Job) -> None:
    """Readers of committed records do not come to it, and whoever goes on without it applies what was applied."""
    chosen = keys(4_000)
    produce(job, chosen[:2_000])
    first = job.start()
    job.wait_for("signals", len(expected(chosen[:2_000])))
    first.stop()
    producer = Producer({**job.client.config, "transactional.id": "somebody", "transaction.timeout.ms": 60_000})
    producer.init_transactions(30)
    producer.begin_transaction()
    producer.produce(job.changelog, b"1", b"A0001", 0)
    producer.flush(30)
    worker = job.start(EWS_STALL_SECONDS=str(STALL))
    wait_until(lambda: "a transaction does not end" in worker.log(), 60, "the wait is told", 0.2)
    produce(job, chosen[2_000:])
    wait_until(lambda: worker.log().count('"task open"') == 2 * PARTITIONS - 1, 60, "the other tasks are open", 0.2)
    time.sleep(3 * STALL)
    assert worker.running, "a task that may not read the ticks, which the waiting one reads too, was taken for stalled"
    worker.kill()
    worker = job.start()
    wait_until(lambda: "a transaction does not end" in worker.log(), 60, "the wait is told", 0.2)
    producer.abort_transaction(30)
    assert_exact(job, chosen)


async def leave_open(job: Job, task: str, *reached: tuple[str, int]) -> None:
    """Leaves records of a task's producer undecided, of which the transaction coordinator knows nothing."""
    producer = AIOKafkaProducer(bootstrap_servers=job.broker.bootstrap, transactional_id=f"{job.settings().group}-{task}")
    await producer.start()
    await producer.begin_transaction()
    for topic, partition in reached:
        # As if the coordinator had been told of the partition, and had decided.
        producer._txn_manager._txn_partitions.add(TopicPartition(topic, partition))
        await producer.send_and_wait(topic, b"left", key=b"A0001", partition=partition)
    producer._txn_manager._txn_partitions.clear()
    await producer.stop()


def test_what_kafka_left_open_of_a_task_is_aborted_before_it_goes_on(make_broker: MakeBroker, tmp_path: Path) -> None:
    """Else its next commit would commit the records that are left along with its own."""
    broker = make_broker(settings={"transaction.partition.verification.enable": "false"})
    job = Job(broker, tmp_path, "left-", TOY, EWS_TRANSACTION_TIMEOUT_MS="2000")
    job.create_topics()
    try:
        chosen = keys(4_000)
        produce(job, chosen[:2_000])
        first = job.start()
        job.wait_for("signals", len(expected(chosen[:2_000])))
        first.kill()
        signals, journal = job.topic("signals"), job.topic("journal")
        asyncio.run(leave_open(job, "accounts-0", (signals, 0), (signals, 1), (journal, 0), (job.changelog, 0)))
        second = job.start()
        produce(job, chosen[2_000:])
        wait_until(lambda: second.log().count('"task open"') == 2 * PARTITIONS, 60, "all tasks are open", 0.2)
        assert second.log().count("Kafka left a transaction open") == 1
        assert_exact(job, chosen)
    finally:
        job.close()
        print(job.tails())


def test_a_compaction_in_the_middle_of_a_restore_takes_nothing_away(job: Job) -> None:
    """Rows that the restore has not read yet are superseded and go while it reads; the later ones still say everything."""
    job.client.set_config(job.changelog, COMPACT_NOW | {"min.compaction.lag.ms": "86400000"})
    names = [b"K%05d" % i for i in range(8_000)]
    worker = job.start()
    for _ in range(6):
        produce(job, names)
        job.wait_applied(["payments"])
    worker.terminate()
    worker.wait(30)
    written = len(job.client.read_flat(job.changelog))
    assert written > 4 * len(names)
    worker = job.start(TOY_RESTORE_SECONDS="1.5")
    wait_until(lambda: '"assigned"' in worker.log(), 60, "partitions assigned")
    job.client.set_config(job.changelog, COMPACT_NOW)
    wait_until(lambda: len(job.client.read_flat(job.changelog)) < written / 2, 60, "compaction", 0.3)
    assert worker.log().count('"task open"') < 8, "it was still restoring"
    wait_until(lambda: worker.log().count('"task open"') == 8, 120, "all tasks open")
    produce(job, names * 4)
    assert_exact(job, names * 10)


def test_two_workers_with_one_instance_id_are_noticed(job: Job) -> None:
    first = job.start(EWS_INSTANCE_ID="same")
    wait_until(partial(opened, first), 60, "the first worker owns tasks")
    job.start(EWS_INSTANCE_ID="same")

    def noticed() -> Process | None:
        for worker in [w for w in job.workers if not w.running]:
            if worker.returncode == 3:
                return worker
            job.workers.remove(worker)  # fenced by its twin: a supervisor starts it again
            job.start(f"again-{time.monotonic_ns()}", EWS_INSTANCE_ID="same")
        return None

    stopped = wait_until(noticed, 90, "one of the two says why it stops", 0.3)
    assert "EWS_INSTANCE_ID=same" in stopped.log()


def test_too_many_bad_records_stop_the_worker_before_they_are_poured_out(job: Job) -> None:
    job.produce("payments", [(b"A0001", b"x")] * 1_500)
    worker = job.start()
    job.wait_applied(["payments"])
    job.produce("payments", [(b"A0001", BAD)] * 1_500)
    assert worker.wait(60) == 1
    assert "EWS_DEAD_LETTER_LIMIT" in worker.log()
    assert len(job.read("dead-letters")) < 1_500
    # It stays stopped: the crossing transaction is never written.
    before = len(job.read("dead-letters"))
    worker = job.start()
    assert worker.wait(60) == 1
    assert len(job.read("dead-letters")) == before
    worker = job.start(EWS_DEAD_LETTER_LIMIT="1")
    job.wait_for("dead-letters", 1_500)


def test_a_tick_is_written_only_for_tasks_that_are_caught_up(job: Job) -> None:
    wait_until(partial(opened, job.start()), 60, "tasks open")
    wait_until(lambda: len(job.read("ticks")) >= 16, 60, "ticks", 0.3)
    positions = job.applied()
    assert positions["ticks", 0] >= 0
    worker = job.workers[0]
    worker.terminate()
    assert worker.wait(30) == 0
    silent = len(job.read("ticks"))
    job.start(EWS_CLOCK="events")
    produce(job, keys(3_000))
    job.wait_for("signals", 50)
    time.sleep(2)
    assert len(job.read("ticks")) == silent


def test_a_broker_that_goes_away_and_comes_back_costs_nothing(make_broker: MakeBroker, tmp_path: Path) -> None:
    own = make_broker()
    toy = Job(own, tmp_path / "job", program=TOY)
    try:
        toy.create_topics()
        chosen = keys(20_000)
        worker = toy.start()
        produce(toy, chosen[:10_000])
        toy.wait_for("signals", 100)
        own.kill()
        own.restart()
        produce(toy, chosen[10_000:])
        deadline = time.monotonic() + 90
        while len(toy.read("signals")) < len(expected(chosen)) and time.monotonic() < deadline:
            if not worker.running:  # fail-stop is allowed; the supervisor is us
                assert worker.returncode == 1, worker.tail()
                worker = toy.start()
            time.sleep(0.5)
        assert_exact(toy, chosen)
    finally:
        toy.close()
        print(toy.tails())


def test_partitions_without_a_leader_are_waited_out_or_stop_the_worker_and_nothing_is_lost(tmp_path: Path) -> None:
    """Topics that lie on one broker each, and that broker is gone for a while; the other two go on.

    It goes in a quiet moment: Kafka may leave a commit open whose partition loses its only replica in the middle of it, and then
    a person must end it (docs/guarantees.md).
    """
    with Cluster(tmp_path / "brokers", 3) as cluster:
        toy = Job(cluster, tmp_path / "job", program=TOY, EWS_CLOCK="events")
        try:
            toy.create_topics()
            chosen = keys(20_000)
            produce(toy, chosen[:10_000])
            toy.start()
            assert_exact(toy, chosen[:10_000])
            time.sleep(1)
            node = wait_until(lambda: cluster.leader(toy.topic("payments"), 0), 30, "the leader")
            leaders = [cluster.leader(toy.topic("payments"), partition) for partition in range(PARTITIONS)]
            homeless = {key for key in set(chosen) if leaders[partition_of(key, PARTITIONS)] == node}
            node.kill()
            gone = time.monotonic()

            def supervised() -> bool:
                if not toy.workers[-1].running:
                    assert toy.workers[-1].returncode == 1, toy.workers[-1].tail()
                    toy.start()
                return time.monotonic() - gone > 15

            produce(toy, [key for key in chosen[10_000:] if key not in homeless])
            wait_until(supervised, 60, "a while without that broker", 0.2)
            assert cluster.leader(toy.topic("payments"), 0) is None
            cluster.restart(node)
            produce(toy, [key for key in chosen[10_000:] if key in homeless])
            wait_until(lambda: supervised() and len(toy.read("signals")) >= len(expected(chosen)), 120, "all signals", 0.5)
            assert_exact(toy, chosen)
        finally:
            toy.close()
            print(toy.tails())


def test_the_checkpoint_is_the_last_record_of_every_commit(job: Job) -> None:
    produce(job, keys(3_000))
    worker = job.start()
    job.wait_applied(["payments"])
    worker.kill()
    for records in job.client.read_all(job.changelog).values():
        assert records, "every task has committed"
        assert records[-1].key == checkpoint.KEY
        state = checkpoint.decode(records[-1].value or b"")
        assert state.topic_ids["payments"] == job.client.topic_id(job.topic("payments"))


def test_sigint_stops_in_order_too(job: Job) -> None:
    worker = job.start()
    wait_until(partial(opened, worker), 60, "tasks open")
    worker._signal(signal.SIGINT)
    assert worker.wait(30) == 0


def test_a_changelog_made_anew_under_a_stopped_worker_stops_it(job: Job) -> None:
    """Without its state a task would read everything again, and say everything twice."""
    produce(job, keys(3_000))
    worker = job.start()
    job.wait_applied(["payments"])
    wait_until(lambda: max(job.client.committed(job.settings().group, job.topic("payments"))) > 0, 30, "group offsets")
    worker.terminate()
    worker.wait(30)
    said = len(job.read("signals"))
    job.client.delete_topic(job.changelog)
    job.create_topics()
    worker = job.start()
    assert worker.wait(60) == 3
    assert "holds no state" in worker.log()
    assert len(job.read("signals")) == said


def test_aborted_records_are_not_read_and_the_markers_at_the_end_of_an_input_are_passed(job: Job) -> None:
    """Else retention would one day overtake a position that has nothing more to read."""
    chosen = keys(3_000)
    produce(job, chosen)
    for partition in range(PARTITIONS):
        job.client.produce(job.topic("payments"), [Message(partition, b"A0001", b"x")] * 20, transaction="abort")
    worker = job.start()
    assert_exact(job, chosen)
    end = job.client.end_offsets(job.topic("payments"))[0]
    wait_until(lambda: job.applied()["payments", 0] == end, 30, "the position at the very end", 0.5)
    worker.terminate()
    worker.wait(30)
    job.client.delete_records(job.topic("payments"), {0: end})
    worker = job.start()
    wait_until(partial(opened, worker), 60, "tasks open")
    assert_exact(job, chosen)


def test_another_app_on_the_same_topics_keeps_its_own_state_and_journal(job: Job) -> None:
    chosen = keys(2_000)
    produce(job, chosen)
    worker = job.start()
    job.wait_for("signals", len(expected(chosen)))
    worker.terminate()
    worker.wait(30)
    job.env["EWS_APP"] = "second"
    job.create_topics()
    job.start()
    job.wait_for("signals", 2 * len(expected(chosen)))
    job.check_journal()
    second = job.settings()
    assert second.app == "second"
    said = [o for p in range(PARTITIONS) for a in rerun.replay(second, stages, p) for o in a.outputs if o.topic == "signals"]
    assert {output.value for output in said} == expected(chosen)
    assert len(said) == len(expected(chosen))


def test_metrics_are_served_on_loopback(job: Job) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    chosen = keys(3_000)
    produce(job, chosen)
    worker = job.start(EWS_WEB_PORT=str(port))
    job.wait_for("signals", len(expected(chosen)))

    def scraped() -> dict[str, float]:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as page:
            assert page.headers["Content-Type"].startswith("text/plain")
            lines = [line for line in page.read().decode().splitlines() if not line.startswith("#")]
        return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines)}

    def caught_up() -> dict[str, float] | None:
        found = scraped()
        return found if found.get('ews_lag_records{partition="0",stage="accounts",topic="payments"}') == 0 else None

    found = wait_until(caught_up, 30, "lag 0", 0.5)
    assert found['ews_tasks{state="open"}'] == 8
    assert found['ews_outputs_total{topic="signals"}'] == len(expected(chosen))
    assert found['ews_clock_timestamp_seconds{partition="0",stage="accounts"}'] > 1_700_000_000
    second = job.start("port-taken", EWS_WEB_PORT=str(port))
    assert second.wait(60) == 3
    assert "EWS_WEB_PORT" in second.log()
    assert worker.running
