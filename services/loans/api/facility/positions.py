"""Positions for exposure and what-ifs, from the read tables: every loan, holding and material loan that is committed or owed."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from fractions import Fraction
from typing import Any

import msgspec
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from services.loans.domain.equity.value import HoldingFlow, Valuation, worth_on
from services.loans.domain.facility.exposure import Due, Exposure, Ratio, rate_of
from services.loans.domain.facility.state import Facility, worth
from services.loans.domain.facility.what_ifs import ExpectedDelivery
from services.loans.domain.loan.state import Loan
from services.loans.domain.projects.project import OFFTAKE
from services.loans.domain.standing.standing import upcoming
from services.loans.tables.equity import EquityFlowRow, HoldingRow, ValuationRow
from services.loans.tables.facility import CommitmentRow, FacilityRow
from services.loans.tables.loan import LoanRow, RatioRow
from services.loans.tables.material import MaterialLoanRow, ProductRow
from services.loans.tables.offtake import DeliveryRow, OfftakeRow
from services.loans.tables.projects import ProjectFactRow
from shared.http.handlers import Reads

OWED = ("principal_minor", "interest_minor", "default_interest_minor", "fees_minor")  # of a loan's figures


async def facilities_of(reads: Reads, session: AsyncSession) -> dict[str, Facility]:
    names = (await session.exec(select(FacilityRow.facility).order_by(col(FacilityRow.facility)))).all()
    return {name: (await reads.state(f"facility/{name}"))[0] for name in names}


async def positions_of(session: AsyncSession, facilities: Mapping[str, Facility], on: date) -> tuple[Exposure, ...]:
    committed: dict[str, int] = dict((await session.exec(select(CommitmentRow.commitment, CommitmentRow.amount))).all())
    # One that is approved may have its headroom by now, and not have heard of it.
    found = [
        *await _loans(session, committed),
        *await _holdings(session, committed, on),
        *await _material(session, facilities, committed),
    ]
    return tuple(each for each in found if each.committed or each.outstanding)


async def _loans(session: AsyncSession, committed: Mapping[str, int]) -> list[Exposure]:
    columns = (
        LoanRow.loan,
        LoanRow.facility,
        LoanRow.currency,
        LoanRow.borrower,
        LoanRow.project,
        LoanRow.undrawn_minor,
        LoanRow.figures,
        LoanRow.overdue_minor,
        LoanRow.provision_minor,
        col(LoanRow.terms)["elements"],
        col(LoanRow.terms)["available_until"].as_string(),
    )
    rows = await session.exec(select(*columns).where(col(LoanRow.status).in_(("approved", "committed", "defaulted", "claim", "repaid"))))  # type: ignore[call-overload]
    ratios = await _ratios(session)
    positions = []
    for loan, facility, currency, borrower, project, undrawn, figures, overdue, provision, elements, until in rows:
        owed = sum(figures[name] for name in OWED) if figures else 0
        positions.append(
            Exposure(
                instrument="loan",
                id=loan,
                facility=facility,
                asset=currency,
                elements=tuple(elements),
                borrower=borrower,
                project=project,
                committed=committed.get(loan, 0),
                undrawn=undrawn,
                outstanding=owed,
                overdue=overdue,
                value=max(0, owed - provision),
                undrawn_until=date.fromisoformat(until),
                ratios=ratios.get(loan, ()),
            )
        )
    return positions


async def _ratios(session: AsyncSession) -> dict[str, tuple[Ratio, ...]]:
    """Of each covenant the figure for the last period."""
    last: dict[tuple[str, str], Ratio] = {}
    for row in await session.exec(select(RatioRow).order_by(col(RatioRow.for_on))):
        last[row.loan, row.kind] = Ratio(row.kind, row.ratio, row.minimum)
    found: defaultdict[str, tuple[Ratio, ...]] = defaultdict(tuple)
    for (loan, _), ratio in sorted(last.items()):
        found[loan] += (ratio,)
    return found


async def _holdings(session: AsyncSession, committed: Mapping[str, int], on: date) -> list[Exposure]:
    flows, valuations = await holding_flows(session), await holding_valuations(session)
    positions = []
    for row in await session.exec(select(HoldingRow).where(col(HoldingRow.status).in_(("approved", "committed")))):
        worth = worth_on(flows.get(row.holding, ()), valuations.get(row.holding, ()), on)
        positions.append(
            Exposure(
                instrument="equity",
                id=row.holding,
                facility=row.facility,
                asset=row.currency,
                elements=tuple(row.terms["elements"]),
                borrower=row.company,
                project=row.project,
                committed=committed.get(row.holding, 0),
                undrawn=row.figures["uncalled_minor"],
                outstanding=row.figures["cost_minor"],
                value=worth.value_minor,
            )
        )
    return positions


async def _material(session: AsyncSession, facilities: Mapping[str, Facility], committed: Mapping[str, int]) -> list[Exposure]:
    """Owed without the premium: that is earned day by day, and settled with each return."""
    columns = (
        MaterialLoanRow.loan,
        MaterialLoanRow.facility,
        MaterialLoanRow.element,
        MaterialLoanRow.partner,
        MaterialLoanRow.undrawn_g,
        MaterialLoanRow.out_g,
        MaterialLoanRow.overdue,
        MaterialLoanRow.currency,
        MaterialLoanRow.security_minor,
        MaterialLoanRow.draw_by,
        MaterialLoanRow.due_on,
        col(MaterialLoanRow.terms)["security"],
    )
    rows = await session.exec(select(*columns).where(col(MaterialLoanRow.status).in_(("approved", "committed", "lent"))))  # type: ignore[call-overload]
    positions = []
    for loan, facility, element, partner, undrawn_g, out_g, overdue, currency, secured_minor, draw_by, due_on, security in rows:
        headroom_g = committed.get(loan, 0)
        metal = f"contained/{element}"
        positions.append(
            Exposure(
                instrument="material",
                id=loan,
                facility=facility,
                asset=metal,
                elements=(element,),
                partner=partner,
                committed=headroom_g,
                undrawn=max(0, headroom_g - out_g) if undrawn_g else 0,
                outstanding=out_g,
                overdue=out_g if overdue else 0,
                value=out_g,
                security_minor=_counted(security, secured_minor, facilities[facility], currency),
                security_asset=metal if security["kind"] == "pledged_metal" else currency,
                required_cover=security["required_cover"],
                undrawn_until=draw_by,
                dues=(Due(due_on, out_g),),
            )
        )
    return positions


def _counted(security: Mapping[str, str], value_minor: int, facility: Facility, currency: str) -> int | None:
    """What security counts for, in the facility's currency. None: there is none, or its currency has no rate there."""
    if security["kind"] == "none" or not (rate := rate_of(facility, currency)):
        return None
    counted = value_minor - worth(value_minor, Fraction(security["haircut"]))
    return int(counted * rate)


