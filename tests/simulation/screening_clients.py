"""Clients at work: who keeps the lists, who looks parties up in them, who decides on what is found; and partners who object."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, timedelta
from typing import Any

import msgspec

from services.allocation.domain.book.objections import AnswerObjection, RaiseObjection
from services.allocation.domain.book.requests import Findings
from services.allocation.domain.book.screening import DecideHit, Screened, ScreenParties
from services.allocation.domain.book.state import Book
from services.allocation.domain.screening.screening_list import PutListInForce, WithdrawList
from services.allocation.events import Finding, Hit
from shared.journal.protocol import Document
from shared.journal.record import canonical
from shared.terms.listed_names import ListedEntity, ScreeningListFile
from tests.simulation.client import Client
from tests.simulation.two_people import by_two

SCREENER: Any = "screener"  # accepts requests, decides hits, answers objections
PARTNER: Any = "a partner"
LISTS: Sequence[Any] = ("entities", "watched")
LISTED = ("a smelter", "a nominee", "another company")


def findings(client: Client, on: date) -> Findings | None:
    """What stands behind an acceptance; nothing, where nobody asks for it."""
    if not client.world.people:
        return None
    found = {"quantity": Finding(answer="met", finding="so much was used last year")}
    return Findings(findings=found, not_pre_cleared=(), by=SCREENER, objections_until=on + timedelta(days=2))  # type: ignore[arg-type]


async def keep_lists(client: Client, until_s: float) -> None:
    while client.world.loop.time() < until_s:
        await client.pause(7.0)
        name = client.dice.choice(LISTS)
        if name in client.allocation.people.lists and client.dice.random() < 0.5:
            await by_two(client, f"allocation/screening_list/{name}", WithdrawList(list=name, reason="out of date", by=SCREENER))
            continue
        entry = ListedEntity(entry="1", name=client.dice.choice(LISTED), source="a gazette", listed_on=date(2026, 1, 5))
        document = Document(canonical(ScreeningListFile(list=name, entries=(entry,))))
        put = PutListInForce(list=name, document=document.name, entries=1, reason="a gazette", by=SCREENER)
        await by_two(client, f"allocation/screening_list/{name}", put, documents=(document,))


async def keep_screening(client: Client, products: Sequence[Any], until_s: float) -> None:
    """As the service's own task does, which reads what only PostgreSQL has."""
    while client.world.loop.time() < until_s:
        await client.pause(0.5)
        lists = client.allocation.people.lists
        for product in products:
            screened = tuple(
                Screened(request=name, lists=dict(lists), hits=tuple(_hits(client, name, lists)))
                for name, request in sorted((await _requests(client, product)).items())
                if request.screening.lists != lists
            )
            if screened:
                await client.do("allocation", f"book/{product}", ScreenParties(screened=screened))


def _hits(client: Client, request: str, lists: Mapping[Any, int]) -> Iterator[Hit]:
    people = client.allocation.people
    for name in sorted(lists):
        kept = client.world.stores["allocation"].documents[people.documents[name]].content
        for entry in msgspec.json.decode(kept, type=ScreeningListFile).entries:
            for role, party in people.parties[request].items():
                if party == entry.name:
                    hit: Any = f"hit_{request}/{name}/{role}/{entry.name}"
                    yield Hit(hit=hit, role=role, list=name, entry=entry.entry, match="exact")


async def decide_hits(client: Client, products: Sequence[Any], until_s: float) -> None:
    while client.world.loop.time() < until_s:
        await client.pause(0.6)
        product = client.dice.choice(products)
        for name, request in sorted((await _requests(client, product)).items()):
            for hit, status in sorted(request.screening.hits.items()):
                if status == "open" or (status == "confirmed" and client.dice.random() < 0.2):
                    outcome: Any = "cleared" if client.dice.random() < 0.9 else "confirmed"
                    decide = DecideHit(request=name, hit=hit, outcome=outcome, reason="their papers", by=SCREENER)
                    if outcome == "cleared":
                        await by_two(client, f"allocation/book/{product}", decide)
                    else:
                        await client.do("allocation", f"book/{product}", decide)


async def object_to(client: Client, products: Sequence[Any], until_s: float) -> None:
    """A partner raises an objection, perhaps too late; an operator answers it, perhaps once more."""
    while client.world.loop.time() < until_s:
        await client.pause(2.0)
        product = client.dice.choice(products)
        book = await client.read("allocation", f"book/{product}")
        if not isinstance(book, Book):
            continue
        for objection, raised in sorted(book.objections.items()):
            request = book.requests.get(raised.request)
            upheld = client.dice.random() < 0.5
            answer = AnswerObjection(
                objection=objection,
                upheld=upheld,
                accepted_g=request.mass_g if upheld and request is not None else None,
                reasons=("looked at again",),
                by=SCREENER,
                involved=(),
                lists=client.allocation.people.lists,
                on=date.min,
            )
            await client.do("allocation", f"book/{product}", answer)
        accepted = [name for name, request in sorted(book.requests.items()) if request.objections_until is not None]
        if accepted:
            raising = RaiseObjection(
                objection=client.new_id("obj"), request=client.dice.choice(accepted), reasons=("too little",), by=PARTNER, on=date.min
            )
            await client.do("allocation", f"book/{product}", raising)


async def _requests(client: Client, product: str) -> Mapping[Any, Any]:
    book = await client.read("allocation", f"book/{product}")
    return book.requests if isinstance(book, Book) else {}
