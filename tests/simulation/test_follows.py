"""What the audit of a whole history says of order, holds, figures and agreements: in an honest run, nothing. Its other checks want the
ledger's log, and have tests of their own."""

import json
from collections import Counter

from reserve.audit.agreements import Agreements
from reserve.audit.billing import Billing
from reserve.audit.evidence import SOURCES, Recorded
from reserve.audit.figures import Figured
from reserve.audit.journals import CODECS
from reserve.audit.order import Order
from reserve.audit.report import Findings
from reserve.audit.stopped import Stopped
from tests.simulation.auditor import Evidence
from tests.simulation.workers import Report

FIRST_DAY = "2026-01-06"


def followed(evidence: Evidence) -> Findings:
    """In the order in which all was committed: what a rule says of any order is tried by the audit's own tests."""
    findings = Findings()
    order, agreements, billing = Order(findings), Agreements(findings), Billing(findings)
    of_days = (Stopped(findings), Figured(findings))
    rows = {
        (service, shard, row["position"]): row for service in SOURCES for shard, kept in evidence.journals[service].items() for row in kept
    }
    for service, shard, position in evidence.order:
        if service not in SOURCES:
            continue
        row = rows[service, shard, position]
        place = f"{service}/{shard}/{position}"
        event = CODECS[service].decode(row["type"], json.dumps(row["data"]).encode())
        fields = {name: row[name] for name in Recorded.__struct_fields__ if name in row}
        # A simulated day lasts a second or two: what is a moment apart in a history is none by its dates.
        record = Recorded(**fields | {"data": b"", "recorded_at": FIRST_DAY + row["recorded_at"][len(FIRST_DAY) :]})
        order.see(place, record, event)
        agreements.see(place, record, event)
        billing.see(place, event)
        for each in of_days:
            each.see(place, record.effective_on, event)
    order.finish()
    agreements.finish()
    return findings


def test_in_an_honest_run_everything_follows(usual: list[Report]) -> None:
    checked: Counter[str] = Counter()
    for report in usual:
        assert report.evidence is not None
        for result in followed(report.evidence).results():
            assert result.failures == (), f"seed {report.seed}"
            checked[result.check] += result.checked
    assert {check for check, times in checked.items() if times} == {"order", "stopped", "figures", "decisions"}
