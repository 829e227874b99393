"""Write-downs: the books take part of a holding's cost for lost, or all of it, once a second person has signed that they may."""

from datetime import date
from typing import assert_never

import msgspec

from services.loans.domain.approvals import Signing, cited_by, fault_of
from services.loans.domain.equity.flows import closing, held_fault
from services.loans.domain.equity.state import Decided, Holding, ProposedWriteDown, Reason, sellable_on
from services.loans.events.equity import (
    EquityFlowId,
    HoldingChange,
    HoldingId,
    HoldingTerms,
    HoldingWrittenDown,
    HoldingWrittenOff,
    WriteDownProposed,
    WriteDownWithdrawn,
)
from services.loans.events.loan import Approval
from shared.journal.decider import Refused

WRITE_DOWN = "equity_write_down"  # the purpose that signatures name


class ProposeWriteDown(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """`amount_minor` None: the whole is written off, and nothing is held any more. `on`: today, here and below."""

    flow: EquityFlowId
    amount_minor: int | None
    written_on: date
    authority: str
    reason: str
    document: str
    by: str
    on: date


class ApproveWriteDown(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    flow: EquityFlowId
    signing: Signing
    on: date


class WithdrawWriteDown(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    flow: EquityFlowId
    reason: str


type WriteDownCommand = ProposeWriteDown | ApproveWriteDown | WithdrawWriteDown


def decide_write_down(command: WriteDownCommand, holding: Holding, id: HoldingId, terms: HoldingTerms) -> Decided:
    match command:
        case ProposeWriteDown():
            proposed = ProposedWriteDown(
                amount_minor=command.amount_minor,
                on=command.written_on,
                authority=command.authority,
                reason=command.reason,
                document=command.document,
                proposed_by=command.by,
            )
            if (fault := _fault(proposed, holding, command.on)) is not None:
                return fault
            return [WriteDownProposed(holding=id, flow=command.flow, **msgspec.structs.asdict(proposed))]
        case ApproveWriteDown():
            return _approve(command, holding, id, terms)
        case WithdrawWriteDown():
            if command.flow not in holding.write_downs:
                return _not_found(command.flow)
            return [WriteDownWithdrawn(holding=id, flow=command.flow, reason=command.reason)]
        case _:
            assert_never(command)


def _fault(proposed: ProposedWriteDown, holding: Holding, today: date) -> Refused[Reason] | None:
    if (fault := held_fault(holding, proposed.on, today, "/on")) is not None:
        return fault
    figures = holding.figures
    if proposed.amount_minor is not None and not 0 < proposed.amount_minor <= figures.cost_minor:
        most = f"1 to {figures.cost_minor}"
        return Refused(Reason.BEYOND_COST, f"the books hold it at {figures.cost_minor}", "/amount_minor", most)
    if proposed.amount_minor is None and sellable_on(holding, proposed.on) < figures.units:
        detail = f"after {proposed.on} shares were subscribed or sold"
        return Refused(Reason.DATE_INVALID, detail, "/on", "a day after the last of them")
    return None


def _approve(command: ApproveWriteDown, holding: Holding, id: HoldingId, terms: HoldingTerms) -> Decided:
    """What was possible when it was proposed may be so no longer."""
    if (proposed := holding.write_downs.get(command.flow)) is None:
        return _not_found(command.flow)
    fault = fault_of(command.signing, purpose=WRITE_DOWN, document=proposed.document, proposed_by=proposed.proposed_by)
    if fault is not None:
        return fault
    if (changed := _fault(proposed, holding, command.on)) is not None:
        return changed
    figures = holding.figures
    amount = figures.cost_minor if proposed.amount_minor is None else proposed.amount_minor
    cited = cited_by(
        command.signing.capacity,
        "write_off" if proposed.amount_minor is None else "write_down",
        id,
        amount_minor=amount,
        currency=terms.currency,
        companies=(terms.company, terms.project),
    )
    if isinstance(cited, Refused):
        return cited
    signed = command.signing.approval
    approval = Approval(subject=signed.approver, key=signed.key_id, signature=signed.signature, approved_on=command.on)
    change = HoldingChange(cost_minor=-amount, written_down_minor=amount)
    after = msgspec.structs.replace(figures, cost_minor=figures.cost_minor - amount, written_down_minor=figures.written_down_minor + amount)
    if proposed.amount_minor is not None:
        return [
            HoldingWrittenDown(
                holding=id,
                flow=command.flow,
                currency=terms.currency,
                amount_minor=amount,
                on=proposed.on,
                authority=proposed.authority,
                reason=proposed.reason,
                document=proposed.document,
                approval=approval,
                change=change,
                after=after,
            ),
            cited,
        ]
    written_off = HoldingWrittenOff(
        holding=id,
        flow=command.flow,
        currency=terms.currency,
        units=figures.units,
        amount_minor=amount,
        on=proposed.on,
        authority=proposed.authority,
        reason=proposed.reason,
        document=proposed.document,
        approval=approval,
        change=change,
        after=msgspec.structs.replace(after, units=0),
    )
    return [*closing(holding, written_off), cited]


def _not_found(flow: EquityFlowId) -> Refused[Reason]:
    return Refused(Reason.WRITE_DOWN_NOT_FOUND, f"no write-down {flow} waits for approval", "path:flow")
