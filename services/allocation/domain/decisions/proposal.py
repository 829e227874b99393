"""Proposal: a round worked out into a decision, before the book is asked to take it.

The heavy part of a round, so it runs outside the writer.
"""

from collections.abc import Mapping, Sequence
from fractions import Fraction
from hashlib import sha256
from math import floor

import msgspec

from services.allocation.domain.book.awards import award_of
from services.allocation.domain.book.lapses import Surroundings, reads_of
from services.allocation.domain.book.rounds import Proposed
from services.allocation.domain.book.state import Book, Round, partners_of
from services.allocation.domain.decisions.composing import compose
from services.allocation.domain.decisions.decision import Claimant, DecisionLine, DecisionTerms, Opened, PublishedPool, canonical_document
from services.allocation.domain.decisions.holdings import Holdings, PartnerTerms
from services.allocation.domain.decisions.sealed import publish
from services.allocation.domain.rules import MAX_CARRY_DENOMINATOR, IepFigures, Method, capped, rational
from services.allocation.events import Award, AwardTake, DecisionHash, PartnerCode, PoolStock, ProductId, ReleaseOrder, RequestId, RoundId
from shared.journal import record


class Prepared(msgspec.Struct, frozen=True, kw_only=True):
    """A decision, and the documents that are kept of it: the published part, whose name it bears, the whole file, and what inventory
    releases."""

    proposed: Proposed
    published: bytes
    file: bytes
    release_order: bytes


class Offer(msgspec.Struct, frozen=True, kw_only=True):
    """What a round hands out: its pools, the pools that each request may have of (by id; a request that is not named, of all), and the
    stock behind them. `lots`: by pool, those that its releases are then pinned to; none named at all: any will do for everyone."""

    pools: tuple[PublishedPool, ...]
    eligible: Mapping[RequestId, tuple[str, ...]]
    holdings: Holdings
    lots: Mapping[str, tuple[str, ...]] = {}


def prepare(
    round_id: RoundId,
    product: ProductId,
    book: Book,
    round: Round,
    surroundings: Surroundings,
    offer: Offer,
    salts: Sequence[str],
) -> Prepared:
    """Decide the round. `salts`: fresh and random, 16 bytes in hex each, one more than the round has requests.

    Every partner needs terms in `surroundings`. Raises `RuleInputError`.
    """
    method = round.method
    terms = DecisionTerms(
        round=round_id,
        product=product,
        rule=method.rule,
        inside=method.inside,
        cap=None if method.cap is None else rational(method.cap),
        restraint=None if method.restraint is None else rational(method.restraint),
        policy=round.policy,
        policy_version=round.policy_version,
        disruption=round.disruption,
        pools=offer.pools,
    )
    positions = tuple(IepFigures(**msgspec.structs.asdict(position)) for position in round.positions)
    partners = _partner_terms(book, round, surroundings)
    holdings = Opened(salt=salts[0], content=msgspec.structs.replace(offer.holdings, positions=positions, partners=partners))
    claimants = _claimants(book, round, surroundings, offer)
    opened = [Opened(salt=salt, content=claimant) for salt, claimant in zip(salts[1:], claimants, strict=True)]
    file = compose(terms, holdings, opened)
    published, whole = canonical_document(publish(file)), canonical_document(file)
    lines = [line.content for line in file.lines]
    order = ReleaseOrder(
        round=round_id, product=product, awards=tuple(_award(line) for line in lines if line.award_g), pools=_stock_of(offer)
    )
    release_order = record.canonical(order)
    proposed = Proposed(
        decision=DecisionHash(sha256(published).hexdigest()),
        file=sha256(whole).hexdigest(),
        release_order=sha256(release_order).hexdigest(),
        supply_g=_offered_g(offer),
        left_g=file.decision.left_g,
        awards_g=_awards_g(order),
        carries_g=_carries(lines, cap_g=max(units.unit_g for units in file.decision.terms.offered)),
        revision=round.revision,
        reads=reads_of(book, partners_of(book, round), surroundings),
    )
    return Prepared(proposed=proposed, published=published, file=whole, release_order=release_order)


