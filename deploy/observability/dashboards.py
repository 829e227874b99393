"""Writes Grafana's dashboards beside this file: python deploy/observability/dashboards.py. A test compares them with what stands here."""

import json
from pathlib import Path
from typing import Any, NamedTuple

FOLDER = Path(__file__).parent / "dashboards"
SOURCE = {"type": "prometheus", "uid": "prometheus"}  # as provisioning/datasources names it
COLUMNS, STAT_ROWS, CHART_ROWS = 24, 4, 8

DRAWS = 'handler="/v1/releases/{release}/draws", method="POST"'
RATE = "$__rate_interval"


class Stat(NamedTuple):
    """A number now. `bad`: from which value on it is red; `words` say what a value means."""

    title: str
    query: str
    unit: str = "short"
    bad: float | None = None
    good: float | None = None  # red below it
    words: dict[int, str] | None = None


class Chart(NamedTuple):
    """Series over time: {legend: query}."""

    title: str
    series: dict[str, str]
    unit: str = "short"


class Table(NamedTuple):
    """What is so now, a row a series."""

    title: str
    query: str


type Panel = Stat | Chart | Table


def quantile(q: float, metric: str, matchers: str = "", by: str = "") -> str:
    labels = f"{{{matchers}}}" if matchers else ""
    return f"histogram_quantile({q}, sum by (le{by and ', ' + by}) (rate({metric}_bucket{labels}[{RATE}])))"


