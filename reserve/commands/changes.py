"""`reserve audit changes`: who changed the rules, the keys, and who may do what, out of a bundle."""

from collections.abc import Sequence
from pathlib import Path

import typer

from reserve.audit.changes import KINDS, Changed, changes
from reserve.commands.bundle import opened, read_from
from reserve.commands.diff import instant_of
from reserve.commands.failure import fail


def changed(bundle: Path, kinds: Sequence[str], after: str | None, until: str | None) -> tuple[Changed, ...]:
    """Ends the command where there is no such kind, instant or bundle: exit code 2."""
    for kind in kinds:
        if kind not in KINDS:
            fail(f"--of: {kind!r} is no kind (accepted: {', '.join(KINDS)})")
    since = "" if after is None else instant_of("--from", after)
    end = None if until is None else instant_of("--to", until)
    return read_from(changes(opened(bundle), kinds or tuple(KINDS), since, end))


def show(found: Sequence[Changed]) -> None:
    for each in found:
        day = "" if each.recorded_at.startswith(each.effective_on) else f", for {each.effective_on}"
        typer.echo(f"{each.recorded_at}  {each.kind:<7}  {each.said}")
        typer.echo(f"{'':27}           {each.place}, by {each.by}{day}")
    typer.echo(f"{len(found):,} changes")
