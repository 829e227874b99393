"""What happens to a facility loan in default."""

from datetime import date
from typing import Literal

from services.loans.events.books import BookChange, Figures, LoanFact, LoanId
from services.loans.events.facility import FacilityId, Minor
from shared.journal.texts import TypedText

type DefaultCause = Literal["payment", "covenant", "cross_default", "other"]
type HowCured = Literal["paid", "covenant_kept", "covenant_waived", "cross_default_ended", "reinstated"]


class LoanDefaulted(LoanFact, frozen=True, kw_only=True, omit_defaults=True, tag="loans.loan_defaulted.v2"):
    """`facility`: which tells the borrower's other loans; None: by a build that told none."""

    on: date
    reason: TypedText
    cause: DefaultCause = "other"
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
    """The loan is owed by its schedule again."""

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
