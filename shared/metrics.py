"""Metrics: every figure that the kernel counts, named once."""

from prometheus_client import Counter, Gauge, Histogram

commands = Counter("reserve_commands_total", "Commands settled, by what became of them", ["service", "outcome"])
events = Counter("reserve_events_total", "Events appended", ["service"])
commit_seconds = Histogram(
    "reserve_commit_seconds",
    "From the shard's lock to the commit",
    ["service"],
    buckets=(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 5),
)
batch_commands = Histogram("reserve_batch_commands", "Commands in a commit", ["service"], buckets=(1, 2, 4, 8, 16, 32, 64, 128, 256, 512))
relay_lag = Gauge("reserve_relay_lag_events", "Events that Kafka has not acknowledged yet", ["service", "shard"])
inbox_position = Gauge("reserve_inbox_position", "The last position taken from a source's shard", ["service", "source", "shard"])
inbox_stopped = Gauge("reserve_inbox_stopped", "1 while a line stands still and needs a person", ["service", "source", "shard"])
set_aside = Counter("reserve_set_aside_total", "Messages that are no valid event of a known source", ["service", "source"])
timers_fired = Counter("reserve_timers_fired_total", "Timers whose command was settled", ["service"])
