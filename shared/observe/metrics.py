"""Metrics: every figure that the kernel counts or looks at, named once."""

from prometheus_client import Counter, Gauge, Histogram

_LINE = ["service", "source", "shard"]

# Counted where it happens

commands = Counter("reserve_commands_total", "Commands answered, by what became of them", ["service", "outcome"])
events = Counter("reserve_events_total", "Events appended", ["service"])
commit_seconds = Histogram(
    "reserve_commit_seconds",
    "From the shard's lock to the commit",
    ["service"],
    buckets=(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 5),
)
batch_commands = Histogram("reserve_batch_commands", "Commands in a commit", ["service"], buckets=(1, 2, 4, 8, 16, 32, 64, 128, 256, 512))
set_aside = Counter("reserve_set_aside_total", "Messages that are no valid event of a known source", ["service", "source"])
http_requests = Counter("reserve_http_requests_total", "Requests answered, by route", ["service", "handler", "method", "status"])
http_request_seconds = Histogram(
    "reserve_http_request_duration_seconds",
    "From a request's head to the end of its answer",
    ["service", "handler", "method"],
    buckets=(0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)
timers_fired = Counter("reserve_timers_fired_total", "Timers whose command was settled", ["service"])

# Looked at, by shared.process.watch. What is of one process alone says so; the rest every process of a service gives alike.

queued_commands = Gauge("reserve_queued_commands", "Commands of this process that wait or are being decided", ["service", "shard"])
oldest_command_seconds = Gauge("reserve_oldest_command_seconds", "How long the oldest of these has waited", ["service", "shard"])
writes_refused = Gauge("reserve_writes_refused", "1 while this process takes no writes, by reason", ["service", "reason"])
leading = Gauge("reserve_leading", "1 while this process does a work that one process of a service does", ["service", "work"])
database_up = Gauge("reserve_database_up", "1 while PostgreSQL answers this process", ["service"])
kafka_up = Gauge("reserve_kafka_up", "1 while Kafka answers this process", ["service"])
data_free_bytes = Gauge("reserve_data_free_bytes", "Free space on the volume of the data folder", ["service"])
data_size_bytes = Gauge("reserve_data_size_bytes", "Size of the volume of the data folder", ["service"])
journal_position = Gauge("reserve_journal_position", "The last position of a shard", ["service", "shard"])
relay_lag = Gauge("reserve_relay_lag_events", "Events that Kafka has not acknowledged yet", ["service", "shard"])
inbox_position = Gauge("reserve_inbox_position", "The last position taken from a source's shard", _LINE)
inbox_heard = Gauge(
    "reserve_inbox_heard_timestamp_seconds", "When a line of this process last took something, or found nothing new at its source", _LINE
)
inbox_stopped = Gauge("reserve_inbox_stopped", "1 while a line of this process stands still and needs a person", _LINE)
fork_detected = Gauge("reserve_fork_detected", "1 while a line of this process stands still before another history of its source", _LINE)
parked = Gauge("reserve_parked_events", "Events that a person has put aside", ["service", "source"])
timers_overdue = Gauge("reserve_timers_overdue", "Timers whose time has come and that have not fired", ["service"])
