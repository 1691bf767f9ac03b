"""Bytewax: Kafka sources merged, one stateful step an account, Kafka sinks, as its documentation has it; at least once.

Its state is kept by recovery snapshots on local disk, not in a changelog. Environment as for every peer: see floor.py.
"""

from __future__ import annotations

import json
import os
import tempfile
from datetime import timedelta
from pathlib import Path
from typing import Any

import bytewax.operators as op
from bytewax.connectors.kafka import KafkaSinkMessage, KafkaSourceMessage
from bytewax.connectors.kafka import operators as kop
from bytewax.dataflow import Dataflow
from bytewax.recovery import RecoveryConfig, init_db_dir
from bytewax.testing import cluster_main

from bench.peers import rules
from bench.peers.clock import Clock
from bench.reference import TOPICS

PREFIX, BROKERS = os.environ["BENCH_PREFIX"], [os.environ["BENCH_BOOTSTRAP"]]
clock = Clock(int(os.environ["BENCH_TOTAL"]))


def read(message: KafkaSourceMessage[Any, Any]) -> tuple[str, dict[str, Any]]:
    kind = message.topic.removeprefix(PREFIX)
    event = rules.read(kind, message.value)
    return message.key.decode(), {"kind": "bad", "value": message.value} if event is None else {**event, "kind": kind}


def step(row: dict[str, Any] | None, event: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    row = row or {}
    if event["kind"] != "bad":
        event["signal"] = rules.update(row, event["kind"], event["at"], event["minor"])
    clock.count()
    if clock.done:
        clock.tell()
        os._exit(0)
    return row, event


def signal(item: tuple[str, dict[str, Any]]) -> KafkaSinkMessage[Any, Any]:
    return KafkaSinkMessage(item[0].encode(), json.dumps({"account_id": item[0]}).encode())


flow = Dataflow("reference")
source = kop.input("in", flow, brokers=BROKERS, topics=[PREFIX + topic for topic in TOPICS], batch_size=2_000)
stepped = op.stateful_map("step", op.map("read", source.oks, read), step)
bad = op.filter("bad", stepped, lambda item: item[1]["kind"] == "bad")
told = op.filter("told", stepped, lambda item: bool(item[1].get("signal")))
kop.output("signals", op.map("signal", told, signal), brokers=BROKERS, topic=f"{PREFIX}signals")
dead = op.map("dead", bad, lambda item: KafkaSinkMessage(item[0].encode(), item[1]["value"]))
kop.output("dead-letters", dead, brokers=BROKERS, topic=f"{PREFIX}dead-letters")

if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        init_db_dir(Path(folder), 1)
        cluster_main(flow, [], 0, epoch_interval=timedelta(seconds=0.5), recovery_config=RecoveryConfig(folder))
