"""Controls: what each command of the books, terms and registers of allocation does to what people hold, and so who may give it."""

from services.allocation.domain.authority.approver import EnrolKey, RevokeKey
from services.allocation.domain.authority.approver_key import ClaimKey
from services.allocation.domain.authority.instrument import EndInstrument, NameActingOfficer, RegisterInstrument
from services.allocation.domain.authority.official import DeclareConflict, NamePerson, WithdrawConflict
from services.allocation.domain.book.approvals import ApproveRound
from services.allocation.domain.book.carries import EndCarry, ExpireCarry, FollowAgreement
from services.allocation.domain.book.decider import OpenBook
from services.allocation.domain.book.emergency import MissRatification, RatifyRound
from services.allocation.domain.book.giving_back import GiveBack
from services.allocation.domain.book.lapses import LapseApprovals
from services.allocation.domain.book.objections import AnswerObjection, RaiseObjection
from services.allocation.domain.book.opening import OpenRound
from services.allocation.domain.book.reminders import RemindOfScreening
from services.allocation.domain.book.requests import AcceptRequest, DeclineRequest, ExpireRequest, SubmitRequest, WithdrawRequest
from services.allocation.domain.book.rounds import CancelRound, CertifyRound, CloseRound, ProposeRound, ReopenRound
from services.allocation.domain.book.screening import DecideHit, ScreenParties
from services.allocation.domain.clocks.clock import AdvanceClock, CheckClock, EndClock, PauseClock, ResumeClock, SetClockBack, StartClock
from services.allocation.domain.decisions.renouncing import RenounceAward
from services.allocation.domain.decisions.report import SendReport
from services.allocation.domain.decisions.review import AssignReview, ConcludeReview, RequestReview
from services.allocation.domain.decisions.superseding import SupersedeDecision
from services.allocation.domain.partners.agreement import AmendAgreement, EndAgreement, ResumeAgreement, SignAgreement, SuspendAgreement
from services.allocation.domain.partners.disruption import DeclareDisruption, EndDisruption, ReviseDisruption
from services.allocation.domain.partners.partner import RegisterPartner
from services.allocation.domain.policies.policy import (
    ActivateVersion,
    ApproveVersion,
    DraftVersion,
    NoteUse,
    ReviseVersion,
    SubmitVersion,
    WithdrawVersion,
)
from services.allocation.domain.readiness.readiness import CheckItem, ClearItem, RenewItem, WithdrawItem
from services.allocation.domain.screening.consignee import (
    ApproveChange,
    AskForConsignee,
    DecideConsigneeHit,
    RefuseChange,
    ScreenConsignee,
)
from services.allocation.domain.screening.screening_list import PutListInForce, WithdrawList
from services.allocation.domain.tenders.bid import CommitBid, RevealBid, VoidBid
from services.allocation.domain.tenders.decider import (
    ApproveTender,
    CancelTender,
    CertifyTender,
    CloseBidding,
    CloseTender,
    ProposeTender,
    ReopenTender,
)
from services.allocation.domain.tenders.opening import OpenTender
from shared.terms.countersigning import Class, Controls

CONTROLS: Controls = {
    RegisterPartner: Class.PREPARES,
    SignAgreement: Class.ALONE,
    AmendAgreement: Class.ALONE,
    EndAgreement: Class.ALONE,
    SuspendAgreement: Class.PROTECTS,
    ResumeAgreement: Class.ALONE,
    DeclareDisruption: Class.ALONE,
    ReviseDisruption: Class.ALONE,
    EndDisruption: Class.ALONE,
    EnrolKey: Class.ALONE,
    RevokeKey: Class.PROTECTS,
    ClaimKey: Class.FOLLOWS,
    RegisterInstrument: Class.ALONE,
    NameActingOfficer: Class.ALONE,
    EndInstrument: Class.ALONE,
    NamePerson: Class.PROTECTS,
    DeclareConflict: Class.PROTECTS,
    WithdrawConflict: Class.ALONE,
    DraftVersion: Class.PREPARES,
    ReviseVersion: Class.PREPARES,
    SubmitVersion: Class.PREPARES,
    ApproveVersion: Class.MOVES_VALUE,
    WithdrawVersion: Class.PREPARES,
    ActivateVersion: Class.FOLLOWS,
    NoteUse: Class.FOLLOWS,
    GiveBack: Class.FOLLOWS,
    OpenBook: Class.FOLLOWS,
    SubmitRequest: Class.PREPARES,
    AcceptRequest: Class.PREPARES,
    DeclineRequest: Class.PROTECTS,
    WithdrawRequest: Class.PREPARES,
    ExpireRequest: Class.FOLLOWS,
    RemindOfScreening: Class.FOLLOWS,
    ScreenParties: Class.FOLLOWS,
    DecideHit: Class.ALONE,
    ScreenConsignee: Class.FOLLOWS,
    DecideConsigneeHit: Class.ALONE,
    AskForConsignee: Class.PREPARES,
    ApproveChange: Class.MOVES_VALUE,  # of what another person has asked for
    RefuseChange: Class.PREPARES,
    RaiseObjection: Class.PREPARES,
    AnswerObjection: Class.PREPARES,
    OpenRound: Class.PREPARES,
    ProposeRound: Class.PREPARES,
    ApproveRound: Class.MOVES_VALUE,
    CertifyRound: Class.MOVES_VALUE,
    CancelRound: Class.PREPARES,
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
    ResumeClock: Class.PREPARES,
    ClearItem: Class.PREPARES,
    RenewItem: Class.PREPARES,
    WithdrawItem: Class.PREPARES,
    CheckItem: Class.FOLLOWS,
    SendReport: Class.PREPARES,
    RenounceAward: Class.EXERCISES,
    SupersedeDecision: Class.ALONE,
    PutListInForce: Class.ALONE,
    WithdrawList: Class.ALONE,
    RequestReview: Class.PREPARES,
    AssignReview: Class.PREPARES,
    ConcludeReview: Class.PREPARES,
    OpenTender: Class.PREPARES,
    CloseBidding: Class.FOLLOWS,
    ProposeTender: Class.PREPARES,
    ApproveTender: Class.MOVES_VALUE,
    CertifyTender: Class.MOVES_VALUE,
    CancelTender: Class.PREPARES,
    CloseTender: Class.FOLLOWS,
    ReopenTender: Class.FOLLOWS,
    CommitBid: Class.PREPARES,
    RevealBid: Class.EXERCISES,
    VoidBid: Class.FOLLOWS,
}
