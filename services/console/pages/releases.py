"""Releases: what rounds have reserved for partners, as a list or a file; and one with its draws, under which another is made."""

import asyncio
from typing import Any, Literal

from fastapi import APIRouter
from starlette.responses import Response

from services.console.acting import Act, around_one, mass_of, step
from services.console.asking import ROWS, Answer
from services.console.pages.requests import Cursor, Id
from services.console.spreadsheet import spreadsheet
from services.console.visit import TypedForm, Visit, Visiting

type Status = Literal["open", "drawn", "lapsed", "cancelled"]

STATUSES = ("open", "drawn", "lapsed", "cancelled")
COLUMNS = ("release", "product", "partner", "status", "mass_g", "remaining_g", "released_on", "expires_on", "round", "request", "reason")

router = APIRouter(prefix="/releases")


@router.get("")
async def list_releases(visit: Visiting, status: Status | None = None, cursor: Cursor = None) -> Response:
    found = await visit.reader.get("inventory", "/v1/releases", status=status, cursor=cursor, limit=ROWS)
    return visit.page("releases.html", releases=found, statuses=STATUSES, chosen=status)


@router.get("/releases.csv")
async def releases_file(visit: Visiting, status: Status | None = None) -> Response:
    return await spreadsheet(visit, "inventory", "/v1/releases", COLUMNS, status=status)


@router.get("/{release}")
async def show_release(visit: Visiting, release: Id) -> Response:
    return await _release_page(visit, release)


@router.post("/{release}/draw")
async def draw(visit: Visiting, release: Id) -> Response:
    typed = await visit.typed()
    mass_g = mass_of(typed, "mass_kg")
    if isinstance(mass_g, Answer):
        return await _release_page(visit, release, "draw", typed, mass_g)
    drawn = Act(
        service="inventory",
        path=f"/v1/releases/{release}/draws",
        body={"mass_g": mass_g, "assign_rights": typed.get("assign_rights") == "yes"},
        form=lambda typed, refused: _release_page(visit, release, "draw", typed, refused),
        preview="drawing.html",
        around=around_one(visit, "inventory", f"/v1/releases/{release}", "release"),
        after=lambda done: f"/draws/{done.data['draw']}",
    )
    return await step(visit, typed, drawn)


async def _release_page(
    visit: Visit, release: str, form: str = "", typed: TypedForm | None = None, refused: Answer | None = None
) -> Response:
    found, draws = await asyncio.gather(
        visit.reader.get("inventory", f"/v1/releases/{release}"),
        visit.reader.get("inventory", "/v1/draws", release=release, limit=ROWS),
    )
    context: dict[str, Any] = {"release": found.data, "draws": draws}
    forms = {"form": form, "typed": typed or TypedForm(), "refused": refused}
    return visit.page("release.html", found, status=None if refused is None else refused.status, **context, **forms)
