"""Pictures in a real Valkey: all or nothing, never back in time, each with a time to live, and no more rights than documented."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from stream import settings
from stream.errors import ConfigurationError, ViewError
from stream.settings import Settings
from stream.view.feed import Batch
from stream.view.follow import Writer
from stream.view.picture import Told
from stream.view.store import Busy, Conflict, Moved, NoPicture, Store
from tests.kafka.security import make_certificates
from tests.unit.view.stories import POLICY, told
from tests.unit.view.test_picture import CASE, CUSTOMER, HOLD, NOW, OUTCOME, SIGNAL
from tests.valkey import Valkey, running, tls_in_front

DOCS = Path(__file__).parents[3] / "docs" / "view.md"
USERS = [
    each.replace("PASSWORD", f"secret-{name}")
    for name in ("ews-view", "ews-channel")
    for each in re.findall(rf"^ACL SETUSER ({name} .+)$", DOCS.read_text("utf-8") if DOCS.exists() else "", re.MULTILINE)
]
"""The users that the documentation tells the operator to make."""


@pytest.fixture(scope="module")
def valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Valkey]:
    lines = [f"user {each}" for each in USERS]
    with running(tmp_path_factory.mktemp("valkey"), users=lines) as own:
        yield own


@pytest.fixture
def loaded(valkey: Valkey) -> Settings:
    with valkey.client() as client:
        client.flushall()
    return settings.load(redis_url=valkey.url)


@pytest.fixture
def store(loaded: Settings) -> Iterator[Store]:
    own = Store(loaded)
    yield own
    own.close()


def batch(*records: tuple[str, int, dict[str, Any] | None], start: int | None = None, at: int = NOW, name: str = "c") -> Batch:
    """Records of one topic of partition 0, from `start` on."""
    made = Batch()
    for topic, offset, value in records:
        whole = None if value is None else json.dumps({**value, "customer_id": name}).encode()
        made.records.append(Told(topic, offset, at, name.encode(), whole))
        made.moves[topic, 0] = (start, offset + 1)
    return made


def built(store: Store, *batches: Batch) -> Writer:
    """A first generation with these batches in it."""
    generation = store.begin()
    building = Writer(store, POLICY, generation, building=True)
    for each in batches:
        building.write(each)
    store.switch(generation)
    return Writer(store, POLICY, generation)


def picture(store: Store, name: str = "c") -> dict[str, Any]:
    found: dict[str, Any] = json.loads(store.show(name).picture)
    return found


def test_a_reader_gets_what_was_written_and_not_what_is_still_being_built(store: Store) -> None:
    with pytest.raises(NoPicture, match="no pictures"):
        store.show("c")
    generation = store.begin()
    Writer(store, POLICY, generation, building=True).write(batch(("signals", 0, SIGNAL)))
    with pytest.raises(NoPicture, match="no pictures"):
        store.show("c")
    store.switch(generation)
    assert picture(store)["signals"][0]["signal_id"] == "s"
    with pytest.raises(NoPicture, match="no permission to contact"):
        store.show("somebody else")


def test_a_batch_from_another_place_than_the_last_one_ended_writes_nothing(store: Store) -> None:
    """A late view, or a server that lost its last writes: either way it reads its positions again."""
    writer = built(store, batch(("signals", 0, SIGNAL)))
    writer.write(batch(("signals", 1, {**SIGNAL, "status": "withdrawn"}), start=1))
    for late in (batch(("signals", 0, SIGNAL)), batch(("signals", 1, SIGNAL), start=1), batch(("signals", 3, SIGNAL), start=3)):
        with pytest.raises(Moved):
            writer.write(late)
    assert not _there(store)
    assert store.positions(writer.generation) == {("signals", 0): 2}


def _there(store: Store) -> bool:
    try:
        store.show("c")
    except NoPicture:
        return False
    return True


def test_a_replayed_older_record_changes_nothing_even_where_positions_were_lost(store: Store, valkey: Valkey) -> None:
    writer = built(store, batch(("customers", 0, CUSTOMER)), batch(("signals", 0, SIGNAL)))
    writer.write(batch(("signals", 1, {**SIGNAL, "status": "withdrawn"}), start=1))
    before = store.show("c").picture
    with valkey.client() as client:
        client.delete(store.key(writer.generation, "positions"))
    writer.write(batch(("signals", 0, SIGNAL)))
    assert store.show("c").picture == before


def test_of_two_views_that_hold_the_same_customer_the_slower_works_it_out_anew(store: Store) -> None:
    """Where producers place by crc32, a customer's nudges and holds lie in partitions of two views."""
    writer = built(store)
    mine = store.load(writer.generation, ["c"])
    writer.write(batch(("holds", 0, HOLD)))
    with pytest.raises(Conflict):
        store.write(writer.generation, {("signals", 0): (None, 1)}, {"c": (mine["c"], b"{}")}, building=False)
    writer.write(batch(("signals", 0, SIGNAL)))
    assert len(picture(store)["holds"]) == len(picture(store)["signals"]) == 1


