"""Counter: a small neutral service, for the kernel's tests. A counter counts up, and never below zero."""

from collections.abc import Sequence
from datetime import date, datetime
from hashlib import sha256
from typing import Annotated, Any

import msgspec
import sqlalchemy as sa
from fastapi import APIRouter, Response
from pydantic import BaseModel, ConfigDict, Field, StrictInt
from sqlalchemy.orm import registry
from sqlmodel import Field as Column
from sqlmodel import SQLModel, select

from shared.delivery.inbox import Subscription
from shared.http.auth import Caller, allow
from shared.http.bulk import Alone, BulkBody, BulkView, Keyed, bulk
from shared.http.handlers import Page, Paging, Post, Posting, Reading, same_fields
from shared.http.problems import Problem
from shared.journal.connection import Connection
from shared.journal.decider import CancelTimer, Decider, Reasons, Refused, Timer
from shared.journal.protocol import Document
from shared.journal.record import Fact
from shared.process.service import Service

TOO_MUCH_FOR_THE_TABLE = 1_000_000  # what the read table's CHECK refuses, though the rules allow it


# Events


class Added(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="counter.added.v1"):
    counter: str
    amount: int
    partner: str | None = None


class Taken(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="counter.taken.v1"):
    counter: str
    amount: int


class Noted(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="counter.noted.v1"):
    counter: str
    document: str  # SHA-256


class ClosingSet(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="counter.closing_set.v1"):
    counter: str
    on: date | None  # None: it stays open, unless it closes at an instant
    at: datetime | None = None


class Closed(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="counter.closed.v1"):
    counter: str


type Event = Added | Taken | Noted | ClosingSet | Closed


# Commands


