"""Book of a product: what its requests and rounds have come to. It holds only what can still change."""

from datetime import date

import immutables
import msgspec

from services.allocation.domain.book.carry import Carries, Carry, carry_g
from services.allocation.domain.book.screening_state import Objectable, Objection, Screening
from services.allocation.events import (
    AgreementId,
    DecisionHash,
    DisruptionId,
    EmergencyPath,
    IepPosition,
    ObjectionId,
    PartnerCode,
    ProductId,
    QuorumStep,
    Reads,
    RequestId,
    RoundId,
    RoundMethod,
    SubjectId,
)
from services.allocation.events.rounds import QUORUM_DAYS
from shared.journal.decider import Reasons, Refused
from shared.terms.acting import Proposal
from shared.terms.countersigning import ProposedCommand
from shared.terms.protecting import Word


class Reason(Reasons):
    """Why a book refuses. Each value is the `code` of an RFC 9457 problem."""

    PRODUCT_NOT_FOUND = "product_not_found", 404, "There is no such product"
    QUANTITY_INVALID = "quantity_invalid", 422, "Invalid quantity"
    MINIMUM_INVALID = "request_minimum_invalid", 422, "The minimum exceeds the amount requested"
    DATE_IN_PAST = "date_in_past", 422, "The date is in the past"
    RETURN_INVALID = "return_day_invalid", 422, "A loan needs a return date, and a sale has none"
    AGREEMENT_MISSING = "agreement_missing", 409, "The partner has no valid agreement on the product"
    SIGNATURE_MISSING = "partner_signature_missing", 403, "A partner that has keys signs what it does"
    REQUEST_CLOSED = "request_closed", 409, "The request is not open"
    REQUEST_EXPIRED = "request_expired", 409, "The request has expired"
    REQUEST_CERTIFIED = "request_in_certified_round", 409, "The request is in a certified round"
    REQUEST_NOT_ACCEPTED = "request_not_accepted", 409, "The request has not been accepted"
    REQUEST_IN_ROUND = "request_in_another_round", 409, "The request is in a round"
    ACCEPTED_INVALID = "accepted_mass_invalid", 422, "The accepted amount exceeds the amount requested"
    NOT_DECLINED = "request_not_declined", 409, "The request is not declined"
    DECLINE_OWN = "decline_confirmed_by_same_person", 403, "A decline is confirmed by a second person"
    DECLINE_RENEWED = "decline_renewed_by_same_person", 403, "A decline that lapsed is not renewed by the same person"
    REASONS_MISSING = "reasons_missing", 422, "Screening needs reasons"
    SCREENING_MISSING = "screening_missing", 409, "The request's parties are still to be screened"
    HIT_OPEN = "screening_hit_open", 409, "A hit is still to be decided"
    PARTY_BARRED = "party_barred", 409, "A party is on a screening list"
    HIT_NOT_FOUND = "screening_hit_not_found", 404, "There is no such hit"
    OBJECTION_LATE = "objection_too_late", 409, "The objection period has ended"
    ANSWERED_BY_ACTOR = "answerer_was_involved", 403, "An objection is not answered by the person it concerns"
    OBJECTION_OPEN = "objection_already_open", 409, "The last objection has no answer yet"
    OBJECTION_CLOSED = "objection_already_answered", 409, "The objection has its answer"
    OBJECTION_ACCEPTANCE = "objection_acceptance_invalid", 422, "Only an upheld objection changes the acceptance"
    ROUND_CLOSED = "round_closed", 409, "The round is not open"
    ROUND_EMPTY = "round_without_requests", 422, "A round needs at least one request"
    ROUND_TOO_LARGE = "round_too_large", 422, "The round has too many requests"
    REQUEST_TWICE = "round_request_twice", 422, "The round names a request twice"
    RULE_UNKNOWN = "rule_unknown", 422, "There is no such rule"
    SHORTFALL_BEYOND = "shortfall_beyond_commitments", 409, "The shortfall exceeds all commitments"
    POSITION_MISSING = "position_missing", 422, "The rule needs IEP positions"
    MINIMUM_BEYOND_POLICY = "request_minimum_beyond_policy", 409, "The request's minimum exceeds what the policy allows"
    POLICY_CHANGED = "policy_changed", 409, "Another version of the policy is active"
    EMERGENCY_TOO_LARGE = "emergency_too_large", 422, "The release exceeds the emergency limit"
    APPROVALS_INVALID = "approvals_needed_invalid", 422, "Too many approvals required"
    RELEASE_DAYS_INVALID = "release_days_invalid", 422, "The release period is too long"
    ROUND_CERTIFIED = "round_already_certified", 409, "The round is certified already"
    ROUND_NOT_PROPOSED = "round_not_proposed", 409, "The round has no decision"
    SUPPLY_BEYOND_STOCK = "supply_beyond_stock", 409, "The offer exceeds the stock that may be offered"
    TAKING_BACK = "decision_being_taken_back", 409, "A superseded decision is still being taken back"
    NOTHING_AWARDED = "round_awards_nothing", 409, "The decision awards nothing"
    DECISION_UNSOUND = "decision_unsound", 409, "The decision does not follow from the rule"
    DECISION_APPROVED = "decision_already_approved", 409, "Somebody has approved the decision"
    DECISION_STALE = "decision_stale", 409, "What the decision was made from has changed"
    APPROVALS_MISSING = "approvals_missing", 409, "Approvals are missing"
    ATTESTATION_MISSING = "attestation_missing", 422, "Certification needs an attestation"
    AWAITING_RELEASE = "another_round_awaits_release", 409, "Another round is being released"
    NOT_TO_RATIFY = "ratification_not_due", 409, "There is nothing to ratify"
    RATIFIED_BY_DECIDER = "ratification_by_decider", 403, "An emergency is not ratified by a person who decided it"


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
    declined: Word | None = None  # by one person, as long as no second one has confirmed it
    objections_until: date | None = None  # None: there is nothing to object to yet
    awarded_g: int = 0  # by its round, once that is certified


