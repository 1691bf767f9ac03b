"""Pictures in Valkey or Redis: one script writes a whole batch, all or nothing, and only onto what it was worked out from.

Keys, under `<topic prefix><app>:view:` (docs/view.md):

    current              the generation that readers read
    building             the generation a rebuild fills; lapses by itself when the rebuild dies
    <gen>:of:<customer>  hash: `picture` (JSON), `state` (ours), `revision`
    <gen>:positions      hash: `<topic>:<partition>` to the offset that comes next
    <gen>:fresh          hash: partition to when (ms) it was last known to be read to its end; `partitions`: how many there are
    erased:<hash>        when (ms) a customer's tombstone was written
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple
from uuid import uuid4

import msgspec
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from stream.errors import ConfigurationError, ViewError
from stream.settings import Settings
from stream.view.picture import STATE_VERSION, State

Position = tuple[str, int]
"""A topic (logical name) and partition."""

_BUILDING_SECONDS: Final = 60
"""How long a rebuild may be silent before another may begin."""
_GRACE_SECONDS: Final = 60
"""How long a generation stays after the switch: for readers that had asked for `current` just before."""
_DAY: Final = 86_400

_APPLY: Final = """
-- 1 the pointer, 2 positions, then a key and an erasure marker for each customer. Nothing is written unless all of it still is
-- as it was when the batch was worked out.
local a, n = ARGV, 5
if redis.call('GET', KEYS[1]) ~= a[1] then return 'moved' end
local ttl, marker_ttl, moves = a[2], a[3], tonumber(a[4])
for i = 0, moves - 1 do
  if (redis.call('HGET', KEYS[2], a[n + 3 * i]) or '') ~= a[n + 3 * i + 1] then return 'moved' end
end
n = n + 3 * moves
for i = 3, #KEYS, 2 do
  local b = n + 5 * (i - 3) / 2
  if (redis.call('HGET', KEYS[i], 'revision') or '0') ~= a[b] then return 'conflict' end
  if (redis.call('GET', KEYS[i + 1]) or '0') ~= a[b + 1] then return 'conflict' end
end
for i = 3, #KEYS, 2 do
  local b = n + 5 * (i - 3) / 2
  if a[b + 3] == '' then
    redis.call('DEL', KEYS[i])
  else
    redis.call('HSET', KEYS[i], 'revision', tonumber(a[b]) + 1, 'state', a[b + 3], 'picture', a[b + 4])
    redis.call('EXPIRE', KEYS[i], ttl)
  end
  if a[b + 2] ~= a[b + 1] then redis.call('SET', KEYS[i + 1], a[b + 2], 'EX', marker_ttl) end
end
for i = 0, moves - 1 do redis.call('HSET', KEYS[2], a[5 + 3 * i], a[5 + 3 * i + 2]) end
return 'ok'
"""

_SWITCH: Final = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[2], ARGV[1])
redis.call('DEL', KEYS[1])
return 1
"""

