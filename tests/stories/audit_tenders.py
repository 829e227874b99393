"""A tender for the audit's tests, after the story of the round: JP and US bid for two units, EU seals a bid and says no more."""

from datetime import UTC, date, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from services.allocation import events as allocation
from services.allocation.domain.tenders.proposal import PreparedTender, prepare_tender
from services.allocation.domain.tenders.sealed_bid import SealedBid, seal
from services.inventory import events as inventory
from shared.terms.approval import approve, key_id, public_key_hex
from shared.terms.authority import Cited
from tests.stories.audit import ANTIMONY, APPROVER_KEY, DAY_AFTER, UNIT_G, Step, Story, Told, stock, told, unit, with_agreements

TENDER: Any = "tnd_1"
SEALED_ON, REVEALED_ON, DECIDED_ON, EXPIRES_ON = DAY_AFTER, date(2026, 1, 22), date(2026, 1, 23), date(2026, 2, 23)
TERMS = allocation.TenderTerms(
    product=ANTIMONY,
    unit_g=UNIT_G,
    units=2,
    currency="AUD",
    reserve_price="900",
    pricing="uniform",
    tie_rule="pro_rata",
    cap_units=2,
    bidders=("JP", "US", "EU"),  # type: ignore[arg-type]
    commit_until=datetime(2026, 1, 21, 12, tzinfo=UTC),
    reveal_until=datetime(2026, 1, 23, tzinfo=UTC),
    approvals_needed=1,
    release_days=31,
)
CITED = Cited(
    authority="ins_1",
    version=1,
    under=(),
    act="tender",
    by="sub_approver",
    product=ANTIMONY,
    mass_g=20,
    amount_minor=22,
    currency="AUD",
)
BIDS = {"JP": (("1100", 1),), "US": (("1100", 1), ("1000", 1)), "EU": (("1200", 2),)}


def revealed(partner: str) -> allocation.BidRevealed:
    steps = tuple(allocation.BidStep(price=price, units=units) for price, units in BIDS[partner])
    return allocation.BidRevealed(bid=f"bid_{partner}", tender=TENDER, partner=partner, salt=partner.encode().hex() * 8, steps=steps)  # type: ignore[arg-type]


def committed(partner: str) -> allocation.BidCommitted:
    bid = revealed(partner)
    commitment = seal(SealedBid(tender=TENDER, bidder=bid.partner, steps=bid.steps), bid.salt)
    return allocation.BidCommitted(bid=bid.bid, tender=TENDER, partner=bid.partner, commitment=commitment, reveal_until=TERMS.reveal_until)


def cleared(*partners: str, **versions: int | None) -> PreparedTender:
    """`versions`: of their agreements, where another than the first is said to be in force."""
    bids = [revealed(partner) for partner in partners]
    agreements: Any = dict.fromkeys(partners, 1) | versions
    return prepare_tender(TENDER, TERMS, bids, agreements, [f"{number:032x}" for number in range(len(bids))])


def tender(event: Any, on: date = DECIDED_ON) -> Step:
    return Step(event=event, stream=f"tender/{TENDER}", on=on)


def bid(event: Any, on: date) -> Step:
    return Step(event=event, stream=f"bid/{TENDER}.{event.partner}", shard=1, on=on)


def told_with_tender(folder: Path, prepared: PreparedTender | None = None, **changed: Any) -> Told:
    """`changed`: by step, the fields of its event that are otherwise, or None where it did not happen."""
    prepared = prepared or cleared("JP", "US")
    steps = _steps(prepared)
    for name, fields in changed.items():
        if fields is None:
            del steps[name]
        else:
            step: Any = steps[name]
            steps[name] = replace(step, **{key: fields.pop(key) for key in ("on",) if key in fields}, event=replace(step.event, **fields))
    story = with_agreements(told())
    last = story.pop("last_sign")
    history = Told({}, folder)
    history.documents |= {_name(document): document for document in prepared.documents}
    for name, each in (story | steps | {"last_sign": last}).items():
        history.seal(name, each)
    return history


def _name(document: bytes) -> str:
    return sha256(document).hexdigest()


def _steps(prepared: PreparedTender) -> Story:
    found = prepared.cleared
    signed: Any = approve(found.decision, APPROVER_KEY, approver="sub_approver", purpose="tender")
    approval = allocation.Approval(
        subject="sub_approver",  # type: ignore[arg-type]
        key=key_id(public_key_hex(APPROVER_KEY)),  # type: ignore[arg-type]
        signature=signed.signature,
        approved_on=DECIDED_ON,
    )
    steps: Story = {"opened": tender(allocation.TenderOpened(tender=TENDER, terms=TERMS), SEALED_ON)}
    for partner in BIDS:
        steps[f"sealed_{partner}"] = bid(committed(partner), SEALED_ON)
    for partner in ("JP", "US"):
        steps[f"revealed_{partner}"] = bid(revealed(partner), REVEALED_ON)
    steps["void_EU"] = bid(allocation.BidVoided(bid="bid_EU", tender=TENDER, partner="EU"), DECIDED_ON)  # type: ignore[arg-type]
    steps["closed"] = tender(allocation.BiddingClosed(tender=TENDER, closed_at=TERMS.reveal_until))
    steps["proposed"] = tender(
        allocation.TenderProposed(
            tender=TENDER,
            decision=found.decision,
            file=found.file,
            release_order=found.release_order,
            proposed_by="sub_operator",  # type: ignore[arg-type]
            left_units=found.left_units,
            awards=found.awards,
            agreements=found.agreements,
        )
    )
    steps["approved"] = tender(allocation.TenderApproved(tender=TENDER, decision=found.decision, approval=approval))
    steps["cited"] = tender(allocation.AuthorityCited(matter=TENDER, cited=CITED))
    for award in found.awards:
        steps[f"granted_{award.partner}"] = tender(
            allocation.TenderAwardGranted(
                award=award.award,
                tender=TENDER,
                bid=award.bid,
                product=ANTIMONY,
                partner=award.partner,
                units=award.units,
                mass_g=award.mass_g,
                amount_minor=award.amount_minor,
                currency="AUD",
                decision=found.decision,
                expires_on=EXPIRES_ON,
            )
        )
    steps["certified"] = tender(
        allocation.TenderCertified(
            tender=TENDER,
            product=ANTIMONY,
            decision=found.decision,
            release_order=found.release_order,
            expires_on=EXPIRES_ON,
            approvals=(approval,),
        )
    )
    for award in found.awards:
        released = inventory.StockReleased(
            product=ANTIMONY,
            release=f"rel_{award.bid[4:]}",  # type: ignore[arg-type]
            round=TENDER,
            decision=found.decision,
            award=award.award,
            request=award.bid,
            partner=award.partner,
            units=unit(award.units),
            rights_g=0,
            mass_g=award.mass_g,
            expires_on=EXPIRES_ON,
        )
        steps[f"released_{award.partner}"] = stock(released, DECIDED_ON)
    whole = inventory.RoundReleased(
        product=ANTIMONY,
        round=TENDER,
        decision=found.decision,
        releases=len(found.awards),
        mass_g=sum(award.mass_g for award in found.awards),
        expires_on=EXPIRES_ON,
    )
    steps["whole"] = stock(whole, DECIDED_ON)
    return steps
