"""The harness itself: what the other tests take for granted about the broker and the programs they start."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from confluent_kafka import KafkaException, Producer

from tests.integration.conftest import MakeBroker
from tests.kafka import Broker, Message, Process, Received, Security, wait_until
from tests.kafka.broker import COMPACT_NOW, Mechanism
from tests.kafka.planted import PASSWORD, PLANTED

pytestmark = pytest.mark.kafka


def values(records: Sequence[Received]) -> list[bytes | None]:
    return [record.value for record in records]


def test_what_is_written_is_read_back_whole_and_in_order(broker: Broker, prefix: str) -> None:
    topic = f"{prefix}in"
    broker.client.create_topics({topic: 2})
    first = Message(1, b"k", b"one", [("h", b"x"), ("h", b"y")], 1_700_000_000_123)
    broker.client.produce(topic, [first, Message(1, None, b"two"), (0, b"k", None)])
    read = broker.client.read_all(topic)
    assert values(read[1]) == [b"one", b"two"]
    assert values(read[0]) == [None]
    got = read[1][0]
    assert (got.key, got.headers, got.timestamp) == (b"k", (("h", b"x"), ("h", b"y")), 1_700_000_000_123)
    assert broker.client.end_offsets(topic) == [1, 2]


def test_the_key_decides_the_partition_as_kafkas_own_producer_would(broker: Broker, prefix: str) -> None:
    from stream.engine.partitioner import partition_of

    topic = f"{prefix}keys"
    broker.client.create_topics({topic: 4})
    keys = [b"A-%d" % i for i in range(40)]
    broker.client.produce(topic, [Message(-1, key, b"") for key in keys])
    read = broker.client.read_all(topic)
    assert {r.key: p for p, records in read.items() for r in records} == {k: partition_of(k, 4) for k in keys}


def test_an_aborted_transaction_is_seen_only_by_those_who_ask_for_it(broker: Broker, prefix: str) -> None:
    topic = f"{prefix}out"
    broker.client.create_topics({topic: 1})
    write = broker.client.produce
    write(topic, [Message(0, b"k", b"kept")], transaction="commit")
    write(topic, [Message(0, b"k", b"dropped")], transaction="abort")
    write(topic, [Message(0, b"k", b"kept too")], transaction="commit")
    assert values(broker.client.read_flat(topic)) == [b"kept", b"kept too"]
    assert values(broker.client.read_flat(topic, read_committed=False)) == [b"kept", b"dropped", b"kept too"]


def test_an_open_transaction_ends_the_reading_at_the_last_stable_record(broker: Broker, prefix: str) -> None:
    topic = f"{prefix}open"
    broker.client.create_topics({topic: 1})
    broker.client.produce(topic, [Message(0, b"k", b"before")])
    producer = Producer(broker.client.config | {"transactional.id": f"{prefix}open"})
    producer.init_transactions(60)
    producer.begin_transaction()
    producer.produce(topic, b"open", partition=0)
    assert producer.flush(60) == 0
    broker.client.produce(topic, [Message(0, b"k", b"after")])
    try:
        assert values(broker.client.read_flat(topic)) == [b"before"]
        assert values(broker.client.read_flat(topic, read_committed=False)) == [b"before", b"open", b"after"]
    finally:
        producer.abort_transaction(60)


def test_topics_are_not_made_by_asking_for_them(broker: Broker, prefix: str) -> None:
    producer = Producer(broker.client.config | {"message.timeout.ms": 1000})
    error = producer.list_topics(f"{prefix}nowhere", timeout=30).topics[f"{prefix}nowhere"].error
    assert error is not None
    assert error.name() == "UNKNOWN_TOPIC_OR_PART"
    assert f"{prefix}nowhere" not in broker.client.topics()


def test_a_topic_made_anew_under_its_name_has_another_id(broker: Broker, prefix: str) -> None:
    topic = f"{prefix}again"
    broker.client.create_topics({topic: 1})
    first = broker.client.topic_id(topic)
    assert broker.client.topic_id(topic) == first
    broker.client.delete_topic(topic)
    broker.client.create_topics({topic: 1})
    assert broker.client.topic_id(topic) != first


def test_records_can_be_expired(broker: Broker, prefix: str) -> None:
    topic = f"{prefix}old"
    broker.client.create_topics({topic: 2})
    broker.client.produce(topic, [Message(p, b"k", b"%d" % i) for p in (0, 1) for i in range(5)])
    broker.client.delete_records(topic, {0: 3})
    assert broker.client.begin_offsets(topic) == [3, 0]
    assert values(broker.client.read_all(topic)[0]) == [b"3", b"4"]


def test_compaction_can_be_provoked(broker: Broker, prefix: str) -> None:
    topic = f"{prefix}changelog"
    broker.client.create_topics({topic: 1}, COMPACT_NOW)

    def compacted() -> bool:
        broker.client.produce(topic, [Message(0, b"tail", b"")])  # a new record rolls the segment
        return len([r for r in broker.client.read_flat(topic) if r.key == b"k"]) == 1

    broker.client.produce(topic, [Message(0, b"k", b"%d" % i) for i in range(100)])
    wait_until(compacted, 60, "one record a key", every=0.3)
    assert [r.value for r in broker.client.read_flat(topic) if r.key == b"k"] == [b"99"]


def test_a_killed_broker_comes_back_with_all_it_acknowledged_on_the_same_port(
    make_broker: MakeBroker,
) -> None:
    own = make_broker()
    own.client.create_topics({"t": 1})
    before = own.bootstrap
    written: list[bytes] = []
    for kill in (b"first", b"second"):
        written.append(kill)
        own.client.produce("t", [Message(0, b"k", kill)], transaction="commit")
        own.kill()  # the transaction is committed, its marker perhaps not yet written
        assert not own.client.answers(timeout=0.5)
        own.restart()
        assert own.bootstrap == before
        wait_until(lambda: values(own.client.read_flat("t")) == written, 30, "the last stable offset")


def test_a_frozen_broker_answers_nobody_until_it_goes_on(make_broker: MakeBroker) -> None:
    own = make_broker()
    own.pause()
    assert not own.client.answers(timeout=0.5)
    own.resume()
    wait_until(lambda: own.client.answers(timeout=2), 30, "an answer after the freeze")
    own.stop()
    assert not own.client.answers(timeout=0.5)


def test_logins_and_certificates_open_the_door_and_nothing_else_does(make_broker: MakeBroker) -> None:
    own = make_broker(security=Security(users={"ews": PASSWORD}))
    own.client.create_topics({"t": 1})
    mechanisms: tuple[Mechanism, ...] = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")
    for number, mechanism in enumerate(mechanisms):
        friend = own.sasl_client("ews", PASSWORD, mechanism)
        friend.produce("t", [Message(0, b"k", mechanism.encode())])
        assert values(friend.read_flat("t"))[number] == mechanism.encode()
        assert "Authentication" in own.sasl_client("ews", "wrong", mechanism).refusal()
        assert "Authentication" in own.sasl_client("nobody", PASSWORD, mechanism).refusal()
    assert own.certificates is not None
    holder = own.mtls_client()
    holder.produce("t", [Message(0, b"k", b"certificate")])
    assert values(holder.read_flat("t"))[-1] == b"certificate"
    assert "SSL" in own.mtls_client(own.certificates.stranger, own.certificates.stranger_key).refusal()
    suspicious = own.mtls_client()
    suspicious.config["ssl.ca.location"] = str(own.certificates.other_ca)
    assert "certificate verify failed" in suspicious.refusal()


def test_permissions_are_asked_for_where_the_broker_has_them(make_broker: MakeBroker) -> None:
    own = make_broker(security=Security(acls=True))
    own.client.create_topics({"t": 1})
    admin = own.sasl_client("admin", f"{PLANTED}-admin")
    admin.produce("t", [Message(0, b"k", b"allowed")])
    with pytest.raises(KafkaException, match="authorization failed"):
        own.sasl_client("ews", PASSWORD).produce("t", [Message(0, b"k", b"forbidden")])
    assert values(own.client.read_flat("t")) == [b"allowed"]


def test_a_program_can_be_paused_resumed_and_ended(run_program: Callable[..., Process]) -> None:
    script = "import time\nwhile True: print('tick', flush=True); time.sleep(0.01)"
    program = run_program(sys.executable, "-c", script)
    wait_until(program.output, 20, "the first tick")
    program.pause()
    time.sleep(0.2)  # what was under way when the signal came
    still = len(program.output())
    time.sleep(0.2)
    assert len(program.output()) == still
    program.resume()
    wait_until(lambda: len(program.output()) > still, 20, "another tick")
    program.terminate()
    assert program.wait(20) == -signal.SIGTERM
    program.kill()  # of an ended program: nothing


def test_a_program_dies_with_whoever_started_it(run_program: Callable[..., Process], tmp_path: Path) -> None:
    script = (
        "import pathlib, sys, time\n"
        "from tests.kafka.process import Process\n"
        "command = [sys.executable, '-c', 'import time; time.sleep(600)']\n"
        "child = Process(command, pathlib.Path(sys.argv[1]), 'child')\n"
        "print(child.pid, flush=True)\n"
        "time.sleep(600)\n"
    )
    parent = run_program(sys.executable, "-c", script, str(tmp_path))
    pid = int(wait_until(lambda: parent.output().strip(), 20, "the pid of the grandchild"))
    os.kill(pid, 0)
    parent.kill()
    wait_until(lambda: not _alive(pid), 20, "the end of the grandchild")


def _alive(pid: int) -> bool:
    """Whether a process runs; one that nobody has waited for yet does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] not in "ZX"
    except FileNotFoundError:
        return False
