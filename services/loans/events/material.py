"""What happens to a material loan: metal that the Reserve lends to a partner, and that comes back in kind with a premium.

What is owed is counted in grams of one element that the goods contain, since what comes back is never quite what was lent. An event that
moves grams carries `change`: by how much it changes the loan's books. All changes together are the books; the ledger posts each as it is.
"""

from datetime import date, datetime
from typing import Annotated, Literal, NewType

import msgspec

from services.loans.events.facility import FacilityId, Minor
from services.loans.events.terms import MaterialTerms as MaterialTerms
from services.loans.events.terms import Premium as Premium
from services.loans.events.terms import Security as Security
from services.loans.events.terms import SecurityKind as SecurityKind
from shared.journal.record import MAX_INTEGER, Grams
from shared.journal.texts import TypedText
from shared.terms.acting import Approval
from shared.terms.dating import DatedBecause

MaterialLoanId = NewType("MaterialLoanId", str)  # "mln_01j...": has its award's id, as the release has
ReturnId = NewType("ReturnId", str)  # "mrt_01j..."
DeferralId = NewType("DeferralId", str)  # "dfr_01j..."

type SignedGrams = Annotated[int, msgspec.Meta(ge=-MAX_INTEGER, le=MAX_INTEGER)]
type CustodyModel = Literal["identity_preserved", "segregated", "mass_balance", "book_and_claim"]
type Assayer = Literal["independent", "umpire"]  # the borrower's own comes with the return
type ClosingCause = Literal["returned", "cash_settled", "replaced", "never_drawn"]
type MaterialDefaultCause = Literal["overdue", "margin_call"]
type Basis = Literal["mean", "umpire", "borrower", "independent"]  # whose content a return is settled at


