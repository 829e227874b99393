"""Logs and witnesses, ours with other people's, over HTTP.

A real ledger whose witness is Torchwood's litewitness: Torchwood verifies the receipt, Tessera's fsck what the ledger serves. And
`reserve witness` for a log of Tessera's. Each witness then refuses what was tampered with, and a fork.
"""

import base64
from collections.abc import Mapping
from contextlib import AsyncExitStack
from pathlib import Path

import httpx
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from msgspec.structs import replace

from reserve.witness.keys import make_keys
from services.ledger.keys import open_key
from services.ledger.signers import FileSigner, create_key_file, read_key_file
from shared.proofs.checkpoint import Checkpoint, TreeHead, open_checkpoint, sign_checkpoint
from shared.proofs.cosignature import ED25519, Cosigner, CosignerKey, parse_cosigner_key
from shared.proofs.encoding import encode_base64
from shared.proofs.merkle import hash_leaf, root_of
from shared.proofs.signed_note import Note, Signature, VerifierKey, parse_note, verifier_key
from shared.proofs.submission import Submission, origin_hash
from tests.contract.ledger_stage import LedgerStage
from tests.interop.proofs.programs import Proofs, litewitness
from tests.stories.stockpile import lot, register
from tests.stories.witnesses import witness_on
from tests.waiting import until


async def refuses(url: str, note: str, key: VerifierKey, signer: FileSigner, folder: Path) -> None:
    """The witness holds the checkpoint of this note, its last of the log, and takes no other that does not go on from it."""
    size = open_checkpoint(note, [key]).head.size
    leaves = [hash_leaf(b"of another history") for _ in range(size + 1)]
    stranger = create_key_file(folder / "stranger.pem")

    def signed(size: int, root: bytes, origin: str = key.name, by: FileSigner = signer) -> str:
        return sign_checkpoint(Checkpoint(origin, TreeHead(size, root)), by)

    other, other_grown = signed(size, root_of(leaves[:size])), signed(size + 1, root_of(leaves))
    tampered: Mapping[str, tuple[object, int]] = {
        "another history of the same size": (Submission(size, (), other), 422),
        "a larger one without a proof": (Submission(size, (), other_grown), 422),
        "a larger one with a proof of nothing": (Submission(size, (bytes(32), bytes(32)), other_grown), 422),
        "from another size than it holds": (Submission(size - 1, (), note), 409),
        "from a size above the checkpoint's": (Submission(size + 1, (), note), 400),
        "a smaller one": (Submission(size, (), signed(1, leaves[0])), 400),
        "another log": (Submission(0, (), signed(1, leaves[0], origin="another.example/log", by=stranger)), 404),
        "another key": (Submission(size, (), signed(size, leaves[0], by=stranger)), 403),
        "another size under the signature": (Submission(size, (), note.replace(f"\n{size}\n", f"\n{size + 1}\n")), 403),
        "no signature": (Submission(size, (), note.partition("\n\n")[0] + "\n\n"), 400),
        "no checkpoint": (Submission(size, (), ""), 400),
        "no old size": (f"old\n\n{note}", 400),
    }
    async with httpx.AsyncClient() as http:
        for name, (body, expected) in tampered.items():
            answer = await http.post(f"{url}/add-checkpoint", content=str(body))
            assert answer.status_code == expected, f"{name}: {answer.status_code} {answer.text}"
        again = await http.post(f"{url}/add-checkpoint", content=str(Submission(size, (), note)))
        assert again.status_code == 200, f"what it holds: {again.status_code} {again.text}"
    print(f"{len(tampered)} submissions: the witness cosigns none of them, as it should be")


def tampered_with(published: str, log: VerifierKey, witness: CosignerKey) -> dict[str, str]:
    """Of a checkpoint that its log has signed and this witness has cosigned: no one of them meets the policy that asks for this witness."""
    note, checkpoint = parse_note(published), open_checkpoint(published, [log])
    of_log = tuple(line for line in note.signatures if line.key_id != witness.key_id)
    (cosigned,) = (line for line in note.signatures if line.key_id == witness.key_id)
    stranger = Cosigner(witness.name, Ed25519PrivateKey.generate()).cosign(checkpoint, 1_790_000_000)

    def by(line: Signature) -> str:
        return str(Note(note.text, (*of_log, line)))

    def saying(signature: bytes) -> str:
        return by(replace(cosigned, signature=signature))

    time, signature = cosigned.signature[:8], cosigned.signature[8:]
    return {
        "without_the_witness": str(Note(note.text, of_log)),
        "without_the_log": str(Note(note.text, (cosigned,))),
        "another_size": published.replace(f"\n{checkpoint.head.size}\n", f"\n{checkpoint.head.size + 1}\n", 1),
        "another_root": published.replace(encode_base64(checkpoint.head.root), encode_base64(bytes(32))),
        "another_origin": published.replace(f"{log.name}\n", "another.example/log\n", 1),
        "a_line_more": str(Note(f"{note.text}more\n", note.signatures)),
        "at_another_time": saying((int.from_bytes(time) + 1).to_bytes(8) + signature),
        "by_another_witness": by(stranger),
        "by_another_under_its_key_id": by(replace(stranger, key_id=cosigned.key_id)),
        "a_cosignature_cut_short": saying(time + signature[:-1]),
    }


