"""What happens to a facility loan in default, and where one person says that it breaches a covenant."""

from datetime import date, datetime
from typing import Literal

from services.loans.events.books import BookChange, Figures, LoanFact, LoanId
from services.loans.events.facility import FacilityId, Minor
from services.loans.events.terms import CovenantKind
from shared.journal.texts import TypedText

type DefaultCause = Literal["payment", "covenant", "cross_default", "other"]
type HowCured = Literal["paid", "covenant_kept", "covenant_waived", "covenant_lapsed", "cross_default_ended", "reinstated", "lapsed"]


class LoanDefaulted(LoanFact, frozen=True, kw_only=True, omit_defaults=True, tag="loans.loan_defaulted.v2"):
    """`facility`: which tells the borrower's other loans, once it is nobody's word alone; None: by a build that told none. `declared_by`:
    one person, whose word it is until another confirms it, or it lapses; None: it follows from what the loan owes, or an earlier build said
    nothing."""

    on: date
    reason: TypedText
    cause: DefaultCause = "other"
    facility: FacilityId | None = None
    declared_by: str | None = None
    lapses_at: datetime | None = None
    alone_since: datetime | None = None  # when they first stopped anything of the loan; None: by an earlier build


class DefaultConfirmed(LoanFact, frozen=True, kw_only=True, omit_defaults=True, tag="loans.default_confirmed.v1"):
    """By another person than has declared it: it does not lapse any more.
    `facility`: which tells the borrower's other loans now; None: by a build that had told them when it was declared."""

    confirmed_by: str
    facility: FacilityId | None = None


class AccelerationNotified(LoanFact, frozen=True, kw_only=True, tag="loans.acceleration_notified.v1"):
    """All of a loan in default falls due on a day, unless it is cured before."""

    falls_due_on: date


class LoanAccelerated(LoanFact, frozen=True, kw_only=True, tag="loans.loan_accelerated.v1"):
    """All that is owed is due, from that day on: principal, and interest day by day."""

    on: date
    currency: str
    change: BookChange
    after: Figures


class DefaultCured(LoanFact, frozen=True, kw_only=True, tag="loans.default_cured.v1"):
    """The loan is owed by its schedule again. `lapsed`: nobody has confirmed in time what one person declared."""

    on: date
    how: HowCured
    facility: FacilityId


class CrossDefaultNoted(LoanFact, frozen=True, kw_only=True, tag="loans.cross_default_noted.v1"):
    """Another loan of the borrower is in default, or is so no longer. `declarable`: by the terms, that is a ground for this one's."""

    by: LoanId
    ended: bool
    declarable: bool


class ShortfallClaimed(LoanFact, frozen=True, kw_only=True, tag="loans.shortfall_claimed.v1"):
    """Its security is realised, and so much is still owed. It stays a claim until it is paid, or written off."""

    on: date
    currency: str
    claim_minor: Minor


class BreachConfirmed(LoanFact, frozen=True, kw_only=True, tag="loans.breach_confirmed.v1"):
    """By another person than has reported the figure: it does not lapse any more."""

    kind: CovenantKind
    for_on: date
    confirmed_by: str


class BreachLapsed(LoanFact, frozen=True, kw_only=True, tag="loans.breach_lapsed.v1"):
    """Nobody has confirmed it in time: the covenant is as if that figure had not been reported."""

    kind: CovenantKind
    for_on: date
