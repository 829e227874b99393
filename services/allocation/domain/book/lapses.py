"""What a decision of a round is made from, and how it falls when any of that changes.

Changes inside the book are seen by the command that makes them (`lapses_inside`); changes around it are told by `LapseApprovals`.
Such news takes a moment, so whoever certifies looks everything up once more.
"""

from collections.abc import Collection, Sequence
from datetime import date
from functools import reduce
from typing import assert_never

import msgspec

from services.allocation.domain.book.authority import lapsed_with
from services.allocation.domain.book.evolve import evolve
from services.allocation.domain.book.screening_state import bars_now
from services.allocation.domain.book.state import Book, ProposedDecision, Round, proposal_of
from services.allocation.events import (
    AgreementId,
    AgreementRead,
    ApprovalsLapsed,
    BookEvent,
    CarryExpired,
    DecisionGivenBack,
    DisruptionId,
    InstrumentId,
    KeyId,
    PartiesScreened,
    PartnerCode,
    ProductId,
    Reads,
    RequestAccepted,
    RequestDeclined,
    RequestExpired,
    RequestWithdrawn,
    RoundCertified,
    RoundId,
    RoundReopened,
    ScreeningHitDecided,
)


class TermsRead(msgspec.Struct, frozen=True, kw_only=True):
    """What a partner's agreement says of the product on the day."""

    agreement: AgreementId
    version: int
    year_from: date
    quota_g: int
    priority_class: int
    valid_until: date | None = None  # the last day; None: it is not known


class Surroundings(msgspec.Struct, frozen=True, kw_only=True):
    """What a round depends on outside its book, as looked up on the day."""

    terms: dict[PartnerCode, TermsRead]  # a partner without valid terms is not named
    disruption_version: int | None
    lots_g: int  # available, protected stock included
    rights_g: int  # firm, and not reserved by any release
    protected_g: int  # of lots
    policy_stands: bool = True  # the version that the round was opened under is still the active one
    taking_back: RoundId | None = None  # a superseded round whose quota and carries are not back yet
    largest_minimum: str = "1"  # by that version: the most of what was accepted that a request may insist on

    @property
    def free_g(self) -> int:
        """The most that a round may offer."""
        return max(self.lots_g - self.protected_g, 0) + self.rights_g


