"""Telemetry: JSON logs, Prometheus metrics, OpenTelemetry traces that go on across Kafka."""

import logging
import sys
import time
from contextlib import AbstractContextManager

import structlog
from fastapi import FastAPI
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.instrumentation.asyncpg import AsyncPGInstrumentor
from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
from prometheus_client import CONTENT_TYPE_LATEST, Counter, Histogram, generate_latest
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared.journal.record import Fact
from shared.observe import metrics
from shared.observe.logs import lines_to
from shared.settings import Settings

_NOT_MEASURED = frozenset({"/metrics", "/livez", "/readyz"})
_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"})  # callers invent others

TRACER = trace.get_tracer("reserve")  # records nothing until `configure` gives traces a place to go


def configure(service: str, settings: Settings) -> None:
    """Logs go to stdout, a JSON object a line; traces go to the OTLP endpoint, if there is one."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            _add_service(service),
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[settings.log_level]),
        logger_factory=lines_to(sys.stdout),
        cache_logger_on_first_use=True,
    )
    if settings.otlp_endpoint:
        provider = tracer_provider(service, settings.trace_ratio)
        provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(settings.otlp_endpoint)))
        trace.set_tracer_provider(provider)
        AsyncPGInstrumentor().instrument()  # type: ignore[no-untyped-call]


def tracer_provider(service: str, ratio: float) -> TracerProvider:
    """Keeps this share of the traces, by trace id: a journal does not remember what was kept, so every service decides it alike."""
    share = TraceIdRatioBased(ratio)
    sampler = ParentBased(share, remote_parent_not_sampled=share)
    return TracerProvider(resource=Resource.create({"service.name": f"reserve-{service}"}), sampler=sampler)


def following(fact: Fact, name: str, tracer: trace.Tracer = TRACER) -> AbstractContextManager[trace.Span]:
    """A span in the trace of an event that was taken. Its parent is what `traceparent` says on Kafka, however the event came."""
    record = fact.record
    parent = trace.SpanContext(int(record.correlation_id, 16), int.from_bytes(record.event_hash[:8]), is_remote=True)
    context = trace.set_span_in_context(trace.NonRecordingSpan(parent))
    return tracer.start_as_current_span(name, context, kind=trace.SpanKind.CONSUMER, attributes={"messaging.message.id": fact.place})


def instrument(app: FastAPI, service: str, settings: Settings) -> None:
    """Request metrics at /metrics; request spans where traces have somewhere to go."""
    app.add_middleware(RequestMetrics, service=service)
    app.add_route("/metrics", metrics_answer, include_in_schema=False)
    if settings.otlp_endpoint:
        FastAPIInstrumentor.instrument_app(app, excluded_urls="metrics,livez,readyz")


class RequestMetrics:
    """ASGI middleware: counts requests and times them, by route. What has no route is of the handler "none"."""

    def __init__(self, app: ASGIApp, service: str) -> None:
        self._app = app
        self._service = service
        # The series of each route: prometheus_client would look them up by their labels each time, which costs more than to count.
        self._series: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] in _NOT_MEASURED:
            return await self._app(scope, receive, send)
        began, status = time.perf_counter(), 500

        async def observed(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, observed)
        finally:
            requests, seconds = self._of(getattr(scope.get("route"), "path", "none"), scope["method"], status // 100)
            requests.inc()
            seconds.observe(time.perf_counter() - began)

    def _of(self, handler: str, method: str, hundreds: int) -> tuple[Counter, Histogram]:
        if (known := self._series.get((handler, method, hundreds))) is None:
            named = method if method in _METHODS else "other"
            requests = metrics.http_requests.labels(self._service, handler, named, f"{hundreds}xx")
            known = requests, metrics.http_request_seconds.labels(self._service, handler, named)
            if named == method:
                self._series[handler, method, hundreds] = known
        return known


async def metrics_answer(_request: Request) -> Response:
    """All of this process's metrics, as Prometheus reads them."""
    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)


def _add_service(service: str) -> structlog.types.Processor:
    def add(_logger: object, _method: str, event: structlog.types.EventDict) -> structlog.types.EventDict:
        event["service"] = service
        return event

    return add
