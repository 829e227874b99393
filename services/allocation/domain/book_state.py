"""Book of a product: what its requests and rounds have come to. It holds only what can still change."""

from datetime import date
from enum import StrEnum
from typing import assert_never

import immutables
import msgspec

from services.allocation.domain.carry import Carries, Carry, carries_told, carry_g, with_carry
from services.allocation.domain.screening_state import Objection, Screening, decided, screened
from services.allocation.events import (
    AgreementId,
    Approval,
    ApprovalsLapsed,
    AuthorityCited,
    AwardGranted,
    AwardWithdrawn,
    BookEvent,
    BookOpened,
    CarryExpired,
    CarrySet,
    ClockSet,
    DecisionHash,
    DecisionRatified,
    DisruptionId,
    EmergencyDecided,
    EmergencyPath,
    KeyId,
    LoanAwarded,
    LoanRequested,
    Method,
    ObjectionAnswered,
    ObjectionId,
    ObjectionRaised,
    PartiesScreened,
    PartnerCode,
    Position,
    ProductId,
    QuorumStep,
    RatificationMissed,
    Reads,
    RequestAccepted,
    RequestDeclined,
    RequestExpired,
    RequestExpiryPostponed,
    RequestId,
    RequestScreened,
    RequestScreeningDue,
    RequestScreeningLate,
    RequestSubmitted,
    RequestWithdrawn,
    RoundApproved,
    RoundCancelled,
    RoundCertified,
    RoundExtended,
    RoundId,
    RoundOpened,
    RoundProposed,
    RoundReleased,
    RoundReopened,
    ScreeningHitDecided,
    SubjectId,
)
from shared.authority import Cited
from shared.decider import Refused


class Reason(StrEnum):
    """Why a book refuses. Each value is the `code` of an RFC 9457 problem."""

    PRODUCT_NOT_FOUND = "product_not_found"
    QUANTITY_INVALID = "quantity_invalid"
    MINIMUM_INVALID = "request_minimum_invalid"
    DATE_IN_PAST = "date_in_past"
    RETURN_INVALID = "return_day_invalid"
    AGREEMENT_MISSING = "agreement_missing"
    REQUEST_CLOSED = "request_closed"
    REQUEST_EXPIRED = "request_expired"
    REQUEST_CERTIFIED = "request_in_certified_round"
    REQUEST_NOT_ACCEPTED = "request_not_accepted"
    REQUEST_IN_ROUND = "request_in_another_round"
    ACCEPTED_INVALID = "accepted_mass_invalid"
    REASONS_MISSING = "reasons_missing"
    SCREENING_MISSING = "screening_missing"
    HIT_OPEN = "screening_hit_open"
    PARTY_BARRED = "party_barred"
    HIT_NOT_FOUND = "screening_hit_not_found"
    OBJECTION_LATE = "objection_too_late"
    OBJECTION_OPEN = "objection_already_open"
    OBJECTION_CLOSED = "objection_already_answered"
    OBJECTION_ACCEPTANCE = "objection_acceptance_invalid"
    ROUND_CLOSED = "round_closed"
    ROUND_EMPTY = "round_without_requests"
    ROUND_TOO_LARGE = "round_too_large"
    REQUEST_TWICE = "round_request_twice"
    RULE_UNKNOWN = "rule_unknown"
    POSITION_MISSING = "position_missing"
    MINIMUM_BEYOND_POLICY = "request_minimum_beyond_policy"
    POLICY_CHANGED = "policy_changed"
    EMERGENCY_TOO_LARGE = "emergency_too_large"
    APPROVALS_INVALID = "approvals_needed_invalid"
    RELEASE_DAYS_INVALID = "release_days_invalid"
    ROUND_CERTIFIED = "round_already_certified"
    ROUND_NOT_PROPOSED = "round_not_proposed"
    SUPPLY_BEYOND_STOCK = "supply_beyond_stock"
    NOTHING_AWARDED = "round_awards_nothing"
    DECISION_UNSOUND = "decision_unsound"
    DECISION_STALE = "decision_stale"
    APPROVED_BEFORE = "approval_duplicate"
    APPROVALS_MISSING = "approvals_missing"
    AWAITING_RELEASE = "another_round_awaits_release"
    NOT_TO_RATIFY = "ratification_not_due"
    RATIFIED_BY_DECIDER = "ratification_by_decider"


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """A request that is open: no round has given it anything yet."""

    partner: PartnerCode
    mass_g: int
    minimum_g: int
    daily_consumption_g: int
    needed_by: date
    return_on: date | None = None  # None: it is not for a loan
    accepted_g: int | None = None  # None: not screened yet
    least_contents: dict[str, str] = {}
    excluded_origins: tuple[str, ...] = ()
    round: RoundId | None = None
    screening: Screening = Screening()
    objections_until: date | None = None  # None: there is nothing to object to yet
    awarded_g: int = 0  # by its round, once that is certified


