"""Traces: asked for by OpenTelemetry's own variables, a span a commit, linked to what it answers; off, nothing is loaded."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from structlog.testing import capture_logs

from stream import tracing
from stream.engine.step import Output
from stream.engine.task import Commit

ONE = b"00-" + b"a" * 32 + b"-" + b"b" * 16 + b"-01"
OTHER = b"00-" + b"c" * 32 + b"-" + b"d" * 16 + b"-00"


class Collector(HTTPServer):
    """What takes spans over HTTP."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.requests: list[ExportTraceServiceRequest] = []
        self.url = f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: Collector

    def do_POST(self) -> None:
        assert self.path == "/v1/traces"
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.requests.append(ExportTraceServiceRequest.FromString(body))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def collector() -> Iterator[Collector]:
    server = Collector()
    serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    serving.start()
    yield server
    server.shutdown()
    serving.join()
    server.server_close()


def commit(*traces: bytes) -> Commit:
    outputs = [Output("signals", b"C-1", b"{}", (("ce_id", b"1"), ("traceparent", trace))) for trace in traces]
    outputs.append(Output("signals", b"C-1", b"{}", ()))
    return Commit(rows=[(b"k", b"v")], outputs=outputs, journal=b"", events=7, counts={}, positions={})


def test_a_commit_is_a_span_that_is_linked_to_the_traces_it_answers(
    collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "OTEL_RESOURCE_ATTRIBUTES": "deployment.environment=test"}
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert tracing.start(environment)
    tracing.observe_commit("accounts", 3, 0.25, commit(ONE, OTHER, ONE))
    tracing.stop()
    [request] = collector.requests
    [resource] = request.resource_spans
    told = {each.key: each.value.string_value for each in resource.resource.attributes}
    assert told["service.name"] == "ews"
    assert told["deployment.environment"] == "test"
    [span] = resource.scope_spans[0].spans
    assert span.name == "commit accounts"
    assert span.end_time_unix_nano - span.start_time_unix_nano == 250_000_000
    assert [link.trace_id.hex() for link in span.links] == ["a" * 32, "c" * 32]
    assert [link.span_id.hex() for link in span.links] == ["b" * 16, "d" * 16]
    numbers = {each.key: each.value.int_value for each in span.attributes if each.value.HasField("int_value")}
    assert numbers == {"ews.partition": 3, "ews.events": 7, "ews.rows": 1, "ews.outputs": 4, "ews.traces": 2}
    tracing.observe_commit("accounts", 3, 0.25, commit(ONE))  # once stopped, nothing more is told
    assert len(collector.requests) == 1


@pytest.mark.parametrize(
    ("environment", "asked"),
    [
        ({}, False),
        ({"OTEL_SERVICE_NAME": "x"}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318"}, True),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://c:4318"}, True),
        ({"OTEL_TRACES_EXPORTER": "otlp"}, True),
        ({"OTEL_TRACES_EXPORTER": "none", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318"}, False),
        ({"OTEL_SDK_DISABLED": "true", "OTEL_TRACES_EXPORTER": "otlp"}, False),
    ],
)
def test_traces_are_on_only_where_the_standard_variables_ask_for_them(environment: dict[str, str], asked: bool) -> None:
    assert tracing.wanted(environment) is asked


@pytest.mark.parametrize(
    "environment", [{"OTEL_TRACES_EXPORTER": "zipkin"}, {"OTEL_TRACES_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}]
)
def test_what_is_asked_for_and_cannot_be_is_told_and_stops_nobody(environment: dict[str, str]) -> None:
    with capture_logs() as lines:
        assert not tracing.start(environment)
    [line] = lines
    assert line["log_level"] == "warning"
    assert "http/protobuf" in line["why"]


def test_off_nothing_of_opentelemetry_is_loaded() -> None:
    code = (
        "import sys; from stream import app, tracing; assert not tracing.start({}); "
        "print([name for name in sys.modules if name.startswith('opentelemetry')])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


def test_asked_for_without_the_extra_a_worker_goes_on_and_says_what_is_missing() -> None:
    code = (
        "import sys; sys.modules['opentelemetry.sdk'] = None; from stream import tracing; "
        "assert not tracing.start({'OTEL_TRACES_EXPORTER': 'otlp'})"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "the extra `otel` is not installed" in run.stdout + run.stderr
