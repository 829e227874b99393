"""Proposal: a tender's bids worked out into a decision, before the tender is asked to take it."""

from collections.abc import Mapping, Sequence
from hashlib import sha256

import msgspec

from services.allocation.domain.decisions.decision import Opened
from services.allocation.domain.tenders.decider import ClearedTender
from services.allocation.domain.tenders.decision import BidLine, Revealed, compose, tender_decision_hash
from services.allocation.events import (
    Award,
    AwardId,
    BidRevealed,
    DecisionHash,
    PartnerCode,
    ReleaseOrder,
    RequestId,
    TenderAward,
    TenderId,
    TenderTerms,
)
from shared.journal.record import canonical


class PreparedTender(msgspec.Struct, frozen=True, kw_only=True):
    """`documents`: the published part, whose name the decision bears, the whole file, and the release order."""

    cleared: ClearedTender
    documents: tuple[bytes, ...]


def prepare_tender(
    tender: TenderId, terms: TenderTerms, bids: Sequence[BidRevealed], agreements: Mapping[PartnerCode, int], salts: Sequence[str]
) -> PreparedTender:
    """`agreements`: of the bidders, the versions of those that are valid; `salts`: fresh and random, 16 bytes in hex, one a bid."""
    revealed = [
        Opened(
            salt=salt,
            content=Revealed(
                bid=bid.bid, partner=bid.partner, salt=bid.salt, steps=bid.steps, agreement_version=agreements.get(bid.partner)
            ),
        )
        for bid, salt in zip(bids, salts, strict=True)
    ]
    file = compose(tender, terms, revealed)
    awards = tuple(_award(line.content) for line in file.lines if line.content.units)
    counted = (line.content.revealed for line in file.lines)
    published, whole = canonical(file.decision), canonical(file)
    order = canonical(
        ReleaseOrder(
            round=tender,
            product=terms.product,
            awards=tuple(
                Award(award=award.award, request=RequestId(award.bid), partner=award.partner, mass_g=award.mass_g) for award in awards
            ),
        )
    )
    cleared = ClearedTender(
        decision=DecisionHash(tender_decision_hash(file)),
        file=sha256(whole).hexdigest(),
        release_order=sha256(order).hexdigest(),
        left_units=file.decision.left_units,
        awards=awards,
        agreements={each.partner: each.agreement_version for each in counted if each.agreement_version is not None},
    )
    return PreparedTender(cleared=cleared, documents=(published, whole, order))


def _award(line: BidLine) -> TenderAward:
    """An award is named after its bid: a bid has at most one that stands."""
    bid = line.revealed.bid
    return TenderAward(
        award=AwardId(f"awd_{bid.removeprefix('bid_')}"),
        bid=bid,
        partner=line.revealed.partner,
        units=line.units,
        mass_g=line.mass_g,
        amount_minor=line.amount_minor,
    )
