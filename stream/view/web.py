"""The view's web port: `/metrics`, `/live` and `/ready`."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from stream import metrics
from stream.errors import ConfigurationError
from stream.settings import Settings


def serve(settings: Settings, not_ready: Callable[[], str | None]) -> None:
    """Serves in a thread of its own until the process ends. Raises ConfigurationError where the port cannot be used."""
    if settings.web_port == 0:
        return

    metrics.MEMORY_LIMIT.set(metrics.memory_limit())  # or the alert on memory would divide by 0

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:  # the standard library's name
            why = None
            match self.path.partition("?")[0]:
                case "/metrics":
                    self._answer(200, generate_latest(), CONTENT_TYPE_LATEST)
                case "/live":
                    self._answer(200, b"live\n")
                case "/ready":
                    why = not_ready()
                    self._answer(200 if why is None else 503, b"ready\n" if why is None else f"not ready: {why}\n".encode())
                case _:
                    self._answer(404, b"/metrics, /live, /ready\n")

        def _answer(self, status: int, body: bytes, kind: str = "text/plain; charset=utf-8") -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Who asked is not logged."""

    try:
        server = ThreadingHTTPServer((settings.web_host, settings.web_port), Handler)
    except OSError as error:
        raise ConfigurationError(
            f"EWS_WEB_PORT: {settings.web_host}:{settings.web_port} cannot be used ({os.strerror(error.errno or 0)}): a worker "
            "on this machine? Give each its own, or 0 for none"
        ) from error
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, name="ews-view-web", daemon=True).start()
