"""Quix Streams 3: three topics merged, one state an account in RocksDB, exactly once, as its documentation has it.

Environment as for every peer: see floor.py.
"""

from __future__ import annotations

import os
import tempfile
from typing import Any

from quixstreams import Application

from bench.peers import rules
from bench.peers.clock import Clock
from bench.reference import TOPICS

PREFIX = os.environ["BENCH_PREFIX"]
clock = Clock(int(os.environ["BENCH_TOTAL"]))


def read(kind: str) -> Any:
    def one(value: bytes) -> dict[str, Any]:
        event = rules.read(kind, value)
        return {"kind": "bad", "value": value.decode(errors="replace")} if event is None else {**event, "kind": kind}

    return one


def step(event: dict[str, Any], state: Any) -> dict[str, Any]:
    clock.count()
    if clock.done:
        app.stop()
    if event["kind"] != "bad":
        row = state.get("row", {})
        event["signal"] = rules.update(row, event["kind"], event["at"], event["minor"])
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
