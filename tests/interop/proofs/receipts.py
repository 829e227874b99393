"""Receipts that witnesses vouch for, in `sound/`, and others in `tampered/`; and two policies: `policy` names the log by its Ed25519 key,
`policy-ml-dsa-44` by its second one."""

from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey

from services.ledger.keys import open_key, open_publishing_key, seed_key
from services.ledger.receipt import Opening, make_receipt
from services.ledger.tile_writer import TileWriter
from services.ledger.tiles import TileStore
from shared.journal.record import event_hash
from shared.proofs.checkpoint import Checkpoint, sign_checkpoint
from shared.proofs.cosignature import Cosigner
from shared.proofs.encoding import encode_base64
from shared.proofs.merkle import inclusion_proof
from shared.proofs.policy import open_witnessed, parse_policy
from shared.proofs.signed_note import Note, parse_note

SIZE, TAKEN = 700, (0, 1, 2, 127, 255, 256, 511, 512, 698, 699)
TIME = 1_790_000_000


def opened(number: int) -> Opening:
    event = f'{{"data":{{"mass_g":{number}}},"position":{number + 1},"shard":0,"type":"inventory.stock_drawn.v1"}}'.encode()
    salt = number.to_bytes(16)
    return Opening(f"inventory/0/{number + 1}", salt, event_hash(salt, event), event)


def write_receipts(folder: Path) -> None:
    seed_key(folder)
    key, signer = open_key(folder)
    second = open_publishing_key(folder)
    tokyo, geneva, nobody = (
        Cosigner("witness.example/tokyo", Ed25519PrivateKey.generate()),
        Cosigner("witness.example/geneva", MLDSA44PrivateKey.generate()),
        Cosigner("witness.example/nobody", MLDSA44PrivateKey.generate()),
    )
    witnesses = f"witness tokyo {tokyo.key}\nwitness geneva {geneva.key}\ngroup both all tokyo geneva\nquorum both\n"
    (folder / "policy").write_text(f"log {key}\n{witnesses}")
    (folder / "policy-ml-dsa-44").write_text(f"log {second.key}\n{witnesses}")

    store = TileStore(folder / "tiles")
    openings = [opened(number) for number in range(SIZE)]
    checkpoint = Checkpoint(key.name, TileWriter(store).append([opening.leaf for opening in openings]))
    signed = parse_note(sign_checkpoint(checkpoint, signer))

    def receipt(number: int, *cosigners: Cosigner) -> str:
        lines = (*signed.signatures, second.cosign(checkpoint, TIME), *(each.cosign(checkpoint, TIME) for each in cosigners))
        proof = inclusion_proof(store.node_reader(SIZE), number, SIZE)
        return make_receipt(openings[number], number, proof, str(Note(signed.text, lines)))

    for policy in ("policy", "policy-ml-dsa-44"):  # what Torchwood is to find, we find
        assert open_witnessed(receipt(0, tokyo, geneva).partition("\n\n")[2], parse_policy((folder / policy).read_text()))

    for name in ("sound", "tampered"):
        (folder / name).mkdir()
    for number in TAKEN:
        (folder / "sound" / f"{number}.receipt").write_text(receipt(number, tokyo, geneva))
    whole = receipt(300, tokyo, geneva)
    hashes = whole.split("\n\n")[0].splitlines()[3:]
    tampered = {
        "by_one_witness": receipt(300, tokyo),
        "by_a_stranger": receipt(300, tokyo, nobody),
        "another_index": whole.replace("index 300\n", "index 301\n"),
        "beyond_the_log": whole.replace("index 300\n", f"index {SIZE}\n"),
        "another_proof_hash": whole.replace(hashes[0], encode_base64(bytes(32))),
        "a_proof_hash_less": whole.replace(hashes[-1] + "\n", ""),
        "another_root": whole.replace(signed.text.splitlines()[2], encode_base64(bytes(32))),
        "another_size": whole.replace(f"\n{SIZE}\n", f"\n{SIZE + 1}\n"),
        "another_origin": whole.replace(f"\n{key.name}\n", "\nanother.example/log\n"),
        "another_leaf": whole.replace(whole.splitlines()[1], receipt(301, tokyo, geneva).splitlines()[1]),
    }
    for name, text in tampered.items():
        assert text != whole, f"{name} is the whole one"
        (folder / "tampered" / f"{name}.receipt").write_text(text)
