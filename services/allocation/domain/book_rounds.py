"""Rounds of a book: requests decided together. Opened, proposed, approved by people other than the proposer, certified, released."""

from collections.abc import Iterator
from datetime import date, timedelta
from hashlib import sha256
from itertools import batched, pairwise
from typing import Literal, assert_never

import msgspec

from services.allocation.domain.book_authority import approving, barred, cited, counts
from services.allocation.domain.book_lapses import (
    LapseApprovals,
    Surroundings,
    lapses_outside,
    reads_of,
    revisions_of,
    void_decision,
)
from services.allocation.domain.book_state import Book, Reason, Round, partners_of, proposal_of
from services.allocation.domain.cover import days_of_cover
from services.allocation.domain.rules import RULES
from services.allocation.events import (
    Approval,
    Award,
    AwardGranted,
    AwardId,
    AwardWithdrawn,
    BookEvent,
    DecisionHash,
    DisruptionId,
    EmergencyPath,
    KeyId,
    LoanAwarded,
    Method,
    PartnerCode,
    Position,
    ProductId,
    QuorumStep,
    Reads,
    ReleaseOrder,
    RequestId,
    RoundApproved,
    RoundCancelled,
    RoundCertified,
    RoundExtended,
    RoundId,
    RoundOpened,
    RoundProposed,
    RoundReleased,
    RoundReopened,
    SubjectId,
)
from shared.approval import Approval as SignedApproval
from shared.authority import Chain
from shared.decider import Refused
from shared.record import canonical

MAX_REQUESTS = 10_000  # of a round
MAX_PARTNERS = 100  # of a round: what it reads of their agreements stands in one event of 64 KiB
_REQUESTS_AN_EVENT = 1_000  # an event holds 64 KiB
MAX_APPROVALS = 10
MAX_RELEASE_DAYS = 366


class Proposed(msgspec.Struct, frozen=True, kw_only=True):
    """What a decision comes to."""

    decision: DecisionHash
    file: str
    release_order: str
    supply_g: int
    left_g: int
    awards: tuple[Award, ...]
    carries_g: dict[PartnerCode, str]
    requests: dict[RequestId, int]  # revision of each
    reads: Reads


