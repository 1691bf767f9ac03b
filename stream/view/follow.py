"""The role: follows the topics into the store, builds a generation where there is none, and says whether it is ready.

It waits for Valkey or Redis as long as it takes, for nobody waits for it. What it had read and not written it reads again.
"""

from __future__ import annotations

import contextlib
import itertools
import random
import signal
import threading
import time
from collections.abc import Callable, Iterable
from typing import Final

import msgspec
import structlog

from stream import metrics
from stream.errors import BadRecord, ConfigurationError, EngineError, EwsError, ViewError
from stream.settings import Settings
from stream.treatment import policy as policies
from stream.treatment.policy import Policy
from stream.view.feed import Batch, Feed, now_ms
from stream.view.picture import TOPICS, Told, fold, picture
from stream.view.store import Busy, Conflict, Moved, Position, Store

log = structlog.get_logger()

_POLL_SECONDS: Final = 0.2
_LOOK_SECONDS: Final = 2.0
"""Time between two looks at the ends of the topics."""
_STALE_MS: Final = 60_000
"""A view whose partitions were not at their ends for so long is not ready."""
_WAITS: Final = (0.2, 0.5, 1.0, 2.0, 5.0)
"""Seconds between tries of Valkey or Redis; the last again and again."""

for _topic in TOPICS:
    metrics.VIEW_RECORDS.labels(_topic)
    metrics.VIEW_SKIPPED.labels(_topic)


class Writer:
    """Takes batches into the pictures of one generation."""

    def __init__(self, store: Store, policy: Policy, generation: str, *, building: bool = False) -> None:
        self._store = store
        self._policy = policy
        self.generation = generation
        self._building = building
        self._encode = msgspec.json.Encoder().encode

    def write(self, batch: Batch) -> None:
        """Writes a batch, worked out anew where another view was quicker. Raises Moved, or ViewError where nothing answers."""
        if not batch.moves:
            return
        for attempt in itertools.count():
            try:
                written, skipped = self._try(batch.records, batch.moves)
            except Conflict:  # somebody got on; after a while, by chance, so does this one
                metrics.VIEW_CONFLICTS.inc()
                time.sleep(random.uniform(0, min(0.25, 0.002 * 2 ** min(attempt, 10))))  # noqa: S311 # nothing secret
                continue
            metrics.VIEW_WRITES.inc(written)
            for told in batch.records:
                metrics.VIEW_RECORDS.labels(told.topic).inc()
            for topic in (*skipped, *batch.refused):
                metrics.VIEW_SKIPPED.labels(topic).inc()
            return

    def _try(self, records: Iterable[Told], moves: dict[Position, tuple[int | None, int]]) -> tuple[int, list[str]]:
        by_customer: dict[str, list[Told]] = {}
        skipped = []
        for told in records:
            try:
                by_customer.setdefault((told.key or b"").decode(), []).append(told)
            except UnicodeDecodeError:
                skipped.append(told.topic)
        held = self._store.load(self.generation, list(by_customer))
        changed = {}
        for name, mine in by_customer.items():
            news = False
            for told in mine:
                try:
                    news |= fold(held[name].state, told)
                except BadRecord:
                    skipped.append(told.topic)  # the job has dead-lettered it, or nobody could have read it
            if news:
                shown = b"" if held[name].state.blank else self._encode(picture(name, held[name].state, self._policy))
                changed[name] = held[name], shown
        self._store.write(self.generation, moves, changed, building=self._building)
        return len(changed), skipped


