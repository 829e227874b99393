"""Controls: what each command of the books, terms and registers of allocation does to what people hold, and so who may give it."""

from collections.abc import Iterable
from typing import Any

import msgspec

from services.allocation.domain.authority.approver import ConfirmRevocation, EnrolKey, RestoreKey, RevokeKey
from services.allocation.domain.authority.approver_key import ClaimKey
from services.allocation.domain.authority.ceremony import EnterInstrument, EnterKey
from services.allocation.domain.authority.instrument import (
    ConfirmEnd,
    EndInstrument,
    NameActingOfficer,
    RegisterInstrument,
    RestoreInstrument,
)
from services.allocation.domain.authority.official import (
    ConfirmConflict,
    DeclareConflict,
    LapseConflict,
    NamePerson,
    Official,
    WithdrawConflict,
)
from services.allocation.domain.book.approvals import ApproveRound
from services.allocation.domain.book.carries import EndCarry, ExpireCarry, FollowAgreement
from services.allocation.domain.book.decider import OpenBook
from services.allocation.domain.book.declining import ConfirmDecline, DeclineRequest, LapseDecline
from services.allocation.domain.book.emergency import MissRatification, RatifyRound
from services.allocation.domain.book.giving_back import GiveBack
from services.allocation.domain.book.lapses import LapseApprovals
from services.allocation.domain.book.objections import AnswerObjection, RaiseObjection
from services.allocation.domain.book.opening import OpenRound
from services.allocation.domain.book.reminders import RemindOfScreening
from services.allocation.domain.book.requests import AcceptRequest, ExpireRequest, SubmitRequest, WithdrawRequest
from services.allocation.domain.book.rounds import CancelRound, CertifyRound, CloseRound, ProposeRound, ReopenRound
from services.allocation.domain.book.screening import DecideHit, LapseHit, ScreenParties
from services.allocation.domain.book.state import Book, Round
from services.allocation.domain.clocks.clock import (
    AdvanceClock,
    CheckClock,
    ConfirmPause,
    EndClock,
    LapsePause,
    PauseClock,
    ResumeClock,
    SetClockBack,
    StartClock,
)
from services.allocation.domain.decisions.renouncing import RenounceAward
from services.allocation.domain.decisions.report import SendReport
from services.allocation.domain.decisions.review import AssignReview, ConcludeReview, LapseReview, RequestReview
from services.allocation.domain.decisions.superseding import SupersedeDecision
from services.allocation.domain.partners.agreement import (
    Agreement,
    AmendAgreement,
    ConfirmSuspension,
    EndAgreement,
    LapseSuspension,
    ResumeAgreement,
    SignAgreement,
    SuspendAgreement,
)
from services.allocation.domain.partners.disruption import DeclareDisruption, Disruption, EndDisruption, ReviseDisruption
from services.allocation.domain.partners.partner import RegisterPartner, RegisterPartnerKey, RevokePartnerKey
from services.allocation.domain.partners.tally import TallyDays
from services.allocation.domain.policies.policy import (
    ActivateVersion,
    ApproveVersion,
    DraftVersion,
    NoteUse,
    Policy,
    ReviseVersion,
    SubmitVersion,
    WithdrawVersion,
)
from services.allocation.domain.readiness.readiness import CheckItem, ClearItem, RenewItem, WithdrawItem
from services.allocation.domain.screening.consignee import (
    ApproveChange,
    AskForConsignee,
    Consignee,
    DecideConsigneeHit,
    LapseConsigneeHit,
    RefuseChange,
    ScreenConsignee,
)
from services.allocation.domain.screening.screening_list import PutListInForce, ScreeningList, WithdrawList
from services.allocation.domain.tenders.bid import CommitBid, RevealBid, VoidBid
from services.allocation.domain.tenders.decider import (
    ApproveTender,
    CancelTender,
    CertifyTender,
    CloseBidding,
    CloseTender,
    ProposeTender,
    ReopenTender,
    concerns_of,
)
from services.allocation.domain.tenders.opening import OpenTender
from services.allocation.domain.tenders.state import Tender
from services.allocation.events import (
    AuthorityCited,
    CommandApproved,
    CommandLapsed,
    CommandProposed,
    CommandWithdrawn,
    PartnerCode,
    ProductId,
)
from services.allocation.events.authority import Power
from shared.terms.authority import Action, interest_in
from shared.terms.countersigning import Class, Controls, Countersigned, ProposalEvents
from shared.terms.reach import ReportReach


