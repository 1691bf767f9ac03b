"""Quix Streams 3: three topics merged, one state an account in RocksDB, exactly once, as its documentation has it.

Environment as for every peer: see floor.py.
"""

from __future__ import annotations

import json
import os
import tempfile
from datetime import datetime
from typing import Any

from quixstreams import Application

from bench.peers.clock import Clock
from bench.reference import BOUNCES, MISSED, TOPICS, WINDOW_DAYS

PREFIX = os.environ["BENCH_PREFIX"]
NEEDED = {
    "payments": ("event_id", "account_id", "occurred_at", "direction", "amount", "currency", "counterparty_id", "category",
                 "scheme"),
    "bounces": ("event_id", "account_id", "occurred_at", "scheme", "reason_code", "counterparty_id", "category"),
    "missed-bills": ("event_id", "account_id", "occurred_at", "bill_id", "counterparty_id", "category", "amount_due", "currency",
                     "due_date", "outcome"),
}  # fmt: skip
LIMITS = {"bounces": BOUNCES, "missed-bills": MISSED}
clock = Clock(int(os.environ["BENCH_TOTAL"]))


def read(name: str) -> Any:
    def one(value: bytes) -> dict[str, Any]:
        try:
            event = json.loads(value)
            if not all(isinstance(event[field], str) for field in NEEDED[name]):
                raise ValueError
            event["minor"] = round(float(event.get("amount", "0")) * 100)
            event["at"] = datetime.fromisoformat(event["occurred_at"]).timestamp()
        except (ValueError, KeyError):
            return {"kind": "bad", "value": value.decode(errors="replace")}
        return {"kind": name, **event}

    return one


def step(event: dict[str, Any], state: Any) -> dict[str, Any]:
    clock.count()
    if clock.done:
        app.stop()
    kind = event["kind"]
    if kind == "bad":
        return event
    row = state.get("row", {})
    if kind == "payments":
        row["payments"] = row.get("payments", 0) + 1
        row["debits"] = row.get("debits", 0) + event["minor"]
        event["signal"] = False
    else:
        times = row[kind] = [*row.get(kind, ())[-7:], event["at"]]
        event["signal"] = sum(event["at"] - one < WINDOW_DAYS * 86_400 for one in times) >= LIMITS[kind]
    state.set("row", row)
    return event


with tempfile.TemporaryDirectory() as folder:
    app = Application(
        broker_address=os.environ["BENCH_BOOTSTRAP"], consumer_group=f"{PREFIX}quix", auto_offset_reset="earliest",
        processing_guarantee="exactly-once", commit_interval=0.5, state_dir=folder, loglevel="WARNING",
    )  # fmt: skip
    frames = [app.dataframe(app.topic(PREFIX + name, value_deserializer="bytes")).apply(read(name)) for name in TOPICS]
    merged = frames[0].concat(frames[1]).concat(frames[2]).apply(step, stateful=True)
    bad = merged.filter(lambda event: event["kind"] == "bad")
    bad.to_topic(app.topic(f"{PREFIX}dead-letters", value_serializer="json"))
    told = merged.filter(lambda event: event["kind"] != "bad" and event["signal"])
    told.apply(lambda event: {"account_id": event["account_id"]}).to_topic(app.topic(f"{PREFIX}signals", value_serializer="json"))
    app.run()
clock.tell()