class AgreementChanged(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    agreement: AgreementId
    partner: PartnerCode
    version: int


class DisruptionChanged(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    disruption: DisruptionId
    version: int


class ProtectedStockChanged(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    mass_g: int


class KeyRevoked(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    key: KeyId


class InterestFound(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Of who approved the round with this key."""

    round: RoundId
    key: KeyId


class AuthorityEnded(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    instrument: InstrumentId


class PolicyChanged(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    policy: str
    version: int | None  # that is active now


class LapseApprovals(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Something around the book has changed: what was decided or approved with the old is void."""

    cause: AgreementChanged | DisruptionChanged | ProtectedStockChanged | KeyRevoked | InterestFound | AuthorityEnded | PolicyChanged


def reads_of(book: Book, partners: Collection[PartnerCode], surroundings: Surroundings) -> Reads:
    """What a decision over requests of these partners is made from, as of now, beside the requests."""
    partners = sorted(partners)
    return Reads(
        agreements={
            partner: AgreementRead(
                agreement=terms.agreement,
                version=terms.version,
                year_from=terms.year_from,
                quota_g=terms.quota_g,
                used_g=book.used_g(terms.agreement, terms.year_from),
            )
            for partner in partners
            if (terms := surroundings.terms.get(partner)) is not None
        },
        carries_g={
            partner: carry.carry_g
            for partner in partners
            if (terms := surroundings.terms.get(partner)) is not None and (carry := book.carries.get(terms.agreement)) is not None
        },
        disruption_version=surroundings.disruption_version,
        protected_g=surroundings.protected_g,
    )


def lapses_inside(product: ProductId, book: Book, events: Sequence[BookEvent]) -> list[BookEvent]:
    """The decisions that fall because `events` change what they were made from. It costs by the event, however many requests there are."""
    lapses: dict[RoundId, BookEvent] = {}
    for event in events:
        match event:
            case PartiesScreened() | ScreeningHitDecided() if not bars_now(book.requests[event.request].screening, event):
                pass
            case RequestAccepted() | RequestDeclined() | RequestWithdrawn() | RequestExpired() | PartiesScreened() | ScreeningHitDecided():
                round_id = book.requests[event.request].round
                round = None if round_id is None else book.rounds[round_id]
                if round_id is not None and round is not None and round.proposal is not None and not round.certified:
                    lapses[round_id] = void_decision(round_id, product, round, f"request {event.request}")
            case RoundCertified() | RoundReopened() | CarryExpired() | DecisionGivenBack():
                after = reduce(evolve, events, book)
                for other, round in _proposals(after):
                    if (cause := _changed_inside(after, round)) is not None:
                        lapses[other] = void_decision(other, product, round, cause)
            case _:
                pass
    return list(lapses.values())


def lapses_outside(command: LapseApprovals, product: ProductId, book: Book) -> list[BookEvent]:
    """The decisions, or single approvals, that fall because of what has changed around the book."""
    lapses = (_lapse(command, product, round_id, round) for round_id, round in _proposals(book))
    return [lapse for lapse in lapses if lapse is not None]


def _lapse(command: LapseApprovals, product: ProductId, round_id: RoundId, round: Round) -> ApprovalsLapsed | None:
    proposal = proposal_of(round)
    reads = proposal.reads
    match command.cause:
        case AgreementChanged(agreement=agreement, partner=partner, version=version):
            read = reads.agreements.get(partner)
            if read is None or (read.agreement == agreement and read.version >= version):
                return None  # not in this round, or decided with the new terms
            return void_decision(round_id, product, round, f"agreement {agreement}")
        case DisruptionChanged(disruption=disruption, version=version):
            if round.disruption != disruption or (reads.disruption_version or 0) >= version:
                return None
            return void_decision(round_id, product, round, f"disruption {disruption}")
        case ProtectedStockChanged(mass_g=mass_g):
            level_g = max(mass_g, round.protected_g)  # the policy's own stands below it
            return void_decision(round_id, product, round, "protected stock") if reads.protected_g != level_g else None
        case KeyRevoked(key=key):
            return _without_key(round_id, product, proposal, key, f"key {key}")
        case InterestFound(round=of, key=key):
            return _without_key(round_id, product, proposal, key, f"conflict of interest {key}") if of == round_id else None
        case AuthorityEnded(instrument=instrument):
            return lapsed_with(instrument, round_id, product, round)
        case PolicyChanged(policy=policy, version=active):
            if round.policy != policy or round.policy_version == active:
                return None
            return void_decision(round_id, product, round, f"policy {policy}")
        case _:
            assert_never(command.cause)


def _without_key(round_id: RoundId, product: ProductId, proposal: ProposedDecision, key: KeyId, cause: str) -> ApprovalsLapsed | None:
    if key not in proposal.approvals:
        return None
    return ApprovalsLapsed(round=round_id, product=product, decision=proposal.decision, keys=(key,), decision_stands=True, cause=cause)


def void_decision(round_id: RoundId, product: ProductId, round: Round, cause: str) -> ApprovalsLapsed:
    """The decision falls with all of its approvals."""
    proposal = proposal_of(round)
    return ApprovalsLapsed(
        round=round_id,
        product=product,
        decision=proposal.decision,
        keys=tuple(map(KeyId, sorted(proposal.approvals))),
        decision_stands=False,
        cause=cause,
    )


def _changed_inside(book: Book, round: Round) -> str | None:
    reads = proposal_of(round).reads
    for partner, read in reads.agreements.items():
        if book.used_g(read.agreement, read.year_from) != read.used_g:
            return f"quota of {read.agreement}"
        if book.carry_g(read.agreement) != reads.carries_g.get(partner, "0"):
            return f"carry of {partner}"
    return None


def _proposals(book: Book) -> list[tuple[RoundId, Round]]:
    """The rounds with a decision that is not final yet."""
    return [(round_id, round) for round_id, round in sorted(book.rounds.items()) if round.proposal is not None and not round.certified]
