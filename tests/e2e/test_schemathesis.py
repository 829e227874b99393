"""Every operation of every OpenAPI document under schemathesis: no 500, and answers as the document says they are.

It comes after the tests that need an undisturbed world, since an operator's fuzzing puts holds on everything. It is told the ids of real
things, so that it gets beyond 404.
"""

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import pytest
from lending import (
    LOANS,
    a_project,
    advanced_loan,
    lent_material,
    open_facilities,
    paid,
    requested_advance,
    schedule_body,
    subscribed_holding,
)
from world import UNIT_G, World

from services.api_documents import FOLDER
from services.registry import JOURNALED

CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,response_schema_conformance"
WITHIN_S = 600.0  # it ends a run that hangs; a hundred operations take minutes on a busy machine
EXAMPLES = 2  # of each operation, beyond those that cover each rule

# The operator may do the most, and is asked also about each rule of each field; others are mostly told that they may not.
RUNS = [
    ("identity", "operator-1", "fuzzing"),
    *((name, "operator-1", "coverage,fuzzing") for name in JOURNALED),
    *((name, client, "fuzzing") for client in ("partner-jp", "auditor-1") for name in JOURNALED),
    ("loans", "borrower-hillgrove", "fuzzing"),
]


@pytest.fixture(scope="module")
async def settings(world: World, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """schemathesis's configuration: the ids of things that there are."""
    await open_facilities(world)
    product, lot, release = await world.stocked_release("JP", 100)
    drawn = await world.drawn("JP", release, UNIT_G)
    await world.receipt(world.operator, drawn["place"])
    [row] = await world.rows(world.operator, "/inventory/v1/releases", product=product)
    request = await world.requested("JP", product, UNIT_G)
    source, shard, position = drawn["place"].split("/")
    ids = {
        "award": row["award"],
        "draw": drawn["draw"],
        "lot": lot,
        "partner": "JP",
        "path": "0/000.p/1",
        "position": int(position),
        "product": product,
        "release": release,
        "request": request,
        "right": await world.right_to(product, UNIT_G),
        "round": row["round"],
        "shard": int(shard),
        "source": source,
    }
    material, _ = await lent_material(world, "JP", 1)
    sections = {
        "[parameters]": ids | await of_loans(world),
        '[[operations]]\ninclude-path-regex = "^/v1/material-loans/"\n[operations.parameters]': {"loan": material},
    }
    file = tmp_path_factory.mktemp("schemathesis") / "schemathesis.toml"
    with file.open("w") as out:
        for heading, values in sections.items():
            out.write(f"{heading}\n" + "".join(f'"path.{name}" = {json.dumps(value)}\n' for name, value in values.items()))
    return file


async def of_loans(world: World) -> dict[str, str]:
    project = a_project()
    loan, _ = await advanced_loan(world, amount_minor=100_000, project=project)
    fact = {"kind": "permit", "since": world.in_days(0), "evidence": ["lease 1332"]}
    restructured = {"content": {"type": "restructure", "schedule": schedule_body(world)}, "reason": "agreed"}
    holding, flow = await subscribed_holding(world)
    return {
        "facility": "cmf",
        "project": project,
        "fact": (await world.post(world.operator, f"/loans/v1/projects/{project}/facts", fact))["fact"],
        "loan": loan,
        "advance": await requested_advance(world, loan, 20_000),
        "payment": await paid(world, loan, 1_000),
        "act": (await world.post(world.operator, f"{LOANS}/{loan}/acts", restructured))["act"],
        "holding": holding,
        "flow": flow,
    }


@pytest.mark.parametrize(("name", "client", "phases"), RUNS, ids=lambda part: part)
async def test_no_request_breaks_a_service_and_answers_are_as_documented(
    world: World, settings: Path, name: str, client: str, phases: str
) -> None:
    base = world.running.endpoints.base_url
    options: dict[str, Any] = {
        "--url": base if name == "identity" else f"{base}/{name}",
        "--header": f"Authorization: Bearer {await world.clients[client].token()}",
        "--phases": phases,
        "--checks": CHECKS,
        "--max-examples": EXAMPLES,
        "--warnings": "off",
        "--workers": 2,
    }
    arguments = [str(part) for option in options.items() for part in option]
    process = await asyncio.create_subprocess_exec(
        str(Path(sys.executable).with_name("schemathesis")),
        *("--config-file", str(settings), "run", str(FOLDER / f"{name}.openapi.json"), *arguments),
        *("--continue-on-failure", "--generation-deterministic", "--no-shrink", "--no-color"),
        cwd=settings.parent,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    async with asyncio.timeout(WITHIN_S):
        output, _ = await process.communicate()
    assert process.returncode == 0, output.decode()[-8000:]
    assert " passed" in output.decode()
