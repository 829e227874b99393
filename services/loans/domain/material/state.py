"""State of a material loan, and what each event does to it."""

from datetime import date
from typing import Literal, assert_never

import immutables
import msgspec
from msgspec.structs import replace

from services.loans.domain.material.owed import Further, Owed, Tranche, owed
from services.loans.domain.papers import DeferralPaper, MaterialTermsPaper
from services.loans.events.authority import AuthorityCited
from services.loans.events.material import (
    Assay,
    ContainedChange,
    DeferralApproved,
    DeferralId,
    DeferralProposed,
    DrawingEnded,
    MaterialCashSettled,
    MaterialCommitmentRefused,
    MaterialDefaultCause,
    MaterialDefaultConfirmed,
    MaterialDefaultCured,
    MaterialDefaulted,
    MaterialEvent,
    MaterialLent,
    MaterialLoanClosed,
    MaterialLoanCommitted,
    MaterialLoanId,
    MaterialLoanOffered,
    MaterialLoanWithdrawn,
    MaterialOverdue,
    MaterialReplaced,
    MaterialTakenBack,
    MaterialTerms,
    MaterialTermsApproved,
    MaterialTermsProposed,
    ReturnAssayed,
    ReturnCredited,
    ReturnedLot,
    ReturnId,
    ReturnReceived,
    ReturnRejected,
    ReturnSettled,
    ReturnTurnedBack,
    SecurityMarked,
    SecurityToppedUp,
)
from shared.journal.decider import Reasons
from shared.terms.acting import Proposal
from shared.terms.countersigning import ProposedCommand
from shared.terms.protecting import Word, alone, confirmed, said

type MaterialStatus = Literal["offered", "proposed", "approved", "committed", "lent", "closed", "withdrawn"]


class Reason(Reasons):
    """Why a material loan stays as it is. Each value is the `code` of an RFC 9457 problem."""

    NOT_FOUND = "material_loan_not_found", 404, "There is no such material loan"
    CLOSED = "material_loan_closed", 409, "The material loan is closed"
    ALREADY_AGREED = "material_terms_agreed_already", 409, "The terms are agreed already"
    NOTHING_PROPOSED = "nothing_to_approve", 409, "Nothing waits for an approval"
    TERMS_STALE = "material_terms_stale", 409, "What was proposed has changed"
    TERMS_INVALID = "material_terms_invalid", 422, "Invalid terms of a material loan"
    AWAITING_COMMITMENT = "material_loan_awaits_commitment", 409, "The facility has not answered yet"
    COMMITTED = "material_loan_is_committed", 409, "The material loan is committed"
    NOTHING_LENT = "nothing_lent", 409, "Nothing of the material loan is outstanding"
    DATE_IN_FUTURE = "date_in_future", 422, "The date is in the future"
    DATE_IN_PAST = "date_in_past", 422, "The date is in the past"
    DATE_BEFORE_LOAN = "date_before_loan", 422, "The day is before the loan"
    DEFERRAL_CONDITION = "deferral_condition_unknown", 422, "The terms do not name this condition"
    DEFERRAL_NOT_LATER = "deferral_not_later", 422, "A deferral must be to a later day"
    DEFERRAL_NOT_FOUND = "deferral_not_found", 404, "There is no such deferral"
    RETURN_NOT_FOUND = "return_not_found", 404, "There is no such return, or it waits no longer"
    RETURN_OF_ANOTHER_PRODUCT = "return_of_another_product", 422, "The return is of another product"
    RETURN_ELSEWHERE = "return_at_another_place", 422, "The return is at another place"
    RETURN_EXCEEDS_OWED = "return_exceeds_owed", 422, "The return exceeds what is owed"
    RETURN_ASSAYED = "return_assayed_already", 409, "The return has been assayed already"
    RETURN_NOT_SPLIT = "umpire_not_needed", 409, "No umpire is needed"
    RETURN_SETTLED = "return_settled_already", 409, "The return is settled already"
    RETURNS_PENDING = "returns_pending", 409, "Returns wait to be settled"
    RETURN_TAKEN = "return_id_taken", 409, "The return is received already"
    LABORATORY_NOT_REGISTERED = "laboratory_not_registered", 422, "No such laboratory is registered"
    LABORATORY_NOT_ACCREDITED = "laboratory_not_accredited", 422, "The laboratory was not accredited then"
    LABORATORY_OF_A_PARTY = "laboratory_of_a_party", 422, "The laboratory belongs to a party"
    LABORATORY_ASKED_BEFORE = "laboratory_asked_before", 422, "The laboratory has assayed the return already"
    ELEMENT_NOT_ASSAYED = "element_not_assayed", 422, "The assay lacks an element that is owed"
    QUANTITY_INVALID = "quantity_invalid", 422, "Invalid quantity"
    SERIALS_MISMATCH = "serials_do_not_match_units", 422, "The serials do not match the units"
    PRICE_INVALID = "price_invalid", 422, "Invalid price"
    PRICE_IMPLAUSIBLE = "price_implausible", 422, "The price is too far from the last one"
    CASH_BASIS = "cash_basis_of_the_terms", 409, "The terms name the price that settles"
    NOT_OVERDUE = "material_loan_not_overdue", 409, "The material loan is not overdue"
    NOT_DEFAULTED = "material_loan_not_defaulted", 409, "The material loan is not in default"
    DEFAULT_RENEWED = "default_renewed_by_same_person", 403, "A default that lapsed is not renewed by the same person"
    DEFAULT_OWN = "default_confirmed_by_same_person", 403, "A default is confirmed by a second person"
    DEFAULT_STANDS = "default_stands_already", 409, "The default needs no confirmation"
    DEFAULT_UNCONFIRMED = "default_unconfirmed", 409, "The default is not confirmed"
    REFERENCE_USED = "top_up_reference_used", 409, "The reference is of another top-up"


