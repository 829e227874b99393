"""C2SP tlog-tiles in a folder: the tree's hashes and entries as files that are only ever added, and can be served as they are.

Source: c2sp.org/tlog-tiles. A tile is up to 256 consecutive hashes of one level (level n holds the nodes of height 8n); an entry bundle is
the leaves below a tile of level 0. A narrower tile is a prefix of a wider one, so whatever contradicts a tile that is held is a fork.
"""

import fcntl
import os
import re
import shutil
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import Literal

import msgspec

from shared.proofs.merkle import HASH_BYTES, ReadNode

TILE_HEIGHT = 8
TILE_WIDTH = 1 << TILE_HEIGHT
MAX_ENTRY_BYTES = 2**16 - 1
MAX_LEVEL = 63
_SYNCING = ThreadPoolExecutor(8, thread_name_prefix="sync")
_CACHED_TILES = 1024  # above the lowest level, some 16 KiB each with the nodes between its hashes and its root: of 67 million leaves
_PATH = re.compile(r"tile/(entries|[0-9]{1,2})/((?:x[0-9]{3}/){0,6}[0-9]{3})(?:\.p/([0-9]{1,3}))?")


class ForkDetected(Exception):
    """What is to be written, or was signed, contradicts a tile that is held, and perhaps a checkpoint that is out. Stop, call a person."""


class TileMissing(LookupError):
    """A tile that the tree of the stated size must have is not held, or is cut short."""


