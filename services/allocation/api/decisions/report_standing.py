"""By what authority a release was decided, and how that decision stands since: ratified, objected to, under review."""

from datetime import date, datetime
from typing import Any

import msgspec
from pydantic import BaseModel, Field, SerializerFunctionWrapHandler, model_serializer
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from services.allocation.api.authority.capacity import concerns_of_round
from services.allocation.api.decisions.decisions import CertifiedApprovalView, approvals_of
from services.allocation.api.lookups import among
from services.allocation.tables.authority import CitationRow, ConflictRow, InstrumentRow
from services.allocation.tables.book import RoundRow
from services.allocation.tables.certificates import ProofRow
from services.allocation.tables.screening import ObjectionRow, ReviewRow
from shared.terms.authority import Cited


class AuthorityLink(BaseModel):
    """An instrument, as it was when it was cited."""

    instrument: str
    version: int
    kind: str
    title: str
    office: str  # whose power it is
    limit_g: int | None
    limit_minor: int | None
    currency: str | None


class CitedAuthority(BaseModel):
    """`chain`: from what was cited to its root."""

    act: str
    by: str
    mass_g: int | None
    cited_on: date
    place: str  # where the journal has it
    chain: list[AuthorityLink]


class ReportedApproval(CertifiedApprovalView):
    authority: CitedAuthority | None  # None: it was given before approvals cited one


class ReportConflictView(BaseModel):
    """An interest that an official has declared in what the round decided, whether they had a part in it or not."""

    official: str
    about: str
    name: str
    declared_on: date
    lapses_at: datetime | None = Field(default=None, description="where it is one person's word about another; else left out")

    @model_serializer(mode="wrap")
    def _as_before(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """One that stands is, to the byte, what an earlier build sent."""
        said: dict[str, Any] = handler(self)
        if said["lapses_at"] is None:
            del said["lapses_at"]
        return said


class EmergencyView(BaseModel):
    """Decided on one approval. `ratification`: due, missed (what is left of the releases is held), or ratified."""

    ratify_by: datetime | None
    ratification: str | None
    ratified_by: str | None
    authority: CitedAuthority | None


class ReportObjectionView(BaseModel):
    objection: str
    request: str
    partner: str
    accepted_g: int
    reasons: list[str]
    raised_on: date
    status: str
    answer: list[str] | None


class ReportReviewView(BaseModel):
    review: str
    partner: str | None  # who asked for it; None: an operator
    grounds: list[str]
    requested_on: date
    status: str
    outcome: str | None
    findings: list[str] | None


async def approvals_with_authority(session: AsyncSession, row: RoundRow) -> list[ReportedApproval]:
    """The approvals that stand, each with what was cited for the same command."""
    approvals = await approvals_of(session, row)
    steps = (await session.exec(select(ProofRow).where(ProofRow.matter == row.round, col(ProofRow.kind).in_(("approved", "cited"))))).all()
    cited_at = {step.command: step.place for step in steps if step.kind == "cited"}
    commands = {step.approver: step.command for step in steps if step.kind == "approved" and step.decision == row.decision}
    places = {f"{each.subject}/{each.key}": cited_at.get(commands.get(f"{each.subject}/{each.key}", "")) for each in approvals}
    cited = await _cited(session, {place for place in places.values() if place is not None})
    return [ReportedApproval(**each.model_dump(), authority=cited.get(places[f"{each.subject}/{each.key}"] or "")) for each in approvals]


async def emergency_of(session: AsyncSession, row: RoundRow) -> EmergencyView | None:
    """None: it was decided in the ordinary way."""
    if row.ratification is None:
        return None
    ratified = select(CitationRow.place).where(
        CitationRow.matter == row.round, CitationRow.act == "ratify", CitationRow.by == row.ratified_by
    )
    places = set((await session.exec(ratified)).all())
    cited = await _cited(session, places)
    return EmergencyView(
        ratify_by=row.ratify_by,
        ratification=row.ratification,
        ratified_by=row.ratified_by,
        authority=cited[max(places)] if places else None,
    )


async def objections_to(session: AsyncSession, row: RoundRow) -> list[ReportObjectionView]:
    """By partners, to what was accepted of the round's requests."""
    found = select(ObjectionRow).where(col(ObjectionRow.request).in_(row.requests)).order_by(col(ObjectionRow.objection))
    return [ReportObjectionView.model_validate(each, from_attributes=True) for each in await session.exec(found)]


async def reviews_of(session: AsyncSession, row: RoundRow) -> list[ReportReviewView]:
    found = select(ReviewRow).where(ReviewRow.round == row.round, ReviewRow.decision == row.decision).order_by(col(ReviewRow.review))
    return [ReportReviewView.model_validate(each, from_attributes=True) for each in await session.exec(found)]


async def _cited(session: AsyncSession, places: set[str]) -> dict[str, CitedAuthority]:
    """What stands at these places, with its instruments."""
    rows = (await session.exec(select(CitationRow).where(col(CitationRow.place).in_(places)))).all()
    told = {row.place: msgspec.convert(row.cited, Cited) for row in rows}
    names = {name for cited in told.values() for name, _ in _chain(cited)}
    found = await session.exec(select(InstrumentRow).where(col(InstrumentRow.instrument).in_(names)))
    instruments = {each.instrument: each for each in found}
    return {
        row.place: CitedAuthority(
            act=row.act,
            by=row.by,
            mass_g=told[row.place].mass_g,
            cited_on=row.cited_on,
            place=row.place,
            chain=[_link(instruments[name], version) for name, version in _chain(told[row.place])],
        )
        for row in rows
    }


def _chain(cited: Cited) -> list[tuple[str, int]]:
    return [(cited.authority, cited.version), *((link.authority, link.version) for link in cited.under)]


def _link(row: InstrumentRow, version: int) -> AuthorityLink:
    return AuthorityLink(
        instrument=row.instrument,
        version=version,
        kind=row.kind,
        title=row.title,
        office=row.office,
        limit_g=row.limit_g,
        limit_minor=row.limit_minor,
        currency=row.currency,
    )


async def conflicts_about(session: AsyncSession, row: RoundRow) -> list[ReportConflictView]:
    """That stand. What was withdrawn was found to be none."""
    concerns = await concerns_of_round(session, row)
    found = await session.exec(
        select(ConflictRow).where(among(ConflictRow.key, concerns)).order_by(col(ConflictRow.official), col(ConflictRow.key))
    )
    return [ReportConflictView.model_validate(each, from_attributes=True) for each in found]
