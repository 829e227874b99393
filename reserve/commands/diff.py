"""`reserve audit diff`: what a later bundle has that an earlier one had not, or one bundle between two instants; and where two differ."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import typer

from reserve.audit.between import Between, Change, between, since
from reserve.bundle.evidence import BundleEvidence
from reserve.commands.bundle import opened, read_from
from reserve.commands.failure import fail


def compared(one: Path, other: Path | None, after: str | None, until: str | None) -> Between:
    """Two bundles, or one between two instants. Ends the command for anything else."""
    if (other is None) == (after is None):
        fail("--from: say what to compare (accepted: two bundles A and B, or one with --from, and --to)")
    if until is not None and after is None:
        fail("--to: since when? (accepted: with --from)")
    if other is not None:
        return read_from(_two(opened(one), opened(other)))
    assert after is not None, "one of the two is given"
    beginning, end = instant_of("--from", after), None if until is None else instant_of("--to", until)
    if end is not None and end < beginning:
        fail(f"--to: {until} is before {after} (accepted: a later instant)")
    return read_from(since(opened(one), beginning, end))


async def _two(one: BundleEvidence, other: BundleEvidence) -> Between:
    logs = [(await each.histories())[0].key for each in (one, other)]
    if logs[0] != logs[1]:
        fail(f"B: it is of another system, {other.manifest.origin} (accepted: of A's, {one.manifest.origin})")
    return await between(one, other)


def instant_of(option: str, text: str) -> str:
    """As journals write it."""
    try:
        found = datetime.fromisoformat(text)
        at = found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
        return at.isoformat(timespec="microseconds").replace("+00:00", "Z")
    except (ValueError, OverflowError):
        fail(f"{option}: {text!r} is no instant (accepted: 2026-01-06T09:30:00Z, or 2026-01-06 for when that day begins, in UTC)")


def show(found: Between, seconds: float) -> None:
    for line in lines_of(found):
        typer.echo(line)
    typer.echo(f"compared in {seconds:.1f} s")


def lines_of(found: Between) -> Iterator[str]:
    for title, events, changes in (("added", found.added_events, found.added), ("in the first alone", found.gone_events, found.gone)):
        if events:
            yield f"{title}: {events:,} events of {len(changes):,} things"
            yield from (line for change in changes for line in _of_a_thing(change))
    if found.differing:
        yield f"different: {found.differing:,} events, of which the first are"
        for each in found.differs:
            yield from (f"  {each.place}", f"    first  {each.one}", f"    second {each.other}")
    if found.left_out:
        yield f"{found.left_out:,} events more, of other things, are not named"
    if not (found.added_events or found.gone_events or found.differing):
        yield "nothing was added, and nothing differs"
    if not found.goes_on:
        yield "neither of the two goes on from the other: one of them is not this history, or was restored (`reserve audit verify`)"


def _of_a_thing(change: Change) -> Iterator[str]:
    yield f"  {change.thing}"
    yield from (f"    {said}" for said in change.said)
    if change.events > len(change.said):
        yield f"    and {change.events - len(change.said):,} more"
