"""The parties of open requests against the lists in force: looked up when a request is accepted, and by a task of the service before that.

A submission waits for none of it. A list that comes into force, or goes, has every open request looked up again.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from hashlib import sha256
from time import monotonic

import msgspec
import structlog
import uuid_utils
from sqlmodel import col, or_, select
from sqlmodel.ext.asyncio.session import AsyncSession
from typeid import TypeID

from services.allocation.domain.book.screening import Screened, ScreenParties
from services.allocation.domain.screening.consignee import ScreenConsignee
from services.allocation.events import ConsigneeHit, ConsigneeId, Hit, HitId, ListName, PartyRole, RequestId
from services.allocation.tables.book import RequestRow, RequestStatus
from services.allocation.tables.screening import ConsigneeRow, HitStatus, RequestScreeningRow, ScreeningHitRow, ScreeningListRow
from shared.clock import day_of
from shared.journal.connection import UNREACHABLE
from shared.journal.postgres import read_document
from shared.journal.record import canonical
from shared.process.service import Kernel
from shared.terms.listed_names import MAX_HITS, ListedEntity, ListedNames, PartyHit, ScreeningListFile, hit_id, hits_of
from shared.writer.commands import Accepted, CommandFailed, Context, Overloaded, Unavailable

TOGETHER = 200  # requests that one command screens
POLL_SECONDS = 1.0
MOST_POLL_SECONDS = 5.0
LOOKS = 20  # a look that takes longer is made less often: within bounds, a twentieth of the time
AFTER_A_FAULT_SECONDS = 5.0
KEPT_LISTS = 16  # versions whose names a process has at hand

OPEN = (RequestStatus.SUBMITTED.value, RequestStatus.ACCEPTED.value)

log = structlog.get_logger()

type ListsInForce = Mapping[ListName, ScreeningListRow]


class _Kept:
    """Lists ready to be searched, by the SHA-256 of their documents: these never change."""

    def __init__(self) -> None:
        self._names: OrderedDict[str, ListedNames] = OrderedDict()
        self._making = asyncio.Lock()

    async def names(self, kernel: Kernel, document: str) -> ListedNames:
        async with self._making:
            if document not in self._names:
                async with kernel.pool.acquire() as connection:
                    kept = await read_document(connection, document)
                assert kept is not None, f"the document {document} is kept with the event that names it"
                file = msgspec.json.decode(kept.content, type=ScreeningListFile)
                self._names[document] = await asyncio.to_thread(ListedNames, file.entries)
                if len(self._names) > KEPT_LISTS:
                    self._names.popitem(last=False)
            self._names.move_to_end(document)
            return self._names[document]


_kept = _Kept()


async def lists_in_force(session: AsyncSession) -> dict[ListName, ScreeningListRow]:
    rows = await session.exec(select(ScreeningListRow).where(col(ScreeningListRow.in_force)).order_by(col(ScreeningListRow.list)))
    return {ListName(row.list): row for row in rows.all()}


def versions(lists: ListsInForce) -> dict[ListName, int]:
    return {name: row.version for name, row in lists.items()}


async def ready(kernel: Kernel, lists: ListsInForce) -> dict[ListName, ListedNames]:
    """The lists with their names at hand."""
    return {name: await _kept.names(kernel, row.document) for name, row in lists.items()}


async def entry_of(kernel: Kernel, document: str, entry: str) -> ListedEntity:
    """What a version of a list says of an entry that was found in it."""
    return (await _kept.names(kernel, document)).entries[entry]


def parties_of(row: RequestRow) -> dict[PartyRole, str]:
    """Those that the request names."""
    named: dict[PartyRole, str] = {"nominee": row.nominee, "consignee": row.consignee, "end_user": row.end_user}
    return {role: party for role, party in named.items() if party}


async def screen(
    kernel: Kernel, product: str, rows: Sequence[RequestRow], before: Mapping[str, dict[str, int]], lists: ListsInForce
) -> int:
    """Has the parties of the requests looked up in the lists in force. `before`: by request, the versions in which they were last.
    Gives how much of it was news.

    Raises what the writer does, or the database.
    """
    searched = await ready(kernel, lists)
    now = versions(lists)
    found = await asyncio.to_thread(lambda: tuple(_screened(row, now, searched) for row in rows))  # others are answered meanwhile
    command = ScreenParties(screened=found)
    # A list never comes back in an old version, so no request goes from one state of the lists to another twice.
    steps = [[row.request, before.get(row.request, {}), now] for row in rows]
    return await _submit(kernel, f"book/{product}", command, sha256(b"screen/" + canonical(steps)).digest(), f"screening/{product}")


async def _submit(kernel: Kernel, stream: str, command: ScreenParties | ScreenConsignee, command_id: bytes, cause: str) -> int:
    context = Context(
        command_id=command_id,
        actor=f"service:{kernel.service.name}",
        correlation_id=command_id[:16].hex(),
        causation_id=cause,
        effective_on=day_of(kernel.clock.now(), kernel.settings.zone).isoformat(),
    )
    answer = await kernel.writer.submit(stream, command, context)
    return len(answer.facts) if isinstance(answer, Accepted) else 0


async def keep_screening(kernel: Kernel) -> None:
    """The service's task. Several processes may do it at once: what one has done, the others' commands change no more."""
    while True:
        began = monotonic()
        try:
            done = await _screen_some(kernel) + await screen_consignees_behind(kernel)
        except (Unavailable, Overloaded, *UNREACHABLE) as error:
            log.warning("screening_waits", error=repr(error))
            done = 0
        except CommandFailed:
            log.exception("screening_failed")
            await asyncio.sleep(AFTER_A_FAULT_SECONDS)
            done = 0
        if done == 0:
            await asyncio.sleep(min(max(POLL_SECONDS, LOOKS * (monotonic() - began)), MOST_POLL_SECONDS))


async def screen_round(kernel: Kernel, round: str) -> None:
    """Before a decision is final: a list may have come into force a moment ago. What is found bars its request."""
    while await _screen_some(kernel, round=round):
        pass


async def _screen_some(kernel: Kernel, *, round: str | None = None) -> int:
    """How many requests were behind, and are not any more."""
    async with AsyncSession(kernel.engine, expire_on_commit=False) as session:
        lists = await lists_in_force(session)
        behind = await requests_behind(session, versions(lists), round=round)
    by_product: dict[str, list[RequestRow]] = {}
    for row, _ in behind:
        by_product.setdefault(row.product, []).append(row)
    before = {row.request: screened for row, screened in behind}
    return sum([await screen(kernel, product, rows, before, lists) for product, rows in sorted(by_product.items())])


async def requests_behind(
    session: AsyncSession, lists: Mapping[ListName, int], *, request: str | None = None, round: str | None = None
) -> list[tuple[RequestRow, dict[str, int]]]:
    """Open requests whose parties were looked up in other versions than these, or never; with the versions in which they were."""
    theirs = col(RequestScreeningRow.lists)
    query = (
        select(RequestRow, theirs)
        .join(RequestScreeningRow, col(RequestScreeningRow.request) == col(RequestRow.request), isouter=True)
        .where(col(RequestRow.status).in_(OPEN))
        .order_by(col(RequestRow.request))
        .limit(TOGETHER)
    )
    if request is not None:
        query = query.where(RequestRow.request == request)
    if round is not None:
        query = query.where(RequestRow.round == round)
    query = query.where(or_(theirs.is_(None), theirs != dict(lists))) if lists else query.where(theirs != {})
    return [(row, screened or {}) for row, screened in (await session.exec(query)).all()]


def _screened(row: RequestRow, lists: dict[ListName, int], searched: Mapping[ListName, ListedNames]) -> Screened:
    found = hits_of(row.request, parties_of(row), searched)
    hits = tuple(msgspec.convert(hit._asdict(), Hit) for hit in found[:MAX_HITS])
    return Screened(request=RequestId(row.request), lists=lists, hits=hits, beyond=max(len(found) - MAX_HITS, 0))


# Consignees: looked up by their names, once for all that goes to them


def consignee_of(name: str) -> ConsigneeId:
    return ConsigneeId(str(TypeID.from_uuid(uuid_utils.UUID(bytes=sha256(b"consignee/" + name.encode()).digest()[:16], version=8), "cns")))


async def screen_consignee(kernel: Kernel, name: str, lists: ListsInForce, *, request: str | None = None) -> int:
    """Has the name looked up in the lists in force, unless it was. `request`: one that names it, of which a person has cleared the hits.

    Raises what the writer does, or the database.
    """
    consignee = consignee_of(name)
    async with AsyncSession(kernel.engine, expire_on_commit=False) as session:
        row = await session.get(ConsigneeRow, consignee)
        if row is not None and row.lists == versions(lists) and (row.clear or request is None):
            return 0
        theirs = select(ScreeningHitRow.hit).where(ScreeningHitRow.request == request, ScreeningHitRow.status == HitStatus.CLEARED)
        cleared = set((await session.exec(theirs)).all()) if request is not None and lists else set()
    searched = await ready(kernel, lists)
    found = hits_of(consignee, {"consignee": name}, searched)

    def cleared_as(hit: PartyHit) -> HitId | None:
        """The request's own hit of the same entry, if a person has cleared that."""
        if request is None:
            return None
        own = HitId(hit_id(request, "consignee", hit.list, searched[ListName(hit.list)].entries[hit.entry]))
        return own if own in cleared else None

    hits = tuple(
        ConsigneeHit(hit=HitId(hit.hit), list=ListName(hit.list), entry=hit.entry, match=hit.match, cleared_as=cleared_as(hit))
        for hit in found[:MAX_HITS]
    )
    beyond = max(len(found) - MAX_HITS, 0)
    command = ScreenConsignee(consignee=consignee, name=name, lists=versions(lists), hits=hits, beyond=beyond)
    steps = [consignee, None if row is None else row.lists, versions(lists), [hit.cleared_as for hit in command.hits]]
    return await _submit(kernel, f"consignee/{consignee}", command, sha256(b"consignee/" + canonical(steps)).digest(), "screening")


async def screen_consignees_behind(kernel: Kernel) -> int:
    """A list has come into force, or gone: whoever goods may go to is looked up again."""
    async with AsyncSession(kernel.engine, expire_on_commit=False) as session:
        lists = await lists_in_force(session)
        behind = select(ConsigneeRow).where(ConsigneeRow.lists != versions(lists)).order_by(col(ConsigneeRow.consignee)).limit(TOGETHER)
        names = [row.name for row in (await session.exec(behind)).all()]
    return sum([await screen_consignee(kernel, name, lists) for name in names])
