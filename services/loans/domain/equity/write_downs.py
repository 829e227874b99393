"""Write-downs: the books take part of a holding's cost for lost, or all of it, once a second person has signed that they may."""

from datetime import date
from typing import assert_never

import msgspec

from services.loans.domain.approvals import of_money
from services.loans.domain.equity.flows import closing, held_fault
from services.loans.domain.equity.state import Decided, Holding, Reason, keys_of, sellable_on
from services.loans.events.authority import AuthorityCited
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
from shared.journal.decider import Refused
from shared.journal.texts import TypedText
from shared.terms.acting import Signing, sign
from shared.terms.dating import Dated, undated


class ProposeWriteDown(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """`amount_minor` None: the whole is written off, and nothing is held any more. `on`: today, here and below."""

    flow: EquityFlowId
    amount_minor: int | None
    written_on: date
    authority: str
    reason: TypedText
    document: str
    by: str
    on: date
    dated_because: Dated | None = None  # needed where `written_on` is not today


class ApproveWriteDown(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    flow: EquityFlowId
    signing: Signing
    on: date


class WithdrawWriteDown(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    flow: EquityFlowId
    reason: TypedText
    by: frozenset[str] = frozenset()  # who withdraws it, by every account of theirs; nobody: it is proposed, and signed by another


type WriteDownCommand = ProposeWriteDown | ApproveWriteDown | WithdrawWriteDown


def decide_write_down(command: WriteDownCommand, holding: Holding, id: HoldingId, terms: HoldingTerms) -> Decided:
    match command:
        case ProposeWriteDown():
            if (fault := _fault(command.amount_minor, command.written_on, holding, command.on)) is not None:
                return fault
            if (undated_fault := undated(command.written_on, command.on, command.dated_because)) is not None:
                return undated_fault
            return [
                WriteDownProposed(
                    holding=id,
                    flow=command.flow,
                    amount_minor=command.amount_minor,
                    on=command.written_on,
                    authority=command.authority,
                    reason=command.reason,
                    document=command.document,
                    proposed_by=command.by,
                    dated_because=command.dated_because,
                )
            ]
        case ApproveWriteDown():
            return _approve(command, holding, id, terms)
        case WithdrawWriteDown():
            if command.flow not in holding.write_downs:
                return _not_found(command.flow)
            return [WriteDownWithdrawn(holding=id, flow=command.flow, reason=command.reason)]
        case _:
            assert_never(command)


def _fault(amount_minor: int | None, on: date, holding: Holding, today: date) -> Refused[Reason] | None:
    if (fault := held_fault(holding, on, today, "/on")) is not None:
        return fault
    figures = holding.figures
    if amount_minor is not None and not 0 < amount_minor <= figures.cost_minor:
        most = f"1 to {figures.cost_minor}"
        return Refused(Reason.BEYOND_COST, f"the books hold it at {figures.cost_minor}", "/amount_minor", most)
    if amount_minor is None and sellable_on(holding, on) < figures.units:
        detail = f"after {on} shares were subscribed or sold"
        return Refused(Reason.DATE_INVALID, detail, "/on", "a day after the last of them")
    return None


def _approve(command: ApproveWriteDown, holding: Holding, id: HoldingId, terms: HoldingTerms) -> Decided:
    """What was possible when it was proposed may be so no longer."""
    if (proposed := holding.write_downs.get(command.flow)) is None:
        return _not_found(command.flow)
    figures = holding.figures
    amount = figures.cost_minor if proposed.amount_minor is None else proposed.amount_minor
    act = "write_off" if proposed.amount_minor is None else "write_down"
    action = of_money(act, amount, terms.currency, keys_of(terms))
    if isinstance(signed := sign(proposed, command.signing, action), Refused):
        return signed
    if (changed := _fault(proposed.amount_minor, proposed.on, holding, command.on)) is not None:
        return changed
    approval, found = signed
    cited = AuthorityCited(matter=id, cited=found)
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