async def holding_flows(session: AsyncSession) -> Mapping[str, Sequence[HoldingFlow]]:
    """By holding; without those that were reversed."""
    rows = await session.exec(select(EquityFlowRow).where(col(EquityFlowRow.reversed).is_(False)))
    return _by_holding((each.holding, HoldingFlow(each.on, each.units, each.cash_minor, each.cost_minor)) for each in rows)


async def holding_valuations(session: AsyncSession) -> Mapping[str, Sequence[Valuation]]:
    rows = await session.exec(select(ValuationRow))
    return _by_holding((each.holding, Valuation(each.on, each.units, each.value_minor)) for each in rows)


def _by_holding[Each](pairs: Iterable[tuple[str, Each]]) -> dict[str, list[Each]]:
    found: defaultdict[str, list[Each]] = defaultdict(list)
    for holding, each in pairs:
        found[holding].append(each)
    return found


# What only a delay asks for


async def deliveries_of(session: AsyncSession, project: str) -> tuple[ExpectedDelivery, ...]:
    """The project's offtakes that end: what is not delivered of each is taken for one delivery, on the last day of its window."""
    rows = await session.exec(
        select(ProjectFactRow).where(
            ProjectFactRow.project == project,
            ProjectFactRow.kind == OFFTAKE,
            col(ProjectFactRow.withdrawn_on).is_(None),
            col(ProjectFactRow.until).is_not(None),
        )
    )
    facts = [row for row in rows if row.until is not None]
    rights = [row.subject for row in facts if row.subject is not None]
    agreed = await _agreed(session, rights)
    came_g: defaultdict[str | None, int] = defaultdict(int)
    for row in await session.exec(select(DeliveryRow).where(col(DeliveryRow.right).in_(rights))):
        came_g[row.right] += row.mass_g
    found = []
    for fact in facts:
        assert fact.until is not None
        left = max(0, (fact.quantity or 0) - came_g[fact.subject])
        offtake, contents = agreed.get(fact.subject or "", (None, {}))
        counts = offtake is not None and offtake.product == fact.product and fact.unit == "g"
        found.append(
            ExpectedDelivery(
                reference=fact.fact,
                project=fact.project,
                on=fact.until,
                quantity=left,
                unit=" of ".join(each for each in (fact.unit, fact.product) if each),
                position=offtake.loan if offtake is not None and counts else None,
                amount=_repays(offtake, contents, left) if offtake is not None and counts else 0,
                repays_until=None if offtake is None else offtake.until,
            )
        )
    return tuple(found)


async def _agreed(session: AsyncSession, rights: Sequence[str]) -> dict[str, tuple[OfftakeRow, dict[str, str]]]:
    """By right: the agreement that stands, and what its product contains."""
    query = (
        select(OfftakeRow, ProductRow)
        .join(ProductRow, col(ProductRow.product) == col(OfftakeRow.product))
        .where(col(OfftakeRow.right).in_(rights), col(OfftakeRow.ended_on).is_(None))
    )
    return {offtake.right: (offtake, product.contents) for offtake, product in await session.exec(query)}


def _repays(offtake: OfftakeRow, contents: Mapping[str, str], mass_g: int) -> int:
    """By the product's stated content: an assay says what it was once it has come."""
    return int(mass_g * Fraction(contents.get(offtake.element, "0")) * Fraction(offtake.price) * Fraction(offtake.share))


async def with_dues(reads: Reads, positions: Sequence[Exposure], project: str, on: date) -> tuple[Exposure, ...]:
    """What loans of the project have to pay from now on, as their own states say."""
    found: list[Exposure] = []
    for position in positions:
        if position.project == project and position.instrument == "loan":
            loan: Any = (await reads.state(f"loan/{position.id}"))[0]
            assert isinstance(loan, Loan)
            if loan.account is not None:
                rows = upcoming(loan.account, on)
                dues = tuple(Due(row.due, row.principal_minor + row.interest_minor + row.fees_minor) for row in rows)
                position = msgspec.structs.replace(position, dues=dues)
        found.append(position)
    return tuple(found)
