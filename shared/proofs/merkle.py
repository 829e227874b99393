"""The Merkle tree of RFC 6962, section 2.1 (SHA-256): heads, proofs, and their verification. Pure: a tree is read through a callback.

Words: the *node* (height, index) is the root of the complete subtree over leaves [index << height, (index + 1) << height). A tree of
any size is a row of such nodes, the largest to the left: its *peaks*. Making a proof and verifying one share nothing but the hashes.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from hashlib import sha256

from shared.proofs.checkpoint import TreeHead

HASH_BYTES = 32

type ReadNode = Callable[[int, int], bytes]
"""read_node(height, index) -> the 32-byte hash of a complete subtree."""


EMPTY_TREE = TreeHead(0, sha256(b"").digest())


def hash_leaf(data: bytes) -> bytes:
    return sha256(b"\x00" + data).digest()


def hash_node(left: bytes, right: bytes) -> bytes:
    return sha256(b"\x01" + left + right).digest()


def root_of(leaf_hashes: Iterable[bytes]) -> bytes:
    """The root over a stream of leaf hashes, in memory that grows with the logarithm of its length (an auditor's way to a root)."""
    peaks: list[bytes] = []
    for size, leaf_hash in enumerate(leaf_hashes):
        node = leaf_hash
        # Adding a leaf is adding 1 in binary: each trailing 1 of the size is a peak that the new node merges with.
        for _ in range(_trailing_zeros(size + 1)):
            node = hash_node(peaks.pop(), node)
        peaks.append(node)
    return _fold(peaks)


def root_at(read_node: ReadNode, size: int) -> bytes:
    """The root of the first `size` leaves. A log can look back at any size it ever had."""
    return _fold([read_node(*peak) for peak in _peaks(0, size)])


def inclusion_proof(read_node: ReadNode, index: int, size: int) -> list[bytes]:
    """RFC 6962 section 2.1.1: the hashes from the leaf's sibling up to the root's child, for leaf `index` among the first `size`."""
    if not 0 <= index < size:
        raise ValueError(f"leaf {index} is not in a tree of {size}")
    return list(_siblings(read_node, index, 0, size))


def consistency_proof(read_node: ReadNode, old_size: int, new_size: int) -> list[bytes]:
    """RFC 6962 section 2.1.2: shows that the tree of `old_size` is a prefix of the tree of `new_size`. Empty if it is trivial."""
    if not 0 <= old_size <= new_size:
        raise ValueError(f"a tree of {new_size} cannot extend one of {old_size}")
    if old_size in (0, new_size):
        return []
    # The last peak of the old tree is a node of both trees: its path in the new tree passes all other peaks of the old one.
    last = old_size - 1
    height = _trailing_zeros(old_size)
    start = [] if old_size == 1 << height else [read_node(height, last >> height)]
    return start + list(_siblings(read_node, last, height, new_size))


def verify_inclusion(leaf_hash: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> bool:
    """Whether `proof` shows that the leaf with this hash is leaf `index` of the tree (size, root). Refuses, and never raises."""
    if not 0 <= index < size or not _are_hashes([leaf_hash, root, *proof]):
        return False
    turns, lefts = _path_lengths(index, size)
    if len(proof) != turns + lefts:
        return False
    node = leaf_hash
    for height, sibling in enumerate(proof[:turns]):
        node = hash_node(sibling, node) if index >> height & 1 else hash_node(node, sibling)
    for sibling in proof[turns:]:
        node = hash_node(sibling, node)
    return node == root


def verify_consistency(old: TreeHead, new: TreeHead, proof: Sequence[bytes]) -> bool:
    """Whether `proof` shows that `new` extends `old` without changing a leaf of it. Refuses, and never raises."""
    if not 0 <= old.size <= new.size or not _are_hashes([old.root, new.root, *proof]):
        return False
    if EMPTY_TREE.size in (old.size, new.size) and old != EMPTY_TREE:
        return False
    if old.size == new.size:
        return not proof and old.root == new.root
    if old == EMPTY_TREE:
        return not proof
    height = _trailing_zeros(old.size)
    path = [old.root, *proof] if old.size == 1 << height else list(proof)
    turns, lefts = _path_lengths(old.size - 1, new.size)
    turns -= height
    if len(path) != 1 + turns + lefts:
        return False
    old_node = new_node = path[0]
    for step, sibling in enumerate(path[1 : 1 + turns], start=height):
        if (old.size - 1) >> step & 1:
            old_node, new_node = hash_node(sibling, old_node), hash_node(sibling, new_node)
        else:  # what stands to the right is not in the old tree
            new_node = hash_node(new_node, sibling)
    for sibling in path[1 + turns :]:
        old_node, new_node = hash_node(sibling, old_node), hash_node(sibling, new_node)
    return old_node == old.root and new_node == new.root


def _peaks(start: int, stop: int) -> Iterator[tuple[int, int]]:
    """The nodes (height, index) that cover leaves [start, stop), the largest first; `start` is aligned to the largest."""
    while start < stop:
        height = (stop - start).bit_length() - 1
        yield height, start >> height
        start += 1 << height


def _fold(peaks: list[bytes]) -> bytes:
    if not peaks:
        return EMPTY_TREE.root
    *rest, node = peaks
    for peak in reversed(rest):
        node = hash_node(peak, node)
    return node


def _siblings(read_node: ReadNode, index: int, from_height: int, size: int) -> Iterator[bytes]:
    """What a path from leaf `index` meets at each height: the other child, cut off at `size`; nothing where that lies beyond the tree."""
    for height in range(from_height, (size - 1).bit_length()):
        sibling = (index >> height) ^ 1
        start, stop = sibling << height, min((sibling + 1) << height, size)
        if start < stop:
            yield _fold([read_node(*peak) for peak in _peaks(start, stop)])


def _path_lengths(index: int, size: int) -> tuple[int, int]:
    """(steps until the path joins the tree's right edge, steps after, where only left siblings exist)."""
    turns = (index ^ (size - 1)).bit_length()
    return turns, (index >> turns).bit_count()


def _trailing_zeros(number: int) -> int:
    return (number & -number).bit_length() - 1


def _are_hashes(values: Iterable[bytes]) -> bool:
    return all(len(value) == HASH_BYTES for value in values)
