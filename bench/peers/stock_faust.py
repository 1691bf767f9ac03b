"""Stock Faust: agents, records and one table, as its documentation has it; at least once, since it has no more.

Environment as for every peer: see floor.py. Run as `python -m bench.peers.stock_faust worker`.
"""

from __future__ import annotations

import json
import os
from datetime import datetime

import faust

from bench.peers import rules
from bench.peers.clock import Clock
from bench.reference import TOPICS

PREFIX, PARTITIONS = os.environ["BENCH_PREFIX"], int(os.environ["BENCH_PARTITIONS"])
clock = Clock(int(os.environ["BENCH_TOTAL"]))
app = faust.App(
    f"{PREFIX}faust", broker=f"kafka://{os.environ['BENCH_BOOTSTRAP']}", store="memory://", datadir=os.environ["BENCH_STATE"],
    topic_partitions=PARTITIONS, topic_replication_factor=1, topic_disable_leader=True, consumer_auto_offset_reset="earliest",
    web_enabled=False, worker_redirect_stdouts=False,
)  # fmt: skip


class Payment(faust.Record, validation=True):
    event_id: str
    account_id: str
    occurred_at: str
    direction: str
    amount: str
    currency: str
    counterparty_id: str
    category: str
    scheme: str


class Bounce(faust.Record, validation=True):
    event_id: str
    account_id: str
    occurred_at: str
    scheme: str
    reason_code: str
    counterparty_id: str
    category: str


class MissedBill(faust.Record, validation=True):
    event_id: str
    account_id: str
    occurred_at: str
    bill_id: str
    counterparty_id: str
    category: str
    amount_due: str
    currency: str
    due_date: str
    outcome: str


KINDS = dict(zip(TOPICS, (Payment, Bounce, MissedBill), strict=True))
signals = app.topic(f"{PREFIX}signals", value_serializer="raw", key_type=bytes, partitions=PARTITIONS)
dead = app.topic(f"{PREFIX}dead-letters", value_serializer="raw", key_type=bytes, partitions=PARTITIONS)
table = app.Table("accounts", default=dict, partitions=PARTITIONS)


def agent_of(name: str) -> None:
    kind = KINDS[name]

    @app.agent(app.topic(f"{PREFIX}{name}", key_type=bytes, value_serializer="raw"), name=f"agent-{name}")
    async def process(stream):  # type: ignore[no-untyped-def]
        async for key, value in stream.items():
            try:
                event = kind.from_data(json.loads(value))
                minor = round(float(getattr(event, "amount", "0")) * 100)
                at = datetime.fromisoformat(event.occurred_at.replace("Z", "+00:00")).timestamp()
            except ValueError:
                await dead.send(key=key, value=value)
            else:
                row = table[key]
                if rules.update(row, name, at, minor):
                    await signals.send(key=key, value=json.dumps({"account_id": event.account_id}).encode())
                table[key] = row
            clock.count()
            if clock.done:
                clock.tell()
                await app.producer.flush()
                os._exit(0)


for topic in TOPICS:
    agent_of(topic)

if __name__ == "__main__":
    app.main()
