"""The proxy of the tests: passes everything on in order, until it is told to misbehave."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator

import pytest

from tests.kafka.proxy import END_TXN, Proxy


@pytest.fixture
def proxy() -> Iterator[Proxy]:
    """In front of a server that says everything back."""
    server = socket.create_server(("127.0.0.1", 0))

    def echo(connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            while data := connection.recv(65_536):
                connection.sendall(data)

    def serve() -> None:
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=echo, args=(server.accept()[0],), daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    with Proxy() as relay:
        relay.aim(server.getsockname()[1])
        yield relay
    server.close()


def connect(proxy: Proxy) -> socket.socket:
    return socket.create_connection(("127.0.0.1", proxy.port), timeout=30)


def read(connection: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        piece = connection.recv(count - len(data))
        assert piece, "closed"
        data += piece
    return data


def request(kind: int, size: int) -> bytes:
    return (size + 2).to_bytes(4, "big") + kind.to_bytes(2, "big") + b"x" * size


def test_what_goes_in_comes_out(proxy: Proxy) -> None:
    data = bytes(range(256)) * 4_000
    with connect(proxy) as connection:
        threading.Thread(target=connection.sendall, args=(data,), daemon=True).start()
        assert read(connection, len(data)) == data


def test_dropped_connections_are_reset_and_new_ones_work(proxy: Proxy) -> None:
    with connect(proxy) as old:
        old.sendall(b"a")
        assert read(old, 1) == b"a"
        assert proxy.drop() == 1
        with pytest.raises(ConnectionError):
            old.recv(1)
    with connect(proxy) as new:
        new.sendall(b"b")
        assert read(new, 1) == b"b"


def test_what_is_swallowed_for_a_while_comes_later_in_order(proxy: Proxy) -> None:
    with connect(proxy) as connection:
        connection.sendall(b"a")
        assert read(connection, 1) == b"a"
        proxy.swallow(True)
        connection.sendall(b"b")
        connection.settimeout(0.3)
        with pytest.raises(TimeoutError):
            connection.recv(1)
        connection.settimeout(30)
        connection.sendall(b"c")
        proxy.swallow(False)
        assert read(connection, 2) == b"bc"


def test_delayed_pieces_are_not_overtaken(proxy: Proxy) -> None:
    with connect(proxy) as connection:
        proxy.delay = 0.2
        connection.sendall(b"first ")
        proxy.delay = 0.0
        connection.sendall(b"then")
        assert read(connection, 10) == b"first then"


def test_a_kind_of_request_is_noticed_wherever_its_head_is_cut(proxy: Proxy) -> None:
    seen = proxy.request(END_TXN)
    data = request(0, 300) + request(3, 0)
    with connect(proxy) as connection:
        connection.sendall(data)
        read(connection, len(data))
        assert not seen.is_set()
        for byte in request(END_TXN, 5):
            connection.sendall(bytes([byte]))
            read(connection, 1)
        assert seen.wait(30)


def test_without_a_server_behind_it_connections_are_closed() -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        unused = probe.getsockname()[1]
    with Proxy() as proxy:
        proxy.aim(unused)
        with connect(proxy) as connection, contextlib.suppress(ConnectionError):
            assert connection.recv(1) == b""
