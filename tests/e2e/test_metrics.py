"""What a running deployment tells of itself is all that the alert rules and the dashboards ask for."""

import re
from collections import defaultdict

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from reserve.client import ProblemAnswer
from services.registry import JOURNALED, PROCESSES, service
from tests.contract.observability import Query, queries, recorded
from tests.e2e.world import UNIT_G, World
from tests.waiting import HANGS_AFTER_S, until

OF_PROMETHEUS = frozenset({"up", "ALERTS", *recorded()})
OF_THE_TARGET = {"job": "reserve", "instance": "here"}  # what Prometheus adds, and `service` where a metric has none of its own
NOT_HERE = {("status", "5xx")}  # what must not have happened

LINES = {(name, each.source) for name in JOURNALED for each in service(name).subscriptions}

type Series = list[dict[str, str]]


async def exposed(world: World) -> dict[str, Series]:
    """{metric: the labels of each of its series}, of all processes."""
    found: dict[str, Series] = defaultdict(list)
    async with httpx.AsyncClient(timeout=HANGS_AFTER_S) as http:
        for service, url in world.running.endpoints.services.items():
            answer = await http.get(f"{url}/metrics")
            assert answer.status_code == 200, service
            for family in text_string_to_metric_families(answer.text):
                for sample in family.samples:
                    name = sample.name if sample.name in answer.text else sample.name.removesuffix("_total")  # the parser's own word
                    found[name].append({"service": service} | OF_THE_TARGET | sample.labels)
    return found


@pytest.fixture(scope="module")
async def series(world: World) -> dict[str, Series]:
    """After a draw with its receipt, and once everything has been looked at."""
    _, _, release = await world.stocked_release("JP", 1)
    drawn = await world.drawn("JP", release, UNIT_G)
    await world.receipt(world.partner("JP"), drawn["place"])
    with pytest.raises(ProblemAnswer):
        await world.drawn("JP", release, UNIT_G)  # beyond its release
    found: dict[str, Series] = {}

    async def all_there() -> bool:
        found.update(await exposed(world))
        return not wanted() - found.keys() and lines_of(found) >= LINES

    try:
        await until(all_there)
    except AssertionError as error:
        error.add_note(f"these are missing: {wanted() - found.keys() or LINES - lines_of(found)}")
        raise
    return found


def lines_of(found: dict[str, Series]) -> set[tuple[str, str]]:
    """(service, source) of each line that tells of itself. A process looks at its own for the first time within 5 s."""
    return {(labels["service"], labels["source"]) for labels in found["reserve_inbox_stopped"]}


def wanted() -> set[str]:
    return {name for query in queries() for name in query.metrics} - OF_PROMETHEUS


@pytest.mark.parametrize("query", list(queries()), ids=lambda query: query.place)
def test_a_query_asks_for_what_there_is(query: Query, series: dict[str, Series]) -> None:
    for name, matchers in query.selectors:
        if name in OF_PROMETHEUS:
            continue
        assert all(query.grouped <= labels.keys() for labels in series[name]), f"{name} lacks one of {set(query.grouped)}"
        for label, operator, value in matchers:
            values = {labels[label] for labels in series[name]}
            if (label, value) not in NOT_HERE:
                found = {each for each in values if each == value or (operator in ("=~", "!~") and re.fullmatch(value, each))}
                assert found, f"{name} has no {label} {value}, but {values}"


def test_every_process_and_every_line_tells_of_itself(series: dict[str, Series]) -> None:
    assert lines_of(series) == LINES
    assert {labels["service"] for labels in series["reserve_database_up"]} == set(JOURNALED)
    assert {labels["service"] for labels in series["process_start_time_seconds"]} == set(PROCESSES) - {"edge"}
    assert {labels["service"] for labels in series["envoy_server_uptime"]} == {"edge"}
