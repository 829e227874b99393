"""`reserve audit sample`: which lots to go and look at, out of a bundle, as tables or as a file for a spreadsheet."""

import csv
from collections.abc import Sequence
from io import StringIO
from pathlib import Path

import typer

from reserve.audit.sampling import Here, Moved, Sample, here_at, sampled, size_for
from reserve.audit.telling import printable
from reserve.commands.bundle import opened, read_from
from reserve.commands.failure import fail

COLUMNS = ("list", "depot", "product", "lot", "units", "nominal_unit_g", "mass_g", "hits", "origin", "serials", "found", "remark")


def drawn(bundle: Path, products: Sequence[str], size: int | None, material_g: int | None, seed: str) -> Sample:
    """Ends the command where nothing says how many, or the bundle is none: exit code 2."""
    if (size is None) == (material_g is None):
        fail("--size: how many? (accepted: one of --size and --material-g)")
    sheet, moved = read_from(here_at(opened(bundle), products))
    if not sheet:
        fail(f"--product: nothing of {', '.join(products) or 'any product'} is in a depot (accepted: a product that is)")
    mass_g = sum(here.mass_g for here in sheet)
    wanted = size_for(mass_g, material_g) if material_g is not None else size
    assert wanted is not None, "one of the two was given"
    return sampled(sheet, moved, wanted, seed)


def as_csv(sample: Sample) -> str:
    """Four lists in one: what is looked for on the floor, how much is picked there, what was moved last, and all that is to be there."""
    into = StringIO()
    rows = csv.writer(into, lineterminator="\n")
    rows.writerow(COLUMNS)
    rows.writerows(["sheet to floor", *_cells(each.here, str(each.hits))] for each in sample.chosen)
    rows.writerows(["floor to sheet", depot, "", "", count, *[""] * 7] for depot, count in sample.from_floor.items())
    rows.writerows(["cut-off", each.depot, "", " ".join(each.lots), *[""] * 7, _paper(each)] for each in sample.last_moved)
    rows.writerows(["sheet", *_cells(here, "")] for here in sample.sheet)
    return into.getvalue()


def _cells(here: Here, hits: str) -> list[object]:
    words = (here.depot, here.product, here.lot, here.origin, " ".join(here.serials))
    depot, product, lot, origin, serials = map(_harmless, words)
    return [depot, product, lot, here.units, here.nominal_unit_g, here.mass_g, hits, origin, serials, "", ""]


def _harmless(text: str) -> str:
    """A spreadsheet takes what begins so for a formula."""
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text


def _paper(moved: Moved) -> str:
    return f"{moved.type} in {moved.place}, {moved.effective_on}"


def show(sample: Sample) -> None:
    typer.echo(f"{sample.mass_g:,} g in {len(sample.sheet):,} places; seed {printable(sample.seed)!r}, one every {sample.interval_g:,} g")
    typer.echo("\nsheet to floor: each is to be there, whole, and of that mass")
    for each in sample.chosen:
        here, certain = each.here, "  certain" if each.certain else ""
        place = printable(f"{here.depot:<20} {here.product:<20} {here.lot}")
        typer.echo(f"  {place}  {here.units:,} x {here.nominal_unit_g:,} g{certain}")
    typer.echo("\nfloor to sheet: so many units are picked where they stand, and are to be in the sheet (--csv has it)")
    for depot, count in sample.from_floor.items():
        typer.echo(f"  {printable(depot):<20} {count:,}")
    typer.echo("\ncut-off: the papers of the last movements are to be of the same day")
    for moved in sample.last_moved:
        typer.echo(f"  {printable(moved.depot):<20} {moved.effective_on}  {moved.place}  {moved.type}")
