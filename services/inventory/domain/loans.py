"""Loans of stock: a release that must come back is drawn once it is committed, and what comes back is taken in as a lot."""

from collections.abc import Sequence
from datetime import date
from fractions import Fraction

import msgspec

from services.inventory.domain.lots import TakeInLot, take_in_lot
from services.inventory.domain.reasons import Reason, Refusal
from services.inventory.domain.state import AwardedLoan, Stockpile
from services.inventory.events import (
    DrawReturned,
    Event,
    GateEvidence,
    LentDrawReturned,
    LentParcel,
    LoanAnnounced,
    LoanGateOpened,
    MaterialLent,
    ProductId,
    ReleaseId,
    ReturnRefused,
    ReturnTakenIn,
    StockDrawn,
)
from shared.journal.decider import Refused
from shared.terms.conditions import Evidence, Shown, evaluate

LOAN_COMMITTED = "loan_committed"  # the gate of each draw under a loan's release


class AnnounceLoan(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """An award of a round that is certified next. Never `Refused`, as none of these: nobody waits for an answer."""

    product: ProductId
    release: ReleaseId
    award: str
    decision: str
    partner: str
    return_on: date


class OpenLoanGate(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Loans has committed what this decision awards."""

    product: ProductId
    release: ReleaseId
    decision: str
    partner: str
    gate: GateEvidence


class TakeInReturn(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A return that is settled: the borrower's goods are the Reserve's again."""

    product: ProductId
    loan: str
    returned: str
    partner: str
    delivery: TakeInLot


def announce_loan(command: AnnounceLoan, state: Stockpile) -> Sequence[Event]:
    loan = state.loans.get(command.release)
    if loan is not None and loan.decision == command.decision:
        return []
    return [
        LoanAnnounced(
            product=command.product,
            release=command.release,
            award=command.award,
            decision=command.decision,
            partner=command.partner,
            return_on=command.return_on,
        )
    ]


def open_gate(command: OpenLoanGate, state: Stockpile) -> Sequence[Event]:
    loan = state.loans.get(command.release)
    if loan is not None and loan.opened_for == command.decision:
        return []
    return [
        LoanGateOpened(
            product=command.product, release=command.release, decision=command.decision, partner=command.partner, gate=command.gate
        )
    ]


def closed_gate(loan: AwardedLoan, on: date) -> Refusal | None:
    """Why nothing may be drawn under it yet. A gate that was opened for an earlier decision does not count."""
    gate = loan.gate
    shown = [Evidence(kind=gate.gate, subject=loan.opened_for, reference=gate.evidence, by=gate.by, until=gate.until)] if gate else []
    seen = evaluate(Shown(kind=LOAN_COMMITTED, subject=loan.decision), shown, on)
    if seen.status == "met":
        return None
    return Refused(Reason.LOAN_NOT_COMMITTED, "the release is lent, and the loan is not committed", accepted=seen.needed)


def lent(drawn: StockDrawn, loan: AwardedLoan, state: Stockpile) -> MaterialLent:
    parcels = []
    contained: dict[str, int] = {}
    for parcel in drawn.parcels:
        contents = state.lots[parcel.lot].contents
        found = {element: round(parcel.mass_g * Fraction(share)) for element, share in sorted(contents.items())}
        parcels.append(LentParcel(lot=parcel.lot, mass_g=parcel.mass_g, contained_g=found))
        for element, mass_g in found.items():
            contained[element] = contained.get(element, 0) + mass_g
    return MaterialLent(
        product=drawn.product,
        draw=drawn.draw,
        release=drawn.release,
        award=loan.award,
        partner=drawn.partner,
        parcels=tuple(parcels),
        mass_g=drawn.mass_g,
        contained_g=contained,
        remaining_g=drawn.remaining_g,
    )


def taken_back(returned: DrawReturned, state: Stockpile) -> Sequence[Event]:
    """What a draw that comes back says of its loan; nothing, if it is of none."""
    if (found := state.lent.get(returned.draw)) is None:
        return ()
    return [
        LentDrawReturned(
            product=returned.product,
            draw=returned.draw,
            release=found.release,
            award=found.award,
            partner=returned.partner,
            mass_g=returned.mass_g,
            contained_g=found.contained_g,
        )
    ]


def take_in_return(command: TakeInReturn, state: Stockpile) -> Sequence[Event]:
    taken_in = take_in_lot(command.delivery, state)
    if isinstance(taken_in, Refused):
        return [
            ReturnRefused(
                product=command.product,
                loan=command.loan,
                returned=command.returned,
                partner=command.partner,
                reason=taken_in.code,
                detail=taken_in.detail,
            )
        ]
    return [
        *taken_in,
        ReturnTakenIn(
            product=command.product,
            loan=command.loan,
            returned=command.returned,
            partner=command.partner,
            lot=command.delivery.lot,
            mass_g=command.delivery.units * command.delivery.nominal_unit_g,
        ),
    ]