def _sign(command: SignAgreement, _: Agreement) -> Action:
    products = [terms.product for terms in command.products]
    return _about(Power.SIGN_AGREEMENT, products, [command.partner], sum(terms.yearly_quota_g for terms in command.products))


def _amend(command: AmendAgreement, state: Agreement) -> Action:
    products = {*state.products, *(terms.product for terms in command.products)}
    return _about(Power.SIGN_AGREEMENT, products, _partner_of(state), sum(terms.yearly_quota_g for terms in command.products))


def _agreed(_: EndAgreement | ResumeAgreement, state: Agreement) -> Action:
    return _about(Power.SIGN_AGREEMENT, state.products, _partner_of(state))


def _partner_of(state: Agreement) -> list[PartnerCode]:
    return [] if state.partner is None else [state.partner]


def _declare(command: DeclareDisruption, _: Disruption) -> Action:
    return _about(Power.DECLARE_DISRUPTION, command.products, command.partners)


def _revise(command: ReviseDisruption, state: Disruption) -> Action:
    return _about(Power.DECLARE_DISRUPTION, state.products, {*state.partners, *command.partners})


def _calm(_: EndDisruption, state: Disruption) -> Action:
    return _about(Power.DECLARE_DISRUPTION, state.products, state.partners)


def _clears(command: DecideHit | DecideConsigneeHit, _: Any) -> bool:
    return command.outcome == "cleared"


def _clear(command: DecideHit, state: Book) -> Action:
    companies = [interest_in("company", name) for name in command.companies]
    request = state.requests.get(command.request)
    if state.product is None or request is None:  # which the decision refuses
        return Action(act=Power.CLEAR_HIT, concerns=companies)
    about = _about(Power.CLEAR_HIT, [state.product], [request.partner], request.mass_g)
    return msgspec.structs.replace(about, concerns=(*about.concerns, *companies))


def _is_anothers(command: CancelRound, state: Book) -> bool:
    """Whether another person opened it, or somebody has signed a decision of it: what is thrown away then is their word, too, also where it
    has fallen since."""
    round = state.rounds.get(command.round)
    if round is None or round.certified:
        return False
    return _opened_by_another(command, round) or round.signed


def _opened_by_another(command: CancelRound | CancelTender, state: Round | Tender) -> bool:
    return state.opened_by is not None and state.opened_by not in command.by


def _cancel(command: CancelRound, state: Book) -> Action:
    """Nothing is released yet, so no grams of it count towards a limit."""
    round = state.rounds.get(command.round)
    if state.product is None or round is None:  # which the decision refuses
        return Action(act=Power.CANCEL_RELEASE)
    partners = {request.partner for name in round.requests if (request := state.requests.get(name)) is not None}
    return _about(Power.CANCEL_RELEASE, [state.product], partners)


def _tender_is_anothers(command: CancelTender, state: Tender) -> bool:
    """The same of a tender."""
    if state.ended or state.certified:
        return False
    return _opened_by_another(command, state) or state.signed


def _cancel_tender(_: CancelTender, state: Tender) -> Action:
    return Action(
        act=Power.CANCEL_RELEASE, product=None if state.terms is None else state.terms.product, concerns=tuple(sorted(concerns_of(state)))
    )


def _version_is_anothers(command: WithdrawVersion, state: Policy) -> bool:
    """Whether rounds are, or will be, held under it: none is opened without it, until two have approved another. Or whether it waits,
    and another drafted it."""
    if (version := state.versions.get(command.version)) is None:
        return False
    waits = version.status in ("draft", "submitted")
    return version.status == "approved" or (waits and version.drafted_by not in command.accounts)


