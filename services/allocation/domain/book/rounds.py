"""Rounds of a book: requests decided together. Opened, proposed, approved by people other than the proposer, certified, released."""

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import assert_never

import msgspec

from services.allocation.domain.book.approvals import ApproveRound, approve_round
from services.allocation.domain.book.awards import grant, withdrawn
from services.allocation.domain.book.carries import carried, restored
from services.allocation.domain.book.emergency import MissRatification, RatifyRound, emergency_decided, miss_ratification, ratify_round
from services.allocation.domain.book.lapses import LapseApprovals, Surroundings, lapses_outside, reads_of, void_decision
from services.allocation.domain.book.opening import OpenRound, minimum_beyond, open_round
from services.allocation.domain.book.quorum import quorum_of
from services.allocation.domain.book.screening import parties_barred
from services.allocation.domain.book.state import ATTESTATION, Book, Reason, Request, Round, proposal_of, requests_of
from services.allocation.events import (
    BookEvent,
    DecisionHash,
    PartnerCode,
    ProductId,
    Reads,
    ReleaseOrder,
    RequestId,
    RoundCancelled,
    RoundCertified,
    RoundId,
    RoundProposed,
    RoundReleased,
    RoundReopened,
    SubjectId,
)
from shared.journal.decider import Refused
from shared.journal.record import name_of
from shared.journal.texts import TypedText
from shared.terms.acting import Approval, ApprovalReason, Proposal, Signing, approval_of, counting, fault_of
from shared.terms.authority import Chain, Fault


class Proposed(msgspec.Struct, frozen=True, kw_only=True):
    """What a decision comes to."""

    decision: DecisionHash
    file: str
    release_order: str
    supply_g: int
    left_g: int
    awards_g: dict[PartnerCode, dict[RequestId, int]]
    carries_g: dict[PartnerCode, str]
    revision: int  # of the round, as it was
    reads: Reads

    @property
    def awarded_g(self) -> dict[PartnerCode, int]:
        return {partner: sum(awards.values()) for partner, awards in self.awards_g.items()}