class Add(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    counter: str
    amount: int
    times: int = 1
    partner: str | None = None


class Take(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    counter: str
    amount: int


class Note(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    counter: str
    document: str


class SetClosing(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    counter: str
    on: date | None = None
    at: datetime | None = None


class Close(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    counter: str
    at: datetime | None = None


class Break(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Stands for a bug in a rule."""


type Command = Add | Take | Note | SetClosing | Close | Break


class Reason(Reasons):
    TOO_LITTLE = "counter_too_little", 409, "There is not so much"
    CLOSED = "counter_closed", 409, "The counter is closed"


class Counter(msgspec.Struct, frozen=True):
    total: int = 0
    closed: bool = False


def decide(command: Command, counter: Counter) -> list[Event] | Refused[Reason]:
    match command:
        case Add() if counter.closed:
            return Refused(Reason.CLOSED, f"{command.counter} is closed")
        case Add():
            return [Added(counter=command.counter, amount=command.amount, partner=command.partner) for _ in range(command.times)]
        case Take():
            if command.amount > counter.total:
                return Refused(Reason.TOO_LITTLE, f"there are {counter.total}", "/amount", f"at most {counter.total}")
            return [Taken(counter=command.counter, amount=command.amount)]
        case Note():
            return [Noted(counter=command.counter, document=command.document)]
        case SetClosing():
            return [ClosingSet(counter=command.counter, on=command.on, at=command.at)]
        case Close():
            return [] if counter.closed else [Closed(counter=command.counter)]
        case Break():
            raise ZeroDivisionError("a bug")


def evolve(counter: Counter, event: Event) -> Counter:
    match event:
        case Added():
            return msgspec.structs.replace(counter, total=counter.total + event.amount)
        case Taken():
            return msgspec.structs.replace(counter, total=counter.total - event.amount)
        case Closed():
            return msgspec.structs.replace(counter, closed=True)
        case Noted() | ClosingSet():
            return counter


def timers(event: Event) -> Sequence[Timer | CancelTimer]:
    match event:
        case ClosingSet(counter=counter, at=datetime() as at):
            return [Timer.at_instant("close", at, Close(counter=counter, at=at))]
        case ClosingSet(on=None):
            return [CancelTimer("close")]
        case ClosingSet(counter=counter, on=on):
            assert on is not None
            return [Timer("close", on, Close(counter=counter))]
        case _:
            return []


DECIDER = Decider(kind="counter", initial=Counter(), commands=Command, decide=decide, evolve=evolve, timers=timers)


# Read tables

tables = registry()


class Table(SQLModel, registry=tables):
    pass


class CounterRow(Table, table=True):
    __tablename__ = "counters"
    id: str = Column(primary_key=True)
    total: int = Column(sa_type=sa.BigInteger)
    version: int = Column(sa_type=sa.BigInteger)
    closed: bool = False


class EntryRow(Table, table=True):
    __tablename__ = "entries"
    __table_args__ = (sa.CheckConstraint(f"amount < {TOO_MUCH_FOR_THE_TABLE}"),)
    place: str = Column(primary_key=True)
    counter: str
    amount: int = Column(sa_type=sa.BigInteger)


async def project(connection: Connection, facts: Sequence[Fact]) -> None:
    changes = [(_counter(fact), _change(fact.event), fact.record.version, isinstance(fact.event, Closed)) for fact in facts]
    await connection.executemany(
        """INSERT INTO counters VALUES ($1, $2, $3, $4) ON CONFLICT (id) DO UPDATE
           SET total = counters.total + $2, version = $3, closed = counters.closed OR $4""",
        changes,
    )
    entries = [(fact.place, _counter(fact), change) for fact in facts if (change := _change(fact.event))]
    await connection.executemany("INSERT INTO entries VALUES ($1, $2, $3)", entries)


def _counter(fact: Fact) -> str:
    return fact.record.stream.partition("/")[2]


def _change(event: Event) -> int:
    match event:
        case Added(amount=amount):
            return amount
        case Taken(amount=amount):
            return -amount
        case _:
            return 0


# API

Id = Annotated[str, Field(pattern="^[a-z0-9-]{1,40}$")]
Amount = Annotated[StrictInt, Field(ge=1, le=2**53 - 1)]


class OpenBody(BaseModel):
    model_config = ConfigDict(extra="forbid")
    counter: Id
    amount: Amount


class AmountBody(BaseModel):
    model_config = ConfigDict(extra="forbid")
    amount: Amount


class NoteBody(BaseModel):
    model_config = ConfigDict(extra="forbid")
    text: str


class EntryView(BaseModel):
    place: str
    amount: int


router = APIRouter()
Posting = Posting
Reading = Reading
Operator = Annotated[Caller, allow("operator", "partner")]


@router.post("/v1/counters", status_code=201)
async def open_counter(body: OpenBody, post: Posting, caller: Operator) -> dict[str, Any]:
    accepted = await post.submit(f"counter/{body.counter}", Add(counter=body.counter, amount=body.amount))
    return {"id": post.new_id("cnt"), "places": [fact.place for fact in accepted.facts]}


@router.post("/v1/counters/{counter}/additions", status_code=201)
async def add(counter: Id, body: AmountBody, post: Posting, caller: Operator) -> dict[str, Any]:
    accepted = await post.submit(f"counter/{counter}", Add(counter=counter, amount=body.amount))
    return {"places": [fact.place for fact in accepted.facts]}


@router.post("/v1/counters/{counter}/takings", status_code=201)
async def take(counter: Id, body: AmountBody, post: Posting, caller: Operator) -> dict[str, Any]:
    accepted = await post.submit(f"counter/{counter}", Take(counter=counter, amount=body.amount))
    return {"places": [fact.place for fact in accepted.facts]}


class TakingItem(Keyed, AmountBody):
    counter: Id


class TakingView(BaseModel):
    places: list[str]


@router.post("/v1/takings/bulk")
async def take_in_bulk(body: BulkBody[TakingItem], post: Posting, caller: Operator) -> BulkView[TakingView]:
    async def one(item: TakingItem, own: Post) -> TakingView:
        if item.counter == "locked":
            raise Problem("forbidden", "this counter is somebody else's")
        return TakingView(**await take(item.counter, AmountBody(amount=item.amount), own, caller))

    return await bulk(post, body, Alone(route="/v1/counters/{counter}/takings", ids=("counter",), handle=one, view=TakingView))


@router.post("/v1/counters/{counter}/notes", status_code=201)
async def note(counter: Id, body: NoteBody, post: Posting, caller: Operator) -> dict[str, Any]:
    name = sha256(body.text.encode()).hexdigest()
    document = Document(body.text.encode(), "text/plain")
    await post.submit(f"counter/{counter}", Note(counter=counter, document=name), documents=[document])
    return {"document": name}


@router.post("/v1/counters/{counter}/break", status_code=201)
async def break_it(counter: Id, post: Posting, caller: Operator) -> None:
    await post.submit(f"counter/{counter}", Break())


@router.get("/v1/counters/{counter}")
async def counter_by_id(counter: Id, reads: Reading, caller: Operator, response: Response) -> dict[str, Any]:
    async with reads.session() as session:
        row = (await session.exec(select(CounterRow).where(CounterRow.id == counter))).one()
    reads.etag(response, caller, f"counter/{counter}", row.version)
    return {"id": row.id, "total": row.total}


@router.get("/v1/counters/{counter}/state")
async def counter_state(counter: Id, reads: Reading, caller: Operator) -> dict[str, Any]:
    state, version = await reads.state(f"counter/{counter}")
    return {"total": state.total, "version": version}


@router.get("/v1/entries")
async def entries(caller: Operator, pages: Paging, amount: int | None = None) -> Page[EntryView]:
    return await pages.of(select(EntryRow), EntryRow.place, same_fields(EntryView), only={EntryRow.amount: amount})


def counter_service(
    name: str = "counter", subscriptions: tuple[Subscription, ...] = (), tasks: tuple[Any, ...] = (), epoch: int = 1
) -> Service:
    return Service(
        name=name,
        deciders=(DECIDER,),
        event_type=Event,
        project=project,
        tables=tables.metadata,
        subscriptions=subscriptions,
        router=lambda: router,
        recorded_by="ledger",
        tasks=tasks,
        epoch=epoch,
    )
