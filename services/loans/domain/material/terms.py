"""Terms of a material loan: offered by an award, proposed and signed, committed by the facility; and the deferrals of its day."""

from collections.abc import Sequence
from datetime import date
from fractions import Fraction
from hashlib import sha256

import msgspec

from services.loans.domain.approvals import of_metal
from services.loans.domain.material.state import MaterialLoan, Reason, agreed
from services.loans.domain.papers import DeferralPaper, MaterialTermsPaper
from services.loans.domain.standing.instalments import round_half_even
from services.loans.events.authority import AuthorityCited, name_of_use
from services.loans.events.material import (
    DeferralApproved,
    DeferralId,
    DeferralProposed,
    MaterialCommitmentRefused,
    MaterialEvent,
    MaterialLoanCommitted,
    MaterialLoanId,
    MaterialLoanOffered,
    MaterialLoanWithdrawn,
    MaterialTerms,
    MaterialTermsApproved,
    MaterialTermsProposed,
)
from shared.journal.decider import Refused
from shared.journal.record import MAX_INTEGER, canonical
from shared.journal.texts import TypedText
from shared.terms.acting import ApprovalReason, Signing, sign
from shared.terms.authority import Action, Fault
from shared.terms.dating import DatingReason

MAX_STEP_DAYS = 3660
MAX_PCT = 1000

type Refusal = Refused[Reason] | Refused[ApprovalReason] | Refused[Fault] | Refused[DatingReason]