_KEEP: Final = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('EXPIRE', KEYS[1], ARGV[2])
return 1
"""


class Moved(ViewError):
    """Another view has gone on, a rebuild has switched, or the server has lost writes: read the positions again."""


class Conflict(ViewError):
    """Another view wrote one of these customers meanwhile: work the batch out anew."""


class Busy(ViewError):
    """A rebuild is running already."""


class NoPicture(ViewError):
    """There is no picture of this customer, or none at all."""


@dataclass(slots=True)
class Held:
    """One customer as read, to be written back onto that revision."""

    state: State
    revision: str = "0"
    marker: str = "0"


class Shown(NamedTuple):
    """A picture and when (ms) it was last known to hold everything; None where that is not known."""

    picture: bytes
    fresh_at: int | None


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(State).decode


class Store:
    """What one process asks of Valkey or Redis. Every call raises ViewError where it does not answer in time."""

    def __init__(self, settings: Settings) -> None:
        self._prefix = f"{settings.group}:view:"
        self._ttl = settings.view_ttl_days * _DAY
        # What a rebuild could still read of somebody who was erased has expired by then.
        self._marker_ttl = max(settings.retention_days + 1, settings.view_ttl_days) * _DAY
        self._where = settings.redis_url
        self._redis = redis.Redis(
            **settings.redis(), socket_timeout=5, socket_connect_timeout=5, health_check_interval=0,
            # Who waits and tries again is `follow`, which knows what it had read.
            retry=Retry(NoBackoff(), 0),
        )  # fmt: skip
        self._apply = self._redis.register_script(_APPLY)
        self._switch = self._redis.register_script(_SWITCH)
        self._keep = self._redis.register_script(_KEEP)

    def key(self, generation: str, what: str) -> str:
        """A key of a generation."""
        return f"{self._prefix}{generation}:{what}"

    def current(self) -> str | None:
        """The generation that readers read; None while there is none."""
        return _text(self._ask(lambda: self._redis.get(self._prefix + "current")))

    def positions(self, generation: str) -> dict[Position, int]:
        """The offset that comes next, by topic and partition."""
        found = self._ask(lambda: self._redis.hgetall(self.key(generation, "positions")))
        return {(topic, int(partition)): int(offset) for name, offset in found.items()
                for topic, _, partition in [name.decode().rpartition(":")]}  # fmt: skip

    def load(self, generation: str, customers: Sequence[str]) -> dict[str, Held]:
        """What is held of these customers."""

        def read() -> list[Any]:
            with self._redis.pipeline(transaction=False) as pipe:
                for each in customers:
                    pipe.hmget(self.key(generation, f"of:{each}"), ["revision", "state"])
                    pipe.get(self._marker(each))
                return pipe.execute()

        answers = iter(self._ask(read))
        return {each: _held(next(answers), next(answers)) for each in customers}

    def write(
        self,
        generation: str,
        moves: Mapping[Position, tuple[int | None, int]],
        customers: Mapping[str, tuple[Held, bytes]],
        *,
        building: bool,
    ) -> None:
        """Writes customers and positions (from, to), all or nothing. Raises Moved or Conflict where nothing was written.

        A customer of whom nothing is to be shown is deleted.
        """
        keys = [self._prefix + ("building" if building else "current"), self.key(generation, "positions")]
        arguments: list[Any] = [generation, self._ttl, self._marker_ttl, len(moves)]
        for (topic, partition), (start, to) in moves.items():
            arguments += [f"{topic}:{partition}", "" if start is None else start, to]
        for name, (held, picture) in customers.items():
            keys += [self.key(generation, f"of:{name}"), self._marker(name)]
            kept = b"" if held.state.blank else bytes([STATE_VERSION]) + _encode(held.state)
            arguments += [held.revision, held.marker, held.state.erased_at, kept, picture]
        result = _text(self._ask(lambda: self._apply(keys=keys, args=arguments)))
        if result == "moved":
            raise Moved("the positions are not those that this view had read")
        if result == "conflict":
            raise Conflict("another view wrote meanwhile")

    # --- generations

    def begin(self) -> str:
        """Begins a generation beside the current one. Raises Busy while another rebuild runs."""
        generation = f"g{uuid4().hex[:12]}"
        if not self._ask(lambda: self._redis.set(self._prefix + "building", generation, nx=True, ex=_BUILDING_SECONDS)):
            raise Busy(
                f"another rebuild is running: wait for its end; if it died, it is forgotten within {_BUILDING_SECONDS} seconds"
            )
        return generation

    def keep(self, generation: str) -> None:
        """Says that the rebuild lives. Raises Moved where it was taken for dead."""
        if not self._ask(lambda: self._keep(keys=[self._prefix + "building"], args=[generation, _BUILDING_SECONDS])):
            raise Moved("the rebuild was silent for too long and is forgotten: start it again")

    def switch(self, generation: str) -> None:
        """From now on readers and views read this generation. Raises Moved where the rebuild was taken for dead."""
        if not self._ask(lambda: self._switch(keys=[self._prefix + "building", self._prefix + "current"], args=[generation])):
            raise Moved("the rebuild was silent for too long and is forgotten: start it again")

    def give_up(self, generation: str) -> None:
        """Forgets a rebuild that will not end, so that another may begin."""
        if _text(self._ask(lambda: self._redis.get(self._prefix + "building"))) == generation:
            self._ask(lambda: self._redis.delete(self._prefix + "building"))

    def sweep(self) -> int:
        """Lets go, in a minute, of what belongs to no generation in use; how many keys."""
        in_use = {self.current(), _text(self._ask(lambda: self._redis.get(self._prefix + "building")))}
        count = 0

        def old(names: Iterable[bytes]) -> list[bytes]:
            mine = len(self._prefix)
            return [name for name in names if name.decode()[mine:].partition(":")[0] not in in_use]

        cursor = 0
        while True:
            cursor, names = self._ask(lambda at=cursor: self._redis.scan(at, match=_literal(self._prefix) + "g*", count=1000))
            gone = old(names)

            def expire(names: list[bytes] = gone) -> None:
                with self._redis.pipeline(transaction=False) as pipe:
                    for name in names:
                        pipe.expire(name, _GRACE_SECONDS)
                    pipe.execute()

            if gone:
                self._ask(expire)
            count += len(gone)
            if cursor == 0:
                return count

    # --- for readers

    def tell_fresh(self, generation: str, partitions: Iterable[int], count: int, now_ms: int) -> None:
        """These of `count` partitions were read to their ends at `now_ms`."""
        told: dict[Any, Any] = {"partitions": count, **dict.fromkeys(map(str, partitions), now_ms)}
        self._ask(lambda: self._redis.hset(self.key(generation, "fresh"), mapping=told))

    def show(self, customer_id: str) -> Shown:
        """The picture as readers get it. Raises NoPicture."""
        generation = self.current()
        if generation is None:
            raise NoPicture(f"there are no pictures at {self._where} yet: is `ews view` running, and at its end?")
        picture = self._ask(lambda: self._redis.hget(self.key(generation, f"of:{customer_id}"), "picture"))
        if picture is None:
            raise NoPicture(
                "there is no picture of this customer: the id is wrong, their record was erased, or nothing was told of them for "
                f"{self._ttl // _DAY} days. That is no permission to contact them"
            )
        answer = self._ask(lambda: self._redis.hgetall(self.key(generation, "fresh")))
        told = {name.decode(): int(at) for name, at in answer.items()}
        count = told.pop("partitions", 0)
        return Shown(picture, min(told.values()) if count and len(told) == count else None)

    def close(self) -> None:
        """Closes the connections."""
        self._redis.close()

    def _marker(self, customer_id: str) -> str:
        """Not the id itself: of whom was erased, only who already knows them can tell."""
        return f"{self._prefix}erased:{hashlib.blake2b(customer_id.encode(), digest_size=16).hexdigest()}"

    def _ask(self, question: Any) -> Any:
        try:
            return question()
        except (redis.AuthenticationError, redis.exceptions.NoPermissionError) as error:
            raise ViewError(
                f"{self._where} refuses this login ({_first(error)}): EWS_REDIS_URL's user, EWS_REDIS_PASSWORD_FILE, or "
                "its rights (docs/view.md)"
            ) from None
        except redis.RedisError as error:
            raise ViewError(f"no answer from {self._where} ({_first(error)})") from None


def _first(error: Exception) -> str:
    """What kind of error, and what the server called it: never a key, which may name a customer."""
    word = str(error).partition(" ")[0]
    return type(error).__name__ + (f", {word}" if word.isupper() and word.isalpha() else "")


def _held(of: Sequence[bytes | None], marker: bytes | None) -> Held:
    revision, state = of
    at = int(marker or 0)
    if state is None:
        return Held(State(erased_at=at), marker=str(at))
    if state[0] != STATE_VERSION:
        raise ConfigurationError(f"the pictures were written by another version (state {state[0]}): run `ews view --rebuild`")
    held = _decode(memoryview(state)[1:])
    held.erased_at = at
    return Held(held, (revision or b"0").decode(), str(at))


def _text(value: bytes | None) -> str | None:
    return None if value is None else value.decode()


def _literal(text: str) -> str:
    """A pattern that matches this alone."""
    return "".join(f"\\{each}" if each in "*?[]^\\" else each for each in text)