def _claimants(book: Book, round: Round, surroundings: Surroundings, offer: Offer) -> list[Claimant]:
    """The requests as claims, by id. A partner with several has its carry on the first, and its quota and its cap go to them in turn.

    What a quota leaves cuts the claim. By `quota_capped` the claim counts whole, and the quota is a cap: it holds the award back, and not
    the part that the claim has in the sharing.
    """
    reads = reads_of(book, partners_of(book, round), surroundings)
    method = Method(round.method.rule, round.method.inside)
    quota_g = {partner: max(read.quota_g - read.used_g, 0) for partner, read in reads.agreements.items()}
    most_g = {partner: _most_g(round, partner, _offered_g(offer)) for partner in reads.agreements}
    carry_g = {partner: rational(reads.carries_g.get(partner, "0")) for partner in reads.agreements}
    positions = {position.partner: IepFigures(**msgspec.structs.asdict(position)) for position in round.positions}
    everything = tuple(pool.pool for pool in offer.pools)
    claimants = []
    for request_id in sorted(round.requests):
        request = book.requests[request_id]
        partner, terms = request.partner, surroundings.terms[request.partner]
        accepted_g = request.accepted_g or 0
        within_g = min(accepted_g, quota_g[partner])
        quota_g[partner] -= within_g
        whole = method.rule_of(terms.priority_class) == "quota_capped"
        cap_g = within_g if whole else None
        if (rest_g := most_g[partner]) is not None:
            cap_g = min(within_g, rest_g)
            most_g[partner] = rest_g - cap_g
        claimants.append(
            Claimant(
                request=request_id,
                partner=partner,
                agreement=terms.agreement,
                agreement_version=terms.version,
                asked_g=request.mass_g,
                accepted_g=accepted_g if whole else within_g,
                minimum_g=request.minimum_g,
                priority_class=terms.priority_class,
                carry_in_g=carry_g[partner],
                daily_consumption_g=request.daily_consumption_g,
                cap_g=cap_g,
                pools=offer.eligible.get(request_id, everything),
                position=positions.get(partner),
            )
        )
        carry_g[partner] = Fraction(0)
    return claimants


def _partner_terms(book: Book, round: Round, surroundings: Surroundings) -> tuple[PartnerTerms, ...]:
    reads = reads_of(book, partners_of(book, round), surroundings)
    return tuple(
        PartnerTerms(
            partner=partner,
            agreement=read.agreement,
            agreement_version=read.version,
            priority_class=surroundings.terms[partner].priority_class,
            quota_left_g=max(read.quota_g - read.used_g, 0),
            own_cap=rational(own) if (own := round.method.caps.get(partner)) is not None else None,
            carry_g=rational(reads.carries_g.get(partner, "0")),
        )
        for partner, read in reads.agreements.items()
    )


def _most_g(round: Round, partner: PartnerCode, offered_g: int) -> int | None:
    """The most that one partner may get of what is offered; None: as much as its claims."""
    part = round.method.caps.get(partner, round.method.cap)
    return None if part is None else floor(rational(part) * offered_g)


def _offered_g(offer: Offer) -> int:
    return sum(units.unit_g * units.units for pool in offer.pools for units in pool.offered)


def _carries(lines: Sequence[DecisionLine], cap_g: int) -> dict[PartnerCode, str]:
    carries: dict[PartnerCode, Fraction] = {}
    for line in lines:
        partner = PartnerCode(line.claimant.partner)
        carries[partner] = carries.get(partner, Fraction(0)) + line.carry_out_g
    return {partner: str(capped(carry_g, cap_g).limit_denominator(MAX_CARRY_DENOMINATOR)) for partner, carry_g in carries.items()}


def _stock_of(offer: Offer) -> tuple[PoolStock, ...]:
    return tuple(PoolStock(pool=pool.pool, kind=pool.kind, lots=offer.lots.get(pool.pool, ())) for pool in offer.pools)


def _awards_g(order: ReleaseOrder) -> dict[PartnerCode, dict[RequestId, int]]:
    awards_g: dict[PartnerCode, dict[RequestId, int]] = {}
    for award in order.awards:
        awards_g.setdefault(award.partner, {})[award.request] = award.mass_g
    return awards_g


def _award(line: DecisionLine) -> Award:
    request = RequestId(line.claimant.request)
    return Award(
        award=award_of(request),
        request=request,
        partner=PartnerCode(line.claimant.partner),
        mass_g=line.award_g,
        takes=tuple(AwardTake(pool=take.pool, unit_g=take.unit_g, units=take.units) for take in line.takes or ()),
    )
