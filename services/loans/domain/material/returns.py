"""Returns of a material loan: received and pending, assayed on both sides, settled, and credited once inventory has the lot.

Two laboratories never agree to the last digit. As is usual in contracts for metals and concentrates, each side has its own assay: where
they differ by no more than the splitting limit, the mean of both settles; beyond it an umpire, whose assay settles if it lies between the
two, and else that of the side that is nearer to it (M. Belton, SGS Minerals Services, "Sampling, Assaying, Splitting Limits & Umpires").
What is credited is mass times the settled content: contained grams. The laboratories of the second and third assay are registered, are
neither party's, and are none that was asked before.
"""

from collections.abc import Sequence
from datetime import date
from fractions import Fraction

import msgspec

from services.loans.domain.material.laboratories import RESERVE, Registered
from services.loans.domain.material.owed import discharge, owed
from services.loans.domain.material.state import MaterialLoan, Reason, Return, agreed, owed_on
from services.loans.domain.material.terms import Refusal, closed, not_found, not_lent
from services.loans.domain.standing.instalments import round_half_even
from services.loans.events.material import (
    Assay,
    Assayer,
    Basis,
    ContainedChange,
    MaterialEvent,
    ReturnAssayed,
    ReturnCredited,
    ReturnedLot,
    ReturnId,
    ReturnReceived,
    ReturnRejected,
    ReturnSettled,
    ReturnTurnedBack,
)
from shared.journal.decider import Refused
from shared.journal.record import MAX_INTEGER
from shared.journal.texts import TypedText
from shared.terms.dating import Dated, undated

NEVER_CAME = "never_came"


