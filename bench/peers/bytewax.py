"""Bytewax: Kafka sources merged, one stateful step an account, Kafka sinks, as its documentation has it; at least once.

Its state is kept by recovery snapshots on local disk, not in a changelog. Environment as for every peer: see floor.py.
"""

from __future__ import annotations

import json
import os
import tempfile
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import bytewax.operators as op
from bytewax.connectors.kafka import KafkaSinkMessage, KafkaSourceMessage
from bytewax.connectors.kafka import operators as kop
from bytewax.dataflow import Dataflow
from bytewax.recovery import RecoveryConfig, init_db_dir
from bytewax.testing import cluster_main

from bench.peers.clock import Clock
from bench.reference import BOUNCES, MISSED, TOPICS, WINDOW_DAYS

PREFIX, BROKERS = os.environ["BENCH_PREFIX"], [os.environ["BENCH_BOOTSTRAP"]]
LIMITS = {"bounces": BOUNCES, "missed-bills": MISSED}
NEEDED = {
    "payments": ("event_id", "account_id", "occurred_at", "direction", "amount", "currency", "counterparty_id", "category",
                 "scheme"),
    "bounces": ("event_id", "account_id", "occurred_at", "scheme", "reason_code", "counterparty_id", "category"),
    "missed-bills": ("event_id", "account_id", "occurred_at", "bill_id", "counterparty_id", "category", "amount_due", "currency",
                     "due_date", "outcome"),
}  # fmt: skip
clock = Clock(int(os.environ["BENCH_TOTAL"]))


def read(message: KafkaSourceMessage[Any, Any]) -> tuple[str, dict[str, Any]]:
    kind = message.topic.removeprefix(PREFIX)
    try:
        event = json.loads(message.value)
        if not all(isinstance(event[field], str) for field in NEEDED[kind]):
            raise ValueError
        event["minor"] = round(float(event.get("amount", "0")) * 100)
        event["at"] = datetime.fromisoformat(event["occurred_at"]).timestamp()
    except (ValueError, KeyError):
        kind, event = "bad", {"value": message.value}
    return message.key.decode(), {**event, "kind": kind}


def step(row: dict[str, Any] | None, event: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    row = row or {}
    kind = event["kind"]
    if kind == "payments":
        row["payments"] = row.get("payments", 0) + 1
        row["debits"] = row.get("debits", 0) + event["minor"]
    elif kind != "bad":
        times = row[kind] = [*row.get(kind, ())[-7:], event["at"]]
        event["signal"] = sum(event["at"] - one < WINDOW_DAYS * 86_400 for one in times) >= LIMITS[kind]
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
