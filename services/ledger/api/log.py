"""The log as C2SP tlog-tiles below `/v1`, its receipts, and what it has recorded of each source."""

import asyncio
from contextlib import suppress
from functools import partial
from typing import Annotated

import msgspec
from fastapi import APIRouter, Path, Query, Response
from fastapi.responses import PlainTextResponse
from sqlmodel import col, select

from services.ledger.api.callers import PARTNER, only_of
from services.ledger.api.views import CheckpointView
from services.ledger.histories import FrozenLog
from services.ledger.log import Log, shown_consistency
from services.ledger.publishing.publisher import Publisher
from services.ledger.receipt import Grade, Opening
from services.ledger.tables import CheckpointRow, EntryRow, WitnessedRow
from services.ledger.tiles import ForkDetected, TileMissing, TileStore, parse_tile_path, tile_at
from shared.http.auth import Caller, allow
from shared.http.handlers import Page, Paging, Reading
from shared.http.openapi import answers
from shared.http.problems import Problem
from shared.journal.messages import FEED_LIMIT, Feed, to_feed
from shared.journal.places import FIRST, LAST, SERVICE_PATTERN, Place, parse_place
from shared.journal.record import GENESIS, MAX_INTEGER, record_of
from shared.process.kernel_api import Position, ReadsJournal, Running
from shared.process.service import Kernel
from shared.proofs.fork import Consistency

router = APIRouter(tags=["log"])

# A tile never changes, also one that is not full: of that width it stays. It tells nothing to one without the events.
FOREVER = "public, max-age=31536000, immutable"


Graded = Annotated[Grade, Query(description="signed: by the log; witnessed: by enough of the log's witnesses as well")]


class Recorded(msgspec.Struct, frozen=True):
    """The last event of a source's shard that the ledger has recorded."""

    position: int
    chain_hash: str


@router.get("/v1/verifier-key", response_class=PlainTextResponse)
async def show_verifier_key(kernel: Running) -> PlainTextResponse:
    """The key that checkpoints are signed with, as a C2SP verifier key. Pin it from elsewhere than here."""
    return PlainTextResponse(f"{kernel.part(Log).key}\n")


@router.get("/v1/checkpoint", response_class=PlainTextResponse)
async def show_checkpoint(kernel: Running, reads: Reading, grade: Graded = Grade.SIGNED) -> PlainTextResponse:
    """The last checkpoint: a C2SP signed note. Witnessed, it has the cosignatures too, and is a little older."""
    shift = (await kernel.part(Log).logs()).shift
    last = select(CheckpointRow.note).where(CheckpointRow.size > shift).order_by(col(CheckpointRow.size).desc())
    if grade is Grade.WITNESSED:
        last = select(WitnessedRow.note).where(WitnessedRow.size > shift).order_by(col(WitnessedRow.position).desc())
    async with reads.session() as session:
        note = (await session.exec(last.limit(1))).first()
    if note is None:
        raise Problem("checkpoint_not_found", f"none is {grade} yet", headers={"Retry-After": "1"})
    return PlainTextResponse(note, headers={"Cache-Control": "no-cache"})


@router.get("/v1/checkpoints")
async def list_checkpoints(caller: Annotated[Caller, allow("auditor", "service")], kernel: Running, pages: Paging) -> Page[CheckpointView]:
    """All checkpoints, in their order, each with the position of every source's shard that it covers."""
    logs = await kernel.part(Log).logs()
    return await pages.of(select(CheckpointRow), CheckpointRow.size, partial(CheckpointView.of, logs))


@router.get("/v1/tile/{path:path}", response_class=Response, responses={200: {"content": {"application/octet-stream": {}}}})
async def show_tile(path: Annotated[str, Path(max_length=100)], kernel: Running) -> Response:
    """A tile of hashes or, below `entries/`, the leaves under one. Only what a checkpoint covers is served."""
    log: Log = kernel.part(Log)
    return await tile_of(log.store, log.signed.head.size, path)


async def tile_of(store: TileStore, size: int, path: str) -> Response:
    """Of a log whose last checkpoint has so many leaves. Raises Problem `tile_not_found`."""
    try:
        wanted = parse_tile_path(f"tile/{path}")
    except ValueError as error:
        raise Problem("tile_not_found", str(error), field="path:path") from error
    level = 0 if wanted.level == "entries" else wanted.level
    if wanted.width > tile_at(size, level, wanted.index).width:
        raise Problem("tile_not_found", f"the last checkpoint has {size} leaves", field="path:path")
    try:
        data = await asyncio.to_thread(store.require, wanted)
    except TileMissing as error:
        raise Problem("tile_not_found", str(error), field="path:path") from error
    return Response(data, media_type="application/octet-stream", headers={"Cache-Control": FOREVER})


@router.get("/v1/consistency/{old_size}/{size}", responses=answers(Consistency))
async def show_consistency(
    old_size: Annotated[int, Path(ge=1, le=MAX_INTEGER)], size: Annotated[int, Path(ge=1, le=MAX_INTEGER)], kernel: Running
) -> Response:
    """That the log of `size` leaves goes on from the one of `old_size`: the root that its first ones have, and the RFC 6962 consistency
    proof. Who holds a checkpoint, or a receipt, compares it."""
    log: Log = kernel.part(Log)
    return await consistency_of(log.store, log.signed.head.size, old_size, size)