class ReceiveReturn(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    returned: ReturnId
    lot: ReturnedLot
    own_assay: Assay
    received_on: date
    dated_because: Dated | None = None  # needed where it was not received today
    on: date  # today


class AssayReturn(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    returned: ReturnId
    by: Assayer
    assay: Assay
    registered: Registered | None = None  # its laboratory, as it was looked up; None: no such one is in force
    on: date


class WithdrawReturn(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """It never came. Else what one person has booked keeps the borrower from bringing back what it owes, with no assay to reject it by."""

    returned: ReturnId
    reason: TypedText


class CreditReturn(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Inventory has taken it in. Never `Refused`."""

    returned: ReturnId
    taken_in_as: str


class TurnBackReturn(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Inventory could not take it in. Never `Refused`."""

    returned: ReturnId
    reason: str
    detail: str


def receive(command: ReceiveReturn, loan: MaterialLoan) -> Sequence[MaterialEvent] | Refusal:
    if (fault := not_lent(loan) or _fault(command, loan)) is not None:
        return fault
    if (late := undated(command.received_on, command.on, command.dated_because)) is not None:
        return late
    assert loan.id is not None
    element = agreed(loan).element
    mass_g = command.lot.units * command.lot.nominal_unit_g
    content = Fraction(command.own_assay.contents[element])
    pending_g = round_half_even(mass_g * content)
    unit_g = round_half_even(command.lot.nominal_unit_g * content)
    owed_g = owed_on(loan, command.received_on).total_g - loan.pending_g
    if pending_g > owed_g + unit_g:
        return Refused(
            Reason.RETURN_EXCEEDS_OWED,
            f"{pending_g} g of {element} come back, and {max(0, owed_g)} g are owed and not on the way",
            "/units",
            "what is owed, rounded up to a whole unit",
        )
    return [
        ReturnReceived(
            loan=loan.id,
            partner=loan.partner,
            returned=command.returned,
            lot=command.lot,
            own_assay=command.own_assay,
            element=element,
            mass_g=mass_g,
            received_on=command.received_on,
            pending_g=pending_g,
            dated_because=command.dated_because,
        )
    ]


def _fault(command: ReceiveReturn, loan: MaterialLoan) -> Refused[Reason] | None:
    lot, terms = command.lot, agreed(loan)
    first_lent = loan.tranches[0].lent_on
    if command.returned in loan.returns:
        return Refused(Reason.RETURN_TAKEN, f"{command.returned} is received already")
    if lot.product != loan.product:
        return Refused(Reason.RETURN_OF_ANOTHER_PRODUCT, f"{lot.product} was not lent", "/product", loan.product)
    if lot.depot != terms.return_place:
        return Refused(Reason.RETURN_ELSEWHERE, f"{lot.depot} is not the return place", "/depot", terms.return_place)
    if command.received_on > command.on:
        return Refused(Reason.DATE_IN_FUTURE, f"{command.received_on} has not come yet", "/received_on", f"{command.on} or earlier")
    if command.received_on < first_lent:
        detail = f"nothing was lent before {first_lent}"
        return Refused(Reason.DATE_BEFORE_LOAN, detail, "/received_on", f"{first_lent} or later")
    if lot.units < 1 or lot.nominal_unit_g < 1 or lot.units * lot.nominal_unit_g > MAX_INTEGER:
        return Refused(Reason.QUANTITY_INVALID, "a return is of at least one unit of at least one gram", "/units")
    if lot.serials and (len(lot.serials) != lot.units or len(set(lot.serials)) != lot.units):
        return Refused(
            Reason.SERIALS_MISMATCH, "there are not as many serials as units, or two are alike", "/serials", "one for each unit, or none"
        )
    return _assay_fault(command.own_assay, terms.element, command.on, "/assay")


def _assay_fault(assay: Assay, element: str, on: date, field: str = "") -> Refused[Reason] | None:
    if assay.assayed_on > on:
        return Refused(Reason.DATE_IN_FUTURE, f"{assay.assayed_on} has not come yet", f"{field}/assayed_on", f"{on} or earlier")
    if not Fraction(assay.contents.get(element, "0")):
        return Refused(Reason.ELEMENT_NOT_ASSAYED, f"it says nothing of {element}, which is owed", f"{field}/contents", element)
    return None


def assay_return(command: AssayReturn, loan: MaterialLoan) -> Sequence[MaterialEvent] | Refused[Reason]:
    if loan.id is None:
        return not_found()
    if loan.status in ("closed", "withdrawn"):
        return closed(loan)
    if (received := loan.returns.get(command.returned)) is None:
        return Refused(Reason.RETURN_NOT_FOUND, f"no return {command.returned} waits here", "path:returned")
    if received.settled_g is not None:
        return Refused(Reason.RETURN_SETTLED, f"{command.returned} is settled")
    if command.by == "independent" and received.independent is not None:
        return Refused(Reason.RETURN_ASSAYED, "the independent assay is there already")
    if command.by == "umpire" and not received.needs_umpire:
        return Refused(Reason.RETURN_NOT_SPLIT, "no difference of two assays waits for an umpire", "/by", "independent")
    terms = agreed(loan)
    if (fault := _assay_fault(command.assay, terms.element, command.on) or _laboratory_fault(command, loan, received)) is not None:
        return fault
    own, found = (Fraction(assay.contents[terms.element]) for assay in (received.own_assay, command.assay))
    beyond = command.by == "independent" and abs(own - found) > Fraction(terms.splitting_limit)
    fit = command.assay.in_specification
    assayed = ReturnAssayed(
        loan=loan.id,
        partner=loan.partner,
        returned=command.returned,
        by=command.by,
        assay=command.assay,
        difference=str(abs(own - found)),
        needs_umpire=beyond and fit,
    )
    if not fit:
        return [assayed, _rejected(command, loan, received)]
    if beyond:
        return [assayed]
    content, basis = _settled(command, received, terms.element)
    settled = ReturnSettled(
        loan=loan.id,
        partner=loan.partner,
        returned=command.returned,
        product=loan.product,
        lot=received.lot,
        assay=command.assay,
        element=terms.element,
        content=str(content),
        basis=basis,
        mass_g=received.mass_g,
        received_on=received.received_on,
        contained_g=round_half_even(received.mass_g * content),
    )
    return [assayed, settled]


def _laboratory_fault(command: AssayReturn, loan: MaterialLoan, received: Return) -> Refused[Reason] | None:
    """An independent assay and an umpire's are neither party's; nor does anybody settle what they have said already."""
    field, named, registered = "/laboratory", command.assay.laboratory, command.registered
    if registered is None or registered.laboratory != named:
        return Refused(Reason.LABORATORY_NOT_REGISTERED, f"{named} is not registered, or no longer", field, "a registered laboratory's id")
    if command.assay.assayed_on > registered.accredited_until:
        accepted = "one that was accredited when it assayed"
        return Refused(Reason.LABORATORY_NOT_ACCREDITED, f"{named} is accredited until {registered.accredited_until}", field, accepted)
    if registered.owner in (RESERVE, f"partner/{loan.partner}", *registered.connected):
        accepted = "one that neither the Reserve has, nor the borrower, nor who is connected with it"
        return Refused(Reason.LABORATORY_OF_A_PARTY, f"{named} is {registered.owner}'s", field, accepted)
    asked = {_plain(each.laboratory) for each in (received.own_assay, received.independent) if each is not None}
    if not asked.isdisjoint({_plain(named), _plain(registered.name)}):
        return Refused(Reason.LABORATORY_ASKED_BEFORE, f"{named} has assayed {command.returned} already", field, "another laboratory")
    return None


def _plain(name: str) -> str:
    """However it is spaced or capitalised: the borrower names its own laboratory freely."""
    return " ".join(name.split()).casefold()


def _rejected(command: AssayReturn, loan: MaterialLoan, received: Return) -> ReturnRejected:
    assert loan.id is not None
    return ReturnRejected(
        loan=loan.id,
        partner=loan.partner,
        returned=command.returned,
        element=agreed(loan).element,
        pending_g=received.pending_g,
        assay=command.assay,
        reason=f"out of specification by the {command.by} assay",
    )


def _settled(command: AssayReturn, received: Return, element: str) -> tuple[Fraction, Basis]:
    own, found = (Fraction(assay.contents[element]) for assay in (received.own_assay, command.assay))
    if command.by == "independent":
        return (own + found) / 2, "mean"
    assert received.independent is not None, "an umpire is asked after both sides"
    other = Fraction(received.independent.contents[element])
    return umpired(own, other, found)


def umpired(own: Fraction, independent: Fraction, umpire: Fraction) -> tuple[Fraction, Basis]:
    """The umpire's content if it lies between the two, else that of the side that is nearer."""
    if min(own, independent) <= umpire <= max(own, independent):
        return umpire, "umpire"
    return (own, "borrower") if abs(own - umpire) < abs(independent - umpire) else (independent, "independent")


def credit(command: CreditReturn, loan: MaterialLoan) -> Sequence[MaterialEvent]:
    received = loan.returns.get(command.returned)
    if loan.id is None or received is None or received.settled_g is None:
        return []
    terms = agreed(loan)
    paid = discharge(loan.tranches, terms.premium, loan.further, received.received_on, received.settled_g)
    return [
        ReturnCredited(
            loan=loan.id,
            partner=loan.partner,
            returned=command.returned,
            facility=terms.facility,
            taken_in_as=command.taken_in_as,
            element=terms.element,
            pending_g=received.pending_g,
            contained_g=received.settled_g,
            principal_g=paid.principal_g,
            premium_g=paid.premium_g,
            excess_g=paid.excess_g,
            owed_g=owed(paid.tranches, terms.premium, loan.further, received.received_on).total_g,
            change=ContainedChange(
                stock_g=received.settled_g,
                lent_g=-paid.principal_g,
                premium_g=-paid.premium_g,
                excess_g=-paid.excess_g,
            ),
        )
    ]


def turn_back(command: TurnBackReturn, loan: MaterialLoan) -> Sequence[MaterialEvent]:
    received = loan.returns.get(command.returned)
    return [] if loan.id is None or received is None else [_turned_back(command.returned, loan, received, command.reason, command.detail)]


def withdraw_return(command: WithdrawReturn, loan: MaterialLoan) -> Sequence[MaterialEvent] | Refused[Reason]:
    if loan.id is None:
        return not_found()
    if (received := loan.returns.get(command.returned)) is None:
        return Refused(Reason.RETURN_NOT_FOUND, f"no return {command.returned} waits here", "path:returned")
    if received.settled_g is not None:
        return Refused(Reason.RETURN_SETTLED, f"{command.returned} is settled")
    return [_turned_back(command.returned, loan, received, NEVER_CAME, "two people have taken it back")]


def _turned_back(name: ReturnId, loan: MaterialLoan, received: Return, reason: str, detail: str) -> ReturnTurnedBack:
    assert loan.id is not None
    return ReturnTurnedBack(
        loan=loan.id,
        partner=loan.partner,
        returned=name,
        element=agreed(loan).element,
        pending_g=received.pending_g,
        reason=reason,
        detail=detail,
    )