class Proposal(msgspec.Struct, frozen=True, kw_only=True):
    """What it awards stands in its release order, not here: there may be 10,000 awards."""

    decision: DecisionHash
    release_order: str | None
    proposed_by: SubjectId
    awarded_g: dict[PartnerCode, int]
    carries_g: dict[PartnerCode, str]  # after the round
    reads: Reads
    approvals: immutables.Map[KeyId, Approval] = immutables.Map()
    cited: immutables.Map[SubjectId, Cited] = immutables.Map()  # by what authority each of them approved it

    @property
    def mass_g(self) -> int:
        return sum(self.awarded_g.values())


class Round(msgspec.Struct, frozen=True, kw_only=True):
    """Open without a proposal, then proposed, then certified; what is released or cancelled leaves the book."""

    requests: frozenset[RequestId]
    disruption: DisruptionId | None
    method: Method
    positions: tuple[Position, ...]
    policy: str
    policy_version: int
    quorum: tuple[QuorumStep, ...]
    emergency: EmergencyPath | None
    release_days: int
    protected_g: int  # by the policy: inventory's own level may be higher
    carry_years: int | None  # None: rounding is remembered for as long as its agreement
    revision: int = 1  # grows with whatever of its requests a decision may have read
    proposal: Proposal | None = None
    certified: bool = False
    carries_before: dict[AgreementId, Carry] = {}  # those that its certification changed, should inventory refuse it


class Emergency(msgspec.Struct, frozen=True, kw_only=True):
    """A certified decision that is still to be ratified."""

    decision: DecisionHash
    mass_g: int
    proposed_by: SubjectId
    approved_by: tuple[SubjectId, ...]
    partners: tuple[PartnerCode, ...]
    missed: bool = False  # inventory holds it


class QuotaUsed(msgspec.Struct, frozen=True):
    """Awarded under an agreement in its year that begins at `year_from`. An earlier year is of no use any more."""

    year_from: date
    mass_g: int


class Book(msgspec.Struct, frozen=True, kw_only=True):
    product: ProductId | None = None  # None: inventory knows of no such product yet
    requests: immutables.Map[RequestId, Request] = immutables.Map()
    rounds: immutables.Map[RoundId, Round] = immutables.Map()
    quota_used: immutables.Map[AgreementId, QuotaUsed] = immutables.Map()
    carries: Carries = immutables.Map()  # none of them 0
    emergencies: immutables.Map[RoundId, Emergency] = immutables.Map()
    awaiting_release: RoundId | None = None  # the certified round that inventory has not answered yet
    objections: immutables.Map[ObjectionId, Objection] = immutables.Map()  # that have no answer yet

    def used_g(self, agreement: AgreementId, year_from: date) -> int:
        used = self.quota_used.get(agreement)
        return used.mass_g if used is not None and used.year_from == year_from else 0

    def carry_g(self, agreement: AgreementId) -> str:
        return carry_g(self.carries, agreement)