async def consistency_of(store: TileStore, last: int, old_size: int, size: int) -> Response:
    """Of a log whose last checkpoint has `last` leaves. Raises Problem `size_not_found`."""
    if not old_size <= size <= last:
        raise Problem("size_not_found", f"the last checkpoint has {last} leaves", field="path:size")
    try:
        shown = await asyncio.to_thread(shown_consistency, store, old_size, size)
    except TileMissing as error:
        raise Problem("size_not_found", f"tiles of the log of {size} leaves are lost: {error}", field="path:size") from error
    return Response(msgspec.json.encode(shown), media_type="application/json", headers={"Cache-Control": FOREVER})


@router.get("/v1/receipts/{source}/{shard}/{position}", response_class=PlainTextResponse)
async def show_receipt(
    source: Annotated[str, Path(pattern=SERVICE_PATTERN, description="as in the place: inventory, or inventory~2")],
    shard: Annotated[int, Path(ge=0, le=1023)],
    position: Annotated[int, Path(ge=1, le=MAX_INTEGER)],
    caller: Annotated[Caller, allow(PARTNER, "operator", "approver", "auditor", "administrator", "service")],
    kernel: Running,
    reads: Reading,
    wait: Annotated[int, Query(ge=0, le=10, description="seconds to wait for a checkpoint of that grade that covers the event")] = 0,
    grade: Graded = Grade.SIGNED,
) -> PlainTextResponse:
    """The receipt of an event, at the place that the `Reserve-Position` of its answer names: a C2SP tlog-proof that opens the leaf.

    A partner hears of another's event what it hears of none: that there is no receipt yet, after as long a wait."""
    if grade is Grade.WITNESSED and kernel.part(Publisher).policy is None:
        raise Problem("grade_not_given", "no witness cosigns this log", field="query:grade", accepted="signed")
    log: Log = kernel.part(Log)
    partner = only_of(caller)
    place = parse_place(f"{source}/{shard}/{position}")
    if place.service not in kernel.inbox.subscriptions or shard >= kernel.settings.shards:
        raise _no_receipt(f"nothing is recorded of {place.line}")
    if kernel.journal.histories.lost(place):
        raise _no_receipt(f"history {place.history} has nothing there that is left")
    asked_at = asyncio.get_running_loop().time()
    if wait:
        with suppress(TimeoutError):
            async with kernel.patience(wait):
                await _covered(kernel, place, grade)
    await reads.arrived()
    entry = await log.entry(place, grade)
    theirs = entry is not None and partner in (None, entry.partner)
    if entry is None or not theirs or entry.checkpoint is None:
        if partner is not None:
            rest = asked_at + wait - asyncio.get_running_loop().time()
            with suppress(TimeoutError):
                async with kernel.patience(rest):
                    await asyncio.sleep(rest)
        whose_event = "this event" if partner is None else "an event of yours at this place"
        raise Problem("receipt_not_ready", f"no {grade} checkpoint covers {whose_event} yet", headers={"Retry-After": "1"})
    return PlainTextResponse(await log.receipt(Opening(str(place), entry.salt, entry.event_hash, entry.hashed), entry))


async def _covered(kernel: Kernel, place: Place, grade: Grade) -> None:
    """Waits until a checkpoint of that grade covers it."""
    log: Log = kernel.part(Log)
    await log.covered(place)
    entry = await log.entry(place) if grade is Grade.WITNESSED else None
    if entry is not None and entry.history == kernel.journal.histories.current:
        await kernel.part(Publisher).covered(entry.index + 1)


def _no_receipt(detail: str) -> Problem:
    return Problem("receipt_not_found", detail, field="path:position")


@router.get("/v1/sources", responses=answers(dict[str, Recorded]))
async def list_sources(
    caller: Annotated[Caller, allow("service", "auditor")],
    kernel: Running,
    whole: Annotated[bool, Query(description="only if it has all that the log's tiles, and its witnesses, hold")] = False,
) -> Response:
    """What is recorded of each source's shard: {"inventory/0": {"position": 123, "chain_hash": hex}}.

    A source that starts asks for the whole: restored to the past together with the ledger, it would take itself for up to date."""
    log: Log = kernel.part(Log)
    if whole:
        try:
            await kernel.part(Publisher).ask_what_is_held()
        except ForkDetected as error:
            raise Problem("record_incomplete", str(error), headers={"Retry-After": "1"}) from error
    held = (await log.logs()).shift + await asyncio.to_thread(log.store.held_size) if whole else 0
    async with kernel.pool.acquire() as connection:
        if (size := await connection.fetchval("SELECT size FROM log_head")) < held:
            detail = f"the log's tiles hold {held} leaves, of which it has {size} again"
            raise Problem("record_incomplete", detail, headers={"Retry-After": "1"})
        rows = await connection.fetch("SELECT source, shard, position, chain_hash FROM inbox_cursors ORDER BY source, shard")
    recorded = {f"{row['source']}/{row['shard']}": Recorded(row["position"], row["chain_hash"].hex()) for row in rows}
    return Response(msgspec.json.encode(recorded), media_type="application/json")


