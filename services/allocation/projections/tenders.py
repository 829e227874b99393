"""Read tables of tenders and their bids."""

from datetime import date
from typing import assert_never

from services.allocation.events import (
    BidCommitted,
    BiddingClosed,
    BidEvent,
    BidRevealed,
    BidVoided,
    TenderApproved,
    TenderAwardGranted,
    TenderAwardWithdrawn,
    TenderCancelled,
    TenderCertified,
    TenderEvent,
    TenderOpened,
    TenderProposed,
    TenderReleased,
    TenderReopened,
)
from shared.journal.connection import Connection, as_json
from shared.journal.record import Fact


async def project_tender(connection: Connection, fact: Fact, event: BidEvent | TenderEvent, on: date) -> None:
    execute = connection.execute
    match event:
        case BidCommitted():
            await execute(
                """INSERT INTO bids (bid, tender, partner, commitment, committed_in, void) VALUES ($1, $2, $3, $4, $5, false)
                   ON CONFLICT (bid) DO UPDATE SET commitment = excluded.commitment, committed_in = excluded.committed_in""",
                *(event.bid, event.tender, event.partner, event.commitment, fact.place),
            )
        case BidRevealed():
            await execute("UPDATE bids SET salt = $2, steps = $3 WHERE bid = $1", event.bid, event.salt, as_json(event.steps))
        case BidVoided():
            await execute("UPDATE bids SET void = true WHERE bid = $1", event.bid)
        case TenderOpened():
            await execute(
                "INSERT INTO tenders (tender, product, status, terms, opened_on, bids_known) VALUES ($1, $2, 'open', $3, $4, false)",
                *(event.tender, event.terms.product, as_json(event.terms), on),
            )
        case BiddingClosed():
            await execute("UPDATE tenders SET status = 'closed', bids_known = true WHERE tender = $1", event.tender)
        case TenderProposed():
            await execute(
                """UPDATE tenders SET status = 'proposed', decision = $2, file = $3, proposed_by = $4, left_units = $5, reason = NULL
                   WHERE tender = $1""",
                *(event.tender, event.decision, event.file, event.proposed_by, event.left_units),
            )
        case TenderApproved(approval=approval):
            await execute(
                """INSERT INTO tender_approvals (tender, decision, key, subject, signature, approved_on)
                   VALUES ($1, $2, $3, $4, $5, $6)""",
                *(event.tender, event.decision, approval.key, approval.subject, approval.signature, approval.approved_on),
            )
        case TenderAwardGranted():
            await _grant(connection, event)
        case TenderAwardWithdrawn():
            await execute("UPDATE tender_awards SET status = 'withdrawn' WHERE award = $1", event.award)
        case TenderCertified():
            await execute(
                "UPDATE tenders SET status = 'certified', expires_on = $2, certified_in = $3 WHERE tender = $1",
                *(event.tender, event.expires_on, fact.place),
            )
            await execute(  # those that do not count any more
                "DELETE FROM tender_approvals WHERE tender = $1 AND decision = $2 AND key <> ALL($3::text[])",
                *(event.tender, event.decision, [approval.key for approval in event.approvals]),
            )
        case TenderReopened():
            await execute(
                """UPDATE tenders SET status = 'closed', decision = NULL, file = NULL, proposed_by = NULL, left_units = NULL,
                                      expires_on = NULL, certified_in = NULL, reason = $2
                   WHERE tender = $1""",
                *(event.tender, f"refused by inventory: {event.reason}"),
            )
        case TenderReleased():
            await execute("UPDATE tenders SET status = 'released' WHERE tender = $1", event.tender)
            await execute("UPDATE tender_awards SET status = 'released' WHERE tender = $1 AND decision = $2", event.tender, event.decision)
        case TenderCancelled():
            await execute("UPDATE tenders SET status = 'cancelled', reason = $2 WHERE tender = $1", event.tender, event.reason)
        case _:
            assert_never(event)


async def _grant(connection: Connection, event: TenderAwardGranted) -> None:
    """An award that inventory had refused may be granted again, by another decision."""
    await connection.execute(
        """INSERT INTO tender_awards (award, tender, bid, product, partner, units, mass_g, amount_minor, currency, decision, expires_on,
                                      status)
           VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, 'granted')
           ON CONFLICT (award) DO UPDATE SET units = $6, mass_g = $7, amount_minor = $8, decision = $10, expires_on = $11,
                                             status = 'granted'""",
        *(event.award, event.tender, event.bid, event.product, event.partner, event.units, event.mass_g),
        *(event.amount_minor, event.currency, event.decision, event.expires_on),
    )
