"""The log's own stream, and its key."""

from pathlib import Path

import pytest

from services.ledger.domain.log import DECIDER, RecordCheckpoint, SignedLog
from services.ledger.events import CheckpointSigned
from services.ledger.keys import open_key, seed_key
from services.ledger.signers import KeyUnsafe, create_key_file
from shared.proofs.signed_note import parse_verifier_key
from tests.stories.given import Given


def checkpoint(size: int) -> RecordCheckpoint:
    return RecordCheckpoint(size=size, root="ab" * 32, note="a note", covers={"inventory/0": size})


def test_a_larger_checkpoint_is_recorded_with_what_it_covers():
    signed = CheckpointSigned(size=8, root="ab" * 32, note="a note", covers={"inventory/0": 8})
    assert Given(DECIDER, checkpoint(7)).when(checkpoint(8)).then(signed).state == SignedLog(size=8)


@pytest.mark.parametrize("size", [0, 6, 7])
def test_a_checkpoint_that_is_not_larger_changes_nothing(size: int):
    Given(DECIDER, checkpoint(7)).when(checkpoint(size)).then()


def test_a_deployment_has_one_key_however_often_it_is_started(tmp_path: Path):
    first = seed_key(tmp_path)
    assert seed_key(tmp_path) == first
    key, signer = open_key(tmp_path)
    assert (str(key), key.public_key) == (first, signer.public_key)
    assert (tmp_path / "keys" / "ledger.pem").stat().st_mode & 0o777 == 0o600


def test_two_deployments_never_share_an_origin(tmp_path: Path):
    assert len({parse_verifier_key(seed_key(tmp_path / name)).name for name in ("one", "two")}) == 2


def test_a_lost_key_is_not_replaced_in_silence(tmp_path: Path):
    seed_key(tmp_path)
    (tmp_path / "keys" / "ledger.pem").unlink()
    with pytest.raises(KeyUnsafe, match="is gone"):
        seed_key(tmp_path)


def test_another_key_in_its_place_is_refused(tmp_path: Path):
    seed_key(tmp_path)
    pem = tmp_path / "keys" / "ledger.pem"
    pem.unlink()
    create_key_file(pem)
    with pytest.raises(KeyUnsafe, match="is not the key of"):
        seed_key(tmp_path)