def load_policy(settings: Settings) -> Policy:
    """The policy in force: of how long a hold lasts it has the last word. Raises ConfigurationError."""
    if settings.policy_file is None:
        return policies.load(policies.default_text())
    try:
        return policies.load(settings.policy_file.read_text("utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"EWS_POLICY_FILE: {settings.policy_file} cannot be read: {error}") from error


def rebuild(
    settings: Settings, store: Store, progress: Callable[[int, int], None], stopping: Callable[[], bool] = lambda: False
) -> str | None:
    """Reads the topics from their beginning to their present ends into a fresh generation, then switches to it.

    Readers keep the old one until then. Returns the generation, None where it was told to stop. Raises ViewError, and then
    nothing has changed.
    """
    policy = load_policy(settings)
    feed = Feed(settings, member=False)
    try:
        generation = store.begin()
        try:
            feed.read_from({})
            ends = {place: lag for place, lag in feed.lags().items() if lag}
            writer = Writer(store, policy, generation, building=True)
            left, total, done, told_at = dict(ends), sum(ends.values()), 0, 0.0
            while left:
                if stopping():
                    store.give_up(generation)
                    return None
                batch = feed.poll(_POLL_SECONDS)
                writer.write(batch)
                feed.took(batch)
                for place, (_, to) in batch.moves.items():
                    if to >= ends.get(place, 0):
                        left.pop(place, None)
                done += len(batch.records)
                if time.monotonic() - told_at > 1:
                    store.keep(generation)
                    progress(done, total)
                    told_at = time.monotonic()
            progress(total, total)
            store.switch(generation)
        except BaseException:
            _give_up(store, generation)
            raise
        store.sweep()
        return generation
    finally:
        feed.close()


def _give_up(store: Store, generation: str) -> None:
    try:
        store.give_up(generation)
    except ViewError:
        log.warning("the rebuild could not say that it has ended: another may begin in a minute")


class Follower:
    """One `ews view`: a member of the group, and its state as others see it."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._policy = load_policy(settings)
        self._store = Store(settings)
        self._stop = threading.Event()
        self._why_not: str | None = "starting"
        self._failures = 0
        self._fresh: dict[int, int] = {}
        self._looked_at = 0.0

    def not_ready(self) -> str | None:
        """Why it is not ready; None when it is: Valkey and Kafka answer, and its partitions were just read to their ends."""
        return self._why_not

    def stop(self) -> None:
        """Ends `run` after the present batch."""
        self._stop.set()

    def run(self) -> None:
        """Follows until stopped. Raises what no waiting mends: ConfigurationError, EngineError."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self.stop())
        feed = Feed(self._settings, member=True)
        try:
            while not self._stop.is_set():
                try:
                    self._follow(feed)
                except Moved as moved:
                    log.info("the view reads its positions again", why=str(moved))
                    feed.rest()
                except ViewError as error:
                    self._wait(feed, error)
        finally:
            feed.close()
            self._store.close()
            self._not_ready("stopped")
            log.info("view stopped")

    def _follow(self, feed: Feed) -> None:
        """Follows one generation, until something is amiss."""
        generation = self._store.current()
        if generation is None:
            self._not_ready("there is no picture yet: it is being built")
            self._build(feed)
            return
        self._answered()
        self._store.sweep()
        writer = Writer(self._store, self._policy, generation)
        while not self._stop.is_set():
            if not feed.reading and feed.owned:
                if self._store.current() != generation:
                    return
                self._fresh = {}
                feed.read_from(self._store.positions(generation))
                log.info("view reads", generation=generation, partitions=len({partition for _, partition in feed.owned}))
            batch = feed.poll(_POLL_SECONDS)
            writer.write(batch)
            feed.took(batch)
            if time.monotonic() - self._looked_at > _LOOK_SECONDS:
                self._look(feed, generation)
                self._looked_at = time.monotonic()

    def _build(self, feed: Feed) -> None:
        """Builds the first generation, or waits for another view that does. The group is kept alive meanwhile."""
        done = threading.Event()

        def beat() -> None:
            while not done.wait(_POLL_SECONDS):
                with contextlib.suppress(EwsError):  # told again by the next poll, which is not in a thread
                    feed.poll(0)

        feed.rest()
        beating = threading.Thread(target=beat, name="ews-view-group", daemon=True)
        beating.start()
        try:
            generation = rebuild(
                self._settings, self._store,
                lambda read, total: log.info("view builds", records=read, of=total), self._stop.is_set,
            )  # fmt: skip
        finally:
            done.set()
            beating.join()
        if generation is not None:
            log.info("view built", generation=generation)

    def _look(self, feed: Feed, generation: str) -> None:
        """Measures the lag, and tells readers how fresh the pictures are."""
        asked_at = now_ms()
        if not feed.joined or (feed.owned and not feed.reading):
            return
        # Nothing may have been written since the server came back without its data, or a rebuild switched.
        if self._store.current() != generation:
            raise Moved("the generation is another one now")
        stored = self._store.positions(generation)
        if any(stored.get(place) != offset for place, offset in feed.stands().items()):
            raise Moved("the positions are not those that this view had read")
        try:
            lags = feed.lags()
        except EngineError as error:
            self._not_ready(str(error))
            return
        metrics.VIEW_LAG.clear()
        for (topic, partition), lag in lags.items():
            metrics.VIEW_LAG.labels(topic, str(partition)).set(lag)
        behind = {partition for (_, partition), lag in lags.items() if lag}
        fresh = {partition for _, partition in lags} - behind
        self._fresh |= dict.fromkeys(fresh, asked_at)
        if fresh:
            self._store.tell_fresh(generation, fresh, feed.partitions, asked_at)
            feed.commit()
        stale = [partition for partition in behind if self._fresh.get(partition, 0) < asked_at - _STALE_MS]
        if stale:
            self._not_ready(f"behind by {sum(lags.values())} records")
        else:
            self._why_not = None
            metrics.VIEW_READY.set(1)

    def _wait(self, feed: Feed, error: ViewError) -> None:
        """Waits before the next try, longer each time, and stays in the group meanwhile."""
        seconds = _WAITS[min(self._failures, len(_WAITS) - 1)]
        if not self._failures:
            log.warning("view waits", why=str(error))
        self._failures += 1
        metrics.VIEW_REDIS_UP.set(isinstance(error, Busy))
        self._not_ready(str(error))
        feed.rest()
        until = time.monotonic() + seconds
        while not self._stop.is_set() and time.monotonic() < until:
            feed.poll(_POLL_SECONDS / 2)

    def _answered(self) -> None:
        if self._failures:
            log.info("view goes on", tries=self._failures)
        self._failures = 0
        metrics.VIEW_REDIS_UP.set(1)

    def _not_ready(self, why: str) -> None:
        self._why_not = why
        metrics.VIEW_READY.set(0)
