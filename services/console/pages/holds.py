"""Holds: one press puts one on, for 72 hours; a second person confirms it. One is lifted by two, once both have seen what will move."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import msgspec
from fastapi import APIRouter, HTTPException
from starlette.responses import Response

from services.console.acting import Act, recorded, step
from services.console.asking import ROWS, Answer
from services.console.pages.requests import Cursor, Id
from services.console.spreadsheet import spreadsheet
from services.console.visit import TypedForm, Visit, Visiting

SCOPES = ("product", "partner", "lot", "depot", "all")
COLUMNS = (
    *("hold", "product", "scope", "target", "put_on_on", "put_on_by", "lapses_at", "confirmed_by", "expires_on", "lifted_on"),
    *("reason", "authority", "lifted_reason"),
)
# What a hold by one press says. Who has the time to say more does, in the form.
REASON, AUTHORITY = "put on from the console by one press: why is not stated", "one person's own, for 72 hours"

router = APIRouter(prefix="/holds")


class Stopped(msgspec.Struct, frozen=True, kw_only=True):
    """What a hold keeps here, and lets go when it is lifted. `asked`: the answers that it is made of; `others`: holds that stop any of the
    same products and stay on; `more`: it is of the first rows alone."""

    asked: Sequence[Answer]
    releases: Sequence[Mapping[str, Any]]
    draws: Sequence[Mapping[str, Any]]
    lots: Sequence[Mapping[str, Any]]
    others: Sequence[Mapping[str, Any]]
    more: bool

    @property
    def failed(self) -> Answer | None:
        return next((answer for answer in self.asked if answer.problem is not None), None)


@router.get("")
async def list_holds(
    visit: Visiting, status: Literal["all"] | None = None, cursor: Cursor = None, scope: str = "", target: str = ""
) -> Response:
    """Those in force, or all. `scope`, `target`: what the form is to have."""
    return await _list_page(visit, TypedForm({"scope": scope, "target": target}), status=status, cursor=cursor)


@router.get("/holds.csv")
async def holds_file(visit: Visiting, status: Literal["all"] | None = None) -> Response:
    return await spreadsheet(visit, "inventory", "/v1/holds", COLUMNS, active=None if status else "true")


@router.post("")
async def put_on_hold(visit: Visiting) -> Response:
    typed = await visit.typed()
    scope, target = typed.get("scope", ""), typed.get("target", "").strip()
    body = {
        "scope": scope,
        "target": target or None,
        "reason": typed.get("reason", "").strip() or REASON,
        "authority": typed.get("authority", "").strip() or AUTHORITY,
    }
    done = await visit.reader.post("inventory", "/v1/holds", body, typed.get("key", ""))
    return await recorded(visit, done, lambda done: f"/holds/{done.data['hold']}", lambda refused: _list_page(visit, typed, refused))


@router.get("/{hold}")
async def show_hold(visit: Visiting, hold: Id) -> Response:
    return await _hold_page(visit, hold)


@router.post("/{hold}/confirm")
async def confirm(visit: Visiting, hold: Id) -> Response:
    typed = await visit.typed()
    done = await visit.reader.post("inventory", f"/v1/holds/{hold}/confirm", {}, typed.get("key", ""))
    return await recorded(visit, done, lambda _: f"/holds/{hold}", lambda refused: _hold_page(visit, hold, "confirm", typed, refused))


@router.post("/{hold}/lift")
async def lift(visit: Visiting, hold: Id) -> Response:
    typed = await visit.typed()
    if typed.get("step") == "record" and not typed.get("sure"):
        typed = TypedForm([(name, value) for name, value in typed.multi_items() if name != "step"])  # it is asked again

    async def around() -> tuple[list[Answer], dict[str, Any]]:
        found = await visit.reader.get("inventory", "/v1/holds", hold=hold, limit=ROWS)
        stopped = await _stopped(visit, _in_force(found))
        return [found, *stopped.asked], {"hold": hold, "rows": _in_force(found), "stopped": stopped}

    lifted = Act(
        service="inventory",
        path=f"/v1/holds/{hold}/lift",
        body={"reason": typed.get("reason", "").strip()},
        form=lambda typed, refused: _hold_page(visit, hold, "lift", typed, refused),
        preview="lifting.html",
        around=around,
        after=lambda done: f"/proposals/inventory/{done.data['proposal']}",
    )
    return await step(visit, typed, lifted)


async def _list_page(
    visit: Visit, typed: TypedForm, refused: Answer | None = None, *, status: str | None = None, cursor: str | None = None
) -> Response:
    found = await visit.reader.get("inventory", "/v1/holds", active=None if status else "true", cursor=cursor, limit=ROWS)
    context: dict[str, Any] = {"holds": found, "chosen": status, "scopes": SCOPES, "form": "hold", "typed": typed, "refused": refused}
    return visit.page("holds.html", status=None if refused is None else refused.status, **context)


def _in_force(found: Answer) -> list[dict[str, Any]]:
    return [row for row in found.rows if row["lifted_on"] is None]


async def _hold_page(visit: Visit, hold: str, form: str = "", typed: TypedForm | None = None, refused: Answer | None = None) -> Response:
    found = await visit.reader.get("inventory", "/v1/holds", hold=hold, limit=ROWS)
    if found.problem is None and not found.rows:
        raise HTTPException(404)
    rows = _in_force(found)
    stopped = proposals = None
    if rows and visit.is_of_the_reserve:
        stopped, proposals = await asyncio.gather(
            _stopped(visit, rows), visit.reader.get("inventory", "/v1/proposals", status="proposed", limit=ROWS)
        )
    context: dict[str, Any] = {
        "hold": hold,
        "all_rows": found.rows,
        "rows": rows,
        "stopped": stopped,
        "proposed": [] if proposals is None else [row for row in proposals.rows if row["command"].get("hold") == hold],
    }
    forms = {"form": form, "typed": typed or TypedForm(), "refused": refused}
    return visit.page("hold.html", found, status=None if refused is None else refused.status, **context, **forms)


async def _stopped(visit: Visit, rows: Sequence[Mapping[str, Any]]) -> Stopped:
    """`rows`: a hold's, one a product."""
    get = visit.reader.get
    asked = await asyncio.gather(
        get("inventory", "/v1/releases", status="open", limit=ROWS),
        get("inventory", "/v1/draws", status="drawn", limit=ROWS),
        get("inventory", "/v1/lots", limit=ROWS),
        get("inventory", "/v1/holds", active="true", limit=ROWS),
    )
    releases, draws, lots, holds = (answer.rows for answer in asked)
    products = {row["product"] for row in rows}
    one = rows[0] if rows else {"hold": None, "scope": "all", "target": None}
    scope, target = one["scope"], one["target"]

    def of_lots(each: Mapping[str, Any]) -> bool:
        return scope in ("lot", "depot") and any(part.get(scope) == target for part in each.get("parcels") or each.get("lots") or ())

    def is_stopped(each: Mapping[str, Any]) -> bool:
        whole = scope in ("product", "all") or (scope in ("partner", "round") and each.get(scope) == target)
        return each["product"] in products and (whole or of_lots(each))

    return Stopped(
        asked=asked,
        releases=[row for row in releases if is_stopped(row)],
        draws=[row for row in draws if is_stopped(row)],
        lots=[row for row in lots if row["product"] in products and row["units"] and scope in ("lot", "depot") and row[scope] == target],
        others=[row for row in holds if row["product"] in products and row["hold"] != one["hold"]],
        more=any(answer.more for answer in asked),
    )