def evolve(book: Book, event: BookEvent) -> Book:
    replace = msgspec.structs.replace
    match event:
        case BookOpened():
            return replace(book, product=event.product)
        case RequestSubmitted():
            request = Request(
                partner=event.partner,
                mass_g=event.mass_g,
                minimum_g=event.minimum_g,
                daily_consumption_g=event.daily_consumption_g,
                needed_by=event.needed_by,
                least_contents=event.least_contents,
                excluded_origins=event.excluded_origins,
            )
            return replace(book, requests=book.requests.set(event.request, request))
        case LoanRequested():
            lent = replace(book.requests[event.request], return_on=event.return_on)
            return replace(book, requests=book.requests.set(event.request, lent))
        case RequestAccepted():
            accepted = replace(book.requests[event.request], accepted_g=event.accepted_g)
            return _revised(replace(book, requests=book.requests.set(event.request, accepted)), accepted.round)
        case RequestScreened():
            with_until = replace(book.requests[event.request], objections_until=event.objections_until)
            return replace(book, requests=book.requests.set(event.request, with_until))
        case PartiesScreened():
            return _with_screening(book, event.request, screened(book.requests[event.request].screening, event))
        case ScreeningHitDecided():
            return _with_screening(book, event.request, decided(book.requests[event.request].screening, event))
        case ObjectionRaised():
            return replace(book, objections=book.objections.set(event.objection, Objection(event.request, event.partner)))
        case ObjectionAnswered():
            return replace(book, objections=book.objections.delete(event.objection))
        case RequestDeclined() | RequestWithdrawn() | RequestExpired():
            return _without_request(book, event.request)
        case RoundOpened():
            round = Round(
                requests=frozenset(event.requests),
                disruption=event.disruption,
                method=event.method,
                positions=event.positions,
                policy=event.policy,
                policy_version=event.policy_version,
                quorum=event.quorum,
                emergency=event.emergency,
                release_days=event.release_days,
                protected_g=event.protected_g,
                carry_years=event.carry_years,
            )
            return replace(book, rounds=book.rounds.set(event.round, round), requests=_moved(book, event.requests, event.round))
        case RoundExtended():
            round = book.rounds[event.round]
            longer = replace(round, requests=round.requests | set(event.requests))
            extended = replace(book, rounds=book.rounds.set(event.round, longer), requests=_moved(book, event.requests, event.round))
            return _revised(extended, event.round)
        case RoundProposed():
            proposal = Proposal(
                decision=event.decision,
                release_order=event.release_order,
                proposed_by=event.proposed_by,
                awarded_g=event.awarded_g,
                carries_g=event.carries_g,
                reads=event.reads,
            )
            return _with_proposal(book, event.round, proposal)
        case RoundApproved():
            proposal = proposal_of(book.rounds[event.round])
            return _with_proposal(
                book, event.round, replace(proposal, approvals=proposal.approvals.set(event.approval.key, event.approval))
            )
        case ApprovalsLapsed():
            if not event.decision_stands:
                return _with_proposal(book, event.round, None)
            proposal = proposal_of(book.rounds[event.round])
            left = immutables.Map({key: approval for key, approval in proposal.approvals.items() if key not in event.keys})
            return _with_proposal(book, event.round, replace(proposal, approvals=left))
        case AuthorityCited():
            return _cited(book, event)
        case EmergencyDecided():
            round = book.rounds[event.round]
            emergency = Emergency(
                decision=event.decision,
                mass_g=event.mass_g,
                proposed_by=proposal_of(round).proposed_by,
                approved_by=event.approved_by,
                partners=tuple(sorted(partners_of(book, round))),
            )
            return replace(book, emergencies=book.emergencies.set(event.round, emergency))
        case RatificationMissed():
            missed = replace(book.emergencies[event.round], missed=True)
            return replace(book, emergencies=book.emergencies.set(event.round, missed))
        case DecisionRatified():
            return replace(book, emergencies=book.emergencies.delete(event.round))
        case ClockSet() | RequestScreeningDue() | RequestScreeningLate():
            return book  # the clock is a stream of its own
        case RequestExpiryPostponed():
            return book  # its timer remembers
        case AwardGranted():
            return _awarded(book, event.request, event.mass_g)
        case AwardWithdrawn():
            return _awarded(book, event.request, 0)
        case LoanAwarded():
            return book  # told to the partner
        case CarrySet():
            return _carry_set(book, event)
        case CarryExpired():
            return replace(book, carries=book.carries.delete(event.agreement)) if event.agreement in book.carries else book
        case RoundCertified():
            return _certified(book, event)
        case RoundReopened():
            return _reopened(book, event.round)
        case RoundReleased():
            round = book.rounds[event.round]
            given = {request for request in round.requests if book.requests[request].awarded_g}
            requests = _moved(book, round.requests - given, None)
            for request_id in given:
                requests = requests.delete(request_id)
            return replace(book, rounds=book.rounds.delete(event.round), requests=requests, awaiting_release=None)
        case RoundCancelled():
            requests = _moved(book, book.rounds[event.round].requests, None)
            return replace(book, rounds=book.rounds.delete(event.round), requests=requests)
        case _:
            assert_never(event)


def proposal_of(round: Round) -> Proposal:
    assert round.proposal is not None, "only a proposed round gets here"
    return round.proposal


def partners_of(book: Book, round: Round) -> set[PartnerCode]:
    return {book.requests[request].partner for request in round.requests}


def changeable(book: Book, request_id: RequestId) -> Request | Refused[Reason]:
    """The request, unless it is closed, or a decision on it is final."""
    request = book.requests.get(request_id)
    if request is None:
        return Refused(Reason.REQUEST_CLOSED, f"{request_id} is not open")
    if is_certified(book, request):
        return Refused(Reason.REQUEST_CERTIFIED, f"{request_id} is in {request.round}, which is certified")
    return request


def is_certified(book: Book, request: Request) -> bool:
    return request.round is not None and book.rounds[request.round].certified


