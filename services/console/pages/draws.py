"""Draws: goods that are a partner's and still here. They are weighed, they leave once each gate is open, and somebody signs for them."""

import asyncio
from datetime import datetime
from typing import Any, Literal

from fastapi import APIRouter
from starlette.responses import Response

from services.console.acting import Act, around_one, mass_of, step
from services.console.asking import ROWS, Answer, Wanted
from services.console.pages.requests import Id
from services.console.visit import TypedForm, Visit, Visiting
from shared.terms.dating import Dated
from shared.zone import ZONE

type Doing = Literal["weigh", "dispatch", "deliver"]

PATHS: dict[Doing, str] = {"weigh": "weighing", "dispatch": "dispatch", "deliver": "delivery"}
# As inventory names them, and as people read it.
GATES = {
    "no_hold": "No hold",
    "ratified": "Decision ratified",
    "ledger_receipt": "The ledger's receipt",
    "witnessed_receipt": "The receipt, witnessed",
    "consignee": "The consignee",
    "weighed": "Weighed",
    "second_person": "Another person than has weighed",
}

router = APIRouter(prefix="/draws")


@router.get("/{draw}")
async def show_draw(visit: Visiting, draw: Id) -> Response:
    return await _draw_page(visit, draw)


@router.get("/{draw}/draw.receipt")
async def receipt_file(visit: Visiting, draw: Id) -> Response:
    """The ledger's, of the draw, as `reserve receipt verify` reads it."""
    found = await visit.reader.get("inventory", f"/v1/draws/{draw}")
    if found.problem is not None:
        return visit.page("failed.html", found)
    wanted = Wanted(service="ledger", path=f"/v1/receipts/{found.data['place']}", accept="text/plain", as_is=True)
    receipt = await visit.reader.send(wanted)
    if receipt.problem is not None:
        return visit.page("failed.html", receipt)
    return Response(receipt.data, media_type="text/plain", headers={"content-disposition": 'attachment; filename="draw.receipt"'})


@router.post("/{draw}/{doing}")
async def act_on_draw(visit: Visiting, draw: Id, doing: Doing) -> Response:
    typed = await visit.typed()
    body = _body(doing, typed)
    if isinstance(body, Answer):
        return await _draw_page(visit, draw, doing, typed, body)
    act = Act(
        service="inventory",
        path=f"/v1/draws/{draw}/{PATHS[doing]}",
        body=body,
        form=lambda typed, refused: _draw_page(visit, draw, doing, typed, refused),
        preview="moving.html",
        around=around_one(visit, "inventory", f"/v1/draws/{draw}", "draw", doing=doing),
        after=lambda _: f"/draws/{draw}",
    )
    return await step(visit, typed, act)


def _body(doing: Doing, typed: TypedForm) -> dict[str, Any] | Answer:
    """What is posted; or why it cannot be read."""
    match doing:
        case "weigh":
            weighed_g = mass_of(typed, "weighed_kg")
            scale = _texts(typed, "scale") if typed.get("scale", "").strip() else {}
            return weighed_g if isinstance(weighed_g, Answer) else {"weighed_g": weighed_g} | scale
        case "dispatch":
            return _texts(typed, "carrier") | {"consignee": typed.get("consignee", "")}  # to the letter
        case "deliver":
            because = {"dated_because": typed["dated_because"]} if typed.get("dated_because") else {}
            return _texts(typed, "delivered_on", "received_by", "evidence") | because


def _texts(typed: TypedForm, *names: str) -> dict[str, str]:
    return {name: typed.get(name, "").strip() for name in names}


async def _draw_page(visit: Visit, draw: str, form: str = "", typed: TypedForm | None = None, refused: Answer | None = None) -> Response:
    """The gates are asked for where there is something to dispatch, by who may see them."""
    get = visit.reader.get
    found = await get("inventory", f"/v1/draws/{draw}")
    gates = proposals = None
    if found.data is not None and found.data["status"] == "drawn" and visit.is_of_the_reserve:
        gates, proposals = await asyncio.gather(
            get("inventory", f"/v1/draws/{draw}/gates", consignee=typed.get("consignee") or None if typed else None),
            get("inventory", "/v1/proposals", status="proposed", limit=ROWS),
        )
    context: dict[str, Any] = {
        "draw": found.data,
        "gates": gates,
        "names": GATES,
        "proposed": [] if proposals is None else [row for row in proposals.rows if row["command"].get("draw") == draw],
        "today": datetime.fromtimestamp(visit.console.now(), ZONE).date().isoformat(),
        "reasons": [*Dated],
    }
    forms = {"form": form, "typed": typed or TypedForm(), "refused": refused}
    return visit.page("draw.html", found, status=None if refused is None else refused.status, **context, **forms)
