"""A TCP relay on loopback that can do what networks do: drop connections, delay, swallow everything."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import threading
from concurrent.futures import Future
from typing import Self

END_TXN = 26
"""The number of the request that ends a transaction, in Kafka's protocol."""

_LIMIT = 1 << 20


class Proxy:
    """Relays connections of its own port to another. A context manager: listening, then closed.

    It runs in a thread of its own; every method may be called from any thread.
    """

    def __init__(self) -> None:
        """Listens on a free port; until `aim` says where to, connections are refused by closing them."""
        self.delay = 0.0
        """Seconds that each piece waits, in both directions. What waits already is not overtaken."""
        self._target = 0
        self._loop = asyncio.new_event_loop()
        self._open: asyncio.Event
        self._writers: set[asyncio.StreamWriter] = set()
        self._watched: dict[int, threading.Event] = {}
        self._thread = threading.Thread(target=self._run, daemon=True, name="proxy")
        self._ready: Future[int] = Future()
        self._thread.start()
        self.port = self._ready.result(30)

    def aim(self, port: int) -> None:
        """Connections go to this port of loopback from now on."""
        self._target = port

    def drop(self) -> int:
        """Resets all connections there are; returns how many."""

        async def reset() -> int:
            count = len(self._writers) // 2
            for writer in self._writers:
                # Without this, an abort ends the connection as if all had been said.
                linger = struct.pack("ii", 1, 0)
                writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                writer.transport.abort()
            return count

        return asyncio.run_coroutine_threadsafe(reset(), self._loop).result(30)

    def swallow(self, on: bool) -> None:
        """While on, nothing passes: connections stay and new ones are taken, but no byte moves. Off: what waited goes on."""
        self._loop.call_soon_threadsafe(self._open.clear if on else self._open.set)

    def request(self, api_key: int) -> threading.Event:
        """Set when a request of this kind is next on its way to the broker."""
        event = self._watched[api_key] = threading.Event()
        return event

    def close(self) -> None:
        """Ends everything."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stop.set)
            self._thread.join(30)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._serve())
        finally:
            self._loop.close()

    async def _serve(self) -> None:
        self._open, self._stop = asyncio.Event(), asyncio.Event()
        self._open.set()
        server = await asyncio.start_server(self._accept, "127.0.0.1", 0, limit=_LIMIT)
        self._ready.set_result(server.sockets[0].getsockname()[1])
        await self._stop.wait()
        server.close()
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.sleep(0)  # connections close in the round after

    async def _accept(self, client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        self._writers.add(to_client)
        try:
            await self._open.wait()
            broker, to_broker = await asyncio.open_connection("127.0.0.1", self._target, limit=_LIMIT)
        except (OSError, asyncio.CancelledError):
            self._writers.discard(to_client)
            to_client.transport.abort()
            return
        self._writers.add(to_broker)
        ways = [
            asyncio.create_task(self._relay(client, to_broker, _Requests(self._watched))),
            asyncio.create_task(self._relay(broker, to_client, None)),
        ]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            pass
        finally:
            for way in ways:
                way.cancel()
            for writer in (to_client, to_broker):
                self._writers.discard(writer)
                writer.transport.abort()

    async def _relay(self, source: asyncio.StreamReader, to: asyncio.StreamWriter, requests: _Requests | None) -> None:
        with contextlib.suppress(OSError, asyncio.CancelledError):
            while data := await source.read(_LIMIT):
                if self.delay:
                    await asyncio.sleep(self.delay)
                await self._open.wait()
                to.write(data)
                if requests is not None:
                    requests.feed(data)
                await to.drain()


class _Requests:
    """Finds requests in what a client sends: each is a length of four bytes, then the kind in two."""

    def __init__(self, watched: dict[int, threading.Event]) -> None:
        self._watched = watched
        self._head = b""
        self._left = 0
        """Bytes of the present request that are still to come."""

    def feed(self, data: bytes) -> None:
        at = 0
        while at < len(data):
            if self._left:
                step = min(self._left, len(data) - at)
                self._left -= step
                at += step
                continue
            want = 6 - len(self._head)
            self._head += data[at : at + want]
            at += want
            if len(self._head) == 6:
                self._left = int.from_bytes(self._head[:4], "big") - 2
                if (event := self._watched.pop(int.from_bytes(self._head[4:], "big"), None)) is not None:
                    event.set()
                self._head = b""
