"""Material loan: metal that an award lends to a partner, from the offer to the day when nothing is owed any more.

offered -> terms proposed -> approved by a second person's signature -> the facility reserves headroom -> committed: the release may be
drawn -> lent -> returns, received and pending, settled and credited -> closed. Ways out: withdrawn; never drawn; settled in cash; replaced
at the borrower's cost after a default.
"""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import assert_never

from services.loans.domain.material.defaults import (
    ConfirmMaterialDefault,
    DeclareMaterialDefault,
    LapseMaterialDefault,
    RecordReplacement,
    confirm_default,
    declare_default,
    lapse_default,
    replace_material,
)
from services.loans.domain.material.held import (
    CheckCall,
    CheckDue,
    EndDrawing,
    MarkSecurity,
    RecordLent,
    RecordTakenBack,
    SettleInCash,
    TopUpSecurity,
    check_call,
    check_due,
    end_drawing,
    mark_security,
    record_lent,
    record_taken_back,
    settle_in_cash,
    top_up,
)
from services.loans.domain.material.returns import (
    AssayReturn,
    CreditReturn,
    ReceiveReturn,
    TurnBackReturn,
    WithdrawReturn,
    assay_return,
    credit,
    receive,
    turn_back,
    withdraw_return,
)
from services.loans.domain.material.state import MaterialLoan, evolve
from services.loans.domain.material.terms import (
    ApproveDeferral,
    ApproveTerms,
    CommitMaterialLoan,
    OfferMaterialLoan,
    ProposeDeferral,
    ProposeTerms,
    Refusal,
    RefuseMaterialLoan,
    WithdrawMaterialLoan,
    WithdrawOffer,
    approve_deferral,
    approve_terms,
    commit,
    offer,
    propose_deferral,
    propose_terms,
    refuse,
    withdraw,
    withdraw_offer,
)
from services.loans.events.authority import AuthorityCited
from services.loans.events.material import (
    ClosingCause,
    DeferralApproved,
    MaterialCashSettled,
    MaterialDefaultConfirmed,
    MaterialDefaultCured,
    MaterialDefaulted,
    MaterialEvent,
    MaterialLoanClosed,
    MaterialLoanCommitted,
    MaterialReplaced,
    SecurityMarked,
    SecurityToppedUp,
)
from shared.journal.decider import CancelTimer, Decider, Refused, Timer

type Command = (
    OfferMaterialLoan
    | WithdrawOffer
    | WithdrawMaterialLoan
    | ProposeTerms
    | ApproveTerms
    | CommitMaterialLoan
    | RefuseMaterialLoan
    | RecordLent
    | RecordTakenBack
    | EndDrawing
    | CheckDue
    | CheckCall
    | ProposeDeferral
    | ApproveDeferral
    | ReceiveReturn
    | AssayReturn
    | CreditReturn
    | TurnBackReturn
    | WithdrawReturn
    | MarkSecurity
    | TopUpSecurity
    | SettleInCash
    | DeclareMaterialDefault
    | ConfirmMaterialDefault
    | LapseMaterialDefault
    | RecordReplacement
)


def decide(command: Command, loan: MaterialLoan) -> Sequence[MaterialEvent | AuthorityCited] | Refusal:
    events = _decide(command, loan)
    return events if isinstance(events, Refused) else _and_closed(events, loan)


def _decide(command: Command, loan: MaterialLoan) -> Sequence[MaterialEvent | AuthorityCited] | Refusal:
    match command:
        case OfferMaterialLoan():
            return offer(command, loan)
        case WithdrawOffer():
            return withdraw_offer(command, loan)
        case WithdrawMaterialLoan():
            return withdraw(command, loan)
        case ProposeTerms():
            return propose_terms(command, loan)
        case ApproveTerms():
            return approve_terms(command, loan)
        case CommitMaterialLoan():
            return commit(loan)
        case RefuseMaterialLoan():
            return refuse(command, loan)
        case RecordLent():
            return record_lent(command, loan)
        case RecordTakenBack():
            return record_taken_back(command, loan)
        case EndDrawing():
            return end_drawing(command, loan)
        case CheckDue():
            return check_due(command, loan)
        case CheckCall():
            return check_call(command, loan)
        case ProposeDeferral():
            return propose_deferral(command, loan)
        case ApproveDeferral():
            return approve_deferral(command, loan)
        case ReceiveReturn():
            return receive(command, loan)
        case AssayReturn():
            return assay_return(command, loan)
        case CreditReturn():
            return credit(command, loan)
        case WithdrawReturn():
            return withdraw_return(command, loan)
        case TurnBackReturn():
            return turn_back(command, loan)
        case MarkSecurity():
            return mark_security(command, loan)
        case TopUpSecurity():
            return top_up(command, loan)
        case SettleInCash():
            return settle_in_cash(command, loan)
        case DeclareMaterialDefault():
            return declare_default(command, loan)
        case ConfirmMaterialDefault():
            return confirm_default(command, loan)
        case LapseMaterialDefault():
            return lapse_default(command, loan)
        case RecordReplacement():
            return replace_material(command, loan)
        case _:
            assert_never(command)


def _and_closed(events: Sequence[MaterialEvent | AuthorityCited], loan: MaterialLoan) -> Sequence[MaterialEvent | AuthorityCited]:
    """Once nothing is out, on its way back or still to be drawn, the loan is closed: whatever it was that came last."""
    after = loan
    for event in events:
        after = evolve(after, event)
    if not events or after.id is None or after.terms is None or after.status not in ("committed", "lent"):
        return events
    if after.out_g or after.returns or after.undrawn_g:
        return events
    closed = MaterialLoanClosed(
        loan=after.id,
        partner=after.partner,
        facility=after.terms.facility,
        cause=_cause(events[-1], after),
        excess_g=-after.books.excess_g,
    )
    return [*events, closed]


def _cause(last: MaterialEvent | AuthorityCited, loan: MaterialLoan) -> ClosingCause:
    match last:
        case MaterialCashSettled():
            return "cash_settled"
        case MaterialReplaced():
            return "replaced"
        case _:
            return "returned" if loan.returned_g else "never_drawn"


def timers(event: MaterialEvent | AuthorityCited) -> Sequence[Timer | CancelTimer]:
    match event:
        case MaterialLoanCommitted() | DeferralApproved():
            due = event.due_on + timedelta(days=1)
            return [Timer("due", due, CheckDue(on=due))]
        case SecurityMarked(call_due_on=date() as last):
            late = last + timedelta(days=1)
            return [Timer("call", late, CheckCall(on=late))]
        case SecurityMarked() | SecurityToppedUp(call_minor=0):
            return [CancelTimer("call")]
        case MaterialDefaulted(lapses_at=datetime() as at):
            return [Timer.at_instant("default", at, LapseMaterialDefault(lapses_at=at))]
        case MaterialDefaulted() | MaterialDefaultConfirmed() | MaterialDefaultCured():
            return [CancelTimer("default")]
        case MaterialLoanClosed():
            return [CancelTimer("due"), CancelTimer("call"), CancelTimer("default")]
        case _:
            return ()


DECIDER = Decider(kind="material", initial=MaterialLoan(), commands=Command, decide=decide, evolve=evolve, timers=timers)
