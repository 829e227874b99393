"""Routes that every service has: its journal as a feed, its documents, its inbox, its health."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Depends, Path, Query, Request, Response
from pydantic import BaseModel

from shared.delivery.lines import Stopped
from shared.delivery.sources import HeadAnswer
from shared.http.auth import Caller, allow
from shared.http.fields import Body, Text
from shared.http.handlers import Posting, Reading, Reads, kernel_of
from shared.http.openapi import answers
from shared.http.problems import Problem, register
from shared.journal.decider import Reasons
from shared.journal.messages import FEED_LIMIT, Feed, to_feed
from shared.journal.postgres import previous_hash, read_document, read_heads, read_records
from shared.journal.protocol import Head, LostLead
from shared.journal.record import MAX_INTEGER
from shared.process.parking import parked_in, parks
from shared.terms.acting_api import accounts_of_caller
from shared.terms.parking import STREAM, ConfirmParking, MessageParked, MessagesUnparked, Parking, ParkMessage, UnparkMessages, key_of
from shared.terms.protecting import ByOne

router = APIRouter()


class JournalReason(Reasons):
    SHARD_NOT_FOUND = "shard_not_found", 404, "The journal has no such shard"
    DOCUMENT_NOT_FOUND = "document_not_found", 404, "No document has this SHA-256"
    NOTHING_TO_PARK = "nothing_to_park", 409, "No message of the line can be parked"
    STILL_NOT_TAKEN = "still_not_taken", 409, "A parked message cannot be taken yet; it stays parked, with those after it"
    LINE_NOT_FOUND = "line_not_found", 404, "The service takes nothing of this source's shard"


register(JournalReason)


Shard = Annotated[int, Path(ge=0, le=1023)]
Position = Annotated[int, Query(ge=0, le=MAX_INTEGER)]
StreamQuery = Annotated[str, Query(min_length=1, max_length=200)]


async def _running(request: Request) -> Any:
    return kernel_of(request)


Running = Annotated[Any, Depends(_running)]


ReadsJournal = Annotated[Caller, allow("service", "auditor", scope="journal:read")]


class ShardHead(msgspec.Struct, frozen=True):
    position: int
    chain_hash: str


def _json(content: Any) -> Response:
    return Response(msgspec.json.encode(content), media_type="application/json")


@router.get("/v1/journal", tags=["journal"], responses=answers(Feed))
async def read_journal(
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


@router.get("/v1/journal/heads", tags=["journal"], responses=answers(dict[str, ShardHead]))
async def list_journal_heads(caller: ReadsJournal, kernel: Running) -> Response:
    """Each shard's last position and chain hash."""
    async with kernel.pool.acquire() as connection:
        heads = await read_heads(connection)
    return _json({shard: ShardHead(head.position, head.chain_hash.hex()) for shard, head in heads.items()})


@router.get("/v1/journal/heads/{shard}", tags=["journal"], responses=answers(HeadAnswer))
async def show_journal_head(shard: Shard, caller: ReadsJournal, kernel: Running, at: Position = 0) -> Response:
    """The shard's last position, and the chain hash at position `at` (null beyond the end)."""
    async with kernel.pool.acquire() as connection:
        heads = await read_heads(connection)
        _known_shard(shard, heads, "path:shard")
        position = heads[shard].position
        chain = await previous_hash(connection, shard, at) if at <= position else None
    return _json(HeadAnswer(position, None if chain is None else chain.hex()))


@router.get("/v1/documents/{name}", tags=["journal"])
async def show_document(name: Annotated[str, Path(pattern="^[0-9a-f]{64}$")], caller: ReadsJournal, kernel: Running) -> Response:
    """The bytes that have this SHA-256."""
    async with kernel.pool.acquire() as connection:
        found = await read_document(connection, name)
    if found is None:
        raise Problem("document_not_found", "no document has this SHA-256", field="path:name")
    return Response(found.content, media_type=found.media_type)


class ParkBody(Body):
    reason: Text


class ParkedView(BaseModel):
    """The parked messages of a stream. Of what an earlier build has parked, only the stream is known."""

    stream: str
    place: str | None = None  # of the first of them
    event: str | None = None  # its type
    reason: str | None = None
    parked_by: str | None = None
    lapses_at: datetime | None = None  # unless another person confirms it
    confirmed_by: str | None = None
    lapsed: bool = False  # it is tried again, and the line stands still if it fails again


class UnparkedView(BaseModel):
    replayed: int


class LineView(BaseModel):
    position: int
    stopped: str | None = None
    parked: list[ParkedView] = []


@router.get("/v1/inbox", tags=["inbox"])
async def list_inbox_lines(
    caller: Annotated[Caller, allow("administrator", "approver", "operator", "auditor", "service")], kernel: Running
) -> dict[str, LineView]:
    """Each line's position, why it has stopped if it has, and what is parked."""
    rows = await kernel.pool.fetch("SELECT source, shard, position FROM inbox_cursors")
    shown = {f"{row['source']}/{row['shard']}": LineView(position=row["position"]) for row in rows}
    for line in kernel.inbox.lines.values():  # of a process that takes them
        shown.setdefault(line.name, LineView(position=line.position)).stopped = line.stopped
    streams: dict[str, dict[str, ParkedView]] = {name: {} for name in shown}
    for row in await kernel.pool.fetch("SELECT DISTINCT source, shard, stream FROM parked"):
        streams[f"{row['source']}/{row['shard']}"][row["stream"]] = ParkedView(stream=row["stream"])
    if parks(kernel):
        for parking in (await parked_in(kernel)).parkings.values():
            streams.setdefault(parking.line, {})[parking.stream] = _parked_view(parking)
    for name, line in shown.items():
        line.parked = [view for _, view in sorted(streams[name].items())]
    return shown


