"""The audit of a log's tiles: every file, of every level and width, is held against the leaves."""

from collections.abc import AsyncIterator, Sequence
from hashlib import sha256
from itertools import batched
from pathlib import Path

import pytest

from reserve.audit.report import Check, Failure, Findings
from reserve.audit.tiles import WIDTH, Tiles
from services.ledger.tile_writer import TileWriter
from services.ledger.tiles import TileStore

LEAVES = [sha256(number.to_bytes(4)).digest() for number in range(600)]
GROWN = (1, 3, 255, 256, 300, 512, 513, 599, 600)  # sizes at which it was signed, each with tiles of its own


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    writer = TileWriter(TileStore(tmp_path))
    for before, size in zip((0, *GROWN), GROWN, strict=False):
        writer.append(LEAVES[before:size])
    return tmp_path


async def pages(leaves: Sequence[bytes]) -> AsyncIterator[Sequence[bytes]]:
    for some in batched(leaves, WIDTH):
        yield some


async def failures(folder: Path, leaves: Sequence[bytes] = LEAVES, *, signed: int = 600, goes_on: bool = True) -> tuple[Failure, ...]:
    findings = Findings()
    await Tiles(folder).look(findings, pages(leaves), signed=signed, goes_on=goes_on)
    [result] = findings.results([Check.TILES])
    assert result.checked > 0
    return result.failures


def files(folder: Path) -> list[Path]:
    return sorted(file for file in folder.rglob("*") if file.is_file())


async def test_the_tiles_of_a_log_are_its_leaves(folder: Path) -> None:
    assert {file.relative_to(folder / "tile").parts[0] for file in files(folder)} == {"entries", "0", "1"}
    assert await failures(folder) == ()


async def test_a_file_of_any_level_and_width_that_is_changed_cut_or_longer_is_named(folder: Path) -> None:
    for file in files(folder):
        true = file.read_bytes()
        for other in (true[:-1] + bytes([true[-1] ^ 1]), true[:-5], true + true[:32], b""):
            file.write_bytes(other)
            assert str(file) in {failure.place for failure in await failures(folder)}
        file.write_bytes(true)
    assert await failures(folder) == ()


async def test_a_tile_that_is_gone_is_missed_unless_a_wider_one_has_what_is_signed(folder: Path) -> None:
    full = folder / "tile" / "0" / "001"
    full.unlink()
    assert [failure.place for failure in await failures(folder)] == ["tile/0/1"]


async def test_a_tile_of_leaves_that_there_are_not_is_named(folder: Path) -> None:
    made_up = folder / "tile" / "0" / "007"
    made_up.write_bytes(bytes(32 * 256))
    assert [failure.place for failure in await failures(folder)] == [str(made_up)]


async def test_of_a_log_that_has_ended_tiles_of_lost_leaves_may_be_left(folder: Path) -> None:
    assert await failures(folder, LEAVES[:520], signed=520, goes_on=False) == ()
    file = folder / "tile" / "0" / "001"
    file.write_bytes(bytes(32) + file.read_bytes()[32:])
    assert str(file) in {failure.place for failure in await failures(folder, LEAVES[:520], signed=520, goes_on=False)}


async def test_a_tile_that_becomes_full_while_it_is_listed_is_there(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The ledger writes the full file where the listing has passed already, and takes the narrow ones away before it comes to them."""
    full, listings, listed = folder / "tile" / "0" / "001", 0, Path.rglob

    def rglob(self: Path, pattern: str) -> list[Path]:
        nonlocal listings
        listings += 1
        return [file for file in listed(self, pattern) if listings > 1 or file != full]

    monkeypatch.setattr(Path, "rglob", rglob)
    assert await failures(folder) == ()


async def test_a_tile_that_cannot_be_read_is_a_failure_at_its_place(folder: Path) -> None:
    tile = folder / "tile" / "0" / "001"
    tile.unlink()
    tile.symlink_to(tile)
    assert str(tile) in {failure.place for failure in await failures(folder)}
