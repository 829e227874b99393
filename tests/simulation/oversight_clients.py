"""Clients at work: what a certified decision owes others. It is reported to the Minister, and reviewed by who had no part in it."""

from datetime import date
from typing import Any

from services.allocation.domain.decisions.report import SendReport
from services.allocation.domain.decisions.review import AssignReview, ConcludeReview, RequestReview, Review
from shared.journal.protocol import Document
from shared.journal.record import canonical
from tests.simulation.client import Client, with_document
from tests.simulation.people_tables import Certified
from tests.simulation.screening_clients import SCREENER


async def oversee(client: Client, until_s: float) -> None:
    while client.world.loop.time() < until_s:
        await client.pause(2.0)
        if certified := sorted(client.allocation.people.certified.items()):
            round, decided = client.dice.choice(certified)
            await _report(client, round, decided)
            await _review(client, round, decided)


async def _report(client: Client, round: Any, decided: Certified) -> None:
    """Sent again, if more is to be said by then."""
    document = Document(canonical({"round": round, "objections": client.dice.randrange(2)}))
    command = SendReport(
        round=round,
        product=decided.product,
        decision=decided.decision,
        report=document.name,
        addressee="the Minister",
        reference=None,
        sent_on=max(decided.on, client.world.today()),
        by="operator",  # type: ignore[arg-type]
        certified_on=decided.on,
        on=date.min,
    )
    await client.do("allocation", f"report/{round}", with_document(document, command))


async def _review(client: Client, round: Any, decided: Certified) -> None:
    review = client.new_id("rev")
    asked = RequestReview(
        review=review,
        round=round,
        product=decided.product,
        decision=decided.decision,
        partner=None,
        grounds=("the shares",),
        by="operator",  # type: ignore[arg-type]
    )
    stream = f"review/{review}"
    await client.do("allocation", stream, asked)
    for reviewer in (client.dice.choice(("approver1", "approver2", SCREENER)), "reviewer"):
        involved = _involved(client, round)
        assign = AssignReview(review=review, reviewer=reviewer, involved=involved, by="operator")  # type: ignore[arg-type]
        await client.do("allocation", stream, assign)
    await client.pause()
    found = await client.read("allocation", stream)
    if isinstance(found, Review) and found.reviewer is not None:
        by = client.dice.choice((found.reviewer, found.reviewer, found.reviewer, "approver1"))
        concluded = ConcludeReview(review=review, outcome="upheld", findings=("none",), involved=_involved(client, round), by=by)  # type: ignore[arg-type]
        await client.do("allocation", stream, concluded)


def _involved(client: Client, round: str) -> Any:
    return tuple(sorted({*client.allocation.people.involved[round], SCREENER}))