class ProposeRound(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """`proposed` was worked out before, from the book as it was then; None where that could not be done, and the book says why."""

    round: RoundId
    supply_g: int  # offered
    by: SubjectId
    on: date
    surroundings: Surroundings
    proposed: Proposed | None


class CertifyRound(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """`order`: what the proposed decision awards, as its document has it; None where there is none, and the book says why."""

    round: RoundId
    surroundings: Surroundings
    order: ReleaseOrder | None
    revoked: tuple[str, ...]  # those of the approvals' keys that are revoked by now
    authorities: Mapping[str, Chain]  # those that the approvals cite, as they are now
    on: date
    at: datetime
    attestation: Signing | None = None  # by who certifies it; refused without one, once nothing else is wrong


class CancelRound(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    round: RoundId
    reason: TypedText
    by: frozenset[str] = frozenset()  # who cancels it, by every account of theirs; nobody: it is proposed, and signed by another


class CloseRound(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Inventory has released the round."""

    round: RoundId
    decision: DecisionHash


class ReopenRound(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Inventory has refused the round."""

    round: RoundId
    decision: DecisionHash
    reason: str  # a code of inventory's


type RoundCommand = (
    OpenRound
    | ProposeRound
    | ApproveRound
    | CertifyRound
    | CancelRound
    | CloseRound
    | ReopenRound
    | RatifyRound
    | MissRatification
    | LapseApprovals
)


def decide_round(
    command: RoundCommand, product: ProductId, book: Book
) -> list[BookEvent] | Refused[Reason] | Refused[ApprovalReason] | Refused[Fault]:
    match command:
        case OpenRound():
            return open_round(command, product, book)
        case ProposeRound():
            return _propose(command, product, book)
        case ApproveRound():
            if isinstance(round := _undecided(book, command.round), Refused):
                return round
            return approve_round(command, product, book, round)
        case RatifyRound():
            return ratify_round(command, product, book)
        case MissRatification():
            return miss_ratification(command, product, book)
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


def lacks_decision(command: ProposeRound, product: ProductId, book: Book) -> bool:
    """Whether the book would take a decision of this round. Where it would not, none need be worked out."""
    decided = _propose(msgspec.structs.replace(command, proposed=None), product, book)
    return isinstance(decided, Refused) and decided.code is Reason.DECISION_STALE


def _propose(command: ProposeRound, product: ProductId, book: Book) -> list[BookEvent] | Refused[Reason]:
    if isinstance(round := _undecided(book, command.round), Refused):
        return round
    if not round.requests:
        return Refused(Reason.ROUND_EMPTY, f"no request is left in {command.round}")
    asked = requests_of(book, round)
    partners = {request.partner for request in asked.values()}
    if late := _late(asked, command.on):
        return late
    if barring := parties_barred(asked):
        return barring
    if superseded := _superseded(command.round, round, command.surroundings):
        return superseded
    if taking_back := _taking_back(command.surroundings):
        return taking_back
    if insisting := minimum_beyond(book, round, command.surroundings.largest_minimum):
        return insisting
    if missing := sorted(partners - command.surroundings.terms.keys()):
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
    reads = reads_of(book, partners, command.surroundings)
    if approved := _approved_already(command, round, reads):
        return approved
    proposed = command.proposed
    if proposed is None or proposed.revision != round.revision or proposed.reads != reads:
        return Refused(Reason.DECISION_STALE, "what the decision was made from changed meanwhile: propose again")
    if fault := _unsound(proposed, asked):
        return Refused(Reason.DECISION_UNSOUND, fault)
    if too_large := _beyond_emergency(proposed, round):
        return too_large
    if not proposed.awards_g:
        return Refused(
            Reason.NOTHING_AWARDED, "the decision awards nothing", accepted="a larger supply, other requests, or a cancelled round"
        )
    quorum = quorum_of(book, command.round, round, sum(proposed.awarded_g.values()), command.on, proposed=True)
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
            awards=sum(map(len, proposed.awards_g.values())),
            awarded_g=proposed.awarded_g,
            carries_g=proposed.carries_g,
            reads=proposed.reads,
            approvals_needed=quorum.needed,
            summed_g=quorum.summed_g,
        ),
    ]


def _approved_already(command: ProposeRound, round: Round, reads: Reads) -> Refused[Reason] | None:
    """Who proposes again does not undo by themselves what somebody has signed, as long as it can still be certified."""
    if (proposal := round.proposal) is None or not proposal.approvals or proposal.reads != reads:
        return None
    return Refused(
        Reason.DECISION_APPROVED,
        f"{proposal.decision} of {command.round} has an approval, and nothing that it was made from has changed",
        accepted="the approvals that it lacks, or the round cancelled by two people, and another opened",
    )


def _superseded(round_id: RoundId, round: Round, surroundings: Surroundings) -> Refused[Reason] | None:
    if surroundings.policy_stands:
        return None
    return Refused(
        Reason.POLICY_CHANGED,
        f"{round.policy} version {round.policy_version}, under which {round_id} was opened, is not active any more",
        accepted="the round cancelled, and another opened",
    )


def _taking_back(surroundings: Surroundings) -> Refused[Reason] | None:
    if surroundings.taking_back is None:
        return None
    return Refused(
        Reason.TAKING_BACK, f"what is left of {surroundings.taking_back} is still being taken back", accepted="the same a moment later"
    )


def _beyond_emergency(proposed: Proposed, round: Round) -> Refused[Reason] | None:
    most_g = None if round.emergency is None else round.emergency.max_g
    if most_g is None or sum(proposed.awarded_g.values()) <= most_g:
        return None
    return Refused(
        Reason.EMERGENCY_TOO_LARGE, "an emergency does not release so much", field="/supply_g", accepted=f"a supply of up to {most_g} g"
    )


def _unsound(proposed: Proposed, asked: Mapping[RequestId, Request]) -> str | None:
    """What no rule may ever do, whatever it was that worked the decision out."""
    if sum(proposed.awarded_g.values()) + proposed.left_g != proposed.supply_g:
        return "the awards and what is left are not what was offered"
    room_g = {partner: read.quota_g - read.used_g for partner, read in proposed.reads.agreements.items()}
    for partner, awards_g in proposed.awards_g.items():
        for request_id, mass_g in awards_g.items():
            if (request := asked.get(request_id)) is None or request.partner != partner:
                return f"{request_id} of {partner} is not in the round"
            if not (request.minimum_g or 1) <= mass_g <= (request.accepted_g or 0):
                return f"{request_id} is awarded less than its minimum or more than was accepted"
        if sum(awards_g.values()) > room_g.get(partner, 0):
            return f"{partner} is awarded more than its quota"
    return None


def _certify(command: CertifyRound, product: ProductId, book: Book) -> list[BookEvent] | Refused[Reason] | Refused[ApprovalReason]:
    if isinstance(round := _undecided(book, command.round), Refused):
        return round
    if (proposal := round.proposal) is None:
        return Refused(Reason.ROUND_NOT_PROPOSED, f"{command.round} has no decision to certify")
    if book.awaiting_release is not None:
        return Refused(Reason.AWAITING_RELEASE, f"{book.awaiting_release} is being released", accepted="the same a moment later")
    if superseded := _superseded(command.round, round, command.surroundings) or _taking_back(command.surroundings):
        return superseded
    asked = requests_of(book, round)
    if late := _late(asked, command.on):
        return late
    if barring := parties_barred(asked):
        return barring
    if proposal.reads != reads_of(book, {request.partner for request in asked.values()}, command.surroundings):
        return Refused(Reason.DECISION_STALE, "what the decision was made from has changed: propose again")
    if (order := command.order) is None or name_of(order) != proposal.release_order:
        return Refused(Reason.DECISION_STALE, "what the decision awards is not at hand, or an earlier build proposed it: propose again")
    approvals = counting(proposal, command.revoked, command.authorities, command.on)
    quorum = quorum_of(book, command.round, round, proposal.mass_g, command.on, proposed=False)
    if len(approvals) < (needed := max(proposal.needed, quorum.needed)):
        detail = f"{len(approvals)} of {needed} approvals: {quorum}"
        return Refused(Reason.APPROVALS_MISSING, detail, accepted="another approver's approval")
    attestation = _attested(proposal.decision, command)
    if isinstance(attestation, Refused):
        return attestation
    expires_on = command.on + timedelta(days=round.release_days)
    lent: list[BookEvent] = []
    given: list[BookEvent] = []
    for award in order.awards:
        grants = given if book.requests[award.request].return_on is None else lent
        grants += grant(award, command.round, product, book, proposal.decision, expires_on)
    return [
        *lent,  # inventory is to know which awards are loans before it hears that the round is certified
        *carried(command.round, product, book, round, _last_days(command.surroundings), command.on),
        RoundCertified(
            round=command.round,
            product=product,
            decision=proposal.decision,
            release_order=proposal.release_order,
            awards=(),
            expires_on=expires_on,
            approvals=approvals,
            attestation=attestation,
            attestation_required=True,
        ),
        *emergency_decided(command.round, product, round, proposal, approvals, command.at),
        *given,  # there may be thousands, and inventory has the release order: it need not wait until it has heard them all
    ]


def _attested(decision: DecisionHash, command: CertifyRound) -> Approval | Refused[Reason] | Refused[ApprovalReason]:
    """Its signature over the decision, for that purpose: whoever certifies may have proposed it, too."""
    if (signing := command.attestation) is None:
        return Refused(
            Reason.ATTESTATION_MISSING,
            "who certifies a decision signs that all lines are by one parameter and no more than was offered",
            field="/attestation",
            accepted=f"{decision}, signed by its certifier: reserve approve --purpose {ATTESTATION}",
        )
    fault = fault_of(Proposal(purpose=ATTESTATION, document=decision, proposed_by=frozenset()), signing)
    return approval_of(signing.approval, command.on) if fault is None else fault


def _last_days(surroundings: Surroundings) -> dict[PartnerCode, date | None]:
    return {partner: terms.valid_until for partner, terms in surroundings.terms.items()}


def _close(command: CloseRound, product: ProductId, book: Book) -> list[BookEvent]:
    if _certified(book, command.round, command.decision) is None:
        return []
    return [RoundReleased(round=command.round, product=product, decision=command.decision)]


def _reopen(command: ReopenRound, product: ProductId, book: Book) -> list[BookEvent]:
    if (round := _certified(book, command.round, command.decision)) is None:
        return []
    reopened = RoundReopened(round=command.round, product=product, decision=command.decision, reason=command.reason)
    return [*withdrawn(command.round, product, book, round, command.reason), *restored(command.round, product, book, round), reopened]


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


def _late(asked: Mapping[RequestId, Request], on: date) -> Refused[Reason] | None:
    late = [request_id for request_id, request in asked.items() if request.needed_by < on]
    return Refused(Reason.REQUEST_EXPIRED, f"{min(late)} was needed by {asked[min(late)].needed_by}") if late else None
