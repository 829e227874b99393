"""Tender: an offer of stock at a price, for normal times. Opened, bid for (`bid.py`), proposed, approved by people other than the proposer,
certified, released."""

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import assert_never

import msgspec

from services.allocation.domain.tenders.clearing import minor_a_unit
from services.allocation.domain.tenders.opening import OpenTender, fault_of_offer, fault_of_stock, fault_of_terms
from services.allocation.domain.tenders.sealed_bid import price_of
from services.allocation.domain.tenders.state import Reason, Tender, evolve
from services.allocation.events import (
    AuthorityCited,
    BiddingClosed,
    DecisionHash,
    PartnerCode,
    SubjectId,
    TenderApproved,
    TenderAward,
    TenderAwardGranted,
    TenderAwardWithdrawn,
    TenderCancelled,
    TenderCertified,
    TenderEvent,
    TenderId,
    TenderOpened,
    TenderProposed,
    TenderReleased,
    TenderReopened,
    TenderTerms,
)
from services.allocation.events.authority import Power, name_of_use
from shared.journal.decider import CancelTimer, Decider, Refused, Timer
from shared.journal.texts import TypedText
from shared.terms.acting import ApprovalReason, Signing, counting, is_complete, sign
from shared.terms.authority import Action, Chain, Fault, interest_in


