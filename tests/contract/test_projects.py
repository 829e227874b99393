"""Projects as loans serves them, beside the real inventory, on the real PostgreSQL and Kafka."""

import secrets
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import date
from typing import Any

import httpx
import msgspec
import pytest

from services.inventory.domain.controls import CONTROLS
from services.inventory.events import RightId
from services.inventory.main import SERVICE as INVENTORY
from services.loans.main import SERVICE as LOANS
from shared.engines.engines import Engines
from tests.contract.allocation_stage import TODAY
from tests.kernel.stage import a_stage, context, until
from tests.stories.countersigned import approve, by_two
from tests.stories.stockpile import UNIT_G, register, right

SINCE = "2026-01-06"
A_SALE = {"kind": "offtake", "subject": "Wogen", "quantity": 800, "unit": "g", "since": SINCE, "evidence": ["agreement of 5 January"]}
RIGHT = "01jh7qmxw4e0aayfkn3d1a2b3c"


class Projects:
    """Everyone calls with their own token."""

    def __init__(self, clients: dict[str, httpx.AsyncClient], inventory: Any, loans: Any) -> None:
        self.clients = clients
        self.inventory = inventory
        self.loans = loans

    async def post(self, path: str, body: Any, who: str = "operator-1", **headers: str) -> httpx.Response:
        return await self.clients[who].post(path, json=body, headers={"Idempotency-Key": secrets.token_hex(8), **headers})

    async def made(self, path: str, body: Any) -> Any:
        answer = await self.post(path, body)
        assert answer.is_success, answer.text
        return answer.json()

    async def get(self, path: str, who: str = "auditor-1") -> httpx.Response:
        return await self.clients[who].get(path)

    async def facts(self, path: str) -> list[Any]:
        facts: list[Any] = (await self.get(path)).json()["data"]
        return facts


@pytest.fixture(scope="module")
async def projects(servers: Engines, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Projects]:
    async with AsyncExitStack() as stack:
        stage = await stack.enter_async_context(a_stage(servers, tmp_path_factory.mktemp("projects")))
        names = {name: stage.name(name) for name in ("inventory", "loans")}
        heard = tuple(msgspec.structs.replace(each, source=names[each.source]) for each in LOANS.subscriptions if each.source in names)
        loans = msgspec.structs.replace(LOANS, name=names["loans"], subscriptions=heard)
        stock = msgspec.structs.replace(INVENTORY, name=names["inventory"], subscriptions=())
        inventory, lending = [await stack.enter_async_context(stage.serving(service)) for service in (stock, loans)]
        parties = ("operator-1", "auditor-1", "partner-jp")
        yield Projects(
            {who: await stack.enter_async_context(stage.client(stage.urls[names["loans"]], who)) for who in parties},
            inventory,
            lending,
        )


async def test_a_fact_is_recorded_read_and_withdrawn(projects: Projects):
    recorded = await projects.made("/v1/projects/hillgrove/facts", A_SALE | {"binding": True, "document": "0" * 64})
    assert (recorded["kind"], recorded["quantity"], recorded["binding"], recorded["until"]) == ("offtake", 800, True, None)
    path = f"/v1/projects/hillgrove/facts/{recorded['fact']}"
    assert (await projects.get(path)).json() == recorded
    assert await projects.facts("/v1/projects/hillgrove/facts?kind=offtake") == [recorded]
    assert await projects.facts("/v1/projects/hillgrove/facts?kind=output") == []

    proposed = await projects.made(f"{path}/withdraw", {"reason": "the buyer has left"})
    assert (proposed["act"], proposed["status"]) == ("amend_conditions", "proposed")
    assert await projects.facts("/v1/projects/hillgrove/facts") == [recorded], "one person withdraws nothing"
    signed = approve(TODAY, proposal=proposed["proposal"], document=proposed["document"])
    decided = await projects.loans.kernel.writer.submit("project/hillgrove", signed, context())
    assert hasattr(decided, "facts"), decided
    assert await projects.facts("/v1/projects/hillgrove/facts") == []
    [kept] = await projects.facts("/v1/projects/hillgrove/facts?withdrawn=true")
    assert (kept["withdrawn_because"], kept["withdrawn_by"]) == ("the buyer has left", recorded["by"])
    again = await projects.post(f"{path}/withdraw", {"reason": "the buyer has left"})
    assert (again.status_code, again.json()["code"]) == (404, "project_fact_not_found")


