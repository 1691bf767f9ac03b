"""Traces, for who wants them: a span for each commit, linked to the traces of the events that it answers.

On only where the extra `otel` is installed and OpenTelemetry's own variables name somewhere to send to:
`OTEL_EXPORTER_OTLP_ENDPOINT` (or `..._TRACES_ENDPOINT`), or `OTEL_TRACES_EXPORTER` with `otlp` or `console`. Off, nothing of
OpenTelemetry is loaded. Spans are sent from a thread of its own; a collector that is away costs them, and nothing else.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import structlog

from stream import __version__

if TYPE_CHECKING:
    from stream.engine.task import Commit

log = structlog.get_logger()

MOST_LINKS = 128
"""Links of one span: OpenTelemetry's own limit."""
_PATIENCE = 2.0
"""Seconds that a worker's end waits for the last spans."""

_provider: Any = None
_tell: Callable[[str, int, float, Commit], None] | None = None


def wanted(environment: Mapping[str, str]) -> bool:
    """Whether OpenTelemetry's variables ask for traces."""
    if environment.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return False
    exporter = environment.get("OTEL_TRACES_EXPORTER", "")
    if exporter:
        return exporter != "none"
    return any(environment.get(f"OTEL_EXPORTER_OTLP_{which}ENDPOINT") for which in ("", "TRACES_"))


def start(environment: Mapping[str, str] = os.environ) -> bool:
    """Begins to trace where that is asked for and possible; returns whether it does. What is in the way is told in the log."""
    global _provider, _tell
    if not wanted(environment):
        return False
    exporter = environment.get("OTEL_TRACES_EXPORTER") or "otlp"
    protocol = environment.get("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL") or environment.get("OTEL_EXPORTER_OTLP_PROTOCOL")
    if exporter not in ("otlp", "console") or (exporter == "otlp" and protocol not in (None, "", "http/protobuf")):
        log.warning(
            "no traces", why="OTEL_TRACES_EXPORTER may be otlp or console here, OTEL_EXPORTER_OTLP_PROTOCOL http/protobuf"
        )
        return False
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor, ConsoleSpanExporter
    except ImportError:
        log.warning("no traces", why="OTEL_* variables ask for them, and the extra `otel` is not installed")
        return False
    named = environment.get("OTEL_SERVICE_NAME") or "service.name=" in environment.get("OTEL_RESOURCE_ATTRIBUTES", "")
    resource = Resource.create({"service.version": __version__} | ({} if named else {"service.name": "ews"}))
    _provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    _provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter() if exporter == "otlp" else ConsoleSpanExporter()))
    _tell = _teller(_provider.get_tracer("ews", __version__))
    log.info("traces on", exporter=exporter)
    return True


def observe_commit(stage: str, partition: int, seconds: float, commit: Commit) -> None:
    """Tells of a commit that has just ended, where traces are on."""
    if _tell is not None:
        _tell(stage, partition, seconds, commit)


def stop() -> None:
    """Sends what is left, within two seconds."""
    global _provider, _tell
    if _provider is not None:
        sending = threading.Thread(target=_provider.shutdown, daemon=True)
        sending.start()
        sending.join(_PATIENCE)
    _provider = _tell = None


def _teller(tracer: Any) -> Callable[[str, int, float, Commit], None]:
    from opentelemetry.trace import Link, SpanContext, SpanKind, TraceFlags

    def tell(stage: str, partition: int, seconds: float, commit: Commit) -> None:
        traces = {
            value: None for output in commit.outputs for name, value in output.headers if name == "traceparent" and value
        }
        links = []
        for trace in list(traces)[:MOST_LINKS]:
            _, trace_id, span_id, flags = trace.decode("ascii").split("-")
            links.append(Link(SpanContext(int(trace_id, 16), int(span_id, 16), True, TraceFlags(int(flags, 16)))))
        end = time.time_ns()
        span = tracer.start_span(
            f"commit {stage}",
            kind=SpanKind.PRODUCER,
            links=links,
            start_time=end - round(seconds * 1e9),
            attributes={
                "ews.stage": stage,
                "ews.partition": partition,
                "ews.events": commit.events,
                "ews.rows": len(commit.rows),
                "ews.outputs": len(commit.outputs),
                "ews.traces": len(traces),
            },
        )
        span.end(end)

    return tell