def _parked_view(parking: Parking) -> ParkedView:
    return ParkedView(
        stream=parking.stream,
        place=parking.place,
        event=parking.event,
        reason=parking.reason,
        parked_by=parking.by,
        lapses_at=parking.lapses_at if parking.confirmed_by is None else None,
        confirmed_by=parking.confirmed_by,
        lapsed=parking.due,
    )


@router.post("/v1/inbox/{source}/{shard}/park", tags=["inbox"], status_code=200)
async def park_message(
    source: str, shard: Shard, body: ParkBody, caller: Annotated[Caller, allow("administrator")], post: Posting, reads: Reading
) -> ParkedView:
    """Goes on without the message that a line has stopped at. Later messages of its stream are parked too.

    By one person at once, for 72 hours: longer, if a second one confirms it. Else the messages are tried again, and the same person parks
    nothing of their stream there for seven days.
    """
    kernel = reads.kernel
    _known_line(kernel, source, shard)
    accounts = await _accounts(reads, caller)
    command: Any
    try:
        stands_at = kernel.inbox.stands_at(source, shard)
        command = ParkMessage(
            line=f"{source}/{shard}",
            stream=stands_at.stream,
            place=str(stands_at.place(source)),
            event=stands_at.type,
            reason=post.text(body.reason),
            by=ByOne(by=caller.subject, accounts=accounts, at=post.now),
        )
    except (LookupError, LostLead) as error:
        command = Problem("nothing_to_park", str(error))
    accepted = await post.submit(STREAM, command)  # first: nothing is put aside without a word
    about = accepted.event(MessageParked) if accepted.facts else command
    if isinstance(about, Problem):
        raise about
    try:
        await kernel.inbox.park(source, shard, about.place, f"parked by {caller.subject}")
    except LostLead as error:
        raise Problem("nothing_to_park", str(error)) from error
    return await _view_of(kernel, about)


@router.post("/v1/inbox/{source}/{shard}/park/confirm", tags=["inbox"], status_code=200)
async def confirm_parking(
    source: str,
    shard: Shard,
    stream: StreamQuery,
    caller: Annotated[Caller, allow("administrator", "approver", "operator")],
    post: Posting,
    reads: Reading,
) -> ParkedView:
    """By a second person: the stream's messages stay parked until they are un-parked. Their line goes on, if it has stopped for them."""
    kernel = reads.kernel
    _known_line(kernel, source, shard)
    command = ConfirmParking(line=f"{source}/{shard}", stream=stream, by=caller.subject, accounts=await _accounts(reads, caller))
    await post.submit(STREAM, command)
    return await _view_of(kernel, command)


@router.post("/v1/inbox/{source}/{shard}/unpark", tags=["inbox"], status_code=200)
async def unpark_messages(
    source: str, shard: Shard, stream: StreamQuery, caller: Annotated[Caller, allow("administrator")], post: Posting, kernel: Running
) -> UnparkedView:
    """Replays a stream's parked messages, in order. One person does it: what they say was decided by others."""
    _known_line(kernel, source, shard)
    try:
        taken = await kernel.inbox.unpark(source, shard, stream)
    except (Stopped, LostLead) as error:
        raise Problem("still_not_taken", str(error)) from error
    command = UnparkMessages(line=f"{source}/{shard}", stream=stream, messages=taken, by=caller.subject)
    accepted = await post.submit(STREAM, command)
    return UnparkedView(replayed=accepted.event(MessagesUnparked).messages if accepted.facts else taken)


async def _accounts(reads: Reads, caller: Caller) -> frozenset[str]:
    """All of the caller's, as far as people act under authority in this service."""
    return frozenset({caller.subject}) if reads.kernel.service.acting is None else await accounts_of_caller(reads, caller)


async def _view_of(kernel: Any, about: ParkMessage | MessageParked | ConfirmParking) -> ParkedView:
    found = (await parked_in(kernel)).parkings.get(key_of(about))
    return ParkedView(stream=about.stream) if found is None else _parked_view(found)


def _known_shard(shard: int, heads: Mapping[int, Head], field: str) -> None:
    if shard not in heads:
        raise Problem("shard_not_found", f"there are shards 0 to {len(heads) - 1}", field=field)


def _known_line(kernel: Any, source: str, shard: int) -> None:
    if (source, shard) not in kernel.inbox.lines or not parks(kernel):
        raise Problem("line_not_found", f"nothing that may be parked is taken of {source}/{shard}", field="path:source")


@router.get("/livez", include_in_schema=False)
async def livez() -> dict[str, str]:
    return {"status": "live"}


@router.get("/readyz", include_in_schema=False)
async def readyz(kernel: Running, response: Response) -> dict[str, Any]:
    reasons = await kernel.reasons_not_ready()
    response.status_code = 503 if reasons else 200
    return {"status": "not_ready" if reasons else "ready", "reasons": reasons}