PURPOSE = "decision"  # of the signatures that approve one, and of the one that ratifies it
RATIFICATION = "ratification"
ATTESTATION = "attestation"  # by who certifies a decision: its lines are all, by one parameter, and no more than was offered
APPROVALS = 1  # that an emergency needs, as long as emergencies together stay within what the policy lets them release


class ProposedDecision(Proposal, frozen=True, kw_only=True):
    """A decision. What it awards stands in its release order, not here: there may be 10,000 awards."""

    release_order: str | None
    awarded_g: dict[PartnerCode, int]
    carries_g: dict[PartnerCode, str]  # after the round
    reads: Reads

    @property
    def decision(self) -> DecisionHash:
        return DecisionHash(self.document)

    @property
    def mass_g(self) -> int:
        return sum(self.awarded_g.values())


class Round(msgspec.Struct, frozen=True, kw_only=True):
    """Open without a proposal, then proposed, then certified; what is released or cancelled leaves the book."""

    requests: frozenset[RequestId]
    disruption: DisruptionId | None
    method: RoundMethod
    positions: tuple[IepPosition, ...]
    policy: str
    policy_version: int
    quorum: tuple[QuorumStep, ...]
    quorum_days: int = QUORUM_DAYS
    emergency: EmergencyPath | None
    release_days: int
    protected_g: int  # by the policy: inventory's own level may be higher
    carry_years: int | None  # None: rounding is remembered for as long as its agreement
    opened_by: SubjectId | None = None
    signed: bool = False  # somebody has approved a decision of it, which may have fallen since
    revision: int = 1  # grows with whatever of its requests a decision may have read
    proposal: ProposedDecision | None = None
    certified: bool = False
    carries_before: dict[AgreementId, Carry] = {}  # those that its certification changed, should inventory refuse it


class Emergency(Proposal, frozen=True, kw_only=True):
    """A certified decision that is still to be ratified: proposed, as it were, by all who decided it."""

    mass_g: int
    partners: tuple[PartnerCode, ...]
    missed: bool = False  # inventory holds it