DASHBOARDS: dict[str, tuple[str, list[list[Panel]]]] = {
    "overview": (
        "Can the reserve release?",
        [
            [
                Stat(
                    "Releases and draws are taken",
                    'min(up{service="inventory"}) * (1 - max(reserve_writes_refused{service="inventory"}))'
                    ' * max(reserve_database_up{service="inventory"}) or vector(0)',
                    good=1,
                    words={0: "no", 1: "yes"},
                ),
                Stat("Oldest event without a receipt", "max(reserve_ledger_unsigned_seconds)", "s", bad=60),
                Stat("Lines that stand still", "sum(max by (service, source, shard) (reserve_inbox_stopped))", bad=1),
                Stat("Accounts below zero", "max(reserve_ledger_overdrawn_accounts)", bad=1),
                Stat("Services that answer", 'count(max by (service) (up{job="reserve"}) == 1)', good=5),
                Stat("Alerts", 'count(ALERTS{alertstate="firing"}) or vector(0)', bad=1),
            ],
            [
                Chart(
                    "Draws",
                    {
                        "accepted": f'sum(rate(reserve_http_requests_total{{service="inventory", {DRAWS}, status="2xx"}}[{RATE}]))',
                        "refused": f'sum(rate(reserve_http_requests_total{{service="inventory", {DRAWS}, status="4xx"}}[{RATE}]))',
                        "failed": f'sum(rate(reserve_http_requests_total{{service="inventory", {DRAWS}, status="5xx"}}[{RATE}]))',
                    },
                    "reqps",
                ),
                Chart(
                    "A draw takes",
                    {
                        "half of them": quantile(0.5, "reserve_http_request_duration_seconds", f'service="inventory", {DRAWS}'),
                        "99 in 100": quantile(0.99, "reserve_http_request_duration_seconds", f'service="inventory", {DRAWS}'),
                    },
                    "s",
                ),
            ],
            [
                Chart(
                    "Answers that are 5xx",
                    {"{{service}}": "reserve:http_error_ratio:rate5m"},
                    "percentunit",
                ),
                Chart(
                    "Commands by what became of them",
                    {"{{service}} {{outcome}}": f"sum by (service, outcome) (rate(reserve_commands_total[{RATE}]))"},
                    "ops",
                ),
            ],
            [Table("Alerts that fire", 'ALERTS{alertstate="firing"}')],
        ],
    ),
    "journal-and-writer": (
        "Journal and writer",
        [
            [
                Chart("Events appended", {"{{service}}": f"sum by (service) (rate(reserve_events_total[{RATE}]))"}, "ops"),
                Chart("Position of each shard", {"{{service}}/{{shard}}": "max by (service, shard) (reserve_journal_position)"}),
            ],
            [
                Chart("A commit takes, half of them", {"{{service}}": quantile(0.5, "reserve_commit_seconds", by="service")}, "s"),
                Chart("A commit takes, 99 in 100", {"{{service}}": quantile(0.99, "reserve_commit_seconds", by="service")}, "s"),
            ],
            [
                Chart(
                    "Commands in a commit",
                    {
                        "{{service}}": f"sum by (service) (rate(reserve_batch_commands_sum[{RATE}]))"
                        f" / sum by (service) (rate(reserve_batch_commands_count[{RATE}]))"
                    },
                ),
                Chart("Commands that wait", {"{{service}}/{{shard}}": "sum by (service, shard) (reserve_queued_commands)"}),
                Chart("The oldest has waited", {"{{service}}/{{shard}}": "max by (service, shard) (reserve_oldest_command_seconds)"}, "s"),
            ],
            [
                Chart("Writes refused", {"{{service}} {{reason}}": "max by (service, reason) (reserve_writes_refused) > 0"}),
                Chart("Timers that are due", {"{{service}}": "max by (service) (reserve_timers_overdue)"}),
                Chart("Timers fired", {"{{service}}": f"sum by (service) (rate(reserve_timers_fired_total[{RATE}]))"}, "ops"),
            ],
        ],
    ),
    "relay-and-inbox": (
        "Relay and inbox",
        [
            [
                Stat("Lines that stand still", "sum(max by (service, source, shard) (reserve_inbox_stopped))", bad=1),
                Stat("Forks", "sum(max by (service, source, shard) (reserve_fork_detected))", bad=1),
                Stat("Events parked", "sum(max by (service, source) (reserve_parked_events))", bad=1),
                Stat("Messages set aside, in a day", "sum(increase(reserve_set_aside_total[1d]))", bad=1),
            ],
            [
                Chart("Events not in Kafka yet", {"{{service}}": "sum by (service) (max by (service, shard) (reserve_relay_lag_events))"}),
                Chart("Events not taken yet", {"{{service}} of {{source}}": "sum by (service, source) (reserve:inbox_lag_events)"}),
            ],
            [
                Chart(
                    "A line last heard of its source",
                    {
                        "{{service}} of {{source}}/{{shard}}": "time() - max by (service, source, shard)"
                        " (reserve_inbox_heard_timestamp_seconds)"
                    },
                    "s",
                ),
                Chart("Processes that lead", {"{{service}} {{work}}": "sum by (service, work) (reserve_leading)"}),
            ],
            [Table("Lines that stand still", "max by (service, source, shard) (reserve_inbox_stopped) == 1")],
        ],
    ),
    "ledger": (
        "Ledger",
        [
            [
                Stat("Last checkpoint", "time() - max(reserve_ledger_checkpoint_timestamp_seconds)", "s"),
                Stat("Oldest event without a receipt", "max(reserve_ledger_unsigned_seconds)", "s", bad=60),
                Stat("Leaves", "max(reserve_ledger_leaves)", "locale"),
                Stat("Accounts below zero", "max(reserve_ledger_overdrawn_accounts)", bad=1),
                Stat(
                    "Signing",
                    'max(reserve_writes_refused{service="ledger", reason="log_forked"})',
                    bad=1,
                    words={0: "signs", 1: "refused"},
                ),
            ],
            [
                Chart(
                    "Leaves",
                    {"recorded": "max(reserve_ledger_leaves)", "signed": "max(reserve_ledger_signed_leaves)"},
                ),
                Chart(
                    "Recorded and not signed", {"leaves": "clamp_min(max(reserve_ledger_leaves) - max(reserve_ledger_signed_leaves), 0)"}
                ),
            ],
            [
                Chart(
                    "Events of a source not recorded yet",
                    {"{{source}}": 'sum by (source) (reserve:inbox_lag_events{service="ledger"})'},
                ),
                Chart("Events that overdrew an account", {"events": "sum(increase(reserve_ledger_overdrawn_total[1h]))"}),
            ],
        ],
    ),
    "engines-and-processes": (
        "Engines and processes",
        [
            [
                Stat("PostgreSQL", "min(max by (service) (reserve_database_up))", good=1, words={0: "away", 1: "answers"}),
                Stat("Kafka", "min(max by (service) (reserve_kafka_up))", good=1, words={0: "away", 1: "answers"}),
                Stat("Volume of the data folder, free", "min(reserve_data_free_bytes / reserve_data_size_bytes)", "percentunit", good=0.1),
                Stat("Starts in the last hour", 'sum(changes(process_start_time_seconds{job="reserve"}[1h]))', bad=3),
            ],
            [
                Chart("Answers", {"{{service}} {{instance}}": 'up{job="reserve"}'}),
                Chart("Running for", {"{{service}} {{instance}}": 'time() - process_start_time_seconds{job="reserve"}'}, "s"),
            ],
            [
                Chart(
                    "Processor", {"{{service}} {{instance}}": f'rate(process_cpu_seconds_total{{job="reserve"}}[{RATE}])'}, "percentunit"
                ),
                Chart("Memory", {"{{service}} {{instance}}": 'process_resident_memory_bytes{job="reserve"}'}, "bytes"),
                Chart("Open files", {"{{service}} {{instance}}": 'process_open_fds{job="reserve"}'}),
            ],
            [
                Chart("Requests", {"{{service}}": f"sum by (service) (rate(reserve_http_requests_total[{RATE}]))"}, "reqps"),
                Chart(
                    "A request takes, 99 in 100",
                    {"{{service}}": quantile(0.99, "reserve_http_request_duration_seconds", by="service")},
                    "s",
                ),
                Chart("Free space", {"{{service}}": "min by (service) (reserve_data_free_bytes)"}, "bytes"),
            ],
        ],
    ),
}


