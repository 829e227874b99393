"""`reserve audit explain`: the life of anything in a bundle, as sentences, with what stands behind each."""

from collections.abc import Iterator
from pathlib import Path

import typer

from reserve.audit.life import Behind, Happened, Life, life_of
from reserve.audit.telling import printable
from reserve.commands.bundle import opened, read_from
from reserve.commands.failure import fail


def explained(thing: str, bundle: Path) -> Life:
    """Ends the command where nothing names it, or where the bundle is none."""
    if not 2 <= len(thing) <= 200 or not thing.isprintable():
        fail("ID: it is no name of a thing (accepted: 2 to 200 characters, such as req_01j..., a decision's SHA-256 or inventory/0/123)")
    if (life := read_from(life_of(opened(bundle), thing))) is None:
        fail(f"ID: nothing in the bundle names {thing} (accepted: what an event names, such as req_01j..., or the place of one)")
    return life


def show(thing: str, life: Life, seconds: float) -> None:
    for line in lines_of(life):
        typer.echo(line)
    others = [each for each in life.things if each != thing]
    typer.echo(f"\n{len(life.happened):,} events of {printable(thing)}{', with ' + ', '.join(map(printable, others)) if others else ''}")
    if life.left_out:
        typer.echo(f"{life.left_out:,} later events are left out")
    if life.cut_short:
        typer.echo("more came of it than is followed: ask about what is named above by itself")
    typer.echo(f"so the bundle says, read in {seconds:.1f} s; whether it holds, `reserve audit verify` finds out")


def lines_of(life: Life) -> Iterator[str]:
    for each in life.happened:
        yield f"{each.on}  {each.said}."
        yield from (f"            {line}" for line in _behind(each))


def _behind(each: Happened) -> Iterator[str]:
    yield f"{each.place}, {each.type}, recorded {each.recorded_at} by {each.actor}"
    if each.policy is not None:
        yield f"policy {each.policy}"
    yield from (f"{field.replace('_', ' ')} {name}" for field, name in each.documents.items())
    yield from (_acted(acted) for acted in each.behind)


def _acted(acted: Behind) -> str:
    if acted.authority is None:
        return f"{acted.by}: {acted.act}; no instrument is named"
    named = "" if acted.title is None else f" ({acted.title}; {acted.office})"
    return f"{acted.by}: {acted.act}, under {acted.authority}{named}"
