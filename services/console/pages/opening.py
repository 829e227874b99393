"""Opening a round: over accepted requests of one product that are in no round yet, under a policy that is in force."""

import asyncio
from collections import defaultdict
from typing import Any

from fastapi import APIRouter
from starlette.responses import Response

from services.console.acting import Act, step
from services.console.asking import LONG_TIMEOUT_S, ROWS, Answer
from services.console.visit import TypedForm, Visit, Visiting

router = APIRouter(prefix="/rounds")


@router.get("/open")
async def choose(visit: Visiting) -> Response:
    return await _choosing_page(visit)


@router.post("/open")
async def open_round(visit: Visiting) -> Response:
    typed = await visit.typed()
    body = _body(typed)
    if not body["requests"]:
        return await _choosing_page(visit, typed, Answer.refused("No request is chosen", "A round is over requests.", "one or more"))

    async def around() -> tuple[list[Answer], dict[str, Any]]:
        accepted, policies, _ = await _around(visit)
        chosen = [row for row in accepted.rows if row["request"] in body["requests"]]
        version = next((row["active"] for row in policies.rows if row["policy"] == body["policy"]), None)
        return [accepted, policies], {"chosen": chosen, "version": version}

    opened = Act(
        service="allocation",
        path="/v1/rounds",
        body=body,
        form=lambda typed, refused: _choosing_page(visit, typed, refused),
        preview="opening.html",
        around=around,
        after=lambda done: f"/rounds/{done.data['round']}",
        timeout_s=LONG_TIMEOUT_S,
    )
    return await step(visit, typed, opened)


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