class OfferMaterialLoan(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """An award of kind loan. Never `Refused`."""

    loan: MaterialLoanId
    award: str
    decision: str
    release: str
    product: str
    partner: str
    mass_g: int
    return_on: date
    draw_by: date


class WithdrawOffer(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The award has gone. Never `Refused`."""

    reason: TypedText


class WithdrawMaterialLoan(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Before anything is committed. Two have signed the award, so two take it back."""

    reason: TypedText


class ProposeTerms(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """`document`: the SHA-256 of `terms_document`, as the proposer saw the offer."""

    terms: MaterialTerms
    document: str
    by: str
    on: date


class ApproveTerms(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    signing: Signing
    on: date


class CommitMaterialLoan(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The facility has reserved the headroom. Never `Refused`."""


class RefuseMaterialLoan(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The facility has none. Never `Refused`."""

    reason: str
    detail: str


class ProposeDeferral(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    deferral: DeferralId
    condition: str
    evidence: TypedText
    due_on: date
    document: str  # the SHA-256 of `deferral_document`
    by: str


class ApproveDeferral(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    deferral: DeferralId
    signing: Signing
    on: date


def offer(command: OfferMaterialLoan, loan: MaterialLoan) -> Sequence[MaterialEvent]:
    if loan.id is not None and loan.status != "withdrawn":
        return []
    return [
        MaterialLoanOffered(
            loan=command.loan,
            partner=command.partner,
            award=command.award,
            decision=command.decision,
            release=command.release,
            product=command.product,
            mass_g=command.mass_g,
            return_on=command.return_on,
            draw_by=command.draw_by,
        )
    ]


def withdraw_offer(command: WithdrawOffer, loan: MaterialLoan) -> Sequence[MaterialEvent]:
    """An award that has gone was never released, so nothing can have been drawn."""
    if loan.id is None or loan.status not in ("offered", "proposed", "approved", "committed"):
        return []
    return [withdrawn(loan, loan.id, command.reason)]


def withdraw(command: WithdrawMaterialLoan, loan: MaterialLoan) -> Sequence[MaterialEvent] | Refusal:
    if loan.id is None:
        return not_found()
    match loan.status:
        case "offered" | "proposed":
            return [withdrawn(loan, loan.id, command.reason)]
        case "approved":
            return Refused(Reason.AWAITING_COMMITMENT, "the facility is being asked", accepted="the same a moment later")
        case "committed" | "lent":
            return Refused(Reason.COMMITTED, "it is committed", accepted="cancel its release")
        case _:
            return closed(loan)


def withdrawn(loan: MaterialLoan, id: MaterialLoanId, reason: TypedText) -> MaterialLoanWithdrawn:
    return MaterialLoanWithdrawn(
        loan=id,
        partner=loan.partner,
        release=loan.release,
        decision=loan.decision,
        product=loan.product,
        facility=None if loan.terms is None else loan.terms.facility,
        reason=reason,
    )


def terms_document(loan: MaterialLoan, terms: MaterialTerms) -> bytes:
    """What is signed of an offer."""
    assert loan.id is not None, "only what is offered has terms"
    paper = MaterialTermsPaper(
        loan=loan.id, partner=loan.partner, product=loan.product, mass_g=loan.mass_g, decision=loan.decision, terms=terms
    )
    return canonical(paper)


def propose_terms(command: ProposeTerms, loan: MaterialLoan) -> Sequence[MaterialEvent] | Refusal:
    if loan.id is None:
        return not_found()
    if loan.status in ("closed", "withdrawn"):
        return closed(loan)
    if loan.status not in ("offered", "proposed"):
        return Refused(Reason.ALREADY_AGREED, "its terms are agreed", accepted="a deferral, for another day")
    if (fault := _fault(command, loan)) is not None:
        return fault
    if command.document != sha256(terms_document(loan, command.terms)).hexdigest():
        return Refused(Reason.TERMS_STALE, "the offer has changed meanwhile: propose again")
    return [
        MaterialTermsProposed(loan=loan.id, partner=loan.partner, terms=command.terms, document=command.document, proposed_by=command.by)
    ]


def _fault(command: ProposeTerms, loan: MaterialLoan) -> Refused[Reason] | None:
    terms = command.terms
    if not command.on < terms.due_on <= loan.return_on:
        return _invalid(f"{terms.due_on} is no day to come that the award allows", "/due_on", f"after {command.on}, to {loan.return_on}")
    numbers = (
        (terms.content, "/content", 0, 1),
        (terms.premium.base_pct, "/premium/base_pct", 0, MAX_PCT),
        (terms.premium.step_pct, "/premium/step_pct", 0, MAX_PCT),
        (terms.deferral_pct, "/deferral_pct", 0, MAX_PCT),
        (terms.splitting_limit, "/splitting_limit", 0, 1),
        (terms.security.haircut, "/security/haircut", 0, 1),
        (terms.security.required_cover, "/security/required_cover", 0, MAX_PCT),
    )
    for text, field, least, most in numbers:
        if (number := exact(text)) is None or not least <= number <= most:
            return _invalid(f"{text!r} is out of range", field, f"{least} to {most}")
    if not 1 <= terms.premium.step_days <= MAX_STEP_DAYS:
        return _invalid("the premium rises after so many days", "/premium/step_days", f"1 to {MAX_STEP_DAYS}")
    if nominal_g(loan, terms) < 1:
        return _invalid("the goods would contain nothing that could be owed", "/element")
    if len(set(terms.deferral_conditions)) < len(terms.deferral_conditions):
        return _invalid("a condition is named twice", "/deferral_conditions", "each once")
    return None


def approve_terms(command: ApproveTerms, loan: MaterialLoan) -> Sequence[MaterialEvent | AuthorityCited] | Refusal:
    if loan.id is None:
        return not_found()
    if loan.status in ("closed", "withdrawn"):
        return closed(loan)
    if loan.status != "proposed" or (proposal := loan.proposal) is None:
        return Refused(Reason.NOTHING_PROPOSED, "no terms wait for an approval")
    if isinstance(signed := sign(proposal, command.signing, _action("lend_material", loan)), Refused):
        return signed
    terms = proposal.terms
    if terms.due_on <= command.on:
        return Refused(Reason.DATE_IN_PAST, f"{terms.due_on} is no day to come: propose again")
    approval, cited = signed
    return [
        MaterialTermsApproved(
            loan=loan.id,
            partner=loan.partner,
            document=proposal.document,
            approval=approval,
            facility=terms.facility,
            element=terms.element,
            contained_g=nominal_g(loan, terms),
            keys=("instrument/material", f"partner/{loan.partner}", f"element/{terms.element}"),
        ),
        AuthorityCited(matter=loan.id, cited=cited),
    ]


def commit(loan: MaterialLoan) -> Sequence[MaterialEvent]:
    """Of a loan that was withdrawn meanwhile, the headroom is given back by what the withdrawal sets off."""
    if loan.id is None or loan.status != "approved":
        return []
    terms = agreed(loan)
    return [
        MaterialLoanCommitted(
            loan=loan.id,
            partner=loan.partner,
            release=loan.release,
            decision=loan.decision,
            product=loan.product,
            facility=terms.facility,
            document=loan.document,
            element=terms.element,
            contained_g=loan.headroom_g,
            due_on=terms.due_on,
        )
    ]


def refuse(command: RefuseMaterialLoan, loan: MaterialLoan) -> Sequence[MaterialEvent]:
    if loan.id is None or loan.status != "approved":
        return []
    return [MaterialCommitmentRefused(loan=loan.id, partner=loan.partner, reason=command.reason, detail=command.detail)]


def deferral_document(loan: MaterialLoan, deferral: DeferralId, condition: str, evidence: TypedText, due_on: date) -> bytes:
    assert loan.id is not None, "only what is lent has a day"
    paper = DeferralPaper(
        loan=loan.id,
        deferral=deferral,
        terms=loan.document,
        condition=condition,
        evidence=evidence,
        due_on=due_on,
        premium_pct=None if loan.terms is None else loan.terms.deferral_pct,
    )
    return canonical(paper)


def propose_deferral(command: ProposeDeferral, loan: MaterialLoan) -> Sequence[MaterialEvent] | Refusal:
    if (fault := not_lent(loan)) is not None:
        return fault
    assert loan.id is not None and loan.due_on is not None
    terms = agreed(loan)
    if command.condition not in terms.deferral_conditions:
        named = ", ".join(terms.deferral_conditions) or "none: the terms allow no deferral"
        return Refused(Reason.DEFERRAL_CONDITION, f"the terms do not name {command.condition!r}", "/condition", named)
    if command.due_on <= loan.due_on:
        return _not_later(loan.due_on)
    if (
        command.document
        != sha256(deferral_document(loan, command.deferral, command.condition, command.evidence, command.due_on)).hexdigest()
    ):
        return Refused(Reason.TERMS_STALE, "the loan has changed meanwhile: propose again")
    return [
        DeferralProposed(
            loan=loan.id,
            partner=loan.partner,
            deferral=command.deferral,
            condition=command.condition,
            evidence=command.evidence,
            due_on=command.due_on,
            premium_pct=terms.deferral_pct,
            document=command.document,
            proposed_by=command.by,
        )
    ]


def approve_deferral(command: ApproveDeferral, loan: MaterialLoan) -> Sequence[MaterialEvent | AuthorityCited] | Refusal:
    if (fault := not_lent(loan)) is not None:
        return fault
    assert loan.id is not None and loan.due_on is not None
    if (asked := loan.deferrals.get(command.deferral)) is None:
        return Refused(Reason.DEFERRAL_NOT_FOUND, f"no deferral {command.deferral} waits for an approval", "path:deferral")
    if isinstance(signed := sign(asked, command.signing, _action("amend_conditions", loan)), Refused):
        return signed
    if asked.due_on <= loan.due_on:
        return _not_later(loan.due_on)
    if asked.due_on <= command.on:
        return Refused(Reason.DATE_IN_PAST, f"{asked.due_on} is no day to come: propose again")
    approval, cited = signed
    return [
        DeferralApproved(
            loan=loan.id,
            partner=loan.partner,
            deferral=command.deferral,
            condition=asked.condition,
            document=asked.document,
            approval=approval,
            due_on=asked.due_on,
            premium_pct=asked.premium_pct,
            from_on=command.on,
        ),
        AuthorityCited(matter=loan.id, cited=cited),
    ]


def nominal_g(loan: MaterialLoan, terms: MaterialTerms) -> int:
    """Contained grams of the whole award, by the stated content."""
    return min(MAX_INTEGER, round_half_even(loan.mass_g * Fraction(terms.content)))


def exact(text: str) -> Fraction | None:
    """None: it is no number."""
    try:
        return Fraction(text)
    except (ValueError, ZeroDivisionError):
        return None


def _action(act: str, loan: MaterialLoan) -> Action:
    return of_metal(act, loan.product, loan.mass_g, loan.partner, name_of_use(f"material/{loan.id}", act, ""))


def not_found() -> Refused[Reason]:
    return Refused(Reason.NOT_FOUND, "there is no such material loan", "path:loan")


def closed(loan: MaterialLoan) -> Refused[Reason]:
    return Refused(Reason.CLOSED, f"it is {loan.status}")


def not_lent(loan: MaterialLoan) -> Refused[Reason] | None:
    """Why nothing of it can come back, be put off or be secured."""
    if loan.id is None:
        return not_found()
    if loan.status in ("closed", "withdrawn"):
        return closed(loan)
    return Refused(Reason.NOTHING_LENT, "nothing of it is out", accepted="a loan that was drawn") if not loan.out_g else None


def _invalid(detail: str, field: str, accepted: str | None = None) -> Refused[Reason]:
    return Refused(Reason.TERMS_INVALID, detail, field, accepted)


def _not_later(due_on: date) -> Refused[Reason]:
    return Refused(Reason.DEFERRAL_NOT_LATER, f"it is due on {due_on}", "/due_on", f"after {due_on}")