class ProposedTerms(Proposal, frozen=True, kw_only=True):
    terms: MaterialTerms


class ProposedDeferral(Proposal, frozen=True, kw_only=True):
    condition: str
    due_on: date
    premium_pct: str


class Return(msgspec.Struct, frozen=True, kw_only=True):
    """Goods that are at the return place and not credited yet."""

    lot: ReturnedLot
    own_assay: Assay
    mass_g: int
    received_on: date
    pending_g: int
    independent: Assay | None = None
    needs_umpire: bool = False
    settled_g: int | None = None  # what it will be credited with, once inventory has it


class MaterialLoan(msgspec.Struct, frozen=True, kw_only=True):
    id: MaterialLoanId | None = None  # None: there is no such loan
    partner: str = ""
    decision: str = ""
    release: str = ""
    product: str = ""
    mass_g: int = 0  # of the award
    return_on: date = date.min
    status: MaterialStatus = "offered"
    proposal: ProposedTerms | None = None
    terms: MaterialTerms | None = None  # as approved
    document: str = ""  # of the approved terms
    due_on: date | None = None
    undrawn_g: int = 0  # mass that may still be drawn
    headroom_g: int = 0  # contained grams that the facility was asked for and that are not given back, as far as this stream knows
    lent_g: immutables.Map[str, int] = immutables.Map()  # of each draw, whatever of it is back
    tranches: tuple[Tranche, ...] = ()
    further: tuple[Further, ...] = ()
    deferrals: immutables.Map[DeferralId, ProposedDeferral] = immutables.Map()  # that wait for a signature
    returns: immutables.Map[ReturnId, Return] = immutables.Map()  # that wait to be credited
    returned_g: int = 0  # credited in all: principal, premium and excess
    books: ContainedChange = ContainedChange()  # all changes together
    overdue: bool = False
    defaulted: bool = False
    default_cause: MaterialDefaultCause | None = None
    declared: Word | None = None  # whose word the last default is, or was
    words: tuple[Word, ...] = ()  # all of late that nobody else has confirmed
    security_minor: int = 0
    topped_up: frozenset[str] = frozenset()  # references of what was added to it
    call_minor: int = 0  # open, of the last mark
    price_minor: str | None = None  # of a contained gram, by the last mark
    proposals: immutables.Map[str, ProposedCommand] = immutables.Map()  # commands that wait for another person's signature
    call_due_on: date | None = None  # the last day to meet it

    @property
    def out_g(self) -> int:
        """Contained grams that are out, without premium."""
        return sum(tranche.out_g for tranche in self.tranches)

    @property
    def pending_g(self) -> int:
        return sum(each.pending_g if each.settled_g is None else each.settled_g for each in self.returns.values())


def agreed(loan: MaterialLoan) -> MaterialTerms:
    assert loan.terms is not None, "only a loan with approved terms gets here"
    return loan.terms