async def rejected(proofs: Proofs, policy: Path, tampered: Mapping[str, str], folder: Path) -> None:
    (folder / "tampered").mkdir()
    for name, text in tampered.items():
        (folder / "tampered" / name).write_text(text)
    await proofs("published", "-rejects", policy, *(folder / "tampered" / name for name in tampered))


async def our_log(proofs: Proofs, program: str, stage: LedgerStage, folder: Path) -> None:
    """Before their witness."""
    async with AsyncExitStack() as stack:
        fingerprint, public = await stack.enter_async_context(proofs.agent(folder / "agent"))
        key = CosignerKey("witness.example/lite", ED25519, public)
        url = await stack.enter_async_context(litewitness(program, folder / "agent", fingerprint, key.name, stage.key, folder))
        policy = folder / "policy"
        policy.write_text(f"log {stage.key}\nwitness lite {key} {url}\nquorum lite\n")
        (stage.folder / "keys" / "witnesses.policy").write_text(policy.read_text())
        (folder / "key").write_text(str(stage.key))
        async with stage.ledger(), stage.client("auditor-1") as auditor:
            await stage.happen(register())
            for number in range(3):  # so that its checkpoints have to be shown to go on
                places = await stage.happen(*(lot(f"lot_interop_{number}_{each}", 1) for each in range(100)))

                async def witnessed(place: str = places[-1]) -> str:
                    answer = await auditor.get(f"/v1/receipts/{place}", params={"grade": "witnessed", "wait": 10})
                    assert answer.status_code == 200 or "receipt_not_ready" in answer.text, answer.text
                    return answer.text if answer.status_code == 200 else ""

                (folder / f"{number}.receipt").write_text(await until(witnessed))
            await proofs("receipts", policy, *(folder / f"{number}.receipt" for number in range(3)))
            for grade in ("signed", "witnessed"):
                (folder / grade).write_text((await auditor.get("/v1/checkpoint", params={"grade": grade})).text)
            await proofs("checkpoints", folder / "key", folder / "signed", folder / "witnessed")
            await proofs("published", policy, folder / "witnessed")
            published = (folder / "witnessed").read_text()
            older = parse_note((folder / "0.receipt").read_text().partition("\n\n")[2])
            cosigned_when_smaller = tuple(line for line in older.signatures if line.key_id == key.key_id)
            of_log = tuple(line for line in parse_note(published).signatures if line.key_id != key.key_id)
            smaller = {"cosigned_when_it_was_smaller": str(Note(parse_note(published).text, (*of_log, *cosigned_when_smaller)))}
            await rejected(proofs, policy, tampered_with(published, stage.key, key) | smaller, folder)
            await proofs("logs", folder / "key", f"{stage.urls['ledger']}/v1/")
        await refuses(url, (folder / "witnessed").read_text(), stage.key, open_key(stage.folder)[1], folder)


async def their_log(proofs: Proofs, folder: Path) -> None:
    """Before our witness."""
    signer = create_key_file(folder / "tessera.pem")
    private = read_key_file(folder / "tessera.pem")
    assert isinstance(private, Ed25519PrivateKey)
    key = verifier_key("tessera.example/log", signer)
    seed = base64.b64encode(b"\x01" + private.private_bytes_raw()).decode()
    (folder / "tessera.key").write_text(f"PRIVATE+KEY+{key.name}+{key.key_id.hex()}+{seed}")
    ed25519, ml_dsa = make_keys(folder / "witness", "witness.example/ours")
    async with witness_on(folder / "witness", str(key)) as http:
        policy, both = folder / "their-policy", folder / "both"
        policy.write_text(f"log {key}\nwitness ours {ed25519} {http.base_url}\nquorum ours\n")
        both.write_text(f"log {key}\nwitness a {ed25519}\nwitness b {ml_dsa}\ngroup both all a b\nquorum both\n")
        await proofs("theirs", folder / "tessera.key", policy, folder / "tessera")
        kept = (await http.get(f"/{origin_hash(key.name)}/checkpoint")).text
        (folder / "kept").write_text(kept)
        await proofs("published", both, folder / "kept")
        await rejected(proofs, policy, tampered_with(kept, key, parse_cosigner_key(ed25519)), folder)
        await proofs("theirs", "-rejects", folder / "tessera.key", policy, folder / "fork")
        assert (await http.get(f"/{origin_hash(key.name)}/checkpoint")).text == kept
        await refuses(str(http.base_url).rstrip("/"), kept, key, signer, folder)