def test_many_views_at_once_lose_nothing(loaded: Settings, store: Store) -> None:
    """Four writers, each with a topic of its own, on the same customers: the sum of all is there."""
    writer = built(store)
    failed: list[BaseException] = []

    def work(topic: str, value: dict[str, Any], key: str) -> None:
        try:
            own = Store(loaded)
            mine = Writer(own, POLICY, writer.generation)
            for number in range(25):
                changed = {**value, "event_id": f"{topic}-{number}", key: f"{topic}-{number}"}
                mine.write(batch((topic, number, changed), start=number or None))
            own.close()
        except BaseException as error:
            failed.append(error)

    threads = [
        threading.Thread(target=work, args=each)
        for each in (("holds", HOLD, "hold_id"), ("signals", SIGNAL, "signal_id"), ("contact-outcomes", OUTCOME, "contact_id"),
                     ("cases", CASE, "case_id"))
    ]  # fmt: skip
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    shown = picture(store)
    assert [len(shown[each]) for each in ("holds", "signals", "cases")] == [25, 25, 25]
    assert set(shown["versions"].values()) == {24}


def test_every_picture_has_a_time_to_live_that_a_write_refreshes(store: Store, valkey: Valkey) -> None:
    writer = built(store, batch(("holds", 0, HOLD)))
    name = store.key(writer.generation, "of:c")
    with valkey.client() as client:
        assert 89 * 86_400 < client.ttl(name) <= 90 * 86_400
        client.expire(name, 10)
        writer.write(batch(("signals", 0, SIGNAL)))
        assert client.ttl(name) > 89 * 86_400


def test_a_tombstone_deletes_the_key_and_a_rebuild_does_not_bring_the_person_back(store: Store, valkey: Valkey) -> None:
    """Even when Kafka has compacted the tombstone away. What stays is a time under a hash, and it lapses too."""
    records = batch(("customers", 0, CUSTOMER)), batch(("signals", 0, SIGNAL)), batch(("holds", 0, HOLD))
    writer = built(store, *records)
    writer.write(batch(("customers", 1, None), start=1, at=NOW + 1))
    with valkey.client() as client:
        assert client.exists(store.key(writer.generation, "of:c")) == 0
        [marker] = client.keys("*erased*")
        assert not marker.endswith(b":c")
        assert client.ttl(marker) > 0
        left = {store.key(writer.generation, "positions"), "ews:view:current", marker.decode()}
        assert {key.decode() for key in client.keys("*")} == left
    built(store, *records)
    with pytest.raises(NoPicture):
        store.show("c")


def test_a_rebuild_is_alone_and_sweeps_what_was_before_and_what_died(store: Store, valkey: Valkey) -> None:
    old = built(store, batch(("holds", 0, HOLD)))
    store.begin()
    with pytest.raises(Busy, match="another rebuild"):
        store.begin()
    with valkey.client() as client:
        client.delete("ews:view:building")  # it died, and was forgotten
        new = built(store, batch(("holds", 0, HOLD)))
        store.sweep()
        assert 0 < client.ttl(store.key(old.generation, "of:c")) <= 60
        assert client.ttl(store.key(new.generation, "of:c")) > 60
    with pytest.raises(Moved):
        old.write(batch(("signals", 0, SIGNAL)))
    with pytest.raises(Moved):
        store.keep("g-forgotten")


def test_readers_know_how_fresh_it_is_once_every_partition_has_told(store: Store) -> None:
    writer = built(store, batch(("holds", 0, HOLD)))
    assert store.show("c").fresh_at is None
    store.tell_fresh(writer.generation, [0], 2, 1000)
    assert store.show("c").fresh_at is None
    store.tell_fresh(writer.generation, [1], 2, 900)
    assert store.show("c").fresh_at == 900


def test_a_state_of_another_version_is_refused_with_the_way_out(store: Store, valkey: Valkey) -> None:
    writer = built(store, batch(("holds", 0, HOLD)))
    with valkey.client() as client:
        client.hset(store.key(writer.generation, "of:c"), "state", b"\xff")
    with pytest.raises(ConfigurationError, match="--rebuild"):
        writer.write(batch(("signals", 0, SIGNAL)))


