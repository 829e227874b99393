"""Requests: the inbox, and one with its parties, its screening and its history; accepted, with how much, or declined."""

import asyncio
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query
from starlette.responses import Response

from services.console.acting import Act, around_one, mass_of, recorded, step
from services.console.asking import ROWS, Answer
from services.console.spreadsheet import spreadsheet
from services.console.visit import TypedForm, Visit, Visiting

type Status = Literal["submitted", "accepted", "declined", "withdrawn", "expired", "awarded"]

STATUSES = ("submitted", "accepted", "awarded", "declined", "withdrawn", "expired")
COLUMNS = ("request", "kind", "partner", "product", "status", "mass_g", "minimum_g", "accepted_g", "needed_by", "round")
Cursor = Annotated[str | None, Query(max_length=400)]
Id = Annotated[str, Path(pattern="^[a-z]{2,4}_[0-9a-z]{26}$")]
# As the service asks, and as people read it.
CRITERIA = {
    "event": "What happened",
    "impact": "Its effect",
    "alternatives": "Other sources",
    "quantity": "The quantity",
    "quality": "The quality",
    "duration": "For how long",
}
CLOCKS = ("standard", "emergency")

router = APIRouter(prefix="/requests")


@router.get("")
async def list_requests(visit: Visiting, status: Status | None = None, cursor: Cursor = None) -> Response:
    found = await visit.reader.get("allocation", "/v1/requests", status=status, cursor=cursor, limit=ROWS)
    return visit.page("requests.html", requests=found, statuses=STATUSES, chosen=status)


@router.get("/requests.csv")
async def requests_file(visit: Visiting, status: Status | None = None) -> Response:
    return await spreadsheet(visit, "allocation", "/v1/requests", COLUMNS, status=status)


@router.get("/{request}")
async def show_request(visit: Visiting, request: Id) -> Response:
    return await _request_page(visit, request)


@router.post("/{request}/accept")
async def accept(visit: Visiting, request: Id) -> Response:
    typed = await visit.typed()
    accepted_g = mass_of(typed, "accepted_kg")
    if isinstance(accepted_g, Answer):
        return await _request_page(visit, request, "accept", typed, accepted_g)
    body = {"accepted_g": accepted_g, "reasons": _reasons(typed), "findings": _findings(typed), "clock": typed.get("clock", CLOCKS[0])}
    return await _decided(visit, request, "accept", body)


@router.post("/{request}/decline")
async def decline(visit: Visiting, request: Id) -> Response:
    return await _decided(visit, request, "decline", {"reasons": _reasons(await visit.typed())})


@router.post("/{request}/decline/confirm")
async def confirm_decline(visit: Visiting, request: Id) -> Response:
    typed = await visit.typed()
    path = f"/requests/{request}"
    done = await visit.reader.post("allocation", f"/v1{path}/decline/confirm", {}, typed.get("key", ""))
    return await recorded(visit, done, lambda _: path, lambda refused: _request_page(visit, request, "confirm", typed, refused))


async def _decided(visit: Visit, request: str, act: str, body: Mapping[str, Any]) -> Response:
    typed = await visit.typed()
    if not body["reasons"]:
        refused = Answer.refused("No reason is given", "The partner reads why.", "one reason or more, each on a line", "/reasons")
        return await _request_page(visit, request, act, typed, refused)
    path = f"/requests/{request}"
    decided = Act(
        service="allocation",
        path=f"/v1{path}/{act}",
        body=body,
        form=lambda typed, refused: _request_page(visit, request, act, typed, refused),
        preview="deciding.html",
        around=around_one(visit, "allocation", f"/v1{path}", "asked", act=act, criteria=CRITERIA),
        after=lambda _: path,
    )
    return await step(visit, typed, decided)


def _reasons(typed: TypedForm) -> list[str]:
    return [line.strip() for line in typed.get("reasons", "").splitlines() if line.strip()]


def _findings(typed: TypedForm) -> dict[str, dict[str, str]]:
    """Of the criteria on which something is said."""
    said = {name: {"answer": typed.get(name, ""), "finding": typed.get(f"{name}_finding", "").strip()} for name in CRITERIA}
    return {name: each for name, each in said.items() if each["answer"]}


async def _request_page(
    visit: Visit, request: str, form: str = "", typed: TypedForm | None = None, refused: Answer | None = None
) -> Response:
    """`form`: which of its forms has what was `typed`."""
    asked, screening = await asyncio.gather(
        visit.reader.get("allocation", f"/v1/requests/{request}"),
        visit.reader.get("allocation", f"/v1/requests/{request}/screening"),
    )
    forms: dict[str, Any] = {"form": form, "typed": typed or TypedForm(), "refused": refused, "criteria": CRITERIA, "clocks": CLOCKS}
    return visit.page(
        "request.html", asked, status=None if refused is None else refused.status, asked=asked.data, screening=screening, **forms
    )
