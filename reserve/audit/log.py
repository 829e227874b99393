"""The log: what each audit begins with, the checkpoints that the ledger has recorded, and what it ends with, the report on the cut of the
last one."""

from collections.abc import Collection, Mapping

import msgspec

from reserve.audit.anchors import Anchors
from reserve.audit.checkpoints import Checkpoints
from reserve.audit.evidence import LEDGER, Evidence
from reserve.audit.hashes import Tree
from reserve.audit.journals import Journal
from reserve.audit.logs import Logs
from reserve.audit.report import OVER_HTTP, Check, Findings, Report
from reserve.audit.webhooks import RegisteredWebhooks
from services.ledger.events import CheckpointSigned, CheckpointWitnessed


async def read_ledger(evidence: Evidence, findings: Findings, checkpoints: Checkpoints, logs: Logs) -> int:
    """The ledger's own events, which are no leaves. Gives how many there are."""
    journal, webhooks = Journal(LEDGER, findings, logs.histories), RegisteredWebhooks(findings)
    events = 0
    for shard in sorted(await evidence.heads(LEDGER)):
        async for page in evidence.journal(LEDGER, shard):
            for said in page:
                events += 1
                record = journal.readable(shard, said)
                event = journal.follow(shard, record)
                if isinstance(event, CheckpointSigned):
                    checkpoints.see(record, event)
                elif isinstance(event, CheckpointWitnessed):
                    checkpoints.witnesses.see(record, event)
                elif event is not None:
                    webhooks.see(record, event)
    return events


class Walked(msgspec.Struct, frozen=True):
    """`tree`: of the leaves. `heads`: where the journals ended when the walk began. `events`: that were looked at, the ledger's too.
    `sizes`: by history, how many leaves of its log."""

    tree: Tree
    heads: Mapping[str, int]
    events: int
    sizes: Mapping[int, int]


async def report_on(
    evidence: Evidence, findings: Findings, checkpoints: Checkpoints, seen: Anchors, walked: Walked, checks: Collection[Check] = OVER_HTTP
) -> Report:
    """`checks`: that were made. `walked`: to the end of the log that goes on."""
    cut, tree, witnesses = checkpoints.cut, walked.tree, checkpoints.witnesses
    if tree.size == cut.size and cut.size:
        findings.look(Check.ROOTS, tree.root == cut.root, f"leaf {cut.size - 1}", f"the leaves have root {tree.root}")
    await seen.finish(evidence, cut)
    beyond = sum(max(0, head - cut.covers.get(name, 0)) for name, head in walked.heads.items())
    findings.look(Check.COVERED, cut.size > 0 or beyond == 0, "the served checkpoint", f"nothing is signed, and there are {beyond} events")
    witnessed, witnessed_at = witnesses.vouched(walked.sizes)
    results = findings.results(checks)
    ok = not any(findings.failed.values())
    return Report(
        ok=ok,
        anchored=ok and (seen.held > 0 or witnessed > 0),
        cut=cut,
        beyond=beyond,
        events=walked.events,
        checks=results,
        checkpoint=checkpoints.served,
        fork=await seen.fork(evidence, checkpoints.served, cut),
        witnessed=witnessed,
        witnessed_at=witnessed_at,
        unchecked=witnesses.gaps.unchecked(seen.audited),
    )
