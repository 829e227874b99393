"""Opening a round: over accepted requests of one product that are in no round yet, under a policy that is in force."""

import asyncio
from collections import defaultdict
from typing import Any

from fastapi import APIRouter
from starlette.responses import Response
from typeid import TypeID

from services.console import kept
from services.console.asking import LONG_TIMEOUT_S, ROWS, Answer
from services.console.visit import TypedForm, Visit, Visiting

router = APIRouter(prefix="/rounds")


@router.get("/open")
async def choose(visit: Visiting) -> Response:
    return await _choosing_page(visit)


@router.post("/open")
async def open_round(visit: Visiting) -> Response:
    """First what will be recorded is shown; sent from there, under the key that is in that page, it is recorded once."""
    typed = await visit.typed()
    body = _body(typed)
    if not body["requests"]:
        return await _choosing_page(visit, typed, Answer.refused("No request is chosen", "A round is over requests.", "one or more"))
    match typed.get("step"):
        case "record":
            done = await visit.reader.post("allocation", "/v1/rounds", body, typed.get("key", ""), LONG_TIMEOUT_S)
            if done.problem is None:
                return visit.console.to(f"/rounds/{done.data['round']}")
            return await (kept.without_answer(visit, done) if done.is_open else _choosing_page(visit, typed, done))
        case "change":
            return await _choosing_page(visit, typed)
    accepted, policies, _ = await _around(visit)
    chosen = [row for row in accepted.rows if row["request"] in body["requests"]]
    version = next((row["active"] for row in policies.rows if row["policy"] == body["policy"]), None)
    context: dict[str, Any] = {"body": body, "chosen": chosen, "version": version, "typed": typed, "key": str(TypeID("key"))}
    return visit.page("opening.html", accepted, policies, **context)


def _body(typed: TypedForm) -> dict[str, Any]:
    body: dict[str, Any] = {"product": typed.get("product", ""), "requests": typed.getlist("request"), "policy": typed.get("policy", "")}
    body["emergency"] = typed.get("emergency") == "yes"
    return body | ({"disruption": typed["disruption"]} if typed.get("disruption") else {})


async def _around(visit: Visit) -> tuple[Answer, Answer, Answer]:
    """Accepted requests, policies, disruptions."""
    return await asyncio.gather(
        visit.reader.get("allocation", "/v1/requests", status="accepted", limit=ROWS),
        visit.reader.get("allocation", "/v1/policies", limit=ROWS),
        visit.reader.get("allocation", "/v1/disruptions", limit=ROWS),
    )


async def _choosing_page(visit: Visit, typed: TypedForm | None = None, refused: Answer | None = None) -> Response:
    """A form for each product. `typed` is in its product's."""
    accepted, policies, disruptions = await _around(visit)
    free = defaultdict(list)
    for row in accepted.rows:
        if row["round"] is None:
            free[row["product"]].append(row)
    context: dict[str, Any] = {
        "free": dict(sorted(free.items())),
        "more": accepted.more,
        "policies": [row["policy"] for row in policies.rows if row["active"] is not None],
        "disruptions": disruptions,
        "typed": typed or TypedForm(),
        "refused": refused,
    }
    return visit.page("choosing.html", accepted, policies, status=None if refused is None else refused.status, **context)
