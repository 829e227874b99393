"""Laboratories: an administrator registers them, with whose they are, and another person signs it; one person ends one at once."""

from datetime import date, datetime
from typing import Annotated

import msgspec
from fastapi import APIRouter, Response
from pydantic import BaseModel, StringConstraints
from sqlmodel import select

from services.loans.api.facility.facilities import connected_now
from services.loans.api.fields import READERS, Code, LaboratoryPath
from services.loans.domain.controls import CONTROLS
from services.loans.domain.material.laboratories import ConfirmLaboratoryEnd, EndLaboratory, Registered, RegisterLaboratory
from services.loans.domain.material.returns import AssayReturn
from services.loans.domain.material.state import MaterialLoan
from services.loans.events.laboratory import LaboratoryCode, Owner
from services.loans.problems import ApiReason
from services.loans.tables.laboratory import LaboratoryRow
from shared.http.auth import Caller, allow
from shared.http.fields import Body, Day, ReasonBody, Text
from shared.http.handlers import Page, Paging, Posting, Reading, Reads, same_fields
from shared.http.problems import Problem
from shared.terms.acting_api import accounts_of_caller, by_one_caller
from shared.terms.countersigning_api import ProposalView, propose
from shared.terms.countersigning_tables import ProposalRow

router = APIRouter(prefix="/v1/laboratories", tags=["laboratories"])

Sees = Annotated[Caller, allow(*READERS, "partner")]
type OwnerField = Annotated[str, StringConstraints(pattern=r"^(independent|reserve|partner/[A-Z]{2}|borrower/[a-z0-9][a-z0-9-]{0,62})$")]


class LaboratoryBody(Body):
    """`owner`: "independent", "reserve", or the party whose it is: "partner/JP", "borrower/hillgrove-mines"."""

    laboratory: Code
    name: Text
    owner: OwnerField
    accredited_until: Day


class LaboratoryView(BaseModel):
    """`accredited_until`: to ISO/IEC 17025, the last day. `ended_on`: null while it is in force."""

    laboratory: str
    name: str
    owner: str
    accredited_until: date
    ended_on: date | None
    ended_by: str | None
    ended_because: str | None
    lapses_at: datetime | None  # its end, unless a second person confirms it


@router.post("", status_code=202)
async def register_laboratory(body: LaboratoryBody, caller: Annotated[Caller, allow("administrator")], post: Posting) -> ProposalView:
    """In full, also to change one, or to register one again that was ended."""
    command = RegisterLaboratory(
        laboratory=LaboratoryCode(body.laboratory),
        name=body.name,
        owner=Owner(body.owner),
        accredited_until=body.accredited_until,
        on=post.today,
    )
    return await propose(post, CONTROLS, f"laboratory/{body.laboratory}", command)


@router.post("/{laboratory}/end")
async def end_laboratory(
    laboratory: LaboratoryPath,
    body: ReasonBody,
    caller: Annotated[Caller, allow("operator", "approver", "administrator")],
    post: Posting,
    reads: Reading,
) -> LaboratoryView:
    """At once: no assay that is signed from now on may name it, for 72 hours; longer, if a second person confirms it."""
    command = EndLaboratory(by=await by_one_caller(reads, caller, post.now), reason=post.text(body.reason), on=post.today)
    await post.submit(f"laboratory/{laboratory}", command)
    return LaboratoryView.model_validate(await _find(reads, laboratory), from_attributes=True)


@router.post("/{laboratory}/end/confirm")
async def confirm_laboratory_end(
    laboratory: LaboratoryPath,
    caller: Annotated[Caller, allow("operator", "approver", "administrator")],
    post: Posting,
    reads: Reading,
) -> LaboratoryView:
    """By a second person: it has ended for good, unless two register it again."""
    command = ConfirmLaboratoryEnd(by=caller.subject, accounts=await accounts_of_caller(reads, caller))
    await post.submit(f"laboratory/{laboratory}", command)
    return LaboratoryView.model_validate(await _find(reads, laboratory), from_attributes=True)


@router.get("")
async def list_laboratories(caller: Sees, pages: Paging) -> Page[LaboratoryView]:
    return await pages.of(select(LaboratoryRow), LaboratoryRow.laboratory, same_fields(LaboratoryView))


@router.get("/{laboratory}")
async def show_laboratory(laboratory: LaboratoryPath, caller: Sees, reads: Reading, response: Response) -> LaboratoryView:
    row = await _find(reads, laboratory)
    reads.etag(response, caller, f"laboratory/{laboratory}", row.version)
    return LaboratoryView.model_validate(row, from_attributes=True)


async def registered_as(reads: Reads, laboratory: str, loan: str) -> Registered | None:
    """What the register says now, to a loan's return; None: it is not registered, or no longer."""
    async with reads.session() as session:
        row = await session.get(LaboratoryRow, laboratory)
    if row is None or row.ended_on is not None:
        return None
    lent, _ = await reads.state(f"material/{loan}")
    assert isinstance(lent, MaterialLoan)
    connected = () if lent.terms is None else await connected_now(reads, lent.terms.facility, [f"partner/{lent.partner}"])
    return Registered(
        laboratory=LaboratoryCode(row.laboratory),
        name=row.name,
        owner=Owner(row.owner),
        accredited_until=row.accredited_until,
        connected=connected,
    )


async def changed_since(reads: Reads, proposal: ProposalRow) -> Problem | None:
    """Why an assay is not signed: its laboratory is registered otherwise than it was when the assay was proposed, or the borrower is
    connected with others."""
    if proposal.command["type"] != AssayReturn.__name__:
        return None
    proposed = msgspec.convert(proposal.command, AssayReturn)
    if await registered_as(reads, proposed.assay.laboratory, proposal.stream.removeprefix("material/")) == proposed.registered:
        return None
    detail = f"{proposed.assay.laboratory} is registered otherwise, or no longer"
    return Problem(ApiReason.LABORATORY_CHANGED, detail, accepted="the assay, proposed again by what is registered now")


async def _find(reads: Reads, laboratory: str) -> LaboratoryRow:
    async with reads.session() as session:
        row = await session.get(LaboratoryRow, laboratory)
    if row is None:
        raise Problem("laboratory_not_found", f"there is no laboratory {laboratory}", field="path:laboratory")
    return row
