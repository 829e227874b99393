"""Papers that a second person signs before money or metal is committed, or what was committed is changed."""

from datetime import date
from typing import ClassVar

import msgspec

from services.loans.events.equity import HoldingTerms
from services.loans.events.material import MaterialTerms
from services.loans.events.terms import Amendment, LoanTerms
from shared.journal.texts import TypedText
from shared.terms.dating import Dated
from shared.terms.papers import Paper


class LoanPaper(Paper, frozen=True, kw_only=True, tag="reserve.loan_proposal.v1"):
    purpose: ClassVar[str] = "loan_proposal"
    once: ClassVar[frozenset[str]] = frozenset({"loan", "terms"})

    loan: str
    terms: LoanTerms


class LoanActPaper(Paper, frozen=True, kw_only=True, tag="reserve.loan_act.v1"):
    purpose: ClassVar[str] = "loan_act"
    once: ClassVar[frozenset[str]] = frozenset({"loan", "act"})

    loan: str
    act: str
    content: Amendment
    reason: TypedText


class HoldingPaper(Paper, frozen=True, kw_only=True, tag="reserve.equity_proposal.v1"):
    purpose: ClassVar[str] = "equity_proposal"
    once: ClassVar[frozenset[str]] = frozenset({"holding", "terms"})

    holding: str
    terms: HoldingTerms
    proposed_by: str
    proposed_on: date


class WriteDownPaper(Paper, frozen=True, kw_only=True, tag="reserve.equity_write_down.v1"):
    purpose: ClassVar[str] = "equity_write_down"
    once: ClassVar[frozenset[str]] = frozenset({"holding", "write_down"})

    holding: str
    write_down: str
    amount_minor: int | None  # None: of all
    on: date
    authority: str
    reason: TypedText
    proposed_by: str
    dated_because: Dated | msgspec.UnsetType = msgspec.UNSET  # why it counts for another day than it was proposed on; unset: for that one


class MaterialTermsPaper(Paper, frozen=True, kw_only=True, tag="reserve.material_terms.v1"):
    """Which loan of which goods, on which terms."""

    purpose: ClassVar[str] = "material_loan"

    loan: str
    partner: str
    product: str
    mass_g: int
    decision: str
    terms: MaterialTerms


class DeferralPaper(Paper, frozen=True, kw_only=True, tag="reserve.material_deferral.v1"):
    """`terms`: the SHA-256 of those that were approved."""

    purpose: ClassVar[str] = "material_deferral"

    loan: str
    deferral: str
    terms: str
    condition: str
    evidence: TypedText
    due_on: date
    premium_pct: str | None
