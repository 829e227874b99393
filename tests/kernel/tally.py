"""Tally: a second small service, which takes the counter's events: a command for each addition, and a table that they feed."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import msgspec
import sqlalchemy as sa
from fastapi import APIRouter
from sqlalchemy.orm import registry
from sqlmodel import Field as Column
from sqlmodel import SQLModel, select

from shared.delivery.inbox import Reaction
from shared.http.auth import Caller, allow
from shared.http.handlers import Reading
from shared.journal.connection import Connection
from shared.journal.decider import Decider
from shared.journal.record import Fact
from shared.process.service import Service, subscription
from shared.terms import parking
from tests.kernel import counter

UNLUCKY = 13  # an amount that the reaction has a bug with
TYPES = {"counter.added.v1", "counter.noted.v1"}


class Tallied(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="tally.tallied.v1"):
    counter: str
    amount: int


class Read(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="tally.read.v1"):
    text: str


class Parked(parking.MessageParked, frozen=True, kw_only=True, tag="tally.message_parked.v1"):
    pass


class Confirmed(parking.ParkingConfirmed, frozen=True, kw_only=True, tag="tally.parking_confirmed.v1"):
    pass


class Lapsed(parking.ParkingLapsed, frozen=True, kw_only=True, tag="tally.parking_lapsed.v1"):
    pass


class Unparked(parking.MessagesUnparked, frozen=True, kw_only=True, tag="tally.messages_unparked.v1"):
    pass


PARKING = parking.ParkingEvents(parked=Parked, confirmed=Confirmed, lapsed=Lapsed, unparked=Unparked)

type Event = Tallied | Read | Parked | Confirmed | Lapsed | Unparked


class Tally(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    counter: str
    amount: int


class ReadOut(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    text: str


type Command = Tally | ReadOut


def decide(command: Command, amounts: tuple[int, ...]) -> list[Event]:
    match command:
        case Tally():
            return [Tallied(counter=command.counter, amount=command.amount)]
        case ReadOut():
            return [Read(text=command.text)]


def evolve(amounts: tuple[int, ...], event: Event) -> tuple[int, ...]:
    return (*amounts, event.amount) if isinstance(event, Tallied) else amounts


DECIDER = Decider(kind="tally", initial=(), commands=Command, decide=decide, evolve=evolve)

tables = registry()


class Table(SQLModel, registry=tables):
    pass


class TallyRow(Table, table=True):
    __tablename__ = "tallies"
    place: str = Column(primary_key=True)
    counter: str
    amount: int = Column(sa_type=sa.BigInteger)


class SeenRow(Table, table=True):
    """Fed by the counter's events alone."""

    __tablename__ = "seen"
    place: str = Column(primary_key=True)
    event_type: str


async def project(connection: Connection, facts: Sequence[Fact]) -> None:
    rows = [(fact.place, fact.event.counter, fact.event.amount) for fact in facts if isinstance(fact.event, Tallied)]
    await connection.executemany("INSERT INTO tallies VALUES ($1, $2, $3)", rows)


async def take(connection: Connection, facts: Sequence[Fact]) -> None:
    await connection.executemany("INSERT INTO seen VALUES ($1, $2)", [(fact.place, fact.record.type) for fact in facts])


class Mood:
    """Whether the bug with unlucky amounts is there; a test mends it."""

    mended = False


def reactions(mood: Mood) -> Any:
    def react(fact: Fact, documents: Mapping[str, bytes]) -> Sequence[Reaction]:
        match fact.event:
            case counter.Added(counter=name, amount=amount):
                if amount == UNLUCKY and not mood.mended:
                    raise ZeroDivisionError("a bug")
                return [Reaction(f"tally/{name}", Tally(counter=name, amount=amount))]
            case counter.Noted(counter=name, document=document):
                return [Reaction(f"tally/{name}", ReadOut(text=documents.get(document, b"(none)").decode()))]
            case _:
                return []

    return react


def needs(fact: Fact) -> Sequence[str]:
    return [fact.event.document] if isinstance(fact.event, counter.Noted) else []


router = APIRouter()


@router.get("/v1/tallies/{name}")
async def tallies(name: str, reads: Reading, caller: Annotated[Caller, allow("operator")]) -> list[int]:
    async with reads.session() as session:
        rows = (await session.exec(select(TallyRow).where(TallyRow.counter == name).order_by(TallyRow.place))).all()
    return [row.amount for row in rows]


def tally_service(name: str, source: str, mood: Mood | None = None, *, epoch: int = 1) -> Service:
    return Service(
        name=name,
        deciders=(DECIDER, parking.decider(PARKING)),
        event_type=Event,
        project=project,
        tables=tables.metadata,
        subscriptions=(subscription(source, counter.Event, TYPES, react=reactions(mood or Mood()), needs=needs, take=take),),
        router=lambda: router,
        epoch=epoch,
    )
