"""What the report on a release says, from the read tables and the decision that was certified. The same facts give the same report, to
the byte: it says nothing of when it was made."""

from collections import defaultdict
from datetime import date
from typing import Any, Literal

from pydantic import BaseModel, Field, SerializerFunctionWrapHandler, model_serializer
from sqlmodel import col, func, select
from sqlmodel.ext.asyncio.session import AsyncSession

from services.allocation.api.decisions.decisions import award_line, decision_file, needed_approvals
from services.allocation.api.decisions.report_standing import (
    EmergencyView,
    ReportConflictView,
    ReportedApproval,
    ReportObjectionView,
    ReportReviewView,
    approvals_with_authority,
    conflicts_about,
    emergency_of,
    objections_to,
    reviews_of,
)
from services.allocation.api.partners.disruptions import DisruptionView
from services.allocation.domain.decisions.decision import DecisionFile
from services.allocation.domain.rules.cover import days_of_cover
from services.allocation.tables.book import AwardRow, RequestRow, RoundRow
from services.allocation.tables.decisions import ReportRow
from services.allocation.tables.partners import DisruptionRow
from services.allocation.tables.supply import ProtectedLevelRow
from shared.http.handlers import Reads


class ReportLineView(BaseModel):
    """What one request came to, also one that got nothing."""

    request: str
    partner: str
    nominee: str
    consignee: str
    end_user: str
    end_use: str
    asked_g: int
    accepted_g: int
    entitlement_g: str  # a rational: what the rule gives before rounding to whole units
    award: str | None
    award_g: int
    days_of_cover: str
    return_on: date | None  # of a loan: the last day on which it comes back


class PartnerTotals(BaseModel):
    partner: str
    asked_g: int
    awarded_g: int
    days_bought: str  # at what its requests state together, in tenths of days


class ProtectedLevel(BaseModel):
    """A change of the stock that rounds must leave, since the product's last round."""

    set_on: date
    before_g: int
    after_g: int
    authority: str
    reason: str
    place: str


class ReportStockView(BaseModel):
    """As the decision had it. `kept_g`: what of the available stock it left; `protected_changes`: lowered is opened."""

    available_g: int
    protected_g: int
    offered_g: int
    awarded_g: int
    left_of_offer_g: int
    kept_g: int
    protected_changes: list[ProtectedLevel]


class RuleView(BaseModel):
    rule: str
    method: dict[str, Any]  # the rule, with what it is limited by
    policy: str
    policy_version: int
    approvals_needed: int  # by this decision
    quorum: list[dict[str, Any]]  # more approvals for what awards more


class ProofView(BaseModel):
    decision: str  # SHA-256 of the decision's published part: what was signed
    file: str  # SHA-256 of the decision with every line opened
    certified_in: str  # where allocation's journal has it; the ledger's receipt of it proves when
    check: list[str]  # how to verify it, step by step