def as_named(text: str) -> str:
    """A name, or a reference, however it is spaced or capitalised."""
    return " ".join(text.split()).casefold()


def owed_on(loan: MaterialLoan, on: date) -> Owed:
    """With premium. Nothing, as long as no terms are approved."""
    if loan.terms is None:
        return Owed(principal_g=0, premium_g=0)
    return owed(loan.tranches, loan.terms.premium, loan.further, on)


def evolve(loan: MaterialLoan, event: MaterialEvent | AuthorityCited) -> MaterialLoan:
    match event:
        case AuthorityCited():
            return loan
        case MaterialLoanOffered():
            return MaterialLoan(
                id=event.loan,
                partner=event.partner,
                decision=event.decision,
                release=event.release,
                product=event.product,
                mass_g=event.mass_g,
                return_on=event.return_on,
                undrawn_g=event.mass_g,
                proposals=loan.proposals,
            )
        case MaterialLoanWithdrawn():
            return replace(loan, status="withdrawn", proposal=None, undrawn_g=0)
        case MaterialTermsProposed():
            by = frozenset({event.proposed_by})
            proposal = ProposedTerms(purpose=MaterialTermsPaper.purpose, document=event.document, proposed_by=by, terms=event.terms)
            return replace(loan, status="proposed", proposal=proposal)
        case MaterialTermsApproved():
            assert loan.proposal is not None
            terms = loan.proposal.terms
            return replace(loan, status="approved", terms=terms, document=event.document, headroom_g=event.contained_g)
        case MaterialLoanCommitted():
            security_minor = agreed(loan).security.value_minor
            return replace(loan, status="committed", proposal=None, due_on=event.due_on, security_minor=security_minor)
        case MaterialCommitmentRefused():
            return replace(loan, status="offered", proposal=None, terms=None, document="", headroom_g=0)
        case MaterialLent() | MaterialTakenBack() | DrawingEnded():
            return _drawn(loan, event)
        case DeferralProposed():
            deferral = ProposedDeferral(
                purpose=DeferralPaper.purpose,
                document=event.document,
                proposed_by=frozenset({event.proposed_by}),
                condition=event.condition,
                due_on=event.due_on,
                premium_pct=event.premium_pct,
            )
            return replace(loan, deferrals=loan.deferrals.set(event.deferral, deferral))
        case DeferralApproved():
            further = (*loan.further, Further(from_on=event.from_on, pct=event.premium_pct))
            deferrals = loan.deferrals.delete(event.deferral)
            return replace(loan, deferrals=deferrals, further=further, due_on=event.due_on, overdue=False)
        case ReturnReceived() | ReturnAssayed() | ReturnRejected() | ReturnSettled() | ReturnCredited() | ReturnTurnedBack():
            return _returned(loan, event)
        case MaterialOverdue():
            return replace(loan, overdue=True)
        case SecurityMarked() | SecurityToppedUp() | MaterialDefaulted() | MaterialDefaultConfirmed() | MaterialDefaultCured():
            return _secured(loan, event)
        case MaterialCashSettled():
            return replace(_changed(loan, event.change), tranches=())
        case MaterialReplaced():
            paid = _changed(_paid(loan, event.principal_g), event.change)
            headroom_g = max(0, loan.headroom_g - event.principal_g)
            return replace(paid, headroom_g=headroom_g, security_minor=loan.security_minor - event.from_security_minor)
        case MaterialLoanClosed():
            return replace(loan, status="closed", undrawn_g=0, deferrals=immutables.Map(), call_minor=0)
        case _:
            assert_never(event)


def _drawn(loan: MaterialLoan, event: MaterialLent | MaterialTakenBack | DrawingEnded) -> MaterialLoan:
    match event:
        case MaterialLent():
            tranche = Tranche(draw=event.draw, lent_on=event.lent_on, lent_g=event.lent_g, out_g=event.lent_g)
            tranches = tuple(sorted((*loan.tranches, tranche), key=lambda each: (each.lent_on, each.draw)))
            lent_g = loan.lent_g.set(event.draw, event.lent_g)
            return _changed(replace(loan, status="lent", lent_g=lent_g, tranches=tranches, undrawn_g=event.undrawn_g), event.change)
        case MaterialTakenBack():
            headroom_g = max(0, loan.headroom_g - event.lent_g)
            tranches = _without(loan.tranches, event.draw, event.lent_g)
            return _changed(replace(loan, lent_g=loan.lent_g.delete(event.draw), tranches=tranches, headroom_g=headroom_g), event.change)
        case DrawingEnded():
            return replace(loan, undrawn_g=0, headroom_g=loan.headroom_g - event.freed_g)
        case _:
            assert_never(event)


