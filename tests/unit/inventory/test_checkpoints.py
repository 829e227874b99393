"""Dispatch rests on checkpoints: those that the pinned key signed and, where witnesses are needed, those that the pinned ones cosigned."""

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from services.inventory.projections.dispatch import Pinned
from services.inventory.reactions import check_checkpoint
from services.ledger.events import CheckpointSigned
from services.ledger.signers import create_key_file
from shared.proofs.checkpoint import Checkpoint, TreeHead, sign_checkpoint
from shared.proofs.cosignature import Cosigner
from shared.proofs.policy import parse_policy
from shared.proofs.signed_note import Note, NoteUnverified, verifier_key
from tests.stories.stockpile_facts import fact

ORIGIN, ROOT = "reserve.example/log", bytes(32)
CHECKPOINT = Checkpoint(ORIGIN, TreeHead(10, ROOT))
TOKYO, NOBODY = (Cosigner(f"witness.example/{name}", Ed25519PrivateKey.generate()) for name in ("tokyo", "nobody"))


@pytest.fixture
def signer(tmp_path):
    return create_key_file(tmp_path / "log.pem")


def policy_of(signer):
    return parse_policy(f"log {verifier_key(ORIGIN, signer)}\nwitness tokyo {TOKYO.key}\nquorum tokyo\n")


def witnessed(signer, *witnesses: Cosigner) -> str:
    lines = Note("", tuple(each.cosign(CHECKPOINT, 1_790_000_000) for each in witnesses)).signature_lines
    return sign_checkpoint(CHECKPOINT, signer) + lines


def test_what_the_pinned_key_signed_and_the_pinned_witnesses_cosigned_counts(signer):
    pinned = Pinned((verifier_key(ORIGIN, signer),), policy_of(signer))
    signed = CheckpointSigned(size=10, root=ROOT.hex(), note=sign_checkpoint(CHECKPOINT, signer), covers={})
    assert check_checkpoint(lambda: pinned, fact(signed, 1, "ledger"), {}) == ()
    assert pinned.vouches(witnessed(signer, TOKYO), CHECKPOINT.head)


def test_what_the_pinned_key_did_not_sign_stops_the_line(signer, tmp_path):
    pinned = Pinned((verifier_key(ORIGIN, create_key_file(tmp_path / "another.pem")),))
    signed = CheckpointSigned(size=10, root=ROOT.hex(), note=sign_checkpoint(CHECKPOINT, signer), covers={})
    with pytest.raises(NoteUnverified):
        check_checkpoint(lambda: pinned, fact(signed, 1, "ledger"), {})


def test_what_others_cosigned_or_nobody_is_not_witnessed_here(signer):
    pinned = Pinned((verifier_key(ORIGIN, signer),), policy_of(signer))
    assert not pinned.vouches(witnessed(signer), CHECKPOINT.head)
    assert not pinned.vouches(witnessed(signer, NOBODY), CHECKPOINT.head)
    assert not pinned.vouches(witnessed(signer, TOKYO), TreeHead(11, ROOT))
    assert not pinned.vouches("no note", CHECKPOINT.head)


def test_who_pins_no_witness_takes_nobodys_word_that_it_is_witnessed(signer):
    assert not Pinned((verifier_key(ORIGIN, signer),)).vouches(witnessed(signer, TOKYO), CHECKPOINT.head)
