"""Evolve: what each event does to the state of a book."""

from datetime import date, timedelta
from typing import assert_never

import immutables
import msgspec

from services.allocation.domain.book.carry import Carry, carries_told, with_carry
from services.allocation.domain.book.declining import declined, word_of
from services.allocation.domain.book.giving_back import carry_forgotten, given_back, remembered
from services.allocation.domain.book.quorum import counted, counted_less
from services.allocation.domain.book.screening_state import Objectable, Objection, Screening, decided, screened
from services.allocation.domain.book.state import (
    APPROVALS,
    PURPOSE,
    RATIFICATION,
    Book,
    Emergency,
    ProposedDecision,
    QuotaUsed,
    Request,
    Round,
    approvals_needed,
    partners_of,
    proposal_of,
)
from services.allocation.events import (
    ApprovalsLapsed,
    AuthorityCited,
    AwardGranted,
    AwardWithdrawn,
    BookEvent,
    BookOpened,
    CarryExpired,
    CarrySet,
    ClockSet,
    DecisionGivenBack,
    DecisionRatified,
    EmergencyDecided,
    LoanAwarded,
    LoanRequested,
    ObjectionAnswered,
    ObjectionRaised,
    PartiesScreened,
    RatificationMissed,
    RequestAccepted,
    RequestDeclineConfirmed,
    RequestDeclined,
    RequestDeclineLapsed,
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
    ScreeningHitLapsed,
)
from shared.terms.acting import approved, cited_for, without


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
        case ScreeningHitDecided() | ScreeningHitLapsed():
            return _with_screening(book, event.request, decided(book.requests[event.request].screening, event))
        case ObjectionRaised():
            return replace(book, objections=book.objections.set(event.objection, Objection(event.request, event.partner)))
        case ObjectionAnswered():
            return replace(book, objections=book.objections.delete(event.objection))
        case RequestDeclined() if (word := word_of(event)) is not None:
            outside = _without_request(book, event.request)  # of its round
            by_one = declined(book.requests[event.request], word)
            return replace(outside, requests=outside.requests.set(event.request, by_one))
        case RequestDeclineLapsed():
            as_before = replace(book.requests[event.request], declined=None)
            return replace(book, requests=book.requests.set(event.request, as_before))
        case RequestDeclined() | RequestDeclineConfirmed() | RequestWithdrawn() | RequestExpired():
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
                quorum_days=event.quorum_days,
                emergency=event.emergency,
                release_days=event.release_days,
                protected_g=event.protected_g,
                carry_years=event.carry_years,
                opened_by=event.opened_by,
            )
            return replace(book, rounds=book.rounds.set(event.round, round), requests=_moved(book, event.requests, event.round))
        case RoundExtended():
            round = book.rounds[event.round]
            longer = replace(round, requests=round.requests | set(event.requests))
            extended = replace(book, rounds=book.rounds.set(event.round, longer), requests=_moved(book, event.requests, event.round))
            return _revised(extended, event.round)
        case RoundProposed():
            round = book.rounds[event.round]
            proposal = ProposedDecision(
                purpose=PURPOSE,
                document=event.decision,
                proposed_by=frozenset({event.proposed_by}),
                needed=_needed(round, event),
                release_order=event.release_order,
                awarded_g=event.awarded_g,
                carries_g=event.carries_g,
                reads=event.reads,
            )
            return _with_proposal(book, event.round, proposal)
        case RoundApproved():
            signed = _with_proposal(book, event.round, approved(proposal_of(book.rounds[event.round]), event.approval))
            return replace(signed, rounds=signed.rounds.set(event.round, replace(signed.rounds[event.round], signed=True)))
        case ApprovalsLapsed():
            if not event.decision_stands:
                return _with_proposal(book, event.round, None)
            return _with_proposal(book, event.round, without(proposal_of(book.rounds[event.round]), event.keys))
        case AuthorityCited():
            return _cited(book, event)
        case EmergencyDecided():
            round = book.rounds[event.round]
            emergency = Emergency(
                purpose=RATIFICATION,
                document=event.decision,
                proposed_by=proposal_of(round).proposed_by | {*event.approved_by},
                mass_g=event.mass_g,
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
            carries = book.carries.delete(event.agreement) if event.agreement in book.carries else book.carries
            return replace(book, carries=carries, decided=carry_forgotten(book, event.agreement))
        case DecisionGivenBack():
            return replace(given_back(book, event), counted=counted_less(book, event))
        case RoundCertified():
            return _certified(book, event)
        case RoundReopened():
            return _reopened(book, event.round)
        case RoundReleased():
            round = book.rounds[event.round]
            given = {request for request in round.requests if book.requests[request].awarded_g}
            requests, objectable = _moved(book, round.requests - given, None), book.objectable
            for request_id in given:
                request, requests = requests[request_id], requests.delete(request_id)
                if (until := request.objections_until) is not None:
                    objected = Objectable(request.partner, request.accepted_g or 0, until, event.round)
                    objectable = objectable.set(request_id, objected)
            rounds = book.rounds.delete(event.round)
            return replace(book, rounds=rounds, requests=requests, objectable=objectable, awaiting_release=None)
        case RoundCancelled():
            requests = _moved(book, book.rounds[event.round].requests, None)
            return replace(book, rounds=book.rounds.delete(event.round), requests=requests)
        case _:
            assert_never(event)


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
    return _with_proposal(book, round_id, cited_for(round.proposal, event.cited))


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
        decided=remembered(book, round, event),
        counted=counted(book, round, event),
        objectable=_still_objectable(book, event.expires_on - timedelta(days=round.release_days)),
        awaiting_release=event.round,
    )


def _needed(round: Round, event: RoundProposed) -> int:
    if event.approvals_needed is not None:
        return event.approvals_needed
    return approvals_needed(round.quorum, sum(event.awarded_g.values())) if round.emergency is None else APPROVALS


def _still_objectable(book: Book, on: date) -> immutables.Map[RequestId, Objectable]:
    """What has an open objection stays until that is answered."""
    objected = {objection.request for objection in book.objections.values()}
    past = [request for request, each in book.objectable.items() if each.until < on and request not in objected]
    left = book.objectable
    for request in past:
        left = left.delete(request)
    return left


def _reopened(book: Book, round_id: RoundId) -> Book:
    """Quota and carries go back to what the decision had read: no other round is certified while one awaits its release."""
    round = book.rounds[round_id]
    proposal = proposal_of(round)
    reads, quota_used = proposal.reads, book.quota_used
    for read in reads.agreements.values():
        quota_used = quota_used.set(read.agreement, QuotaUsed(read.year_from, read.used_g))
    return msgspec.structs.replace(
        book,
        rounds=book.rounds.set(round_id, msgspec.structs.replace(round, certified=False, proposal=None, carries_before={})),
        quota_used=quota_used,
        carries=carries_told(book.carries, reads, {partner: reads.carries_g.get(partner, "0") for partner in reads.agreements}),
        counted=book.counted.delete(round_id) if round_id in book.counted else book.counted,
        decided=book.decided.delete(proposal.decision) if proposal.decision in book.decided else book.decided,
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


def _with_proposal(book: Book, round_id: RoundId, proposal: ProposedDecision | None) -> Book:
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