@router.get("/v1/sources/{source}/{shard}/journal", responses=answers(Feed))
async def read_source_journal(
    source: Annotated[str, Path(pattern="^[a-z]{1,20}$")],
    shard: Annotated[int, Path(ge=0, le=1023)],
    caller: ReadsJournal,
    kernel: Running,
    reads: Reading,
    after: Position = 0,
    limit: Annotated[int, Query(ge=1, le=FEED_LIMIT)] = FEED_LIMIT,
) -> Response:
    """The ledger's copy of a source's journal, as that source's own `GET /v1/journal` would give it: what a restored source lacks."""
    if source not in kernel.inbox.subscriptions or shard >= kernel.settings.shards:
        raise Problem("shard_not_found", f"nothing is recorded of {source}/{shard}", field="path:source")
    query = (
        select(EntryRow)
        .where(EntryRow.source == source, EntryRow.shard == shard, EntryRow.position >= after)
        .order_by(col(EntryRow.position))
        .limit(limit + 1)
    )
    async with reads.session() as session:
        rows = list(await session.exec(query))
    previous = rows.pop(0).chain_hash if after and rows else GENESIS
    records = [record_of(row.hashed, salt=row.salt, event_hash=row.event_hash, chain_hash=row.chain_hash) for row in rows[:limit]]
    return Response(msgspec.json.encode(to_feed(records, previous, limit)), media_type="application/json")


# The logs of histories before this one: each below `/v1/histories/{history}` as C2SP tlog-tiles, as it was below `/v1`

History = Annotated[int, Path(ge=FIRST, le=LAST)]


class HistoryView(msgspec.Struct, frozen=True):
    """`commitment`: leaf 0 of its log, verbatim, where there was a history before it."""

    history: int
    key: str  # the log's verifier key; pin it from elsewhere than here
    commitment: str | None


class HistoriesView(msgspec.Struct, frozen=True):
    data: list[HistoryView]


@router.get("/v1/histories", responses=answers(HistoriesView))
async def list_histories(kernel: Running) -> Response:
    """The histories, in their order: the last one goes on, and the others were ended by a restore of everything."""
    log: Log = kernel.part(Log)
    logs = await log.logs()
    keys = {history: frozen.key for history, frozen in logs.frozen.items()} | {logs.current: str(log.key)}
    leaves = {each.history: each.leaf.decode() for each in logs.begun}
    found = [HistoryView(history, key, leaves.get(history)) for history, key in sorted(keys.items())]
    return Response(msgspec.json.encode(HistoriesView(found)), media_type="application/json", headers={"Cache-Control": "no-cache"})


async def _frozen(history: History, kernel: Running) -> FrozenLog:
    """Raises Problem `history_not_found`."""
    log: Log = kernel.part(Log)
    logs = await log.logs()
    if (found := logs.frozen.get(history)) is None:
        ended = ", ".join(map(str, logs.frozen)) or f"none: this is history {FIRST}"
        raise Problem("history_not_found", f"no history of this number has ended; those that have: {ended}", field="path:history")
    return found


@router.get("/v1/histories/{history}/verifier-key", response_class=PlainTextResponse)
async def show_frozen_verifier_key(history: History, kernel: Running) -> PlainTextResponse:
    """The key that checkpoints of that log were signed with."""
    return PlainTextResponse(f"{(await _frozen(history, kernel)).key}\n", headers={"Cache-Control": FOREVER})


@router.get("/v1/histories/{history}/checkpoint", response_class=PlainTextResponse)
async def show_frozen_checkpoint(history: History, kernel: Running) -> PlainTextResponse:
    """The last checkpoint of that log that is known: the one that the next log commits to."""
    if (note := (await _frozen(history, kernel)).note) is None:
        raise Problem("checkpoint_not_found", f"history {history} had signed nothing")
    return PlainTextResponse(note, headers={"Cache-Control": FOREVER})


@router.get(
    "/v1/histories/{history}/tile/{path:path}", response_class=Response, responses={200: {"content": {"application/octet-stream": {}}}}
)
async def show_frozen_tile(history: History, path: Annotated[str, Path(max_length=100)], kernel: Running) -> Response:
    """A tile of that log. Of leaves that are lost there may be none."""
    log = await _frozen(history, kernel)
    return await tile_of(log.store, log.head.size, path)


@router.get("/v1/histories/{history}/consistency/{old_size}/{size}", responses=answers(Consistency))
async def show_frozen_consistency(
    history: History,
    old_size: Annotated[int, Path(ge=1, le=MAX_INTEGER)],
    size: Annotated[int, Path(ge=1, le=MAX_INTEGER)],
    kernel: Running,
) -> Response:
    """As for the log that goes on. Where the tiles of leaves that are lost are lost, too, nothing is shown of these."""
    log = await _frozen(history, kernel)
    return await consistency_of(log.store, log.head.size, old_size, size)