class CloseBidding(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """By timer, possibly late."""

    at: datetime


class ClearedTender(msgspec.Struct, frozen=True, kw_only=True):
    """What a decision comes to."""

    decision: DecisionHash
    file: str
    release_order: str
    left_units: int
    awards: tuple[TenderAward, ...]
    agreements: dict[PartnerCode, int]


class ProposeTender(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """`cleared`: worked out before, from the bids; None while one of them may still be revealed."""

    by: SubjectId
    free_g: int
    cleared: ClearedTender | None


class ApproveTender(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    signing: Signing


class CertifyTender(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """`agreements`: of the bidders, the versions of those that are valid now; `revoked`: of the approvals' keys those that are;
    `authorities`: those that the approvals cite, as they are now."""

    agreements: dict[PartnerCode, int]
    authorities: Mapping[str, Chain]
    revoked: tuple[str, ...]
    on: date


class CancelTender(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    reason: TypedText
    by: frozenset[str] = frozenset()  # who cancels it, by every account of theirs; nobody: it is proposed, and signed by another


class CloseTender(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Inventory has released it."""

    decision: DecisionHash


class ReopenTender(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Inventory has refused it."""

    decision: DecisionHash
    reason: str  # a code of inventory's


type Command = OpenTender | CloseBidding | ProposeTender | ApproveTender | CertifyTender | CancelTender | CloseTender | ReopenTender


type _Decided = list[TenderEvent | AuthorityCited]


class _Open(msgspec.Struct, frozen=True):
    """A tender that can still be decided, taken apart."""

    id: TenderId
    terms: TenderTerms


def decide(command: Command, tender: Tender) -> _Decided | Refused[Reason] | Refused[ApprovalReason] | Refused[Fault]:
    match command:
        case OpenTender():
            return _open(command, tender)
        case CloseBidding():
            if tender.id is None or tender.terms is None or not tender.bidding or tender.ended or command.at < tender.terms.reveal_until:
                return []
            return [BiddingClosed(tender=tender.id, closed_at=command.at)]
        case ProposeTender():
            return _propose(command, tender)
        case ApproveTender():
            return _approve(command, tender)
        case CertifyTender():
            return _certify(command, tender)
        case CancelTender():
            if isinstance(found := _undecided(tender), Refused):
                return found
            return [TenderCancelled(tender=found.id, reason=command.reason)]
        case CloseTender():
            if (proposed := _certified(tender, command.decision)) is None:
                return []
            return [TenderReleased(tender=proposed.tender, decision=command.decision)]
        case ReopenTender():
            if (proposed := _certified(tender, command.decision)) is None:
                return []
            return [
                *(
                    TenderAwardWithdrawn(
                        award=award.award, tender=proposed.tender, bid=award.bid, partner=award.partner, reason=command.reason
                    )
                    for award in proposed.awards
                ),
                TenderReopened(tender=proposed.tender, decision=command.decision, reason=command.reason),
            ]
        case _:
            assert_never(command)


def timers(event: TenderEvent | AuthorityCited) -> list[Timer | CancelTimer]:
    match event:
        case TenderOpened():
            until = event.terms.reveal_until
            return [Timer.at_instant("close", until, CloseBidding(at=until))]
        case TenderCancelled():
            return [CancelTimer("close")]
        case _:
            return []


def _open(command: OpenTender, tender: Tender) -> _Decided | Refused[Reason]:
    if tender.id is not None:
        return Refused(Reason.ALREADY_OPEN, f"{tender.id} is open already")
    if fault := fault_of_terms(command.terms) or fault_of_offer(command):
        return fault
    return [TenderOpened(tender=command.tender, terms=command.terms, opened_by=command.by, signed_stays=True)]


def _propose(command: ProposeTender, tender: Tender) -> _Decided | Refused[Reason]:
    if isinstance(found := _undecided(tender), Refused):
        return found
    if tender.bidding or command.cleared is None:
        return Refused(Reason.BIDDING_OPEN, "bids may still be revealed", accepted=f"from {found.terms.reveal_until.isoformat()}")
    if fault := fault_of_stock(found.terms, command.free_g, None):
        return fault
    cleared = command.cleared
    if fault_found := _unsound(cleared, found.terms):
        return Refused(Reason.DECISION_UNSOUND, fault_found)
    if not cleared.awards:
        return Refused(Reason.NOTHING_SOLD, "no bid that counts is at the reserve price or above", accepted="a cancelled tender")
    if tender.proposal is not None and tender.proposal.approvals and tender.proposal.proposed.agreements == cleared.agreements:
        return Refused(
            Reason.DECISION_APPROVED,
            f"the decision of {found.id} has an approval, and nothing that it was made from has changed",
            accepted="the approvals that it lacks, or the tender cancelled by two people, and another opened",
        )
    return [
        TenderProposed(
            tender=found.id,
            decision=cleared.decision,
            file=cleared.file,
            release_order=cleared.release_order,
            proposed_by=command.by,
            left_units=cleared.left_units,
            awards=cleared.awards,
            agreements=cleared.agreements,
        )
    ]


def _unsound(cleared: ClearedTender, terms: TenderTerms) -> str | None:
    """What no clearing may ever do, whatever it was that worked the decision out."""
    if sum(award.units for award in cleared.awards) + cleared.left_units != terms.units:
        return "the awards and what is left are not what was offered"
    if len({award.partner for award in cleared.awards}) < len(cleared.awards):
        return "a bidder is awarded twice"
    floor_minor = minor_a_unit(price_of(terms.reserve_price), terms.unit_g)
    for award in cleared.awards:
        if award.partner not in terms.bidders or award.partner not in cleared.agreements:
            return f"{award.partner} may not bid"
        if not 1 <= award.units <= terms.cap_units or award.mass_g != award.units * terms.unit_g:
            return f"{award.partner} is awarded nothing, more than one bidder may have, or no whole units"
        if award.amount_minor < floor_minor * award.units:
            return f"{award.partner} would pay less than the reserve price"
    return None


def _approve(command: ApproveTender, tender: Tender) -> _Decided | Refused[Reason] | Refused[ApprovalReason] | Refused[Fault]:
    if isinstance(found := _undecided(tender), Refused):
        return found
    if (proposal := tender.proposal) is None:
        return Refused(Reason.NOT_PROPOSED, f"{found.id} has no decision to approve")
    action = Action(
        act=Power.TENDER,
        product=found.terms.product,
        mass_g=proposal.mass_g,
        amount_minor=proposal.amount_minor,
        currency=found.terms.currency,
        concerns=concerns_of(tender),
        name=name_of_use(found.id, Power.TENDER),
    )
    if isinstance(signed := sign(proposal, command.signing, action), Refused):
        return signed
    approval, cited = signed
    return [
        TenderApproved(tender=found.id, decision=proposal.proposed.decision, approval=approval),
        AuthorityCited(matter=found.id, cited=cited),
    ]


def _certify(command: CertifyTender, tender: Tender) -> _Decided | Refused[Reason]:
    if isinstance(found := _undecided(tender), Refused):
        return found
    if (proposal := tender.proposal) is None:
        return Refused(Reason.NOT_PROPOSED, f"{found.id} has no decision to certify")
    proposed, terms = proposal.proposed, found.terms
    if changed := [who for who, version in sorted(proposed.agreements.items()) if command.agreements.get(who) != version]:
        return Refused(Reason.DECISION_STALE, f"the agreement of {', '.join(changed)} has changed: propose again")
    approvals = counting(proposal, command.revoked, command.authorities, command.on)
    if not is_complete(proposal, approvals):
        return Refused(Reason.APPROVALS_MISSING, f"{len(approvals)} of {proposal.needed} approvals", accepted="another approver's approval")
    expires_on = command.on + timedelta(days=terms.release_days)
    return [
        *(
            TenderAwardGranted(
                award=award.award,
                tender=found.id,
                bid=award.bid,
                product=terms.product,
                partner=award.partner,
                units=award.units,
                mass_g=award.mass_g,
                amount_minor=award.amount_minor,
                currency=terms.currency,
                decision=proposed.decision,
                expires_on=expires_on,
            )
            for award in proposed.awards
        ),
        TenderCertified(
            tender=found.id,
            product=terms.product,
            decision=proposed.decision,
            release_order=proposed.release_order,
            expires_on=expires_on,
            approvals=approvals,
        ),
    ]


def concerns_of(tender: Tender) -> frozenset[str]:
    """What somebody may have declared an interest in: the tender, its product, and who may bid, or who buys once that is proposed."""
    if tender.id is None or tender.terms is None:
        return frozenset()
    proposal = tender.proposal
    partners = tender.terms.bidders if proposal is None else [award.partner for award in proposal.proposed.awards]
    about = [interest_in("round", tender.id), interest_in("product", tender.terms.product)]
    return frozenset([*about, *(interest_in("partner", partner) for partner in partners)])


def _undecided(tender: Tender) -> _Open | Refused[Reason]:
    if tender.id is None or tender.terms is None:
        return Refused(Reason.NOT_FOUND, "there is no such tender")
    if tender.ended:
        return Refused(Reason.ENDED, f"{tender.id} is released or cancelled")
    if tender.certified:
        return Refused(Reason.CERTIFIED, f"{tender.id} is certified")
    return _Open(tender.id, tender.terms)


def _certified(tender: Tender, decision: DecisionHash) -> TenderProposed | None:
    """The decision that inventory answers, if it is the one that waits for an answer."""
    if tender.proposal is None or not tender.certified or tender.ended or tender.proposal.proposed.decision != decision:
        return None
    return tender.proposal.proposed


DECIDER = Decider(kind="tender", initial=Tender(), commands=Command, decide=decide, evolve=evolve, timers=timers)
