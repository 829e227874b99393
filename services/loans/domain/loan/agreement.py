"""A loan's agreement: proposed, approved by a second person's key, committed once the facility has reserved its headroom; and the acts
that change it later, each signed in the same way."""

from datetime import date
from fractions import Fraction
from typing import assert_never

import msgspec

from services.loans.domain.approvals import of_money
from services.loans.domain.facility.headroom import Reason as FacilityReason
from services.loans.domain.loan.advances import now_cleared
from services.loans.domain.loan.books import NO_CHANGE, NO_FIGURES, arrears, day_fault, enter, entered, owed_minor, planned_fault, repaid
from services.loans.domain.loan.defaults import fault_of_way_out, followed
from services.loans.domain.loan.state import (
    IN_DEFAULT,
    OPEN,
    Decided,
    Loan,
    LoanStatus,
    Reason,
    contract_of,
    fault_of_unconfirmed,
    followed_rate,
    guaranteed_by,
    keys_of,
    not_found,
    parties_to,
    seen_precedents,
    with_act,
    wrong_status,
)
from services.loans.domain.loan.terms import MAX_RATE_PCT, fault_of_room, fault_of_schedule, fault_of_terms, rate_invalid
from services.loans.domain.standing.standing import figures_on, opened
from services.loans.events.authority import AuthorityCited, name_of_use
from services.loans.events.loan import (
    ActApproved,
    ActId,
    ActProposed,
    ActWithdrawn,
    BalanceBroughtForward,
    CommitmentRefused,
    LoanApproved,
    LoanCommitted,
    LoanEvent,
    LoanId,
    LoanProposed,
    LoanWithdrawn,
)
from services.loans.events.terms import (
    Accelerate,
    AmendCondition,
    Amendment,
    EndEnforcement,
    LoanTerms,
    Precedent,
    Refund,
    Reinstate,
    Restructure,
    WaiveCondition,
    WaiveCovenant,
    WriteOff,
)
from shared.journal.decider import Refused
from shared.journal.texts import TypedText
from shared.terms.acting import Signing, sign
from shared.terms.authority import Action
from shared.terms.conditions import fault_of as fault_of_condition


