"""Requests: the inbox, and one with its parties, its screening and its history."""

import asyncio
from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query
from starlette.responses import Response

from services.console.asking import ROWS
from services.console.visit import Visiting

type Status = Literal["submitted", "accepted", "declined", "withdrawn", "expired", "awarded"]

STATUSES = ("submitted", "accepted", "awarded", "declined", "withdrawn", "expired")
Cursor = Annotated[str | None, Query(max_length=400)]
Id = Annotated[str, Path(pattern="^[a-z]{2,4}_[0-9a-z]{26}$")]

router = APIRouter(prefix="/requests")


@router.get("")
async def list_requests(visit: Visiting, status: Status | None = None, cursor: Cursor = None) -> Response:
    found = await visit.reader.get("allocation", "/v1/requests", status=status, cursor=cursor, limit=ROWS)
    return visit.page("requests.html", requests=found, statuses=STATUSES, chosen=status)


@router.get("/{request}")
async def show_request(visit: Visiting, request: Id) -> Response:
    asked, screening = await asyncio.gather(
        visit.reader.get("allocation", f"/v1/requests/{request}"),
        visit.reader.get("allocation", f"/v1/requests/{request}/screening"),
    )
    return visit.page("request.html", asked, asked=asked.data, screening=screening)