class OpenRound(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    round: RoundId
    requests: tuple[RequestId, ...]
    disruption: DisruptionId | None
    method: Method
    positions: tuple[Position, ...] = ()
    policy: str
    policy_version: int
    quorum: tuple[QuorumStep, ...]
    emergency: EmergencyPath | None = None
    release_days: int
    on: date


class ProposeRound(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """`proposed` was worked out before, from the book as it was then; None where that could not be done, and the book says why."""

    round: RoundId
    supply_g: int  # offered
    by: SubjectId
    on: date
    surroundings: Surroundings
    proposed: Proposed | None


class ApproveRound(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """`key` and `signature_valid`: what the approver's own stream says of the key, and whether the signature is by it. What is known of
    the approver's authority and conflicts is looked up too."""

    round: RoundId
    approval: SignedApproval
    by: SubjectId
    key: Literal["enrolled", "revoked", "unknown"]
    signature_valid: bool
    held: tuple[Chain, ...]  # the authorities of whoever approves
    authority: str | None  # the one that they name; None: the narrowest that covers it
    conflicts: frozenset[str]  # of interest, that they have declared
    companies: frozenset[str]  # named by the round's requests
    on: date


class CertifyRound(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """`order`: what the proposed decision awards, as its document has it; None where there is none, and the book says why."""

    round: RoundId
    surroundings: Surroundings
    order: ReleaseOrder | None
    revoked: tuple[KeyId, ...]  # those of the approvals' keys that are revoked by now
    authorities: dict[str, Chain]  # those that the approvals cite, as they are now
    on: date


class CancelRound(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    round: RoundId
    reason: str


class CloseRound(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Inventory has released the round."""

    round: RoundId
    decision: DecisionHash


class ReopenRound(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Inventory has refused the round."""

    round: RoundId
    decision: DecisionHash
    reason: str


type RoundCommand = OpenRound | ProposeRound | ApproveRound | CertifyRound | CancelRound | CloseRound | ReopenRound | LapseApprovals


def decide_round(command: RoundCommand, product: ProductId, book: Book) -> list[BookEvent] | Refused[Reason]:
    match command:
        case OpenRound():
            return _open(command, product, book)
        case ProposeRound():
            return _propose(command, product, book)
        case ApproveRound():
            return _approve(command, product, book)
        case CertifyRound():
            return _certify(command, product, book)
        case CancelRound():
            if isinstance(round := _undecided(book, command.round), Refused):
                return round
            return [RoundCancelled(round=command.round, product=product, reason=command.reason)]
        case CloseRound():
            return _close(command, product, book)
        case ReopenRound():
            return _reopen(command, product, book)
        case LapseApprovals():
            return lapses_outside(command, product, book)
        case _:
            assert_never(command)


def _open(command: OpenRound, product: ProductId, book: Book) -> list[BookEvent] | Refused[Reason]:
    if not command.requests:
        return Refused(Reason.ROUND_EMPTY, "no request is named", field="/requests", accepted="at least one accepted request")
    if len(command.requests) > MAX_REQUESTS:
        return Refused(Reason.ROUND_TOO_LARGE, f"{len(command.requests)} requests", field="/requests", accepted=f"up to {MAX_REQUESTS}")
    if (partners := len({book.requests[name].partner for name in command.requests if name in book.requests})) > MAX_PARTNERS:
        return Refused(
            Reason.ROUND_TOO_LARGE, f"{partners} partners", field="/requests", accepted=f"requests of up to {MAX_PARTNERS} partners"
        )
    if len(set(command.requests)) < len(command.requests):
        return Refused(Reason.REQUEST_TWICE, "a request is named twice", field="/requests", accepted="each request once")
    for place, request_id in enumerate(command.requests):
        if fault := _unfit(book, request_id, f"/requests/{place}", command.on):
            return fault
    if command.method.rule not in RULES:
        return Refused(Reason.RULE_UNKNOWN, f"there is no rule {command.method.rule!r}", field="/rule", accepted=", ".join(sorted(RULES)))
    if not is_quorum(command.quorum):
        return Refused(
            Reason.APPROVALS_INVALID,
            "a round needs approval",
            field="/approvals_needed",
            accepted=f"1 to {MAX_APPROVALS} approvals, from 0 g on, and more only for more",
        )
    if not 1 <= command.release_days <= MAX_RELEASE_DAYS:
        return Refused(Reason.RELEASE_DAYS_INVALID, "out of range", field="/release_days", accepted=f"1 to {MAX_RELEASE_DAYS} days")
    first, *more = batched(command.requests, _REQUESTS_AN_EVENT)
    return [
        RoundOpened(
            round=command.round,
            product=product,
            requests=first,
            disruption=command.disruption,
            method=command.method,
            positions=command.positions,
            policy=command.policy,
            policy_version=command.policy_version,
            quorum=command.quorum,
            emergency=command.emergency,
            release_days=command.release_days,
        ),
        *(RoundExtended(round=command.round, product=product, requests=requests) for requests in more),
    ]


def is_quorum(steps: tuple[QuorumStep, ...]) -> bool:
    """From 0 g on, each step above more grams and of at least as many approvals as the one before."""
    rising = all(low.above_g < high.above_g and low.approvals <= high.approvals for low, high in pairwise(steps))
    return bool(steps) and steps[0].above_g == 0 and rising and all(1 <= step.approvals <= MAX_APPROVALS for step in steps)


def approvals_needed(steps: tuple[QuorumStep, ...], mass_g: int) -> int:
    """By a decision that awards so much."""
    return max(step.approvals for step in steps if step.above_g == 0 or mass_g > step.above_g)


def _unfit(book: Book, request_id: RequestId, field: str, on: date) -> Refused[Reason] | None:
    request = book.requests.get(request_id)
    if request is None:
        return Refused(Reason.REQUEST_CLOSED, f"{request_id} is not open in this book", field=field)
    if request.accepted_g is None:
        return Refused(Reason.REQUEST_NOT_ACCEPTED, f"{request_id} has not been accepted", field=field)
    if request.round is not None:
        return Refused(Reason.REQUEST_IN_ROUND, f"{request_id} is in {request.round}", field=field)
    if request.needed_by < on:
        return Refused(Reason.REQUEST_EXPIRED, f"{request_id} was needed by {request.needed_by}", field=field)
    return None


def _propose(command: ProposeRound, product: ProductId, book: Book) -> list[BookEvent] | Refused[Reason]:
    if isinstance(round := _undecided(book, command.round), Refused):
        return round
    if not round.requests:
        return Refused(Reason.ROUND_EMPTY, f"no request is left in {command.round}")
    if late := _late(book, round, command.on):
        return late
    if missing := sorted(partners_of(book, round) - command.surroundings.terms.keys()):
        return Refused(Reason.AGREEMENT_MISSING, f"{', '.join(missing)} has no agreement on {product} that is valid on {command.on}")
    free_g = command.surroundings.free_g
    if command.supply_g < 1:
        return Refused(Reason.QUANTITY_INVALID, "nothing is offered", field="/supply_g", accepted="1 g or more")
    if command.supply_g > free_g:
        return Refused(
            Reason.SUPPLY_BEYOND_STOCK,
            "more is offered than is available and not protected",
            field="/supply_g",
            accepted=f"up to {free_g} g",
        )
    proposed = command.proposed
    if proposed is None or proposed.requests != revisions_of(book, round) or proposed.reads != reads_of(book, round, command.surroundings):
        return Refused(Reason.DECISION_STALE, "what the decision was made from changed meanwhile: propose again")
    if fault := _unsound(proposed, book, round):
        return Refused(Reason.DECISION_UNSOUND, fault)
    if not proposed.awards:
        return Refused(
            Reason.NOTHING_AWARDED, "the decision awards nothing", accepted="a larger supply, other requests, or a cancelled round"
        )
    return [
        *([void_decision(command.round, product, round, "another decision")] if round.proposal else []),
        RoundProposed(
            round=command.round,
            product=product,
            decision=proposed.decision,
            file=proposed.file,
            release_order=proposed.release_order,
            proposed_by=command.by,
            supply_g=proposed.supply_g,
            left_g=proposed.left_g,
            awards=len(proposed.awards),
            awarded_g=_awarded_g(proposed.awards),
            carries_g=proposed.carries_g,
            reads=proposed.reads,
        ),
    ]


def _awarded_g(awards: tuple[Award, ...]) -> dict[PartnerCode, int]:
    awarded_g: dict[PartnerCode, int] = {}
    for award in awards:
        awarded_g[award.partner] = awarded_g.get(award.partner, 0) + award.mass_g
    return awarded_g


def _unsound(proposed: Proposed, book: Book, round: Round) -> str | None:
    """What no rule may ever do, whatever it was that worked the decision out."""
    if len({award.request for award in proposed.awards}) < len(proposed.awards):
        return "a request is awarded twice"
    if sum(award.mass_g for award in proposed.awards) + proposed.left_g != proposed.supply_g:
        return "the awards and what is left are not what was offered"
    room_g = {partner: read.quota_g - read.used_g for partner, read in proposed.reads.agreements.items()}
    for award in proposed.awards:
        request = book.requests[award.request]
        if request.round is None or award.request not in round.requests or request.partner != award.partner:
            return f"{award.request} of {award.partner} is not in the round"
        if not max(request.minimum_g, 1) <= award.mass_g <= (request.accepted_g or 0):
            return f"{award.request} is awarded less than its minimum or more than was accepted"
        room_g[award.partner] -= award.mass_g
    awarded = {award.partner for award in proposed.awards}
    over = sorted(partner for partner, left_g in room_g.items() if left_g < 0 and partner in awarded)
    return f"{over[0]} is awarded more than its quota" if over else None


def _approve(command: ApproveRound, product: ProductId, book: Book) -> list[BookEvent] | Refused[Reason]:
    if isinstance(round := _undecided(book, command.round), Refused):
        return round
    if (proposal := round.proposal) is None:
        return Refused(Reason.ROUND_NOT_PROPOSED, f"{command.round} has no decision to approve")
    signed = command.approval
    if signed.purpose != "decision" or signed.document != proposal.decision:
        return Refused(Reason.OTHER_DECISION, f"the {signed.purpose} {signed.document} is not what is proposed", accepted=proposal.decision)
    if signed.approver != command.by:
        return Refused(Reason.APPROVER_DIFFERS, "the approval is not the caller's own", field="/approver")
    if command.key == "unknown":
        return Refused(Reason.KEY_NOT_FOUND, f"{command.by} has no key {signed.key_id}", field="/key_id", accepted="a key that is enrolled")
    if command.key == "revoked":
        return Refused(Reason.KEY_REVOKED, f"key {signed.key_id} is revoked", field="/key_id", accepted="a key that is enrolled")
    if not command.signature_valid:
        return Refused(Reason.SIGNATURE_INVALID, f"key {signed.key_id} did not sign this", field="/signature")
    if command.by == proposal.proposed_by:
        return Refused(Reason.BY_PROPOSER, "who proposed a decision does not approve it", accepted="another approver")
    if any(command.by == approval.subject or signed.key_id == approval.key for approval in proposal.approvals.values()):
        return Refused(Reason.APPROVED_BEFORE, f"{command.by} has approved this decision already")
    if conflict := barred(command.round, product, book, command.conflicts, command.companies):
        return conflict
    exercise = approving(command.by, product, proposal, command.on)
    if isinstance(authority := cited(command.held, command.authority, command.round, exercise), Refused):
        return authority
    approval = Approval(subject=command.by, key=KeyId(signed.key_id), signature=signed.signature, approved_on=command.on)
    return [RoundApproved(round=command.round, product=product, decision=proposal.decision, approval=approval), authority]


def _certify(command: CertifyRound, product: ProductId, book: Book) -> list[BookEvent] | Refused[Reason]:
    if isinstance(round := _undecided(book, command.round), Refused):
        return round
    if (proposal := round.proposal) is None:
        return Refused(Reason.ROUND_NOT_PROPOSED, f"{command.round} has no decision to certify")
    if book.awaiting_release is not None:
        return Refused(Reason.AWAITING_RELEASE, f"{book.awaiting_release} is being released", accepted="the same a moment later")
    if late := _late(book, round, command.on):
        return late
    if proposal.reads != reads_of(book, round, command.surroundings):
        return Refused(Reason.DECISION_STALE, "what the decision was made from has changed: propose again")
    if (order := command.order) is None or name_of(order) != proposal.release_order:
        return Refused(Reason.DECISION_STALE, "what the decision awards is not at hand, or an earlier build proposed it: propose again")
    approvals = tuple(
        approval
        for key, approval in sorted(proposal.approvals.items())
        if key not in command.revoked and counts(approval, product, proposal, command.authorities, command.on)
    )
    needed = approvals_needed(round.quorum, proposal.mass_g)
    if len(approvals) < needed:
        return Refused(Reason.APPROVALS_MISSING, f"{len(approvals)} of {needed} approvals", accepted="another approver's approval")
    expires_on = command.on + timedelta(days=round.release_days)
    return [
        *(event for award in order.awards for event in _grant(award, command.round, product, book, proposal.decision, expires_on)),
        RoundCertified(
            round=command.round,
            product=product,
            decision=proposal.decision,
            release_order=proposal.release_order,
            awards=(),
            expires_on=expires_on,
            approvals=approvals,
        ),
    ]


def name_of(order: ReleaseOrder) -> str:
    """The SHA-256 (hex) that a release order is kept under."""
    return sha256(canonical(order)).hexdigest()


def _grant(
    award: Award, round_id: RoundId, product: ProductId, book: Book, decision: DecisionHash, expires_on: date
) -> list[AwardGranted | LoanAwarded]:
    request = book.requests[award.request]
    granted = AwardGranted(
        award=award.award,
        round=round_id,
        request=award.request,
        product=product,
        partner=award.partner,
        mass_g=award.mass_g,
        daily_consumption_g=request.daily_consumption_g,
        days_of_cover=days_of_cover(award.mass_g, request.daily_consumption_g),
        decision=decision,
        expires_on=expires_on,
    )
    if request.return_on is None:
        return [granted]
    lent = LoanAwarded(
        award=award.award,
        round=round_id,
        request=award.request,
        product=product,
        partner=award.partner,
        mass_g=award.mass_g,
        return_on=request.return_on,
        decision=decision,
        expires_on=expires_on,
    )
    return [granted, lent]


def _close(command: CloseRound, product: ProductId, book: Book) -> list[BookEvent]:
    if _certified(book, command.round, command.decision) is None:
        return []
    return [RoundReleased(round=command.round, product=product, decision=command.decision)]


def _reopen(command: ReopenRound, product: ProductId, book: Book) -> list[BookEvent]:
    if (round := _certified(book, command.round, command.decision)) is None:
        return []
    reopened = RoundReopened(round=command.round, product=product, decision=command.decision, reason=command.reason)
    return [*_withdrawn(command, product, book, round), reopened]


def _withdrawn(command: ReopenRound, product: ProductId, book: Book, round: Round) -> Iterator[AwardWithdrawn]:
    for request_id in sorted(round.requests):
        request = book.requests[request_id]
        if request.awarded_g:
            yield AwardWithdrawn(
                award=award_of(request_id),
                round=command.round,
                request=request_id,
                product=product,
                partner=request.partner,
                reason=command.reason,
            )


def award_of(request: RequestId) -> AwardId:
    """An award is named after its request, which has at most one that stands."""
    return AwardId(f"awd_{request.removeprefix('req_')}")


def _undecided(book: Book, round_id: RoundId) -> Round | Refused[Reason]:
    round = book.rounds.get(round_id)
    if round is None:
        return Refused(Reason.ROUND_CLOSED, f"{round_id} is not open")
    if round.certified:
        return Refused(Reason.ROUND_CERTIFIED, f"{round_id} is certified")
    return round


def _certified(book: Book, round_id: RoundId, decision: DecisionHash) -> Round | None:
    round = book.rounds.get(round_id)
    return round if round is not None and round.certified and proposal_of(round).decision == decision else None


def _late(book: Book, round: Round, on: date) -> Refused[Reason] | None:
    late = sorted(request_id for request_id in round.requests if book.requests[request_id].needed_by < on)
    return Refused(Reason.REQUEST_EXPIRED, f"{late[0]} was needed by {book.requests[late[0]].needed_by}") if late else None
