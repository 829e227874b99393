"""An audit's result as a signed file: written by `reserve audit verify --result`, read by `reserve audit result`."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import msgspec
from rich.console import Console
from rich.markup import escape

from reserve.audit.evidence import Unreadable
from reserve.audit.live import UNANSWERED
from reserve.audit.report import Report
from reserve.audit.result import FORMAT, Result, Value, result_of
from reserve.commands.approve import Signer, sign_name
from reserve.commands.as_of import amount_text
from reserve.commands.audit import Asked, evidence_of
from reserve.commands.failure import CHECK_FAILED, fail, why
from reserve.commands.pinned_keys import pinned_keys
from reserve.commands.receipt import log_keys
from shared.engines.private_files import write_private
from shared.journal.record import name_of
from shared.terms.approval import SignedApproval, fingerprint, verify_approval

PURPOSE = "audit"


class SignedResult(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`public_key`: 32 bytes in hex. It counts for what it is pinned by, and no more."""

    result: Result
    approval: SignedApproval
    public_key: str


def write(file: Path, asked: Asked, report: Report, auditor: str, key: Path) -> None:
    """Ends the command where the history cannot be walked again, or the key is none: exit code 2."""
    origin = log_keys(asked.keys, asked.folder)[0].name if report.checkpoint is None else report.checkpoint.partition("\n")[0]
    result = asyncio.run(_made(asked, report, origin))
    signer = Signer(approver=auditor, key_file=key, origin=origin, authority=None)
    approval, public_key = sign_name(name_of(result), PURPOSE, signer)
    signed = SignedResult(result=result, approval=approval, public_key=public_key)
    write_private(file, msgspec.json.format(msgspec.json.encode(signed), indent=1) + b"\n")


async def _made(asked: Asked, report: Report, origin: str) -> Result:
    try:
        async with evidence_of(asked) as evidence:
            return await result_of(report, evidence, origin, datetime.now(UTC).isoformat(timespec="seconds"))
    except UNANSWERED as error:
        fail(f"--result: the history could not be walked again: {why(error)}")
    except Unreadable as error:
        fail(f"--result: {error}")


def read(file: Path, auditors: Path) -> SignedResult:
    """One that a pinned key of its auditor has signed. Ends the command for any other: exit code 2 where it is none, 1 where nobody who is
    pinned has signed it."""
    pins = pinned_keys("--auditors", auditors) or frozenset()
    try:
        signed = msgspec.json.decode(file.read_bytes(), type=SignedResult)
    except OSError as error:
        fail(f"FILE: {file}: {error.strerror}")
    except msgspec.MsgspecError as error:
        fail(f"FILE: {file} is no result of an audit: {error}")
    if signed.result.format != FORMAT:
        fail(f"FILE: {file} is a {signed.result.format} (accepted: {FORMAT})")
    given = signed.approval
    expected = (PURPOSE, name_of(signed.result), signed.result.origin)
    if (given.purpose, given.document, given.origin) != expected or not verify_approval(given, signed.public_key):
        fail(f"{file}: it is not as its auditor signed it", CHECK_FAILED)
    if (given.approver, fingerprint(signed.public_key)) not in pins:
        fail(f"{file}: signed by {given.approver} with key {given.key_id}, which --auditors does not pin", CHECK_FAILED)
    return signed


def show(signed: SignedResult) -> None:
    result, console = signed.result, Console()
    said = {
        "audited": f"{result.audited_at} by {signed.approval.approver}, key {signed.approval.key_id}, with code {result.code[:16]}",
        "log": f"{result.origin}, {result.cut.size:,} leaves, root {result.cut.root}",
        "period": f"{result.events:,} events, recorded from {result.first_recorded_at} to {result.last_recorded_at}",
        "cut-off": f"{result.beyond:,} events came after it; witnesses vouch for {result.witnessed:,} leaves",
        "holds": "yes" if result.ok else "no",
        "findings": f"{sum(each.fails for each in result.findings) + result.uncounted:,} failures, "
        f"{sum(not each.fails for each in result.findings):,} listed",
        "worth": "; ".join(map(_words, result.totals)) or "nothing that is in the books",
    }
    for name, text in said.items():
        console.print(f"{name:<9} {escape(text)}", soft_wrap=True)
    for finding in result.findings:
        values = f", {'; '.join(map(_words, finding.values))}" if finding.values else ""
        when = f", for {finding.event.effective_on}, recorded {finding.event.recorded_at}" if finding.event else ""
        kind = "[red]fails[/] " if finding.fails else "[dim]listed[/]"
        console.print(f"{kind} {finding.check} {escape(finding.place)}: {escape(finding.what)}{values}{when}", soft_wrap=True)
        console.print(f"       could: {escape(finding.by)}", soft_wrap=True)


def _words(value: Value) -> str:
    share = f", {100 * value.amount / value.held:.2g}% of what the books hold" if value.held else ""
    return f"{amount_text(value.asset, value.amount)} of {value.asset}{share}"
