"""The tree is RFC 6962's: by the vectors of Certificate Transparency, by an independent library, and by exhausting small trees."""

from hashlib import sha256

import aics_tlog
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.proofs.checkpoint import TreeHead
from shared.proofs.merkle import (
    EMPTY_TREE,
    ReadNode,
    consistency_proof,
    hash_leaf,
    hash_node,
    inclusion_proof,
    root_at,
    root_of,
    verify_consistency,
    verify_inclusion,
)

# The reference tree of the certificate-transparency project: eight entries, and the root at each size.
CT_ENTRIES = list(
    map(bytes.fromhex, ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]),
)
CT_ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
# (leaf, size, proof), leaf counted from 0.
CT_INCLUSION_PROOFS = [
    (0, 1, []),
    (
        0,
        8,
        [
            "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
        ],
    ),
    (
        5,
        8,
        [
            "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
            "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        ],
    ),
    (2, 3, ["fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"]),
    (
        1,
        5,
        [
            "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        ],
    ),
]

LEAVES = [sha256(index.to_bytes(8)).digest() for index in range(400)]
ORACLE = aics_tlog.MerkleTree(LEAVES)
ROOTS = [ORACLE.root(size) for size in range(len(LEAVES) + 1)]


def reader(leaves: list[bytes]) -> ReadNode:
    """The tree read by RFC 6962's own recursion over complete subtrees."""
    known: dict[tuple[int, int], bytes] = {}

    def read_node(height: int, index: int) -> bytes:
        if (node := known.get((height, index))) is None:
            node = hash_leaf(leaves[index]) if height == 0 else hash_node(*(read_node(height - 1, 2 * index + side) for side in (0, 1)))
            known[height, index] = node
        return node

    return read_node


READ = reader(LEAVES)


@pytest.mark.parametrize("size", range(9))
def test_the_roots_of_the_reference_tree_are_the_published_ones(size: int) -> None:
    assert root_at(reader(CT_ENTRIES), size).hex() == CT_ROOTS[size]
    assert root_of(map(hash_leaf, CT_ENTRIES[:size])).hex() == CT_ROOTS[size]


@pytest.mark.parametrize(("index", "size", "proof"), CT_INCLUSION_PROOFS)
def test_the_inclusion_proofs_of_the_reference_tree_are_the_published_ones(index: int, size: int, proof: list[str]) -> None:
    made = inclusion_proof(reader(CT_ENTRIES), index, size)
    assert [sibling.hex() for sibling in made] == proof
    assert verify_inclusion(hash_leaf(CT_ENTRIES[index]), index, size, made, bytes.fromhex(CT_ROOTS[size]))


def test_the_consistency_proof_of_the_reference_tree_is_the_published_one() -> None:
    made = consistency_proof(reader(CT_ENTRIES), 1, 8)
    assert [node.hex() for node in made] == CT_INCLUSION_PROOFS[1][2]
    assert verify_consistency(TreeHead(1, bytes.fromhex(CT_ROOTS[1])), TreeHead(8, bytes.fromhex(CT_ROOTS[8])), made)


def test_the_three_examples_of_section_2_1_3_hold() -> None:
    """RFC 6962 section 2.1.3: seven leaves; its names are kept."""
    read = reader(CT_ENTRIES)
    a, b, c, d, e, f, j = (hash_leaf(entry) for entry in CT_ENTRIES[:7])
    g, h, i = hash_node(a, b), hash_node(c, d), hash_node(e, f)
    k, l = hash_node(g, h), hash_node(i, j)  # noqa: E741
    assert [inclusion_proof(read, index, 7) for index in (0, 3, 4, 6)] == [[b, h, l], [c, g, l], [f, j, k], [i, k]]
    assert [consistency_proof(read, size, 7) for size in (3, 4, 6)] == [[c, d, g, l], [l], [i, j, k]]


def test_every_root_up_to_400_leaves_is_the_oracles() -> None:
    for size, root in enumerate(ROOTS):
        assert root_at(READ, size) == root
        assert root_of(map(hash_leaf, LEAVES[:size])) == root


@pytest.mark.parametrize("size", [*range(1, 70), 127, 128, 129, 255, 256, 257, 300, 399, 400])
def test_every_inclusion_proof_is_the_oracles_and_both_accept_it(size: int) -> None:
    for index in range(size):
        proof = inclusion_proof(READ, index, size)
        leaf_hash = hash_leaf(LEAVES[index])
        assert proof == ORACLE.inclusion_proof(index, size)
        assert verify_inclusion(leaf_hash, index, size, proof, ROOTS[size])
        assert aics_tlog.verify_inclusion(leaf_hash, index, size, proof, ROOTS[size])


@pytest.mark.parametrize("new_size", [*range(0, 70), 127, 128, 129, 255, 256, 257, 300, 399, 400])
def test_every_consistency_proof_is_the_oracles_and_both_accept_it(new_size: int) -> None:
    for old_size in range(new_size + 1):
        proof = consistency_proof(READ, old_size, new_size)
        assert proof == ORACLE.consistency_proof(old_size, new_size)
        assert verify_consistency(TreeHead(old_size, ROOTS[old_size]), TreeHead(new_size, ROOTS[new_size]), proof)
        assert aics_tlog.verify_consistency(old_size, new_size, ROOTS[old_size], ROOTS[new_size], proof)


def test_an_inclusion_proof_fits_one_leaf_at_one_index_of_one_size_only() -> None:
    """Sizes that share a root's path could pass each other's proofs if only the hashes were checked; the length and the turns pin them."""
    for size in range(1, 40):
        for index in range(size):
            proof, leaf_hash = inclusion_proof(READ, index, size), hash_leaf(LEAVES[index])
            for other in range(42):
                assert verify_inclusion(leaf_hash, other, size, proof, ROOTS[size]) == (other == index)
            for longer in ([*proof, bytes(32)], [*proof, leaf_hash], proof[:-1] or [bytes(32)]):
                assert not verify_inclusion(leaf_hash, index, size, longer, ROOTS[size])


def flip(data: bytes, bit: int) -> bytes:
    at = bit // 8 % len(data)
    return data[:at] + bytes([data[at] ^ 1 << bit % 8]) + data[at + 1 :]


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_any_flipped_bit_breaks_an_inclusion_proof(data: st.DataObject) -> None:
    size = data.draw(st.integers(1, 400))
    index = data.draw(st.integers(0, size - 1))
    parts = [hash_leaf(LEAVES[index]), ROOTS[size], *inclusion_proof(READ, index, size)]
    broken = data.draw(st.integers(0, len(parts) - 1))
    parts[broken] = flip(parts[broken], data.draw(st.integers(0, 255)))
    leaf_hash, root, *proof = parts
    assert not verify_inclusion(leaf_hash, index, size, proof, root)


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_any_flipped_bit_breaks_a_consistency_proof(data: st.DataObject) -> None:
    new_size = data.draw(st.integers(2, 400))
    old_size = data.draw(st.integers(1, new_size - 1))
    parts = [ROOTS[old_size], ROOTS[new_size], *consistency_proof(READ, old_size, new_size)]
    broken = data.draw(st.integers(0, len(parts) - 1))
    parts[broken] = flip(parts[broken], data.draw(st.integers(0, 255)))
    old_root, new_root, *proof = parts
    assert not verify_consistency(TreeHead(old_size, old_root), TreeHead(new_size, new_root), proof)


@given(
    st.integers(-2, 70),
    st.integers(-2, 70),
    st.sampled_from([*ROOTS[:70], b"", bytes(31)]),
    st.sampled_from([*ROOTS[:70], b"", bytes(33)]),
    st.lists(st.sampled_from([*ROOTS[:9], *map(hash_leaf, LEAVES[:9]), b""]), max_size=8),
)
@settings(max_examples=300, deadline=None)
def test_our_verifiers_and_the_oracles_agree_on_nonsense(a: int, b: int, old_root: bytes, new_root: bytes, proof: list[bytes]) -> None:
    ours = verify_consistency(TreeHead(a, old_root), TreeHead(b, new_root), proof)
    assert ours == aics_tlog.verify_consistency(a, b, old_root, new_root, proof)
    if verify_inclusion(old_root, a, b, proof, new_root):  # the oracle does not check lengths here, so it may only accept more
        assert aics_tlog.verify_inclusion(old_root, a, b, proof, new_root)


def test_a_tree_that_replaced_a_leaf_is_not_consistent() -> None:
    forked = [*LEAVES[:2], b"another", *LEAVES[3:]]
    for new_size in range(4, 40):
        proof = consistency_proof(reader(forked), 3, new_size)
        assert not verify_consistency(TreeHead(3, ROOTS[3]), TreeHead(new_size, root_at(reader(forked), new_size)), proof)


def test_the_empty_tree_is_a_prefix_of_every_tree_but_only_with_its_own_root() -> None:
    assert verify_consistency(EMPTY_TREE, TreeHead(7, ROOTS[7]), [])
    assert not verify_consistency(TreeHead(0, ROOTS[1]), TreeHead(7, ROOTS[7]), [])
    assert not verify_consistency(EMPTY_TREE, TreeHead(7, ROOTS[7]), [ROOTS[1]])


@pytest.mark.parametrize(("index", "size"), [(0, 0), (-1, 3), (3, 3), (4, 3)])
def test_a_proof_for_a_leaf_outside_the_tree_cannot_be_asked_for(index: int, size: int) -> None:
    with pytest.raises(ValueError, match="is not in a tree"):
        inclusion_proof(READ, index, size)


def test_a_consistency_proof_to_a_smaller_tree_cannot_be_asked_for() -> None:
    with pytest.raises(ValueError, match="cannot extend"):
        consistency_proof(READ, 5, 4)
