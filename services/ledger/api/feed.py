"""The feed: everything that concerns a partner, in the order of the log, from its first event. As pages, and as server-sent events."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import ExitStack, suppress
from time import monotonic
from typing import Annotated

import msgspec
from fastapi import APIRouter, Depends, Header, Query, Request, Response
from fastapi.responses import StreamingResponse
from fastapi.sse import KEEPALIVE_COMMENT, format_sse_event
from pydantic import BaseModel, Field
from starlette.types import Receive, Scope, Send

from services.ledger.api.callers import PARTNER, only_of
from services.ledger.domain.feed import ID_PATTERN, parse_feed_id
from services.ledger.feed import FeedItem, Tally, find, id_of, tally
from services.ledger.histories import Logs
from services.ledger.log import Log
from services.ledger.news import News
from shared.http.auth import Caller, allow, token_left
from shared.http.openapi import answers
from shared.http.problems import Problem
from shared.journal.connection import reachable
from shared.process.kernel_api import Running
from shared.process.service import Kernel

router = APIRouter(prefix="/v1/feed", tags=["feed"])

STREAM = "text/event-stream"
FEW, MOST = 200, 1000
KEEPALIVE_S = 15.0  # proxies end a connection on which nothing comes
STREAM_ENDS_AFTER_S = 300.0  # so that no connection stays for ever


class FeedPage(BaseModel):
    data: list[FeedItem]
    cursor: str | None = Field(description="ask for what comes after it. There always is one, but where the log has no leaf yet")
    more: bool = Field(description="whether there is more already")
    checkpoint: str | None = Field(description="the log's signed note, which covers the page; of a history before: /v1/histories")


async def _since(
    kernel: Running,
    after: Annotated[
        str | None, Query(pattern=ID_PATTERN, description="an item's id, or a page's cursor; none: from the first event")
    ] = None,
    last_event_id: Annotated[
        str | None, Header(pattern=ID_PATTERN, description="of the last item that arrived: it goes before after")
    ] = None,
) -> int:
    """The ledger's number of the leaf that is asked for next. Raises Problem `feed_id_unknown`."""
    if (text := last_event_id or after) is None:
        return 0
    return await number_after(kernel, text, "query:after" if last_event_id is None else "header:last-event-id")


async def number_after(kernel: Kernel, text: str, field: str) -> int:
    """The ledger's number of the leaf that comes after an id that the feed has given; of one that a restore has lost, the first of the
    history that follows. Raises Problem `feed_id_unknown`."""
    tree: Log = kernel.part(Log)
    logs, asked = await tree.logs(), parse_feed_id(text)
    if asked.history not in logs.frozen and asked.leaf >= await _leaves(tree, logs, asked.history):
        raise Problem("feed_id_unknown", f"the log has no leaf {asked}", field=field, accepted="an id that the feed has given")
    return logs.number_after(asked.history, asked.leaf)


async def _leaves(tree: Log, logs: Logs, history: int) -> int:
    """How many the log of this history has that are signed, of one that has not ended."""
    if history != logs.current:
        return 0
    with reachable():  # a process that has just started may not have heard of the last checkpoint
        size = await tree.kernel.pool.fetchval("SELECT size FROM checkpoints ORDER BY size DESC LIMIT 1")
    return max(tree.signed.head.size, (size or 0) - logs.shift)


Since = Annotated[int, Depends(_since)]


@router.get("/tally", responses=answers(Tally))
async def show_tally(
    caller: Annotated[Caller, allow("auditor", "service")],
    kernel: Running,
    partner: Annotated[str, Query(max_length=20, description="its code")],
) -> Response:
    """Of one partner: how many of its events the last checkpoint covers, of each shard, and their chain hash. Allocation says so at the end
    of each day in an event of the partner's, `allocation.partner_tallied`."""
    return Response(msgspec.json.encode(await tally(kernel, partner)), media_type="application/json")


@router.get("", response_model=FeedPage, responses={200: {"content": {STREAM: {"schema": {"type": "string"}}}}})
async def read_feed(
    request: Request,
    caller: Annotated[Caller, allow(PARTNER, "auditor")],
    kernel: Running,
    since: Since,
    limit: Annotated[int, Query(ge=1, le=MOST, description="items of a page")] = FEW,
    wait: Annotated[int, Query(ge=0, le=25, description="seconds to wait for something, where there is nothing yet")] = 0,
) -> FeedPage | StreamingResponse:
    """A page: of a partner's own events, or all. It has what a checkpoint covers, in the log's order: nothing comes in between later.

    With `Accept: text/event-stream` the same as server-sent events, as it happens: `data` is an item, `id` what to come back with. A stream
    ends after five minutes, and with its token; its reader goes on with Last-Event-ID, as clients of such streams do by themselves. A page
    that waits is 401 `token_expired` if its token ends meanwhile.
    """
    partner = only_of(caller)
    if STREAM in request.headers.get("accept", ""):
        counted = ExitStack()
        news = counted.enter_context(kernel.part(News).of(partner, caller.for_whom))
        return _Stream(_events(request, kernel, partner, since, news), counted)
    found = await find(kernel, partner, since, limit)
    if not found.items and wait:
        with kernel.part(News).of(partner, caller.for_whom) as news:
            ends = monotonic() + wait
            while not found.items and (left := min(ends - monotonic(), await token_left(request))) > 0 and not kernel.ending:
                news.clear()
                if not (found := await find(kernel, partner, since, limit)).items:
                    await _come(kernel, news, left)
    last = id_of(await kernel.part(Log).logs(), found.next - 1) if found.next else None
    return FeedPage(data=found.items, cursor=last, more=found.more, checkpoint=found.checkpoint)


class _Stream(StreamingResponse):
    """Its reader is counted until it has ended."""

    def __init__(self, events: AsyncIterator[bytes], counted: ExitStack) -> None:
        super().__init__(events, media_type=STREAM, headers={"Cache-Control": "no-store"})
        self._counted = counted

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._counted:
            await super().__call__(scope, receive, send)


async def _events(request: Request, kernel: Kernel, partner: str | None, since: int, news: asyncio.Event) -> AsyncIterator[bytes]:
    ends = monotonic() + STREAM_ENDS_AFTER_S
    silent = True  # also at first, so that the reader knows that it is heard
    while (left := min(ends - monotonic(), await _token_left(request))) > 0 and not kernel.ending:
        if silent:
            yield KEEPALIVE_COMMENT
        news.clear()
        found = await find(kernel, partner, since, FEW)
        for item in found.items:
            yield format_sse_event(id=item.id, event=item.type, data_str=item.model_dump_json())
        since = found.next
        silent = not found.more and not await _come(kernel, news, min(left, KEEPALIVE_S))


async def _token_left(request: Request) -> float:
    """How long the token of a stream still holds, as far as is known now, in seconds."""
    try:
        return await token_left(request)
    except Problem:  # its reader hears why when it comes back
        return 0.0


async def _come(kernel: Kernel, news: asyncio.Event, within_s: float) -> bool:
    """Waits for news, no longer than that or until the process ends."""
    with suppress(TimeoutError):
        async with kernel.patience(within_s):
            return await news.wait()
    return False
