"""Copies of a log's tiles: made while the log grows, and cut back to the size that a restored database knows."""

import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from services.ledger.tiles import Tile, TileStore, parse_tile_path, tile_at


def copy_tiles(held: Path, into: Path) -> None:
    """Copies the tree that was durable when it began, and some of what came after, which `cut_tiles` takes away.

    A partial tile makes room for the full one, so a look through the folder may miss both. What the first pass has missed like that is full
    by the second, and stays.
    """
    for _ in range(2):
        for tile in tiles_in(held):
            if not (into / tile.path).exists():
                (into / tile.path).parent.mkdir(parents=True, exist_ok=True)
                with suppress(FileNotFoundError):
                    shutil.copyfile(held / tile.path, into / tile.path)


def cut_tiles(folder: Path, size: int) -> None:
    """Leaves what a tree of `size` leaves has, at most. For a copy that nobody serves yet: what was published is never taken back."""
    store = TileStore(folder)
    for tile in list(tiles_in(folder)):
        level = 0 if tile.level == "entries" else tile.level
        width = tile_at(size, level, tile.index).width
        if width >= tile.width:
            continue
        if width > 0:
            rest = Tile(tile.level, tile.index, width)
            content = store.require(rest)
            (folder / rest.path).parent.mkdir(exist_ok=True)
            (folder / rest.path).write_bytes(content)
        (folder / tile.path).unlink()


def tiles_in(folder: Path) -> Iterator[Tile]:
    """Those that have a file there."""
    for path in folder.rglob("*"):
        try:
            tile = parse_tile_path(path.relative_to(folder).as_posix())
        except ValueError:
            continue  # a folder, or what a crash left behind
        if not path.is_dir():
            yield tile
