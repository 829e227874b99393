"""What loans do under an authority: each approval of a loan, an act, a holding, its write-down, a loan of metal or a deferral, with what it
is of. Only what the events say is used; what was asked of whom stands in the proposal."""

from collections.abc import Iterator
from typing import Any

import msgspec

from reserve.audit.groups import named, parties_to
from services.loans.events.equity import HoldingApproved, HoldingProposed, HoldingWrittenDown, HoldingWrittenOff
from services.loans.events.loan import ActApproved, LoanApproved, LoanImported, LoanProposed
from services.loans.events.material import DeferralApproved, MaterialLoanOffered, MaterialTermsApproved
from services.loans.events.terms import Accelerate, AmendCondition, Amendment, EndEnforcement, Refund, Reinstate, Restructure, WriteOff
from shared.terms.acting import Approval


class Needed(msgspec.Struct, frozen=True, kw_only=True):
    act: str
    by: str
    product: str | None = None
    mass_g: int | None = None
    amount_minor: int | None = None
    currency: str | None = None
    concerns: tuple[tuple[str, str], ...] = ()  # (about, name)


class _Money(msgspec.Struct, frozen=True):
    amount_minor: int
    currency: str
    parties: tuple[str, ...]  # as limits name them


class LoanAuthority:
    def __init__(self) -> None:
        self._money: dict[str, _Money] = {}  # loan or holding -> what was proposed
        self._metal: dict[str, MaterialLoanOffered] = {}

    def see(self, event: Any) -> Iterator[Needed]:
        match event:
            case LoanProposed(loan=id, terms=terms) | LoanImported(loan=id, terms=terms):
                self._money[id] = _Money(terms.commitment_minor, terms.currency, parties_to(terms))
            case HoldingProposed(holding=id, terms=terms):
                self._money[id] = _Money(terms.commitment_minor, terms.currency, (f"borrower/{terms.company}", f"project/{terms.project}"))
            case MaterialLoanOffered():
                self._metal[event.loan] = event
            case LoanApproved():
                yield from self._of_money(event.loan, "commit_loan", event.approval)
            case ActApproved():
                act, amount_minor = _act(event.content)
                yield from self._of_money(event.loan, act, event.approval, amount_minor)
            case HoldingApproved():
                yield from self._of_money(event.holding, "commit_holding", event.approval)
            case HoldingWrittenDown():
                yield from self._of_money(event.holding, "write_down", event.approval, event.amount_minor)
            case HoldingWrittenOff():
                yield from self._of_money(event.holding, "write_off", event.approval, event.amount_minor)
            case MaterialTermsApproved():
                yield from self._of_metal(event.loan, "lend_material", event)
            case DeferralApproved():
                yield from self._of_metal(event.loan, "amend_conditions", event)
            case _:
                pass

    def _of_money(self, id: str, act: str, approval: Approval, amount_minor: int | None = None) -> Iterator[Needed]:
        """`amount_minor` None: of the whole."""
        if (proposed := self._money.get(id)) is not None:
            yield Needed(
                act=act,
                by=approval.subject,
                amount_minor=proposed.amount_minor if amount_minor is None else amount_minor,
                currency=proposed.currency,
                concerns=tuple(named(proposed.parties)),
            )

    def _of_metal(self, id: str, act: str, event: MaterialTermsApproved | DeferralApproved) -> Iterator[Needed]:
        if (offered := self._metal.get(id)) is not None:
            yield Needed(
                act=act, by=event.approval.subject, product=offered.product, mass_g=offered.mass_g, concerns=(("partner", offered.partner),)
            )


def _act(content: Amendment) -> tuple[str, int | None]:
    match content:
        case WriteOff():
            return "write_off", content.amount_minor
        case Refund():
            return "amend_conditions", content.amount_minor
        case AmendCondition() | Restructure() | Accelerate() | Reinstate() | EndEnforcement():
            return "amend_conditions", None
        case _:
            return "waive_condition", None
