"""Moves: goods that one person brings to another of the Reserve's own depots in an emergency, and another ratifies."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Annotated

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel
from sqlmodel import select

from services.inventory.api.fields import READERS, LotField, Name
from services.inventory.api.lookups import not_found, own_depots, stockpile_of, stream_of
from services.inventory.domain.moves import MoveLot, RatifyMove
from services.inventory.events import DrawMoved, LotId, LotMoved, MoveCause, MoveId, MoveRatified
from services.inventory.tables import MoveRow, MoveStatus
from shared.http.auth import Caller, allow
from shared.http.fields import TYPEID, Body
from shared.http.handlers import Page, Paging, Posting, Reading, same_fields
from shared.terms.acting_api import accounts_of_caller

router = APIRouter(prefix="/v1/moves", tags=["moves"])

MovePath = Annotated[str, Path(pattern=f"^mov_{TYPEID}$")]


class MoveBody(Body):
    lot: LotField
    to_depot: Name  # one that goods of the Reserve were taken in to before
    cause: MoveCause


class MoveView(BaseModel):
    move: str
    product: str
    lot: str
    from_depot: str
    to_depot: str
    cause: MoveCause
    moved_by: str
    moved_on: date
    ratify_by: datetime
    status: MoveStatus
    ratified_by: str | None


class MovedView(BaseModel):
    move: str
    product: str
    lot: str
    from_depot: str
    to_depot: str
    mass_g: int  # of it in stock
    draws: Sequence[str]  # that were moved with it
    ratify_by: datetime  # by another person, or what is left of the lot is on hold


class RatificationView(BaseModel):
    move: str
    ratified_by: str
    late: bool


@router.post("", status_code=201)
async def move_lot(body: MoveBody, caller: Annotated[Caller, allow("operator", on_duty=True)], post: Posting, reads: Reading) -> MovedView:
    """By one person at once, all of the lot that is still here, drawn goods with it."""
    stream = await stockpile_of(reads, "lot", body.lot, "/lot")
    async with reads.session() as session:
        depots = await own_depots(session)
    command = MoveLot(
        move=MoveId(post.new_id("mov")),
        lot=LotId(body.lot),
        to_depot=body.to_depot,
        cause=body.cause,
        own_depots=tuple(depots),
        by=caller.subject,
        on=post.today,
        at=post.now,
    )
    accepted = await post.submit(stream, command)
    event = next(fact.event for fact in accepted.facts if isinstance(fact.event, LotMoved))
    draws = [fact.event.draw for fact in accepted.facts if isinstance(fact.event, DrawMoved)]
    told = {name: getattr(event, name) for name in ("move", "product", "lot", "from_depot", "to_depot", "mass_g", "ratify_by")}
    return MovedView(**told, draws=draws)


@router.post("/{move}/ratify")
async def ratify_move(
    move: MovePath, caller: Annotated[Caller, allow("operator", "approver", on_duty=True)], post: Posting, reads: Reading
) -> RatificationView:
    """By another person; late, too: what was put on hold for it is free again."""
    async with reads.session() as session:
        row = await session.get(MoveRow, move)
    if row is None:
        raise not_found("move", move)
    command = RatifyMove(move=MoveId(move), by=caller.subject, accounts=await accounts_of_caller(reads, caller), on=post.today)
    accepted = await post.submit(stream_of(row.product), command)
    event = next(fact.event for fact in accepted.facts if isinstance(fact.event, MoveRatified))
    return RatificationView(move=move, ratified_by=event.ratified_by, late=event.late)


@router.get("")
async def list_moves(
    caller: Annotated[Caller, allow(*READERS)], pages: Paging, status: Annotated[MoveStatus | None, Query()] = None
) -> Page[MoveView]:
    return await pages.of(select(MoveRow), MoveRow.move, same_fields(MoveView), only={MoveRow.status: status})
