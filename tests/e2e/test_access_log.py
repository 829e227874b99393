"""What the edge writes of each request, beside what came of it."""

import json
from typing import Any

from shared.journal.places import parse_place
from tests.e2e.world import UNIT_G, World
from tests.waiting import until


async def test_an_event_and_the_request_that_it_came_of_have_one_correlation_id(world: World) -> None:
    _, _, release = await world.stocked_release("JP", 1)
    place = parse_place((await world.drawn("JP", release, UNIT_G))["place"])
    journal = await world.auditor.get("/inventory/v1/journal", shard=place.shard, after=place.position - 1)
    correlation_id = journal["records"][0]["correlation_id"]

    def written() -> list[dict[str, Any]]:
        lines = (world.running.folder / "logs" / "edge.log").read_text().splitlines()
        return [json.loads(line) for line in lines if correlation_id in line and line.endswith("}")]

    [line] = await until(written)
    assert line["correlation_id"] == line["request_id"] == correlation_id
    assert (line["client"], line["method"], line["status"], line["upstream"]) == ("partner-jp", "POST", 201, "inventory")
    assert line["path"] == f"/inventory/v1/releases/{release}/draws"