def test_a_picture_takes_no_more_memory_than_documented(store: Store, valkey: Valkey) -> None:
    steady, troubled = map(int, re.findall(r"below ([0-9]+)", DOCS.read_text("utf-8")))
    writer = built(store, batch(("customers", 0, CUSTOMER)))
    trouble = Batch()
    trouble.records = [each for each in told("job_loss", "2026-04-05T10:00:00Z") if each.key == b"anna"]
    trouble.moves = {("decisions", 0): (None, 1)}
    writer.write(trouble)
    with valkey.client() as client:
        sizes = [client.memory_usage(store.key(writer.generation, f"of:{name}")) or 0 for name in ("c", "anna")]
    assert 100 < sizes[0] < steady
    assert 1000 < sizes[1] < troubled


# --- rights and TLS


def user(loaded: Settings, folder: Path, name: str, **more: object) -> Store:
    (folder / "password").write_text(f"secret-{name}\n")
    url = loaded.redis_url.replace("//", f"//{name}@")
    return Store(settings.load(**{"redis_url": url, "redis_password_file": folder / "password", **more}))


def test_the_documented_rights_are_enough_for_the_view(loaded: Settings, tmp_path: Path) -> None:
    assert len(USERS) == 2
    own = user(loaded, tmp_path, "ews-view")
    writer = built(own, batch(("customers", 0, CUSTOMER)), batch(("holds", 0, HOLD)))
    writer.write(batch(("customers", 1, None), start=1, at=NOW + 1))
    own.begin()
    own.sweep()
    own.give_up(writer.generation)
    own.tell_fresh(writer.generation, [0], 1, 1)
    with pytest.raises(NoPicture):
        own.show("c")
    own.close()


def test_a_channel_reads_and_can_do_nothing_else(loaded: Settings, store: Store, tmp_path: Path, valkey: Valkey) -> None:
    writer = built(store, batch(("holds", 0, HOLD)))
    own = user(loaded, tmp_path, "ews-channel")
    assert json.loads(own.show("c").picture)["customer_id"] == "c"
    for attempt in (
        lambda: own.begin(),
        lambda: own.tell_fresh(writer.generation, [0], 1, 1),
        lambda: Writer(own, POLICY, writer.generation).write(batch(("signals", 0, SIGNAL))),
        lambda: own.sweep(),
    ):
        with pytest.raises(ViewError, match="refuses this login"):
            attempt()
    own.close()
    login = {"username": "ews-channel", "password": "secret-ews-channel"}
    with redis.Redis(port=valkey.port, **login) as client, pytest.raises(redis.exceptions.NoPermissionError):
        client.get("somebody-elses-key")


def test_a_wrong_password_is_told_without_it(loaded: Settings, tmp_path: Path) -> None:
    own = user(loaded, tmp_path, "ews-view")
    (tmp_path / "password").write_text("wrong-one")
    own = Store(settings.load(redis_url=loaded.redis_url.replace("//", "//ews-view@"), redis_password_file=tmp_path / "password"))
    with pytest.raises(ViewError, match="EWS_REDIS_PASSWORD_FILE") as refused:
        own.current()
    assert "wrong-one" not in str(refused.value)


def test_over_tls_the_server_is_checked(loaded: Settings, store: Store, valkey: Valkey, tmp_path: Path) -> None:
    built(store, batch(("holds", 0, HOLD)))
    certificates = make_certificates(tmp_path / "tls")
    with tls_in_front(valkey.port, certificates.broker) as port:
        secure = {"redis_url": f"rediss://ews-channel@127.0.0.1:{port}/0", "redis_ca_file": certificates.ca}
        own = user(loaded, tmp_path, "ews-channel", **secure)
        assert json.loads(own.show("c").picture)["customer_id"] == "c"
        own.close()
        other = user(loaded, tmp_path, "ews-channel", **{**secure, "redis_ca_file": certificates.other_ca})
        with pytest.raises(ViewError, match="no answer"):
            other.show("c")
        other.close()


@pytest.mark.parametrize(
    "url", ["rediss://u:S3CRET@host:1", "http://host", "redis://", "redis://host/x", "redis://host?a=b", "redis://host:99999"]
)
def test_a_wrong_url_is_refused_and_never_quoted(url: str) -> None:
    with pytest.raises(ConfigurationError, match="EWS_REDIS_URL") as refused:
        settings.load(redis_url=url)
    assert "S3CRET" not in str(refused.value)
