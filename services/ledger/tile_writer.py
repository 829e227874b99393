"""The tile writer: leaves in; durable tiles and the new tree head out. It keeps the tree's right edge in memory, a partial tile a level.

A leaf's index is settled (committed) before it is appended: appending again after a crash then writes the same tiles; all else is a fork.
"""

from collections.abc import Sequence
from hashlib import sha256

from services.ledger.tiles import TILE_HEIGHT, TILE_WIDTH, ForkDetected, Tile, TileStore, decode_bundle, encode_bundle, rows_of, tile_at
from shared.proofs.checkpoint import TreeHead
from shared.proofs.merkle import EMPTY_TREE, HASH_BYTES, hash_leaf, root_at

_TILE_BYTES = TILE_WIDTH * HASH_BYTES


class TileWriter:
    """Appends to the tree that a TileStore holds, from a head on that was stored before.

    It trusts its memory of the edge: when another process has appended, open a new one at the new head.
    """

    def __init__(self, store: TileStore, head: TreeHead = EMPTY_TREE) -> None:
        """Resume at `head`, the last checkpoint stored; the tiles may hold more.

        Raises TileMissing if they hold less, ForkDetected if they hold another tree.
        """
        self._store = store
        self._head = head
        self._edge = _read_edge(store, head.size)
        self._bundle = _read_last_bundle(store, head.size)
        if _root_of_edge(self._edge, head.size) != head.root:
            raise ForkDetected(f"the tiles have another root at {head.size} leaves than the checkpoint")
        if self._bundle and b"".join(map(hash_leaf, self._bundle)) != self._edge[0]:
            raise ForkDetected(f"the last entries of {head.size} are not the leaves of the tree")

    @property
    def head(self) -> TreeHead:
        return self._head

    def append(self, leaves: Sequence[bytes]) -> TreeHead:
        """Append leaf data, in order; the new head is returned once all its tiles are durable.

        Until it returns, the writer stands where it stood, so it may be repeated after any error. Raises ForkDetected when a tile that is
        held has other leaves, ValueError for a leaf above 65,535 bytes.
        """
        if not leaves:
            return self._head
        size = self._head.size
        tiles, edge = _grow_tree(self._edge, size, b"".join([sha256(b"\x00" + leaf).digest() for leaf in leaves]))
        bundles, last_bundle = _grow_bundles(self._bundle, size // TILE_WIDTH, leaves)
        head = TreeHead(size + len(leaves), _root_of_edge(edge, size + len(leaves)))
        self._store.put(bundles | tiles)
        self._head, self._edge, self._bundle = head, edge, last_bundle
        return head


def _grow_tree(edge: list[bytes], size: int, hashes: bytes) -> tuple[dict[Tile, bytes], list[bytes]]:
    """(the tiles that the new leaf hashes fill or widen, the new edge). The root of a tile that fills is a new hash one level up."""
    tiles: dict[Tile, bytes] = {}
    grown = list(edge)
    level = 0
    while hashes:
        if level == len(grown):
            grown.append(b"")
        row = grown[level] + hashes
        index = size >> TILE_HEIGHT * (level + 1)
        roots: list[bytes] = []
        for start in range(0, len(row) - _TILE_BYTES + 1, _TILE_BYTES):
            tile = row[start : start + _TILE_BYTES]
            tiles[Tile(level, index + len(roots))] = tile
            roots.append(rows_of(tile)[TILE_HEIGHT])
        rest = row[len(roots) * _TILE_BYTES :]
        if rest:
            tiles[Tile(level, index + len(roots), len(rest) // HASH_BYTES)] = rest
        grown[level] = rest
        hashes = b"".join(roots)
        level += 1
    return tiles, grown


def _grow_bundles(last: list[bytes], index: int, leaves: Sequence[bytes]) -> tuple[dict[Tile, bytes], list[bytes]]:
    """(the entry bundles that the new leaves fill or widen, the entries of the one left partial)."""
    entries = [*last, *leaves]
    bundles = {}
    for start in range(0, len(entries), TILE_WIDTH):
        bundle = entries[start : start + TILE_WIDTH]
        bundles[Tile("entries", index, len(bundle))] = encode_bundle(bundle)
        index += 1
    return bundles, entries[len(entries) - len(entries) % TILE_WIDTH :]


def _read_edge(store: TileStore, size: int) -> list[bytes]:
    edge = []
    level = 0
    while size >> TILE_HEIGHT * level:
        tile = tile_at(size, level, size >> TILE_HEIGHT * (level + 1))
        edge.append(store.require(tile) if tile.width else b"")
        level += 1
    return edge


def _read_last_bundle(store: TileStore, size: int) -> list[bytes]:
    index, width = divmod(size, TILE_WIDTH)
    return decode_bundle(store.require(Tile("entries", index, width))) if width else []


def _root_of_edge(edge: list[bytes], size: int) -> bytes:
    """Every peak of a tree is a node in the partial tile of its level, so the edge alone gives the root."""
    rows = [rows_of(hashes) for hashes in edge]

    def read_node(height: int, index: int) -> bytes:
        level, row = divmod(height, TILE_HEIGHT)
        position = index % (TILE_WIDTH >> row)
        return rows[level][row][position * HASH_BYTES : (position + 1) * HASH_BYTES]

    return root_at(read_node, size)
