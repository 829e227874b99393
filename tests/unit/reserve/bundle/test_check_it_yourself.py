"""The worked example of docs/audit/check-it-yourself.md, by bare hashes and by our own code: each number follows from its first lines."""

import base64
import json
import re
from hashlib import sha256

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from reserve.audit.approvers import signed
from reserve.audit.hashes import chain_hash, event_hash, leaf_of
from reserve.bundle.layout import read_record, row_of
from reserve.operate.migrate import ROOT
from shared.proofs.checkpoint import open_checkpoint
from shared.proofs.merkle import hash_leaf, hash_node, root_of, verify_inclusion
from shared.proofs.signed_note import parse_verifier_key
from shared.terms.acting import Approval

GUIDE = (ROOT / "docs/audit/check-it-yourself.md").read_text()
_ROWS, _FORMULAS, _LEAVES, _TREE, NOTE, KEY, STATEMENT, SIGNED = re.findall(r"^```(?:json)?\n(.*?)```$", GUIDE, re.MULTILINE | re.DOTALL)
ROWS = [json.loads(line) for line in _ROWS.splitlines()]
LEAVES = {place: bytes.fromhex(leaf) for place, leaf in map(str.split, _LEAVES.splitlines())}
TREE = [bytes.fromhex(line.split()[-1]) for line in _TREE.splitlines()]


def test_its_hashes_are_what_it_says_they_are_made_of() -> None:
    chains: dict[str, bytes] = {}
    for row, (place, leaf) in zip(ROWS, LEAVES.items(), strict=True):
        salt, line = bytes.fromhex(row["salt"]), place.rpartition("/")[0]
        own = sha256(b"\x01" + salt + row["hashed"].encode()).digest()
        assert own.hex() == row["event_hash"]
        chains[line] = sha256(b"\x02" + chains.get(line, bytes(32)) + own).digest()
        assert chains[line].hex() == row["chain_hash"]
        assert sha256(b"\x03" + salt + place.encode() + own).digest() == leaf
        columns = json.loads(row["hashed"])
        assert json.dumps(columns, sort_keys=True, separators=(",", ":"), ensure_ascii=False) == row["hashed"]
        assert set(columns) == set(re.findall(r"`(\w+)`", GUIDE.partition("| --- | --- |")[2].partition("\n\n")[0])) - {"null", "history"}


def test_its_rows_are_those_of_a_bundle_and_of_the_audit() -> None:
    chain = bytes(32).hex()
    for line, (place, leaf) in zip(_ROWS.splitlines(), LEAVES.items(), strict=True):
        record = read_record(line.encode())
        service = place.partition("/")[0]
        assert row_of(service, record) == line.encode() and record.place(service) == place
        assert (event_hash(record), leaf_of(place, record)) == (record.event_hash, leaf)
        if service == "inventory":
            assert chain_hash(chain, record.event_hash) == (chain := record.chain_hash)


def test_its_tree_its_proof_and_its_checkpoint_hold() -> None:
    first, second, third, inner, root = TREE
    assert [first, second, third] == [hash_leaf(leaf) for leaf in LEAVES.values()]
    assert (hash_node(first, second), hash_node(inner, third)) == (inner, root) and root_of(iter(TREE[:3])) == root
    assert verify_inclusion(first, 0, 3, [second, third], root)
    key = parse_verifier_key(KEY.strip())
    checkpoint = open_checkpoint(NOTE, [key])
    assert (checkpoint.head.size, checkpoint.head.root) == (3, root)
    name, key_id, encoded = KEY.strip().split("+", 2)
    assert sha256(name.encode() + b"\n" + base64.b64decode(encoded)).hexdigest()[:8] == key_id


def test_its_approval_is_signed() -> None:
    signature, public_key = SIGNED.split()
    _, origin, purpose, document, subject, key, authority = STATEMENT.splitlines()
    Ed25519PublicKey.from_public_bytes(bytes.fromhex(public_key)).verify(bytes.fromhex(signature), STATEMENT.encode())
    approval = Approval(subject=subject, key=key, signature=signature, approved_on=None, origin=origin, authority=authority)  # type: ignore[arg-type]
    assert signed(approval, purpose, document, public_key)
