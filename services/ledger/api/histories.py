"""The logs of the histories before this one: frozen, each below `/v1/histories/{history}` as C2SP tlog-tiles, as it was below `/v1`."""

from typing import Annotated

import msgspec
from fastapi import APIRouter, Path, Response
from fastapi.responses import PlainTextResponse

from services.ledger.api.log import FOREVER, consistency_of, tile_of
from services.ledger.histories import FrozenLog
from services.ledger.log import Log
from shared.http.problems import Problem
from shared.journal.places import FIRST
from shared.journal.record import MAX_INTEGER
from shared.process.kernel_api import Running

router = APIRouter(prefix="/v1/histories", tags=["log"])

History = Annotated[int, Path(ge=1, le=9999)]


class HistoryView(msgspec.Struct, frozen=True):
    """`commitment`: leaf 0 of its log, verbatim, where there was a history before it."""

    history: int
    key: str  # the log's verifier key; pin it from elsewhere than here
    commitment: str | None


@router.get("")
async def histories(kernel: Running) -> Response:
    """The histories, in their order: the last one goes on, and the others were ended by a restore of everything."""
    log: Log = kernel.part(Log)
    logs = await log.logs()
    keys = {history: frozen.key for history, frozen in logs.frozen.items()} | {logs.current: str(log.key)}
    leaves = {each.history: each.leaf.decode() for each in logs.begun}
    found = [HistoryView(history, key, leaves.get(history)) for history, key in sorted(keys.items())]
    return Response(msgspec.json.encode({"data": found}), media_type="application/json", headers={"Cache-Control": "no-cache"})


async def _frozen(history: History, kernel: Running) -> FrozenLog:
    """Raises Problem `history_not_found`."""
    log: Log = kernel.part(Log)
    logs = await log.logs()
    if (found := logs.frozen.get(history)) is None:
        ended = ", ".join(map(str, logs.frozen)) or f"none: this is history {FIRST}"
        raise Problem("history_not_found", f"no history of this number has ended; those that have: {ended}", field="path:history")
    return found


@router.get("/{history}/verifier-key", response_class=PlainTextResponse)
async def verifier_key(history: History, kernel: Running) -> PlainTextResponse:
    """The key that checkpoints of that log were signed with."""
    return PlainTextResponse(f"{(await _frozen(history, kernel)).key}\n", headers={"Cache-Control": FOREVER})


@router.get("/{history}/checkpoint", response_class=PlainTextResponse)
async def checkpoint(history: History, kernel: Running) -> PlainTextResponse:
    """The last checkpoint of that log that is known: the one that the next log commits to."""
    if (note := (await _frozen(history, kernel)).note) is None:
        raise Problem("checkpoint_not_found", f"history {history} had signed nothing")
    return PlainTextResponse(note, headers={"Cache-Control": FOREVER})


@router.get("/{history}/tile/{path:path}", response_class=Response, responses={200: {"content": {"application/octet-stream": {}}}})
async def tile(history: History, path: Annotated[str, Path(max_length=100)], kernel: Running) -> Response:
    """A tile of that log. Of leaves that are lost there may be none."""
    log = await _frozen(history, kernel)
    return await tile_of(log.store, log.head.size, path)


@router.get("/{history}/consistency/{old_size}/{size}")
async def show_consistency(
    history: History,
    old_size: Annotated[int, Path(ge=1, le=MAX_INTEGER)],
    size: Annotated[int, Path(ge=1, le=MAX_INTEGER)],
    kernel: Running,
) -> Response:
    """As for the log that goes on. Where the tiles of leaves that are lost are lost, too, nothing is shown of these."""
    log = await _frozen(history, kernel)
    return await consistency_of(log.store, log.head.size, old_size, size)
