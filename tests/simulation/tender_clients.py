"""Clients at work: tenders, whose bids are sealed for seconds and revealed for days. Some never are, and some clocks jump past the time."""

import asyncio
from collections.abc import Sequence
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from services.allocation.domain.tenders.bid import Bid, CommitBid, RevealBid, stream_of
from services.allocation.domain.tenders.decider import ApproveTender, CancelTender, CertifyTender, ProposeTender
from services.allocation.domain.tenders.opening import OpenTender
from services.allocation.domain.tenders.proposal import prepare_tender
from services.allocation.domain.tenders.sealed_bid import SealedBid, seal
from services.allocation.domain.tenders.state import Tender
from services.allocation.events import BidStep, TenderTerms
from shared.journal.decider import Refused
from shared.journal.protocol import Document, Unreachable
from shared.terms.approval import approve
from shared.terms.countersigning import ControlReason
from shared.writer.commands import Unavailable
from tests.simulation.client import Client, NotNow
from tests.simulation.clients import Approver, signing_of
from tests.simulation.tables import UNIT_G
from tests.simulation.two_people import by_two

if TYPE_CHECKING:
    from tests.simulation.world import Running

type Prepared = tuple[Any, tuple[Document, ...]]


async def hold_tenders(client: Client, product: Any, partners: Sequence[Any], approvers: Sequence[Approver], until_s: float) -> None:
    while asyncio.get_running_loop().time() < until_s:
        await client.pause(1.0)
        tender = client.new_id("tnd")
        await client.do("allocation", f"tender/{tender}", _opening(client, tender, product, tuple(partners)))
        found = await client.read("allocation", f"tender/{tender}")
        if isinstance(found, Tender) and found.terms is not None:
            terms = found.terms
            await asyncio.gather(*(_bid(client, tender, partner, terms) for partner in terms.bidders))
            await client.until(lambda terms=terms: client.world.now() > terms.reveal_until + timedelta(seconds=1), 16.0)  # type: ignore[misc]
            await _decide(client, tender, terms, approvers)


def _opening(client: Client, tender: Any, product: Any, partners: tuple[Any, ...]) -> Any:
    units, price = client.dice.randrange(1, 6), client.dice.randrange(1, 4)
    pricing, tie_rule = client.dice.choice(("uniform", "pay_as_bid")), client.dice.choice(("pro_rata", "lot"))
    release_days = client.dice.choice((1, 4, 30))
    seconds, days = client.dice.choice((1, 2, 4)), client.dice.choice((0, 1, 1, 2))

    async def open_tender(process: "Running", on: date) -> Prepared:
        around = client.allocation.surroundings(product, partners, on)
        now = process.now()
        terms = TenderTerms(
            product=product,
            unit_g=UNIT_G,
            units=units,
            currency="AUD",
            reserve_price=str(price),
            pricing=pricing,  # type: ignore[arg-type]
            tie_rule=tie_rule,  # type: ignore[arg-type]
            cap_units=min(2, units),
            bidders=tuple(sorted(around.terms)) or partners,
            commit_until=now + timedelta(seconds=seconds),
            reveal_until=now + timedelta(days=days, seconds=seconds),
            approvals_needed=1,
            release_days=release_days,
        )
        command = OpenTender(
            tender=tender, terms=terms, sizes_g=(UNIT_G,), free_g=around.free_g, qualified=tuple(sorted(around.terms)), at=now
        )
        return command, ()

    return open_tender


async def _bid(client: Client, tender: Any, partner: Any, terms: TenderTerms) -> None:
    stream, salt = stream_of(tender, partner), client.world.chance.bytes(1)[0].hex()
    price = client.dice.randrange(1, 6)
    steps = tuple(BidStep(price=str(each), units=1) for each in (price + 1, price))[client.dice.randrange(2) :]
    commitment = seal(SealedBid(tender=tender, bidder=partner, steps=steps), salt)
    bid = client.new_id("bid")

    async def commit(process: "Running", on: date) -> Prepared:
        return CommitBid(bid=bid, tender=tender, partner=partner, commitment=commitment, terms=terms, at=process.now()), ()

    async def reveal(process: "Running", on: date) -> Prepared:
        return RevealBid(tender=tender, partner=partner, salt=salt, steps=steps, terms=terms, at=process.now()), ()

    await client.do("allocation", stream, commit)
    await client.until(lambda: client.world.now() >= terms.commit_until, 8.0)
    if client.dice.random() < 0.9:
        await client.do("allocation", stream, reveal)


async def _decide(client: Client, tender: Any, terms: TenderTerms, approvers: Sequence[Approver]) -> None:
    """Once, and once more if inventory refuses it; what is refused on the way is cancelled, as are tenders that nobody bids in."""
    stream = f"tender/{tender}"

    async def propose(process: "Running", on: date) -> Prepared:
        around = client.allocation.surroundings(terms.product, terms.bidders, on)
        bids = [await _state(process, stream_of(tender, partner)) for partner in terms.bidders]
        if not all(isinstance(bid, Bid) and bid.settled for bid in bids):
            return ProposeTender(by="proposer", free_g=around.free_g, cleared=None), ()  # type: ignore[arg-type]
        revealed = [bid.revealed for bid in bids if bid.revealed is not None]
        salts = [salt.hex() for salt in client.world.chance.bytes(len(revealed))]
        versions = {partner: read.version for partner, read in around.terms.items()}
        prepared = prepare_tender(tender, terms, revealed, versions, salts)
        command = ProposeTender(by="proposer", free_g=around.free_g, cleared=prepared.cleared)  # type: ignore[arg-type]
        return command, tuple(map(Document, prepared.documents))

    async def certify(process: "Running", on: date) -> Prepared:
        found = await _state(process, stream)
        cited = {each.authority for each in found.proposal.cited.values()} if found.proposal is not None else set()
        around = client.allocation.surroundings(terms.product, terms.bidders, on)
        command = CertifyTender(
            agreements={partner: read.version for partner, read in around.terms.items()},
            authorities=client.allocation.chains(sorted(cited)),
            revoked=(),
            on=on,
        )
        return command, ()

    answer: Any = None
    for _ in range(3):
        answer = await client.do("allocation", stream, propose)
        for approver in approvers:
            await _approve(client, tender, approver)
        answer = await client.do("allocation", stream, certify)
        await client.pause(1.0)
    if answer is None or isinstance(answer, Refused):
        cancel = CancelTender(reason="given up")
        if getattr(await client.do("allocation", stream, cancel), "code", None) == ControlReason.NEEDED:  # somebody has approved it
            await by_two(client, f"allocation/{stream}", cancel)


async def _state(process: "Running", stream: str) -> Any:
    try:
        return (await process.writer.state(stream))[0]
    except (Unreachable, Unavailable) as error:
        raise NotNow from error


async def _approve(client: Client, tender: Any, approver: Approver) -> None:
    found = await client.read("allocation", f"tender/{tender}")
    if not isinstance(found, Tender) or found.proposal is None:
        return
    signed = approve(found.proposal.proposed.decision, approver.key, approver=approver.subject, purpose="tender")

    async def command(process: "Running", on: date) -> tuple[Any, tuple[Document, ...]]:
        return ApproveTender(signing=signing_of(client, signed, approver, on)), ()

    await client.do("allocation", f"tender/{tender}", command)
