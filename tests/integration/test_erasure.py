"""A customer who is erased: nothing of them stays in the state, and what stays elsewhere is what docs/erasure.md says."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka.admin import AlterConfigOpType, ConfigEntry, ConfigResource, ResourceType  # type: ignore[attr-defined]

from stream.tables import profile
from stream.tables.accounts import PROFILE_KEY
from stream.topics import CATALOGUE
from tests.kafka import Broker, Message, Received, wait_until
from tests.kafka.bank import DAY, account, customer, encode, hold, message, noon_zone, text, trouble
from tests.kafka.broker import COMPACT_NOW
from tests.kafka.job import Job

pytestmark = pytest.mark.kafka

ROOT = Path(__file__).parents[2]
ERASED, OTHER = "C-7071", "C-7071-2"
ALONE, SHARED = "A-7072", "A-7071"
_THEIRS = re.compile(rb"C-7071(?!-2)|A-7072")
"""Their id, and that of the account which was theirs alone."""


def names_them(record: Received) -> bool:
    """Whether a record of any topic names the customer; profiles are packed."""
    parts = [record.key or b"", record.value or b"", *(value for _, value in record.headers)]
    if (record.key or b"").startswith(PROFILE_KEY) and record.value is not None:
        parts.append(repr(profile.unpack(record.value)).encode())
    return any(_THEIRS.search(part) for part in parts)


@pytest.fixture
def job(broker: Broker, prefix: str, tmp_path: Path) -> Iterator[Job]:
    """With a policy that is tried out beside the one in force: it keeps rows of its own."""
    packaged = (ROOT / "stream" / "treatment" / "policy.toml").read_text("utf-8")
    tried = re.sub(r'^version = ".*"$', 'version = "tried"', packaged, count=1, flags=re.MULTILINE)
    assert tried != packaged
    (tmp_path / "tried.toml").write_text(tried, "utf-8")
    real = Job(broker, tmp_path, prefix, EWS_SHADOW_POLICY_FILE=str(tmp_path / "tried.toml"))
    real.create_topics()
    yield real
    real.close()
    print(real.tails())


def settle(job: Job) -> None:
    """Returns once all inputs, and what the stages tell each other, are applied."""
    inputs = [topic.name for topic in CATALOGUE if topic.role == "input"]
    between = ("signals", "account-facts", "account-orders")
    while True:
        job.wait_applied((*inputs, *between), 60)
        before = {topic: job.client.end_offsets(job.topic(topic)) for topic in between}
        job.wait_applied(between, 60)
        if before == {topic: job.client.end_offsets(job.topic(topic)) for topic in between}:
            return


def changelogs(job: Job) -> list[str]:
    return [job.settings().changelog(stage) for stage in ("accounts", "customers")]


def topics_that_name_them(job: Job) -> set[str]:
    return {topic.name for topic in CATALOGUE if any(map(names_them, job.read(topic.name)))}


def configure(job: Job, topics: Iterable[str], settings: dict[str, str]) -> None:
    entries = [ConfigEntry(name, value, incremental_operation=AlterConfigOpType.SET) for name, value in settings.items()]
    resources = [ConfigResource(ResourceType.TOPIC, topic, incremental_configs=entries) for topic in topics]
    for done in job.client.admin.incremental_alter_configs(resources).values():
        done.result(timeout=30)


def live_through_everything(job: Job, now: datetime) -> None:
    """A joint account and one of their own; nudges, holds that pause, an ended one too, a promise, a case, an operator's word."""
    then, zone = now - 30 * DAY, noon_zone(now)
    own = account(7072, then) | {"holders": [{"customer_id": ERASED, "role": "primary"}]}
    joint = account(7071, then, holders=2, product="loan", outstanding="900.00")
    job.produce("accounts", [message(joint, then), message(own, then)])
    job.produce("customers", [message(customer(name, then, zone), then) for name in (ERASED, OTHER)])
    job.produce("bounces", [record for n in (7071, 7072) for _, record in trouble(n, now)])
    job.wait_for("nudges", 2)
    ended = hold(ERASED, "ended", now - 3 * DAY, "dispute") | {"account_id": SHARED, "ends_at": text(now - DAY)}
    standing = hold(ERASED, "standing", now - 2 * DAY, "dispute") | {"account_id": SHARED}
    alone = hold(ERASED, "alone", now - 2 * DAY, "dispute") | {"account_id": ALONE}
    job.produce("holds", [message(each, now - 2 * DAY, ERASED) for each in (ended, standing, alone)])
    promise = {"promise_id": "P1", "amount": "50.00", "currency": "GBP", "account_id": SHARED}
    promise["due_date"] = (now + 5 * DAY).date().isoformat()
    promised: dict[str, Any] = {
        "event_id": "o1", "contact_id": "k1", "customer_id": ERASED, "account_id": SHARED, "occurred_at": text(now),
        "direction": "inbound", "channel": "voice", "outcome": "promise", "promise": promise,
    }  # fmt: skip
    job.produce("contact-outcomes", [message(promised, now, ERASED)])
    case = {"event_id": "k1", "case_id": "K", "customer_id": ERASED, "occurred_at": text(now), "status": "opened"}
    job.produce("cases", [message(case | {"queue": "arrears_care"}, now, ERASED)])
    word = {"event_id": "w1", "occurred_at": text(now), "action": "snooze", "customer_id": ERASED, "who": "x", "why": "y"}
    job.produce("operator-actions", [message(word, now, ERASED)])
    job.produce("payments", [(SHARED.encode(), b'{"payer": "C-7071", broken')])
    settle(job)


