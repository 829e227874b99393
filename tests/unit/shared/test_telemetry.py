"""Traces go on across Kafka: what follows from an event is in the event's own trace."""

import msgspec
import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from shared.journal.messages import to_headers
from shared.journal.record import GENESIS, Fact, Record
from shared.observe.telemetry import following, tracer_provider

LOW, HIGH = "1" * 32, "f" * 32  # of a ratio's trace ids, the low ones are kept


def fact(trace_id: str) -> Fact:
    record = Record(
        shard=2,
        position=7,
        stream="stockpile/gallium",
        version=3,
        type="inventory.stock_drawn.v1",
        data=msgspec.Raw(b"{}"),
        partner=None,
        partner_seq=None,
        effective_on="2026-01-06",
        recorded_at="2026-01-06T00:00:00.000000Z",
        command_id="00",
        actor="sub_1",
        correlation_id=trace_id,
        causation_id="request:1",
        salt=bytes(16),
        event_hash=bytes(range(32)),
        chain_hash=bytes(32),
    )
    return Fact("inventory", record, None)


class Traced:
    """A service that keeps every second trace."""

    def __init__(self) -> None:
        self.spans = InMemorySpanExporter()
        provider = tracer_provider("allocation", 0.5)
        provider.add_span_processor(SimpleSpanProcessor(self.spans))
        self.tracer = provider.get_tracer("test")


@pytest.fixture
def traced() -> Traced:
    return Traced()


def test_what_follows_from_an_event_has_the_parent_that_its_message_names(traced: Traced):
    taken = fact(LOW)
    with following(taken, "CloseRound", traced.tracer):
        pass
    (span,) = traced.spans.get_finished_spans()
    assert span.parent is not None and span.attributes is not None
    named = f"00-{trace.format_trace_id(span.parent.trace_id)}-{trace.format_span_id(span.parent.span_id)}-00"
    assert named.encode() == dict(to_headers("inventory", taken.record, GENESIS))["traceparent"]
    assert span.attributes["messaging.message.id"] == "inventory/2/7"


def test_every_service_keeps_the_same_traces(traced: Traced):
    for trace_id in (LOW, HIGH):
        with following(fact(trace_id), "CloseRound", traced.tracer):
            pass
    assert [trace.format_trace_id(span.get_span_context().trace_id) for span in traced.spans.get_finished_spans()] == [LOW]
    roots = [traced.tracer.start_span("request") for _ in range(40)]
    kept = {trace.format_trace_id(root.get_span_context().trace_id) for root in roots if root.is_recording()}
    traced.spans.clear()
    for root in roots:
        with following(fact(trace.format_trace_id(root.get_span_context().trace_id)), "CloseRound", traced.tracer):
            pass
    assert {trace.format_trace_id(span.get_span_context().trace_id) for span in traced.spans.get_finished_spans()} == kept
