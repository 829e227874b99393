"""Now: what waits, each one click from where it is done; and whether what everything rests on is fresh."""

import asyncio
from typing import Any

import msgspec
from fastapi import APIRouter
from starlette.responses import Response

from services.console.asking import ROWS, Answer
from services.console.pages.proposals import waiting
from services.console.visit import Visiting

router = APIRouter()


class Log(msgspec.Struct, frozen=True):
    """How many events the ledger's log has in its last checkpoint. None: there is no such checkpoint yet."""

    answer: Answer
    size: int | None


@router.get("/")
async def show_now(visit: Visiting) -> Response:
    if not visit.is_of_the_reserve:
        return visit.console.to("/requests")
    get = visit.reader.get
    waits = asyncio.ensure_future(waiting(visit))
    submitted, opened, proposed, holds, tasks, signed, witnessed = await asyncio.gather(
        get("allocation", "/v1/requests", status="submitted", limit=ROWS),
        get("allocation", "/v1/rounds", status="open", limit=ROWS),
        get("allocation", "/v1/rounds", status="proposed", limit=ROWS),
        get("inventory", "/v1/holds", active="true", limit=ROWS),
        get("allocation", "/v1/tasks", limit=ROWS),
        get("ledger", "/v1/checkpoint", grade="signed"),
        get("ledger", "/v1/checkpoint", grade="witnessed"),
    )
    context: dict[str, Any] = {"submitted": submitted, "opened": opened, "proposed": proposed, "holds": holds, "tasks": tasks}
    return visit.page("now.html", **context, waits=await waits, signed=_log(signed), witnessed=_log(witnessed))


def _log(answer: Answer) -> Log:
    """Of a signed note: its second line is the size of the tree (C2SP tlog-checkpoint)."""
    if answer.problem is not None:
        return Log(answer, None)
    return Log(answer, int(bytes(answer.data).split(b"\n")[1]))
