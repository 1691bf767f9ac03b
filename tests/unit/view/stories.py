"""A golden story as the records that a view reads: the bank's inputs, and what the job says of them."""

from __future__ import annotations

import json
from collections import Counter
from datetime import datetime
from functools import cache

from stream.contracts.base import validate
from stream.contracts.picture import Picture
from stream.topics import BY_NAME
from stream.treatment.policy import default_text, load
from stream.view.picture import TOPICS, State, Told, fold, picture
from tests.golden import test_golden

POLICY = load(default_text())
STORIES = tuple(test_golden.STORIES)


@cache
def told(story: str, until: str = "") -> tuple[Told, ...]:
    """Every record of a story, up to `until` (an instant), in the order of its time; offsets by topic."""
    telling = test_golden.tell(story, until)
    records = [(topic, record) for topic, record in telling.happened]
    records += [(output.topic, json.loads(output.value or b"")) for output in telling.said if output.topic in TOPICS]
    offsets: Counter[str] = Counter()
    found = []
    for topic, record in sorted(((t, r) for t, r in records if t in TOPICS), key=lambda pair: time_of(pair[1])):
        value = json.dumps(record).encode()
        found.append(Told(topic, offsets[topic], time_of(record), record[BY_NAME[topic].key].encode(), value))
        offsets[topic] += 1
    return tuple(found)


def time_of(record: dict[str, str]) -> int:
    """When a record was told, in ms."""
    at = record.get("decided_at") or record.get("occurred_at") or record["updated_at"]
    return int(datetime.fromisoformat(at).timestamp() * 1000)


def folded(records: tuple[Told, ...] | list[Told]) -> dict[str, State]:
    """The state of each customer after all of it."""
    states: dict[str, State] = {}
    for each in records:
        assert each.key is not None
        fold(states.setdefault(each.key.decode(), State()), each)
    return states


def shown(customer_id: str, state: State) -> dict[str, object]:
    """The picture as its readers get it, after the contract has agreed."""
    import msgspec

    found: dict[str, object] = msgspec.json.decode(msgspec.json.encode(picture(customer_id, state, POLICY)))
    validate(Picture, found)
    return found
