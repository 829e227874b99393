"""`reserve audit verify`: an auditor's own check of a running system, over HTTP, or of a bundle; with a memory of what it found before."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import msgspec
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from reserve.audit.anchors import Anchor
from reserve.audit.evidence import Evidence, Unreadable
from reserve.audit.history import audit
from reserve.audit.integrity import audit_integrity
from reserve.audit.live import UNANSWERED, LiveEvidence
from reserve.audit.pinned_keys import Pinned
from reserve.audit.report import IN_A_BUNDLE, IN_THE_DATABASE, Check, Findings, Report, joined
from reserve.audit.shards import Processes, ShardFailed
from reserve.audit.tables import COULD_NOT_RUN
from reserve.bundle.documents import look_at_documents
from reserve.bundle.evidence import BundleEvidence
from reserve.commands.audit_state import keep, kept
from reserve.commands.bundle import opened
from reserve.commands.caller import caller_at
from reserve.commands.database import owner_url
from reserve.commands.failure import fail, why
from reserve.commands.forks import write_fork
from reserve.commands.pinned_keys import pinned_keys
from reserve.commands.receipt import log_keys, witness_policy
from reserve.commands.token import client_of
from services.ledger.receipt import ReceiptInvalid, verify_receipt
from shared.proofs.policy import WitnessPolicy
from shared.proofs.signed_note import VerifierKey


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """`state`: where the checkpoints that held are kept. `receipts`: a folder of them. `policies`: who must have cosigned. `partners`,
    `approvers`: whose keys are pinned. With `url`, no file of `folder` is read, and `keys` are given; nor with `bundle`, and nobody is
    asked."""

    folder: Path
    keys: Sequence[str] = ()
    state: Path | None = None
    receipts: Path | None = None
    policies: Sequence[Path] = ()
    partners: Path | None = None
    approvers: Path | None = None
    url: str | None = None
    client: str = "auditor-1"
    secret_file: Path | None = None
    token_file: Path | None = None
    bundle: Path | None = None
    integrity: bool = False  # and nothing of what the events mean

    @property
    def of_folder(self) -> bool:
        """Whether it is of the deployment in `folder`, whose database is looked into as well."""
        return self.url is None and self.bundle is None


class _Outside(msgspec.Struct, frozen=True):
    """What the history is held against that the deployment does not say."""

    log_keys: Sequence[VerifierKey]
    anchors: Sequence[Anchor]
    policies: Sequence[WitnessPolicy]
    keys: Pinned


def verify(asked: Asked) -> Report:
    """The keys are the pinned ones: given by hand, or the folder's; never asked of the ledger. What held is remembered; what proves that
    there are two histories is written beside it."""
    if not asked.of_folder and not asked.keys:
        option = "--url" if asked.bundle is None else "BUNDLE"
        fail(f"{option}: which log is it to be? (accepted: with --key, its verifier key, as the operator handed it over)")
    pinned = log_keys(asked.keys, asked.folder)
    keys = Pinned(pinned_keys("--partners", asked.partners), pinned_keys("--approvers", asked.approvers))
    if asked.bundle is not None:
        _of_the_pinned(opened(asked.bundle), pinned)
    anchors = [*kept(asked.state), *_receipts(asked.receipts, pinned)]
    report = asyncio.run(_verify(asked, _Outside(pinned, anchors, [witness_policy(file) for file in asked.policies], keys)))
    if report.fork is not None:
        write_fork(report.fork, asked.state or asked.receipts or asked.folder)
    if report.ok and report.checkpoint is not None and asked.state is not None:
        keep(asked.state, report.checkpoint)
    return report


def _of_the_pinned(bundle: BundleEvidence, pinned: Sequence[VerifierKey]) -> None:
    """A bundle of another system is no evidence of this one."""
    if (origin := bundle.manifest.origin) not in {key.name for key in pinned}:
        fail(f"BUNDLE: it is of another system: {origin} (accepted: of {', '.join(key.name for key in pinned)}, which is pinned)")


async def _verify(asked: Asked, outside: _Outside) -> Report:
    try:
        async with evidence_of(asked) as evidence:
            if asked.integrity:
                following = partial(Processes, partial(evidence_of, asked))
                return await audit_integrity(evidence, following, outside.log_keys, outside.anchors, outside.policies)
            report = await audit(evidence, outside.log_keys, outside.anchors, outside.policies, outside.keys)
            if isinstance(evidence, BundleEvidence):
                report = await _with_documents(report, evidence)
        return await _with_served(report, asked.folder) if asked.of_folder else report
    except (*UNANSWERED, ShardFailed) as error:
        fail(f"the audit could not be finished: {why(error)}")
    except Unreadable as error:
        fail(str(error) if asked.bundle is None else f"BUNDLE: {error}")
    except RecursionError:
        if asked.bundle is None:
            raise
        fail("BUNDLE: something in it is nested too deeply to be read")


async def _with_documents(report: Report, bundle: BundleEvidence) -> Report:
    findings = Findings()
    await look_at_documents(findings, bundle, report.cut.covers)
    return joined(report, findings, IN_A_BUNDLE)


async def _with_served(report: Report, folder: Path) -> Report:
    """With what is looked at in the database and the folder, which whoever runs the deployment has."""
    from reserve.operate.served import look_at_served  # here: it imports the services, which an auditor elsewhere does without

    findings = Findings()
    try:
        await look_at_served(findings, owner_url(folder), folder)
    except COULD_NOT_RUN as error:
        found = [f"{each.place}: {each.what}" for result in joined(report, findings, IN_THE_DATABASE).checks for each in result.failures]
        so_far = "\n".join([f"; {len(found)} failures were found until then", *found]) if found else ""
        fail(f"the audit could not be finished: the database does not answer: {why(error)}{so_far}")
    return joined(report, findings, IN_THE_DATABASE)


@asynccontextmanager
async def evidence_of(asked: Asked) -> AsyncIterator[Evidence]:
    if asked.bundle is not None:
        yield BundleEvidence(asked.bundle)
        return
    if asked.url is None:
        client = client_of(asked.folder, asked.client)
    else:
        client = caller_at(asked.url, asked.client, asked.secret_file, asked.token_file)
    async with client:
        yield LiveEvidence(client)


def _receipts(folder: Path | None, pinned: Sequence[VerifierKey]) -> list[Anchor]:
    if folder is None:
        return []
    anchors = []
    for file in sorted(each for each in folder.iterdir() if each.is_file()):
        try:
            receipt = verify_receipt(file.read_bytes(), pinned)
        except ReceiptInvalid as error:
            fail(f"--receipts: {file} proves nothing ({error.code}): {error.detail}")
        anchors.append(Anchor(str(file), receipt.note, (receipt.index, receipt.opening.leaf)))
    return anchors


def show(report: Report, seconds: float) -> None:
    cut = report.cut
    table = Table(title=f"{report.events:,} events, under a checkpoint of {cut.size:,} leaves", caption=f"root {cut.root}")
    table.add_column("what must hold")
    table.add_column("looked at", justify="right")
    table.add_column("failures", justify="right")
    for result in report.checks:
        failed = f"[bold red]{result.failed:,}[/]" if result.failed else "[green]0[/]"
        table.add_row(result.holds, f"{result.checked:,}", failed)
    console = Console()
    console.print(table)
    for result in report.checks:
        for failure in result.failures:
            console.print(f"[red]{result.check}[/] {escape(failure.place)}: {escape(failure.what)}", soft_wrap=True)
        if result.failed > len(result.failures):
            console.print(f"[red]{result.check}[/] and {result.failed - len(result.failures):,} more")
        for each in result.listed:
            console.print(f"[dim]{result.check}:[/] {escape(each.place)}: {escape(each.what)}", soft_wrap=True)
    if not any(result.check == Check.READ_TABLES.name.lower() for result in report.checks):
        console.print("tables and tiles were not compared with the events: that needs the database and the folder (--live)")
    if not any(result.check == Check.SUMS.name.lower() for result in report.checks):
        console.print("only the integrity was looked at: nothing is said of what the events mean, or of the ledger's books")
    verdict = "[green]all of it holds[/]" if report.ok else "[bold red]it does not hold[/]"
    if report.ok and not report.anchored:
        verdict += ", and nobody else is known to have seen this history (--state, --receipts, --policy)"
    if report.witnessed_at is not None:
        last = report.witnessed_at.isoformat()
        console.print(f"the pinned witnesses vouch for the first {report.witnessed:,} leaves, and for when they were there; last at {last}")
    else:
        console.print("times are not checkable: no pinned witness vouches for them (--policy)")
    if report.unchecked:
        console.print(f"of {report.unchecked:,} events the times are not checkable: no witness saw the log then (witnessed_times, above)")
    if report.beyond:
        console.print(f"{report.beyond:,} events are not covered by the checkpoint yet: nothing is said of them")
    console.print(f"{verdict}, audited in {seconds:.1f} s")