def _withdraw_version(_: WithdrawVersion, __: Policy) -> Action:
    return Action(act=Power.APPROVE_POLICY)


def _clear_consignee(_: DecideConsigneeHit, state: Consignee) -> Action:
    return Action(act=Power.CLEAR_HIT, concerns=(interest_in("company", state.name),))


def _list(_: PutListInForce | WithdrawList, __: ScreeningList) -> Action:
    return Action(act=Power.SCREENING_LIST)


def _withdraw_conflict(command: WithdrawConflict, _: Official) -> Action:
    """Whoever has the same interest does not sign it: no account of whose it is."""
    return Action(act=Power.WITHDRAW_CONFLICT, concerns=(interest_in(command.about, command.name),))


def _about(act: Power, products: Iterable[ProductId], partners: Iterable[PartnerCode], mass_g: int | None = None) -> Action:
    """Of several products: only an authority over all of them covers it."""
    named = sorted(set(products))
    concerns = (*(interest_in("product", name) for name in named), *(interest_in("partner", name) for name in sorted(set(partners))))
    return Action(act=act, product=named[0] if len(named) == 1 else None, mass_g=mass_g, concerns=concerns)


CONTROLS: Controls = {
    RegisterPartner: Class.PREPARES,
    RegisterPartnerKey: Class.MOVES_VALUE,  # with two signatures in its agreement, or that of a key of before
    RevokePartnerKey: Class.PROTECTS,
    TallyDays: Class.FOLLOWS,
    SignAgreement: Countersigned(Power.SIGN_AGREEMENT, _sign),
    AmendAgreement: Countersigned(Power.SIGN_AGREEMENT, _amend),
    EndAgreement: Countersigned(Power.SIGN_AGREEMENT, _agreed),
    SuspendAgreement: Class.PROTECTS,
    ConfirmSuspension: Class.PROTECTS,
    LapseSuspension: Class.FOLLOWS,
    ResumeAgreement: Countersigned(Power.SIGN_AGREEMENT, _agreed),
    DeclareDisruption: Countersigned(Power.DECLARE_DISRUPTION, _declare),
    ReviseDisruption: Countersigned(Power.DECLARE_DISRUPTION, _revise),
    EndDisruption: Countersigned(Power.DECLARE_DISRUPTION, _calm),
    EnrolKey: Class.MOVES_VALUE,  # with another approver's signature over it
    RevokeKey: Class.PROTECTS,
    ConfirmRevocation: Class.PROTECTS,
    RestoreKey: Class.FOLLOWS,
    ClaimKey: Class.FOLLOWS,
    EnterKey: Class.FOLLOWS,
    EnterInstrument: Class.FOLLOWS,
    RegisterInstrument: Class.MOVES_VALUE,  # the same
    NameActingOfficer: Class.MOVES_VALUE,  # the same
    EndInstrument: Class.PROTECTS,
    ConfirmEnd: Class.PROTECTS,
    RestoreInstrument: Class.FOLLOWS,
    NamePerson: Class.MOVES_VALUE,  # the same: it bars one account from what another has done, for ever
    DeclareConflict: Class.PROTECTS,
    ConfirmConflict: Class.PROTECTS,
    LapseConflict: Class.FOLLOWS,
    WithdrawConflict: Countersigned(Power.WITHDRAW_CONFLICT, _withdraw_conflict),
    DraftVersion: Class.PREPARES,
    ReviseVersion: Class.PREPARES,
    SubmitVersion: Class.PREPARES,
    ApproveVersion: Class.MOVES_VALUE,
    WithdrawVersion: Countersigned(
        Power.APPROVE_POLICY, _withdraw_version, only=_version_is_anothers
    ),  # of their own, before that, it prepares
    ActivateVersion: Class.FOLLOWS,
    NoteUse: Class.FOLLOWS,
    GiveBack: Class.FOLLOWS,
    OpenBook: Class.FOLLOWS,
    SubmitRequest: Class.PREPARES,
    AcceptRequest: Class.PREPARES,
    DeclineRequest: Class.PROTECTS,
    ConfirmDecline: Class.PROTECTS,
    LapseDecline: Class.FOLLOWS,
    WithdrawRequest: Class.PREPARES,
    ExpireRequest: Class.FOLLOWS,
    RemindOfScreening: Class.FOLLOWS,
    ScreenParties: Class.FOLLOWS,
    DecideHit: Countersigned(Power.CLEAR_HIT, _clear, only=_clears),  # to confirm it protects
    LapseHit: Class.FOLLOWS,
    ScreenConsignee: Class.FOLLOWS,
    LapseConsigneeHit: Class.FOLLOWS,
    DecideConsigneeHit: Countersigned(Power.CLEAR_HIT, _clear_consignee, only=_clears),
    AskForConsignee: Class.PREPARES,
    ApproveChange: Class.MOVES_VALUE,  # of what another person has asked for
    RefuseChange: Class.PREPARES,
    RaiseObjection: Class.PREPARES,
    AnswerObjection: Class.PREPARES,
    OpenRound: Class.PREPARES,
    ProposeRound: Class.PREPARES,
    ApproveRound: Class.MOVES_VALUE,
    CertifyRound: Class.MOVES_VALUE,
    CancelRound: Countersigned(Power.CANCEL_RELEASE, _cancel, only=_is_anothers),  # of their own, before that, it prepares
    CloseRound: Class.FOLLOWS,
    ReopenRound: Class.FOLLOWS,
    RatifyRound: Class.MOVES_VALUE,
    MissRatification: Class.FOLLOWS,
    LapseApprovals: Class.FOLLOWS,
    ExpireCarry: Class.FOLLOWS,
    EndCarry: Class.FOLLOWS,
    FollowAgreement: Class.FOLLOWS,
    StartClock: Class.FOLLOWS,
    AdvanceClock: Class.FOLLOWS,
    SetClockBack: Class.FOLLOWS,
    EndClock: Class.FOLLOWS,
    CheckClock: Class.FOLLOWS,
    PauseClock: Class.PROTECTS,
    ConfirmPause: Class.PROTECTS,
    LapsePause: Class.FOLLOWS,
    ResumeClock: Class.PREPARES,
    ClearItem: Class.PREPARES,
    RenewItem: Class.PREPARES,
    WithdrawItem: Class.PREPARES,
    CheckItem: Class.FOLLOWS,
    SendReport: Class.PREPARES,
    RenounceAward: Class.EXERCISES,
    SupersedeDecision: Countersigned(Power.CANCEL_RELEASE),
    PutListInForce: Countersigned(Power.SCREENING_LIST, _list),  # the first, too: who is on it is given nothing
    WithdrawList: Countersigned(Power.SCREENING_LIST, _list),
    RequestReview: Class.PREPARES,
    AssignReview: Class.PREPARES,
    ConcludeReview: Class.PREPARES,
    LapseReview: Class.FOLLOWS,
    OpenTender: Class.PREPARES,
    CloseBidding: Class.FOLLOWS,
    ProposeTender: Class.PREPARES,
    ApproveTender: Class.MOVES_VALUE,
    CertifyTender: Class.MOVES_VALUE,
    CancelTender: Countersigned(Power.CANCEL_RELEASE, _cancel_tender, only=_tender_is_anothers),  # the same
    CloseTender: Class.FOLLOWS,
    ReopenTender: Class.FOLLOWS,
    CommitBid: Class.PREPARES,
    RevealBid: Class.EXERCISES,
    VoidBid: Class.FOLLOWS,
    ReportReach: Class.FOLLOWS,
}


EVENTS = ProposalEvents(
    proposed=CommandProposed,
    approved=CommandApproved,
    withdrawn=CommandWithdrawn,
    lapsed=CommandLapsed,
    cited=lambda _, proposal, cited: AuthorityCited(matter=proposal, cited=cited),
)