class ReportView(BaseModel):
    format: Literal["reserve.release_report.v1"] = "reserve.release_report.v1"
    round: str
    product: str
    decision: str
    certified_on: date
    expires_on: date  # the last day on which the releases may be drawn
    disruption: DisruptionView | None
    decided_by: RuleView
    partners: list[PartnerTotals]
    lines: list[ReportLineView]
    stock: ReportStockView
    proposed_by: str
    approvals: list[ReportedApproval]
    emergency: EmergencyView | None  # None: decided in the ordinary way
    objections: list[ReportObjectionView]
    reviews: list[ReportReviewView]
    conflicts: list[ReportConflictView] = Field(default=[], description="left out where there are none")
    proof: ProofView

    @model_serializer(mode="wrap")
    def _as_before(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """A report that names none is, to the byte, what an earlier build sent."""
        said: dict[str, Any] = handler(self)
        if not said["conflicts"]:
            del said["conflicts"]
        return said


async def report_of(reads: Reads, session: AsyncSession, row: RoundRow, owed: ReportRow) -> ReportView:
    assert row.decision is not None
    assert row.file is not None
    assert row.certified_in is not None
    assert row.expires_on is not None
    assert row.proposed_by is not None
    file = await decision_file(reads, row.file)
    lines, totals = await _lines(session, row, file)
    disruption = None if row.disruption is None else await session.get(DisruptionRow, row.disruption)
    return ReportView(
        round=row.round,
        product=row.product,
        decision=row.decision,
        certified_on=owed.certified_on,
        expires_on=row.expires_on,
        disruption=None if disruption is None else DisruptionView.model_validate(disruption, from_attributes=True),
        decided_by=RuleView(
            rule=row.rule,
            method=row.method,
            quorum=row.quorum,
            policy=row.policy,
            policy_version=row.policy_version,
            approvals_needed=needed_approvals(row),
        ),
        partners=totals,
        lines=lines,
        stock=await _stock(session, row, owed, file),
        proposed_by=row.proposed_by,
        approvals=await approvals_with_authority(session, row),
        emergency=await emergency_of(session, row),
        objections=await objections_to(session, row),
        reviews=await reviews_of(session, row),
        conflicts=await conflicts_about(session, row),
        proof=ProofView(decision=row.decision, file=row.file, certified_in=row.certified_in, check=_how_to_check(row)),
    )


async def _lines(session: AsyncSession, row: RoundRow, file: DecisionFile) -> tuple[list[ReportLineView], list[PartnerTotals]]:
    decided = [award_line(line.content) for line in file.lines]
    found = await session.exec(select(RequestRow).where(col(RequestRow.request).in_([line.request for line in decided])))
    requests = {request.request: request for request in found}
    awarded = await session.exec(select(AwardRow).where(AwardRow.round == row.round, AwardRow.decision == row.decision))
    awards = {award.request: award for award in awarded}
    lines = []
    sums: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0])
    for line in decided:
        request, award = requests[line.request], awards.get(line.request)
        for place, grams in enumerate((request.mass_g, line.award_g, request.daily_consumption_g)):
            sums[line.partner][place] += grams
        lines.append(
            ReportLineView(
                request=line.request,
                partner=line.partner,
                nominee=request.nominee,
                consignee=request.consignee,
                end_user=request.end_user,
                end_use=request.end_use,
                asked_g=request.mass_g,
                accepted_g=line.accepted_g,
                entitlement_g=line.entitlement_g,
                award=None if award is None else award.award,
                award_g=line.award_g,
                days_of_cover=line.days_of_cover,
                return_on=request.return_on,
            )
        )
    totals = [
        PartnerTotals(partner=partner, asked_g=asked_g, awarded_g=awarded_g, days_bought=days_of_cover(awarded_g, daily_g))
        for partner, (asked_g, awarded_g, daily_g) in sorted(sums.items())
    ]
    return lines, totals


async def _stock(session: AsyncSession, row: RoundRow, owed: ReportRow, file: DecisionFile) -> ReportStockView:
    assert row.supply_g is not None
    assert row.left_g is not None
    assert file.holdings is not None, "the file that is kept has every line open"
    held = file.holdings.content
    awarded_g = row.supply_g - row.left_g
    last = await session.exec(
        select(func.max(ReportRow.certified_on)).where(
            ReportRow.product == row.product, ReportRow.round != row.round, ReportRow.certified_on < owed.certified_on
        )
    )
    changes = select(ProtectedLevelRow).where(
        ProtectedLevelRow.product == row.product,
        col(ProtectedLevelRow.set_on).between(last.one() or date.min, owed.certified_on),
    )
    return ReportStockView(
        available_g=held.available_g,
        protected_g=held.protected_g,
        offered_g=row.supply_g,
        awarded_g=awarded_g,
        left_of_offer_g=row.left_g,
        kept_g=held.available_g - awarded_g,
        protected_changes=[
            ProtectedLevel(
                set_on=each.set_on,
                before_g=each.before_g,
                after_g=each.mass_g,
                authority=each.authority,
                reason=each.reason,
                place=each.place,
            )
            for each in await session.exec(changes.order_by(col(ProtectedLevelRow.set_on), col(ProtectedLevelRow.place)))
        ],
    )


def _how_to_check(row: RoundRow) -> list[str]:
    return [
        f"Fetch the certificate, GET /allocation/v1/certificates/{row.decision}. That name is the SHA-256 of what the decision published.",
        "reserve certificate verify FILE --log-key KEY: decides again from the file, and holds each approval against its key, and each "
        "event against the ledger's receipt of it. KEY is the ledger's verifier key, from elsewhere than from us.",
        f"Fetch the receipt, GET /ledger/v1/receipts/{row.certified_in}, and run reserve receipt verify FILE --key KEY.",
        "reserve audit verify --live: checks each approval and its authority again, from the events alone.",
    ]