class Tile(msgspec.Struct, frozen=True):
    """Which tile: its level (or the entry bundles), its index in the level, and how many of its 256 hashes (or entries) it has."""

    level: int | Literal["entries"]
    index: int
    width: int = TILE_WIDTH

    @property
    def full_path(self) -> str:
        """The path of this tile once it is full: 1234067 is `x001/x234/067`."""
        digits = str(self.index)
        digits = digits.zfill(-(-len(digits) // 3) * 3)
        *above, last = (digits[start : start + 3] for start in range(0, len(digits), 3))
        return f"tile/{self.level}/{''.join(f'x{group}/' for group in above)}{last}"

    @property
    def path(self) -> str:
        return self.full_path if self.width == TILE_WIDTH else f"{self.full_path}.p/{self.width}"


def parse_tile_path(path: str) -> Tile:
    """The tile that `path` names. Raises ValueError for any other text, so what passes is safe to look for in a folder."""
    if not (found := _PATH.fullmatch(path)):
        raise ValueError("not the path of a tile")
    level, index, width = found.groups()
    tile = Tile(
        level="entries" if level == "entries" else int(level),
        index=int(index.replace("/", "").replace("x", "")),
        width=TILE_WIDTH if width is None else int(width),
    )
    # One spelling per tile: the way back refuses leading zeroes, a needless `x000/` and a `.p/256`.
    if tile.path != path or tile.width not in range(1, TILE_WIDTH + 1) or tile.level not in ("entries", *range(MAX_LEVEL + 1)):
        raise ValueError("not the path of a tile")
    return tile


def tile_at(size: int, level: int, index: int) -> Tile:
    """The tile with that level and index in a tree of `size` leaves: full, or as wide as the tree goes."""
    return Tile(level, index, min(TILE_WIDTH, (size >> TILE_HEIGHT * level) - index * TILE_WIDTH))


def encode_bundle(entries: list[bytes]) -> bytes:
    """Entries, each after its length as a big-endian uint16. Raises ValueError for one above 65,535 bytes."""
    if any(len(entry) > MAX_ENTRY_BYTES for entry in entries):
        raise ValueError(f"an entry has at most {MAX_ENTRY_BYTES} bytes")
    return b"".join(len(entry).to_bytes(2) + entry for entry in entries)


def decode_bundle(bundle: bytes) -> list[bytes]:
    """The entries of a bundle. Raises ValueError when it is cut short."""
    entries, offset = [], 0
    while offset < len(bundle):
        start = offset + 2
        offset = start + int.from_bytes(bundle[offset:start])
        entries.append(bundle[start:offset])
    if offset != len(bundle):
        raise ValueError("the entry bundle is cut short")
    return entries


def rows_of(hashes: bytes) -> list[bytes]:
    """All complete nodes of a tile by height: row 0 is the tile itself, row 8 of a full tile is its root. Each row is hashes joined."""
    rows = [hashes]
    for _ in range(TILE_HEIGHT):
        rows.append(_parents(rows[-1]))
    return rows


def _parents(row: bytes) -> bytes:
    pairs_end = len(row) - len(row) % (2 * HASH_BYTES)
    return b"".join([sha256(b"\x01" + row[at : at + 2 * HASH_BYTES]).digest() for at in range(0, pairs_end, 2 * HASH_BYTES)])


def _root_of(hashes: bytes) -> bytes:
    """Of a complete subtree over these."""
    while len(hashes) > HASH_BYTES:
        hashes = _parents(hashes)
    return hashes


class TileStore:
    """Tiles in a folder. Reading needs no lock; one process at a time writes, and a lock on the folder keeps a second one out."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        # A tile of a given width never changes, so what is cached stays right.
        self._rows = lru_cache(maxsize=_CACHED_TILES)(self._read_rows)
        self._full: set[tuple[int | str, int]] = set()  # of those above the lowest level, a 65,536th of the leaves

    def read(self, tile: Tile) -> bytes | None:
        """The tile's bytes, or None. A partial tile whose file is gone is cut from a wider one."""
        for path in (self.folder / tile.path, self.folder / tile.full_path):
            if (data := _read_file(path)) is not None:
                return _first(tile, data)
        wider = self._widest_partial(tile)
        return _first(tile, wider[1]) if wider and wider[0] >= tile.width else None

    def require(self, tile: Tile) -> bytes:
        """The tile's bytes. Raises TileMissing."""
        if (data := self.read(tile)) is None:
            raise TileMissing(f"{tile.path} is not held")
        return data

    def node_reader(self, size: int) -> ReadNode:
        """The tree of `size` leaves, for `merkle`'s proofs. The reader raises TileMissing."""

        lowest: dict[int, bytes] = {}  # tiles of level 0: a proof reads several nodes of the one that it starts in

        def read_node(height: int, index: int) -> bytes:
            level, row = divmod(height, TILE_HEIGHT)
            tile_index, position = divmod(index, TILE_WIDTH >> row)
            tile = tile_at(size, level, tile_index)
            if level == 0:
                if (hashes := lowest.get(tile_index)) is None:
                    hashes = lowest[tile_index] = self.require(tile)
                node = _root_of(hashes[(position << row) * HASH_BYTES : (position + 1 << row) * HASH_BYTES])
            else:
                node = self._rows(self._whole(tile))[row][position * HASH_BYTES : (position + 1) * HASH_BYTES]
            assert len(node) == HASH_BYTES, f"node ({height}, {index}) is not complete in a tree of {size}"
            return node

        return read_node

    def held_size(self) -> int:
        """The number of leaves whose hashes are held: perhaps more than were signed.

        A ledger never signs a smaller size: it was restored to the past, or has yet to append again what a crash cut off.
        """
        full, above = 0, 1
        while self._is_full(above - 1):
            full, above = above, above * 2
        while full + 1 < above:  # `full` tiles are held, `above` are not
            middle = (full + above) // 2
            full, above = (middle, above) if self._is_full(middle - 1) else (full, middle)
        widest = self._widest_partial(Tile(0, full))
        return full * TILE_WIDTH + (widest[0] if widest else 0)

    def put(self, tiles: Mapping[Tile, bytes]) -> None:
        """Make tiles durable: when it returns, all of them are. What is held is left alone, so a put that a crash cut off may be repeated.

        Raises, before anything is written, ForkDetected if a tile contradicts one that is held, and BlockingIOError while another process
        writes: a leader that does not know that it lost its lead, since it was stopped, may still be at it.
        """
        with self._alone():
            self._put(tiles)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """What is looked at and what is then written is one step. The lock goes with its process, however that ends."""
        self.folder.mkdir(parents=True, exist_ok=True)
        folder = os.open(self.folder, os.O_RDONLY)
        try:
            fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield
        finally:
            os.close(folder)

    def _put(self, tiles: Mapping[Tile, bytes]) -> None:
        fresh = {tile: data for tile, data in tiles.items() if self._is_new(tile, data)}
        paths = {self.folder / tile.path: data for tile, data in fresh.items()}
        for path, data in paths.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            _staged(path).write_bytes(data)
        _sync_all(map(_staged, paths))
        for path in paths:
            # Atomic: a reader, and a crash, see the whole file or none.
            os.replace(_staged(path), path)  # noqa: PTH105
        _sync_all(self._folders(tiles))  # of those that were held too: the put that wrote them may have been cut off right here
        for tile in fresh:
            if tile.width == TILE_WIDTH:
                # The full tile is durable and gives any width from now on. A leftover does no harm.
                shutil.rmtree(self.folder / f"{tile.full_path}.p", ignore_errors=True)

    def _folders(self, tiles: Iterable[Tile]) -> set[Path]:
        """The folders, up to the store's own, that name these tiles."""
        paths = (self.folder / tile.path for tile in tiles)
        return {folder for path in paths for folder in path.parents if folder.is_relative_to(self.folder) and folder.exists()}

    def _is_new(self, tile: Tile, data: bytes) -> bool:
        held = _read_file(self.folder / tile.full_path)
        if held is not None:
            if not held.startswith(data):
                raise ForkDetected(f"{tile.path} contradicts the full tile that is held")
            return False
        widest = self._widest_partial(tile)
        if widest and not (widest[1].startswith(data) or data.startswith(widest[1])):
            raise ForkDetected(f"{tile.path} contradicts the tile of width {widest[0]} that is held")
        return not (self.folder / tile.path).exists()

    def _is_full(self, index: int) -> bool:
        return (self.folder / Tile(0, index).full_path).exists()

    def _whole(self, tile: Tile) -> Tile:
        """The full tile, where it is held by now: it has all nodes of this one, and one of it in the cache serves each size of the tree."""
        if tile.width < TILE_WIDTH and (tile.level, tile.index) not in self._full:
            if not (self.folder / tile.full_path).exists():
                return tile
            self._full.add((tile.level, tile.index))
        return Tile(tile.level, tile.index)

    def _widest_partial(self, tile: Tile) -> tuple[int, bytes] | None:
        try:
            names = os.listdir(self.folder / f"{tile.full_path}.p")  # noqa: PTH208
        except FileNotFoundError:
            return None
        widths = [int(name) for name in names if name.isdecimal()]
        if not widths:
            return None
        data = _read_file(self.folder / Tile(tile.level, tile.index, max(widths)).path)
        return (max(widths), data) if data is not None else None

    def _read_rows(self, tile: Tile) -> list[bytes]:
        return rows_of(self.require(tile))


def _first(tile: Tile, data: bytes) -> bytes:
    """The part of a tile at least as wide that `tile` names."""
    if tile.level != "entries":
        if len(data) < tile.width * HASH_BYTES:
            raise TileMissing(f"{tile.path} is cut short")
        return data[: tile.width * HASH_BYTES]
    try:
        entries = decode_bundle(data)
    except ValueError as error:
        raise TileMissing(f"{tile.path}: {error}") from error
    if len(entries) < tile.width:
        raise TileMissing(f"{tile.path} is cut short")
    return data if len(entries) == tile.width else encode_bundle(entries[: tile.width])


def _read_file(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None


def _staged(path: Path) -> Path:
    # A fixed name: what a crash leaves behind is overwritten by the repeat, and no reader takes it for a tile.
    return path.with_name(f"{path.name}.staged")


def _sync_all(paths: Iterable[Path]) -> None:
    """Side by side, since a file system flushes many files in one go: 34 tiles took 18 ms in place of 135."""
    for _ in _SYNCING.map(_sync, paths):
        pass


def _sync(path: Path) -> None:
    """Flush a file, or a folder: a rename, and a new folder, are durable only once the folder that names them is."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
