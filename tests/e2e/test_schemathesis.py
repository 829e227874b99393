"""Every operation of every OpenAPI document under schemathesis: no 500, and answers as the document says they are.

It comes after the others (`conftest.py`), since an operator's fuzzing puts holds on everything. It is told the ids of real
things, so that it gets beyond 404.

`RESERVE_FUZZ_EXAMPLES=200 python -m pytest -rP tests/e2e/test_schemathesis.py` is the long run, by hand: so many examples of each
operation, and sequences of operations that take what others answered with. `-k ledger-operator` is one service of it.
"""

import asyncio
import json
import os
import secrets
import sys
from pathlib import Path
from typing import Any

import pytest

from reserve.api_documents import FOLDER
from reserve.demo.instruments import register_direction
from services.registry import JOURNALED
from tests.e2e.consigning import asked_for_consignee
from tests.e2e.lending import (
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
from tests.e2e.tendering import an_open_tender
from tests.e2e.world import UNIT_G, World
from tests.waiting import HANGS_AFTER_S, until

CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,response_schema_conformance"
FEW = 2
EXAMPLES = int(os.environ.get("RESERVE_FUZZ_EXAMPLES", FEW))  # of each operation, beyond those that cover each rule

# Who holds a partner's goods in inventory does not suspend its agreement in allocation after it: the audit would list that.
FUZZES = {"allocation": "operator-2"}

# The operator may do the most, and is asked also about each rule of each field; others are mostly told that they may not.
RUNS = [
    ("identity", "operator-1", "fuzzing"),
    *((name, FUZZES.get(name, "operator-1"), "coverage,fuzzing") for name in JOURNALED),
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
        "decision": row["decision"],
        "draw": drawn["draw"],
        "lot": lot,
        "name": row["decision"],
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
        "webhook": await world.webhook("JP"),
    }
    material, _ = await lent_material(world, "JP", 1)
    sections = {
        "[parameters]": ids | await of_allocation(world, product, row["round"]) | await of_loans(world),
        '[[operations]]\ninclude-path-regex = "^/v1/material-loans/"\n[operations.parameters]': {"loan": material},
    }
    file = tmp_path_factory.mktemp("schemathesis") / "schemathesis.toml"
    with file.open("w") as out:
        out.write(f"hooks = {json.dumps(str(Path(__file__).with_name('fuzzing_tokens.py')))}\n")
        for heading, values in sections.items():
            out.write(f"{heading}\n" + "".join(f'"path.{name}" = {json.dumps(value)}\n' for name, value in values.items()))
    return file


async def of_allocation(world: World, product: str, round: str) -> dict[str, str]:
    """What paths name beside requests and rounds. `round`: a released one."""
    agreement = await world.agreed_with("JP", product)
    item = {
        "agreement": agreement,
        "product": product,
        "kind": "consignee",
        "name": "Toyo Logistics",
        "evidence": "the register",
        "until": world.in_days(90),
    }
    letter = {"addressee": "Minister for Resources", "sent_on": world.in_days(0)}
    accepted = await world.requested("JP", product, UNIT_G)
    await world.accepted(accepted, UNIT_G)
    objecting, doubting = {"reasons": ["too little"]}, {"round": round, "grounds": ["too little"]}
    hit, listed = await a_hit(world, product)
    [award] = [
        each["award"] for each in await world.rows(world.operator, "/allocation/v1/awards", product=product) if each["round"] == round
    ]
    change = await asked_for_consignee(world, "JP", award, "Kobe Bonded Warehouse")
    return {
        "agreement": agreement,
        "change": change["change"],
        "consignee": change["consignee"],
        "disruption": await world.disrupted("JP", product),
        "hit": hit,
        "instrument": await register_direction(world.registered),
        "item": (await world.post(world.operator, "/allocation/v1/readiness/items", item))["item"],
        "key": (await world.rows(world.operator, "/allocation/v1/approver-keys"))[0]["key"],
        "list": listed,
        "objection": (await world.post(world.partner("JP"), f"/allocation/v1/requests/{accepted}/objections", objecting))["objection"],
        "policy": await world.policy(release_days=30),
        "report": (await world.post(world.operator, f"/allocation/v1/rounds/{round}/report/sent", letter))["report"],
        "review": (await world.post(world.partner("JP"), "/allocation/v1/reviews", doubting))["review"],
        "subject": await world.subject("approver-2"),
        "tender": await an_open_tender(world),
        "version": "1",
    }


async def a_hit(world: World, product: str) -> tuple[str, str]:
    """(hit, list): the end user of a request of Japan's is listed."""
    listed = f"list-{secrets.token_hex(4)}"
    name = f"Zelenogorsk {secrets.token_hex(4)}"
    entry = {"entry": "E-1", "name": name, "aliases": [], "source": "an example", "listed_on": "2026-01-06"}
    body = {"list": listed, "reason": "a test", "entries": [entry]}
    await world.countersigned("screening-list-imports", body, service="allocation")
    request = await world.requested("JP", product, UNIT_G, end_user=name)
    hits = await until(lambda: world.rows(world.operator, "/allocation/v1/screening-hits", of=request))
    return hits[0]["hit"], listed


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
    endpoints = world.running.endpoints
    base, caller = endpoints.base_url, endpoints.client(client)
    options: dict[str, Any] = {
        "--url": base if name == "identity" else f"{base}/{name}",
        "--phases": phases if EXAMPLES == FEW else f"{phases},stateful",
        "--checks": CHECKS,
        "--max-examples": EXAMPLES,
        "--warnings": "off",
        "--workers": 2,
        "--request-timeout": HANGS_AFTER_S,
        "--suppress-health-check": "too_slow",
    }
    arguments = [str(part) for option in options.items() for part in option]
    process = await asyncio.create_subprocess_exec(
        str(Path(sys.executable).with_name("schemathesis")),
        *("--config-file", str(settings), "run", str(FOLDER / f"{name}.openapi.json"), *arguments),
        *("--continue-on-failure", "--generation-deterministic", "--no-shrink", "--no-color"),
        cwd=settings.parent,
        env=os.environ
        | {
            "RESERVE_FUZZ_TOKEN_URL": f"{endpoints.issuer}/oauth/token",
            "RESERVE_FUZZ_CLIENT": caller.client_id,
            "RESERVE_FUZZ_SECRET": caller.client_secret,
        },
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    async with asyncio.timeout(HANGS_AFTER_S * EXAMPLES / FEW):
        output, _ = await process.communicate()
    print(output.decode())  # for -rP
    assert process.returncode == 0, output.decode()[-8000:]
    assert " passed" in output.decode()
