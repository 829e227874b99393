"""Telemetry: JSON logs, Prometheus metrics, OpenTelemetry traces that go on across Kafka."""

import logging
import sys

import structlog
from fastapi import FastAPI
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
from prometheus_fastapi_instrumentator import Instrumentator

from shared.settings import Settings


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
        logger_factory=structlog.PrintLoggerFactory(sys.stdout),
        cache_logger_on_first_use=True,
    )
    if settings.otlp_endpoint:
        provider = TracerProvider(
            resource=Resource.create({"service.name": f"reserve-{service}"}), sampler=ParentBased(TraceIdRatioBased(settings.trace_ratio))
        )
        provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(settings.otlp_endpoint)))
        trace.set_tracer_provider(provider)


def instrument(app: FastAPI, service: str, settings: Settings) -> None:
    """Request metrics at /metrics; request spans where traces have somewhere to go."""
    Instrumentator(excluded_handlers=["/metrics", "/livez", "/readyz"]).instrument(
        app, metric_namespace="reserve", metric_subsystem="http"
    ).expose(app, include_in_schema=False)
    if settings.otlp_endpoint:
        FastAPIInstrumentor.instrument_app(app, excluded_urls="metrics,livez,readyz")


def _add_service(service: str) -> structlog.types.Processor:
    def add(_logger: object, _method: str, event: structlog.types.EventDict) -> structlog.types.EventDict:
        event["service"] = service
        return event

    return add