def dashboards() -> dict[str, str]:
    """{file name: its text}."""
    return {f"{name}.json": json.dumps(_dashboard(name, title, rows), indent=1) + "\n" for name, (title, rows) in DASHBOARDS.items()}


def _dashboard(name: str, title: str, rows: list[list[Panel]]) -> dict[str, Any]:
    panels: list[dict[str, Any]] = []
    top = 0
    for row in rows:
        width = COLUMNS // len(row)
        height = STAT_ROWS if all(isinstance(each, Stat) for each in row) else CHART_ROWS
        for column, each in enumerate(row):
            place = {"x": column * width, "y": top, "w": width, "h": height}
            panels.append({"id": len(panels) + 1, "title": each.title, "datasource": SOURCE, "gridPos": place, **_panel(each)})
        top += height
    return {
        "uid": f"reserve-{name}",
        "title": f"Reserve: {title}",
        "tags": ["reserve"],
        "schemaVersion": 39,
        "editable": False,
        "timezone": "utc",
        "time": {"from": "now-1h", "to": "now"},
        "refresh": "15s",
        "graphTooltip": 1,
        "links": [{"type": "dashboards", "tags": ["reserve"], "title": "Reserve", "asDropdown": False}],
        "panels": panels,
    }


def _panel(panel: Panel) -> dict[str, Any]:
    match panel:
        case Stat():
            bounds = [{"color": "green", "value": None}]
            if panel.bad is not None:
                bounds.append({"color": "red", "value": panel.bad})
            if panel.good is not None:
                bounds = [{"color": "red", "value": None}, {"color": "green", "value": panel.good}]
            words = {str(value): {"text": text} for value, text in (panel.words or {}).items()}
            defaults: dict[str, Any] = {"unit": panel.unit, "thresholds": {"mode": "absolute", "steps": bounds}}
            if words:
                defaults["mappings"] = [{"type": "value", "options": words}]
            options = {"colorMode": "value", "graphMode": "none", "reduceOptions": {"calcs": ["lastNotNull"]}}
            return {
                "type": "stat",
                "options": options,
                "fieldConfig": _fields(defaults),
                "targets": _targets({"": panel.query}, instant=True),
            }
        case Chart():
            custom = {"lineWidth": 1, "fillOpacity": 10, "showPoints": "never"}
            options = {"legend": {"displayMode": "list", "placement": "bottom"}, "tooltip": {"mode": "multi", "sort": "desc"}}
            fields = _fields({"unit": panel.unit, "min": 0, "custom": custom})
            return {"type": "timeseries", "options": options, "fieldConfig": fields, "targets": _targets(panel.series)}
        case Table():
            hidden = {"id": "organize", "options": {"excludeByName": {"Time": True, "Value": True, "__name__": True, "alertstate": True}}}
            targets = _targets({"": panel.query}, instant=True, format="table")
            return {"type": "table", "fieldConfig": _fields({}), "targets": targets, "transformations": [hidden]}


def _fields(defaults: dict[str, Any]) -> dict[str, Any]:
    return {"defaults": defaults, "overrides": []}


def _targets(series: dict[str, str], **more: Any) -> list[dict[str, Any]]:
    return [
        {"refId": chr(ord("A") + index), "datasource": SOURCE, "expr": query, "legendFormat": legend, **more}
        for index, (legend, query) in enumerate(series.items())
    ]


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for name, text in dashboards().items():
        (FOLDER / name).write_text(text)