class ProposeLoan(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """`shortage`: what the facility would say now; None: that it has the headroom."""

    loan: LoanId
    terms: LoanTerms
    document: str
    by: str
    on: date
    shortage: Refused[FacilityReason] | None = None


class ApproveLoan(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    signing: Signing


class WithdrawLoan(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Before it is committed."""

    reason: TypedText
    by: frozenset[str] = frozenset()  # who withdraws it, by every account of theirs; nobody: it is proposed, and signed by another


class CommitLoan(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The facility has reserved its headroom. Total."""

    on: date


class RefuseCommitment(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The facility has none. Total."""

    reason: str
    detail: str


class ProposeAct(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    act: ActId
    content: Amendment
    reason: TypedText
    document: str
    by: str
    on: date


class ApproveAct(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    act: ActId
    signing: Signing
    on: date


class WithdrawAct(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    act: ActId
    reason: TypedText
    by: frozenset[str] = frozenset()  # who withdraws it, by every account of theirs; nobody: it is proposed, and signed by another


type AgreementCommand = ProposeLoan | ApproveLoan | WithdrawLoan | CommitLoan | RefuseCommitment | ProposeAct | ApproveAct | WithdrawAct


def decide_agreement(command: AgreementCommand, loan: Loan) -> Decided:
    match command:
        case ProposeLoan():
            if loan.id is not None:
                return Refused(Reason.ALREADY_PROPOSED, f"{loan.id} is proposed already")
            if (fault := fault_of_terms(command.terms, command.on)) is not None:
                return fault
            if command.shortage is not None:
                return command.shortage
            return [LoanProposed(loan=command.loan, terms=command.terms, document=command.document, proposed_by=command.by)]
        case ApproveLoan():
            return _approve(command, loan)
        case WithdrawLoan():
            if loan.id is None:
                return not_found()
            if loan.status is not LoanStatus.PROPOSED:
                return wrong_status(loan, "proposed")
            return [LoanWithdrawn(loan=loan.id, reason=command.reason)]
        case CommitLoan():
            return _commit(command, loan)
        case RefuseCommitment():
            if loan.id is None or loan.status is not LoanStatus.APPROVED:
                return []
            return [CommitmentRefused(loan=loan.id, reason=command.reason, detail=command.detail)]
        case ProposeAct():
            return _propose_act(command, loan)
        case ApproveAct():
            return _approve_act(command, loan)
        case WithdrawAct():
            if loan.id is None:
                return not_found()
            if command.act not in loan.acts:
                return _act_not_found(command.act)
            return [ActWithdrawn(loan=loan.id, act=command.act, reason=command.reason)]
        case _:
            assert_never(command)


def _approve(command: ApproveLoan, loan: Loan) -> Decided:
    if loan.id is None or loan.terms is None or loan.proposal is None:
        return not_found()
    if loan.status is not LoanStatus.PROPOSED:
        return wrong_status(loan, "proposed")
    action = _action("commit_loan", loan.terms, loan.terms.commitment_minor, name_of_use(f"loan/{loan.id}", "commit_loan", ""))
    if isinstance(signed := sign(loan.proposal, command.signing, action), Refused):
        return signed
    approval, cited = signed
    approved = LoanApproved(
        loan=loan.id,
        document=loan.proposal.document,
        approval=approval,
        facility=loan.terms.facility,
        currency=loan.terms.currency,
        commitment_minor=loan.terms.commitment_minor,
        keys=keys_of(loan.terms),
        guaranteed=guaranteed_by(loan.terms),
    )
    return [approved, AuthorityCited(matter=loan.id, cited=cited)]


def _commit(command: CommitLoan, loan: Loan) -> list[LoanEvent]:
    if loan.id is None or loan.terms is None or loan.status is not LoanStatus.APPROVED:
        return []
    brought = loan.imported
    on = command.on if brought is None else brought.as_of
    account = opened(contract_of(loan.terms, on))
    committed = LoanCommitted(
        loan=loan.id,
        on=on,
        facility=loan.terms.facility,
        project=loan.terms.project,
        borrower=loan.terms.borrower,
        currency=loan.terms.currency,
        commitment_minor=loan.terms.commitment_minor,
        sunset_on=loan.terms.sunset_on,
        available_until=loan.terms.available_until,
        subsequents={each.name: each.due for each in loan.terms.subsequents},
        next_billing=figures_on(account, on).next_billing,
        reference_rate=followed_rate(loan.terms),
    )
    if brought is None:
        return [committed]
    forward = BalanceBroughtForward(
        loan=loan.id,
        facility=loan.terms.facility,
        reference=brought.reference,
        currency=loan.terms.currency,
        as_of=brought.as_of,
        advanced_minor=brought.advanced_minor,
        repaid_minor=brought.repaid_minor,
        undrawn_minor=loan.terms.commitment_minor - brought.advanced_minor,
        change=NO_CHANGE,
        after=NO_FIGURES,
    )
    begun = msgspec.structs.replace(loan, account=account)
    forward = entered(begun, forward, command.on)
    begun = msgspec.structs.replace(begun, status=LoanStatus.COMMITTED, advanced_minor=brought.advanced_minor)
    return [committed, forward, *arrears(begun, forward.after), *repaid(begun, forward.after)]


def _propose_act(command: ProposeAct, loan: Loan) -> Decided:
    if (fault := _fault_of_act(command.content, loan, command.on)) is not None:
        return fault
    assert loan.id is not None
    return [
        ActProposed(
            loan=loan.id,
            act=command.act,
            content=command.content,
            reason=command.reason,
            document=command.document,
            proposed_by=command.by,
        )
    ]


def _approve_act(command: ApproveAct, loan: Loan) -> Decided:
    if loan.id is None or loan.terms is None:
        return not_found()
    if (act := loan.acts.get(command.act)) is None:
        return _act_not_found(command.act)
    if isinstance(signed := sign(act, command.signing, _action_of(act.content, loan.terms)), Refused):
        return signed
    if (late := _fault_of_act(act.content, loan, command.on)) is not None:  # what could be when it was proposed
        return late
    approval, cited = signed
    approved = ActApproved(
        loan=loan.id,
        act=command.act,
        content=act.content,
        document=act.document,
        approval=approval,
        currency=loan.terms.currency,
        change=NO_CHANGE,
        after=NO_FIGURES,
    )
    approved = entered(loan, approved, command.on)
    changed = with_act(enter(loan, approved), act.content)
    cleared = now_cleared(changed, seen_precedents(changed, command.on)) if loan.status is LoanStatus.COMMITTED else []
    return [approved, AuthorityCited(matter=loan.id, cited=cited), *followed(changed, act.content, approved.after, command.on), *cleared]


def _fault_of_act(content: Amendment, loan: Loan, on: date) -> Refused[Reason] | None:
    """Why the loan cannot be changed so."""
    if loan.id is None or loan.terms is None:
        return not_found()
    open = OPEN if isinstance(content, Refund) else (LoanStatus.COMMITTED, *IN_DEFAULT)
    if loan.account is None or loan.status not in open:
        return wrong_status(loan, "committed, or in default")
    match content:
        case AmendCondition(name=name, condition=condition):
            if (fault := fault_of_condition(condition)) is not None:
                return Refused(Reason.CONDITION_INVALID, fault, "/condition")
            others = [each for each in loan.terms.precedents if each.name != name]
            amended = Precedent(name=name, text=content.text, condition=condition)
            return _unless_named(loan.terms, name) or fault_of_room([*others, amended, *loan.terms.subsequents])
        case WaiveCondition(name=name):
            return _unless_named(loan.terms, name)
        case WaiveCovenant(kind=kind):
            if kind not in loan.covenants:
                return Refused(
                    Reason.COVENANT_NOT_FOUND, f"the loan has no covenant {kind}", "/kind", ", ".join(sorted(loan.covenants)) or None
                )
            return None
        case Restructure() if loan.accelerated is not None:
            return Refused(Reason.ACCELERATED, "no schedule counts any more", accepted="the act reinstate first")
        case Restructure(schedule=schedule, rate_pct=rate_pct):
            if rate_pct is not None and not 0 <= Fraction(rate_pct) <= MAX_RATE_PCT:
                return rate_invalid("/rate_pct")
            rate = str(Fraction(loan.terms.base_pct) + Fraction(loan.terms.margin_pct)) if rate_pct is None else rate_pct
            far = planned_fault(loan, schedule.start, on, "/schedule/start")
            return far or fault_of_schedule(schedule, loan.terms.commitment_minor, rate)
        case Accelerate() | Reinstate() | EndEnforcement() | Refund():
            early = day_fault(loan, content.on, on, "/on") if isinstance(content, Refund) else None
            return early or fault_of_way_out(content, loan, on)
        case WriteOff(amount_minor=amount, on=day):
            if (fault_of_day := day_fault(loan, day, on, "/on")) is not None:
                return fault_of_day
            owed = 0 if loan.figures is None else owed_minor(loan.figures) - loan.figures.accrued_minor
            if (unconfirmed := fault_of_unconfirmed(loan)) is not None:
                return unconfirmed
            if not 0 < amount <= owed:
                return Refused(Reason.WRITE_OFF_BEYOND, f"{owed} are owed", "/amount_minor", f"1 to {owed}")
            return None
        case _:
            assert_never(content)


def _action_of(content: Amendment, terms: LoanTerms) -> Action:
    """What an act needs power to do, and of how much money: of what is written off, or of the loan that is changed."""
    match content:
        case AmendCondition() | Restructure() | Accelerate() | Reinstate() | EndEnforcement():
            return _action("amend_conditions", terms, terms.commitment_minor)
        case Refund(amount_minor=amount):
            return _action("amend_conditions", terms, amount)
        case WaiveCondition() | WaiveCovenant():
            return _action("waive_condition", terms, terms.commitment_minor)
        case WriteOff(amount_minor=amount):
            return _action("write_off", terms, amount)
        case _:
            assert_never(content)


def _action(act: str, terms: LoanTerms, amount_minor: int, name: str = "") -> Action:
    return of_money(act, amount_minor, terms.currency, parties_to(terms), name)


def _unless_named(terms: LoanTerms, name: str) -> Refused[Reason] | None:
    names = [each.name for each in terms.precedents]
    if name in names:
        return None
    return Refused(Reason.CONDITION_NOT_FOUND, f"the loan has no condition precedent {name}", "/name", ", ".join(names) or None)


def _act_not_found(act: ActId) -> Refused[Reason]:
    return Refused(Reason.ACT_NOT_FOUND, f"no act {act} waits for approval", "path:act")