def forget(job: Job, now: datetime, order: str) -> None:
    """What an operator does, as docs/erasure.md has it."""
    left = account(7071, now, product="loan", outstanding="900.00") | {"holders": [{"customer_id": OTHER, "role": "primary"}]}
    accounts: list[Message | tuple[bytes, None]] = [message(left, now), (ALONE.encode(), None)]
    if order == "accounts first":
        job.produce("accounts", accounts)
        settle(job)
    job.produce("customers", [(ERASED.encode(), None)])
    settle(job)
    if order == "customer first":
        job.produce("accounts", accounts)
        settle(job)


def documented() -> set[str]:
    """The topics that docs/erasure.md says keep an id for a time."""
    page = (ROOT / "docs" / "erasure.md").read_text("utf-8")
    table = page.split("<!-- generated: kept -->")[1].split("<!-- end -->")[0]
    return set(re.findall(r"^\| `([a-z-]+)` \|", table, flags=re.MULTILINE))


@pytest.mark.parametrize("order", ["accounts first", "customer first"])
def test_nothing_of_an_erased_customer_stays_in_the_state(job: Job, order: str) -> None:
    """Not in a row, not in the changelogs, not after a restart; elsewhere until retention ends, and only where the docs say."""
    now = datetime.now(UTC)
    worker = job.start()
    live_through_everything(job, now)
    # Else the test would show nothing: they are in the rows of both stages, and in what is packed.
    for changelog in changelogs(job):
        assert any(map(names_them, job.client.read_flat(changelog))), changelog
    packed = [r for r in job.client.read_flat(changelogs(job)[0]) if (r.key or b"").startswith(PROFILE_KEY) and names_them(r)]
    orders = [json.loads(record.value or b"") for record in job.read("account-orders")]
    dead = [dict(record.headers)["kafka_dlt-exception-message"] for record in job.read("dead-letters")]
    assert len(dead) == 1, dead
    assert {"pause", "watch_promise"} <= {order["kind"] for order in orders}, orders
    assert any(profile.unpack(record.value).pauses for record in packed)
    assert any(profile.unpack(record.value).watches for record in packed)
    forget(job, now + timedelta(seconds=1), order)
    keyed = {topic.name for topic in CATALOGUE if topic.key == "customer_id"}
    assert keyed < topics_that_name_them(job) <= documented()

    configure(job, changelogs(job), COMPACT_NOW)  # ticks go on being written: segments roll

    def gone() -> bool:
        return not any(names_them(r) for changelog in changelogs(job) for r in job.client.read_flat(changelog))

    try:
        wait_until(gone, 60, "compacted changelogs that do not name them", 0.5)
    except AssertionError:
        kept = [r for changelog in changelogs(job) for r in job.client.read_flat(changelog) if names_them(r)]
        raise AssertionError(f"still there: {[(r.topic, r.key, r.value) for r in kept]}") from None
    worker.terminate()
    assert worker.wait(60) == 0
    again = job.start()
    job.produce("payments", [(SHARED.encode(), encode({"event_id": "later"}))])
    settle(job)
    assert gone()
    assert again.running

    # Retention: events, outputs and what the stages told each other go by time, whatever they hold.
    expiring = [topic.name for topic in CATALOGUE if not topic.compacted]
    for topic in expiring:
        ends = job.client.end_offsets(job.topic(topic))
        job.client.delete_records(job.topic(topic), {p: end for p, end in enumerate(ends) if end})
    configure(job, [job.topic("accounts"), job.topic("customers")], COMPACT_NOW)

    def forgotten() -> bool:
        for topic in ("accounts", "customers"):  # a bank writes on: what was active is compacted in its turn
            job.produce(topic, [Message(p, b"tail", b"") for p in range(4)])
        return topics_that_name_them(job) == set()

    again.terminate()
    assert again.wait(60) == 0
    wait_until(forgotten, 60, "no topic that names them", 0.5)