class QuotaUsed(msgspec.Struct, frozen=True):
    """Awarded under an agreement in its year that begins at `year_from`. An earlier year is of no use any more."""

    year_from: date
    mass_g: int


class DecidedFor(msgspec.Struct, frozen=True, kw_only=True):
    """What a decision took of a partner's quota, and by how much it changed its carry, as far as neither was given back."""

    agreement: AgreementId
    year_from: date
    awarded_g: int
    carry_g: str  # a rational; below 0: it was given more than it was entitled to
    remembered_until: date | None = None
    expires_on: date | None = None


class Decided(msgspec.Struct, frozen=True):
    round: RoundId
    partners: dict[PartnerCode, DecidedFor]


class RecentDecision(msgspec.Struct, frozen=True, kw_only=True):
    """Of a certified decision: what counts towards the approvals that later ones need, less what was given back."""

    on: date
    mass_g: int
    disruption: DisruptionId | None
    emergency: bool


class Book(msgspec.Struct, frozen=True, kw_only=True):
    product: ProductId | None = None  # None: inventory knows of no such product yet
    requests: immutables.Map[RequestId, Request] = immutables.Map()
    rounds: immutables.Map[RoundId, Round] = immutables.Map()
    quota_used: immutables.Map[AgreementId, QuotaUsed] = immutables.Map()
    carries: Carries = immutables.Map()  # none of them 0
    emergencies: immutables.Map[RoundId, Emergency] = immutables.Map()
    awaiting_release: RoundId | None = None  # the certified round that inventory has not answered yet
    objections: immutables.Map[ObjectionId, Objection] = immutables.Map()  # that have no answer yet
    objectable: immutables.Map[RequestId, Objectable] = immutables.Map()
    decided: immutables.Map[DecisionHash, Decided] = immutables.Map()  # certified, and not superseded
    counted: immutables.Map[RoundId, RecentDecision] = immutables.Map()  # certified of late, or for a disruption
    proposals: immutables.Map[str, ProposedCommand] = immutables.Map()  # commands that wait for another person's signature

    def used_g(self, agreement: AgreementId, year_from: date) -> int:
        used = self.quota_used.get(agreement)
        return used.mass_g if used is not None and used.year_from == year_from else 0

    def carry_g(self, agreement: AgreementId) -> str:
        return carry_g(self.carries, agreement)


def approvals_needed(steps: tuple[QuorumStep, ...], mass_g: int) -> int:
    """By a decision that awards so much, with what counts beside it."""
    return max(step.approvals for step in steps if step.above_g == 0 or mass_g > step.above_g)


def proposal_of(round: Round) -> ProposedDecision:
    assert round.proposal is not None, "only a proposed round gets here"
    return round.proposal


def requests_of(book: Book, round: Round) -> dict[RequestId, Request]:
    """To find thousands of them takes longer than to look at them: who looks more than once finds them once."""
    return {request_id: book.requests[request_id] for request_id in round.requests}


def partners_of(book: Book, round: Round) -> set[PartnerCode]:
    return {book.requests[request].partner for request in round.requests}


def changeable(book: Book, request_id: RequestId) -> Request | Refused[Reason]:
    """The request, unless it is closed or declined, or a decision on it is final."""
    request = undecided(book, request_id)
    if isinstance(request, Refused) or request.declined is None:
        return request
    until = f"{request_id} is declined until {request.declined.lapses_at:%Y-%m-%d %H:%M} UTC, unless a second person confirms it"
    return Refused(Reason.REQUEST_CLOSED, until, accepted="the same once that has lapsed")


def undecided(book: Book, request_id: RequestId) -> Request | Refused[Reason]:
    """The request, though it is declined, unless it is closed, or a decision on it is final."""
    request = book.requests.get(request_id)
    if request is None:
        return Refused(Reason.REQUEST_CLOSED, f"{request_id} is not open")
    if is_certified(book, request):
        return Refused(Reason.REQUEST_CERTIFIED, f"{request_id} is in {request.round}, which is certified")
    return request


def is_certified(book: Book, request: Request) -> bool:
    return request.round is not None and book.rounds[request.round].certified