async def test_more_of_what_a_share_is_of_waits_for_another_person(projects: Projects):
    output = {"kind": "output", "quantity": 100, "unit": "g", "since": SINCE, "evidence": ["a report"]}
    path = "/v1/projects/mined/facts"
    assert (await projects.post(path, output)).status_code == 201
    waits = await projects.post(path, output | {"subject": "another mine", "quantity": 1_000})
    proposed = waits.json()
    assert (waits.status_code, proposed["act"], proposed["status"]) == (202, "amend_conditions", "proposed")
    assert "Reserve-Position" in waits.headers
    assert [fact["quantity"] for fact in await projects.facts(path)] == [100]
    signed = approve(TODAY, proposal=proposed["proposal"], document=proposed["document"])
    await projects.loans.kernel.writer.submit("project/mined", signed, context())
    assert sorted(fact["quantity"] for fact in await projects.facts(path)) == [100, 1_000]


async def test_a_firm_right_is_an_offtake_of_its_project(projects: Projects):
    told = right(RightId(f"rgt_{RIGHT}"), 4, project="Nolans (Arafura)")
    for command in (each for whole in (register(), told) for each in by_two(CONTROLS, whole, date(2026, 1, 6), proposed_on=TODAY)):
        decided = await projects.inventory.kernel.writer.submit("stockpile/antimony-metal", command, context())
        assert hasattr(decided, "facts"), decided

    async def arrived() -> Any:
        return await projects.facts("/v1/projects/nolans-arafura/facts")

    [fact] = await until(arrived)
    assert (fact["fact"], fact["quantity"], fact["unit"], fact["product"]) == (f"fct_{RIGHT}", 4 * UNIT_G, "g", "antimony-metal")
    assert "nolans-arafura" in [project["project"] for project in (await projects.get("/v1/projects")).json()["data"]]


@pytest.mark.parametrize(
    ("changed", "status", "code"),
    [
        ({"binding": None}, 422, "project_fact_binding_missing"),
        ({"quantity": None}, 422, "project_fact_quantity_invalid"),
        ({"unit": None}, 422, "project_fact_unit_missing"),
        ({"until": "2026-01-05"}, 422, "project_fact_dates_reversed"),
        ({"quantity": 0}, 422, "invalid_request"),
        ({"quantity": 2**53}, 422, "invalid_request"),
        ({"quantity": 1.5}, 422, "invalid_request"),
        ({"evidence": []}, 422, "invalid_request"),
        ({"kind": "Offtake!"}, 422, "invalid_request"),
        ({"document": "x"}, 422, "invalid_request"),
        ({"met": True}, 422, "invalid_request"),  # a condition is evaluated, never ticked
    ],
)
async def test_a_fact_that_makes_no_sense_changes_nothing(projects: Projects, changed: dict[str, Any], status: int, code: str):
    answer = await projects.post("/v1/projects/refused/facts", A_SALE | {"binding": True} | changed)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert (await projects.get("/v1/projects/refused")).json()["code"] == "project_not_found"


async def test_the_same_quantity_twice_is_refused(projects: Projects):
    await projects.made("/v1/projects/twice/facts", A_SALE | {"binding": True})
    answer = await projects.post("/v1/projects/twice/facts", A_SALE | {"binding": True})
    assert (answer.status_code, answer.json()["code"]) == (409, "project_fact_counted_twice")


async def test_a_project_has_a_version_to_insist_on(projects: Projects):
    await projects.made("/v1/projects/versioned/facts", A_SALE | {"binding": True})
    etag = (await projects.get("/v1/projects/versioned")).headers["etag"]
    other = A_SALE | {"binding": True, "subject": "Traxys"}
    assert (await projects.post("/v1/projects/versioned/facts", other, **{"If-Match": '"7"'})).status_code == 412
    assert (await projects.post("/v1/projects/versioned/facts", other, **{"If-Match": etag})).status_code == 201


async def test_who_may_record_and_who_may_read(projects: Projects):
    for who in ("auditor-1", "partner-jp"):
        assert (await projects.post("/v1/projects/hillgrove/facts", A_SALE | {"binding": True}, who)).status_code == 403
    assert (await projects.get("/v1/projects/hillgrove/facts", "partner-jp")).status_code == 403
