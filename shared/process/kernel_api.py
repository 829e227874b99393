"""Routes that every service has: its journal as a feed, its documents, its inbox, its health."""

from collections.abc import Mapping
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Depends, Path, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from shared.delivery.lines import Stopped
from shared.delivery.sources import HeadAnswer
from shared.http.auth import Caller, allow
from shared.http.handlers import kernel_of
from shared.http.problems import Problem, register
from shared.journal.decider import Reasons
from shared.journal.messages import FEED_LIMIT, to_feed
from shared.journal.postgres import previous_hash, read_document, read_heads, read_records
from shared.journal.protocol import Head, LostLead
from shared.journal.record import MAX_INTEGER

router = APIRouter()


class JournalReason(Reasons):
    SHARD_NOT_FOUND = "shard_not_found", 404, "The journal has no such shard"
    DOCUMENT_NOT_FOUND = "document_not_found", 404, "No document has this SHA-256"
    POSITION_NOT_FOUND = "position_not_found", 404, "The shard does not go that far"
    NOTHING_TO_PARK = "nothing_to_park", 409, "The line does not stand at a message that may be parked"
    STILL_NOT_TAKEN = "still_not_taken", 409, "A parked message cannot be taken yet; it stays parked, with those after it"
    LINE_NOT_FOUND = "line_not_found", 404, "The service takes nothing of this source's shard"


register(JournalReason)


Shard = Annotated[int, Path(ge=0, le=1023)]
Position = Annotated[int, Query(ge=0, le=MAX_INTEGER)]


async def _running(request: Request) -> Any:
    return kernel_of(request)


Running = Annotated[Any, Depends(_running)]


ReadsJournal = Annotated[Caller, allow("service", "auditor", scope="journal:read")]


def _json(content: Any) -> Response:
    return Response(msgspec.json.encode(content), media_type="application/json")


@router.get("/v1/journal", tags=["journal"])
async def journal_feed(
    caller: ReadsJournal,
    kernel: Running,
    shard: Annotated[int, Query(ge=0, le=1023)],
    after: Position = 0,
    limit: Annotated[int, Query(ge=1, le=FEED_LIMIT)] = FEED_LIMIT,
) -> Response:
    """The shard's records after a position, in order, with every hash: enough to check the whole chain."""
    async with kernel.pool.acquire() as connection:
        records = await read_records(connection, shard, after=after, limit=limit)
        if not records:
            _known_shard(shard, await read_heads(connection), "query:shard")
        previous = records and await previous_hash(connection, shard, records[0].position - 1)
    return _json(to_feed(records, previous or b"", limit))


@router.get("/v1/journal/heads", tags=["journal"])
async def journal_heads(caller: ReadsJournal, kernel: Running) -> Response:
    """Each shard's last position and chain hash."""
    async with kernel.pool.acquire() as connection:
        heads = await read_heads(connection)
    return _json({shard: {"position": head.position, "chain_hash": head.chain_hash.hex()} for shard, head in heads.items()})


@router.get("/v1/journal/heads/{shard}", tags=["journal"])
async def journal_head(shard: Shard, caller: ReadsJournal, kernel: Running, at: Position = 0) -> Response:
    """The shard's last position, and the chain hash at position `at` (null beyond the end)."""
    async with kernel.pool.acquire() as connection:
        heads = await read_heads(connection)
        _known_shard(shard, heads, "path:shard")
        position = heads[shard].position
        chain = await previous_hash(connection, shard, at) if at <= position else None
    return _json(HeadAnswer(position, None if chain is None else chain.hex()))


@router.get("/v1/documents/{name}", tags=["journal"])
async def document(name: Annotated[str, Path(pattern="^[0-9a-f]{64}$")], caller: ReadsJournal, kernel: Running) -> Response:
    """The bytes that have this SHA-256."""
    async with kernel.pool.acquire() as connection:
        found = await read_document(connection, name)
    if found is None:
        raise Problem("document_not_found", "no document has this SHA-256", field="path:name")
    return Response(found.content, media_type=found.media_type)


class ParkBody(BaseModel):
    model_config = ConfigDict(extra="forbid")
    reason: str = Field(min_length=1, max_length=500)


@router.get("/v1/inbox", tags=["inbox"])
async def inbox_lines(caller: Annotated[Caller, allow("administrator", "auditor", "service")], kernel: Running) -> Response:
    """Each line's position, and why it has stopped if it has."""
    rows = await kernel.pool.fetch("SELECT source, shard, position FROM inbox_cursors")
    saved = {f"{row['source']}/{row['shard']}": row["position"] for row in rows}
    shown = {name: {"position": position, "stopped": None, "parked": []} for name, position in saved.items()}
    for line in kernel.inbox.lines.values():  # of a process that takes them
        position = saved.get(line.name, line.position)
        shown[line.name] = {"position": position, "stopped": line.stopped, "parked": sorted(line.parked_streams)}
    return _json(shown)


@router.post("/v1/inbox/{source}/{shard}/park", tags=["inbox"], status_code=200)
async def park(source: str, shard: Shard, body: ParkBody, caller: Annotated[Caller, allow("administrator")], kernel: Running) -> Response:
    """Goes on without the message that a line has stopped at. Later messages of its stream are parked too."""
    _known_line(kernel, source, shard)
    try:
        position = await kernel.inbox.park(source, shard, f"{caller.subject}: {body.reason}")
    except (LookupError, LostLead) as error:
        raise Problem("nothing_to_park", str(error)) from error
    return _json({"parked": position})


@router.post("/v1/inbox/{source}/{shard}/unpark", tags=["inbox"], status_code=200)
async def unpark(
    source: str,
    shard: Shard,
    stream: Annotated[str, Query(min_length=1, max_length=200)],
    caller: Annotated[Caller, allow("administrator")],
    kernel: Running,
) -> Response:
    """Replays a stream's parked messages, in order."""
    _known_line(kernel, source, shard)
    try:
        return _json({"replayed": await kernel.inbox.unpark(source, shard, stream)})
    except (Stopped, LostLead) as error:
        raise Problem("still_not_taken", str(error)) from error


def _known_shard(shard: int, heads: Mapping[int, Head], field: str) -> None:
    if shard not in heads:
        raise Problem("shard_not_found", f"there are shards 0 to {len(heads) - 1}", field=field)


def _known_line(kernel: Any, source: str, shard: int) -> None:
    if (source, shard) not in kernel.inbox.lines:
        raise Problem("line_not_found", f"nothing is taken of {source}/{shard}", field="path:source")


@router.get("/livez", include_in_schema=False)
async def livez() -> dict[str, str]:
    return {"status": "live"}


@router.get("/readyz", include_in_schema=False)
async def readyz(kernel: Running, response: Response) -> dict[str, Any]:
    reasons = await kernel.reasons_not_ready()
    response.status_code = 503 if reasons else 200
    return {"status": "not_ready" if reasons else "ready", "reasons": reasons}