class ContainedChange(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Changes of a loan's accounts in contained grams, debits above zero. They sum to zero."""

    stock_g: SignedGrams = 0  # taken into stock, or below zero lent out of it
    lent_g: SignedGrams = 0  # owed by the partner, without premium
    premium_g: SignedGrams = 0  # earned: zero or less in all
    excess_g: SignedGrams = 0  # returned beyond what was owed: zero or less in all
    cash_g: SignedGrams = 0  # settled in money instead
    replaced_g: SignedGrams = 0  # bought by the Reserve after a default


class Assay(msgspec.Struct, frozen=True, kw_only=True):
    """A laboratory's report on returned goods."""

    report: str
    laboratory: str
    assayed_on: date
    contents: dict[str, str]  # element -> share of the mass
    in_specification: bool


class ReturnedLot(msgspec.Struct, frozen=True, kw_only=True):
    """Goods that came back, as the borrower declares them."""

    product: str
    depot: str
    units: Grams
    nominal_unit_g: Grams
    serials: tuple[str, ...]
    origin: str
    custody_model: CustodyModel


class _Event(msgspec.Struct, frozen=True, kw_only=True, tag_field="type"):
    loan: MaterialLoanId
    partner: str


class MaterialLoanOffered(_Event, frozen=True, kw_only=True, tag="loans.material_loan_offered.v1"):
    """An award of kind loan: its release waits until terms are agreed and the facility has committed."""

    award: str
    decision: str
    release: str
    product: str
    mass_g: Grams
    return_on: date  # as the partner asked: the last day that terms may give
    draw_by: date


class MaterialLoanWithdrawn(_Event, frozen=True, kw_only=True, tag="loans.material_loan_withdrawn.v2"):
    """Nothing was lent, and nothing will be."""

    release: str
    decision: str
    product: str
    facility: FacilityId | None  # that may have been asked for headroom
    reason: TypedText


class MaterialTermsProposed(_Event, frozen=True, kw_only=True, tag="loans.material_terms_proposed.v1"):
    terms: MaterialTerms
    document: str  # SHA-256 of the terms' document, which is kept
    proposed_by: str


class MaterialTermsApproved(_Event, frozen=True, kw_only=True, tag="loans.material_terms_approved.v1"):
    """The facility is asked next."""

    document: str
    approval: Approval
    facility: FacilityId
    element: str
    contained_g: Grams  # of the whole award, by the product's stated content
    keys: tuple[str, ...]  # that it is charged to


class MaterialLoanCommitted(_Event, frozen=True, kw_only=True, tag="loans.material_loan_committed.v1"):
    """The release may be drawn."""

    release: str
    decision: str
    product: str
    facility: FacilityId
    document: str  # of the terms
    element: str
    contained_g: Grams
    due_on: date


class MaterialCommitmentRefused(_Event, frozen=True, kw_only=True, tag="loans.material_commitment_refused.v1"):
    """The facility has no headroom for it: other terms may be proposed, or the loan withdrawn."""

    reason: str
    detail: str


class MaterialLent(_Event, frozen=True, kw_only=True, tag="loans.material_lent.v1"):
    """A draw: title has passed, and the grams are owed from this day."""

    draw: str
    element: str
    mass_g: Grams
    lent_on: date
    lent_g: Grams  # contained, by the lots' ruling assays
    undrawn_g: Grams  # mass that may still be drawn
    change: ContainedChange


class MaterialTakenBack(_Event, frozen=True, kw_only=True, tag="loans.material_taken_back.v1"):
    """A draw's goods never left: it is as if they had not been lent."""

    facility: FacilityId
    draw: str
    element: str
    lent_g: Grams  # that is out no longer
    change: ContainedChange


class DrawingEnded(_Event, frozen=True, kw_only=True, tag="loans.drawing_ended.v1"):
    """Nothing more of the release will be drawn, and its headroom is free."""

    facility: FacilityId
    undrawn_g: Grams  # mass
    freed_g: Grams  # contained, of the headroom


class DeferralProposed(_Event, frozen=True, kw_only=True, tag="loans.deferral_proposed.v2"):
    deferral: DeferralId
    condition: str  # one that the terms name
    evidence: TypedText
    due_on: date
    premium_pct: str  # further premium, on what is still out
    document: str
    proposed_by: str


class DeferralApproved(_Event, frozen=True, kw_only=True, tag="loans.deferral_approved.v1"):
    deferral: DeferralId
    condition: str
    document: str
    approval: Approval
    due_on: date
    premium_pct: str
    from_on: date  # the further premium counts from this day


class ReturnReceived(_Event, frozen=True, kw_only=True, omit_defaults=True, tag="loans.return_received.v1"):
    """Goods are at the return place, and pending: nothing is credited yet."""

    returned: ReturnId  # the return
    lot: ReturnedLot
    own_assay: Assay
    element: str
    mass_g: Grams
    received_on: date  # premium is owed up to this day
    pending_g: Grams  # contained, by the borrower's own assay
    dated_because: DatedBecause = msgspec.UNSET


class ReturnAssayed(_Event, frozen=True, kw_only=True, tag="loans.return_assayed.v1"):
    returned: ReturnId  # the return
    by: Assayer
    assay: Assay
    difference: str  # from the borrower's own, as a share of the mass
    needs_umpire: bool


class ReturnRejected(_Event, frozen=True, kw_only=True, tag="loans.return_rejected.v1"):
    """Out of specification: the goods go back to the borrower, and all is owed as before."""

    returned: ReturnId  # the return
    element: str
    pending_g: Grams  # no longer
    assay: Assay
    reason: str  # in the service's own words


class ReturnSettled(_Event, frozen=True, kw_only=True, tag="loans.return_settled.v1"):
    """What the goods contain is agreed: inventory takes them in next."""

    returned: ReturnId  # the return
    product: str
    lot: ReturnedLot
    assay: Assay  # the ruling report of the lot
    element: str
    content: str  # that it is settled at
    basis: Basis
    mass_g: Grams
    received_on: date
    contained_g: Grams


class ReturnCredited(_Event, frozen=True, kw_only=True, tag="loans.return_credited.v1"):
    """The lot is in stock, and its contained grams are off what is owed: principal, with the premium that it has earned."""

    returned: ReturnId  # the return
    facility: FacilityId
    taken_in_as: str  # the lot
    element: str
    pending_g: Grams  # no longer
    contained_g: Grams
    principal_g: Grams
    premium_g: Grams
    excess_g: Grams  # beyond what was owed
    owed_g: Grams  # after it, with premium, on the day that it was received
    change: ContainedChange


class ReturnTurnedBack(_Event, frozen=True, kw_only=True, tag="loans.return_turned_back.v1"):
    """Inventory could not take the lot in, or two people have found that it never came: nothing is credited."""

    returned: ReturnId  # the return
    element: str
    pending_g: Grams  # no longer
    reason: str
    detail: str


class MaterialOverdue(_Event, frozen=True, kw_only=True, tag="loans.material_overdue.v1"):
    due_on: date
    element: str
    owed_g: Grams  # with premium
    pending_g: Grams  # of it, by returns that wait to be settled


class SecurityMarked(_Event, frozen=True, kw_only=True, omit_defaults=True, tag="loans.security_marked.v2"):
    """The security held against the value of what is owed, at a price."""

    currency: str
    price_minor: str  # of a contained gram, a rational
    quoted_on: date
    source: TypedText
    owed_g: Grams
    owed_minor: Minor
    required_minor: Minor
    value_minor: Minor  # of the security, before the haircut
    counted_minor: Minor  # after it
    call_minor: Minor  # what must be topped up, counted after the haircut; 0: it is enough
    call_due_on: date | None = None  # the last day to top it up


class SecurityToppedUp(_Event, frozen=True, kw_only=True, tag="loans.security_topped_up.v1"):
    currency: str
    amount_minor: Minor
    reference: str
    value_minor: Minor  # of the security, after it
    call_minor: Minor  # still open, of the last mark


class MaterialCashSettled(_Event, frozen=True, kw_only=True, tag="loans.material_cash_settled.v1"):
    """What was owed is paid in money instead."""

    facility: FacilityId
    currency: str
    price_minor: str
    source: str  # what the terms name
    reference: str
    element: str
    principal_g: Grams
    premium_g: Grams
    amount_minor: Minor
    change: ContainedChange


class MaterialDefaulted(_Event, frozen=True, kw_only=True, omit_defaults=True, tag="loans.material_defaulted.v2"):
    element: str
    owed_g: Grams
    on: date
    reason: TypedText
    cause: MaterialDefaultCause = "overdue"
    declared_by: str | None = None  # one person, whose word it is until another confirms it, or it lapses
    lapses_at: datetime | None = None


class MaterialDefaultConfirmed(_Event, frozen=True, kw_only=True, tag="loans.material_default_confirmed.v1"):
    """By another person than has declared it: it does not lapse any more."""

    confirmed_by: str


class MaterialDefaultCured(_Event, frozen=True, kw_only=True, omit_defaults=True, tag="loans.material_default_cured.v1"):
    """The call that was not met in time is met, and nothing was bought by then. `lapsed`: nobody has confirmed what one person declared."""

    lapsed: bool = False


class MaterialReplaced(_Event, frozen=True, kw_only=True, tag="loans.material_replaced.v2"):
    """Bought at the borrower's cost after a default. The cost is taken from the security; what that does not cover is a claim."""

    facility: FacilityId
    currency: str
    element: str
    bought_g: Grams
    principal_g: Grams
    premium_g: Grams
    cost_minor: Minor
    from_security_minor: Minor
    shortfall_minor: Minor
    source: TypedText
    owed_g: Grams  # after it
    change: ContainedChange


class MaterialLoanClosed(_Event, frozen=True, kw_only=True, tag="loans.material_loan_closed.v1"):
    facility: FacilityId
    cause: ClosingCause
    excess_g: Grams  # that the Reserve owes back


MaterialEvent = (
    MaterialLoanOffered
    | MaterialLoanWithdrawn
    | MaterialTermsProposed
    | MaterialTermsApproved
    | MaterialLoanCommitted
    | MaterialCommitmentRefused
    | MaterialLent
    | MaterialTakenBack
    | DrawingEnded
    | DeferralProposed
    | DeferralApproved
    | ReturnReceived
    | ReturnAssayed
    | ReturnRejected
    | ReturnSettled
    | ReturnCredited
    | ReturnTurnedBack
    | MaterialOverdue
    | SecurityMarked
    | SecurityToppedUp
    | MaterialCashSettled
    | MaterialDefaulted
    | MaterialDefaultConfirmed
    | MaterialDefaultCured
    | MaterialReplaced
    | MaterialLoanClosed
)
