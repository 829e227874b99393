"""`reserve audit as-of`: the books of a day out of a bundle, as they were known at an instant, beside what is known by now."""

import re
from datetime import date
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from reserve.audit.as_of import Amounts, AsOf, Line, as_of
from reserve.commands.bundle import opened, read_from
from reserve.commands.diff import instant_of
from reserve.commands.failure import fail
from services.ledger.accounts import unit_of
from shared.terms.currencies import money

_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")


def books_of(bundle: Path, day: str, known_at: str | None) -> AsOf:
    """Ends the command for what is no day, no instant, or no bundle."""
    try:
        if not _DAY.fullmatch(day):
            raise ValueError
        date.fromisoformat(day)
    except ValueError:
        fail(f"DAY: {day!r} is no day of the calendar (accepted: one such as 2026-01-31)")
    return read_from(as_of(opened(bundle), day, None if known_at is None else instant_of("--known-at", known_at)))


def show(found: AsOf, asset: str | None, seconds: float) -> None:
    console = Console()
    if found.signed_at is None:
        console.print("nothing was known by then: the log had signed no checkpoint")
    else:
        console.print(
            f"known by the checkpoint of {found.size:,} leaves, signed {found.signed_at}: {found.known:,} events that count by {found.day}"
        )
    if found.later:
        console.print(f"{found.later:,} events more count by that day, and were recorded only afterwards")
    table = Table(title=f"balances of {found.day}: posted, and pending")
    for name in ("asset", "account"):
        table.add_column(name, overflow="fold")
    table.add_column("as known then", justify="right")
    table.add_column("as known now", justify="right")
    for line in found.lines:
        if asset in (None, line.asset):
            table.add_row(line.asset, escape(f"{line.side}: {line.account}"), _said(line, line.then), _changed(line))
    console.print(table)
    console.print(f"so the bundle says, read in {seconds:.1f} s; whether it holds, `reserve audit verify` finds out")


def _changed(line: Line) -> str:
    return "[dim]the same[/]" if line.now == line.then else f"[bold]{_said(line, line.now)}[/]"


def _said(line: Line, amounts: Amounts) -> str:
    posted, pending = (amount_text(line.asset, each) for each in amounts)
    return posted if not amounts[1] else f"{posted}; pending {pending}"


def amount_text(asset: str, amount: int) -> str:
    """For people, in the asset's unit."""
    return f"{amount:,} g" if unit_of(asset) == "g" else money(amount, asset)