def _with_screening(book: Book, request_id: RequestId, screening: Screening) -> Book:
    """What bars a request is something that a decision has read, as it were: it had read that nothing does."""
    request = book.requests[request_id]
    changed = msgspec.structs.replace(request, screening=screening)
    screened = msgspec.structs.replace(book, requests=book.requests.set(request_id, changed))
    return _revised(screened, request.round) if screening.bars and not request.screening.bars else screened


def _cited(book: Book, event: AuthorityCited) -> Book:
    """Of a decision that is not final yet: whoever certifies it looks at what was cited once more."""
    round_id = RoundId(event.matter)
    round = book.rounds.get(round_id)
    if round is None or round.proposal is None or round.certified:
        return book
    cited = round.proposal.cited.set(SubjectId(event.cited.by), event.cited)
    return _with_proposal(book, round_id, msgspec.structs.replace(round.proposal, cited=cited))


def _certified(book: Book, event: RoundCertified) -> Book:
    round = book.rounds[event.round]
    proposal = proposal_of(round)
    quota_used = book.quota_used
    for partner, read in proposal.reads.agreements.items():
        quota_used = quota_used.set(read.agreement, QuotaUsed(read.year_from, read.used_g + proposal.awarded_g.get(partner, 0)))
    return msgspec.structs.replace(
        book,
        rounds=book.rounds.set(event.round, msgspec.structs.replace(round, certified=True)),
        quota_used=quota_used,
        carries=carries_told(book.carries, proposal.reads, proposal.carries_g),
        awaiting_release=event.round,
    )


def _reopened(book: Book, round_id: RoundId) -> Book:
    """Quota and carries go back to what the decision had read: no other round is certified while one awaits its release."""
    round = book.rounds[round_id]
    reads = proposal_of(round).reads
    quota_used = book.quota_used
    for read in reads.agreements.values():
        quota_used = quota_used.set(read.agreement, QuotaUsed(read.year_from, read.used_g))
    return msgspec.structs.replace(
        book,
        rounds=book.rounds.set(round_id, msgspec.structs.replace(round, certified=False, proposal=None, carries_before={})),
        quota_used=quota_used,
        carries=carries_told(book.carries, reads, {partner: reads.carries_g.get(partner, "0") for partner in reads.agreements}),
        emergencies=book.emergencies.delete(round_id) if round_id in book.emergencies else book.emergencies,
        awaiting_release=None,
    )


def _carry_set(book: Book, event: CarrySet) -> Book:
    """A round that is certified in the same commit remembers what was before it."""
    rounds = book.rounds
    round = rounds.get(RoundId(event.cause))
    if round is not None and not round.certified and (before := book.carries.get(event.agreement)) is not None:
        kept = round.carries_before | {event.agreement: before}
        rounds = rounds.set(RoundId(event.cause), msgspec.structs.replace(round, carries_before=kept))
    carry = Carry(partner=event.partner, carry_g=event.carry_g, remembered_until=event.remembered_until, expires_on=event.expires_on)
    return msgspec.structs.replace(book, rounds=rounds, carries=with_carry(book.carries, event.agreement, carry))


def _with_proposal(book: Book, round_id: RoundId, proposal: Proposal | None) -> Book:
    round = msgspec.structs.replace(book.rounds[round_id], proposal=proposal)
    return msgspec.structs.replace(book, rounds=book.rounds.set(round_id, round))


def _awarded(book: Book, request_id: RequestId, mass_g: int) -> Book:
    request = msgspec.structs.replace(book.requests[request_id], awarded_g=mass_g)
    return msgspec.structs.replace(book, requests=book.requests.set(request_id, request))


def _without_request(book: Book, request_id: RequestId) -> Book:
    rounds, round_id = book.rounds, book.requests[request_id].round
    if round_id is not None:
        round = rounds[round_id]
        rounds = rounds.set(round_id, msgspec.structs.replace(round, requests=round.requests - {request_id}))
    return _revised(msgspec.structs.replace(book, requests=book.requests.delete(request_id), rounds=rounds), round_id)


def _revised(book: Book, round_id: RoundId | None) -> Book:
    """A decision of this round that was worked out before does not know its requests as they are."""
    if round_id is None:
        return book
    round = book.rounds[round_id]
    return msgspec.structs.replace(book, rounds=book.rounds.set(round_id, msgspec.structs.replace(round, revision=round.revision + 1)))


def _moved(book: Book, requests: tuple[RequestId, ...] | frozenset[RequestId], to: RoundId | None) -> immutables.Map[RequestId, Request]:
    moved = book.requests
    for request_id in requests:
        moved = moved.set(request_id, msgspec.structs.replace(moved[request_id], round=to))
    return moved