type _Securing = SecurityMarked | SecurityToppedUp | MaterialDefaulted | MaterialDefaultConfirmed | MaterialDefaultCured


def _secured(loan: MaterialLoan, event: _Securing) -> MaterialLoan:
    match event:
        case SecurityMarked():
            return replace(loan, call_minor=event.call_minor, call_due_on=event.call_due_on, price_minor=event.price_minor)
        case SecurityToppedUp():
            return replace(
                loan,
                security_minor=event.value_minor,
                topped_up=loan.topped_up | {as_named(event.reference)},
                call_minor=event.call_minor,
                call_due_on=loan.call_due_on if event.call_minor else None,
            )
        case MaterialDefaulted():
            declared = alone(event.declared_by, event.lapses_at)
            return replace(loan, defaulted=True, default_cause=event.cause, declared=declared, words=said(loan.words, declared))
        case MaterialDefaultConfirmed():
            return replace(loan, declared=None, words=confirmed(loan.words, loan.declared))
        case MaterialDefaultCured():
            return replace(loan, defaulted=False, default_cause=None)
        case _:
            assert_never(event)


type _Returning = ReturnReceived | ReturnAssayed | ReturnRejected | ReturnSettled | ReturnCredited | ReturnTurnedBack


def _returned(loan: MaterialLoan, event: _Returning) -> MaterialLoan:
    match event:
        case ReturnReceived():
            received = Return(
                lot=event.lot,
                own_assay=event.own_assay,
                mass_g=event.mass_g,
                received_on=event.received_on,
                pending_g=event.pending_g,
            )
            return replace(loan, returns=loan.returns.set(event.returned, received))
        case ReturnAssayed():
            independent = event.assay if event.by == "independent" else loan.returns[event.returned].independent
            assayed = replace(loan.returns[event.returned], independent=independent, needs_umpire=event.needs_umpire)
            return replace(loan, returns=loan.returns.set(event.returned, assayed))
        case ReturnSettled():
            settled = replace(loan.returns[event.returned], settled_g=event.contained_g)
            return replace(loan, returns=loan.returns.set(event.returned, settled))
        case ReturnRejected() | ReturnTurnedBack():
            return replace(loan, returns=loan.returns.delete(event.returned))
        case ReturnCredited():
            paid = _paid(loan, event.principal_g)
            headroom_g = max(0, loan.headroom_g - event.principal_g)
            credited = replace(
                paid,
                returns=loan.returns.delete(event.returned),
                returned_g=loan.returned_g + event.contained_g,
                headroom_g=headroom_g,
            )
            return _changed(credited, event.change)
        case _:
            assert_never(event)


def _paid(loan: MaterialLoan, principal_g: int) -> MaterialLoan:
    """Off the oldest draws, as it was worked out when it was decided."""
    left: list[Tranche] = []
    for tranche in loan.tranches:
        paid_g = min(tranche.out_g, principal_g)
        principal_g -= paid_g
        if paid_g < tranche.out_g:
            left.append(replace(tranche, out_g=tranche.out_g - paid_g))
    return replace(loan, tranches=tuple(left))


def _without(tranches: tuple[Tranche, ...], draw: str, lent_g: int) -> tuple[Tranche, ...]:
    """The draw's own grams first; what is beyond them was paid off already, and comes off the others."""
    left: list[Tranche] = []
    for tranche in sorted(tranches, key=lambda tranche: tranche.draw != draw):
        taken_g = min(tranche.out_g, lent_g)
        lent_g -= taken_g
        if taken_g < tranche.out_g:
            left.append(replace(tranche, out_g=tranche.out_g - taken_g))
    return tuple(sorted(left, key=lambda tranche: (tranche.lent_on, tranche.draw)))


def _changed(loan: MaterialLoan, change: ContainedChange) -> MaterialLoan:
    books = {name: getattr(loan.books, name) + getattr(change, name) for name in ContainedChange.__struct_fields__}
    return replace(loan, books=ContainedChange(**books))
