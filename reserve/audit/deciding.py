"""Deciding: each decision that was certified is worked out again from its documents, once all is seen that they stand on."""

import msgspec

from reserve.audit.agreements import Agreements
from reserve.audit.decisions import faults_of
from reserve.audit.evidence import Evidence
from reserve.audit.release_orders import ReleaseOrders
from reserve.audit.release_orders import faults_of as faults_of_pins
from reserve.audit.report import Check, Findings
from reserve.audit.rounds import Rounds
from reserve.audit.tender_decisions import faults_of as faults_of_tender
from reserve.audit.tenders import Tenders


async def decide_again(
    evidence: Evidence, findings: Findings, rounds: Rounds, tenders: Tenders, release_orders: ReleaseOrders, agreements: Agreements
) -> None:
    """What each of them has to check by now."""
    for round in rounds.to_check:
        published = await evidence.document("allocation", round.certified.decision)
        file = await evidence.document("allocation", round.proposed.file)
        named = round.certified.release_order
        order = None if named is None else await evidence.document("allocation", named)
        classes = agreements.classes_of(round.proposed.reads.agreements)
        faults = list(faults_of(msgspec.structs.replace(round, classes=classes), published, file, order))
        findings.look(Check.DECISIONS, not faults, round.place, "; ".join(faults))
    rounds.to_check.clear()
    for tender in tenders.to_check:
        names = (tender.certified.decision, tender.proposed.file, tender.certified.release_order)
        documents = [await evidence.document("allocation", name) for name in names]
        faults = list(faults_of_tender(tender, *documents))
        findings.look(Check.DECISIONS, not faults, tender.place, "; ".join(faults))
    tenders.to_check.clear()
    for released in release_orders.to_check:
        faults = list(faults_of_pins(released, await evidence.document("allocation", released.order)))
        findings.look(Check.RELEASES, not faults, released.place, "; ".join(faults))
    release_orders.to_check.clear()
