"""`reserve audit verify --live`: an auditor's own check of a running system, over HTTP."""

import asyncio
from pathlib import Path

import httpx
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from reserve.audit.history import audit
from reserve.audit.live import LiveEvidence
from reserve.audit.report import Report
from reserve.client import Client, ProblemAnswer
from reserve.commands.failure import CHECK_FAILED, fail
from reserve.commands.receipt import log_key
from reserve.commands.token import client_of
from shared.delivery.tokens import TokenUnavailable
from shared.proofs.signed_note import VerifierKey

AUDITOR = "auditor-1"


def verify_live(folder: Path, key: str | None) -> Report:
    """The log's key is the pinned one: given by hand, or the folder's; never asked of the ledger."""
    pinned = log_key(key, folder)
    return asyncio.run(_verify(client_of(folder, AUDITOR), pinned))


async def _verify(client: Client, pinned: VerifierKey) -> Report:
    async with client:
        try:
            return await audit(LiveEvidence(client), [pinned])
        except (ProblemAnswer, TokenUnavailable, httpx.TransportError) as error:
            fail(f"the audit could not be finished: {error!r}", CHECK_FAILED)


def show(report: Report, seconds: float) -> None:
    cut = report.cut
    table = Table(title=f"{report.events:,} events, of which the log's first {cut.size:,} leaves", caption=f"root {cut.root}")
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
            console.print(f"[dim]{result.check}, before its rule:[/] {escape(each.place)}: {escape(each.what)}", soft_wrap=True)
    verdict = "[green]all of it holds[/]" if report.ok else "[bold red]it does not hold[/]"
    if report.beyond:
        console.print(f"{report.beyond:,} events are not covered by the checkpoint yet: nothing is said of them")
    console.print(f"{verdict}, audited in {seconds:.1f} s")
