"""A log with tiles of three levels in `logs/sound`, and others in `logs/tampered`; checkpoints of it below `checkpoints/` likewise; its
verifier key in `key`."""

import os
import shutil
from collections.abc import Callable, Mapping
from hashlib import sha256
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey

from services.ledger.signers import FileSigner, create_key_file
from services.ledger.tile_writer import TileWriter
from services.ledger.tiles import TILE_WIDTH, Tile, TileStore, decode_bundle, encode_bundle, tile_at
from shared.proofs.checkpoint import Checkpoint, TreeHead, sign_checkpoint
from shared.proofs.cosignature import Cosigner
from shared.proofs.encoding import encode_base64
from shared.proofs.merkle import HASH_BYTES, root_at
from shared.proofs.signed_note import Note, parse_note, verifier_key

ORIGIN = "log.example/reserve/interop"
SIZE = TILE_WIDTH**2 + 500  # a tile of level 2, a full and a partial one of level 1


def write_logs(folder: Path) -> None:
    signer, stranger = (create_key_file(folder / f"{name}.pem") for name in ("log", "stranger"))
    (folder / "key").write_text(str(verifier_key(ORIGIN, signer)))
    sound = folder / "logs" / "sound" / "log"
    store = TileStore(sound)
    head = TileWriter(store).append([sha256(number.to_bytes(8)).digest() for number in range(SIZE)])
    checkpoint = Checkpoint(ORIGIN, head)
    (sound / "checkpoint").write_text(sign_checkpoint(checkpoint, signer))
    smaller = TreeHead(SIZE - 1, root_at(store.node_reader(SIZE - 1), SIZE - 1))
    write_checkpoints(folder / "checkpoints", checkpoint, signer, stranger)

    def tile(level: int, index: int, change: Callable[[bytes], bytes | None]) -> tuple[str, bytes | None]:
        named = tile_at(SIZE, level, index)
        return named.path, change(store.require(named))

    def entries(index: int, change: Callable[[list[bytes]], list[bytes] | None]) -> tuple[str, bytes | None]:
        named = Tile("entries", index)
        changed = change(decode_bundle(store.require(named)))
        return named.path, None if changed is None else encode_bundle(changed)

    def signed(*, by: FileSigner = signer, **changed: object) -> tuple[str, bytes]:
        values = {"origin": ORIGIN, "head": head} | changed
        return "checkpoint", sign_checkpoint(Checkpoint(**values), by).encode()

    tampered = {
        "a_byte_of_level_0": tile(0, 100, flipped),
        "a_byte_of_the_last_tile": tile(0, SIZE // TILE_WIDTH, flipped),
        "a_byte_of_level_1": tile(1, 0, flipped),
        "a_byte_of_level_2": tile(2, 0, flipped),
        "a_tile_cut_short": tile(0, 7, lambda data: data[:-HASH_BYTES]),
        "a_tile_that_is_missing": tile(1, 0, lambda _: None),
        "another_entry": entries(3, lambda rows: [*rows[:9], flipped(rows[9]), *rows[10:]]),
        "two_entries_in_another_order": entries(3, lambda rows: [rows[1], rows[0], *rows[2:]]),
        "an_entry_less": entries(200, lambda rows: rows[:-1]),
        "entries_that_are_missing": entries(200, lambda _: None),
        "another_root": signed(head=TreeHead(SIZE, bytes(HASH_BYTES))),
        "the_root_of_another_size": signed(head=TreeHead(SIZE, smaller.root)),
        "another_size": signed(head=TreeHead(SIZE + 1, head.root)),
        "another_origin": signed(origin="another.example/log"),
        "another_key": signed(by=stranger),
    }
    for name, (path, data) in tampered.items():
        write_tampered(sound, folder / "logs" / "tampered" / name, {path: data})


def flipped(data: bytes) -> bytes:
    return bytes([data[0] ^ 1]) + data[1:]


def write_tampered(sound: Path, folder: Path, changes: Mapping[str, bytes | None]) -> None:
    """The sound log with other bytes in these files, or without them. The rest are the same files."""
    shutil.copytree(sound, folder, copy_function=os.link)
    for path, data in changes.items():
        assert data != (folder / path).read_bytes(), f"{folder.name} is the sound one"
        (folder / path).unlink()
        if data is not None:
            (folder / path).write_bytes(data)


def write_checkpoints(folder: Path, checkpoint: Checkpoint, signer: FileSigner, stranger: FileSigner) -> None:
    for name in ("sound", "tampered"):
        (folder / name).mkdir(parents=True)
    signed = sign_checkpoint(checkpoint, signer)
    strangers = [Cosigner(f"witness.example/{number}", MLDSA44PrivateKey.generate()) for number in range(16)]
    unknown = tuple(each.cosign(checkpoint, 1_790_000_000) for each in strangers)
    published = str(Note(checkpoint.text, (*parse_note(signed).signatures, *unknown)))
    (folder / "sound" / "signed").write_text(signed)
    (folder / "sound" / "published").write_text(published)
    text, signature = signed.split("\n\n")
    encoded = signature.split()[2]
    tampered = {
        "another_size": signed.replace(f"\n{checkpoint.head.size}\n", f"\n{checkpoint.head.size + 1}\n"),
        "another_root": signed.replace(encode_base64(checkpoint.head.root), encode_base64(bytes(HASH_BYTES))),
        "another_origin": signed.replace(f"{ORIGIN}\n", f"{ORIGIN}/2\n", 1),
        "another_log_of_the_same_key": sign_checkpoint(Checkpoint(f"{ORIGIN}/2", checkpoint.head), signer),
        "another_key": sign_checkpoint(checkpoint, stranger),
        "a_line_more": f"{text}\nmore\n\n{signature}",
        "a_line_less": signed.replace(f"{encode_base64(checkpoint.head.root)}\n", ""),
        "no_signature": f"{text}\n\n",
        "no_empty_line": f"{text}\n{signature}",
        "another_signature": signed.replace(encoded[-8:-2], "AAAAAA"),
        "a_signature_cut_short": signed.replace(encoded, encoded[:-4]),
        "only_strangers": str(Note(checkpoint.text, unknown)),
    }
    for name, changed in tampered.items():
        assert changed != signed, f"{name} is the sound one"
        (folder / "tampered" / name).write_text(changed)
